#include "cubelet/clock.h"
#include "cubelet/json.h"
#include "cubelet/memory.h"
#include "cubelet/stats_summary.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define TIME (1795450883LL * NS_PER_S)

static cpu_stats_t cpu = { .time = TIME, .usage_core_nano_seconds = { true, 28549345 } };
static memory_stats_t memory = { .time = TIME, .working_set_bytes = { true, 1757184 } };
static fs_stats_t disk = { .time = TIME, .used_bytes = { true, 73728 }, .inodes = { true, 5 } };

static void
assert_encoded (const summary_t *summary, bool is_brief, const char *expected)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t node = stats_summary_encode (summary, is_brief, tree);
    OWNED (free_text) char *json = json_write (&node, JSON_COMPACT, NULL);
    assert_string_equal (json, expected);
}

#define CPU "\"cpu\":{\"time\":\"2026-11-23T16:21:23Z\",\"usageCoreNanoSeconds\":28549345}"
#define MEMORY "\"memory\":{\"time\":\"2026-11-23T16:21:23Z\",\"workingSetBytes\":1757184}"
#define DISK "{\"time\":\"2026-11-23T16:21:23Z\",\"usedBytes\":73728,\"inodes\":5}"
#define VOLUME "{\"time\":\"2026-11-23T16:21:23Z\",\"usedBytes\":73728,\"inodes\":5,"

static void
a_pod_as_the_api_spells_it (void **state)
{
    (void) state;
    container_stats_t container = {
        .name = "c", .start_time = TIME, .cpu = &cpu, .memory = &memory, .rootfs = &disk
    };
    interface_stats_t eth0 = { .name = "eth0", .rx_bytes = 7 };
    network_stats_t network = { .time = TIME, .name = "eth0", .rx_bytes = { true, 7 } };
    network.interfaces.items = &eth0;
    network.interfaces.count = 1;
    volume_stats_t volumes[] = {
        { .fs = disk, .name = "v" },
        { .fs = disk, .name = "w", .pvc_name = "p", .pvc_namespace = "n" }
    };
    pod_stats_t pod = { .name = "p", .ns = "n", .uid = "u", .start_time = TIME, .cpu = &cpu };
    pod.containers.items = &container;
    pod.containers.count = 1;
    pod.volumes.items = volumes;
    pod.volumes.count = COUNT_OF (volumes);
    pod.network = &network;
    pod.ephemeral_storage = &disk;
    pod.process_count = (opt_int_t){ true, 3 };
    summary_t summary = { .node = { .node_name = "lab" } };
    summary.pods.items = &pod;
    summary.pods.count = 1;
    assert_encoded (
        &summary, false,
        "{\"node\":{\"nodeName\":\"lab\"},\"pods\":[{\"podRef\":{\"name\":\"p\",\"namespace\":"
        "\"n\","
        "\"uid\":\"u\"},\"startTime\":\"2026-11-23T16:21:23Z\",\"containers\":[{\"name\":\"c\","
        "\"startTime\":\"2026-11-23T16:21:23Z\"," CPU "," MEMORY ",\"rootfs\":" DISK "}]," CPU
        ",\"network\":{\"time\":\"2026-11-23T16:21:23Z\",\"name\":\"eth0\",\"rxBytes\":7,"
        "\"interfaces\":[{\"name\":\"eth0\",\"rxBytes\":7,\"rxErrors\":0,\"txBytes\":0,"
        "\"txErrors\":0}]},\"volume\":[" VOLUME "\"name\":\"v\"}," VOLUME
        "\"name\":\"w\",\"pvcRef\":{\"name\":\"p\",\"namespace\":\"n\"}}],\"ephemeral-"
        "storage\":" DISK ",\"process_stats\":{\"process_count\":3}}]}");
    assert_encoded (&summary, true,
                    "{\"node\":{\"nodeName\":\"lab\"},\"pods\":[{\"podRef\":{\"name\":\"p\","
                    "\"namespace\":\"n\",\"uid\":\"u\"},\"startTime\":\"2026-11-23T16:21:23Z\","
                    "\"containers\":[{\"name\":\"c\",\"startTime\":\"2026-11-23T16:21:23Z\"," CPU
                    "," MEMORY "}]," CPU "}]}");
}

static void
no_pods_are_an_empty_list (void **state)
{
    (void) state;
    summary_t summary = { .node = { .node_name = "lab", .cpu = &cpu } };
    assert_encoded (&summary, false, "{\"node\":{\"nodeName\":\"lab\"," CPU "},\"pods\":[]}");
}

static void
pressure_is_shown_with_all_its_numbers (void **state)
{
    (void) state;
    psi_t psi = { .some = { .avg10 = 1.5, .total = 9 } };
    io_stats_t io = { .time = TIME, .psi = &psi };
    summary_t summary = { .node = { .node_name = "lab", .io = &io } };
    assert_encoded (
        &summary, false,
        "{\"node\":{\"nodeName\":\"lab\",\"io\":{\"time\":\"2026-11-23T16:21:23Z\","
        "\"psi\":{\"full\":{\"total\":0,\"avg10\":0,\"avg60\":0,\"avg300\":0},"
        "\"some\":{\"total\":9,\"avg10\":1.5,\"avg60\":0,\"avg300\":0}}}},\"pods\":[]}");
}

static void
sums_keep_what_is_not_known_apart (void **state)
{
    (void) state;
    fs_stats_t sum = { 0 };
    fs_stats_add (&sum, &(fs_stats_t){ .used_bytes = { true, 5 }, .capacity_bytes = { true, 9 } });
    fs_stats_add (&sum, &(fs_stats_t){ .used_bytes = { true, 7 }, .capacity_bytes = { true, 3 } });
    fs_stats_add (&sum, &(fs_stats_t){ .time = 4 });
    assert_int_equal (sum.used_bytes.value, 12);
    assert_int_equal (sum.capacity_bytes.value, 9);
    assert_int_equal (sum.time, 4);
    assert_false (sum.inodes_used.set);
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (a_pod_as_the_api_spells_it),
        cmocka_unit_test (no_pods_are_an_empty_list),
        cmocka_unit_test (pressure_is_shown_with_all_its_numbers),
        cmocka_unit_test (sums_keep_what_is_not_known_apart),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
