/* test_node_info.c - what the machine is and what the node makes of it. */
#include "cubelet/json.h"
#include "cubelet/memory.h"
#include "cubelet/node_info.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

static void
the_name_is_the_override_or_the_hostname_in_lower_case (void **state)
{
    (void) state;
    static const struct {
        const char *override, *hostname, *expected;
    } ROWS[] = {
        { NULL, "Host.Example", "host.example" },
        { "", " host\n", "host" },
        { " Node-1 ", "host", "node-1" },
        { NULL, "", NULL },
        { "  ", "host", NULL },
        { NULL, NULL, NULL },
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        fault_t fault = { 0 };
        OWNED (free_text) char *name = node_name_of (ROWS[i].override, ROWS[i].hostname, &fault);
        if (ROWS[i].expected)
            assert_string_equal (name, ROWS[i].expected);
        else
            assert_string_equal (fault.text, "empty hostname is invalid");
    }
}

static void
the_address_follows_flag_name_hosts_file_and_default_route (void **state)
{
    (void) state;
    static host_address_t addresses[] = {
        { "lo", "127.0.0.1" },     { "lo", "::1" },           { "eth0", "fe80::1" },
        { "eth0", "192.0.2.2" },   { "eth0", "2001:db8::2" }, { "eth1", "198.51.100.7" },
        { "eth1", "169.254.1.1" },
    };
    static const char *routes[] = { "eth0" };
    static const char *own[] = { "127.0.1.1", "203.0.113.9", "198.51.100.7" };
    machine_t machine = { 0 };
    machine.addresses.items = addresses;
    machine.addresses.count = COUNT_OF (addresses);
    machine.default_interfaces = (text_list_t){ routes, 1 };
    machine_t named = machine;
    named.hosts_addresses = (text_list_t){ own, COUNT_OF (own) };
    machine_t alone = { 0 };
    const struct {
        const char *node_ip, *name;
        const machine_t *machine;
        const char *first, *second;
    } ROWS[] = {
        { NULL, "n", &machine, "192.0.2.2", NULL },
        { "", "n", &machine, "192.0.2.2", NULL },
        { "0.0.0.0", "n", &machine, "192.0.2.2", NULL },
        { "::", "n", &machine, "2001:db8::2", NULL },
        { "198.51.100.7", "n", &machine, "198.51.100.7", NULL },
        { "198.51.100.7,2001:db8::2", "n", &machine, "198.51.100.7", "2001:db8::2" },
        { NULL, "192.0.2.55", &machine, "192.0.2.55", NULL },
        { NULL, "n", &named, "198.51.100.7", NULL }, // the others are loopback or elsewhere
        { NULL, "n", &alone, NULL, NULL },
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        OWNED (tree_destroy) tree_t *tree = tree_new();
        text_list_t found = node_addresses (ROWS[i].node_ip, ROWS[i].name, ROWS[i].machine, tree);
        assert_int_equal (found.count, (ROWS[i].first != NULL) + (ROWS[i].second != NULL));
        if (ROWS[i].first)
            assert_string_equal (found.items[0], ROWS[i].first);
        if (ROWS[i].second)
            assert_string_equal (found.items[1], ROWS[i].second);
    }
    assert_true (machine_has_address (&machine, "2001:0db8::2"));
    assert_false (machine_has_address (&machine, "192.0.2.3"));
    assert_false (machine_has_address (&machine, "lo"));
}

static void
thresholds_are_quantities_or_shares (void **state)
{
    (void) state;
    assert_int_equal (threshold_bytes (NULL, 1000), 0);
    assert_int_equal (threshold_bytes ("100Mi", 1000), 104857600);
    assert_int_equal (threshold_bytes ("10%", 1000), 100);
    // As the node of the recordings had it: samples/node.json.
    assert_int_equal (264212084LL * 1024 - threshold_bytes ("1%", 264212084LL * 1024),
                      267847642337);
    assert_int_equal (threshold_bytes ("x", 1000), 0);
}

static void
check_list (const node_t *list, const char *expected)
{
    OWNED (free_text) char *text = json_write (list, JSON_COMPACT, NULL);
    assert_string_equal (text, expected);
}

static void
capacity_and_allocatable_are_those_of_the_recorded_node (void **state)
{
    (void) state;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    fault_t fault = { 0 };
    static const char *const ARGUMENTS[] = { "kubelet", "--eviction-hard",
                                             "memory.available<100Mi,nodefs.available<1%" };
    OWNED (kubelet_options_destroy)
    kubelet_options_t *options = kubelet_options_new (3, ARGUMENTS, &fault);
    static const char *sizes[] = { "2MB", "1GB" };
    machine_t machine = { .cpus = 2, .memory_bytes = 24684092LL * 1024 };
    machine.hugepage_sizes = (text_list_t){ sizes, 2 };
    node_t capacity = node_capacity (&machine, &options->config, 264212084LL * 1024, tree);
    check_list (&capacity, "{\"cpu\":\"2\",\"ephemeral-storage\":\"264212084Ki\","
                           "\"hugepages-2Mi\":\"0\",\"hugepages-1Gi\":\"0\","
                           "\"memory\":\"24684092Ki\",\"pods\":\"110\"}");
    node_t allocatable = node_allocatable (&capacity, &options->config, tree);
    check_list (&allocatable, "{\"cpu\":\"2\",\"ephemeral-storage\":\"267847642337\","
                              "\"hugepages-2Mi\":\"0\",\"hugepages-1Gi\":\"0\","
                              "\"memory\":\"24581692Ki\",\"pods\":\"110\"}");
}

static void
reservations_and_huge_pages_are_taken_off (void **state)
{
    (void) state;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    fault_t fault = { 0 };
    static const char *const ARGUMENTS[] = { "kubelet",
                                             "--eviction-hard=memory.available<1Gi",
                                             "--system-reserved=cpu=500m,memory=1Gi",
                                             "--kube-reserved=cpu=2",
                                             "--max-pods=100",
                                             "--pods-per-core=10" };
    OWNED (kubelet_options_destroy)
    kubelet_options_t *options = kubelet_options_new (COUNT_OF (ARGUMENTS), ARGUMENTS, &fault);
    static const char *sizes[] = { "2MB" };
    static int64_t bytes[] = { 1024LL * 1024 * 1024 };
    machine_t machine = { .cpus = 2, .memory_bytes = 4LL * 1024 * 1024 * 1024 };
    machine.hugepage_sizes = (text_list_t){ sizes, 1 };
    machine.hugepage_bytes.items = bytes;
    machine.hugepage_bytes.count = 1;
    node_t capacity = node_capacity (&machine, &options->config, 0, tree);
    check_list (&capacity, "{\"cpu\":\"2\",\"hugepages-2Mi\":\"1Gi\",\"memory\":\"4Gi\","
                           "\"pods\":\"20\"}");
    node_t allocatable = node_allocatable (&capacity, &options->config, tree);
    check_list (&allocatable, "{\"cpu\":\"0\",\"hugepages-2Mi\":\"1Gi\",\"memory\":\"1Gi\","
                              "\"pods\":\"20\"}");
}

// ---- a machine made of files ----

static char place[] = "/tmp/test_node_info_XXXXXX";

static void
put (const char *path, const char *text)
{
    OWNED (free_text) char *full = text_format ("%s%s", place, path);
    for (char *slash = full + strlen (place) + 1; (slash = strchr (slash, '/')); slash++) {
        *slash = '\0';
        mkdir (full, 0700);
        *slash = '/';
    }
    OWNED (close_file) FILE *file = fopen (full, "we");
    assert_non_null (file);
    fputs (text, file);
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

static void
a_machine_is_read_from_its_files (void **state)
{
    (void) state;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    machine_t machine;
    machine_read ("/nowhere", tree, &machine); // nothing there, nothing breaks
    assert_int_equal (machine.memory_bytes, 0);
    assert_int_equal (machine.cgroup_version, 1);
    assert_int_equal (machine.hugepage_sizes.count, 0);
    assert_non_null (machine.hostname);

    put ("/proc/meminfo", "MemTotal:       24684092 kB\nMemFree: 1 kB\nSwapTotal:  2048 kB\n");
    put ("/proc/swaps", "Filename Type Size Used Priority\n/dev/sda2 partition 2048 0 -2\n");
    put ("/sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages", "1\n");
    put ("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "3\n");
    put ("/sys/kernel/mm/hugepages/hugepages-64kB/nr_hugepages", "0\n");
    put ("/sys/fs/cgroup/cgroup.controllers", "cpu memory\n");
    put ("/sys/fs/cgroup/system.slice/memory.swap.max", "max\n");
    put ("/sys/fs/selinux/enforce", "1");
    put ("/sys/devices/system/cpu/cpu0/thermal_throttle", "");
    put ("/proc/net/route",
         "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
         "eth1\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
         "eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n");
    put ("/proc/net/ipv6_route",
         "00000000000000000000000000000000 00 00000000000000000000000000000000 00 "
         "fe800000000000000000000000000001 00000400 00000001 00000000 00000003 eth6\n"
         "00000000000000000000000000000000 00 00000000000000000000000000000000 00 "
         "00000000000000000000000000000000 ffffffff 00000001 00000000 00200200       lo\n");
    OWNED (free_text)
    char *hosts = text_format ("127.0.0.1 localhost # %s\n192.0.2.9\tother %s\n", machine.hostname,
                               machine.hostname);
    put ("/etc/hosts", hosts);
    machine_read (place, tree, &machine);
    assert_int_equal (machine.memory_bytes, 24684092LL * 1024);
    assert_int_equal (machine.swap_bytes, 2048 * 1024);
    assert_true (machine.is_swap_on);
    assert_int_equal (machine.cgroup_version, 2);
    assert_true (machine.has_swap_controller);
    assert_true (machine.has_selinux);
    assert_true (machine.cpus > 0 && machine.kernel_major > 0);
    assert_int_equal (machine.hugepage_sizes.count, 3);
    assert_string_equal (machine.hugepage_sizes.items[0], "64KB");
    assert_string_equal (machine.hugepage_sizes.items[1], "2MB");
    assert_string_equal (machine.hugepage_sizes.items[2], "1GB");
    assert_int_equal (machine.hugepage_bytes.items[1], 3 * 2048 * 1024);
    assert_int_equal (machine.thermal_throttle_paths.count, 1);
    assert_int_equal (machine.default_interfaces.count, 2);
    assert_string_equal (machine.default_interfaces.items[0], "eth0");
    assert_string_equal (machine.default_interfaces.items[1], "eth6");
    assert_int_equal (machine.hosts_addresses.count, 1);
    assert_string_equal (machine.hosts_addresses.items[0], "192.0.2.9");
    assert_true (machine_has_address (&machine, "127.0.0.1"));
}

static void
the_facts_come_from_options_and_machine (void **state)
{
    (void) state;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    fault_t fault = { 0 };
    OWNED (free_text) char *root = text_format ("--root-dir=%s/", place);
    OWNED (free_text) char *resolv = text_format ("--resolv-conf=%s/resolv.conf", place);
    put ("/resolv.conf", "nameserver 192.0.2.53\n");
    const char *const ARGUMENTS[] = { "kubelet",
                                      root,
                                      resolv,
                                      "--hostname-override=Lab-Node",
                                      "--node-ip=192.0.2.2",
                                      "--cluster-dns=10.96.0.10,FD00:0::A",
                                      "--cluster-domain=cluster.local",
                                      "--cgroup-driver=systemd" };
    OWNED (kubelet_options_destroy)
    kubelet_options_t *options = kubelet_options_new (COUNT_OF (ARGUMENTS), ARGUMENTS, &fault);
    assert_string_equal (fault.text, "");
    machine_t machine = {
        .hostname = "x", .cpus = 2, .memory_bytes = 1 << 30, .cgroup_version = 1
    };
    node_facts_t facts;
    assert_int_equal (node_facts_from (options, &machine, tree, &facts, &fault), 0);
    assert_string_equal (facts.node_name, "lab-node");
    assert_string_equal (facts.host_ips.items[0], "192.0.2.2");
    assert_string_equal (facts.cluster_dns.items[1], "fd00::a");
    assert_string_equal (facts.root_dir, place);
    assert_string_equal (facts.resolv_conf_path, strchr (resolv, '=') + 1);
    assert_int_equal (facts.cgroup_driver, CGROUP_DRIVER_SYSTEMD);
    assert_int_equal (facts.cpu_cfs_period_us, 100000);
    assert_true (facts.single_process_oom_kill);
    assert_non_null (node_get (facts.allocatable, "ephemeral-storage"));

    machine.is_swap_on = true;
    assert_int_equal (node_facts_from (options, &machine, tree, &facts, &fault), -1);
    assert_non_null (strstr (fault.text, "running with swap on is not supported"));
    options->config.fail_swap_on = false;
    options->config.fail_cgroup_v1 = true;
    assert_int_equal (node_facts_from (options, &machine, tree, &facts, &fault), -1);
    assert_non_null (strstr (fault.text, "cgroup v1"));
}

static void
this_machine_can_be_read (void **state)
{
    (void) state;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    machine_t machine;
    machine_read ("", tree, &machine);
    assert_true (machine.memory_bytes > 0);
    assert_true (machine.addresses.count > 0);
}

static void
cpus_kept_for_the_system_take_the_place_of_what_is_reserved (void **state)
{
    (void) state;
    static const struct {
        const char *cpus;
        int64_t milli;
    } ROWS[] = { { "0", 7000 }, { "0-1", 6000 }, { "0,2-3,7", 4000 }, { "0-9", 0 }, { "", 7500 } };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        OWNED (tree_destroy) tree_t *tree = tree_new();
        fault_t fault = { 0 };
        const char *arguments[] = { "kubelet",  "--system-reserved", "cpu=200m",  "--kube-reserved",
                                    "cpu=300m", "--reserved-cpus",   ROWS[i].cpus };
        OWNED (kubelet_options_destroy)
        kubelet_options_t *options = kubelet_options_new (7, arguments, &fault);
        assert_non_null (options);
        node_t capacity = node_map();
        node_set_text (tree, &capacity, "cpu", "8");
        quantity_t left = node_pods_limit (&capacity, &options->config, "cpu");
        assert_int_equal (quantity_milli (left), ROWS[i].milli);
    }
}

static void
all_pods_get_what_is_not_reserved (void **state)
{
    (void) state;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    fault_t fault = { 0 };
    static const char *const ARGUMENTS[] = { "kubelet", "--system-reserved", "cpu=200m,memory=1Gi",
                                             "--kube-reserved", "cpu=300m" };
    OWNED (kubelet_options_destroy)
    kubelet_options_t *options = kubelet_options_new (5, ARGUMENTS, &fault);
    assert_non_null (options);
    node_t capacity = node_map();
    node_set_text (tree, &capacity, "cpu", "2");
    node_set_text (tree, &capacity, "memory", "4Gi");
    assert_int_equal (quantity_milli (node_pods_limit (&capacity, &options->config, "cpu")), 1500);
    assert_int_equal (quantity_value (node_pods_limit (&capacity, &options->config, "memory")),
                      3LL << 30); // eviction thresholds are not taken off
    assert_false (node_pods_limit (&capacity, &options->config, "pods").set);
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (the_name_is_the_override_or_the_hostname_in_lower_case),
        cmocka_unit_test (the_address_follows_flag_name_hosts_file_and_default_route),
        cmocka_unit_test (thresholds_are_quantities_or_shares),
        cmocka_unit_test (capacity_and_allocatable_are_those_of_the_recorded_node),
        cmocka_unit_test (reservations_and_huge_pages_are_taken_off),
        cmocka_unit_test (a_machine_is_read_from_its_files),
        cmocka_unit_test (the_facts_come_from_options_and_machine),
        cmocka_unit_test (this_machine_can_be_read),
        cmocka_unit_test (cpus_kept_for_the_system_take_the_place_of_what_is_reserved),
        cmocka_unit_test (all_pods_get_what_is_not_reserved),
    };
    return cmocka_run_group_tests (tests, set_up, tear_down);
}
