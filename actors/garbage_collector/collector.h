/* collector.h - shared by the files of this folder.

   garbage_collector.c   one collection a minute: who is known, what is found, what goes
   leftovers.c           log directories and links, found and removed */
#pragma once
#include "cubelet/garbage.h"

/* The uids in the names of the directories directly below `path`: of pod directories the whole
   name, of log directories (`is_logs`) its last part. A directory that is not there is empty. */
void leftovers_find (const char *path, bool is_logs, tree_t *tree, text_list_t *uids);

/* A log directory on its way out. */
typedef struct leftover_logs leftover_logs_t;

/* Begins to remove the log directories of these uids below `path`. All borrowed until the end.
   Owned. */
leftover_logs_t *leftover_logs_new (const char *path, text_list_t uids);
void leftover_logs_destroy (leftover_logs_t **self_p);

/* Removes some files. True when there is nothing more to do; what cannot be removed is logged and
   left. Links are removed and not followed, and nothing below a mount is touched. */
bool leftover_logs_step (leftover_logs_t *self);

/* Removes the links in `path` ("/var/log/containers") that lead to logs which are no more. */
void leftover_links_remove (const char *path);

/* Removes the log of a dead container (CRI's Container map) and what it was rotated into. */
void dead_logs_remove (const char *logs_dir, const node_t *container);
