#include "cubelet/security.h"
#include "cubelet/go_quote.h"
#include "cubelet/memory.h"
#include "cubelet/namespaces.h"
#include "cubelet/pod_names.h"
#include "optional.h"
#include <inttypes.h>
#include <string.h>

#define APPARMOR_ANNOTATION "container.apparmor.security.beta.kubernetes.io/"
#define SECCOMP_DIRECTORY "seccomp"
#define USER_ID_MAX 2147483647

static const char *const MASKED_PATHS[] = {
    "/proc/asound",      "/proc/acpi",          "/proc/interrupts", "/proc/kcore",
    "/proc/keys",        "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats",
    "/proc/sched_debug", "/proc/scsi",          "/sys/firmware",    "/sys/devices/virtual/powercap",
};

static const char *const READONLY_PATHS[] = {
    "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger",
};

image_user_t
image_user (const node_t *image)
{
    const node_t *uid = node_get (image, "uid");
    image_user_t user = { .username = node_get_text (image, "username", "") };
    if (node_is_int (uid))
        user.uid = (opt_int_t){ true, node_as_int (uid, 0) };
    else if (uid)
        user.uid = (opt_int_t){ true, node_get_int (uid, "value", 0) };
    return user;
}

// ---- pieces ----

/* Int64Value: zero is written as a present but empty message. */
static void
set_id (tree_t *tree, node_t *out, const char *key, opt_int_t id)
{
    if (!id.set)
        return;
    node_t value = node_map();
    if (id.value != 0)
        node_set_int (tree, &value, "value", id.value);
    node_set (tree, out, key, value);
}

static void
set_true (tree_t *tree, node_t *out, const char *key, bool value)
{
    if (value)
        node_set_bool (tree, out, key, true);
}

static void
set_selinux (tree_t *tree, node_t *out, const selinux_options_t *options)
{
    if (!options)
        return;
    const struct {
        const char *key, *value;
    } FIELDS[] = { { "user", options->user },
                   { "role", options->role },
                   { "type", options->type },
                   { "level", options->level } };
    node_t map = node_map();
    for (size_t i = 0; i < COUNT_OF (FIELDS); i++)
        if (FIELDS[i].value && *FIELDS[i].value)
            node_set_text (tree, &map, FIELDS[i].key, FIELDS[i].value);
    node_set (tree, out, "selinux_options", map);
}

/* SecurityProfile; RuntimeDefault is 0. */
static node_t
profile (tree_t *tree, const char *type, const char *localhost_ref)
{
    node_t out = node_map();
    if (strcmp (type, "RuntimeDefault") != 0)
        node_set_text (tree, &out, "profile_type", type);
    node_set_text (tree, &out, "localhost_ref", localhost_ref);
    return out;
}

static void
add_volume_groups (const pod_facts_t *pod_facts, tree_t *tree, node_t *groups)
{
    for (size_t i = 0; pod_facts && i < pod_facts->volume_group_count; i++)
        node_append (tree, groups, node_int (pod_facts->volume_groups[i]));
}

typedef enum { VOLUME_GROUPS_BEFORE, VOLUME_GROUPS_LAST } group_order_t;

/* supplemental_groups: fsGroup, then the pod's and the volumes' groups; sandboxes have the volumes'
   before the pod's. */
static int
set_groups (const pod_security_context_t *context, const pod_facts_t *pod_facts,
            group_order_t order, tree_t *tree, node_t *out, fault_t *fault)
{
    node_t groups = node_array();
    if (context->fs_group.set)
        node_append (tree, &groups, node_int (context->fs_group.value));
    if (order == VOLUME_GROUPS_BEFORE)
        add_volume_groups (pod_facts, tree, &groups);
    NODE_EACH (context->supplemental_groups, group)
    {
        node_append (tree, &groups, node_int (node_as_int (group, 0)));
    }
    if (order == VOLUME_GROUPS_LAST)
        add_volume_groups (pod_facts, tree, &groups);
    if (node_count (&groups) > 0)
        node_set (tree, out, "supplemental_groups", groups);
    const char *policy = text_or_empty (context->supplemental_groups_policy);
    if (strcmp (policy, "Strict") == 0)
        node_set_text (tree, out, "supplemental_groups_policy", policy); // Merge is 0
    else if (*policy && strcmp (policy, "Merge") != 0)
        return fault_set (fault, FAULT_INVALID, "unsupported supplementalGroupsPolicy: %s", policy);
    return 0;
}

static void
set_texts (tree_t *tree, node_t *out, const char *key, const char *const *items, size_t count)
{
    node_t list = node_array();
    for (size_t i = 0; i < count; i++)
        node_append (tree, &list, node_text (tree, items[i]));
    if (count > 0)
        node_set (tree, out, key, list);
}

// ---- sandbox ----

static bool
has_privileged_container (const pod_t *pod)
{
    for (size_t i = 0; i < POD_CONTAINER_COUNT (pod); i++)
        if (is_true (pod_container_at (pod, i)->security_context.privileged))
            return true;
    return false;
}

int
sandbox_security (const pod_t *pod, const node_facts_t *facts, const pod_facts_t *pod_facts,
                  tree_t *tree, node_t *out, fault_t *fault)
{
    const pod_security_context_t *context = &pod->spec.security_context;
    node_t namespaces;
    if (namespace_options (pod, facts, pod_facts, NULL, tree, &namespaces, fault) < 0)
        return -1;
    *out = node_map();
    node_set (tree, out, "namespace_options", namespaces);
    set_selinux (tree, out, context->se_linux_options);
    set_id (tree, out, "run_as_user", context->run_as_user);
    set_id (tree, out, "run_as_group", context->run_as_group);
    set_true (tree, out, "privileged", has_privileged_container (pod));
    // always the least privilege that a profile of the pod's may need
    node_set (tree, out, "seccomp", profile (tree, "RuntimeDefault", NULL));
    return set_groups (context, pod_facts, VOLUME_GROUPS_BEFORE, tree, out, fault);
}

// ---- container: profiles ----

/* ROOT/seccomp/NAME with "." and ".." elements and double slashes taken out, as filepath.Join. */
static char *
seccomp_path (const char *root, const char *name)
{
    OWNED (free_text) char *rest = text_format ("%s/" SECCOMP_DIRECTORY "/%s", root, name);
    char *path = memory_new (strlen (rest) + 2, 1), *end = path, *state = NULL;
    for (char *part = strtok_r (rest, "/", &state); part; part = strtok_r (NULL, "/", &state)) {
        if (strcmp (part, ".") == 0)
            continue;
        if (strcmp (part, "..") == 0) {
            while (end > path && *--end != '/')
                ;
            *end = '\0';
            continue;
        }
        *end++ = '/';
        end = stpcpy (end, part);
    }
    if (end == path)
        strcpy (path, "/");
    return path;
}

static int
set_seccomp (const pod_t *pod, const container_t *container, const node_facts_t *facts,
             tree_t *tree, node_t *out, fault_t *fault)
{
    const security_profile_t *asked = container->security_context.seccomp_profile;
    if (!asked)
        asked = pod->spec.security_context.seccomp_profile;
    const char *type = asked                    ? text_or_empty (asked->type)
                       : facts->seccomp_default ? "RuntimeDefault"
                                                : "Unconfined";
    if (strcmp (type, "Localhost") != 0) {
        bool is_default = strcmp (type, "RuntimeDefault") == 0;
        node_set (tree, out, "seccomp",
                  profile (tree, is_default ? "RuntimeDefault" : "Unconfined", NULL));
        return 0;
    }
    if (!*text_or_empty (asked->localhost_profile))
        return fault_set (fault, FAULT_INVALID,
                          "localhostProfile must be set if seccompProfile type is Localhost.");
    OWNED (free_text) char *path = seccomp_path (facts->root_dir, asked->localhost_profile);
    node_set (tree, out, "seccomp", profile (tree, type, path));
    return 0;
}

/* What the old annotation asks for; {0} when there is none or it is wrong. */
static security_profile_t
annotated_profile (const pod_t *pod, const container_t *container)
{
    OWNED (free_text)
    char *key = text_format (APPARMOR_ANNOTATION "%s", text_or_empty (container->name));
    const char *value = node_get_text (pod->metadata.annotations, key, "");
    if (strcmp (value, "runtime/default") == 0)
        return (security_profile_t){ .type = "RuntimeDefault" };
    if (strcmp (value, "unconfined") == 0)
        return (security_profile_t){ .type = "Unconfined" };
    if (strncmp (value, "localhost/", 10) == 0)
        return (security_profile_t){ .type = "Localhost", .localhost_profile = value + 10 };
    return (security_profile_t){ 0 };
}

security_profile_t
apparmor_profile (const pod_t *pod, const container_t *container)
{
    if (container->security_context.app_armor_profile)
        return *container->security_context.app_armor_profile;
    security_profile_t annotated = annotated_profile (pod, container);
    if (!annotated.type && pod->spec.security_context.app_armor_profile)
        return *pod->spec.security_context.app_armor_profile;
    return annotated;
}

/* Both the field that runtimes read today and the text of old. */
static int
set_apparmor (const pod_t *pod, const container_t *container, tree_t *tree, node_t *out,
              fault_t *fault)
{
    security_profile_t asked = apparmor_profile (pod, container);
    if (!asked.type)
        return 0;
    bool is_localhost = strcmp (asked.type, "Localhost") == 0;
    if (is_localhost && !asked.localhost_profile)
        return fault_set (fault, FAULT_INVALID, "missing localhost apparmor profile name");
    OWNED (free_text) char *old = NULL;
    if (is_localhost)
        old = text_format ("localhost/%s", asked.localhost_profile);
    else if (strcmp (asked.type, "RuntimeDefault") == 0)
        old = text_copy ("runtime/default");
    else if (strcmp (asked.type, "Unconfined") == 0)
        old = text_copy ("unconfined");
    else {
        OWNED (free_text) char *quoted = go_quote (asked.type);
        return fault_set (fault, FAULT_INVALID, "unknown apparmor profile type: %s", quoted);
    }
    node_set (tree, out, "apparmor",
              profile (tree, asked.type, is_localhost ? asked.localhost_profile : NULL));
    node_set_text (tree, out, "apparmor_profile", old);
    return 0;
}

// ---- container: the rest ----

static opt_int_t
effective_user (const pod_t *pod, const container_t *container)
{
    return container->security_context.run_as_user.set ? container->security_context.run_as_user
                                                       : pod->spec.security_context.run_as_user;
}

static void
set_user (const pod_t *pod, const container_t *container, image_user_t user, tree_t *tree,
          node_t *out)
{
    const security_context_t *own = &container->security_context;
    opt_int_t asked = effective_user (pod, container);
    bool is_named = !asked.set && !user.uid.set && *text_or_empty (user.username);
    if (is_named)
        node_set_text (tree, out, "run_as_username", user.username);
    else // an image that says nothing runs as root
        set_id (tree, out, "run_as_user", asked.set ? asked : (opt_int_t){ true, user.uid.value });
    set_id (tree, out, "run_as_group",
            own->run_as_group.set ? own->run_as_group : pod->spec.security_context.run_as_group);
}

static void
set_capabilities (const container_t *container, tree_t *tree, node_t *out)
{
    if (!node_at (container->node, "securityContext", "capabilities", NULL))
        return;
    const capabilities_t *asked = &container->security_context.capabilities;
    node_t map = node_map();
    set_texts (tree, &map, "add_capabilities", asked->add.items, asked->add.count);
    set_texts (tree, &map, "drop_capabilities", asked->drop.items, asked->drop.count);
    node_set (tree, out, "capabilities", map);
}

static void
set_proc_paths (const container_t *container, const node_facts_t *facts, tree_t *tree, node_t *out)
{
    if (strcmp (text_or_empty (container->security_context.proc_mount), "Unmasked") == 0)
        return;
    node_t masked = node_array();
    for (size_t i = 0; i < COUNT_OF (MASKED_PATHS); i++)
        node_append (tree, &masked, node_text (tree, MASKED_PATHS[i]));
    for (size_t i = 0; i < facts->thermal_throttle_paths.count; i++)
        node_append (tree, &masked, node_text (tree, facts->thermal_throttle_paths.items[i]));
    node_set (tree, out, "masked_paths", masked);
    set_texts (tree, out, "readonly_paths", READONLY_PATHS, COUNT_OF (READONLY_PATHS));
}

int
container_security (const pod_t *pod, const container_t *container, const node_facts_t *facts,
                    const pod_facts_t *pod_facts, image_user_t user, const char *target_id,
                    tree_t *tree, node_t *out, fault_t *fault)
{
    const security_context_t *own = &container->security_context;
    const pod_security_context_t *shared = &pod->spec.security_context;
    *out = node_map();
    if (set_seccomp (pod, container, facts, tree, out, fault) < 0
        || set_apparmor (pod, container, tree, out, fault) < 0)
        return -1;
    node_t namespaces;
    if (namespace_options (pod, facts, pod_facts, target_id, tree, &namespaces, fault) < 0)
        return -1;
    node_set (tree, out, "namespace_options", namespaces);
    set_selinux (tree, out,
                 own->se_linux_options ? own->se_linux_options : shared->se_linux_options);
    set_user (pod, container, user, tree, out);
    set_capabilities (container, tree, out);
    set_true (tree, out, "privileged", is_true (own->privileged));
    set_true (tree, out, "readonly_rootfs", is_true (own->read_only_root_filesystem));
    set_true (tree, out, "no_new_privs",
              own->allow_privilege_escalation.set && !own->allow_privilege_escalation.value);
    set_proc_paths (container, facts, tree, out);
    return set_groups (shared, pod_facts, VOLUME_GROUPS_LAST, tree, out, fault);
}

// ---- runAsNonRoot ----

int
run_as_non_root_check (const pod_t *pod, const container_t *container, image_user_t user,
                       fault_t *fault)
{
    opt_bool_t own = container->security_context.run_as_non_root;
    opt_int_t asked = effective_user (pod, container);
    if (!is_true (own.set ? own : pod->spec.security_context.run_as_non_root)
        || (asked.set && asked.value != 0))
        return 0;
    OWNED (free_text)
    char *name = pod_full_name (pod->metadata.namespace, pod->metadata.name, pod->metadata.uid);
    OWNED (free_text) char *quoted = go_quote (name);
    const char *of = text_or_empty (container->name);
    if (asked.set)
        return fault_set (fault, FAULT_INVALID,
                          "container's runAsUser breaks non-root policy (pod: %s, container: %s)",
                          quoted, of);
    if (!user.uid.set && *text_or_empty (user.username))
        return fault_set (fault, FAULT_INVALID,
                          "container has runAsNonRoot and image has non-numeric user (%s), cannot "
                          "verify user is non-root (pod: %s, container: %s)",
                          user.username, quoted, of);
    if (!user.uid.set || user.uid.value == 0)
        return fault_set (fault, FAULT_INVALID,
                          "container has runAsNonRoot and image will run as root (pod: %s, "
                          "container: %s)",
                          quoted, of);
    if (user.uid.value < 0 || user.uid.value > USER_ID_MAX)
        return fault_set (fault, FAULT_INVALID,
                          "container has runAsNonRoot and image has an invalid user id (%" PRId64
                          "). (Must be 1-(%d)): must be between 0 and %d, inclusive (pod: %s, "
                          "container: %s)",
                          user.uid.value, USER_ID_MAX, USER_ID_MAX, quoted, of);
    return 0;
}
