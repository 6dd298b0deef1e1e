#include "cubelet/record_table.h"
#include "server.h"

#define SILENCE_MS 5000

#define SETTING(MEMBER, KIND) FIELD (server_settings_t, MEMBER, #MEMBER, KIND)

RECORD_TYPE (SETTINGS, server_settings_t, SETTING (node_name, TEXT), SETTING (host_ips, TEXT_LIST),
             SETTING (healthz_address, TEXT), SETTING (read_only_address, TEXT),
             SETTING (secure_address, TEXT), SETTING (healthz_port, INT),
             SETTING (read_only_port, INT), SETTING (secure_port, INT), SETTING (socket_path, TEXT),
             SETTING (tls_certificate_file, TEXT), SETTING (tls_key_file, TEXT),
             SETTING (client_ca_file, TEXT), SETTING (tls_min_version, TEXT),
             SETTING (tls_cipher_suites, TEXT_LIST), SETTING (make_certificate, BOOL),
             SETTING (has_api_server, BOOL), SETTING (anonymous, BOOL),
             SETTING (webhook_authentication, BOOL), SETTING (webhook_authorization, BOOL),
             SETTING (fine_grained_authorization, BOOL), SETTING (token_ttl_ms, INT),
             SETTING (allowed_ttl_ms, INT), SETTING (denied_ttl_ms, INT),
             SETTING (debugging_handlers, BOOL), SETTING (profiling_handler, BOOL),
             SETTING (debug_flags_handler, BOOL), SETTING (system_log_handler, BOOL),
             SETTING (split_log_streams, BOOL), SETTING (statusz, BOOL), SETTING (flagz, BOOL),
             SETTING (checkpoint, BOOL), SETTING (streaming_idle_ms, INT),
             SETTING (silence_ms, INT), SETTING (configz, TEXT), SETTING (root_dir, TEXT),
             SETTING (system_log_dir, TEXT));

int
server_settings_read (const node_t *args, tree_t *tree, server_settings_t *out, fault_t *fault)
{
    out->silence_ms = SILENCE_MS;
    out->system_log_dir = "/var/log";
    return record_decode (&SETTINGS, args, tree, RECORD_LENIENT, out, fault);
}
