#include "cubelet/garbage.h"
#include "cubelet/container_labels.h"
#include <string.h>

static bool
has (text_list_t list, const char *text)
{
    for (size_t i = 0; i < list.count; i++)
        if (strcmp (list.items[i], text) == 0)
            return true;
    return false;
}

void
garbage_add (tree_t *tree, text_list_t *list, const char *text)
{
    // Room for a power of two: the tree keeps what was there before until it ends.
    if ((list->count & (list->count - 1)) == 0) {
        size_t room = list->count ? 2 * list->count : 1;
        const char **items = tree_alloc (tree, room * sizeof *items);
        if (list->count)
            memcpy (items, list->items, list->count * sizeof *items);
        list->items = items;
    }
    ((const char **) list->items)[list->count++] = tree_text (tree, text, strlen (text));
}

void
garbage_runtime_uids (const node_t *items, tree_t *tree, text_list_t *uids)
{
    NODE_EACH (items, item)
    {
        const char *uid = node_get_text (node_get (item, "labels"), LABEL_POD_UID, "");
        if (uid[0] && !has (*uids, uid))
            garbage_add (tree, uids, uid);
    }
}

static bool
is_known (const text_list_t *known, size_t known_count, const char *uid)
{
    for (size_t i = 0; i < known_count; i++)
        if (has (known[i], uid))
            return true;
    return false;
}

text_list_t
garbage_uids (text_list_t found, const text_list_t *known, size_t known_count, tree_t *tree)
{
    text_list_t garbage = { 0 };
    for (size_t i = 0; i < found.count; i++) {
        const char *uid = found.items[i];
        if (uid[0] && !is_known (known, known_count, uid) && !has (garbage, uid))
            garbage_add (tree, &garbage, uid);
    }
    return garbage;
}
