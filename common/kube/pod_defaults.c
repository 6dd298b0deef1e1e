#include "cubelet/pod_defaults.h"
#include "cubelet/container_sums.h"
#include "cubelet/image_name.h"
#include "cubelet/memory.h"
#include "cubelet/pod.h"
#include <string.h>

typedef enum {
    TEXT,         // absent or ""
    TEXT_ABSENT,  // absent; "" is a value of its own
    INT,          // absent; 0 is a value of its own
    INT_POSITIVE, // absent or 0
    TRUE,         // absent: true
    MAP,          // absent: {}
} default_kind_t;

typedef struct {
    const char *key;
    default_kind_t kind;
    const char *text;
    int64_t number;
} default_t;

#define DEFAULTS(SYMBOL, ...) static const default_t SYMBOL[] = { __VA_ARGS__, { .key = NULL } }

#define FILE_MODE 420 // 0644

// clang-format off
DEFAULTS (SPEC,
    { "restartPolicy",                 TEXT, "Always", 0 },
    { "terminationGracePeriodSeconds", INT,  NULL, 30 },
    { "dnsPolicy",                     TEXT, "ClusterFirst", 0 },
    { "securityContext",               MAP,  NULL, 0 },
    { "schedulerName",                 TEXT, "default-scheduler", 0 },
    { "enableServiceLinks",            TRUE, NULL, 0 });
DEFAULTS (CONTAINER,
    { "resources",                MAP,  NULL, 0 },
    { "terminationMessagePath",   TEXT, "/dev/termination-log", 0 },
    { "terminationMessagePolicy", TEXT, "File", 0 });
DEFAULTS (PORT,
    { "protocol", TEXT, "TCP", 0 });
DEFAULTS (PROBE,
    { "timeoutSeconds",   INT_POSITIVE, NULL, 1 },
    { "periodSeconds",    INT_POSITIVE, NULL, 10 },
    { "successThreshold", INT_POSITIVE, NULL, 1 },
    { "failureThreshold", INT_POSITIVE, NULL, 3 });
DEFAULTS (HTTP_GET,
    { "path",   TEXT, "/", 0 },
    { "scheme", TEXT, "HTTP", 0 });
DEFAULTS (GRPC,
    { "service", TEXT_ABSENT, "", 0 });
DEFAULTS (FIELD_REF,
    { "apiVersion", TEXT, "v1", 0 });
DEFAULTS (RESOURCE_FIELD_REF,
    { "divisor", TEXT, "0", 0 });
DEFAULTS (TOKEN,
    { "expirationSeconds", INT, NULL, 3600 });
DEFAULTS (CLAIM_TEMPLATE,
    { "volumeMode", TEXT_ABSENT, "Filesystem", 0 });
DEFAULTS (FILES,
    { "defaultMode", INT, NULL, FILE_MODE });
DEFAULTS (HOST_PATH,
    { "type", TEXT_ABSENT, "", 0 });
DEFAULTS (RBD,
    { "pool",    TEXT, "rbd", 0 },
    { "user",    TEXT, "admin", 0 },
    { "keyring", TEXT, "/etc/ceph/keyring", 0 });
DEFAULTS (ISCSI,
    { "iscsiInterface", TEXT, "default", 0 });
DEFAULTS (AZURE_DISK,
    { "cachingMode", TEXT_ABSENT, "ReadWrite", 0 },
    { "fsType",      TEXT_ABSENT, "ext4", 0 },
    { "kind",        TEXT_ABSENT, "Shared", 0 });
DEFAULTS (SCALE_IO,
    { "storageMode", TEXT, "ThinProvisioned", 0 },
    { "fsType",      TEXT, "xfs", 0 });

/* The defaults of each volume source. */
static const struct {
    const char *source;
    const default_t *defaults;
} VOLUME_SOURCES[] = {
    { "configMap", FILES }, { "secret", FILES },    { "downwardAPI", FILES }, { "projected", FILES },
    { "hostPath", HOST_PATH }, { "rbd", RBD }, { "iscsi", ISCSI }, { "azureDisk", AZURE_DISK },
    { "scaleIO", SCALE_IO },
};
// clang-format on

static const char *const CONTAINER_LISTS[] = { "initContainers", "containers",
                                               "ephemeralContainers" };
static const char *const PROBES[] = { "livenessProbe", "readinessProbe", "startupProbe" };
static const char *const HOOKS[] = { "postStart", "preStop" };

typedef void visit_fn (tree_t *tree, node_t *item);

// ---- small tools ----

static node_t *
map_at (node_t *map, const char *key)
{
    node_t *value = node_get_mutable (map, key);
    return node_is_map (value) ? value : NULL;
}

static void
each_map (tree_t *tree, node_t *map, const char *key, visit_fn *visit)
{
    node_t *array = node_get_mutable (map, key);
    if (!node_is_array (array))
        return;
    for (size_t i = 0; i < node_count (array); i++)
        if (node_is_map (&array->via.array.ptr[i]))
            visit (tree, &array->via.array.ptr[i]);
}

static bool
is_given (const node_t *value, default_kind_t kind)
{
    if (!value)
        return false;
    if (kind == TEXT && node_is_text (value))
        return *node_as_text (value, "") != '\0';
    if (kind == INT_POSITIVE && node_is_int (value))
        return node_as_int (value, 0) != 0;
    return true;
}

static void
apply (tree_t *tree, node_t *map, const default_t *defaults)
{
    if (!node_is_map (map))
        return;
    for (const default_t *row = defaults; row->key; row++) {
        if (is_given (node_get (map, row->key), row->kind))
            continue;
        node_t value = row->kind == TRUE  ? node_bool (true)
                       : row->kind == MAP ? node_map()
                       : row->text        ? node_text (tree, row->text)
                                          : node_int (row->number);
        node_set (tree, map, row->key, value);
    }
}

// Takes nulls out of every map below; null items of lists stay, since they count.
static void
drop_nulls (node_t *node)
{
    if (node_is_array (node))
        for (size_t i = 0; i < node_count (node); i++)
            drop_nulls (&node->via.array.ptr[i]);
    if (!node_is_map (node))
        return;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < node->via.map.size; i++) {
        msgpack_object_kv *pair = &node->via.map.ptr[i];
        if (pair->val.type == MSGPACK_OBJECT_NIL)
            continue;
        drop_nulls (&pair->val);
        node->via.map.ptr[kept++] = *pair;
    }
    node->via.map.size = kept;
}

// ---- quantities ----

/* Writes a quantity in its canonical form; what is none stays. `milli`: round up to thousandths,
   as the API does with resource lists. */
static void
canonical_quantity (tree_t *tree, node_t *value, bool milli)
{
    fault_t ignored = { 0 };
    quantity_t quantity = { 0 };
    if (quantity_read_node (value, &quantity, &ignored) < 0)
        return;
    quantity_t rounded = quantity_of_milli (quantity_milli (quantity));
    if (milli && quantity_compare (rounded, quantity) > 0)
        quantity = rounded;
    OWNED (free_text) char *text = quantity_text (quantity, node_as_text (value, NULL));
    *value = node_text (tree, text);
}

static void
canonical_list (tree_t *tree, node_t *list)
{
    if (!node_is_map (list))
        return;
    for (size_t i = 0; i < node_count (list); i++)
        canonical_quantity (tree, &list->via.map.ptr[i].val, true);
}

static void
canonical_field (tree_t *tree, node_t *map, const char *key)
{
    node_t *value = node_get_mutable (map, key);
    if (value)
        canonical_quantity (tree, value, false);
}

static void
canonical_resources (tree_t *tree, node_t *resources)
{
    canonical_list (tree, map_at (resources, "limits"));
    canonical_list (tree, map_at (resources, "requests"));
}

// Copies the quantities of `from` that `to` lacks, if `only` (NULL: any) approves of the key.
static void
add_missing (tree_t *tree, node_t *to, const node_t *from, bool (*only) (const char *))
{
    for (size_t i = 0; i < node_count (from); i++) {
        const char *key = node_key_at (from, i);
        const node_t *value = node_value_at (from, i);
        quantity_t quantity;
        fault_t ignored = { 0 };
        if (!node_get (to, key) && (!only || only (key))
            && quantity_read_node (value, &quantity, &ignored) == 0)
            node_set (tree, to, key, node_copy (tree, value));
    }
}

static void
requests_from_limits (tree_t *tree, node_t *container)
{
    node_t *resources = map_at (container, "resources");
    const node_t *limits = node_get (resources, "limits");
    if (!node_is_map (limits) || node_count (limits) == 0)
        return;
    node_t requests = node_map();
    if (map_at (resources, "requests"))
        requests = *map_at (resources, "requests");
    else if (node_get (resources, "requests"))
        return; // not a map: to be refused
    add_missing (tree, &requests, limits, NULL);
    node_set (tree, resources, "requests", requests);
}

// ---- containers ----

static void
default_field_ref (tree_t *tree, node_t *source)
{
    apply (tree, map_at (source, "fieldRef"), FIELD_REF);
    node_t *resource = map_at (source, "resourceFieldRef");
    apply (tree, resource, RESOURCE_FIELD_REF);
    canonical_field (tree, resource, "divisor");
}

static void
default_env (tree_t *tree, node_t *variable)
{
    default_field_ref (tree, map_at (variable, "valueFrom"));
}

static void
default_port (tree_t *tree, node_t *port)
{
    apply (tree, port, PORT);
}

static void
default_host_port (tree_t *tree, node_t *port)
{
    if (node_get_int (port, "hostPort", 0) == 0 && node_get_int (port, "containerPort", 0) != 0)
        node_set_int (tree, port, "hostPort", node_get_int (port, "containerPort", 0));
}

static void
default_host_ports (tree_t *tree, node_t *container)
{
    each_map (tree, container, "ports", default_host_port);
}

static void
default_container (tree_t *tree, node_t *container)
{
    apply (tree, container, CONTAINER);
    if (!is_given (node_get (container, "imagePullPolicy"), TEXT)) {
        const char *image = node_get_text (container, "image", "");
        node_set_text (tree, container, "imagePullPolicy", image_default_pull_policy (image));
    }
    canonical_resources (tree, map_at (container, "resources"));
    each_map (tree, container, "ports", default_port);
    each_map (tree, container, "env", default_env);
    for (size_t i = 0; i < COUNT_OF (PROBES); i++) {
        node_t *probe = map_at (container, PROBES[i]);
        apply (tree, probe, PROBE);
        apply (tree, map_at (probe, "httpGet"), HTTP_GET);
        apply (tree, map_at (probe, "grpc"), GRPC);
    }
    node_t *lifecycle = map_at (container, "lifecycle");
    for (size_t i = 0; i < COUNT_OF (HOOKS); i++)
        apply (tree, map_at (map_at (lifecycle, HOOKS[i]), "httpGet"), HTTP_GET);
}

// ---- volumes ----

static void
default_projection (tree_t *tree, node_t *source)
{
    apply (tree, map_at (source, "serviceAccountToken"), TOKEN);
    each_map (tree, map_at (source, "downwardAPI"), "items", default_field_ref);
}

static void
default_volume (tree_t *tree, node_t *volume)
{
    bool has_source = false;
    for (size_t i = 0; i < node_count (volume); i++)
        has_source = has_source || strcmp (node_key_at (volume, i), "name") != 0;
    if (!has_source)
        node_set (tree, volume, "emptyDir", node_map());
    for (size_t i = 0; i < COUNT_OF (VOLUME_SOURCES); i++)
        apply (tree, map_at (volume, VOLUME_SOURCES[i].source), VOLUME_SOURCES[i].defaults);
    canonical_field (tree, map_at (volume, "emptyDir"), "sizeLimit");
    each_map (tree, map_at (volume, "downwardAPI"), "items", default_field_ref);
    each_map (tree, map_at (volume, "projected"), "sources", default_projection);
    node_t *claim = map_at (map_at (volume, "ephemeral"), "volumeClaimTemplate");
    apply (tree, map_at (claim, "spec"), CLAIM_TEMPLATE);
}

// ---- resources of the pod as a whole ----

static bool
is_huge_page (const char *resource)
{
    return strncmp (resource, "hugepages-", 10) == 0;
}

static bool
may_be_overcommitted (const char *resource)
{
    return strcmp (resource, "cpu") == 0 || strcmp (resource, "memory") == 0;
}

static bool
is_pod_level (const char *resource)
{
    return may_be_overcommitted (resource) || is_huge_page (resource);
}

/* Completes spec.resources when it is given at all: limits of huge pages and requests from what
   the containers sum up to, then requests from limits (gate PodLevelResources, on). */
static void
default_pod_resources (tree_t *tree, node_t *spec)
{
    node_t *resources = map_at (spec, "resources");
    canonical_resources (tree, resources);
    node_t limits = map_at (resources, "limits") ? *map_at (resources, "limits") : node_map();
    node_t requests = map_at (resources, "requests") ? *map_at (resources, "requests") : node_map();
    if (!resources || (node_count (&limits) == 0 && node_count (&requests) == 0))
        return;

    node_t sums = containers_sum (tree, spec, "limits");
    for (size_t i = 0; i < node_count (&sums); i++) {
        const char *key = node_key_at (&sums, i);
        if (is_huge_page (key) && !node_get (&requests, key) && !node_get (&limits, key))
            node_set (tree, &limits, key, *node_value_at (&sums, i));
    }
    if (node_count (&limits) > 0) {
        node_set (tree, resources, "limits", limits);
        sums = containers_sum (tree, spec, "requests");
        add_missing (tree, &requests, &sums, may_be_overcommitted);
        add_missing (tree, &requests, &limits, is_pod_level);
    }
    if (node_count (&requests) > 0)
        node_set (tree, resources, "requests", requests);
}

void
pod_apply_defaults (tree_t *tree, node_t *pod)
{
    drop_nulls (pod);
    node_t *spec = map_at (pod, "spec");
    if (!spec)
        return;
    apply (tree, spec, SPEC);
    each_map (tree, spec, "volumes", default_volume);
    for (size_t i = 0; i < COUNT_OF (CONTAINER_LISTS); i++)
        each_map (tree, spec, CONTAINER_LISTS[i], default_container);
    // Ephemeral containers have no resources of their own and no ports.
    each_map (tree, spec, "initContainers", requests_from_limits);
    each_map (tree, spec, "containers", requests_from_limits);
    default_pod_resources (tree, spec);
    canonical_list (tree, map_at (spec, "overhead"));
    if (node_get_bool (spec, "hostNetwork", false)) {
        each_map (tree, spec, "initContainers", default_host_ports);
        each_map (tree, spec, "containers", default_host_ports);
    }
}
