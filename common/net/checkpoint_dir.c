#include "cubelet/checkpoint_dir.h"
#include "cubelet/file_read.h"
#include "cubelet/file_write.h"
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include "cubelet/seal.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct checkpoint_dir {
    char *path;
    seal_key_t key;
};

/* Makes the directory ours alone. */
static int
prepare (const char *path, fault_t *fault)
{
    struct stat status;
    if (mkdir (path, 0700) < 0 && errno != EEXIST)
        return fault_set (fault, FAULT_UNAVAILABLE, "cannot make the directory %s: %s", path,
                          strerror (errno));
    OWNED (close_fd) int fd = open (path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fstat (fd, &status) < 0)
        return fault_set (fault, FAULT_UNAVAILABLE, "cannot open the directory %s: %s", path,
                          strerror (errno));
    if (status.st_uid != geteuid())
        return fault_set (fault, FAULT_DENIED, "the directory %s must belong to root", path);
    if (fchmod (fd, 0700) < 0)
        return fault_set (fault, FAULT_UNAVAILABLE, "cannot change the mode of %s: %s", path,
                          strerror (errno));
    return 0;
}

checkpoint_dir_t *
checkpoint_dir_new (const char *path, const char *key_file, fault_t *fault)
{
    if (prepare (path, fault) < 0)
        return NULL;
    checkpoint_dir_t *self = memory_new (1, sizeof *self);
    self->path = text_copy (path);
    if (seal_key_read (key_file, &self->key, fault) < 0)
        checkpoint_dir_destroy (&self);
    return self;
}

void
checkpoint_dir_destroy (checkpoint_dir_t **self_p)
{
    checkpoint_dir_t *self = *self_p;
    if (!self)
        return;
    seal_key_clear (&self->key);
    free (self->path);
    free (self);
    *self_p = NULL;
}

// ---- writing ----

static int
write_record (checkpoint_dir_t *self, const checkpoint_t *record, fault_t *fault)
{
    OWNED (free_text)
    char *file = checkpoint_file (record->kind, record->namespace, record->name, record->uid);
    if (!file)
        return fault_set (fault, FAULT_INVALID, "the UID \"%s\" is not usual", record->uid);
    size_t size;
    OWNED (free_text) char *bytes = checkpoint_pack (record, &size);
    OWNED (free_text) char *path = text_format ("%s/%s", self->path, file);
    if (file_write (path, bytes, size, 0600, fault) < 0)
        return -1;
    return file_sync_directory (path, fault);
}

int
checkpoint_dir_put (checkpoint_dir_t *self, const checkpoint_t *record, fault_t *fault)
{
    checkpoint_t written = *record;
    OWNED (free_text) char *sealed = NULL;
    written.is_sealed = checkpoint_is_secret (record->kind);
    if (written.is_sealed) {
        OWNED (free_text) char *bound = checkpoint_bound (record);
        sealed = seal_close (&self->key, bound, record->bytes, record->size, fault);
        if (!sealed)
            return -1;
        written.bytes = sealed;
        written.size = record->size + SEAL_OVERHEAD;
    }
    return write_record (self, &written, fault);
}

void
checkpoint_dir_remove (checkpoint_dir_t *self, const char *file)
{
    OWNED (free_text) char *path = text_format ("%s/%s", self->path, file);
    if (unlink (path) < 0 && errno != ENOENT)
        LOG_WARNING ("Checkpoint is not removed path=%s err=%s", path, strerror (errno));
}

// ---- reading ----

static tree_t *
open_object (const checkpoint_dir_t *self, const checkpoint_t *record, fault_t *fault)
{
    if (!record->is_sealed)
        return tree_unpack (record->bytes, record->size, fault);
    OWNED (free_text) char *bound = checkpoint_bound (record);
    size_t size;
    char *bytes = seal_open (&self->key, bound, record->bytes, record->size, &size, fault);
    if (!bytes)
        return NULL;
    tree_t *tree = tree_unpack (bytes, size, fault);
    explicit_bzero (bytes, size);
    free (bytes);
    return tree;
}

static tree_t *
read_object (const checkpoint_dir_t *self, const char *file, int64_t *first_ns_p, fault_t *fault)
{
    OWNED (free_text) char *path = text_format ("%s/%s", self->path, file);
    size_t size;
    OWNED (free_text) char *bytes = file_read (path, CHECKPOINT_SIZE_MAX, &size, fault);
    OWNED (tree_destroy) tree_t *scratch = tree_new();
    checkpoint_t record;
    if (!bytes || checkpoint_unpack (bytes, size, file, scratch, &record, fault) < 0)
        return NULL;
    if (first_ns_p)
        *first_ns_p = record.first_ns;
    return open_object (self, &record, fault);
}

tree_t *
checkpoint_dir_read (checkpoint_dir_t *self, const char *file, int64_t *first_ns_p)
{
    fault_t fault = { 0 };
    tree_t *tree = read_object (self, file, first_ns_p, &fault);
    if (!tree && fault.code != FAULT_NOT_FOUND)
        LOG_WARNING ("Checkpoint is not believed path=%s/%s err=%s", self->path, file, fault.text);
    return tree;
}

tree_t *
checkpoint_dir_get (checkpoint_dir_t *self, const char *kind, const char *namespace,
                    const char *name, const char *uid, int64_t *first_ns_p)
{
    OWNED (free_text) char *file = checkpoint_file (kind, namespace, name, uid);
    return file ? checkpoint_dir_read (self, file, first_ns_p) : NULL;
}

static void
free_name (void **name_p)
{
    free (*name_p);
    *name_p = NULL;
}

static void
close_directory (DIR **directory_p)
{
    if (*directory_p)
        closedir (*directory_p);
    *directory_p = NULL;
}

static zlistx_t *
files_in (const char *path, const char *kind)
{
    zlistx_t *names = zlistx_new();
    size_t length = kind ? strlen (kind) : 0;
    OWNED (close_directory) DIR *directory = opendir (path);
    zlistx_set_destructor (names, free_name);
    for (struct dirent *entry; directory && (entry = readdir (directory));) {
        bool is_file = entry->d_name[0] != '.';
        bool is_of_kind = !kind
                          || (strncmp (entry->d_name, kind, length) == 0
                              && entry->d_name[length] == '_' && !strchr (entry->d_name, '.'));
        if (is_file && is_of_kind)
            zlistx_add_end (names, text_copy (entry->d_name));
    }
    return names;
}

zlistx_t *
checkpoint_dir_files (const checkpoint_dir_t *self, const char *kind)
{
    return files_in (self->path, kind);
}

void
checkpoint_dir_tidy (checkpoint_dir_t *self)
{
    OWNED (zlistx_destroy) zlistx_t *names = files_in (self->path, NULL);
    for (const char *name = zlistx_first (names); name; name = zlistx_next (names))
        if (strstr (name, ".tmp-"))
            checkpoint_dir_remove (self, name);
}

int
checkpoint_dir_delete (const char *path, fault_t *fault)
{
    OWNED (zlistx_destroy) zlistx_t *names = files_in (path, NULL);
    for (const char *name = zlistx_first (names); name; name = zlistx_next (names)) {
        OWNED (free_text) char *file = text_format ("%s/%s", path, name);
        if (unlink (file) < 0)
            return fault_set (fault, FAULT_UNAVAILABLE, "cannot delete %s: %s", file,
                              strerror (errno));
    }
    if (rmdir (path) < 0 && errno != ENOENT)
        return fault_set (fault, FAULT_UNAVAILABLE, "cannot delete %s: %s", path, strerror (errno));
    return 0;
}
