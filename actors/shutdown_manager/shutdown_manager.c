/* shutdown_manager.c - when the machine goes down, holds that up and ends the pods: ordinary ones
   first, critical ones last. Who admits pods and who reports the node is told, so that no new pod
   comes and the node is not Ready. Runs only where a grace period is configured.

   Arguments: {"node_name": text, "root_dir": text, "periods": list, node_shutdown_periods;
   "logind_conf_dir": text, which tests change}.

   The file graceful_node_shutdown_state in the root directory remembers when the last shutdown
   began and ended, for two metrics. */
#include "shutdown_manager.h"
#include "cubelet/actors.h"
#include "cubelet/clock.h"
#include "cubelet/file_read.h"
#include "cubelet/file_write.h"
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include "cubelet/metrics.h"
#include "cubelet/object_reference.h"
#include <string.h>

#define STATE_FILE "graceful_node_shutdown_state"
#define STATE_LIMIT 4096

static const char *const LISTENERS[] = { "pod-manager", "node-reporter" };

// ---- the state file ----

static char *
state_path (const shutdown_manager_t *self)
{
    return text_format ("%s/" STATE_FILE, node_get_text (tree_root (self->args), "root_dir", ""));
}

static void
show_times (const shutdown_manager_t *self)
{
    int64_t started_s = self->started_ns / NS_PER_S, ended_s = self->ended_ns / NS_PER_S;
    metric_set (metrics_shared(), METRIC_GRACEFUL_SHUTDOWN_START_TIME_SECONDS, (double) started_s,
                NO_LABELS);
    metric_set (metrics_shared(), METRIC_GRACEFUL_SHUTDOWN_END_TIME_SECONDS, (double) ended_s,
                NO_LABELS);
}

static void
write_times (const shutdown_manager_t *self)
{
    fault_t fault = { 0 };
    OWNED (free_text) char *path = state_path (self);
    OWNED (free_text) char *text = node_shutdown_state_write (self->started_ns, self->ended_ns);
    if (file_write (path, text, strlen (text), 0644, &fault) < 0)
        LOG_WARNING ("Failed to store graceful shutdown state err=%s", fault.text);
    show_times (self);
}

static void
read_times (shutdown_manager_t *self)
{
    fault_t fault = { 0 };
    size_t size = 0;
    OWNED (free_text) char *path = state_path (self);
    OWNED (free_text) char *text = file_read (path, STATE_LIMIT, &size, &fault);
    if (text)
        node_shutdown_state_read (text, size, &self->started_ns, &self->ended_ns, &fault);
    if (fault.code && fault.code != FAULT_NOT_FOUND)
        LOG_WARNING ("Failed to load graceful shutdown state err=%s", fault.text);
    show_times (self);
}

// ---- telling ----

static void
tell (const shutdown_manager_t *self, const char *name)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t body = node_map();
    node_set_bool (tree, &body, "active", self->is_shutting_down);
    actor_send (self->actor, name, MSG_NODE_SHUTDOWN, &body);
}

static void
tell_all (const shutdown_manager_t *self)
{
    for (size_t i = 0; i < COUNT_OF (LISTENERS); i++)
        tell (self, LISTENERS[i]);
}

static void
record (const shutdown_manager_t *self, const char *message)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t body = node_map();
    node_set (tree, &body, "object", object_reference_node (tree, self->node_name));
    node_set_text (tree, &body, "type", "Normal");
    node_set_text (tree, &body, "reason", "NodeShutdown");
    node_set_text (tree, &body, "message", message);
    actor_send (self->actor, "event-recorder", MSG_EVENT_RECORD, &body);
}

// ---- the shutdown ----

static void
on_shutdown (void *context, bool is_shutting_down)
{
    shutdown_manager_t *self = context;
    if (is_shutting_down == self->is_shutting_down)
        return; // said again
    LOG_INFO ("Shutdown manager detected new shutdown event event=%s",
              is_shutting_down ? "shutdown" : "cancelled");
    self->is_shutting_down = is_shutting_down;
    tell_all (self);
    if (!is_shutting_down) {
        record (self, "Shutdown manager detected shutdown cancellation");
        ending_stop (self);
        return;
    }
    record (self, "Shutdown manager detected shutdown event");
    self->started_ns = clock_now_ns();
    self->ended_ns = 0;
    write_times (self);
    ending_start (self);
}

void
shutdown_over (shutdown_manager_t *self)
{
    self->ended_ns = clock_now_ns();
    write_times (self);
    LOG_INFO ("Shutdown manager completed processing shutdown event, node will shutdown shortly");
    logind_release (self->logind);
}

// ---- messages ----

static int
on_actor_up (void *state, const message_t *message, fault_t *fault)
{
    (void) fault;
    shutdown_manager_t *self = state;
    const char *name = node_get_text (message->body, "name", "");
    tell (self, name);
    if (self->is_shutting_down && strcmp (name, "pod-manager") == 0)
        ending_again (self);
    return 0;
}

static int
on_undeliverable (void *state, const message_t *message, fault_t *fault)
{
    (void) state, (void) message, (void) fault;
    return 0; // standalone there is no node-reporter; MSG_ACTOR_UP says when others are there
}

// ---- start and stop ----

static void
stop (void **self_p)
{
    shutdown_manager_t *self = *self_p;
    logind_destroy (&self->logind);
    tree_destroy (&self->plan);
    tree_destroy (&self->args);
    free (self);
    *self_p = NULL;
}

static void *
start (actor_t *actor, const node_t *args, fault_t *fault)
{
    (void) fault;
    shutdown_manager_t *self = memory_new (1, sizeof *self);
    self->actor = actor;
    self->args = tree_copy (args);
    args = tree_root (self->args);
    self->node_name = node_get_text (args, "node_name", "");
    self->periods = node_get (args, "periods");
    read_times (self);
    tell_all (self); // whatever was said before this start
    self->logind = logind_new (actor, &(logind_options_t){
                                          .delay_s = node_shutdown_total_s (self->periods),
                                          .conf_dir = node_get_text (args, "logind_conf_dir",
                                                                     "/etc/systemd/logind.conf.d"),
                                          .on_shutdown = on_shutdown,
                                          .context = self,
                                      });
    return self;
}

static const actor_handler_t HANDLERS[] = {
    { MSG_ACTOR_UP, on_actor_up },
    { MSG_BUS_UNDELIVERABLE, on_undeliverable },
    { 0 },
};

const actor_class_t shutdown_manager_class = {
    .name = "shutdown-manager",
    .about = "ends the pods before the machine goes down",
    .hears_of = "pod-manager node-reporter",
    .handlers = HANDLERS,
    .start = start,
    .stop = stop,
};
