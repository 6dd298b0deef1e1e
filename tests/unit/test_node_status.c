/* The Node's status against that of an upstream kubelet, and what changes of it when. */
#include "cubelet/duration.h"
#include "cubelet/json.h"
#include "cubelet/memory.h"
#include "cubelet/node_status.h"
#include "helper_samples.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static tree_t *
parsed (const char *text)
{
    fault_t fault = { 0 };
    tree_t *tree = json_read (text, strlen (text), &fault);
    if (!tree)
        fail_msg ("%s: %s", text, fault.text);
    return tree;
}

#define CREATED_AT "2026-11-23T16:22:04Z"

static int64_t
time_of (const char *text)
{
    fault_t fault = { 0 };
    int64_t ns = 0;
    assert_int_equal (time_parse (text, &ns, &fault), 0);
    return ns;
}

/* The images as the runtime listed them, in another order, one with more names. */
static node_t
runtime_images (tree_t *tree, const node_t *recorded)
{
    node_t list = node_array();
    for (size_t i = node_count (recorded); i-- > 0;) {
        const node_t *image = node_item (recorded, i);
        node_t item = node_map(), digests = node_array(), tags = node_array();
        NODE_EACH (node_get (image, "names"), name)
        {
            bool is_digest = strchr (node_as_text (name, ""), '@');
            node_append (tree, is_digest ? &digests : &tags, node_copy (tree, name));
        }
        if (node_count (&tags) + node_count (&digests) == 5)
            node_append (tree, &tags, node_text (tree, "a name too many"));
        node_set (tree, &item, "repo_tags", tags);
        node_set (tree, &item, "repo_digests", digests);
        node_set_int (tree, &item, "size", node_get_int (image, "sizeBytes", 0));
        node_append (tree, &list, item);
    }
    return list;
}

typedef struct {
    tree_t *tree, *line;
    const node_t *recorded; // the status of the Node that upstream registered
    node_t ips, info, images;
    node_view_t view;
} world_t;

static int
set_up (void **state)
{
    world_t *self = memory_new (1, sizeof *self);
    self->tree = tree_new();
    self->line = sample_request (24);
    self->recorded = node_at (tree_root (self->line), "request", "status", NULL);
    self->ips = node_array();
    node_append (self->tree, &self->ips, node_text (self->tree, "192.0.2.2"));
    self->info = node_copy (self->tree, node_get (self->recorded, "nodeInfo"));
    node_remove (&self->info, "containerRuntimeVersion");
    self->images = runtime_images (self->tree, node_get (self->recorded, "images"));
    self->view = (node_view_t){
        .node_name = "lab-node",
        .ips = &self->ips,
        .capacity = node_get (self->recorded, "capacity"),
        .allocatable = node_get (self->recorded, "allocatable"),
        .info = &self->info,
        .runtime_name = "containerd",
        .runtime_version = "1.6.20",
        .port = 10250,
        .images = &self->images,
        .max_images = 50,
    };
    *state = self;
    return 0;
}

static int
tear_down (void **state)
{
    world_t *self = *state;
    tree_destroy (&self->tree);
    tree_destroy (&self->line);
    free (self);
    return 0;
}

static node_t
status_at (world_t *self, const node_t *previous, const char *time)
{
    return node_status (self->tree, &self->view, previous, time_of (time));
}

static void
a_new_status_is_that_of_upstream (void **state)
{
    world_t *self = *state;
    node_t status = status_at (self, NULL, CREATED_AT);
    assert_same_json (&status, self->recorded);
}

static void
only_heartbeats_change_when_nothing_does (void **state)
{
    world_t *self = *state;
    node_t status = status_at (self, self->recorded, "2026-11-23T16:27:04Z");
    assert_false (node_status_differs (self->recorded, &status));
    node_t old = node_map(), new = node_map();
    node_set (self->tree, &old, "status", node_copy (self->tree, self->recorded));
    node_set (self->tree, &new, "status", status);
    node_t patch = node_patch (self->tree, &old, &new);
    assert_json (
        &patch,
        "{\"status\": {\"$setElementOrder/conditions\": [{\"type\": \"MemoryPressure\"}, "
        "{\"type\": \"DiskPressure\"}, {\"type\": \"PIDPressure\"}, {\"type\": \"Ready\"}], "
        "\"conditions\": [{\"lastHeartbeatTime\": \"2026-11-23T16:27:04Z\", \"type\": "
        "\"MemoryPressure\"}, {\"lastHeartbeatTime\": \"2026-11-23T16:27:04Z\", \"type\": "
        "\"DiskPressure\"}, {\"lastHeartbeatTime\": \"2026-11-23T16:27:04Z\", \"type\": "
        "\"PIDPressure\"}, {\"lastHeartbeatTime\": \"2026-11-23T16:27:04Z\", \"type\": "
        "\"Ready\"}]}}");
    // in the same second not even these
    status = status_at (self, self->recorded, CREATED_AT);
    node_set (self->tree, &new, "status", status);
    patch = node_patch (self->tree, &old, &new);
    assert_json (&patch, "{}");
}

static void
conditions_change_with_their_times_and_foreign_ones_stay (void **state)
{
    world_t *self = *state;
    OWNED (tree_destroy)
    tree_t *old = parsed (
        "{\"conditions\": [{\"type\": \"NetworkUnavailable\", \"status\": \"False\"}, {\"type\": "
        "\"Ready\", \"status\": \"True\", \"lastTransitionTime\": \"T\"}, {\"type\": "
        "\"MemoryPressure\", \"status\": \"False\", \"lastTransitionTime\": \"T\"}]}");
    self->view.problem = "container runtime is down";
    self->view.memory_pressure = self->view.disk_pressure = self->view.pid_pressure = true;
    node_t status = status_at (self, tree_root (old), CREATED_AT);
    assert_json (
        node_get (&status, "conditions"),
        "[{\"type\": \"NetworkUnavailable\", \"status\": \"False\"},"
        " {\"type\": \"Ready\", \"status\": \"False\", \"lastHeartbeatTime\": \"" CREATED_AT
        "\", \"lastTransitionTime\": \"" CREATED_AT "\", \"reason\": \"KubeletNotReady\", "
        "\"message\": \"container runtime is down\"},"
        " {\"type\": \"MemoryPressure\", \"status\": \"True\", \"lastHeartbeatTime\": \"" CREATED_AT
        "\", \"lastTransitionTime\": \"" CREATED_AT "\", \"reason\": "
        "\"KubeletHasInsufficientMemory\", \"message\": \"kubelet has insufficient memory "
        "available\"},"
        " {\"type\": \"DiskPressure\", \"status\": \"True\", \"lastHeartbeatTime\": \"" CREATED_AT
        "\", \"lastTransitionTime\": \"" CREATED_AT "\", \"reason\": \"KubeletHasDiskPressure\", "
        "\"message\": \"kubelet has disk pressure\"},"
        " {\"type\": \"PIDPressure\", \"status\": \"True\", \"lastHeartbeatTime\": \"" CREATED_AT
        "\", \"lastTransitionTime\": \"" CREATED_AT
        "\", \"reason\": \"KubeletHasInsufficientPID\", \"message\": \"kubelet has insufficient "
        "PID available\"}]");
    assert_true (node_status_differs (tree_root (old), &status));
    assert_true (node_condition_is_true (&status, "MemoryPressure"));
    assert_false (node_condition_is_true (&status, "Ready"));
    // a message alone does not make it another condition
    self->view.problem = "PLEG is not healthy";
    node_t later = status_at (self, &status, "2026-11-23T16:27:04Z");
    const node_t *ready = node_item (node_get (&later, "conditions"), 1);
    assert_string_equal (node_get_text (ready, "lastTransitionTime", ""), CREATED_AT);
    assert_true (node_status_differs (&status, &later));
}

static void
resources_and_fields_of_others_stay (void **state)
{
    world_t *self = *state;
    OWNED (tree_destroy)
    tree_t *old = parsed ("{\"capacity\": {\"cpu\": \"1\", \"example.com/foo\": \"3\", "
                          "\"hugepages-64Ki\": \"0\"}, \"allocatable\": {\"example.com/bar\": "
                          "\"1\"}, \"volumesAttached\": [{\"name\": \"v\"}], \"volumesInUse\": "
                          "[\"v\"]}");
    node_t status = status_at (self, tree_root (old), CREATED_AT);
    const node_t *capacity = node_get (&status, "capacity");
    const node_t *allocatable = node_get (&status, "allocatable");
    assert_string_equal (node_get_text (capacity, "cpu", ""), "2");
    assert_string_equal (node_get_text (capacity, "example.com/foo", ""), "3");
    assert_string_equal (node_get_text (allocatable, "example.com/foo", ""), "3");
    assert_string_equal (node_get_text (allocatable, "memory", ""), "24581692Ki");
    assert_null (node_get (allocatable, "example.com/bar"));
    assert_null (node_get (capacity, "hugepages-64Ki"));
    assert_json (node_get (&status, "volumesAttached"), "[{\"name\": \"v\"}]");
    assert_json (node_get (&status, "volumesInUse"), "[\"v\"]");
}

static void
what_the_runtime_can_is_shown (void **state)
{
    world_t *self = *state;
    OWNED (tree_destroy)
    tree_t *handlers = parsed ("[{\"features\": {\"recursive_read_only_mounts\": true}}, "
                               "{\"name\": \"runc\", \"features\": {\"user_namespaces\": true}}]");
    OWNED (tree_destroy) tree_t *features = parsed ("{\"supplemental_groups_policy\": true}");
    self->view.handlers = tree_root (handlers);
    self->view.features = tree_root (features);
    node_t status = status_at (self, NULL, CREATED_AT);
    assert_json (node_get (&status, "runtimeHandlers"),
                 "[{\"name\": \"\", \"features\": {\"recursiveReadOnlyMounts\": true, "
                 "\"userNamespaces\": false}}, {\"name\": \"runc\", \"features\": "
                 "{\"recursiveReadOnlyMounts\": false, \"userNamespaces\": true}}]");
    assert_json (node_get (&status, "features"), "{\"supplementalGroupsPolicy\": true}");
    // a runtime that is away for a while does not change what is known of it
    self->view.runtime_name = NULL;
    self->view.images = NULL;
    node_t later = status_at (self, &status, CREATED_AT);
    assert_string_equal (
        node_get_text (node_get (&later, "nodeInfo"), "containerRuntimeVersion", ""),
        "containerd://1.6.20");
    assert_same_json (node_get (&later, "images"), node_get (&status, "images"));
}

static void
images_are_limited (void **state)
{
    world_t *self = *state;
    self->view.max_images = 2;
    node_t status = status_at (self, NULL, CREATED_AT);
    const node_t *images = node_get (&status, "images");
    assert_int_equal (node_count (images), 2);
    assert_int_equal (node_get_int (node_item (images, 0), "sizeBytes", 0), 100598531);
    self->view.max_images = -1;
    status = status_at (self, NULL, CREATED_AT);
    assert_int_equal (node_count (node_get (&status, "images")), 6);
}

#define OLD_CLOUD "[{\"type\": \"InternalIP\", \"address\": \"10.0.0.9\"}]"
#define HOSTNAME "{\"type\": \"Hostname\", \"address\": \"lab-node\"}"
#define OURS "[{\"type\": \"InternalIP\", \"address\": \"192.0.2.2\"}, " HOSTNAME "]"

static void
addresses_are_ours_unless_a_cloud_has_set_them (void **state)
{
    static const struct {
        bool has_cloud, has_node_ip, is_unknown;
        const char *old, *new;
    } ROWS[] = {
        { false, false, false, OLD_CLOUD, OURS },
        { false, false, true, OLD_CLOUD, OLD_CLOUD },
        { false, false, true, "[]", "[" HOSTNAME "]" },
        { true, false, false, OLD_CLOUD, OLD_CLOUD },
        { true, false, false, "[]", "[" HOSTNAME "]" },
        { true, true, false, "[]", OURS },
    };
    world_t *self = *state;
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        OWNED (free_text) char *text = text_format ("{\"addresses\": %s}", ROWS[i].old);
        OWNED (tree_destroy) tree_t *old = parsed (text);
        node_t none = node_array();
        self->view.has_external_cloud = ROWS[i].has_cloud;
        self->view.has_node_ip = ROWS[i].has_node_ip;
        self->view.ips = ROWS[i].is_unknown ? &none : &self->ips;
        node_t status = status_at (self, tree_root (old), CREATED_AT);
        print_message ("row %zu\n", i);
        assert_json (node_get (&status, "addresses"), ROWS[i].new);
    }
}

static void
changed_addresses_are_replaced_as_a_whole (void **state)
{
    (void) state;
    OWNED (tree_destroy)
    tree_t *old = parsed ("{\"metadata\": {\"labels\": {\"a\": \"1\"}}, \"status\": "
                          "{\"addresses\": " OLD_CLOUD "}}");
    OWNED (tree_destroy)
    tree_t *new = parsed ("{\"metadata\": {\"labels\": {\"a\": \"2\"}, \"annotations\": {\"n\": "
                          "\"v\"}}, \"status\": {\"addresses\": " OURS "}}");
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t patch = node_patch (tree, tree_root (old), tree_root (new));
    assert_json (&patch,
                 "{\"metadata\": {\"labels\": {\"a\": \"2\"}, \"annotations\": {\"n\": \"v\"}}, "
                 "\"status\": {\"addresses\": [{\"type\": \"InternalIP\", \"address\": "
                 "\"192.0.2.2\"}, " HOSTNAME ", {\"$patch\": \"replace\"}]}}");
    patch = node_patch (tree, NULL, tree_root (new));
    assert_json (node_at (&patch, "status", "addresses", NULL), OURS);
}

#define CAPACITY "{\"cpu\": 1, \"memory\": 1, \"pods\": 1, \"ephemeral-storage\": 1}"

static void
problems_read_as_upstream_says_them (void **state)
{
    static const struct {
        const char *runtime, *capacity, *problem;
        bool is_shutting_down;
    } ROWS[] = {
        { "null", CAPACITY, "container runtime status check may not have completed yet", false },
        { "{\"up\": false, \"reason\": \"container runtime is down\"}", CAPACITY,
          "container runtime is down", false },
        { "{\"up\": true, \"ready\": true, \"network_ready\": true}", CAPACITY, NULL, false },
        { "{\"up\": true, \"ready\": true, \"network_ready\": true}", CAPACITY,
          "node is shutting down", true },
        { "{\"up\": true, \"ready\": true, \"network_ready\": false, \"reason\": \"N\"}", CAPACITY,
          "N", false },
        { "{\"up\": true, \"ready\": false, \"network_ready\": false, \"reason\": \"R, N\"}",
          CAPACITY, "[R, N]", false },
        { "{\"up\": true, \"ready\": true, \"network_ready\": false, \"reason\": \"N\"}", CAPACITY,
          "[N, node is shutting down]", true },
        { "{\"up\": true, \"ready\": true, \"network_ready\": true}", "{\"cpu\": 1, \"pods\": 1}",
          "missing node capacity for resources: memory, ephemeral-storage", false },
    };
    (void) state;
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        OWNED (tree_destroy) tree_t *runtime = parsed (ROWS[i].runtime);
        OWNED (tree_destroy) tree_t *capacity = parsed (ROWS[i].capacity);
        OWNED (free_text)
        char *problem =
            node_problem (tree_root (runtime), tree_root (capacity), ROWS[i].is_shutting_down);
        if (ROWS[i].problem)
            assert_string_equal (problem, ROWS[i].problem);
        else
            assert_null (problem);
    }
}

static void
unchanged_statuses_are_reported_now_and_then (void **state)
{
    (void) state;
    node_report_pace_t pace = { .every_ms = 1000 };
    node_report_sent (&pace, false, 0.9, 5000);
    assert_false (node_report_is_due (&pace, 5999));
    assert_true (node_report_is_due (&pace, 6000));
    node_report_sent (&pace, true, 0.9, 6000); // 40 % later after a change
    assert_false (node_report_is_due (&pace, 7399));
    assert_true (node_report_is_due (&pace, 7400));
    node_report_sent (&pace, true, 0, 7400); // or half as late
    assert_true (node_report_is_due (&pace, 7900));
}

#define CONDITION(type, status) "{\"type\": \"" type "\", \"status\": \"" status "\"}"
#define ALL_WELL                                                                                   \
    CONDITION ("MemoryPressure", "False")                                                          \
    ", " CONDITION ("DiskPressure", "False") ", " CONDITION (                                      \
        "PIDPressure", "False") ", " CONDITION ("Ready", "True")
#define NODE(conditions, rest) "{\"status\": {\"conditions\": [" conditions "]" rest "}}"

static void
changes_are_events (void **state)
{
    static const struct {
        const char *old, *new, *reasons;
    } ROWS[] = {
        { "null", NODE (ALL_WELL, ""),
          "NodeHasSufficientMemory NodeHasNoDiskPressure NodeHasSufficientPID " },
        { NODE (ALL_WELL, ""), NODE (ALL_WELL, ""), "" },
        { NODE (CONDITION ("Ready", "False"), ""), NODE (CONDITION ("Ready", "True"), ""),
          "NodeReady " },
        { NODE (CONDITION ("Ready", "True"), ""), NODE (CONDITION ("Ready", "False"), ""),
          "NodeNotReady " },
        { NODE (CONDITION ("MemoryPressure", "False"), ""),
          NODE (CONDITION ("MemoryPressure", "True"), ""), "NodeHasInsufficientMemory " },
        { NODE ("", ", \"nodeInfo\": {\"bootID\": \"a\"}"),
          NODE ("", ", \"nodeInfo\": {\"bootID\": \"b\"}"), "Rebooted " },
    };
    (void) state;
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        OWNED (tree_destroy) tree_t *old = parsed (ROWS[i].old);
        OWNED (tree_destroy) tree_t *new = parsed (ROWS[i].new);
        OWNED (tree_destroy) tree_t *tree = tree_new();
        const node_t *before = node_is_nil (tree_root (old)) ? NULL : tree_root (old);
        node_t events = node_status_events (tree, "n", before, tree_root (new));
        OWNED (free_text) char *reasons = text_copy ("");
        NODE_EACH (&events, event)
        text_replace (&reasons, "%s%s ", reasons, node_get_text (event, "reason", ""));
        assert_string_equal (reasons, ROWS[i].reasons);
        if (i == 2)
            assert_json (&events, "[{\"type\": \"Normal\", \"reason\": \"NodeReady\", \"message\": "
                                  "\"Node n status is now: NodeReady\"}]");
        if (i == 5)
            assert_json (&events, "[{\"type\": \"Warning\", \"reason\": \"Rebooted\", \"message\": "
                                  "\"Node n has been rebooted, boot id: b\"}]");
    }
}

static void
cordoning_is_an_event (void **state)
{
    (void) state;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t events = node_schedulable_events (tree, "n", true);
    assert_json (&events, "[{\"type\": \"Normal\", \"reason\": \"NodeNotSchedulable\", "
                          "\"message\": \"Node n status is now: NodeNotSchedulable\"}]");
    events = node_schedulable_events (tree, "n", false);
    assert_string_equal (node_get_text (node_item (&events, 0), "reason", ""), "NodeSchedulable");
}

#define TEST(name) cmocka_unit_test_setup_teardown (name, set_up, tear_down)

int
main (void)
{
    const struct CMUnitTest tests[] = {
        TEST (a_new_status_is_that_of_upstream),
        TEST (only_heartbeats_change_when_nothing_does),
        TEST (conditions_change_with_their_times_and_foreign_ones_stay),
        TEST (resources_and_fields_of_others_stay),
        TEST (what_the_runtime_can_is_shown),
        TEST (images_are_limited),
        TEST (addresses_are_ours_unless_a_cloud_has_set_them),
        cmocka_unit_test (changed_addresses_are_replaced_as_a_whole),
        cmocka_unit_test (problems_read_as_upstream_says_them),
        cmocka_unit_test (unchanged_statuses_are_reported_now_and_then),
        cmocka_unit_test (changes_are_events),
        cmocka_unit_test (cordoning_is_an_event),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
