#include "cubelet/node_access.h"
#include "cubelet/base64.h"
#include "cubelet/go_text.h"
#include "cubelet/json.h"
#include "cubelet/memory.h"
#include <sha2.h>
#include <string.h>
#include <strings.h>

#define AUTHENTICATED "system:authenticated"
#define CREDENTIAL_ID "authentication.kubernetes.io/credential-id"

// ---- users ----

static void
add_group (tree_t *tree, node_t *groups, const char *name)
{
    NODE_EACH (groups, group)
    if (strcmp (node_as_text (group, ""), name) == 0)
        return;
    node_append (tree, groups, node_text (tree, name));
}

tree_t *
user_new (const char *name, const node_t *groups, const char *credential_id)
{
    tree_t *tree = tree_new();
    node_t user = node_map(), all = node_array();
    node_set_text (tree, &user, "username", name);
    NODE_EACH (groups, group)
    node_append (tree, &all, node_text (tree, node_as_text (group, "")));
    add_group (tree, &all, AUTHENTICATED);
    node_set (tree, &user, "groups", all);
    if (credential_id) {
        node_t ids = node_array(), extra = node_map();
        node_append (tree, &ids, node_text (tree, credential_id));
        node_set (tree, &extra, CREDENTIAL_ID, ids);
        node_set (tree, &user, "extra", extra);
    }
    *tree_root (tree) = user;
    return tree;
}

tree_t *
user_anonymous (void)
{
    tree_t *tree = tree_new();
    node_t user = node_map(), groups = node_array();
    node_append (tree, &groups, node_text (tree, "system:unauthenticated"));
    node_set_text (tree, &user, "username", "system:anonymous");
    node_set (tree, &user, "groups", groups);
    *tree_root (tree) = user;
    return tree;
}

static const node_t *
root_of (const tree_t *user)
{
    return tree_root ((tree_t *) user); // read only
}

const char *
user_name (const tree_t *user)
{
    return node_get_text (root_of (user), "username", "");
}

// ---- tokens ----

char *
bearer_token (const char *header)
{
    static const char BEARER[] = "bearer";
    header += strspn (header, " \t");
    size_t size = strcspn (header, " ");
    if (size != strlen (BEARER) || strncasecmp (header, BEARER, size) != 0)
        return NULL;
    header += size;
    header += strspn (header, " ");
    size = strcspn (header, " ");
    return size ? text_format ("%.*s", (int) size, header) : NULL;
}

#define WEBSOCKET_TOKEN "base64url.bearer.authorization.k8s.io."

/* Base64 as in URLs, without padding. Owned text; NULL when it is none. */
static char *
decode_url (const char *text, size_t size)
{
    OWNED (free_text) char *padded = memory_new (size + 4, 1);
    for (size_t i = 0; i < size; i++)
        padded[i] = text[i] == '-' ? '+' : text[i] == '_' ? '/' : text[i];
    for (; size % 4; size++)
        padded[size] = '=';
    size_t got = 0;
    OWNED (free_text) char *bytes = base64_decode (padded, &got);
    return bytes && got > 0 && strlen (bytes) == got ? STEAL (bytes) : NULL;
}

/* Calls for each entry of a list "a, b". */
typedef void entry_fn (const char *entry, size_t size, void *context);

static void
each_protocol (const char *protocols, entry_fn *take, void *context)
{
    for (const char *at = protocols; *at;) {
        at += strspn (at, ", \t");
        size_t size = strcspn (at, ",");
        const char *next = at + size;
        while (size && strchr (" \t", at[size - 1]))
            size--;
        if (size)
            take (at, size, context);
        at = next;
    }
}

static bool
is_token_entry (const char *entry, size_t size)
{
    return size > strlen (WEBSOCKET_TOKEN)
           && strncmp (entry, WEBSOCKET_TOKEN, strlen (WEBSOCKET_TOKEN)) == 0;
}

static void
take_token (const char *entry, size_t size, void *context)
{
    char **token_p = context;
    size_t prefix = strlen (WEBSOCKET_TOKEN);
    if (!*token_p && is_token_entry (entry, size))
        *token_p = decode_url (entry + prefix, size - prefix);
}

char *
websocket_token (const char *protocols)
{
    char *token = NULL;
    each_protocol (protocols, take_token, &token);
    return token;
}

static void
take_other (const char *entry, size_t size, void *context)
{
    char **list_p = context;
    if (!is_token_entry (entry, size))
        text_replace (list_p, "%s%s%.*s", *list_p, (*list_p)[0] ? ", " : "", (int) size, entry);
}

char *
websocket_protocols_without_token (const char *protocols)
{
    char *list = text_copy ("");
    each_protocol (protocols, take_other, &list);
    return list;
}

static node_t
review_of (tree_t *tree, const char *version, const char *kind, node_t spec)
{
    node_t review = node_map();
    node_set_text (tree, &review, "kind", kind);
    node_set_text (tree, &review, "apiVersion", version);
    node_set (tree, &review, "spec", spec);
    return review;
}

node_t
token_review (tree_t *tree, const char *token)
{
    node_t spec = node_map();
    node_set_text (tree, &spec, "token", token);
    return review_of (tree, "authentication.k8s.io/v1", "TokenReview", spec);
}

/* A review is created (201) and not stored. */
static int
check_code (int64_t code, const node_t *answer, fault_t *fault)
{
    if (code >= 200 && code < 300)
        return 0;
    return fault_set (fault, FAULT_UNAVAILABLE, "the API server answered %lld: %s",
                      (long long) code, node_get_text (answer, "message", "(no message)"));
}

tree_t *
token_review_user (int64_t code, const node_t *answer, fault_t *fault)
{
    if (check_code (code, answer, fault) < 0)
        return NULL;
    const node_t *status = node_get (answer, "status");
    const node_t *user = node_get (status, "user");
    const char *name = node_get_text (user, "username", "");
    if (!node_get_bool (status, "authenticated", false) || !name[0]) {
        fault_set (fault, FAULT_UNAUTHENTICATED, "token: %s",
                   node_get_text (status, "error", "it is not valid"));
        return NULL;
    }
    tree_t *tree = user_new (name, node_get (user, "groups"), NULL);
    node_t *root = tree_root (tree);
    node_set_text (tree, root, "uid", node_get_text (user, "uid", NULL));
    if (node_get (user, "extra"))
        node_set (tree, root, "extra", node_copy (tree, node_get (user, "extra")));
    return tree;
}

// ---- attributes ----

/* The first that fits counts; `fine` counts only with the gate. */
static const struct {
    const char *path;
    const char *fine, *coarse;
} SUBRESOURCES[] = {
    { "/stats", NULL, "stats" },        { "/metrics", NULL, "metrics" },
    { "/logs", NULL, "log" },           { "/checkpoint", NULL, "checkpoint" },
    { "/statusz", NULL, "statusz" },    { "/flagz", NULL, "configz" },
    { "/pods", "pods", "proxy" },       { "/runningpods", "pods", "proxy" },
    { "/healthz", "healthz", "proxy" }, { "/configz", "configz", "proxy" },
};

static bool
is_below (const char *path, const char *root)
{
    size_t size = strlen (root);
    return strncmp (path, root, size) == 0 && (path[size] == '\0' || path[size] == '/');
}

subresources_t
access_subresources (const char *path, bool is_fine_grained)
{
    subresources_t found = { .names = { "proxy" }, .count = 1 };
    for (size_t i = 0; i < COUNT_OF (SUBRESOURCES); i++) {
        if (!is_below (path, SUBRESOURCES[i].path))
            continue;
        found.count = 0;
        if (SUBRESOURCES[i].fine && is_fine_grained)
            found.names[found.count++] = SUBRESOURCES[i].fine;
        found.names[found.count++] = SUBRESOURCES[i].coarse;
        break;
    }
    return found;
}

const char *
access_verb (const char *method)
{
    static const struct {
        const char *method, *verb;
    } VERBS[] = {
        { "GET", "get" },     { "POST", "create" },   { "PUT", "update" },
        { "PATCH", "patch" }, { "DELETE", "delete" },
    };
    for (size_t i = 0; i < COUNT_OF (VERBS); i++)
        if (strcmp (VERBS[i].method, method) == 0)
            return VERBS[i].verb;
    return "";
}

node_t
access_review (tree_t *tree, const tree_t *user, const char *verb, const char *node_name,
               const char *subresource)
{
    static const char *const TAKEN[] = { "groups", "extra" };
    const node_t *who = root_of (user);
    node_t attributes = node_map(), spec = node_map();
    node_set_text (tree, &attributes, "verb", verb);
    node_set_text (tree, &attributes, "version", "v1");
    node_set_text (tree, &attributes, "resource", "nodes");
    node_set_text (tree, &attributes, "subresource", subresource);
    node_set_text (tree, &attributes, "name", node_name);
    node_set (tree, &spec, "resourceAttributes", attributes);
    node_set_text (tree, &spec, "user", user_name (user));
    node_set_text (tree, &spec, "uid", node_get_text (who, "uid", NULL));
    for (size_t i = 0; i < COUNT_OF (TAKEN); i++)
        if (node_get (who, TAKEN[i]))
            node_set (tree, &spec, TAKEN[i], node_copy (tree, node_get (who, TAKEN[i])));
    return review_of (tree, "authorization.k8s.io/v1", "SubjectAccessReview", spec);
}

int
access_review_allowed (int64_t code, const node_t *answer, bool *is_allowed, fault_t *fault)
{
    if (check_code (code, answer, fault) < 0)
        return -1;
    const node_t *status = node_get (answer, "status");
    if (!node_is_map (status))
        return fault_set (fault, FAULT_UNAVAILABLE, "the review came back without a status");
    *is_allowed =
        node_get_bool (status, "allowed", false) && !node_get_bool (status, "denied", false);
    return 0;
}

static char *
refusal (const char *what, const tree_t *user, const char *verb, const subresources_t *tried)
{
    OWNED (free_text) char *list = go_list (tried->names, tried->count);
    return text_format ("%s (user=%s, verb=%s, resource=nodes, subresource(s)=%s)", what,
                        user_name (user), verb, list);
}

char *
access_denied_text (const tree_t *user, const char *verb, const subresources_t *tried)
{
    return refusal ("Forbidden", user, verb, tried);
}

char *
access_error_text (const tree_t *user, const char *verb, const subresources_t *tried)
{
    return refusal ("Authorization error", user, verb, tried);
}

// ---- caches ----

char *
access_digest (const char *text, char out[static ACCESS_DIGEST_MAX])
{
    SHA256Data ((const uint8_t *) text, strlen (text), out);
    return out;
}

char *
access_review_digest (const node_t *review, char out[static ACCESS_DIGEST_MAX])
{
    OWNED (free_text) char *json = json_write (review, JSON_COMPACT, NULL);
    return access_digest (json, out);
}
