#include "manifest_file.h"
#include "cubelet/log.h"
#include "cubelet/manifest_object.h"
#include "cubelet/memory.h"
#include "cubelet/yaml.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

manifest_file_t *
manifest_file_new (const char *path)
{
    manifest_file_t *self = memory_new (1, sizeof *self);
    self->path = text_copy (path);
    self->pods = tree_new();
    *tree_root (self->pods) = node_array();
    self->objects = tree_new();
    *tree_root (self->objects) = node_array();
    return self;
}

void
manifest_file_destroy (void **self_p)
{
    manifest_file_t *self = *self_p;
    free (self->path);
    tree_destroy (&self->pods);
    tree_destroy (&self->objects);
    free (self);
    *self_p = NULL;
}

/* FNV-1a: tells whether a file has changed, nothing more. */
static uint64_t
hash (const char *bytes, size_t size)
{
    uint64_t value = 0xcbf29ce484222325u;
    for (size_t i = 0; i < size; i++)
        value = (value ^ (unsigned char) bytes[i]) * 0x100000001b3u;
    return value;
}

/* Reads all bytes of an open regular file. */
static char *
read_all (int fd, size_t size, size_t *size_p, fault_t *fault)
{
    OWNED (free_text) char *bytes = memory_new (size + 1, 1);
    size_t used = 0;
    for (ssize_t got; used < size; used += (size_t) got) {
        got = read (fd, bytes + used, size - used);
        if (got < 0) {
            fault_set (fault, FAULT_UNAVAILABLE, "cannot be read: %s", strerror (errno));
            return NULL;
        }
        if (got == 0)
            break; // it shrank meanwhile
    }
    *size_p = used;
    return STEAL (bytes);
}

static char *
read_file (const char *path, size_t *size_p, fault_t *fault)
{
    // Non-blocking, since a pipe of that name would never be opened otherwise.
    OWNED (close_fd) int fd = open (path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    struct stat info;
    if (fd < 0 || fstat (fd, &info) < 0) {
        fault_set (fault, FAULT_UNAVAILABLE, "cannot be read: %s", strerror (errno));
        return NULL;
    }
    if (!S_ISREG (info.st_mode)) {
        fault_set (fault, FAULT_INVALID, "is not a regular file");
        return NULL;
    }
    if (info.st_size > MANIFEST_MAX_BYTES) {
        fault_set (fault, FAULT_INVALID, "is larger than %d MiB", MANIFEST_MAX_BYTES >> 20);
        return NULL;
    }
    return read_all (fd, (size_t) info.st_size, size_p, fault);
}

/* The path of the first field that a fault names: "invalid pod: [spec.containers[0].image: ..." */
static void
find_path (const char *text, char *out, size_t room)
{
    static const char *const PREFIXES[] = { "invalid pod: ", "invalid ConfigMap: ",
                                            "invalid Secret: ", "invalid RuntimeClass: ", "[" };
    for (size_t i = 0; i < COUNT_OF (PREFIXES); i++)
        if (strncmp (text, PREFIXES[i], strlen (PREFIXES[i])) == 0)
            text += strlen (PREFIXES[i]);
    size_t length = strcspn (text, ": ");
    bool is_path = length > 0 && length < room && text[length] == ':';
    snprintf (out, room, "%.*s", is_path ? (int) length : 0, text);
}

/* Puts the line into a fault about a field. */
static void
add_line (fault_t *fault, const char *bytes, size_t size, size_t document)
{
    char path[256];
    find_path (fault->text, path, sizeof path);
    size_t line = path[0] ? yaml_line_of (bytes, size, document, path) : 0;
    if (line)
        fault_wrap (fault, "line %zu", line);
}

/* What a file says. */
typedef struct {
    tree_t *pods, *objects; // lists
} content_t;

static void
content_clear (content_t *self)
{
    tree_destroy (&self->pods);
    tree_destroy (&self->objects);
}

/* Builds what one document asks for into its list. */
static int
parse_document (const node_t *document, const static_pod_options_t *options,
                const content_t *content, fault_t *fault)
{
    node_t made = node_nil();
    bool is_object = options->allow_api_references && manifest_is_object (document);
    tree_t *tree = is_object ? content->objects : content->pods;
    int result = is_object ? manifest_object_build (tree, document, &made, fault)
                           : static_pod_build (tree, document, options, &made, fault);
    if (result == 0)
        node_append (tree, tree_root (tree), made);
    return result;
}

static int
parse (const char *bytes, size_t size, const static_pod_options_t *options,
       const content_t *content, fault_t *fault)
{
    OWNED (tree_destroy) tree_t *documents = yaml_read (bytes, size, fault);
    if (!documents)
        return -1;
    size_t count = node_count (tree_root (documents));
    if (count == 0)
        return fault_set (fault, FAULT_INVALID, "holds no Pod");
    *tree_root (content->pods) = node_array();
    *tree_root (content->objects) = node_array();
    for (size_t i = 0; i < count; i++)
        if (parse_document (node_item (tree_root (documents), i), options, content, fault) < 0) {
            add_line (fault, bytes, size, i);
            return -1;
        }
    return 0;
}

/* Notes what was found; false when it is what was found before. */
static bool
is_news (manifest_file_t *self, uint64_t content)
{
    if (self->is_read && self->content == content)
        return false;
    self->is_read = true;
    self->content = content;
    return true;
}

bool
manifest_file_read (manifest_file_t *self, const static_pod_options_t *options)
{
    fault_t fault = { 0 };
    size_t size = 0;
    OWNED (free_text) char *bytes = read_file (self->path, &size, &fault);
    if (!is_news (self, bytes ? hash (bytes, size) : hash (fault.text, strlen (fault.text))))
        return false;
    OWNED (content_clear) content_t content = { tree_new(), tree_new() };
    static_pod_options_t here = *options;
    here.location = self->path;
    if (!bytes || parse (bytes, size, &here, &content, &fault) < 0) {
        bool had_pods =
            node_count (tree_root (self->pods)) + node_count (tree_root (self->objects));
        LOG_ERROR ("Manifest is not used%s: %s: %s", had_pods ? ", what it said before stays" : "",
                   self->path, fault.text);
        return false;
    }
    tree_destroy (&self->pods);
    tree_destroy (&self->objects);
    self->pods = STEAL (content.pods);
    self->objects = STEAL (content.objects);
    return true;
}
