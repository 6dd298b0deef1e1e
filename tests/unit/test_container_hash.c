/* The hash that tells a changed definition, against values of an upstream kubelet. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
// cmocka wants these before it
#include "cubelet/container_hash.h"
#include "cubelet/json.h"
#include "cubelet/memory.h"
#include <cmocka.h>
#include <string.h>

static char *
read_file (const char *path, size_t *size_p)
{
    OWNED (close_file) FILE *file = fopen (path, "re");
    if (!file)
        fail_msg ("cannot open %s", path);
    fseek (file, 0, SEEK_END);
    *size_p = (size_t) ftell (file);
    rewind (file);
    char *bytes = memory_new (*size_p + 1, 1);
    assert_int_equal (fread (bytes, 1, *size_p, file), *size_p);
    return bytes;
}

static void
check_recording (const char *name)
{
    fault_t fault = { 0 };
    size_t size = 0;
    OWNED (free_text)
    char *path = text_format ("%s/tests/node/traces/standalone/%s.json", CUBELET_SOURCE_DIR, name);
    OWNED (free_text) char *bytes = read_file (path, &size);
    OWNED (tree_destroy) tree_t *recording = json_read (bytes, size, &fault);
    if (!recording)
        fail_msg ("%s: %s", path, fault.text);
    NODE_EACH (node_get (tree_root (recording), "cri"), call)
    {
        const node_t *config = node_at (call, "req", "config", NULL);
        if (strcmp (node_get_text (call, "method", ""), "CreateContainer") != 0)
            continue;
        container_t container = {
            .name = node_get_text (node_get (config, "metadata"), "name", NULL),
            .image = node_get_text (node_get (config, "image"), "user_specified_image", NULL),
        };
        char hash[CONTAINER_HASH_TEXT_MAX];
        assert_string_equal (
            container_hash_text (&container, hash),
            node_get_text (node_get (config, "annotations"), "io.kubernetes.container.hash", ""));
    }
}

static void
it_is_the_value_that_upstream_recorded (void **state)
{
    (void) state;
    static const char *const RECORDINGS[] = { "nginx", "hooks", "init-ok", "sidecar",
                                              "restart-always-crash" };
    for (size_t i = 0; i < COUNT_OF (RECORDINGS); i++)
        check_recording (RECORDINGS[i]);
}

static void
it_changes_with_name_and_image_only (void **state)
{
    (void) state;
    container_t base = { .name = "a", .image = "b" };
    container_t other_name = { .name = "c", .image = "b" };
    container_t other_image = { .name = "a", .image = "d" };
    container_t other_rest = { .name = "a", .image = "b", .working_dir = "/", .tty = true };
    container_t swapped = { .name = "b", .image = "a" };
    assert_int_not_equal (container_hash (&base), container_hash (&other_name));
    assert_int_not_equal (container_hash (&base), container_hash (&other_image));
    assert_int_not_equal (container_hash (&base), container_hash (&swapped));
    assert_int_equal (container_hash (&base), container_hash (&other_rest));
}

static void
odd_texts_are_hashed_all_the_same (void **state)
{
    (void) state;
    container_t odd = { .name = "a\"\\<\n", .image = NULL };
    container_t nothing = { 0 };
    assert_int_not_equal (container_hash (&odd), container_hash (&nothing));
}

int
main (void)
{
    const struct CMUnitTest TESTS[] = {
        cmocka_unit_test (it_is_the_value_that_upstream_recorded),
        cmocka_unit_test (it_changes_with_name_and_image_only),
        cmocka_unit_test (odd_texts_are_hashed_all_the_same),
    };
    return cmocka_run_group_tests (TESTS, NULL, NULL);
}
