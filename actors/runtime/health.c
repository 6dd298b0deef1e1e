/* Whether the runtime can be used: the handshake after each connect, then Status every 5 s
   (reference/cri.md 1.2), and telling the others when that changes. */
#include "cubelet/clock.h"
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include "runtime.h"
#include <string.h>

#define STATUS_EVERY_MS 5000
#define RETRY_MS 2000
// No good Status for so long: the runtime counts as down (reference/node-and-server.md, Ready).
#define DOWN_AFTER_MS 30000

static const char *const PEERS[] = { "runtime-watcher",  "pod-manager",    "image-puller",
                                     "resource-manager", "stats-provider", "eviction-manager" };

static const char NOT_CHECKED[] = "container runtime status check may not have completed yet";
static const char DOWN[] = "container runtime is down";

// ---- telling ----

static tree_t *
state_tree (const runtime_t *self)
{
    const health_t *health = &self->health;
    tree_t *tree = tree_new();
    node_t map = node_map();
    const char *reason = health->is_up ? health->reason : health->is_told ? DOWN : NOT_CHECKED;
    node_set_bool (tree, &map, "up", health->is_up);
    if (health->is_up) {
        node_set_bool (tree, &map, "ready", health->is_ready);
        node_set_bool (tree, &map, "network_ready", health->is_network_ready);
    }
    node_set_text (tree, &map, "reason", reason);
    node_set_text (tree, &map, "name", health->name);
    node_set_text (tree, &map, "version", health->version);
    node_set_text (tree, &map, "cgroup_driver", health->cgroup_driver);
    node_set_bool (tree, &map, "streams_events", self->events.is_streaming);
    if (health->handlers)
        node_set (tree, &map, "handlers", node_copy (tree, tree_root (health->handlers)));
    if (health->features)
        node_set (tree, &map, "features", node_copy (tree, tree_root (health->features)));
    *tree_root (tree) = map;
    return tree;
}

void
health_publish (runtime_t *self)
{
    tree_t *tree = state_tree (self);
    if (self->health.published
        && node_equal (tree_root (tree), tree_root (self->health.published))) {
        tree_destroy (&tree);
        return;
    }
    tree_destroy (&self->health.published);
    self->health.published = tree;
    for (size_t i = 0; i < COUNT_OF (PEERS); i++)
        actor_send (self->actor, PEERS[i], MSG_RUNTIME_STATE, tree_root (tree));
}

void
health_tell (runtime_t *self, const char *name)
{
    for (size_t i = 0; i < COUNT_OF (PEERS); i++)
        if (strcmp (PEERS[i], name) == 0)
            actor_send (self->actor, name, MSG_RUNTIME_STATE, health_state (self));
}

const node_t *
health_state (runtime_t *self)
{
    if (!self->health.published)
        health_publish (self);
    return tree_root (self->health.published);
}

static void
go_down (runtime_t *self, const fault_t *why)
{
    health_t *health = &self->health;
    if (health->is_up || !health->is_told)
        LOG_WARNING ("Container runtime is down endpoint=%s err=%s", self->endpoint, why->text);
    health->is_told = true;
    health->is_up = false;
    events_stop (self);
    health_publish (self);
}

static void
come_up (runtime_t *self)
{
    health_t *health = &self->health;
    if (!health->is_up) {
        LOG_INFO ("Container runtime is up endpoint=%s name=%s version=%s", self->endpoint,
                  health->name, health->version);
        health->is_up = true;
        events_start (self);
    }
    health_publish (self);
}

// ---- what the steps take from their replies ----

static void
take_version (runtime_t *self, const node_t *reply)
{
    free (self->health.name);
    free (self->health.version);
    self->health.name = text_copy (node_get_text (reply, "runtime_name", ""));
    self->health.version = text_copy (node_get_text (reply, "runtime_version", ""));
}

/* CRI RuntimeConfig. The first answer counts for the life of this agent, as upstream's: cgroups
   that are there stand where it says. */
static void
take_config (runtime_t *self, const node_t *reply)
{
    health_t *health = &self->health;
    const node_t *linux_config = node_get (reply, "linux");
    const node_t *said = node_get (linux_config, "cgroup_driver");
    // SYSTEMD is the zero value, so an empty message says it
    const char *name = linux_config && !said ? "SYSTEMD" : node_as_text (said, "");
    if (health->has_config)
        return;
    health->has_config = true;
    if (strcmp (name, "SYSTEMD") == 0)
        health->cgroup_driver = "systemd";
    else if (strcmp (name, "CGROUPFS") == 0)
        health->cgroup_driver = "cgroupfs";
    else if (said)
        LOG_WARNING ("Runtime returned an unknown cgroup driver, using cgroupDriver from kubelet "
                     "config");
    if (health->cgroup_driver)
        LOG_INFO ("Using cgroup driver setting received from the CRI runtime cgroupDriver=%s",
                  health->cgroup_driver);
    else if (!reply)
        LOG_INFO ("CRI implementation should be updated to support RuntimeConfig. Falling back to "
                  "using cgroupDriver from kubelet config.");
}

/* Looks one condition up. Returns whether it is true; if not, adds why to *reason_p. */
static bool
take_condition (const node_t *reply, const char *type, const char *what, char **reason_p)
{
    bool is_true = false;
    const char *reason = "", *message = "";
    NODE_EACH (node_at (reply, "status", "conditions", NULL), condition)
    {
        if (strcmp (node_get_text (condition, "type", ""), type) != 0)
            continue;
        is_true = node_get_bool (condition, "status", false);
        reason = node_get_text (condition, "reason", "");
        message = node_get_text (condition, "message", "");
    }
    if (!is_true)
        text_replace (reason_p, "%s%scontainer runtime %s: %s=false reason:%s message:%s",
                      *reason_p ? *reason_p : "", *reason_p ? ", " : "", what, type, reason,
                      message);
    return is_true;
}

static void
take_status (runtime_t *self, const node_t *reply)
{
    health_t *health = &self->health;
    const node_t *handlers = node_get (reply, "runtime_handlers");
    free (health->reason);
    health->reason = NULL;
    health->is_ready = take_condition (reply, "RuntimeReady", "not ready", &health->reason);
    health->is_network_ready =
        take_condition (reply, "NetworkReady", "network not ready", &health->reason);
    tree_destroy (&health->handlers);
    if (handlers)
        health->handlers = tree_copy (handlers);
    const node_t *features = node_get (reply, "features");
    tree_destroy (&health->features);
    if (features)
        health->features = tree_copy (features);
    health->status_at = clock_monotonic_ms();
}

// ---- the handshake ----

static const struct {
    message_id_t message;
    const char *version; // the request's field, or NULL
    bool may_be_missing; // UNIMPLEMENTED is an answer too
    void (*take) (runtime_t *self, const node_t *reply);
} STEPS[] = {
    { MSG_CRI_VERSION, "", false, NULL },
    { MSG_CRI_IMAGE_FS_INFO, NULL, false, NULL },
    { MSG_CRI_VERSION, "0.1.0", false, take_version },
    { MSG_CRI_RUNTIME_CONFIG, NULL, true, take_config },
    { MSG_CRI_STATUS, NULL, false, take_status }, // again and again
};
#define LAST_STEP (COUNT_OF (STEPS) - 1)

static void make_step (runtime_t *self);

static void
on_step_timer (void *actor_state, void *context)
{
    (void) context;
    runtime_t *self = actor_state;
    self->health.timer = 0;
    make_step (self);
}

static void
step_after (runtime_t *self, unsigned step, int64_t delay_ms)
{
    self->health.step = step;
    self->health.timer = actor_timer (self->actor, delay_ms, on_step_timer, NULL);
}

static void
on_step_failed (runtime_t *self, const fault_t *fault)
{
    const health_t *health = &self->health;
    bool may_wait = health->is_up && clock_monotonic_ms() - health->status_at < DOWN_AFTER_MS;
    if (may_wait) {
        LOG_V (2, "Container runtime status failed err=%s", fault->text);
        step_after (self, LAST_STEP, STATUS_EVERY_MS);
        return;
    }
    go_down (self, fault);
    step_after (self, 0, RETRY_MS);
}

static void
on_step_reply (runtime_t *self, const node_t *reply, const fault_t *fault)
{
    health_t *health = &self->health;
    unsigned step = health->step;
    health->call = 0;
    if (fault && !(STEPS[step].may_be_missing && fault->code == FAULT_UNIMPLEMENTED)) {
        on_step_failed (self, fault);
        return;
    }
    if (STEPS[step].take)
        STEPS[step].take (self, reply);
    if (step == LAST_STEP) {
        come_up (self);
        step_after (self, LAST_STEP, STATUS_EVERY_MS);
        return;
    }
    health->step++;
    make_step (self);
}

static void
make_step (runtime_t *self)
{
    message_id_t message = STEPS[self->health.step].message;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t request = node_map();
    node_set_text (tree, &request, "version", STEPS[self->health.step].version);
    // a hanging runtime counts as down long before its calls' own deadlines
    int64_t wait_ms = self->request_timeout_ms < DOWN_AFTER_MS ? 0 : DOWN_AFTER_MS;
    self->health.call = runtime_call (self, message, &request, wait_ms, on_step_reply);
}

void
health_connection (runtime_t *self, const fault_t *fault)
{
    actor_timer_cancel (self->actor, &self->health.timer);
    runtime_call_forget (self, &self->health.call);
    self->health.step = 0;
    if (fault)
        go_down (self, fault);
    else
        make_step (self);
}

void
health_clear (runtime_t *self)
{
    health_t *health = &self->health;
    actor_timer_cancel (self->actor, &health->timer);
    tree_destroy (&health->published);
    tree_destroy (&health->handlers);
    tree_destroy (&health->features);
    free (health->name);
    free (health->version);
    free (health->reason);
}
