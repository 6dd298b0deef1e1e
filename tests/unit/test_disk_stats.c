#include "cubelet/disk_stats.h"
#include "cubelet/memory.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void
assert_number (opt_int_t number, int64_t expected)
{
    assert_int_equal (number.set, expected >= 0);
    if (expected >= 0)
        assert_int_equal (number.value, expected);
}

static void
devices_of_a_group_v1 (void **state)
{
    (void) state;
    io_devices_t devices = { 0 };
    io_devices_take_v1 (&devices,
                        "254:0 Read 4096\n254:0 Write 8192\n254:0 Sync 0\n254:0 Total 12288\n"
                        "8:16 Read 1\nnonsense\n254:0 Other 7\nTotal 12289\n",
                        true);
    io_devices_take_v1 (&devices, "254:0 Read 2\n254:0 Write 3\nTotal 5\n", false);
    assert_int_equal (devices.count, 2);
    const io_device_t *first = &devices.items[0];
    assert_int_equal (first->major, 254);
    assert_int_equal (first->minor, 0);
    assert_number (first->bytes[IO_READ], 4096);
    assert_number (first->bytes[IO_WRITE], 8192);
    assert_number (first->bytes[IO_SYNC], 0);
    assert_number (first->bytes[IO_ASYNC], -1);
    assert_number (first->bytes[IO_TOTAL], 12288);
    assert_number (first->times[IO_READ], 2);
    assert_number (first->times[IO_WRITE], 3);
    assert_number (devices.items[1].bytes[IO_READ], 1);
    assert_number (devices.items[1].times[IO_READ], -1);
    assert_string_equal (io_operation_name (IO_DISCARD), "Discard");
}

static void
devices_of_a_group_v2 (void **state)
{
    (void) state;
    io_devices_t devices = { 0 };
    io_devices_take_v2 (&devices, "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6\n"
                                  "253:1 \nx\n");
    assert_int_equal (devices.count, 2);
    assert_number (devices.items[0].bytes[IO_READ], 1);
    assert_number (devices.items[0].bytes[IO_WRITE], 2);
    assert_number (devices.items[0].times[IO_READ], 3);
    assert_number (devices.items[0].times[IO_WRITE], 4);
    assert_number (devices.items[0].bytes[IO_DISCARD], -1);
    assert_number (devices.items[1].bytes[IO_READ], -1);
}

static void
more_devices_than_there_is_room_for (void **state)
{
    (void) state;
    io_devices_t devices = { 0 };
    for (unsigned i = 0; i < IO_DEVICES_MAX + 3; i++) {
        OWNED (free_text) char *line = text_format ("7:%u Read 1\n", i);
        io_devices_take_v1 (&devices, line, true);
    }
    assert_int_equal (devices.count, IO_DEVICES_MAX);
}

static void
counts_of_a_disk (void **state)
{
    (void) state;
    static const char TEXT[] =
        "   7       0 loop0 3 0 24 1 20 0 24 58 0 64 109 0 0 0 0 17 48\n"
        " 254       0 vda 308116 21930 15560098 882481 210150 179625 24449904 162417 1 94024 "
        "1066255 5 0 1 2\n"
        " 254       1 short 1 2\n";
    disk_counts_t counts;
    assert_true (disk_counts_find (TEXT, 254, 0, &counts));
    assert_int_equal (counts.reads, 308116);
    assert_int_equal (counts.reads_merged, 21930);
    assert_int_equal (counts.sectors_read, 15560098);
    assert_int_equal (counts.read_ms, 882481);
    assert_int_equal (counts.writes, 210150);
    assert_int_equal (counts.write_ms, 162417);
    assert_int_equal (counts.in_progress, 1);
    assert_int_equal (counts.busy_ms, 94024);
    assert_int_equal (counts.weighted_ms, 1066255);
    assert_false (disk_counts_find (TEXT, 254, 1, &counts));
    assert_false (disk_counts_find (TEXT, 1, 1, &counts));
    assert_int_equal (counts.reads, 0);
}

static void
local_file_systems_each_once (void **state)
{
    (void) state;
    static const char TEXT[] =
        "22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n"
        "23 22 0:5 / /dev rw - devtmpfs udev rw\n"
        "24 22 0:22 / /dev/shm rw - tmpfs tmpfs rw\n"
        "25 22 254:0 /srv /srv rw - ext4 /dev/vda rw\n"
        "26 22 0:40 / /mnt/far rw - nfs4 far:/x rw\n"
        "27 22 0:41 / /var/lib/kubelet/pods/u/volumes/kubernetes.io~secret/s rw - tmpfs tmpfs rw\n"
        "28 22 0:42 / /run/containerd/io.containerd.grpc.v1.cri/sandboxes/x/shm rw - tmpfs shm rw\n"
        "29 22 259:1 / /data rw master:3 - xfs /dev/nvme0n1p1 rw\n"
        "30 22 0:43 / /run rw - tmpfs tmpfs rw\n"
        "broken\n";
    OWNED (tree_destroy) tree_t *tree = tree_new();
    local_fs_list_t found;
    local_fs_read (TEXT, tree, &found);
    static const struct {
        const char *device, *path;
        unsigned major;
    } EXPECTED[] = {
        { "/dev/vda", "/", 254 },
        { "/dev/shm", "/dev/shm", 0 },
        { "/dev/nvme0n1p1", "/data", 259 },
        { "/run", "/run", 0 },
    };
    assert_int_equal (found.count, COUNT_OF (EXPECTED));
    for (size_t i = 0; i < COUNT_OF (EXPECTED); i++) {
        assert_string_equal (found.items[i].device, EXPECTED[i].device);
        assert_string_equal (found.items[i].path, EXPECTED[i].path);
        assert_int_equal (found.items[i].major, EXPECTED[i].major);
    }
    local_fs_read ("", tree, &found);
    assert_int_equal (found.count, 0);
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (devices_of_a_group_v1),
        cmocka_unit_test (devices_of_a_group_v2),
        cmocka_unit_test (more_devices_than_there_is_room_for),
        cmocka_unit_test (counts_of_a_disk),
        cmocka_unit_test (local_file_systems_each_once),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
