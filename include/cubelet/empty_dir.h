/* empty_dir.h - how large an emptyDir in memory may be, and which huge pages it is made of.
   Source: reference/node-and-server.md 7.5; upstream's volume/emptydir. */
#pragma once
#include "cubelet/node_facts.h"
#include "cubelet/pod.h"

/* The size in bytes of a tmpfs for the pod: the smallest of its sizeLimit (`size_limit`, not set or
   0: none), the pod's memory limit and the memory that the node gives to pods (`allocatable`, 0:
   not known). 0: no limit is known. */
int64_t empty_dir_size (quantity_t size_limit, const pod_t *pod, const node_facts_t *facts,
                        int64_t allocatable);

/* The page size ("2Mi") for the medium "HugePages" or "HugePages-2Mi", which containers have to
   request; borrowed from the pod. NULL with FAULT_INVALID and upstream's text. */
const char *empty_dir_page_size (const char *medium, const pod_t *pod, fault_t *fault);
