/* Before containers can start, and after they have stopped: cgroup, directories, volumes. */
#include "cubelet/clock.h"
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include "cubelet/pod_names.h"
#include "cubelet/volume_events.h"
#include "cubelet/volume_paths.h"
#include "worker.h"
#include <czmq.h>
#include <errno.h>
#include <ftw.h>
#include <string.h>
#include <sys/stat.h>

/* Which work a reply is about. */
typedef struct {
    work_t *work;
    const char *what; // for the log
    const char *event_reason;
    const char *event_prefix;
} task_t;

/* Upstream's of a volume's operations (reference/node-and-server.md 7.2). */
static const backoff_limits_t BACKOFF_VOLUME = { .first_ns = 500 * NS_PER_MS,
                                                 .limit_ns = 122 * NS_PER_S };

/* True when every volume that a container uses has been set up once. */
static bool
has_all_volumes (const worker_t *self)
{
    for (size_t i = 0; i < self->pod.spec.volumes.count; i++) {
        const char *name = self->pod.spec.volumes.items[i].name;
        if (name && volume_is_used (&self->pod, name)
            && !node_get (tree_root (self->volumes), name))
            return false;
    }
    return self->volumes;
}

void
volumes_changed (worker_t *self)
{
    if (has_all_volumes (self) && !pod_has_live_volumes (&self->pod))
        return;
    self->is_volume_stale = self->volume == WORK_ASKED;
    if (self->volume == WORK_DONE)
        self->volume = WORK_TODO;
}

static void
report_mount_fault (worker_t *self, const fault_t *fault)
{
    LOG_WARNING ("Mounting the pod's volumes failed, trying again pod=%s/%s err=%s",
                 self->pod.metadata.namespace, self->pod.metadata.name, fault->text);
    if (fault->code != FAULT_DEADLINE && fault->code != FAULT_UNAVAILABLE)
        report_event (self, NULL, "Warning", volume_fault_reason (fault->text), fault->text);
}

static void
on_volumes (void *state, const message_t *reply, const fault_t *fault, void *context)
{
    (void) context;
    worker_t *self = state;
    int64_t now = clock_now_ns();
    bool is_stale = self->is_volume_stale;
    self->volume = fault || is_stale ? WORK_TODO : WORK_DONE;
    self->is_volume_stale = false;
    if (fault) {
        report_mount_fault (self, fault);
        backoff_next (&self->volume_backoff, &BACKOFF_VOLUME, now, now);
        self->volume_retry_at = now + self->volume_backoff.wait_ns;
        objects_watch (self); // claims are only read when asked for
    }
    else {
        self->volume_backoff = (backoff_t){ 0 };
        self->volume_retry_at = 0;
        // Volumes that are there stay as they are while a refresh of them fails.
        tree_merge (&self->volumes, node_get (reply->body, "volumes"));
        const node_t *users = node_get (reply->body, "userns_host_id");
        self->userns_host_id = (opt_int_t){ users != NULL, node_as_int (users, 0) };
    }
    worker_step (self);
}

/* What waits for a time of its own is asked again then. */
static void
ask_volumes (worker_t *self)
{
    int64_t wait_ns = self->volume_retry_at - clock_now_ns();
    if (wait_ns > 0) {
        worker_step_later (self, wait_ns / NS_PER_MS + 1);
        return;
    }
    if (!objects_ready (self) || !tokens_ready (self))
        return;
    self->volume = WORK_ASKED;
    self->token = WORK_TODO; // for the next time
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t body = node_map();
    node_set (tree, &body, "pod", node_copy (tree, self->pod.node));
    if (self->objects)
        node_set (tree, &body, "objects", node_copy (tree, tree_root (self->objects)));
    if (node_count (tree_root (self->tokens)))
        node_set (tree, &body, "tokens", node_copy (tree, tree_root (self->tokens)));
    if (has_all_volumes (self))
        node_set_bool (tree, &body, "refresh", true);
    actor_request (self->actor, "volume-manager", MSG_VOLUME_SETUP, &body, LOCAL_DEADLINE_MS,
                   on_volumes, NULL, 0);
    tree_destroy (&self->tokens);
}

static void
on_task (void *state, const message_t *reply, const fault_t *fault, void *context)
{
    (void) reply;
    worker_t *self = state;
    const task_t *task = context;
    if (fault) {
        *task->work = WORK_TODO;
        LOG_WARNING ("%s failed, trying again pod=%s/%s err=%s", task->what,
                     self->pod.metadata.namespace, self->pod.metadata.name, fault->text);
        if (task->event_reason && fault->code != FAULT_DEADLINE
            && fault->code != FAULT_UNAVAILABLE) {
            OWNED (free_text) char *text = text_format ("%s%s", task->event_prefix, fault->text);
            report_event (self, NULL, "Warning", task->event_reason, text);
        }
        worker_step_later (self,
                           fault->code == FAULT_UNAVAILABLE ? RETRY_UNAVAILABLE_MS : RETRY_MS);
        return;
    }
    *task->work = WORK_DONE;
    worker_step (self);
}

static void
ask_with_pod (worker_t *self, const char *to, message_id_t type, const task_t *task)
{
    *task->work = WORK_ASKED;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t body = node_map();
    node_set (tree, &body, "pod", node_copy (tree, self->pod.node));
    actor_request (self->actor, to, type, &body, LOCAL_DEADLINE_MS, on_task, task, sizeof *task);
}

static void
ask_with_uid (worker_t *self, const char *to, message_id_t type, const task_t *task)
{
    *task->work = WORK_ASKED;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t body = node_map();
    node_set_text (tree, &body, "pod_uid", self->pod.metadata.uid);
    actor_request (self->actor, to, type, &body, LOCAL_DEADLINE_MS, on_task, task, sizeof *task);
}

bool
prepare (worker_t *self)
{
    if (self->cgroup == WORK_TODO)
        ask_with_pod (self, "resource-manager", MSG_CGROUP_ENSURE,
                      &(task_t){ &self->cgroup, "Making the pod's cgroup",
                                 "FailedCreatePodContainer",
                                 "unable to ensure pod container exists: " });
    if (self->volume == WORK_TODO)
        ask_volumes (self);
    return self->cgroup == WORK_DONE && self->volume == WORK_DONE;
}

static int
remove_entry (const char *path, const struct stat *info, int kind, struct FTW *walk)
{
    (void) info, (void) walk;
    int result = kind == FTW_DP || kind == FTW_D ? rmdir (path) : unlink (path);
    return result < 0 && errno != ENOENT ? -1 : 0;
}

static void
remove_logs (const worker_t *self)
{
    OWNED (free_text)
    char *directory = pod_log_directory (self->facts.pod_logs_dir, self->pod.metadata.namespace,
                                         self->pod.metadata.name, self->pod.metadata.uid);
    if (nftw (directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT) < 0 && errno != ENOENT)
        LOG_WARNING ("Pod logs not removed path=%s err=%s", directory, strerror (errno));
}

/* The pod is over and stays: its volumes go, its directory does not. */
static void
ask_for_end_of_volumes (worker_t *self)
{
    const task_t task = { &self->unvolume, "Removing the volumes of a pod that is over", NULL,
                          NULL };
    self->unvolume = WORK_ASKED;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t body = node_map();
    node_set_text (tree, &body, "pod_uid", self->pod.metadata.uid);
    node_set_bool (tree, &body, "keep_directory", true);
    actor_request (self->actor, "volume-manager", MSG_VOLUME_TEARDOWN, &body, LOCAL_DEADLINE_MS,
                   on_task, &task, sizeof task);
}

bool
clean_up (worker_t *self, const pod_plan_t *plan)
{
    if (!plan->is_stopped)
        return false;
    if (self->uncgroup == WORK_TODO)
        ask_with_uid (self, "resource-manager", MSG_CGROUP_REMOVE,
                      &(task_t){ &self->uncgroup, "Removing the pod's cgroup", NULL, NULL });
    // A pod that ended by itself keeps its directory and containers for who wants to look.
    bool is_gone = self->local->is_gone || self->pod.metadata.deletion_time != 0;
    if (!is_gone && self->unvolume == WORK_TODO)
        ask_for_end_of_volumes (self);
    if (!is_gone || !plan->is_finished)
        return false;
    if (self->unmount == WORK_TODO)
        ask_with_uid (self, "volume-manager", MSG_VOLUME_TEARDOWN,
                      &(task_t){ &self->unmount, "Removing the pod's volumes", NULL, NULL });
    if (self->unmount != WORK_DONE || self->uncgroup != WORK_DONE)
        return false;
    remove_logs (self);
    return true;
}
