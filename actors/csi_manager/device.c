/* device.c - what a driver has published as a device, mapped as upstream does: bound once more into
   volumeDevices/PV/dev, kept open by a loop device (so that the kernel does not give its name to
   another disk while containers use it), and a link in the pod's directory. */
#include "cubelet/file_write.h"
#include "cubelet/go_text.h"
#include "cubelet/memory.h"
#include "cubelet/mounts.h"
#include "manager.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/loop.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>

/* Somebody else may take the free loop device first. */
#define LOOP_TRIES 16

static int
set_errno_fault (const char *what, const char *path, fault_t *fault)
{
    char error[GO_ERRNO_MAX];
    return fault_set (fault, FAULT_UNAVAILABLE, "%s %s: %s", what, path, go_errno (errno, error));
}

static void
close_directory (DIR **directory_p)
{
    if (*directory_p)
        closedir (*directory_p);
    *directory_p = NULL;
}

// ---- the lock ----

/* True when the loop device of that name (as in /sys/block) is of the file `path`. */
static bool
is_loop_of (const char *name, const char *path)
{
    char backing[PATH_MAX];
    OWNED (free_text) char *file = text_format ("/sys/block/%s/loop/backing_file", name);
    OWNED (close_file) FILE *stream = fopen (file, "re");
    if (!stream || !fgets (backing, sizeof backing, stream))
        return false;
    backing[strcspn (backing, "\n")] = '\0';
    return streq (backing, path);
}

/* "/dev/loop3", the loop device of the file; NULL: none. Owned. */
static char *
find_loop (const char *path)
{
    OWNED (free_text) char *real = realpath (path, NULL);
    OWNED (close_directory) DIR *blocks = opendir ("/sys/block");
    for (struct dirent *entry; real && blocks && (entry = readdir (blocks));)
        if (strncmp (entry->d_name, "loop", 4) == 0 && is_loop_of (entry->d_name, real))
            return text_format ("/dev/%s", entry->d_name);
    return NULL;
}

/* Gives the file `fd` to a loop device that is free; -1 with errno. */
static int
take_loop (int fd)
{
    OWNED (close_fd) int control = open ("/dev/loop-control", O_RDWR | O_CLOEXEC);
    if (control < 0)
        return -1;
    for (int i = 0; i < LOOP_TRIES; i++) {
        int number = ioctl (control, LOOP_CTL_GET_FREE);
        if (number < 0)
            return -1;
        OWNED (free_text) char *path = text_format ("/dev/loop%d", number);
        OWNED (close_fd) int loop = open (path, O_RDWR | O_CLOEXEC);
        if (loop < 0)
            return -1;
        if (ioctl (loop, LOOP_SET_FD, fd) == 0)
            return 0;
        if (errno != EBUSY)
            return -1;
    }
    errno = EBUSY;
    return -1;
}

static int
lock (const char *path, fault_t *fault)
{
    OWNED (free_text) char *has = find_loop (path);
    if (has)
        return 0;
    OWNED (close_fd) int fd = open (path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 && (errno == EROFS || errno == EACCES)) // a device that cannot be written
        fd = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    return fd < 0 || take_loop (fd) < 0
               ? set_errno_fault ("cannot attach a loop device to", path, fault)
               : 0;
}

static int
unlock (const char *path, fault_t *fault)
{
    OWNED (free_text) char *loop = find_loop (path);
    if (!loop)
        return 0;
    OWNED (close_fd) int fd = open (loop, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || (ioctl (fd, LOOP_CLR_FD) < 0 && errno != ENXIO))
        return set_errno_fault ("cannot detach", loop, fault);
    return 0;
}

// ---- the maps ----

static int
bind_device (const char *device, const char *to, fault_t *fault)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    if (file_make_parents (to, 0750, fault) < 0)
        return -1;
    if (mounts_is_mounted (to, tree))
        return 0;
    OWNED (close_fd) int file = open (to, O_RDONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0660);
    if (file < 0 || mount (device, to, NULL, MS_BIND, NULL) < 0)
        return set_errno_fault ("cannot bind the device to", to, fault);
    return 0;
}

int
device_map (const csi_places_t *places, fault_t *fault)
{
    struct stat file;
    if (stat (places->target, &file) < 0)
        return set_errno_fault ("stat", places->target, fault);
    if (!S_ISBLK (file.st_mode))
        return fault_set (fault, FAULT_PRECONDITION, "%s is not a block device", places->target);
    if (bind_device (places->target, places->map, fault) < 0
        || file_make_parents (places->link, 0750, fault) < 0
        || file_link (places->link, places->target, fault) < 0)
        return -1;
    return lock (places->map, fault);
}

int
device_unmap (const csi_places_t *places, fault_t *fault)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    if (unlock (places->map, fault) < 0)
        return -1;
    if (unlink (places->link) < 0 && errno != ENOENT)
        return set_errno_fault ("remove", places->link, fault);
    while (mounts_is_mounted (places->map, tree))
        if (mounts_unmount (places->map, fault) < 0)
            return -1;
    if (unlink (places->map) < 0 && errno != ENOENT)
        return set_errno_fault ("remove", places->map, fault);
    return 0;
}

int
device_forget (const char *root, const char *name, fault_t *fault)
{
    OWNED (free_text) char *devices = csi_devices_directory (root);
    OWNED (free_text) char *publish = text_format ("%s/publish/%s", devices, name);
    OWNED (free_text) char *maps = text_format ("%s/%s/dev", devices, name);
    OWNED (free_text) char *volume = text_format ("%s/%s", devices, name);
    const char *const directories[] = { publish, maps, volume };
    for (size_t i = 0; i < COUNT_OF (directories); i++)
        if (rmdir (directories[i]) < 0 && errno != ENOENT)
            return set_errno_fault ("remove", directories[i], fault);
    return 0;
}
