/* subpath.h - one file or directory inside of a volume, bound to a place where no container can
   exchange it for a link before the runtime mounts it.
   Source: reference/pod-to-cri.md 5.3; upstream's volume/util/subpath. */
#pragma once
#include "cubelet/fault.h"

/* Binds `sub_path` of the volume at `host_path` to `target`, whose parents are made. What is
   missing below the volume is made, as directories with the permissions of the volume's root. A
   target that is bound to the same file already is left alone, one bound to another is bound anew.
   Returns 0, or -1 with FAULT_INVALID (absolute, "..", or it leads out of the volume) or
   FAULT_INTERNAL, its text for the log: users must not learn of files outside. */
int subpath_bind (const char *host_path, const char *sub_path, const char *target, fault_t *fault);
