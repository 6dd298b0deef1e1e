/* The API objects a pod uses, and the tokens of its service account: asking for them, and what is
   known. Nothing of the pod starts before all of them are known (found or not). */
#include "cubelet/memory.h"
#include "cubelet/pod_objects.h"
#include "worker.h"
#include <string.h>

/* How long an unanswered OBJECT_WATCH is taken for lost. */
#define WATCH_AGAIN_MS 10000
/* token-manager asks the API server, which has a deadline of its own. */
#define TOKEN_DEADLINE_MS 60000
/* Expiration of a projected token that says none; the API's default. */
#define TOKEN_SECONDS 3600

// ---- objects ----

static void
send_watch (worker_t *self)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t body = node_map();
    node_set_text (tree, &body, "uid", self->pod.metadata.uid);
    node_set (tree, &body, "refs", node_copy (tree, tree_root (self->refs)));
    actor_send (self->actor, self->object_source, MSG_OBJECT_WATCH, &body);
}

static void
watch_again (void *state, void *context)
{
    (void) context;
    worker_t *self = state;
    self->watch_timer = 0;
    if (!objects_ready (self))
        objects_watch (self);
}

void
objects_watch (worker_t *self)
{
    if (!*self->object_source || !self->refs || !node_count (tree_root (self->refs)))
        return;
    send_watch (self);
    actor_timer_cancel (self->actor, &self->watch_timer);
    self->watch_timer = actor_timer (self->actor, WATCH_AGAIN_MS, watch_again, NULL);
}

void
objects_take_pod (worker_t *self)
{
    OWNED (tree_destroy) tree_t *refs = tree_new();
    *tree_root (refs) = pod_object_refs (&self->pod, refs);
    bool is_same = self->refs ? node_equal (tree_root (self->refs), tree_root (refs))
                              : node_count (tree_root (refs)) == 0;
    if (is_same)
        return;
    tree_destroy (&self->refs);
    self->refs = STEAL (refs);
    if (node_count (tree_root (self->refs)))
        objects_watch (self);
    else if (*self->object_source)
        send_watch (self); // none any more
}

void
objects_release (worker_t *self)
{
    actor_timer_cancel (self->actor, &self->watch_timer);
    if (!self->refs || !node_count (tree_root (self->refs)) || !*self->object_source)
        return;
    *tree_root (self->refs) = node_array();
    send_watch (self);
}

bool
objects_ready (const worker_t *self)
{
    // without a source there is nothing to wait for: what is needed is then missing
    return !*self->object_source || !self->refs
           || objects_are_known (tree_root (self->objects), tree_root (self->refs));
}

int
on_object_state (void *state, const message_t *message, fault_t *fault)
{
    (void) fault;
    worker_t *self = state;
    const node_t *objects = node_get (message->body, "objects");
    if (self->objects && node_equal (tree_root (self->objects), objects))
        return 0;
    tree_destroy (&self->objects);
    self->objects = tree_copy (objects);
    self->volume_retry_at = 0; // what was missing may be there now
    volumes_changed (self);
    worker_step (self);
    return 0;
}

pod_facts_t
pod_facts_of (const worker_t *self, fault_t *fault)
{
    pod_facts_t facts = { .userns_host_id = self->userns_host_id };
    const char *class = self->pod.spec.runtime_class_name;
    fault_t missing = { 0 };
    if (class && *class) {
        const node_t *object =
            object_find (tree_root (self->objects), KIND_RUNTIME_CLASS, "", class, &missing);
        facts.runtime_handler = node_get_text (object, "handler", "");
        if (!object && fault)
            *fault = missing;
    }
    return facts;
}

// ---- tokens ----

/* Which of self->tokens a reply is about. */
typedef struct {
    size_t index;
    uint64_t round; // answers to earlier rounds do not count
} token_call_t;

/* Appends {audience expiration_seconds} of every projected token, each once. */
static void
list_tokens (const worker_t *self, tree_t *tree, node_t *list)
{
    for (size_t i = 0; i < self->pod.spec.volumes.count; i++)
        NODE_EACH (node_at (self->pod.spec.volumes.items[i].node, "projected", "sources", NULL),
                   source)
        {
            const node_t *wanted = node_get (source, "serviceAccountToken");
            if (!wanted)
                continue;
            node_t row = node_map();
            bool is_known = false;
            node_set_text (tree, &row, "audience", node_get_text (wanted, "audience", ""));
            node_set_int (tree, &row, "expiration_seconds",
                          node_get_int (wanted, "expirationSeconds", TOKEN_SECONDS));
            NODE_EACH (list, known)
            is_known |= node_equal (known, &row);
            if (!is_known)
                node_append (tree, list, row);
        }
}

static void
on_token (void *state, const message_t *reply, const fault_t *fault, void *context)
{
    worker_t *self = state;
    const token_call_t *call = context;
    if (call->round != self->token_round)
        return;
    node_t *row = &tree_root (self->tokens)->via.array.ptr[call->index];
    if (fault)
        node_set_text (self->tokens, row, "error", fault->text);
    else
        node_set_text (self->tokens, row, "token", node_get_text (reply->body, "token", ""));
    if (--self->tokens_asked == 0) {
        self->token = WORK_DONE;
        worker_step (self);
    }
}

static void
ask_token (worker_t *self, size_t index)
{
    const node_t *row = node_item (tree_root (self->tokens), index);
    const char *account = self->pod.spec.service_account_name;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t body = node_map();
    node_set_text (tree, &body, "namespace", self->pod.metadata.namespace);
    node_set_text (tree, &body, "service_account", account ? account : "");
    node_set_text (tree, &body, "pod_name", self->pod.metadata.name);
    node_set_text (tree, &body, "pod_uid", self->pod.metadata.uid);
    const char *audience = node_get_text (row, "audience", "");
    if (*audience)
        node_set_text (tree, &body, "audience", audience);
    node_set_int (tree, &body, "expiration_seconds",
                  node_get_int (row, "expiration_seconds", TOKEN_SECONDS));
    token_call_t call = { index, self->token_round };
    actor_request (self->actor, "token-manager", MSG_TOKEN_GET, &body, TOKEN_DEADLINE_MS, on_token,
                   &call, sizeof call);
}

bool
tokens_ready (worker_t *self)
{
    if (self->token != WORK_TODO)
        return self->token == WORK_DONE;
    tree_destroy (&self->tokens);
    self->tokens = tree_new();
    *tree_root (self->tokens) = node_array();
    list_tokens (self, self->tokens, tree_root (self->tokens));
    size_t count = node_count (tree_root (self->tokens));
    self->token_round++;
    self->tokens_asked = count;
    self->token = count ? WORK_ASKED : WORK_DONE;
    for (size_t i = 0; i < count; i++)
        ask_token (self, i);
    return count == 0;
}
