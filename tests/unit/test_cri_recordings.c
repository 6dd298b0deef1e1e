/* test_cri_recordings.c - the configurations made from the pods of the recordings (tests/node/
   traces) are those an upstream kubelet sent, field by field.

   What the rules do not decide is taken from the recording: ids of images, the random name of the
   termination log, the pod's address and the time in the annotation config.seen.
   Accepted differences: none. Environments are compared as sets, for upstream sends them in the
   random order of a Go map. */
#include "cubelet/container_config.h"
#include "cubelet/container_hash.h"
#include "cubelet/container_labels.h"
#include "cubelet/cri.h"
#include "cubelet/hosts_file.h"
#include "cubelet/image_name.h"
#include "cubelet/json.h"
#include "cubelet/memory.h"
#include "cubelet/pod_names.h"
#include "cubelet/protobuf.h"
#include "cubelet/sandbox_config.h"
#include <glob.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define TRACES CUBELET_SOURCE_DIR "/tests/node/traces/"
#define KIBI 1024

static int differences;

/* One recording and what was made of it. */
typedef struct {
    const char *name; // file name
    tree_t *tree;
    const node_t *root;
    pod_t pod;
    text_list_t pod_ips;
    node_t volumes;
    node_t config_maps, secrets, services;
} recording_t;

// ---- the machine of the recordings ----

static const node_facts_t LAB = {
    .node_name = "lab-node",
    .host_ips = { (const char *[]){ "192.0.2.2" }, 1 },
    .cluster_dns = { (const char *[]){ "10.96.0.10" }, 1 },
    .cluster_domain = "cluster.local",
    .resolv_conf_path = "/etc/resolv.conf",
    .resolv_conf = "nameserver 10.255.255.53\n",
    .resolv_conf_size = 25,
    .root_dir = "/var/lib/kubelet",
    .pod_logs_dir = "/var/log/pods",
    .cgroup_driver = CGROUP_DRIVER_CGROUPFS,
    .cgroups_per_qos = true,
    .cgroup_version = 1,
    .cpu_cfs_quota = true,
    .cpu_cfs_period_us = 100000,
    .memory_capacity = INT64_C (24684092) * KIBI,
    .hugepage_sizes = { (const char *[]){ "2MB", "1GB" }, 2 },
    .single_process_oom_kill = true,
    .has_swap_controller = true,
    .kernel_major = 6,
    .kernel_minor = 18,
};

// ---- reading a recording ----

static tree_t *
read_json (const char *path)
{
    OWNED (close_file) FILE *file = fopen (path, "re");
    if (!file)
        fail_msg ("cannot open %s", path);
    OWNED (free_text) char *bytes = NULL;
    size_t room = 0;
    ssize_t size = getdelim (&bytes, &room, '\0', file);
    fault_t fault = { 0 };
    tree_t *tree = json_read (bytes, size < 0 ? 0 : (size_t) size, &fault);
    if (!tree)
        fail_msg ("%s: %s", path, fault.text);
    return tree;
}

/* The pod as it stood when its sandbox was made: with the annotations that the agent adds. */
static void
add_annotations (recording_t *self, node_t *pod)
{
    node_t *metadata = node_get_mutable (pod, "metadata");
    NODE_EACH (node_get (self->root, "cri"), call)
    {
        const node_t *recorded = node_at (call, "req", "config", "annotations", NULL);
        if (strcmp (node_get_text (call, "method", ""), "RunPodSandbox") == 0 && recorded)
            node_set (self->tree, metadata, "annotations", node_copy (self->tree, recorded));
    }
}

static void
find_pod_ips (recording_t *self)
{
    NODE_EACH (node_get (self->root, "statuses"), row)
    NODE_EACH (node_at (row, "status", "podIPs", NULL), ip)
    {
        const char **items = tree_alloc (self->tree, sizeof *items);
        *items = node_get_text (ip, "ip", "");
        self->pod_ips = (text_list_t){ items, 1 };
        return;
    }
}

/* Where volumes of a kind stand, and whether they are read-only. */
static const struct {
    const char *source, *plugin;
    bool is_read_only;
} PLUGINS[] = {
    { "emptyDir", "kubernetes.io~empty-dir", false },
    { "configMap", "kubernetes.io~configmap", true },
    { "secret", "kubernetes.io~secret", true },
    { "projected", "kubernetes.io~projected", true },
    { "downwardAPI", "kubernetes.io~downward-api", true },
};

static void
make_volumes (recording_t *self)
{
    self->volumes = node_map();
    for (size_t i = 0; i < self->pod.spec.volumes.count; i++) {
        const volume_t *volume = &self->pod.spec.volumes.items[i];
        node_t entry = node_map();
        node_set_text (self->tree, &entry, "host_path",
                       node_as_text (node_at (volume->node, "hostPath", "path", NULL), NULL));
        for (size_t k = 0; k < COUNT_OF (PLUGINS); k++) {
            if (!node_get (volume->node, PLUGINS[k].source))
                continue;
            node_set (self->tree, &entry, "host_path",
                      node_text_format (self->tree, "/var/lib/kubelet/pods/%s/volumes/%s/%s",
                                        self->pod.metadata.uid, PLUGINS[k].plugin, volume->name));
            node_set_bool (self->tree, &entry, "read_only", PLUGINS[k].is_read_only);
        }
        node_set (self->tree, &self->volumes, volume->name, entry);
    }
}

/* A Secret as the API server shows it: stringData has become data in base64. */
static node_t
stored_secret (tree_t *tree, const node_t *object)
{
    node_t data = node_map(), stored = node_copy (tree, object);
    const node_t *texts = node_get (object, "stringData");
    for (size_t i = 0; i < node_count (texts); i++) {
        const node_t *text = node_value_at (texts, i);
        node_t bytes = node_bytes (tree, text->via.str.ptr, text->via.str.size);
        OWNED (free_text) char *quoted = json_write (&bytes, JSON_COMPACT, NULL);
        node_set (tree, &data, node_key_at (texts, i),
                  node_text_sized (tree, quoted + 1, strlen (quoted) - 2));
    }
    node_set (tree, &stored, "data", data);
    return stored;
}

static void
make_objects (recording_t *self)
{
    static const char SERVICE[] =
        "[{\"metadata\":{\"name\":\"kubernetes\",\"namespace\":\"default\"},\"spec\":{"
        "\"clusterIP\":\"10.96.0.1\",\"ports\":[{\"name\":\"https\",\"port\":443,"
        "\"protocol\":\"TCP\"}]}}]";
    fault_t fault = { 0 };
    OWNED (tree_destroy) tree_t *service = json_read (SERVICE, strlen (SERVICE), &fault);
    self->services = node_copy (self->tree, tree_root (service));
    self->config_maps = node_map();
    self->secrets = node_map();
    NODE_EACH (node_get (self->root, "objects"), object)
    {
        const char *kind = node_get_text (object, "kind", "");
        const char *name = node_as_text (node_at (object, "metadata", "name", NULL), "");
        if (strcmp (kind, "ConfigMap") == 0)
            node_set (self->tree, &self->config_maps, name, node_copy (self->tree, object));
        if (strcmp (kind, "Secret") == 0)
            node_set (self->tree, &self->secrets, name, stored_secret (self->tree, object));
    }
}

static void
close_recording (recording_t *self)
{
    tree_destroy (&self->tree);
}

static void
open_recording (const char *path, recording_t *self)
{
    *self = (recording_t){ .name = strrchr (path, '/') + 1, .tree = read_json (path) };
    self->root = tree_root (self->tree);
    node_t *pod = node_get_mutable (tree_root (self->tree), "pod");
    assert_non_null (pod);
    add_annotations (self, pod);
    fault_t fault = { 0 };
    if (pod_decode (pod, self->tree, &self->pod, &fault) < 0)
        fail_msg ("%s: %s", path, fault.text);
    find_pod_ips (self);
    make_volumes (self);
    make_objects (self);
}

// ---- comparing ----

static void compare (const char *path, const node_t *recorded, const node_t *made);

static void
differ (const char *path, const node_t *recorded, const node_t *made)
{
    OWNED (free_text) char *a = json_write (recorded, JSON_COMPACT, NULL);
    OWNED (free_text) char *b = json_write (made, JSON_COMPACT, NULL);
    print_error ("%s: recorded %.300s, made %.300s\n", path, a, b);
    differences++;
}

// 64-bit numbers are texts in the recordings.
static bool
is_same_scalar (const node_t *recorded, const node_t *made)
{
    char number[24];
    if (!node_is_text (recorded) || !node_is_int (made))
        return node_equal (recorded, made);
    snprintf (number, sizeof number, "%" PRId64, node_as_int (made, 0));
    return strcmp (node_as_text (recorded, ""), number) == 0;
}

static void
compare_maps (const char *path, const node_t *recorded, const node_t *made)
{
    for (size_t i = 0; i < node_count (recorded); i++) {
        const char *key = node_key_at (recorded, i);
        OWNED (free_text) char *below = text_format ("%s.%s", path, key);
        compare (below, node_value_at (recorded, i), node_get (made, key));
    }
    for (size_t i = 0; i < node_count (made); i++) {
        const char *key = node_key_at (made, i);
        OWNED (free_text) char *below = text_format ("%s.%s", path, key);
        if (!node_get (recorded, key))
            compare (below, NULL, node_value_at (made, i));
    }
}

static bool
holds (const node_t *list, const node_t *item)
{
    NODE_EACH (list, other)
    {
        if (node_equal (item, other))
            return true;
    }
    return false;
}

static void
compare_sets (const char *path, const node_t *recorded, const node_t *made)
{
    NODE_EACH (recorded, item)
    {
        if (!holds (made, item))
            differ (path, item, NULL);
    }
    NODE_EACH (made, item)
    {
        if (!holds (recorded, item))
            differ (path, NULL, item);
    }
}

static void
compare (const char *path, const node_t *recorded, const node_t *made)
{
    const char *name = strrchr (path, '.');
    if (node_is_map (recorded) && node_is_map (made))
        compare_maps (path, recorded, made);
    else if (node_is_array (recorded) && node_is_array (made) && name
             && strcmp (name, ".envs") == 0)
        compare_sets (path, recorded, made);
    else if (node_is_array (recorded) && node_is_array (made)
             && node_count (recorded) == node_count (made))
        for (size_t i = 0; i < node_count (recorded); i++) {
            OWNED (free_text) char *below = text_format ("%s[%zu]", path, i);
            compare (below, node_item (recorded, i), node_item (made, i));
        }
    else if (!is_same_scalar (recorded, made))
        differ (path, recorded, made);
}

static void
free_bytes (uint8_t **bytes_p)
{
    free (*bytes_p);
}

/* Compares a request with what goes over the wire and back for `made`. */
static void
compare_request (const recording_t *self, message_id_t message, const node_t *recorded,
                 const node_t *made)
{
    const cri_method_t *method = cri_method (message);
    OWNED (free_bytes) uint8_t *bytes = NULL;
    size_t size = 0;
    fault_t fault = { 0 };
    if (protobuf_encode (method->request, made, &bytes, &size, &fault) < 0)
        fail_msg ("%s: %s: %s", self->name, method->name, fault.text);
    OWNED (tree_destroy) tree_t *back = protobuf_decode (method->request, bytes, size, &fault);
    assert_non_null (back);
    OWNED (free_text) char *path = text_format ("%s: %s", self->name, method->name);
    compare (path, recorded, tree_root (back));
}

// ---- making requests ----

static node_t
make_sandbox (recording_t *self, const node_t *recorded)
{
    node_t config, events = node_array();
    fault_t fault = { 0 };
    uint32_t attempt = (uint32_t) node_get_int (node_get (recorded, "metadata"), "attempt", 0);
    if (sandbox_config (&self->pod, &LAB, NULL, attempt, self->tree, &config, &events, &fault) < 0)
        fail_msg ("%s: %s", self->name, fault.text);
    assert_int_equal (node_count (&events), 0);
    return config;
}

static void
check_sandbox (recording_t *self, const node_t *request)
{
    node_t made = node_map();
    node_set (self->tree, &made, "config", make_sandbox (self, node_get (request, "config")));
    compare_request (self, MSG_CRI_RUN_POD_SANDBOX, request, &made);
}

/* The recorded termination log, when it is named as it must be: containers/NAME/8 hex digits. */
static const char *
recorded_log (const recording_t *self, const container_t *container, const node_t *config)
{
    OWNED (free_text)
    char *directory =
        pod_container_directory (LAB.root_dir, self->pod.metadata.uid, container->name);
    size_t size = strlen (directory);
    NODE_EACH (node_get (config, "mounts"), mount)
    {
        const char *path = node_get_text (mount, "host_path", "");
        if (strncmp (path, directory, size) == 0 && strlen (path) == size + 9
            && strspn (path + size + 1, "0123456789abcdef") == 8)
            return path;
    }
    fail_msg ("%s: no termination log of %s is mounted", self->name, container->name);
    return NULL;
}

static container_inputs_t
make_inputs (const recording_t *self, const container_t *container)
{
    bool is_api = !pod_is_static (&self->pod);
    return (container_inputs_t){
        .hash = container_hash (container),
        .pod_ips = self->pod_ips,
        .env = { .config_maps = &self->config_maps,
                 .secrets = &self->secrets,
                 .services = is_api ? &self->services : NULL,
                 .services_known = is_api,
                 .has_api = is_api },
        .volumes = &self->volumes,
    };
}

/* Where the volume manager binds the sub paths. */
static node_t
bind_subpaths (recording_t *self, const container_t *container, const container_inputs_t *inputs)
{
    node_t wanted, bound = node_map();
    fault_t fault = { 0 };
    if (container_subpaths (&self->pod, container, inputs, &LAB, self->tree, &wanted, &fault) < 0)
        fail_msg ("%s: %s", self->name, fault.text);
    NODE_EACH (&wanted, row)
    {
        int64_t index = node_get_int (row, "index", -1);
        OWNED (free_text) char *key = text_format ("%" PRId64, index);
        node_set (self->tree, &bound, key,
                  node_text_format (self->tree, "%s/pods/%s/volume-subpaths/%s/%s/%s", LAB.root_dir,
                                    self->pod.metadata.uid, node_get_text (row, "volume", ""),
                                    container->name, key));
    }
    return bound;
}

static void
check_container (recording_t *self, const node_t *request)
{
    const node_t *recorded = node_get (request, "config");
    const char *name = node_as_text (node_at (recorded, "metadata", "name", NULL), "");
    const container_t *container = pod_container (&self->pod, name);
    assert_non_null (container);
    container_inputs_t inputs = make_inputs (self, container);
    inputs.image_ref = node_as_text (node_at (recorded, "image", "image", NULL), "");
    inputs.attempt = (uint32_t) node_get_int (node_get (recorded, "metadata"), "attempt", 0);
    inputs.termination_log_path = recorded_log (self, container, recorded);
    node_t subpaths = bind_subpaths (self, container, &inputs);
    inputs.subpaths = &subpaths;

    node_t config, made = node_map();
    fault_t fault = { 0 };
    if (container_config (&self->pod, container, &inputs, &LAB, NULL, self->tree, &config, &fault)
        < 0)
        fail_msg ("%s: %s", self->name, fault.text);
    node_set_text (self->tree, &made, "pod_sandbox_id",
                   node_get_text (request, "pod_sandbox_id", NULL));
    node_set (self->tree, &made, "config", config);
    node_set (self->tree, &made, "sandbox_config",
              make_sandbox (self, node_get (request, "sandbox_config")));
    compare_request (self, MSG_CRI_CREATE_CONTAINER, request, &made);
}

static void
check_pull (recording_t *self, const node_t *request)
{
    node_t made = node_map(), image = node_map();
    node_set (self->tree, &made, "sandbox_config",
              make_sandbox (self, node_get (request, "sandbox_config")));
    const char *name = node_as_text (node_at (request, "image", "image", NULL), "");
    fault_t fault = { 0 };
    OWNED (free_text)
    char *with_tag = image_name_with_tag (self->pod.spec.containers.items[0].image, &fault);
    assert_string_equal (with_tag, name);
    node_set_text (self->tree, &image, "image", with_tag);
    node_set (self->tree, &image, "annotations",
              node_copy (self->tree, self->pod.metadata.annotations));
    node_set (self->tree, &made, "image", image);
    compare_request (self, MSG_CRI_PULL_IMAGE, request, &made);
}

static const struct {
    const char *method;
    void (*check) (recording_t *self, const node_t *request);
} CHECKS[] = {
    { "RunPodSandbox", check_sandbox },
    { "CreateContainer", check_container },
    { "PullImage", check_pull },
};

static size_t
check_recording (const char *path)
{
    OWNED (close_recording) recording_t recording;
    open_recording (path, &recording);
    size_t checked = 0;
    NODE_EACH (node_get (recording.root, "cri"), call)
    {
        for (size_t i = 0; i < COUNT_OF (CHECKS); i++)
            if (strcmp (node_get_text (call, "method", ""), CHECKS[i].method) == 0) {
                CHECKS[i].check (&recording, node_get (call, "req"));
                checked++;
            }
    }
    return checked;
}

// ---- tests ----

static size_t
check_folder (const char *pattern, size_t recordings_min)
{
    glob_t found;
    assert_int_equal (glob (pattern, 0, NULL, &found), 0);
    assert_true (found.gl_pathc >= recordings_min);
    size_t checked = 0;
    for (size_t i = 0; i < found.gl_pathc; i++)
        if (!strstr (found.gl_pathv[i], "expected_differences")
            && !strstr (found.gl_pathv[i], "not_standalone"))
            checked += check_recording (found.gl_pathv[i]);
    globfree (&found);
    return checked;
}

static void
requests_for_api_pods_are_upstreams (void **state)
{
    (void) state;
    differences = 0;
    assert_true (check_folder (TRACES "*.json", 44) > 100);
    assert_int_equal (differences, 0);
}

static void
requests_for_static_pods_are_upstreams (void **state)
{
    (void) state;
    differences = 0;
    assert_true (check_folder (TRACES "standalone/*.json", 8) > 20);
    assert_int_equal (differences, 0);
}

/* The message of the recorded event of that reason that starts with `start`. */
static const char *
event_message (const recording_t *self, const char *reason, const char *start)
{
    NODE_EACH (node_get (self->root, "events"), event)
    {
        const char *message = node_get_text (event, "message", "");
        if (strcmp (node_get_text (event, "reason", ""), reason) == 0
            && strncmp (message, start, strlen (start)) == 0)
            return message;
    }
    fail_msg ("%s: no event %s \"%s...\"", self->name, reason, start);
    return "";
}

static void
a_root_image_is_refused_in_upstreams_words (void **state)
{
    (void) state;
    OWNED (close_recording) recording_t recording;
    open_recording (TRACES "run-as-nonroot-violation.json", &recording);
    const container_t *container = &recording.pod.spec.containers.items[0];
    container_inputs_t inputs = make_inputs (&recording, container);
    node_t config;
    fault_t fault = { 0 };
    assert_int_equal (container_config (&recording.pod, container, &inputs, &LAB, NULL,
                                        recording.tree, &config, &fault),
                      -1);
    const char *message = event_message (&recording, "Failed", "Error: container has");
    assert_string_equal (fault.text, message + strlen ("Error: "));
}

static void
a_bad_image_name_is_refused_in_upstreams_words (void **state)
{
    (void) state;
    OWNED (close_recording) recording_t recording;
    open_recording (TRACES "image-bad-name.json", &recording);
    fault_t fault = { 0 };
    assert_null (image_name_with_tag (recording.pod.spec.containers.items[0].image, &fault));
    assert_string_equal (fault.text, event_message (&recording, "InspectFailed", "Failed"));
}

static void
the_hosts_file_is_what_the_container_saw (void **state)
{
    (void) state;
    OWNED (close_recording) recording_t recording;
    open_recording (TRACES "dns-hosts.json", &recording);
    const char *log = node_as_text (node_at (recording.root, "logs", "main", NULL), "");
    pod_hostname_t hostname;
    fault_t fault = { 0 };
    assert_int_equal (
        pod_hostname (&recording.pod, LAB.cluster_domain, recording.tree, &hostname, &fault), 0);
    OWNED (free_text)
    char *file = hosts_file (&recording.pod, &hostname, recording.pod_ips, NULL);
    assert_true (strlen (file) > 0);
    if (strncmp (log, file, strlen (file)) != 0)
        fail_msg ("recorded:\n%s\nmade:\n%s", log, file);
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (requests_for_api_pods_are_upstreams),
        cmocka_unit_test (requests_for_static_pods_are_upstreams),
        cmocka_unit_test (a_root_image_is_refused_in_upstreams_words),
        cmocka_unit_test (a_bad_image_name_is_refused_in_upstreams_words),
        cmocka_unit_test (the_hosts_file_is_what_the_container_saw),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
