/* garbage.h - what on a node belongs to nobody any more.
   Source: reference/pod-lifecycle.md 12 and 13. */
#pragma once
#include "cubelet/pod.h"

/* The uids of `found` (texts) that are in none of the lists of `known`, each once, in `tree`. An
   empty uid is nobody's name and never garbage. */
text_list_t
garbage_uids (text_list_t found, const text_list_t *known, size_t known_count, tree_t *tree);

/* The uids in the labels of CRI's PodSandbox and Container maps, added to `uids` in `tree`. */
void garbage_runtime_uids (const node_t *items, tree_t *tree, text_list_t *uids);

/* Which dead containers go so that `limit` are left on the node (--maximum-dead-containers; below
   0: all may stay): of each container as many stay as it takes, at least the newest, and of those
   the newest of all. `containers` are CRI's Container maps; only exited ones that were made at
   `made_before` (ns) or earlier count. Returns how many, and them in *out, an array in `tree`. */
size_t garbage_containers (const node_t *containers, int64_t limit, int64_t made_before,
                           tree_t *tree, const node_t ***out);

/* Appends a copy of `text`, both in `tree`. */
void garbage_add (tree_t *tree, text_list_t *list, const char *text);
