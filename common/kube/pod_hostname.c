#include "cubelet/pod_hostname.h"
#include "cubelet/go_quote.h"
#include "cubelet/memory.h"
#include "cubelet/name_rules.h"
#include <string.h>

#define HOSTNAME_MAX 63
#define KERNEL_NAME_MAX 64 // what the kernel's nodename holds

static int
check_label (const char *what, const char *text, fault_t *fault)
{
    const char *wrong = name_rule_dns_label (text);
    if (!wrong)
        return 0;
    OWNED (free_text) char *quoted = go_quote (text);
    return fault_set (fault, FAULT_INVALID, "pod %s %s is not a valid DNS label: %s", what, quoted,
                      wrong);
}

static int
cut_name (const pod_t *pod, const char *name, tree_t *tree, const char **out, fault_t *fault)
{
    *out = name;
    size_t size = strlen (name);
    if (size <= HOSTNAME_MAX)
        return 0;
    size = HOSTNAME_MAX;
    while (size > 0 && strchr ("-.", name[size - 1]))
        size--;
    *out = tree_text (tree, name, size);
    if (size > 0)
        return 0;
    OWNED (free_text) char *quoted_pod = go_quote (pod->metadata.name);
    OWNED (free_text) char *quoted = go_quote (name);
    return fault_set (fault, FAULT_INVALID, "hostname for pod %s was invalid: %s", quoted_pod,
                      quoted);
}

int
pod_hostname (const pod_t *pod, const char *cluster_domain, tree_t *tree, pod_hostname_t *out,
              fault_t *fault)
{
    const char *asked = pod->spec.hostname, *subdomain = pod->spec.subdomain;
    const char *name = pod->metadata.name ? pod->metadata.name : "";
    if (asked && *asked) {
        if (check_label ("Hostname", asked, fault) < 0)
            return -1;
        name = asked;
    }
    if (cut_name (pod, name, tree, &out->name, fault) < 0)
        return -1;
    out->domain = "";
    if (!subdomain || !*subdomain)
        return 0;
    if (check_label ("Subdomain", subdomain, fault) < 0)
        return -1;
    node_t domain = node_text_format (tree, "%s.%s.svc.%s", subdomain,
                                      pod->metadata.namespace ? pod->metadata.namespace : "",
                                      cluster_domain ? cluster_domain : "");
    out->domain = node_as_text (&domain, "");
    return 0;
}

int
pod_kernel_hostname (const pod_t *pod, const char *cluster_domain, tree_t *tree, const char **out,
                     fault_t *fault)
{
    *out = "";
    if (pod->spec.host_network)
        return 0;
    pod_hostname_t hostname;
    if (pod_hostname (pod, cluster_domain, tree, &hostname, fault) < 0)
        return -1;
    *out = hostname.name;
    bool wants_domain = pod->spec.set_hostname_as_fqdn.set && pod->spec.set_hostname_as_fqdn.value;
    if (!*hostname.domain || !wants_domain)
        return 0;
    node_t full = node_text_format (tree, "%s.%s", hostname.name, hostname.domain);
    *out = node_as_text (&full, "");
    if (strlen (*out) <= KERNEL_NAME_MAX)
        return 0;
    return fault_set (fault, FAULT_INVALID,
                      "failed to construct FQDN from pod hostname and cluster domain, FQDN %s is "
                      "too long (%d characters is the max, %zu characters requested)",
                      *out, KERNEL_NAME_MAX, strlen (*out));
}
