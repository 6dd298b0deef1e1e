/* One round: the runtime is asked what runs, disks are measured, then the numbers are read. */
#include "cubelet/clock.h"
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include "stats_provider.h"

/* Half of what a scraper waits by default, so that it hears of a failure. */
#define ASK_LIMIT_MS 5000

/* A large volume takes longer to walk; until that is done its last numbers are shown. */
#define MEASURE_LIMIT_MS 4000

struct collection {
    provider_t *provider;
    collected_t found;
    tree_t *tree;
    collect_done_fn *done;
    void *context;
    size_t waiting; // answers
    uint64_t requests[10];
    fault_t fault;  // of a question without whose answer nothing can be said
    uint64_t timer; // the end of waiting for disks
};

static bool
is_always (const provider_t *provider, const collect_t *wanted)
{
    (void) provider, (void) wanted;
    return true;
}

static bool
is_with_disks (const provider_t *provider, const collect_t *wanted)
{
    (void) provider;
    return wanted->has_disks;
}

static bool
is_with_stats (const provider_t *provider, const collect_t *wanted)
{
    (void) provider;
    return wanted->has_stats;
}

static bool
is_with_agent (const provider_t *provider, const collect_t *wanted)
{
    (void) provider;
    return wanted->has_agent;
}

static bool
is_with_drivers (const provider_t *provider, const collect_t *wanted)
{
    return provider->has_csi && wanted->has_disks && wanted->max_age_ms >= 0;
}

/* What is asked of whom. */
static const struct {
    const char *actor;
    message_id_t type;
    bool (*is_needed) (const provider_t *provider, const collect_t *wanted);
    const char *key;     // of the reply's body; NULL: all of it
    size_t place;        // in collected_t
    bool can_be_missing; // the rest is shown all the same
} QUESTIONS[] = {
    { "runtime", MSG_CRI_LIST_POD_SANDBOX, is_always, "items", offsetof (collected_t, sandboxes) },
    { "runtime", MSG_CRI_LIST_CONTAINERS, is_always, "containers",
      offsetof (collected_t, containers) },
    { "runtime", MSG_CRI_LIST_CONTAINER_STATS, is_with_stats, "stats",
      offsetof (collected_t, stats), true },
    { "runtime", MSG_CRI_IMAGE_FS_INFO, is_with_disks, NULL, offsetof (collected_t, image_fs),
      true },
    { "pod-manager", MSG_POD_LIST, is_with_agent, "items", offsetof (collected_t, pod_list), true },
    { "volume-manager", MSG_VOLUME_LIST, is_with_disks, "volumes", offsetof (collected_t, volumes),
      true },
    { "csi-manager", MSG_CSI_STATS, is_with_drivers, "volumes", offsetof (collected_t, drivers),
      true },
    { "supervisor", MSG_ACTOR_LIST, is_with_agent, "actors", offsetof (collected_t, actors), true },
    { "bus", MSG_BUS_STATS, is_with_agent, "messages", offsetof (collected_t, messages), true },
};
_Static_assert(COUNT_OF (QUESTIONS) <= COUNT_OF (((collection_t *) 0)->requests), "more requests");

typedef struct {
    collection_t *collection;
    size_t question;
} asked_t;

void
collection_destroy (void **self_p)
{
    collection_t *self = *self_p;
    for (size_t i = 0; i < COUNT_OF (QUESTIONS); i++)
        actor_cancel (self->provider->actor, self->requests[i]);
    actor_timer_cancel (self->provider->actor, &self->timer);
    if (self->provider->disks)
        disks_forget (self->provider->disks, self);
    tree_destroy (&self->tree);
    free (self);
    *self_p = NULL;
}

static void
end (collection_t *self, const fault_t *fault)
{
    provider_t *provider = self->provider;
    zlistx_detach (provider->collections, zlistx_find (provider->collections, self));
    self->done (provider, fault ? NULL : &self->found, &self->tree, fault, self->context);
    void *gone = self;
    collection_destroy (&gone);
}

static void
on_measured (void *context)
{
    collection_t *self = context;
    build_summary (self->provider, &self->found, self->tree);
    end (self, NULL);
}

static void
on_limit (void *state, void *context)
{
    (void) state;
    collection_t *self = context;
    self->timer = 0;
    on_measured (self);
}

static void
on_answered (collection_t *self)
{
    if (self->fault.code != FAULT_NONE) {
        fault_t fault = self->fault;
        end (self, &fault);
        return;
    }
    if (self->found.wanted.has_disks && self->found.wanted.max_age_ms >= 0)
        build_want (self->provider, &self->found);
    self->timer = actor_timer (self->provider->actor, MEASURE_LIMIT_MS, on_limit, self);
    disks_wait (self->provider->disks, on_measured, self); // ends the collection, perhaps at once
}

static void
take_fault (collection_t *self, size_t question, const fault_t *fault)
{
    self->found.is_complete = false;
    if (QUESTIONS[question].can_be_missing) {
        LOG_V (2, "Stats are incomplete question=%s err=%s",
               message_name (QUESTIONS[question].type), fault->text);
        return;
    }
    self->fault = *fault;
    fault_wrap (&self->fault, "%s", message_name (QUESTIONS[question].type));
}

static void
on_answer (void *state, const message_t *reply, const fault_t *fault, void *context)
{
    (void) state;
    const asked_t *asked = context;
    collection_t *self = asked->collection;
    size_t question = asked->question;
    self->requests[question] = 0;
    if (fault)
        take_fault (self, question, fault);
    else {
        const char *key = QUESTIONS[question].key;
        node_t *kept = tree_alloc (self->tree, sizeof *kept);
        *kept = node_copy (self->tree, key ? node_get (reply->body, key) : reply->body);
        *(const node_t **) ((char *) &self->found + QUESTIONS[question].place) = kept;
    }
    if (--self->waiting == 0)
        on_answered (self);
}

void
collect (provider_t *provider, const collect_t *wanted, collect_done_fn *done, void *context)
{
    collection_t *self = memory_new (1, sizeof *self);
    self->provider = provider;
    self->tree = tree_new();
    self->found.wanted = *wanted;
    self->found.is_complete = true;
    self->done = done;
    self->context = context;
    if (wanted->only) {
        node_t *only = tree_alloc (self->tree, sizeof *only);
        *only = node_copy (self->tree, wanted->only);
        self->found.wanted.only = only;
    }
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t drivers = node_map();
    node_set_int (tree, &drivers, "max_age_ms", wanted->max_age_ms);
    zlistx_add_end (provider->collections, self);
    for (size_t i = 0; i < COUNT_OF (QUESTIONS); i++)
        self->waiting += QUESTIONS[i].is_needed (provider, wanted);
    for (size_t i = 0; i < COUNT_OF (QUESTIONS); i++) {
        if (!QUESTIONS[i].is_needed (provider, wanted))
            continue;
        asked_t asked = { self, i };
        self->requests[i] = actor_request (provider->actor, QUESTIONS[i].actor, QUESTIONS[i].type,
                                           QUESTIONS[i].type == MSG_CSI_STATS ? &drivers : NULL,
                                           ASK_LIMIT_MS, on_answer, &asked, sizeof asked);
    }
}
