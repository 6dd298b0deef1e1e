#include "cubelet/pod_local.h"
#include "cubelet/clock.h"
#include "cubelet/container_hash.h"
#include "cubelet/memory.h"
#include "cubelet/pod_plan.h"
#include <string.h>

// ---- entries, made when first needed ----

static void
container_free (container_local_t *entry)
{
    free (entry->name);
    free (entry->failure_reason);
    free (entry->failure_message);
    free (entry->held_reason);
    free (entry->held_message);
    free (entry->backed_off_id);
    free (entry);
}

static void
instance_free (instance_local_t *entry)
{
    free (entry->id);
    free (entry->termination_message);
    free (entry);
}

static void
sandbox_free (sandbox_local_t *entry)
{
    free (entry->id);
    free (entry);
}

pod_local_t *
pod_local_new (void)
{
    pod_local_t *self = memory_new (1, sizeof *self);
    self->dead_kept = 1;
    self->restart_limits = BACKOFF_CONTAINER;
    return self;
}

void
pod_local_destroy (pod_local_t **self_p)
{
    pod_local_t *self = *self_p;
    if (!self)
        return;
    for (size_t i = 0; i < self->container_count; i++)
        container_free (self->containers[i]);
    for (size_t i = 0; i < self->instance_count; i++)
        instance_free (self->instances[i]);
    for (size_t i = 0; i < self->sandbox_count; i++)
        sandbox_free (self->sandboxes[i]);
    free (self->containers);
    free (self->instances);
    free (self->sandboxes);
    free (self->terminate_reason);
    free (self->terminate_message);
    free (self->resize_reason);
    free (self->resize_message);
    free (self->resize_error);
    free (self);
    *self_p = NULL;
}

static container_local_t *
find_container (const pod_local_t *self, const char *name)
{
    for (size_t i = 0; name && i < self->container_count; i++)
        if (strcmp (self->containers[i]->name, name) == 0)
            return self->containers[i];
    return NULL;
}

static instance_local_t *
find_instance (const pod_local_t *self, const char *id)
{
    for (size_t i = 0; id && i < self->instance_count; i++)
        if (strcmp (self->instances[i]->id, id) == 0)
            return self->instances[i];
    return NULL;
}

static sandbox_local_t *
find_sandbox (const pod_local_t *self, const char *id)
{
    for (size_t i = 0; id && i < self->sandbox_count; i++)
        if (strcmp (self->sandboxes[i]->id, id) == 0)
            return self->sandboxes[i];
    return NULL;
}

const container_local_t *
pod_local_container (const pod_local_t *self, const char *name)
{
    return find_container (self, name);
}

const instance_local_t *
pod_local_instance (const pod_local_t *self, const char *id)
{
    return find_instance (self, id);
}

const sandbox_local_t *
pod_local_sandbox (const pod_local_t *self, const char *id)
{
    return find_sandbox (self, id);
}

static container_local_t *
container_of (pod_local_t *self, const char *name)
{
    container_local_t *entry = find_container (self, name);
    if (entry)
        return entry;
    size_t count = self->container_count++;
    self->containers = memory_grow (self->containers, count + 1, sizeof *self->containers);
    self->containers[count] = entry = memory_new (1, sizeof *entry);
    entry->name = text_copy (name);
    return entry;
}

static instance_local_t *
instance_of (pod_local_t *self, const char *id)
{
    instance_local_t *entry = find_instance (self, id);
    if (entry)
        return entry;
    size_t count = self->instance_count++;
    self->instances = memory_grow (self->instances, count + 1, sizeof *self->instances);
    self->instances[count] = entry = memory_new (1, sizeof *entry);
    entry->id = text_copy (id);
    return entry;
}

static sandbox_local_t *
sandbox_of (pod_local_t *self, const char *id)
{
    sandbox_local_t *entry = find_sandbox (self, id);
    if (entry)
        return entry;
    size_t count = self->sandbox_count++;
    self->sandboxes = memory_grow (self->sandboxes, count + 1, sizeof *self->sandboxes);
    self->sandboxes[count] = entry = memory_new (1, sizeof *entry);
    entry->id = text_copy (id);
    return entry;
}

static void
set_text (char **text_p, const char *text)
{
    char *copy = text_copy (text); // before the free: it may be the same text
    free (*text_p);
    *text_p = copy;
}

static void
set_failure (container_local_t *entry, const char *reason, const char *message)
{
    set_text (&entry->failure_reason, reason);
    set_text (&entry->failure_message, message);
    set_text (&entry->held_reason, NULL);
    set_text (&entry->held_message, NULL);
}

/* The reason is shown from `until` on only; what is shown by now stays until then. */
static void
hold_failure (container_local_t *entry, const char *reason, const char *message, int64_t until,
              int64_t now)
{
    if (entry->held_reason && now >= entry->held_until)
        set_failure (entry, entry->held_reason, entry->held_message);
    set_text (&entry->held_reason, reason);
    set_text (&entry->held_message, message);
    entry->held_until = until;
}

void
pod_local_failure (const container_local_t *entry, int64_t now, const char **reason_p,
                   const char **message_p)
{
    bool is_due = entry->held_reason && now >= entry->held_until;
    *reason_p = is_due ? entry->held_reason : entry->failure_reason;
    *message_p = is_due ? entry->held_message : entry->failure_message;
}

// ---- an action begins ----

typedef void began_fn (pod_local_t *self, const pod_action_t *action, int64_t now);

static void
event_began (pod_local_t *self, const pod_action_t *action, int64_t now)
{
    if (strcmp (action->reason, "BackOff") == 0) {
        container_local_t *entry = container_of (self, action->container);
        set_text (&entry->backed_off_id, action->id);
        hold_failure (entry, "CrashLoopBackOff", action->waiting_message, action->shown_at, now);
    }
    else if (strcmp (action->reason, "SandboxChanged") == 0)
        sandbox_of (self, action->id)->is_change_noted = true;
    else if (strcmp (action->reason, "DeadlineExceeded") == 0)
        self->is_deadline_noted = true;
}

static void
kill_began (pod_local_t *self, const pod_action_t *action, int64_t now)
{
    instance_local_t *entry = instance_of (self, action->id);
    entry->is_killing = true;
    entry->is_restart = action->is_restart;
    entry->is_pod_kill = action->is_pod_kill;
    entry->kill_begun_at = now;
    entry->kill_grace_s = action->grace_s;
}

static void
pre_stop_began (pod_local_t *self, const pod_action_t *action, int64_t now)
{
    (void) now;
    instance_of (self, action->id)->pre_stop = HOOK_RUNNING;
}

static void
stop_began (pod_local_t *self, const pod_action_t *action, int64_t now)
{
    instance_local_t *entry = instance_of (self, action->id);
    if (entry->pre_stop == HOOK_RUNNING) { // it ran out of time
        entry->pre_stop = HOOK_DONE;
        entry->pre_stop_ended_at = now;
    }
    entry->is_stopping = true;
}

static void
remove_began (pod_local_t *self, const pod_action_t *action, int64_t now)
{
    (void) now;
    instance_of (self, action->id)->is_removing = true;
}

static void
sandbox_stop_began (pod_local_t *self, const pod_action_t *action, int64_t now)
{
    (void) now;
    sandbox_of (self, action->id)->is_stopping = true;
}

static void
sandbox_remove_began (pod_local_t *self, const pod_action_t *action, int64_t now)
{
    (void) now;
    sandbox_of (self, action->id)->is_removing = true;
}

static void
sandbox_create_began (pod_local_t *self, const pod_action_t *action, int64_t now)
{
    (void) action, (void) now;
    self->is_creating_sandbox = true;
}

static void
image_began (pod_local_t *self, const pod_action_t *action, int64_t now)
{
    (void) now;
    container_of (self, action->container)->step = STEP_IMAGE;
}

static void
start_began (pod_local_t *self, const pod_action_t *action, int64_t now)
{
    container_local_t *entry = container_of (self, action->container);
    entry->step = STEP_CREATE;
    entry->has_image = false; // looked up again for the next start, as upstream does
    if (entry->backoff_key != action->backoff_key) {
        entry->backoff = (backoff_t){ 0 };
        entry->backoff_key = action->backoff_key;
    }
    if (action->finished_at)
        backoff_next (&entry->backoff, &self->restart_limits, action->finished_at, now);
}

// ---- an action ends ----

typedef void ended_fn (pod_local_t *self, const char *key, int64_t now);

static void
pre_stop_ended (pod_local_t *self, const char *id, int64_t now)
{
    instance_local_t *entry = instance_of (self, id);
    if (entry->pre_stop == HOOK_DONE) // cut off before
        return;
    entry->pre_stop = HOOK_DONE;
    entry->pre_stop_ended_at = now;
}

static void
stop_ended (pod_local_t *self, const char *id, int64_t now)
{
    (void) now;
    instance_local_t *entry = instance_of (self, id);
    entry->is_stopping = false;
    entry->is_stopped = true;
}

static void
remove_ended (pod_local_t *self, const char *id, int64_t now)
{
    (void) now;
    instance_of (self, id)->is_removing = false;
}

static void
sandbox_stop_ended (pod_local_t *self, const char *id, int64_t now)
{
    (void) now;
    sandbox_local_t *entry = sandbox_of (self, id);
    entry->is_stopping = false;
    entry->is_stopped = true;
}

static void
sandbox_remove_ended (pod_local_t *self, const char *id, int64_t now)
{
    (void) now;
    sandbox_of (self, id)->is_removing = false;
}

static void
sandbox_create_ended (pod_local_t *self, const char *key, int64_t now)
{
    (void) key, (void) now;
    self->is_creating_sandbox = false;
    self->sandbox_retry_at = 0;
}

static void
image_ended (pod_local_t *self, const char *container, int64_t now)
{
    (void) now;
    container_local_t *entry = container_of (self, container);
    entry->step = STEP_IDLE;
    entry->has_image = true;
    entry->retry_at = 0;
}

static void
start_ended (pod_local_t *self, const char *container, int64_t now)
{
    (void) now;
    container_local_t *entry = container_of (self, container);
    entry->step = STEP_IDLE;
    entry->retry_at = 0;
    set_failure (entry, NULL, NULL);
}

// ---- an action fails ----

typedef struct {
    const char *reason, *message; // of a start
    int64_t retry_at, now;
} failure_t;

typedef void failed_fn (pod_local_t *self, const char *key, const failure_t *failure);

static void
pre_stop_failed (pod_local_t *self, const char *id, const failure_t *failure)
{
    pre_stop_ended (self, id, failure->now); // the stop goes on (pod-lifecycle.md 8)
}

static void
stop_failed (pod_local_t *self, const char *id, const failure_t *failure)
{
    instance_local_t *entry = instance_of (self, id);
    entry->is_stopping = false;
    entry->retry_at = failure->retry_at;
}

static void
remove_failed (pod_local_t *self, const char *id, const failure_t *failure)
{
    instance_local_t *entry = instance_of (self, id);
    entry->is_removing = false;
    entry->retry_at = failure->retry_at;
}

static void
sandbox_failed (pod_local_t *self, const char *id, const failure_t *failure)
{
    sandbox_local_t *entry = sandbox_of (self, id);
    entry->is_stopping = entry->is_removing = false;
    entry->retry_at = failure->retry_at;
}

static void
sandbox_create_failed (pod_local_t *self, const char *key, const failure_t *failure)
{
    (void) key;
    self->is_creating_sandbox = false;
    self->sandbox_retry_at = failure->retry_at;
}

/* Upstream's sync shows what the one before it found. The first failure is followed by a sync in a
   moment, caused by what the runtime says of the new sandbox, later ones by the retry. So a pull
   that fails and a pull that is held back take turns, as in the recordings (image-not-found). */
#define FIRST_RETRY_MS 1000

static void
start_failed (pod_local_t *self, const char *container, const failure_t *failure)
{
    container_local_t *entry = container_of (self, container);
    bool is_first = !entry->failure_reason;
    int64_t soon = failure->now + FIRST_RETRY_MS * NS_PER_MS;
    entry->step = STEP_IDLE;
    entry->has_image = false;
    entry->retry_at = is_first && soon < failure->retry_at ? soon : failure->retry_at;
    if (is_first)
        set_failure (entry, failure->reason, failure->message);
    else
        hold_failure (entry, failure->reason, failure->message, entry->retry_at, failure->now);
}

// ---- which of them ----

static const struct {
    began_fn *began;
    ended_fn *ended; // NULL: nothing to end
    failed_fn *failed;
} KINDS[POD_ACTION_KIND_COUNT] = {
    [POD_EVENT] = { event_began, NULL, NULL },
    [POD_KILL_CONTAINER] = { kill_began, NULL, NULL },
    [POD_PRE_STOP] = { pre_stop_began, pre_stop_ended, pre_stop_failed },
    [POD_STOP_CONTAINER] = { stop_began, stop_ended, stop_failed },
    [POD_REMOVE_CONTAINER] = { remove_began, remove_ended, remove_failed },
    [POD_STOP_SANDBOX] = { sandbox_stop_began, sandbox_stop_ended, sandbox_failed },
    [POD_REMOVE_SANDBOX] = { sandbox_remove_began, sandbox_remove_ended, sandbox_failed },
    [POD_CREATE_SANDBOX] = { sandbox_create_began, sandbox_create_ended, sandbox_create_failed },
    [POD_ENSURE_IMAGE] = { image_began, image_ended, start_failed },
    [POD_START_CONTAINER] = { start_began, start_ended, start_failed },
};

void
pod_local_began (pod_local_t *self, const pod_action_t *action, int64_t now)
{
    KINDS[action->kind].began (self, action, now);
}

void
pod_local_ended (pod_local_t *self, int kind, const char *key, int64_t now)
{
    if (KINDS[kind].ended)
        KINDS[kind].ended (self, key, now);
}

void
pod_local_failed (pod_local_t *self, int kind, const char *key, const char *reason,
                  const char *message, int64_t retry_at, int64_t now)
{
    failure_t failure = { reason, message, retry_at, now };
    if (KINDS[kind].failed)
        KINDS[kind].failed (self, key, &failure);
}

// ---- what else the worker hears ----

void
pod_local_terminate (pod_local_t *self, opt_int_t grace_s, const char *reason, const char *message,
                     bool is_gone)
{
    bool is_smaller = !self->asked_grace_s.set || grace_s.value < self->asked_grace_s.value;
    if (grace_s.set && is_smaller)
        self->asked_grace_s = grace_s;
    if (!self->terminate_reason && reason) {
        self->terminate_reason = text_copy (reason);
        self->terminate_message = text_copy (message);
    }
    self->is_asked_to_stop = true;
    self->is_gone = self->is_gone || is_gone;
}

void
pod_local_set_step (pod_local_t *self, const char *container, container_step_t step)
{
    container_of (self, container)->step = step;
}

void
pod_local_set_resize_pending (pod_local_t *self, const char *reason, const char *message)
{
    set_text (&self->resize_reason, reason);
    set_text (&self->resize_message, message);
}

void
pod_local_set_resizing (pod_local_t *self, bool is_resizing, const char *error)
{
    self->is_resizing = is_resizing;
    set_text (&self->resize_error, error);
}

void
pod_local_set_needs_restart (pod_local_t *self, const char *id)
{
    instance_of (self, id)->needs_restart = true;
}

void
pod_local_set_post_start_failed (pod_local_t *self, const char *id)
{
    instance_of (self, id)->post_start_failed = true;
}

void
pod_local_set_probe (pod_local_t *self, const char *id, local_probe_t probe, local_result_t result)
{
    instance_of (self, id)->probes[probe] = result;
}

void
pod_local_set_termination_message (pod_local_t *self, const char *id, const char *text)
{
    set_text (&instance_of (self, id)->termination_message, text);
}

void
pod_local_synced (pod_local_t *self)
{
    for (size_t i = 0; i < self->container_count; i++)
        self->containers[i]->held_until = 0;
}

static bool
is_same_image (const container_t *before, const container_t *after)
{
    return before && after && container_hash (before) == container_hash (after);
}

void
pod_local_pod_changed (pod_local_t *self, const pod_t *before, const pod_t *after)
{
    self->sandbox_retry_at = 0;
    for (size_t i = 0; i < self->container_count; i++) {
        container_local_t *entry = self->containers[i];
        entry->retry_at = 0;
        if (!is_same_image (pod_container (before, entry->name),
                            pod_container (after, entry->name)))
            entry->has_image = false;
    }
}

void
pod_local_prune (pod_local_t *self, const pod_t *pod, const pod_seen_t *seen)
{
    size_t kept = 0;
    for (size_t i = 0; i < self->container_count; i++) {
        container_local_t *entry = self->containers[i];
        if (pod_container (pod, entry->name) || entry->step != STEP_IDLE)
            self->containers[kept++] = entry;
        else
            container_free (entry);
    }
    self->container_count = kept;
    kept = 0;
    for (size_t i = 0; i < self->instance_count; i++) {
        instance_local_t *entry = self->instances[i];
        if (pod_seen_container (seen, entry->id) || entry->is_stopping || entry->is_removing)
            self->instances[kept++] = entry;
        else
            instance_free (entry);
    }
    self->instance_count = kept;
    kept = 0;
    for (size_t i = 0; i < self->sandbox_count; i++) {
        sandbox_local_t *entry = self->sandboxes[i];
        if (pod_seen_sandbox (seen, entry->id) || entry->is_stopping || entry->is_removing)
            self->sandboxes[kept++] = entry;
        else
            sandbox_free (entry);
    }
    self->sandbox_count = kept;
}
