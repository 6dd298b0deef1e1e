/* manifest-watcher: static pods from a directory of manifests or a single file
   (reference/pod-lifecycle.md 3.1); on a standalone node also the ConfigMaps, Secrets and
   RuntimeClasses that the pods use (objects.c).

   inotify says when something changed, a rescan every fileCheckFrequency heals what it missed.
   A bad file disturbs no other one; a file that turned bad keeps its last good pods. */
#include "cubelet/actors.h"
#include "cubelet/clock.h"
#include "cubelet/log.h"
#include "cubelet/manifest_object.h"
#include "cubelet/memory.h"
#include "manifest_file.h"
#include "objects.h"
#include <czmq.h>
#include <dirent.h>
#include <errno.h>
#include <libgen.h>
#include <poll.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>

/* Several events belong to one change. */
#define COALESCE_MS 20
#define CHECK_DEFAULT_MS 20000
#define FILES_MAX 10000

typedef struct {
    actor_t *actor;
    char *path;
    char *parent, *base; // of the path
    char *node_name;
    int64_t check_ms;
    bool serves_objects; // standalone: pods may use what lies beside them
    manifest_objects_t *objects;
    zhashx_t *files; // path -> manifest_file_t
    int inotify;
    int watch;        // of the path itself, -1: none
    int parent_watch; // of its parent, -1: none
    uint64_t scan_timer;
    uint64_t check_timer;
    int scan_errno; // logged already
    bool is_sent;   // once, so that later only changes are
} watcher_t;

// ---- sending ----

static bool
is_same_name (const node_t *a, const node_t *b)
{
    static const char *const KEYS[] = { "namespace", "name" };
    for (size_t i = 0; i < COUNT_OF (KEYS); i++)
        if (!streq (node_as_text (node_at (a, "metadata", KEYS[i], NULL), ""),
                    node_as_text (node_at (b, "metadata", KEYS[i], NULL), "")))
            return false;
    return true;
}

static bool
is_taken (const node_t *pods, const node_t *pod)
{
    NODE_EACH (pods, other)
    if (is_same_name (other, pod))
        return true;
    return false;
}

static zlistx_t *
sorted_paths (watcher_t *self)
{
    zlistx_t *paths = zhashx_keys (self->files);
    zlistx_set_comparator (paths, (zlistx_comparator_fn *) strcmp);
    zlistx_sort (paths);
    return paths;
}

static bool
has_object (const node_t *objects, const node_t *object)
{
    NODE_EACH (objects, other)
    if (manifest_object_is_same (other, object))
        return true;
    return false;
}

/* The pods of all files in the order of their names; of two with one name the first counts. */
static node_t
all_pods (watcher_t *self, tree_t *tree)
{
    node_t pods = node_array();
    OWNED (zlistx_destroy) zlistx_t *paths = sorted_paths (self);
    for (const char *path = zlistx_first (paths); path; path = zlistx_next (paths)) {
        const manifest_file_t *file = zhashx_lookup (self->files, path);
        NODE_EACH (tree_root (file->pods), pod)
        {
            if (is_taken (&pods, pod))
                LOG_WARNING ("Pod is ignored, another manifest has one of that name pod=%s path=%s",
                             node_as_text (node_at (pod, "metadata", "name", NULL), ""), path);
            else
                node_append (tree, &pods, node_copy (tree, pod));
        }
    }
    return pods;
}

/* The objects of all files, in the same order; of two with one name the first counts. */
static node_t
all_objects (watcher_t *self, tree_t *tree)
{
    node_t objects = node_array();
    OWNED (zlistx_destroy) zlistx_t *paths = sorted_paths (self);
    for (const char *path = zlistx_first (paths); path; path = zlistx_next (paths)) {
        const manifest_file_t *file = zhashx_lookup (self->files, path);
        NODE_EACH (tree_root (file->objects), object)
        {
            if (has_object (&objects, object))
                LOG_WARNING ("%s is ignored, another manifest has one of that name name=%s path=%s",
                             node_get_text (object, "kind", ""),
                             node_as_text (node_at (object, "metadata", "name", NULL), ""), path);
            else
                node_append (tree, &objects, node_copy (tree, object));
        }
    }
    return objects;
}

static void
send_pods (watcher_t *self)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t body = node_map();
    node_set_text (tree, &body, "source", "file");
    node_set (tree, &body, "pods", all_pods (self, tree));
    actor_send (self->actor, "pod-manager", MSG_SOURCE_PODS, &body);
    self->is_sent = true;
}

// ---- scanning ----

static bool
is_manifest_name (const char *name)
{
    static const char *const ENDINGS[] = { ".yaml", ".yml", ".json" };
    size_t length = strlen (name);
    for (size_t i = 0; name[0] != '.' && i < COUNT_OF (ENDINGS); i++) {
        size_t ending = strlen (ENDINGS[i]);
        if (length > ending && streq (name + length - ending, ENDINGS[i]))
            return true;
    }
    return false;
}

/* Reads one file if it has changed; true when the pods did. */
static bool
take_file (watcher_t *self, const char *path)
{
    manifest_file_t *file = zhashx_lookup (self->files, path);
    if (!file) {
        if (zhashx_size (self->files) >= FILES_MAX) {
            LOG_ERROR ("Manifest is not read: there are %d others path=%s", FILES_MAX, path);
            return false;
        }
        file = manifest_file_new (path);
        zhashx_insert (self->files, path, file);
    }
    file->is_there = true;
    static_pod_options_t options = { .node_name = self->node_name,
                                     .source = "file",
                                     .seen_ns = clock_now_ns(),
                                     .allow_api_references = self->serves_objects };
    return manifest_file_read (file, &options);
}

/* Every entry of the directory, or the single file. Returns whether pods changed; errno says when
   it could not be looked at. */
static bool
take_all (watcher_t *self)
{
    DIR *directory = opendir (self->path);
    if (!directory && errno == ENOTDIR) {
        errno = 0;
        return take_file (self, self->path);
    }
    if (!directory)
        return false;
    bool is_changed = false;
    for (struct dirent *entry; (entry = readdir (directory));) {
        if (!is_manifest_name (entry->d_name))
            continue;
        OWNED (free_text) char *path = text_format ("%s/%s", self->path, entry->d_name);
        is_changed |= take_file (self, path);
    }
    closedir (directory);
    errno = 0;
    return is_changed;
}

/* Forgets the files that are gone; true when pods went with them. */
static bool
drop_missing (watcher_t *self)
{
    bool is_changed = false;
    OWNED (zlistx_destroy) zlistx_t *paths = zhashx_keys (self->files);
    for (const char *path = zlistx_first (paths); path; path = zlistx_next (paths)) {
        const manifest_file_t *file = zhashx_lookup (self->files, path);
        if (file->is_there)
            continue;
        is_changed |=
            node_count (tree_root (file->pods)) > 0 || node_count (tree_root (file->objects)) > 0;
        zhashx_delete (self->files, path);
    }
    return is_changed;
}

/* Follows the path when it appears, is replaced or goes: a watch stays with an inode. */
static void
renew_watches (watcher_t *self)
{
    const uint32_t changes = IN_CREATE | IN_MOVED_TO | IN_CLOSE_WRITE | IN_DELETE | IN_MOVED_FROM
                             | IN_DELETE_SELF | IN_MOVE_SELF;
    self->watch = inotify_add_watch (self->inotify, self->path, changes);
    self->parent_watch = inotify_add_watch (self->inotify, self->parent, changes);
}

static void
scan (watcher_t *self)
{
    for (manifest_file_t *file = zhashx_first (self->files); file; file = zhashx_next (self->files))
        file->is_there = false;
    renew_watches (self);
    bool is_changed = take_all (self);
    int error = errno;
    if (error && error != ENOENT) {
        // It may be back in a moment: no pod is stopped for a directory that cannot be read.
        if (error != self->scan_errno)
            LOG_ERROR ("Manifests cannot be read, what they said before stays path=%s err=%s",
                       self->path, strerror (error));
        self->scan_errno = error;
        return;
    }
    self->scan_errno = 0;
    is_changed |= drop_missing (self);
    if (is_changed) {
        // first, so that a new pod finds what it uses
        tree_t *tree = tree_new();
        *tree_root (tree) = all_objects (self, tree);
        manifest_objects_set (self->objects, tree);
    }
    if (is_changed || !self->is_sent)
        send_pods (self);
}

static void
scan_due (void *state, void *context)
{
    (void) context;
    watcher_t *self = state;
    self->scan_timer = 0;
    scan (self);
}

static void
check_due (void *state, void *context)
{
    (void) context;
    watcher_t *self = state;
    self->is_sent = false; // said again without a change: the last message may have been lost
    scan (self);
    self->check_timer = actor_timer (self->actor, self->check_ms, check_due, NULL);
}

// ---- inotify ----

/* The parent has other children too, which are nothing to us. */
static bool
is_ours (const watcher_t *self, const struct inotify_event *event)
{
    return event->wd == self->watch || (event->mask & IN_Q_OVERFLOW)
           || (event->len > 0 && streq (event->name, self->base));
}

static void
on_inotify (void *state, int fd, short events, void *context)
{
    (void) events, (void) context;
    watcher_t *self = state;
    _Alignas(struct inotify_event) char buffer[16384];
    bool is_changed = false;
    for (ssize_t size; (size = read (fd, buffer, sizeof buffer)) > 0;) {
        for (const char *at = buffer; at < buffer + size;) {
            const struct inotify_event *event = (const void *) at;
            is_changed |= is_ours (self, event);
            at += sizeof *event + event->len;
        }
    }
    if (is_changed && !self->scan_timer)
        self->scan_timer = actor_timer (self->actor, COALESCE_MS, scan_due, NULL);
}

// ---- messages ----

static int
on_actor_up (void *state, const message_t *message, fault_t *fault)
{
    (void) message, (void) fault;
    watcher_t *self = state;
    send_pods (self); // to the pod-manager, which knows nothing yet
    return 0;
}

/* A worker that starts anew says again what its pod uses. Its end is heard of, not its start: that
   may come after what it says first. */
static int
on_actor_down (void *state, const message_t *message, fault_t *fault)
{
    (void) fault;
    watcher_t *self = state;
    manifest_objects_forget (self->objects, node_get_text (message->body, "name", ""));
    return 0;
}

static int
on_object_watch (void *state, const message_t *message, fault_t *fault)
{
    (void) fault;
    watcher_t *self = state;
    manifest_objects_watch (self->objects, message->from, node_get (message->body, "refs"));
    return 0;
}

static const actor_handler_t HANDLERS[] = {
    { MSG_ACTOR_UP, on_actor_up },
    { MSG_ACTOR_DOWN, on_actor_down },
    { MSG_OBJECT_WATCH, on_object_watch },
    { 0 },
};

// ---- the class ----

static void
stop (void **self_p)
{
    watcher_t *self = *self_p;
    if (self->inotify >= 0)
        actor_unwatch_fd (self->actor, self->inotify);
    close_fd (&self->inotify);
    zhashx_destroy (&self->files);
    manifest_objects_destroy (&self->objects);
    free (self->path);
    free (self->parent);
    free (self->base);
    free (self->node_name);
    free (self);
    *self_p = NULL;
}

static void
split_path (watcher_t *self)
{
    OWNED (free_text) char *for_dirname = text_copy (self->path);
    OWNED (free_text) char *for_basename = text_copy (self->path);
    self->parent = text_copy (dirname (for_dirname));
    self->base = text_copy (basename (for_basename));
}

/* args: {path, node_name, check_frequency_ms, serves_objects}. */
static void *
start (actor_t *actor, const node_t *args, fault_t *fault)
{
    watcher_t *self = memory_new (1, sizeof *self);
    self->actor = actor;
    self->path = text_copy (node_get_text (args, "path", ""));
    self->node_name = text_copy (node_get_text (args, "node_name", ""));
    self->check_ms = node_get_int (args, "check_frequency_ms", CHECK_DEFAULT_MS);
    self->serves_objects = node_get_bool (args, "serves_objects", false);
    self->objects = manifest_objects_new (actor);
    self->files = zhashx_new();
    zhashx_set_destructor (self->files, manifest_file_destroy);
    split_path (self);
    self->inotify = inotify_init1 (IN_NONBLOCK | IN_CLOEXEC);
    if (self->inotify < 0) {
        fault_set (fault, FAULT_UNAVAILABLE, "cannot watch %s: %s", self->path, strerror (errno));
        void *state = self;
        stop (&state);
        return NULL;
    }
    actor_watch_fd (actor, self->inotify, POLLIN, on_inotify, NULL);
    scan (self);
    self->check_timer = actor_timer (actor, self->check_ms, check_due, NULL);
    return self;
}

const actor_class_t manifest_watcher_class = {
    .name = "manifest-watcher",
    .about = "static pods from a directory of manifests or a single file",
    .hears_of = "pod-manager",
    .handlers = HANDLERS,
    .start = start,
    .stop = stop,
};
