#include "cubelet/file_read.h"
#include "cubelet/clock.h"
#include "cubelet/memory.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ROOM_MIN 512

static void
cannot_read (const char *path, fault_t *fault)
{
    fault_set (fault, errno == ENOENT ? FAULT_NOT_FOUND : FAULT_UNAVAILABLE, "cannot read %s: %s",
               path, strerror (errno));
}

/* Reads until `room` bytes are there or the file ends. */
static ssize_t
read_up_to (int fd, char *bytes, size_t room)
{
    size_t used = 0;
    while (used < room) {
        ssize_t got = read (fd, bytes + used, room - used);
        if (got == 0)
            break;
        if (got > 0)
            used += (size_t) got;
        else if (errno != EINTR)
            return -1;
    }
    return (ssize_t) used;
}

/* Everything to the end of the file or `limit` + 1 bytes, owned, with a NUL behind it: what proc
   and sys say of a file's size is not so. NULL with errno. */
static char *
read_to_end (int fd, size_t room, size_t limit, size_t *size_p)
{
    OWNED (free_text) char *bytes = NULL;
    size_t used = 0;
    for (bool is_more = true; is_more && used <= limit; room *= 2) {
        if (room > limit)
            room = limit + 1;
        bytes = memory_grow (bytes, room + 1, 1);
        ssize_t got = read_up_to (fd, bytes + used, room - used);
        if (got < 0)
            return NULL;
        used += (size_t) got;
        is_more = used == room;
    }
    bytes[used] = '\0';
    *size_p = used;
    return STEAL (bytes);
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
    size_t size = 0;
    OWNED (free_text)
    char *bytes = read_to_end (fd, ROOM_MIN + (size_t) info.st_size, limit, &size);
    if (!bytes) {
        cannot_read (path, fault);
        return NULL;
    }
    if (size > limit) {
        fault_set (fault, FAULT_INVALID, "cannot read %s: it is too large", path);
        return NULL;
    }
    if (size_p)
        *size_p = size;
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
