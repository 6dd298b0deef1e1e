#include "credentials.h"
#include "cubelet/clock.h"
#include "cubelet/command.h"
#include "cubelet/credential_plugin.h"
#include "cubelet/image_credentials.h"
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include "cubelet/metrics.h"
#include "docker_config.h"
#include <czmq.h>

#define PLUGIN_TIMEOUT_MS 60000
#define ANSWER_MAX_BYTES (1 << 20)
/* Answers kept at a time; more than a node has images. */
#define CACHE_MAX 1000

struct credentials {
    actor_t *actor;
    tree_t *args; // the providers borrow from it
    const char *root_dir, *bin_dir;
    credential_provider_list_t providers;
    zhashx_t *cache; // answer_t by cache key
};

/* A plugin's answer. */
typedef struct {
    tree_t *keyring;
    int64_t expires_ms;
} answer_t;

/* One plugin at work. */
typedef struct {
    credential_query_t *query;
    const credential_provider_t *provider;
    command_t *command; // NULL: it has ended
    int64_t began_ms;   // monotonic
} run_t;

struct credential_query {
    credentials_t *credentials;
    char *repository;
    tree_t *tree;
    node_t found;   // of Secrets and the node's configuration
    node_t plugins; // keyring of all plugins' answers
    fault_t fault;
    run_t *runs; // one a provider
    size_t pending;
    uint64_t timer;
    credentials_found_fn *on_found;
    void *context;
};

// ---- answers of the past ----

static void
answer_destroy (void **self_p)
{
    answer_t *self = *self_p;
    tree_destroy (&self->keyring);
    free (self);
    *self_p = NULL;
}

static void
forget_expired (credentials_t *self)
{
    OWNED (zlistx_destroy) zlistx_t *keys = zhashx_keys (self->cache);
    for (const char *key = zlistx_first (keys); key; key = zlistx_next (keys)) {
        const answer_t *answer = zhashx_lookup (self->cache, key);
        if (answer->expires_ms <= clock_monotonic_ms())
            zhashx_delete (self->cache, key);
    }
    if (zhashx_size (self->cache) >= CACHE_MAX)
        zhashx_purge (self->cache);
}

static const answer_t *
find_answer (credentials_t *self, const credential_provider_t *provider, const char *repository)
{
    for (int kind = 0; kind < CREDENTIAL_CACHE_KEYS; kind++) {
        OWNED (free_text) char *key = credential_cache_key (provider->name, repository, kind);
        const answer_t *answer = zhashx_lookup (self->cache, key);
        if (answer && answer->expires_ms > clock_monotonic_ms())
            return answer;
    }
    return NULL;
}

static void
keep_answer (credentials_t *self, const credential_response_t *response)
{
    if (response->cache_ns <= 0)
        return;
    forget_expired (self);
    answer_t *answer = memory_new (1, sizeof *answer);
    answer->keyring = tree_copy (&response->keyring);
    answer->expires_ms = clock_monotonic_ms() + response->cache_ns / NS_PER_MS;
    zhashx_delete (self->cache, response->cache_key);
    zhashx_insert (self->cache, response->cache_key, answer);
}

// ---- queries ----

void
credential_query_destroy (credential_query_t **self_p)
{
    credential_query_t *self = *self_p;
    if (!self)
        return;
    for (size_t i = 0; i < self->credentials->providers.count; i++)
        command_destroy (&self->runs[i].command);
    actor_timer_cancel (self->credentials->actor, &self->timer);
    tree_destroy (&self->tree);
    free (self->repository);
    free (self->runs);
    free (self);
    *self_p = NULL;
}

static void
finish (void *state, void *context)
{
    (void) state;
    credential_query_t *self = context;
    self->timer = 0;
    keyring_lookup (&self->plugins, self->repository, self->tree, &self->found);
    self->on_found (self->context, &self->found, self->fault.code ? &self->fault : NULL);
    credential_query_destroy (&self);
}

static void
one_less (credential_query_t *self)
{
    // Later, so that nobody is called from within credentials_find.
    if (--self->pending == 0)
        self->timer = actor_timer (self->credentials->actor, 0, finish, self);
}

static void
add_keyring (credential_query_t *self, const node_t *keyring)
{
    NODE_EACH (keyring, entry)
    node_append (self->tree, &self->plugins, node_copy (self->tree, entry));
}

static void
on_plugin_done (void *context, const char *output, size_t size, const fault_t *fault)
{
    run_t *run = context;
    credential_query_t *self = run->query;
    credential_response_t response = { 0 };
    fault_t bad = fault ? *fault : (fault_t){ 0 };
    run->command = NULL; // it frees itself
    metric_observe (METRIC_CREDENTIAL_PROVIDER_PLUGIN_DURATION,
                    (double) (clock_monotonic_ms() - run->began_ms) / 1000,
                    LABELS (run->provider->name));
    if (fault)
        metric_count (METRIC_CREDENTIAL_PROVIDER_PLUGIN_ERRORS_TOTAL, LABELS (run->provider->name));
    if (!fault
        && credential_response_read (run->provider, self->repository, output, size, self->tree,
                                     &response, &bad)
               == 0) {
        keep_answer (self->credentials, &response);
        add_keyring (self, &response.keyring);
    }
    else
        LOG_WARNING ("Credential provider plugin gives nothing provider=%s image=%s err=%s",
                     run->provider->name, self->repository, bad.text);
    free_text (&response.cache_key);
    one_less (self);
}

/* A text_list_t as an array that ends with NULL. Owned. */
static const char **
terminated (text_list_t list)
{
    const char **array = memory_new (list.count + 1, sizeof *array);
    for (size_t i = 0; i < list.count; i++)
        array[i] = list.items[i];
    return array;
}

static void
run_plugin (run_t *run)
{
    credential_query_t *query = run->query;
    credentials_t *self = query->credentials;
    OWNED (free_text) char *file = text_format ("%s/%s", self->bin_dir, run->provider->name);
    OWNED (free_text) char *input = credential_request (run->provider, query->repository);
    const char **args = terminated (run->provider->args), **env = terminated (run->provider->env);
    command_options_t options = { .file = file,
                                  .arguments = args,
                                  .environment = env,
                                  .input = input,
                                  .timeout_ms = PLUGIN_TIMEOUT_MS,
                                  .output_limit = ANSWER_MAX_BYTES,
                                  .on_done = on_plugin_done,
                                  .context = run };
    fault_t fault = { 0 };
    query->pending++;
    run->began_ms = clock_monotonic_ms();
    run->command = command_start (self->actor, &options, &fault);
    free (args);
    free (env);
    if (!run->command) {
        metric_count (METRIC_CREDENTIAL_PROVIDER_PLUGIN_ERRORS_TOTAL, LABELS (run->provider->name));
        LOG_WARNING ("Credential provider plugin not run provider=%s err=%s", run->provider->name,
                     fault.text);
        one_less (query);
    }
}

static void
ask_plugins (credential_query_t *self)
{
    credentials_t *credentials = self->credentials;
    for (size_t i = 0; i < credentials->providers.count; i++) {
        run_t *run = &self->runs[i];
        run->query = self;
        run->provider = &credentials->providers.items[i];
        if (!credential_provider_matches (run->provider, self->repository))
            continue;
        const answer_t *answer = find_answer (credentials, run->provider, self->repository);
        if (answer)
            add_keyring (self, tree_root (answer->keyring));
        else
            run_plugin (run);
    }
}

/* What is known without asking anybody. */
static void
look_up_known (credential_query_t *self, const node_t *secrets)
{
    node_t of_secrets = node_array(), of_node = node_array();
    NODE_EACH (secrets, secret)
    {
        if (keyring_add_secret (self->tree, &of_secrets, secret, &self->fault) < 0)
            return;
    }
    docker_config_read (self->credentials->root_dir, self->tree, &of_node);
    keyring_lookup (&of_secrets, self->repository, self->tree, &self->found);
    keyring_lookup (&of_node, self->repository, self->tree, &self->found);
}

credential_query_t *
credentials_find (credentials_t *self, const char *repository, const node_t *secrets,
                  credentials_found_fn *on_found, void *context)
{
    credential_query_t *query = memory_new (1, sizeof *query);
    query->credentials = self;
    query->repository = text_copy (repository);
    query->tree = tree_new();
    query->found = node_array();
    query->plugins = node_array();
    query->runs = memory_new (self->providers.count + 1, sizeof *query->runs);
    query->pending = 1; // until all have begun
    query->on_found = on_found;
    query->context = context;
    look_up_known (query, secrets);
    if (!query->fault.code)
        ask_plugins (query);
    one_less (query);
    return query;
}

// ---- the whole ----

credentials_t *
credentials_new (actor_t *actor, const node_t *args, fault_t *fault)
{
    credentials_t *self = memory_new (1, sizeof *self);
    self->actor = actor;
    self->args = tree_copy (args);
    self->cache = zhashx_new();
    zhashx_set_destructor (self->cache, answer_destroy);
    const node_t *root = tree_root (self->args);
    const node_t *providers = node_get (root, "credential_providers");
    self->root_dir = node_get_text (root, "root_dir", NULL);
    self->bin_dir = node_get_text (root, "credential_provider_bin_dir", "");
    if (providers && credential_providers_read (providers, self->args, &self->providers, fault) < 0)
        credentials_destroy (&self);
    return self;
}

void
credentials_destroy (credentials_t **self_p)
{
    credentials_t *self = *self_p;
    if (!self)
        return;
    zhashx_destroy (&self->cache);
    tree_destroy (&self->args);
    free (self);
    *self_p = NULL;
}
