#include "ownership.h"
#include "cubelet/clock.h"
#include "cubelet/fs_group.h"
#include "cubelet/go_text.h"
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include "safe_path.h"
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

struct ownership {
    char *path;
    int root; // the volume, open
    int64_t fs_group;
    bool is_read_only;
    int64_t count;
    FTS *walk;
};

/* Changes what is at `path` below the volume. The volume may be another pod's as well, which may
   put a link in the place of a directory at any moment: none is followed. */
static int
change (const ownership_t *self, const char *path)
{
    struct stat stat;
    OWNED (close_fd) int fd = safe_open (self->root, path, O_PATH | O_NOFOLLOW, SAFE_NO_LINKS);
    if (fd < 0 || fstat (fd, &stat) < 0
        || fchownat (fd, "", (uid_t) -1, (gid_t) self->fs_group,
                     AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW)
               < 0)
        return -1;
    if (S_ISLNK (stat.st_mode))
        return 0;
    return safe_chmod (fd,
                       fs_group_mode (stat.st_mode, S_ISDIR (stat.st_mode), self->is_read_only));
}

/* The path below the volume; "." for the volume itself. */
static const char *
path_below (const ownership_t *self, const FTSENT *entry)
{
    const char *below = entry->fts_path + strlen (self->path);
    below += strspn (below, "/");
    return *below ? below : ".";
}

void
ownership_destroy (ownership_t **self_p)
{
    ownership_t *self = *self_p;
    if (!self)
        return;
    if (self->walk)
        fts_close (self->walk);
    close_fd (&self->root);
    free (self->path);
    free (self);
    *self_p = NULL;
}

ownership_t *
ownership_new (const char *path, int64_t fs_group, bool is_read_only, const char *policy,
               fault_t *fault)
{
    char error[GO_ERRNO_MAX];
    struct stat root;
    if (lstat (path, &root) < 0) {
        fault_set (fault, FAULT_INTERNAL, "lstat %s: %s", path, go_errno (errno, error));
        return NULL;
    }
    if (policy && strcmp (policy, "OnRootMismatch") == 0
        && fs_group_is_done (root.st_mode, root.st_gid, fs_group, is_read_only))
        return NULL;
    ownership_t *self = memory_new (1, sizeof *self);
    self->path = text_copy (path);
    self->fs_group = fs_group;
    self->is_read_only = is_read_only;
    char *paths[] = { self->path, NULL };
    self->root = open (path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (self->root >= 0)
        self->walk = fts_open (paths, FTS_PHYSICAL | FTS_XDEV | FTS_NOCHDIR, NULL);
    if (!self->walk) {
        fault_set (fault, FAULT_INTERNAL, "cannot read %s: %s", path, go_errno (errno, error));
        ownership_destroy (&self);
    }
    return self;
}

int64_t
ownership_count (const ownership_t *self)
{
    return self->count;
}

static void
take_entry (ownership_t *self, const FTSENT *entry)
{
    char error[GO_ERRNO_MAX];
    // Directories come twice; the second time, so that the root says last that all is done.
    if (entry->fts_info == FTS_D)
        return;
    self->count++;
    if (entry->fts_info == FTS_DNR || entry->fts_info == FTS_ERR || entry->fts_info == FTS_NS)
        LOG_WARNING ("Volume not read path=%s err=%s", entry->fts_path,
                     strerror (entry->fts_errno));
    else if (change (self, path_below (self, entry)) < 0)
        LOG_WARNING ("Ownership not changed path=%s err=%s", entry->fts_path,
                     go_errno (errno, error));
}

bool
ownership_step (ownership_t *self, int budget_ms)
{
    int64_t end_ms = clock_monotonic_ms() + budget_ms;
    for (FTSENT *entry; (entry = fts_read (self->walk));) {
        take_entry (self, entry);
        if (clock_monotonic_ms() >= end_ms)
            return false;
    }
    return true;
}

int
ownership_apply (const char *path, int64_t fs_group, bool is_read_only, const char *policy,
                 fault_t *fault)
{
    fault_t bad = { 0 };
    OWNED (ownership_destroy)
    ownership_t *self = ownership_new (path, fs_group, is_read_only, policy, &bad);
    if (bad.code) {
        *fault = bad;
        return -1;
    }
    while (self && !ownership_step (self, INT_MAX))
        continue;
    return 0;
}
