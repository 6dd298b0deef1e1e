/* pod_validate_containers.c - the part of pod_validate for containers. */
#include "cubelet/memory.h"
#include "cubelet/name_rules.h"
#include "pod_validate_internal.h"
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define PORT_MAX 65535

static const char *const PROTOCOLS[] = { "SCTP", "TCP", "UDP", NULL };
static const char *const SCHEMES[] = { "HTTP", "HTTPS", NULL };
static const char *const PULL_POLICIES[] = { "Always", "IfNotPresent", "Never", NULL };
static const char *const MESSAGE_POLICIES[] = { "File", "FallbackToLogsOnError", NULL };
static const char *const PROPAGATIONS[] = { "Bidirectional", "HostToContainer", "None", NULL };
static const char *const RECURSIVE[] = { "Disabled", "Enabled", "IfPossible", NULL };
static const char *const SIDECAR_POLICIES[] = { "Always", NULL };

static const char *const ENV_FIELDS[] = { "metadata.name",
                                          "metadata.namespace",
                                          "metadata.uid",
                                          "spec.nodeName",
                                          "spec.serviceAccountName",
                                          "status.hostIP",
                                          "status.hostIPs",
                                          "status.podIP",
                                          "status.podIPs",
                                          NULL };

// ---- ports ----

static void
validate_port_number (problems_t *problems, const path_t *path, int64_t port)
{
    validate_range (problems, path, port, 1, PORT_MAX);
}

static void
validate_ports (problems_t *problems, const path_t *path, const container_t *container)
{
    for (size_t i = 0; i < container->ports.count; i++) {
        const container_port_t *port = &container->ports.items[i];
        const path_t *here = ITEM (path, i);
        if (is_given (port->name)) {
            problem_check (problems, AT (here, "name"), port->name, name_rule_port_name);
            for (size_t k = 0; k < i; k++)
                if (is_given (container->ports.items[k].name)
                    && strcmp (container->ports.items[k].name, port->name) == 0)
                    problem_duplicate (problems, AT (here, "name"), port->name);
        }
        if (port->container_port == 0)
            problem_required (problems, AT (here, "containerPort"), NULL);
        else
            validate_port_number (problems, AT (here, "containerPort"), port->container_port);
        if (port->host_port != 0)
            validate_port_number (problems, AT (here, "hostPort"), port->host_port);
        validate_one_of (problems, AT (here, "protocol"), port->protocol, PROTOCOLS);
        if (is_given (port->host_ip))
            problem_check (problems, AT (here, "hostIP"), port->host_ip, name_rule_ip);
    }
}

static bool
is_same_host_port (const container_port_t *a, const container_port_t *b)
{
    const char *const TEXTS[][2] = {
        { a->protocol ? a->protocol : "TCP", b->protocol ? b->protocol : "TCP" },
        { a->host_ip ? a->host_ip : "", b->host_ip ? b->host_ip : "" },
    };
    return a->host_port == b->host_port && strcmp (TEXTS[0][0], TEXTS[0][1]) == 0
           && strcmp (TEXTS[1][0], TEXTS[1][1]) == 0;
}

// Host ports are unique over containers that run side by side: `count` of them.
static void
validate_host_ports (problems_t *problems, const path_t *path, const container_t *containers,
                     size_t count)
{
    for (size_t c = 0; c < count; c++)
        for (size_t p = 0; p < containers[c].ports.count; p++) {
            const container_port_t *port = &containers[c].ports.items[p];
            bool is_taken = false;
            for (size_t oc = 0; port->host_port != 0 && oc <= c; oc++)
                for (size_t op = 0; op < (oc == c ? p : containers[oc].ports.count); op++)
                    is_taken =
                        is_taken || is_same_host_port (&containers[oc].ports.items[op], port);
            if (!is_taken)
                continue;
            char text[256];
            snprintf (text, sizeof text, "%s/%s/%lld", port->protocol ? port->protocol : "TCP",
                      port->host_ip ? port->host_ip : "", (long long) port->host_port);
            problem_duplicate (problems, AT (ITEM (AT (ITEM (path, c), "ports"), p), "hostPort"),
                               text);
        }
}

// ---- environment ----

static void
validate_key_ref (problems_t *problems, const path_t *path, const key_selector_t *ref)
{
    problem_check (problems, AT (path, "name"), ref->name ? ref->name : "",
                   name_rule_dns_subdomain);
    validate_name (problems, AT (path, "key"), ref->key, name_rule_config_key);
}

static void
validate_env_source (problems_t *problems, const path_t *path, const env_var_t *variable)
{
    const env_source_t *source = variable->value_from;
    if (source->field_ref)
        validate_field_ref (problems, AT (path, "fieldRef"), source->field_ref, ENV_FIELDS);
    if (source->resource_field_ref)
        validate_resource_field_ref (problems, AT (path, "resourceFieldRef"),
                                     source->resource_field_ref, false);
    if (source->config_map_key_ref)
        validate_key_ref (problems, AT (path, "configMapKeyRef"), source->config_map_key_ref);
    if (source->secret_key_ref)
        validate_key_ref (problems, AT (path, "secretKeyRef"), source->secret_key_ref);

    int sources = (source->field_ref != NULL) + (source->resource_field_ref != NULL)
                  + (source->config_map_key_ref != NULL) + (source->secret_key_ref != NULL);
    if (sources == 0)
        problem_invalid (problems, path, "",
                         "must specify one of: `fieldRef`, `resourceFieldRef`, "
                         "`configMapKeyRef` or `secretKeyRef`");
    else if (is_given (variable->value))
        problem_invalid (problems, path, "", "may not be specified when `value` is not empty");
    else if (sources > 1)
        problem_invalid (problems, path, "",
                         "may not have more than one field specified at a time");
}

static void
validate_env (problems_t *problems, const path_t *path, const container_t *container)
{
    for (size_t i = 0; i < container->env.count; i++) {
        const env_var_t *variable = &container->env.items[i];
        const path_t *here = ITEM (AT (path, "env"), i);
        validate_name (problems, AT (here, "name"), variable->name, name_rule_env_name);
        if (variable->value_from)
            validate_env_source (problems, AT (here, "valueFrom"), variable);
    }
    for (size_t i = 0; i < container->env_from.count; i++) {
        const env_from_t *from = &container->env_from.items[i];
        const path_t *here = ITEM (AT (path, "envFrom"), i);
        if (is_given (from->prefix))
            problem_check (problems, AT (here, "prefix"), from->prefix, name_rule_env_name);
        if (from->config_map_ref)
            validate_name (problems, AT (AT (here, "configMapRef"), "name"),
                           from->config_map_ref->name, name_rule_dns_subdomain);
        if (from->secret_ref)
            validate_name (problems, AT (AT (here, "secretRef"), "name"), from->secret_ref->name,
                           name_rule_dns_subdomain);
        if (!from->config_map_ref && !from->secret_ref)
            problem_invalid (problems, AT (path, "envFrom"), "",
                             "must specify one of: `configMapRef` or `secretRef`");
        else if (from->config_map_ref && from->secret_ref)
            problem_invalid (problems, AT (path, "envFrom"), "",
                             "may not have more than one field specified at a time");
    }
}

// ---- volumes of a container ----

static const volume_t *
find_volume (const pod_t *pod, const char *name)
{
    for (size_t i = 0; name && i < pod->spec.volumes.count; i++)
        if (pod->spec.volumes.items[i].name && strcmp (pod->spec.volumes.items[i].name, name) == 0)
            return &pod->spec.volumes.items[i];
    return NULL;
}

static bool
is_privileged (const container_t *container)
{
    return container->security_context.privileged.set
           && container->security_context.privileged.value;
}

static void
validate_mount_modes (problems_t *problems, const path_t *path, const volume_mount_t *mount,
                      const container_t *container)
{
    validate_one_of (problems, AT (path, "mountPropagation"), mount->mount_propagation,
                     PROPAGATIONS);
    bool is_shared = mount->mount_propagation && strcmp (mount->mount_propagation, "None") != 0;
    if (is_shared && strcmp (mount->mount_propagation, "Bidirectional") == 0
        && !is_privileged (container))
        problem_forbidden (
            problems, AT (path, "mountPropagation"),
            "Bidirectional mount propagation is available only to privileged containers");

    const char *recursive = mount->recursive_read_only;
    const path_t *where = AT (path, "recursiveReadOnly");
    validate_one_of (problems, where, recursive, RECURSIVE);
    if (!recursive || strcmp (recursive, "Disabled") == 0)
        return;
    if (!mount->read_only)
        problem_forbidden (problems, where, "may only be specified when readOnly is true");
    if (is_shared)
        problem_forbidden (problems, where,
                           "may only be specified when mountPropagation is None or not specified");
}

static void
validate_mount (problems_t *problems, const path_t *path, const volume_mount_t *mount,
                const container_t *container, const pod_t *pod)
{
    if (!is_given (mount->name))
        problem_required (problems, AT (path, "name"), NULL);
    else if (!find_volume (pod, mount->name))
        problem_not_found (problems, AT (path, "name"), mount->name);
    if (!is_given (mount->mount_path))
        problem_required (problems, AT (path, "mountPath"), NULL);
    validate_relative_path (problems, AT (path, "subPath"), mount->sub_path);
    validate_relative_path (problems, AT (path, "subPathExpr"), mount->sub_path_expr);
    if (is_given (mount->sub_path_expr) && is_given (mount->sub_path))
        problem_invalid (problems, AT (path, "subPathExpr"), mount->sub_path_expr,
                         "subPathExpr and subPath are mutually exclusive");
    validate_mount_modes (problems, path, mount, container);
    bool has_sub_path = is_given (mount->sub_path) || is_given (mount->sub_path_expr);
    if (container->kind == CONTAINER_EPHEMERAL && has_sub_path)
        problem_forbidden (problems,
                           AT (path, is_given (mount->sub_path) ? "subPath" : "subPathExpr"),
                           "cannot be set for an Ephemeral Container");
}

static void
validate_mounts (problems_t *problems, const path_t *path, const container_t *container,
                 const pod_t *pod)
{
    for (size_t i = 0; i < container->volume_mounts.count; i++) {
        const volume_mount_t *mount = &container->volume_mounts.items[i];
        const path_t *here = ITEM (AT (path, "volumeMounts"), i);
        validate_mount (problems, here, mount, container, pod);
        for (size_t k = 0; is_given (mount->mount_path) && k < i; k++) {
            const char *other = container->volume_mounts.items[k].mount_path;
            if (other && strcmp (other, mount->mount_path) == 0) {
                problem_invalid (problems, AT (here, "mountPath"), mount->mount_path,
                                 "must be unique");
                break;
            }
        }
    }
}

static void
validate_devices (problems_t *problems, const path_t *path, const container_t *container,
                  const pod_t *pod)
{
    for (size_t i = 0; i < container->volume_devices.count; i++) {
        const volume_device_t *device = &container->volume_devices.items[i];
        const path_t *here = ITEM (AT (path, "volumeDevices"), i);
        const volume_t *volume = find_volume (pod, device->name);
        if (!is_given (device->name))
            problem_required (problems, AT (here, "name"), NULL);
        else if (!volume)
            problem_not_found (problems, AT (here, "name"), device->name);
        else if (!node_get (volume->node, "persistentVolumeClaim")
                 && !node_get (volume->node, "ephemeral"))
            problem_invalid (problems, AT (here, "name"), device->name,
                             "can only use volume source type of PersistentVolumeClaim or "
                             "Ephemeral for block mode");
        if (!is_given (device->device_path))
            problem_required (problems, AT (here, "devicePath"), NULL);
        validate_no_backsteps (problems, AT (here, "devicePath"), device->device_path);
        for (size_t k = 0; k < i; k++) {
            const volume_device_t *other = &container->volume_devices.items[k];
            if (is_given (device->name) && other->name && strcmp (other->name, device->name) == 0)
                problem_invalid (problems, AT (here, "name"), device->name, "must be unique");
            if (is_given (device->device_path) && other->device_path
                && strcmp (other->device_path, device->device_path) == 0)
                problem_invalid (problems, AT (here, "devicePath"), device->device_path,
                                 "must be unique");
        }
    }
}

// ---- handlers and probes ----

static void
validate_port (problems_t *problems, const path_t *path, const int_or_text_t *port)
{
    if (port->text)
        problem_check (problems, path, port->text, name_rule_port_name);
    else
        validate_port_number (problems, path, port->value);
}

static void
validate_http_get (problems_t *problems, const path_t *path, const http_action_t *action)
{
    if (!is_given (action->path))
        problem_required (problems, AT (path, "path"), NULL);
    validate_port (problems, AT (path, "port"), &action->port);
    validate_one_of (problems, AT (path, "scheme"), action->scheme, SCHEMES);
    const path_t *headers = AT (path, "httpHeaders");
    if (action->http_headers && !node_is_array (action->http_headers))
        problem_add (problems, headers, "is not a list");
    for (size_t i = 0; i < node_count (action->http_headers); i++) {
        const node_t *header = node_item (action->http_headers, i);
        const node_t *value = node_get (header, "value");
        if (!node_is_map (header) || (value && !node_is_text (value)))
            problem_add (problems, ITEM (headers, i), "is not {name, value} of texts");
        else
            problem_check (problems, headers, node_get_text (header, "name", ""),
                           name_rule_http_header);
    }
}

/* The handlers of a probe or a hook, as far as it has them. */
typedef struct {
    const exec_action_t *exec;
    const http_action_t *http_get;
    const tcp_action_t *tcp_socket;
    const grpc_action_t *grpc;
    const sleep_action_t *sleep;
} actions_t;

static void
validate_action (problems_t *problems, const path_t *path, const actions_t *actions, size_t which,
                 const pod_t *pod)
{
    int64_t grace_s = pod->spec.termination_grace_s.value;
    char text[128];
    switch (which) {
    case 0:
        if (actions->exec->command.count == 0)
            problem_required (problems, AT (path, "command"), NULL);
        break;
    case 1: validate_http_get (problems, path, actions->http_get); break;
    case 2: validate_port (problems, AT (path, "port"), &actions->tcp_socket->port); break;
    case 3: validate_port_number (problems, AT (path, "port"), actions->grpc->port); break;
    default:
        if (actions->sleep->seconds >= 0 && actions->sleep->seconds <= grace_s)
            break;
        snprintf (text, sizeof text,
                  "must be non-negative and less than terminationGracePeriodSeconds (%lld)",
                  (long long) grace_s);
        problem_invalid_int (problems, path, actions->sleep->seconds, text);
    }
}

static void
validate_actions (problems_t *problems, const path_t *path, const actions_t *actions,
                  const pod_t *pod)
{
    const struct {
        const char *name;
        const void *action;
    } ALL[] = {
        { "exec", actions->exec },
        { "httpGet", actions->http_get },
        { "tcpSocket", actions->tcp_socket },
        { "grpc", actions->grpc },
        { "sleep", actions->sleep },
    };
    size_t given = 0;
    for (size_t i = 0; i < COUNT_OF (ALL); i++) {
        if (!ALL[i].action)
            continue;
        if (given++ > 0)
            problem_forbidden (problems, AT (path, ALL[i].name),
                               "may not specify more than 1 handler type");
        else
            validate_action (problems, AT (path, ALL[i].name), actions, i, pod);
    }
    if (given == 0)
        problem_required (problems, path, "must specify a handler type");
}

static void
validate_hook (problems_t *problems, const path_t *path, const handler_t *hook, const pod_t *pod)
{
    if (!hook)
        return;
    actions_t actions = { .exec = hook->exec,
                          .http_get = hook->http_get,
                          .tcp_socket = hook->tcp_socket,
                          .sleep = hook->sleep };
    validate_actions (problems, path, &actions, pod);
}

static void
validate_probe (problems_t *problems, const path_t *path, const probe_t *probe, bool is_readiness,
                const pod_t *pod)
{
    if (!probe)
        return;
    actions_t actions = { .exec = probe->exec,
                          .http_get = probe->http_get,
                          .tcp_socket = probe->tcp_socket,
                          .grpc = probe->grpc };
    validate_actions (problems, path, &actions, pod);
    const struct {
        const char *name;
        int64_t value;
    } NUMBERS[] = {
        { "initialDelaySeconds", probe->initial_delay_s },
        { "timeoutSeconds", probe->timeout_s },
        { "periodSeconds", probe->period_s },
        { "successThreshold", probe->success_threshold },
        { "failureThreshold", probe->failure_threshold },
    };
    for (size_t i = 0; i < COUNT_OF (NUMBERS); i++)
        if (NUMBERS[i].value < 0)
            problem_invalid_int (problems, AT (path, NUMBERS[i].name), NUMBERS[i].value,
                                 "must be greater than or equal to 0");
        else if (NUMBERS[i].value > INT32_MAX)
            problem_invalid_int (problems, AT (path, NUMBERS[i].name), NUMBERS[i].value,
                                 "must be less than or equal to 2147483647");
    const path_t *grace = AT (path, "terminationGracePeriodSeconds");
    const opt_int_t *grace_s = &probe->termination_grace_s;
    if (grace_s->set && grace_s->value <= 0)
        problem_invalid_int (problems, grace, grace_s->value, "must be greater than 0");
    if (grace_s->set && is_readiness)
        problem_invalid_int (problems, grace, grace_s->value,
                             "must not be set for readinessProbes");
    if (!is_readiness && probe->success_threshold != 1)
        problem_invalid_int (problems, AT (path, "successThreshold"), probe->success_threshold,
                             "must be 1");
}

static void
validate_life (problems_t *problems, const path_t *path, const container_t *container,
               const pod_t *pod)
{
    const path_t *lifecycle = AT (path, "lifecycle");
    validate_hook (problems, AT (lifecycle, "postStart"), container->lifecycle.post_start, pod);
    validate_hook (problems, AT (lifecycle, "preStop"), container->lifecycle.pre_stop, pod);
    validate_probe (problems, AT (path, "livenessProbe"), container->liveness_probe, false, pod);
    validate_probe (problems, AT (path, "readinessProbe"), container->readiness_probe, true, pod);
    validate_probe (problems, AT (path, "startupProbe"), container->startup_probe, false, pod);
}

// ---- containers ----

static void
refuse_fields (problems_t *problems, const path_t *path, const container_t *container,
               const char *const *fields, const char *why)
{
    for (; *fields; fields++)
        if (node_get (container->node, *fields))
            problem_forbidden (problems, AT (path, *fields), why);
}

static void
validate_image (problems_t *problems, const path_t *path, const char *image)
{
    if (!is_given (image))
        problem_required (problems, path, NULL);
    else if (isspace ((unsigned char) image[0])
             || isspace ((unsigned char) image[strlen (image) - 1]))
        problem_invalid (problems, path, image, "must not have leading or trailing whitespace");
}

static void
validate_common (problems_t *problems, const path_t *path, const container_t *container,
                 const pod_t *pod)
{
    validate_name (problems, AT (path, "name"), container->name, name_rule_dns_label);
    validate_image (problems, AT (path, "image"), container->image);
    validate_one_of (problems, AT (path, "terminationMessagePolicy"),
                     container->termination_message_policy, MESSAGE_POLICIES);
    validate_ports (problems, AT (path, "ports"), container);
    validate_env (problems, path, container);
    validate_mounts (problems, path, container, pod);
    validate_devices (problems, path, container, pod);
    validate_one_of (problems, AT (path, "imagePullPolicy"), container->image_pull_policy,
                     PULL_POLICIES);
    validate_resources (problems, AT (path, "resources"), &container->resources, false);
    validate_security (problems, AT (path, "securityContext"), &container->security_context);
}

static void
validate_by_kind (problems_t *problems, const path_t *path, const container_t *container,
                  const pod_t *pod)
{
    static const char *const NOT_INIT[] = { "lifecycle", "livenessProbe", "readinessProbe",
                                            "startupProbe", NULL };
    static const char *const NOT_EPHEMERAL[] = {
        "ports", "livenessProbe", "readinessProbe", "startupProbe", "lifecycle", "restartPolicy",
        NULL
    };
    switch (container->kind) {
    case CONTAINER_REGULAR:
        if (container->restart_policy)
            problem_forbidden (problems, AT (path, "restartPolicy"),
                               "may not be set for non-init containers");
        validate_life (problems, path, container, pod);
        break;
    case CONTAINER_SIDECAR: validate_life (problems, path, container, pod); break;
    case CONTAINER_INIT:
        validate_one_of (problems, AT (path, "restartPolicy"), container->restart_policy,
                         SIDECAR_POLICIES);
        refuse_fields (problems, path, container, NOT_INIT,
                       "may not be set for init containers without restartPolicy=Always");
        break;
    case CONTAINER_EPHEMERAL:
        refuse_fields (problems, path, container, NOT_EPHEMERAL,
                       "cannot be set for an Ephemeral Container");
        if (is_given (container->target_container_name)) {
            const container_t *target = pod_container (pod, container->target_container_name);
            if (!target || target->kind == CONTAINER_EPHEMERAL)
                problem_not_found (problems, AT (path, "targetContainerName"),
                                   container->target_container_name);
        }
    }
}

static void
validate_list (problems_t *problems, const path_t *path, const container_list_t *list,
               const pod_t *pod)
{
    for (size_t i = 0; i < list->count; i++) {
        const container_t *container = &list->items[i];
        validate_common (problems, ITEM (path, i), container, pod);
        validate_by_kind (problems, ITEM (path, i), container, pod);
    }
}

// Names are unique over all kinds; the later one is blamed, regular containers come first.
static void
validate_unique_names (problems_t *problems, const path_t *spec, const pod_t *pod)
{
    const struct {
        const char *key;
        const container_list_t *list;
    } LISTS[] = {
        { "containers", &pod->spec.containers },
        { "initContainers", &pod->spec.init_containers },
        { "ephemeralContainers", &pod->spec.ephemeral_containers },
    };
    for (size_t a = 0; a < COUNT_OF (LISTS); a++)
        for (size_t i = 0; i < LISTS[a].list->count; i++) {
            const char *name = LISTS[a].list->items[i].name;
            bool is_taken = false;
            for (size_t b = 0; is_given (name) && b <= a; b++)
                for (size_t k = 0; k < (b == a ? i : LISTS[b].list->count); k++) {
                    const char *other = LISTS[b].list->items[k].name;
                    is_taken = is_taken || (other && strcmp (other, name) == 0);
                }
            if (is_taken)
                problem_duplicate (problems, AT (ITEM (AT (spec, LISTS[a].key), i), "name"), name);
        }
}

void
validate_containers (problems_t *problems, const path_t *spec, const pod_t *pod)
{
    const pod_spec_t *of = &pod->spec;
    if (of->containers.count == 0)
        problem_required (problems, AT (spec, "containers"), NULL);
    validate_list (problems, AT (spec, "containers"), &of->containers, pod);
    validate_host_ports (problems, AT (spec, "containers"), of->containers.items,
                         of->containers.count);
    validate_list (problems, AT (spec, "initContainers"), &of->init_containers, pod);
    for (size_t i = 0; i < of->init_containers.count; i++) // they run one by one
        validate_host_ports (problems, AT (spec, "initContainers"), &of->init_containers.items[i],
                             1);
    validate_list (problems, AT (spec, "ephemeralContainers"), &of->ephemeral_containers, pod);
    validate_unique_names (problems, spec, pod);
    for (size_t c = 0; of->host_network && c < of->containers.count; c++)
        for (size_t p = 0; p < of->containers.items[c].ports.count; p++) {
            const container_port_t *port = &of->containers.items[c].ports.items[p];
            const path_t *ports = AT (ITEM (AT (spec, "containers"), c), "ports");
            if (port->host_port != port->container_port)
                problem_invalid_int (problems, AT (ITEM (ports, p), "hostPort"), port->host_port,
                                     "must match `containerPort` when `hostNetwork` is true");
        }
}
