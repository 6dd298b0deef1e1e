/* Mirror pods: never run, only brought together with the static pods they show
   (reference/pod-lifecycle.md 3.2). */
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include "manager.h"

const mirror_t *
mirror_find (manager_t *self, const char *full_name)
{
    for (mirror_t *mirror = zlistx_first (self->mirrors); mirror;
         mirror = zlistx_next (self->mirrors))
        if (streq (mirror->full_name, full_name))
            return mirror;
    return NULL;
}

const mirror_t *
mirror_find_uid (manager_t *self, const char *uid)
{
    for (mirror_t *mirror = zlistx_first (self->mirrors); mirror;
         mirror = zlistx_next (self->mirrors))
        if (streq (mirror->uid, uid))
            return mirror;
    return NULL;
}

static void
report_static (manager_t *self, const char *full_name)
{
    managed_pod_t *entry = find_static (self, full_name);
    if (entry)
        report_pod (self, entry);
    else
        mirrors_report_orphans (self);
}

void
mirror_take (manager_t *self, const node_t *pod)
{
    const char *uid = pod_uid_of (pod);
    mirror_t *mirror = (mirror_t *) mirror_find_uid (self, uid);
    if (mirror && packed_equal (&mirror->pod, pod))
        return;
    if (!mirror) {
        const node_t *meta = node_get (pod, "metadata");
        mirror = memory_new (1, sizeof *mirror);
        mirror->uid = text_copy (uid);
        mirror->full_name = text_format ("%s/%s", node_get_text (meta, "namespace", ""),
                                         node_get_text (meta, "name", ""));
        // A name's newest mirror is found first: an older one is on its way out.
        zlistx_add_start (self->mirrors, mirror);
        LOG_INFO ("Mirror pod found pod=%s uid=%s", mirror->full_name, uid);
    }
    packed_set (&mirror->pod, pod);
    report_static (self, mirror->full_name);
}

static void
drop (manager_t *self, const mirror_t *mirror)
{
    OWNED (free_text) char *full_name = text_copy (mirror->full_name);
    LOG_INFO ("Mirror pod is gone pod=%s uid=%s", full_name, mirror->uid);
    zlistx_delete (self->mirrors, zlistx_find (self->mirrors, (void *) mirror));
    report_static (self, full_name);
}

bool
mirror_remove (manager_t *self, const char *uid)
{
    const mirror_t *mirror = mirror_find_uid (self, uid);
    if (mirror)
        drop (self, mirror);
    return mirror != NULL;
}

static bool
is_among (const node_t *pods, const char *uid)
{
    NODE_EACH (pods, pod)
    if (streq (pod_uid_of (pod), uid))
        return true;
    return false;
}

void
mirrors_keep (manager_t *self, const node_t *pods)
{
    OWNED (zlistx_destroy) zlistx_t *gone = zlistx_new();
    for (mirror_t *mirror = zlistx_first (self->mirrors); mirror;
         mirror = zlistx_next (self->mirrors))
        if (!is_among (pods, mirror->uid))
            zlistx_add_end (gone, mirror);
    for (mirror_t *mirror = zlistx_first (gone); mirror; mirror = zlistx_next (gone))
        drop (self, mirror);
}

void
mirrors_report_orphans (manager_t *self)
{
    if (!self->is_joined || !sources_are_ready (self))
        return;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    for (mirror_t *mirror = zlistx_first (self->mirrors); mirror;
         mirror = zlistx_next (self->mirrors)) {
        if (find_static (self, mirror->full_name))
            continue;
        node_t pod = packed_node (&mirror->pod, tree);
        const node_t *meta = node_get (&pod, "metadata");
        node_t body = node_map();
        node_set_text (tree, &body, "namespace", node_get_text (meta, "namespace", ""));
        node_set_text (tree, &body, "name", node_get_text (meta, "name", ""));
        node_set_text (tree, &body, "uid", mirror->uid);
        actor_send (self->actor, "status-reporter", MSG_MIRROR_ORPHAN, &body);
    }
}
