/* known.c - which volumes pods want and have, for those who show it: numbers of volumes by plugin,
   and which claim a directory belongs to (it has the name of the PersistentVolume). No decision
   reads this, and a new incarnation learns it from the next set-ups. */
#include "cubelet/clock.h"
#include "cubelet/memory.h"
#include "cubelet/metrics.h"
#include "manager.h"
#include <string.h>

typedef struct {
    char *volume;    // the pod's name for it
    char *name;      // its directory's
    char *directory; // the plugin's; NULL: it has none
    char *plugin;    // "kubernetes.io/csi:DRIVER"
    char *claim;     // NULL: none
    bool is_mounted;
} known_volume_t;

static void
known_volume_destroy (void **self_p)
{
    known_volume_t *self = *self_p;
    free (self->volume);
    free (self->name);
    free (self->directory);
    free (self->plugin);
    free (self->claim);
    free (self);
    *self_p = NULL;
}

static void
destroy_list (void **list_p)
{
    zlistx_destroy ((zlistx_t **) list_p);
}

zhashx_t *
known_volumes_new (void)
{
    zhashx_t *pods = zhashx_new();
    zhashx_set_destructor (pods, destroy_list);
    return pods;
}

/* As upstream's metrics call the plugin; "kubernetes.io~empty-dir" is "kubernetes.io/empty-dir"
   there. Owned. */
static char *
plugin_of (const volume_job_t *job)
{
    const volume_plugin_t *plugin = job->plugin;
    const char *driver = node_get_text (job->source, "driver", NULL);
    char *text = text_copy (plugin->directory ? plugin->directory : "kubernetes.io~host-path");
    *strchr (text, '~') = '/';
    if (driver && strcmp (plugin->name, "csi") == 0)
        text_replace (&text, "%s:%s", text, driver);
    return text;
}

static known_volume_t *
find (zlistx_t *volumes, const char *volume)
{
    for (known_volume_t *one = zlistx_first (volumes); one; one = zlistx_next (volumes))
        if (strcmp (one->volume, volume) == 0)
            return one;
    return NULL;
}

static known_volume_t *
find_or_add (manager_t *self, const volume_job_t *job)
{
    const char *uid = job->pod->metadata.uid;
    zlistx_t *volumes = zhashx_lookup (self->known, uid);
    if (!volumes) {
        volumes = zlistx_new();
        zlistx_set_destructor (volumes, known_volume_destroy);
        zhashx_insert (self->known, uid, volumes);
    }
    known_volume_t *known = find (volumes, job->volume->name);
    if (known)
        return known;
    known = memory_new (1, sizeof *known);
    known->volume = text_copy (job->volume->name);
    known->name = text_copy (job->name);
    known->directory = text_copy (job->plugin->directory);
    known->plugin = plugin_of (job);
    known->claim = text_copy (node_get_text (node_get (job->claim, "metadata"), "name", NULL));
    zlistx_add_end (volumes, known);
    return known;
}

/* storage_operation_duration_seconds and, of what has come to its good end, its whole time. */
static void
count_operation (const char *operation, const char *whole, const char *plugin, int64_t began_ns,
                 bool has_failed)
{
    double seconds = (double) (clock_now_ns() - began_ns) / NS_PER_S;
    metric_observe (METRIC_STORAGE_OPERATION_DURATION_SECONDS, seconds,
                    LABELS ("false", operation, has_failed ? "fail-unknown" : "success", plugin));
    if (whole && !has_failed)
        metric_observe (METRIC_VOLUME_OPERATION_TOTAL_SECONDS, seconds, LABELS (whole, plugin));
}

void
known_volume_ended (manager_t *self, const volume_job_t *job, bool has_failed)
{
    if (!job->plugin || job->plugin->setup == claim_setup) // nobody can say what it is
        return;
    known_volume_t *known = find_or_add (self, job);
    bool is_new = !known->is_mounted;
    if (!job->is_unchanged)
        count_operation ("volume_mount", is_new && !job->is_refresh ? "overall_volume_mount" : NULL,
                         known->plugin, job->began_ns, has_failed);
    known->is_mounted = known->is_mounted || !has_failed;
}

void
known_volumes_removed (manager_t *self, const char *uid, int64_t began_ns, bool has_failed)
{
    zlistx_t *volumes = zhashx_lookup (self->known, uid);
    for (known_volume_t *one = volumes ? zlistx_first (volumes) : NULL; one;
         one = zlistx_next (volumes))
        if (one->is_mounted)
            count_operation ("volume_unmount", NULL, one->plugin, began_ns, has_failed);
    if (!has_failed)
        zhashx_delete (self->known, uid);
}

static node_t
encode (tree_t *tree, const char *uid, const known_volume_t *known)
{
    node_t row = node_map();
    node_set_text (tree, &row, "pod_uid", uid);
    node_set_text (tree, &row, "volume", known->volume);
    node_set_text (tree, &row, "name", known->name);
    if (known->directory)
        node_set_text (tree, &row, "directory", known->directory);
    node_set_text (tree, &row, "plugin", known->plugin);
    if (known->claim)
        node_set_text (tree, &row, "claim", known->claim);
    node_set_bool (tree, &row, "mounted", known->is_mounted);
    return row;
}

int
on_volume_list (void *state, const message_t *message, fault_t *fault)
{
    (void) fault;
    manager_t *self = state;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t rows = node_array();
    for (zlistx_t *volumes = zhashx_first (self->known); volumes;
         volumes = zhashx_next (self->known)) {
        const char *uid = zhashx_cursor (self->known);
        for (known_volume_t *one = zlistx_first (volumes); one; one = zlistx_next (volumes))
            node_append (tree, &rows, encode (tree, uid, one));
    }
    node_t body = node_map();
    node_set (tree, &body, "volumes", rows);
    actor_reply (self->actor, message, &body);
    return 0;
}
