#include "cubelet/restart_policy.h"
#include "cubelet/memory.h"
#include <string.h>

typedef enum { RESTART_ALWAYS, RESTART_ON_FAILURE, RESTART_NEVER } policy_t;

static const char *const POLICIES[] = { "Always", "OnFailure", "Never" };

static policy_t
policy_of (const pod_t *pod, const container_t *container)
{
    const char *text = container->restart_policy;
    if (!text)
        text = pod->spec.restart_policy;
    for (size_t i = 0; text && i < COUNT_OF (POLICIES); i++)
        if (strcmp (text, POLICIES[i]) == 0)
            return (policy_t) i;
    return RESTART_ALWAYS;
}

static bool
has_value (const node_t *values, int64_t value)
{
    NODE_EACH (values, item)
    if (node_is_int (item) && node_as_int (item, 0) == value)
        return true;
    return false;
}

/* A rule is {action: Restart, exitCodes: {operator: In or NotIn, values}}. */
static bool
matches_a_rule (const container_t *container, int64_t exit_code)
{
    const node_t *rules = node_get (container->node, "restartPolicyRules");
    NODE_EACH (rules, rule)
    {
        const node_t *codes = node_get (rule, "exitCodes");
        const char *relation = node_get_text (codes, "operator", "");
        bool is_in = has_value (node_get (codes, "values"), exit_code);
        bool is_match =
            (strcmp (relation, "In") == 0 && is_in) || (strcmp (relation, "NotIn") == 0 && !is_in);
        if (is_match && strcmp (node_get_text (rule, "action", ""), "Restart") == 0)
            return true;
    }
    return false;
}

bool
restarts_after_exit (const pod_t *pod, const container_t *container, int64_t exit_code)
{
    if (matches_a_rule (container, exit_code))
        return true;
    switch (policy_of (pod, container)) {
    case RESTART_ALWAYS: return true;
    case RESTART_ON_FAILURE: return exit_code != 0;
    case RESTART_NEVER: return false;
    }
    return false;
}

bool
restarts_on_failure (const pod_t *pod, const container_t *container)
{
    return policy_of (pod, container) != RESTART_NEVER;
}
