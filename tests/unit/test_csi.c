#include "cubelet/csi.h"
#include "cubelet/csi_expansion.h"
#include "cubelet/csi_places.h"
#include "cubelet/csi_registration.h"
#include "pod_fixture.h"

/* The volume v of the pod u1, as a request in YAML says. */
static csi_volume_t
volume_of (const char *yaml, tree_t *tree)
{
    csi_volume_t volume;
    fault_t fault = { 0 };
    node_t request = yaml_node (yaml, tree), *kept = tree_alloc (tree, sizeof *kept);
    *kept = request;
    node_set_text (tree, kept, "pod_uid", "u1");
    node_set_text (tree, kept, "volume", "v");
    if (csi_volume_read (kept, tree, &volume, &fault) < 0)
        fail_msg ("%s: %s", yaml, fault.text);
    return volume;
}

static csi_driver_spec_t
driver_of (const char *spec, tree_t *tree)
{
    csi_driver_spec_t out;
    node_t object = node_map(), *kept = tree_alloc (tree, sizeof *kept);
    node_set (tree, &object, "spec", yaml_node (spec, tree));
    *kept = object;
    csi_driver_spec_read (kept, &out);
    return out;
}

#define PV(modes)                                                                                  \
    "{source: {driver: d, volumeHandle: h, fsType: ext4}, fs_group: 5, pv: {spec: "                \
    "{accessModes: " modes "}}}"
#define INLINE "{source: {driver: d, fsType: ext4}, fs_group: 5}"

static void
the_group_is_the_drivers_or_ours_or_nobodys (void **state)
{
    (void) state;
    static const struct {
        const char *spec;
        unsigned abilities;
        const char *volume;
        csi_group_t group;
    } CASES[] = {
        { "{}", 0, PV ("[ReadWriteOnce]"), CSI_GROUP_AGENT },
        { "{}", 0, PV ("[ReadWriteOncePod]"), CSI_GROUP_AGENT },
        { "{}", 0, PV ("[ReadWriteMany]"), CSI_GROUP_NONE },
        { "{}", 0, INLINE, CSI_GROUP_AGENT },
        { "{}", 0, "{source: {driver: d}, fs_group: 5}", CSI_GROUP_NONE }, // no fsType
        { "{fsGroupPolicy: File}", 0, PV ("[ReadWriteMany]"), CSI_GROUP_AGENT },
        { "{fsGroupPolicy: File}", 0, "{source: {driver: d, readOnly: true}, fs_group: 5}",
          CSI_GROUP_NONE },
        { "{fsGroupPolicy: None}", 0, PV ("[ReadWriteOnce]"), CSI_GROUP_NONE },
        { "{fsGroupPolicy: None}", CSI_GIVES_TO_GROUP, PV ("[ReadWriteOnce]"), CSI_GROUP_DRIVER },
        { "{}", CSI_GIVES_TO_GROUP, "{source: {driver: d}}", CSI_GROUP_NONE }, // no fsGroup
    };
    for (size_t i = 0; i < COUNT_OF (CASES); i++) {
        OWNED (tree_destroy) tree_t *tree = tree_new();
        csi_volume_t volume = volume_of (CASES[i].volume, tree);
        csi_driver_spec_t spec = driver_of (CASES[i].spec, tree);
        if (csi_group (&spec, CASES[i].abilities, &volume) != CASES[i].group)
            fail_msg ("%s %s", CASES[i].spec, CASES[i].volume);
    }
}

static void
access_modes_are_told_as_the_driver_knows_them (void **state)
{
    (void) state;
    static const struct {
        const char *volume;
        unsigned abilities;
        const char *mode;
    } CASES[] = {
        { PV ("[ReadWriteOnce, ReadWriteMany]"), 0, "SINGLE_NODE_WRITER" },
        { PV ("[ReadWriteOnce]"), CSI_TELLS_WRITERS, "SINGLE_NODE_MULTI_WRITER" },
        { PV ("[ReadWriteOncePod]"), 0, "SINGLE_NODE_WRITER" },
        { PV ("[ReadWriteOncePod]"), CSI_TELLS_WRITERS, "SINGLE_NODE_SINGLE_WRITER" },
        { PV ("[ReadOnlyMany]"), CSI_TELLS_WRITERS, "MULTI_NODE_READER_ONLY" },
        { PV ("[ReadWriteMany]"), 0, "MULTI_NODE_MULTI_WRITER" },
        { INLINE, 0, "SINGLE_NODE_WRITER" },
    };
    for (size_t i = 0; i < COUNT_OF (CASES); i++) {
        OWNED (tree_destroy) tree_t *tree = tree_new();
        csi_volume_t volume = volume_of (CASES[i].volume, tree);
        csi_driver_spec_t spec = driver_of ("{}", tree);
        node_t request =
            csi_stage_request (&volume, &spec, CASES[i].abilities, &(csi_context_t){ 0 }, tree);
        const node_t *mode = node_at (&request, "volume_capability", "access_mode", "mode", NULL);
        assert_string_equal (node_as_text (mode, ""), CASES[i].mode);
    }
}

static void
names_are_upstreams (void **state)
{
    (void) state;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    OWNED (free_text) char *attachment = csi_attachment_name ("a", "b", "c");
    assert_string_equal (attachment,
                         "csi-ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    OWNED (free_text) char *stage = csi_stage_directory ("/r", "d", "abc");
    assert_string_equal (stage, "/r/plugins/kubernetes.io/csi/d/"
                                "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    OWNED (free_text) char *pod = csi_pod_directory ("/r", "u", "v");
    assert_string_equal (pod, "/r/pods/u/volumes/kubernetes.io~csi/v");
    csi_volume_t volume = volume_of (INLINE, tree); // sha256 of "u1v"
    assert_string_equal (volume.handle,
                         "csi-3df5ffc60026e8207ea59c1564beebc5d9845fde03ed041b10fa368ddd17875f");
}

static void
names_that_lead_elsewhere_are_refused (void **state)
{
    (void) state;
    static const char *const CASES[] = {
        "{pod_uid: ../x, volume: v, source: {driver: d}}",
        "{pod_uid: u, volume: a/b, source: {driver: d}}",
        "{pod_uid: u, volume: v, source: {driver: ..}}",
        "{pod_uid: u, volume: v, source: {}}",
        "{pod_uid: u, volume: v, source: {driver: d}, pv: {}}", // no volumeHandle
    };
    for (size_t i = 0; i < COUNT_OF (CASES); i++) {
        OWNED (tree_destroy) tree_t *tree = tree_new();
        node_t request = yaml_node (CASES[i], tree);
        csi_volume_t volume;
        fault_t fault = { 0 };
        if (csi_volume_read (&request, tree, &volume, &fault) == 0)
            fail_msg ("accepted: %s", CASES[i]);
        assert_int_equal (fault.code, FAULT_INVALID);
    }
}

#define GREW "{spec: {capacity: {storage: 2Ki}}}"
#define AT(node) "{status: {capacity: {storage: 1Ki}, allocatedResources: {storage: 2Ki}," node "}}"

static void
a_volume_grows_to_what_its_node_does_not_have_yet (void **state)
{
    (void) state;
    static const struct {
        const char *pv, *claim;
        int64_t has, bytes;
        bool is_told, is_marked;
    } CASES[] = {
        { GREW, "{status: {capacity: {storage: 1Ki}}}", 0, 2048, false, false },
        { GREW, "{status: {capacity: {storage: 1Ki}}}", 2048, 0, false, false }, // just done
        { GREW, "{status: {capacity: {storage: '2048'}}}", 0, 0, false, false },
        { GREW, "{status: {capacity: {storage: 2Ki}}}", 1024, 2048, true, false }, // another node
        { GREW, AT ("allocatedResourceStatuses: {storage: NodeResizePending}"), 0, 2048, false,
          true },
        { GREW, AT ("allocatedResourceStatuses: {storage: NodeResizeInProgress}"), 0, 2048, false,
          true },
        { GREW, AT ("allocatedResourceStatuses: {storage: ControllerResizeInProgress}"), 0, 0,
          false, true },
        { GREW, AT ("allocatedResourceStatuses: {storage: NodeResizeInfeasible}"), 0, 0, false,
          true },
        { "{spec: {capacity: {storage: 1Ki}}}", "{status: {capacity: {storage: 2Ki}}}", 0, 0, false,
          false },
        { "{spec: {capacity: {storage: 1Ki}}}", "{}", 0, 0, false, false },
        { "{spec: {capacity: {storage: much}}}", "{status: {capacity: {storage: 1}}}", 0, 0, false,
          false },
    };
    for (size_t i = 0; i < COUNT_OF (CASES); i++) {
        OWNED (tree_destroy) tree_t *tree = tree_new();
        node_t pv = yaml_node (CASES[i].pv, tree), claim = yaml_node (CASES[i].claim, tree);
        csi_expansion_t out = csi_expansion (&pv, &claim, CASES[i].has);
        if (out.bytes != CASES[i].bytes || out.is_told != CASES[i].is_told
            || out.is_marked != CASES[i].is_marked)
            fail_msg ("%zu: %lld %d %d", i, (long long) out.bytes, out.is_told, out.is_marked);
    }
}

static void
a_claim_shows_how_its_volume_grows (void **state)
{
    (void) state;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t pv = yaml_node (GREW, tree);
    node_t claim = yaml_node ("{status: {conditions: [{type: Resizing}, {type: Other}], "
                              "allocatedResourceStatuses: {storage: NodeResizePending}}}",
                              tree);
    fault_t fault = { 0 };
    const struct {
        node_t patch;
        const char *json;
    } CASES[] = {
        { csi_expansion_begun_patch (tree),
          "{\"status\":{\"allocatedResourceStatuses\":{\"storage\":\"NodeResizeInProgress\"}}}" },
        { csi_expansion_done_patch (&pv, &claim, tree),
          "{\"status\":{\"capacity\":{\"storage\":\"2Ki\"},\"conditions\":[{\"$patch\":\"delete\","
          "\"type\":\"Resizing\"}],\"allocatedResourceStatuses\":null}}" },
        { (fault_set (&fault, FAULT_INTERNAL, "no"), csi_expansion_failed_patch (&fault, 0, tree)),
          "{\"status\":{\"conditions\":[{\"type\":\"NodeResizeError\",\"status\":\"True\","
          "\"lastTransitionTime\":\"1970-01-01T00:00:00Z\",\"message\":\"failed to expand pvc with "
          "no\"}]}}" },
    };
    for (size_t i = 0; i < COUNT_OF (CASES); i++) {
        OWNED (free_text) char *json = json_write (&CASES[i].patch, JSON_COMPACT, NULL);
        assert_string_equal (json, CASES[i].json);
    }
    fault_set (&fault, FAULT_OUT_OF_RANGE, "too large");
    node_t patch = csi_expansion_failed_patch (&fault, 0, tree);
    assert_string_equal (
        node_as_text (node_at (&patch, "status", "allocatedResourceStatuses", "storage", NULL), ""),
        "NodeResizeInfeasible");
}

static void
places_are_upstreams (void **state)
{
    (void) state;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    csi_volume_t volume = { .pod_uid = "u", .name = "pv", .driver = "d", .handle = "abc" };
    csi_places_t places;
    csi_places ("/r", &volume, tree, &places);
    assert_string_equal (places.target, "/r/pods/u/volumes/kubernetes.io~csi/pv/mount");
    assert_string_equal (places.stage, "/r/plugins/kubernetes.io/csi/d/"
                                       "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20"
                                       "015ad/globalmount");
    assert_null (places.link);
    volume.is_block = true;
    csi_places ("/r", &volume, tree, &places);
    assert_string_equal (places.note, "/r/pods/u/plugins/kubernetes.io~csi/pv");
    assert_string_equal (places.target, "/r/plugins/kubernetes.io/csi/volumeDevices/publish/pv/u");
    assert_string_equal (places.stage, "/r/plugins/kubernetes.io/csi/volumeDevices/staging/pv");
    assert_string_equal (places.stage_note, "/r/plugins/kubernetes.io/csi/volumeDevices/pv/data");
    assert_string_equal (places.map, "/r/plugins/kubernetes.io/csi/volumeDevices/pv/dev/u");
    assert_string_equal (places.link, "/r/pods/u/volumeDevices/kubernetes.io~csi/pv");
}

static void
a_device_is_asked_for_as_one (void **state)
{
    (void) state;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    csi_volume_t volume =
        volume_of ("{source: {driver: d, volumeHandle: h, fsType: ext4, readOnly: true}, fs_group: "
                   "5, pv: {spec: {volumeMode: Block, mountOptions: [ro]}}}",
                   tree);
    csi_driver_spec_t spec = driver_of ("{}", tree);
    node_t request = csi_publish_request (&volume, &spec, CSI_GIVES_TO_GROUP,
                                          &(csi_context_t){ .target_path = "/t" }, tree);
    OWNED (free_text) char *json = json_write (&request, JSON_COMPACT, NULL);
    assert_string_equal (json, "{\"volume_id\":\"h\",\"target_path\":\"/t\",\"volume_capability\":"
                               "{\"block\":{},\"access_mode\":{\"mode\":\"SINGLE_NODE_WRITER\"}},"
                               "\"readonly\":false}");
    assert_int_equal (csi_group (&spec, 0, &volume), CSI_GROUP_NONE);
}

static void
only_csi_drivers_of_version_1_are_taken (void **state)
{
    (void) state;
    static const struct {
        const char *info, *fault;
    } CASES[] = {
        { "{type: CSIPlugin, name: d, supported_versions: ['1.0.0']}", "" },
        { "{type: CSIPlugin, name: d, supported_versions: ['0.3.0', 'v1.5']}", "" },
        { "{type: CSIPlugin, name: d, supported_versions: ['0.3.0', '10.0.0']}",
          "failed to get highest supported version for CSI driver \"d\" at /s: none of the "
          "versions "
          "[0.3.0 10.0.0] is supported" },
        { "{type: DevicePlugin, name: d, supported_versions: ['v1beta1']}",
          "no handler registered for plugin type: DevicePlugin at socket /s" },
        { "{type: CSIPlugin, name: a/b, supported_versions: ['1.0.0']}",
          "invalid driver name \"a/b\"" },
    };
    for (size_t i = 0; i < COUNT_OF (CASES); i++) {
        OWNED (tree_destroy) tree_t *tree = tree_new();
        node_t info = yaml_node (CASES[i].info, tree);
        fault_t fault = { 0 };
        assert_int_equal (plugin_info_check (&info, "/s", &fault), *CASES[i].fault ? -1 : 0);
        assert_string_equal (fault.text, CASES[i].fault);
    }
}

static void
a_node_without_drivers_has_a_csi_node (void **state)
{
    (void) state;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t node = yaml_node ("{metadata: {name: n1, uid: u}}", tree), made, again;
    assert_true (csi_node_begin (NULL, &node, tree, &made));
    OWNED (free_text) char *json = json_write (&made, JSON_COMPACT, NULL);
    assert_string_equal (
        json,
        "{\"apiVersion\":\"storage.k8s.io/v1\",\"kind\":\"CSINode\",\"metadata\":{\"name\":\"n1\","
        "\"annotations\":{\"storage.alpha.kubernetes.io/migrated-plugins\":\""
        "kubernetes.io/aws-ebs,kubernetes.io/azure-disk,kubernetes.io/azure-file,"
        "kubernetes.io/cinder,kubernetes.io/gce-pd,kubernetes.io/portworx-volume,"
        "kubernetes.io/vsphere-volume\"},\"ownerReferences\":[{\"apiVersion\":\"v1\",\"kind\":"
        "\"Node\",\"name\":\"n1\",\"uid\":\"u\"}]},\"spec\":{\"drivers\":[]}}");
    assert_false (csi_node_begin (&made, &node, tree, &again));
    node_t old =
        yaml_node ("{metadata: {annotations: {a: b}}, spec: {drivers: [{name: d}]}}", tree);
    assert_true (csi_node_begin (&old, &node, tree, &again));
    assert_string_equal (node_as_text (node_at (&again, "metadata", "annotations", "a", NULL), ""),
                         "b");
    assert_int_equal (node_count (node_at (&again, "spec", "drivers", NULL)), 1);
}

#define INFO "{node_id: n-1, max_volumes_per_node: 3, accessible_topology: {segments: {zone: a}}}"
#define ROW "{name: d, nodeID: n-1, topologyKeys: [zone], allocatable: {count: 3}}"

static void
csi_node_follows_its_drivers (void **state)
{
    (void) state;
    static const struct {
        const char *old, *info, *rows; // rows "": no change
    } CASES[] = {
        { "", INFO, "[" ROW "]" },
        { "{spec: {drivers: [{name: e, nodeID: x}]}}", INFO, "[{name: e, nodeID: x}, " ROW "]" },
        { "{spec: {drivers: [{name: d, nodeID: old}]}}", INFO, "[" ROW "]" },
        { "{spec: {drivers: [" ROW "]}}", INFO, "" },
        { "{spec: {drivers: [" ROW "]}}", "", "[]" },
        { "{spec: {drivers: []}}", "", "" },
        { "", "{node_id: n-2}", "[{name: d, nodeID: n-2}]" },
        { "", "{node_id: n-1, accessible_topology: {segments: {z: a, b: c}}}",
          "[{name: d, nodeID: n-1, topologyKeys: [b, z]}]" },
    };
    for (size_t i = 0; i < COUNT_OF (CASES); i++) {
        OWNED (tree_destroy) tree_t *tree = tree_new();
        node_t old = yaml_node (CASES[i].old, tree), info = yaml_node (CASES[i].info, tree);
        node_t node = yaml_node ("{metadata: {name: n, uid: u}}", tree), out;
        bool is_change = csi_node_change (*CASES[i].old ? &old : NULL, &node, "d",
                                          *CASES[i].info ? &info : NULL, tree, &out);
        assert_int_equal (is_change, *CASES[i].rows != '\0');
        if (!is_change)
            continue;
        node_t rows = yaml_node (CASES[i].rows, tree);
        assert_true (node_equal (node_at (&out, "spec", "drivers", NULL), &rows));
        if (!*CASES[i].old) {
            const node_t *owner =
                node_item (node_at (&out, "metadata", "ownerReferences", NULL), 0);
            assert_string_equal (node_get_text (owner, "uid", ""), "u");
        }
    }
}

static void
the_node_is_patched_only_where_it_differs (void **state)
{
    (void) state;
    static const struct {
        const char *node, *info;
        int result;
        const char *patch; // or the fault
    } CASES[] = {
        { "{}", INFO, 1,
          "{\"metadata\":{\"annotations\":{\"csi.volume.kubernetes.io/nodeid\":"
          "\"{\\\"d\\\":\\\"n-1\\\"}\"},\"labels\":{\"zone\":\"a\"}}}" },
        { "{metadata: {labels: {zone: a}, annotations: {csi.volume.kubernetes.io/nodeid: "
          "'{\"d\":\"n-1\"}'}}}",
          INFO, 0, "" },
        { "{metadata: {labels: {zone: a}, annotations: {csi.volume.kubernetes.io/nodeid: "
          "'{\"d\":\"n-1\"}'}}}",
          "", 1, "{\"metadata\":{\"annotations\":{\"csi.volume.kubernetes.io/nodeid\":null}}}" },
        { "{metadata: {labels: {zone: b}}}", INFO, -1,
          "detected topology value collision: driver reported \"zone\":\"a\" but existing label is "
          "\"zone\":\"b\"" },
        { "{}", "", 0, "" },
    };
    for (size_t i = 0; i < COUNT_OF (CASES); i++) {
        OWNED (tree_destroy) tree_t *tree = tree_new();
        node_t node = yaml_node (CASES[i].node, tree), info = yaml_node (CASES[i].info, tree), out;
        fault_t fault = { 0 };
        int result = csi_node_patch (&node, "d", *CASES[i].info ? &info : NULL, tree, &out, &fault);
        assert_int_equal (result, CASES[i].result);
        OWNED (free_text) char *text = result > 0 ? json_write (&out, JSON_COMPACT, NULL) : NULL;
        assert_string_equal (text ? text : fault.text, CASES[i].patch);
    }
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (the_group_is_the_drivers_or_ours_or_nobodys),
        cmocka_unit_test (access_modes_are_told_as_the_driver_knows_them),
        cmocka_unit_test (names_are_upstreams),
        cmocka_unit_test (names_that_lead_elsewhere_are_refused),
        cmocka_unit_test (a_volume_grows_to_what_its_node_does_not_have_yet),
        cmocka_unit_test (a_claim_shows_how_its_volume_grows),
        cmocka_unit_test (places_are_upstreams),
        cmocka_unit_test (a_device_is_asked_for_as_one),
        cmocka_unit_test (only_csi_drivers_of_version_1_are_taken),
        cmocka_unit_test (a_node_without_drivers_has_a_csi_node),
        cmocka_unit_test (csi_node_follows_its_drivers),
        cmocka_unit_test (the_node_is_patched_only_where_it_differs),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
