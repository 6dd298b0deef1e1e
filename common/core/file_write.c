#include "cubelet/file_write.h"
#include "cubelet/memory.h"
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int
cannot_write (const char *path, const char *temporary, fault_t *fault)
{
    fault_set (fault, FAULT_UNAVAILABLE, "cannot write %s: %s", path, strerror (errno));
    (void) unlink (temporary); // there may be none
    return -1;
}

static bool
write_all (int fd, const char *bytes, size_t size)
{
    for (ssize_t sent; size > 0; bytes += sent, size -= (size_t) sent) {
        sent = write (fd, bytes, size);
        if (sent < 0 && errno == EINTR)
            sent = 0;
        else if (sent < 0)
            return false;
    }
    return true;
}

int
file_write (const char *path, const char *bytes, size_t size, mode_t mode, fault_t *fault)
{
    OWNED (free_text) char *temporary = text_format ("%s.tmp-%d", path, (int) getpid());
    OWNED (close_fd) int fd = open (temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    if (fd < 0 || fchmod (fd, mode) < 0 || !write_all (fd, bytes, size) || fsync (fd) < 0
        || rename (temporary, path) < 0)
        return cannot_write (path, temporary, fault);
    return 0;
}

int
file_sync_directory (const char *path, fault_t *fault)
{
    const char *slash = strrchr (path, '/');
    OWNED (free_text)
    char *directory =
        slash ? text_format ("%.*s", (int) (slash - path) + 1, path) : text_copy (".");
    OWNED (close_fd) int fd = open (directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync (fd) < 0)
        return fault_set (fault, FAULT_UNAVAILABLE, "cannot write %s: %s", directory,
                          strerror (errno));
    return 0;
}

int
file_link (const char *path, const char *target, fault_t *fault)
{
    OWNED (free_text) char *temporary = text_format ("%s.tmp-%d", path, (int) getpid());
    (void) unlink (temporary); // of a process that ended here
    if (symlink (target, temporary) < 0 || rename (temporary, path) < 0)
        return cannot_write (path, temporary, fault);
    return 0;
}

int
file_make_parents (const char *path, mode_t mode, fault_t *fault)
{
    OWNED (free_text) char *part = text_copy (path);
    for (char *slash = strchr (part + 1, '/'); slash; slash = strchr (slash + 1, '/')) {
        *slash = '\0';
        if (mkdir (part, mode) < 0 && errno != EEXIST)
            return fault_set (fault, FAULT_UNAVAILABLE, "cannot make the directory %s: %s", part,
                              strerror (errno));
        *slash = '/';
    }
    return 0;
}
