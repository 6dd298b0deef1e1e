/* The lease-keeper; the test is its API server. */
#include "cubelet/actors.h"
#include "cubelet/api_call.h"
#include "cubelet/memory.h"
#include "helper_api_peer.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define LEASES "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
#define LEASE LEASES "/lab-node"
#define NODE "{\"metadata\": {\"uid\": \"node-uid\"}}"
#define OWNERS "\"ownerReferences\": [{\"kind\": \"Node\", \"uid\": \"node-uid\"}]"

typedef struct {
    stage_t *stage;
    peer_t *api;
} world_t;

static int
set_up (void **state)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t args = node_map();
    node_set_text (tree, &args, "node_name", "lab-node");
    node_set_int (tree, &args, "duration_s", 1); // renewed every 250 ms
    world_t *self = memory_new (1, sizeof *self);
    self->stage = stage_new();
    self->api = stage_peer (self->stage, API_CLIENT);
    stage_actor (self->stage, &lease_keeper_class, "lease-keeper", &args);
    *state = self;
    return 0;
}

static int
tear_down (void **state)
{
    world_t *self = *state;
    stage_destroy (&self->stage);
    free (self);
    return 0;
}

static received_t *
expect_call (world_t *self, const char *method, const char *path)
{
    received_t *call = call_expect (self->api, method, path);
    assert_string_equal (node_get_text (call->body, "query", ""), "timeout=10s");
    return call;
}

static void
expect_and_answer (world_t *self, const char *method, const char *path, int code, const char *body)
{
    OWNED (received_destroy) received_t *call = expect_call (self, method, path);
    call_answer (self->api, call, code, body);
}

/* Expects a PUT that is based on this version, and accepts it as the next one. */
static void
expect_renewal (world_t *self, int version)
{
    OWNED (received_destroy) received_t *call = expect_call (self, "PUT", LEASE);
    OWNED (free_text) char *text = text_format ("%d", version);
    const node_t *lease = node_get (call->body, "body");
    assert_string_equal (node_get_text (node_get (lease, "metadata"), "resourceVersion", ""), text);
    assert_string_equal (node_get_text (node_get (lease, "spec"), "holderIdentity", ""),
                         "lab-node");
    OWNED (free_text)
    char *body =
        text_format ("{\"metadata\": {\"resourceVersion\": \"%d\", " OWNERS "}}", version + 1);
    call_answer (self->api, call, 200, body);
}

static void
a_lease_is_made_with_its_owner_and_renewed (void **state)
{
    world_t *self = *state;
    expect_and_answer (self, "GET", LEASE, 404, "{}");
    expect_and_answer (self, "GET", "/api/v1/nodes/lab-node", 404, "{}"); // not registered yet
    expect_and_answer (self, "GET", LEASE, 404, "{}");
    expect_and_answer (self, "GET", "/api/v1/nodes/lab-node", 200, NODE);
    {
        OWNED (received_destroy) received_t *call = expect_call (self, "POST", LEASES);
        const node_t *owners = node_at (call->body, "body", "metadata", "ownerReferences", NULL);
        assert_string_equal (node_get_text (node_item (owners, 0), "uid", ""), "node-uid");
        call_answer (self->api, call, 201,
                     "{\"metadata\": {\"resourceVersion\": \"1\", " OWNERS "}}");
    }
    expect_renewal (self, 1);
    expect_renewal (self, 2);
}

static void
a_lease_of_somebody_else_is_read_again (void **state)
{
    world_t *self = *state;
    expect_and_answer (self, "GET", LEASE, 200,
                       "{\"metadata\": {\"resourceVersion\": \"5\", " OWNERS "}}");
    expect_and_answer (self, "PUT", LEASE, 409, "{}");
    expect_and_answer (self, "GET", LEASE, 200,
                       "{\"metadata\": {\"resourceVersion\": \"7\", " OWNERS "}}");
    expect_renewal (self, 7);
    expect_and_answer (self, "PUT", LEASE, 404, "{}"); // removed
    expect_and_answer (self, "GET", LEASE, 404, "{}");
    expect_and_answer (self, "GET", "/api/v1/nodes/lab-node", 200, NODE);
    expect_and_answer (self, "POST", LEASES, 201,
                       "{\"metadata\": {\"resourceVersion\": \"1\", " OWNERS "}}");
    expect_renewal (self, 1);
}

static void
a_renewal_is_tried_until_it_is_accepted (void **state)
{
    world_t *self = *state;
    expect_and_answer (self, "GET", LEASE, 503, "{}");
    expect_and_answer (self, "GET", LEASE, 200,
                       "{\"metadata\": {\"resourceVersion\": \"5\", " OWNERS "}}");
    {
        OWNED (received_destroy) received_t *lost = expect_call (self, "PUT", LEASE);
        peer_reply_fault (self->api, lost, FAULT_UNAVAILABLE, "the api-client was restarted");
    }
    expect_and_answer (self, "PUT", LEASE, 500, "{}");
    expect_renewal (self, 5);
    expect_renewal (self, 6);
}

static void
a_lease_without_owner_gets_one_if_it_can (void **state)
{
    world_t *self = *state;
    expect_and_answer (self, "GET", LEASE, 200, "{\"metadata\": {\"resourceVersion\": \"5\"}}");
    expect_and_answer (self, "GET", "/api/v1/nodes/lab-node", 500, "{}");
    expect_and_answer (self, "PUT", LEASE, 200, "{\"metadata\": {\"resourceVersion\": \"6\"}}");
    expect_and_answer (self, "GET", "/api/v1/nodes/lab-node", 200, NODE);
    OWNED (received_destroy) received_t *call = expect_call (self, "PUT", LEASE);
    const node_t *owners = node_at (call->body, "body", "metadata", "ownerReferences", NULL);
    assert_string_equal (node_get_text (node_item (owners, 0), "uid", ""), "node-uid");
}

#define TEST(name) cmocka_unit_test_setup_teardown (name, set_up, tear_down)

int
main (void)
{
    const struct CMUnitTest tests[] = {
        TEST (a_lease_is_made_with_its_owner_and_renewed),
        TEST (a_lease_of_somebody_else_is_read_again),
        TEST (a_renewal_is_tried_until_it_is_accepted),
        TEST (a_lease_without_owner_gets_one_if_it_can),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
