#include "cubelet/clock.h"
#include "cubelet/memory.h"
#include "cubelet/metrics.h"
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void
numbers_as_go_writes_them (void **state)
{
    (void) state;
    static const struct {
        double value;
        const char *text;
    } CASES[] = {
        { 0, "0" },
        { 1, "1" },
        { -2, "-2" },
        { 20, "20" },
        { 32768, "32768" },
        { 999999, "999999" },
        { 1000000, "1e+06" },
        { 1757184, "1.757184e+06" },
        { 24303296512.0, "2.4303296512e+10" },
        { 0.028549345, "0.028549345" },
        { 2751.895756653, "2751.895756653" },
        { 1795450871.5692616, "1.7954508715692616e+09" },
        { 0.025714659000000004, "0.025714659000000004" },
        { 0.0001, "0.0001" },
        { 0.00001, "1e-05" },
        { 0.5, "0.5" },
        { 1.8446744073709552e19, "1.8446744073709552e+19" },
        { 123456.5, "123456.5" },
        { INFINITY, "+Inf" },
        { -INFINITY, "-Inf" },
        { NAN, "NaN" },
    };
    for (size_t i = 0; i < COUNT_OF (CASES); i++) {
        char text[METRIC_NUMBER_MAX];
        assert_string_equal (metric_number (CASES[i].value, text), CASES[i].text);
    }
}

static void
a_family_has_a_head_and_its_series_in_order (void **state)
{
    (void) state;
    OWNED (metrics_destroy) metrics_t *set = metrics_new();
    metrics_stamp (set, 1795450892368);
    metric_set (set, METRIC_RESOURCE_POD_SWAP_USAGE_BYTES, 3, LABELS ("ns", "b"));
    metric_set (set, METRIC_RESOURCE_POD_SWAP_USAGE_BYTES, 1, LABELS ("ns", "a \"quoted\"\\\n"));
    metric_set (set, METRIC_RESOURCE_POD_SWAP_USAGE_BYTES, 2, LABELS ("ns", "b"));
    metrics_stamp (set, 0);
    metric_set (set, METRIC_RESOURCE_SCRAPE_ERROR, 0, NO_LABELS);
    metric_set (set, METRIC_NODE_NAME, 1, LABELS ("another page"));
    OWNED (free_text) char *text = metrics_write (METRIC_PAGE_RESOURCE, &set, 1);
    assert_string_equal (
        text,
        "# HELP pod_swap_usage_bytes [ALPHA] Current amount of the pod swap usage in bytes. "
        "Reported only on non-windows systems\n"
        "# TYPE pod_swap_usage_bytes gauge\n"
        "pod_swap_usage_bytes{namespace=\"ns\",pod=\"a \\\"quoted\\\"\\\\\\n\"} 1 "
        "1795450892368\n"
        "pod_swap_usage_bytes{namespace=\"ns\",pod=\"b\"} 2 1795450892368\n"
        "# HELP scrape_error [ALPHA] 1 if there was an error while getting container metrics, "
        "0 otherwise\n"
        "# TYPE scrape_error gauge\n"
        "scrape_error 0\n");
}

static void
a_histogram_counts_what_is_at_most_its_bounds (void **state)
{
    (void) state;
    metrics_t *shared = metrics_shared();
    metric_observe (METRIC_CONTAINERS_PER_POD_COUNT, 1, NO_LABELS);
    metric_observe (METRIC_CONTAINERS_PER_POD_COUNT, 3, NO_LABELS);
    metric_observe (METRIC_CONTAINERS_PER_POD_COUNT, 100, NO_LABELS);
    OWNED (free_text) char *text = metrics_write (METRIC_PAGE_METRICS, &shared, 1);
    assert_non_null (strstr (text, "kubelet_containers_per_pod_count_bucket{le=\"1\"} 1\n"
                                   "kubelet_containers_per_pod_count_bucket{le=\"2\"} 1\n"
                                   "kubelet_containers_per_pod_count_bucket{le=\"4\"} 2\n"
                                   "kubelet_containers_per_pod_count_bucket{le=\"8\"} 2\n"
                                   "kubelet_containers_per_pod_count_bucket{le=\"16\"} 2\n"
                                   "kubelet_containers_per_pod_count_bucket{le=\"+Inf\"} 3\n"
                                   "kubelet_containers_per_pod_count_sum 104\n"
                                   "kubelet_containers_per_pod_count_count 3\n"));
}

static void
what_is_gone_is_forgotten (void **state)
{
    (void) state;
    metrics_t *shared = metrics_shared();
    metric_count (METRIC_EVICTIONS, LABELS ("memory.available"));
    metric_add (METRIC_EVICTIONS, 2, LABELS ("memory.available"));
    metric_count (METRIC_EVICTIONS, LABELS ("memory"));
    metric_forget (METRIC_EVICTIONS, LABELS ("memory"));
    OWNED (free_text) char *text = metrics_write (METRIC_PAGE_METRICS, &shared, 1);
    assert_non_null (strstr (text, "kubelet_evictions{eviction_signal=\"memory.available\"} 3\n"));
    assert_null (strstr (text, "eviction_signal=\"memory\""));
}

static void
counters_without_labels_begin_at_zero (void **state)
{
    (void) state;
    metrics_t *shared = metrics_shared();
    OWNED (free_text) char *text = metrics_write (METRIC_PAGE_METRICS, &shared, 1);
    assert_non_null (strstr (text, "\nkubelet_started_pods_errors_total 0\n"));
    assert_non_null (strstr (text, "\nkubelet_pleg_relist_interval_seconds_count 0\n"));
    assert_null (strstr (text, "kubelet_preemptions")); // it has labels
}

static void
a_gauge_counts_down_by_itself (void **state)
{
    (void) state;
    metrics_t *shared = metrics_shared();
    metric_count_down (METRIC_CERTIFICATE_MANAGER_CLIENT_TTL_SECONDS, INT64_MAX, NO_LABELS);
    metric_count_down (METRIC_CERTIFICATE_MANAGER_SERVER_TTL_SECONDS,
                       clock_now_ns() - 90 * NS_PER_S, NO_LABELS);
    OWNED (free_text) char *text = metrics_write (METRIC_PAGE_METRICS, &shared, 1);
    assert_non_null (strstr (text, "\nkubelet_certificate_manager_client_ttl_seconds +Inf\n"));
    const char *server = strstr (text, "\nkubelet_certificate_manager_server_ttl_seconds ");
    assert_non_null (server);
    assert_true (strtod (strchr (server, ' '), NULL) <= -90);
}

static void
a_family_does_not_grow_for_ever (void **state)
{
    (void) state;
    OWNED (metrics_destroy) metrics_t *set = metrics_new();
    for (int i = 0; i < METRIC_SERIES_MAX + 5; i++) {
        OWNED (free_text) char *name = text_format ("%d", i);
        metric_set (set, METRIC_NODE_NAME, 1, LABELS (name));
    }
    OWNED (free_text) char *text = metrics_write (METRIC_PAGE_METRICS, &set, 1);
    assert_non_null (strstr (text, "\ncubelet_metric_series_dropped_total 5\n"));
}

static void *
count_much (void *context)
{
    for (int i = 0; i < 10000; i++)
        metric_count (METRIC_STARTED_PODS_TOTAL, NO_LABELS);
    return context;
}

static void
threads_count_together (void **state)
{
    (void) state;
    pthread_t threads[4];
    metrics_t *shared = metrics_shared();
    for (size_t i = 0; i < COUNT_OF (threads); i++)
        pthread_create (&threads[i], NULL, count_much, NULL);
    for (size_t i = 0; i < COUNT_OF (threads); i++)
        pthread_join (threads[i], NULL);
    OWNED (free_text) char *text = metrics_write (METRIC_PAGE_METRICS, &shared, 1);
    assert_non_null (strstr (text, "\nkubelet_started_pods_total 40000\n"));
}

static void
pages_have_names (void **state)
{
    (void) state;
    assert_int_equal (metric_page_find ("cadvisor"), METRIC_PAGE_CADVISOR);
    assert_int_equal (metric_page_find ("metrics"), METRIC_PAGE_METRICS);
    assert_int_equal (metric_page_find (""), METRIC_PAGE_COUNT);
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (numbers_as_go_writes_them),
        cmocka_unit_test (a_family_has_a_head_and_its_series_in_order),
        cmocka_unit_test (a_histogram_counts_what_is_at_most_its_bounds),
        cmocka_unit_test (what_is_gone_is_forgotten),
        cmocka_unit_test (counters_without_labels_begin_at_zero),
        cmocka_unit_test (a_gauge_counts_down_by_itself),
        cmocka_unit_test (a_family_does_not_grow_for_ever),
        cmocka_unit_test (threads_count_together),
        cmocka_unit_test (pages_have_names),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
