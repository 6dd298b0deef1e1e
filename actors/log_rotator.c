/* log_rotator.c - keeps the logs of running containers small: at each interval it looks at their
   sizes, and one that is too large is renamed, its older parts are compressed or removed, and the
   runtime is told to begin a new one. What is done to which file is decided in log_rotation.h.

   Arguments: {"max_size": int, "max_files": int, "max_workers": int, "interval_ms": int}. */
#include "cubelet/actors.h"
#include "cubelet/clock.h"
#include "cubelet/gzip_file.h"
#include "cubelet/log.h"
#include "cubelet/log_rotation.h"
#include "cubelet/memory.h"
#include <czmq.h>
#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#define CALL_DEADLINE_MS 150000 // the runtime actor's own is shorter
#define ID_MAX 128
#define NAMES_MAX 10000 // files of a directory that are looked at

/* A running container. */
typedef struct {
    char *id;
    char *path;     // of its log; NULL until the runtime has said it
    bool is_asked;  // ... or is asked
    bool is_listed; // by the listing that is being taken
    bool is_busy;   // its log is being rotated, or reopened
    bool is_held;   // that failed: not again before the next interval
} watched_t;

/* A rotation under way. */
typedef struct {
    char id[ID_MAX];
    char *directory, *log; // "/var/log/pods/.../main", "0.log"
    char *part;            // what the log was renamed to, until the runtime has reopened it
    log_rotation_t plan;
    size_t next; // of plan.compressions
    gzip_file_t *gzip;
    uint64_t timer;
} rotation_t;

typedef struct {
    actor_t *actor;
    int64_t max_size, max_files, interval_ms;
    size_t max_workers;
    zlistx_t *watched;   // watched_t
    zlistx_t *rotations; // rotation_t
    uint64_t timer;
} rotator_t;

typedef struct {
    char id[ID_MAX];
} call_t;

static call_t
call_of (const char *id)
{
    call_t call = { 0 };
    snprintf (call.id, sizeof call.id, "%s", id);
    return call;
}

static void
watched_destroy (void **self_p)
{
    watched_t *self = *self_p;
    free (self->id);
    free (self->path);
    free (self);
    *self_p = NULL;
}

static void
rotation_destroy (void **self_p)
{
    rotation_t *self = *self_p;
    gzip_file_destroy (&self->gzip);
    log_rotation_clear (&self->plan);
    free (self->directory);
    free (self->log);
    free (self->part);
    free (self);
    *self_p = NULL;
}

static watched_t *
find_watched (rotator_t *self, const char *id)
{
    for (watched_t *item = zlistx_first (self->watched); item; item = zlistx_next (self->watched))
        if (streq (item->id, id))
            return item;
    return NULL;
}

static rotation_t *
find_rotation (rotator_t *self, const char *id)
{
    rotation_t *item = zlistx_first (self->rotations);
    while (item && !streq (item->id, id))
        item = zlistx_next (self->rotations);
    return item;
}

static void
ask_with_id (rotator_t *self, message_id_t type, const char *id, actor_reply_fn *reply)
{
    call_t call = call_of (id);
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t body = node_map();
    node_set_text (tree, &body, "container_id", id);
    actor_request (self->actor, "runtime", type, &body, CALL_DEADLINE_MS, reply, &call,
                   sizeof call);
}

static void look (rotator_t *self);

// ---- one rotation ----

static void
end_rotation (rotator_t *self, rotation_t *rotation, const fault_t *fault)
{
    watched_t *watched = find_watched (self, rotation->id);
    if (fault)
        LOG_WARNING ("Container log not rotated path=%s/%s err=%s", rotation->directory,
                     rotation->log, fault->text);
    if (watched) {
        watched->is_busy = false;
        watched->is_held = fault != NULL;
    }
    actor_timer_cancel (self->actor, &rotation->timer);
    zlistx_delete (self->rotations, zlistx_find (self->rotations, rotation));
    look (self); // another one may have waited for this place
}

static char *
path_in (const rotation_t *rotation, const char *name)
{
    return text_format ("%s/%s", rotation->directory, name);
}

static void
on_reopened (void *state, const message_t *reply, const fault_t *fault, void *context)
{
    (void) reply;
    rotator_t *self = state;
    rotation_t *rotation = find_rotation (self, ((const call_t *) context)->id);
    if (!rotation)
        return;
    if (fault) { // the container goes on writing to the same file: it gets its name back
        OWNED (free_text) char *from = path_in (rotation, rotation->part);
        OWNED (free_text) char *to = path_in (rotation, rotation->log);
        // unless the runtime did begin a new one, and only its answer was lost
        if (link (from, to) == 0)
            unlink (from);
        else if (errno != EEXIST && errno != ENOENT)
            LOG_WARNING ("Container log not renamed back path=%s err=%s", from, strerror (errno));
    }
    else
        LOG_V (2, "Container log rotated path=%s/%s part=%s", rotation->directory, rotation->log,
               rotation->part);
    end_rotation (self, rotation, fault);
}

/* The last step: the live log becomes the newest part. */
static void
rename_log (rotator_t *self, rotation_t *rotation)
{
    rotation->part = log_rotation_name (rotation->log, clock_now_ns());
    OWNED (free_text) char *from = path_in (rotation, rotation->log);
    OWNED (free_text) char *to = path_in (rotation, rotation->part);
    if (rename (from, to) < 0) {
        fault_t fault = { 0 };
        fault_set (&fault, FAULT_INTERNAL, "cannot rename it: %s", strerror (errno));
        end_rotation (self, rotation, &fault);
        return;
    }
    ask_with_id (self, MSG_CRI_REOPEN_CONTAINER_LOG, rotation->id, on_reopened);
}

/* Compresses a bit. Returns 1 when all parts are compressed, 0 when there is more to do. */
static int
compress (rotation_t *rotation, fault_t *fault)
{
    if (!rotation->gzip) {
        if (rotation->next == rotation->plan.compression_count)
            return 1;
        OWNED (free_text)
        char *path = path_in (rotation, rotation->plan.compressions[rotation->next++]);
        rotation->gzip = gzip_file_new (path, fault);
        if (!rotation->gzip)
            return -1;
    }
    int result = gzip_file_step (rotation->gzip, fault);
    if (result != 0)
        gzip_file_destroy (&rotation->gzip);
    return result < 0 ? -1 : 0;
}

static void
step (void *state, void *context)
{
    rotator_t *self = state;
    rotation_t *rotation = context;
    fault_t fault = { 0 };
    rotation->timer = 0;
    int result = compress (rotation, &fault);
    if (result < 0)
        end_rotation (self, rotation, &fault);
    else if (result > 0)
        rename_log (self, rotation);
    else // other messages come in between
        rotation->timer = actor_timer (self->actor, 0, step, rotation);
}

/* All names in a directory. Returns their number, or -1 with a fault. */
static int
list_names (const char *directory, char ***names_p, fault_t *fault)
{
    DIR *stream = opendir (directory);
    size_t count = 0;
    if (!stream)
        return fault_set (fault, FAULT_INTERNAL, "cannot read %s: %s", directory, strerror (errno));
    for (struct dirent *entry; count < NAMES_MAX && (entry = readdir (stream));) {
        *names_p = memory_grow (*names_p, count + 1, sizeof **names_p);
        (*names_p)[count++] = text_copy (entry->d_name);
    }
    closedir (stream);
    return (int) count;
}

static int
make_plan (const rotator_t *self, rotation_t *rotation, fault_t *fault)
{
    char **names = NULL;
    int count = list_names (rotation->directory, &names, fault);
    if (count <= 0)
        return count; // not even "." and "..": nothing is planned
    log_rotation_plan (rotation->log, (const char *const *) names, (size_t) count, self->max_files,
                       &rotation->plan);
    for (int i = 0; names && i < count; i++)
        free (names[i]);
    free (names);
    for (size_t i = 0; i < rotation->plan.remove_count; i++) {
        OWNED (free_text) char *path = path_in (rotation, rotation->plan.removes[i]);
        if (unlink (path) < 0 && errno != ENOENT)
            return fault_set (fault, FAULT_INTERNAL, "cannot remove %s: %s", path,
                              strerror (errno));
    }
    return 0;
}

static void
begin_rotation (rotator_t *self, watched_t *watched)
{
    const char *name = strrchr (watched->path, '/');
    if (!name)
        return;
    fault_t fault = { 0 };
    rotation_t *rotation = memory_new (1, sizeof *rotation);
    snprintf (rotation->id, sizeof rotation->id, "%s", watched->id);
    rotation->directory = text_format ("%.*s", (int) (name - watched->path), watched->path);
    rotation->log = text_copy (name + 1);
    watched->is_busy = true;
    zlistx_add_end (self->rotations, rotation);
    if (make_plan (self, rotation, &fault) == 0) {
        rotation->timer = actor_timer (self->actor, 0, step, rotation);
        return;
    }
    LOG_WARNING ("Container log not rotated path=%s err=%s", watched->path, fault.text);
    watched->is_busy = false;
    watched->is_held = true;
    zlistx_delete (self->rotations, zlistx_find (self->rotations, rotation));
}

// ---- which logs ----

static void
on_missing_reopened (void *state, const message_t *reply, const fault_t *fault, void *context)
{
    (void) reply;
    watched_t *watched = find_watched (state, ((const call_t *) context)->id);
    if (!watched)
        return;
    watched->is_busy = false;
    watched->is_held = fault != NULL;
    if (fault)
        LOG_WARNING ("Container log not reopened path=%s err=%s", watched->path, fault->text);
}

/* A rotation that was cut off has left it so: the container still writes to the renamed file. */
static void
reopen_missing (rotator_t *self, watched_t *watched)
{
    watched->is_busy = true;
    ask_with_id (self, MSG_CRI_REOPEN_CONTAINER_LOG, watched->id, on_missing_reopened);
}

/* Looks at every log, and begins as many rotations as there is room for. */
static void
look (rotator_t *self)
{
    OWNED (zlistx_destroy) zlistx_t *due = zlistx_new(); // begin_rotation searches the list itself
    for (watched_t *item = zlistx_first (self->watched); item; item = zlistx_next (self->watched)) {
        struct stat info;
        if (!item->path || item->is_busy || item->is_held)
            continue;
        if (stat (item->path, &info) == 0) {
            if (log_rotation_is_due (info.st_size, self->max_size))
                zlistx_add_end (due, item);
        }
        else if (errno == ENOENT)
            zlistx_add_end (due, item);
    }
    for (watched_t *item = zlistx_first (due); item; item = zlistx_next (due))
        if (access (item->path, F_OK) < 0)
            reopen_missing (self, item);
        else if (zlistx_size (self->rotations) < self->max_workers)
            begin_rotation (self, item);
}

static void
on_status (void *state, const message_t *reply, const fault_t *fault, void *context)
{
    rotator_t *self = state;
    watched_t *watched = find_watched (self, ((const call_t *) context)->id);
    if (!watched)
        return;
    watched->is_asked = false;
    if (fault)
        return; // asked again at the next interval
    const char *path = node_get_text (node_get (reply->body, "status"), "log_path", "");
    if (path[0] == '/')
        watched->path = text_copy (path);
    look (self);
}

static void
note_listed (rotator_t *self, const char *id)
{
    watched_t *watched = find_watched (self, id);
    if (!watched) {
        watched = memory_new (1, sizeof *watched);
        watched->id = text_copy (id);
        zlistx_add_end (self->watched, watched);
    }
    watched->is_listed = true;
    watched->is_held = false;
    if (!watched->path && !watched->is_asked) {
        watched->is_asked = true;
        ask_with_id (self, MSG_CRI_CONTAINER_STATUS, id, on_status);
    }
}

static void
forget_unlisted (rotator_t *self)
{
    watched_t *item = zlistx_first (self->watched);
    while (item) {
        void *cursor = zlistx_cursor (self->watched);
        bool is_over = !item->is_listed;
        item->is_listed = false;
        item = zlistx_next (self->watched);
        if (is_over)
            zlistx_delete (self->watched, cursor);
    }
}

static void
on_listed (void *state, const message_t *reply, const fault_t *fault, void *context)
{
    (void) context;
    rotator_t *self = state;
    if (fault)
        return; // the runtime is away; the next interval tries again
    NODE_EACH (node_get (reply->body, "containers"), container)
    if (node_get (container, "id"))
        note_listed (self, node_get_text (container, "id", ""));
    forget_unlisted (self);
    look (self);
}

static void
on_interval (void *state, void *context)
{
    (void) context;
    rotator_t *self = state;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t running = node_map();
    node_set_text (tree, &running, "state", "CONTAINER_RUNNING");
    node_t filter = node_map();
    node_set (tree, &filter, "state", running);
    node_t body = node_map();
    node_set (tree, &body, "filter", filter);
    actor_request (self->actor, "runtime", MSG_CRI_LIST_CONTAINERS, &body, CALL_DEADLINE_MS,
                   on_listed, NULL, 0);
    self->timer = actor_timer (self->actor, self->interval_ms, on_interval, NULL);
}

// ---- the class ----

static void *
start (actor_t *actor, const node_t *args, fault_t *fault)
{
    (void) fault;
    rotator_t *self = memory_new (1, sizeof *self);
    self->actor = actor;
    self->max_size = node_get_int (args, "max_size", 0);
    self->max_files = node_get_int (args, "max_files", 5);
    self->max_workers = (size_t) node_get_int (args, "max_workers", 1);
    self->interval_ms = node_get_int (args, "interval_ms", 10000);
    self->watched = zlistx_new();
    zlistx_set_destructor (self->watched, watched_destroy);
    self->rotations = zlistx_new();
    zlistx_set_destructor (self->rotations, rotation_destroy);
    self->timer = actor_timer (actor, self->interval_ms, on_interval, NULL);
    return self;
}

static void
stop (void **self_p)
{
    rotator_t *self = *self_p;
    zlistx_destroy (&self->rotations);
    zlistx_destroy (&self->watched);
    free (self);
    *self_p = NULL;
}

static const actor_handler_t HANDLERS[] = { { 0 } };

const actor_class_t log_rotator_class = {
    .name = "log-rotator",
    .about = "rotates and compresses the logs of running containers",
    .handlers = HANDLERS,
    .start = start,
    .stop = stop,
};
