#include "cubelet/mask.h"
#include <string.h>

/* Fields whose value is a secret wherever they stand. */
static const char *const SECRET_KEYS[] = {
    "password",
    "identity_token",
    "registry_token",
    "token",
    "url", // of cri.Exec and the like: who has it needs nothing else to use the stream
    "kubectl.kubernetes.io/last-applied-configuration",
};

/* Lists of {name or key, value}. */
static const char *const ENV_KEYS[] = { "env", "envs" };

static bool
is_one_of (const char *key, const char *const *keys, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp (key, keys[i]) == 0)
            return true;
    return false;
}

/* Every leaf below is masked; the shape stays to be seen. */
static node_t
mask_all (tree_t *tree, const node_t *node)
{
    if (node_is_map (node)) {
        node_t map = node_map();
        for (size_t i = 0; i < node_count (node); i++)
            node_set (tree, &map, node_key_at (node, i), mask_all (tree, node_value_at (node, i)));
        return map;
    }
    if (node_is_array (node)) {
        node_t array = node_array();
        NODE_EACH (node, item)
        node_append (tree, &array, mask_all (tree, item));
        return array;
    }
    return node_is_nil (node) ? node_nil() : node_text (tree, MASKED_TEXT);
}

static node_t
mask_env (tree_t *tree, const node_t *list)
{
    node_t array = node_array();
    NODE_EACH (list, item)
    {
        node_t variable = node_copy (tree, item);
        if (node_get (item, "value"))
            node_set (tree, &variable, "value", node_text (tree, MASKED_TEXT));
        node_append (tree, &array, variable);
    }
    return array;
}

static bool
is_data (const char *key)
{
    return strcmp (key, "data") == 0 || strcmp (key, "stringData") == 0;
}

static bool
is_secret_data (const node_t *object, const char *key)
{
    return strcmp (node_get_text (object, "kind", ""), "Secret") == 0 && is_data (key);
}

/* A Secret that does not say so itself. */
static node_t
mask_secret (tree_t *tree, const node_t *secret)
{
    node_t map = mask_secrets (tree, secret);
    for (size_t i = 0; node_is_map (secret) && i < node_count (secret); i++)
        if (is_data (node_key_at (secret, i)))
            node_set (tree, &map, node_key_at (secret, i),
                      mask_all (tree, node_value_at (secret, i)));
    return map;
}

/* Image pull secrets (IMAGE_ENSURE). */
static node_t
mask_secret_list (tree_t *tree, const node_t *list)
{
    node_t array = node_array();
    NODE_EACH (list, secret)
    node_append (tree, &array, mask_secret (tree, secret));
    return array;
}

/* A row of OBJECT_STATE: {kind namespace name object}. */
static bool
is_secret_row (const node_t *row, const char *key)
{
    return strcmp (node_get_text (row, "kind", ""), "Secret") == 0 && strcmp (key, "object") == 0;
}

static node_t
mask_field (tree_t *tree, const node_t *map, const char *key, const node_t *value)
{
    bool is_auth = strcmp (key, "auth") == 0;
    bool is_secret = is_one_of (key, SECRET_KEYS, sizeof SECRET_KEYS / sizeof *SECRET_KEYS);
    if (is_auth || is_secret || is_secret_data (map, key))
        return mask_all (tree, value);
    if (is_secret_row (map, key))
        return mask_secret (tree, value);
    if (strcmp (key, "secrets") == 0 && node_is_array (value))
        return mask_secret_list (tree, value);
    if (node_is_array (value) && is_one_of (key, ENV_KEYS, sizeof ENV_KEYS / sizeof *ENV_KEYS))
        return mask_env (tree, value);
    return mask_secrets (tree, value);
}

node_t
mask_secrets (tree_t *tree, const node_t *node)
{
    if (node_is_map (node)) {
        node_t map = node_map();
        for (size_t i = 0; i < node_count (node); i++) {
            const char *key = node_key_at (node, i);
            node_set (tree, &map, key, mask_field (tree, node, key, node_value_at (node, i)));
        }
        return map;
    }
    if (node_is_array (node)) {
        node_t array = node_array();
        NODE_EACH (node, item)
        node_append (tree, &array, mask_secrets (tree, item));
        return array;
    }
    return node_copy (tree, node);
}
