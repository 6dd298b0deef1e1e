/* round.c - one round: first what the runtime says of itself, and now and then its images. */
#include "cubelet/clock.h"
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include "node_reporter.h"

#define RUNTIME "runtime"
#define STATE_DEADLINE_MS 2000
#define IMAGES_DEADLINE_MS 10000
#define IMAGES_EVERY_MS 30000 // as upstream's image cache

static void
go_on (node_reporter_t *self)
{
    if (self->is_registered)
        heartbeat_start (self);
    else
        registration_start (self);
}

static void
on_images (void *state, const message_t *reply, const fault_t *fault, void *context)
{
    (void) context;
    node_reporter_t *self = state;
    self->call = 0;
    if (fault)
        LOG_V (2, "Images of the runtime not listed err=%s", fault->text);
    else {
        const node_t *images = node_get (reply->body, "images");
        tree_destroy (&self->images);
        self->images = tree_copy (images);
        if (!images)
            *tree_root (self->images) = node_array();
        self->images_at_ms = clock_monotonic_ms();
    }
    go_on (self);
}

static void
on_state (void *state, const message_t *reply, const fault_t *fault, void *context)
{
    (void) context;
    node_reporter_t *self = state;
    self->call = 0;
    if (fault)
        LOG_V (2, "State of the runtime not known err=%s", fault->text);
    else {
        tree_destroy (&self->runtime);
        self->runtime = tree_copy (reply->body);
    }
    bool is_up = node_get_bool (tree_root (self->runtime), "up", false);
    bool is_old = !self->images || clock_monotonic_ms() - self->images_at_ms >= IMAGES_EVERY_MS;
    if (is_up && is_old)
        self->call = actor_request (self->actor, RUNTIME, MSG_CRI_LIST_IMAGES, NULL,
                                    IMAGES_DEADLINE_MS, on_images, NULL, 0);
    else
        go_on (self);
}

void
round_start (node_reporter_t *self)
{
    self->is_busy = true;
    self->is_wanted = false;
    self->tries = 0;
    actor_timer_cancel (self->actor, &self->timer);
    self->call = actor_request (self->actor, RUNTIME, MSG_RUNTIME_STATE_GET, NULL,
                                STATE_DEADLINE_MS, on_state, NULL, 0);
}

node_t
status_now (node_reporter_t *self, tree_t *tree, const node_t *previous)
{
    const node_t *args = tree_root (self->args), *runtime = tree_root (self->runtime);
    OWNED (free_text)
    char *problem = node_problem (runtime, node_get (args, "capacity"), self->is_shutting_down);
    node_view_t view = {
        .node_name = self->node_name,
        .ips = node_get (args, "ips"),
        .has_external_cloud = node_get_bool (args, "has_external_cloud", false),
        .has_node_ip = node_get_bool (args, "has_node_ip", false),
        .capacity = node_get (args, "capacity"),
        .allocatable = node_get (args, "allocatable"),
        .info = node_get (args, "info"),
        .runtime_name = node_get_text (runtime, "name", NULL),
        .runtime_version = node_get_text (runtime, "version", NULL),
        .port = node_get_int (args, "port", 0),
        .images = tree_root (self->images),
        .max_images = node_get_int (args, "max_images", -1),
        .handlers = node_get (runtime, "handlers"),
        .features = node_get (runtime, "features"),
        .memory_pressure = self->memory_pressure,
        .disk_pressure = self->disk_pressure,
        .pid_pressure = self->pid_pressure,
        .volumes_in_use = tree_root (self->volumes),
        .problem = problem,
    };
    return node_status (tree, &view, previous, clock_now_ns());
}
