#include "cubelet/memory.h"
#include "cubelet/proc_stats.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const char NET_DEV[] =
    "Inter-|   Receive                                                |  Transmit\n"
    " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop "
    "fifo colls carrier compressed\n"
    "    lo: 1 1 0 0 0 0 0 0 1 1 0 0 0 0 0 0\n"
    "  eth0: 89014785 3253 1 2 0 0 0 0 84002 1200 3 4 0 0 0 0\n"
    "veth12ab: 5 5 0 0 0 0 0 0 5 5 0 0 0 0 0 0\n"
    "docker0: 5 5 0 0 0 0 0 0 5 5 0 0 0 0 0 0\n"
    "broken line\n"
    "br-1:7 8 0 0 0 0 0 0 9 10 0 0 0 0 0 0\n";

static void
interfaces_but_not_the_hosts_ends_of_others (void **state)
{
    (void) state;
    interface_stats_t found[8];
    assert_int_equal (net_dev_parse (NET_DEV, found, COUNT_OF (found)), 2);
    assert_string_equal (found[0].name, "eth0");
    assert_int_equal (found[0].rx_bytes, 89014785);
    assert_int_equal (found[0].rx_packets, 3253);
    assert_int_equal (found[0].rx_errors, 1);
    assert_int_equal (found[0].rx_dropped, 2);
    assert_int_equal (found[0].tx_bytes, 84002);
    assert_int_equal (found[0].tx_packets, 1200);
    assert_int_equal (found[0].tx_errors, 3);
    assert_int_equal (found[0].tx_dropped, 4);
    assert_string_equal (found[1].name, "br-1");
    assert_int_equal (found[1].tx_bytes, 9);
    assert_int_equal (net_dev_parse (NET_DEV, found, 1), 1);
    assert_int_equal (net_dev_parse ("", found, 1), 0);
}

static void
memory_of_the_machine (void **state)
{
    (void) state;
    meminfo_t info;
    meminfo_parse (
        "MemTotal:       24684228 kB\nMemFree:        23000000 kB\n"
        "MemAvailable:   24000000 kB\nSwapCached: 5 kB\nSwapTotal: 10 kB\nSwapFree: 4 kB\n",
        &info);
    assert_int_equal (info.total, 24684228LL * 1024);
    assert_int_equal (info.free, 23000000LL * 1024);
    assert_int_equal (info.available, 24000000LL * 1024);
    assert_int_equal (info.swap_total, 10240);
    assert_int_equal (info.swap_free, 4096);
    meminfo_parse ("", &info);
    assert_int_equal (info.total, 0);
}

static void
single_numbers (void **state)
{
    (void) state;
    assert_int_equal (loadavg_tasks ("12.88 4.70 1.74 1/98 24220\n"), 98);
    assert_int_equal (loadavg_tasks (""), -1);
    assert_int_equal (stat_boot_time ("cpu 1 2\nintr 5\nbtime 1795449295\nprocesses 1\n"),
                      1795449295);
    assert_int_equal (stat_boot_time ("cpu 1 2\n"), 0);
}

static void
the_group_of_a_process (void **state)
{
    (void) state;
    static const struct {
        const char *text, *controller, *path; // path NULL: none
    } CASES[] = {
        { "4:memory:/a/b\n3:cpu,cpuacct:/c\n0::/unified\n", "memory", "/a/b" },
        { "4:memory:/a/b\n3:cpu,cpuacct:/c\n0::/unified\n", "cpuacct", "/c" },
        { "4:memory:/a/b\n3:cpu,cpuacct:/c\n0::/unified\n", "cpu", "/c" },
        { "4:memory:/a/b\n3:cpu,cpuacct:/c\n0::/unified", NULL, "/unified" },
        { "4:memory:/a:b\n", "memory", "/a:b" },
        { "4:memoryx:/a\n", "memory", NULL },
        { "4:name=systemd:/x\n", NULL, NULL },
        { "", "memory", NULL },
        { "garbage", "memory", NULL },
    };
    for (size_t i = 0; i < COUNT_OF (CASES); i++) {
        OWNED (free_text) char *path = proc_cgroup_path (CASES[i].text, CASES[i].controller);
        if (CASES[i].path)
            assert_string_equal (path, CASES[i].path);
        else
            assert_null (path);
    }
}

static void
a_process (void **state)
{
    (void) state;
    process_stat_t stat;
    assert_true (
        process_stat_parse ("42 (a) b (c) S 1 2 3 4 -1 4194560 6 7 8 9 100 20 3 4 20 0 37 0 "
                            "5555 104857600 2048 18446744073709551615 1 1",
                            &stat));
    assert_int_equal (stat.cpu_ticks, 120);
    assert_int_equal (stat.threads, 37);
    assert_int_equal (stat.start_ticks, 5555);
    assert_int_equal (stat.virtual_bytes, 104857600);
    assert_int_equal (stat.resident_pages, 2048);
    assert_false (process_stat_parse ("42 a", &stat));
    assert_false (process_stat_parse ("42 (a) S 1", &stat));
}

static void
the_traffic_of_a_network (void **state)
{
    (void) state;
    int64_t received = -1, sent = -1;
    assert_true (netstat_parse ("TcpExt: A InOctets\nTcpExt: 1 2\n"
                                "IpExt: InNoRoutes InOctets OutOctets InMcastOctets\n"
                                "IpExt: 0 160856394 134405 7\n",
                                &received, &sent));
    assert_int_equal (received, 160856394);
    assert_int_equal (sent, 134405);
    static const char *const BAD[] = { "", "IpExt: InOctets OutOctets\n",
                                       "IpExt: InOctets OutOctets\nIpExt: 1\n",
                                       "IpExt: InOctets\nIpExt: 1\n",
                                       "IpExt: InOctets OutOctets\nIpExt: 1 x\n" };
    for (size_t i = 0; i < COUNT_OF (BAD); i++)
        assert_false (netstat_parse (BAD[i], &received, &sent));
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (the_traffic_of_a_network),
        cmocka_unit_test (interfaces_but_not_the_hosts_ends_of_others),
        cmocka_unit_test (memory_of_the_machine),
        cmocka_unit_test (single_numbers),
        cmocka_unit_test (the_group_of_a_process),
        cmocka_unit_test (a_process),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
