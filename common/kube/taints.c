#include "cubelet/taints.h"
#include <string.h>

static bool
is_same (const node_t *a, const node_t *b, const char *key)
{
    return strcmp (node_get_text (a, key, ""), node_get_text (b, key, "")) == 0;
}

static bool
tolerates (const node_t *toleration, const node_t *taint)
{
    const char *how = node_get_text (toleration, "operator", "");
    if (*node_get_text (toleration, "effect", "") && !is_same (toleration, taint, "effect"))
        return false;
    if (*node_get_text (toleration, "key", "") && !is_same (toleration, taint, "key"))
        return false;
    if (strcmp (how, "Exists") == 0)
        return true;
    bool is_equal = !*how || strcmp (how, "Equal") == 0;
    return is_equal && is_same (toleration, taint, "value");
}

bool
taint_is_tolerated (const node_t *taint, const node_t *tolerations)
{
    NODE_EACH (tolerations, toleration)
    if (tolerates (toleration, taint))
        return true;
    return false;
}

const node_t *
taint_find_untolerated (const node_t *taints, const node_t *tolerations, const char *effect)
{
    NODE_EACH (taints, taint)
    if (strcmp (node_get_text (taint, "effect", ""), effect) == 0
        && !taint_is_tolerated (taint, tolerations))
        return taint;
    return NULL;
}
