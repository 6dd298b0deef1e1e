#include "event_sink.h"
#include "cubelet/api_call.h"
#include "cubelet/chance.h"
#include "cubelet/clock.h"
#include "cubelet/event_object.h"
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include <czmq.h>

#define QUEUE_MAX 1000
#define TRIES_MAX 12
#define RETRY_MS 10000

typedef struct {
    char *bytes; // the Event, packed
    size_t size;
    uint64_t identity;
    bool is_again;
    int tries; // that got no answer
} item_t;

struct event_sink {
    actor_t *actor;
    token_rate_t rate;
    token_bucket_t bucket;
    zlistx_t *queue; // item_t; the first one is being sent
    bool is_sending;
    bool is_full; // said once
    uint64_t timer;
};

static void send_next (event_sink_t *self);

// ---- the queue ----

static void
item_destroy (void **self_p)
{
    item_t *self = *self_p;
    free (self->bytes);
    free (self);
    *self_p = NULL;
}

event_sink_t *
event_sink_new (actor_t *actor, token_rate_t rate)
{
    event_sink_t *self = memory_new (1, sizeof *self);
    self->actor = actor;
    self->rate = rate;
    self->queue = zlistx_new();
    zlistx_set_destructor (self->queue, item_destroy);
    return self;
}

void
event_sink_destroy (event_sink_t **self_p)
{
    event_sink_t *self = *self_p;
    if (!self)
        return;
    actor_timer_cancel (self->actor, &self->timer);
    zlistx_destroy (&self->queue);
    free (self);
    *self_p = NULL;
}

node_t
event_sink_leave (event_sink_t *self, tree_t *tree)
{
    node_t left = node_array();
    for (const item_t *item = zlistx_first (self->queue); item; item = zlistx_next (self->queue)) {
        node_t row = node_map();
        node_set (tree, &row, "event", node_bytes (tree, item->bytes, item->size));
        node_set_int (tree, &row, "identity", (int64_t) item->identity);
        node_set_bool (tree, &row, "is_again", item->is_again);
        node_append (tree, &left, row);
    }
    return left;
}

void
event_sink_inherit (event_sink_t *self, const node_t *left)
{
    NODE_EACH (left, row)
    {
        size_t size;
        fault_t fault = { 0 };
        const char *bytes = node_as_bytes (node_get (row, "event"), &size);
        OWNED (tree_destroy) tree_t *event = tree_unpack (bytes, size, &fault);
        if (event)
            event_sink_add (self, tree_root (event), (uint64_t) node_get_int (row, "identity", 0),
                            node_get_bool (row, "is_again", false));
    }
}

/* The one that waits with that identity; not the first, while that is on its way. */
static item_t *
find_waiting (event_sink_t *self, uint64_t identity)
{
    item_t *first = self->is_sending ? zlistx_head (self->queue) : NULL;
    for (item_t *item = zlistx_first (self->queue); item; item = zlistx_next (self->queue))
        if (item != first && item->identity == identity)
            return item;
    return NULL;
}

void
event_sink_add (event_sink_t *self, const node_t *event, uint64_t identity, bool is_again)
{
    item_t *item = find_waiting (self, identity);
    if (item)
        free (item->bytes); // what it stood for is part of the newer one
    else if (zlistx_size (self->queue) >= QUEUE_MAX) {
        if (!self->is_full)
            LOG_WARNING ("Events are dropped, too many wait for the API server waiting=%d",
                         QUEUE_MAX);
        self->is_full = true;
        return;
    }
    else {
        item = memory_new (1, sizeof *item);
        item->identity = identity;
        item->is_again = is_again;
        zlistx_add_end (self->queue, item);
    }
    item->bytes = node_pack (event, &item->size);
    send_next (self);
}

// ---- sending ----

static void
on_timer (void *state, void *context)
{
    (void) state;
    event_sink_t *self = context;
    self->timer = 0;
    send_next (self);
}

static void
pause_for (event_sink_t *self, int64_t delay_ms)
{
    self->timer = actor_timer (self->actor, delay_ms, on_timer, self);
}

static void
drop_first (event_sink_t *self)
{
    self->is_full = false;
    zlistx_first (self->queue);
    zlistx_delete (self->queue, zlistx_cursor (self->queue));
}

/* Nobody answered: again after a while, at first after a random part of it. */
static void
try_again (event_sink_t *self, item_t *item, const fault_t *fault)
{
    if (++item->tries >= TRIES_MAX) {
        LOG_ERROR ("Unable to write event (retry limit exceeded!) err=%s", fault->text);
        drop_first (self);
        send_next (self);
        return;
    }
    if (item->tries == 1)
        LOG_WARNING ("Unable to write event (may retry after sleeping) err=%s", fault->text);
    pause_for (self, item->tries == 1 ? (int64_t) (chance() * RETRY_MS) : RETRY_MS);
}

static void
on_sent (void *state, const message_t *reply, const fault_t *came, void *context)
{
    (void) state;
    event_sink_t *self = *(event_sink_t **) context;
    item_t *item = zlistx_head (self->queue);
    fault_t fault = { 0 };
    self->is_sending = false;
    bool is_taken = api_reply_check (reply, came, &fault) != NULL;
    if (!is_taken && api_fault_is_passing (&fault)) {
        try_again (self, item, &fault);
        return;
    }
    if (!is_taken && fault.code == FAULT_NOT_FOUND && item->is_again)
        item->is_again = false; // the event is gone: as a new one
    else {
        if (!is_taken && fault.code != FAULT_ALREADY_EXISTS)
            LOG_ERROR ("Server rejected event (will not retry!) err=%s", fault.text);
        drop_first (self);
    }
    send_next (self);
}

static void
send_item (event_sink_t *self, const item_t *item)
{
    fault_t fault = { 0 };
    OWNED (tree_destroy) tree_t *tree = tree_unpack (item->bytes, item->size, &fault);
    const node_t *event = tree_root (tree);
    const node_t *metadata = node_get (event, "metadata");
    const char *name = node_get_text (metadata, "name", "");
    OWNED (free_text)
    char *path = api_path ("/api/v1", node_get_text (metadata, "namespace", "default"), "events",
                           item->is_again ? name : NULL, NULL);
    api_call_t call = { .method = "POST", .path = path, .body = event };
    node_t patch;
    if (item->is_again) {
        patch = event_patch (tree, event);
        call = (api_call_t){
            .method = "PATCH", .path = path, .body = &patch, .content_type = API_STRATEGIC_PATCH
        };
    }
    api_call (self->actor, &call, on_sent, &self, sizeof self);
}

static void
send_next (event_sink_t *self)
{
    item_t *item = zlistx_head (self->queue);
    if (!item || self->is_sending || self->timer)
        return;
    int64_t now_ns = clock_monotonic_ms() * NS_PER_MS;
    if (!token_bucket_take (&self->bucket, &self->rate, now_ns)) {
        pause_for (self, (int64_t) (1000 / self->rate.per_s) + 1);
        return;
    }
    self->is_sending = true;
    send_item (self, item);
}

void
event_sink_wake (event_sink_t *self)
{
    actor_timer_cancel (self->actor, &self->timer);
    send_next (self);
}
