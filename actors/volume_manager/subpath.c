#include "subpath.h"
#include "cubelet/go_text.h"
#include "cubelet/memory.h"
#include "cubelet/mounts.h"
#include "cubelet/path_element.h"
#include "safe_path.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

static int
set_errno_fault (const char *what, const char *path, fault_t *fault)
{
    char error[GO_ERRNO_MAX];
    if (errno == EXDEV)
        return fault_set (fault, FAULT_INVALID, "%s %s: it leads out of the volume", what, path);
    return fault_set (fault, FAULT_INTERNAL, "%s %s: %s", what, path, go_errno (errno, error));
}

/* Opens the sub path, which is made when it is missing. Returns a descriptor, or -1. */
static int
open_sub_path (const char *host_path, const char *sub_path, fault_t *fault)
{
    struct stat root;
    OWNED (close_fd) int volume = open (host_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (volume < 0 || fstat (volume, &root) < 0)
        return set_errno_fault ("open", host_path, fault);
    int fd = safe_open (volume, sub_path, O_PATH, SAFE_BENEATH);
    if (fd >= 0)
        return fd;
    if (errno == ENOENT)
        safe_make_directories (volume, sub_path, root.st_mode & (0777 | S_ISGID));
    fd = safe_open (volume, sub_path, O_PATH, SAFE_BENEATH);
    return fd < 0 ? set_errno_fault ("open", sub_path, fault) : fd;
}

/* Makes an empty file or directory for `source` to be bound on. */
static int
make_target (const char *target, const struct stat *source, fault_t *fault)
{
    OWNED (free_text) char *parent = text_copy (target);
    *strrchr (parent, '/') = '\0';
    if (make_directory (parent, 0750, fault) < 0)
        return -1;
    if (S_ISDIR (source->st_mode))
        return make_directory (target, 0750, fault);
    OWNED (close_fd) int fd = open (target, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0640);
    return fd < 0 ? set_errno_fault ("create", target, fault) : 0;
}

/* What an earlier container left: unmounts and removes it. */
static int
clear_target (const char *target, fault_t *fault)
{
    // Its container may linger; nobody else uses this mount.
    while (umount2 (target, UMOUNT_NOFOLLOW | MNT_DETACH) == 0)
        continue;
    if (errno != EINVAL)
        return set_errno_fault ("unmount", target, fault);
    if (unlink (target) < 0 && (errno != EISDIR || rmdir (target) < 0))
        return set_errno_fault ("remove", target, fault);
    return 0;
}

int
subpath_bind (const char *host_path, const char *sub_path, const char *target, fault_t *fault)
{
    if (*sub_path == '/')
        return fault_set (fault, FAULT_INVALID, "must be a relative path: %s", sub_path);
    if (path_has_back_step (sub_path))
        return fault_set (fault, FAULT_INVALID, "must not contain '..': %s", sub_path);
    struct stat source, bound;
    OWNED (close_fd) int fd = open_sub_path (host_path, sub_path, fault);
    if (fd < 0)
        return -1;
    if (fstat (fd, &source) < 0)
        return set_errno_fault ("stat", sub_path, fault);
    if (lstat (target, &bound) == 0) {
        if (bound.st_dev == source.st_dev && bound.st_ino == source.st_ino)
            return 0;
        if (clear_target (target, fault) < 0)
            return -1;
    }
    char path[SAFE_FD_PATH_MAX];
    if (make_target (target, &source, fault) < 0)
        return -1;
    if (mount (safe_fd_path (fd, path), target, NULL, MS_BIND, NULL) < 0)
        return set_errno_fault ("bind", target, fault);
    return 0;
}
