#include "safe_path.h"
#include "cubelet/go_text.h"
#include "cubelet/memory.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static const struct {
    unsigned how;
    uint64_t resolve;
} RESOLVE_BITS[] = {
    { SAFE_BENEATH, RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS },
    { SAFE_NO_LINKS, RESOLVE_NO_SYMLINKS },
    { SAFE_NO_MOUNTS, RESOLVE_NO_XDEV },
};

int
safe_open (int directory, const char *path, int flags, unsigned how)
{
    struct open_how open_how = { .flags = (unsigned) (flags | O_CLOEXEC) };
    for (size_t i = 0; i < COUNT_OF (RESOLVE_BITS); i++)
        if (how & RESOLVE_BITS[i].how)
            open_how.resolve |= RESOLVE_BITS[i].resolve;
    long fd;
    do // RESOLVE_BENEATH cannot be sure of ".." while something is renamed
        fd = syscall (SYS_openat2, directory, path, &open_how, sizeof open_how);
    while (fd < 0 && (errno == EAGAIN || errno == EINTR));
    return (int) fd;
}

char *
safe_fd_path (int fd, char out[static SAFE_FD_PATH_MAX])
{
    snprintf (out, SAFE_FD_PATH_MAX, "/proc/self/fd/%d", fd);
    return out;
}

int
safe_chmod (int fd, mode_t mode)
{
    char path[SAFE_FD_PATH_MAX];
    return chmod (safe_fd_path (fd, path), mode & 07777);
}

/* Makes the last element of `path`, whose parent is there. */
static int
make_last (int directory, const char *path, mode_t mode)
{
    OWNED (free_text) char *parent = text_copy (path);
    char *slash = strrchr (parent, '/');
    const char *name = slash ? slash + 1 : parent;
    if (slash)
        *slash = '\0';
    OWNED (close_fd)
    int in = safe_open (directory, slash ? parent : ".", O_PATH | O_DIRECTORY, SAFE_BENEATH);
    if (in < 0 || mkdirat (in, name, 0700) < 0)
        return -1;
    OWNED (close_fd) int made = safe_open (in, name, O_PATH | O_DIRECTORY, SAFE_NO_LINKS);
    return made < 0 ? -1 : safe_chmod (made, mode);
}

int
safe_make_directories (int directory, const char *path, mode_t mode)
{
    OWNED (free_text) char *made = text_copy ("");
    for (const char *at = path; *(at += strspn (at, "/")); at += strcspn (at, "/")) {
        text_replace (&made, "%s%s%.*s", made, *made ? "/" : "", (int) strcspn (at, "/"), at);
        OWNED (close_fd)
        int there = safe_open (directory, made, O_PATH | O_DIRECTORY, SAFE_BENEATH);
        if (there < 0 && (errno != ENOENT || make_last (directory, made, mode) < 0))
            return -1;
    }
    return 0;
}

int
make_directory (const char *path, mode_t mode, fault_t *fault)
{
    char error[GO_ERRNO_MAX];
    OWNED (free_text) char *part = text_copy (path);
    for (char *slash = strchr (part + 1, '/');; slash = strchr (slash + 1, '/')) {
        if (slash)
            *slash = '\0';
        bool is_new = mkdir (part, 0700) == 0;
        if ((!is_new && errno != EEXIST) || (is_new && chmod (part, slash ? 0750 : mode) < 0))
            return fault_set (fault, FAULT_INTERNAL, "mkdir %s: %s", part, go_errno (errno, error));
        if (!slash)
            break;
        *slash = '/';
    }
    struct stat stat;
    if (lstat (path, &stat) < 0 || !S_ISDIR (stat.st_mode))
        return fault_set (fault, FAULT_INTERNAL, "mkdir %s: not a directory", path);
    return 0;
}

int
safe_write_new (int directory, const char *name, const char *bytes, size_t size, mode_t mode)
{
    OWNED (close_fd)
    int fd = openat (directory, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return -1;
    while (size > 0) {
        ssize_t written = write (fd, bytes, size);
        if (written < 0 && errno != EINTR)
            return -1;
        bytes += written > 0 ? written : 0;
        size -= written > 0 ? (size_t) written : 0;
    }
    return fchmod (fd, mode & 07777);
}
