#include "api_login.h"
#include "cubelet/base64.h"
#include "cubelet/clock.h"
#include "cubelet/command.h"
#include "cubelet/file_read.h"
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include <stdlib.h>
#include <string.h>

#define LOOK_EVERY_MS 1000        // at the files, when somebody asks
#define LOOK_UNASKED_MS 10000     // when nobody does: watches have to follow a rotation too
#define LOOK_WHILE_FAILED_MS 1000 // a kubeconfig may appear
#define FILE_MAX_BYTES (1024 * 1024)
#define PLUGIN_TIMEOUT_MS (60 * 1000)
#define PLUGIN_OUTPUT_MAX (1024 * 1024)
#define PLUGIN_RETRY_MS 5000 // after a failure

/* The files that count besides the kubeconfig itself. */
typedef enum {
    FILE_CA,
    FILE_CERTIFICATE,
    FILE_KEY,
    FILE_TOKEN,
    FILE_OWN, // certificate and key that rotate, in the place of the kubeconfig's
    FILE_COUNT
} file_t;

typedef struct {
    char *bytes; // NULL: there is none
    size_t size;
    file_stamp_t stamp;
} content_t;

struct api_login {
    actor_t *actor;
    char *path;
    char *own; // path of FILE_OWN, or NULL
    api_login_change_fn *on_change;
    void *context;

    file_stamp_t stamp; // of the kubeconfig
    tree_t *tree;       // of `config`; NULL: not read
    kubeconfig_t config;
    content_t files[FILE_COUNT];
    fault_t fault;   // why it failed; code 0: it has not
    char *complaint; // logged already: why what works cannot be read again

    command_t *plugin;       // runs
    tree_t *credential_tree; // of `credential`; NULL: none
    exec_credential_t credential;
    fault_t plugin_fault;
    int64_t plugin_failed_ms; // 0: it has not

    char *authorization;
    uint64_t version;
    int64_t looked_ms; // 0: never
    uint64_t timer;
};

// ---- endpoints ----

static http_pem_t
copy_pem (const char *bytes, size_t size)
{
    if (!bytes)
        return (http_pem_t){ 0 };
    char *copy = memory_new (size + 1, 1);
    memcpy (copy, bytes, size);
    return (http_pem_t){ copy, size };
}

void
api_endpoint_destroy (api_endpoint_t **self_p)
{
    api_endpoint_t *self = *self_p;
    if (!self)
        return;
    free (self->server);
    free (self->connect_to);
    free (self->proxy);
    free ((char *) self->ca.bytes);
    free ((char *) self->certificate.bytes);
    free ((char *) self->key.bytes);
    free (self);
    *self_p = NULL;
}

/* The port that "HOST:PORT" names, NULL for none. */
static const char *
port_of (const char *authority)
{
    const char *colon = strrchr (authority, ':');
    return colon && !strchr (colon, ']') ? colon + 1 : NULL;
}

/* tls-server-name: the URL gets the certificate's name, the connection the real address. */
static void
name_server (const kubeconfig_t *config, api_endpoint_t *out)
{
    size_t scheme = strcspn (config->server, ":") + 3;
    const char *rest = config->server + scheme;
    if (!config->tls_server_name || strncmp (config->server, "https", 5) != 0) {
        out->server = text_copy (config->server);
        return;
    }
    OWNED (free_text) char *authority = text_format ("%.*s", (int) strcspn (rest, "/"), rest);
    const char *port = port_of (authority);
    bool has_port = port > authority && port <= authority + strlen (authority);
    out->connect_to = has_port ? text_copy (authority) : text_format ("%s:%s", authority, port);
    out->server =
        text_format ("https://%s:%s%s", config->tls_server_name, port, rest + strlen (authority));
}

/* As Go's: no proxy of the environment for this machine itself. */
static bool
is_this_machine (const char *server)
{
    static const char *const HOSTS[] = { "//localhost", "//127.", "//[::1]" };
    for (size_t i = 0; i < COUNT_OF (HOSTS); i++)
        if (strstr (server, HOSTS[i]))
            return true;
    return false;
}

api_endpoint_t *
api_login_endpoint (const api_login_t *self)
{
    const kubeconfig_t *config = &self->config;
    const content_t *files = self->files;
    api_endpoint_t *out = memory_new (1, sizeof *out);
    out->version = self->version;
    name_server (config, out);
    if (config->proxy_url)
        out->proxy = text_copy (config->proxy_url);
    else if (!is_this_machine (config->server))
        out->proxy = text_copy (HTTP_PROXY_OF_ENVIRONMENT);
    out->is_unverified = config->is_unverified;
    out->ca = config->ca.bytes ? copy_pem (config->ca.bytes, config->ca.size)
                               : copy_pem (files[FILE_CA].bytes, files[FILE_CA].size);
    if (self->credential_tree && self->credential.certificate) {
        const exec_credential_t *made = &self->credential;
        out->certificate = copy_pem (made->certificate, strlen (made->certificate));
        out->key = copy_pem (made->key, strlen (made->key));
        return out;
    }
    if (files[FILE_OWN].bytes) {
        out->certificate = copy_pem (files[FILE_OWN].bytes, files[FILE_OWN].size);
        out->key = copy_pem (files[FILE_OWN].bytes, files[FILE_OWN].size);
        return out;
    }
    const content_t *certificate = &files[FILE_CERTIFICATE], *key = &files[FILE_KEY];
    out->certificate = config->certificate.bytes
                           ? copy_pem (config->certificate.bytes, config->certificate.size)
                           : copy_pem (certificate->bytes, certificate->size);
    out->key = config->key.bytes ? copy_pem (config->key.bytes, config->key.size)
                                 : copy_pem (key->bytes, key->size);
    return out;
}

uint64_t
api_login_version (const api_login_t *self)
{
    return self->version;
}

const char *
api_login_authorization (const api_login_t *self)
{
    return self->authorization;
}

// ---- Authorization ----

static char *
basic_authorization (const kubeconfig_t *config)
{
    const char *password = config->password ? config->password : "";
    OWNED (free_text) char *pair = text_format ("%s:%s", config->username, password);
    OWNED (free_text) char *encoded = memory_new ((strlen (pair) + 2) / 3 * 4 + 1, 1);
    encoded[base64_encode (pair, strlen (pair), encoded)] = '\0';
    return text_format ("Basic %s", encoded);
}

/* A token file's text without the white space around it. */
static char *
token_of (const content_t *file)
{
    const char *start = file->bytes + strspn (file->bytes, " \t\r\n");
    size_t length = strlen (start);
    while (length > 0 && strchr (" \t\r\n", start[length - 1]))
        length--;
    return text_format ("%.*s", (int) length, start);
}

static void
renew_authorization (api_login_t *self)
{
    const kubeconfig_t *config = &self->config;
    free_text (&self->authorization);
    if (self->credential_tree && self->credential.token)
        self->authorization = text_format ("Bearer %s", self->credential.token);
    else if (self->files[FILE_TOKEN].bytes) {
        OWNED (free_text) char *token = token_of (&self->files[FILE_TOKEN]);
        self->authorization = text_format ("Bearer %s", token);
    }
    else if (config->token)
        self->authorization = text_format ("Bearer %s", config->token);
    else if (config->username)
        self->authorization = basic_authorization (config);
}

// ---- files ----

static void
content_clear (content_t *self)
{
    free (self->bytes);
    *self = (content_t){ 0 };
}

static void
forget_credential (api_login_t *self)
{
    tree_destroy (&self->credential_tree);
    self->credential = (exec_credential_t){ 0 };
}

static void
forget_config (api_login_t *self)
{
    tree_destroy (&self->tree);
    self->config = (kubeconfig_t){ 0 };
    for (int i = 0; i < FILE_COUNT; i++)
        content_clear (&self->files[i]);
    command_destroy (&self->plugin);
    forget_credential (self);
    self->plugin_failed_ms = 0;
}

static const char *
path_of (const api_login_t *self, file_t file)
{
    switch (file) {
    case FILE_CA: return self->config.ca_file;
    case FILE_CERTIFICATE: return self->config.certificate_file;
    case FILE_KEY: return self->config.key_file;
    case FILE_OWN: return self->own;
    default: return self->config.token_file;
    }
}

/* Reads the kubeconfig if it has changed. A file that turned bad changes nothing that works. */
static int
look_at_config (api_login_t *self, fault_t *fault)
{
    file_stamp_t stamp = file_stamp (self->path);
    if (self->tree && file_stamp_equal (&stamp, &self->stamp))
        return 0;
    size_t size = 0;
    OWNED (free_text) char *bytes = file_read (self->path, KUBECONFIG_MAX_BYTES, &size, fault);
    if (!bytes)
        return fault_wrap (fault, "kubeconfig");
    kubeconfig_t config = { 0 };
    tree_t *tree = kubeconfig_read (bytes, size, self->path, &config, fault);
    if (!tree)
        return fault_wrap (fault, "kubeconfig");
    forget_config (self);
    self->tree = tree;
    self->config = config;
    self->stamp = stamp;
    self->version++;
    return 0;
}

/* Reads one file that the kubeconfig names, if it has changed. */
static int
look_at_file (api_login_t *self, file_t file, fault_t *fault)
{
    const char *path = path_of (self, file);
    content_t *content = &self->files[file];
    file_stamp_t stamp = file_stamp (path), none = { 0 };
    if (file == FILE_OWN && file_stamp_equal (&stamp, &none))
        return 0; // it is still to come
    if (!path || (content->bytes && file_stamp_equal (&stamp, &content->stamp)))
        return 0;
    size_t size = 0;
    char *bytes = file_read (path, FILE_MAX_BYTES, &size, fault);
    if (!bytes)
        return fault_wrap (fault, "kubeconfig %s", self->path);
    bool is_same =
        content->bytes && size == content->size && memcmp (bytes, content->bytes, size) == 0;
    content_clear (content);
    *content = (content_t){ bytes, size, stamp };
    if (!is_same && file != FILE_TOKEN)
        self->version++;
    return 0;
}

static int
look_at_all (api_login_t *self, fault_t *fault)
{
    if (look_at_config (self, fault) < 0)
        return -1;
    for (int i = 0; i < FILE_COUNT; i++)
        if (look_at_file (self, (file_t) i, fault) < 0)
            return -1;
    return 0;
}

/* Looks at the files. Fails only when there is nothing to work with: half of a rotation, or a file
   that is being written, is read again in a second. */
static void
look (api_login_t *self)
{
    uint64_t before = self->version;
    bool was_complete = self->looked_ms != 0 && self->fault.code == FAULT_NONE;
    fault_t fault = { 0 };
    self->looked_ms = clock_monotonic_ms();
    bool is_good = look_at_all (self, &fault) == 0;
    if (!is_good && was_complete && before == self->version) {
        if (!self->complaint || strcmp (self->complaint, fault.text) != 0)
            LOG_WARNING ("The API server's credentials cannot be read again, the old ones stay "
                         "err=%s",
                         fault.text);
        text_replace (&self->complaint, "%s", fault.text);
        return;
    }
    free_text (&self->complaint);
    self->fault = fault;
    if (!is_good)
        self->fault.code = FAULT_UNAVAILABLE;
    renew_authorization (self);
    if (is_good && was_complete && before != self->version)
        LOG_INFO ("The API server's credentials have changed kubeconfig=%s", self->path);
}

// ---- the plugin ----

static kubeconfig_pem_t
ca_of (const api_login_t *self)
{
    const content_t *file = &self->files[FILE_CA];
    return self->config.ca.bytes ? self->config.ca : (kubeconfig_pem_t){ file->bytes, file->size };
}

static void
take_output (api_login_t *self, const char *output, size_t size, fault_t *fault)
{
    exec_credential_t credential = { 0 };
    tree_t *tree = exec_credential_read (output, size, self->config.exec, &credential, fault);
    if (!tree)
        return;
    bool has_certificate = self->credential_tree && self->credential.certificate;
    if (credential.certificate
        && !(has_certificate && strcmp (credential.certificate, self->credential.certificate) == 0))
        self->version++;
    forget_credential (self);
    self->credential_tree = tree;
    self->credential = credential;
    self->plugin_failed_ms = 0;
    renew_authorization (self);
}

static void
on_plugin_done (void *context, const char *output, size_t size, const fault_t *fault)
{
    api_login_t *self = context;
    self->plugin = NULL;
    fault_t reason = { 0 };
    if (fault)
        reason = *fault;
    else
        take_output (self, output, size, &reason);
    if (reason.code != FAULT_NONE) {
        const char *hint = self->config.exec->install_hint;
        self->plugin_failed_ms = clock_monotonic_ms();
        self->plugin_fault = (fault_t){ 0 };
        fault_set (&self->plugin_fault, FAULT_UNAVAILABLE,
                   "getting credentials: exec plugin %s: %s%s%s", self->config.exec->command,
                   reason.text, hint && hint[0] ? "; " : "", hint ? hint : "");
        LOG_ERROR ("The credential plugin failed err=%s", self->plugin_fault.text);
    }
    self->on_change (self->context);
}

/* "NAME=VALUE" for the plugin; what is written in `memory` is freed with it. */
static const char **
plugin_environment (const api_login_t *self, tree_t *memory)
{
    const exec_plugin_t *exec = self->config.exec;
    const char **variables = tree_alloc (memory, (exec->env.count + 2) * sizeof *variables);
    OWNED (free_text) char *info = exec_credential_request (&self->config, ca_of (self));
    for (size_t i = 0; i < exec->env.count; i++) {
        const exec_variable_t *variable = &exec->env.items[i];
        OWNED (free_text)
        char *text = text_format ("%s=%s", variable->name, variable->value ? variable->value : "");
        variables[i] = tree_text (memory, text, strlen (text));
    }
    OWNED (free_text) char *text = text_format ("KUBERNETES_EXEC_INFO=%s", info);
    variables[exec->env.count] = tree_text (memory, text, strlen (text));
    return variables;
}

static void
start_plugin (api_login_t *self)
{
    const exec_plugin_t *exec = self->config.exec;
    OWNED (tree_destroy) tree_t *memory = tree_new();
    const char **arguments = tree_alloc (memory, (exec->args.count + 1) * sizeof *arguments);
    for (size_t i = 0; i < exec->args.count; i++)
        arguments[i] = exec->args.items[i];
    command_options_t options = {
        .file = exec->command,
        .arguments = arguments,
        .environment = plugin_environment (self, memory),
        .timeout_ms = PLUGIN_TIMEOUT_MS,
        .output_limit = PLUGIN_OUTPUT_MAX,
        .on_done = on_plugin_done,
        .context = self,
    };
    fault_t fault = { 0 };
    self->plugin = command_start (self->actor, &options, &fault);
    if (self->plugin)
        return;
    self->plugin_failed_ms = clock_monotonic_ms();
    self->plugin_fault = (fault_t){ 0 };
    fault_set (&self->plugin_fault, FAULT_UNAVAILABLE, "getting credentials: exec plugin %s%s%s",
               fault.text, exec->install_hint ? "; " : "",
               exec->install_hint ? exec->install_hint : "");
}

static bool
has_credential (const api_login_t *self)
{
    return self->credential_tree
           && (self->credential.expires_ns == 0 || self->credential.expires_ns > clock_now_ns());
}

static api_login_state_t
state_of_plugin (api_login_t *self, fault_t *fault)
{
    if (has_credential (self))
        return API_LOGIN_READY;
    bool may_start = self->plugin_failed_ms == 0
                     || clock_monotonic_ms() - self->plugin_failed_ms >= PLUGIN_RETRY_MS;
    if (!self->plugin && may_start)
        start_plugin (self);
    if (self->plugin)
        return API_LOGIN_PENDING;
    *fault = self->plugin_fault;
    return API_LOGIN_FAILED;
}

// ---- public ----

api_login_state_t
api_login_state (api_login_t *self, fault_t *fault)
{
    if (self->looked_ms == 0 || clock_monotonic_ms() - self->looked_ms >= LOOK_EVERY_MS)
        look (self);
    if (self->fault.code != FAULT_NONE) {
        *fault = self->fault;
        return API_LOGIN_FAILED;
    }
    return self->config.exec ? state_of_plugin (self, fault) : API_LOGIN_READY;
}

bool
api_login_refused (api_login_t *self, const char *authorization)
{
    const char *refused = authorization ? authorization : "";
    const char *current = self->authorization ? self->authorization : "";
    if (strcmp (refused, current) != 0)
        return true; // it has been renewed meanwhile
    if (self->config.exec) {
        forget_credential (self);
        renew_authorization (self);
        return true;
    }
    uint64_t version = self->version;
    look (self);
    current = self->authorization ? self->authorization : "";
    return version != self->version || strcmp (refused, current) != 0;
}

static void
look_unasked (void *state, void *context)
{
    (void) state;
    api_login_t *self = context;
    uint64_t version = self->version;
    bool had_failed = self->fault.code != FAULT_NONE;
    look (self);
    bool has_failed = self->fault.code != FAULT_NONE;
    self->timer = actor_timer (self->actor, has_failed ? LOOK_WHILE_FAILED_MS : LOOK_UNASKED_MS,
                               look_unasked, self);
    if (version != self->version || had_failed != has_failed)
        self->on_change (self->context);
}

api_login_t *
api_login_new (actor_t *actor, const char *path, const char *certificate,
               api_login_change_fn *on_change, void *context)
{
    api_login_t *self = memory_new (1, sizeof *self);
    self->actor = actor;
    self->path = text_copy (path);
    self->own = text_copy (certificate);
    self->on_change = on_change;
    self->context = context;
    self->timer = actor_timer (actor, LOOK_WHILE_FAILED_MS, look_unasked, self);
    return self;
}

void
api_login_destroy (api_login_t **self_p)
{
    api_login_t *self = *self_p;
    if (!self)
        return;
    forget_config (self);
    actor_timer_cancel (self->actor, &self->timer);
    free_text (&self->authorization);
    free (self->complaint);
    free (self->path);
    free (self->own);
    free (self);
    *self_p = NULL;
}
