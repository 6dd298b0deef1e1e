#include "cubelet/manifest_object.h"
#include "pod_fixture.h"

static void
objects_read_as_an_api_server_would_serve_them (void **state)
{
    (void) state;
    static const struct {
        const char *document, *object; // or the fault
    } CASES[] = {
        { "{apiVersion: v1, kind: ConfigMap, metadata: {name: c}, data: {a: '1'}}",
          "{apiVersion: v1, kind: ConfigMap, metadata: {name: c, namespace: default},"
          " data: {a: '1'}}" },
        { "{apiVersion: v1, kind: Secret, metadata: {name: s, namespace: shop},"
          " data: {a: eA==, b: eA==}, stringData: {b: 'yz', c: ''}}",
          "{apiVersion: v1, kind: Secret, metadata: {name: s, namespace: shop}, type: Opaque,"
          " data: {a: eA==, b: eXo=, c: ''}}" },
        { "{apiVersion: v1, kind: Secret, metadata: {name: s}, type: x/y}",
          "{apiVersion: v1, kind: Secret, metadata: {name: s, namespace: default}, type: x/y,"
          " data: {}}" },
        { "{apiVersion: node.k8s.io/v1, kind: RuntimeClass, metadata: {name: r}, handler: kata}",
          "{apiVersion: node.k8s.io/v1, kind: RuntimeClass, metadata: {name: r}, handler: kata}" },
        { "{apiVersion: v1, kind: ConfigMap, metadata: {}}",
          "invalid ConfigMap: metadata.name: Required value" },
        { "{apiVersion: v2, kind: ConfigMap, metadata: {name: c}}",
          "invalid ConfigMap: apiVersion: Unsupported value: \"v2\": must be v1" },
        { "{apiVersion: v1, kind: ConfigMap, metadata: {name: c}, data: {a: 1}}",
          "invalid ConfigMap: data[a]: must be a string, put it in quotes" },
        { "{apiVersion: v1, kind: ConfigMap, metadata: {name: c}, data: [a]}",
          "invalid ConfigMap: data: must be an object" },
        { "{apiVersion: v1, kind: Secret, metadata: {name: s}, data: {a: 'hush!'}}",
          "invalid Secret: data[a]: must be base64" },
        { "{apiVersion: v1, kind: Secret, metadata: {name: s}, data: {..: eA==}}",
          "invalid Secret: data[..]: Invalid value: \"..\": must not be '..'" },
        { "{apiVersion: node.k8s.io/v1, kind: RuntimeClass, metadata: {name: r, namespace: shop}}",
          "invalid RuntimeClass: [metadata.namespace: Forbidden: not allowed on this type, "
          "handler: "
          "Required value]" },
    };
    for (size_t i = 0; i < COUNT_OF (CASES); i++) {
        OWNED (tree_destroy) tree_t *tree = tree_new();
        node_t document = yaml_node (CASES[i].document, tree), object = node_nil();
        fault_t fault = { 0 };
        assert_true (manifest_is_object (&document));
        if (manifest_object_build (tree, &document, &object, &fault) < 0)
            assert_string_equal (fault.text, CASES[i].object);
        else
            assert_yaml (CASES[i].document, &object, CASES[i].object);
    }
}

static void
an_object_may_not_be_larger_than_in_the_api (void **state)
{
    (void) state;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t document = yaml_node ("{apiVersion: v1, kind: ConfigMap, metadata: {name: c}}", tree);
    OWNED (free_text) char *large = memory_new ((1 << 20) + 2, 1);
    memset (large, 'x', (1 << 20) + 1);
    node_t data = node_map(), object = node_nil();
    node_set_text (tree, &data, "a", large);
    node_set (tree, &document, "data", data);
    fault_t fault = { 0 };
    assert_int_equal (manifest_object_build (tree, &document, &object, &fault), -1);
    assert_string_equal (fault.text,
                         "invalid ConfigMap: data: Too long: may not be more than 1048576 bytes");
}

static void
other_documents_are_left_to_who_knows_them (void **state)
{
    (void) state;
    static const char *const DOCUMENTS[] = { "{apiVersion: v1, kind: Pod}", "{}", "[]", "text",
                                             "{kind: Service}" };
    for (size_t i = 0; i < COUNT_OF (DOCUMENTS); i++) {
        OWNED (tree_destroy) tree_t *tree = tree_new();
        node_t document = yaml_node (DOCUMENTS[i], tree);
        assert_false (manifest_is_object (&document));
    }
}

static void
rows_say_what_is_there (void **state)
{
    (void) state;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t objects = yaml_node ("[{kind: ConfigMap, metadata: {name: c, namespace: shop}},"
                                " {kind: RuntimeClass, metadata: {name: r}}]",
                                tree);
    static const struct {
        const char *ref, *row;
    } CASES[] = {
        { "{kind: ConfigMap, namespace: shop, name: c}",
          "{kind: ConfigMap, namespace: shop, name: c, found: true,"
          " object: {kind: ConfigMap, metadata: {name: c, namespace: shop}}}" },
        { "{kind: Secret, namespace: shop, name: c}",
          "{kind: Secret, namespace: shop, name: c, found: false}" },
        { "{kind: ConfigMap, namespace: m, name: c}",
          "{kind: ConfigMap, namespace: m, name: c, found: false}" },
        { "{kind: RuntimeClass, namespace: '', name: r}",
          "{kind: RuntimeClass, namespace: '', name: r, found: true,"
          " object: {kind: RuntimeClass, metadata: {name: r}}}" },
    };
    for (size_t i = 0; i < COUNT_OF (CASES); i++) {
        node_t ref = yaml_node (CASES[i].ref, tree);
        node_t row = manifest_object_row (tree, &objects, &ref);
        assert_yaml (CASES[i].ref, &row, CASES[i].row);
    }
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (objects_read_as_an_api_server_would_serve_them),
        cmocka_unit_test (an_object_may_not_be_larger_than_in_the_api),
        cmocka_unit_test (other_documents_are_left_to_who_knows_them),
        cmocka_unit_test (rows_say_what_is_there),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
