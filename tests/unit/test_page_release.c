#include "cubelet/memory.h"
#include "cubelet/page_release.h"
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#define SIZE (64 * 4096)

/* A file of SIZE bytes, mapped privately. */
static unsigned char *
map_file (int protection)
{
    char path[] = "/tmp/cubelet-pages-XXXXXX";
    OWNED (close_fd) int fd = mkstemp (path);
    assert_true (fd >= 0);
    unlink (path);
    static unsigned char bytes[SIZE];
    memset (bytes, 7, sizeof bytes);
    assert_int_equal (write (fd, bytes, SIZE), SIZE);
    unsigned char *memory = mmap (NULL, SIZE, protection, MAP_PRIVATE, fd, 0);
    assert_ptr_not_equal (memory, MAP_FAILED);
    return memory;
}

static size_t
touched_pages (unsigned char *memory)
{
    size_t count = 0;
    for (size_t at = 0; at < SIZE; at += 4096)
        count += memory[at] != 0;
    return count;
}

static void
clean_pages_go_and_come_back (void **state)
{
    (void) state;
    unsigned char *memory = map_file (PROT_READ);
    assert_int_equal (touched_pages (memory), SIZE / 4096); // touches all
    assert_true (page_release() >= SIZE);
    for (size_t i = 0; i < SIZE; i++)
        assert_int_equal (memory[i], 7);
    munmap (memory, SIZE);
}

static void
written_pages_stay_as_they_are (void **state)
{
    (void) state;
    unsigned char *memory = map_file (PROT_READ | PROT_WRITE);
    memory[5] = 9;
    page_release();
    assert_int_equal (memory[5], 9);
    // as a linker leaves what it has relocated
    assert_int_equal (mprotect (memory, SIZE, PROT_READ), 0);
    page_release();
    assert_int_equal (memory[5], 9);
    assert_int_equal (memory[6], 7);
    munmap (memory, SIZE);
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (clean_pages_go_and_come_back),
        cmocka_unit_test (written_pages_stay_as_they_are),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
