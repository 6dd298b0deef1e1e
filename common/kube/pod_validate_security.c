/* pod_validate_security.c - the part of pod_validate for security contexts and resources. */
#include "cubelet/memory.h"
#include "cubelet/name_rules.h"
#include "pod_validate_internal.h"
#include <stdio.h>
#include <string.h>

#define ID_MAX INT32_MAX // of users and groups
#define PROFILE_NAME_MAX 4095

static const char *const PROFILE_TYPES[] = { "Localhost", "RuntimeDefault", "Unconfined", NULL };
static const char *const PROC_MOUNTS[] = { "Default", "Unmasked", NULL };
static const char *const CHANGE_POLICIES[] = { "Always", "OnRootMismatch", NULL };
static const char *const GROUPS_POLICIES[] = { "Merge", "Strict", NULL };

// ---- security contexts ----

static void
validate_id (problems_t *problems, const path_t *path, const opt_int_t *id)
{
    if (id->set)
        validate_range (problems, path, id->value, 0, ID_MAX);
}

/* `what` is seccomp or AppArmor. */
static void
validate_profile (problems_t *problems, const path_t *path, const security_profile_t *profile,
                  const char *what)
{
    if (!profile)
        return;
    char detail[128];
    bool is_localhost = profile->type && strcmp (profile->type, "Localhost") == 0;
    const path_t *local = AT (path, "localhostProfile");
    if (!is_given (profile->type))
        problem_required (problems, AT (path, "type"), NULL);
    else
        validate_one_of (problems, AT (path, "type"), profile->type, PROFILE_TYPES);
    if (is_localhost && !is_given (profile->localhost_profile)) {
        snprintf (detail, sizeof detail, "must be set when %s type is Localhost", what);
        problem_required (problems, local, detail);
    }
    if (!is_localhost && profile->localhost_profile) {
        snprintf (detail, sizeof detail, "can only be set when %s type is Localhost", what);
        problem_invalid (problems, local, profile->localhost_profile, detail);
    }
    // Seccomp profiles are files below the kubelet's root, AppArmor's are names.
    if (strcmp (what, "seccomp") == 0)
        validate_relative_path (problems, local, profile->localhost_profile);
    else if (profile->localhost_profile && strlen (profile->localhost_profile) > PROFILE_NAME_MAX)
        problem_add (problems, local, "Too long: may not be more than %d bytes", PROFILE_NAME_MAX);
}

static bool
has_text (const text_list_t *list, const char *text)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp (list->items[i], text) == 0)
            return true;
    return false;
}

void
validate_security (problems_t *problems, const path_t *path, const security_context_t *context)
{
    validate_id (problems, AT (path, "runAsUser"), &context->run_as_user);
    validate_id (problems, AT (path, "runAsGroup"), &context->run_as_group);
    validate_one_of (problems, AT (path, "procMount"), context->proc_mount, PROC_MOUNTS);
    validate_profile (problems, AT (path, "seccompProfile"), context->seccomp_profile, "seccomp");
    validate_profile (problems, AT (path, "appArmorProfile"), context->app_armor_profile,
                      "AppArmor");
    if (!context->allow_privilege_escalation.set || context->allow_privilege_escalation.value)
        return;
    if (context->privileged.set && context->privileged.value)
        problem_add (problems, path,
                     "Invalid value: cannot set `allowPrivilegeEscalation` to false and "
                     "`privileged` to true");
    if (has_text (&context->capabilities.add, "CAP_SYS_ADMIN"))
        problem_add (problems, path,
                     "Invalid value: cannot set `allowPrivilegeEscalation` to false and "
                     "`capabilities.Add` CAP_SYS_ADMIN");
}

static void
validate_sysctls (problems_t *problems, const path_t *path, const node_t *sysctls)
{
    if (sysctls && !node_is_array (sysctls))
        problem_add (problems, path, "is not a list");
    for (size_t i = 0; i < node_count (sysctls); i++) {
        const node_t *sysctl = node_item (sysctls, i);
        const node_t *name = node_get (sysctl, "name"), *value = node_get (sysctl, "value");
        const path_t *here = ITEM (path, i);
        if (!node_is_map (sysctl) || (name && !node_is_text (name))
            || (value && !node_is_text (value))) {
            problem_add (problems, here, "is not {name, value} of texts");
            continue;
        }
        validate_name (problems, AT (here, "name"), node_as_text (name, ""), name_rule_sysctl);
        for (size_t k = 0; k < i; k++)
            if (name && node_equal (node_get (node_item (sysctls, k), "name"), name))
                problem_duplicate (problems, AT (here, "name"), node_as_text (name, ""));
    }
}

void
validate_pod_security (problems_t *problems, const path_t *spec, const pod_t *pod)
{
    const pod_security_context_t *context = &pod->spec.security_context;
    const path_t *path = AT (spec, "securityContext");
    const path_t *groups = AT (path, "supplementalGroups");
    validate_id (problems, AT (path, "runAsUser"), &context->run_as_user);
    validate_id (problems, AT (path, "runAsGroup"), &context->run_as_group);
    validate_id (problems, AT (path, "fsGroup"), &context->fs_group);
    if (context->supplemental_groups && !node_is_array (context->supplemental_groups))
        problem_add (problems, groups, "is not a list");
    for (size_t i = 0; i < node_count (context->supplemental_groups); i++) {
        const node_t *group = node_item (context->supplemental_groups, i);
        if (!node_is_int (group))
            problem_add (problems, ITEM (groups, i), "is not an integer");
        else
            validate_range (problems, ITEM (groups, i), node_as_int (group, 0), 0, ID_MAX);
    }
    validate_one_of (problems, AT (path, "fsGroupChangePolicy"), context->fs_group_change_policy,
                     CHANGE_POLICIES);
    validate_one_of (problems, AT (path, "supplementalGroupsPolicy"),
                     context->supplemental_groups_policy, GROUPS_POLICIES);
    validate_sysctls (problems, AT (path, "sysctls"), context->sysctls);
    validate_profile (problems, AT (path, "seccompProfile"), context->seccomp_profile, "seccomp");
    validate_profile (problems, AT (path, "appArmorProfile"), context->app_armor_profile,
                      "AppArmor");
    if (pod->spec.share_process_namespace.set && pod->spec.share_process_namespace.value
        && pod->spec.host_pid)
        problem_add (problems, AT (spec, "shareProcessNamespace"),
                     "Invalid value: true: ShareProcessNamespace and HostPID cannot both be "
                     "enabled");
    if (!pod->spec.host_users.set || pod->spec.host_users.value)
        return;
    const struct {
        const char *name;
        bool value;
    } SHARED[] = { { "hostNetwork", pod->spec.host_network },
                   { "HostPID", pod->spec.host_pid },
                   { "HostIPC", pod->spec.host_ipc } };
    for (size_t i = 0; i < COUNT_OF (SHARED); i++)
        if (SHARED[i].value)
            problem_forbidden (problems, AT (spec, SHARED[i].name),
                               "when `pod.Spec.HostUsers` is false");
}

// ---- resources ----

static bool
is_huge_page (const char *resource)
{
    return strncmp (resource, "hugepages-", 10) == 0;
}

static bool
is_compute (const char *resource)
{
    return strcmp (resource, "cpu") == 0 || strcmp (resource, "memory") == 0;
}

static bool
is_standard (const char *resource)
{
    return is_compute (resource) || is_huge_page (resource)
           || strcmp (resource, "ephemeral-storage") == 0;
}

// Names without a domain, or with one of Kubernetes' own.
static bool
is_native (const char *resource)
{
    return !strchr (resource, '/') || strstr (resource, "kubernetes.io/");
}

// Extended resources and huge pages are handed out whole, and cannot be promised twice.
static bool
is_whole (const char *resource)
{
    return !is_native (resource) || is_huge_page (resource);
}

static void
validate_resource_name (problems_t *problems, const path_t *path, const char *resource, bool is_pod)
{
    const char *detail = name_rule_qualified_name (resource);
    if (detail)
        problem_invalid (problems, path, resource, detail);
    else if (is_pod && !is_compute (resource) && !is_huge_page (resource)) {
        static const char *const ALLOWED[] = { "cpu", "hugepages-", "memory", NULL };
        problem_not_supported (problems, path, resource, ALLOWED);
    }
    else if (!is_pod && !strchr (resource, '/') && !is_standard (resource))
        problem_invalid (problems, path, resource, "must be a standard resource for containers");
}

// Returns false when it is no quantity.
static bool
read_amount (problems_t *problems, const path_t *path, const char *resource, const node_t *node,
             quantity_t *out)
{
    fault_t fault = { 0 };
    const path_t *here = &(path_t){ .parent = path, .name = resource, .kind = PATH_KEY };
    if (quantity_read_node (node, out, &fault) < 0) {
        problem_add (problems, here, "%s", fault.text);
        return false;
    }
    OWNED (free_text) char *text = quantity_text (*out, node_as_text (node, NULL));
    if (out->nano < 0)
        problem_invalid (problems, here, text, "must be greater than or equal to 0");
    else if (is_whole (resource) && quantity_milli (*out) % 1000 != 0)
        problem_invalid (problems, here, text, "must be an integer");
    return true;
}

static bool
check_is_map (problems_t *problems, const path_t *path, const node_t *list)
{
    if (!list || node_is_map (list))
        return true;
    problem_add (problems, path, "is not an object");
    return false;
}

void
validate_resource_list (problems_t *problems, const path_t *path, const node_t *list)
{
    if (!check_is_map (problems, path, list))
        return;
    for (size_t i = 0; i < node_count (list); i++) {
        const char *resource = node_key_at (list, i);
        quantity_t amount;
        problem_check (problems, path, resource, name_rule_qualified_name);
        read_amount (problems, path, resource, node_value_at (list, i), &amount);
    }
}

static void
validate_request (problems_t *problems, const path_t *path, const char *resource,
                  const resources_t *resources, quantity_t request)
{
    const node_t *limit_node = node_get (resources->limits, resource);
    if (!limit_node) {
        if (is_whole (resource))
            problem_required (problems, AT (path, "limits"),
                              "Limit must be set for non overcommitable resources");
        return;
    }
    quantity_t limit = resource_quantity (resources->limits, resource);
    int order = quantity_compare (request, limit);
    const node_t *request_node = node_get (resources->requests, resource);
    OWNED (free_text) char *text = quantity_text (request, node_as_text (request_node, NULL));
    OWNED (free_text) char *limit_text = quantity_text (limit, node_as_text (limit_node, NULL));
    OWNED (free_text)
    char *detail = text_format ("must be %s %s limit of %s",
                                is_whole (resource) ? "equal to" : "less than or equal to",
                                resource, limit_text);
    if (limit.set && (order > 0 || (order != 0 && is_whole (resource))))
        problem_invalid (problems, AT (path, "requests"), text, detail);
}

void
validate_resources (problems_t *problems, const path_t *path, const resources_t *resources,
                    bool is_pod)
{
    bool has_compute = false, has_huge_pages = false;
    const struct {
        const char *name;
        const node_t *list;
    } LISTS[] = { { "limits", resources->limits }, { "requests", resources->requests } };
    for (size_t l = 0; l < COUNT_OF (LISTS); l++) {
        const path_t *here = AT (path, LISTS[l].name);
        if (!check_is_map (problems, here, LISTS[l].list))
            return;
        for (size_t i = 0; i < node_count (LISTS[l].list); i++) {
            const char *resource = node_key_at (LISTS[l].list, i);
            quantity_t amount = { 0 };
            validate_resource_name (problems, here, resource, is_pod);
            has_compute = has_compute || is_compute (resource);
            has_huge_pages = has_huge_pages || is_huge_page (resource);
            if (read_amount (problems, here, resource, node_value_at (LISTS[l].list, i), &amount)
                && LISTS[l].list == resources->requests)
                validate_request (problems, path, resource, resources, amount);
        }
    }
    if (has_huge_pages && !has_compute)
        problem_forbidden (problems, path, "HugePages require cpu or memory");
}
