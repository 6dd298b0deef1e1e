#include "cubelet/disk_walk.h"
#include "cubelet/memory.h"
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

static char top[64];

static int
remove_one (const char *path, const struct stat *stat, int type, struct FTW *ftw)
{
    (void) stat, (void) type, (void) ftw;
    return remove (path);
}

static int
set_up (void **state)
{
    (void) state;
    strcpy (top, "/tmp/test-disk-walk-XXXXXX");
    return mkdtemp (top) ? 0 : -1;
}

static int
tear_down (void **state)
{
    (void) state;
    return nftw (top, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void
put (const char *name, size_t size)
{
    OWNED (free_text) char *path = text_format ("%s/%s", top, name);
    OWNED (close_fd) int fd = open (path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    char *bytes = memory_new (1, size + 1);
    assert_int_equal (write (fd, bytes, size), size);
    fsync (fd); // blocks are counted once they are given out
    free (bytes);
}

static disk_usage_t
walk (const char *path, size_t slice)
{
    disk_walk_t *self = disk_walk_new (path);
    while (!disk_walk_step (self, slice)) {
    }
    disk_usage_t usage = disk_walk_usage (self);
    disk_walk_destroy (&self);
    return usage;
}

static int64_t
blocks_of (const char *name)
{
    OWNED (free_text) char *path = text_format ("%s/%s", top, name);
    struct stat stat;
    assert_int_equal (lstat (path, &stat), 0);
    return stat.st_blocks * 512;
}

static void
everything_counts_once (void **state)
{
    (void) state;
    OWNED (free_text) char *directory = text_format ("%s/d", top);
    OWNED (free_text) char *file = text_format ("%s/d/f", top);
    OWNED (free_text) char *other_name = text_format ("%s/g", top);
    OWNED (free_text) char *symbolic = text_format ("%s/s", top);
    mkdir (directory, 0700);
    put ("d/f", 100000);
    put ("h", 5);
    assert_int_equal (link (file, other_name), 0);
    assert_int_equal (symlink ("/", symbolic), 0);
    int64_t bytes =
        blocks_of ("") + blocks_of ("d") + blocks_of ("d/f") + blocks_of ("h") + blocks_of ("s");
    for (size_t slice = 1; slice <= 1000; slice *= 10) {
        disk_usage_t usage = walk (top, slice);
        assert_int_equal (usage.inodes, 5);
        assert_int_equal (usage.bytes, bytes);
    }
    assert_int_equal (walk (file, 1).inodes, 1);
}

static void
nothing_is_where_nothing_is (void **state)
{
    (void) state;
    assert_int_equal (walk ("/no/such/place", 1).inodes, 0);
}

static void
a_walk_can_be_given_up (void **state)
{
    (void) state;
    put ("f", 1);
    disk_walk_t *self = disk_walk_new (top);
    disk_walk_step (self, 1);
    disk_walk_destroy (&self);
    assert_null (self);
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown (everything_counts_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown (nothing_is_where_nothing_is, set_up, tear_down),
        cmocka_unit_test_setup_teardown (a_walk_can_be_given_up, set_up, tear_down),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
