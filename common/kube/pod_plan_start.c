/* pod_plan_start.c - whose turn it is to start, and who is held back
   (reference/pod-lifecycle.md 6.2, 6.6). Starts are sequential in the order of `starts`: a
   container's image, creation, start and postStart hook come before the next container's. Only
   the pulling of images runs ahead, as soon as there is a sandbox: upstream says nothing of images
   (no event, no reason to wait) while there is none. */
#include "cubelet/clock.h"
#include "cubelet/duration.h"
#include "cubelet/pod_names.h"
#include "pod_plan_internal.h"
#include <string.h>

// ---- crash-loop backoff (6.6) ----

/* After a sync that failed, 10 s with up to half of that added: the middle
   (reference/pod-lifecycle.md 1). */
#define SYNC_RETRY_MS 12500

#define FNV64_BASIS 0xcbf29ce484222325ULL
#define FNV64_PRIME 0x100000001b3ULL

static uint64_t
hash_bytes (uint64_t hash, const void *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ ((const unsigned char *) bytes)[i]) * FNV64_PRIME;
    return hash;
}

static uint64_t
hash_text (uint64_t hash, const char *text)
{
    return hash_bytes (hash, text ? text : "", text ? strlen (text) + 1 : 1);
}

/* Any change of these starts the backoff over. */
static uint64_t
backoff_key (const pod_t *pod, const container_t *container)
{
    uint64_t hash = FNV64_BASIS;
    hash = hash_text (hash, pod->metadata.name);
    hash = hash_text (hash, pod->metadata.namespace);
    hash = hash_text (hash, pod->metadata.uid);
    hash = hash_text (hash, container->name);
    hash = hash_text (hash, container->image);
    size_t size = 0;
    OWNED (free_text) char *resources = node_pack (node_get (container->node, "resources"), &size);
    return hash_bytes (hash, resources, size);
}

/* True for an instance that was stopped to be started again (a probe failed, its definition
   changed): upstream does both in one sync, which does not see that end yet. */
static bool
is_end_of_restart (const planner_t *self, const container_seen_t *run)
{
    const instance_local_t *known = pod_local_instance (self->local, run->id);
    return known && known->is_restart;
}

/* The newest exited instance whose end a restart may have to wait for, or NULL. */
static const container_seen_t *
last_run (const planner_t *self, const container_t *container)
{
    const container_seen_t *newest = plan_newest (self, container);
    if (!newest)
        return NULL; // a new sandbox begins without a past
    const container_seen_t *run;
    for (size_t skip = 0; (run = pod_seen_newest (self->seen, container->name, skip)); skip++)
        if (run->state == SEEN_EXITED && (run != newest || !is_end_of_restart (self, run)))
            return run;
    return NULL;
}

static int64_t
end_of (const container_seen_t *run)
{
    return run->finished_at > 0 ? run->finished_at : run->created_at;
}

static char *
full_name (const planner_t *self)
{
    const object_meta_t *metadata = &self->pod->metadata;
    return pod_full_name (metadata->namespace, metadata->name, metadata->uid);
}

/* Upstream's sync makes the status before it finds that a container has to wait, so the status
   says so from the next sync on: at once when this one killed the container itself (its end causes
   another one), else after the retry of a failed one, or when the wait is over. */
static int64_t
next_sync_at (const planner_t *self, const container_t *container, int64_t wait_ends_at)
{
    const container_seen_t *newest = plan_newest (self, container);
    if (newest && is_end_of_restart (self, newest))
        return self->now;
    int64_t retry_at = self->now + SYNC_RETRY_MS * NS_PER_MS;
    return retry_at < wait_ends_at ? retry_at : wait_ends_at;
}

static void
note_back_off (planner_t *self, const container_t *container, const container_seen_t *run,
               int64_t wait_ns)
{
    char wait[DURATION_TEXT_MAX];
    OWNED (free_text) char *pod = full_name (self);
    const container_local_t *known = plan_container (self, container->name);
    bool is_noted = known->backed_off_id && strcmp (known->backed_off_id, run->id) == 0;
    pod_waiting_t waiting = {
        .container = container->name,
        .reason = "CrashLoopBackOff",
        .message = plan_text (self, "back-off %s restarting failed container=%s pod=%s",
                              duration_text (wait_ns, wait), container->name, pod),
        .shown_at =
            is_noted ? known->held_until : next_sync_at (self, container, end_of (run) + wait_ns),
    };
    plan_wait (self, waiting);
    plan_wake (self, waiting.shown_at);
    if (!is_noted)
        plan_act (self, (pod_action_t){
                            .kind = POD_EVENT,
                            .container = container->name,
                            .id = run->id,
                            .event_type = "Warning",
                            .reason = "BackOff",
                            .message = plan_text (
                                self, "Back-off restarting failed container %s in pod %s",
                                container->name, pod),
                            .waiting_message = waiting.message,
                            .shown_at = waiting.shown_at,
                        });
}

/* True while the container has to wait after its last run. */
static bool
is_backed_off (planner_t *self, const container_t *container)
{
    const container_seen_t *run = last_run (self, container);
    const container_local_t *known = plan_container (self, container->name);
    if (!run || known->backoff_key != backoff_key (self->pod, container)
        || !backoff_holds_since (&known->backoff, &self->local->restart_limits, end_of (run),
                                 self->now))
        return false;
    note_back_off (self, container, run, known->backoff.wait_ns);
    plan_wake (self, end_of (run) + known->backoff.wait_ns);
    return true;
}

// ---- turns ----

static void
start (planner_t *self, const container_t *container)
{
    const container_seen_t *newest = pod_seen_newest (self->seen, container->name, 0);
    const container_seen_t *run = last_run (self, container);
    plan_act (self, (pod_action_t){ .kind = POD_START_CONTAINER,
                                    .container = container->name,
                                    .id = self->sandbox->id,
                                    .attempt = newest ? newest->restart_count + 1 : -1,
                                    .finished_at = run ? end_of (run) : 0,
                                    .backoff_key = backoff_key (self->pod, container) });
}

typedef enum {
    TURN_TAKEN, // it is starting, or about to
    TURN_LEFT,  // it waits by itself
    HELD_BACK,  // its last start failed, or crashed too often
} turn_t;

static turn_t
take_turn (planner_t *self, const container_t *container, bool is_blocked)
{
    const container_local_t *known = plan_container (self, container->name);
    const container_seen_t *newest = plan_newest (self, container);
    if (known->step != STEP_IDLE)
        return TURN_TAKEN;
    if (newest && plan_is_alive (self, newest))
        return TURN_LEFT; // is being killed
    if (is_backed_off (self, container) || plan_wake (self, known->retry_at))
        return HELD_BACK;
    if (!known->has_image)
        plan_act (self, (pod_action_t){ .kind = POD_ENSURE_IMAGE, .container = container->name });
    else if (!is_blocked)
        start (self, container);
    return TURN_TAKEN;
}

static bool
is_any_starting (const planner_t *self)
{
    for (size_t i = 0; i < POD_CONTAINER_COUNT (self->pod); i++)
        if (plan_is_starting (self, pod_container_at (self->pod, i)->name))
            return true;
    return false;
}

/* True when containers can be put into the sandbox. */
static bool
is_usable (const planner_t *self, const sandbox_seen_t *sandbox)
{
    if (!sandbox)
        return false;
    const sandbox_local_t *known = plan_sandbox (self, sandbox->id);
    return !known->is_stopping && !known->is_stopped && !known->is_removing;
}

void
plan_starts (planner_t *self)
{
    if (!self->local->is_prepared || !is_usable (self, self->sandbox))
        return;
    bool is_blocked = is_any_starting (self);
    for (size_t i = 0; i < self->starts.count; i++) {
        const container_t *container = self->starts.items[i];
        turn_t turn = take_turn (self, container, is_blocked);
        is_blocked = is_blocked || turn == TURN_TAKEN;
        // A regular init container that fails aborts what comes after it, others do not.
        if (turn == HELD_BACK && container->kind == CONTAINER_INIT)
            return;
    }
}
