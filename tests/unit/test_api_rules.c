#include "cubelet/api_rules.h"
#include "cubelet/memory.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void
what_the_server_asks_for_and_broken_reads_are_made_again (void **state)
{
    (void) state;
    static const fault_t RESET = { FAULT_UNAVAILABLE, "Get \"https://a/\": connection reset" };
    static const fault_t STREAM = { FAULT_UNAVAILABLE, "HTTP/2 stream 5 was not closed cleanly" };
    static const fault_t REFUSED = { FAULT_UNAVAILABLE, "dial tcp: connect: connection refused" };
    static const fault_t LATE = { FAULT_DEADLINE, "EOF" };
    static const struct {
        api_attempt_t attempt;
        int64_t wait_ms;
    } CASES[] = {
        { { "GET", 1, 200, NULL, NULL, 60000 }, -1 },
        { { "GET", 1, 200, "1", NULL, 60000 }, -1 },
        { { "POST", 1, 429, "1", NULL, 60000 }, 1000 },
        { { "POST", 10, 429, "1", NULL, 60000 }, 1000 },
        { { "POST", 11, 429, "1", NULL, 60000 }, -1 },
        { { "POST", 1, 429, "60", NULL, 60000 }, -1 },
        { { "POST", 1, 429, NULL, NULL, 60000 }, -1 },
        { { "POST", 1, 429, "soon", NULL, 60000 }, -1 },
        { { "POST", 1, 429, "-1", NULL, 60000 }, -1 },
        { { "POST", 1, 429, "99999999999999999999", NULL, 60000 }, -1 },
        { { "PUT", 1, 503, "0", NULL, 60000 }, 0 },
        { { "PUT", 1, 500, NULL, NULL, 60000 }, -1 },
        { { "PUT", 1, 404, "1", NULL, 60000 }, -1 },
        { { "GET", 1, 0, NULL, &RESET, 60000 }, 1000 },
        { { "GET", 1, 0, NULL, &STREAM, 60000 }, 1000 },
        { { "GET", 1, 0, NULL, &RESET, 1000 }, -1 },
        { { "POST", 1, 0, NULL, &RESET, 60000 }, -1 },
        { { "GET", 1, 0, NULL, &REFUSED, 60000 }, -1 },
        { { "GET", 1, 0, NULL, &LATE, 60000 }, -1 },
    };
    for (size_t i = 0; i < COUNT_OF (CASES); i++)
        if (api_retry_wait (&CASES[i].attempt) != CASES[i].wait_ms)
            fail_msg ("case %zu: %lld", i, (long long) api_retry_wait (&CASES[i].attempt));
}

static void
node_and_lease_keep_the_node_alive (void **state)
{
    (void) state;
    assert_true (api_is_heartbeat ("/api/v1/nodes"));
    assert_true (api_is_heartbeat ("/api/v1/nodes/n/status"));
    assert_true (
        api_is_heartbeat ("/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/n"));
    assert_false (api_is_heartbeat ("/api/v1/namespaces/default/pods/p"));
    assert_false (api_is_heartbeat ("/apis/coordination.k8s.io/v1/namespaces/default/leases/n"));
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (what_the_server_asks_for_and_broken_reads_are_made_again),
        cmocka_unit_test (node_and_lease_keep_the_node_alive),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
