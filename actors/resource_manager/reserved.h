/* reserved.h - the cgroups of system daemons and of Kubernetes' own, which others make: they get
   the limits of systemReserved and kubeReserved where enforceNodeAllocatable says so. */
#pragma once
#include "cgroup_fs.h"
#include "cubelet/cgroup_path.h"

/* One of them, a row {cgroup: text, memory: int?, milli: int?, pids: int?}: bytes, CPU and numbers
   of processes; what is not there is not set. Returns 0, or -1 with FAULT_NOT_FOUND ("\"NAME\"
   cgroup does not exist") or FAULT_INTERNAL. */
int
reserved_enforce (cgroup_fs_t *cgroups, cgroup_driver_t driver, const node_t *row, fault_t *fault);
