/* What the server is started with (server/settings.c). */
#include "cubelet/certificate.h"
#include "cubelet/clock.h"
#include "cubelet/feature_gates.h"
#include "cubelet/json.h"
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include "launch.h"
#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void
set_ms (tree_t *tree, node_t *map, const char *key, int64_t ns)
{
    node_set_int (tree, map, key, ns / NS_PER_MS);
}

/* The file that is configured; with serverTLSBootstrap the one that the certificate manager keeps;
   else one that the server makes. */
static void
set_certificate (const launch_t *launch, tree_t *tree, node_t *args)
{
    const kubelet_config_t *config = launch->config;
    const char *dir = launch->cert_dir;
    bool is_given = config->tls_cert_file && config->tls_cert_file[0];
    bool is_rotated = !is_given && config->server_tls_bootstrap;
    OWNED (free_text)
    char *certificate =
        is_given
            ? text_copy (config->tls_cert_file)
            : text_format ("%s/%s", dir, is_rotated ? "kubelet-server-current.pem" : "kubelet.crt");
    OWNED (free_text)
    char *key = is_given     ? text_copy (config->tls_private_key_file)
                : is_rotated ? text_copy (certificate)
                             : text_format ("%s/kubelet.key", dir);
    node_set_text (tree, args, "tls_certificate_file", certificate);
    node_set_text (tree, args, "tls_key_file", key);
    node_set_bool (tree, args, "make_certificate", !is_given && !is_rotated);
    node_set_text (tree, args, "tls_min_version", config->tls_min_version);
    node_set (tree, args, "tls_cipher_suites", launch_list (tree, config->tls_cipher_suites));
}

static void
set_access (const launch_t *launch, tree_t *tree, node_t *args)
{
    const kubelet_config_t *config = launch->config;
    const authentication_config_t *authentication = &config->authentication;
    const authorization_config_t *authorization = &config->authorization;
    node_set_text (tree, args, "client_ca_file", authentication->x509.client_ca_file);
    node_set_bool (tree, args, "has_api_server", !launch->is_standalone);
    node_set_bool (tree, args, "anonymous", authentication->anonymous.enabled);
    node_set_bool (tree, args, "webhook_authentication", authentication->webhook.enabled);
    node_set_bool (tree, args, "webhook_authorization",
                   authorization->mode && strcmp (authorization->mode, "Webhook") == 0);
    node_set_bool (tree, args, "fine_grained_authorization",
                   feature_gate_is_on (config->feature_gates, GATE_KUBELET_FINE_GRAINED_AUTHZ));
    set_ms (tree, args, "token_ttl_ms", authentication->webhook.cache_ttl_ns);
    set_ms (tree, args, "allowed_ttl_ms", authorization->webhook.cache_authorized_ttl_ns);
    set_ms (tree, args, "denied_ttl_ms", authorization->webhook.cache_unauthorized_ttl_ns);
}

static void
set_handlers (const launch_t *launch, tree_t *tree, node_t *args)
{
    const kubelet_config_t *config = launch->config;
    node_set_bool (tree, args, "debugging_handlers", config->enable_debugging_handlers);
    node_set_bool (tree, args, "profiling_handler", config->enable_profiling_handler);
    node_set_bool (tree, args, "debug_flags_handler", config->enable_debug_flags_handler);
    node_set_bool (tree, args, "system_log_handler", config->enable_system_log_handler);
    node_set_bool (tree, args, "split_log_streams",
                   feature_gate_is_on (config->feature_gates, GATE_POD_LOGS_QUERY_SPLIT_STREAMS));
    node_set_bool (tree, args, "statusz",
                   feature_gate_is_on (config->feature_gates, GATE_COMPONENT_STATUSZ));
    node_set_bool (tree, args, "flagz",
                   feature_gate_is_on (config->feature_gates, GATE_COMPONENT_FLAGZ));
    node_set_bool (tree, args, "checkpoint",
                   feature_gate_is_on (config->feature_gates, GATE_CONTAINER_CHECKPOINT));
    set_ms (tree, args, "streaming_idle_ms", config->streaming_connection_idle_timeout_ns);
    node_set_text (tree, args, "root_dir", launch->facts->root_dir);
    node_t shown = node_map();
    node_set (tree, &shown, "kubeletconfig", kubelet_config_encode (config, tree));
    OWNED (free_text) char *json = json_write (&shown, JSON_COMPACT, NULL);
    node_set_text (tree, args, "configz", json);
}

node_t
launch_server_args (const launch_t *launch, tree_t *tree)
{
    const kubelet_config_t *config = launch->config;
    node_t args = node_map();
    node_set_text (tree, &args, "node_name", launch->facts->node_name);
    node_set (tree, &args, "host_ips", launch_list (tree, launch->facts->host_ips));
    node_set_text (tree, &args, "read_only_address", config->address);
    node_set_int (tree, &args, "read_only_port", config->read_only_port);
    node_set_text (tree, &args, "healthz_address", config->healthz_bind_address);
    node_set_int (tree, &args, "healthz_port", config->healthz_port);
    node_set_text (tree, &args, "secure_address", config->address);
    node_set_int (tree, &args, "secure_port", config->enable_server ? config->port : 0);
    if (config->enable_server) {
        OWNED (free_text) char *path = text_format ("%s/api.sock", launch->socket_dir);
        node_set_text (tree, &args, "socket_path", path);
    }
    set_certificate (launch, tree, &args);
    set_access (launch, tree, &args);
    set_handlers (launch, tree, &args);
    return args;
}

// ---- the certificate ----

/* In the child: what is allocated goes with the process. */
static int
make_certificate (const launch_t *launch, const char *certificate, const char *key)
{
    fault_t fault = { 0 };
    if (certificate_make_self_signed (launch->facts->node_name, launch->facts->host_ips,
                                      certificate, key, clock_now_ns(), &fault)
        == 0)
        return 0;
    LOG_ERROR ("Certificate cannot be made err=%s", fault.text);
    return 1;
}

void
launch_server_certificate (const launch_t *launch)
{
    const kubelet_config_t *config = launch->config;
    bool is_given = config->tls_cert_file && config->tls_cert_file[0];
    if (!config->enable_server || !config->port || is_given || config->server_tls_bootstrap)
        return;
    OWNED (free_text) char *certificate = text_format ("%s/kubelet.crt", launch->cert_dir);
    OWNED (free_text) char *key = text_format ("%s/kubelet.key", launch->cert_dir);
    if (access (certificate, F_OK) == 0 && access (key, F_OK) == 0)
        return;
    pid_t child = fork();
    if (child == 0)
        _exit (make_certificate (launch, certificate, key));
    int status = 0;
    if (child < 0 || waitpid (child, &status, 0) < 0)
        LOG_ERROR ("No child to make a certificate err=%s", strerror (errno));
    else if (status == 0)
        LOG_INFO ("Self-signed certificate made file=%s", certificate);
}
