#include "cubelet/file_read.h"
#include "cubelet/clock.h"
#include "cubelet/memory.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void
cannot_read (const char *path, fault_t *fault)
{
    fault_set (fault, errno == ENOENT ? FAULT_NOT_FOUND : FAULT_UNAVAILABLE, "cannot read %s: %s",
               path, strerror (errno));
}

/* Reads up to `room` bytes; fewer when the file shrank meanwhile. */
static ssize_t
read_up_to (int fd, char *bytes, size_t room)
{
    size_t used = 0;
    for (ssize_t got; used < room; used += (size_t) got) {
        got = read (fd, bytes + used, room - used);
        if (got < 0 && errno == EINTR)
            got = 0;
        else if (got < 0)
            return -1;
        else if (got == 0)
            break;
    }
    return (ssize_t) used;
}

char *
file_read (const char *path, size_t limit, size_t *size_p, fault_t *fault)
{
    OWNED (close_fd) int fd = open (path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    struct stat info;
    if (fd < 0 || fstat (fd, &info) < 0) {
        cannot_read (path, fault);
        return NULL;
    }
    if (!S_ISREG (info.st_mode) || (uint64_t) info.st_size > limit) {
        fault_set (fault, FAULT_INVALID, "cannot read %s: it %s", path,
                   S_ISREG (info.st_mode) ? "is too large" : "is not a regular file");
        return NULL;
    }
    OWNED (free_text) char *bytes = memory_new ((size_t) info.st_size + 1, 1);
    ssize_t size = read_up_to (fd, bytes, (size_t) info.st_size);
    if (size < 0) {
        cannot_read (path, fault);
        return NULL;
    }
    if (size_p)
        *size_p = (size_t) size;
    return STEAL (bytes);
}

file_stamp_t
file_stamp (const char *path)
{
    struct stat info;
    if (!path || stat (path, &info) < 0)
        return (file_stamp_t){ 0 };
    return (file_stamp_t){
        .device = info.st_dev,
        .inode = info.st_ino,
        .size = info.st_size,
        .changed_ns = info.st_mtim.tv_sec * NS_PER_S + info.st_mtim.tv_nsec,
    };
}

bool
file_stamp_equal (const file_stamp_t *a, const file_stamp_t *b)
{
    return a->device == b->device && a->inode == b->inode && a->size == b->size
           && a->changed_ns == b->changed_ns;
}
