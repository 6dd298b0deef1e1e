#include "cubelet/sandbox_config.h"
#include "cubelet/cgroup_path.h"
#include "cubelet/container_labels.h"
#include "cubelet/dns_config.h"
#include "cubelet/memory.h"
#include "cubelet/pod_hostname.h"
#include "cubelet/pod_names.h"
#include "cubelet/port_mappings.h"
#include "cubelet/resource_math.h"
#include "cubelet/security.h"
#include "cubelet/sysctls.h"

static node_t
metadata (const pod_t *pod, uint32_t attempt, tree_t *tree)
{
    node_t out = node_map();
    node_set_text (tree, &out, "name", pod->metadata.name);
    node_set_text (tree, &out, "uid", pod->metadata.uid);
    node_set_text (tree, &out, "namespace", pod->metadata.namespace);
    if (attempt)
        node_set_int (tree, &out, "attempt", attempt);
    return out;
}

/* LinuxPodSandboxConfig. */
static int
linux_config (const pod_t *pod, const node_facts_t *facts, const pod_facts_t *pod_facts,
              tree_t *tree, node_t *out, fault_t *fault)
{
    node_t security;
    if (sandbox_security (pod, facts, pod_facts, tree, &security, fault) < 0)
        return -1;
    *out = node_map();
    OWNED (free_text) char *parent = cgroup_parent (pod, facts);
    if (*parent)
        node_set_text (tree, out, "cgroup_parent", parent);
    node_set (tree, out, "security_context", security);
    node_t sysctls = pod_sysctls (pod, tree);
    if (node_count (&sysctls) > 0)
        node_set (tree, out, "sysctls", sysctls);
    node_set (tree, out, "overhead", sandbox_overhead (pod, facts, tree));
    node_set (tree, out, "resources", sandbox_resources (pod, facts, tree));
    return 0;
}

int
sandbox_config (const pod_t *pod, const node_facts_t *facts, const pod_facts_t *pod_facts,
                uint32_t attempt, tree_t *tree, node_t *out, node_t *events, fault_t *fault)
{
    const object_meta_t *meta = &pod->metadata;
    const char *hostname = NULL;
    node_t dns, of_linux;
    if (dns_config (pod, facts, tree, &dns, events, fault) < 0
        || pod_kernel_hostname (pod, facts->cluster_domain, tree, &hostname, fault) < 0
        || linux_config (pod, facts, pod_facts, tree, &of_linux, fault) < 0)
        return -1;
    *out = node_map();
    node_set (tree, out, "metadata", metadata (pod, attempt, tree));
    if (*hostname)
        node_set_text (tree, out, "hostname", hostname);
    OWNED (free_text)
    char *logs = pod_log_directory (facts->pod_logs_dir, meta->namespace, meta->name, meta->uid);
    node_set_text (tree, out, "log_directory", logs);
    node_set (tree, out, "dns_config", dns);
    node_t ports = port_mappings (pod, tree);
    if (node_count (&ports) > 0)
        node_set (tree, out, "port_mappings", ports);
    node_set (tree, out, "labels", sandbox_labels (pod, tree));
    if (node_count (meta->annotations) > 0)
        node_set (tree, out, "annotations", node_copy (tree, meta->annotations));
    node_set (tree, out, "linux", of_linux);
    return 0;
}
