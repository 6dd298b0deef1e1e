/* test_volume_objects.c - volumes made of API objects, tokens and claims. */
#include "volume_fixture.h"

// ---- volumes of objects ----

#define OBJECT_ROWS(K, V)                                                                          \
    "\"objects\": [{\"kind\": \"ConfigMap\", \"namespace\": \"n\", \"name\": \"c\", \"found\": "   \
    "true,"                                                                                        \
    " \"object\": {\"data\": {\"" K "\": \"" V "\"}, \"binaryData\": {\"bin\": \"eHl6\"}}},"       \
    " {\"kind\": \"Secret\", \"namespace\": \"n\", \"name\": \"s\", \"found\": true,"              \
    " \"object\": {\"data\": {\"k\": \"dg==\"}}}]"

#define CONFIG_V "pods/u1/volumes/kubernetes.io~configmap/v"

static void
objects_become_files_that_follow_them (void **state)
{
    fixture_t *self = *state;
    extra = OBJECT_ROWS ("a", "1");
    assert_ok (set_up_one (self, "\"configMap\": {\"name\": \"c\"}"));
    assert_file (CONFIG_V "/a", "1");
    assert_file (CONFIG_V "/bin", "xyz");
    OWNED (free_text) char *before = link_of (CONFIG_V "/..data");
    extra = "\"refresh\": true, " OBJECT_ROWS ("a", "1");
    assert_ok (set_up_one (self, "\"configMap\": {\"name\": \"c\"}"));
    OWNED (free_text) char *same = link_of (CONFIG_V "/..data");
    assert_string_equal (before, same); // nothing changed, nothing is written
    extra = "\"refresh\": true, " OBJECT_ROWS ("b", "2");
    assert_ok (set_up_one (self, "\"configMap\": {\"name\": \"c\"}"));
    assert_file (CONFIG_V "/b", "2");
    assert_false (is_there (CONFIG_V "/a"));
    OWNED (free_text) char *after = link_of (CONFIG_V "/..data");
    assert_string_not_equal (before, after);
    assert_ok (set_up_one (self, "\"secret\": {\"secretName\": \"s\", \"defaultMode\": 288}"));
    assert_file ("pods/u1/volumes/kubernetes.io~secret/v/k", "v");
    assert_int_equal (mode_of ("pods/u1/volumes/kubernetes.io~secret/v/..data/k"), S_IFREG | 0440);
    struct statfs file_system;
    OWNED (free_text) char *path = in_root ("pods/u1/volumes/kubernetes.io~secret/v");
    assert_int_equal (statfs (path, &file_system), 0);
    assert_int_equal (file_system.f_type, TMPFS_MAGIC);
}

static void
an_optional_object_fills_its_volume_when_it_appears (void **state)
{
    fixture_t *self = *state;
    assert_ok (set_up_one (self, "\"configMap\": {\"name\": \"absent\", \"optional\": true}"));
    extra = OBJECT_ROWS ("a", "1");
    assert_ok (set_up_one (self, "\"configMap\": {\"name\": \"c\", \"optional\": true}"));
    assert_file (CONFIG_V "/a", "1");
}

static void
a_refresh_leaves_other_volumes_alone (void **state)
{
    fixture_t *self = *state;
    extra = "\"refresh\": true";
    OWNED (received_destroy)
    received_t *reply = set_up_pod (self, "{}",
                                    "[{\"name\": \"h\", \"mountPath\": \"/h\"},"
                                    " {\"name\": \"d\", \"mountPath\": \"/d\"}]",
                                    "[{\"name\": \"h\", \"hostPath\": {\"path\": \"/absent\","
                                    " \"type\": \"Directory\"}}, {\"name\": \"d\","
                                    " \"downwardAPI\": {\"items\": []}}]",
                                    "{}");
    assert_string_equal (fault_of (reply), "");
    const node_t *volumes = node_get (reply->body, "volumes");
    assert_int_equal (node_count (volumes), 1);
    assert_non_null (node_get (volumes, "d"));
}

static void
tokens_are_for_those_who_may_read_them (void **state)
{
    fixture_t *self = *state;
    static const char VOLUMES[] =
        "[{\"name\": \"v\", \"projected\": {\"sources\": [{\"serviceAccountToken\":"
        " {\"path\": \"t\", \"audience\": \"lab\", \"expirationSeconds\": 600}}]}}]";
    static const char FILE_[] = "pods/u1/volumes/kubernetes.io~projected/v/t";
    static const struct {
        const char *security;
        mode_t mode;
        uid_t owner;
    } CASES[] = {
        { "{}", 0644, 0 },
        { "{\"runAsUser\": 1234}", 0600, 1234 },
        { "{\"fsGroup\": 2000}", 0640, 0 },
    };
    for (size_t i = 0; i < COUNT_OF (CASES); i++) {
        extra = "\"tokens\": [{\"audience\": \"\", \"expiration_seconds\": 600, \"token\": \"no\"},"
                " {\"audience\": \"lab\", \"expiration_seconds\": 600, \"token\": \"one\"}]";
        OWNED (received_destroy)
        received_t *reply = set_up_pod (self, "{}", MOUNT_V, VOLUMES, CASES[i].security);
        assert_string_equal (fault_of (reply), "");
        assert_file (FILE_, "one");
        struct stat stat_;
        OWNED (free_text) char *path = in_root (FILE_);
        assert_int_equal (stat (path, &stat_), 0);
        assert_int_equal (stat_.st_mode & 07777, CASES[i].mode);
        assert_int_equal (stat_.st_uid, CASES[i].owner);
        assert_ok (ask_teardown (self, "u1"));
    }
    extra = "\"tokens\": [{\"audience\": \"lab\", \"expiration_seconds\": 600,"
            " \"error\": \"failed to fetch token: forbidden\"}]";
    OWNED (received_destroy) received_t *reply = set_up_pod (self, "{}", MOUNT_V, VOLUMES, "{}");
    assert_string_equal (fault_of (reply), "MountVolume.SetUp failed for volume \"v\" : failed to "
                                           "fetch token: forbidden");
}

// ---- claims ----

/* What a claim's row says of a PersistentVolume of this kind at `path` in the root. */
static char *
claim_row (const char *kind, const char *path)
{
    return text_format (
        "\"objects\": [{\"kind\": \"PersistentVolumeClaim\", \"namespace\": \"n\","
        " \"name\": \"data\", \"found\": true, \"object\": {\"metadata\":"
        " {\"uid\": \"c1\"}, \"spec\": {\"volumeName\": \"pv1\"}, \"status\":"
        " {\"phase\": \"Bound\"}}, \"volume\": {\"metadata\": {\"name\": \"pv1\"},"
        " \"spec\": {\"claimRef\": {\"uid\": \"c1\"}, \"mountOptions\": [\"noexec\"],"
        " \"%s\": {\"path\": \"%s/%s\"}}}}]",
        kind, root, path);
}

#define LOCAL_V "pods/u1/volumes/kubernetes.io~local-volume/pv1"

static void
a_local_volume_is_bound_and_let_go (void **state)
{
    fixture_t *self = *state;
    assert_int_equal (run ("mkdir -p disk/sub && echo kept > disk/file && chmod 700 disk"), 0);
    OWNED (free_text)
    char *row = claim_row ("local", "disk");
    extra = row;
    for (int i = 0; i < 2; i++) { // the second time it is there already
        OWNED (received_destroy)
        received_t *reply =
            set_up_pod (self, "{}", MOUNT_V,
                        "[{\"name\": \"v\", \"persistentVolumeClaim\": {\"claimName\": \"data\"}}]",
                        "{\"fsGroup\": 2000}");
        assert_string_equal (fault_of (reply), "");
        const node_t *volume = node_at (reply->body, "volumes", "v", NULL);
        OWNED (free_text) char *path = in_root (LOCAL_V);
        assert_string_equal (node_get_text (volume, "host_path", ""), path);
        assert_false (node_get_bool (volume, "read_only", true));
    }
    assert_file (LOCAL_V "/file", "kept\n");
    assert_int_equal (group_of ("disk/sub"), 2000);
    assert_int_equal (run ("grep -c ' '$PWD/" LOCAL_V " /proc/self/mountinfo | grep -qx 1"), 0);
    assert_int_equal (run ("grep ' '$PWD/" LOCAL_V " /proc/self/mountinfo | grep -q noexec"), 0);
    assert_ok (ask_teardown (self, "u1"));
    assert_file ("disk/file", "kept\n"); // the volume's, not the pod's
    assert_false (is_there ("pods/u1"));
}

static int
set_up_impatient (void **state)
{
    ownership_ms = 0;
    int result = set_up (state);
    ownership_ms = 30000;
    return result;
}

static void
a_long_change_of_ownership_is_told (void **state)
{
    fixture_t *self = *state;
    assert_int_equal (run ("mkdir disk && cd disk && seq 20000 | xargs touch"), 0);
    OWNED (free_text) char *row = claim_row ("local", "disk");
    extra = row;
    OWNED (received_destroy)
    received_t *reply =
        set_up_pod (self, "{}", MOUNT_V,
                    "[{\"name\": \"v\", \"persistentVolumeClaim\": {\"claimName\": \"data\"}}]",
                    "{\"fsGroup\": 2000}");
    assert_string_equal (fault_of (reply), "");
    static const char *const WANTED[] = {
        "Setting volume ownership for u1/volumes/kubernetes.io~local-volume/pv1 is taking longer "
        "than expected, consider using OnRootMismatch - https://kubernetes.io/docs/",
        "Setting volume ownership for u1/volumes/kubernetes.io~local-volume/pv1, processed ",
    };
    for (size_t i = 0; i < COUNT_OF (WANTED); i++) {
        OWNED (received_destroy) received_t *event = peer_expect (self->recorder, MSG_EVENT_RECORD);
        const char *message = node_get_text (event->body, "message", "");
        assert_string_equal (node_get_text (event->body, "reason", ""),
                             "VolumePermissionChangeInProgress");
        if (strncmp (message, WANTED[i], strlen (WANTED[i])) != 0)
            fail_msg ("%s", message);
    }
    assert_ok (ask_teardown (self, "u1"));
}

static void
a_claim_may_be_read_only_or_of_a_host_path (void **state)
{
    fixture_t *self = *state;
    assert_int_equal (run ("mkdir disk"), 0);
    OWNED (free_text) char *row = claim_row ("hostPath", "disk");
    extra = row;
    OWNED (received_destroy)
    received_t *reply = set_up_pod (self, "{}", MOUNT_V,
                                    "[{\"name\": \"v\", \"persistentVolumeClaim\": {\"claimName\":"
                                    " \"data\", \"readOnly\": true}}]",
                                    "{}");
    assert_string_equal (fault_of (reply), "");
    const node_t *volume = node_at (reply->body, "volumes", "v", NULL);
    OWNED (free_text) char *disk = in_root ("disk");
    assert_string_equal (node_get_text (volume, "host_path", ""), disk);
    assert_true (node_get_bool (volume, "read_only", false));
    OWNED (free_text) char *absent = claim_row ("local", "none");
    extra = absent;
    OWNED (free_text)
    char *fault = set_up_one (self, "\"persistentVolumeClaim\": {\"claimName\": \"data\"}");
    OWNED (free_text)
    char *expected = text_format ("MountVolume.NewMounter initialization failed for volume \"pv1\" "
                                  ": path \"%s/none\" does not exist",
                                  root);
    assert_string_equal (fault, expected);
}

static void
a_device_is_linked_into_the_pods_directory (void **state)
{
    fixture_t *self = *state;
    assert_int_equal (run ("mknod disk b 7 200 && touch file"), 0);
    static const struct {
        const char *path;
        bool is_refused;
    } CASES[] = {
        { "disk", false },
        { "file", true },
    };
    for (size_t i = 0; i < COUNT_OF (CASES); i++) {
        OWNED (free_text)
        char *json = text_format (
            "{\"pod\": {\"metadata\": {\"name\": \"p\", \"namespace\": \"n\", \"uid\": \"u1\"},"
            " \"spec\": {\"containers\": [{\"name\": \"c\", \"volumeDevices\": [{\"name\": \"v\","
            " \"devicePath\": \"/dev/x\"}]}], \"volumes\": [{\"name\": \"v\","
            " \"persistentVolumeClaim\": {\"claimName\": \"data\"}}]}}, \"objects\": [{\"kind\":"
            " \"PersistentVolumeClaim\", \"namespace\": \"n\", \"name\": \"data\", \"found\": true,"
            " \"object\": {\"metadata\": {\"uid\": \"c1\"}, \"spec\": {\"volumeName\": \"pv1\"},"
            " \"status\": {\"phase\": \"Bound\"}}, \"volume\": {\"spec\": {\"volumeMode\": "
            "\"Block\","
            " \"claimRef\": {\"uid\": \"c1\"}, \"local\": {\"path\": \"%s/%s\"}}}}]}",
            root, CASES[i].path);
        OWNED (received_destroy)
        received_t *reply =
            peer_expect_reply (self->worker, peer_request_json (self->worker, "volume-manager",
                                                                MSG_VOLUME_SETUP, json));
        OWNED (free_text)
        char *expected =
            text_format (CASES[i].is_refused ? "MountVolume.SetUp failed for volume \"pv1\" :"
                                               " path %s/file is not a block device"
                                             : "%.0s",
                         root);
        assert_string_equal (fault_of (reply), expected);
        const node_t *volume = node_at (reply->body, "volumes", "v", NULL);
        if (!CASES[i].is_refused)
            assert_string_equal (node_get_text (volume, "kind", ""), "block");
    }
    OWNED (free_text)
    char *link = link_of ("pods/u1/volumeDevices/kubernetes.io~local-volume/pv1");
    OWNED (free_text) char *disk = in_root ("disk");
    assert_string_equal (link, disk);
    assert_ok (ask_teardown (self, "u1"));
    assert_true (is_there ("disk"));
}

static void
a_large_volume_keeps_nobody_else_waiting (void **state)
{
    fixture_t *self = *state;
    assert_int_equal (run ("mkdir disk && cd disk && seq 60000 | xargs touch"), 0);
    OWNED (free_text) char *row = claim_row ("local", "disk");
    OWNED (free_text)
    char *json = text_format (
        "{\"pod\": {\"metadata\": {\"name\": \"p\", \"namespace\": \"n\", \"uid\": \"u1\"},"
        " \"spec\": {\"securityContext\": {\"fsGroup\": 2000}, \"containers\": [{\"name\": \"c\","
        " \"volumeMounts\": " MOUNT_V "}], \"volumes\": [{\"name\": \"v\","
        " \"persistentVolumeClaim\": {\"claimName\": \"data\"}}]}}, %s}",
        row);
    peer_t *other = stage_peer (self->stage, "pod-worker/other");
    uint64_t slow = peer_request_json (self->worker, "volume-manager", MSG_VOLUME_SETUP, json);
    // asked meanwhile: the same pod again, which waits its turn, its end, and another pod
    uint64_t again = peer_request_json (self->worker, "volume-manager", MSG_VOLUME_SETUP, json);
    uint64_t end = peer_request_json (self->worker, "volume-manager", MSG_VOLUME_TEARDOWN,
                                      "{\"pod_uid\": \"u1\"}");
    uint64_t quick = peer_request_json (
        other, "volume-manager", MSG_VOLUME_SETUP,
        "{\"pod\": {\"metadata\": {\"name\": \"q\", \"namespace\": \"n\", \"uid\": \"u2\"},"
        " \"spec\": {\"containers\": [{\"name\": \"c\"}]}}}");
    OWNED (received_destroy) received_t *first = peer_expect_reply (other, quick);
    assert_string_equal (fault_of (first), "");
    assert_int_not_equal (group_of ("disk"), 2000); // the root comes last
    OWNED (received_destroy) received_t *reply = peer_expect_reply (self->worker, slow);
    assert_string_equal (fault_of (reply), "");
    assert_int_equal (group_of ("disk"), 2000);
    OWNED (received_destroy) received_t *second = peer_expect_reply (self->worker, again);
    assert_string_equal (fault_of (second), "the pod's old directory is still being removed");
    OWNED (received_destroy) received_t *gone = peer_expect_reply (self->worker, end);
    assert_string_equal (fault_of (gone), "");
    assert_false (is_there ("pods/u1"));
    assert_true (is_there ("disk/60000"));
}

// ---- user namespaces ----

/* SETUP of a pod with a user namespace; its first host id, -1 when there is none. */
static int64_t
users_of (fixture_t *self, const char *uid, const char *host_users)
{
    OWNED (free_text)
    char *json = text_format ("{\"pod\": {\"metadata\": {\"name\": \"p\", \"namespace\": \"n\","
                              " \"uid\": \"%s\"}, \"spec\": {\"hostUsers\": %s, \"containers\":"
                              " [{\"name\": \"c\"}]}}}",
                              uid, host_users);
    OWNED (received_destroy)
    received_t *reply = peer_expect_reply (
        self->worker, peer_request_json (self->worker, "volume-manager", MSG_VOLUME_SETUP, json));
    assert_string_equal (fault_of (reply), "");
    return node_get_int (reply->body, "userns_host_id", -1);
}

static void
a_pod_keeps_its_user_ids_until_it_is_gone (void **state)
{
    fixture_t *self = *state;
    assert_int_equal (users_of (self, "u1", "true"), -1);
    assert_int_equal (users_of (self, "u2", "false"), 65536);
    assert_int_equal (users_of (self, "u3", "false"), 131072);
    assert_int_equal (users_of (self, "u2", "false"), 65536);
    assert_true (is_there ("pods/u2/userns"));
    peer_t *killer = stage_peer (self->stage, "killer");
    peer_send (killer, "volume-manager", MSG_ACTOR_KILL, NULL);
    free (stage_wait_down (self->actor));
    self->actor = start_actor (self->stage);
    assert_int_equal (users_of (self, "u4", "false"), 196608);
    assert_int_equal (users_of (self, "u3", "false"), 131072);
    assert_ok (ask_teardown (self, "u2"));
    assert_int_equal (users_of (self, "u5", "false"), 65536);
}

#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown (test, set_up, tear_down)

// ---- CSI ----

#define CSI_V "pods/u1/volumes/kubernetes.io~csi/v"

static uint64_t
ask_csi (fixture_t *self, const char *more)
{
    OWNED (free_text)
    char *json = text_format (
        "{\"pod\": {\"metadata\": {\"name\": \"p\", \"namespace\": \"n\", \"uid\": \"u1\"},"
        " \"spec\": {\"serviceAccountName\": \"sa\", \"securityContext\": {\"fsGroup\": 7},"
        " \"containers\": [{\"name\": \"c\", \"volumeMounts\": " MOUNT_V "}], \"volumes\":"
        " [{\"name\": \"v\", \"csi\": {\"driver\": \"d\"}}]}}%s}",
        more);
    return peer_request_json (self->worker, "volume-manager", MSG_VOLUME_SETUP, json);
}

static void
drivers_mount_and_unmount_their_volumes (void **state)
{
    fixture_t *self = *state;
    peer_t *csi = stage_peer (self->stage, "csi-manager");
    assert_int_equal (run ("mkdir -p " CSI_V "/mount"), 0);
    OWNED (free_text) char *path = in_root (CSI_V "/mount");
    OWNED (free_text)
    char *answer =
        text_format ("{\"path\": \"%s\", \"read_only\": false, \"wants_group\": true}", path);
    uint64_t id = ask_csi (self, "");
    OWNED (received_destroy) received_t *asked = peer_expect (csi, MSG_CSI_MOUNT);
    assert_string_equal (node_get_text (asked->body, "service_account", ""), "sa");
    assert_int_equal (node_get_int (asked->body, "fs_group", 0), 7);
    assert_null (node_get (asked->body, "refresh"));
    peer_reply_json (csi, asked, answer);
    OWNED (received_destroy) received_t *reply = peer_expect_reply (self->worker, id);
    const node_t *volume = node_at (reply->body, "volumes", "v", NULL);
    assert_string_equal (node_get_text (volume, "host_path", ""), path);
    assert_int_equal (group_of (CSI_V "/mount"), 7);

    id = peer_request_json (self->worker, "volume-manager", MSG_VOLUME_TEARDOWN,
                            "{\"pod_uid\": \"u1\"}");
    OWNED (received_destroy) received_t *leaves = peer_expect (csi, MSG_CSI_UNMOUNT);
    peer_reply_fault (csi, leaves, FAULT_INTERNAL, "busy");
    OWNED (received_destroy) received_t *refused = peer_expect_reply (self->worker, id);
    assert_string_equal (fault_of (refused), "busy");
    assert_true (is_there (CSI_V)); // as long as the driver may have something there
    id = peer_request_json (self->worker, "volume-manager", MSG_VOLUME_TEARDOWN,
                            "{\"pod_uid\": \"u1\"}");
    OWNED (received_destroy) received_t *again = peer_expect (csi, MSG_CSI_UNMOUNT);
    peer_reply_json (csi, again, "{}");
    OWNED (received_destroy) received_t *gone = peer_expect_reply (self->worker, id);
    assert_string_equal (fault_of (gone), "");
    assert_false (is_there ("pods/u1"));
}

static void
faults_of_drivers_are_shown_as_they_are (void **state)
{
    fixture_t *self = *state;
    peer_t *csi = stage_peer (self->stage, "csi-manager");
    uint64_t id = ask_csi (self, ", \"refresh\": true");
    OWNED (received_destroy) received_t *asked = peer_expect (csi, MSG_CSI_MOUNT);
    assert_true (node_get_bool (asked->body, "refresh", false));
    peer_reply_fault (csi, asked, FAULT_PRECONDITION,
                      "MountVolume.MountDevice failed for volume \"v\" : no");
    OWNED (received_destroy) received_t *reply = peer_expect_reply (self->worker, id);
    assert_string_equal (fault_of (reply), "MountVolume.MountDevice failed for volume \"v\" : no");
}

/* Its directory may be gone, or the claim on its way out: containers have the volume. */
static void
a_refresh_leaves_claims_in_use_alone (void **state)
{
    fixture_t *self = *state;
    OWNED (free_text) char *row = claim_row ("local", "none");
    OWNED (free_text) char *refresh = text_format ("\"refresh\": true, %s", row);
    extra = refresh;
    OWNED (received_destroy)
    received_t *reply = set_up_pod (self, "{}", MOUNT_V,
                                    "[{\"name\": \"v\", \"persistentVolumeClaim\":"
                                    " {\"claimName\": \"data\"}}]",
                                    "{}");
    assert_string_equal (fault_of (reply), "");
    assert_int_equal (node_count (node_get (reply->body, "volumes")), 0);
}

int
main (void)
{
    has_csi = true;
    const struct CMUnitTest tests[] = {
        WITH_FIXTURE (objects_become_files_that_follow_them),
        WITH_FIXTURE (an_optional_object_fills_its_volume_when_it_appears),
        WITH_FIXTURE (a_refresh_leaves_other_volumes_alone),
        WITH_FIXTURE (tokens_are_for_those_who_may_read_them),
        WITH_FIXTURE (a_local_volume_is_bound_and_let_go),
        cmocka_unit_test_setup_teardown (a_long_change_of_ownership_is_told, set_up_impatient,
                                         tear_down),
        WITH_FIXTURE (a_claim_may_be_read_only_or_of_a_host_path),
        WITH_FIXTURE (a_device_is_linked_into_the_pods_directory),
        WITH_FIXTURE (a_large_volume_keeps_nobody_else_waiting),
        WITH_FIXTURE (a_pod_keeps_its_user_ids_until_it_is_gone),
        WITH_FIXTURE (drivers_mount_and_unmount_their_volumes),
        WITH_FIXTURE (faults_of_drivers_are_shown_as_they_are),
        WITH_FIXTURE (a_refresh_leaves_claims_in_use_alone),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
