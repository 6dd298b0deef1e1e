#include "cubelet/metrics.h"
#include "volume_fixture.h"

// ---- setting up ----

static void
the_recorded_pod_gets_its_volumes (void **state)
{
    fixture_t *self = *state;
    OWNED (received_destroy)
    received_t *reply = set_up_pod (
        self, "{}",
        "[{\"name\": \"e\", \"mountPath\": \"/e\"}, {\"name\": \"m\", \"mountPath\": \"/m\"},"
        " {\"name\": \"h\", \"mountPath\": \"/h\"}]",
        "[{\"name\": \"e\", \"emptyDir\": {}},"
        " {\"name\": \"m\", \"emptyDir\": {\"medium\": \"Memory\", \"sizeLimit\": \"8Mi\"}},"
        " {\"name\": \"h\", \"hostPath\": {\"path\": \"/etc\", \"type\": \"Directory\"}},"
        " {\"name\": \"unused\", \"configMap\": {\"name\": \"absent\"}}]",
        "{\"fsGroup\": 2000}");
    assert_string_equal (fault_of (reply), "");
    const node_t *volumes = node_get (reply->body, "volumes");
    assert_int_equal (node_count (volumes), 3);
    const node_t *e = node_get (volumes, "e");
    OWNED (free_text) char *path = in_root (EMPTY_DIRS "/e");
    assert_string_equal (node_get_text (e, "host_path", ""), path);
    assert_string_equal (node_get_text (e, "kind", ""), "emptyDir");
    assert_false (node_get_bool (e, "read_only", true));
    assert_true (node_get_bool (e, "selinux_relabel", false));
    assert_string_equal (node_get_text (node_get (volumes, "h"), "host_path", ""), "/etc");

    static const struct {
        const char *path;
        mode_t mode;
    } MODES[] = {
        { "pods/u1", S_IFDIR | 0750 },         { "pods/u1/volumes", S_IFDIR | 0750 },
        { "pods/u1/plugins", S_IFDIR | 0750 }, { "pods/u1/containers/c", S_IFDIR | 0750 },
        { EMPTY_DIRS "/e", S_IFDIR | 02777 },  { EMPTY_DIRS "/m", S_IFDIR | 03777 },
    };
    for (size_t i = 0; i < COUNT_OF (MODES); i++)
        assert_int_equal (mode_of (MODES[i].path), MODES[i].mode);
    assert_int_equal (group_of (EMPTY_DIRS "/e"), 2000);
    assert_int_equal (group_of (EMPTY_DIRS "/m"), 2000);
    struct statfs memory;
    OWNED (free_text) char *m = in_root (EMPTY_DIRS "/m");
    assert_int_equal (statfs (m, &memory), 0);
    assert_int_equal ((int64_t) memory.f_blocks * memory.f_bsize, 8 << 20);
    assert_int_equal (group_of ("../../etc/passwd"), 0);
}

static void
what_is_there_is_left_alone (void **state)
{
    fixture_t *self = *state;
    static const char *const SOURCES[] = { "\"emptyDir\": {}",
                                           "\"emptyDir\": {\"medium\": \"Memory\"}" };
    for (size_t i = 0; i < COUNT_OF (SOURCES); i++) {
        assert_ok (set_up_one (self, SOURCES[i]));
        put (EMPTY_DIRS "/v/data", "mine");
        OWNED (free_text) char *path = in_root (EMPTY_DIRS "/v");
        assert_int_equal (chmod (path, 0700), 0);
        // also by an actor that knows nothing
        peer_send (self->worker, "volume-manager", MSG_ACTOR_KILL, NULL);
        free (stage_wait_down (self->actor));
        self->actor = start_actor (self->stage);
        assert_ok (set_up_one (self, SOURCES[i]));
        assert_file (EMPTY_DIRS "/v/data", "mine");
        assert_int_equal (mode_of (EMPTY_DIRS "/v"), S_IFDIR | 0700);
        assert_ok (ask_teardown (self, "u1"));
        assert_false (is_there ("pods/u1"));
    }
}

static void
memory_is_limited_by_the_node (void **state)
{
    fixture_t *self = *state;
    assert_ok (set_up_one (self, "\"emptyDir\": {\"medium\": \"Memory\"}"));
    struct statfs memory;
    OWNED (free_text) char *path = in_root (EMPTY_DIRS "/v");
    assert_int_equal (statfs (path, &memory), 0);
    assert_int_equal ((int64_t) memory.f_blocks * memory.f_bsize, 64 << 20);
    // and never swapped out, where the kernel (6.4) can promise that
    struct utsname kernel;
    uname (&kernel);
    int major = 0, minor = 0;
    sscanf (kernel.release, "%d.%d", &major, &minor);
    if (major > 6 || (major == 6 && minor >= 4))
        assert_int_equal (run ("grep -q \"$PWD.*noswap\" /proc/self/mountinfo"), 0);
}

static void
huge_pages_are_mounted (void **state)
{
    fixture_t *self = *state;
    if (access ("/sys/kernel/mm/hugepages/hugepages-2048kB", F_OK) < 0)
        skip();
    static const char POD[] =
        "{\"pod\": {\"metadata\": {\"name\": \"p\", \"uid\": \"u1\"}, \"spec\": {"
        "\"containers\": [{\"name\": \"c\", \"volumeMounts\": " MOUNT_V ", \"resources\":"
        " {\"requests\": {\"hugepages-2Mi\": \"4Mi\"}}}],"
        " \"volumes\": [{\"name\": \"v\", \"emptyDir\": {\"medium\": \"HugePages\"}}]}}}";
    for (int again = 0; again < 2; again++) {
        OWNED (received_destroy)
        received_t *reply =
            peer_expect_reply (self->worker, peer_request_json (self->worker, "volume-manager",
                                                                MSG_VOLUME_SETUP, POD));
        assert_string_equal (fault_of (reply), "");
    }
    struct statfs pages;
    OWNED (free_text) char *path = in_root (EMPTY_DIRS "/v");
    assert_int_equal (statfs (path, &pages), 0);
    assert_int_equal (pages.f_type, HUGETLBFS_MAGIC);
    assert_int_equal (pages.f_bsize, 2 << 20);
    assert_ok (ask_teardown (self, "u1"));
    assert_false (is_there ("pods/u1"));
}

static void
faults_read_as_upstreams (void **state)
{
    fixture_t *self = *state;
    static const struct {
        const char *source, *fault;
    } CASES[] = {
        { "\"configMap\": {\"name\": \"absent\"}", "configmap \"absent\" not found" },
        { "\"secret\": {\"secretName\": \"absent\"}", "secret \"absent\" not found" },
        { "\"projected\": {\"sources\": [{\"configMap\": {\"name\": \"absent\"}}, {\"secret\":"
          " {\"name\": \"absent\"}}]}",
          "[configmap \"absent\" not found, secret \"absent\" not found]" },
        { "\"configMap\": {\"name\": \"unread\"}", "configmap \"unread\" is not read yet" },
        { "\"projected\": {\"sources\": [{\"serviceAccountToken\": {\"path\": \"t\"}}]}",
          "failed to fetch token: there is none yet" },
        { "\"projected\": {\"sources\": [{\"clusterTrustBundle\": {\"path\": \"t\"}}]}",
          "projected source clusterTrustBundle is not supported" },
        { "\"nfs\": {\"server\": \"s\"}", "no volume plugin matched nfs" },
        { "\"emptyDir\": {\"medium\": \"Punchcards\"}", "unknown storage medium \"Punchcards\"" },
        { "\"emptyDir\": {\"medium\": \"HugePages\"}",
          "medium HugePages: hugePages storage requested, but there is no resource request for "
          "huge pages" },
        { "\"emptyDir\": {\"sizeLimit\": \"much\"}", NULL },
        { "\"hostPath\": {\"path\": \"/etc/../root\"}",
          "invalid HostPath `/etc/../root`: must not contain '..'" },
        { "\"hostPath\": {\"path\": \"/etc\", \"type\": \"Folder\"}",
          "Folder is an invalid volume type" },
        { "\"downwardAPI\": {\"items\": [{\"path\": \"../x\", \"fieldRef\": {\"fieldPath\":"
          " \"metadata.name\"}}]}",
          "invalid path: must not contain '..': ../x" },
    };
    for (size_t i = 0; i < COUNT_OF (CASES); i++) {
        static const char PREFIX[] = "MountVolume.SetUp failed for volume \"v\" : ";
        OWNED (free_text) char *fault = set_up_one (self, CASES[i].source);
        assert_memory_equal (fault, PREFIX, strlen (PREFIX));
        if (CASES[i].fault)
            assert_string_equal (fault + strlen (PREFIX), CASES[i].fault);
    }
}

static void
further_faults_become_events (void **state)
{
    fixture_t *self = *state;
    OWNED (received_destroy)
    received_t *reply =
        set_up_pod (self, "{}",
                    "[{\"name\": \"a\", \"mountPath\": \"/a\"}, {\"name\": \"b\","
                    " \"mountPath\": \"/b\"}, {\"name\": \"c\", \"mountPath\": \"/c\"}]",
                    "[{\"name\": \"a\", \"configMap\": {\"name\": \"absent\"}},"
                    " {\"name\": \"b\", \"secret\": {\"secretName\": \"absent\"}},"
                    " {\"name\": \"c\", \"emptyDir\": {}}]",
                    "{}");
    assert_string_equal (
        reply->envelope.fault_text,
        "MountVolume.SetUp failed for volume \"a\" : configmap \"absent\" not found");
    OWNED (received_destroy) received_t *event = peer_expect (self->recorder, MSG_EVENT_RECORD);
    assert_string_equal (node_get_text (event->body, "message", ""),
                         "MountVolume.SetUp failed for volume \"b\" : secret \"absent\" not found");
    assert_string_equal (node_get_text (event->body, "reason", ""), "FailedMount");
    assert_true (is_there (EMPTY_DIRS "/c"));
}

static void
host_paths_are_checked_or_made (void **state)
{
    fixture_t *self = *state;
    put ("file", "");
    OWNED (free_text) char *socket_path = in_root ("socket");
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    snprintf (address.sun_path, sizeof address.sun_path, "%s", socket_path);
    OWNED (close_fd) int fd = socket (AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal (bind (fd, (struct sockaddr *) &address, sizeof address), 0);
    static const struct {
        const char *path, *type;
        const char *is_not; // NULL: fine
    } CASES[] = {
        { "nothing", "", NULL },
        { "", "Directory", NULL },
        { "file", "Directory", "a directory" },
        { "nothing", "Directory", "a directory" },
        { "file", "File", NULL },
        { "", "File", "a file" },
        { "nothing", "File", "a file" },
        { "made/deep", "DirectoryOrCreate", NULL },
        { "file", "DirectoryOrCreate", "a directory" },
        { "made/file", "FileOrCreate", NULL },
        { "made/deep", "FileOrCreate", "a file" },
        { "socket", "Socket", NULL },
        { "file", "Socket", "a socket file" },
        { "../../dev/null", "CharDevice", NULL },
        { "file", "CharDevice", "a character device" },
        { "file", "BlockDevice", "a block device" },
    };
    for (size_t i = 0; i < COUNT_OF (CASES); i++) {
        bool is_device = strncmp (CASES[i].path, "../../", 6) == 0;
        OWNED (free_text)
        char *path = is_device ? text_copy (CASES[i].path + 5) : in_root (CASES[i].path);
        OWNED (free_text)
        char *source =
            text_format ("\"hostPath\": {\"path\": \"%s\", \"type\": \"%s\"}", path, CASES[i].type);
        OWNED (free_text)
        char *expected =
            CASES[i].is_not
                ? text_format ("MountVolume.SetUp failed for volume \"v\" : hostPath type check "
                               "failed: %s is not %s",
                               path, CASES[i].is_not)
                : text_copy ("");
        assert_fault (set_up_one (self, source), expected);
    }
    assert_int_equal (mode_of ("made/deep"), S_IFDIR | 0755);
    assert_int_equal (mode_of ("made/file"), S_IFREG | 0644);
    OWNED (free_text) char *orphan = in_root ("no/such/file");
    OWNED (free_text)
    char *source =
        text_format ("\"hostPath\": {\"path\": \"%s\", \"type\": \"FileOrCreate\"}", orphan);
    OWNED (free_text) char *fault = set_up_one (self, source);
    assert_non_null (strstr (fault, ": no such file or directory"));
}

// ---- files ----

#define DOWNWARD "pods/u1/volumes/kubernetes.io~downward-api/v"
#define LABELS_VOLUME                                                                              \
    "[{\"name\": \"v\", \"downwardAPI\": {\"items\": ["                                            \
    "{\"path\": \"labels\", \"fieldRef\": {\"fieldPath\": \"metadata.labels\"}},"                  \
    "{\"path\": \"deep/name\", \"mode\": 256, \"fieldRef\": {\"fieldPath\": "                      \
    "\"metadata.name\"}}]}}]"

static void
downward_files_follow_the_pod (void **state)
{
    fixture_t *self = *state;
    OWNED (received_destroy)
    received_t *reply = set_up_pod (self, "{\"a\": \"1\"}",
                                    "[{\"name\": \"v\", \"mountPath\": \"/v\"},"
                                    " {\"name\": \"other\", \"mountPath\": \"/v/inner/other\"}]",
                                    LABELS_VOLUME, "{\"fsGroup\": 2000}");
    assert_string_equal (fault_of (reply), "");
    assert_true (node_get_bool (node_at (reply->body, "volumes", "v", NULL), "read_only", false));
    assert_file (DOWNWARD "/labels", "a=\"1\"");
    assert_file (DOWNWARD "/deep/name", "p");
    assert_true (S_ISDIR (mode_of (DOWNWARD "/inner/other")));
    OWNED (free_text) char *names = link_of (DOWNWARD "/deep");
    assert_string_equal (names, "..data/deep");
    assert_int_equal (mode_of (DOWNWARD), S_IFDIR | 03777);
    assert_int_equal (mode_of (DOWNWARD "/..data/labels"), S_IFREG | 0644);
    assert_int_equal (mode_of (DOWNWARD "/..data/deep/name"), S_IFREG | 0440);
    assert_int_equal (mode_of (DOWNWARD "/..data/deep"), S_IFDIR | 02755);
    assert_int_equal (group_of (DOWNWARD "/..data/deep/name"), 2000);

    OWNED (free_text) char *before = link_of (DOWNWARD "/..data");
    received_destroy (&reply);
    reply = set_up_pod (self, "{\"a\": \"1\"}", MOUNT_V, LABELS_VOLUME, "{\"fsGroup\": 2000}");
    OWNED (free_text) char *same = link_of (DOWNWARD "/..data");
    assert_string_equal (same, before);

    received_destroy (&reply);
    reply = set_up_pod (self, "{\"a\": \"2\"}", MOUNT_V, LABELS_VOLUME, "{\"fsGroup\": 2000}");
    OWNED (free_text) char *after = link_of (DOWNWARD "/..data");
    assert_string_not_equal (after, before);
    assert_file (DOWNWARD "/labels", "a=\"2\"");
    OWNED (free_text) char *old = text_format (DOWNWARD "/%s", before);
    assert_false (is_there (old));
    assert_ok (ask_teardown (self, "u1"));
    assert_false (is_there ("pods/u1"));
}

static void
files_that_were_damaged_are_written_again (void **state)
{
    fixture_t *self = *state;
    static const char *const DAMAGES[] = {
        "echo more >> ..data/labels",
        "chmod 600 ..data/labels",
        "touch ..data/stranger",
        "rm -r ..data/deep",
        "rm ..data",
        "rm deep",
        "ln -s nowhere ..data_tmp; rm ..data",
        "mkdir ..2020_01_01_00_00_00.1",
        "ln -s ..data/gone gone",
    };
    for (size_t i = 0; i < COUNT_OF (DAMAGES); i++) {
        OWNED (received_destroy)
        received_t *reply = set_up_pod (self, "{\"a\": \"1\"}", MOUNT_V, LABELS_VOLUME, "{}");
        OWNED (free_text) char *command = text_format ("cd " DOWNWARD " && %s", DAMAGES[i]);
        assert_int_equal (run (command), 0);
        received_destroy (&reply);
        reply = set_up_pod (self, "{\"a\": \"1\"}", MOUNT_V, LABELS_VOLUME, "{}");
        assert_string_equal (fault_of (reply), "");
        assert_file (DOWNWARD "/labels", "a=\"1\"");
        assert_file (DOWNWARD "/deep/name", "p");
        assert_int_equal (mode_of (DOWNWARD "/..data/labels"), S_IFREG | 0644);
        assert_false (is_there (DOWNWARD "/..data/stranger"));
        assert_false (is_there (DOWNWARD "/..2020_01_01_00_00_00.1"));
        assert_false (is_there (DOWNWARD "/gone"));
        assert_false (is_there (DOWNWARD "/..data_tmp"));
    }
}

static void
optional_objects_make_empty_volumes (void **state)
{
    fixture_t *self = *state;
    assert_ok (set_up_one (self, "\"configMap\": {\"name\": \"absent\", \"optional\": true}"));
    assert_int_equal (mode_of ("pods/u1/volumes/kubernetes.io~configmap/v"), S_IFDIR | 0777);
    assert_ok (set_up_one (self,
                           "\"projected\": {\"sources\": [{\"secret\": {\"name\": \"absent\","
                           " \"optional\": true}}, {\"downwardAPI\": {\"items\": [{\"path\": \"n\","
                           " \"fieldRef\": {\"fieldPath\": \"metadata.namespace\"}}]}}]}"));
    assert_file ("pods/u1/volumes/kubernetes.io~projected/v/n", "n");
}

// ---- sub paths ----

static char *
ask_subpath (fixture_t *self, const char *host_path, const char *sub_path, int index)
{
    OWNED (free_text)
    char *json =
        text_format ("{\"pod_uid\": \"u1\", \"container\": \"c\", \"index\": %d, \"volume\": \"v\","
                     " \"host_path\": \"%s\", \"sub_path\": \"%s\"}",
                     index, host_path, sub_path);
    OWNED (received_destroy)
    received_t *reply = peer_expect_reply (
        self->worker, peer_request_json (self->worker, "volume-manager", MSG_VOLUME_SUBPATH, json));
    return *fault_of (reply) ? text_format ("fault: %s", fault_of (reply))
                             : text_copy (node_get_text (reply->body, "host_path", ""));
}

#define TARGET "pods/u1/volume-subpaths/v/c"

static void
sub_paths_are_made_and_bound (void **state)
{
    fixture_t *self = *state;
    OWNED (received_destroy)
    received_t *reply = set_up_pod (self, "{}", MOUNT_V, "[{\"name\": \"v\", \"emptyDir\": {}}]",
                                    "{\"fsGroup\": 2000}");
    assert_string_equal (fault_of (reply), "");
    OWNED (free_text) char *volume = in_root (EMPTY_DIRS "/v");
    OWNED (free_text) char *bound = ask_subpath (self, volume, "new//dir/./x", 3);
    OWNED (free_text) char *target = in_root (TARGET "/3");
    assert_string_equal (bound, target);
    assert_int_equal (mode_of (EMPTY_DIRS "/v/new/dir/x"), S_IFDIR | 02777);
    assert_int_equal (mode_of (EMPTY_DIRS "/v/new"), S_IFDIR | 02777);
    assert_int_equal (group_of (EMPTY_DIRS "/v/new/dir/x"), 2000);
    put (EMPTY_DIRS "/v/new/dir/x/file", "seen");
    assert_file (TARGET "/3/file", "seen");

    // a file, and the same place again
    OWNED (free_text) char *file = ask_subpath (self, volume, "new/dir/x/file", 4);
    assert_file (TARGET "/4", "seen");
    OWNED (free_text) char *again = ask_subpath (self, volume, "new/dir/x/file", 4);
    assert_string_equal (again, file);
    // another file under that name, and a directory after a file
    assert_int_equal (run ("mv " EMPTY_DIRS "/v/new/dir/x/file old"), 0);
    put (EMPTY_DIRS "/v/new/dir/x/file", "newer");
    free (ask_subpath (self, volume, "new/dir/x/file", 4));
    assert_file (TARGET "/4", "newer");
    free (ask_subpath (self, volume, "new/dir", 4));
    assert_true (is_there (TARGET "/4/x"));
    OWNED (free_text) char *whole = ask_subpath (self, volume, "", 5);
    assert_string_equal (whole, volume);
    assert_ok (ask_teardown (self, "u1"));
    assert_false (is_there ("pods/u1"));
    assert_true (is_there ("old"));
}

static void
sub_paths_do_not_leave_their_volume (void **state)
{
    fixture_t *self = *state;
    assert_ok (set_up_one (self, "\"emptyDir\": {}"));
    assert_int_equal (run ("cd " EMPTY_DIRS "/v && mkdir in && ln -s /etc out && ln -s "
                           "../../../../../.. up && ln -s in link && ln -s in/../../.. round && "
                           "ln -s loop loop && echo x > file && ln -s /proc/self/fd/0 magic"),
                      0);
    OWNED (free_text) char *volume = in_root (EMPTY_DIRS "/v");
#define NOT_PREPARED "fault: failed to prepare subPath for volumeMount \"v\" of container \"c\""
    static const struct {
        const char *sub_path;
        const char *result; // NULL: bound
    } CASES[] = {
        { "in", NULL },
        { "link", NULL },
        { "link/new", NULL },
        { "file", NULL },
        { "out", NOT_PREPARED },
        { "out/passwd", NOT_PREPARED },
        { "out/new", NOT_PREPARED },
        { "up", NOT_PREPARED },
        { "up/tmp", NOT_PREPARED },
        { "round", NOT_PREPARED },
        { "round/new", NOT_PREPARED },
        { "loop", NOT_PREPARED },
        { "magic", NOT_PREPARED },
        { "file/x", NOT_PREPARED },
        { "in/../../x", "fault: unable to provision SubPath `in/../../x`: must not contain '..'" },
        { "/etc", "fault: error SubPath `/etc` must not be an absolute path" },
    };
    for (size_t i = 0; i < COUNT_OF (CASES); i++) {
        OWNED (free_text) char *result = ask_subpath (self, volume, CASES[i].sub_path, (int) i);
        OWNED (free_text) char *target = text_format ("%s/" TARGET "/%zu", root, i);
        assert_string_equal (result, CASES[i].result ? CASES[i].result : target);
    }
    assert_true (is_there (EMPTY_DIRS "/v/in/new"));
    assert_int_equal (access ("/etc/new", F_OK), -1);
    assert_ok (ask_teardown (self, "u1"));
}

// ---- tearing down ----

static void
a_pod_that_is_over_may_keep_its_directory (void **state)
{
    fixture_t *self = *state;
    assert_ok (set_up_one (self, "\"emptyDir\": {\"medium\": \"Memory\"}"));
    put (EMPTY_DIRS "/v/data", "large");
    OWNED (received_destroy)
    received_t *reply = peer_expect_reply (
        self->worker, peer_request_json (self->worker, "volume-manager", MSG_VOLUME_TEARDOWN,
                                         "{\"pod_uid\": \"u1\", \"keep_directory\": true}"));
    assert_string_equal (fault_of (reply), "");
    assert_false (is_there ("pods/u1/volumes"));
    assert_true (is_there ("pods/u1/containers/c"));
    assert_ok (ask_teardown (self, "u1"));
    assert_false (is_there ("pods/u1"));
}

static void
large_and_deep_directories_go_away (void **state)
{
    fixture_t *self = *state;
    assert_ok (set_up_one (self, "\"emptyDir\": {}"));
    assert_int_equal (run ("cd " EMPTY_DIRS "/v && mkdir many && cd many && seq 3000 | xargs "
                           "touch && ln -s /etc link && cd .. && p=. && for i in $(seq 150); do "
                           "p=$p/d; done && mkdir -p $p && touch $p/file && mkdir ..removing-0 "
                           "&& touch ..removing-0/x && chmod 0 many"),
                      0);
    OWNED (free_text) char *outside = in_root ("outside");
    assert_int_equal (mkdir (outside, 0755), 0);
    put ("outside/precious", "");
    assert_int_equal (run ("ln -s $PWD/outside " EMPTY_DIRS "/v/outside"), 0);
    assert_ok (ask_teardown (self, "u1"));
    assert_false (is_there ("pods/u1"));
    assert_true (is_there ("outside/precious"));
    assert_ok (ask_teardown (self, "u1")); // nothing to do is no fault
}

static void
nothing_is_deleted_below_a_strangers_mount (void **state)
{
    fixture_t *self = *state;
    OWNED (free_text) char *precious = in_root ("precious");
    assert_int_equal (mkdir (precious, 0755), 0);
    put ("precious/data", "");
    static const struct {
        const char *place;
        const char *fs_type; // NULL: precious itself, on the same file system
    } CASES[] = {
        { EMPTY_DIRS "/v/inner", NULL },  { EMPTY_DIRS "/v/inner", "tmpfs" },
        { EMPTY_DIRS "/v", NULL },        { "pods/u1/volumes/kubernetes.io~csi/v", "tmpfs" },
        { "pods/u1/containers/c", NULL }, { "pods/u1", NULL },
    };
    for (size_t i = 0; i < COUNT_OF (CASES); i++) {
        assert_ok (set_up_one (self, "\"emptyDir\": {}"));
        put (EMPTY_DIRS "/v/mine", "");
        OWNED (free_text) char *place = in_root (CASES[i].place);
        OWNED (free_text) char *command = text_format ("mkdir -p %s", place);
        assert_int_equal (run (command), 0);
        assert_int_equal (CASES[i].fs_type ? mount ("tmpfs", place, CASES[i].fs_type, 0, NULL)
                                           : mount (precious, place, NULL, MS_BIND, NULL),
                          0);
        OWNED (free_text) char *fault = ask_teardown (self, "u1");
        OWNED (free_text) char *pod = in_root ("pods/u1");
        OWNED (free_text)
        char *expected =
            text_format ("not removing %s: something is still mounted on %s", pod, place);
        assert_string_equal (fault, expected);
        assert_true (is_there ("precious/data"));
        assert_int_equal (umount (place), 0);
        assert_true (is_there (EMPTY_DIRS "/v/mine"));
        assert_ok (ask_teardown (self, "u1"));
        assert_false (is_there ("pods/u1"));
        assert_true (is_there ("precious/data"));
    }
}

static void
host_paths_survive_their_pods (void **state)
{
    fixture_t *self = *state;
    OWNED (free_text) char *host = in_root ("host");
    assert_int_equal (mkdir (host, 0755), 0);
    put ("host/precious", "x");
    OWNED (free_text) char *source = text_format ("\"hostPath\": {\"path\": \"%s\"}", host);
    assert_ok (set_up_one (self, source));
    free (ask_subpath (self, host, "precious", 0));
    assert_file (TARGET "/0", "x");
    free (ask_subpath (self, host, "sub", 1));
    assert_int_equal (mode_of ("host/sub"), S_IFDIR | 0755);
    assert_ok (ask_teardown (self, "u1"));
    assert_false (is_there ("pods/u1"));
    assert_file ("host/precious", "x");
}

static void
orphans_of_an_earlier_agent_are_removed (void **state)
{
    fixture_t *self = *state;
    assert_ok (set_up_one (self, "\"emptyDir\": {\"medium\": \"Memory\"}"));
    OWNED (free_text) char *volume = in_root (EMPTY_DIRS "/v");
    free (ask_subpath (self, volume, "sub", 0));
    // mounted twice on the same place
    assert_int_equal (mount ("tmpfs", volume, "tmpfs", 0, NULL), 0);
    peer_send (self->worker, "volume-manager", MSG_ACTOR_KILL, NULL);
    free (stage_wait_down (self->actor));
    self->actor = start_actor (self->stage);
    assert_ok (ask_teardown (self, "u1"));
    assert_false (is_there ("pods/u1"));
}

static void
uids_that_leave_the_root_are_refused (void **state)
{
    fixture_t *self = *state;
    put ("precious", "");
    assert_fault (ask_teardown (self, "../precious"), "invalid pod uid \"../precious\"");
    assert_fault (ask_teardown (self, ".."), "invalid pod uid \"..\"");
    assert_fault (ask_teardown (self, ""), "invalid pod uid \"\"");
    assert_true (is_there ("precious"));
    uint64_t id =
        peer_request_json (self->worker, "volume-manager", MSG_VOLUME_SETUP,
                           "{\"pod\": {\"metadata\": {\"uid\": \"../x\"}, \"spec\": {}}}");
    OWNED (received_destroy) received_t *reply = peer_expect_reply (self->worker, id);
    assert_int_equal (reply->envelope.fault_code, FAULT_INVALID);
    assert_false (is_there ("x"));
}

/* What VOLUME_LIST says, as "VOLUME PLUGIN MOUNTED" a line. Owned. */
static char *
list_volumes (fixture_t *self)
{
    uint64_t id = peer_request_json (self->worker, "volume-manager", MSG_VOLUME_LIST, "{}");
    OWNED (received_destroy) received_t *reply = peer_expect_reply (self->worker, id);
    char *text = text_copy ("");
    NODE_EACH (node_get (reply->body, "volumes"), one)
    text_replace (&text, "%s%s %s %s\n", text, node_get_text (one, "volume", ""),
                  node_get_text (one, "plugin", ""),
                  node_get_bool (one, "mounted", false) ? "mounted" : "wanted");
    return text;
}

static void
it_tells_which_volumes_there_are (void **state)
{
    fixture_t *self = *state;
    OWNED (received_destroy)
    received_t *reply = set_up_pod (
        self, "{}",
        "[{\"name\": \"e\", \"mountPath\": \"/e\"}, {\"name\": \"h\", \"mountPath\": \"/h\"},"
        " {\"name\": \"c\", \"mountPath\": \"/c\"}]",
        "[{\"name\": \"e\", \"emptyDir\": {}},"
        " {\"name\": \"h\", \"hostPath\": {\"path\": \"/absent\", \"type\": \"Directory\"}},"
        " {\"name\": \"c\", \"persistentVolumeClaim\": {\"claimName\": \"unknown\"}}]",
        "{}");
    assert_string_not_equal (fault_of (reply), "");
    OWNED (free_text) char *some = list_volumes (self);
    assert_string_equal (some, "e kubernetes.io/empty-dir mounted\n"
                               "h kubernetes.io/host-path wanted\n");
    assert_ok (ask_teardown (self, "u1"));
    OWNED (free_text) char *none = list_volumes (self);
    assert_string_equal (none, "");
    metrics_t *shared = metrics_shared();
    OWNED (free_text) char *page = metrics_write (METRIC_PAGE_METRICS, &shared, 1);
    static const char *const SERIES[] = {
        "volume_mount\",status=\"success\",volume_plugin=\"kubernetes.io/empty-dir\"}",
        "volume_mount\",status=\"fail-unknown\",volume_plugin=\"kubernetes.io/host-path\"}",
        "volume_unmount\",status=\"success\",volume_plugin=\"kubernetes.io/empty-dir\"}",
    };
    for (size_t i = 0; i < COUNT_OF (SERIES); i++) {
        OWNED (free_text)
        char *count = text_format ("storage_operation_duration_seconds_count{migrated=\"false\","
                                   "operation_name=\"%s ",
                                   SERIES[i]);
        assert_non_null (strstr (page, count));
    }
}

#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown (test, set_up, tear_down)

/* The disk below one pod's hostPath does not answer; other pods' volumes are set up all the same,
   and the actor ends. */
static void
a_host_path_that_hangs_holds_up_its_own_pod_only (void **state)
{
    fixture_t *self = *state;
    if (run ("mkdir disk && truncate -s 4M image && mkfs.ext4 -q image && mount -o loop image disk "
             "&& "
             "fsfreeze -f disk")
        != 0)
        skip();
    OWNED (free_text)
    char *json = text_format (
        "{\"pod\": {\"metadata\": {\"name\": \"p2\", \"namespace\": \"n\", \"uid\": \"u2\"}, "
        "\"spec\":"
        " {\"containers\": [{\"name\": \"c\", \"volumeMounts\": [{\"name\": \"v\", \"mountPath\":"
        " \"/v\"}]}], \"volumes\": [{\"name\": \"v\", \"hostPath\": {\"path\": \"%s/disk/new\","
        " \"type\": \"DirectoryOrCreate\"}}]}}}",
        root);
    uint64_t slow = peer_request_json (self->worker, "volume-manager", MSG_VOLUME_SETUP, json);
    OWNED (received_destroy)
    received_t *reply = set_up_pod (
        self, "{}", MOUNT_V,
        "[{\"name\": \"v\", \"hostPath\": {\"path\": \"/etc\", \"type\": \"Directory\"}}]", "{}");
    assert_string_equal (fault_of (reply), "");
    assert_int_equal (run ("fsfreeze -u disk"), 0);
    OWNED (received_destroy) received_t *late = peer_expect_reply (self->worker, slow);
    assert_string_equal (fault_of (late), "");
    assert_true (is_there ("disk/new"));
    assert_int_equal (run ("umount disk"), 0);
}

/* As the volumes stand in the pod, so they are made. */
static void
a_file_is_made_in_the_directory_that_is_made_before (void **state)
{
    fixture_t *self = *state;
    OWNED (free_text)
    char *volumes = text_format (
        "[{\"name\": \"d\", \"hostPath\": {\"path\": \"%s/a/b\", \"type\": \"DirectoryOrCreate\"}},"
        " {\"name\": \"f\", \"hostPath\": {\"path\": \"%s/a/b/f\", \"type\": \"FileOrCreate\"}}]",
        root, root);
    OWNED (received_destroy)
    received_t *reply = set_up_pod (self, "{}",
                                    "[{\"name\": \"d\", \"mountPath\": \"/d\"}, {\"name\": \"f\", "
                                    "\"mountPath\": \"/f\"}]",
                                    volumes, "{}");
    assert_string_equal (fault_of (reply), "");
    assert_true (is_there ("a/b/f"));
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        WITH_FIXTURE (a_host_path_that_hangs_holds_up_its_own_pod_only),
        WITH_FIXTURE (a_file_is_made_in_the_directory_that_is_made_before),
        WITH_FIXTURE (the_recorded_pod_gets_its_volumes),
        WITH_FIXTURE (what_is_there_is_left_alone),
        WITH_FIXTURE (memory_is_limited_by_the_node),
        WITH_FIXTURE (huge_pages_are_mounted),
        WITH_FIXTURE (faults_read_as_upstreams),
        WITH_FIXTURE (further_faults_become_events),
        WITH_FIXTURE (host_paths_are_checked_or_made),
        WITH_FIXTURE (downward_files_follow_the_pod),
        WITH_FIXTURE (files_that_were_damaged_are_written_again),
        WITH_FIXTURE (optional_objects_make_empty_volumes),
        WITH_FIXTURE (sub_paths_are_made_and_bound),
        WITH_FIXTURE (sub_paths_do_not_leave_their_volume),
        WITH_FIXTURE (a_pod_that_is_over_may_keep_its_directory),
        WITH_FIXTURE (large_and_deep_directories_go_away),
        WITH_FIXTURE (nothing_is_deleted_below_a_strangers_mount),
        WITH_FIXTURE (host_paths_survive_their_pods),
        WITH_FIXTURE (orphans_of_an_earlier_agent_are_removed),
        WITH_FIXTURE (it_tells_which_volumes_there_are),
        WITH_FIXTURE (uids_that_leave_the_root_are_refused),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
