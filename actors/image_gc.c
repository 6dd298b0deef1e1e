/* image_gc.c - removes images that nothing uses, when the disk they are on is full, when they have
   been unused for too long, and when the eviction-manager needs room.

   Every five minutes it notes which images are there and in use, and looks at the disk. Images of
   sandboxes are no container's: the runtime is asked which one it takes for them, as containerd 1.6
   does not pin it.

   Arguments: {"node_name", "minimum_age_ms", "maximum_age_ms", "high_percent", "low_percent":
   imageMinimumGCAge, imageMaximumGCAge (0: off), imageGCHighThresholdPercent (100: off) and
   imageGCLowThresholdPercent; "round_ms", which tests change}.
   Source: reference/node-and-server.md 6.1. */
#include "cubelet/image_gc.h"
#include "cubelet/actors.h"
#include "cubelet/askers.h"
#include "cubelet/clock.h"
#include "cubelet/json.h"
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include "cubelet/metrics.h"
#include "cubelet/object_reference.h"
#include <errno.h>
#include <string.h>
#include <sys/statvfs.h>

#define ROUND_MS (5 * 60 * 1000)
#define ASK_DEADLINE_MS 30000

/* As often until the runtime has listed its images once, perhaps because it is not up yet. */
#define FIRST_TRY_MS 30000

/* Deleting layers takes a disk's time. */
#define REMOVE_DEADLINE_MS (2 * 60 * 1000)

typedef struct {
    actor_t *actor;
    tree_t *args;
    image_gc_t *images;
    bool has_failed; // the last round: the next failure is an event
    uint64_t timer;

    // ---- a round under way ----
    bool is_working;
    bool removes_all; // asked for by others
    bool is_wanted;   // by others, after this round
    size_t waiting;   // answers
    tree_t *image_list, *containers, *status, *file_systems;
    fault_t fault;
    askers_t *askers;
    char **victims; // ids, to be removed one after the other
    size_t victim_count, next_victim;
    const char *reason; // of the removal, for metrics
    int64_t freed;
    int64_t wanted_bytes;
} gc_t;

static void begin_round (gc_t *self, bool removes_all);

static int64_t
argument (const gc_t *self, const char *name, int64_t otherwise)
{
    return node_get_int (tree_root (self->args), name, otherwise);
}

static int64_t
now_ns (void)
{
    return clock_monotonic_ms() * NS_PER_MS;
}

// ---- the end of a round ----

static void
record_event (gc_t *self, const char *reason, const char *message)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t body = node_map();
    node_set (
        tree, &body, "object",
        object_reference_node (tree, node_get_text (tree_root (self->args), "node_name", "")));
    node_set_text (tree, &body, "type", "Warning");
    node_set_text (tree, &body, "reason", reason);
    node_set_text (tree, &body, "message", message);
    actor_send (self->actor, "event-recorder", MSG_EVENT_RECORD, &body);
}

static void
forget_round (gc_t *self)
{
    tree_destroy (&self->image_list);
    tree_destroy (&self->containers);
    tree_destroy (&self->status);
    tree_destroy (&self->file_systems);
    for (size_t i = 0; i < self->victim_count; i++)
        free (self->victims[i]);
    free (self->victims);
    self->victims = NULL;
    self->victim_count = self->next_victim = 0;
    self->is_working = false;
}

/* One failure is bad luck, or a runtime that is not up yet: the second one is told. */
static void
note_end (gc_t *self, const fault_t *fault)
{
    if (fault && self->has_failed)
        record_event (self, "ImageGCFailed", fault->text);
    if (fault)
        LOG_WARNING ("Image garbage collection failed err=%s", fault->text);
    self->has_failed = fault != NULL;
}

static void
end_round (gc_t *self, const fault_t *fault)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t body = node_map();
    node_set_int (tree, &body, "freed", self->freed);
    note_end (self, fault);
    if (self->removes_all)
        askers_answer (self->askers, self->actor, fault ? NULL : &body, fault);
    forget_round (self);
    if (self->is_wanted)
        begin_round (self, true);
}

static void
end_freeing (gc_t *self)
{
    fault_t fault = { 0 };
    if (self->freed >= self->wanted_bytes) {
        end_round (self, NULL);
        return;
    }
    fault_set (&fault, FAULT_EXHAUSTED,
               "Failed to garbage collect required amount of images. Attempted to free %lld bytes, "
               "but only found %lld bytes eligible to free.",
               (long long) self->wanted_bytes, (long long) self->freed);
    record_event (self, "FreeDiskSpaceFailed", fault.text);
    end_round (self, &fault);
}

// ---- removing ----

static void remove_next (gc_t *self);

static void
on_removed (void *state, const message_t *reply, const fault_t *fault, void *context)
{
    (void) reply;
    gc_t *self = state;
    int64_t size = *(const int64_t *) context;
    const char *id = self->victims[self->next_victim++];
    if (fault)
        LOG_WARNING ("Image not removed imageID=%s err=%s", id, fault->text);
    else {
        LOG_INFO ("Image removed imageID=%s size=%lld reason=%s", id, (long long) size,
                  self->reason);
        metric_count (METRIC_IMAGE_GARBAGE_COLLECTED_TOTAL, LABELS (self->reason));
        self->freed += size;
    }
    remove_next (self);
}

static int64_t
size_of (const gc_t *self, const char *id)
{
    NODE_EACH (tree_root (self->image_list), image)
    if (strcmp (node_get_text (image, "id", ""), id) == 0)
        return node_get_int (image, "size", 0);
    return 0;
}

static void
remove_next (gc_t *self)
{
    if (self->next_victim == self->victim_count) {
        end_freeing (self);
        return;
    }
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t spec = node_map(), request = node_map();
    const char *id = self->victims[self->next_victim];
    int64_t size = size_of (self, id);
    node_set_text (tree, &spec, "image", id);
    node_set (tree, &request, "image", spec);
    actor_request (self->actor, "runtime", MSG_CRI_REMOVE_IMAGE, &request, REMOVE_DEADLINE_MS,
                   on_removed, &size, sizeof size);
}

static void
take_victims (gc_t *self, const image_victim_t *victims, size_t count, const char *reason)
{
    self->victims = memory_new (count + 1, sizeof *self->victims);
    for (size_t i = 0; i < count; i++)
        self->victims[i] = text_copy (victims[i].id);
    self->victim_count = count;
    self->reason = reason;
}

// ---- deciding ----

/* What has to be freed of the disk; a capacity of 0 is a fault. */
static int
find_excess (gc_t *self, int64_t *bytes, fault_t *fault)
{
    const node_t *usage =
        node_item (node_get (tree_root (self->file_systems), "image_filesystems"), 0);
    const char *mount = node_get_text (node_get (usage, "fs_id"), "mountpoint", "");
    struct statvfs fs;
    if (statvfs (mount, &fs) < 0)
        return fault_set (fault, FAULT_UNAVAILABLE, "the image file system \"%s\": %s", mount,
                          strerror (errno));
    int64_t block = (int64_t) fs.f_frsize, capacity = (int64_t) fs.f_blocks * block;
    int64_t available = (int64_t) fs.f_bavail * block;
    if (capacity == 0) {
        fault_set (fault, FAULT_INVALID, "invalid capacity 0 on image filesystem");
        record_event (self, "InvalidDiskCapacity", fault->text);
        return -1;
    }
    *bytes = image_gc_excess (capacity, available, argument (self, "high_percent", 85),
                              argument (self, "low_percent", 80));
    if (*bytes > 0)
        LOG_INFO ("Disk usage on image filesystem is over the high threshold, trying to free bytes "
                  "down to the low threshold bytes=%lld",
                  (long long) *bytes);
    return 0;
}

/* The image that the runtime makes sandboxes of: in the JSON of a verbose Status. Owned, or NULL.
 */
static char *
sandbox_image_of (const node_t *status)
{
    fault_t ignored = { 0 }; // another runtime, which says it in another way or pins the image
    const char *text = node_get_text (node_get (status, "info"), "config", NULL);
    OWNED (tree_destroy) tree_t *config = text ? json_read (text, strlen (text), &ignored) : NULL;
    const char *image = node_get_text (tree_root (config), "sandboxImage", NULL);
    return image ? text_copy (image) : NULL;
}

static void
decide (gc_t *self)
{
    fault_t fault = { 0 };
    int64_t minimum_age = argument (self, "minimum_age_ms", 2 * 60 * 1000) * NS_PER_MS;
    int64_t maximum_age = argument (self, "maximum_age_ms", 0) * NS_PER_MS;
    OWNED (free_text) char *sandbox_image = sandbox_image_of (tree_root (self->status));
    image_gc_note (self->images, tree_root (self->image_list), tree_root (self->containers),
                   sandbox_image, now_ns());
    image_victim_t *victims = memory_new (image_gc_count (self->images) + 1, sizeof *victims);
    size_t count = image_gc_choose_old (self->images, maximum_age, minimum_age, now_ns(), victims);
    const char *reason = count > 0 ? "age" : "space";
    int64_t excess = 0;
    if (self->removes_all)
        excess = INT64_MAX;
    else if (count == 0 && find_excess (self, &excess, &fault) < 0) {
        free (victims);
        end_round (self, &fault);
        return;
    }
    if (excess > 0) {
        reason = "space";
        count = image_gc_choose (self->images, excess, minimum_age, now_ns(), victims);
    }
    self->wanted_bytes = self->removes_all ? 0 : excess;
    take_victims (self, victims, count, reason);
    free (victims);
    remove_next (self);
}

// ---- a round ----

static const struct {
    message_id_t type;
    const char *key; // of the reply; NULL: all of it
    size_t place;    // of a tree_t *
    bool can_be_missing;
} QUESTIONS[] = {
    { MSG_CRI_LIST_IMAGES, "images", offsetof (gc_t, image_list) },
    { MSG_CRI_LIST_CONTAINERS, "containers", offsetof (gc_t, containers) },
    { MSG_CRI_IMAGE_FS_INFO, NULL, offsetof (gc_t, file_systems) },
    { MSG_CRI_STATUS, NULL, offsetof (gc_t, status), true },
};

static void
on_answer (void *state, const message_t *reply, const fault_t *fault, void *context)
{
    gc_t *self = state;
    size_t question = *(const size_t *) context;
    if (fault && !QUESTIONS[question].can_be_missing) {
        self->fault = *fault;
        fault_wrap (&self->fault, "%s", message_name (QUESTIONS[question].type));
    }
    else if (reply) {
        const char *key = QUESTIONS[question].key;
        *(tree_t **) ((char *) self + QUESTIONS[question].place) =
            tree_copy (key ? node_get (reply->body, key) : reply->body);
    }
    if (--self->waiting > 0)
        return;
    if (self->fault.code != FAULT_NONE) {
        fault_t copy = self->fault;
        end_round (self, &copy);
    }
    else
        decide (self);
}

static void
begin_round (gc_t *self, bool removes_all)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t verbose = node_map();
    node_set_bool (tree, &verbose, "verbose", true);
    self->is_working = true;
    self->removes_all = removes_all;
    self->is_wanted = false;
    self->freed = self->wanted_bytes = 0;
    fault_clear (&self->fault);
    self->waiting = COUNT_OF (QUESTIONS);
    for (size_t i = 0; i < COUNT_OF (QUESTIONS); i++)
        actor_request (self->actor, "runtime", QUESTIONS[i].type,
                       QUESTIONS[i].type == MSG_CRI_STATUS ? &verbose : NULL, ASK_DEADLINE_MS,
                       on_answer, &i, sizeof i);
}

static void
on_timer (void *state, void *context)
{
    (void) context;
    gc_t *self = state;
    int64_t wait_ms = argument (self, "round_ms", ROUND_MS);
    if (image_gc_count (self->images) == 0 && wait_ms > FIRST_TRY_MS)
        wait_ms = FIRST_TRY_MS;
    self->timer = actor_timer (self->actor, wait_ms, on_timer, NULL);
    if (!self->is_working)
        begin_round (self, false);
}

static int
on_gc (void *state, const message_t *message, fault_t *fault)
{
    (void) fault;
    gc_t *self = state;
    askers_add (self->askers, message);
    if (!self->is_working)
        begin_round (self, true);
    else if (!self->removes_all)
        self->is_wanted = true;
    return 0;
}

// ---- start and stop ----

static void
stop (void **self_p)
{
    gc_t *self = *self_p;
    forget_round (self);
    askers_destroy (&self->askers);
    image_gc_destroy (&self->images);
    tree_destroy (&self->args);
    free (self);
    *self_p = NULL;
}

static void *
start (actor_t *actor, const node_t *args, fault_t *fault)
{
    (void) fault;
    gc_t *self = memory_new (1, sizeof *self);
    self->actor = actor;
    self->args = tree_copy (args);
    self->images = image_gc_new();
    self->askers = askers_new();
    self->timer = actor_timer (actor, 0, on_timer, NULL);
    return self;
}

static const actor_handler_t HANDLERS[] = {
    { MSG_IMAGE_GC, on_gc },
    { 0 },
};

const actor_class_t image_gc_class = {
    .name = "image-gc",
    .about = "removes images that nothing uses",
    .handlers = HANDLERS,
    .start = start,
    .stop = stop,
};
