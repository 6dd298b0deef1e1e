/* pod.h - core/v1 Pod as the rules see it: typed views of the value tree, filled by field tables
   (pod_types.c). Every pointer is borrowed from the tree the pod was decoded from.

   The tree stays the truth: it keeps fields that this agent does not know, and is what GET /pods
   and the API server get. */
#pragma once
#include "cubelet/record.h"

typedef struct {
    const char *name;
    const char *namespace;
    const char *uid;
    const char *resource_version;
    int64_t generation;
    int64_t creation_time; // ns; 0 when absent
    int64_t deletion_time; // ns; 0 when not being deleted
    opt_int_t deletion_grace_s;
    const node_t *labels; // maps of texts, or NULL
    const node_t *annotations;
} object_meta_t;

typedef struct {
    const char *name;
    int64_t container_port;
    int64_t host_port;
    const char *protocol; // TCP when absent
    const char *host_ip;
} container_port_t;

typedef struct {
    const char *name;
    const char *key;
    opt_bool_t optional;
} key_selector_t;

typedef struct {
    const char *field_path;
} field_ref_t;

typedef struct {
    const char *container_name;
    const char *resource;
    quantity_t divisor;
} resource_field_ref_t;

typedef struct {
    field_ref_t *field_ref;
    resource_field_ref_t *resource_field_ref;
    key_selector_t *config_map_key_ref;
    key_selector_t *secret_key_ref;
} env_source_t;

typedef struct {
    const char *name;
    const char *value; // NULL counts as ""
    env_source_t *value_from;
} env_var_t;

typedef struct {
    const char *name;
    opt_bool_t optional;
} object_ref_t;

typedef struct {
    const char *prefix;
    object_ref_t *config_map_ref;
    object_ref_t *secret_ref;
} env_from_t;

typedef struct {
    const char *name;
    const char *mount_path;
    const char *sub_path;
    const char *sub_path_expr;
    bool read_only;
    const char *recursive_read_only; // Disabled, IfPossible, Enabled
    const char *mount_propagation;   // None, HostToContainer, Bidirectional
} volume_mount_t;

typedef struct {
    const char *name;
    const char *device_path;
} volume_device_t;

/* requests and limits are maps resource name -> quantity (text or number). */
typedef struct {
    const node_t *limits;
    const node_t *requests;
} resources_t;

typedef struct {
    text_list_t command;
} exec_action_t;

typedef struct {
    const char *path;
    int_or_text_t port;
    const char *host;
    const char *scheme;
    const node_t *http_headers; // list of {name, value}
} http_action_t;

typedef struct {
    int_or_text_t port;
    const char *host;
} tcp_action_t;

typedef struct {
    int64_t port;
    const char *service;
} grpc_action_t;

typedef struct {
    int64_t seconds;
} sleep_action_t;

typedef struct {
    exec_action_t *exec;
    http_action_t *http_get;
    tcp_action_t *tcp_socket;
    sleep_action_t *sleep;
    const node_t *node; // the handler as it stands, for HOOK_RUN
} handler_t;

typedef struct {
    exec_action_t *exec;
    http_action_t *http_get;
    tcp_action_t *tcp_socket;
    grpc_action_t *grpc;
    int64_t initial_delay_s;
    int64_t timeout_s;
    int64_t period_s;
    int64_t success_threshold;
    int64_t failure_threshold;
    opt_int_t termination_grace_s;
} probe_t;

typedef struct {
    handler_t *post_start;
    handler_t *pre_stop;
    const char *stop_signal;
} lifecycle_t;

typedef struct {
    const char *type; // RuntimeDefault, Unconfined, Localhost
    const char *localhost_profile;
} security_profile_t;

typedef struct {
    const char *user, *role, *type, *level;
} selinux_options_t;

typedef struct {
    text_list_t add, drop;
} capabilities_t;

/* Of a container. */
typedef struct {
    opt_int_t run_as_user;
    opt_int_t run_as_group;
    opt_bool_t run_as_non_root;
    opt_bool_t privileged;
    opt_bool_t read_only_root_filesystem;
    opt_bool_t allow_privilege_escalation;
    const char *proc_mount; // Default, Unmasked
    capabilities_t capabilities;
    security_profile_t *seccomp_profile;
    security_profile_t *app_armor_profile;
    selinux_options_t *se_linux_options;
} security_context_t;

/* Of a pod. */
typedef struct {
    opt_int_t run_as_user;
    opt_int_t run_as_group;
    opt_bool_t run_as_non_root;
    opt_int_t fs_group;
    const char *fs_group_change_policy;
    const node_t *supplemental_groups; // list of numbers, or NULL
    const char *supplemental_groups_policy;
    const node_t *sysctls; // list of {name, value}
    security_profile_t *seccomp_profile;
    security_profile_t *app_armor_profile;
    selinux_options_t *se_linux_options;
} pod_security_context_t;

typedef enum {
    CONTAINER_REGULAR,
    CONTAINER_INIT,
    CONTAINER_SIDECAR,
    CONTAINER_EPHEMERAL
} container_kind_t;

typedef struct {
    container_kind_t kind; // filled by pod_decode, not from a field
    const char *name;
    const char *image;
    text_list_t command;
    text_list_t args;
    const char *working_dir;
    LIST_OF (container_port_t) ports;
    LIST_OF (env_from_t) env_from;
    LIST_OF (env_var_t) env;
    resources_t resources;
    LIST_OF (volume_mount_t) volume_mounts;
    LIST_OF (volume_device_t) volume_devices;
    probe_t *liveness_probe;
    probe_t *readiness_probe;
    probe_t *startup_probe;
    lifecycle_t lifecycle;
    const char *termination_message_path;
    const char *termination_message_policy;
    const char *image_pull_policy;
    const char *restart_policy; // of the container; Always on an init container: a sidecar
    security_context_t security_context;
    bool stdin, stdin_once, tty;
    const char *target_container_name; // ephemeral containers
    const node_t *node;                // the container as it stands
} container_t;

typedef LIST_OF (container_t) container_list_t;

typedef struct {
    const char *name;
    const node_t *node; // with the one source, {emptyDir: {...}}
} volume_t;

typedef struct {
    const char *ip;
    text_list_t hostnames;
} host_alias_t;

typedef struct {
    text_list_t nameservers;
    text_list_t searches;
    const node_t *options; // list of {name, value?}
} dns_config_t;

typedef struct {
    container_list_t init_containers; // sidecars among them
    container_list_t containers;
    container_list_t ephemeral_containers;
    LIST_OF (volume_t) volumes;
    const char *restart_policy; // Always, OnFailure, Never
    opt_int_t termination_grace_s;
    opt_int_t active_deadline_s;
    const char *dns_policy;
    dns_config_t dns_config;
    const node_t *node_selector;
    const node_t *affinity;
    const node_t *tolerations;
    const char *node_name;
    const char *service_account_name;
    bool host_network, host_pid, host_ipc;
    opt_bool_t host_users;
    opt_bool_t share_process_namespace;
    pod_security_context_t security_context;
    const char *hostname;
    const char *subdomain;
    opt_bool_t set_hostname_as_fqdn;
    LIST_OF (host_alias_t) host_aliases;
    const char *priority_class_name;
    opt_int_t priority;
    opt_bool_t enable_service_links;
    const char *runtime_class_name;
    const node_t *overhead;
    const node_t *readiness_gates; // list of {conditionType}
    const node_t *image_pull_secrets;
    resources_t resources; // pod level
    const char *os_name;
} pod_spec_t;

typedef struct {
    object_meta_t metadata;
    pod_spec_t spec;
    const node_t *node; // the whole object
} pod_t;

/* Field tables that other records use: field_ref_t, resource_field_ref_t. */
extern const record_type_t FIELD_REF_RECORD, RESOURCE_FIELD_REF_RECORD;

/* Fills `pod` from a Pod object that has its defaults (pod_defaults.h). `tree` is the node's.
   Returns 0 or -1 with FAULT_INVALID "PATH: ...". Unknown fields are left alone. */
int pod_decode (const node_t *node, tree_t *tree, pod_t *pod, fault_t *fault);

/* The container of that name of any kind, or NULL. */
const container_t *pod_container (const pod_t *pod, const char *name);

/* Calls for every container: init, regular, ephemeral, in the order of the spec. */
#define POD_CONTAINER_COUNT(pod)                                                                   \
    ((pod)->spec.init_containers.count + (pod)->spec.containers.count                              \
     + (pod)->spec.ephemeral_containers.count)
const container_t *pod_container_at (const pod_t *pod, size_t index);

/* True when the pod came from a file or URL: annotation kubernetes.io/config.source is there and
   is not "api" (reference/pod-lifecycle.md 3.2). */
bool pod_is_static (const pod_t *pod);
bool pod_is_mirror (const pod_t *pod);

/* Static, mirror, or of a priority of 2,000,000,000 or more. */
bool pod_is_critical (const pod_t *pod);

/* "Guaranteed", "Burstable" or "BestEffort" (reference/pod-to-cri.md 3.2). Static text. */
const char *pod_qos_class (const pod_t *pod);

/* The quantity of `resource` in a resource list (limits, requests, overhead, capacity; text or
   number); not set when it is absent, or not a quantity. */
quantity_t resource_quantity (const node_t *list, const char *resource);

/* Reads a quantity node: a text, or a number as YAML leaves it. 0, or -1 with FAULT_INVALID. */
int quantity_read_node (const node_t *node, quantity_t *out, fault_t *fault);
