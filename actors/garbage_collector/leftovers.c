#include "collector.h"
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include "cubelet/pod_names.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILES_A_STEP 200

static void
close_directory (DIR **directory_p)
{
    if (*directory_p)
        closedir (*directory_p);
    *directory_p = NULL;
}

static bool
is_dots (const char *name)
{
    return strcmp (name, ".") == 0 || strcmp (name, "..") == 0;
}

void
leftovers_find (const char *path, bool is_logs, tree_t *tree, text_list_t *uids)
{
    OWNED (close_directory) DIR *directory = opendir (path);
    if (!directory)
        return;
    for (struct dirent *entry; (entry = readdir (directory));)
        if (entry->d_type == DT_DIR && !is_dots (entry->d_name))
            garbage_add (tree, uids,
                         is_logs ? pod_log_directory_uid (entry->d_name) : entry->d_name);
}

// ---- logs: NS_NAME_UID/CONTAINER/FILES ----

struct leftover_logs {
    const char *path;
    text_list_t uids;
    DIR *pods;      // of `path`
    DIR *pod;       // one of them; NULL: the next
    DIR *container; // in it; NULL: the next
    char *pod_name, *container_name;
};

leftover_logs_t *
leftover_logs_new (const char *path, text_list_t uids)
{
    leftover_logs_t *self = memory_new (1, sizeof *self);
    self->path = path;
    self->uids = uids;
    self->pods = uids.count ? opendir (path) : NULL;
    return self;
}

void
leftover_logs_destroy (leftover_logs_t **self_p)
{
    leftover_logs_t *self = *self_p;
    if (!self)
        return;
    close_directory (&self->container);
    close_directory (&self->pod);
    close_directory (&self->pods);
    free (self->pod_name);
    free (self->container_name);
    free (self);
    *self_p = NULL;
}

static bool
is_wanted (const leftover_logs_t *self, const char *name)
{
    const char *uid = pod_log_directory_uid (name);
    for (size_t i = 0; i < self->uids.count; i++)
        if (strcmp (self->uids.items[i], uid) == 0)
            return true;
    return false;
}

static DIR *
open_in (DIR *parent, const char *name)
{
    int fd = openat (dirfd (parent), name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct stat above, info;
    if (fd < 0)
        return NULL;
    bool is_mount =
        fstat (dirfd (parent), &above) < 0 || fstat (fd, &info) < 0 || above.st_dev != info.st_dev;
    DIR *directory = is_mount ? NULL : fdopendir (fd);
    if (!directory)
        close (fd);
    return directory;
}

static void
remove_directory (DIR *parent, const char *name)
{
    if (unlinkat (dirfd (parent), name, AT_REMOVEDIR) < 0 && errno != ENOENT)
        LOG_WARNING ("Orphaned log directory not removed name=%s err=%s", name, strerror (errno));
}

/* Removes one entry of the innermost open directory, or goes into it; at its end goes out again.
   False when all is done. */
static bool
step_once (leftover_logs_t *self)
{
    DIR *here = self->container ? self->container : self->pod ? self->pod : self->pods;
    struct dirent *entry = readdir (here);
    if (entry && is_dots (entry->d_name))
        return true;
    if (entry && here == self->pods) {
        if (is_wanted (self, entry->d_name) && (self->pod = open_in (here, entry->d_name))) {
            text_replace (&self->pod_name, "%s", entry->d_name);
            LOG_INFO ("Removing an orphaned pod's logs directory=%s", entry->d_name);
        }
    }
    else if (entry && here == self->pod && (self->container = open_in (here, entry->d_name)))
        text_replace (&self->container_name, "%s", entry->d_name);
    else if (entry)
        unlinkat (dirfd (here), entry->d_name, 0); // one that stays makes the rmdir fail
    else if (here == self->container) {
        close_directory (&self->container);
        remove_directory (self->pod, self->container_name);
    }
    else if (here == self->pod) {
        close_directory (&self->pod);
        remove_directory (self->pods, self->pod_name);
    }
    else
        return false;
    return true;
}

bool
leftover_logs_step (leftover_logs_t *self)
{
    if (!self->pods)
        return true;
    for (int i = 0; i < FILES_A_STEP; i++)
        if (!step_once (self))
            return true;
    return false;
}

// ---- links ----

void
leftover_links_remove (const char *path)
{
    OWNED (close_directory) DIR *directory = opendir (path);
    if (!directory)
        return;
    for (struct dirent *entry; (entry = readdir (directory));) {
        struct stat info;
        bool is_dangling = entry->d_type == DT_LNK
                           && fstatat (dirfd (directory), entry->d_name, &info, 0) < 0
                           && errno == ENOENT;
        if (is_dangling && unlinkat (dirfd (directory), entry->d_name, 0) == 0)
            LOG_V (2, "Removed a dangling log link name=%s", entry->d_name);
    }
}
