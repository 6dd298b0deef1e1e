#include "cubelet/static_pod.h"
#include "cubelet/clock.h"
#include "cubelet/duration.h"
#include "cubelet/json.h"
#include "cubelet/memory.h"
#include "cubelet/pod_defaults.h"
#include "cubelet/pod_validate.h"
#include <ctype.h>
#include <md5.h>
#include <stdio.h>
#include <string.h>

#define UID_BYTES 16
#define UID_GIVEN_MAX 128 // it becomes part of paths and of an actor's name

/* Set by an API server; they mean nothing in a file. */
static const char *const SERVER_FIELDS[] = { "generateName",      "selfLink",
                                             "resourceVersion",   "generation",
                                             "managedFields",     "creationTimestamp",
                                             "deletionTimestamp", "deletionGracePeriodSeconds",
                                             "ownerReferences",   "finalizers" };

// ---- the uid ----

static int
compare_keys (const void *a, const void *b)
{
    const msgpack_object_kv *left = a, *right = b;
    return strcmp (node_as_text (&left->key, ""), node_as_text (&right->key, ""));
}

// Orders every map below by key, so that equal documents read equal.
static void
sort_keys (node_t *node)
{
    if (node_is_array (node))
        for (uint32_t i = 0; i < node->via.array.size; i++)
            sort_keys (&node->via.array.ptr[i]);
    if (!node_is_map (node) || node->via.map.size == 0)
        return;
    qsort (node->via.map.ptr, node->via.map.size, sizeof *node->via.map.ptr, compare_keys);
    for (uint32_t i = 0; i < node->via.map.size; i++)
        sort_keys (&node->via.map.ptr[i].val);
}

static node_t
hashed_uid (tree_t *tree, const node_t *document, const static_pod_options_t *options)
{
    OWNED (tree_destroy) tree_t *sorted = tree_copy (document);
    sort_keys (tree_root (sorted));
    OWNED (free_text) char *dump = json_write (tree_root (sorted), JSON_COMPACT, NULL);
    bool is_file = strcmp (options->source, "file") == 0;
    OWNED (free_text)
    char *text = is_file
                     ? text_format ("host:%sfile:%s%s", options->node_name, options->location, dump)
                     : text_format ("url:%s%s", options->location, dump);
    uint8_t digest[MD5_DIGEST_LENGTH];
    MD5_CTX md5;
    MD5Init (&md5);
    MD5Update (&md5, (const uint8_t *) text, strlen (text));
    MD5Final (digest, &md5);
    char hex[2 * UID_BYTES + 1];
    for (size_t i = 0; i < UID_BYTES; i++)
        snprintf (hex + 2 * i, 3, "%02x", digest[i]);
    return node_text (tree, hex);
}

static int
check_uid (const char *uid, fault_t *fault)
{
    size_t size = strlen (uid);
    for (size_t i = 0; i < size; i++)
        if (!isalnum ((unsigned char) uid[i]) && uid[i] != '-')
            return fault_set (fault, FAULT_INVALID,
                              "metadata.uid: Invalid value: \"%s\": must consist of alphanumeric "
                              "characters and '-'",
                              uid);
    if (size > UID_GIVEN_MAX)
        return fault_set (fault, FAULT_INVALID,
                          "metadata.uid: Too long: may not be more than %d bytes", UID_GIVEN_MAX);
    return 0;
}

// ---- what it must be ----

static int
check_kind (const node_t *document, fault_t *fault)
{
    const char *kind = node_get_text (document, "kind", "");
    const char *version = node_get_text (document, "apiVersion", "");
    if (!node_is_map (document))
        return fault_set (fault, FAULT_INVALID, "is not an object, only a v1 Pod is supported");
    if (!*kind)
        return fault_set (fault, FAULT_INVALID, "kind: Required value: must be Pod");
    if (!*version)
        return fault_set (fault, FAULT_INVALID, "apiVersion: Required value: must be v1");
    if (strcmp (kind, "Pod") != 0)
        return fault_set (fault, FAULT_INVALID,
                          "kind: Unsupported value: \"%s\": only a Pod may stand here", kind);
    if (strcmp (version, "v1") != 0)
        return fault_set (fault, FAULT_INVALID,
                          "apiVersion: Unsupported value: \"%s\": a Pod is of apiVersion v1",
                          version);
    return 0;
}

// ---- building it ----

static void
add_toleration (tree_t *tree, node_t *spec)
{
    node_t toleration = node_map();
    node_set_text (tree, &toleration, "operator", "Exists");
    node_set_text (tree, &toleration, "effect", "NoExecute");
    node_t all = node_array();
    NODE_EACH (node_get (spec, "tolerations"), given)
    {
        if (node_equal (given, &toleration))
            return;
        node_append (tree, &all, *given);
    }
    node_append (tree, &all, toleration);
    node_set (tree, spec, "tolerations", all);
}

// RFC 3339 with always nine digits of fraction, as the recordings have it.
static node_t
seen_text (tree_t *tree, int64_t seen_ns)
{
    char seconds[TIME_TEXT_MAX];
    time_text (seen_ns, seconds);
    return node_text_format (tree, "%.*s.%09lldZ", (int) strcspn (seconds, "Z"), seconds,
                             (long long) (seen_ns % NS_PER_S));
}

static void
build_metadata (tree_t *tree, node_t *metadata, node_t uid, const static_pod_options_t *options)
{
    for (size_t i = 0; i < COUNT_OF (SERVER_FIELDS); i++)
        node_remove (metadata, SERVER_FIELDS[i]);
    OWNED (free_text)
    char *name = text_format ("%s-%s", node_get_text (metadata, "name", ""), options->node_name);
    size_t start = strlen (name) - strlen (options->node_name);
    for (char *at = name + start; *at; at++)
        *at = (char) tolower ((unsigned char) *at);
    node_set_text (tree, metadata, "name", name);
    if (!*node_get_text (metadata, "namespace", ""))
        node_set_text (tree, metadata, "namespace", "default");
    node_set (tree, metadata, "uid", uid);

    const node_t *given = node_get (metadata, "annotations");
    node_t annotations = node_is_map (given) ? *given : node_map();
    node_set (tree, &annotations, "kubernetes.io/config.hash", uid);
    node_set (tree, &annotations, "kubernetes.io/config.seen", seen_text (tree, options->seen_ns));
    node_set_text (tree, &annotations, "kubernetes.io/config.source", options->source);
    node_set (tree, metadata, "annotations", annotations);
}

static int
build (tree_t *tree, const node_t *document, const static_pod_options_t *options, node_t *pod,
       fault_t *fault)
{
    pod_t decoded; // decoded early for the types of what is read below
    *pod = node_copy (tree, document);
    pod_apply_defaults (tree, pod);
    if (pod_decode (pod, tree, &decoded, fault) < 0)
        return -1;
    const char *uid = decoded.metadata.uid;
    if (!decoded.metadata.name || !*decoded.metadata.name)
        return fault_set (fault, FAULT_INVALID, "name is needed for the pod");
    if (!node_get (pod, "spec"))
        return fault_set (fault, FAULT_INVALID, "spec: Required value");
    if (uid && *uid && check_uid (uid, fault) < 0)
        return -1;
    node_t final_uid = uid && *uid ? node_text (tree, uid) : hashed_uid (tree, document, options);

    node_remove (pod, "apiVersion");
    node_remove (pod, "kind");
    build_metadata (tree, node_get_mutable (pod, "metadata"), final_uid, options);
    node_t *spec = node_get_mutable (pod, "spec");
    node_set_text (tree, spec, "nodeName", options->node_name);
    if (strcmp (options->source, "file") == 0)
        add_toleration (tree, spec);
    node_t status = node_map();
    node_set_text (tree, &status, "phase", "Pending");
    node_set (tree, pod, "status", status);
    if (pod_decode (pod, tree, &decoded, fault) < 0 || pod_validate (&decoded, fault) < 0)
        return -1;
    return 0;
}

int
static_pod_build (tree_t *tree, const node_t *document, const static_pod_options_t *options,
                  node_t *pod, fault_t *fault)
{
    if (check_kind (document, fault) < 0)
        return -1;
    if (build (tree, document, options, pod, fault) < 0)
        return fault_wrap (fault, "invalid pod");
    pod_t decoded;
    if (pod_decode (pod, tree, &decoded, fault) < 0)
        return -1;
    const char *reference = pod_api_reference (&decoded, options->allow_api_references);
    if (reference)
        return fault_set (fault, FAULT_INVALID, "static pods may not reference %s", reference);
    return 0;
}
