#include "cubelet/container_env.h"
#include "cubelet/base64.h"
#include "cubelet/downward_api.h"
#include "cubelet/env_expand.h"
#include "cubelet/memory.h"
#include "cubelet/service_env.h"
#include "cubelet/utf8.h"
#include "name_table.h"
#include "optional.h"
#include <string.h>

/* Everything one environment is made from. */
typedef struct {
    const pod_t *pod;
    const container_t *container;
    const env_sources_t *sources;
    const node_facts_t *facts;
    text_list_t pod_ips;
    tree_t *tree;
    name_table_t own;      // from envFrom and env
    name_table_t services; // come last, but may be referred to
} build_t;

typedef enum { FOUND_FAULT = -1, FOUND_NOT, FOUND } found_t;

/* The two kinds of objects that hold values, with upstream's words for them. */
typedef struct {
    const char *name;     // as in "configmap "X" not found"
    const char *asked_as; // as in "couldn't get configMap NS/X"
    const char *kind;     // as in "couldn't find key K in ConfigMap NS/X"
    bool is_base64;
} object_kind_t;

static const object_kind_t CONFIG_MAP = { "configmap", "configMap", "ConfigMap", false };
static const object_kind_t SECRET = { "secret", "secret", "Secret", true };

// ---- values of objects ----

static found_t
find_object (const build_t *self, const object_kind_t *kind, const char *name, bool is_optional,
             const node_t **out, fault_t *fault)
{
    const char *ns = text_or_empty (self->pod->metadata.namespace);
    if (!self->sources->has_api)
        return fault_set (fault, FAULT_UNAVAILABLE, "couldn't get %s %s/%s, no kubeClient defined",
                          kind->asked_as, ns, name);
    const node_t *objects = kind == &SECRET ? self->sources->secrets : self->sources->config_maps;
    const node_t *object = node_get (objects, name);
    if (node_is_text (object))
        return fault_set (fault, FAULT_UNAVAILABLE, "%s", node_as_text (object, ""));
    if (!object && is_optional)
        return FOUND_NOT;
    if (!object)
        return fault_set (fault, FAULT_NOT_FOUND, "%s \"%s\" not found", kind->name, name);
    *out = object;
    return FOUND;
}

/* A value of an object's data as it goes into the environment; decoded into the tree. */
static int
read_value (const build_t *self, const object_kind_t *kind, const char *object, const char *key,
            const node_t *value, node_t *out, fault_t *fault)
{
    if (!kind->is_base64) {
        *out = node_copy (self->tree, value);
        return 0;
    }
    size_t size = 0;
    OWNED (free_text) char *bytes = base64_decode (node_as_text (value, ""), &size);
    if (!bytes)
        return fault_set (fault, FAULT_INVALID, "key %s in %s %s/%s is not base64", key, kind->kind,
                          text_or_empty (self->pod->metadata.namespace), object);
    bool is_text = !memchr (bytes, '\0', size) && utf8_is_valid (bytes, size);
    *out =
        is_text ? node_text_sized (self->tree, bytes, size) : node_bytes (self->tree, bytes, size);
    return 0;
}

static found_t
find_key (const build_t *self, const object_kind_t *kind, const key_selector_t *selector,
          node_t *out, fault_t *fault)
{
    const char *name = text_or_empty (selector->name), *key = text_or_empty (selector->key);
    const node_t *object = NULL;
    found_t found = find_object (self, kind, name, is_true (selector->optional), &object, fault);
    if (found != FOUND)
        return found;
    const node_t *value = node_at (object, "data", key, NULL);
    if (!value && is_true (selector->optional))
        return FOUND_NOT;
    if (!value)
        return fault_set (fault, FAULT_NOT_FOUND, "couldn't find key %s in %s %s/%s", key,
                          kind->kind, text_or_empty (self->pod->metadata.namespace), name);
    return read_value (self, kind, name, key, value, out, fault) < 0 ? FOUND_FAULT : FOUND;
}

// ---- envFrom ----

static int
add_object (build_t *self, const object_kind_t *kind, const object_ref_t *ref, const char *prefix,
            fault_t *fault)
{
    const char *name = text_or_empty (ref->name);
    const node_t *object = NULL;
    found_t found = find_object (self, kind, name, is_true (ref->optional), &object, fault);
    if (found != FOUND)
        return found == FOUND_FAULT ? -1 : 0;
    const node_t *data = node_get (object, "data");
    for (size_t i = 0; node_is_map (data) && i < node_count (data); i++) {
        const char *key = node_key_at (data, i);
        node_t value = node_nil();
        if (read_value (self, kind, name, key, node_value_at (data, i), &value, fault) < 0)
            return -1;
        OWNED (free_text) char *variable = text_format ("%s%s", text_or_empty (prefix), key);
        name_table_set (&self->own, variable, value);
    }
    return 0;
}

static int
add_env_from (build_t *self, fault_t *fault)
{
    for (size_t i = 0; i < self->container->env_from.count; i++) {
        const env_from_t *from = &self->container->env_from.items[i];
        int rc = 0;
        if (from->config_map_ref)
            rc = add_object (self, &CONFIG_MAP, from->config_map_ref, from->prefix, fault);
        else if (from->secret_ref)
            rc = add_object (self, &SECRET, from->secret_ref, from->prefix, fault);
        if (rc < 0)
            return -1;
    }
    return 0;
}

// ---- env ----

static const node_t *
find_visible (void *context, const char *name)
{
    const build_t *self = context;
    const node_t *value = name_table_get (&self->own, name);
    return value ? value : name_table_get (&self->services, name);
}

static found_t
find_source (build_t *self, const env_source_t *from, node_t *out, fault_t *fault)
{
    const char *text = "";
    int rc = 0;
    if (from->field_ref)
        rc = downward_field (self->pod, self->facts, self->pod_ips, from->field_ref->field_path,
                             self->tree, &text, fault);
    else if (from->resource_field_ref)
        rc = downward_resource (self->pod, self->facts, self->container, from->resource_field_ref,
                                self->tree, &text, fault);
    else if (from->config_map_key_ref)
        return find_key (self, &CONFIG_MAP, from->config_map_key_ref, out, fault);
    else if (from->secret_key_ref)
        return find_key (self, &SECRET, from->secret_key_ref, out, fault);
    *out = node_text (self->tree, text);
    return rc < 0 ? FOUND_FAULT : FOUND;
}

static int
add_env (build_t *self, fault_t *fault)
{
    for (size_t i = 0; i < self->container->env.count; i++) {
        const env_var_t *variable = &self->container->env.items[i];
        const char *literal = text_or_empty (variable->value);
        node_t value = node_text (self->tree, literal);
        if (*literal)
            value = env_expand (literal, find_visible, self, self->tree);
        else if (variable->value_from) {
            found_t found = find_source (self, variable->value_from, &value, fault);
            if (found == FOUND_FAULT)
                return -1;
            if (found == FOUND_NOT)
                continue;
        }
        name_table_set (&self->own, text_or_empty (variable->name), value);
    }
    return 0;
}

// ---- services ----

static void
read_services (build_t *self)
{
    node_t variables = node_array();
    service_env (self->sources->services, text_or_empty (self->pod->metadata.namespace),
                 is_true (self->pod->spec.enable_service_links), self->tree, &variables);
    NODE_EACH (&variables, variable)
    {
        name_table_set (&self->services, node_get_text (variable, "key", ""),
                        *node_get (variable, "value"));
    }
}

static void
add_services (build_t *self)
{
    NODE_EACH (&self->services.pairs, variable)
    {
        const char *name = node_get_text (variable, "key", "");
        if (!name_table_get (&self->own, name))
            name_table_set (&self->own, name, *node_get (variable, "value"));
    }
}

int
container_environment (const pod_t *pod, const container_t *container, const env_sources_t *sources,
                       const node_facts_t *facts, text_list_t pod_ips, tree_t *tree, node_t *out,
                       fault_t *fault)
{
    if (!pod->spec.enable_service_links.set)
        return fault_set (fault, FAULT_INVALID,
                          "nil pod.spec.enableServiceLinks encountered, cannot construct envvars");
    if (!pod_is_static (pod) && !sources->services_known)
        return fault_set (
            fault, FAULT_UNAVAILABLE,
            "services have not yet been read at least once, cannot construct envvars");
    build_t self = { .pod = pod,
                     .container = container,
                     .sources = sources,
                     .facts = facts,
                     .pod_ips = pod_ips,
                     .tree = tree };
    name_table_init (&self.own, tree);
    name_table_init (&self.services, tree);
    read_services (&self);
    int rc = add_env_from (&self, fault) < 0 || add_env (&self, fault) < 0 ? -1 : 0;
    if (rc == 0) {
        add_services (&self);
        *out = self.own.pairs;
    }
    name_table_clear (&self.own);
    name_table_clear (&self.services);
    return rc;
}

void
container_env_references (const container_t *container, env_reference_fn *found, void *context)
{
    for (size_t i = 0; i < container->env_from.count; i++) {
        const env_from_t *from = &container->env_from.items[i];
        if (from->config_map_ref)
            found (context, false, text_or_empty (from->config_map_ref->name));
        else if (from->secret_ref)
            found (context, true, text_or_empty (from->secret_ref->name));
    }
    for (size_t i = 0; i < container->env.count; i++) {
        const env_source_t *from = container->env.items[i].value_from;
        if (from && from->config_map_key_ref)
            found (context, false, text_or_empty (from->config_map_key_ref->name));
        if (from && from->secret_key_ref)
            found (context, true, text_or_empty (from->secret_key_ref->name));
    }
}
