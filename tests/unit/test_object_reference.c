#include "cubelet/json.h"
#include "cubelet/memory.h"
#include "cubelet/object_reference.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const char POD[] =
    "{\"metadata\": {\"name\": \"nginx\", \"namespace\": \"default\", \"uid\": \"u-1\","
    " \"resourceVersion\": \"77\"}, \"spec\": {\"containers\": [{\"name\": \"main\"}],"
    " \"initContainers\": [{\"name\": \"first\"}],"
    " \"ephemeralContainers\": [{\"name\": \"debug\"}]}}";

static char *
as_json (const node_t *node)
{
    return json_write (node, JSON_COMPACT, NULL);
}

static void
names_pods_and_their_containers (void **state)
{
    (void) state;
#define POD_PART                                                                                   \
    "{\"kind\":\"Pod\",\"namespace\":\"default\",\"name\":\"nginx\",\"uid\":\"u-1\","              \
    "\"resourceVersion\":\"77\",\"apiVersion\":\"v1\""
    static const struct {
        const char *container, *json;
        bool is_implicit;
    } CASES[] = {
        { NULL, POD_PART "}", false },
        { "main", POD_PART ",\"fieldPath\":\"spec.containers{main}\"}", false },
        { "first", POD_PART ",\"fieldPath\":\"spec.initContainers{first}\"}", false },
        { "debug", POD_PART ",\"fieldPath\":\"spec.ephemeralContainers{debug}\"}", false },
        { "other", POD_PART ",\"fieldPath\":\"implicitly required container other\"}", true },
    };
    fault_t fault = { 0 };
    OWNED (tree_destroy) tree_t *pod = json_read (POD, strlen (POD), &fault);
    assert_non_null (pod);
    for (size_t i = 0; i < COUNT_OF (CASES); i++) {
        OWNED (tree_destroy) tree_t *tree = tree_new();
        node_t reference = object_reference_pod (tree, tree_root (pod), CASES[i].container);
        OWNED (free_text) char *json = as_json (&reference);
        assert_string_equal (json, CASES[i].json);
        assert_int_equal (object_reference_is_implicit (&reference), CASES[i].is_implicit);
    }
}

static void
a_node_has_its_name_as_uid (void **state)
{
    (void) state;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t reference = object_reference_node (tree, "lab-node");
    OWNED (free_text) char *json = as_json (&reference);
    assert_string_equal (json, "{\"kind\":\"Node\",\"name\":\"lab-node\",\"uid\":\"lab-node\"}");
}

static void
an_empty_object_gives_an_empty_reference (void **state)
{
    (void) state;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t reference = object_reference_pod (tree, NULL, NULL);
    OWNED (free_text) char *json = as_json (&reference);
    assert_string_equal (json, "{\"kind\":\"Pod\",\"apiVersion\":\"v1\"}");
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (names_pods_and_their_containers),
        cmocka_unit_test (a_node_has_its_name_as_uid),
        cmocka_unit_test (an_empty_object_gives_an_empty_reference),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
