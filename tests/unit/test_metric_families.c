/* The families of metrics against those of an upstream 1.34 kubelet
   (tests/samples/metric-families.json): name, type, help, labels and buckets, and the reasons of
   all that differs. */
#include "cubelet/memory.h"
#include "cubelet/metrics.h"
#include "helper_samples.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

typedef struct {
    const char *name; // "abc*": all that begin so
    const char *reason;
} difference_t;

/* What upstream has and this agent has not. */
static const difference_t MISSING[] = {
    { "aggregator_*", "of the API server's library; the kubelet never uses it" },
    { "apiserver_audit_*", "of the API server's library; the kubelet never uses it" },
    { "apiserver_envelope_*", "of the API server's library; the kubelet never uses it" },
    { "apiserver_storage_*", "of the API server's library; the kubelet never uses it" },
    { "apiserver_validation_*", "of the API server's library; the kubelet never uses it" },
    { "apiserver_webhooks_*", "Go's complaints about certificates of webhooks" },
    { "cardinality_enforcement_*", "of Go's metrics library" },
    { "disabled_metrics_total", "of Go's metrics library" },
    { "hidden_metrics_total", "of Go's metrics library" },
    { "registered_metrics_total", "of Go's metrics library" },
    { "container_cpu_load_average_10s", "upstream shows zeros: its reader is off in the kubelet" },
    { "container_cpu_load_d_average_10s", "upstream shows zeros: its reader is off" },
    { "container_tasks_state", "upstream shows zeros: its reader is off in the kubelet" },
    { "dra_*", "there are no resource claims" },
    { "force_cleaned_failed_volume_*", "volumes are found by what is on disk, nothing is cleaned" },
    { "reconstruct_volume_*", "volumes are found by what is on disk, not reconstructed" },
    { "kubelet_cpu_manager_*", "there is no CPU manager" },
    { "kubelet_cri_losing_support", "no version of CRI is about to be given up" },
    { "kubelet_memory_manager_*", "there is no memory manager" },
    { "kubelet_node_startup_*", "not measured; upstream shows zeros after a restart, too" },
    { "kubelet_pleg_discard_events", "there is no channel that could be full" },
    { "kubelet_topology_manager_*", "there is no topology manager" },
    { "machine_nvm_*", "upstream shows zeros without Intel's library" },
    { "rest_client_exec_plugin_*", "not measured" },
    { "rest_client_transport_*", "of Go's HTTP transports" },
    { "workqueue_*", "of Go's queues; cubelet_message_... are those of actors" },
};

/* What this agent has and the upstream kubelet of the samples has not. */
static const difference_t EXTRA[] = {
    { "cubelet_*", "the agent's own" },
    { "apiserver_delegated_authn_*", "upstream's when tokens are reviewed" },
    { "container_blkio_device_usage_total", "upstream's where the kernel counts it" },
    { "container_cpu_cfs_*", "upstream's of groups with a quota" },
    { "container_fs_reads_bytes_total", "upstream's where the kernel counts it" },
    { "container_fs_writes_bytes_total", "upstream's where the kernel counts it" },
    { "container_spec_cpu_quota", "upstream's of groups with a quota" },
    { "csi_operations_seconds", "upstream's with CSI drivers" },
    { "plugin_manager_total_plugins", "upstream's with CSI drivers" },
    { "kubelet_certificate_manager_*", "upstream's with rotated certificates" },
    { "kubelet_server_expiration_renew_errors", "upstream's with rotated certificates" },
    { "kubelet_credential_provider_plugin_*", "upstream's with credential plugins" },
    { "kubelet_evictions", "upstream's after an eviction" },
    { "kubelet_eviction_stats_age_seconds", "upstream's after an eviction" },
    { "kubelet_image_garbage_collected_total", "upstream's after image collection" },
    { "kubelet_pod_pending_resizes", "upstream's while a resize waits" },
    { "kubelet_preemptions", "upstream's after a preemption" },
    { "kubelet_run_podsandbox_errors_total", "upstream's after such an error" },
    { "kubelet_volume_stats_*", "upstream's of claims" },
    { "kubernetes_healthcheck*", "of /metrics/slis, which was not recorded" },
};

static bool
is_in (const difference_t *list, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        size_t size = strcspn (list[i].name, "*");
        bool is_prefix = list[i].name[size] == '*';
        if (is_prefix ? strncmp (list[i].name, name, size) == 0 : strcmp (list[i].name, name) == 0)
            return true;
    }
    return false;
}

static const struct {
    const char *page, *name;
} OURS[] = {
#define OUR_PAGE_METRICS "metrics"
#define OUR_PAGE_CADVISOR "cadvisor"
#define OUR_PAGE_RESOURCE "resource"
#define OUR_PAGE_PROBES "probes"
#define OUR_PAGE_SLIS "slis"
#define OUR_ROW(symbol, name_, type, page_, ...) { OUR_PAGE_##page_, name_ },
    METRIC_TABLE (OUR_ROW)
};

/* The pages with one series of each family: all values are 0, all labels "". */
static char *pages[METRIC_PAGE_COUNT];

static int
write_pages (void **state)
{
    (void) state;
    metrics_t *shared = metrics_shared();
    for (int id = 0; id < METRIC_FAMILY_COUNT; id++)
        metric_observe ((metric_id_t) id, 0, NO_LABELS);
    for (int page = 0; page < METRIC_PAGE_COUNT; page++)
        pages[page] = metrics_write ((metric_page_t) page, &shared, 1);
    return 0;
}

static int
free_pages (void **state)
{
    (void) state;
    for (int page = 0; page < METRIC_PAGE_COUNT; page++)
        free_text (&pages[page]);
    return 0;
}

/* "{a="",b=""}", with `bound` (NULL: none) as the label le at the end. Owned. */
static char *
labels_text (const node_t *family, const char *bound)
{
    char *text = text_copy ("");
    NODE_EACH (node_get (family, "labels"), label)
    text_replace (&text, "%s%s%s=\"\"", text, *text ? "," : "", node_as_text (label, ""));
    if (bound)
        text_replace (&text, "%s%sle=\"%s\"", text, *text ? "," : "", bound);
    if (*text)
        text_replace (&text, "{%s}", text);
    return text;
}

/* How the page shows the family when it is as upstream's. Owned. */
static char *
expected_text (const node_t *family)
{
    const char *name = node_get_text (family, "name", "");
    const char *type = node_get_text (family, "type", "");
    char *text = text_format ("# HELP %s %s\n# TYPE %s %s\n", name,
                              node_get_text (family, "help", ""), name, type);
    OWNED (free_text) char *labels = labels_text (family, NULL);
    if (strcmp (type, "histogram") != 0) {
        text_replace (&text, "%s%s%s 0\n", text, name, labels);
        return text;
    }
    NODE_EACH (node_get (family, "buckets"), bucket)
    {
        OWNED (free_text) char *inner = labels_text (family, node_as_text (bucket, ""));
        text_replace (&text, "%s%s_bucket%s 1\n", text, name, inner);
    }
    text_replace (&text, "%s%s_sum%s 0\n%s_count%s 1\n", text, name, labels, name, labels);
    return text;
}

static bool
is_ours (const char *page, const char *name)
{
    for (size_t i = 0; i < COUNT_OF (OURS); i++)
        if (strcmp (OURS[i].page, page) == 0 && strcmp (OURS[i].name, name) == 0)
            return true;
    return false;
}

static void
families_are_upstreams (void **state)
{
    (void) state;
    OWNED (tree_destroy) tree_t *sample = sample_file ("metric-families.json");
    NODE_EACH (tree_root (sample), family)
    {
        const char *page = node_get_text (family, "page", "");
        const char *name = node_get_text (family, "name", "");
        if (!is_ours (page, name)) {
            if (!is_in (MISSING, COUNT_OF (MISSING), name))
                fail_msg ("page %s lacks %s, and nothing says why", page, name);
            continue;
        }
        if (is_in (MISSING, COUNT_OF (MISSING), name))
            fail_msg ("page %s has %s, which is said to be missing", page, name);
        OWNED (free_text) char *expected = expected_text (family);
        if (!strstr (pages[metric_page_find (page)], expected))
            fail_msg ("page %s shows %s in another way than\n%s", page, name, expected);
    }
}

static void
others_have_a_reason (void **state)
{
    (void) state;
    OWNED (tree_destroy) tree_t *sample = sample_file ("metric-families.json");
    for (size_t i = 0; i < COUNT_OF (OURS); i++) {
        bool is_upstreams = false;
        NODE_EACH (tree_root (sample), family)
        is_upstreams = is_upstreams
                       || (strcmp (node_get_text (family, "name", ""), OURS[i].name) == 0
                           && strcmp (node_get_text (family, "page", ""), OURS[i].page) == 0);
        if (is_upstreams == is_in (EXTRA, COUNT_OF (EXTRA), OURS[i].name))
            fail_msg ("page %s has %s, which upstream %s", OURS[i].page, OURS[i].name,
                      is_upstreams ? "has, too" : "has not, and nothing says why");
    }
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (families_are_upstreams),
        cmocka_unit_test (others_have_a_reason),
    };
    return cmocka_run_group_tests (tests, write_pages, free_pages);
}
