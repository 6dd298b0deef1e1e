#include "cubelet/certificate_plan.h"
#include "cubelet/base64.h"
#include "cubelet/json.h"
#include "cubelet/memory.h"
#include <string.h>

#define RETRY_FIRST_MS 2000
#define RETRY_DOUBLINGS 4 // up to 32 s

static const struct {
    const char *signer, *usage;
} USES[] = {
    [CERTIFICATE_CLIENT] = { "kubernetes.io/kube-apiserver-client-kubelet", "client auth" },
    [CERTIFICATE_SERVING] = { "kubernetes.io/kubelet-serving", "server auth" },
};

int64_t
certificate_replaced_at (int64_t not_before_ns, int64_t not_after_ns, double chance)
{
    double life_ns = (double) (not_after_ns - not_before_ns);
    return not_before_ns + (int64_t) (life_ns * (0.7 + 0.2 * chance));
}

int64_t
certificate_retry_ms (unsigned failures, double chance)
{
    unsigned doublings = failures > 0 ? failures - 1 : 0;
    int64_t wait_ms = RETRY_FIRST_MS << (doublings < RETRY_DOUBLINGS ? doublings : RETRY_DOUBLINGS);
    return wait_ms + (int64_t) (0.1 * chance * (double) wait_ms);
}

node_t
certificate_request_node (tree_t *tree, certificate_use_t use, const char *name,
                          const char *request_pem)
{
    node_t metadata = node_map();
    node_set_text (tree, &metadata, name ? "name" : "generateName", name ? name : "csr-");
    node_t usages = node_array();
    node_append (tree, &usages, node_text (tree, "digital signature"));
    node_append (tree, &usages, node_text (tree, USES[use].usage));
    node_t spec = node_map();
    node_set (tree, &spec, "request", node_bytes (tree, request_pem, strlen (request_pem)));
    node_set_text (tree, &spec, "signerName", USES[use].signer);
    node_set (tree, &spec, "usages", usages);
    node_t request = node_map();
    node_set_text (tree, &request, "kind", "CertificateSigningRequest");
    node_set_text (tree, &request, "apiVersion", "certificates.k8s.io/v1");
    node_set (tree, &request, "metadata", metadata);
    node_set (tree, &request, "spec", spec);
    return request;
}

/* The condition of that type whose status is True, or NULL. */
static const node_t *
condition_of (const node_t *request, const char *type)
{
    NODE_EACH (node_at (request, "status", "conditions", NULL), condition)
    {
        if (strcmp (node_get_text (condition, "type", ""), type) == 0
            && strcmp (node_get_text (condition, "status", "True"), "False") != 0)
            return condition;
    }
    return NULL;
}

certificate_state_t
certificate_request_state (const node_t *request, char **pem_p, const char **reason_p)
{
    static const char *const ENDS[] = { "Denied", "Failed" };
    *pem_p = NULL;
    *reason_p = NULL;
    for (size_t i = 0; i < COUNT_OF (ENDS); i++) {
        const node_t *condition = condition_of (request, ENDS[i]);
        if (!condition)
            continue;
        *reason_p = node_get_text (condition, "message", ENDS[i]);
        return CERTIFICATE_REFUSED;
    }
    const char *encoded = node_as_text (node_at (request, "status", "certificate", NULL), "");
    if (!encoded[0] || !condition_of (request, "Approved"))
        return CERTIFICATE_PENDING;
    size_t size = 0;
    *pem_p = base64_decode (encoded, &size);
    if (*pem_p)
        return CERTIFICATE_ISSUED;
    *reason_p = "the certificate that was issued is not base64";
    return CERTIFICATE_REFUSED;
}

// ---- kubeconfig ----

static node_t
one_named (tree_t *tree, const char *name, const char *key, node_t value)
{
    node_t entry = node_map();
    node_set_text (tree, &entry, "name", name);
    node_set (tree, &entry, key, value);
    node_t list = node_array();
    node_append (tree, &list, entry);
    return list;
}

static node_t
cluster_of (tree_t *tree, const kubeconfig_t *bootstrap)
{
    node_t cluster = node_map();
    node_set_text (tree, &cluster, "server", bootstrap->server);
    node_set_text (tree, &cluster, "certificate-authority", bootstrap->ca_file);
    if (bootstrap->ca.bytes)
        node_set (tree, &cluster, "certificate-authority-data",
                  node_bytes (tree, bootstrap->ca.bytes, bootstrap->ca.size));
    if (bootstrap->is_unverified)
        node_set_bool (tree, &cluster, "insecure-skip-tls-verify", true);
    node_set_text (tree, &cluster, "tls-server-name", bootstrap->tls_server_name);
    node_set_text (tree, &cluster, "proxy-url", bootstrap->proxy_url);
    return cluster;
}

char *
certificate_kubeconfig (const kubeconfig_t *bootstrap, const char *pem_path)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t user = node_map(), context = node_map(), config = node_map();
    node_set_text (tree, &user, "client-certificate", pem_path);
    node_set_text (tree, &user, "client-key", pem_path);
    node_set_text (tree, &context, "cluster", "default-cluster");
    node_set_text (tree, &context, "namespace", "default");
    node_set_text (tree, &context, "user", "default-auth");
    node_set_text (tree, &config, "apiVersion", "v1");
    node_set_text (tree, &config, "kind", "Config");
    node_set (tree, &config, "clusters",
              one_named (tree, "default-cluster", "cluster", cluster_of (tree, bootstrap)));
    node_set (tree, &config, "contexts", one_named (tree, "default-context", "context", context));
    node_set_text (tree, &config, "current-context", "default-context");
    node_set (tree, &config, "users", one_named (tree, "default-auth", "user", user));
    return json_write (&config, JSON_PRETTY, NULL); // which is YAML
}

// ---- names ----

static int
compare_texts (const void *a, const void *b)
{
    return strcmp (((const node_t *) a)->via.str.ptr, ((const node_t *) b)->via.str.ptr);
}

static void
add_once (tree_t *tree, node_t *list, const char *text)
{
    NODE_EACH (list, known)
    if (strcmp (node_as_text (known, ""), text) == 0)
        return;
    node_append (tree, list, node_text (tree, text));
}

static void
sort_texts (node_t *list)
{
    if (node_count (list) > 1)
        qsort (list->via.array.ptr, list->via.array.size, sizeof (node_t), compare_texts);
}

node_t
certificate_names_of_node (tree_t *tree, const node_t *node)
{
    static const char *const NAME_TYPES[] = { "Hostname", "InternalDNS", "ExternalDNS" };
    node_t dns = node_array(), ips = node_array(), names = node_map();
    NODE_EACH (node_at (node, "status", "addresses", NULL), row)
    {
        const char *type = node_get_text (row, "type", "");
        const char *address = node_get_text (row, "address", "");
        bool is_name = false;
        for (size_t i = 0; i < COUNT_OF (NAME_TYPES); i++)
            is_name |= strcmp (type, NAME_TYPES[i]) == 0;
        // a host name may be an address; then the certificate has to name it as one
        bool is_ip = !is_name || strspn (address, "0123456789.") == strlen (address)
                     || strchr (address, ':');
        if (address[0])
            add_once (tree, is_ip ? &ips : &dns, address);
    }
    sort_texts (&dns);
    sort_texts (&ips);
    node_set (tree, &names, "dns", dns);
    node_set (tree, &names, "ips", ips);
    return names;
}
