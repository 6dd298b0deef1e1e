#include "cubelet/sysctls.h"
#include "cubelet/go_quote.h"
#include "cubelet/memory.h"
#include <string.h>

/* Allowed everywhere, from the kernel on in which they became a matter of the namespace. */
static const struct {
    const char *name;
    int major, minor; // 0: any kernel
} SAFE[] = {
    { "kernel.shm_rmid_forced", 0, 0 },
    { "net.ipv4.ip_local_port_range", 0, 0 },
    { "net.ipv4.tcp_syncookies", 0, 0 },
    { "net.ipv4.ping_group_range", 0, 0 },
    { "net.ipv4.ip_unprivileged_port_start", 0, 0 },
    { "net.ipv4.ip_local_reserved_ports", 3, 16 },
    { "net.ipv4.tcp_keepalive_time", 4, 5 },
    { "net.ipv4.tcp_fin_timeout", 4, 6 },
    { "net.ipv4.tcp_keepalive_intvl", 4, 5 },
    { "net.ipv4.tcp_keepalive_probes", 4, 5 },
    { "net.ipv4.tcp_rmem", 4, 15 },
    { "net.ipv4.tcp_wmem", 4, 15 },
};

/* Which namespace holds a parameter; a name that ends with '.' or "shm" stands for all that start
   with it. */
static const struct {
    const char *name;
    bool is_prefix;
    const char *owner;
} NAMESPACES[] = {
    { "kernel.sem", false, "ipc" }, { "kernel.shm", true, "ipc" }, { "kernel.msg", true, "ipc" },
    { "fs.mqueue.", true, "ipc" },  { "net.", true, "net" },
};

const char *
sysctl_name (const char *name, tree_t *tree)
{
    char *copy = tree_text (tree, name, strlen (name));
    const char *first = strpbrk (copy, "./");
    if (!first || *first == '.')
        return copy;
    for (char *at = copy; *at; at++)
        if (strchr ("./", *at))
            *at = *at == '.' ? '/' : '.';
    return copy;
}

node_t
pod_sysctls (const pod_t *pod, tree_t *tree)
{
    node_t sysctls = node_map();
    NODE_EACH (pod->spec.security_context.sysctls, sysctl)
    {
        const char *name = sysctl_name (node_get_text (sysctl, "name", ""), tree);
        node_set_text (tree, &sysctls, name, node_get_text (sysctl, "value", ""));
    }
    return sysctls;
}

static bool
is_safe (const char *name, const node_facts_t *facts)
{
    for (size_t i = 0; i < COUNT_OF (SAFE); i++)
        if (strcmp (name, SAFE[i].name) == 0)
            return facts->kernel_major > SAFE[i].major
                   || (facts->kernel_major == SAFE[i].major
                       && facts->kernel_minor >= SAFE[i].minor);
    return false;
}

static bool
is_allowed (const char *name, const node_facts_t *facts, tree_t *tree)
{
    if (is_safe (name, facts))
        return true;
    for (size_t i = 0; i < facts->allowed_unsafe_sysctls.count; i++) {
        const char *pattern = sysctl_name (facts->allowed_unsafe_sysctls.items[i], tree);
        size_t size = strlen (pattern);
        bool is_prefix = size > 0 && pattern[size - 1] == '*';
        if (is_prefix ? strncmp (name, pattern, size - 1) == 0 : strcmp (name, pattern) == 0)
            return true;
    }
    return false;
}

static const char *
owner_of (const char *name)
{
    for (size_t i = 0; i < COUNT_OF (NAMESPACES); i++) {
        const char *known = NAMESPACES[i].name;
        if (NAMESPACES[i].is_prefix ? strncmp (name, known, strlen (known)) == 0
                                    : strcmp (name, known) == 0)
            return NAMESPACES[i].owner;
    }
    return "";
}

int
sysctls_admit (const pod_t *pod, const node_facts_t *facts, fault_t *fault)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    NODE_EACH (pod->spec.security_context.sysctls, sysctl)
    {
        const char *name = sysctl_name (node_get_text (sysctl, "name", ""), tree);
        const char *owner = owner_of (name);
        OWNED (free_text) char *quoted = go_quote (name);
        if (!is_allowed (name, facts, tree))
            return fault_set (fault, FAULT_DENIED, "forbidden sysctl: %s not allowlisted", quoted);
        bool is_host = (strcmp (owner, "net") == 0 && pod->spec.host_network)
                       || (strcmp (owner, "ipc") == 0 && pod->spec.host_ipc);
        if (is_host)
            return fault_set (fault, FAULT_DENIED,
                              "forbidden sysctl: %s not allowed with host %s enabled", quoted,
                              owner);
    }
    return 0;
}
