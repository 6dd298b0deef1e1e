/* subids.h - the host ids that pods with user namespaces may be given. */
#pragma once
#include "cubelet/fault.h"
#include <stdint.h>

/* The subordinate ids of the user "kubelet", as getsubids(1) tells them, when there is that user
   and that program; else the default, all ids from 65536 on. Runs programs and waits for them: only
   before there are actors. Returns 0, or -1 with a fault when the ids are not fit for pods. */
int subids_find (int64_t *first, int64_t *total, fault_t *fault);
