#include "cubelet/credential_plugin.h"
#include "cubelet/duration.h"
#include "cubelet/image_credentials.h"
#include "cubelet/json.h"
#include "cubelet/memory.h"
#include "cubelet/problems.h"
#include <string.h>

#define GROUP "credentialprovider.kubelet.k8s.io/"

static const char *const CACHE_KEY_TYPES[CREDENTIAL_CACHE_KEYS] = { "Image", "Registry", "Global" };

static bool
is_in (const char *const *list, size_t count, const char *text)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp (list[i], text) == 0)
            return true;
    return false;
}

// ---- the configuration ----

static text_list_t
read_texts (const node_t *list, tree_t *tree)
{
    text_list_t out = { .items = tree_alloc (tree, (node_count (list) + 1) * sizeof *out.items) };
    NODE_EACH (list, item)
    out.items[out.count++] = node_as_text (item, "");
    return out;
}

static text_list_t
read_env (const node_t *list, tree_t *tree)
{
    text_list_t out = { .items = tree_alloc (tree, (node_count (list) + 1) * sizeof *out.items) };
    NODE_EACH (list, item)
    {
        node_t pair = node_text_format (tree, "%s=%s", node_get_text (item, "name", ""),
                                        node_get_text (item, "value", ""));
        out.items[out.count++] = node_as_text (&pair, "");
    }
    return out;
}

static void
check_name (problems_t *problems, const path_t *path, const char *name)
{
    const path_t *place = &(path_t){ .parent = path, .name = "name" };
    if (!*name)
        problem_required (problems, place, NULL);
    else if (strpbrk (name, "/ ") || strcmp (name, ".") == 0 || strcmp (name, "..") == 0)
        problem_invalid (problems, place, name,
                         "provider name cannot be '.' or '..' or contain '/' or spaces");
}

static void
read_provider (problems_t *problems, const path_t *path, const node_t *node, tree_t *tree,
               credential_provider_t *out)
{
    static const char *const VERSIONS[] = { GROUP "v1", GROUP "v1beta1", GROUP "v1alpha1" };
    const char *cache = node_get_text (node, "defaultCacheDuration", "");
    fault_t bad = { 0 };
    *out = (credential_provider_t){
        .name = node_get_text (node, "name", ""),
        .match_images = read_texts (node_get (node, "matchImages"), tree),
        .api_version = node_get_text (node, "apiVersion", ""),
        .args = read_texts (node_get (node, "args"), tree),
        .env = read_env (node_get (node, "env"), tree),
    };
    check_name (problems, path, out->name);
    if (!is_in (VERSIONS, COUNT_OF (VERSIONS), out->api_version))
        problem_add (problems, &(path_t){ .parent = path, .name = "apiVersion" },
                     "Unsupported value: \"%s\"", out->api_version);
    if (!out->match_images.count)
        problem_required (problems, &(path_t){ .parent = path, .name = "matchImages" },
                          "at least 1 item must be specified for matchImages");
    const path_t *place = &(path_t){ .parent = path, .name = "defaultCacheDuration" };
    if (!*cache)
        problem_required (problems, place, NULL);
    else if (duration_parse (cache, &out->default_cache_ns, &bad) < 0)
        problem_invalid (problems, place, cache, "must be a duration");
    else if (out->default_cache_ns < 0)
        problem_invalid (problems, place, cache, "must be greater than or equal to 0");
}

int
credential_providers_read (const node_t *config, tree_t *tree, credential_provider_list_t *out,
                           fault_t *fault)
{
    static const char *const VERSIONS[] = { "kubelet.config.k8s.io/v1",
                                            "kubelet.config.k8s.io/v1beta1",
                                            "kubelet.config.k8s.io/v1alpha1" };
    const node_t *providers = node_get (config, "providers");
    if (strcmp (node_get_text (config, "kind", ""), "CredentialProviderConfig") != 0
        || !is_in (VERSIONS, COUNT_OF (VERSIONS), node_get_text (config, "apiVersion", "")))
        return fault_set (fault, FAULT_INVALID,
                          "is no CredentialProviderConfig of kubelet.config.k8s.io/v1");
    problems_t problems = { 0 };
    path_t list = { .name = "providers" };
    if (!node_count (providers))
        problem_required (&problems, &list, "at least 1 item in plugins is required");
    *out = (credential_provider_list_t){
        .items = tree_alloc (tree, (node_count (providers) + 1) * sizeof *out->items),
    };
    NODE_EACH (providers, provider)
    {
        path_t path = { .parent = &list, .index = out->count };
        read_provider (&problems, &path, provider, tree, &out->items[out->count++]);
    }
    return problems_fault (&problems, fault);
}

bool
credential_provider_matches (const credential_provider_t *provider, const char *repository)
{
    for (size_t i = 0; i < provider->match_images.count; i++)
        if (registry_matches (provider->match_images.items[i], repository))
            return true;
    return false;
}

// ---- question and answer ----

char *
credential_request (const credential_provider_t *provider, const char *repository)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t request = node_map();
    node_set_text (tree, &request, "kind", "CredentialProviderRequest");
    node_set_text (tree, &request, "apiVersion", provider->api_version);
    node_set_text (tree, &request, "image", repository);
    return json_write (&request, JSON_COMPACT, NULL);
}

char *
credential_cache_key (const char *provider, const char *repository, int kind)
{
    int registry = (int) strcspn (repository, "/");
    switch (kind) {
    case 0: return text_format ("%s image %s", provider, repository);
    case 1: return text_format ("%s registry %.*s", provider, registry, repository);
    default: return text_format ("%s", provider);
    }
}

/* How long the answer may be kept: what it says, else the provider's default. */
static int
read_duration (const credential_provider_t *provider, const node_t *response, int64_t *out,
               fault_t *fault)
{
    const char *text = node_get_text (response, "cacheDuration", NULL);
    *out = provider->default_cache_ns;
    if (text && duration_parse (text, out, fault) < 0)
        return fault_set (fault, FAULT_INVALID, "cacheDuration is no duration");
    if (*out < 0)
        *out = 0;
    return 0;
}

int
credential_response_read (const credential_provider_t *provider, const char *repository,
                          const char *bytes, size_t size, tree_t *tree, credential_response_t *out,
                          fault_t *fault)
{
    fault_t bad = { 0 };
    OWNED (tree_destroy) tree_t *answer = json_read (bytes, size, &bad);
    const node_t *response = tree_root (answer);
    *out = (credential_response_t){ .keyring = node_array() };
    if (!answer)
        return fault_set (fault, FAULT_INVALID, "its answer is not JSON");
    if (strcmp (node_get_text (response, "kind", ""), "CredentialProviderResponse") != 0
        || strcmp (node_get_text (response, "apiVersion", ""), provider->api_version) != 0)
        return fault_set (fault, FAULT_INVALID, "its answer is no CredentialProviderResponse of %s",
                          provider->api_version);
    int kind = 0;
    const char *type = node_get_text (response, "cacheKeyType", "");
    while (kind < CREDENTIAL_CACHE_KEYS && strcmp (CACHE_KEY_TYPES[kind], type) != 0)
        kind++;
    if (kind == CREDENTIAL_CACHE_KEYS)
        return fault_set (fault, FAULT_INVALID, "its answer has no cacheKeyType that is known");
    if (read_duration (provider, response, &out->cache_ns, fault) < 0)
        return -1;
    const node_t *auth = node_get (response, "auth");
    if (auth && keyring_add_config (tree, &out->keyring, auth, true, fault) < 0)
        return -1;
    out->cache_key = credential_cache_key (provider->name, repository, kind);
    return 0;
}
