#include "cubelet/clock.h"
#include "cubelet/json.h"
#include "cubelet/memory.h"
#include "cubelet/token_cache.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void
a_token_is_replaced_when_a_fifth_of_its_life_is_left_or_after_a_day (void **state)
{
    (void) state;
    static const struct {
        int64_t lifetime_s, age_s, jitter_s;
        bool is_due;
    } CASES[] = {
        { 3600, 0, 0, false },      { 3600, 2880, 0, false },    { 3600, 2881, 0, true },
        { 3600, 2871, 10, true },   { 3600, 2870, 10, false },   { 3600, 4000, 0, true },
        { 600, 480, 0, false },     { 600, 481, 0, true },       { 864000, 86400, 0, false },
        { 864000, 86401, 0, true }, { 864000, 86391, 10, true }, { 864000, 3600, 10, false },
    };
    int64_t issued = 1700000000 * NS_PER_S;
    for (size_t i = 0; i < COUNT_OF (CASES); i++) {
        token_life_t life = { .expires_ns = issued + CASES[i].lifetime_s * NS_PER_S,
                              .lifetime_ns = CASES[i].lifetime_s * NS_PER_S };
        if (token_needs_refresh (&life, issued + CASES[i].age_s * NS_PER_S,
                                 CASES[i].jitter_s * NS_PER_S)
            != CASES[i].is_due)
            fail_msg ("case %zu", i);
        assert_int_equal (token_is_expired (&life, issued + CASES[i].age_s * NS_PER_S),
                          CASES[i].age_s > CASES[i].lifetime_s);
    }
}

static const token_request_t REQUEST = { "ns", "sa", "p", "u1", "aud", 3607 };

static void
the_request_is_bound_to_the_pod (void **state)
{
    (void) state;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t node = token_request_node (&REQUEST, tree);
    OWNED (free_text) char *text = json_write (&node, JSON_COMPACT, NULL);
    assert_string_equal (
        text, "{\"kind\":\"TokenRequest\",\"apiVersion\":\"authentication.k8s.io/v1\","
              "\"spec\":{\"audiences\":[\"aud\"],\"expirationSeconds\":3607,\"boundObjectRef\":"
              "{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"name\":\"p\",\"uid\":\"u1\"}}}");
    token_request_t plain = REQUEST;
    plain.audience = NULL;
    node = token_request_node (&plain, tree);
    assert_int_equal (node_count (node_at (&node, "spec", "audiences", NULL)), 0);
}

static void
requests_that_differ_have_different_keys (void **state)
{
    (void) state;
    token_request_t others[6];
    for (size_t i = 0; i < COUNT_OF (others); i++)
        others[i] = REQUEST;
    others[0].ns = "x";
    others[1].service_account = "x";
    others[2].pod_name = "x";
    others[3].pod_uid = "x";
    others[4].audience = "x";
    others[5].expiration_seconds = 1;
    OWNED (free_text) char *key = token_key (&REQUEST);
    for (size_t i = 0; i < COUNT_OF (others); i++) {
        OWNED (free_text) char *other = token_key (&others[i]);
        assert_string_not_equal (key, other);
    }
}

static void
the_answer_says_how_long_the_token_lives (void **state)
{
    (void) state;
    static const struct {
        const char *json, *fault;
        int64_t lifetime_s;
    } CASES[] = {
        { "{\"spec\": {\"expirationSeconds\": 600}, \"status\": {\"token\": \"t\","
          " \"expirationTimestamp\": \"2026-01-01T00:00:00Z\"}}",
          "", 600 },
        { "{\"status\": {\"token\": \"t\", \"expirationTimestamp\": \"2026-01-01T00:00:00Z\"}}", "",
          3607 },
        { "{\"spec\": {\"expirationSeconds\": -1}, \"status\": {\"token\": \"t\","
          " \"expirationTimestamp\": \"2026-01-01T00:00:00Z\"}}",
          "", 3607 },
        { "{\"status\": {\"token\": \"t\"}}", "status.expirationTimestamp: Required value", 0 },
        { "{\"status\": {\"token\": \"t\", \"expirationTimestamp\": \"soon\"}}",
          "status.expirationTimestamp: ", 0 },
        { "{}", "status.token: Required value", 0 },
    };
    for (size_t i = 0; i < COUNT_OF (CASES); i++) {
        fault_t fault = { 0 };
        const char *token = NULL;
        token_life_t life = { 0 };
        OWNED (tree_destroy)
        tree_t *tree = json_read (CASES[i].json, strlen (CASES[i].json), &fault);
        int rc = token_answer_read (tree_root (tree), &REQUEST, &token, &life, &fault);
        assert_int_equal (rc, CASES[i].fault[0] ? -1 : 0);
        assert_int_equal (strncmp (fault.text, CASES[i].fault, strlen (CASES[i].fault)), 0);
        if (rc == 0)
            assert_int_equal (life.lifetime_ns, CASES[i].lifetime_s * NS_PER_S);
    }
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (a_token_is_replaced_when_a_fifth_of_its_life_is_left_or_after_a_day),
        cmocka_unit_test (the_request_is_bound_to_the_pod),
        cmocka_unit_test (requests_that_differ_have_different_keys),
        cmocka_unit_test (the_answer_says_how_long_the_token_lives),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
