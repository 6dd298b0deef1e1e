#include "cubelet/volume_payload.h"
#include "cubelet/downward_api.h"
#include "cubelet/go_quote.h"
#include "cubelet/memory.h"
#include "cubelet/path_element.h"
#include "cubelet/record_table.h"
#include <limits.h>
#include <string.h>

// ---- paths ----

static int
check_elements (const char *path, fault_t *fault)
{
    if (path_has_back_step (path))
        return fault_set (fault, FAULT_INVALID, "invalid path: must not contain '..': %s", path);
    for (const char *at = path; *(at += strspn (at, "/")); at += strcspn (at, "/"))
        if (strcspn (at, "/") > NAME_MAX)
            return fault_set (fault, FAULT_INVALID,
                              "invalid path: filenames must be less than or equal to %d "
                              "characters",
                              NAME_MAX);
    // The writer's own names begin with two dots.
    if (strncmp (path, "..", 2) == 0)
        return fault_set (fault, FAULT_INVALID, "invalid path: must not start with '..': %s", path);
    return 0;
}

static int
check_path (const char *path, fault_t *fault)
{
    if (!path || !*path)
        return fault_set (fault, FAULT_INVALID, "invalid path: must not be empty: \"\"");
    if (*path == '/')
        return fault_set (fault, FAULT_INVALID, "invalid path: must be relative path: %s", path);
    if (strlen (path) > PAYLOAD_PATH_MAX)
        return fault_set (fault, FAULT_INVALID,
                          "invalid path: must be less than or equal to %d characters",
                          PAYLOAD_PATH_MAX);
    return check_elements (path, fault);
}

/* "a//./b/" as "a/b"; "" when nothing is left. */
static const char *
clean_path (tree_t *tree, const char *path)
{
    char *clean = tree_alloc (tree, strlen (path) + 1);
    char *end = clean;
    for (const char *at = path; *(at += strspn (at, "/")); at += strcspn (at, "/")) {
        size_t size = strcspn (at, "/");
        if (size == 1 && *at == '.')
            continue;
        if (end != clean)
            *end++ = '/';
        memcpy (end, at, size);
        end += size;
    }
    return clean;
}

// ---- files ----

static payload_file_t *
find_file (const payload_t *self, const char *path)
{
    for (size_t i = 0; i < self->count; i++)
        if (strcmp (self->items[i].path, path) == 0)
            return &self->items[i];
    return NULL;
}

const payload_file_t *
payload_find (const payload_t *self, const char *path)
{
    return find_file (self, path);
}

const char *
payload_root_name (const payload_file_t *file, size_t *size)
{
    *size = strcspn (file->path, "/");
    return file->path;
}

static payload_file_t *
append_file (payload_t *self, tree_t *tree)
{
    // full at every power of two
    if ((self->count & (self->count - 1)) == 0) {
        size_t room = self->count ? self->count * 2 : 1;
        payload_file_t *grown = tree_alloc (tree, room * sizeof *grown);
        if (self->count)
            memcpy (grown, self->items, self->count * sizeof *grown);
        self->items = grown;
    }
    return &self->items[self->count++];
}

int
payload_put (payload_t *self, tree_t *tree, const payload_file_t *file, fault_t *fault)
{
    if (check_path (file->path, fault) < 0)
        return -1;
    const char *path = clean_path (tree, file->path);
    if (check_path (path, fault) < 0)
        return -1;
    payload_file_t *place = find_file (self, path);
    if (!place)
        place = append_file (self, tree);
    *place = *file;
    place->path = path;
    place->mode = file->mode & 0777;
    return 0;
}

// ---- the downward API ----

typedef struct {
    const char *path;
    field_ref_t *field_ref;
    resource_field_ref_t *resource_field_ref;
    opt_int_t mode;
} downward_item_t;

// clang-format off
RECORD_TYPE (DOWNWARD_ITEM, downward_item_t,
    FIELD (downward_item_t, path,                  "path",             TEXT),
    FIELD_OF (downward_item_t, field_ref,          "fieldRef",         OPT_RECORD,
              FIELD_REF_RECORD),
    FIELD_OF (downward_item_t, resource_field_ref, "resourceFieldRef", OPT_RECORD,
              RESOURCE_FIELD_REF_RECORD),
    FIELD (downward_item_t, mode,                  "mode",             OPT_INT));
// clang-format on

static int
item_value (const downward_item_t *item, const pod_t *pod, const node_facts_t *facts, tree_t *tree,
            const char **out, fault_t *fault)
{
    static const text_list_t NO_ADDRESSES = { 0 };
    *out = "";
    if (item->field_ref) {
        const char *path = item->field_ref->field_path;
        return downward_field (pod, facts, NO_ADDRESSES, path ? path : "", tree, out, fault);
    }
    if (!item->resource_field_ref)
        return 0;
    const char *name = item->resource_field_ref->container_name;
    const container_t *container = name ? pod_container (pod, name) : NULL;
    if (!container)
        return fault_set (fault, FAULT_INVALID, "container %s not found", name ? name : "");
    return downward_resource (pod, facts, container, item->resource_field_ref, tree, out, fault);
}

static int
put_item (payload_t *self, tree_t *tree, const pod_t *pod, const node_facts_t *facts,
          const node_t *node, int64_t default_mode, fault_t *fault)
{
    downward_item_t item = { 0 };
    payload_file_t file = { 0 };
    if (record_decode (&DOWNWARD_ITEM, node, tree, RECORD_LENIENT, &item, fault) < 0
        || item_value (&item, pod, facts, tree, &file.bytes, fault) < 0)
        return -1;
    file.path = item.path;
    file.size = strlen (file.bytes);
    file.mode = item.mode.set ? item.mode.value : default_mode;
    return payload_put (self, tree, &file, fault);
}

int
payload_put_downward (payload_t *self, tree_t *tree, const pod_t *pod, const node_facts_t *facts,
                      const node_t *items, int64_t default_mode, fault_t *fault)
{
    fault_list_t faults = { 0 };
    NODE_EACH (items, item)
    {
        fault_t bad = { 0 };
        if (put_item (self, tree, pod, facts, item, default_mode, &bad) < 0)
            fault_list_add (&faults, &bad);
    }
    return fault_list_report (&faults, fault);
}
