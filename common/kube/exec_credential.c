/* exec_credential.c - what is said to a credential plugin, and what it says (kubeconfig.h). */
#include "cubelet/json.h"
#include "cubelet/kubeconfig.h"
#include "cubelet/memory.h"
#include "cubelet/record_table.h"
#include <string.h>

typedef struct {
    const char *token, *certificate, *key;
    int64_t expires_ns;
} status_t;

typedef struct {
    const char *api_version, *kind;
    status_t *status;
} credential_t;

RECORD_TYPE (STATUS, status_t, FIELD (status_t, token, "token", TEXT),
             FIELD (status_t, certificate, "clientCertificateData", TEXT),
             FIELD (status_t, key, "clientKeyData", TEXT),
             FIELD (status_t, expires_ns, "expirationTimestamp", TIME));
RECORD_TYPE (CREDENTIAL, credential_t, FIELD (credential_t, api_version, "apiVersion", TEXT),
             FIELD (credential_t, kind, "kind", TEXT),
             FIELD_OF (credential_t, status, "status", OPT_RECORD, STATUS));

static int
check (const credential_t *credential, const exec_plugin_t *plugin, fault_t *fault)
{
    if (!credential->kind || strcmp (credential->kind, "ExecCredential") != 0)
        return fault_set (fault, FAULT_INVALID, "kind: is not ExecCredential");
    if (!credential->api_version || strcmp (credential->api_version, plugin->api_version) != 0)
        return fault_set (fault, FAULT_INVALID, "apiVersion: is not %s", plugin->api_version);
    const status_t *status = credential->status;
    if (!status)
        return fault_set (fault, FAULT_INVALID, "status: Required value");
    bool has_certificate = status->certificate && status->certificate[0];
    bool has_key = status->key && status->key[0];
    if (has_certificate != has_key)
        return fault_set (fault, FAULT_INVALID,
                          "status: clientCertificateData and clientKeyData go together");
    if (!has_certificate && !(status->token && status->token[0]))
        return fault_set (fault, FAULT_INVALID, "status: holds neither a token nor a certificate");
    return 0;
}

tree_t *
exec_credential_read (const char *bytes, size_t size, const exec_plugin_t *plugin,
                      exec_credential_t *out, fault_t *fault)
{
    fault_t syntax = { 0 };
    OWNED (tree_destroy) tree_t *tree = json_read (bytes, size, &syntax);
    credential_t credential = { 0 };
    if (!tree) {
        fault_set (fault, FAULT_INVALID, "the output is not JSON");
        return NULL;
    }
    if (record_decode (&CREDENTIAL, tree_root (tree), tree, RECORD_LENIENT, &credential, &syntax)
        < 0) {
        fault_set (fault, FAULT_INVALID, "a field of the output has a wrong type");
        return NULL;
    }
    if (check (&credential, plugin, fault) < 0)
        return NULL;
    const status_t *status = credential.status;
    *out = (exec_credential_t){ .expires_ns = status->expires_ns };
    out->token = status->token && status->token[0] ? status->token : NULL;
    if (status->certificate && status->certificate[0]) {
        out->certificate = status->certificate;
        out->key = status->key;
    }
    return STEAL (tree);
}

static node_t
cluster_of (const kubeconfig_t *config, kubeconfig_pem_t ca, tree_t *tree)
{
    node_t cluster = node_map();
    node_set_text (tree, &cluster, "server", config->server);
    node_set_text (tree, &cluster, "tls-server-name", config->tls_server_name);
    if (config->is_unverified)
        node_set_bool (tree, &cluster, "insecure-skip-tls-verify", true);
    if (ca.bytes) // JSON writes binary data as base64
        node_set (tree, &cluster, "certificate-authority-data",
                  node_bytes (tree, ca.bytes, ca.size));
    node_set_text (tree, &cluster, "proxy-url", config->proxy_url);
    return cluster;
}

char *
exec_credential_request (const kubeconfig_t *config, kubeconfig_pem_t ca)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t spec = node_map();
    if (config->exec->provide_cluster_info)
        node_set (tree, &spec, "cluster", cluster_of (config, ca, tree));
    node_set_bool (tree, &spec, "interactive", false);
    node_t request = node_map();
    node_set_text (tree, &request, "kind", "ExecCredential");
    node_set_text (tree, &request, "apiVersion", config->exec->api_version);
    node_set (tree, &request, "spec", spec);
    return json_write (&request, JSON_COMPACT, NULL);
}
