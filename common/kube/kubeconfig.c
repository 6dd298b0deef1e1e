#include "cubelet/kubeconfig.h"
#include "cubelet/base64.h"
#include "cubelet/memory.h"
#include "cubelet/record_table.h"
#include "cubelet/yaml.h"
#include <string.h>

// ---- the file, as it is written ----

typedef struct {
    const char *server, *ca_file, *ca_data, *tls_server_name, *proxy_url;
    bool is_unverified;
} cluster_t;

typedef struct {
    const char *certificate_file, *certificate_data, *key_file, *key_data;
    const char *token, *token_file, *username, *password;
    const node_t *auth_provider, *as_user;
    exec_plugin_t *exec;
} user_t;

typedef struct {
    const char *cluster, *user;
} context_t;

typedef struct {
    const char *name;
    cluster_t value;
} named_cluster_t;

typedef struct {
    const char *name;
    user_t value;
} named_user_t;

typedef struct {
    const char *name;
    context_t value;
} named_context_t;

typedef struct {
    const char *api_version, *kind, *current_context;
    LIST_OF (named_cluster_t) clusters;
    LIST_OF (named_user_t) users;
    LIST_OF (named_context_t) contexts;
} document_t;

// where faults are
#define IN_CLUSTER "clusters[%zu].cluster.%s"
#define IN_USER "users[%zu].user.%s"

#define EXEC_GROUP "client.authentication.k8s.io/"
static const char *const EXEC_VERSIONS[] = { EXEC_GROUP "v1", EXEC_GROUP "v1beta1", NULL };
static const char *const EXEC_MODES[] = { "Never", "IfAvailable", "Always", NULL };

RECORD_TYPE (VARIABLE, exec_variable_t, FIELD (exec_variable_t, name, "name", TEXT),
             FIELD (exec_variable_t, value, "value", TEXT));
RECORD_TYPE (EXEC, exec_plugin_t,
             FIELD_ONE_OF (exec_plugin_t, api_version, "apiVersion", TEXT, EXEC_VERSIONS),
             FIELD (exec_plugin_t, command, "command", TEXT),
             FIELD (exec_plugin_t, args, "args", TEXT_LIST),
             FIELD_OF (exec_plugin_t, env, "env", LIST, VARIABLE),
             FIELD (exec_plugin_t, install_hint, "installHint", TEXT),
             FIELD (exec_plugin_t, provide_cluster_info, "provideClusterInfo", BOOL),
             FIELD_ONE_OF (exec_plugin_t, interactive_mode, "interactiveMode", TEXT, EXEC_MODES));
RECORD_TYPE (CLUSTER, cluster_t, FIELD (cluster_t, server, "server", TEXT),
             FIELD (cluster_t, ca_file, "certificate-authority", TEXT),
             FIELD (cluster_t, ca_data, "certificate-authority-data", TEXT),
             FIELD (cluster_t, is_unverified, "insecure-skip-tls-verify", BOOL),
             FIELD (cluster_t, tls_server_name, "tls-server-name", TEXT),
             FIELD (cluster_t, proxy_url, "proxy-url", TEXT));
RECORD_TYPE (USER, user_t, FIELD (user_t, certificate_file, "client-certificate", TEXT),
             FIELD (user_t, certificate_data, "client-certificate-data", TEXT),
             FIELD (user_t, key_file, "client-key", TEXT),
             FIELD (user_t, key_data, "client-key-data", TEXT),
             FIELD (user_t, token, "token", TEXT), FIELD (user_t, token_file, "tokenFile", TEXT),
             FIELD (user_t, username, "username", TEXT), FIELD (user_t, password, "password", TEXT),
             FIELD (user_t, auth_provider, "auth-provider", NODE),
             FIELD (user_t, as_user, "as", NODE),
             FIELD_OF (user_t, exec, "exec", OPT_RECORD, EXEC));
RECORD_TYPE (CONTEXT, context_t, FIELD (context_t, cluster, "cluster", TEXT),
             FIELD (context_t, user, "user", TEXT));
RECORD_TYPE (NAMED_CLUSTER, named_cluster_t, FIELD (named_cluster_t, name, "name", TEXT),
             FIELD_OF (named_cluster_t, value, "cluster", RECORD, CLUSTER));
RECORD_TYPE (NAMED_USER, named_user_t, FIELD (named_user_t, name, "name", TEXT),
             FIELD_OF (named_user_t, value, "user", RECORD, USER));
RECORD_TYPE (NAMED_CONTEXT, named_context_t, FIELD (named_context_t, name, "name", TEXT),
             FIELD_OF (named_context_t, value, "context", RECORD, CONTEXT));
RECORD_TYPE (DOCUMENT, document_t, FIELD (document_t, api_version, "apiVersion", TEXT),
             FIELD (document_t, kind, "kind", TEXT),
             FIELD (document_t, current_context, "current-context", TEXT),
             FIELD_OF (document_t, clusters, "clusters", LIST, NAMED_CLUSTER),
             FIELD_OF (document_t, users, "users", LIST, NAMED_USER),
             FIELD_OF (document_t, contexts, "contexts", LIST, NAMED_CONTEXT));

// ---- from what is written to what counts ----

/* One reading: where we are in the file, for faults. */
typedef struct {
    tree_t *tree;
    const char *path;
    size_t cluster, user, context; // indexes of what the current context names
} reading_t;

static bool
is_given (const char *text)
{
    return text && text[0];
}

/* A path of the file, seen from the file's directory. */
static const char *
resolve_path (const reading_t *self, const char *path)
{
    const char *slash = strrchr (self->path, '/');
    if (!is_given (path))
        return NULL;
    if (path[0] == '/' || !slash)
        return path;
    OWNED (free_text)
    char *whole = text_format ("%.*s%s", (int) (slash - self->path) + 1, self->path, path);
    return tree_text (self->tree, whole, strlen (whole));
}

/* Decodes a "...-data" field. */
static int
take_pem (const reading_t *self, const char *text, kubeconfig_pem_t *out, fault_t *fault)
{
    if (!is_given (text))
        return 0;
    size_t size = 0;
    OWNED (free_text) char *bytes = base64_decode (text, &size);
    if (!bytes)
        return fault_set (fault, FAULT_INVALID, "is not base64");
    if (!strstr (bytes, "-----BEGIN "))
        return fault_set (fault, FAULT_INVALID, "is not PEM");
    out->bytes = tree_text (self->tree, bytes, size);
    out->size = size;
    return 0;
}

static int
take_cluster (const reading_t *self, const cluster_t *cluster, kubeconfig_t *out, fault_t *fault)
{
    size_t length = cluster->server ? strlen (cluster->server) : 0;
    bool is_http = length > 7 && strncmp (cluster->server, "http://", 7) == 0;
    bool is_https = length > 8 && strncmp (cluster->server, "https://", 8) == 0;
    if (length == 0) {
        fault_set (fault, FAULT_INVALID, "Required value");
        return fault_wrap (fault, IN_CLUSTER, self->cluster, "server");
    }
    if (!is_http && !is_https) {
        fault_set (fault, FAULT_INVALID, "must begin with https:// or http://");
        return fault_wrap (fault, IN_CLUSTER, self->cluster, "server");
    }
    while (length > 0 && cluster->server[length - 1] == '/')
        length--;
    out->server = tree_text (self->tree, cluster->server, length);
    out->is_unverified = cluster->is_unverified;
    out->tls_server_name = is_given (cluster->tls_server_name) ? cluster->tls_server_name : NULL;
    out->proxy_url = is_given (cluster->proxy_url) ? cluster->proxy_url : NULL;
    if (take_pem (self, cluster->ca_data, &out->ca, fault) < 0)
        return fault_wrap (fault, IN_CLUSTER, self->cluster, "certificate-authority-data");
    out->ca_file = out->ca.bytes ? NULL : resolve_path (self, cluster->ca_file);
    if (out->is_unverified && (out->ca.bytes || out->ca_file)) {
        fault_set (fault, FAULT_INVALID, "certificate authorities are of no use with it");
        return fault_wrap (fault, IN_CLUSTER, self->cluster, "insecure-skip-tls-verify");
    }
    return 0;
}

static int
take_exec (const reading_t *self, exec_plugin_t *exec, fault_t *fault)
{
    if (!is_given (exec->command))
        return fault_set (fault, FAULT_INVALID, "command: Required value");
    if (!is_given (exec->api_version))
        return fault_set (fault, FAULT_INVALID, "apiVersion: Required value");
    if (exec->interactive_mode && strcmp (exec->interactive_mode, "Always") == 0)
        return fault_set (fault, FAULT_INVALID,
                          "interactiveMode: Always cannot be had, the agent has no terminal");
    for (size_t i = 0; i < exec->env.count; i++)
        if (!is_given (exec->env.items[i].name))
            return fault_set (fault, FAULT_INVALID, "env[%zu].name: Required value", i);
    if (strchr (exec->command, '/'))
        exec->command = resolve_path (self, exec->command);
    return 0;
}

static int
take_key_pair (const reading_t *self, const user_t *user, kubeconfig_t *out, fault_t *fault)
{
    if (take_pem (self, user->certificate_data, &out->certificate, fault) < 0)
        return fault_wrap (fault, IN_USER, self->user, "client-certificate-data");
    if (take_pem (self, user->key_data, &out->key, fault) < 0)
        return fault_wrap (fault, IN_USER, self->user, "client-key-data");
    if (!out->certificate.bytes)
        out->certificate_file = resolve_path (self, user->certificate_file);
    if (!out->key.bytes)
        out->key_file = resolve_path (self, user->key_file);
    bool has_certificate = out->certificate.bytes || out->certificate_file;
    bool has_key = out->key.bytes || out->key_file;
    if (has_certificate == has_key)
        return 0;
    fault_set (fault, FAULT_INVALID, "Required value: certificate and key go together");
    return fault_wrap (fault, IN_USER, self->user, has_key ? "client-certificate" : "client-key");
}

static int
take_user (const reading_t *self, const user_t *user, kubeconfig_t *out, fault_t *fault)
{
    if (user->auth_provider || user->as_user) {
        fault_set (fault, FAULT_INVALID, "is not supported");
        return fault_wrap (fault, IN_USER, self->user, user->as_user ? "as" : "auth-provider");
    }
    if (take_key_pair (self, user, out, fault) < 0)
        return -1;
    out->token = is_given (user->token) ? user->token : NULL;
    out->token_file = resolve_path (self, user->token_file);
    out->username = is_given (user->username) ? user->username : NULL;
    out->password = user->password;
    out->exec = user->exec;
    if ((out->token || out->token_file) && out->username) {
        fault_set (fault, FAULT_INVALID, "token and username exclude each other");
        return fault_wrap (fault, IN_USER, self->user, "username");
    }
    if (user->exec && take_exec (self, user->exec, fault) < 0)
        return fault_wrap (fault, IN_USER, self->user, "exec");
    return 0;
}

static int
find_context (const document_t *document, reading_t *self, fault_t *fault)
{
    const char *name = document->current_context;
    if (!is_given (name))
        return fault_set (fault, FAULT_INVALID, "current-context: Required value");
    for (self->context = 0; self->context < document->contexts.count; self->context++)
        if (strcmp (document->contexts.items[self->context].name, name) == 0)
            return 0;
    return fault_set (fault, FAULT_INVALID, "current-context: there is no context \"%s\"", name);
}

/* The cluster and the user that the context names. A context may do without a user. */
static int
follow_context (const document_t *document, reading_t *self, kubeconfig_t *out, fault_t *fault)
{
    const context_t *context = &document->contexts.items[self->context].value;
    const char *cluster = context->cluster ? context->cluster : "";
    const char *user = context->user ? context->user : "";
    for (self->cluster = 0; self->cluster < document->clusters.count; self->cluster++)
        if (strcmp (document->clusters.items[self->cluster].name, cluster) == 0)
            break;
    if (self->cluster == document->clusters.count)
        return fault_set (fault, FAULT_INVALID,
                          "contexts[%zu].context.cluster: there is no cluster \"%s\"",
                          self->context, cluster);
    if (take_cluster (self, &document->clusters.items[self->cluster].value, out, fault) < 0)
        return -1;
    if (user[0] == '\0')
        return 0;
    for (self->user = 0; self->user < document->users.count; self->user++)
        if (strcmp (document->users.items[self->user].name, user) == 0)
            return take_user (self, &document->users.items[self->user].value, out, fault);
    return fault_set (fault, FAULT_INVALID, "contexts[%zu].context.user: there is no user \"%s\"",
                      self->context, user);
}

/* Names are compared later; an entry without one can only be a mistake. */
static int
check_names (const document_t *document, fault_t *fault)
{
    for (size_t i = 0; i < document->clusters.count; i++)
        if (!document->clusters.items[i].name)
            return fault_set (fault, FAULT_INVALID, "clusters[%zu].name: Required value", i);
    for (size_t i = 0; i < document->users.count; i++)
        if (!document->users.items[i].name)
            return fault_set (fault, FAULT_INVALID, "users[%zu].name: Required value", i);
    for (size_t i = 0; i < document->contexts.count; i++)
        if (!document->contexts.items[i].name)
            return fault_set (fault, FAULT_INVALID, "contexts[%zu].name: Required value", i);
    return 0;
}

static int
take_document (reading_t *self, const node_t *node, kubeconfig_t *out, fault_t *fault)
{
    document_t document = { 0 };
    if (record_decode (&DOCUMENT, node, self->tree, RECORD_LENIENT, &document, fault) < 0)
        return -1;
    if (document.kind && strcmp (document.kind, "Config") != 0)
        return fault_set (fault, FAULT_INVALID, "kind: is not Config");
    if (document.api_version && strcmp (document.api_version, "v1") != 0)
        return fault_set (fault, FAULT_INVALID, "apiVersion: is not v1");
    if (check_names (&document, fault) < 0 || find_context (&document, self, fault) < 0)
        return -1;
    return follow_context (&document, self, out, fault);
}

/* Puts the line of the field that the fault's text begins with before it. */
static void
add_line (fault_t *fault, const char *bytes, size_t size)
{
    size_t length = strcspn (fault->text, ": ");
    if (length == 0 || fault->text[length] != ':')
        return;
    OWNED (free_text) char *field = text_format ("%.*s", (int) length, fault->text);
    size_t line = yaml_line_of (bytes, size, 0, field);
    if (line)
        fault_wrap (fault, "line %zu", line);
}

tree_t *
kubeconfig_read (const char *bytes, size_t size, const char *path, kubeconfig_t *out,
                 fault_t *fault)
{
    OWNED (tree_destroy) tree_t *tree = yaml_read (bytes, size, fault);
    if (!tree) {
        fault_wrap (fault, "%s", path);
        return NULL;
    }
    reading_t reading = { .tree = tree, .path = path };
    *out = (kubeconfig_t){ 0 };
    const node_t *document = node_item (tree_root (tree), 0);
    if (!document) {
        fault_set (fault, FAULT_INVALID, "%s: is empty", path);
        return NULL;
    }
    if (take_document (&reading, document, out, fault) < 0) {
        add_line (fault, bytes, size);
        fault_wrap (fault, "%s", path);
        return NULL;
    }
    return STEAL (tree);
}
