/* in_use.c - which volumes drivers have on this node, for the Node's status (volumesInUse): a
   controller detaches none of them. As upstream's it names volumes that a controller has attached,
   from the moment on when that is waited for. */
#include "cubelet/memory.h"
#include "manager.h"
#include <string.h>

static int
compare (const void *a, const void *b)
{
    return strcmp (a, b);
}

static void
add_name (zlistx_t *names, const char *name)
{
    if (!zlistx_find (names, (void *) name))
        zlistx_add_end (names, (void *) name);
}

static void
add (void *context, const volume_data_t *data)
{
    OWNED (free_text) char *name = csi_unique_name (&data->volume);
    if (data->is_persistent && data->is_attached)
        add_name (context, name);
}

void
in_use_tell (manager_t *self)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    zlistx_t *names = zlistx_new();
    zlistx_set_comparator (names, compare);
    zlistx_set_duplicator (names, (zlistx_duplicator_fn *) strdup);
    zlistx_set_destructor (names, (zlistx_destructor_fn *) zstr_free);
    volume_data_each_staged (self, add, names);
    volume_data_each_of_pods (self, add, names);
    for (operation_t *one = zlistx_first (self->operations); one;
         one = zlistx_next (self->operations))
        if (one->in_use)
            add_name (names, one->in_use);
    zlistx_sort (names);
    node_t list = node_array(), body = node_map();
    for (const char *name = zlistx_first (names); name; name = zlistx_next (names))
        node_append (tree, &list, node_text (tree, name));
    zlistx_destroy (&names);
    node_set (tree, &body, "in_use", list);
    actor_send (self->actor, "node-reporter", MSG_NODE_VOLUMES, &body);
}
