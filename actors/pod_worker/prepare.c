/* Before containers can start, and after they have stopped: cgroup, directories, volumes. */
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include "cubelet/pod_names.h"
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

static void
on_task (void *state, const message_t *reply, const fault_t *fault, void *context)
{
    worker_t *self = state;
    const task_t *task = context;
    if (fault) {
        *task->work = WORK_TODO;
        LOG_WARNING ("%s failed, trying again pod=%s/%s err=%s", task->what,
                     self->pod.metadata.namespace, self->pod.metadata.name, fault->text);
        if (task->event_reason && fault->code != FAULT_DEADLINE
            && fault->code != FAULT_UNAVAILABLE) {
            OWNED (free_text) char *text = text_format ("%s%s", task->event_prefix, fault->text);
            bool is_directory = strncmp (fault->text, "error making pod data", 21) == 0;
            report_event (self, NULL, "Warning", is_directory ? "Failed" : task->event_reason,
                          text);
        }
        worker_step_later (self,
                           fault->code == FAULT_UNAVAILABLE ? RETRY_UNAVAILABLE_MS : RETRY_MS);
        return;
    }
    *task->work = WORK_DONE;
    if (task->work == &self->volume) {
        tree_destroy (&self->volumes);
        self->volumes = tree_copy (node_get (reply->body, "volumes"));
    }
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
        ask_with_pod (self, "volume-manager", MSG_VOLUME_SETUP,
                      &(task_t){ &self->volume, "Mounting the pod's volumes", "FailedMount", "" });
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

bool
clean_up (worker_t *self, const pod_plan_t *plan)
{
    if (!plan->is_stopped)
        return false;
    if (self->uncgroup == WORK_TODO)
        ask_with_uid (self, "resource-manager", MSG_CGROUP_REMOVE,
                      &(task_t){ &self->uncgroup, "Removing the pod's cgroup", NULL, NULL });
    // A pod that ended by itself keeps its directory and containers for who wants to look.
    if (!self->local->is_gone || !plan->is_finished)
        return false;
    if (self->unmount == WORK_TODO)
        ask_with_uid (self, "volume-manager", MSG_VOLUME_TEARDOWN,
                      &(task_t){ &self->unmount, "Removing the pod's volumes", NULL, NULL });
    if (self->unmount != WORK_DONE || self->uncgroup != WORK_DONE)
        return false;
    remove_logs (self);
    return true;
}
