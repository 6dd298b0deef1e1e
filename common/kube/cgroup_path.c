#include "cubelet/cgroup_path.h"
#include "cubelet/memory.h"
#include <string.h>

#define NODE_NAME "kubepods"
#define SLICE ".slice"

const char *
cgroup_driver_name (cgroup_driver_t driver)
{
    return driver == CGROUP_DRIVER_SYSTEMD ? "systemd" : "cgroupfs";
}

cgroup_driver_t
cgroup_driver_of (const char *name)
{
    return name && strcmp (name, "systemd") == 0 ? CGROUP_DRIVER_SYSTEMD : CGROUP_DRIVER_CGROUPFS;
}

bool
cgroup_driver_choose (const node_t *runtime_state, cgroup_driver_t configured, cgroup_driver_t *out)
{
    const char *said = node_get_text (runtime_state, "cgroup_driver", NULL);
    if (!node_get_bool (runtime_state, "up", false))
        return false;
    *out = said ? cgroup_driver_of (said) : configured;
    return true;
}

/* A path on its way: "/a/b" with cgroupfs; with systemd also the last slice's name, "a-b", which
   the next one starts with. */
typedef struct {
    cgroup_driver_t driver;
    char *path;
    char *slice;
} builder_t;

static void
add_element (builder_t *self, const char *name)
{
    if (self->driver == CGROUP_DRIVER_CGROUPFS) {
        text_replace (&self->path, "%s/%s", self->path, name);
        return;
    }
    OWNED (free_text) char *escaped = text_copy (name);
    for (char *dash = escaped; (dash = strchr (dash, '-')) != NULL;)
        *dash = '_'; // '-' stands between the elements of a slice's name
    text_replace (&self->slice, "%s%s%s", self->slice, *self->slice ? "-" : "", escaped);
    text_replace (&self->path, "%s/%s" SLICE, self->path, self->slice);
}

static builder_t
begin (const node_facts_t *facts)
{
    builder_t self = { .driver = facts->cgroup_driver,
                       .path = text_copy (""),
                       .slice = text_copy ("") };
    OWNED (free_text) char *root = text_copy (facts->cgroup_root ? facts->cgroup_root : "");
    char *rest = NULL;
    for (char *name = strtok_r (root, "/", &rest); name; name = strtok_r (NULL, "/", &rest))
        add_element (&self, name);
    if (facts->cgroups_per_qos)
        add_element (&self, NODE_NAME);
    return self;
}

static char *
finish (builder_t *self)
{
    free (self->slice);
    if (!*self->path)
        text_replace (&self->path, "/");
    return self->path;
}

static void
add_qos (builder_t *self, const char *qos)
{
    if (strcmp (qos, "Burstable") == 0)
        add_element (self, "burstable");
    else if (strcmp (qos, "BestEffort") == 0)
        add_element (self, "besteffort");
}

char *
cgroup_node_path (const node_facts_t *facts)
{
    builder_t builder = begin (facts);
    return finish (&builder);
}

char *
cgroup_qos_path (const node_facts_t *facts, const char *qos)
{
    builder_t builder = begin (facts);
    add_qos (&builder, qos);
    return finish (&builder);
}

char *
cgroup_pod_path (const node_facts_t *facts, const char *qos, const char *pod_uid)
{
    builder_t builder = begin (facts);
    add_qos (&builder, qos);
    OWNED (free_text) char *name = text_format ("pod%s", pod_uid ? pod_uid : "");
    add_element (&builder, name);
    return finish (&builder);
}

char *
cgroup_parent (const pod_t *pod, const node_facts_t *facts)
{
    if (!facts->cgroups_per_qos)
        return text_copy ("");
    return cgroup_pod_path (facts, pod_qos_class (pod), pod->metadata.uid);
}

char *
cgroup_pod_uid (const char *name)
{
    const char *slash = strrchr (name, '/');
    name = slash ? slash + 1 : name;
    size_t size = strlen (name), suffix = strlen (SLICE);
    if (size <= suffix || strcmp (name + size - suffix, SLICE) != 0)
        return strncmp (name, "pod", 3) == 0 && name[3] ? text_copy (name + 3) : NULL;
    OWNED (free_text) char *slice = strndup (name, size - suffix);
    if (!slice)
        abort();
    char *last = strrchr (slice, '-');
    if (!last || strncmp (last, "-pod", 4) != 0 || !last[4])
        return NULL;
    for (char *underscore = last; (underscore = strchr (underscore, '_')) != NULL;)
        *underscore = '-';
    return text_copy (last + 4);
}

/* "/a.slice/a-b.slice" for "a-b.slice". */
static char *
slice_path (const char *name)
{
    OWNED (free_text) char *path = text_copy ("");
    for (const char *dash = strchr (name, '-'); dash; dash = strchr (dash + 1, '-'))
        text_replace (&path, "%s/%.*s" SLICE, path, (int) (dash - name), name);
    return text_format ("%s/%s", path, name);
}

char *
cgroup_named_path (cgroup_driver_t driver, const char *name)
{
    const char *plain = name + strspn (name, "/");
    size_t size = strlen (plain);
    bool is_slice =
        size > sizeof SLICE - 1 && strcmp (plain + size - (sizeof SLICE - 1), SLICE) == 0;
    if (driver == CGROUP_DRIVER_SYSTEMD && is_slice && !strchr (plain, '/'))
        return slice_path (plain);
    return text_format ("/%s", plain);
}
