/* pod_status against the recordings of an upstream kubelet: what the runtime must have shown is
   taken back from each recorded status, and the status made of it has to be the recorded one. */
#include "helper_pod_world.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
// cmocka wants these before it
#include "cubelet/container_hash.h"
#include "cubelet/duration.h"
#include "cubelet/json.h"
#include "cubelet/memory.h"
#include <cmocka.h>

static char *
read_file (const char *path, size_t *size_p)
{
    OWNED (close_file) FILE *file = fopen (path, "re");
    if (!file)
        fail_msg ("cannot open %s", path);
    fseek (file, 0, SEEK_END);
    *size_p = (size_t) ftell (file);
    rewind (file);
    char *bytes = memory_new (*size_p + 1, 1);
    assert_int_equal (fread (bytes, 1, *size_p, file), *size_p);
    return bytes;
}

static tree_t *
read_recording (const char *path)
{
    fault_t fault = { 0 };
    size_t size = 0;
    OWNED (free_text) char *bytes = read_file (path, &size);
    tree_t *tree = json_read (bytes, size, &fault);
    if (!tree)
        fail_msg ("%s: %s", path, fault.text);
    return tree;
}

static int64_t
time_at (const node_t *map, const char *key)
{
    fault_t fault = { 0 };
    int64_t ns = 0;
    const char *text = node_get_text (map, key, NULL);
    if (text && time_parse (text, &ns, &fault) < 0)
        fail_msg ("%s", fault.text);
    return ns;
}

// ---- from a status back to what the runtime shows ----

typedef struct {
    world_t *world;
    const node_t *pod;     // as recorded
    const char *sandbox;   // its id
    bool has_node_address; // the recording was made with an API server
    bool is_deleted;       // the pod has its deletionTimestamp
} replay_t;

static const char *
bare_id (const char *id)
{
    const char *slashes = strstr (id, "://");
    return slashes ? slashes + 3 : id;
}

static void
show_container (replay_t *replay, const node_t *status, const node_t *state, int64_t restarts)
{
    fault_t fault = { 0 };
    OWNED (tree_destroy) tree_t *tree = tree_new();
    const node_t *running = node_get (state, "running");
    const node_t *end = node_get (state, "terminated");
    const node_t *known = running ? running : end;
    const char *id = node_get_text (end, "containerID", node_get_text (status, "containerID", ""));
    node_t map = node_map(), metadata = node_map(), image = node_map(), notes = node_map();
    node_set_text (tree, &metadata, "name", node_get_text (status, "name", ""));
    node_set_text (tree, &image, "image", node_get_text (status, "image", ""));
    node_set (tree, &notes, "io.kubernetes.container.restartCount",
              node_text_format (tree, "%lld", (long long) restarts));
    node_set_text (tree, &map, "id", bare_id (id));
    node_set (tree, &map, "metadata", metadata);
    node_set_text (tree, &map, "state", running ? "CONTAINER_RUNNING" : "CONTAINER_EXITED");
    node_set_int (tree, &map, "created_at", time_at (known, "startedAt"));
    node_set_int (tree, &map, "started_at", time_at (known, "startedAt"));
    node_set_int (tree, &map, "finished_at", time_at (end, "finishedAt"));
    node_set_int (tree, &map, "exit_code", node_get_int (end, "exitCode", 0));
    node_set_text (tree, &map, "reason", node_get_text (end, "reason", NULL));
    node_set (tree, &map, "image", image);
    node_set_text (tree, &map, "image_ref", node_get_text (status, "imageID", ""));
    node_set (tree, &map, "annotations", notes);
    if (pod_seen_set_container (replay->world->seen, &map, replay->sandbox, &fault) < 0)
        fail_msg ("%s", fault.text);
    pod_local_set_termination_message (replay->world->local, bare_id (id),
                                       node_get_text (end, "message", NULL));
}

static void
show_probes (replay_t *replay, const node_t *status)
{
    pod_local_t *local = replay->world->local;
    const char *id = bare_id (node_get_text (status, "containerID", ""));
    if (node_get_bool (status, "started", false))
        pod_local_set_probe (local, id, LOCAL_STARTUP, RESULT_SUCCESS);
    pod_local_set_probe (local, id, LOCAL_READINESS,
                         node_get_bool (status, "ready", false) ? RESULT_SUCCESS : RESULT_FAILURE);
}

/* Waiting by default, not because a start failed. */
static bool
is_default_wait (const char *reason)
{
    return strcmp (reason, "ContainerCreating") == 0 || strcmp (reason, "PodInitializing") == 0
           || !*reason;
}

static void
show_status (replay_t *replay, const node_t *status)
{
    const node_t *state = node_get (status, "state");
    const node_t *last = node_get (status, "lastState");
    const node_t *waiting = node_get (state, "waiting");
    int64_t restarts = node_get_int (status, "restartCount", 0);
    const char *reason = node_get_text (waiting, "reason", "");
    if (!is_default_wait (reason))
        pod_local_failed (replay->world->local, POD_START_CONTAINER,
                          node_get_text (status, "name", ""), reason,
                          node_get_text (waiting, "message", NULL), 0, 0);
    if (!waiting) {
        if (node_get (last, "terminated"))
            show_container (replay, status, last, restarts - 1);
        if (*node_get_text (status, "containerID", ""))
            show_container (replay, status, state, restarts);
        show_probes (replay, status);
    }
    else if (node_get (last, "terminated") && *node_get_text (status, "containerID", ""))
        show_container (replay, status, last, restarts);
}

static const node_t *
condition (const node_t *status, const char *type)
{
    NODE_EACH (node_get (status, "conditions"), item)
    if (strcmp (node_get_text (item, "type", ""), type) == 0)
        return item;
    return NULL;
}

static void
show_sandbox (replay_t *replay, const node_t *status)
{
    fault_t fault = { 0 };
    const char *usable =
        node_get_text (condition (status, "PodReadyToStartContainers"), "status", "False");
    const char *ip = node_get_text (status, "podIP", NULL);
    bool is_host = replay->world->pod.spec.host_network;
    bool is_ready = strcmp (usable, "True") == 0;
    if (!is_ready && (!ip || is_host))
        return;
    OWNED (free_text)
    char *text =
        text_format ("{'id':'%s','metadata':{'name':'p'},%s'created_at':1,'network':{'ip':'%s'},"
                     "'linux':{'namespaces':{'options':{%s}}}}",
                     replay->sandbox, is_ready ? "" : "'state':'SANDBOX_NOTREADY',",
                     is_host ? "" : ip, is_host ? "'network':'NODE'" : "");
    OWNED (tree_destroy) tree_t *tree = world_json (text);
    if (pod_seen_set_sandbox (replay->world->seen, tree_root (tree), &fault) < 0)
        fail_msg ("%s", fault.text);
}

/* The newest transition: when the status was made. */
static int64_t
made_at (const node_t *status)
{
    int64_t newest = time_at (status, "startTime");
    NODE_EACH (node_get (status, "conditions"), item)
    {
        int64_t at = time_at (item, "lastTransitionTime");
        newest = at > newest ? at : newest;
    }
    return newest;
}

/* True for the last word on a pod: a container that was never there has an end. */
static bool
is_final (const node_t *status)
{
    NODE_EACH (node_get (status, "containerStatuses"), container)
    {
        const node_t *end = node_at (container, "state", "terminated", NULL);
        if (end && !node_get (end, "containerID"))
            return true;
    }
    return false;
}

// ---- the comparison ----

/* Statuses that upstream's status manager patched together between two syncs. */
static const struct {
    const char *path; // its end
    size_t row;
    const char *why;
} EXCEPTIONS[] = {
    { "sidecar.json", 3, "started is set, ready and the conditions follow a step later" },
    { "startup-probe.json", 3, "the same" },
};

static bool
is_exception (const char *path, size_t row)
{
    for (size_t i = 0; i < COUNT_OF (EXCEPTIONS); i++) {
        size_t size = strlen (path), tail = strlen (EXCEPTIONS[i].path);
        if (row == EXCEPTIONS[i].row && size >= tail
            && strcmp (path + size - tail, EXCEPTIONS[i].path) == 0)
            return true;
    }
    return false;
}

/* The recorded status in the place of what the worker would have known. */
static void
replay_status (replay_t *replay, const node_t *recorded, const node_t *previous, const char *where)
{
    OWNED (free_text) char *pod_text = json_write (replay->pod, JSON_COMPACT, NULL);
    OWNED (world_destroy) world_t *world = world_new (pod_text, "");
    static const char *const LISTS[] = { "initContainerStatuses", "containerStatuses",
                                         "ephemeralContainerStatuses" };
    replay->world = world;
    world->status = previous ? tree_copy (previous) : NULL;
    world->now = made_at (recorded);
    if (replay->has_node_address) {
        world->host_ips[0] = "192.0.2.2";
        world->node.host_ips.count = 1;
    }
    show_sandbox (replay, recorded);
    for (size_t i = 0; i < COUNT_OF (LISTS); i++)
        NODE_EACH (node_get (recorded, LISTS[i]), status)
    show_status (replay, status);
    world->local->is_terminating = pod_status_is_terminal (recorded);
    world->local->is_finishing = is_final (recorded);
    if (replay->is_deleted)
        world->pod.metadata.deletion_time = world->now;
    world->pod.metadata.generation = node_get_int (recorded, "observedGeneration", 0);
    OWNED (tree_destroy) tree_t *sent = pod_status_withheld (world_status (world), previous, true);
    const node_t *made =
        pod_status_is_terminal (recorded) ? tree_root (world->status) : tree_root (sent);
    if (node_equal (made, recorded) && replay->has_node_address)
        return; // recorded in alphabetical order, so the order cannot be compared
    OWNED (free_text) char *expected = json_write (recorded, JSON_COMPACT, NULL);
    OWNED (free_text) char *actual = json_write (made, JSON_COMPACT, NULL);
    world_check (where, expected, actual);
}

static void
replay_recording (const char *path, bool has_node_address)
{
    OWNED (tree_destroy) tree_t *recording = read_recording (path);
    const node_t *previous = NULL;
    replay_t replay = { .pod = node_get (tree_root (recording), "pod"),
                        .sandbox = "sandbox",
                        .has_node_address = has_node_address };
    size_t checked = 0;
    NODE_EACH (node_get (tree_root (recording), "statuses"), row)
    {
        const node_t *status = node_get (row, "status");
        if (!node_get (status, "conditions") || node_equal (status, previous))
            continue; // nothing was made, or somebody else changed the object
        replay.is_deleted = !node_is_nil (node_get (row, "deletionGracePeriodSeconds"));
        if (is_exception (path, row_i_)) {
            previous = status;
            continue;
        }
        OWNED (free_text) char *where = text_format ("%s, status %zu", path, row_i_);
        replay_status (&replay, status, previous, where);
        previous = status;
        checked++;
    }
    assert_true (checked > 0);
}

static void
every_status_of_the_standalone_recordings_comes_out_field_by_field (void **state)
{
    (void) state;
    static const char *const NAMES[] = {
        "grace-exceeded",       "hooks",   "init-ok",       "liveness-exec", "nginx",
        "restart-always-crash", "sidecar", "volumes-local",
    };
    for (size_t i = 0; i < COUNT_OF (NAMES); i++) {
        OWNED (free_text)
        char *path =
            text_format ("%s/tests/node/traces/standalone/%s.json", CUBELET_SOURCE_DIR, NAMES[i]);
        replay_recording (path, false);
    }
}

static void
every_status_sent_to_an_api_server_comes_out_field_by_field (void **state)
{
    (void) state;
    static const char *const NAMES[] = { "active-deadline",
                                         "command-not-found",
                                         "config-env",
                                         "config-missing-volume",
                                         "config-volumes",
                                         "dns-cluster-first",
                                         "dns-hosts",
                                         "downward",
                                         "grace-exceeded",
                                         "grace-zero-container-exit",
                                         "hooks",
                                         "host-network",
                                         "host-port",
                                         "image-bad-name",
                                         "image-default-command",
                                         "image-never",
                                         "image-not-found",
                                         "image-pull",
                                         "init-fails-never",
                                         "init-ok",
                                         "liveness-exec",
                                         "liveness-http",
                                         "liveness-tcp",
                                         "nginx-defaults",
                                         "nginx",
                                         "oom-killed",
                                         "prestop-http",
                                         "privileged",
                                         "readiness-exec",
                                         "readiness-gate",
                                         "readiness-http-named-port",
                                         "resources-burstable",
                                         "resources-guaranteed",
                                         "restart-always-crash",
                                         "restart-never-failure",
                                         "restart-never-success",
                                         "restart-onfailure",
                                         "run-as-nonroot-violation",
                                         "security",
                                         "share-process-namespace",
                                         "sidecar-order-on-delete",
                                         "sidecar",
                                         "startup-probe",
                                         "volumes-local" };
    for (size_t i = 0; i < COUNT_OF (NAMES); i++) {
        OWNED (free_text)
        char *path = text_format ("%s/tests/node/traces/%s.json", CUBELET_SOURCE_DIR, NAMES[i]);
        replay_recording (path, true);
    }
}

int
main (void)
{
    const struct CMUnitTest TESTS[] = {
        cmocka_unit_test (every_status_of_the_standalone_recordings_comes_out_field_by_field),
        cmocka_unit_test (every_status_sent_to_an_api_server_comes_out_field_by_field),
    };
    return cmocka_run_group_tests (TESTS, NULL, NULL);
}
