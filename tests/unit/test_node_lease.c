#include "cubelet/duration.h"
#include "cubelet/memory.h"
#include "cubelet/node_lease.h"
#include "helper_samples.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static int64_t
renew_time (const node_t *lease)
{
    fault_t fault = { 0 };
    int64_t ns = 0;
    const char *text = node_get_text (node_get (lease, "spec"), "renewTime", "");
    assert_int_equal (time_parse (text, &ns, &fault), 0);
    return ns;
}

static const char *
owner_uid (const node_t *lease)
{
    const node_t *owners = node_at (lease, "metadata", "ownerReferences", NULL);
    return node_get_text (node_item (owners, 0), "uid", "");
}

static void
a_new_lease_is_that_of_upstream (void **state)
{
    (void) state;
    OWNED (tree_destroy) tree_t *line = sample_request (33);
    const node_t *recorded = node_get (tree_root (line), "request");
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t lease =
        node_lease (tree, NULL, "lab-node", owner_uid (recorded), 40, renew_time (recorded));
    assert_same_json (&lease, recorded);
    assert_true (node_lease_needs_owner (NULL));
    assert_false (node_lease_needs_owner (&lease));
}

static void
a_renewed_lease_is_the_one_the_server_has_at_another_time (void **state)
{
    (void) state;
    OWNED (tree_destroy) tree_t *created = sample_request (33);
    OWNED (tree_destroy) tree_t *renewed = sample_request (34);
    const node_t *recorded = node_get (tree_root (renewed), "request");
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t lease = node_lease (tree, node_get (tree_root (created), "response"), "lab-node",
                               "another node", 40, renew_time (recorded));
    assert_same_json (&lease, recorded);
}

static void
renewals_come_after_a_quarter_of_the_duration (void **state)
{
    (void) state;
    assert_int_equal (node_lease_renew_ms (40, 0), 10000);
    assert_int_equal (node_lease_renew_ms (40, 1), 10400);
    assert_int_equal (node_lease_renew_ms (1, 0), 250);
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (a_new_lease_is_that_of_upstream),
        cmocka_unit_test (a_renewed_lease_is_the_one_the_server_has_at_another_time),
        cmocka_unit_test (renewals_come_after_a_quarter_of_the_duration),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
