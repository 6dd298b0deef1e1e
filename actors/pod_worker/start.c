/* The chain that starts a container: image, sub paths, CreateContainer, StartContainer,
   ContainerStatus, postStart. Every link is an answer; when one fails the chain ends with the
   waiting reason of reference/pod-lifecycle.md 7. */
#include "cubelet/clock.h"
#include "cubelet/container_config.h"
#include "cubelet/container_hash.h"
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include "cubelet/pod_objects.h"
#include "cubelet/sandbox_config.h"
#include "worker.h"
#include <string.h>

#define SUBPATH_DEADLINE_MS 60000
/* Answered from what is known already. */
#define SERVICES_DEADLINE_MS 10000
/* After a start that failed a container is exited, or runs and only the answer was lost. As long as
   it is neither the runtime is still at it: so many looks, a second apart. */
#define LOOKS_MAX 4
/* A pull takes as long as it takes, other pulls before it included; this is for lost messages. */
#define IMAGE_DEADLINE_MS (2 * 3600 * 1000)

/* One start under way. */
typedef struct {
    char *container; // name
    char *sandbox_id;
    char *id; // after CreateContainer
    int64_t attempt;
    tree_t *services; // whose variables it gets; NULL: not known
    tree_t *wanted;   // sub paths to bind
    tree_t *subpaths; // index -> host path, those bound
    size_t next;      // of wanted
    char *failure;    // StartContainer's fault, told when the container's state is known
    int looks;        // at that state
    uint64_t timer;   // asks for it again
} start_t;

typedef struct {
    char container[NAME_MAX_BYTES];
} start_key_t;

static void
start_destroy (void **self_p)
{
    start_t *self = *self_p;
    free (self->container);
    free (self->sandbox_id);
    free (self->id);
    free (self->failure);
    tree_destroy (&self->services);
    tree_destroy (&self->wanted);
    tree_destroy (&self->subpaths);
    free (self);
    *self_p = NULL;
}

zlistx_t *
container_starts_new (void)
{
    zlistx_t *starts = zlistx_new();
    zlistx_set_destructor (starts, start_destroy);
    return starts;
}

static start_t *
find_start (worker_t *self, const char *container)
{
    for (start_t *start = zlistx_first (self->starts); start; start = zlistx_next (self->starts))
        if (streq (start->container, container))
            return start;
    return NULL;
}

static start_key_t
key_of (const char *container)
{
    start_key_t key = { 0 };
    snprintf (key.container, sizeof key.container, "%s", container);
    return key;
}

static void
forget_start (worker_t *self, start_t *start)
{
    actor_timer_cancel (self->actor, &start->timer);
    zlistx_delete (self->starts, zlistx_find (self->starts, start));
}

static void
say_failed (worker_t *self, const start_t *start, const char *reason, const fault_t *fault)
{
    OWNED (free_text) char *message = text_format ("Error: %s", fault->text);
    LOG_ERROR ("Container not started pod=%s/%s containerName=%s reason=%s err=%s",
               self->pod.metadata.namespace, self->pod.metadata.name, start->container, reason,
               fault->text);
    count_container (self, start->container, reason);
    report_event (self, start->container, "Warning", "Failed", message);
}

/* Ends the chain: the container waits with this reason. */
static void
start_failed (worker_t *self, start_t *start, const char *reason, const fault_t *fault)
{
    say_failed (self, start, reason, fault);
    pod_local_failed (self->local, POD_START_CONTAINER, start->container, reason, fault->text,
                      worker_retry_at (fault), clock_now_ns());
    forget_start (self, start);
    worker_step (self);
}

/* The pod is to stop: what is not created yet stays so. */
static bool
is_called_off (worker_t *self, start_t *start)
{
    if (!self->local->is_terminating)
        return false;
    OWNED (free_text) char *container = text_copy (start->container);
    forget_start (self, start);
    pod_local_ended (self->local, POD_START_CONTAINER, container, clock_now_ns());
    worker_step (self);
    return true;
}

// ---- image ----

typedef struct {
    char container[NAME_MAX_BYTES];
    uint32_t hash; // of the definition the image was asked for
} image_key_t;

/* The pod was changed while the image was on its way: another one may be needed now. */
static bool
is_of_old_definition (const worker_t *self, const image_key_t *key)
{
    const container_t *container = pod_container (&self->pod, key->container);
    return !container || container_hash (container) != key->hash;
}

static void
on_image (void *state, const message_t *reply, const fault_t *fault, void *context)
{
    worker_t *self = state;
    const image_key_t *key = context;
    if (is_of_old_definition (self, key)) {
        pod_local_set_step (self->local, key->container, STEP_IDLE);
        worker_step (self);
        return;
    }
    if (!fault) {
        count_image (self, node_get_bool (reply->body, "pulled", false));
        OWNED (tree_destroy) tree_t *tree = tree_new();
        node_t answer = node_map();
        node_set (tree, &answer, key->container, *reply->body);
        tree_merge (&self->images, &answer);
        pod_local_ended (self->local, POD_ENSURE_IMAGE, key->container, clock_now_ns());
        worker_step (self);
        return;
    }
    // "ErrImagePull: rpc error ...": the waiting reason comes first.
    OWNED (free_text) char *reason = text_copy (fault->text);
    size_t length = strcspn (reason, ":");
    const char *message = fault->text[length] ? fault->text + length + 2 : "";
    reason[length] = '\0';
    bool is_reason = length > 0 && !strchr (reason, ' ');
    count_container (self, key->container, is_reason ? reason : "ImageInspectError");
    pod_local_failed (self->local, POD_ENSURE_IMAGE, key->container,
                      is_reason ? reason : "ImageInspectError", is_reason ? message : fault->text,
                      worker_retry_at (fault), clock_now_ns());
    worker_step (self);
}

static node_t
current_sandbox_config (const worker_t *self, tree_t *tree, fault_t *fault)
{
    const sandbox_seen_t *sandbox = pod_seen_ready_sandbox (self->seen);
    node_t config = node_nil();
    uint32_t attempt = sandbox ? (uint32_t) sandbox->attempt : 0;
    pod_facts_t pod_facts = pod_facts_of (self, NULL);
    sandbox_config (&self->pod, &self->facts, &pod_facts, attempt, tree, &config, NULL, fault);
    return config;
}

/* The pod's pull secrets; those that are missing make an event, and no more: the image may be had
   without them. */
static node_t
pull_secrets (worker_t *self, tree_t *tree)
{
    OWNED (free_text) char *missing = NULL;
    node_t secrets = pod_pull_secrets (&self->pod, tree_root (self->objects), tree, &missing);
    if (missing) {
        OWNED (free_text)
        char *text = text_format ("Unable to retrieve some image pull secrets (%s); attempting to "
                                  "pull the image may not succeed.",
                                  missing);
        report_event (self, NULL, "Warning", "FailedToRetrieveImagePullSecret", text);
    }
    return secrets;
}

void
image_ensure (worker_t *self, const pod_action_t *action)
{
    const container_t *container = pod_container (&self->pod, action->container);
    fault_t fault = { 0 };
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t config = current_sandbox_config (self, tree, &fault);
    node_t body = node_map();
    node_set_text (tree, &body, "image", container->image);
    node_set_text (tree, &body, "policy",
                   container->image_pull_policy ? container->image_pull_policy : "IfNotPresent");
    node_set (tree, &body, "pod", node_copy (tree, self->pod.node));
    node_set_text (tree, &body, "container", container->name);
    if (!node_is_nil (&config))
        node_set (tree, &body, "sandbox_config", config);
    if (node_count (self->pod.spec.image_pull_secrets))
        node_set (tree, &body, "secrets", pull_secrets (self, tree));
    image_key_t key = { .hash = container_hash (container) };
    snprintf (key.container, sizeof key.container, "%s", container->name);
    count_image_asked (self);
    actor_request (self->actor, "image-puller", MSG_IMAGE_ENSURE, &body, IMAGE_DEADLINE_MS,
                   on_image, &key, sizeof key);
}

// ---- postStart ----

void
hook_run (worker_t *self, const container_t *container, const char *id, const handler_t *handler,
          int64_t limit_ms, actor_reply_fn *reply, const void *context, size_t context_size)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t body = node_map();
    text_list_t addresses = pod_addresses (self);
    node_set (tree, &body, "pod", node_copy (tree, self->pod.node));
    node_set_text (tree, &body, "container", container->name);
    node_set_text (tree, &body, "id", id);
    node_set (tree, &body, "handler", node_copy (tree, handler->node));
    if (addresses.count)
        node_set_text (tree, &body, "pod_ip", addresses.items[0]);
    actor_request (self->actor, "probe-manager", MSG_HOOK_RUN, &body, limit_ms, reply, context,
                   context_size);
}

static void
on_post_start (void *state, const message_t *reply, const fault_t *fault, void *context)
{
    (void) reply;
    worker_t *self = state;
    const start_key_t *key = context;
    start_t *start = find_start (self, key->container);
    if (!start)
        return;
    if (fault) {
        LOG_ERROR ("PostStart hook failed pod=%s/%s containerName=%s err=%s",
                   self->pod.metadata.namespace, self->pod.metadata.name, key->container,
                   fault->text);
        report_event (self, key->container, "Warning", "FailedPostStartHook",
                      "PostStartHook failed");
        pod_local_set_post_start_failed (self->local, start->id);
        pod_local_failed (self->local, POD_START_CONTAINER, key->container, "PostStartHookError",
                          fault->text, 0, clock_now_ns());
    }
    else
        pod_local_ended (self->local, POD_START_CONTAINER, key->container, clock_now_ns());
    forget_start (self, start);
    worker_step (self);
}

// ---- start ----

static void ask_status (worker_t *self, start_t *start);

static void
ask_status_again (void *state, void *context)
{
    start_t *start = context;
    start->timer = 0;
    ask_status (state, start);
}

/* StartContainer failed: the runtime may have an exited container to show for it. */
static void
failed_to_run (worker_t *self, start_t *start, const container_seen_t *seen)
{
    fault_t fault = { 0 };
    fault_set (&fault, FAULT_UNKNOWN, "%s", start->failure);
    // As after any other end, a container that ran and died is restarted without that wait.
    bool has_ended = seen && seen->state == SEEN_EXITED;
    pod_local_failed (self->local, POD_START_CONTAINER, start->container, "RunContainerError",
                      start->failure, has_ended ? 0 : worker_retry_at (&fault), clock_now_ns());
    forget_start (self, start);
    worker_step (self);
}

static void
has_started (worker_t *self, start_t *start, const container_seen_t *seen)
{
    const container_t *container = pod_container (&self->pod, start->container);
    if (seen)
        log_link_new (self, seen);
    if (container && container->lifecycle.post_start && !self->local->is_terminating) {
        start_key_t key = key_of (start->container);
        pod_local_set_step (self->local, start->container, STEP_POST_START);
        hook_run (self, container, start->id, container->lifecycle.post_start, 0, on_post_start,
                  &key, sizeof key);
    }
    else {
        pod_local_ended (self->local, POD_START_CONTAINER, start->container, clock_now_ns());
        forget_start (self, start);
    }
    worker_step (self);
}

static void
on_started_status (void *state, const message_t *reply, const fault_t *fault, void *context)
{
    worker_t *self = state;
    const start_key_t *key = context;
    start_t *start = find_start (self, key->container);
    if (!start)
        return;
    if (fault && fault->code != FAULT_NOT_FOUND) {
        // Ending the start without knowing the instance would start another one.
        start->timer = actor_timer (self->actor, RETRY_UNAVAILABLE_MS, ask_status_again, start);
        return;
    }
    self->changed_at = clock_now_ns();
    observe_container (self, start->id, start->sandbox_id, reply ? reply->body : NULL, fault);
    const container_seen_t *seen = pod_seen_container (self->seen, start->id);
    bool may_start_yet = start->failure && seen && seen->state == SEEN_CREATED;
    if (may_start_yet && ++start->looks < LOOKS_MAX)
        start->timer = actor_timer (self->actor, RETRY_UNAVAILABLE_MS, ask_status_again, start);
    else if (start->failure && !(seen && seen->state == SEEN_RUNNING))
        failed_to_run (self, start, seen);
    else
        has_started (self, start, seen); // also when only the answer was lost
}

static void
ask_status (worker_t *self, start_t *start)
{
    start_key_t key = key_of (start->container);
    ask_runtime (self, MSG_CRI_CONTAINER_STATUS, "container_id", start->id, on_started_status, &key,
                 sizeof key);
}

static void
on_started (void *state, const message_t *reply, const fault_t *fault, void *context)
{
    (void) reply;
    worker_t *self = state;
    const start_key_t *key = context;
    start_t *start = find_start (self, key->container);
    if (!start)
        return;
    self->changed_at = clock_now_ns();
    if (fault) {
        start->failure = text_copy (fault->text);
        say_failed (self, start, "RunContainerError", fault);
    }
    else {
        count_container (self, start->container, NULL);
        OWNED (free_text) char *message = text_format ("Started container %s", start->container);
        report_event (self, start->container, "Normal", "Started", message);
    }
    ask_status (self, start);
}

// ---- create ----

static void
on_created (void *state, const message_t *reply, const fault_t *fault, void *context)
{
    worker_t *self = state;
    const start_key_t *key = context;
    start_t *start = find_start (self, key->container);
    if (!start)
        return;
    self->changed_at = clock_now_ns();
    if (fault) {
        observe_after_failure (self);
        start_failed (self, start, "CreateContainerError", fault);
        return;
    }
    start->id = text_copy (node_get_text (reply->body, "container_id", ""));
    resize_note_id (self, start->container, start->id);
    OWNED (free_text) char *message = text_format ("Created container: %s", start->container);
    report_event (self, start->container, "Normal", "Created", message);
    if (self->local->is_terminating) {
        ask_status (self, start); // not started any more, but known, so that it is removed
        return;
    }
    pod_local_set_step (self->local, start->container, STEP_START);
    ask_runtime (self, MSG_CRI_START_CONTAINER, "container_id", start->id, on_started, key,
                 sizeof *key);
}

/* What variables come from; the maps are in `tree`. */
static env_sources_t
env_sources (const worker_t *self, const start_t *start, tree_t *tree)
{
    const node_t *objects = tree_root (self->objects);
    const char *namespace = self->pod.metadata.namespace;
    node_t *maps = tree_alloc (tree, 2 * sizeof *maps);
    maps[0] = objects_by_name (objects, KIND_CONFIG_MAP, namespace, tree);
    maps[1] = objects_by_name (objects, KIND_SECRET, namespace, tree);
    return (env_sources_t){
        .config_maps = &maps[0],
        .secrets = &maps[1],
        .services = tree_root (start->services),
        .services_known = self->is_standalone || start->services,
        .has_api = *self->object_source != '\0',
    };
}

/* Everything the configuration needs and that is known; the caller frees the termination log. */
static container_inputs_t
inputs_of (const worker_t *self, const start_t *start, const container_t *container,
           const char *termination_log, tree_t *tree)
{
    const node_t *image = node_get (tree_root (self->images), start->container);
    const container_seen_t *target =
        container->target_container_name
            ? pod_seen_newest (self->seen, container->target_container_name, 0)
            : NULL;
    return (container_inputs_t){
        .image_ref = node_get_text (image, "image_ref", container->image),
        .image_user = image_user (node_get (image, "user")),
        .attempt = (uint32_t) start->attempt,
        .hash = container_hash (container),
        .pod_ips = pod_addresses (self),
        .env = env_sources (self, start, tree),
        .volumes = tree_root (self->volumes),
        .subpaths = tree_root (start->subpaths),
        .termination_log_path = termination_log,
        .target_id = target ? target->id : NULL,
    };
}

static int
make_request (worker_t *self, const start_t *start, const container_t *container, tree_t *tree,
              node_t *body, fault_t *fault)
{
    OWNED (free_text) char *log = NULL;
    const char *log_path = container->termination_message_path;
    if (log_path && log_path[0] && !(log = termination_log_new (self, container->name, fault)))
        return -1;
    if (hosts_file_write (self, fault) < 0)
        return -1;
    container_inputs_t inputs = inputs_of (self, start, container, log, tree);
    pod_facts_t pod_facts = pod_facts_of (self, NULL);
    node_t config = node_nil();
    if (container_config (&self->pod, container, &inputs, &self->facts, &pod_facts, tree, &config,
                          fault)
        < 0)
        return -1;
    node_t sandbox = current_sandbox_config (self, tree, fault);
    if (node_is_nil (&sandbox))
        return -1;
    *body = node_map();
    node_set_text (tree, body, "pod_sandbox_id", start->sandbox_id);
    node_set (tree, body, "config", config);
    node_set (tree, body, "sandbox_config", sandbox);
    return 0;
}

static void
create (worker_t *self, start_t *start)
{
    const container_t *container = pod_container (&self->pod, start->container);
    if (!container || is_called_off (self, start))
        return;
    fault_t fault = { 0 };
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t body = node_nil();
    if (make_request (self, start, container, tree, &body, &fault) < 0) {
        start_failed (self, start, "CreateContainerConfigError", &fault);
        return;
    }
    start_key_t key = key_of (start->container);
    resize_note (self, container, "");
    call_runtime (self, MSG_CRI_CREATE_CONTAINER, &body, on_created, &key, sizeof key);
}

// ---- sub paths ----

static void bind_next (worker_t *self, start_t *start);

static void
on_bound (void *state, const message_t *reply, const fault_t *fault, void *context)
{
    worker_t *self = state;
    const start_key_t *key = context;
    start_t *start = find_start (self, key->container);
    if (!start)
        return;
    if (fault) {
        start_failed (self, start, "CreateContainerConfigError", fault);
        return;
    }
    const node_t *row = node_item (tree_root (start->wanted), start->next++);
    char index[24];
    snprintf (index, sizeof index, "%lld", (long long) node_get_int (row, "index", 0));
    node_set (start->subpaths, tree_root (start->subpaths), index,
              node_text (start->subpaths, node_get_text (reply->body, "host_path", "")));
    bind_next (self, start);
}

static void
bind_next (worker_t *self, start_t *start)
{
    const node_t *row = node_item (tree_root (start->wanted), start->next);
    if (!row) {
        create (self, start);
        return;
    }
    OWNED (tree_destroy) tree_t *tree = tree_copy (row);
    node_t *body = tree_root (tree);
    node_set_text (tree, body, "pod_uid", self->pod.metadata.uid);
    node_set_text (tree, body, "container", start->container);
    start_key_t key = key_of (start->container);
    actor_request (self->actor, "volume-manager", MSG_VOLUME_SUBPATH, body, SUBPATH_DEADLINE_MS,
                   on_bound, &key, sizeof key);
}

/* The services are known, or cannot be had: on to the sub paths, which variables may stand in. */
static void
begin_paths (worker_t *self, start_t *start)
{
    const container_t *container = pod_container (&self->pod, start->container);
    if (!container || is_called_off (self, start))
        return;
    fault_t fault = { 0 };
    OWNED (tree_destroy) tree_t *tree = tree_new();
    container_inputs_t inputs = inputs_of (self, start, container, NULL, tree);
    if (container_subpaths (&self->pod, container, &inputs, &self->facts, start->wanted,
                            tree_root (start->wanted), &fault)
        < 0)
        start_failed (self, start, "CreateContainerConfigError", &fault);
    else
        bind_next (self, start);
}

// ---- services ----

static void
on_services (void *state, const message_t *reply, const fault_t *fault, void *context)
{
    worker_t *self = state;
    const start_key_t *key = context;
    start_t *start = find_start (self, key->container);
    if (!start)
        return;
    if (!fault) // else the environment's rule says what follows
        start->services = tree_copy (node_get (reply->body, "services"));
    begin_paths (self, start);
}

static void
ask_services (worker_t *self, start_t *start)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t body = node_map();
    node_set_text (tree, &body, "namespace", self->pod.metadata.namespace);
    start_key_t key = key_of (start->container);
    actor_request (self->actor, self->object_source, MSG_SERVICE_LIST, &body, SERVICES_DEADLINE_MS,
                   on_services, &key, sizeof key);
}

static void
begin (worker_t *self, start_t *start)
{
    if (self->is_standalone)
        begin_paths (self, start);
    else
        ask_services (self, start);
}

/* Whether the cgroup could be set or not: if not, the runtime says what is wrong. */
static void
on_cgroup (void *state, const message_t *reply, const fault_t *fault, void *context)
{
    (void) reply, (void) fault;
    worker_t *self = state;
    const start_key_t *key = context;
    start_t *start = find_start (self, key->container);
    if (start)
        begin (self, start);
}

/* A resize may be what the container is started anew for: the pod's cgroup has to have room. */
static void
resize_cgroup (worker_t *self, const start_t *start)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t body = node_map();
    start_key_t key = key_of (start->container);
    node_set (tree, &body, "pod", node_copy (tree, self->pod.node));
    node_set_bool (tree, &body, "resize", true);
    actor_request (self->actor, "resource-manager", MSG_CGROUP_ENSURE, &body, LOCAL_DEADLINE_MS,
                   on_cgroup, &key, sizeof key);
}

void
container_start (worker_t *self, const pod_action_t *action)
{
    start_t *start = memory_new (1, sizeof *start);
    start->container = text_copy (action->container);
    start->sandbox_id = text_copy (action->id);
    start->attempt =
        action->attempt >= 0 ? action->attempt : restart_count_of_logs (self, action->container);
    start->subpaths = tree_new();
    *tree_root (start->subpaths) = node_map();
    start->wanted = tree_new();
    zlistx_add_end (self->starts, start);
    if (self->was_resized)
        resize_cgroup (self, start);
    else
        begin (self, start);
}
