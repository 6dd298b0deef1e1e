#include "cubelet/disk_walk.h"
#include "cubelet/memory.h"
#include <czmq.h>
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

/* A descriptor each; what is deeper is not counted. */
#define DEPTH_MAX 128

#define BLOCK_BYTES 512 // of st_blocks, whatever the file system's own is

#define KEY_MAX 48

struct disk_walk {
    DIR *stack[DEPTH_MAX];
    size_t depth;
    dev_t device;
    zhashx_t *links; // inodes with several names that were counted
    disk_usage_t usage;
};

/* True the first time an inode is met; only those with several names can be met again. */
static bool
is_new (disk_walk_t *self, const struct stat *stat)
{
    char key[KEY_MAX];
    if (S_ISDIR (stat->st_mode) || stat->st_nlink < 2)
        return true;
    snprintf (key, sizeof key, "%llu", (unsigned long long) stat->st_ino);
    return zhashx_insert (self->links, key, self) == 0;
}

static void
count (disk_walk_t *self, const struct stat *stat)
{
    if (!is_new (self, stat))
        return;
    self->usage.bytes += (int64_t) stat->st_blocks * BLOCK_BYTES;
    self->usage.inodes++;
}

static void
enter (disk_walk_t *self, int parent, const char *name)
{
    if (self->depth == DEPTH_MAX)
        return;
    int fd = openat (parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *directory = fd < 0 ? NULL : fdopendir (fd);
    if (directory)
        self->stack[self->depth++] = directory;
    else if (fd >= 0)
        close (fd);
}

disk_walk_t *
disk_walk_new (const char *path)
{
    disk_walk_t *self = memory_new (1, sizeof *self);
    self->links = zhashx_new();
    struct stat stat;
    if (lstat (path, &stat) < 0)
        return self;
    self->device = stat.st_dev;
    count (self, &stat);
    if (S_ISDIR (stat.st_mode))
        enter (self, AT_FDCWD, path);
    return self;
}

void
disk_walk_destroy (disk_walk_t **self_p)
{
    disk_walk_t *self = *self_p;
    if (!self)
        return;
    while (self->depth)
        closedir (self->stack[--self->depth]);
    zhashx_destroy (&self->links);
    free (self);
    *self_p = NULL;
}

/* Looks at one entry of the directory on top; leaves the directory after its last one. */
static void
step (disk_walk_t *self)
{
    DIR *directory = self->stack[self->depth - 1];
    struct dirent *entry = readdir (directory);
    if (!entry) {
        closedir (directory);
        self->depth--;
        return;
    }
    if (streq (entry->d_name, ".") || streq (entry->d_name, ".."))
        return;
    struct stat stat;
    if (fstatat (dirfd (directory), entry->d_name, &stat, AT_SYMLINK_NOFOLLOW) < 0
        || stat.st_dev != self->device)
        return;
    count (self, &stat);
    if (S_ISDIR (stat.st_mode))
        enter (self, dirfd (directory), entry->d_name);
}

bool
disk_walk_step (disk_walk_t *self, size_t entries)
{
    for (size_t i = 0; i < entries && self->depth; i++)
        step (self);
    return self->depth == 0;
}

disk_usage_t
disk_walk_usage (const disk_walk_t *self)
{
    return self->usage;
}
