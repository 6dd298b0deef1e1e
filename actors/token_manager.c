/* token_manager.c - service account tokens bound to pods, from the API server and kept until they
   are to be replaced (token_cache.h).

   Everybody who asks for one and the same token while it is being asked for gets that answer. When
   a token cannot be replaced, the old one serves until it expires. Tokens of a pod are forgotten
   when its worker ends, and all that expired once a minute.

   With a checkpoint (docs/offline.md) tokens are kept on disk, sealed. While the API server is away
   a pod gets what it had, even what has expired: it starts, and has a good one soon after.

   Arguments: {"checkpoints": path?, "key_file": path?}. */
#include "cubelet/actors.h"
#include "cubelet/api_call.h"
#include "cubelet/askers.h"
#include "cubelet/chance.h"
#include "cubelet/checkpoint_dir.h"
#include "cubelet/clock.h"
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include "cubelet/token_cache.h"
#include <czmq.h>
#include <string.h>

#define PURGE_MS (60 * 1000)
#define REQUEST_TIMEOUT_MS 20000

typedef struct manager manager_t;

typedef struct {
    manager_t *manager;
    tree_t *asked; // the message's body, which `request` borrows from
    token_request_t request;
    char *token; // NULL: none yet
    token_life_t life;
    uint64_t call; // asks the API server, 0: none
    askers_t *askers;
} entry_t;

struct manager {
    actor_t *actor;
    zhashx_t *entries;             // by token_key
    checkpoint_dir_t *checkpoints; // NULL: nothing is kept on disk
};

// ---- entries ----

static void
forget_token (entry_t *self)
{
    if (self->token)
        explicit_bzero (self->token, strlen (self->token));
    free_text (&self->token);
}

static void
entry_destroy (void **self_p)
{
    entry_t *self = *self_p;
    actor_cancel (self->manager->actor, self->call);
    tree_destroy (&self->asked);
    askers_destroy (&self->askers);
    forget_token (self);
    free (self);
    *self_p = NULL;
}

static token_request_t
read_request (const node_t *body)
{
    return (token_request_t){
        .ns = node_get_text (body, "namespace", ""),
        .service_account = node_get_text (body, "service_account", ""),
        .pod_name = node_get_text (body, "pod_name", ""),
        .pod_uid = node_get_text (body, "pod_uid", ""),
        .audience = node_get_text (body, "audience", ""),
        .expiration_seconds = node_get_int (body, "expiration_seconds", TOKEN_DEFAULT_SECONDS),
    };
}

static entry_t *
entry_of (manager_t *self, const node_t *body)
{
    token_request_t request = read_request (body);
    OWNED (free_text) char *key = token_key (&request);
    entry_t *entry = zhashx_lookup (self->entries, key);
    if (!entry) {
        entry = memory_new (1, sizeof *entry);
        entry->manager = self;
        entry->asked = tree_copy (body);
        entry->request = read_request (tree_root (entry->asked));
        entry->askers = askers_new();
        zhashx_insert (self->entries, key, entry);
    }
    return entry;
}

static void
forget (entry_t *entry)
{
    OWNED (free_text) char *key = token_key (&entry->request);
    zhashx_delete (entry->manager->entries, key);
}

static int64_t
jitter_ns (void)
{
    return (int64_t) ((double) TOKEN_JITTER_MAX_NS * chance());
}

// ---- the checkpoint ----

static void
keep (const entry_t *entry)
{
    const token_request_t *request = &entry->request;
    if (!entry->manager->checkpoints)
        return;
    fault_t fault = { 0 };
    OWNED (tree_destroy) tree_t *tree = tree_new();
    OWNED (free_text) char *key = token_key (request);
    node_t kept = node_map();
    node_set_text (tree, &kept, "token", entry->token);
    node_set_int (tree, &kept, "expires_ns", entry->life.expires_ns);
    node_set_int (tree, &kept, "lifetime_ns", entry->life.lifetime_ns);
    size_t size;
    char *bytes = node_pack (&kept, &size);
    checkpoint_t record = { .kind = CHECKPOINT_TOKEN,
                            .namespace = request->ns,
                            .name = key,
                            .uid = request->pod_uid,
                            .bytes = bytes,
                            .size = size };
    if (checkpoint_dir_put (entry->manager->checkpoints, &record, &fault) < 0)
        LOG_WARNING ("Token is not kept for a start without the API server pod=%s/%s err=%s",
                     request->ns, request->pod_name, fault.text);
    explicit_bzero (bytes, size);
    free (bytes);
}

/* What the pod had before the agent was started. */
static void
recall (entry_t *entry)
{
    const token_request_t *request = &entry->request;
    OWNED (free_text) char *key = token_key (request);
    OWNED (tree_destroy)
    tree_t *kept = checkpoint_dir_get (entry->manager->checkpoints, CHECKPOINT_TOKEN, request->ns,
                                       key, request->pod_uid, NULL);
    const node_t *root = tree_root (kept);
    const char *token = node_get_text (root, "token", NULL);
    entry->token = text_copy (token);
    entry->life.expires_ns = node_get_int (root, "expires_ns", 0);
    entry->life.lifetime_ns = node_get_int (root, "lifetime_ns", 0);
}

// ---- answers ----

static void
answer_token (entry_t *entry)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t body = node_map();
    node_set_text (tree, &body, "token", entry->token);
    node_set_int (tree, &body, "expires_at", entry->life.expires_ns / NS_PER_S);
    askers_answer (entry->askers, entry->manager->actor, &body, NULL);
}

/* The old token serves on, if it can; upstream's words if it cannot. */
static void
answer_failure (entry_t *entry, const fault_t *reason)
{
    const token_request_t *request = &entry->request;
    bool is_away = reason->code == FAULT_UNAVAILABLE || reason->code == FAULT_DEADLINE;
    bool may_recall = is_away && entry->manager->checkpoints;
    if (!entry->token && may_recall)
        recall (entry);
    bool is_expired = entry->token && token_is_expired (&entry->life, clock_now_ns());
    if (entry->token && (!is_expired || may_recall)) {
        LOG_ERROR ("Token is not replaced, the old one serves pod=%s/%s expired=%s err=%s",
                   request->ns, request->pod_name, is_expired ? "yes" : "no", reason->text);
        answer_token (entry);
        return;
    }
    fault_t fault = *reason;
    if (is_expired)
        fault_wrap (&fault, "token of service account %s/%s expired and refresh failed",
                    request->ns, request->service_account);
    else
        fault_wrap (&fault, "failed to fetch token");
    askers_answer (entry->askers, entry->manager->actor, NULL, &fault);
    forget (entry);
}

/* Takes the token out of an answer: 0, or -1 with the API server's own words. */
static int
take_answer (entry_t *entry, const message_t *reply, const fault_t *came, fault_t *fault)
{
    const char *token = NULL;
    token_life_t life = { 0 };
    const node_t *answer = api_reply_check (reply, came, fault);
    if (!answer) {
        const char *message =
            reply ? node_get_text (node_get (reply->body, "body"), "message", NULL) : NULL;
        return message ? fault_set (fault, fault->code, "%s", message) : -1;
    }
    if (token_answer_read (answer, &entry->request, &token, &life, fault) < 0)
        return -1;
    forget_token (entry);
    entry->token = text_copy (token);
    entry->life = life;
    keep (entry);
    return 0;
}

static void
on_answer (void *state, const message_t *reply, const fault_t *came, void *context)
{
    (void) state;
    entry_t *entry = *(entry_t **) context;
    fault_t fault = { 0 };
    entry->call = 0;
    if (take_answer (entry, reply, came, &fault) == 0)
        answer_token (entry);
    else
        answer_failure (entry, &fault);
}

static void
ask (entry_t *entry)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    const token_request_t *request = &entry->request;
    OWNED (free_text)
    char *path =
        api_path ("/api/v1", request->ns, "serviceaccounts", request->service_account, "token");
    node_t body = token_request_node (request, tree);
    api_call_t call = {
        .method = "POST", .path = path, .body = &body, .timeout_ms = REQUEST_TIMEOUT_MS
    };
    entry->call = api_call (entry->manager->actor, &call, on_answer, &entry, sizeof entry);
}

// ---- messages ----

static int
on_get (void *state, const message_t *message, fault_t *fault)
{
    (void) fault;
    entry_t *entry = entry_of (state, message->body);
    askers_add (entry->askers, message);
    if (entry->call)
        return 0;
    if (!entry->token || token_needs_refresh (&entry->life, clock_now_ns(), jitter_ns()))
        ask (entry);
    else
        answer_token (entry);
    return 0;
}

/* Forgets every entry that `is_over` says is over. */
static void
forget_those (manager_t *self, bool (*is_over) (const entry_t *entry, const void *context),
              const void *context)
{
    OWNED (zlistx_destroy) zlistx_t *keys = zhashx_keys (self->entries);
    for (const char *key = zlistx_first (keys); key; key = zlistx_next (keys))
        if (is_over (zhashx_lookup (self->entries, key), context))
            zhashx_delete (self->entries, key);
}

/* Workers are called pod-worker/NAMESPACE_NAME_UID. */
static bool
is_of_worker (const entry_t *entry, const void *context)
{
    const char *underscore = strrchr (context, '_');
    return underscore && streq (underscore + 1, entry->request.pod_uid);
}

static int
on_actor_down (void *state, const message_t *message, fault_t *fault)
{
    (void) fault;
    const char *name = node_get_text (message->body, "name", "");
    forget_those (state, is_of_worker, name);
    return 0;
}

static bool
is_expired (const entry_t *entry, const void *context)
{
    (void) context;
    return !entry->call && entry->token && token_is_expired (&entry->life, clock_now_ns());
}

static void
purge (void *state, void *context)
{
    (void) context;
    manager_t *self = state;
    forget_those (self, is_expired, NULL);
    actor_timer (self->actor, PURGE_MS, purge, NULL);
}

static const actor_handler_t HANDLERS[] = {
    { MSG_TOKEN_GET, on_get },
    { MSG_ACTOR_DOWN, on_actor_down },
    { 0 },
};

// ---- start and stop ----

static void *
start (actor_t *actor, const node_t *args, fault_t *fault)
{
    const char *path = node_get_text (args, "checkpoints", NULL);
    checkpoint_dir_t *checkpoints = NULL;
    if (path
        && !(checkpoints = checkpoint_dir_new (path, node_get_text (args, "key_file", ""), fault)))
        return NULL;
    manager_t *self = memory_new (1, sizeof *self);
    self->actor = actor;
    self->checkpoints = checkpoints;
    self->entries = zhashx_new();
    zhashx_set_destructor (self->entries, entry_destroy);
    actor_timer (actor, PURGE_MS, purge, NULL);
    return self;
}

static void
stop (void **self_p)
{
    manager_t *self = *self_p;
    zhashx_destroy (&self->entries);
    checkpoint_dir_destroy (&self->checkpoints);
    free (self);
    *self_p = NULL;
}

const actor_class_t token_manager_class = {
    .name = "token-manager",
    .about = "service account tokens of pods, replaced before they expire",
    .handlers = HANDLERS,
    .start = start,
    .stop = stop,
};
