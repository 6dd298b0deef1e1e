/* pod_types.c - the field tables of core/v1 Pod, and the small questions every rule asks of one.
   Source of the fields: Kubernetes API reference, "Pod" v1. */
#include "cubelet/memory.h"
#include "cubelet/pod.h"
#include "cubelet/record_table.h"
#include <string.h>

// clang-format off

RECORD_TYPE (METADATA, object_meta_t,
    FIELD (object_meta_t, name,              "name",                       TEXT),
    FIELD (object_meta_t, namespace,         "namespace",                  TEXT),
    FIELD (object_meta_t, uid,               "uid",                        TEXT),
    FIELD (object_meta_t, resource_version,  "resourceVersion",            TEXT),
    FIELD (object_meta_t, generation,        "generation",                 INT),
    FIELD (object_meta_t, creation_time,     "creationTimestamp",          TIME),
    FIELD (object_meta_t, deletion_time,     "deletionTimestamp",          TIME),
    FIELD (object_meta_t, deletion_grace_s,  "deletionGracePeriodSeconds", OPT_INT),
    FIELD (object_meta_t, labels,            "labels",                     TEXT_MAP),
    FIELD (object_meta_t, annotations,       "annotations",                TEXT_MAP));

RECORD_TYPE (PORT, container_port_t,
    FIELD (container_port_t, name,           "name",          TEXT),
    FIELD (container_port_t, container_port, "containerPort", INT),
    FIELD (container_port_t, host_port,      "hostPort",      INT),
    FIELD (container_port_t, protocol,       "protocol",      TEXT),
    FIELD (container_port_t, host_ip,        "hostIP",        TEXT));

// ---- environment ----

RECORD_TYPE (KEY_SELECTOR, key_selector_t,
    FIELD (key_selector_t, name,     "name",     TEXT),
    FIELD (key_selector_t, key,      "key",      TEXT),
    FIELD (key_selector_t, optional, "optional", OPT_BOOL));

const record_type_t FIELD_REF_RECORD = {
    .fields = (const field_t[]) {
        FIELD (field_ref_t, field_path, "fieldPath", TEXT),
        { .name = NULL } },
    .size = sizeof (field_ref_t),
};

const record_type_t RESOURCE_FIELD_REF_RECORD = {
    .fields = (const field_t[]) {
        FIELD (resource_field_ref_t, container_name, "containerName", TEXT),
        FIELD (resource_field_ref_t, resource,       "resource",      TEXT),
        FIELD (resource_field_ref_t, divisor,        "divisor",       QUANTITY),
        { .name = NULL } },
    .size = sizeof (resource_field_ref_t),
};

RECORD_TYPE (ENV_SOURCE, env_source_t,
    FIELD_OF (env_source_t, field_ref,          "fieldRef",         OPT_RECORD, FIELD_REF_RECORD),
    FIELD_OF (env_source_t, resource_field_ref, "resourceFieldRef", OPT_RECORD,
              RESOURCE_FIELD_REF_RECORD),
    FIELD_OF (env_source_t, config_map_key_ref, "configMapKeyRef",  OPT_RECORD, KEY_SELECTOR),
    FIELD_OF (env_source_t, secret_key_ref,     "secretKeyRef",     OPT_RECORD, KEY_SELECTOR));

RECORD_TYPE (ENV, env_var_t,
    FIELD (env_var_t, name,          "name",      TEXT),
    FIELD (env_var_t, value,         "value",     TEXT),
    FIELD_OF (env_var_t, value_from, "valueFrom", OPT_RECORD, ENV_SOURCE));

RECORD_TYPE (OBJECT_REF, object_ref_t,
    FIELD (object_ref_t, name,     "name",     TEXT),
    FIELD (object_ref_t, optional, "optional", OPT_BOOL));

RECORD_TYPE (ENV_FROM, env_from_t,
    FIELD (env_from_t, prefix,            "prefix",       TEXT),
    FIELD_OF (env_from_t, config_map_ref, "configMapRef", OPT_RECORD, OBJECT_REF),
    FIELD_OF (env_from_t, secret_ref,     "secretRef",    OPT_RECORD, OBJECT_REF));

// ---- volumes and resources ----

RECORD_TYPE (VOLUME_MOUNT, volume_mount_t,
    FIELD (volume_mount_t, name,                "name",              TEXT),
    FIELD (volume_mount_t, mount_path,          "mountPath",         TEXT),
    FIELD (volume_mount_t, sub_path,            "subPath",           TEXT),
    FIELD (volume_mount_t, sub_path_expr,       "subPathExpr",       TEXT),
    FIELD (volume_mount_t, read_only,           "readOnly",          BOOL),
    FIELD (volume_mount_t, recursive_read_only, "recursiveReadOnly", TEXT),
    FIELD (volume_mount_t, mount_propagation,   "mountPropagation",  TEXT));

RECORD_TYPE (VOLUME_DEVICE, volume_device_t,
    FIELD (volume_device_t, name,        "name",       TEXT),
    FIELD (volume_device_t, device_path, "devicePath", TEXT));

RECORD_TYPE (VOLUME, volume_t,
    FIELD (volume_t, name, "name", TEXT));

RECORD_TYPE (RESOURCES, resources_t,
    FIELD (resources_t, limits,   "limits",   NODE),
    FIELD (resources_t, requests, "requests", NODE));

// ---- handlers and probes ----

RECORD_TYPE (EXEC, exec_action_t,
    FIELD (exec_action_t, command, "command", TEXT_LIST));

RECORD_TYPE (HTTP_GET, http_action_t,
    FIELD (http_action_t, path,         "path",        TEXT),
    FIELD (http_action_t, port,         "port",        INT_OR_TEXT),
    FIELD (http_action_t, host,         "host",        TEXT),
    FIELD (http_action_t, scheme,       "scheme",      TEXT),
    FIELD (http_action_t, http_headers, "httpHeaders", NODE));

RECORD_TYPE (TCP_SOCKET, tcp_action_t,
    FIELD (tcp_action_t, port, "port", INT_OR_TEXT),
    FIELD (tcp_action_t, host, "host", TEXT));

RECORD_TYPE (GRPC, grpc_action_t,
    FIELD (grpc_action_t, port,    "port",    INT),
    FIELD (grpc_action_t, service, "service", TEXT));

RECORD_TYPE (SLEEP, sleep_action_t,
    FIELD (sleep_action_t, seconds, "seconds", INT));

RECORD_TYPE (HANDLER, handler_t,
    FIELD_OF (handler_t, exec,       "exec",      OPT_RECORD, EXEC),
    FIELD_OF (handler_t, http_get,   "httpGet",   OPT_RECORD, HTTP_GET),
    FIELD_OF (handler_t, tcp_socket, "tcpSocket", OPT_RECORD, TCP_SOCKET),
    FIELD_OF (handler_t, sleep,      "sleep",     OPT_RECORD, SLEEP));

RECORD_TYPE (PROBE, probe_t,
    FIELD_OF (probe_t, exec,           "exec",                          OPT_RECORD, EXEC),
    FIELD_OF (probe_t, http_get,       "httpGet",                       OPT_RECORD, HTTP_GET),
    FIELD_OF (probe_t, tcp_socket,     "tcpSocket",                     OPT_RECORD, TCP_SOCKET),
    FIELD_OF (probe_t, grpc,           "grpc",                          OPT_RECORD, GRPC),
    FIELD (probe_t, initial_delay_s,     "initialDelaySeconds",           INT),
    FIELD (probe_t, timeout_s,           "timeoutSeconds",                INT),
    FIELD (probe_t, period_s,            "periodSeconds",                 INT),
    FIELD (probe_t, success_threshold,   "successThreshold",              INT),
    FIELD (probe_t, failure_threshold,   "failureThreshold",              INT),
    FIELD (probe_t, termination_grace_s, "terminationGracePeriodSeconds", OPT_INT));

RECORD_TYPE (LIFECYCLE, lifecycle_t,
    FIELD_OF (lifecycle_t, post_start, "postStart",  OPT_RECORD, HANDLER),
    FIELD_OF (lifecycle_t, pre_stop,   "preStop",    OPT_RECORD, HANDLER),
    FIELD (lifecycle_t, stop_signal,   "stopSignal", TEXT));

// ---- security ----

RECORD_TYPE (SECURITY_PROFILE, security_profile_t,
    FIELD (security_profile_t, type,              "type",             TEXT),
    FIELD (security_profile_t, localhost_profile, "localhostProfile", TEXT));

RECORD_TYPE (SELINUX, selinux_options_t,
    FIELD (selinux_options_t, user,  "user",  TEXT),
    FIELD (selinux_options_t, role,  "role",  TEXT),
    FIELD (selinux_options_t, type,  "type",  TEXT),
    FIELD (selinux_options_t, level, "level", TEXT));

RECORD_TYPE (CAPABILITIES, capabilities_t,
    FIELD (capabilities_t, add,  "add",  TEXT_LIST),
    FIELD (capabilities_t, drop, "drop", TEXT_LIST));

RECORD_TYPE (SECURITY_CONTEXT, security_context_t,
    FIELD (security_context_t, run_as_user,     "runAsUser",    OPT_INT),
    FIELD (security_context_t, run_as_group,    "runAsGroup",   OPT_INT),
    FIELD (security_context_t, run_as_non_root, "runAsNonRoot", OPT_BOOL),
    FIELD (security_context_t, privileged,      "privileged",   OPT_BOOL),
    FIELD (security_context_t, read_only_root_filesystem,  "readOnlyRootFilesystem",   OPT_BOOL),
    FIELD (security_context_t, allow_privilege_escalation, "allowPrivilegeEscalation", OPT_BOOL),
    FIELD (security_context_t, proc_mount,      "procMount",    TEXT),
    FIELD_OF (security_context_t, capabilities,      "capabilities",    RECORD, CAPABILITIES),
    FIELD_OF (security_context_t, seccomp_profile,   "seccompProfile",  OPT_RECORD, SECURITY_PROFILE),
    FIELD_OF (security_context_t, app_armor_profile, "appArmorProfile", OPT_RECORD, SECURITY_PROFILE),
    FIELD_OF (security_context_t, se_linux_options,  "seLinuxOptions",  OPT_RECORD, SELINUX));

RECORD_TYPE (POD_SECURITY_CONTEXT, pod_security_context_t,
    FIELD (pod_security_context_t, run_as_user,     "runAsUser",    OPT_INT),
    FIELD (pod_security_context_t, run_as_group,    "runAsGroup",   OPT_INT),
    FIELD (pod_security_context_t, run_as_non_root, "runAsNonRoot", OPT_BOOL),
    FIELD (pod_security_context_t, fs_group,        "fsGroup",      OPT_INT),
    FIELD (pod_security_context_t, fs_group_change_policy,     "fsGroupChangePolicy",      TEXT),
    FIELD (pod_security_context_t, supplemental_groups,        "supplementalGroups",       NODE),
    FIELD (pod_security_context_t, supplemental_groups_policy, "supplementalGroupsPolicy", TEXT),
    FIELD (pod_security_context_t, sysctls,         "sysctls",      NODE),
    FIELD_OF (pod_security_context_t, seccomp_profile,   "seccompProfile",  OPT_RECORD, SECURITY_PROFILE),
    FIELD_OF (pod_security_context_t, app_armor_profile, "appArmorProfile", OPT_RECORD, SECURITY_PROFILE),
    FIELD_OF (pod_security_context_t, se_linux_options,  "seLinuxOptions",  OPT_RECORD, SELINUX));

// ---- container and pod ----

RECORD_TYPE (CONTAINER, container_t,
    FIELD (container_t, name,              "name",           TEXT),
    FIELD (container_t, image,             "image",          TEXT),
    FIELD (container_t, command,           "command",        TEXT_LIST),
    FIELD (container_t, args,              "args",           TEXT_LIST),
    FIELD (container_t, working_dir,       "workingDir",     TEXT),
    FIELD_OF (container_t, ports,           "ports",          LIST, PORT),
    FIELD_OF (container_t, env_from,        "envFrom",        LIST, ENV_FROM),
    FIELD_OF (container_t, env,             "env",            LIST, ENV),
    FIELD_OF (container_t, resources,       "resources",      RECORD, RESOURCES),
    FIELD_OF (container_t, volume_mounts,   "volumeMounts",   LIST, VOLUME_MOUNT),
    FIELD_OF (container_t, volume_devices,  "volumeDevices",  LIST, VOLUME_DEVICE),
    FIELD_OF (container_t, liveness_probe,  "livenessProbe",  OPT_RECORD, PROBE),
    FIELD_OF (container_t, readiness_probe, "readinessProbe", OPT_RECORD, PROBE),
    FIELD_OF (container_t, startup_probe,   "startupProbe",   OPT_RECORD, PROBE),
    FIELD_OF (container_t, lifecycle,       "lifecycle",      RECORD, LIFECYCLE),
    FIELD (container_t, termination_message_path,   "terminationMessagePath",   TEXT),
    FIELD (container_t, termination_message_policy, "terminationMessagePolicy", TEXT),
    FIELD (container_t, image_pull_policy,  "imagePullPolicy", TEXT),
    FIELD (container_t, restart_policy,     "restartPolicy",   TEXT),
    FIELD_OF (container_t, security_context, "securityContext", RECORD, SECURITY_CONTEXT),
    FIELD (container_t, stdin,              "stdin",           BOOL),
    FIELD (container_t, stdin_once,         "stdinOnce",       BOOL),
    FIELD (container_t, tty,                "tty",             BOOL),
    FIELD (container_t, target_container_name, "targetContainerName", TEXT));

RECORD_TYPE (HOST_ALIAS, host_alias_t,
    FIELD (host_alias_t, ip,        "ip",        TEXT),
    FIELD (host_alias_t, hostnames, "hostnames", TEXT_LIST));

RECORD_TYPE (DNS_CONFIG, dns_config_t,
    FIELD (dns_config_t, nameservers, "nameservers", TEXT_LIST),
    FIELD (dns_config_t, searches,    "searches",    TEXT_LIST),
    FIELD (dns_config_t, options,     "options",     NODE));

/* {name: linux}, whose one field lives in the spec itself. */
static const record_type_t OS = {
    .fields = (const field_t[]) { { .name = "name", .kind = FIELD_TEXT, .offset = 0 }, { .name = NULL } },
    .size = sizeof (const char *),
};

RECORD_TYPE (SPEC, pod_spec_t,
    FIELD_OF (pod_spec_t, init_containers,      "initContainers",      LIST, CONTAINER),
    FIELD_OF (pod_spec_t, containers,           "containers",          LIST, CONTAINER),
    FIELD_OF (pod_spec_t, ephemeral_containers, "ephemeralContainers", LIST, CONTAINER),
    FIELD_OF (pod_spec_t, volumes,              "volumes",             LIST, VOLUME),
    FIELD (pod_spec_t, restart_policy,          "restartPolicy",       TEXT),
    FIELD (pod_spec_t, termination_grace_s,     "terminationGracePeriodSeconds", OPT_INT),
    FIELD (pod_spec_t, active_deadline_s,       "activeDeadlineSeconds", OPT_INT),
    FIELD (pod_spec_t, dns_policy,              "dnsPolicy",           TEXT),
    FIELD_OF (pod_spec_t, dns_config,           "dnsConfig",           RECORD, DNS_CONFIG),
    FIELD (pod_spec_t, node_selector,           "nodeSelector",        TEXT_MAP),
    FIELD (pod_spec_t, affinity,                "affinity",            NODE),
    FIELD (pod_spec_t, tolerations,             "tolerations",         NODE),
    FIELD (pod_spec_t, node_name,               "nodeName",            TEXT),
    FIELD (pod_spec_t, service_account_name,    "serviceAccountName",  TEXT),
    FIELD (pod_spec_t, host_network,            "hostNetwork",         BOOL),
    FIELD (pod_spec_t, host_pid,                "hostPID",             BOOL),
    FIELD (pod_spec_t, host_ipc,                "hostIPC",             BOOL),
    FIELD (pod_spec_t, host_users,              "hostUsers",           OPT_BOOL),
    FIELD (pod_spec_t, share_process_namespace, "shareProcessNamespace", OPT_BOOL),
    FIELD_OF (pod_spec_t, security_context,     "securityContext",     RECORD, POD_SECURITY_CONTEXT),
    FIELD (pod_spec_t, hostname,                "hostname",            TEXT),
    FIELD (pod_spec_t, subdomain,               "subdomain",           TEXT),
    FIELD (pod_spec_t, set_hostname_as_fqdn,    "setHostnameAsFQDN",   OPT_BOOL),
    FIELD_OF (pod_spec_t, host_aliases,         "hostAliases",         LIST, HOST_ALIAS),
    FIELD (pod_spec_t, priority_class_name,     "priorityClassName",   TEXT),
    FIELD (pod_spec_t, priority,                "priority",            OPT_INT),
    FIELD (pod_spec_t, enable_service_links,    "enableServiceLinks",  OPT_BOOL),
    FIELD (pod_spec_t, runtime_class_name,      "runtimeClassName",    TEXT),
    FIELD (pod_spec_t, overhead,                "overhead",            NODE),
    FIELD (pod_spec_t, readiness_gates,         "readinessGates",      NODE),
    FIELD (pod_spec_t, image_pull_secrets,      "imagePullSecrets",    NODE),
    FIELD_OF (pod_spec_t, resources,            "resources",           RECORD, RESOURCES),
    FIELD_OF (pod_spec_t, os_name,              "os",                  RECORD, OS));

RECORD_TYPE (POD, pod_t,
    FIELD_OF (pod_t, metadata, "metadata", RECORD, METADATA),
    FIELD_OF (pod_t, spec,     "spec",     RECORD, SPEC));

// clang-format on

#define CRITICAL_PRIORITY 2000000000

// Fills in what no field holds: where a container and its handlers stand, and its kind.
static void
complete_containers (container_list_t *list, const node_t *nodes, container_kind_t kind)
{
    for (size_t i = 0; i < list->count; i++) {
        container_t *container = &list->items[i];
        const node_t *node = node_item (nodes, i);
        container->node = node;
        container->kind = kind;
        if (kind == CONTAINER_INIT && container->restart_policy
            && strcmp (container->restart_policy, "Always") == 0)
            container->kind = CONTAINER_SIDECAR;
        if (container->lifecycle.post_start)
            container->lifecycle.post_start->node = node_at (node, "lifecycle", "postStart", NULL);
        if (container->lifecycle.pre_stop)
            container->lifecycle.pre_stop->node = node_at (node, "lifecycle", "preStop", NULL);
    }
}

int
pod_decode (const node_t *node, tree_t *tree, pod_t *pod, fault_t *fault)
{
    memset (pod, 0, sizeof *pod);
    if (record_decode (&POD, node, tree, RECORD_LENIENT, pod, fault) < 0)
        return -1;
    pod->node = node;
    const node_t *spec = node_get (node, "spec");
    pod_spec_t *out = &pod->spec;
    complete_containers (&out->init_containers, node_get (spec, "initContainers"), CONTAINER_INIT);
    complete_containers (&out->containers, node_get (spec, "containers"), CONTAINER_REGULAR);
    complete_containers (&out->ephemeral_containers, node_get (spec, "ephemeralContainers"),
                         CONTAINER_EPHEMERAL);
    const node_t *volumes = node_get (spec, "volumes");
    for (size_t i = 0; i < out->volumes.count; i++)
        out->volumes.items[i].node = node_item (volumes, i);
    return 0;
}

const container_t *
pod_container_at (const pod_t *pod, size_t index)
{
    const container_list_t *const LISTS[] = {
        &pod->spec.init_containers,
        &pod->spec.containers,
        &pod->spec.ephemeral_containers,
    };
    for (size_t i = 0; i < COUNT_OF (LISTS); i++) {
        if (index < LISTS[i]->count)
            return &LISTS[i]->items[index];
        index -= LISTS[i]->count;
    }
    return NULL;
}

const container_t *
pod_container (const pod_t *pod, const char *name)
{
    if (!name)
        return NULL;
    for (size_t i = 0; i < POD_CONTAINER_COUNT (pod); i++) {
        const container_t *container = pod_container_at (pod, i);
        if (container->name && strcmp (container->name, name) == 0)
            return container;
    }
    return NULL;
}

bool
pod_is_static (const pod_t *pod)
{
    const char *source =
        node_get_text (pod->metadata.annotations, "kubernetes.io/config.source", NULL);
    return source && strcmp (source, "api") != 0;
}

bool
pod_is_mirror (const pod_t *pod)
{
    return node_get (pod->metadata.annotations, "kubernetes.io/config.mirror") != NULL;
}

bool
pod_is_critical (const pod_t *pod)
{
    return pod_is_static (pod) || pod_is_mirror (pod)
           || (pod->spec.priority.set && pod->spec.priority.value >= CRITICAL_PRIORITY);
}
