/* pod_status_containers.c - what is known of each container (reference/pod-lifecycle.md 10.1).

   The two newest instances of a name are its state and lastState; where the runtime has none, the
   previous status tells. */
#include "cubelet/restart_policy.h"
#include "cubelet/utf8.h"
#include "pod_status_internal.h"
#include <string.h>

#define REASON_UNKNOWN "ContainerStatusUnknown"
#define MESSAGE_LOST_BEFORE                                                                        \
    "The container could not be located when the pod was deleted.  The container used to be "      \
    "Running"
#define EXIT_CODE_UNKNOWN 137
#define MESSAGES_MAX_BYTES 12288 // of all containers of a pod together

// ---- states ----

static node_t
state_of (tree_t *tree, const char *kind, node_t value)
{
    node_t state = node_map();
    node_set (tree, &state, kind, value);
    return state;
}

static node_t
waiting (tree_t *tree, const char *reason, const char *message)
{
    node_t value = node_map();
    if (reason && *reason)
        node_set_text (tree, &value, "reason", reason);
    if (message && *message)
        node_set_text (tree, &value, "message", message);
    return state_of (tree, "waiting", value);
}

node_t
status_unknown_end (tree_t *tree, const char *message)
{
    node_t value = node_map();
    node_set_int (tree, &value, "exitCode", EXIT_CODE_UNKNOWN);
    node_set_text (tree, &value, "reason", REASON_UNKNOWN);
    node_set_text (tree, &value, "message", message);
    node_set (tree, &value, "startedAt", node_nil());
    node_set (tree, &value, "finishedAt", node_nil());
    return state_of (tree, "terminated", value);
}

/* The text up to `room` bytes, whole characters only. */
static node_t
cut_text (tree_t *tree, const char *text, size_t room)
{
    size_t size = strlen (text);
    const char *end = text + size;
    const char *at = text;
    if (size <= room)
        return node_text (tree, text);
    while (at < end) {
        size_t step = utf8_size (at, end);
        step = step ? step : 1;
        if ((size_t) (at - text) + step > room)
            break;
        at += step;
    }
    return node_text_sized (tree, text, (size_t) (at - text));
}

/* The runtime's message and what the container itself left. */
static void
set_message (const builder_t *self, const container_seen_t *instance, node_t *terminated)
{
    const instance_local_t *known = pod_local_instance (self->local, instance->id);
    const char *left = known && known->termination_message ? known->termination_message : "";
    const char *glue = *instance->message && *left ? ": " : "";
    OWNED (free_text) char *text = text_format ("%s%s%s", instance->message, glue, left);
    size_t room = MESSAGES_MAX_BYTES / POD_CONTAINER_COUNT (self->pod);
    if (*text)
        node_set (self->tree, terminated, "message", cut_text (self->tree, text, room));
}

static node_t
exited (const builder_t *self, const container_seen_t *instance)
{
    tree_t *tree = self->tree;
    node_t value = node_map();
    node_set_int (tree, &value, "exitCode", instance->exit_code);
    if (*instance->reason)
        node_set_text (tree, &value, "reason", instance->reason);
    set_message (self, instance, &value);
    node_set (tree, &value, "startedAt", status_time (tree, instance->started_at));
    node_set (tree, &value, "finishedAt", status_time (tree, instance->finished_at));
    node_set (tree, &value, "containerID",
              node_text_format (tree, "%s://%s", self->node->runtime_name, instance->id));
    return state_of (tree, "terminated", value);
}

static node_t
running (const builder_t *self, const container_seen_t *instance)
{
    node_t value = node_map();
    node_set (self->tree, &value, "startedAt", status_time (self->tree, instance->started_at));
    return state_of (self->tree, "running", value);
}

/* One row of the table "Runtime state / API state". */
static node_t
state_of_instance (const builder_t *self, const row_t *row, const container_seen_t *instance)
{
    switch (instance->state) {
    case SEEN_RUNNING: return running (self, instance);
    case SEEN_EXITED: return exited (self, instance);
    case SEEN_CREATED: break;
    case SEEN_UNKNOWN:
        if (state_is (node_get (row->old, "state"), "running"))
            return status_unknown_end (self->tree, MESSAGE_LOST_AT_END);
        break;
    }
    return waiting (self->tree, NULL, NULL);
}

// ---- which instances ----

/* Upstream shows nothing of a start before it is over, the postStart hook included. */
static bool
is_not_shown_yet (const builder_t *self, const container_t *container,
                  const container_seen_t *instance)
{
    const container_local_t *known = pod_local_container (self->local, container->name);
    container_step_t step = known ? known->step : STEP_IDLE;
    if (step <= STEP_IMAGE)
        return false;
    return instance->state == SEEN_CREATED
           || (instance->state == SEEN_RUNNING && container->lifecycle.post_start);
}

/* The index of the newest instance that is shown. */
static size_t
first_shown (const builder_t *self, const container_t *container)
{
    const container_seen_t *newest = pod_seen_newest (self->seen, container->name, 0);
    return newest && is_not_shown_yet (self, container, newest) ? 1 : 0;
}

// ---- a row, step by step ----

/* What stands without the runtime. */
static void
begin_row (builder_t *self, row_t *row)
{
    bool has_init = self->pod->spec.init_containers.count > 0;
    const node_t *old_last = node_get (row->old, "lastState");
    row->image = row->container->image ? row->container->image : "";
    row->image_id = "";
    row->container_id = "";
    row->restart_count = node_get_int (row->old, "restartCount", 0);
    row->last_state = old_last ? node_copy (self->tree, old_last) : node_map();
    row->is_old_kept = state_is (node_get (row->old, "state"), "terminated") != NULL;
    if (!row->is_old_kept) {
        row->state = waiting (self->tree, has_init ? "PodInitializing" : "ContainerCreating", NULL);
        return;
    }
    row->state = node_copy (self->tree, node_get (row->old, "state"));
    row->image = node_get_text (row->old, "image", row->image);
    row->image_id = node_get_text (row->old, "imageID", "");
    row->container_id = node_get_text (row->old, "containerID", "");
    row->is_ready = node_get_bool (row->old, "ready", false);
}

/* It used to run, and the runtime has nothing of it. */
static void
note_loss (builder_t *self, row_t *row)
{
    bool was_running = state_is (node_get (row->old, "state"), "running") != NULL;
    if (!was_running || state_is (&row->last_state, "terminated"))
        return;
    row->last_state = status_unknown_end (self->tree, MESSAGE_LOST_BEFORE);
    if (!self->pod->metadata.deletion_time)
        row->restart_count++;
}

static void
show_instance (builder_t *self, row_t *row, const container_seen_t *newest,
               const container_seen_t *second)
{
    row->is_old_kept = false;
    row->is_ready = false;
    row->shown = newest;
    row->restart_count = newest->restart_count;
    if (*newest->image)
        row->image = newest->image;
    else
        row->image = row->container->image ? row->container->image : "";
    row->image_id = newest->image_ref;
    node_t id = node_text_format (self->tree, "%s://%s", self->node->runtime_name, newest->id);
    row->container_id = id.via.str.ptr;
    row->state = state_of_instance (self, row, newest);
    if (newest->state == SEEN_UNKNOWN && state_is (&row->state, "terminated"))
        row->restart_count = node_get_int (row->old, "restartCount", 0) + 1;
    row->last_state = node_map();
    if (second && second->state == SEEN_EXITED)
        row->last_state = exited (self, second);
}

/* True when the next sync would start the container (again). */
static bool
is_to_be_started (const builder_t *self, const row_t *row)
{
    const container_seen_t *newest = row->shown;
    if (self->pod->metadata.deletion_time)
        return false;
    if (!newest || newest->state == SEEN_CREATED || newest->state == SEEN_UNKNOWN)
        return true;
    if (newest->state == SEEN_RUNNING)
        return false;
    if (row->container->kind == CONTAINER_INIT && newest->exit_code == 0)
        return false;
    return restarts_after_exit (self->pod, row->container, newest->exit_code);
}

/* A start that failed shows as waiting, with the reason; the end before it moves to lastState. */
static void
show_failure (builder_t *self, row_t *row)
{
    const container_local_t *known = pod_local_container (self->local, row->container->name);
    const char *reason = NULL, *message = NULL;
    if (known)
        pod_local_failure (known, self->now, &reason, &message);
    if (!reason || !is_to_be_started (self, row))
        return;
    if (state_is (&row->state, "terminated"))
        row->last_state = row->state;
    row->state = waiting (self->tree, reason, message);
}

// ---- started and ready ----

/* What a probe says of the instance; before it spoke (after a restart of the agent): what it
   said of the same container before. */
static bool
is_probe_good (const builder_t *self, const row_t *row, local_probe_t probe, const char *field)
{
    const instance_local_t *known = pod_local_instance (self->local, row->shown->id);
    local_result_t result = known ? known->probes[probe] : RESULT_NONE;
    if (result != RESULT_NONE)
        return result == RESULT_SUCCESS;
    return strcmp (node_get_text (row->old, "containerID", ""), row->container_id) == 0
           && node_get_bool (row->old, field, false);
}

static void
decide_ready (const builder_t *self, row_t *row)
{
    const container_t *container = row->container;
    bool is_running = row->shown && state_is (&row->state, "running");
    if (container->kind == CONTAINER_EPHEMERAL)
        return;
    row->is_started =
        is_running
        && (!container->startup_probe || is_probe_good (self, row, LOCAL_STARTUP, "started"));
    if (container->kind == CONTAINER_INIT) {
        const node_t *end = state_is (&row->state, "terminated");
        row->is_ready = row->is_ready || (end && node_get_int (end, "exitCode", -1) == 0);
    }
    else if (row->is_started)
        row->is_ready =
            !container->readiness_probe || is_probe_good (self, row, LOCAL_READINESS, "ready");
}

static const node_t *
old_status (const node_t *previous, const container_t *container)
{
    static const char *const LISTS[] = {
        [CONTAINER_REGULAR] = "containerStatuses",
        [CONTAINER_INIT] = "initContainerStatuses",
        [CONTAINER_SIDECAR] = "initContainerStatuses",
        [CONTAINER_EPHEMERAL] = "ephemeralContainerStatuses",
    };
    NODE_EACH (node_get (previous, LISTS[container->kind]), status)
    if (strcmp (node_get_text (status, "name", ""), container->name) == 0)
        return status;
    return NULL;
}

static void
fill_row (builder_t *self, row_t *row, const container_t *container)
{
    row->container = container;
    row->old = old_status (self->previous ? self->previous : self->api, container);
    begin_row (self, row);
    size_t first = first_shown (self, container);
    const container_seen_t *newest = pod_seen_newest (self->seen, container->name, first);
    if (newest)
        show_instance (self, row, newest, pod_seen_newest (self->seen, container->name, first + 1));
    else if (first == 0)
        note_loss (self, row);
    show_failure (self, row);
    decide_ready (self, row);
}

void
status_containers (builder_t *self)
{
    self->row_count = POD_CONTAINER_COUNT (self->pod);
    self->rows = memory_new (self->row_count, sizeof *self->rows);
    for (size_t i = 0; i < self->row_count; i++)
        fill_row (self, &self->rows[i], pod_container_at (self->pod, i));
}
