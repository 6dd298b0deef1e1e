/* test_kubelet_config.c - a configuration is read strictly, merged in order, and shown as
   upstream shows it. */
#include "cubelet/clock.h"
#include "cubelet/json.h"
#include "cubelet/kubelet_config.h"
#include "cubelet/memory.h"
#include "cubelet/yaml.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#define HEADER "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n"

static char place[] = "/tmp/test_kubelet_config_XXXXXX";

static char *
write_file (const char *name, const char *text)
{
    char *path = text_format ("%s/%s", place, name);
    OWNED (close_file) FILE *file = fopen (path, "we");
    assert_non_null (file);
    fputs (text, file);
    return path;
}

static int
set_up (void **state)
{
    (void) state;
    return mkdtemp (place) ? 0 : -1;
}

static int
tear_down (void **state)
{
    (void) state;
    OWNED (free_text) char *command = text_format ("rm -r '%s'", place);
    return system (command);
}

static int
read_text (const char *text, tree_t *tree, kubelet_config_t *out, fault_t *fault)
{
    OWNED (free_text) char *path = write_file ("config.yaml", text);
    config_sources_t sources = { .file = path };
    return kubelet_config_read (&sources, tree, out, fault);
}

static void
nothing_at_all_gives_the_defaults (void **state)
{
    (void) state;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    kubelet_config_t config;
    fault_t fault = { 0 };
    config_sources_t none = { 0 };
    assert_int_equal (kubelet_config_read (&none, tree, &config, &fault), 0);
    assert_int_equal (config.port, 10250);
    assert_int_equal (config.sync_frequency_ns, 60 * NS_PER_S);
    assert_string_equal (node_get_text (config.eviction_hard, "memory.available", ""), "100Mi");
    assert_string_equal (config.enforce_node_allocatable.items[0], "pods");
    assert_null (config.static_pod_path);
}

static void
fields_are_read (void **state)
{
    (void) state;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    kubelet_config_t config;
    fault_t fault = { 0 };
    read_text (HEADER "staticPodPath: /m\n"
                      "port: 0\n"
                      "readOnlyPort: 10255\n"
                      "healthzPort: 0\n"
                      "syncFrequency: 0s\n"
                      "nodeStatusUpdateFrequency: 1m30s\n"
                      "clusterDNS: [10.96.0.10, 'fd00::a']\n"
                      "authentication: {webhook: {enabled: false}, x509: {clientCAFile: /ca}}\n"
                      "authorization: {mode: AlwaysAllow}\n"
                      "evictionHard: {memory.available: 5%}\n"
                      "featureGates: {EventedPLEG: true, KubeletCrashLoopBackOffMax: true}\n"
                      "memorySwap: {swapBehavior: LimitedSwap}\n"
                      "crashLoopBackOff: {maxContainerRestartPeriod: 20s}\n"
                      "registerWithTaints: [{key: a, value: b, effect: NoSchedule}]\n"
                      "resolvConf: ''\n"
                      "maxParallelImagePulls: 3\n"
                      "podPidsLimit: -5\n"
                      "staticPodURLHeader: null\n"
                      "logging: {verbosity: 4, flushFrequency: 5000000000}\n",
               tree, &config, &fault);
    assert_string_equal (fault.text, "");
    assert_string_equal (config.static_pod_path, "/m");
    assert_int_equal (config.port, 10250);     // 0 is the default
    assert_int_equal (config.healthz_port, 0); // 0 is off
    assert_int_equal (config.sync_frequency_ns, 60 * NS_PER_S);
    assert_int_equal (config.node_status_report_frequency_ns, 90 * NS_PER_S);
    assert_int_equal (config.cluster_dns.count, 2);
    assert_false (config.authentication.webhook.enabled);
    assert_int_equal (config.authentication.webhook.cache_ttl_ns, 120 * NS_PER_S);
    assert_string_equal (config.authentication.x509.client_ca_file, "/ca");
    assert_string_equal (config.authorization.mode, "AlwaysAllow");
    assert_int_equal (node_count (config.eviction_hard), 1);
    assert_true (node_get_bool (config.feature_gates, "EventedPLEG", false));
    assert_string_equal (config.swap_behavior, "LimitedSwap");
    assert_int_equal (config.max_container_restart_period_ns, 20 * NS_PER_S);
    assert_string_equal (config.register_with_taints.items[0].effect, "NoSchedule");
    assert_string_equal (config.resolv_conf, "");
    assert_false (config.serialize_image_pulls); // because of maxParallelImagePulls
    assert_int_equal (config.pod_pids_limit, -1);
    assert_int_equal (config.logging.verbosity, 4);
}

static const struct {
    const char *text, *problem; // after the file's path
} MISTAKES[] = {
    { "", ": is empty" },
    { "# only a comment\n", ": is empty" },
    { "a: b: c\n", ":1: " },
    { HEADER "---\n" HEADER, ": holds more than one document" },
    { "hello\n", ": is not an object" },
    { "kind: KubeletConfiguration\n",
      ":1: apiVersion: Required value: must be kubelet.config.k8s.io/v1beta1" },
    { "kind: Pod\napiVersion: v1\n",
      ":1: kind: Unsupported value: \"Pod\": must be KubeletConfiguration" },
    { "kind: KubeletConfiguration\napiVersion: kubelet.config.k8s.io/v2\n",
      ":2: apiVersion: Unsupported value: \"kubelet.config.k8s.io/v2\": must be "
      "kubelet.config.k8s.io/v1beta1" },
    { HEADER "port: 1\nevictonHard: {}\n", ":4: evictonHard: unknown field" },
    { HEADER "authentication:\n  webhook:\n    enable: true\n",
      ":5: authentication.webhook.enable: unknown field" },
    { HEADER "port: many\n", ":3: port: is not an integer (found a text)" },
    { HEADER "port: 70000\n", ":3: port: must be between 1 and 65535, inclusive (found 70000)" },
    { HEADER "failSwapOn: 'false'\n", ":3: failSwapOn: is not a boolean (found a text)" },
    { HEADER "syncFrequency: 10\n", ":3: syncFrequency: " },
    { HEADER "syncFrequency: soon\n", ":3: syncFrequency: " },
    { HEADER "syncFrequency: -1s\n", ":3: syncFrequency: must not be negative" },
    { HEADER "cgroupDriver: cgroup2\n",
      ":3: cgroupDriver: Unsupported value: \"cgroup2\": supported values: \"cgroupfs\", "
      "\"systemd\"" },
    { HEADER "evictionHard:\n  memory.available: lots\n", ":4: evictionHard[memory.available]: " },
    { HEADER "evictionHard:\n  memory.available: 101%\n",
      ":4: evictionHard[memory.available]: \"101%\" is not a percentage between 0% and 100%" },
    { HEADER "evictionHard:\n  memory.free: 1Gi\n",
      ":4: evictionHard[memory.free]: unsupported eviction signal" },
    { HEADER "evictionHard:\n  memory.available: 5\n",
      ":4: evictionHard[memory.available]: is not text (found a number)" },
    { HEADER "evictionSoft: {memory.available: 1Gi}\n",
      ":3: evictionSoft[memory.available]: has no grace period in evictionSoftGracePeriod" },
    { HEADER "clusterDNS: [10.96.0.300]\n",
      ":3: clusterDNS[0]: \"10.96.0.300\" must be a valid IP address, (e.g. 10.9.8.7 or "
      "2001:db8::ffff)" },
    { HEADER "imageGCHighThresholdPercent: 50\n",
      ":3: imageGCLowThresholdPercent: 80 must be less than imageGCHighThresholdPercent 50" },
    { HEADER "serializeImagePulls: true\nmaxParallelImagePulls: 5\n",
      ":4: maxParallelImagePulls: cannot be larger than 1 unless serializeImagePulls is "
      "false" },
    { HEADER "containerLogMaxSize: 10MiB\n", ":3: containerLogMaxSize: " },
    { HEADER "containerLogMaxFiles: 1\n",
      ":3: containerLogMaxFiles: must be between 2 and 2147483647, inclusive (found 1)" },
    { HEADER "podLogsDir: logs\n", ":3: podLogsDir: \"logs\" must be an absolute path" },
    { HEADER "shutdownGracePeriodCriticalPods: 10s\n",
      ":3: shutdownGracePeriodCriticalPods: must not be longer than shutdownGracePeriod" },
    { HEADER "shutdownGracePeriod: 10s\nfeatureGates: {GracefulNodeShutdown: false}\n",
      ":3: shutdownGracePeriod: requires feature gate GracefulNodeShutdown" },
    { HEADER "enforceNodeAllocatable: [pods, pod]\n", ":3: enforceNodeAllocatable[1]: " },
    { HEADER "enforceNodeAllocatable: [system-reserved]\n",
      ":3: enforceNodeAllocatable[0]: \"system-reserved\" needs systemReservedCgroup" },
    { HEADER "cgroupsPerQOS: false\n",
      ":3: enforceNodeAllocatable[0]: \"pods\" needs cgroupsPerQOS" },
    { HEADER "systemReserved: {cpu: 1x}\n", ":3: systemReserved[cpu]: " },
    { HEADER "kubeReserved: {gpu: '1'}\n",
      ":3: kubeReserved[gpu]: cannot be reserved, only cpu, memory, ephemeral-storage and "
      "pid" },
    { HEADER "registerWithTaints: [{key: a b, effect: NoSchedule}]\n",
      ":3: registerWithTaints[0]: key \"a b\": " },
    { HEADER "featureGates: {X: maybe}\n", ":3: featureGates[X]: is not a boolean" },
    { HEADER "crashLoopBackOff: {maxContainerRestartPeriod: 20s}\n",
      ":3: crashLoopBackOff.maxContainerRestartPeriod: FeatureGate KubeletCrashLoopBackOffMax not "
      "enabled" },
    { HEADER "memoryThrottlingFactor: 2\n",
      ":3: memoryThrottlingFactor: must be greater than 0 and less than or equal to 1" },
    { HEADER "tlsCertFile: /x\n",
      ":3: tlsCertFile: tlsCertFile and tlsPrivateKeyFile belong together" },
    { HEADER "userNamespaces: {idsPerPod: 100000}\n",
      ":3: userNamespaces.idsPerPod: must be a multiple of 65536" },
    { HEADER "memorySwap: {swapBehavior: Yes}\n", ":3: memorySwap.swapBehavior: " },
    { HEADER "logging: {flushFrequency: often}\n", ":3: logging.flushFrequency: " },
};

static void
mistakes_are_told_with_file_line_and_field (void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT_OF (MISTAKES); i++) {
        OWNED (tree_destroy) tree_t *tree = tree_new();
        kubelet_config_t config;
        fault_t fault = { 0 };
        OWNED (free_text)
        char *prefix = text_format ("%s/config.yaml%s", place, MISTAKES[i].problem);
        int rc = read_text (MISTAKES[i].text, tree, &config, &fault);
        if (rc == 0 || strncmp (fault.text, prefix, strlen (prefix)) != 0)
            fail_msg ("%s\n  expected: %s\n  got:      %s", MISTAKES[i].text, prefix, fault.text);
    }
}

static void
a_missing_file_and_things_that_are_no_files_are_refused (void **state)
{
    (void) state;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    kubelet_config_t config;
    fault_t fault = { 0 };
    OWNED (free_text) char *fifo = text_format ("%s/fifo", place);
    mkfifo (fifo, 0600);
    config_sources_t missing = { .file = "/nowhere/config.yaml" }, pipe = { .file = fifo },
                     directory = { .file = place }, no_dir = { .dir = "/nowhere" };
    assert_int_equal (kubelet_config_read (&missing, tree, &config, &fault), -1);
    assert_string_equal (fault.text, "cannot read /nowhere/config.yaml: No such file or directory");
    assert_int_equal (fault.code, FAULT_NOT_FOUND);
    assert_int_equal (kubelet_config_read (&pipe, tree, &config, &fault), -1);
    assert_non_null (strstr (fault.text, "it is not a file"));
    assert_int_equal (kubelet_config_read (&directory, tree, &config, &fault), -1);
    assert_int_equal (kubelet_config_read (&no_dir, tree, &config, &fault), -1);
    assert_non_null (strstr (fault.text, "cannot read the directory /nowhere"));
}

static char *
write_drop_ins (void)
{
    OWNED (free_text) char *dir = text_format ("%s/drop-ins", place);
    mkdir (dir, 0700);
    const char *const FILES[][2] = {
        { "drop-ins/20-b.conf", HEADER "maxPods: 20\nevictionHard: {memory.available: 2%}\n"
                                       "clusterDNS: [192.0.2.2]\nfeatureGates: {B: true}\n" },
        { "drop-ins/10-a.conf", HEADER "maxPods: 10\nregistryPullQPS: 1\n"
                                       "authentication: {anonymous: {enabled: true}}\n"
                                       "featureGates: {A: true, B: false}\n" },
        { "drop-ins/30-c.yaml", "not read at all" },
    };
    for (size_t i = 0; i < COUNT_OF (FILES); i++)
        free (write_file (FILES[i][0], FILES[i][1]));
    return STEAL (dir);
}

static const char *
flag_of (const char *path)
{
    return strcmp (path, "maxPods") == 0 ? "--max-pods" : NULL;
}

static void
drop_ins_win_over_the_file_and_flags_over_both (void **state)
{
    (void) state;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    OWNED (free_text) char *dir = write_drop_ins();
    OWNED (free_text)
    char *file = write_file ("main.yaml", HEADER "maxPods: 5\nclusterDNS: [192.0.2.1, 192.0.2.9]\n"
                                                 "authentication: {x509: {clientCAFile: /ca}}\n"
                                                 "featureGates: {C: true}\n");
    fault_t fault = { 0 };
    OWNED (tree_destroy)
    tree_t *flags =
        json_read ("{\"featureGates\": {\"A\": false}, \"kubeAPIQPS\": 7}",
                   strlen ("{\"featureGates\": {\"A\": false}, \"kubeAPIQPS\": 7}"), &fault);
    config_sources_t sources = {
        .file = file, .dir = dir, .flags = tree_root (flags), .flag_of = flag_of
    };
    kubelet_config_t config;
    kubelet_config_read (&sources, tree, &config, &fault);
    assert_string_equal (fault.text, "");
    assert_int_equal (config.max_pods, 20);
    assert_int_equal (config.registry_pull_qps, 1);
    assert_int_equal (config.kube_api_qps, 7);
    assert_int_equal (config.cluster_dns.count, 1); // lists are replaced
    assert_true (config.authentication.anonymous.enabled);
    assert_string_equal (config.authentication.x509.client_ca_file, "/ca");
    // The defaults of evictionHard stay under a drop-in.
    assert_string_equal (node_get_text (config.eviction_hard, "memory.available", ""), "2%");
    assert_string_equal (node_get_text (config.eviction_hard, "nodefs.available", ""), "10%");
    assert_false (node_get_bool (config.feature_gates, "A", true));
    assert_true (node_get_bool (config.feature_gates, "B", false));
    assert_true (node_get_bool (config.feature_gates, "C", false));
}

static void
a_fault_after_merging_belongs_to_who_set_the_field_last (void **state)
{
    (void) state;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    OWNED (free_text) char *dir = write_drop_ins();
    fault_t fault = { 0 };
    OWNED (tree_destroy) tree_t *flags = json_read ("{\"maxPods\": -1}", 15, &fault);
    config_sources_t sources = { .dir = dir, .flags = tree_root (flags), .flag_of = flag_of };
    kubelet_config_t config;
    assert_int_equal (kubelet_config_read (&sources, tree, &config, &fault), -1);
    assert_string_equal (fault.text, "--max-pods: maxPods: must be between 0 and 2147483647, "
                                     "inclusive (found -1)");

    free (write_file ("drop-ins/20-b.conf", HEADER "imageGCLowThresholdPercent: 90\n"));
    sources.flags = NULL;
    assert_int_equal (kubelet_config_read (&sources, tree, &config, &fault), -1);
    assert_non_null (strstr (fault.text, "/drop-ins/20-b.conf:3: imageGCLowThresholdPercent: "));
}

// The configuration of samples/configz.json, as it was given to upstream and as it showed it.
static const char SAMPLE[] =
    HEADER "staticPodPath: /etc/kubernetes/manifests\n"
           "tlsCertFile: /etc/kubernetes/pki/kubelet-serving.crt\n"
           "tlsPrivateKeyFile: /etc/kubernetes/pki/kubelet-serving.key\n"
           "authentication: {x509: {clientCAFile: /etc/kubernetes/pki/ca.crt}}\n"
           "clusterDomain: cluster.local\n"
           "clusterDNS: [10.96.0.10]\n"
           "failSwapOn: false\n"
           "evictionHard: {imagefs.available: 1%, memory.available: 100Mi, nodefs.available: 1%}\n";
static const char SHOWN[] =
    "{\"enableServer\":true,\"staticPodPath\":\"/etc/kubernetes/manifests\","
    "\"podLogsDir\":\"/var/log/pods\",\"syncFrequency\":\"1m0s\",\"fileCheckFrequency\":\"20s\","
    "\"httpCheckFrequency\":\"20s\",\"address\":\"0.0.0.0\",\"port\":10250,"
    "\"tlsCertFile\":\"/etc/kubernetes/pki/kubelet-serving.crt\","
    "\"tlsPrivateKeyFile\":\"/etc/kubernetes/pki/kubelet-serving.key\","
    "\"authentication\":{\"x509\":{\"clientCAFile\":\"/etc/kubernetes/pki/ca.crt\"},"
    "\"webhook\":{\"enabled\":true,\"cacheTTL\":\"2m0s\"},\"anonymous\":{\"enabled\":false}},"
    "\"authorization\":{\"mode\":\"Webhook\",\"webhook\":{\"cacheAuthorizedTTL\":\"5m0s\","
    "\"cacheUnauthorizedTTL\":\"30s\"}},\"registryPullQPS\":5,\"registryBurst\":10,"
    "\"eventRecordQPS\":50,\"eventBurst\":100,\"enableDebuggingHandlers\":true,"
    "\"healthzPort\":10248,\"healthzBindAddress\":\"127.0.0.1\",\"oomScoreAdj\":-999,"
    "\"clusterDomain\":\"cluster.local\",\"clusterDNS\":[\"10.96.0.10\"],"
    "\"streamingConnectionIdleTimeout\":\"4h0m0s\",\"nodeStatusUpdateFrequency\":\"10s\","
    "\"nodeStatusReportFrequency\":\"5m0s\",\"nodeLeaseDurationSeconds\":40,"
    "\"imageMinimumGCAge\":\"2m0s\",\"imageMaximumGCAge\":\"0s\","
    "\"imageGCHighThresholdPercent\":85,\"imageGCLowThresholdPercent\":80,"
    "\"volumeStatsAggPeriod\":\"1m0s\",\"cgroupsPerQOS\":true,\"cgroupDriver\":\"cgroupfs\","
    "\"cpuManagerPolicy\":\"none\",\"cpuManagerReconcilePeriod\":\"10s\","
    "\"memoryManagerPolicy\":\"None\",\"topologyManagerPolicy\":\"none\","
    "\"topologyManagerScope\":\"container\",\"runtimeRequestTimeout\":\"2m0s\","
    "\"hairpinMode\":\"promiscuous-bridge\",\"maxPods\":110,\"podPidsLimit\":-1,"
    "\"resolvConf\":\"/etc/resolv.conf\",\"cpuCFSQuota\":true,\"cpuCFSQuotaPeriod\":\"100ms\","
    "\"nodeStatusMaxImages\":50,\"maxOpenFiles\":1000000,"
    "\"contentType\":\"application/vnd.kubernetes.protobuf\",\"kubeAPIQPS\":50,"
    "\"kubeAPIBurst\":100,\"serializeImagePulls\":true,"
    "\"evictionHard\":{\"imagefs.available\":\"1%\",\"memory.available\":\"100Mi\","
    "\"nodefs.available\":\"1%\"},\"evictionPressureTransitionPeriod\":\"5m0s\","
    "\"mergeDefaultEvictionSettings\":false,\"enableControllerAttachDetach\":true,"
    "\"makeIPTablesUtilChains\":true,\"iptablesMasqueradeBit\":14,\"iptablesDropBit\":15,"
    "\"failSwapOn\":false,\"memorySwap\":{},\"containerLogMaxSize\":\"10Mi\","
    "\"containerLogMaxFiles\":5,\"containerLogMaxWorkers\":1,"
    "\"containerLogMonitorInterval\":\"10s\","
    "\"configMapAndSecretChangeDetectionStrategy\":\"Watch\","
    "\"enforceNodeAllocatable\":[\"pods\"],"
    "\"volumePluginDir\":\"/usr/libexec/kubernetes/kubelet-plugins/volume/exec/\","
    "\"logging\":{\"format\":\"text\",\"flushFrequency\":\"5s\",\"verbosity\":0,"
    "\"options\":{\"text\":{\"infoBufferSize\":\"0\"},\"json\":{\"infoBufferSize\":\"0\"}}},"
    "\"enableSystemLogHandler\":true,\"enableSystemLogQuery\":false,"
    "\"shutdownGracePeriod\":\"0s\",\"shutdownGracePeriodCriticalPods\":\"0s\","
    "\"crashLoopBackOff\":{},\"enableProfilingHandler\":true,\"enableDebugFlagsHandler\":true,"
    "\"seccompDefault\":false,\"memoryThrottlingFactor\":0.9,\"registerNode\":true,"
    "\"localStorageCapacityIsolation\":true,"
    "\"containerRuntimeEndpoint\":\"unix:///run/containerd/containerd.sock\","
    "\"failCgroupV1\":false}";

static void
a_configuration_is_shown_as_upstream_shows_it (void **state)
{
    (void) state;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    kubelet_config_t config;
    fault_t fault = { 0 };
    read_text (SAMPLE, tree, &config, &fault);
    assert_string_equal (fault.text, "");
    node_t shown = kubelet_config_encode (&config, tree);
    OWNED (free_text) char *text = json_write (&shown, JSON_COMPACT, NULL);
    size_t same = 0;
    while (text[same] && text[same] == SHOWN[same])
        same++;
    if (text[same] != SHOWN[same])
        fail_msg ("from here on: %.80s\n  expected: %.80s", text + same, SHOWN + same);
}

static void
whatever_a_configuration_holds_it_is_taken_or_refused (void **state)
{
    (void) state;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    fault_t fault = { 0 };
    kubelet_config_t config;
    kubelet_config_defaults (&config);
    node_t shown = kubelet_config_encode (&config, tree);
    const node_t VALUES[] = { node_nil(),           node_bool (true),     node_int (-1),
                              node_int (INT64_MAX), node_real (0.5),      node_map(),
                              node_array(),         node_text (tree, ""), node_text (tree, "x") };
    for (size_t i = 0; i < node_count (&shown); i++)
        for (size_t v = 0; v < COUNT_OF (VALUES); v++) {
            OWNED (tree_destroy) tree_t *changed = tree_new();
            node_t copy = node_copy (changed, &shown);
            copy.via.map.ptr[i].val = node_copy (changed, &VALUES[v]);
            kubelet_config_defaults (&config);
            int rc = kubelet_config_decode (&copy, changed, &config, &fault);
            if (rc == 0)
                rc = kubelet_config_check (&config, &fault);
            if (rc == 0)
                kubelet_config_encode (&config, changed);
            else if (!strstr (fault.text, ": "))
                fail_msg ("no path: %s", fault.text);
        }
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (nothing_at_all_gives_the_defaults),
        cmocka_unit_test (fields_are_read),
        cmocka_unit_test (mistakes_are_told_with_file_line_and_field),
        cmocka_unit_test (a_missing_file_and_things_that_are_no_files_are_refused),
        cmocka_unit_test (drop_ins_win_over_the_file_and_flags_over_both),
        cmocka_unit_test (a_fault_after_merging_belongs_to_who_set_the_field_last),
        cmocka_unit_test (a_configuration_is_shown_as_upstream_shows_it),
        cmocka_unit_test (whatever_a_configuration_holds_it_is_taken_or_refused),
    };
    return cmocka_run_group_tests (tests, set_up, tear_down);
}
