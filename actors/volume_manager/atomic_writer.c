#include "atomic_writer.h"
#include "cubelet/clock.h"
#include "cubelet/fs_group.h"
#include "cubelet/go_text.h"
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include "ownership.h"
#include "safe_path.h"
#include "tree_removal.h"
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>

#define DATA "..data"
#define NEW_DATA "..data_tmp"

typedef struct {
    const char *directory;
    int fd; // of it
    const payload_t *payload;
    opt_int_t fs_group;
} writer_t;

static int
set_errno_fault (const char *what, const writer_t *self, const char *name, fault_t *fault)
{
    char error[GO_ERRNO_MAX];
    return fault_set (fault, FAULT_INTERNAL, "%s %s/%s: %s", what, self->directory, name,
                      go_errno (errno, error));
}

static void
close_directory (DIR **directory_p)
{
    if (*directory_p)
        closedir (*directory_p);
    *directory_p = NULL;
}

// ---- is it there already? ----

static bool
has_bytes (int fd, const char *bytes, size_t size)
{
    char buffer[4096];
    ssize_t got;
    while ((got = read (fd, buffer, sizeof buffer)) > 0) {
        if ((size_t) got > size || memcmp (buffer, bytes, (size_t) got) != 0)
            return false;
        bytes += got;
        size -= (size_t) got;
    }
    return got == 0 && size == 0;
}

static bool
is_written (const writer_t *self, int data, const payload_file_t *file)
{
    struct stat stat;
    OWNED (close_fd) int fd = safe_open (data, file->path, O_RDONLY | O_NOFOLLOW, SAFE_NO_LINKS);
    if (fd < 0 || fstat (fd, &stat) < 0 || !S_ISREG (stat.st_mode))
        return false;
    mode_t mode = (mode_t) file->mode;
    if (self->fs_group.set)
        mode = fs_group_mode (mode, false, true);
    uid_t owner = file->owner.set ? (uid_t) file->owner.value : 0;
    return (stat.st_mode & 07777) == mode && stat.st_uid == owner
           && has_bytes (fd, file->bytes, file->size);
}

/* How many files, not counting directories, are below a directory of the volume. */
static size_t
count_files (const writer_t *self, const char *name)
{
    OWNED (free_text) char *path = text_format ("%s/%s", self->directory, name);
    char *paths[] = { path, NULL };
    size_t count = 0;
    FTS *walk = fts_open (paths, FTS_PHYSICAL | FTS_NOCHDIR | FTS_NOSTAT, NULL);
    if (!walk)
        return 0;
    for (FTSENT *entry; (entry = fts_read (walk));)
        count += entry->fts_info != FTS_D && entry->fts_info != FTS_DP;
    fts_close (walk);
    return count;
}

/* `current` is what "..data" links to. */
static bool
is_current (const writer_t *self, const char *current)
{
    OWNED (close_fd)
    int data = safe_open (self->fd, current, O_PATH | O_DIRECTORY | O_NOFOLLOW, SAFE_NO_LINKS);
    if (data < 0 || count_files (self, current) != self->payload->count)
        return false;
    for (size_t i = 0; i < self->payload->count; i++)
        if (!is_written (self, data, &self->payload->items[i]))
            return false;
    return true;
}

// ---- writing ----

/* "..2006_01_02_15_04_05.NUMBER", made in the volume. Returns 0 or -1 with errno. */
static int
make_time_directory (const writer_t *self, char *name, size_t room)
{
    time_t now = (time_t) (clock_now_ns() / NS_PER_S);
    struct tm utc;
    char date[40];
    gmtime_r (&now, &utc);
    strftime (date, sizeof date, "..%Y_%m_%d_%H_%M_%S", &utc);
    do {
        uint32_t number = 0;
        if (getrandom (&number, sizeof number, 0) < 0)
            return -1;
        snprintf (name, room, "%s.%u", date, number);
        if (mkdirat (self->fd, name, 0755) == 0)
            return fchmodat (self->fd, name, 0755, 0);
    } while (errno == EEXIST);
    return -1;
}

static int
write_in (int directory, const char *name, const payload_file_t *file)
{
    if (safe_write_new (directory, name, file->bytes, file->size, (mode_t) file->mode) < 0)
        return -1;
    return file->owner.set ? fchownat (directory, name, (uid_t) file->owner.value, (gid_t) -1,
                                       AT_SYMLINK_NOFOLLOW)
                           : 0;
}

static int
write_payload_file (int data, const payload_file_t *file)
{
    OWNED (free_text) char *parent = text_copy (file->path);
    char *slash = strrchr (parent, '/');
    if (!slash)
        return write_in (data, parent, file);
    *slash = '\0';
    if (safe_make_directories (data, parent, 0755) < 0)
        return -1;
    OWNED (close_fd) int in = safe_open (data, parent, O_PATH | O_DIRECTORY, SAFE_NO_LINKS);
    return in < 0 ? -1 : write_in (in, slash + 1, file);
}

static int
write_files (const writer_t *self, const char *name, fault_t *fault)
{
    OWNED (close_fd) int data = openat (self->fd, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (data < 0)
        return set_errno_fault ("open", self, name, fault);
    for (size_t i = 0; i < self->payload->count; i++)
        if (write_payload_file (data, &self->payload->items[i]) < 0)
            return set_errno_fault ("write", self, self->payload->items[i].path, fault);
    if (self->fs_group.set)
        return ownership_apply (self->directory, self->fs_group.value, true, NULL, fault);
    return 0;
}

static int
switch_to (const writer_t *self, const char *name, fault_t *fault)
{
    unlinkat (self->fd, NEW_DATA, 0); // left behind by a crash
    if (symlinkat (name, self->fd, NEW_DATA) < 0
        || renameat (self->fd, NEW_DATA, self->fd, DATA) < 0)
        return set_errno_fault ("symlink", self, DATA, fault);
    return 0;
}

static void
remove_directory (const writer_t *self, const char *name)
{
    fault_t fault = { 0 };
    OWNED (free_text) char *path = text_format ("%s/%s", self->directory, name);
    if (tree_remove (path, &fault) < 0)
        LOG_WARNING ("Old volume content not removed err=%s", fault.text);
}

static int
write_new (const writer_t *self, fault_t *fault)
{
    char name[64];
    if (make_time_directory (self, name, sizeof name) < 0)
        return set_errno_fault ("mkdir", self, "..", fault);
    if (write_files (self, name, fault) == 0 && switch_to (self, name, fault) == 0)
        return 0;
    remove_directory (self, name);
    return -1;
}

// ---- the volume's root ----

static int
link_names (const writer_t *self, fault_t *fault)
{
    for (size_t i = 0; i < self->payload->count; i++) {
        size_t size;
        const char *name = payload_root_name (&self->payload->items[i], &size);
        OWNED (free_text) char *link = text_format ("%.*s", (int) size, name);
        OWNED (free_text) char *target = text_format (DATA "/%s", link);
        // where another volume is mounted there is a directory of that name
        if (symlinkat (target, self->fd, link) < 0 && errno != EEXIST)
            return set_errno_fault ("symlink", self, link, fault);
    }
    return 0;
}

static bool
is_root_name (const payload_t *payload, const char *name)
{
    for (size_t i = 0; i < payload->count; i++) {
        size_t size;
        const char *root = payload_root_name (&payload->items[i], &size);
        if (strlen (name) == size && strncmp (root, name, size) == 0)
            return true;
    }
    return false;
}

/* True for a link that this writer made: "NAME" to "..data/NAME". */
static bool
is_our_link (const writer_t *self, const char *name)
{
    char target[NAME_MAX + sizeof DATA + 1];
    ssize_t size = readlinkat (self->fd, name, target, sizeof target);
    return size > (ssize_t) strlen (DATA) && strncmp (target, DATA "/", strlen (DATA) + 1) == 0;
}

/* Takes away names that the payload has no more, and content of the past. */
static int
remove_old (const writer_t *self, const char *current, fault_t *fault)
{
    OWNED (close_directory) DIR *directory = opendir (self->directory);
    if (!directory)
        return set_errno_fault ("open", self, "", fault);
    for (struct dirent *entry; (entry = readdir (directory));) {
        const char *name = entry->d_name;
        bool is_time = strncmp (name, "..", 2) == 0 && isdigit ((unsigned char) name[2]);
        if (is_time && strcmp (name, current) != 0)
            remove_directory (self, name);
        else if (!is_root_name (self->payload, name) && is_our_link (self, name)
                 && unlinkat (self->fd, name, 0) < 0)
            return set_errno_fault ("remove", self, name, fault);
    }
    return 0;
}

/* What "..data" links to; "" when there is none. */
static void
read_current (const writer_t *self, char out[static NAME_MAX + 1])
{
    ssize_t size = readlinkat (self->fd, DATA, out, NAME_MAX);
    out[size > 0 ? size : 0] = '\0';
}

int
atomic_write (const char *directory, const payload_t *payload, opt_int_t fs_group, fault_t *fault)
{
    writer_t self = { .directory = directory, .payload = payload, .fs_group = fs_group };
    char current[NAME_MAX + 1];
    OWNED (close_fd) int fd = open (directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    self.fd = fd;
    if (fd < 0)
        return set_errno_fault ("open", &self, "", fault);
    read_current (&self, current);
    if ((!*current || !is_current (&self, current)) && write_new (&self, fault) < 0)
        return -1;
    read_current (&self, current);
    if (link_names (&self, fault) < 0)
        return -1;
    return remove_old (&self, current, fault);
}
