#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka wants these before it
#include "cubelet/gzip_file.h"
#include "cubelet/memory.h"
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#define SIZE ((size_t) 1024 * 1024)

static char s_place[] = "/tmp/test_gzip_file.XXXXXX";

static char *
path_of (const char *name)
{
    return text_format ("%s/%s", s_place, name);
}

/* Text that compresses, but not to nothing. */
static char *
make_content (void)
{
    char *content = memory_new (SIZE, 1);
    for (size_t i = 0; i < SIZE; i++)
        content[i] = (char) ('a' + (i * i / 7) % 26);
    return content;
}

static void
write_file (const char *path, const char *content, size_t size)
{
    OWNED (close_file) FILE *file = fopen (path, "we");
    assert_non_null (file);
    assert_int_equal (fwrite (content, 1, size, file), size);
}

static void
a_file_becomes_its_compressed_form (void **state)
{
    (void) state;
    OWNED (free_text) char *path = path_of ("log");
    OWNED (free_text) char *compressed = path_of ("log.gz");
    OWNED (free_text) char *content = make_content();
    fault_t fault = { 0 };
    write_file (path, content, SIZE);
    assert_int_equal (chmod (path, 0640), 0);
    OWNED (gzip_file_destroy) gzip_file_t *gzip = gzip_file_new (path, &fault);
    assert_non_null (gzip);
    int steps = 0, result;
    while ((result = gzip_file_step (gzip, &fault)) == 0) {
        assert_int_equal (access (compressed, F_OK), -1); // not before it is complete
        steps++;
    }
    assert_int_equal (result, 1);
    assert_int_equal (steps, 4);
    assert_int_equal (access (path, F_OK), -1);
    struct stat info;
    assert_int_equal (stat (compressed, &info), 0);
    assert_int_equal (info.st_mode & 0777, 0640);
    OWNED (free_text) char *back = memory_new (SIZE + 1, 1);
    gzFile reader = gzopen (compressed, "r");
    assert_int_equal (gzread (reader, back, (unsigned) SIZE + 1), SIZE);
    gzclose (reader);
    assert_memory_equal (back, content, SIZE);
}

static void
an_unfinished_one_leaves_the_file_as_it_was (void **state)
{
    (void) state;
    OWNED (free_text) char *path = path_of ("kept");
    OWNED (free_text) char *unfinished = path_of ("kept.gz.tmp");
    OWNED (free_text) char *content = make_content();
    fault_t fault = { 0 };
    write_file (path, content, SIZE);
    gzip_file_t *gzip = gzip_file_new (path, &fault);
    assert_int_equal (gzip_file_step (gzip, &fault), 0);
    assert_int_equal (access (unfinished, F_OK), 0);
    gzip_file_destroy (&gzip);
    assert_int_equal (access (unfinished, F_OK), -1);
    assert_int_equal (access (path, F_OK), 0);
}

static void
what_is_no_file_is_refused (void **state)
{
    (void) state;
    OWNED (free_text) char *missing = path_of ("missing");
    OWNED (free_text) char *link = path_of ("link");
    fault_t fault = { 0 };
    assert_null (gzip_file_new (missing, &fault));
    assert_int_equal (fault.code, FAULT_NOT_FOUND);
    assert_int_equal (symlink ("/etc/passwd", link), 0);
    assert_null (gzip_file_new (link, &fault));
    assert_null (gzip_file_new (s_place, &fault));
    assert_int_equal (fault.code, FAULT_INTERNAL);
}

static int
make_place (void **state)
{
    (void) state;
    return mkdtemp (s_place) ? 0 : -1;
}

static int
remove_place (void **state)
{
    (void) state;
    OWNED (free_text) char *command = text_format ("rm -r %s", s_place);
    return system (command);
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (a_file_becomes_its_compressed_form),
        cmocka_unit_test (an_unfinished_one_leaves_the_file_as_it_was),
        cmocka_unit_test (what_is_no_file_is_refused),
    };
    return cmocka_run_group_tests (tests, make_place, remove_place);
}
