/* What changes between two listings of the runtime, written as JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
// cmocka wants these before it
#include "cubelet/json.h"
#include "cubelet/memory.h"
#include "cubelet/pleg.h"
#include <cmocka.h>

static char told[1024];

/* "UID:SANDBOXES/CONTAINERS " with the ids in order. */
static void
note (void *context, const pleg_pod_t *pod)
{
    (void) context;
    size_t used = strlen (told);
    used += (size_t) snprintf (told + used, sizeof told - used, "%s:", pod->uid);
    NODE_EACH (pod->sandboxes, sandbox)
    used += (size_t) snprintf (told + used, sizeof told - used, "%s",
                               node_get_text (sandbox, "id", "?"));
    used += (size_t) snprintf (told + used, sizeof told - used, "/");
    NODE_EACH (pod->containers, container)
    used += (size_t) snprintf (told + used, sizeof told - used, "%s",
                               node_get_text (container, "id", "?"));
    snprintf (told + used, sizeof told - used, "%s ", pod->is_orphan ? "!" : "");
}

/* Short forms for the rows below: a letter is an entry. */
#define A                                                                                          \
    "{\"id\":\"a\",\"created_at\":1,\"metadata\":{\"uid\":\"1\",\"namespace\":\"n\",\"name\":"     \
    "\"p\"}}"
#define A_OFF                                                                                      \
    "{\"id\":\"a\",\"created_at\":1,\"state\":\"SANDBOX_NOTREADY\",\"metadata\":{\"uid\":\"1\","   \
    "\"namespace\":\"n\",\"name\":\"p\"}}"
#define A2                                                                                         \
    "{\"id\":\"A\",\"created_at\":2,\"metadata\":{\"uid\":\"1\",\"namespace\":\"n\",\"name\":"     \
    "\"p\"}}"
#define B "{\"id\":\"b\",\"metadata\":{\"uid\":\"2\",\"namespace\":\"n\",\"name\":\"q\"}}"
#define NO_UID "{\"id\":\"z\",\"metadata\":{\"namespace\":\"n\",\"name\":\"q\"}}"
#define LABELS(uid)                                                                                \
    "\"labels\":{\"io.kubernetes.pod.uid\":\"" uid "\",\"io.kubernetes.pod.namespace\":\"n\","     \
    "\"io.kubernetes.pod.name\":\"p\"}"
#define C "{\"id\":\"c\",\"state\":\"CONTAINER_RUNNING\"," LABELS ("1") "}"
#define C_NEW "{\"id\":\"c\"," LABELS ("1") "}"
#define C_END "{\"id\":\"c\",\"state\":\"CONTAINER_EXITED\"," LABELS ("1") "}"
#define D "{\"id\":\"d\",\"state\":\"CONTAINER_RUNNING\"," LABELS ("1") "}"
#define FOREIGN "{\"id\":\"x\",\"labels\":{\"app\":\"y\"}}"

static size_t
take (pleg_t *pleg, const char *sandboxes, const char *containers)
{
    fault_t fault = { 0 };
    OWNED (free_text) char *json = text_format ("[[%s],[%s]]", sandboxes, containers);
    OWNED (tree_destroy) tree_t *tree = json_read (json, strlen (json), &fault);
    assert_non_null (tree);
    const node_t *root = tree_root (tree);
    told[0] = '\0';
    return pleg_take (pleg, node_item (root, 0), node_item (root, 1), 42, note, NULL);
}

static void
a_pod_is_told_of_when_something_of_it_changed (void **state)
{
    (void) state;
    static const struct {
        const char *sandboxes, *containers, *told;
    } STEPS[] = {
        { "", "", "" },
        { A, "", "1:a/ " },
        { A, "", "" },
        { A "," B, "", "2:b/ " },
        { B "," A, C_NEW, "1:a/c " },
        { A "," B, C, "1:a/c " },
        { A "," B, C "," FOREIGN, "" },
        { A "," B "," NO_UID, C, "" },
        { A "," B, C "," D, "1:a/cd " },
        { B "," A, D "," C, "" }, // the order means nothing
        { A "," B, C_END "," D, "1:a/cd " },
        { A_OFF "," B, C_END "," D, "1:a/cd " },
        { A_OFF "," A2 "," B, C_END "," D, "1:Aa/cd " }, // newest first
        { A2 "," B, "", "1:A/ " },
        { B, C, "1:/c " }, // a container without its sandbox is still the pod's
        { B, "", "1:/ " }, // gone
        { B, "", "" },
        { "", "", "2:/ " },
    };
    OWNED (pleg_destroy) pleg_t *pleg = pleg_new();
    assert_int_equal (pleg_listed_at (pleg), 0);
    for (size_t i = 0; i < COUNT_OF (STEPS); i++) {
        size_t changes = take (pleg, STEPS[i].sandboxes, STEPS[i].containers);
        if (strcmp (told, STEPS[i].told) != 0 || (changes != 0) != (*told != '\0'))
            fail_msg ("step %zu: \"%s\" (%zu) instead of \"%s\"", i, told, changes, STEPS[i].told);
    }
    assert_int_equal (pleg_listed_at (pleg), 42);
}

static void
after_a_renewal_every_pod_counts_as_changed (void **state)
{
    (void) state;
    OWNED (pleg_destroy) pleg_t *pleg = pleg_new();
    take (pleg, A "," B, C);
    pleg_renew (pleg);
    assert_int_equal (take (pleg, A "," B, C), 2);
    assert_string_equal (told, "1:a/c 2:b/ ");
}

static void
one_pod_can_be_asked_for (void **state)
{
    (void) state;
    OWNED (pleg_destroy) pleg_t *pleg = pleg_new();
    take (pleg, A "," B, C);
    told[0] = '\0';
    assert_true (pleg_find (pleg, "2", note, NULL));
    assert_false (pleg_find (pleg, "3", note, NULL));
    assert_string_equal (told, "2:b/ ");
}

static void
orphans_are_marked_as_long_as_they_exist (void **state)
{
    (void) state;
    OWNED (pleg_destroy) pleg_t *pleg = pleg_new();
    take (pleg, A "," B, "");
    pleg_set_orphan (pleg, "2", true);
    pleg_set_orphan (pleg, "3", true);
    told[0] = '\0';
    pleg_each (pleg, note, NULL);
    assert_string_equal (told, "1:a/ 2:b/! ");
    take (pleg, A, "");
    take (pleg, A "," B, "");
    assert_string_equal (told, "2:b/ ");
}

static void
what_an_event_announced_is_looked_for_until_it_shows (void **state)
{
    (void) state;
    static const struct {
        const char *id, *kind;
        const char *sandboxes, *containers; // the next listing
        int64_t retry_ms;
    } ROWS[] = {
        { "c", "stopped", A, C, 20 },     { "c", "stopped", A, C_END, -1 },
        { "c", "stopped", A, "", -1 },    { "a", "stopped", A, C, 20 },
        { "a", "stopped", A_OFF, C, -1 }, { "c", "started", A, C_NEW, 20 },
        { "c", "started", A, C, -1 },     { "c", "started", A, C_END, -1 },
        { "c", "started", A, "", 20 },    { "a", "started", A, "", -1 },
        { "c", "deleted", A, C_END, 20 }, { "c", "deleted", A, "", -1 },
        { "c", "created", A, "", -1 },    { "c", "oom", A, C, -1 },
        { "c", "new kind", A, C, -1 },
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        OWNED (pleg_destroy) pleg_t *pleg = pleg_new();
        pleg_expect (pleg, ROWS[i].id, ROWS[i].kind);
        take (pleg, ROWS[i].sandboxes, ROWS[i].containers);
        if (pleg_retry_ms (pleg) != ROWS[i].retry_ms)
            fail_msg ("row %zu: %d ms", i, (int) pleg_retry_ms (pleg));
    }
}

static void
looking_slows_down_and_ends (void **state)
{
    (void) state;
    static const int WAITS[] = { 20, 40, 80, 160, 320, 640, 1000, 1000, 1000, -1 };
    OWNED (pleg_destroy) pleg_t *pleg = pleg_new();
    pleg_expect (pleg, "c", "stopped");
    for (size_t i = 0; i < COUNT_OF (WAITS); i++) {
        take (pleg, A, C);
        assert_int_equal (pleg_retry_ms (pleg), WAITS[i]);
    }
}

static void
a_later_event_replaces_an_earlier_one (void **state)
{
    (void) state;
    OWNED (pleg_destroy) pleg_t *pleg = pleg_new();
    pleg_expect (pleg, "c", "started");
    pleg_expect (pleg, "c", "stopped");
    take (pleg, A, C_END);
    assert_int_equal (pleg_retry_ms (pleg), -1);
}

static void
malformed_listings_are_no_pods (void **state)
{
    (void) state;
    OWNED (pleg_destroy) pleg_t *pleg = pleg_new();
    assert_int_equal (pleg_take (pleg, NULL, NULL, 1, note, NULL), 0);
    assert_int_equal (take (pleg, "1,\"x\",{}", "null,{\"id\":3,\"labels\":[]}"), 0);
}

int
main (void)
{
    const struct CMUnitTest TESTS[] = {
        cmocka_unit_test (a_pod_is_told_of_when_something_of_it_changed),
        cmocka_unit_test (after_a_renewal_every_pod_counts_as_changed),
        cmocka_unit_test (one_pod_can_be_asked_for),
        cmocka_unit_test (orphans_are_marked_as_long_as_they_exist),
        cmocka_unit_test (what_an_event_announced_is_looked_for_until_it_shows),
        cmocka_unit_test (looking_slows_down_and_ends),
        cmocka_unit_test (a_later_event_replaces_an_earlier_one),
        cmocka_unit_test (malformed_listings_are_no_pods),
    };
    return cmocka_run_group_tests (TESTS, NULL, NULL);
}
