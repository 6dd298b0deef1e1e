/* in_use.c - which volumes drivers have on this node, for the Node's status (volumesInUse): a
   controller detaches none of them. */
#include "cubelet/memory.h"
#include "manager.h"
#include <string.h>

static int
compare (const void *a, const void *b)
{
    return strcmp (a, b);
}

static void
add (void *context, const volume_data_t *data)
{
    zlistx_t *names = context;
    if (!*data->driver || !*data->handle || !data->is_persistent)
        return;
    OWNED (free_text)
    char *name = text_format ("kubernetes.io/csi/%s^%s", data->driver, data->handle);
    if (!zlistx_find (names, name))
        zlistx_add_end (names, name);
}

void
in_use_tell (manager_t *self)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    OWNED (free_text) char *staged = text_format ("%s/plugins/kubernetes.io/csi", self->root_dir);
    zlistx_t *names = zlistx_new();
    zlistx_set_comparator (names, compare);
    zlistx_set_duplicator (names, (zlistx_duplicator_fn *) strdup);
    zlistx_set_destructor (names, (zlistx_destructor_fn *) zstr_free);
    volume_data_each (staged, 2, add, names);
    volume_data_each_of_pods (self->root_dir, NULL, add, names);
    zlistx_sort (names);
    node_t list = node_array(), body = node_map();
    for (const char *name = zlistx_first (names); name; name = zlistx_next (names))
        node_append (tree, &list, node_text (tree, name));
    zlistx_destroy (&names);
    node_set (tree, &body, "in_use", list);
    actor_send (self->actor, "node-reporter", MSG_NODE_VOLUMES, &body);
}
