/* pods.c - the pods that are bound to this node, as the source "api" of the pod-manager
   (reference/pod-lifecycle.md 2). */
#include "api_watcher.h"
#include "cubelet/duration.h"
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include "cubelet/pod.h"

#define POD_MANAGER "pod-manager"
#define SOURCE "api"
#define SWEEP_AFTER_MS 1000

#define WATCH_MIN_S 300

/* As the items of a list are, and as GET /pods shows them. */
static void
trim (tree_t *tree, node_t *pod)
{
    (void) tree;
    node_remove (pod, "kind");
    node_remove (pod, "apiVersion");
}

/* Says where the pod comes from and since when we know it, for this node only. */
static void
annotate (tree_t *tree, node_t *pod, int64_t first_ns)
{
    char seen[TIME_TEXT_MAX];
    node_t *metadata = node_get_mutable (pod, "metadata");
    const node_t *given = node_get (metadata, "annotations");
    node_t annotations = given ? node_copy (tree, given) : node_map();
    node_set_text (tree, &annotations, "kubernetes.io/config.seen",
                   time_text_nano (first_ns, seen));
    node_set_text (tree, &annotations, "kubernetes.io/config.source", SOURCE);
    node_set (tree, metadata, "annotations", annotations);
}

/* The pod as the pod-manager gets it, in `tree`; false when it cannot be understood (logged). */
static bool
make_pod (const stored_t *stored, tree_t *tree, node_t *out)
{
    OWNED (tree_destroy) tree_t *object = stored_object (stored);
    pod_t pod;
    fault_t fault = { 0 };
    *out = node_copy (tree, tree_root (object));
    if (!node_is_map (node_get (out, "metadata")) || pod_decode (out, tree, &pod, &fault) < 0) {
        LOG_ERROR ("Pod of the API server is ignored pod=%s err=%s", stored->key,
                   fault.text[0] ? fault.text : "metadata: Required value");
        return false;
    }
    annotate (tree, out, stored->first_ns);
    return true;
}

void
pods_send_all (watcher_t *self)
{
    if (!self->pods || !list_watch_is_synced (self->pods))
        return;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t pods = node_array();
    for (const stored_t *stored = list_watch_first (self->pods); stored;
         stored = list_watch_next (self->pods)) {
        node_t pod = node_nil();
        if (make_pod (stored, tree, &pod))
            node_append (tree, &pods, pod);
    }
    node_t body = node_map();
    node_set_text (tree, &body, "source", SOURCE);
    node_set (tree, &body, "pods", pods);
    if (list_watch_is_assumed (self->pods))
        node_set_bool (tree, &body, "assumed", true);
    actor_send (self->actor, POD_MANAGER, MSG_SOURCE_PODS, &body);
}

/* One pod; NULL: the one of this UID is gone. */
static void
send_pod (watcher_t *self, const char *uid, const stored_t *stored)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t pod = node_nil();
    if (stored && !make_pod (stored, tree, &pod))
        return;
    node_t body = node_map();
    node_set_text (tree, &body, "source", SOURCE);
    node_set_text (tree, &body, "uid", uid);
    if (stored)
        node_set (tree, &body, "pod", pod);
    actor_send (self->actor, POD_MANAGER, MSG_SOURCE_POD, &body);
}

void
pods_sweep (watcher_t *self)
{
    bool is_true =
        self->pods && list_watch_is_synced (self->pods) && !list_watch_is_assumed (self->pods);
    if (!self->keeper || !is_true)
        return;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t pods = node_array();
    for (const stored_t *stored = list_watch_first (self->pods); stored;
         stored = list_watch_next (self->pods)) {
        OWNED (tree_destroy) tree_t *object = stored_object (stored);
        node_append (tree, &pods, node_copy (tree, tree_root (object)));
    }
    keeper_sweep (self->keeper, &pods);
}

static void
sweep_due (void *state, void *context)
{
    (void) context;
    ((watcher_t *) state)->sweep_timer = 0;
    pods_sweep (state);
}

/* A crowd of pods goes with one sweep. */
static void
sweep_soon (watcher_t *self)
{
    if (self->keeper && !self->sweep_timer)
        self->sweep_timer = actor_timer (self->actor, SWEEP_AFTER_MS, sweep_due, NULL);
}

static void
on_synced (void *context)
{
    pods_send_all (context);
    sweep_soon (context);
}

static void
on_changed (void *context, const stored_t *before, const stored_t *now)
{
    if (before && (!now || !streq (before->uid, now->uid)))
        send_pod (context, before->uid, NULL);
    if (now)
        send_pod (context, now->uid, now);
    else
        sweep_soon (context);
}

static const list_watch_calls_t CALLS = { .on_synced = on_synced,
                                          .on_changed = on_changed,
                                          .trim = trim };

void
pods_start (watcher_t *self)
{
    if (self->pods)
        return;
    OWNED (free_text) char *selector = text_format ("spec.nodeName=%s", self->node_name);
    list_watch_options_t options = {
        .actor = self->actor,
        .connection = self->connection,
        .path = "/api/v1/pods",
        .selector = selector,
        .limits = { .first_wait_ms = REFLECTOR_WAIT_MIN_MS,
                    .watch_min_s = WATCH_MIN_S,
                    .streams = self->streams },
        .calls = &CALLS,
        .context = self,
        .keeper = self->keeper,
        .kept_kind = "Pod",
    };
    self->pods = list_watch_new (&options);
}
