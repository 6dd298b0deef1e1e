/* test_csi_manager.c - drivers come, mount, fail, hang and go. The API server, the volume manager
   and the token manager are played by the test; the driver is real, and so are its mounts. */
#include "cubelet/actors.h"
#include "cubelet/json.h"
#include "cubelet/memory.h"
#include "helper_csi_driver.h"
#include "helper_peer.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define DRIVER "lab.csi"
#define CALLS_WAIT_MS 20

static char root[64];

typedef struct {
    stage_t *stage;
    actor_host_t *actor;
    peer_t *api, *volumes, *tokens, *recorder, *reporter;
    csi_driver_t *driver;
    tree_t *csi_node; // what the API server has; NULL: none
    const char *spec; // of the CSIDriver object, JSON; NULL: there is none
    bool is_attached;
    int patches;
} fixture_t;

static char *
in_root (const char *path)
{
    return text_format ("%s/%s", root, path);
}

static bool
is_there (const char *path)
{
    OWNED (free_text) char *file = in_root (path);
    return access (file, F_OK) == 0;
}

static int
run (const char *command)
{
    OWNED (free_text) char *line = text_format ("cd %s && %s", root, command);
    return system (line);
}

static void
start_driver (fixture_t *self, const char *type, const char *version)
{
    OWNED (free_text) char *socket = in_root ("plugins_registry/lab.sock");
    OWNED (free_text) char *data = in_root ("driver");
    self->driver = csi_driver_new (socket, DRIVER, data, type, version);
}

static void
start_actor (fixture_t *self)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t args = node_map();
    node_set_text (tree, &args, "root_dir", root);
    node_set_text (tree, &args, "node_name", "n1");
    self->actor = stage_actor (self->stage, &csi_manager_class, "csi-manager", &args);
}

static int
set_up (void **state)
{
    if (getuid() != 0)
        return -1;
    strcpy (root, "/tmp/test-csi-XXXXXX");
    if (!mkdtemp (root))
        return -1;
    fixture_t *self = memory_new (1, sizeof *self);
    self->stage = stage_new();
    self->api = stage_peer (self->stage, "api-client");
    self->volumes = stage_peer (self->stage, "volume-manager");
    self->tokens = stage_peer (self->stage, "token-manager");
    self->reporter = stage_peer (self->stage, "node-reporter");
    self->recorder = stage_peer (self->stage, "event-recorder");
    self->spec = "{\"attachRequired\": false, \"volumeLifecycleModes\": [\"Persistent\", "
                 "\"Ephemeral\"]}";
    start_actor (self);
    *state = self;
    return 0;
}

static int
tear_down (void **state)
{
    fixture_t *self = *state;
    stage_destroy (&self->stage);
    csi_driver_destroy (&self->driver);
    tree_destroy (&self->csi_node);
    free (self);
    run ("losetup -a | grep $PWD/ | cut -d: -f1 | tac | xargs -r -n1 losetup -d");
    run ("awk -v root=$PWD/ 'index ($5, root) == 1 { print $5 }' /proc/self/mountinfo | sort -r | "
         "xargs -r -n1 umount -l");
    return run ("cd / && rm -rf --one-file-system $OLDPWD");
}

// ---- the API server ----

static void
answer (fixture_t *self, const received_t *request, int code, const char *object)
{
    OWNED (free_text) char *json = text_format ("{\"code\": %d, \"body\": %s}", code, object);
    peer_reply_json (self->api, request, json);
}

static void
write_csi_node (fixture_t *self, const received_t *request)
{
    tree_destroy (&self->csi_node);
    self->csi_node = tree_copy (node_get (request->body, "body"));
    answer (self, request, 200, "{}");
}

static void
serve_csi_node (fixture_t *self, const received_t *request)
{
    if (!self->csi_node) {
        answer (self, request, 404, "{}");
        return;
    }
    OWNED (free_text) char *json = json_write (tree_root (self->csi_node), JSON_COMPACT, NULL);
    answer (self, request, 200, json);
}

static void
serve_one (fixture_t *self, const received_t *request)
{
    const char *method = node_get_text (request->body, "method", "");
    const char *path = node_get_text (request->body, "path", "");
    if (strcmp (method, "PATCH") == 0) {
        self->patches++;
        answer (self, request, 200, "{}");
    }
    else if (strcmp (method, "GET") != 0)
        write_csi_node (self, request);
    else if (strstr (path, "/nodes/"))
        answer (self, request, 200, "{\"metadata\": {\"name\": \"n1\", \"uid\": \"nu\"}}");
    else if (strstr (path, "/csinodes/"))
        serve_csi_node (self, request);
    else if (strstr (path, "/csidrivers/")) {
        OWNED (free_text)
        char *object = text_format ("{\"spec\": %s}", self->spec ? self->spec : "");
        answer (self, request, self->spec ? 200 : 404, self->spec ? object : "{}");
    }
    else if (strstr (path, "/volumeattachments/"))
        answer (self, request, 200,
                self->is_attached ? "{\"status\": {\"attached\": true, \"attachmentMetadata\":"
                                    " {\"device\": \"/dev/x\"}}}"
                                  : "{\"status\": {\"attached\": false}}");
    else if (strstr (path, "/secrets/"))
        answer (self, request, 200, "{\"kind\": \"Secret\", \"data\": {\"k\": \"dg==\"}}");
    else
        answer (self, request, 404, "{}");
}

/* Answers the API requests and tokens that come within a moment. */
static void
serve (fixture_t *self)
{
    received_t *request;
    while ((request = peer_next (self->api, CALLS_WAIT_MS))) {
        if (request->type == MSG_API_REQUEST)
            serve_one (self, request);
        received_destroy (&request);
    }
    while ((request = peer_next (self->tokens, 0))) {
        if (request->type == MSG_TOKEN_GET)
            peer_reply_json (self->tokens, request, "{\"token\": \"tok\", \"expires_at\": 60}");
        received_destroy (&request);
    }
}

// ---- what the driver was asked ----

static char *
calls (void)
{
    OWNED (free_text) char *path = in_root ("driver/calls");
    OWNED (close_file) FILE *file = fopen (path, "re");
    char *text = NULL;
    size_t room = 0;
    if (!file || getdelim (&text, &room, '\0', file) < 0) {
        free (text);
        return text_copy ("");
    }
    return text;
}

static bool
was_called (const char *text)
{
    OWNED (free_text) char *all = calls();
    return strstr (all, text) != NULL;
}

/* How often the driver was asked. */
static int
count_calls (const char *method)
{
    OWNED (free_text) char *all = calls();
    OWNED (free_text) char *wanted = text_format ("%s {", method);
    int count = 0;
    for (const char *at = all; (at = strstr (at, wanted)); at++)
        count++;
    return count;
}

static void
wait_call (fixture_t *self, const char *text)
{
    for (int i = 0; i < PEER_DEADLINE_MS / CALLS_WAIT_MS && !was_called (text); i++)
        serve (self);
    if (!was_called (text)) {
        OWNED (free_text) char *all = calls();
        fail_msg ("no call %s in:\n%s", text, all);
    }
}

static void
wait_file (fixture_t *self, const char *path, bool wanted)
{
    for (int i = 0; i < PEER_DEADLINE_MS / CALLS_WAIT_MS && is_there (path) != wanted; i++)
        serve (self);
    assert_int_equal (is_there (path), wanted);
}

static void
register_driver (fixture_t *self)
{
    start_driver (self, "CSIPlugin", "1.0.0");
    wait_call (self, "NotifyRegistrationStatus {\"plugin_registered\":true}");
}

// ---- requests ----

static received_t *
await (fixture_t *self, uint64_t id)
{
    for (int i = 0; i < PEER_DEADLINE_MS / CALLS_WAIT_MS; i++) {
        serve (self);
        received_t *reply;
        while ((reply = peer_next (self->volumes, 0))) {
            if (reply->envelope.re == id)
                return reply;
            received_destroy (&reply);
        }
    }
    fail_msg ("no answer");
    return NULL;
}

static uint64_t
ask_mount (fixture_t *self, const char *uid, const char *more)
{
    OWNED (free_text)
    char *json = text_format ("{\"pod_uid\": \"%s\", \"pod_name\": \"p\", \"pod_namespace\": \"n\","
                              " \"service_account\": \"sa\", \"volume\": \"v\", %s}",
                              uid, more);
    return peer_request_json (self->volumes, "csi-manager", MSG_CSI_MOUNT, json);
}

/* The fault's text, "" for none. Owned. */
static char *
fault_of (received_t *reply)
{
    char *text = text_copy (reply->envelope.fault_text ? reply->envelope.fault_text : "");
    received_destroy (&reply);
    return text;
}

static void
mounts (fixture_t *self, const char *uid, const char *more, const char *expected)
{
    OWNED (free_text) char *fault = fault_of (await (self, ask_mount (self, uid, more)));
    assert_string_equal (fault, expected);
}

static void
unmounts (fixture_t *self, const char *uid, const char *expected)
{
    OWNED (free_text) char *json = text_format ("{\"pod_uid\": \"%s\"}", uid);
    OWNED (free_text)
    char *fault = fault_of (
        await (self, peer_request_json (self->volumes, "csi-manager", MSG_CSI_UNMOUNT, json)));
    assert_string_equal (fault, expected);
}

#define INLINE "\"source\": {\"driver\": \"" DRIVER "\", \"volumeAttributes\": {\"a\": \"1\"}}"
#define PV                                                                                         \
    "\"source\": {\"driver\": \"" DRIVER "\", \"volumeHandle\": \"h1\", \"fsType\": \"ext4\","     \
    " \"nodeStageSecretRef\": {\"name\": \"s\", \"namespace\": \"k\"}},"                           \
    " \"pv\": {\"metadata\": {\"name\": \"v\"}, \"spec\": {\"accessModes\": [\"ReadWriteOnce\"],"  \
    " \"mountOptions\": [\"noatime\"]}}"
#define TARGET(uid) "pods/" uid "/volumes/kubernetes.io~csi/v/mount"
#define NOT_REGISTERED "driver name lab.csi not found in the list of registered CSI drivers"

// ---- tests ----

static void
a_driver_is_registered_and_leaves (void **state)
{
    fixture_t *self = *state;
    register_driver (self);
    const node_t *row =
        node_item (node_at (tree_root (self->csi_node), "spec", "drivers", NULL), 0);
    OWNED (free_text) char *json = json_write (row, JSON_COMPACT, NULL);
    assert_string_equal (json, "{\"name\":\"lab.csi\",\"nodeID\":\"id-of-node\",\"topologyKeys\":"
                               "[\"topology.lab/rack\"],\"allocatable\":{\"count\":7}}");
    assert_int_equal (self->patches, 1);
    csi_driver_destroy (&self->driver);
    for (int i = 0; i < 1000; i++) {
        serve (self);
        if (node_count (node_at (tree_root (self->csi_node), "spec", "drivers", NULL)) == 0)
            break;
    }
    assert_int_equal (node_count (node_at (tree_root (self->csi_node), "spec", "drivers", NULL)),
                      0);
    mounts (self, "u1", INLINE,
            "MountVolume.SetUp failed for volume \"v\" : kubernetes.io/csi: mounter.SetUpAt failed "
            "to get CSI client: " NOT_REGISTERED);
    mounts (self, "u1", PV,
            "MountVolume.MountDevice failed for volume \"v\" : kubernetes.io/csi: "
            "attacher.MountDevice failed to create newCsiDriverClient: " NOT_REGISTERED);
}

static void
other_plugins_are_told_why_not (void **state)
{
    fixture_t *self = *state;
    start_driver (self, "DevicePlugin", "v1beta1");
    wait_call (self, "NotifyRegistrationStatus {\"error\":\"no handler registered for plugin type: "
                     "DevicePlugin at socket ");
    csi_driver_destroy (&self->driver);
    start_driver (self, "CSIPlugin", "0.3.0");
    wait_call (self, "none of the versions [0.3.0] is supported");
}

static void
a_volume_is_staged_published_and_taken_away (void **state)
{
    fixture_t *self = *state;
    register_driver (self);
    mounts (self, "u1", PV, "");
    mounts (self, "u2", PV, "");
    mounts (self, "u1", PV, ""); // there already
    assert_int_equal (count_calls ("NodeStageVolume"), 1);
    assert_int_equal (count_calls ("NodePublishVolume"), 2);
    assert_true (was_called ("NodeStageVolume {\"volume_id\":\"h1\",\"staging_target_path\":"));
    assert_true (
        was_called ("\"volume_capability\":{\"mount\":{\"fs_type\":\"ext4\",\"mount_flags\":"
                    "[\"noatime\"]},\"access_mode\":{\"mode\":\"SINGLE_NODE_WRITER\"}},"
                    "\"secrets\":{\"k\":\"v\"}"));
    run ("touch driver/volumes/h1/file");
    assert_true (is_there (TARGET ("u1") "/file"));
    assert_true (is_there (TARGET ("u2") "/file"));
    unmounts (self, "u1", "");
    assert_false (is_there ("pods/u1/volumes/kubernetes.io~csi/v"));
    assert_true (is_there (TARGET ("u2") "/file"));
    assert_false (was_called ("NodeUnstageVolume"));
    unmounts (self, "u2", "");
    unmounts (self, "u2", ""); // doubled
    wait_call (self, "NodeUnstageVolume {\"volume_id\":\"h1\"");
    assert_int_equal (run ("while ls plugins/kubernetes.io/csi/lab.csi/* 2> /dev/null | grep -q .; "
                           "do sleep 0.1; done"),
                      0);
    assert_true (is_there ("driver/volumes/h1/file"));
}

static void
an_inline_volume_knows_its_pod (void **state)
{
    fixture_t *self = *state;
    register_driver (self);
    self->spec = NULL;
    mounts (
        self, "u1", INLINE,
        "MountVolume.SetUp failed for volume \"v\" : kubernetes.io/csi: mounter.SetupAt failed to "
        "check volume lifecycle mode: volume mode \"Ephemeral\" not supported by driver lab.csi "
        "(no CSIDriver object)");
    self->spec = "{\"volumeLifecycleModes\": [\"Ephemeral\"], \"podInfoOnMount\": true,"
                 " \"tokenRequests\": [{\"audience\": \"aud\", \"expirationSeconds\": 600}]}";
    mounts (self, "u1", INLINE, "");
    assert_false (was_called ("NodeStageVolume"));
    assert_true (was_called (
        "\"volume_context\":{\"a\":\"1\",\"csi.storage.k8s.io/pod.name\":\"p\","
        "\"csi.storage.k8s.io/pod.namespace\":\"n\",\"csi.storage.k8s.io/pod.uid\":\"u1\","
        "\"csi.storage.k8s.io/serviceAccount.name\":\"sa\",\"csi.storage.k8s.io/ephemeral\":"
        "\"true\",\"csi.storage.k8s.io/serviceAccount.tokens\":\"{\\\"aud\\\":{\\\"token\\\":"
        "\\\"tok\\\",\\\"expirationTimestamp\\\":\\\"1970-01-01T00:01:00Z\\\"}}\"}"));
    mounts (
        self, "u2", PV,
        "MountVolume.SetUp failed for volume \"v\" : kubernetes.io/csi: mounter.SetupAt failed to "
        "check volume lifecycle mode: volume mode \"Persistent\" not supported by driver lab.csi "
        "(only supports [\"Ephemeral\"])");
    unmounts (self, "u1", "");
    assert_false (is_there ("pods/u1/volumes/kubernetes.io~csi/v"));
}

static void
an_attachment_is_waited_for (void **state)
{
    fixture_t *self = *state;
    register_driver (self);
    self->spec = "{}";
    uint64_t id = ask_mount (self, "u1", PV);
    serve (self);
    serve (self);
    assert_false (was_called ("NodeStageVolume"));
    self->is_attached = true;
    OWNED (free_text) char *fault = fault_of (await (self, id));
    assert_string_equal (fault, "");
    assert_true (was_called ("\"publish_context\":{\"device\":\"/dev/x\"}"));
}

static void
faults_are_told_and_leave_nothing (void **state)
{
    fixture_t *self = *state;
    register_driver (self);
    run ("echo 'NodeStageVolume 13 no such disk' > driver/fault");
    mounts (
        self, "u1", PV,
        "MountVolume.MountDevice failed for volume \"v\" : rpc error: code = Internal desc = no "
        "such disk");
    assert_false (is_there ("pods/u1/volumes/kubernetes.io~csi/v"));
    assert_int_equal (run ("ls plugins/kubernetes.io/csi/lab.csi/* 2> /dev/null | grep -q ."),
                      1 << 8);
    run ("echo 'NodePublishVolume 13 not here' > driver/fault");
    mounts (
        self, "u1", PV,
        "MountVolume.SetUp failed for volume \"v\" : rpc error: code = Internal desc = not here");
    assert_int_equal (count_calls ("NodeStageVolume"), 2);
    run ("echo 'NodePublishVolume 14 not now' > driver/fault");
    mounts (self, "u1", PV,
            "MountVolume.SetUp failed for volume \"v\" : rpc error: code = Unavailable desc = not "
            "now");
    assert_int_equal (count_calls ("NodeStageVolume"), 2); // it has stayed staged
    assert_false (was_called ("NodeUnstageVolume"));
    // it may be there: what was noted is undone
    assert_true (is_there ("pods/u1/volumes/kubernetes.io~csi/v/vol_data.json"));
    run ("echo 'NodeUnpublishVolume 13 busy' > driver/fault");
    unmounts (self, "u1",
              "UnmountVolume.TearDown failed for volume \"v\" : kubernetes.io/csi: "
              "Unmounter.TearDownAt failed: rpc error: code = Internal desc = busy");
    run ("echo 'NodeUnstageVolume 13 busy' > driver/fault");
    unmounts (self, "u1", "");
    wait_call (self, "NodeUnstageVolume");
    run ("rm driver/fault driver/calls");
    wait_call (self, "NodeUnstageVolume"); // again, until it succeeds
    assert_int_equal (run ("while ls plugins/kubernetes.io/csi/lab.csi/* 2> /dev/null | grep -q .; "
                           "do sleep 0.1; done"),
                      0);
}

static void
a_driver_that_hangs_holds_up_its_own_volume_only (void **state)
{
    fixture_t *self = *state;
    register_driver (self);
    run ("echo 'NodeStageVolume hang' > driver/fault");
    ask_mount (self, "u1", PV);
    wait_call (self, "NodeStageVolume");
    mounts (self, "u2", INLINE, "");
    unmounts (self, "u2", "");
}

static void
a_new_incarnation_knows_what_is_mounted (void **state)
{
    fixture_t *self = *state;
    register_driver (self);
    mounts (self, "u1", PV, "");
    mounts (self, "u2", INLINE, "");
    peer_send (self->volumes, "csi-manager", MSG_ACTOR_KILL, NULL);
    free (stage_wait_down (self->actor));
    run ("rm driver/calls");
    start_actor (self);
    wait_call (self, "NotifyRegistrationStatus {\"plugin_registered\":true}");
    mounts (self, "u1", PV, "");
    assert_false (was_called ("NodeStageVolume"));
    assert_false (was_called ("NodePublishVolume"));
    assert_false (was_called ("NodeUnstageVolume")); // it is in use
    unmounts (self, "u1", "");
    unmounts (self, "u2", "");
    wait_call (self, "NodeUnstageVolume");
    wait_file (self, TARGET ("u1"), false);
}

#define REFRESH(claimed)                                                                           \
    "\"refresh\": true, \"source\": {\"driver\": \"" DRIVER "\", \"volumeHandle\": \"h1\"},"       \
    " \"pv\": {\"spec\": {\"capacity\": {\"storage\": \"4Gi\"}}}, \"claim\": {\"namespace\":"      \
    " \"n\", \"name\": \"data\", \"status\": {\"capacity\": {\"storage\": \"" claimed "\"}}}"

/* Waits for the event; its message. Owned. */
static char *
wait_event (fixture_t *self, const char *reason, const char *kind)
{
    OWNED (received_destroy) received_t *event = peer_expect (self->recorder, MSG_EVENT_RECORD);
    assert_string_equal (node_get_text (event->body, "reason", ""), reason);
    assert_string_equal (node_as_text (node_at (event->body, "object", "kind", NULL), ""), kind);
    return text_copy (node_get_text (event->body, "message", ""));
}

static void
a_volume_grows_when_its_claim_shows_less (void **state)
{
    fixture_t *self = *state;
    register_driver (self);
    mounts (self, "u1", PV, "");
    mounts (self, "u1", REFRESH ("4Gi"), "");
    assert_int_equal (count_calls ("NodeExpandVolume"), 0);
    run ("rm -r driver/calls");
    unmounts (self, "u1", "");
    wait_call (self, "NodeUnstageVolume");
    mounts (self, "u1", PV, "");
    run ("echo 'NodeExpandVolume 13 no' > driver/fault");
    mounts (self, "u1", REFRESH ("2Gi"), ""); // the pod runs on
    OWNED (free_text) char *failed = wait_event (self, "VolumeResizeFailed", "Pod");
    assert_string_equal (failed,
                         "NodeExpandVolume.NodeExpandVolume failed for volume \"v\" : "
                         "kubernetes.io/csi: Expander.NodeExpand failed to expand the volume "
                         ": rpc error: code = Internal desc = no");
    run ("rm driver/fault");
    int patches = self->patches;
    mounts (self, "u1", REFRESH ("2Gi"), "");
    assert_int_equal (self->patches, patches + 1);
    assert_true (was_called ("/globalmount\",\"volume_capability\""));
    assert_true (was_called ("\"capacity_range\":{\"required_bytes\":4294967296}"));
    OWNED (free_text) char *grown = wait_event (self, "FileSystemResizeSuccessful", "Pod");
    assert_string_equal (grown, "MountVolume.NodeExpandVolume succeeded for volume \"v\" n1");
    OWNED (free_text)
    char *again = wait_event (self, "FileSystemResizeSuccessful", "PersistentVolumeClaim");
    assert_string_equal (again, grown);
    mounts (self, "u1", REFRESH ("2Gi"), ""); // the claim is an old one
    assert_int_equal (count_calls ("NodeExpandVolume"), 2);
}

static void
a_driver_may_want_to_publish_again (void **state)
{
    fixture_t *self = *state;
    register_driver (self);
    mounts (self, "u1", INLINE, "");
    mounts (self, "u1", "\"refresh\": true, " INLINE, "");
    assert_int_equal (count_calls ("NodePublishVolume"), 1);
    self->spec = "{\"volumeLifecycleModes\": [\"Ephemeral\"], \"requiresRepublish\": true}";
    mounts (self, "u1", "\"refresh\": true, " INLINE, "");
    assert_int_equal (count_calls ("NodePublishVolume"), 2);
}

static void
what_is_not_confirmed_is_asked_for_again (void **state)
{
    fixture_t *self = *state;
    register_driver (self);
    mounts (self, "u1", PV, "");
    // as if the agent had died before the driver's answer, or the machine had been started anew
    run ("sed -i 's/,\"cubeletState\":\"[^\"]*\"//' pods/u1/volumes/*/v/vol_data.json "
         "plugins/kubernetes.io/csi/lab.csi/*/vol_data.json");
    mounts (self, "u1", PV, "");
    assert_int_equal (count_calls ("NodeStageVolume"), 2);
    assert_int_equal (count_calls ("NodePublishVolume"), 2);
    mounts (self, "u1", PV, "");
    assert_int_equal (count_calls ("NodePublishVolume"), 2);
}

#define BLOCK                                                                                      \
    "\"source\": {\"driver\": \"" DRIVER "\", \"volumeHandle\": \"h2\"}, \"pv\": {\"metadata\": "  \
    "{\"name\": \"v\"}, \"spec\": {\"volumeMode\": \"Block\"}}"
#define DEVICES "plugins/kubernetes.io/csi/volumeDevices"

static void
a_device_is_mapped_and_let_go (void **state)
{
    fixture_t *self = *state;
    register_driver (self);
    received_t *reply = await (self, ask_mount (self, "u1", BLOCK));
    OWNED (free_text) char *link = in_root ("pods/u1/volumeDevices/kubernetes.io~csi/v");
    assert_string_equal (node_get_text (reply->body, "path", ""), link);
    received_destroy (&reply);
    OWNED (free_text) char *first = wait_event (self, "SuccessfulMountVolume", "Pod");
    OWNED (free_text)
    char *wanted = text_format ("MapVolume.MapPodDevice succeeded for volume \"v\" globalMapPath "
                                "\"%s/" DEVICES "/v/dev\"",
                                root);
    assert_string_equal (first, wanted);
    OWNED (free_text) char *second = wait_event (self, "SuccessfulMountVolume", "Pod");
    OWNED (free_text)
    char *also = text_format ("MapVolume.MapPodDevice succeeded for volume \"v\" volumeMapPath "
                              "\"%s/pods/u1/volumeDevices/kubernetes.io~csi\"",
                              root);
    assert_string_equal (second, also);
    mounts (self, "u2", BLOCK, "");
    mounts (self, "u1", BLOCK, ""); // there already
    assert_int_equal (count_calls ("NodeStageVolume"), 1);
    assert_int_equal (count_calls ("NodePublishVolume"), 2);
    assert_int_equal (run ("test -b pods/u1/volumeDevices/kubernetes.io~csi/v && "
                           "test -b " DEVICES "/v/dev/u1 && "
                           "grep -qx $PWD/" DEVICES "/v/dev/u1 /sys/block/loop*/loop/backing_file"),
                      0);
    unmounts (self, "u1", "");
    assert_int_equal (
        run ("! grep -qx $PWD/" DEVICES "/v/dev/u1 /sys/block/loop*/loop/backing_file "
             "&& test ! -e pods/u1/volumeDevices/kubernetes.io~csi/v && "
             "test ! -e " DEVICES "/publish/v/u1 && test -b " DEVICES "/publish/v/u2"),
        0);
    assert_false (was_called ("NodeUnstageVolume"));
    unmounts (self, "u2", "");
    wait_call (self, "NodeUnstageVolume {\"volume_id\":\"h2\",\"staging_target_path\":");
    wait_file (self, DEVICES "/v", false);
    assert_int_equal (run ("find pods " DEVICES " -name vol_data.json | grep ."), 1 << 8);
    assert_int_equal (run ("grep ' '$PWD/ /proc/self/mountinfo"), 1 << 8);
}

/* Asks for the volumes' stats; the answer as JSON. Owned. */
static char *
stats (fixture_t *self, int max_age_ms)
{
    OWNED (free_text) char *json = text_format ("{\"max_age_ms\": %d}", max_age_ms);
    received_t *reply =
        await (self, peer_request_json (self->volumes, "csi-manager", MSG_CSI_STATS, json));
    char *text = json_write (node_get (reply->body, "volumes"), JSON_COMPACT, NULL);
    received_destroy (&reply);
    return text;
}

static void
drivers_tell_how_full_volumes_are (void **state)
{
    fixture_t *self = *state;
    static const char ROW[] =
        "[{\"pod_uid\":\"u1\",\"name\":\"v\",\"usage\":[{\"available\":600,\"total\":1000,\"used\":"
        "400,"
        "\"unit\":\"BYTES\"},{\"available\":6,\"total\":10,\"used\":4,\"unit\":\"INODES\"}]}]";
    register_driver (self);
    OWNED (free_text) char *none = stats (self, 0);
    assert_string_equal (none, "[]");
    mounts (self, "u1", INLINE, "");
    OWNED (free_text) char *first = stats (self, 0);
    assert_string_equal (first, ROW);
    assert_true (was_called ("/v/mount\"}"));
    OWNED (free_text) char *kept = stats (self, 3600000);
    assert_string_equal (kept, ROW);
    assert_int_equal (count_calls ("NodeGetVolumeStats"), 1);
    run ("echo 'NodeGetVolumeStats hang' > driver/fault");
    OWNED (free_text) char *late = stats (self, -1); // what is known, after a while
    assert_string_equal (late, ROW);
    OWNED (free_text) char *again = stats (self, -1); // who hangs is not asked again
    assert_string_equal (again, ROW);
    assert_int_equal (count_calls ("NodeGetVolumeStats"), 2);
    run ("rm driver/fault");
    unmounts (self, "u1", "");
}

static void
what_is_mounted_does_not_need_its_driver (void **state)
{
    fixture_t *self = *state;
    register_driver (self);
    mounts (self, "u1", INLINE, "");
    csi_driver_destroy (&self->driver);
    wait_file (self, "plugins_registry/lab.sock", false);
    for (int i = 0; i < 5; i++)
        serve (self);
    mounts (self, "u1", "\"refresh\": true, " INLINE, "");
}

/* Waits until the node-reporter is told exactly this. */
static void
wait_in_use (fixture_t *self, const char *wanted)
{
    for (bool is_told = false; !is_told;) {
        serve (self);
        OWNED (received_destroy) received_t *told = peer_expect (self->reporter, MSG_NODE_VOLUMES);
        OWNED (free_text)
        char *json = json_write (node_get (told->body, "in_use"), JSON_COMPACT, NULL);
        is_told = strcmp (json, wanted) == 0;
    }
}

static void
the_node_says_which_volumes_it_has (void **state)
{
    fixture_t *self = *state;
    register_driver (self);
    mounts (self, "u3", INLINE, "");
    self->spec = "{\"volumeLifecycleModes\": [\"Persistent\"]}";
    uint64_t id = ask_mount (self, "u1", PV);
    wait_in_use (self, "[\"kubernetes.io/csi/lab.csi^h1\"]"); // before it is attached
    self->is_attached = true;
    received_t *reply = await (self, id);
    received_destroy (&reply);
    mounts (self, "u2", PV, "");
    wait_in_use (self, "[\"kubernetes.io/csi/lab.csi^h1\"]");
    unmounts (self, "u1", "");
    unmounts (self, "u2", "");
    wait_call (self, "NodeUnstageVolume");
    wait_in_use (self, "[]");
}

#define TEST(name) cmocka_unit_test_setup_teardown (name, set_up, tear_down)

int
main (void)
{
    const struct CMUnitTest tests[] = {
        TEST (a_driver_is_registered_and_leaves),
        TEST (other_plugins_are_told_why_not),
        TEST (a_volume_is_staged_published_and_taken_away),
        TEST (an_inline_volume_knows_its_pod),
        TEST (an_attachment_is_waited_for),
        TEST (faults_are_told_and_leave_nothing),
        TEST (a_driver_that_hangs_holds_up_its_own_volume_only),
        TEST (a_volume_grows_when_its_claim_shows_less),
        TEST (a_driver_may_want_to_publish_again),
        TEST (what_is_not_confirmed_is_asked_for_again),
        TEST (a_device_is_mapped_and_let_go),
        TEST (drivers_tell_how_full_volumes_are),
        TEST (what_is_mounted_does_not_need_its_driver),
        TEST (the_node_says_which_volumes_it_has),
        TEST (a_new_incarnation_knows_what_is_mounted),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
