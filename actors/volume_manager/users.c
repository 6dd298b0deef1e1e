#include "users.h"
#include "cubelet/file_write.h"
#include "cubelet/go_text.h"
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include "cubelet/pod_names.h"
#include "cubelet/user_ranges.h"
#include <czmq.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <string.h>

#define FILE_MAX_BYTES 4096

struct users {
    char *root_dir;
    int64_t length;
    user_ranges_t *ranges;
    zhashx_t *pods; // uid -> int64_t *, the first id
};

static char *
file_of (const users_t *self, const char *uid)
{
    OWNED (free_text) char *directory = pod_directory (self->root_dir, uid);
    return text_format ("%s/userns", directory);
}

static void
forget_id (void **id_p)
{
    free (*id_p);
    *id_p = NULL;
}

/* Notes that the pod has the range; takes no second one. */
static int
note (users_t *self, const char *uid, int64_t id, fault_t *fault)
{
    if (user_ranges_mark (self->ranges, id, fault) < 0)
        return -1;
    int64_t *kept = memory_new (1, sizeof *kept);
    *kept = id;
    zhashx_insert (self->pods, uid, kept);
    return 0;
}

// ---- files ----

static int
read_file (const users_t *self, const char *path, int64_t *id, fault_t *fault)
{
    char bytes[FILE_MAX_BYTES], error[GO_ERRNO_MAX];
    OWNED (close_fd) int fd = open (path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    ssize_t size = fd < 0 ? -1 : read (fd, bytes, sizeof bytes);
    if (size < 0)
        return fault_set (fault, FAULT_INTERNAL, "read %s: %s", path, go_errno (errno, error));
    return user_mapping_read (bytes, (size_t) size, self->length, id, fault) < 0
               ? fault_wrap (fault, "%s", path)
               : 0;
}

// ---- what is there ----

static void
find_pod (users_t *self, const char *path)
{
    fault_t fault = { 0 };
    int64_t id = 0;
    OWNED (free_text) char *directory = text_copy (path);
    *strrchr (directory, '/') = '\0';
    const char *uid = strrchr (directory, '/') + 1;
    if (read_file (self, path, &id, &fault) < 0 || note (self, uid, id, &fault) < 0)
        LOG_ERROR ("The pod's user ids are not known uid=%s err=%s", uid, fault.text);
}

users_t *
users_new (const char *root_dir, int64_t first, int64_t total, int64_t length)
{
    users_t *self = memory_new (1, sizeof *self);
    self->root_dir = text_copy (root_dir);
    self->length = length;
    self->ranges = user_ranges_new (first, total, length);
    self->pods = zhashx_new();
    zhashx_set_destructor (self->pods, forget_id);
    OWNED (free_text) char *pattern = file_of (self, "*");
    glob_t found = { 0 };
    if (glob (pattern, GLOB_NOSORT, NULL, &found) == 0)
        for (size_t i = 0; i < found.gl_pathc; i++)
            find_pod (self, found.gl_pathv[i]);
    globfree (&found);
    return self;
}

void
users_destroy (users_t **self_p)
{
    users_t *self = *self_p;
    if (!self)
        return;
    zhashx_destroy (&self->pods);
    user_ranges_destroy (&self->ranges);
    free (self->root_dir);
    free (self);
    *self_p = NULL;
}

int64_t
users_of_pod (users_t *self, const char *uid, fault_t *fault)
{
    const int64_t *known = zhashx_lookup (self->pods, uid);
    if (known)
        return *known;
    int64_t id = user_ranges_take (self->ranges, fault);
    if (id < 0)
        return fault_wrap (fault, "could not allocate a user namespace");
    user_ranges_release (self->ranges, id); // note() takes it
    OWNED (free_text) char *path = file_of (self, uid);
    OWNED (free_text) char *text = user_mapping_write (id, self->length);
    if (file_write (path, text, strlen (text), 0644, fault) < 0 || note (self, uid, id, fault) < 0)
        return -1;
    return id;
}

void
users_release (users_t *self, const char *uid)
{
    const int64_t *known = zhashx_lookup (self->pods, uid);
    if (!known)
        return;
    user_ranges_release (self->ranges, *known);
    zhashx_delete (self->pods, uid);
}
