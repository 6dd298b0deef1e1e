/* kubeconfig.h - where the API server is and who we are to it, from a kubeconfig file.
   Source: client.authentication.k8s.io and the kubeconfig (v1) reference of Kubernetes 1.34. */
#pragma once
#include "cubelet/fault.h"
#include "cubelet/record.h"
#include "cubelet/tree.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KUBECONFIG_MAX_BYTES (1024 * 1024)

/* PEM bytes given in the file itself, decoded from base64; or none. */
typedef struct {
    const char *bytes; // NULL: none
    size_t size;
} kubeconfig_pem_t;

typedef struct {
    const char *name, *value;
} exec_variable_t;

/* A credential plugin: a program that prints an ExecCredential. */
typedef struct {
    const char *api_version; // client.authentication.k8s.io/v1 or v1beta1
    const char *command;     // a path (relative ones are made absolute), or a name to find in PATH
    text_list_t args;
    LIST_OF (exec_variable_t) env;
    const char *install_hint;
    bool provide_cluster_info;
    const char *interactive_mode;
} exec_plugin_t;

/* The current context. Paths are absolute or relative to the process; NULL: not given. */
typedef struct {
    const char *server; // "https://10.0.0.1:6443", without a "/" at the end
    const char *ca_file;
    kubeconfig_pem_t ca;
    bool is_unverified; // insecure-skip-tls-verify
    const char *tls_server_name;
    const char *proxy_url;
    const char *certificate_file, *key_file;
    kubeconfig_pem_t certificate, key;
    const char *token, *token_file; // the file's counts when both are given
    const char *username, *password;
    const exec_plugin_t *exec;
} kubeconfig_t;

/* Reads the `size` bytes of the kubeconfig at `path` (for relative paths in it, and for faults) and
   fills `out` with its current context. Returns the tree that `out` borrows from, owned; or NULL
   with FAULT_INVALID "PATH: line N: FIELD: what is wrong". Inline data counts before a file's. */
tree_t *kubeconfig_read (const char *bytes, size_t size, const char *path, kubeconfig_t *out,
                         fault_t *fault);

/* What an exec plugin printed. */
typedef struct {
    const char *token;
    const char *certificate, *key; // PEM texts, both or none
    int64_t expires_ns;            // since 1970; 0: as long as the process runs
} exec_credential_t;

/* Reads a plugin's output, an ExecCredential of the plugin's version. Returns the tree that `out`
   borrows from, owned; or NULL with FAULT_INVALID. No fault quotes the output, which is secret. */
tree_t *exec_credential_read (const char *bytes, size_t size, const exec_plugin_t *plugin,
                              exec_credential_t *out, fault_t *fault);

/* The text for KUBERNETES_EXEC_INFO: an ExecCredential as JSON, with the cluster when the plugin
   asks for it. `ca` are the cluster's certificates. Owned. */
char *exec_credential_request (const kubeconfig_t *config, kubeconfig_pem_t ca);
