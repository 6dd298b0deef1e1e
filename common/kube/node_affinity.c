#include "cubelet/node_affinity.h"
#include "cubelet/memory.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A label's or field's value (NULL: it is not there) against the requirement's values. */
typedef bool match_fn (const char *value, const node_t *values);

static bool
is_in (const char *value, const node_t *values)
{
    NODE_EACH (values, candidate)
    if (value && strcmp (value, node_as_text (candidate, "")) == 0)
        return true;
    return false;
}

static bool
is_not_in (const char *value, const node_t *values)
{
    return !is_in (value, values);
}

static bool
exists (const char *value, const node_t *values)
{
    (void) values;
    return value != NULL;
}

static bool
does_not_exist (const char *value, const node_t *values)
{
    (void) values;
    return value == NULL;
}

static bool
read_number (const char *text, long long *out)
{
    char *end;
    errno = 0;
    *out = text ? strtoll (text, &end, 10) : 0;
    return text && *text && !*end && errno == 0;
}

/* Both sides as whole numbers; false when one of them is none. */
static bool
read_pair (const char *value, const node_t *values, long long *have, long long *bound)
{
    return node_count (values) == 1 && read_number (value, have)
           && read_number (node_as_text (node_item (values, 0), NULL), bound);
}

static bool
is_greater (const char *value, const node_t *values)
{
    long long have, bound;
    return read_pair (value, values, &have, &bound) && have > bound;
}

static bool
is_less (const char *value, const node_t *values)
{
    long long have, bound;
    return read_pair (value, values, &have, &bound) && have < bound;
}

static const struct {
    const char *name;
    match_fn *match;
    bool is_for_fields;
} OPERATORS[] = {
    { "In", is_in, true },       { "NotIn", is_not_in, true },
    { "Exists", exists, false }, { "DoesNotExist", does_not_exist, false },
    { "Gt", is_greater, false }, { "Lt", is_less, false },
};

/* An unknown operator matches nothing. */
static bool
is_met (const node_t *requirement, const char *value, bool is_field)
{
    const char *name = node_get_text (requirement, "operator", "");
    for (size_t i = 0; i < COUNT_OF (OPERATORS); i++)
        if (strcmp (OPERATORS[i].name, name) == 0)
            return (!is_field || OPERATORS[i].is_for_fields)
                   && OPERATORS[i].match (value, node_get (requirement, "values"));
    return false;
}

static bool
matches_term (const node_t *term, const node_t *node)
{
    const node_t *meta = node_get (node, "metadata");
    const node_t *labels = node_get (meta, "labels");
    const node_t *expressions = node_get (term, "matchExpressions");
    const node_t *fields = node_get (term, "matchFields");
    if (node_count (expressions) == 0 && node_count (fields) == 0)
        return false;
    NODE_EACH (expressions, requirement)
    {
        const char *key = node_get_text (requirement, "key", "");
        if (!is_met (requirement, node_get_text (labels, key, NULL), false))
            return false;
    }
    NODE_EACH (fields, requirement)
    {
        bool is_name = strcmp (node_get_text (requirement, "key", ""), "metadata.name") == 0;
        if (!is_name || !is_met (requirement, node_get_text (meta, "name", ""), true))
            return false;
    }
    return true;
}

static bool
matches_selector (const node_t *selector, const node_t *labels)
{
    for (size_t i = 0; i < node_count (selector); i++) {
        const char *label = node_get_text (labels, node_key_at (selector, i), NULL);
        if (!label || strcmp (label, node_as_text (node_value_at (selector, i), "")) != 0)
            return false;
    }
    return true;
}

bool
pod_matches_node (const pod_t *pod, const node_t *node)
{
    const node_t *labels = node_at (node, "metadata", "labels", NULL);
    const node_t *required = node_at (pod->spec.affinity, "nodeAffinity",
                                      "requiredDuringSchedulingIgnoredDuringExecution", NULL);
    if (!matches_selector (pod->spec.node_selector, labels))
        return false;
    if (!required)
        return true;
    NODE_EACH (node_get (required, "nodeSelectorTerms"), term)
    if (matches_term (term, node))
        return true;
    return false;
}
