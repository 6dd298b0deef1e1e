#include "cubelet/clock.h"
#include "cubelet/image_pull.h"
#include "cubelet/json.h"
#include "cubelet/memory.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void
failed_pulls_read_as_upstreams (void **state)
{
    (void) state;
    static const struct {
        fault_code_t code;
        const char *text, *result;
    } CASES[] = {
        { FAULT_NOT_FOUND, "failed to pull: not found",
          "ErrImagePull: rpc error: code = NotFound desc = failed to pull: not found" },
        { FAULT_UNKNOWN, "connection refused", "ErrImagePull: connection refused" },
        { FAULT_UNKNOWN, "pull QPS exceeded", "ErrImagePull: pull QPS exceeded" },
        { FAULT_UNKNOWN, "RegistryUnavailable: down for tea",
          "RegistryUnavailable: image pull failed for r/i:1 because the registry is unavailable: "
          "down for tea" },
        { FAULT_UNKNOWN, "SignatureValidationFailed",
          "SignatureValidationFailed: image pull failed for r/i:1 because the signature validation "
          "failed" },
        // the name must come first, which it does not behind a code
        { FAULT_INTERNAL, "RegistryUnavailable: down",
          "ErrImagePull: rpc error: code = Internal desc = RegistryUnavailable: down" },
    };
    for (size_t i = 0; i < COUNT_OF (CASES); i++) {
        fault_t fault = { 0 }, result = { 0 };
        fault_set (&fault, CASES[i].code, "%s", CASES[i].text);
        image_pull_failed ("r/i:1", &fault, &result);
        assert_string_equal (result.text, CASES[i].result);
        assert_int_equal (result.code, CASES[i].code);
    }
}

static void
inspection_errors_keep_their_code (void **state)
{
    (void) state;
    fault_t fault = { FAULT_UNKNOWN, "x" };
    OWNED (free_text) char *text = image_error_text (&fault, false);
    assert_string_equal (text, "rpc error: code = Unknown desc = x");
}

static void
times_are_cut_to_milliseconds (void **state)
{
    (void) state;
    static const struct {
        int64_t pull_ns, whole_ns;
        const char *times;
    } CASES[] = {
        { 32 * NS_PER_MS + 999999, 32 * NS_PER_MS, "in 32ms (32ms including waiting)" },
        { 1234567890, 61 * NS_PER_S, "in 1.234s (1m1s including waiting)" },
        { 0, 999, "in 0s (0s including waiting)" },
    };
    for (size_t i = 0; i < COUNT_OF (CASES); i++) {
        OWNED (free_text)
        char *message =
            image_pulled_message ("r/i:1", CASES[i].pull_ns, CASES[i].whole_ns, 2427638);
        OWNED (free_text)
        char *expected = text_format (
            "Successfully pulled image \"r/i:1\" %s. Image size: 2427638 bytes.", CASES[i].times);
        assert_string_equal (message, expected);
    }
}

static void
the_image_names_its_user (void **state)
{
    (void) state;
    static const struct {
        const char *image, *user;
    } CASES[] = {
        { "{\"uid\": {\"value\": 1000}}", "{\"uid\":1000}" },
        { "{\"uid\": {}}", "{\"uid\":0}" },
        { "{\"uid\": {}, \"username\": \"web\"}", "{\"uid\":0}" },
        { "{\"username\": \"web\"}", "{\"username\":\"web\"}" },
        { "{\"username\": \"\"}", "{\"uid\":0}" },
        { "{}", "{\"uid\":0}" },
    };
    for (size_t i = 0; i < COUNT_OF (CASES); i++) {
        fault_t fault = { 0 };
        OWNED (tree_destroy)
        tree_t *tree = json_read (CASES[i].image, strlen (CASES[i].image), &fault);
        node_t user = image_user_node (tree, tree_root (tree));
        OWNED (free_text) char *json = json_write (&user, JSON_COMPACT, NULL);
        assert_string_equal (json, CASES[i].user);
    }
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (failed_pulls_read_as_upstreams),
        cmocka_unit_test (inspection_errors_keep_their_code),
        cmocka_unit_test (times_are_cut_to_milliseconds),
        cmocka_unit_test (the_image_names_its_user),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
