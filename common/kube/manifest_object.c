#include "cubelet/manifest_object.h"
#include "cubelet/base64.h"
#include "cubelet/memory.h"
#include "cubelet/name_rules.h"
#include "cubelet/pod_objects.h"
#include "cubelet/problems.h"
#include "pod_validate_internal.h"
#include <string.h>

#define AT_KEY(PARENT, NAME) (&(path_t){ .parent = (PARENT), .name = (NAME), .kind = PATH_KEY })

/* As in the API: what an object of this kind may hold in all. */
#define DATA_MAX_BYTES (1 << 20)

/* A field with keys and values. */
typedef struct {
    const char *name;
    bool is_base64;
} data_field_t;

typedef struct {
    const char *kind, *api_version;
    bool is_namespaced;
    data_field_t fields[2]; // none: ends with a NULL name
    const char *required;   // a text field that must be there; NULL: none
} object_type_t;

static const object_type_t TYPES[] = {
    { KIND_CONFIG_MAP, "v1", true, { { "data", false }, { "binaryData", true } }, NULL },
    { KIND_SECRET, "v1", true, { { "data", true }, { "stringData", false } }, NULL },
    { KIND_RUNTIME_CLASS, "node.k8s.io/v1", false, { { NULL } }, "handler" },
};

static const object_type_t *
find_type (const node_t *document)
{
    const char *kind = node_get_text (document, "kind", "");
    for (size_t i = 0; i < COUNT_OF (TYPES); i++)
        if (strcmp (TYPES[i].kind, kind) == 0)
            return &TYPES[i];
    return NULL;
}

bool
manifest_is_object (const node_t *document)
{
    return find_type (document);
}

// ---- what is wrong with it ----

/* How many bytes the value is worth; problems never show it. */
static size_t
check_value (problems_t *problems, const path_t *path, const node_t *value, bool is_base64)
{
    size_t size = 0;
    if (!node_is_text (value)) {
        problem_add (problems, path, "must be a string%s",
                     is_base64 ? " in base64" : ", put it in quotes");
        return 0;
    }
    if (!is_base64) {
        node_as_bytes (value, &size);
        return size;
    }
    OWNED (free_text) char *bytes = base64_decode (node_as_text (value, ""), &size);
    if (!bytes)
        problem_add (problems, path, "must be base64");
    return size;
}

static void
check_field (problems_t *problems, const node_t *document, const data_field_t *field, size_t *total)
{
    const node_t *values = node_get (document, field->name);
    const path_t *path = AT (NULL, field->name);
    if (values && !node_is_map (values))
        problem_add (problems, path, "must be an object");
    for (size_t i = 0; node_is_map (values) && i < node_count (values); i++) {
        const char *key = node_key_at (values, i);
        const path_t *place = AT_KEY (path, key);
        problem_check (problems, place, key, name_rule_config_key);
        *total += check_value (problems, place, node_value_at (values, i), field->is_base64);
    }
}

static void
check_metadata (problems_t *problems, const node_t *document, const object_type_t *type)
{
    const node_t *metadata = node_get (document, "metadata");
    const char *name = node_get_text (metadata, "name", "");
    const char *namespace = node_get_text (metadata, "namespace", "");
    const path_t *path = AT (NULL, "metadata");
    if (!*name)
        problem_required (problems, AT (path, "name"), NULL);
    else
        problem_check (problems, AT (path, "name"), name, name_rule_dns_subdomain);
    if (*namespace && type->is_namespaced)
        problem_check (problems, AT (path, "namespace"), namespace, name_rule_dns_label);
    else if (*namespace)
        problem_forbidden (problems, AT (path, "namespace"), "not allowed on this type");
}

static void
check (problems_t *problems, const node_t *document, const object_type_t *type)
{
    size_t total = 0;
    const char *version = node_get_text (document, "apiVersion", "");
    if (strcmp (version, type->api_version) != 0)
        problem_add (problems, AT (NULL, "apiVersion"), "Unsupported value: \"%s\": must be %s",
                     version, type->api_version);
    check_metadata (problems, document, type);
    for (size_t i = 0; i < COUNT_OF (type->fields) && type->fields[i].name; i++)
        check_field (problems, document, &type->fields[i], &total);
    if (total > DATA_MAX_BYTES)
        problem_add (problems, AT (NULL, type->fields[0].name),
                     "Too long: may not be more than %d bytes", DATA_MAX_BYTES);
    if (type->required) {
        const char *value = node_get_text (document, type->required, "");
        if (!*value)
            problem_required (problems, AT (NULL, type->required), NULL);
        else
            problem_check (problems, AT (NULL, type->required), value, name_rule_dns_label);
    }
}

// ---- building it ----

/* Puts stringData into data, in base64; it wins over data. */
static void
merge_string_data (tree_t *tree, node_t *secret)
{
    const node_t *texts = node_get (secret, "stringData");
    const node_t *given = node_get (secret, "data");
    node_t data = node_is_map (given) ? *given : node_map();
    for (size_t i = 0; node_is_map (texts) && i < node_count (texts); i++) {
        size_t size = 0;
        const char *bytes = node_as_bytes (node_value_at (texts, i), &size);
        OWNED (free_text) char *encoded = memory_new ((size + 2) / 3 * 4 + 1, 1);
        size_t length = base64_encode (bytes, size, encoded);
        node_set (tree, &data, node_key_at (texts, i), node_text_sized (tree, encoded, length));
    }
    node_remove (secret, "stringData");
    node_set (tree, secret, "data", data);
    if (!*node_get_text (secret, "type", ""))
        node_set_text (tree, secret, "type", "Opaque");
}

int
manifest_object_build (tree_t *tree, const node_t *document, node_t *out, fault_t *fault)
{
    const object_type_t *type = find_type (document);
    problems_t problems = { 0 };
    if (!type)
        return fault_set (fault, FAULT_INVALID, "kind: Unsupported value");
    check (&problems, document, type);
    if (problems_fault (&problems, fault) < 0)
        return fault_wrap (fault, "invalid %s", type->kind);
    *out = node_copy (tree, document);
    node_t *metadata = node_get_mutable (out, "metadata");
    if (type->is_namespaced && !*node_get_text (metadata, "namespace", ""))
        node_set_text (tree, metadata, "namespace", "default");
    if (strcmp (type->kind, KIND_SECRET) == 0)
        merge_string_data (tree, out);
    return 0;
}

// ---- looking it up ----

static bool
has_name (const node_t *object, const char *kind, const char *namespace, const char *name)
{
    const node_t *metadata = node_get (object, "metadata");
    return strcmp (node_get_text (object, "kind", ""), kind) == 0
           && strcmp (node_get_text (metadata, "namespace", ""), namespace) == 0
           && strcmp (node_get_text (metadata, "name", ""), name) == 0;
}

bool
manifest_object_is_same (const node_t *a, const node_t *b)
{
    const node_t *metadata = node_get (b, "metadata");
    return has_name (a, node_get_text (b, "kind", ""), node_get_text (metadata, "namespace", ""),
                     node_get_text (metadata, "name", ""));
}

node_t
manifest_object_row (tree_t *tree, const node_t *objects, const node_t *ref)
{
    node_t row = node_copy (tree, ref);
    const node_t *found = NULL;
    NODE_EACH (objects, object)
    {
        if (has_name (object, node_get_text (ref, "kind", ""), node_get_text (ref, "namespace", ""),
                      node_get_text (ref, "name", "")))
            found = object;
    }
    node_set_bool (tree, &row, "found", found);
    if (found)
        node_set (tree, &row, "object", node_copy (tree, found));
    return row;
}
