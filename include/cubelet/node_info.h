/* node_info.h - what the machine is, and what the node makes of it: name, addresses, capacity.
   What is read from the machine and what follows from it are apart, so that the rules can be
   tested with any machine. Source: reference/node-and-server.md 1 and 2. */
#pragma once
#include "cubelet/flags.h"
#include "cubelet/node_facts.h"

/* ---- the machine ---- */

typedef struct {
    const char *interface;
    const char *address; // IPv4 or IPv6, without zone
} host_address_t;

typedef struct {
    const char *hostname;
    int64_t cpus;
    int64_t memory_bytes;
    int64_t swap_bytes;
    bool is_swap_on;
    int cgroup_version; // 1 or 2
    bool has_swap_controller;
    bool has_selinux;
    int kernel_major, kernel_minor;   // 0.0 when unknown
    text_list_t hugepage_sizes;       // "2MB", "1GB": ascending
    LIST_OF (int64_t) hugepage_bytes; // what is reserved of each size
    text_list_t thermal_throttle_paths;
    LIST_OF (host_address_t) addresses; // of interfaces that are up
    text_list_t default_interfaces;     // of the default routes, IPv4's first
    text_list_t hosts_addresses;        // what /etc/hosts says of the host's name
} machine_t;

/* Reads all of it below `root` ("" for the machine itself; tests give a directory with proc, sys
   and etc in it). What cannot be read stays zero. Texts live in `tree`. The addresses of
   interfaces and the number of CPUs always are this machine's. */
void machine_read (const char *root, tree_t *tree, machine_t *out);

/* ---- the rules ---- */

/* The node's name: the override, else the hostname; trimmed, lower-cased. Owned text, or NULL
   with FAULT_INVALID when nothing is left. */
char *node_name_of (const char *override, const char *hostname, fault_t *fault);

/* The node's addresses, the primary one first; at most one of each family; none when the machine
   has none that others could reach. In this order: the addresses of --node-ip; the name if it is
   an address; what the hosts file says of the name; the address of a default route's interface.
   IPv4 is preferred unless --node-ip is "::". Loopback, link-local, multicast and unspecified
   addresses do not count. Unlike upstream, the DNS is not asked: it may be down while a node
   starts, and a node's own name is rarely in it. The list lives in `tree`. */
text_list_t
node_addresses (const char *node_ip, const char *node_name, const machine_t *machine, tree_t *tree);

/* True when the address is on an interface of the machine. */
bool machine_has_address (const machine_t *machine, const char *address);

/* status.capacity: cpu, memory, ephemeral-storage (of the file system of root_dir: `disk_bytes`),
   hugepages-*, pods. A map resource -> quantity text in `tree`. */
node_t node_capacity (const machine_t *machine, const kubelet_config_t *config, int64_t disk_bytes,
                      tree_t *tree);

/* status.allocatable: capacity less systemReserved, kubeReserved and the hard eviction thresholds
   of memory.available and nodefs.available; of memory also less all huge pages; never below 0. */
node_t node_allocatable (const node_t *capacity, const kubelet_config_t *config, tree_t *tree);

/* What all pods together may use of a resource when enforceNodeAllocatable has "pods": capacity
   less systemReserved and kubeReserved; the eviction thresholds are not taken off, so that evicting
   comes before killing. Not set when the node does not have it. */
quantity_t
node_pods_limit (const node_t *capacity, const kubelet_config_t *config, const char *resource);

/* What an eviction threshold ("100Mi", "10%") means of a capacity, in bytes; 0 for NULL. */
int64_t threshold_bytes (const char *threshold, int64_t capacity);

/* ---- both together ---- */

/* Fills the facts for the workers from options and machine; everything lives in `tree` or in the
   options. Warns of a --node-ip that no interface has. Returns 0, or -1: swap is on and
   failSwapOn, cgroup v1 and failCgroupV1, no name. */
int
node_facts_read (const kubelet_options_t *options, tree_t *tree, node_facts_t *out, fault_t *fault);

/* The same for a given machine. */
int node_facts_from (const kubelet_options_t *options, const machine_t *machine, tree_t *tree,
                     node_facts_t *out, fault_t *fault);
