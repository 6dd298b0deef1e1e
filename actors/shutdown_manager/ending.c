/* ending.c - the pods end by groups: those of one are asked to end together, and the next group has
   its turn when they have stopped and their volumes are unmounted, or when the group's time is up.
   So a CSI driver, which is critical, still serves the volumes of those before it. */
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include "shutdown_manager.h"

#define LIST_DEADLINE_MS 5000
#define RETRY_MS 500
#define EVICT_SLACK_MS 5000 // an answer may come a little after the group's time

typedef struct {
    int64_t round;
} asked_t;

static void next_group (shutdown_manager_t *self);
static void unmount (shutdown_manager_t *self);

static const node_t *
current_group (const shutdown_manager_t *self)
{
    return node_item (tree_root (self->plan), self->group);
}

static void
end_group (shutdown_manager_t *self)
{
    actor_timer_cancel (self->actor, &self->timer);
    self->group++;
    next_group (self);
}

/* One question about a pod of the group is answered. */
static void
on_answer (void *state, const message_t *reply, const fault_t *fault, void *context)
{
    (void) reply;
    shutdown_manager_t *self = state;
    const asked_t *asked = context;
    if (asked->round != self->round)
        return;
    // A pod that is gone is what was wanted; one whose manager is away is named again to the next.
    if (fault && fault->code == FAULT_UNAVAILABLE)
        return;
    if (fault && fault->code != FAULT_NOT_FOUND)
        LOG_WARNING ("Pod not ended before the shutdown err=%s", fault->text);
    if (--self->waiting > 0)
        return;
    if (self->is_unmounting)
        end_group (self);
    else
        unmount (self);
}

static void
ask_for_end (shutdown_manager_t *self, const node_t *pod, const asked_t *asked)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t body = node_map();
    int64_t grace_s = node_get_int (pod, "grace", 0);
    LOG_INFO ("Shutdown manager killing pod with gracePeriod pod=%s/%s gracePeriod=%lld",
              node_get_text (pod, "namespace", ""), node_get_text (pod, "name", ""),
              (long long) grace_s);
    node_set_text (tree, &body, "uid", node_get_text (pod, "uid", ""));
    node_set_text (tree, &body, "reason", NODE_SHUTDOWN_REASON);
    node_set_text (tree, &body, "message", NODE_SHUTDOWN_MESSAGE);
    node_set_int (tree, &body, "grace", grace_s);
    int64_t group_ms = node_get_int (current_group (self), "grace", 0) * 1000;
    actor_request (self->actor, "pod-manager", MSG_POD_EVICT, &body, group_ms + EVICT_SLACK_MS,
                   on_answer, asked, sizeof *asked);
}

static void
ask_for_unmount (shutdown_manager_t *self, const node_t *pod, const asked_t *asked)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t body = node_map();
    node_set_text (tree, &body, "pod_uid", node_get_text (pod, "uid", ""));
    node_set_bool (tree, &body, "keep_directory", true);
    int64_t group_ms = node_get_int (current_group (self), "grace", 0) * 1000;
    actor_request (self->actor, "volume-manager", MSG_VOLUME_TEARDOWN, &body,
                   group_ms + EVICT_SLACK_MS, on_answer, asked, sizeof *asked);
}

/* Asks for the same of every pod of the group. */
static void
ask_all (shutdown_manager_t *self,
         void (*ask) (shutdown_manager_t *self, const node_t *pod, const asked_t *asked))
{
    const node_t *pods = node_get (current_group (self), "pods");
    asked_t asked = { .round = ++self->round };
    self->waiting = node_count (pods);
    NODE_EACH (pods, pod)
    ask (self, pod, &asked);
}

static void
unmount (shutdown_manager_t *self)
{
    self->is_unmounting = true;
    ask_all (self, ask_for_unmount);
}

static void
time_is_up (void *state, void *context)
{
    (void) context;
    shutdown_manager_t *self = state;
    self->timer = 0;
    LOG_WARNING ("Shutdown manager pod killing time out gracePeriod=%lld priority=%lld",
                 (long long) node_get_int (current_group (self), "grace", 0),
                 (long long) node_get_int (current_group (self), "priority", 0));
    end_group (self);
}

static void
next_group (shutdown_manager_t *self)
{
    const node_t *group = current_group (self);
    self->is_unmounting = false;
    self->round++;
    if (!group) {
        tree_destroy (&self->plan);
        shutdown_over (self);
        return;
    }
    self->timer =
        actor_timer (self->actor, node_get_int (group, "grace", 0) * 1000, time_is_up, NULL);
    ask_all (self, ask_for_end);
}

// ---- the pods that there are ----

static void
on_retry (void *state, void *context)
{
    (void) context;
    shutdown_manager_t *self = state;
    self->timer = 0;
    ending_start (self);
}

static void
on_listed (void *state, const message_t *reply, const fault_t *fault, void *context)
{
    shutdown_manager_t *self = state;
    const asked_t *asked = context;
    if (asked->round != self->round)
        return;
    if (fault) {
        LOG_WARNING ("Pods to be ended not listed, trying again err=%s", fault->text);
        self->timer = actor_timer (self->actor, RETRY_MS, on_retry, NULL);
        return;
    }
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t plan = node_shutdown_plan (self->periods, node_get (reply->body, "items"), tree);
    self->plan = tree_copy (&plan);
    self->group = 0;
    next_group (self);
}

void
ending_start (shutdown_manager_t *self)
{
    asked_t asked = { .round = ++self->round };
    tree_destroy (&self->plan);
    actor_request (self->actor, "pod-manager", MSG_POD_LIST, NULL, LIST_DEADLINE_MS, on_listed,
                   &asked, sizeof asked);
}

void
ending_stop (shutdown_manager_t *self)
{
    actor_timer_cancel (self->actor, &self->timer);
    tree_destroy (&self->plan);
    self->round++;
}

void
ending_again (shutdown_manager_t *self)
{
    if (self->plan && !self->is_unmounting)
        ask_all (self, ask_for_end);
}
