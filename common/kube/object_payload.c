/* object_payload.c - what of a ConfigMap, a Secret or a token becomes a file (volume_payload.h). */
#include "cubelet/base64.h"
#include "cubelet/memory.h"
#include "cubelet/volume_payload.h"
#include <string.h>

#define TOKEN_MODE 0600

/* Where an object's values stand; a key is in one of the maps at most. */
static const struct {
    const char *field;
    bool is_base64;
} CONFIG_MAP_FIELDS[] = { { "data", false }, { "binaryData", true } },
  SECRET_FIELDS[] = { { "data", true } };

typedef struct {
    payload_t *payload;
    tree_t *tree;
    payload_object_t kind;
    const node_t *object;
    int64_t default_mode;
} putter_t;

static size_t
field_count (const putter_t *self)
{
    return self->kind == PAYLOAD_SECRET ? COUNT_OF (SECRET_FIELDS) : COUNT_OF (CONFIG_MAP_FIELDS);
}

static const char *
field_at (const putter_t *self, size_t index, bool *is_base64)
{
    bool is_secret = self->kind == PAYLOAD_SECRET;
    *is_base64 = is_secret ? SECRET_FIELDS[index].is_base64 : CONFIG_MAP_FIELDS[index].is_base64;
    return is_secret ? SECRET_FIELDS[index].field : CONFIG_MAP_FIELDS[index].field;
}

/* Puts one value at `path`; bytes are decoded into the tree, or borrowed. */
static int
put_value (const putter_t *self, const char *key, const node_t *value, bool is_base64,
           const char *path, int64_t mode, fault_t *fault)
{
    payload_file_t file = { .path = path, .mode = mode };
    if (is_base64) {
        OWNED (free_text) char *bytes = base64_decode (node_as_text (value, ""), &file.size);
        if (!bytes)
            return fault_set (fault, FAULT_INVALID, "the value of key %s is not base64", key);
        file.bytes = tree_text (self->tree, bytes, file.size);
    }
    else
        file.bytes = node_as_bytes (value, &file.size);
    return payload_put (self->payload, self->tree, &file, fault);
}

static int
put_all (const putter_t *self, fault_t *fault)
{
    for (size_t i = 0; i < field_count (self); i++) {
        bool is_base64 = false;
        const node_t *values = node_get (self->object, field_at (self, i, &is_base64));
        for (size_t k = 0; node_is_map (values) && k < node_count (values); k++) {
            const char *key = node_key_at (values, k);
            if (put_value (self, key, node_value_at (values, k), is_base64, key, self->default_mode,
                           fault)
                < 0)
                return -1;
        }
    }
    return 0;
}

static int
put_item (const putter_t *self, const node_t *item, bool is_optional, fault_t *fault)
{
    const char *key = node_get_text (item, "key", "");
    for (size_t i = 0; i < field_count (self); i++) {
        bool is_base64 = false;
        const node_t *value = node_at (self->object, field_at (self, i, &is_base64), key, NULL);
        if (value)
            return put_value (self, key, value, is_base64, node_get_text (item, "path", ""),
                              node_get_int (item, "mode", self->default_mode), fault);
    }
    if (is_optional)
        return 0;
    return fault_set (fault, FAULT_NOT_FOUND,
                      self->kind == PAYLOAD_SECRET
                          ? "references non-existent secret key: %s"
                          : "configmap references non-existent config key: %s",
                      key);
}

int
payload_put_object (payload_t *self, tree_t *tree, payload_object_t kind, const node_t *object,
                    const node_t *source, int64_t default_mode, fault_t *fault)
{
    const putter_t putter = { self, tree, kind, object, default_mode };
    const node_t *items = node_get (source, "items");
    bool is_optional = node_get_bool (source, "optional", false);
    if (!node_count (items))
        return put_all (&putter, fault);
    NODE_EACH (items, item)
    {
        if (put_item (&putter, item, is_optional, fault) < 0)
            return -1;
    }
    return 0;
}

// ---- tokens ----

/* The user that all containers of the pod run as; not set when there is no such one. */
static opt_int_t
common_user (const pod_t *pod)
{
    opt_int_t common = { 0 };
    for (size_t i = 0; i < POD_CONTAINER_COUNT (pod); i++) {
        opt_int_t own = pod_container_at (pod, i)->security_context.run_as_user;
        opt_int_t user = own.set ? own : pod->spec.security_context.run_as_user;
        if (!user.set || (common.set && common.value != user.value))
            return (opt_int_t){ 0 };
        common = user;
    }
    return common;
}

void
payload_token_access (const pod_t *pod, int64_t default_mode, payload_file_t *file)
{
    file->owner = common_user (pod);
    bool is_narrow = file->owner.set || pod->spec.security_context.fs_group.set;
    file->mode = is_narrow ? TOKEN_MODE : default_mode;
}
