#include "ownership.h"
#include "cubelet/fs_group.h"
#include "cubelet/go_text.h"
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include "safe_path.h"
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <string.h>
#include <sys/stat.h>

static int
change (const char *path, const struct stat *stat, int64_t fs_group, bool is_read_only)
{
    OWNED (close_fd) int fd = open (path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0
        || fchownat (fd, "", (uid_t) -1, (gid_t) fs_group, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) < 0)
        return -1;
    if (S_ISLNK (stat->st_mode))
        return 0;
    return safe_chmod (fd, fs_group_mode (stat->st_mode, S_ISDIR (stat->st_mode), is_read_only));
}

static void
close_walk (FTS **walk_p)
{
    if (*walk_p)
        fts_close (*walk_p);
    *walk_p = NULL;
}

int
ownership_apply (const char *path, int64_t fs_group, bool is_read_only, const char *policy,
                 fault_t *fault)
{
    char error[GO_ERRNO_MAX];
    struct stat root;
    if (lstat (path, &root) < 0)
        return fault_set (fault, FAULT_INTERNAL, "lstat %s: %s", path, go_errno (errno, error));
    if (policy && strcmp (policy, "OnRootMismatch") == 0
        && fs_group_is_done (root.st_mode, root.st_gid, fs_group, is_read_only))
        return 0;

    OWNED (free_text) char *start = text_copy (path);
    char *paths[] = { start, NULL };
    OWNED (close_walk) FTS *walk = fts_open (paths, FTS_PHYSICAL | FTS_XDEV | FTS_NOCHDIR, NULL);
    if (!walk)
        return fault_set (fault, FAULT_INTERNAL, "cannot read %s: %s", path,
                          go_errno (errno, error));
    for (FTSENT *entry; (entry = fts_read (walk));) {
        // Directories come twice; the second time, so that the root says last that all is done.
        if (entry->fts_info == FTS_D)
            continue;
        if (entry->fts_info == FTS_DNR || entry->fts_info == FTS_ERR || entry->fts_info == FTS_NS)
            LOG_WARNING ("Volume not read path=%s err=%s", entry->fts_path,
                         strerror (entry->fts_errno));
        else if (change (entry->fts_path, entry->fts_statp, fs_group, is_read_only) < 0)
            LOG_WARNING ("Ownership not changed path=%s err=%s", entry->fts_path,
                         go_errno (errno, error));
    }
    return 0;
}
