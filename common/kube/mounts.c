#include "cubelet/mounts.h"
#include "cubelet/go_text.h"
#include "cubelet/memory.h"
#include <errno.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#define MOUNTINFO "/proc/self/mountinfo"

int
mounts_read (const char *directory, tree_t *tree, mount_table_t *out, fault_t *fault)
{
    char error[GO_ERRNO_MAX];
    OWNED (close_file) FILE *file = fopen (MOUNTINFO, "re");
    OWNED (free_text) char *text = NULL;
    size_t room = 0;
    // there is no NUL in it, so this reads all of it
    if (!file || (getdelim (&text, &room, '\0', file) < 0 && ferror (file)))
        return fault_set (fault, FAULT_INTERNAL, "cannot read " MOUNTINFO ": %s",
                          go_errno (errno, error));
    mount_table_read (text ? text : "", directory, tree, out);
    return 0;
}

bool
mounts_is_mounted (const char *path, tree_t *tree)
{
    mount_table_t mounts = { 0 };
    fault_t ignored = { 0 };
    OWNED (free_text) char *real = realpath (path, NULL);
    if (!real || mounts_read (real, tree, &mounts, &ignored) < 0)
        return false;
    for (size_t i = 0; i < mounts.count; i++)
        if (strcmp (mounts.items[i].path, real) == 0)
            return true;
    return false;
}

int
mounts_unmount (const char *path, fault_t *fault)
{
    char error[GO_ERRNO_MAX];
    if (umount2 (path, UMOUNT_NOFOLLOW) == 0)
        return 0;
    return fault_set (fault, FAULT_UNAVAILABLE, "unmount %s: %s", path, go_errno (errno, error));
}

mounted_t
mounts_at (const char *path)
{
    struct stat here, above;
    struct statfs file_system;
    OWNED (free_text) char *parent = text_format ("%s/..", path);
    if (lstat (path, &here) < 0 || lstat (parent, &above) < 0 || here.st_dev == above.st_dev
        || statfs (path, &file_system) < 0)
        return MOUNTED_NOT;
    switch (file_system.f_type) {
    case TMPFS_MAGIC: return MOUNTED_TMPFS;
    case HUGETLBFS_MAGIC: return MOUNTED_HUGETLBFS;
    default: return MOUNTED_OTHER;
    }
}
