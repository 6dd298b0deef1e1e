/* kubelet_config_read.c - the configuration from its files and flags (kubelet_config.h). */
#include "cubelet/kubelet_config.h"
#include "cubelet/memory.h"
#include "cubelet/path.h"
#include "cubelet/yaml.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define API_VERSION "kubelet.config.k8s.io/v1beta1"
#define KIND "KubeletConfiguration"
#define FILE_BYTES_MAX (10 * 1024 * 1024)
#define DIRECTORY_DEPTH_MAX 8

/* A file that was read; kept to tell lines. */
typedef struct {
    char *path;
    char *bytes;
    size_t size;
    node_t document; // in the tree of the reading
} source_t;

typedef struct {
    tree_t *tree; // the caller's
    source_t *files;
    size_t count;
} reading_t;

static void
reading_clear (reading_t *self)
{
    for (size_t i = 0; i < self->count; i++) {
        free (self->files[i].path);
        free (self->files[i].bytes);
    }
    free (self->files);
}

/* Fields whose zero value ("", 0, "0s") means the default: upstream's plain, not optional ones. */
static const char *const ZERO_IS_DEFAULT[] = {
    "syncFrequency",
    "fileCheckFrequency",
    "httpCheckFrequency",
    "podLogsDir",
    "address",
    "port",
    "tlsMinVersion",
    "authentication.webhook.cacheTTL",
    "authorization.mode",
    "authorization.webhook.cacheAuthorizedTTL",
    "authorization.webhook.cacheUnauthorizedTTL",
    "registryBurst",
    "imagePullCredentialsVerificationPolicy",
    "eventBurst",
    "healthzBindAddress",
    "streamingConnectionIdleTimeout",
    "nodeStatusUpdateFrequency",
    "nodeStatusReportFrequency",
    "nodeLeaseDurationSeconds",
    "imageMinimumGCAge",
    "volumeStatsAggPeriod",
    "cgroupDriver",
    "cpuManagerPolicy",
    "cpuManagerReconcilePeriod",
    "memoryManagerPolicy",
    "topologyManagerPolicy",
    "topologyManagerScope",
    "runtimeRequestTimeout",
    "hairpinMode",
    "maxPods",
    "maxOpenFiles",
    "contentType",
    "kubeAPIBurst",
    "evictionPressureTransitionPeriod",
    "containerLogMaxSize",
    "configMapAndSecretChangeDetectionStrategy",
    "volumePluginDir",
    "logging.format",
    "containerRuntimeEndpoint",
};

/* Objects that flags change field by field; every other map is replaced by its flag. */
static const char *const MERGED_BY_FLAGS[] = { "authentication", "authorization", "featureGates",
                                               "logging", "memorySwap" };

// ---- where a fault comes from ----

// The path a fault's text begins with: everything before ": ".
static char *
path_of (const fault_t *fault)
{
    const char *colon = strstr (fault->text, ": ");
    char *path = strndup (fault->text, colon ? (size_t) (colon - fault->text) : 0);
    if (!path)
        abort();
    return path;
}

static int
blame_line (const source_t *file, const char *path, fault_t *fault)
{
    fault_t inner = *fault;
    size_t line = yaml_line_of (file->bytes, file->size, 0, path);
    if (line > 0)
        return fault_set (fault, inner.code, "%s:%zu: %s", file->path, line, inner.text);
    return fault_set (fault, inner.code, "%s: %s", file->path, inner.text);
}

static int
blame_file (const source_t *file, fault_t *fault)
{
    OWNED (free_text) char *path = path_of (fault);
    return blame_line (file, path, fault);
}

// Does the document set what `path` begins with, "authorization" of "authorization.mode"?
static bool
sets (const node_t *document, const char *path)
{
    OWNED (free_text) char *first = strndup (path, strcspn (path, ".["));
    return first && node_get (document, first);
}

// A fault of the merged configuration belongs to whoever set the field last.
static int
blame (const reading_t *reading, const config_sources_t *sources, fault_t *fault)
{
    OWNED (free_text) char *path = path_of (fault);
    if (sets (sources->flags, path) && sources->flag_of) {
        const char *flag = sources->flag_of (path);
        if (flag)
            return fault_wrap (fault, "%s", flag);
    }
    for (size_t i = reading->count; i-- > 0;)
        if (sets (&reading->files[i].document, path))
            return blame_file (&reading->files[i], fault);
    // The field has its default, which contradicts another one that the text names.
    for (size_t i = reading->count; i-- > 0;)
        for (size_t k = 0; k < node_count (&reading->files[i].document); k++) {
            const char *key = node_key_at (&reading->files[i].document, k);
            if (strstr (fault->text, key))
                return blame_line (&reading->files[i], key, fault);
        }
    return fault_wrap (fault, "invalid configuration");
}

// ---- one file ----

static char *
read_bytes (const char *path, size_t *size_p, fault_t *fault)
{
    // Not blocking, so that a fifo cannot hold up the start.
    OWNED (close_fd) int fd = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat status;
    if (fd < 0 || fstat (fd, &status) < 0) {
        fault_set (fault, errno == ENOENT ? FAULT_NOT_FOUND : FAULT_UNAVAILABLE,
                   "cannot read %s: %s", path, strerror (errno));
        return NULL;
    }
    if (!S_ISREG (status.st_mode) || status.st_size > FILE_BYTES_MAX) {
        fault_set (fault, FAULT_INVALID, "cannot read %s: %s", path,
                   S_ISREG (status.st_mode) ? "it is larger than 10 MiB" : "it is not a file");
        return NULL;
    }
    size_t room = (size_t) status.st_size;
    char *bytes = memory_new (room + 1, 1);
    size_t size = 0;
    ssize_t got = 0;
    while (size < room && (got = read (fd, bytes + size, room - size)) > 0)
        size += (size_t) got;
    if (got < 0) {
        fault_set (fault, FAULT_UNAVAILABLE, "cannot read %s: %s", path, strerror (errno));
        free (bytes);
        return NULL;
    }
    *size_p = size;
    return bytes;
}

// "line 7: what" becomes "FILE:7: what".
static int
blame_syntax (const char *path, fault_t *fault)
{
    fault_t inner = *fault;
    char *end = NULL;
    unsigned long line =
        strncmp (inner.text, "line ", 5) == 0 ? strtoul (inner.text + 5, &end, 10) : 0;
    if (line > 0 && strncmp (end, ": ", 2) == 0)
        return fault_set (fault, inner.code, "%s:%lu: %s", path, line, end + 2);
    return fault_set (fault, inner.code, "%s: %s", path, inner.text);
}

static int
check_header (const source_t *file, fault_t *fault)
{
    const struct {
        const char *field, *expected;
    } HEADER[] = { { "kind", KIND }, { "apiVersion", API_VERSION } };
    if (!node_is_map (&file->document))
        return fault_set (fault, FAULT_INVALID, "%s: is not an object", file->path);
    for (size_t i = 0; i < COUNT_OF (HEADER); i++) {
        const node_t *found = node_get (&file->document, HEADER[i].field);
        if (strcmp (node_as_text (found, ""), HEADER[i].expected) == 0)
            continue;
        if (!found)
            fault_set (fault, FAULT_INVALID, "%s: Required value: must be %s", HEADER[i].field,
                       HEADER[i].expected);
        else
            fault_set (fault, FAULT_INVALID, "%s: Unsupported value: \"%s\": must be %s",
                       HEADER[i].field, node_as_text (found, "?"), HEADER[i].expected);
        return blame_file (file, fault);
    }
    return 0;
}

// Checks fields and types of one file by itself, so that mistakes can be told with their line.
static int
check_file (const reading_t *reading, const source_t *file, fault_t *fault)
{
    kubelet_config_t alone;
    kubelet_config_defaults (&alone);
    if (kubelet_config_decode (&file->document, reading->tree, &alone, fault) < 0)
        return blame_file (file, fault);
    return 0;
}

static bool
is_zero (const node_t *value)
{
    const char *text = node_as_text (value, NULL);
    if (!text)
        return node_is_int (value) && node_as_int (value, 1) == 0;
    // "0", "0s", "0h0m0s"
    return !*text || (*text == '0' && strspn (text, "0smh") == strlen (text));
}

static void
drop_zeros (node_t *map)
{
    for (size_t i = 0; i < COUNT_OF (ZERO_IS_DEFAULT); i++) {
        node_t *at = map;
        const char *key = ZERO_IS_DEFAULT[i];
        for (const char *dot; at && (dot = strchr (key, '.')); key = dot + 1) {
            char step[64];
            snprintf (step, sizeof step, "%.*s", (int) (dot - key), key);
            at = node_get_mutable (at, step);
        }
        if (is_zero (node_get (at, key)))
            node_remove (at, key);
    }
}

static int
read_file (reading_t *reading, const char *path, fault_t *fault)
{
    reading->files = memory_grow (reading->files, reading->count + 1, sizeof *reading->files);
    source_t *file = &reading->files[reading->count];
    *file = (source_t){ .path = text_copy (path), .document = node_nil() };
    reading->count++;
    file->bytes = read_bytes (path, &file->size, fault);
    if (!file->bytes)
        return -1;
    OWNED (tree_destroy) tree_t *documents = yaml_read (file->bytes, file->size, fault);
    if (!documents)
        return blame_syntax (path, fault);
    size_t count = node_count (tree_root (documents));
    if (count != 1)
        return fault_set (fault, FAULT_INVALID, "%s: %s", path,
                          count == 0 ? "is empty" : "holds more than one document");
    file->document = node_copy (reading->tree, node_item (tree_root (documents), 0));
    if (check_header (file, fault) < 0)
        return -1;
    node_remove (&file->document, "kind");
    node_remove (&file->document, "apiVersion");
    drop_zeros (&file->document);
    return check_file (reading, file, fault);
}

// ---- drop-ins ----

static int
is_entry (const struct dirent *entry)
{
    return strcmp (entry->d_name, ".") != 0 && strcmp (entry->d_name, "..") != 0;
}

static int
by_name (const struct dirent **a, const struct dirent **b)
{
    return strcmp ((*a)->d_name, (*b)->d_name); // not alphasort, which asks the locale
}

static bool
is_drop_in (const char *name)
{
    const char *dot = strrchr (name, '.');
    return dot && strcmp (dot, ".conf") == 0;
}

static int
read_directory (reading_t *reading, const char *path, int depth, fault_t *fault)
{
    struct dirent **entries = NULL;
    int count = scandir (path, &entries, is_entry, by_name);
    if (count < 0)
        return fault_set (fault, errno == ENOENT ? FAULT_NOT_FOUND : FAULT_UNAVAILABLE,
                          "cannot read the directory %s: %s", path, strerror (errno));
    int rc = 0;
    for (int i = 0; i < count; i++) {
        OWNED (free_text) char *entry = text_format ("%s/%s", path, entries[i]->d_name);
        struct stat status;
        bool is_directory = lstat (entry, &status) == 0 && S_ISDIR (status.st_mode);
        if (rc == 0 && is_directory && depth < DIRECTORY_DEPTH_MAX)
            rc = read_directory (reading, entry, depth + 1, fault);
        else if (rc == 0 && !is_directory && is_drop_in (entries[i]->d_name))
            rc = read_file (reading, entry, fault);
        free (entries[i]);
    }
    free (entries);
    return rc;
}

// ---- merging ----

// JSON merge patch (RFC 7396): maps by key, anything else replaces, null removes.
static void
merge (tree_t *tree, node_t *into, const node_t *patch)
{
    for (size_t i = 0; i < node_count (patch); i++) {
        const char *key = node_key_at (patch, i);
        const node_t *value = node_value_at (patch, i);
        if (node_is_nil (value)) {
            node_remove (into, key);
            continue;
        }
        if (!node_is_map (value)) {
            node_set (tree, into, key, node_copy (tree, value));
            continue;
        }
        const node_t *old = node_get (into, key);
        node_t merged = node_is_map (old) ? *old : node_map();
        merge (tree, &merged, value);
        node_set (tree, into, key, merged);
    }
}

static void
merge_flags (tree_t *tree, node_t *into, const node_t *flags)
{
    for (size_t i = 0; i < node_count (flags); i++) {
        const char *key = node_key_at (flags, i);
        bool is_merged = false;
        for (size_t k = 0; k < COUNT_OF (MERGED_BY_FLAGS); k++)
            is_merged = is_merged || strcmp (MERGED_BY_FLAGS[k], key) == 0;
        if (!is_merged)
            node_remove (into, key);
    }
    merge (tree, into, flags);
}

/* mergeDefaultEvictionSettings: signals that evictionHard does not name keep their defaults. */
static void
add_default_thresholds (tree_t *tree, node_t *merged, const node_t *defaults)
{
    node_t thresholds = node_copy (tree, node_get (merged, "evictionHard"));
    for (size_t i = 0; node_is_map (&thresholds) && i < node_count (defaults); i++)
        if (!node_get (&thresholds, node_key_at (defaults, i)))
            node_set (tree, &thresholds, node_key_at (defaults, i),
                      node_copy (tree, node_value_at (defaults, i)));
    node_set (tree, merged, "evictionHard", thresholds);
}

static void
merge_all (const reading_t *reading, const config_sources_t *sources, node_t *merged)
{
    kubelet_config_t defaults;
    kubelet_config_defaults (&defaults);
    size_t next = 0;
    *merged = node_map();
    if (sources->file)
        merge (reading->tree, merged, &reading->files[next++].document);
    // Drop-ins change the default thresholds one by one, the main file replaces them.
    if (!node_get (merged, "evictionHard"))
        node_set (reading->tree, merged, "evictionHard",
                  node_copy (reading->tree, defaults.eviction_hard));
    for (; next < reading->count; next++)
        merge (reading->tree, merged, &reading->files[next].document);
    merge_flags (reading->tree, merged, sources->flags);
    if (node_get_bool (merged, "mergeDefaultEvictionSettings", false))
        add_default_thresholds (reading->tree, merged, defaults.eviction_hard);
}

#define NEEDS_API_SERVER                                                                           \
    "needs an API server to ask, and there is none without --kubeconfig or "                       \
    "--bootstrap-kubeconfig: "

/* Upstream does not start without an API server while a webhook is on, by its default or not. Here
   defaults may stay (root is served on the socket all the same); what somebody has set has to work.
 */
static int
check_webhooks (const node_t *merged, fault_t *fault)
{
    const node_t *authentication = node_at (merged, "authentication", "webhook", "enabled", NULL);
    const node_t *mode = node_at (merged, "authorization", "mode", NULL);
    if (node_as_bool (authentication, false))
        return fault_set (fault, FAULT_INVALID,
                          "authentication.webhook.enabled: " NEEDS_API_SERVER "set it to false");
    if (strcmp (node_as_text (mode, ""), "Webhook") == 0)
        return fault_set (fault, FAULT_INVALID,
                          "authorization.mode: Webhook " NEEDS_API_SERVER "set it to AlwaysAllow");
    return 0;
}

int
kubelet_config_read (const config_sources_t *sources, tree_t *tree, kubelet_config_t *out,
                     fault_t *fault)
{
    OWNED (reading_clear) reading_t reading = { .tree = tree };
    kubelet_config_defaults (out);
    if (sources->file && read_file (&reading, sources->file, fault) < 0)
        return -1;
    if (sources->dir && read_directory (&reading, sources->dir, 0, fault) < 0)
        return -1;
    node_t *merged = tree_alloc (tree, sizeof *merged);
    merge_all (&reading, sources, merged);
    if (kubelet_config_decode (merged, tree, out, fault) < 0
        || kubelet_config_check (out, fault) < 0
        || (sources->is_standalone && out->enable_server && check_webhooks (merged, fault) < 0))
        return blame (&reading, sources, fault);
    return 0;
}
