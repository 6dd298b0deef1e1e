#include "cubelet/container_labels.h"
#include "cubelet/json.h"
#include "cubelet/memory.h"
#include "optional.h"
#include <inttypes.h>
#include <string.h>

static void
set_number (tree_t *tree, node_t *map, const char *key, int64_t number)
{
    node_set (tree, map, key, node_text_format (tree, "%" PRId64, number));
}

// ---- labels ----

static void
add_pod_labels (const pod_t *pod, tree_t *tree, node_t *labels)
{
    node_set_text (tree, labels, LABEL_POD_NAME, text_or_empty (pod->metadata.name));
    node_set_text (tree, labels, LABEL_POD_NAMESPACE, text_or_empty (pod->metadata.namespace));
    node_set_text (tree, labels, LABEL_POD_UID, text_or_empty (pod->metadata.uid));
}

node_t
sandbox_labels (const pod_t *pod, tree_t *tree)
{
    bool has_labels = node_is_map (pod->metadata.labels);
    node_t labels = has_labels ? node_copy (tree, pod->metadata.labels) : node_map();
    add_pod_labels (pod, tree, &labels);
    return labels;
}

node_t
container_labels (const pod_t *pod, const container_t *container, tree_t *tree)
{
    node_t labels = node_map();
    add_pod_labels (pod, tree, &labels);
    node_set_text (tree, &labels, LABEL_CONTAINER_NAME, text_or_empty (container->name));
    return labels;
}

// ---- JSON as Go's encoding/json writes it ----

/* Sets `annotation` to the JSON of `value`. Go writes < > & as escapes; outside of texts they do
   not occur. */
static void
set_json (tree_t *tree, node_t *map, const char *annotation, const node_t *value)
{
    OWNED (free_text) char *json = json_write (value, JSON_COMPACT, NULL);
    char *escaped = NULL;
    size_t size = 0;
    FILE *out = open_memstream (&escaped, &size);
    if (!out)
        abort();
    for (const char *at = json; *at; at++)
        if (strchr ("<>&", *at))
            fprintf (out, "\\u%04x", (unsigned char) *at);
        else
            fputc (*at, out);
    if (fclose (out) != 0)
        abort();
    node_set (tree, map, annotation, node_text_sized (tree, escaped, size));
    free (escaped);
}

/* One field of an API object as Go writes it: fields that may be left out are, when empty. */
typedef struct {
    const char *name;
    bool is_always; // not omitempty
} json_field_t;

static bool
is_empty (const node_t *value)
{
    if (node_is_text (value))
        return value->via.str.size == 0;
    if (node_is_array (value))
        return node_count (value) == 0;
    return node_is_nil (value) || (node_is_int (value) && node_as_int (value, 0) == 0);
}

/* The known fields of `from` in their declared order. */
static node_t
pick (tree_t *tree, const node_t *from, const json_field_t *fields)
{
    node_t out = node_map();
    for (; fields->name; fields++) {
        const node_t *value = node_get (from, fields->name);
        if (!is_empty (value))
            node_set (tree, &out, fields->name, node_copy (tree, value));
        else if (fields->is_always)
            node_set_int (tree, &out, fields->name, 0);
    }
    return out;
}

static const json_field_t PORT[] = { { "name", false },         { "hostPort", false },
                                     { "containerPort", true }, { "protocol", false },
                                     { "hostIP", false },       { NULL, false } };
static const json_field_t EXEC[] = { { "command", false }, { NULL, false } };
static const json_field_t HTTP_GET[] = { { "path", false },        { "port", true },
                                         { "host", false },        { "scheme", false },
                                         { "httpHeaders", false }, { NULL, false } };
static const json_field_t TCP_SOCKET[] = { { "port", true }, { "host", false }, { NULL, false } };
static const json_field_t SLEEP[] = { { "seconds", true }, { NULL, false } };

static const struct {
    const char *name;
    const json_field_t *fields;
} HANDLERS[] = {
    { "exec", EXEC }, { "httpGet", HTTP_GET }, { "tcpSocket", TCP_SOCKET }, { "sleep", SLEEP }
};

static node_t
handler_json (tree_t *tree, const node_t *handler)
{
    node_t out = node_map();
    for (size_t i = 0; i < COUNT_OF (HANDLERS); i++) {
        const node_t *action = node_get (handler, HANDLERS[i].name);
        if (action)
            node_set (tree, &out, HANDLERS[i].name, pick (tree, action, HANDLERS[i].fields));
    }
    return out;
}

// ---- annotations ----

node_t
container_annotations (const pod_t *pod, const container_t *container, uint32_t hash,
                       int64_t restarts, tree_t *tree)
{
    node_t out = node_map();
    node_set (tree, &out, ANNOTATION_HASH, node_text_format (tree, "%" PRIx32, hash));
    set_number (tree, &out, ANNOTATION_RESTARTS, restarts);
    node_set_text (tree, &out, ANNOTATION_MESSAGE_PATH,
                   text_or_empty (container->termination_message_path));
    node_set_text (tree, &out, ANNOTATION_MESSAGE_POLICY,
                   text_or_empty (container->termination_message_policy));
    if (pod->metadata.deletion_grace_s.set)
        set_number (tree, &out, ANNOTATION_DELETION_GRACE, pod->metadata.deletion_grace_s.value);
    if (pod->spec.termination_grace_s.set)
        set_number (tree, &out, ANNOTATION_TERMINATION_GRACE, pod->spec.termination_grace_s.value);
    if (container->lifecycle.pre_stop) {
        node_t handler = handler_json (tree, container->lifecycle.pre_stop->node);
        set_json (tree, &out, ANNOTATION_PRE_STOP, &handler);
    }
    if (container->ports.count > 0) {
        node_t ports = node_array();
        NODE_EACH (node_get (container->node, "ports"), port)
        {
            node_append (tree, &ports, pick (tree, port, PORT));
        }
        set_json (tree, &out, ANNOTATION_PORTS, &ports);
    }
    return out;
}

// ---- reading back ----

static opt_int_t
read_number (const node_t *annotations, const char *key, int base)
{
    const char *text = node_get_text (annotations, key, "");
    char *end = NULL;
    int64_t value = strtoll (text, &end, base);
    return (opt_int_t){ .set = *text && !*end, .value = *text && !*end ? value : 0 };
}

static node_t
read_json (const node_t *annotations, const char *key, tree_t *tree)
{
    const char *text = node_get_text (annotations, key, NULL);
    fault_t ignored = { 0 };
    OWNED (tree_destroy) tree_t *json = text ? json_read (text, strlen (text), &ignored) : NULL;
    return node_copy (tree, tree_root (json));
}

void
container_identity (const node_t *labels, const node_t *annotations, tree_t *tree,
                    container_identity_t *out)
{
    *out = (container_identity_t){
        .pod_name = node_get_text (labels, LABEL_POD_NAME, ""),
        .pod_namespace = node_get_text (labels, LABEL_POD_NAMESPACE, ""),
        .pod_uid = node_get_text (labels, LABEL_POD_UID, ""),
        .container_name = node_get_text (labels, LABEL_CONTAINER_NAME, ""),
        .hash = read_number (annotations, ANNOTATION_HASH, 16),
        .restarts = read_number (annotations, ANNOTATION_RESTARTS, 10).value,
        .message_path = node_get_text (annotations, ANNOTATION_MESSAGE_PATH, ""),
        .message_policy = node_get_text (annotations, ANNOTATION_MESSAGE_POLICY, ""),
        .termination_grace_s = read_number (annotations, ANNOTATION_TERMINATION_GRACE, 10),
        .deletion_grace_s = read_number (annotations, ANNOTATION_DELETION_GRACE, 10),
        .pre_stop = read_json (annotations, ANNOTATION_PRE_STOP, tree),
        .ports = read_json (annotations, ANNOTATION_PORTS, tree),
    };
}
