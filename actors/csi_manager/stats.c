/* stats.c - MSG_CSI_STATS: what drivers say of the volumes that they have published here
   (NodeGetVolumeStats). The numbers are kept for as long as who asks finds them good enough; who
   asks waits a moment for newer ones, and a driver that takes longer delays nobody a second time.
 */
#include "cubelet/clock.h"
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include "manager.h"

/* Below what the stats-provider gives its questions. */
#define WAIT_MS 3000

/* What is known of one pod's volume. */
typedef struct {
    manager_t *manager;
    char *pod_uid, *name;
    tree_t *reply; // NodeGetVolumeStatsResponse; NULL: none
    int64_t at_ms; // monotonic; when it came, or failed to
    bool is_asked; // the driver is being asked
    bool is_slow;  // ... and has been waited for already
    bool is_seen;  // the volume is still there
} known_t;

static void
destroy (void **self_p)
{
    known_t *self = *self_p;
    tree_destroy (&self->reply);
    free (self->pod_uid);
    free (self->name);
    free (self);
    *self_p = NULL;
}

zhashx_t *
stats_new (void)
{
    zhashx_t *stats = zhashx_new();
    zhashx_set_destructor (stats, destroy);
    return stats;
}

static node_t
rows (manager_t *self, tree_t *tree)
{
    node_t list = node_array();
    for (const known_t *known = zhashx_first (self->stats); known;
         known = zhashx_next (self->stats)) {
        if (!known->reply)
            continue;
        node_t row = node_map();
        node_set_text (tree, &row, "pod_uid", known->pod_uid);
        node_set_text (tree, &row, "name", known->name);
        node_set (tree, &row, "usage",
                  node_copy (tree, node_get (tree_root (known->reply), "usage")));
        node_append (tree, &list, row);
    }
    return list;
}

static void
answer (manager_t *self)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t body = node_map();
    actor_timer_cancel (self->actor, &self->stats_timer);
    node_set (tree, &body, "volumes", rows (self, tree));
    askers_answer (self->stats_askers, self->actor, &body, NULL);
}

static bool
is_waiting (manager_t *self)
{
    for (const known_t *known = zhashx_first (self->stats); known;
         known = zhashx_next (self->stats))
        if (known->is_asked && !known->is_slow)
            return true;
    return false;
}

static void
on_limit (void *state, void *context)
{
    (void) context;
    manager_t *self = state;
    self->stats_timer = 0;
    for (known_t *known = zhashx_first (self->stats); known; known = zhashx_next (self->stats))
        known->is_slow = known->is_asked;
    answer (self);
}

static void
on_stats (void *context, const node_t *reply, const fault_t *fault)
{
    known_t *self = context;
    self->is_asked = self->is_slow = false;
    self->at_ms = clock_monotonic_ms();
    tree_destroy (&self->reply);
    if (fault)
        LOG_V (2, "No stats of a volume pod_uid=%s volume=%s err=%s", self->pod_uid, self->name,
               fault->text);
    else
        self->reply = tree_copy (reply);
    if (!is_waiting (self->manager))
        answer (self->manager);
}

static known_t *
find (manager_t *manager, const csi_volume_t *volume)
{
    OWNED (free_text) char *key = text_format ("%s/%s", volume->pod_uid, volume->name);
    known_t *self = zhashx_lookup (manager->stats, key);
    if (!self) {
        self = memory_new (1, sizeof *self);
        self->manager = manager;
        self->pod_uid = text_copy (volume->pod_uid);
        self->name = text_copy (volume->name);
        zhashx_insert (manager->stats, key, self);
    }
    self->is_seen = true;
    return self;
}

/* A round over all volumes: those of which not enough is known are asked for. */
typedef struct {
    manager_t *manager;
    int64_t now_ms, max_age_ms;
} round_t;

static void
ask (void *context, const volume_data_t *data)
{
    const round_t *round = context;
    const csi_volume_t *volume = &data->volume;
    plugin_t *driver = zhashx_lookup (round->manager->drivers, volume->driver);
    if (data->state != VOLUME_DONE || !driver || !(driver->abilities & CSI_HAS_STATS))
        return;
    known_t *self = find (round->manager, volume);
    if (self->is_asked || (self->at_ms && round->now_ms - self->at_ms <= round->max_age_ms))
        return;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    csi_places_t places;
    csi_places (round->manager->root_dir, volume, tree, &places);
    node_t request = node_map();
    node_set_text (tree, &request, "volume_id", volume->handle);
    node_set_text (tree, &request, "volume_path", places.target);
    self->is_asked = true;
    link_call (driver->link, CALL_STATS, &request, on_stats, self);
}

static void
forget_unseen (manager_t *self)
{
    zlistx_t *keys = zhashx_keys (self->stats);
    for (const char *key = zlistx_first (keys); key; key = zlistx_next (keys)) {
        known_t *known = zhashx_lookup (self->stats, key);
        bool is_gone = !known->is_seen && !known->is_asked;
        known->is_seen = false;
        if (is_gone)
            zhashx_delete (self->stats, key);
    }
    zlistx_destroy (&keys);
}

int
on_csi_stats (void *state, const message_t *message, fault_t *fault)
{
    (void) fault;
    manager_t *self = state;
    round_t round = { .manager = self,
                      .now_ms = clock_monotonic_ms(),
                      .max_age_ms = node_get_int (message->body, "max_age_ms", 0) };
    askers_add (self->stats_askers, message);
    volume_data_each_of_pods (self, ask, &round);
    forget_unseen (self);
    if (!is_waiting (self))
        answer (self);
    else if (!self->stats_timer)
        self->stats_timer = actor_timer (self->actor, WAIT_MS, on_limit, NULL);
    return 0;
}
