/* registry.c - the directory where plugins put their sockets. inotify says when something changed;
   a look every 10 s heals what it missed. Names that begin with a dot are not looked at. */
#include "cubelet/file_write.h"
#include "cubelet/go_text.h"
#include "cubelet/memory.h"
#include "manager.h"
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#define COALESCE_MS 20
#define RESCAN_MS 10000
#define DEPTH_MAX 8

static void
close_directory (DIR **directory_p)
{
    if (*directory_p)
        closedir (*directory_p);
    *directory_p = NULL;
}

/* Tells of every socket in the directory and below; `found` collects them. */
static void
scan_directory (manager_t *self, const char *path, int depth, zhashx_t *found)
{
    inotify_add_watch (self->inotify, path,
                       IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ATTRIB
                           | IN_ONLYDIR);
    OWNED (close_directory) DIR *directory = opendir (path);
    for (struct dirent *entry; directory && (entry = readdir (directory));) {
        struct stat info;
        OWNED (free_text) char *name = text_format ("%s/%s", path, entry->d_name);
        if (entry->d_name[0] == '.' || lstat (name, &info) < 0)
            continue;
        if (S_ISDIR (info.st_mode) && depth < DEPTH_MAX)
            scan_directory (self, name, depth + 1, found);
        if (!S_ISSOCK (info.st_mode))
            continue;
        file_stamp_t stamp = file_stamp (name);
        zhashx_insert (found, name, self);
        plugin_seen (self, name, &stamp);
    }
}

static void
scan (manager_t *self)
{
    zhashx_t *found = zhashx_new();
    scan_directory (self, self->registry, 0, found);
    zlistx_t *known = zhashx_keys (self->plugins);
    for (const char *socket = zlistx_first (known); socket; socket = zlistx_next (known))
        if (!zhashx_lookup (found, socket))
            plugin_seen (self, socket, &(file_stamp_t){ 0 });
    zlistx_destroy (&known);
    zhashx_destroy (&found);
}

static void
scan_due (void *state, void *context)
{
    (void) context;
    manager_t *self = state;
    self->scan_timer = 0;
    scan (self);
    if (!self->scan_timer)
        self->scan_timer = actor_timer (self->actor, RESCAN_MS, scan_due, NULL);
}

static void
on_inotify (void *state, int fd, short events, void *context)
{
    (void) events, (void) context;
    manager_t *self = state;
    _Alignas(struct inotify_event) char buffer[16384];
    while (read (fd, buffer, sizeof buffer) > 0)
        continue;
    actor_timer_cancel (self->actor, &self->scan_timer);
    self->scan_timer = actor_timer (self->actor, COALESCE_MS, scan_due, NULL);
}

int
registry_start (manager_t *self, fault_t *fault)
{
    char error[GO_ERRNO_MAX];
    self->registry = text_format ("%s/plugins_registry", self->root_dir);
    OWNED (free_text) char *inside = text_format ("%s/x", self->registry);
    if (file_make_parents (inside, 0750, fault) < 0)
        return -1;
    self->inotify = inotify_init1 (IN_NONBLOCK | IN_CLOEXEC);
    if (self->inotify < 0)
        return fault_set (fault, FAULT_UNAVAILABLE, "cannot watch %s: %s", self->registry,
                          go_errno (errno, error));
    actor_watch_fd (self->actor, self->inotify, POLLIN, on_inotify, NULL);
    scan_due (self, NULL);
    return 0;
}

void
registry_stop (manager_t *self)
{
    if (self->inotify >= 0)
        actor_unwatch_fd (self->actor, self->inotify);
    close_fd (&self->inotify);
}
