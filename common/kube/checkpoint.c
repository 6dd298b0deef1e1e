#include "cubelet/checkpoint.h"
#include "cubelet/memory.h"
#include "cubelet/pod.h"
#include "cubelet/pod_objects.h"
#include <sha2.h>
#include <string.h>

#define HASH_DIGITS 32 // of the SHA-256 in a file's name
#define UID_MAX 64
#define UID_LETTERS "-0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define TOKEN_PREFIX CHECKPOINT_TOKEN "_"

static const char *const SECRET_KINDS[] = { KIND_SECRET, CHECKPOINT_TOKEN };

/* Of the node itself, whatever its pods are; there is one of each. */
static const char *const NODE_KINDS[] = { "Node", CHECKPOINT_SERVICES, CHECKPOINT_RUNTIME_CLASSES };

static bool
is_same (const char *a, const char *b)
{
    return strcmp (a, b) == 0;
}

bool
checkpoint_is_secret (const char *kind)
{
    for (size_t i = 0; i < COUNT_OF (SECRET_KINDS); i++)
        if (is_same (SECRET_KINDS[i], kind))
            return true;
    return false;
}

bool
checkpoint_counts_after (int code)
{
    return code == 0 || code == 429 || (code >= 500 && code <= 599);
}

// ---- names ----

static bool
is_name_part (const char *uid)
{
    size_t length = strlen (uid);
    for (size_t i = 0; i < length; i++)
        if (!strchr (UID_LETTERS, uid[i]))
            return false;
    return length > 0 && length <= UID_MAX;
}

char *
checkpoint_file (const char *kind, const char *namespace, const char *name, const char *uid)
{
    bool is_token = is_same (kind, CHECKPOINT_TOKEN);
    if (is_token && !is_name_part (uid))
        return NULL;
    OWNED (free_text) char *whole = text_format ("%s\n%s\n%s", kind, namespace, name);
    char hash[SHA256_DIGEST_STRING_LENGTH];
    SHA256Data ((const uint8_t *) whole, strlen (whole), hash);
    hash[HASH_DIGITS] = '\0';
    return text_format ("%s_%s%s%s", kind, is_token ? uid : "", is_token ? "_" : "", hash);
}

char *
checkpoint_bound (const checkpoint_t *record)
{
    return text_format ("%d\n%s\n%s\n%s\n%s\n%lld", CHECKPOINT_VERSION, record->kind,
                        record->namespace, record->uid, record->name, (long long) record->first_ns);
}

// ---- bytes ----

/* Over everything that the file says, the bytes last. */
static void
sum_of (const checkpoint_t *record, uint8_t sum[SHA256_DIGEST_LENGTH])
{
    OWNED (free_text) char *bound = checkpoint_bound (record);
    const char *sealed = record->is_sealed ? "sealed" : "plain";
    SHA2_CTX context;
    SHA256Init (&context);
    SHA256Update (&context, (const uint8_t *) bound, strlen (bound) + 1);
    SHA256Update (&context, (const uint8_t *) sealed, strlen (sealed) + 1);
    SHA256Update (&context, (const uint8_t *) record->bytes, record->size);
    SHA256Final (sum, &context);
}

char *
checkpoint_pack (const checkpoint_t *record, size_t *size_p)
{
    uint8_t sum[SHA256_DIGEST_LENGTH];
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t map = node_map();
    sum_of (record, sum);
    node_set_int (tree, &map, "version", CHECKPOINT_VERSION);
    node_set_text (tree, &map, "kind", record->kind);
    node_set_text (tree, &map, "namespace", record->namespace);
    node_set_text (tree, &map, "name", record->name);
    node_set_text (tree, &map, "uid", record->uid);
    node_set_int (tree, &map, "first_ns", record->first_ns);
    node_set_bool (tree, &map, "sealed", record->is_sealed);
    node_set (tree, &map, "object", node_bytes (tree, record->bytes, record->size));
    node_set (tree, &map, "sum", node_bytes (tree, sum, sizeof sum));
    return node_pack (&map, size_p);
}

static int
check (const checkpoint_t *record, const node_t *map, const char *file, fault_t *fault)
{
    uint8_t sum[SHA256_DIGEST_LENGTH];
    size_t size;
    const char *given = node_as_bytes (node_get (map, "sum"), &size);
    if (!node_get (map, "sealed") || !node_get (map, "first_ns"))
        return fault_set (fault, FAULT_INVALID, "it is not complete");
    sum_of (record, sum);
    if (size != sizeof sum || memcmp (given, sum, sizeof sum) != 0)
        return fault_set (fault, FAULT_INVALID, "the sum is wrong");
    OWNED (free_text)
    char *name = checkpoint_file (record->kind, record->namespace, record->name, record->uid);
    if (!name || !is_same (name, file))
        return fault_set (fault, FAULT_INVALID, "it belongs under another name");
    if (checkpoint_is_secret (record->kind) != record->is_sealed)
        return fault_set (fault, FAULT_INVALID, "%s must%s be sealed", record->kind,
                          record->is_sealed ? " not" : "");
    return 0;
}

int
checkpoint_unpack (const char *bytes, size_t size, const char *file, tree_t *tree,
                   checkpoint_t *record, fault_t *fault)
{
    OWNED (tree_destroy) tree_t *read = tree_unpack (bytes, size, fault);
    if (!read)
        return -1;
    const node_t *root = tree_root (read);
    if (node_get_int (root, "version", 0) != CHECKPOINT_VERSION)
        return fault_set (fault, FAULT_INVALID, "no checkpoint of version %d", CHECKPOINT_VERSION);
    node_t map = node_copy (tree, root);
    *record = (checkpoint_t){
        .kind = node_get_text (&map, "kind", ""),
        .namespace = node_get_text (&map, "namespace", ""),
        .name = node_get_text (&map, "name", ""),
        .uid = node_get_text (&map, "uid", ""),
        .first_ns = node_get_int (&map, "first_ns", 0),
        .is_sealed = node_get_bool (&map, "sealed", false),
    };
    record->bytes = node_as_bytes (node_get (&map, "object"), &record->size);
    return check (record, &map, file, fault);
}

// ---- what is wanted ----

static void
want (tree_t *tree, node_t *wanted, const char *file)
{
    node_set_bool (tree, wanted, file, true);
}

static void
want_object (tree_t *tree, node_t *wanted, const node_t *ref)
{
    OWNED (free_text)
    char *file =
        checkpoint_file (node_get_text (ref, "kind", ""), node_get_text (ref, "namespace", ""),
                         node_get_text (ref, "name", ""), "");
    if (file)
        want (tree, wanted, file);
}

static void
want_pod (tree_t *tree, node_t *wanted, const node_t *object)
{
    fault_t fault = { 0 };
    OWNED (tree_destroy) tree_t *scratch = tree_new();
    const node_t *metadata = node_get (object, "metadata");
    OWNED (free_text)
    char *file = checkpoint_file ("Pod", node_get_text (metadata, "namespace", ""),
                                  node_get_text (metadata, "name", ""), "");
    OWNED (free_text)
    char *tokens = text_format (TOKEN_PREFIX "%s", node_get_text (metadata, "uid", ""));
    pod_t pod;
    want (tree, wanted, file);
    want (tree, wanted, tokens);
    if (pod_decode (object, scratch, &pod, &fault) < 0)
        return; // nobody runs it
    node_t refs = pod_object_refs (&pod, scratch);
    NODE_EACH (&refs, ref)
    want_object (tree, wanted, ref);
}

node_t
checkpoint_wanted (const node_t *pods, tree_t *tree)
{
    node_t wanted = node_map();
    NODE_EACH (pods, pod)
    want_pod (tree, &wanted, pod);
    return wanted;
}

bool
checkpoint_is_wanted (const node_t *wanted, const char *file)
{
    const char *end = strrchr (file, '_');
    for (size_t i = 0; i < COUNT_OF (NODE_KINDS); i++) {
        size_t length = strlen (NODE_KINDS[i]);
        if (strncmp (file, NODE_KINDS[i], length) == 0 && file + length == end
            && strlen (end) == 1 + HASH_DIGITS)
            return true;
    }
    if (strncmp (file, TOKEN_PREFIX, strlen (TOKEN_PREFIX)) != 0)
        return node_get (wanted, file) != NULL;
    OWNED (free_text) char *of_pod = text_format ("%.*s", (int) (end - file), file);
    return strlen (end) == 1 + HASH_DIGITS && node_get (wanted, of_pod) != NULL;
}
