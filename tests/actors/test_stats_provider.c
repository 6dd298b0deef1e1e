#include "cubelet/actors.h"
#include "cubelet/json.h"
#include "cubelet/memory.h"
#include "helper_peer.h"
#include <errno.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

// ---- a machine in a directory: cgroups, /proc, the kubelet's files ----

static char place[64];

static void
put (const char *path, const char *text)
{
    OWNED (free_text) char *file = text_format ("%s/%s", place, path);
    for (char *at = file + strlen (place) + 1; (at = strchr (at, '/')); at++) {
        *at = '\0';
        assert_true (mkdir (file, 0755) == 0 || errno == EEXIST);
        *at = '/';
    }
    OWNED (close_file) FILE *out = fopen (file, "we");
    assert_non_null (out);
    fputs (text, out);
}

static int
remove_one (const char *path, const struct stat *stat, int type, struct FTW *ftw)
{
    (void) stat, (void) type, (void) ftw;
    return remove (path);
}

static int
make_place (void **state)
{
    (void) state;
    strcpy (place, "/tmp/test-stats-XXXXXX");
    return mkdtemp (place) ? 0 : -1;
}

static int
remove_place (void **state)
{
    (void) state;
    return nftw (place, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void
put_group (const char *controller, const char *group, const char *file, const char *text)
{
    OWNED (free_text)
    char *path = text_format ("cgroup/%s/%s%s", controller, group, file);
    put (path, text);
}

static void
put_machine (void)
{
    static const char *const GROUPS[] = { "", "kubepods/besteffort/podu1/",
                                          "kubepods/besteffort/podu1/c1/" };
    for (size_t i = 0; i < COUNT_OF (GROUPS); i++) {
        put_group ("memory", GROUPS[i], "memory.usage_in_bytes", "5000\n");
        put_group ("memory", GROUPS[i], "memory.stat",
                   "total_rss 3000\ntotal_inactive_file 1000\n");
        put_group ("memory", GROUPS[i], "cgroup.procs", "");
        put_group ("cpuacct", GROUPS[i], "cpuacct.usage", "7000000\n");
    }
    put ("proc/meminfo", "MemTotal: 100 kB\nMemFree: 50 kB\n");
    put ("proc/stat", "btime 1000\n");
    put ("root/pods/u1/volumes/kubernetes.io~empty-dir/v/file", "some bytes");
    put ("root/pods/u1/volumes/kubernetes.io~local-volume/pv-1/file", "some bytes");
}

typedef struct {
    stage_t *stage;
    peer_t *runtime, *pods, *volumes, *client, *other;
} fixture_t;

/* Whether the node is joined; set before fixture_new. */
static bool has_csi;

static fixture_t
fixture_new (void)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    OWNED (free_text) char *cgroups = text_format ("%s/cgroup", place);
    OWNED (free_text) char *proc = text_format ("%s/proc", place);
    OWNED (free_text) char *root = text_format ("%s/root", place);
    node_t args = node_map();
    put_machine();
    node_set_text (tree, &args, "node_name", "lab");
    node_set_text (tree, &args, "root_dir", root);
    node_set_text (tree, &args, "pod_logs_dir", root);
    node_set_text (tree, &args, "cgroup_mount", cgroups);
    node_set_text (tree, &args, "proc", proc);
    node_set_bool (tree, &args, "has_csi", has_csi);
    fixture_t self = { .stage = stage_new() };
    self.runtime = stage_peer (self.stage, "runtime");
    self.pods = stage_peer (self.stage, "pod-manager");
    self.volumes = stage_peer (self.stage, "volume-manager");
    self.client = stage_peer (self.stage, "server");
    self.other = stage_peer (self.stage, "eviction-manager");
    stage_actor (self.stage, &stats_provider_class, "stats-provider", &args);
    return self;
}

#define LABELS_OF_POD "\"labels\": {\"io.kubernetes.pod.uid\": \"u1\"}"

/* Answers what the provider asks of the runtime, `count` questions. */
static void
tell_runtime (fixture_t *self, int count)
{
    for (int i = 0; i < count; i++) {
        OWNED (received_destroy) received_t *request = peer_next (self->runtime, PEER_DEADLINE_MS);
        assert_non_null (request);
        if (request->type == MSG_CRI_LIST_POD_SANDBOX)
            peer_reply_json (
                self->runtime, request,
                "{\"items\": [{\"id\": \"s1\", \"metadata\": {\"name\": \"p\", "
                "\"namespace\": \"n\", \"uid\": \"u1\"}, \"created_at\": 5, " LABELS_OF_POD "}]}");
        else if (request->type == MSG_CRI_LIST_CONTAINERS)
            peer_reply_json (self->runtime, request,
                             "{\"containers\": [{\"id\": \"c1\", \"pod_sandbox_id\": \"s1\", "
                             "\"state\": \"CONTAINER_RUNNING\", \"created_at\": 6, \"labels\": "
                             "{\"io.kubernetes.container.name\": \"main\"}}, {\"id\": \"c0\", "
                             "\"pod_sandbox_id\": \"s1\", \"state\": \"CONTAINER_EXITED\"}]}");
        else if (request->type == MSG_CRI_LIST_CONTAINER_STATS)
            peer_reply_fault (self->runtime, request, FAULT_UNIMPLEMENTED, "no such call");
        else
            peer_reply_json (self->runtime, request, "{}");
    }
}

static const node_t *
first_pod (const received_t *reply)
{
    return node_item (node_at (reply->body, "summary", "pods", NULL), 0);
}

static void
a_summary_needs_the_runtime_only_for_what_runs (void **state)
{
    (void) state;
    fixture_t self = fixture_new();
    uint64_t id = peer_request_json (self.client, "stats-provider", MSG_STATS_SUMMARY,
                                     "{\"only_cpu_and_memory\": true}");
    tell_runtime (&self, 2);
    OWNED (received_destroy) received_t *reply = peer_expect_reply (self.client, id);
    const node_t *pod = first_pod (reply);
    const node_t *containers = node_get (pod, "containers");
    assert_string_equal (node_get_text (node_get (pod, "podRef"), "name", ""), "p");
    assert_int_equal (node_get_int (node_get (pod, "memory"), "workingSetBytes", 0), 4000);
    assert_int_equal (node_count (containers), 1);
    assert_string_equal (node_get_text (node_item (containers, 0), "name", ""), "main");
    const node_t *cpu = node_get (node_item (containers, 0), "cpu");
    assert_int_equal (node_get_int (cpu, "usageCoreNanoSeconds", 0), 7000000);
    assert_null (node_get (pod, "ephemeral-storage"));
    const node_t *node = node_at (reply->body, "summary", "node", NULL);
    assert_int_equal (node_get_int (node_get (node, "memory"), "availableBytes", 0),
                      100 * 1024 - 4000);
    stage_destroy (&self.stage);
}

/* Asks again without anybody who would answer the provider's questions, should it have some. */
static void
a_summary_that_is_not_old_is_shown_again (void **state)
{
    (void) state;
    fixture_t self = fixture_new();
    const char *brief = "{\"only_cpu_and_memory\": true}";
    uint64_t id = peer_request_json (self.client, "stats-provider", MSG_STATS_SUMMARY, brief);
    tell_runtime (&self, 2);
    OWNED (received_destroy) received_t *first = peer_expect_reply (self.client, id);
    id = peer_request_json (self.client, "stats-provider", MSG_STATS_SUMMARY, brief);
    OWNED (received_destroy) received_t *again = peer_expect_reply (self.client, id);
    assert_int_equal (again->envelope.fault_code, FAULT_NONE);
    assert_true (node_equal (node_get (first->body, "summary"), node_get (again->body, "summary")));
    stage_destroy (&self.stage);
}

static void
volumes_are_measured_and_a_missing_answer_leaves_out_a_part (void **state)
{
    (void) state;
    fixture_t self = fixture_new();
    uint64_t id = peer_request_json (self.client, "stats-provider", MSG_STATS_SUMMARY, "{}");
    uint64_t same = peer_request_json (self.other, "stats-provider", MSG_STATS_SUMMARY, "{}");
    tell_runtime (&self, 4); // both ask for the same: asked once
    OWNED (received_destroy) received_t *list = peer_expect (self.volumes, MSG_VOLUME_LIST);
    peer_reply_json (
        self.volumes, list,
        "{\"volumes\": [{\"pod_uid\": \"u1\", \"volume\": \"data\", \"name\": \"pv-1\","
        "\"directory\": \"kubernetes.io~local-volume\", \"claim\": \"mine\","
        "\"plugin\": \"kubernetes.io/local-volume\", \"mounted\": true}]}");
    OWNED (received_destroy) received_t *reply = peer_expect_reply (self.client, id);
    const node_t *volume = node_item (node_get (first_pod (reply), "volume"), 0);
    assert_string_equal (node_get_text (volume, "name", ""), "v");
    assert_int_equal (node_get_int (volume, "inodesUsed", 0), 2);
    assert_true (node_get_int (volume, "usedBytes", 0) > 0);
    assert_int_equal (
        node_get_int (node_get (first_pod (reply), "ephemeral-storage"), "inodesUsed", 0), 2);
    const node_t *claimed = node_item (node_get (first_pod (reply), "volume"), 1);
    assert_string_equal (node_get_text (claimed, "name", ""), "data"); // as the pod calls it
    assert_string_equal (node_get_text (node_get (claimed, "pvcRef"), "name", ""), "mine");
    assert_true (node_get_int (claimed, "capacityBytes", 0) > 0);
    assert_null (node_get (node_item (node_get (first_pod (reply), "containers"), 0), "rootfs"));
    OWNED (received_destroy) received_t *other = peer_expect_reply (self.other, same);
    assert_true (node_equal (other->body, reply->body));
    assert_null (peer_next (self.runtime, 1));
    stage_destroy (&self.stage);
}

static const node_t *
volume_named (const received_t *reply, const char *name)
{
    NODE_EACH (node_get (first_pod (reply), "volume"), volume)
    {
        if (strcmp (node_get_text (volume, "name", ""), name) == 0)
            return volume;
    }
    fail_msg ("no volume %s", name);
    return NULL;
}

static const char *
claim_of (const node_t *volume)
{
    return node_as_text (node_at (volume, "pvcRef", "name", NULL), "");
}

static void
volumes_of_claims_have_the_pods_names (void **state)
{
    (void) state;
    has_csi = true;
    fixture_t self = fixture_new();
    has_csi = false;
    peer_t *csi = stage_peer (self.stage, "csi-manager");
    put ("root/pods/u1/volumes/kubernetes.io~local-volume/pv-1/file", "");
    uint64_t id = peer_request_json (self.client, "stats-provider", MSG_STATS_SUMMARY, "{}");
    tell_runtime (&self, 4);
    OWNED (received_destroy) received_t *list = peer_expect (self.volumes, MSG_VOLUME_LIST);
    peer_reply_json (
        self.volumes, list,
        "{\"volumes\": [{\"pod_uid\": \"u1\", \"volume\": \"disk\", \"name\": \"pv-1\", "
        "\"directory\": \"kubernetes.io~local-volume\", \"claim\": \"data\"}, "
        "{\"pod_uid\": \"u1\", \"volume\": \"scratch\", \"name\": \"pv-2\", "
        "\"directory\": \"kubernetes.io~csi\", \"claim\": \"p-scratch\"}]}");
    OWNED (received_destroy) received_t *asked = peer_expect (csi, MSG_CSI_STATS);
    assert_int_equal (node_get_int (asked->body, "max_age_ms", 0), 60000);
    peer_reply_json (csi, asked,
                     "{\"volumes\": [{\"pod_uid\": \"u1\", \"name\": \"pv-2\", \"usage\": "
                     "[{\"unit\": \"BYTES\", \"total\": 9, \"used\": 4, \"available\": 5}]}, "
                     "{\"pod_uid\": \"u2\", \"name\": \"other\", \"usage\": []}]}");
    OWNED (received_destroy) received_t *reply = peer_expect_reply (self.client, id);
    const node_t *disk = volume_named (reply, "disk"), *scratch = volume_named (reply, "scratch");
    assert_string_equal (claim_of (disk), "data");
    assert_true (node_get_int (disk, "capacityBytes", 0) > 0);
    assert_string_equal (claim_of (scratch), "p-scratch");
    assert_int_equal (node_get_int (scratch, "capacityBytes", 0), 9);
    assert_int_equal (node_get_int (scratch, "usedBytes", 0), 4);
    assert_int_equal (node_get_int (scratch, "availableBytes", 0), 5);
    assert_null (node_get (scratch, "inodes"));
    stage_destroy (&self.stage);
}

static void
only_the_wanted_pods (void **state)
{
    (void) state;
    fixture_t self = fixture_new();
    uint64_t id = peer_request_json (self.client, "stats-provider", MSG_STATS_SUMMARY,
                                     "{\"only_cpu_and_memory\": true, \"pods\": [\"u2\"]}");
    tell_runtime (&self, 2);
    OWNED (received_destroy) received_t *reply = peer_expect_reply (self.client, id);
    assert_non_null (node_at (reply->body, "summary", "node", NULL));
    assert_null (first_pod (reply));
    stage_destroy (&self.stage);
}

static void
without_the_runtime_there_is_a_fault (void **state)
{
    (void) state;
    fixture_t self = fixture_new();
    uint64_t id = peer_request_json (self.client, "stats-provider", MSG_STATS_SUMMARY,
                                     "{\"only_cpu_and_memory\": true}");
    for (int i = 0; i < 2; i++) {
        OWNED (received_destroy) received_t *request = peer_next (self.runtime, PEER_DEADLINE_MS);
        assert_non_null (request);
        peer_reply_fault (self.runtime, request, FAULT_UNAVAILABLE, "gone");
    }
    OWNED (received_destroy) received_t *reply = peer_expect_reply (self.client, id);
    assert_int_equal (reply->envelope.fault_code, FAULT_UNAVAILABLE);
    stage_destroy (&self.stage);
}

static void
a_page_of_metrics (void **state)
{
    (void) state;
    fixture_t self = fixture_new();
    uint64_t id = peer_request_json (self.client, "stats-provider", MSG_METRICS_GET,
                                     "{\"page\": \"resource\"}");
    tell_runtime (&self, 2);
    OWNED (received_destroy) received_t *reply = peer_expect_reply (self.client, id);
    const char *text = node_get_text (reply->body, "text", "");
    assert_non_null (strstr (text, "container_memory_working_set_bytes{container=\"main\","
                                   "namespace=\"n\",pod=\"p\"} 4000 "));
    assert_non_null (strstr (text, "\nscrape_error 0\n"));
    id = peer_request_json (self.client, "stats-provider", MSG_METRICS_GET,
                            "{\"page\": \"nothing\"}");
    OWNED (received_destroy) received_t *refused = peer_expect_reply (self.client, id);
    assert_int_equal (refused->envelope.fault_code, FAULT_NOT_FOUND);
    stage_destroy (&self.stage);
}

static void
assert_shown (const char *text, const char *series)
{
    OWNED (free_text) char *line = text_format ("\n%s ", series);
    if (!strstr (text, line))
        fail_msg ("the page does not show %s:\n%s", series, text);
}

static void
the_page_of_cadvisor (void **state)
{
    (void) state;
    static const char GROUP[] = "kubepods/besteffort/podu1/c1/";
    put_group ("blkio", GROUP, "blkio.throttle.io_service_bytes_recursive",
               "254:0 Read 4096\n254:0 Total 4096\n");
    put_group ("blkio", GROUP, "blkio.throttle.io_serviced_recursive", "254:0 Read 3\n");
    put ("proc/17/fd/0", "");
    put ("proc/17/fd/1", "");
    put ("proc/17/limits",
         "Limit Soft Hard\nMax open files            1024       4096     files\n");
    put ("proc/diskstats", " 0 99 vdz 308116 1 2 2500 3 4 5 6 7 8 9\n");
    fixture_t self = fixture_new();
    put_group ("memory", GROUP, "cgroup.procs", "17\n");
    OWNED (free_text)
    char *mounts = text_format ("22 1 0:99 / %s rw - ext4 /dev/vdz rw\n", place);
    put ("proc/self/mountinfo", mounts);
    uint64_t id = peer_request_json (self.client, "stats-provider", MSG_METRICS_GET,
                                     "{\"page\": \"cadvisor\"}");
    tell_runtime (&self, 2);
    OWNED (received_destroy) received_t *reply = peer_expect_reply (self.client, id);
    const char *text = node_get_text (reply->body, "text", "");
#define OF_MAIN                                                                                    \
    "id=\"/kubepods/besteffort/podu1/c1\",image=\"\",name=\"c1\",namespace=\"n\",pod=\"p\""
    assert_shown (text, "container_file_descriptors{container=\"main\"," OF_MAIN "} 2");
    assert_shown (text, "container_processes{container=\"main\"," OF_MAIN "} 1");
    assert_shown (text, "container_sockets{container=\"main\"," OF_MAIN "} 0");
    assert_shown (text, "container_ulimits_soft{container=\"main\"," OF_MAIN
                        ",ulimit=\"max_open_files\"} 1024");
    const char *bytes =
        strstr (text, "\ncontainer_fs_reads_bytes_total{container=\"main\",device=");
    assert_non_null (bytes); // the device's name is this machine's
    assert_non_null (strstr (bytes, "\"," OF_MAIN "} 4096 "));
    assert_non_null (strstr (text, "major=\"254\",minor=\"0\",name=\"c1\",namespace=\"n\","
                                   "operation=\"Read\",pod=\"p\"} 4096 "));
#define OF_ROOT                                                                                    \
    "{container=\"\",device=\"/dev/vdz\",id=\"/\",image=\"\",name=\"\",namespace=\"\",pod=\"\"}"
    assert_shown (text, "container_fs_reads_total" OF_ROOT " 308116");
    assert_shown (text, "container_fs_read_seconds_total" OF_ROOT " 2.5");
    assert_non_null (strstr (text, "\ncontainer_fs_limit_bytes" OF_ROOT " "));
    assert_null (strstr (text, "\ncontainer_tasks_state"));
    stage_destroy (&self.stage);
}

#define TEST(NAME) cmocka_unit_test_setup_teardown (NAME, make_place, remove_place)

int
main (void)
{
    const struct CMUnitTest tests[] = {
        TEST (a_summary_needs_the_runtime_only_for_what_runs),
        TEST (a_summary_that_is_not_old_is_shown_again),
        TEST (volumes_are_measured_and_a_missing_answer_leaves_out_a_part),
        TEST (volumes_of_claims_have_the_pods_names),
        TEST (only_the_wanted_pods),
        TEST (without_the_runtime_there_is_a_fault),
        TEST (a_page_of_metrics),
        TEST (the_page_of_cadvisor),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
