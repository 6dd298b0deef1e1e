/* plugin.c - registration of the plugin behind a socket: it is asked who it is (GetInfo), its
   driver what it is called here and what it can do, the API server is told, and then the plugin.
   The driver can be used as soon as it has answered; what fails is tried again after 0.5 s, 1 s,
   ... 122 s. When the socket goes, so does the driver. */
#include "cubelet/clock.h"
#include "cubelet/csi_registration.h"
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include "cubelet/metrics.h"
#include "manager.h"
#include <string.h>

static const backoff_limits_t BACKOFF = { .first_ns = 500 * NS_PER_MS, .limit_ns = 122 * NS_PER_S };

static const file_stamp_t NONE;

static bool
is_set (const file_stamp_t *stamp)
{
    return !file_stamp_equal (stamp, &NONE);
}

/* plugin_manager_total_plugins of /metrics: the socket is there, or (WORKS) its driver is in use.
 */
#define IS_WANTED "desired_state_of_world"
#define WORKS "actual_state_of_world"

static void
show (const plugin_t *self, const char *state)
{
    metric_set (metrics_shared(), METRIC_PLUGIN_MANAGER_TOTAL_PLUGINS, 1,
                LABELS (self->socket, state));
}

static void
destroy (void **self_p)
{
    plugin_t *self = *self_p;
    metric_forget (METRIC_PLUGIN_MANAGER_TOTAL_PLUGINS, LABELS (self->socket));
    actor_timer_cancel (self->manager->actor, &self->timer);
    link_close (&self->registrar);
    link_close (&self->link);
    tree_destroy (&self->info);
    tree_destroy (&self->entry.node);
    free (self->socket);
    free (self->name);
    free (self);
    *self_p = NULL;
}

zhashx_t *
plugins_new (void)
{
    zhashx_t *plugins = zhashx_new();
    zhashx_set_destructor (plugins, destroy);
    return plugins;
}

plugin_t *
driver_find (manager_t *self, const char *name, fault_t *fault)
{
    plugin_t *plugin = zhashx_lookup (self->drivers, name);
    if (!plugin)
        fault_set (fault, FAULT_NOT_FOUND,
                   "driver name %s not found in the list of registered CSI drivers", name);
    return plugin;
}

static bool
is_driver (const plugin_t *self)
{
    return self->name && zhashx_lookup (self->manager->drivers, self->name) == self;
}

/* Nobody finds the driver from now on; calls under way still end. */
static void
take_away (plugin_t *self)
{
    if (is_driver (self))
        zhashx_delete (self->manager->drivers, self->name);
    metric_forget (METRIC_PLUGIN_MANAGER_TOTAL_PLUGINS, LABELS (self->socket, WORKS));
    link_close (&self->link);
}

/* Lets CSINode and Node say what the driver says of the node, or forget it when `info` is NULL. */
static void
update_api (plugin_t *self, const node_t *info, node_entry_fn *done)
{
    self->entry = (node_entry_t){
        .manager = self->manager, .driver = self->name, .info = info, .done = done, .context = self
    };
    node_entry_update (&self->entry);
}

// ---- registration, a step after the other ----

static void step (plugin_t *self);

static void
step_due (void *state, void *context)
{
    (void) state;
    plugin_t *self = context;
    self->timer = 0;
    step (self);
}

static void
on_told_of_failure (void *context, const node_t *reply, const fault_t *fault)
{
    (void) reply, (void) fault; // the plugin may well be gone
    plugin_t *self = context;
    int64_t now = clock_now_ns();
    self->is_busy = false;
    self->trying = NONE;
    link_close (&self->registrar);
    if (is_set (&self->seen)) {
        backoff_next (&self->backoff, &BACKOFF, now, now);
        self->timer =
            actor_timer (self->manager->actor, self->backoff.wait_ns / NS_PER_MS, step_due, self);
    }
    else
        step (self);
}

static void
notify (plugin_t *self, const fault_t *fault, link_done_fn *done)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t request = node_map();
    if (fault)
        node_set_text (tree, &request, "error", fault->text);
    else
        node_set_bool (tree, &request, "plugin_registered", true);
    link_call (self->registrar, CALL_NOTIFY, &request, done, self);
}

static void
fail (plugin_t *self, const fault_t *fault)
{
    LOG_WARNING ("Plugin not registered socket=%s err=%s", self->socket, fault->text);
    notify (self, fault, on_told_of_failure);
}

static void
on_told (void *context, const node_t *reply, const fault_t *fault)
{
    (void) reply;
    plugin_t *self = context;
    if (fault) {
        // It may never have learnt, and waits.
        fail (self, fault);
        return;
    }
    LOG_INFO ("CSI driver registered name=%s socket=%s", self->name, self->socket);
    self->is_busy = false;
    self->registered = self->trying;
    self->backoff = (backoff_t){ 0 };
    link_close (&self->registrar);
    step (self);
}

static void
on_api_told (void *context, const fault_t *fault)
{
    plugin_t *self = context;
    if (fault)
        fail (self, fault);
    else
        notify (self, NULL, on_told);
}

/* Fails when the driver did not answer, or its socket has gone meanwhile. */
static bool
is_lost (plugin_t *self, const fault_t *fault)
{
    fault_t gone = { 0 };
    if (!fault && !self->link) {
        fault_set (&gone, FAULT_UNAVAILABLE, "the socket is gone");
        fault = &gone;
    }
    if (fault)
        fail (self, fault);
    return fault != NULL;
}

static void
on_abilities (void *context, const node_t *reply, const fault_t *fault)
{
    plugin_t *self = context;
    if (is_lost (self, fault))
        return;
    self->abilities = csi_abilities_read (reply);
    // A newer plugin of the same name takes the place of an older one.
    zhashx_update (self->manager->drivers, self->name, self);
    show (self, WORKS);
    unstage_unused (self->manager);
    self->is_in_api = true;
    update_api (self, tree_root (self->info), on_api_told);
}

static void
on_node_info (void *context, const node_t *reply, const fault_t *fault)
{
    plugin_t *self = context;
    if (is_lost (self, fault))
        return;
    tree_destroy (&self->info);
    self->info = tree_copy (reply);
    link_call (self->link, CALL_NODE_ABILITIES, NULL, on_abilities, self);
}

static int
open_driver (plugin_t *self, const node_t *info, fault_t *fault)
{
    const char *endpoint = node_get_text (info, "endpoint", "");
    if (plugin_info_check (info, self->socket, fault) < 0)
        return -1;
    take_away (self);
    text_replace (&self->name, "%s", node_get_text (info, "name", ""));
    self->link = link_new (self->manager, *endpoint ? endpoint : self->socket, self->name, fault);
    return self->link ? 0 : -1;
}

static void
on_info (void *context, const node_t *reply, const fault_t *failed)
{
    plugin_t *self = context;
    fault_t fault = { 0 };
    if (failed)
        fault = *failed;
    if (failed || open_driver (self, reply, &fault) < 0) {
        fail (self, &fault);
        return;
    }
    link_call (self->link, CALL_NODE_INFO, NULL, on_node_info, self);
}

static void
begin (plugin_t *self)
{
    fault_t fault = { 0 };
    self->registrar = link_new (self->manager, self->socket, NULL, &fault);
    if (!self->registrar) {
        LOG_WARNING ("Plugin not registered socket=%s err=%s", self->socket, fault.text);
        return; // a path that no socket can be reached by
    }
    self->is_busy = true;
    self->trying = self->seen;
    link_call (self->registrar, CALL_GET_INFO, NULL, on_info, self);
}

// ---- the end ----

static void
on_removed (void *context, const fault_t *fault)
{
    plugin_t *self = context;
    int64_t now = clock_now_ns();
    self->is_busy = false;
    if (!fault) {
        LOG_INFO ("CSI driver gone name=%s socket=%s", self->name, self->socket);
        self->registered = NONE;
        self->is_in_api = false;
        step (self);
        return;
    }
    LOG_WARNING ("CSI driver not taken out of CSINode name=%s err=%s", self->name, fault->text);
    backoff_next (&self->backoff, &BACKOFF, now, now);
    self->timer =
        actor_timer (self->manager->actor, self->backoff.wait_ns / NS_PER_MS, step_due, self);
}

/* Its name in the API goes with it, unless another plugin serves the driver now. */
static void
remove_plugin (plugin_t *self)
{
    take_away (self);
    if (zhashx_lookup (self->manager->drivers, self->name)) {
        self->registered = NONE;
        self->is_in_api = false;
        step (self);
        return;
    }
    self->is_busy = true;
    update_api (self, NULL, on_removed);
}

/* Does what the socket's state asks for next. */
static void
step (plugin_t *self)
{
    bool is_there = is_set (&self->seen);
    if (!is_there)
        take_away (self);
    if (self->is_busy || self->timer)
        return;
    if (is_there && !file_stamp_equal (&self->seen, &self->registered))
        begin (self);
    else if (!is_there && self->is_in_api)
        remove_plugin (self);
    else if (!is_there)
        zhashx_delete (self->manager->plugins, self->socket);
}

void
plugin_seen (manager_t *self, const char *socket, const file_stamp_t *stamp)
{
    plugin_t *plugin = zhashx_lookup (self->plugins, socket);
    if (!plugin) {
        plugin = memory_new (1, sizeof *plugin);
        plugin->manager = self;
        plugin->socket = text_copy (socket);
        zhashx_insert (self->plugins, socket, plugin);
        show (plugin, IS_WANTED);
    }
    if (!file_stamp_equal (&plugin->seen, stamp)) {
        // A new state does not wait for the end of a pause.
        actor_timer_cancel (self->actor, &plugin->timer);
        plugin->backoff = (backoff_t){ 0 };
    }
    plugin->seen = *stamp;
    step (plugin);
}
