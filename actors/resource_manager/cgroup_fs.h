/* cgroup_fs.h - the cgroup file system, of either version, as a tree of groups named by paths.

   On v1 every controller (or set of them) has a hierarchy of its own under the mount directory; a
   group exists in all of them, like upstream's. On v2 there is one hierarchy, and groups pass the
   controllers on to their children. Paths start with a slash and have no "..". For tests the mount
   directory may be any directory that looks like one. */
#pragma once
#include "cubelet/cgroup_settings.h"
#include "cubelet/fault.h"
#include <stdbool.h>

typedef struct cgroup_fs cgroup_fs_t;

/* Finds the hierarchies under `mount` ("/sys/fs/cgroup"): v2 when it holds cgroup.controllers,
   else v1. Owned; NULL with FAULT_UNAVAILABLE when there are none. */
cgroup_fs_t *cgroup_fs_new (const char *mount, fault_t *fault);

/* Frees *self_p and sets it to NULL; does nothing if it is NULL already. */
void cgroup_fs_destroy (cgroup_fs_t **self_p);

/* 1 or 2. */
int cgroup_fs_version (const cgroup_fs_t *self);

/* Makes a group with all above it, ready for processes and children. Nothing happens when it is
   there. Returns 0, or -1 with FAULT_INTERNAL. */
int cgroup_fs_make (cgroup_fs_t *self, const char *path, fault_t *fault);

/* Writes one setting. A controller or file that this machine does not have is passed over, and
   logged the first time. Returns 0, or -1 with FAULT_INTERNAL. */
int cgroup_fs_set (cgroup_fs_t *self, const char *path, const cgroup_setting_t *setting,
                   fault_t *fault);

/* Reads the first line of a setting's file (its text is not looked at). Owned; NULL: no such. */
char *cgroup_fs_get (const cgroup_fs_t *self, const char *path, const cgroup_setting_t *setting);

/* Calls for every child group's name. */
typedef void cgroup_child_fn (void *context, const char *name);
void cgroup_fs_each_child (const cgroup_fs_t *self, const char *path,
                           const cgroup_setting_t *setting, cgroup_child_fn *each, void *context);

bool cgroup_fs_exists (const cgroup_fs_t *self, const char *path);

/* Sends SIGKILL to every process in a group and below it, but not to this one or to init. */
void cgroup_fs_kill (const cgroup_fs_t *self, const char *path);

/* Removes a group with its children wherever it exists. Returns 0 when nothing is left of it, or
   -1 with FAULT_UNAVAILABLE while processes hold it. */
int cgroup_fs_remove (const cgroup_fs_t *self, const char *path, fault_t *fault);
