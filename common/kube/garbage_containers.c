#include "cubelet/container_labels.h"
#include "cubelet/garbage.h"
#include <stdlib.h>
#include <string.h>

typedef struct {
    const node_t *item;
    const char *uid, *name;
    int64_t created_at;
} dead_t;

static int
newest_first (const void *a, const void *b)
{
    const dead_t *left = a, *right = b;
    return left->created_at < right->created_at   ? 1
           : left->created_at > right->created_at ? -1
                                                  : strcmp (left->uid, right->uid);
}

/* Collects those that may go, newest first. Created ones are about to start, and unknown ones are
   stopped by their worker first. */
static size_t
collect (const node_t *containers, int64_t made_before, dead_t *dead)
{
    size_t count = 0;
    NODE_EACH (containers, item)
    {
        const node_t *labels = node_get (item, "labels");
        int64_t created_at = node_get_int (item, "created_at", 0);
        const char *uid = node_get_text (labels, LABEL_POD_UID, "");
        bool is_dead = strcmp (node_get_text (item, "state", ""), "CONTAINER_EXITED") == 0;
        if (is_dead && *uid && created_at <= made_before)
            dead[count++] = (dead_t){
                .item = item,
                .uid = uid,
                .name = node_get_text (labels, LABEL_CONTAINER_NAME, ""),
                .created_at = created_at,
            };
    }
    qsort (dead, count, sizeof *dead, newest_first);
    return count;
}

/* How many newer ones of the same container there are. */
static size_t
rank_of (const dead_t *dead, size_t index)
{
    size_t rank = 0;
    for (size_t i = 0; i < index; i++)
        rank += strcmp (dead[i].uid, dead[index].uid) == 0
                && strcmp (dead[i].name, dead[index].name) == 0;
    return rank;
}

size_t
garbage_containers (const node_t *containers, int64_t limit, int64_t made_before, tree_t *tree,
                    const node_t ***out)
{
    size_t listed = node_count (containers);
    *out = NULL;
    if (limit < 0 || listed <= (size_t) limit)
        return 0;
    dead_t *dead = tree_alloc (tree, listed * sizeof *dead);
    size_t count = collect (containers, made_before, dead);
    if (count <= (size_t) limit)
        return 0;
    size_t *ranks = tree_alloc (tree, count * sizeof *ranks);
    size_t names = 0, kept = 0, gone = 0;
    for (size_t i = 0; i < count; i++) {
        ranks[i] = rank_of (dead, i);
        names += ranks[i] == 0;
    }
    size_t each = (size_t) limit / names > 1 ? (size_t) limit / names : 1;
    *out = tree_alloc (tree, count * sizeof **out);
    for (size_t i = 0; i < count; i++) {
        if (ranks[i] < each && kept < (size_t) limit)
            kept++;
        else
            (*out)[gone++] = dead[i].item;
    }
    return gone;
}
