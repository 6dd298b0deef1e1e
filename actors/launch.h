/* launch.h - which actors a node runs, and with which arguments. */
#pragma once
#include "cubelet/kubelet_config.h"
#include "cubelet/node_facts.h"
#include "cubelet/supervisor.h"

#define LAUNCH_ACTORS_MAX 32

/* What the program found out before any actor runs. Everything is borrowed. */
typedef struct {
    const kubelet_config_t *config;
    const node_facts_t *facts;
    int64_t start_window;             // 0: twice the cores
    int64_t dead_containers_kept;     // of each container; below 0: all
    int64_t dead_containers_max;      // on the node; below 0: no limit
    int64_t dead_container_least_ns;  // ... and for how long at least
    const node_t *node_labels;        // of --node-labels; NULL: none
    const char *node_ip;              // of --node-ip; NULL: none
    const char *cloud_provider;       // of --cloud-provider; NULL or "": none
    bool is_standalone;               // no API server, so no Node object
    const char *runtime_cgroups;      // of the container runtime; NULL: not said
    const char *kubeconfig;           // of the API server; NULL: none
    const char *bootstrap_kubeconfig; // to get a first certificate with; NULL: none
    const char *cert_dir;
    const char *checkpoint_dir; // for a start without the API server; NULL: nothing is kept
    const char *offline_key_file;
    const char *socket_dir;
    const char *flags;                  // of the command line, one "name=value" a line
    const node_t *credential_providers; // a CredentialProviderConfig; NULL: none
    const char *credential_provider_bin_dir;
    int64_t userns_first, userns_total; // host ids for pods with user namespaces
} launch_t;

/* The Node that is registered, and that pods are admitted to while no API server has one: without
   status but for its resources (launch_node.c). */
node_t launch_initial_node (const launch_t *launch, tree_t *tree);

/* The arguments of the node-reporter and the lease-keeper (launch_node.c). */
node_t launch_node_reporter_args (const launch_t *launch, tree_t *tree);
node_t launch_lease_keeper_args (const launch_t *launch, tree_t *tree);

/* An array of texts. */
node_t launch_list (tree_t *tree, text_list_t list);

/* The arguments of the server (launch_server.c). */
node_t launch_server_args (const launch_t *launch, tree_t *tree);

/* Makes the server's certificate when it needs one of its own and there is none: in a child, so
   that OpenSSL is not loaded for it. Before there are threads; a failure is logged, and the server
   tries again. */
void launch_server_certificate (const launch_t *launch);

/* Fills `actors` (room for LAUNCH_ACTORS_MAX) in the order in which they are to start; the
   arguments live in `tree`. Returns how many. */
size_t launch_actors (const launch_t *launch, tree_t *tree, supervised_t *actors);

/* The classes that may be started later by message; ends with NULL. */
extern const actor_class_t *const LAUNCH_CLASSES[];
