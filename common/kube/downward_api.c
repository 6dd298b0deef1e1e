#include "cubelet/downward_api.h"
#include "cubelet/go_quote.h"
#include "cubelet/memory.h"
#include "cubelet/name_rules.h"
#include "optional.h"
#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

/* What a field may be taken from. */
typedef struct {
    const pod_t *pod;
    const node_facts_t *facts;
    text_list_t pod_ips;
    tree_t *tree;
} source_t;

// ---- fields ----

static const char *
first_of (text_list_t list)
{
    return list.count ? list.items[0] : "";
}

static const char *
joined (text_list_t list, tree_t *tree)
{
    OWNED (free_text) char *text = text_copy ("");
    for (size_t i = 0; i < list.count; i++)
        text_replace (&text, "%s%s%s", text, i ? "," : "", list.items[i]);
    return tree_text (tree, text, strlen (text));
}

static int
compare_keys (const void *a, const void *b)
{
    return strcmp (*(const char *const *) a, *(const char *const *) b);
}

// Lines key="value", sorted by key.
static const char *
map_lines (const node_t *map, tree_t *tree)
{
    size_t count = node_is_map (map) ? node_count (map) : 0;
    if (count == 0)
        return "";
    const char **keys = tree_alloc (tree, count * sizeof *keys);
    for (size_t i = 0; i < count; i++)
        keys[i] = node_key_at (map, i);
    qsort (keys, count, sizeof *keys, compare_keys);
    char *lines = NULL;
    size_t size = 0;
    FILE *out = open_memstream (&lines, &size);
    if (!out)
        abort();
    for (size_t i = 0; i < count; i++) {
        OWNED (free_text) char *value = go_quote (node_get_text (map, keys[i], ""));
        fprintf (out, "%s%s=%s", i ? "\n" : "", keys[i], value);
    }
    if (fclose (out) != 0)
        abort();
    const char *text = tree_text (tree, lines, size);
    free (lines);
    return text;
}

typedef const char *field_fn (const source_t *source);

static const char *
get_name (const source_t *source)
{
    return source->pod->metadata.name;
}

static const char *
get_namespace (const source_t *source)
{
    return source->pod->metadata.namespace;
}

static const char *
get_uid (const source_t *source)
{
    return source->pod->metadata.uid;
}

static const char *
get_labels (const source_t *source)
{
    return map_lines (source->pod->metadata.labels, source->tree);
}

static const char *
get_annotations (const source_t *source)
{
    return map_lines (source->pod->metadata.annotations, source->tree);
}

static const char *
get_node_name (const source_t *source)
{
    return source->pod->spec.node_name;
}

static const char *
get_service_account (const source_t *source)
{
    return source->pod->spec.service_account_name;
}

static const char *
get_host_ip (const source_t *source)
{
    return first_of (source->facts->host_ips);
}

static const char *
get_host_ips (const source_t *source)
{
    return joined (source->facts->host_ips, source->tree);
}

static const char *
get_pod_ip (const source_t *source)
{
    return first_of (source->pod_ips);
}

static const char *
get_pod_ips (const source_t *source)
{
    return joined (source->pod_ips, source->tree);
}

static const struct {
    const char *path;
    field_fn *get; // NULL: a label the API knows, but that is not made a text
} FIELDS[] = {
    { "metadata.name", get_name },
    { "metadata.namespace", get_namespace },
    { "metadata.uid", get_uid },
    { "metadata.labels", get_labels },
    { "metadata.annotations", get_annotations },
    { "spec.nodeName", get_node_name },
    { "spec.host", get_node_name }, // of old clients
    { "spec.serviceAccountName", get_service_account },
    { "status.hostIP", get_host_ip },
    { "status.hostIPs", get_host_ips },
    { "status.podIP", get_pod_ip },
    { "status.podIPs", get_pod_ips },
    { "spec.restartPolicy", NULL },
    { "spec.schedulerName", NULL },
    { "status.phase", NULL },
};

/* Cuts "PATH['KEY']"; false when `text` is not of that form. Both are owned by the tree. */
static bool
split_subscript (const char *text, tree_t *tree, const char **path, const char **key)
{
    size_t size = strlen (text);
    const char *opener = strstr (text, "['");
    if (size < 2 || strcmp (text + size - 2, "']") != 0 || !opener || opener == text
        || opener + 2 > text + size - 2)
        return false;
    *path = tree_text (tree, text, (size_t) (opener - text));
    *key = tree_text (tree, opener + 2, size - 2 - (size_t) (opener + 2 - text));
    return true;
}

static int
subscripted (const pod_t *pod, const char *field_path, const char *path, const char *key,
             tree_t *tree, const char **out, fault_t *fault)
{
    const node_t *map = NULL;
    char *checked = tree_text (tree, key, strlen (key));
    if (strcmp (path, "metadata.labels") == 0)
        map = pod->metadata.labels;
    else if (strcmp (path, "metadata.annotations") == 0) {
        map = pod->metadata.annotations;
        for (char *at = checked; *at; at++) // keys of annotations may be in capitals
            *at = (char) tolower ((unsigned char) *at);
    }
    else
        return fault_set (fault, FAULT_INVALID, "field label does not support subscript: %s",
                          field_path);
    const char *wrong = name_rule_qualified_name (checked);
    if (wrong)
        return fault_set (fault, FAULT_INVALID, "invalid key subscript in %s: %s", field_path,
                          wrong);
    *out = node_get_text (map, key, "");
    return 0;
}

int
downward_field (const pod_t *pod, const node_facts_t *facts, text_list_t pod_ips,
                const char *field_path, tree_t *tree, const char **out, fault_t *fault)
{
    source_t source = { .pod = pod, .facts = facts, .pod_ips = pod_ips, .tree = tree };
    const char *path = NULL, *key = NULL;
    field_path = text_or_empty (field_path);
    if (split_subscript (field_path, tree, &path, &key))
        return subscripted (pod, field_path, path, key, tree, out, fault);
    for (size_t i = 0; i < COUNT_OF (FIELDS); i++) {
        if (strcmp (field_path, FIELDS[i].path) != 0)
            continue;
        if (!FIELDS[i].get)
            return fault_set (fault, FAULT_INVALID, "unsupported fieldPath: %s", field_path);
        *out = text_or_empty (FIELDS[i].get (&source));
        return 0;
    }
    return fault_set (fault, FAULT_INVALID, "field label not supported: %s", field_path);
}

// ---- resources ----

static const struct {
    const char *name;
    bool is_milli;       // divided in thousandths
    bool pod_may_set_it; // spec.resources of the pod come before the node
} RESOURCES[] = {
    { "cpu", true, true },
    { "memory", false, true },
    { "ephemeral-storage", false, false },
};

#define HUGEPAGES_PREFIX "hugepages-"

static quantity_t
default_limit (const pod_t *pod, const node_facts_t *facts, size_t row)
{
    quantity_t node = resource_quantity (facts->allocatable, RESOURCES[row].name);
    quantity_t own = resource_quantity (pod->spec.resources.limits, RESOURCES[row].name);
    return node.set && RESOURCES[row].pod_may_set_it && !quantity_is_zero (own) ? own : node;
}

/* The value of "cpu", "memory" ... of the container, as a text. */
static const char *
divided (quantity_t value, quantity_t divisor, bool is_milli, tree_t *tree)
{
    if (quantity_is_zero (divisor))
        divisor = quantity_of (1);
    // in floating point, as upstream does: very large values are rounded alike
    double over = (double) (is_milli ? quantity_milli (value) : quantity_value (value));
    double under = (double) (is_milli ? quantity_milli (divisor) : quantity_value (divisor));
    double ratio = ceil (over / under);
    int64_t whole = ratio >= (double) INT64_MAX ? INT64_MAX : (int64_t) ratio;
    OWNED (free_text) char *text = text_format ("%" PRId64, whole);
    return tree_text (tree, text, strlen (text));
}

static const container_t *
find_regular_or_init (const pod_t *pod, const char *name)
{
    const container_t *container = pod_container (pod, name);
    return container && container->kind != CONTAINER_EPHEMERAL ? container : NULL;
}

int
downward_resource (const pod_t *pod, const node_facts_t *facts, const container_t *container,
                   const resource_field_ref_t *ref, tree_t *tree, const char **out, fault_t *fault)
{
    const char *wanted = text_or_empty (ref->resource);
    bool is_named = ref->container_name && *ref->container_name;
    if (is_named)
        container = find_regular_or_init (pod, ref->container_name);
    if (!container)
        return fault_set (fault, FAULT_INVALID, "container %s not found",
                          text_or_empty (ref->container_name));

    bool is_limit = strncmp (wanted, "limits.", 7) == 0;
    bool is_request = strncmp (wanted, "requests.", 9) == 0;
    const char *name = is_limit ? wanted + 7 : is_request ? wanted + 9 : "";
    const node_t *list = is_limit ? container->resources.limits : container->resources.requests;
    quantity_t value = resource_quantity (list, name);
    for (size_t i = 0; i < COUNT_OF (RESOURCES); i++) {
        if (strcmp (name, RESOURCES[i].name) != 0)
            continue;
        // upstream fills in the limits of init containers only for themselves
        bool may_default = !is_named || container->kind == CONTAINER_REGULAR;
        if (is_limit && may_default && quantity_is_zero (value))
            value = default_limit (pod, facts, i);
        *out = divided (value, ref->divisor, RESOURCES[i].is_milli, tree);
        return 0;
    }
    if (strncmp (name, HUGEPAGES_PREFIX, strlen (HUGEPAGES_PREFIX)) == 0) {
        *out = divided (value, ref->divisor, false, tree);
        return 0;
    }
    return fault_set (fault, FAULT_INVALID, "unsupported container resource : %s", wanted);
}
