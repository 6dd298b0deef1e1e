#include "cubelet/actors.h"
#include "cubelet/json.h"
#include "cubelet/memory.h"
#include "helper_peer.h"
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

// ---- a directory that stands for /sys/fs/cgroup ----

static char mount_directory[64];

static char *
path_of (const char *path)
{
    return text_format ("%s/%s", mount_directory, path);
}

/* A file with all directories above it. */
static void
put (const char *path, const char *text)
{
    OWNED (free_text) char *file = path_of (path);
    for (char *at = file + strlen (mount_directory) + 1; (at = strchr (at, '/')); at++) {
        *at = '\0';
        assert_true (mkdir (file, 0755) == 0 || errno == EEXIST);
        *at = '/';
    }
    OWNED (close_file) FILE *out = fopen (file, "we");
    assert_non_null (out);
    fputs (text, out);
}

static void
assert_file (const char *path, const char *text)
{
    OWNED (free_text) char *file = path_of (path);
    OWNED (close_file) FILE *in = fopen (file, "re");
    char line[256] = "";
    if (!in || !fgets (line, sizeof line, in))
        line[0] = '\0';
    line[strcspn (line, "\n")] = '\0';
    assert_string_equal (line, text);
}

static bool
is_there (const char *path)
{
    OWNED (free_text) char *file = path_of (path);
    return access (file, F_OK) == 0;
}

static int
remove_one (const char *path, const struct stat *stat, int type, struct FTW *ftw)
{
    (void) stat, (void) type, (void) ftw;
    return remove (path);
}

static int
make_mount (void **state)
{
    (void) state;
    strcpy (mount_directory, "/tmp/test-cgroups-XXXXXX");
    return mkdtemp (mount_directory) ? 0 : -1;
}

static int
remove_mount (void **state)
{
    (void) state;
    return nftw (mount_directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void
put_v1 (void)
{
    put ("cpu,cpuacct/cgroup.procs", "");
    put ("memory/cgroup.procs", "");
    put ("cpuset/cgroup.procs", "");
    put ("cpuset/cpuset.cpus", "0-3\n");
    put ("cpuset/cpuset.mems", "0\n");
    put ("not-a-hierarchy/file", "");
}

// ---- the actor and its client ----

typedef struct {
    stage_t *stage;
    peer_t *worker, *recorder, *runtime;
} fixture_t;

/* Two groups of others: one that tests may make, one that never is there. */
static node_t
reserved_rows (tree_t *tree)
{
    static const char TEXT[] =
        "[{\"name\": \"System\", \"cgroup\": \"/daemons\", \"memory\": 1000000, "
        "\"milli\": 500, \"pids\": 77}, {\"name\": \"Kube\", \"cgroup\": "
        "\"/nowhere\", \"milli\": 100}]";
    fault_t fault = { 0 };
    OWNED (tree_destroy) tree_t *read = json_read (TEXT, strlen (TEXT), &fault);
    assert_non_null (read);
    return node_copy (tree, tree_root (read));
}

/* Says how the runtime is, and waits until that has been taken. */
static void
tell_runtime (const fixture_t *self, const char *json)
{
    peer_send_json (self->runtime, "resource-manager", MSG_RUNTIME_STATE, json);
    uint64_t id = peer_request (self->runtime, "resource-manager", MSG_CGROUP_LIST, NULL);
    OWNED (received_destroy) received_t *reply = peer_expect_reply (self->runtime, id);
    assert_int_equal (reply->envelope.fault_code, FAULT_NONE);
}

/* The runtime has not been up yet. */
static fixture_t
fixture_begin (const char *driver, const char *root, const char *mount)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t args = node_map();
    node_set_text (tree, &args, "cgroup_driver", driver);
    node_set_text (tree, &args, "cgroup_root", root);
    node_set_text (tree, &args, "cgroup_mount", mount);
    node_set_bool (tree, &args, "cgroups_per_qos", true);
    node_set_bool (tree, &args, "cpu_cfs_quota", true);
    node_set_int (tree, &args, "pod_pids_limit", 50);
    node_set_text (tree, &args, "node_name", "lab-node");
    node_set_int (tree, &args, "pods_memory", 1 << 30);
    node_set_int (tree, &args, "pods_milli", 1500);
    node_t reserved = reserved_rows (tree);
    node_set (tree, &args, "reserved", reserved);
    fixture_t self = { .stage = stage_new() };
    self.worker = stage_peer (self.stage, "pod-worker/n_p_u");
    self.recorder = stage_peer (self.stage, "event-recorder");
    self.runtime = stage_peer (self.stage, "runtime");
    stage_actor (self.stage, &resource_manager_class, "resource-manager", &args);
    return self;
}

static fixture_t
fixture_new (const char *driver, const char *root, const char *mount)
{
    fixture_t self = fixture_begin (driver, root, mount);
    tell_runtime (&self, "{\"up\": true}");
    return self;
}

#define LIMITS                                                                                     \
    "{\"limits\": {\"cpu\": \"500m\", \"memory\": \"32Mi\"}, \"requests\": {\"cpu\": "             \
    "\"500m\", \"memory\": \"32Mi\"}}"
#define REQUESTS "{\"requests\": {\"cpu\": \"250m\"}}"

static char *
ask (fixture_t *self, const char *uid, const char *resources, const char *more)
{
    OWNED (free_text)
    char *json = text_format (
        "{\"pod\": {\"metadata\": {\"name\": \"p\", \"namespace\": \"n\", \"uid\": \"%s\"},"
        " \"spec\": {\"containers\": [{\"name\": \"c\", \"image\": \"i\", \"resources\": %s}]}}%s}",
        uid, resources, more);
    uint64_t id = peer_request_json (self->worker, "resource-manager", MSG_CGROUP_ENSURE, json);
    OWNED (received_destroy) received_t *reply = peer_expect_reply (self->worker, id);
    return text_copy (reply->envelope.fault_text ? reply->envelope.fault_text : "");
}

static char *
ensure (fixture_t *self, const char *uid, const char *resources)
{
    return ask (self, uid, resources, "");
}

/* The directories of the tests stand for groups that are made, with the files they would get. */
static char *
resize (fixture_t *self, const char *uid, const char *resources)
{
    return ask (self, uid, resources, ", \"resize\": true");
}

static void
assert_resized (fixture_t *self, const char *uid, const char *resources)
{
    OWNED (free_text) char *fault = resize (self, uid, resources);
    assert_string_equal (fault, "");
}

static void
assert_ensured (fixture_t *self, const char *uid, const char *resources)
{
    OWNED (free_text) char *fault = ensure (self, uid, resources);
    assert_string_equal (fault, "");
}

static char *
remove_group (fixture_t *self, const char *uid)
{
    OWNED (free_text) char *json = text_format ("{\"pod_uid\": \"%s\"}", uid);
    uint64_t id = peer_request_json (self->worker, "resource-manager", MSG_CGROUP_REMOVE, json);
    OWNED (received_destroy) received_t *reply = peer_expect_reply (self->worker, id);
    return text_copy (reply->envelope.fault_text ? reply->envelope.fault_text : "");
}

// ---- on a directory tree ----

static void
all_pods_together_are_limited (void **state)
{
    (void) state;
    put_v1();
    put ("cpu,cpuacct/kubepods/cpu.shares", "");
    put ("memory/kubepods/memory.limit_in_bytes", "");
    fixture_t self = fixture_new ("cgroupfs", "", mount_directory);
    assert_file ("cpu,cpuacct/kubepods/cpu.shares", "1536");
    assert_file ("memory/kubepods/memory.limit_in_bytes", "1073741824");
    OWNED (received_destroy) received_t *event = peer_expect (self.recorder, MSG_EVENT_RECORD);
    assert_string_equal (node_get_text (event->body, "reason", ""), "NodeAllocatableEnforced");
    assert_string_equal (node_get_text (node_get (event->body, "object"), "name", ""), "lab-node");
    stage_destroy (&self.stage);
}

static void
groups_of_others_get_what_is_reserved_for_them (void **state)
{
    (void) state;
    put ("cgroup.controllers", "");
    put ("cgroup.procs", "");
    put ("daemons/memory.max", "");
    put ("daemons/cpu.weight", "");
    put ("daemons/pids.max", "");
    fixture_t self = fixture_new ("cgroupfs", "", mount_directory);
    assert_file ("daemons/memory.max", "1000000");
    assert_file ("daemons/cpu.weight", "20");
    assert_file ("daemons/pids.max", "77");
    static const char *const MESSAGES[] = {
        "Updated limits on system reserved cgroup /daemons",
        "Failed to enforce Kube Reserved Cgroup Limits on \"/nowhere\": \"/nowhere\" cgroup does "
        "not exist",
    };
    for (size_t i = 0; i < COUNT_OF (MESSAGES);) {
        OWNED (received_destroy) received_t *event = peer_expect (self.recorder, MSG_EVENT_RECORD);
        i += strcmp (node_get_text (event->body, "message", ""), MESSAGES[i]) == 0;
    }
    assert_false (is_there ("nowhere"));
    stage_destroy (&self.stage);
}

static void
v1_groups_exist_in_every_hierarchy (void **state)
{
    (void) state;
    put_v1();
    put ("cpu,cpuacct/kubepods/cpu.shares", "");
    put ("cpu,cpuacct/kubepods/podu1/cpu.shares", "");
    put ("cpu,cpuacct/kubepods/podu1/cpu.cfs_quota_us", "");
    put ("cpu,cpuacct/kubepods/podu1/cpu.cfs_period_us", "");
    put ("memory/kubepods/podu1/memory.limit_in_bytes", "");
    put ("cpuset/kubepods/cpuset.cpus", "\n");
    put ("cpuset/kubepods/cpuset.mems", "\n");
    fixture_t self = fixture_new ("cgroupfs", "", mount_directory);
    assert_true (is_there ("memory/kubepods/burstable"));
    assert_true (is_there ("cpuset/kubepods/besteffort"));
    assert_false (is_there ("not-a-hierarchy/kubepods"));
    assert_file ("cpuset/kubepods/cpuset.cpus", "0-3");
    assert_file ("cpuset/kubepods/cpuset.mems", "0");
    assert_resized (&self, "u1", LIMITS);
    assert_file ("cpu,cpuacct/kubepods/podu1/cpu.shares", "512");
    assert_file ("cpu,cpuacct/kubepods/podu1/cpu.cfs_quota_us", "50000");
    assert_file ("cpu,cpuacct/kubepods/podu1/cpu.cfs_period_us", "100000");
    assert_file ("memory/kubepods/podu1/memory.limit_in_bytes", "33554432");
    assert_true (is_there ("cpuset/kubepods/podu1"));
    stage_destroy (&self.stage);
}

static void
v2_groups_pass_their_controllers_on (void **state)
{
    (void) state;
    put ("cgroup.controllers", "cpu memory\n");
    put ("cgroup.procs", "");
    put ("cgroup.subtree_control", "cpu\n");
    put ("kubepods/podu1/cpu.max", "");
    put ("kubepods/podu1/pids.max", "");
    put ("kubepods/podu1/memory.max", "");
    put ("kubepods/podu1/cpu.weight", "");
    fixture_t self = fixture_new ("cgroupfs", "", mount_directory);
    assert_file ("cgroup.subtree_control", "+memory");
    assert_resized (&self, "u1", LIMITS);
    assert_file ("kubepods/podu1/cpu.max", "50000 100000");
    assert_file ("kubepods/podu1/cpu.weight", "20");
    assert_file ("kubepods/podu1/memory.max", "33554432");
    assert_file ("kubepods/podu1/pids.max", "50");
    stage_destroy (&self.stage);
}

static void
a_group_that_is_there_keeps_its_values_until_it_is_resized (void **state)
{
    (void) state;
    put ("cgroup.controllers", "");
    put ("cgroup.procs", "");
    put ("kubepods/podu1/memory.max", "99\n");
    fixture_t self = fixture_new ("cgroupfs", "", mount_directory);
    assert_ensured (&self, "u1", LIMITS);
    assert_file ("kubepods/podu1/memory.max", "99");
    assert_resized (&self, "u1", LIMITS);
    assert_file ("kubepods/podu1/memory.max", "33554432");
    stage_destroy (&self.stage);
}

static void
the_systemd_driver_spells_slices (void **state)
{
    (void) state;
    put ("cgroup.controllers", "");
    put ("cgroup.procs", "");
    fixture_t self = fixture_new ("systemd", "", mount_directory);
    assert_ensured (&self, "a-b", "{}");
    assert_true (is_there ("kubepods.slice/kubepods-besteffort.slice/"
                           "kubepods-besteffort-poda_b.slice"));
    OWNED (free_text) char *fault = remove_group (&self, "a-b");
    assert_string_equal (fault, "");
    assert_false (is_there ("kubepods.slice/kubepods-besteffort.slice/"
                            "kubepods-besteffort-poda_b.slice"));
    stage_destroy (&self.stage);
}

static void
the_runtimes_own_driver_wins (void **state)
{
    (void) state;
    put ("cgroup.controllers", "");
    put ("cgroup.procs", "");
    fixture_t self = fixture_begin ("cgroupfs", "", mount_directory);
    OWNED (free_text) char *fault = ensure (&self, "u1", "{}");
    assert_string_equal (fault,
                         "the container runtime has not said yet which cgroup driver it uses");
    assert_false (is_there ("kubepods"));
    tell_runtime (&self, "{\"up\": true, \"cgroup_driver\": \"systemd\"}");
    assert_ensured (&self, "u1", "{}");
    assert_true (is_there ("kubepods.slice/kubepods-besteffort.slice/"
                           "kubepods-besteffort-podu1.slice"));
    assert_false (is_there ("kubepods"));
    stage_destroy (&self.stage);
}

static void
a_runtime_whose_word_got_lost_is_asked (void **state)
{
    (void) state;
    put ("cgroup.controllers", "");
    put ("cgroup.procs", "");
    fixture_t self = fixture_begin ("cgroupfs", "", mount_directory);
    OWNED (free_text) char *fault = ensure (&self, "u1", "{}");
    assert_string_not_equal (fault, "");
    OWNED (received_destroy)
    received_t *asked = peer_expect (self.runtime, MSG_RUNTIME_STATE_GET);
    peer_reply_json (self.runtime, asked, "{\"up\": true}");
    uint64_t id = peer_request (self.runtime, "resource-manager", MSG_CGROUP_LIST, NULL);
    OWNED (received_destroy) received_t *reply = peer_expect_reply (self.runtime, id);
    assert_ensured (&self, "u1", "{}");
    assert_true (is_there ("kubepods/besteffort/podu1"));
    stage_destroy (&self.stage);
}

static void
the_burstable_class_has_the_shares_of_its_pods (void **state)
{
    (void) state;
    put_v1();
    put ("cpu,cpuacct/kubepods/burstable/cpu.shares", "");
    put ("cpu,cpuacct/kubepods/burstable/podold/cpu.shares", "1024\n");
    put ("cpu,cpuacct/kubepods/burstable/not-a-pod/cpu.shares", "1024\n");
    fixture_t self = fixture_new ("cgroupfs", "", mount_directory);
    assert_file ("cpu,cpuacct/kubepods/burstable/cpu.shares", "1024");
    assert_ensured (&self, "u1", REQUESTS);
    assert_file ("cpu,cpuacct/kubepods/burstable/cpu.shares", "1280");
    OWNED (free_text) char *fault = remove_group (&self, "u1");
    assert_string_equal (fault, "");
    assert_file ("cpu,cpuacct/kubepods/burstable/cpu.shares", "1024");
    stage_destroy (&self.stage);
}

static void
uids_that_leave_the_tree_are_refused (void **state)
{
    (void) state;
    put_v1();
    fixture_t self = fixture_new ("cgroupfs", "", mount_directory);
    OWNED (free_text) char *removed = remove_group (&self, "x/../../..");
    assert_string_equal (removed, "invalid pod uid \"x/../../..\"");
    OWNED (free_text) char *made = ensure (&self, "a/b", "{}");
    assert_string_equal (made, "invalid pod uid \"a/b\"");
    stage_destroy (&self.stage);
}

static void
a_group_that_cannot_be_made_is_named (void **state)
{
    (void) state;
    put_v1();
    fixture_t self = fixture_new ("cgroupfs", "", mount_directory);
    OWNED (free_text) char *path = path_of ("memory/kubepods/burstable");
    OWNED (free_text) char *away = path_of ("away");
    assert_int_equal (rename (path, away), 0);
    put ("memory/kubepods/burstable", "no directory");
    OWNED (free_text) char *fault = ensure (&self, "u2", REQUESTS);
    assert_non_null (strstr (fault, "failed to create container for [kubepods burstable podu2] : "
                                    "mkdir "));
    stage_destroy (&self.stage);
}

static void
a_group_that_stays_busy_is_a_fault_in_the_end (void **state)
{
    (void) state;
    put_v1();
    put ("memory/kubepods/podu1/file", ""); // rmdir fails as long as it is there
    fixture_t self = fixture_new ("cgroupfs", "", mount_directory);
    OWNED (free_text) char *fault = remove_group (&self, "u1");
    assert_non_null (strstr (fault, "cannot remove "));
    OWNED (free_text) char *file = path_of ("memory/kubepods/podu1/file");
    unlink (file);
    OWNED (free_text) char *again = remove_group (&self, "u1");
    assert_string_equal (again, "");
    stage_destroy (&self.stage);
}

// ---- on the machine's cgroups, under a root of its own ----

/* The directory of `path` in the hierarchy that holds pids. */
static char *
real_directory (const char *mount, const char *path)
{
    bool is_v2 = access ("/sys/fs/cgroup/cgroup.controllers", F_OK) == 0
                 || strcmp (mount, "/sys/fs/cgroup") != 0;
    return text_format ("%s%s%s", mount, is_v2 ? "" : "/memory", path);
}

static pid_t
start_process_in (const char *directory)
{
    pid_t pid = fork();
    if (pid == 0) {
        execl ("/bin/sleep", "sleep", "60", NULL);
        _exit (1);
    }
    OWNED (free_text) char *procs = text_format ("%s/cgroup.procs", directory);
    OWNED (free_text) char *text = text_format ("%d", pid);
    OWNED (close_fd) int fd = open (procs, O_WRONLY | O_CLOEXEC);
    assert_true (fd >= 0);
    assert_int_equal (write (fd, text, strlen (text)), (ssize_t) strlen (text));
    return pid;
}

static void
remove_real (const char *root)
{
    static const char *const GROUPS[] = { "/kubepods/burstable", "/kubepods/besteffort",
                                          "/kubepods", "" };
    OWNED (free_text)
    char *command = text_format ("ls -d /sys/fs/cgroup/*%s /sys/fs/cgroup%s "
                                 "2>/dev/null",
                                 root, root);
    FILE *list = popen (command, "re");
    for (char line[256]; list && fgets (line, sizeof line, list);) {
        line[strcspn (line, "\n")] = '\0';
        for (size_t i = 0; i < COUNT_OF (GROUPS); i++) {
            OWNED (free_text) char *group = text_format ("%s%s", line, GROUPS[i]);
            rmdir (group);
        }
    }
    pclose (list);
}

static void
what_runs_in_a_real_group_is_killed_with_it (void **state)
{
    (void) state;
    static const char *const MOUNTS[] = { "/sys/fs/cgroup", "/sys/fs/cgroup/unified" };
    OWNED (free_text) char *root = text_format ("/cubelet-test-%d", getpid());
    if (getuid() != 0 || access ("/sys/fs/cgroup", W_OK) < 0)
        skip();
    for (size_t i = 0; i < COUNT_OF (MOUNTS); i++) {
        if (access (MOUNTS[i], F_OK) < 0)
            continue;
        fixture_t self = fixture_new ("cgroupfs", root, MOUNTS[i]);
        assert_ensured (&self, "u1", LIMITS);
        OWNED (free_text) char *pod = text_format ("%s/kubepods/podu1", root);
        OWNED (free_text) char *directory = real_directory (MOUNTS[i], pod);
        OWNED (free_text) char *inner = text_format ("%s/container", directory);
        assert_int_equal (mkdir (inner, 0755), 0);
        pid_t pid = start_process_in (inner);
        OWNED (free_text) char *fault = remove_group (&self, "u1");
        assert_string_equal (fault, "");
        int status;
        assert_int_equal (waitpid (pid, &status, 0), pid);
        assert_true (WIFSIGNALED (status) && WTERMSIG (status) == SIGKILL);
        assert_int_equal (access (directory, F_OK), -1);
        stage_destroy (&self.stage);
        remove_real (root);
    }
    OWNED (free_text) char *left = text_format ("/sys/fs/cgroup/memory%s", root);
    assert_int_equal (access (left, F_OK), -1);
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown (groups_of_others_get_what_is_reserved_for_them, make_mount,
                                         remove_mount),
        cmocka_unit_test_setup_teardown (v1_groups_exist_in_every_hierarchy, make_mount,
                                         remove_mount),
        cmocka_unit_test_setup_teardown (all_pods_together_are_limited, make_mount, remove_mount),
        cmocka_unit_test_setup_teardown (v2_groups_pass_their_controllers_on, make_mount,
                                         remove_mount),
        cmocka_unit_test_setup_teardown (a_group_that_is_there_keeps_its_values_until_it_is_resized,
                                         make_mount, remove_mount),
        cmocka_unit_test_setup_teardown (the_systemd_driver_spells_slices, make_mount,
                                         remove_mount),
        cmocka_unit_test_setup_teardown (the_runtimes_own_driver_wins, make_mount, remove_mount),
        cmocka_unit_test_setup_teardown (a_runtime_whose_word_got_lost_is_asked, make_mount,
                                         remove_mount),
        cmocka_unit_test_setup_teardown (the_burstable_class_has_the_shares_of_its_pods, make_mount,
                                         remove_mount),
        cmocka_unit_test_setup_teardown (uids_that_leave_the_tree_are_refused, make_mount,
                                         remove_mount),
        cmocka_unit_test_setup_teardown (a_group_that_cannot_be_made_is_named, make_mount,
                                         remove_mount),
        cmocka_unit_test_setup_teardown (a_group_that_stays_busy_is_a_fault_in_the_end, make_mount,
                                         remove_mount),
        cmocka_unit_test (what_runs_in_a_real_group_is_killed_with_it),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
