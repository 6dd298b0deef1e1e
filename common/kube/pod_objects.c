#include "cubelet/pod_objects.h"
#include "cubelet/container_env.h"
#include "cubelet/go_quote.h"
#include "cubelet/memory.h"
#include "optional.h"
#include <string.h>

/* How upstream calls a kind in "not found". */
static const struct {
    const char *kind, *resource;
} RESOURCES[] = {
    { KIND_CONFIG_MAP, "configmap" },
    { KIND_SECRET, "secret" },
    { KIND_RUNTIME_CLASS, "runtimeclass.node.k8s.io" },
    { KIND_CLAIM, "persistentvolumeclaims" },
};

// ---- what a pod names ----

typedef struct {
    tree_t *tree;
    const char *namespace;
    node_t refs;
} collector_t;

static bool
is_ref (const node_t *row, const char *kind, const char *namespace, const char *name)
{
    return strcmp (node_get_text (row, "kind", ""), kind) == 0
           && strcmp (node_get_text (row, "namespace", ""), namespace) == 0
           && strcmp (node_get_text (row, "name", ""), name) == 0;
}

static void
add_in (collector_t *self, const char *kind, const char *namespace, const char *name)
{
    if (!name || !*name)
        return;
    NODE_EACH (&self->refs, known)
    {
        if (is_ref (known, kind, namespace, name))
            return;
    }
    node_t ref = node_map();
    node_set_text (self->tree, &ref, "kind", kind);
    node_set_text (self->tree, &ref, "namespace", namespace);
    node_set_text (self->tree, &ref, "name", name);
    node_append (self->tree, &self->refs, ref);
}

static void
add (collector_t *self, const char *kind, const char *name)
{
    add_in (self, kind, self->namespace, name);
}

static void
add_of_env (void *context, bool is_secret, const char *name)
{
    add (context, is_secret ? KIND_SECRET : KIND_CONFIG_MAP, name);
}

/* Adds the object that a configMap or secret source names. */
static void
add_of_source (collector_t *self, const node_t *source, const char *secret_key)
{
    add (self, KIND_CONFIG_MAP, node_as_text (node_at (source, "configMap", "name", NULL), ""));
    add (self, KIND_SECRET, node_as_text (node_at (source, "secret", secret_key, NULL), ""));
}

static void
add_of_volume (collector_t *self, const pod_t *pod, const volume_t *volume)
{
    add_of_source (self, volume->node, "secretName");
    NODE_EACH (node_at (volume->node, "projected", "sources", NULL), source)
    {
        add_of_source (self, source, "name");
    }
    add (self, KIND_CLAIM, pod_volume_claim (pod, volume, self->tree));
}

node_t
pod_object_refs (const pod_t *pod, tree_t *tree)
{
    collector_t self = { tree, text_or_empty (pod->metadata.namespace), node_array() };
    add_in (&self, KIND_RUNTIME_CLASS, "", pod->spec.runtime_class_name);
    NODE_EACH (pod->spec.image_pull_secrets, ref)
    {
        add (&self, KIND_SECRET, node_get_text (ref, "name", ""));
    }
    for (size_t i = 0; i < POD_CONTAINER_COUNT (pod); i++)
        container_env_references (pod_container_at (pod, i), add_of_env, &self);
    for (size_t i = 0; i < pod->spec.volumes.count; i++)
        add_of_volume (&self, pod, &pod->spec.volumes.items[i]);
    return self.refs;
}

const char *
pod_volume_claim (const pod_t *pod, const volume_t *volume, tree_t *tree)
{
    const node_t *claim = node_get (volume->node, "persistentVolumeClaim");
    if (claim)
        return node_get_text (claim, "claimName", "");
    if (!node_get (volume->node, "ephemeral"))
        return NULL;
    node_t name = node_text_format (tree, "%s-%s", text_or_empty (pod->metadata.name),
                                    text_or_empty (volume->name));
    return node_as_text (&name, "");
}

// ---- what is known of them ----

const node_t *
object_row (const node_t *objects, const char *kind, const char *namespace, const char *name)
{
    NODE_EACH (objects, row)
    {
        if (is_ref (row, kind, namespace, name))
            return row;
    }
    return NULL;
}

bool
objects_are_known (const node_t *objects, const node_t *refs)
{
    NODE_EACH (refs, ref)
    {
        if (!object_row (objects, node_get_text (ref, "kind", ""),
                         node_get_text (ref, "namespace", ""), node_get_text (ref, "name", "")))
            return false;
    }
    return true;
}

static const char *
resource_of (const char *kind)
{
    for (size_t i = 0; i < COUNT_OF (RESOURCES); i++)
        if (strcmp (RESOURCES[i].kind, kind) == 0)
            return RESOURCES[i].resource;
    return kind;
}

const node_t *
object_find (const node_t *objects, const char *kind, const char *namespace, const char *name,
             fault_t *fault)
{
    const node_t *row = object_row (objects, kind, namespace, name);
    const char *error = node_get_text (row, "error", "");
    const node_t *object =
        node_get_bool (row, "found", false) && !*error ? node_get (row, "object") : NULL;
    if (object)
        return object;
    OWNED (free_text) char *quoted = go_quote (name);
    if (!row)
        fault_set (fault, FAULT_UNAVAILABLE, "%s %s is not read yet", resource_of (kind), quoted);
    else if (*error)
        fault_set (fault, FAULT_PRECONDITION, "%s", error);
    else
        fault_set (fault, FAULT_NOT_FOUND, "%s %s not found", resource_of (kind), quoted);
    return NULL;
}

node_t
objects_by_name (const node_t *objects, const char *kind, const char *namespace, tree_t *tree)
{
    node_t map = node_map();
    NODE_EACH (objects, row)
    {
        const char *name = node_get_text (row, "name", "");
        fault_t fault = { 0 };
        if (!is_ref (row, kind, namespace, name))
            continue;
        const node_t *object = object_find (objects, kind, namespace, name, &fault);
        if (object)
            node_set (tree, &map, name, *object);
        else if (fault.code != FAULT_NOT_FOUND)
            node_set_text (tree, &map, name, fault.text);
    }
    return map;
}

node_t
pod_pull_secrets (const pod_t *pod, const node_t *objects, tree_t *tree, char **missing)
{
    node_t secrets = node_array();
    *missing = NULL;
    NODE_EACH (pod->spec.image_pull_secrets, ref)
    {
        fault_t ignored = { 0 };
        const char *name = node_get_text (ref, "name", "");
        if (!*name)
            continue; // as upstream: an old API server let them through
        const node_t *secret = object_find (
            objects, KIND_SECRET, text_or_empty (pod->metadata.namespace), name, &ignored);
        if (secret)
            node_append (tree, &secrets, *secret);
        else
            text_replace (missing, "%s%s%s", *missing ? *missing : "", *missing ? ", " : "", name);
    }
    return secrets;
}
