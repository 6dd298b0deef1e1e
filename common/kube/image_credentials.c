#include "cubelet/image_credentials.h"
#include "cubelet/base64.h"
#include "cubelet/json.h"
#include "cubelet/memory.h"
#include <fnmatch.h>
#include <string.h>

#define DOCKER_REGISTRY "index.docker.io"

// ---- names of registries ----

/* The parts of "host.name:port/path"; sizes without a NUL. */
typedef struct {
    const char *host, *port, *path;
    size_t host_size, port_size;
} location_t;

static location_t
split (const char *text)
{
    location_t self = { .host = text };
    size_t size = strcspn (text, "/");
    self.path = text + size;
    const char *colon = memrchr (text, ':', size);
    self.host_size = colon ? (size_t) (colon - text) : size;
    self.port = colon ? colon + 1 : self.path;
    self.port_size = colon ? size - self.host_size - 1 : 0;
    return self;
}

static size_t
label_size (const char *at, const char *end)
{
    const char *dot = memchr (at, '.', (size_t) (end - at));
    return dot ? (size_t) (dot - at) : (size_t) (end - at);
}

/* Compares label by label: a star does not reach over a dot. */
static bool
host_matches (const location_t *glob, const location_t *target)
{
    const char *a = glob->host, *b = target->host;
    const char *a_end = a + glob->host_size, *b_end = b + target->host_size;
    for (;;) {
        size_t a_size = label_size (a, a_end), b_size = label_size (b, b_end);
        OWNED (free_text) char *pattern = text_format ("%.*s", (int) a_size, a);
        OWNED (free_text) char *label = text_format ("%.*s", (int) b_size, b);
        if (fnmatch (pattern, label, 0) != 0)
            return false;
        a += a_size;
        b += b_size;
        if (a == a_end || b == b_end)
            return a == a_end && b == b_end;
        a++;
        b++;
    }
}

bool
registry_matches (const char *glob, const char *image)
{
    location_t pattern = split (glob), target = split (image);
    return pattern.port_size == target.port_size
           && memcmp (pattern.port, target.port, target.port_size) == 0
           && strncmp (target.path, pattern.path, strlen (pattern.path)) == 0
           && host_matches (&pattern, &target);
}

/* The key of a registry as a configuration writes it: no scheme, and docker's "/v1/" and "/v2/"
   mean the registry as a whole. Owned. */
static char *
registry_key (const char *written)
{
    static const char *const SCHEMES[] = { "https://", "http://" };
    for (size_t i = 0; i < COUNT_OF (SCHEMES); i++)
        if (strncmp (written, SCHEMES[i], strlen (SCHEMES[i])) == 0)
            written += strlen (SCHEMES[i]);
    size_t host = strcspn (written, "/");
    const char *path = written + host;
    if (strncmp (path, "/v1/", 4) == 0 || strncmp (path, "/v2/", 4) == 0)
        path += 3;
    if (strcmp (path, "/") == 0)
        path = "";
    return text_format ("%.*s%s", (int) host, written, path);
}

/* True for images of docker's own registry, named or not. */
static bool
is_of_docker (const char *repository)
{
    size_t first = strcspn (repository, "/");
    if (!repository[first])
        return true;
    OWNED (free_text) char *host = text_format ("%.*s", (int) first, repository);
    return strcmp (host, "docker.io") == 0 || strcmp (host, DOCKER_REGISTRY) == 0
           || !strpbrk (host, ".:");
}

// ---- reading configurations ----

static int
add (tree_t *tree, node_t *keyring, const char *registry, const char *username,
     const char *password)
{
    OWNED (free_text) char *key = registry_key (registry);
    node_t entry = node_map();
    node_set_text (tree, &entry, "registry", key);
    node_set_text (tree, &entry, "username", username);
    node_set_text (tree, &entry, "password", password);
    node_append (tree, keyring, entry);
    return 0;
}

/* base64 of "USER:PASSWORD", padded or not. Owned, or NULL. */
static char *
decode_auth (const char *auth)
{
    size_t length = strcspn (auth, " \r\n\t"), size = 0;
    size_t missing = (4 - length % 4) % 4;
    OWNED (free_text)
    char *padded = text_format ("%.*s%.*s", (int) length, auth, (int) missing, "===");
    char *decoded = base64_decode (padded, &size);
    if (decoded && strchr (decoded, ':'))
        return decoded;
    free (decoded);
    return NULL;
}

static int
add_entry (tree_t *tree, node_t *keyring, const char *registry, const node_t *entry, fault_t *fault)
{
    const char *auth = node_get_text (entry, "auth", "");
    if (!node_is_map (entry))
        return fault_set (fault, FAULT_INVALID, "%s: must be an object", registry);
    if (!*auth)
        return add (tree, keyring, registry, node_get_text (entry, "username", ""),
                    node_get_text (entry, "password", ""));
    OWNED (free_text) char *pair = decode_auth (auth);
    if (!pair)
        return fault_set (fault, FAULT_INVALID,
                          "%s: unable to parse auth field, must be formatted as "
                          "base64(username:password)",
                          registry);
    char *colon = strchr (pair, ':');
    *colon = '\0';
    return add (tree, keyring, registry, pair, colon + 1);
}

int
keyring_add_config (tree_t *tree, node_t *keyring, const node_t *config, bool is_old,
                    fault_t *fault)
{
    const node_t *entries = is_old ? config : node_get (config, "auths");
    if (!node_is_map (config))
        return fault_set (fault, FAULT_INVALID, "must be an object");
    for (size_t i = 0; node_is_map (entries) && i < node_count (entries); i++)
        if (add_entry (tree, keyring, node_key_at (entries, i), node_value_at (entries, i), fault)
            < 0)
            return -1;
    return 0;
}

int
keyring_add_secret (tree_t *tree, node_t *keyring, const node_t *secret, fault_t *fault)
{
    static const struct {
        const char *type, *key;
        bool is_old;
    } TYPES[] = {
        { "kubernetes.io/dockerconfigjson", ".dockerconfigjson", false },
        { "kubernetes.io/dockercfg", ".dockercfg", true },
    };
    for (size_t i = 0; i < COUNT_OF (TYPES); i++) {
        const char *data = node_as_text (node_at (secret, "data", TYPES[i].key, NULL), "");
        if (strcmp (node_get_text (secret, "type", ""), TYPES[i].type) != 0 || !*data)
            continue;
        size_t size = 0;
        fault_t bad = { 0 };
        const char *name = node_as_text (node_at (secret, "metadata", "name", NULL), "");
        OWNED (free_text) char *bytes = base64_decode (data, &size);
        OWNED (tree_destroy) tree_t *config = bytes ? json_read (bytes, size, &bad) : NULL;
        if (!config) // what the reader has against it may quote the content
            return fault_set (fault, FAULT_INVALID, "secret %s: %s is not JSON", name,
                              TYPES[i].key);
        if (keyring_add_config (tree, keyring, tree_root (config), TYPES[i].is_old, fault) < 0)
            return fault_wrap (fault, "secret %s: %s", name, TYPES[i].key);
    }
    return 0;
}

// ---- looking up ----

/* Puts an entry behind those that come before it: registries in reverse order, so that longer
   paths come first. */
static void
insert (node_t *sorted, size_t count, const node_t *entry)
{
    node_t *items = sorted->via.array.ptr;
    size_t place = count;
    while (place > 0
           && strcmp (node_get_text (&items[place - 1], "registry", ""),
                      node_get_text (entry, "registry", ""))
                  < 0) {
        items[place] = items[place - 1];
        place--;
    }
    items[place] = *entry;
}

static void
append_found (const node_t *entry, tree_t *tree, node_t *found)
{
    node_t pair = node_map();
    node_set_text (tree, &pair, "username", node_get_text (entry, "username", ""));
    node_set_text (tree, &pair, "password", node_get_text (entry, "password", ""));
    node_append (tree, found, pair);
}

void
keyring_lookup (const node_t *keyring, const char *repository, tree_t *tree, node_t *found)
{
    size_t count = 0;
    node_t sorted = node_array_sized (tree, node_count (keyring));
    NODE_EACH (keyring, entry)
    {
        if (registry_matches (node_get_text (entry, "registry", ""), repository))
            insert (&sorted, count++, entry);
    }
    for (size_t i = 0; i < count; i++)
        append_found (node_item (&sorted, i), tree, found);
    NODE_EACH (keyring, entry)
    {
        if (count == 0 && is_of_docker (repository)
            && strcmp (node_get_text (entry, "registry", ""), DOCKER_REGISTRY) == 0)
            append_found (entry, tree, found);
    }
}
