/* kernel_defaults.h - the kernel's settings that a kubelet relies on: memory is overcommitted, and
   what cannot go on ends in a restart.
   Source: Kubernetes reference of KubeletConfiguration, protectKernelDefaults. */
#pragma once
#include "cubelet/fault.h"

/* Compares the settings below `proc_sys` ("/proc/sys") with those expected. Returns 0, or -1 with
   FAULT_PRECONDITION that names all that differ or cannot be read, as upstream does: "invalid
   kernel flag: vm/overcommit_memory, expected value: 1, actual value: 0". */
int kernel_defaults_check (const char *proc_sys, fault_t *fault);
