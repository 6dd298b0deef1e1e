/* node_reporter.c - registers this node and keeps the status of its Node object up to date.

   It works in rounds, one after the other: ask the runtime how it is, then register, or compare
   the status with what it should be and patch it. A round begins every nodeStatusUpdateFrequency,
   when the node's pressure changes, and often until the node was ready once.

   Arguments (launch_node.c): {"node_name": text, "node": Node to register, without status,
   "registers": bool, "ips": texts, "has_external_cloud": bool, "has_node_ip": bool, "capacity",
   "allocatable": resource lists, "info": NodeSystemInfo, "port": int, "max_images": int,
   "update_ms", "report_ms", "timeout_ms": int, "cgroup_version": int, "launched_ms": int}. */
#include "node_reporter.h"
#include "cubelet/actors.h"
#include "cubelet/chance.h"
#include "cubelet/clock.h"
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include "cubelet/object_reference.h"
#include <inttypes.h>
#include <string.h>

#define FIRST_MS 100          // upstream, too, waits so long before it registers
#define FAST_MS 100           // between rounds until the node was ready once ...
#define FAST_LIMIT_MS 120000  // ... but not for longer than this
#define LAUNCH_LIMIT_MS 10000 // an actor that starts later is not the agent's start
#define JITTER 0.04
#define DEFAULT_UPDATE_MS 10000
#define DEFAULT_REPORT_MS 300000

// ---- rounds ----

static void
on_timer (void *state, void *context)
{
    (void) context;
    node_reporter_t *self = state;
    self->timer = 0;
    round_start (self);
}

static void
next_round (node_reporter_t *self, int64_t delay_ms)
{
    self->is_busy = false;
    actor_timer_cancel (self->actor, &self->timer);
    self->timer = actor_timer (self->actor, self->is_wanted ? 0 : delay_ms, on_timer, NULL);
}

void
round_end (node_reporter_t *self)
{
    bool is_fast = !self->was_ready && clock_monotonic_ms() - self->started_ms < FAST_LIMIT_MS;
    if (self->is_failing)
        LOG_INFO ("Node status is reported again node=%s", self->node_name);
    self->is_failing = false;
    next_round (self,
                is_fast ? FAST_MS : (int64_t) ((double) self->update_ms * (1 + JITTER * chance())));
}

void
round_failed (node_reporter_t *self, const char *what, const fault_t *fault, int64_t delay_ms)
{
    if (!self->is_failing)
        LOG_WARNING ("%s, will retry node=%s err=%s", what, self->node_name, fault->text);
    self->is_failing = true;
    self->is_wanted = false; // not before the wait is over
    next_round (self, delay_ms);
}

static void
want_round (node_reporter_t *self)
{
    self->is_wanted = true;
    if (!self->is_busy)
        round_start (self);
}

void
ask_node (node_reporter_t *self, const char *method, const char *sub, const node_t *body,
          actor_reply_fn *reply)
{
    OWNED (free_text)
    char *path = api_path ("/api/v1", NULL, "nodes", self->node_name, *sub ? sub : NULL);
    api_call_t call = { .method = method,
                        .path = path,
                        .query = self->query,
                        .body = body,
                        .content_type = strcmp (method, "PATCH") == 0 ? API_STRATEGIC_PATCH : NULL,
                        .timeout_ms = self->timeout_ms };
    self->call = api_call (self->actor, &call, reply, NULL, 0);
}

// ---- the Node ----

static int64_t
version_of (const node_t *node)
{
    int64_t version = -1;
    const char *text = node_get_text (node_get (node, "metadata"), "resourceVersion", "");
    return sscanf (text, "%" SCNd64, &version) == 1 ? version : -1;
}

/* An older state of the same Node: what we were told later was on its way for longer. */
static bool
is_older (const node_t *node, const node_t *known)
{
    const char *uid = node_get_text (node_get (node, "metadata"), "uid", "");
    return strcmp (uid, node_get_text (node_get (known, "metadata"), "uid", "")) == 0
           && version_of (node) >= 0 && version_of (node) < version_of (known);
}

void
take_node (node_reporter_t *self, const node_t *node)
{
    if (self->node && is_older (node, tree_root (self->node)))
        return;
    tree_destroy (&self->node);
    self->node = tree_copy (node);
    self->was_ready =
        self->was_ready || node_condition_is_true (node_get (node, "status"), "Ready");
    bool is_unschedulable = node_get_bool (node_get (node, "spec"), "unschedulable", false);
    if (is_unschedulable == self->was_unschedulable)
        return;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t events = node_schedulable_events (tree, self->node_name, is_unschedulable);
    record_events (self, &events);
    self->was_unschedulable = is_unschedulable;
}

// ---- events ----

static void
record (node_reporter_t *self, const char *type, const char *reason, const char *message)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t body = node_map();
    node_set (tree, &body, "object", object_reference_node (tree, self->node_name));
    node_set_text (tree, &body, "type", type);
    node_set_text (tree, &body, "reason", reason);
    node_set_text (tree, &body, "message", message);
    actor_send (self->actor, "event-recorder", MSG_EVENT_RECORD, &body);
}

void
record_events (node_reporter_t *self, const node_t *events)
{
    NODE_EACH (events, event)
    record (self, node_get_text (event, "type", ""), node_get_text (event, "reason", ""),
            node_get_text (event, "message", ""));
}

/* What is said once, when the agent starts; not again when only this actor does. */
static void
record_start (node_reporter_t *self)
{
    const node_t *args = tree_root (self->args);
    if (clock_monotonic_ms() - node_get_int (args, "launched_ms", 0) > LAUNCH_LIMIT_MS)
        return;
    record (self, "Normal", "Starting", "Starting kubelet.");
    if (node_get_int (args, "cgroup_version", 2) == 1)
        record (self, "Warning", "CgroupV1",
                "cgroup v1 support is in maintenance mode, please migrate to cgroup v2");
}

// ---- messages ----

static int
on_node (void *state, const message_t *message, fault_t *fault)
{
    (void) fault;
    node_reporter_t *self = state;
    const node_t *node = node_get (message->body, "node");
    if (node)
        take_node (self, node);
    else if (!self->is_busy)
        tree_destroy (&self->node);
    return 0;
}

static int
on_pressure (void *state, const message_t *message, fault_t *fault)
{
    (void) fault;
    node_reporter_t *self = state;
    bool memory = node_get_bool (message->body, "memory", false);
    bool disk = node_get_bool (message->body, "disk", false);
    bool pid = node_get_bool (message->body, "pid", false);
    bool has_changed =
        memory != self->memory_pressure || disk != self->disk_pressure || pid != self->pid_pressure;
    self->memory_pressure = memory;
    self->disk_pressure = disk;
    self->pid_pressure = pid;
    if (has_changed && self->is_registered)
        want_round (self);
    return 0;
}

static int
on_shutdown (void *state, const message_t *message, fault_t *fault)
{
    (void) fault;
    node_reporter_t *self = state;
    bool is_active = node_get_bool (message->body, "active", false);
    bool has_changed = is_active != self->is_shutting_down;
    self->is_shutting_down = is_active;
    if (has_changed && self->is_registered)
        want_round (self);
    return 0;
}

static int
on_volumes (void *state, const message_t *message, fault_t *fault)
{
    (void) fault;
    node_reporter_t *self = state;
    const node_t *list = node_get (message->body, "in_use");
    bool has_changed = !self->volumes || !node_equal (tree_root (self->volumes), list);
    bool is_news = has_changed && (self->volumes || node_count (list));
    tree_destroy (&self->volumes);
    self->volumes = tree_copy (list);
    if (is_news && self->is_registered)
        want_round (self);
    return 0;
}

/* The api-client is new: there is no use in waiting any longer. */
static int
on_actor_up (void *state, const message_t *message, fault_t *fault)
{
    (void) message, (void) fault;
    node_reporter_t *self = state;
    if (self->is_failing)
        want_round (self);
    return 0;
}

// ---- start and stop ----

static void *
start (actor_t *actor, const node_t *args, fault_t *fault)
{
    (void) fault;
    node_reporter_t *self = memory_new (1, sizeof *self);
    self->actor = actor;
    self->args = tree_copy (args);
    args = tree_root (self->args);
    self->node_name = node_get_text (args, "node_name", "");
    self->update_ms = node_get_int (args, "update_ms", DEFAULT_UPDATE_MS);
    self->timeout_ms = node_get_int (args, "timeout_ms", DEFAULT_UPDATE_MS);
    self->query = text_format ("timeout=%" PRId64 "s", (self->timeout_ms + 999) / 1000);
    self->started_ms = clock_monotonic_ms();
    self->pace.every_ms = node_get_int (args, "report_ms", DEFAULT_REPORT_MS);
    self->pace.last_ms = INT64_MIN / 2; // never
    record_start (self);
    next_round (self, FIRST_MS);
    return self;
}

static void
stop (void **self_p)
{
    node_reporter_t *self = *self_p;
    tree_destroy (&self->args);
    tree_destroy (&self->node);
    tree_destroy (&self->events);
    tree_destroy (&self->runtime);
    tree_destroy (&self->images);
    tree_destroy (&self->volumes);
    free (self->query);
    free (self->pod_cidr);
    free (self);
    *self_p = NULL;
}

static const actor_handler_t HANDLERS[] = {
    { MSG_NODE_OBJECT, on_node },       { MSG_NODE_PRESSURE, on_pressure },
    { MSG_NODE_SHUTDOWN, on_shutdown }, { MSG_NODE_VOLUMES, on_volumes },
    { MSG_ACTOR_UP, on_actor_up },      { 0 },
};

const actor_class_t node_reporter_class = {
    .name = "node-reporter",
    .about = "registers the node and reports its status",
    .hears_of = API_CLIENT,
    .handlers = HANDLERS,
    .start = start,
    .stop = stop,
};
