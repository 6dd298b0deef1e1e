#include "cubelet/pod_objects.h"
#include "cubelet/volume_payload.h"
#include "pod_fixture.h"

static void
every_reference_is_named_once (void **state)
{
    (void) state;
    static const struct {
        const char *spec, *refs;
    } CASES[] = {
        { "containers: [{name: a}]", "[]" },
        { "{runtimeClassName: kata, containers: [{name: a}]}",
          "[{kind: RuntimeClass, namespace: '', name: kata}]" },
        { "{imagePullSecrets: [{name: pull}, {}], containers: [{name: a}]}",
          "[{kind: Secret, namespace: shop, name: pull}]" },
        { "containers: [{name: a, env: [{name: A, valueFrom: {configMapKeyRef: {name: c, key: k}}},"
          " {name: B, valueFrom: {secretKeyRef: {name: c, key: k, optional: true}}}],"
          " envFrom: [{configMapRef: {name: c}}]}]",
          "[{kind: ConfigMap, namespace: shop, name: c}, {kind: Secret, namespace: shop, name: "
          "c}]" },
        { "{initContainers: [{name: i, envFrom: [{secretRef: {name: s}}]}],"
          " ephemeralContainers: [{name: e, envFrom: [{secretRef: {name: t}}]}]}",
          "[{kind: Secret, namespace: shop, name: s}, {kind: Secret, namespace: shop, name: t}]" },
        { "volumes: [{name: a, configMap: {name: c}}, {name: b, secret: {secretName: s}},"
          " {name: d, projected: {sources: [{configMap: {name: p}}, {secret: {name: q}},"
          " {serviceAccountToken: {path: t}}]}}, {name: e, emptyDir: {}}]",
          "[{kind: ConfigMap, namespace: shop, name: c}, {kind: Secret, namespace: shop, name: s},"
          " {kind: ConfigMap, namespace: shop, name: p}, {kind: Secret, namespace: shop, name: "
          "q}]" },
        { "volumes: [{name: a, persistentVolumeClaim: {claimName: data}}, {name: b, ephemeral: "
          "{volumeClaimTemplate: {}}}]",
          "[{kind: PersistentVolumeClaim, namespace: shop, name: data},"
          " {kind: PersistentVolumeClaim, namespace: shop, name: web-b}]" },
    };
    for (size_t i = 0; i < COUNT_OF (CASES); i++) {
        OWNED (fixture_close) fixture_t fixture = fixture_pod (CASES[i].spec);
        node_t refs = pod_object_refs (&fixture.pod, fixture.tree);
        assert_yaml (CASES[i].spec, &refs, CASES[i].refs);
    }
}

#define OBJECTS                                                                                    \
    "[{kind: ConfigMap, namespace: shop, name: c, found: true, object: {data: {a: '1'}}},"         \
    " {kind: Secret, namespace: shop, name: s, found: true, object: {data: {k: dg==}}},"           \
    " {kind: Secret, namespace: shop, name: gone, found: false},"                                  \
    " {kind: Secret, namespace: shop, name: locked, found: false, error: is forbidden},"           \
    " {kind: RuntimeClass, namespace: '', name: r, found: false}]"

static void
a_missing_object_is_named_as_upstream_does (void **state)
{
    (void) state;
    static const struct {
        const char *kind, *namespace, *name, *fault;
    } CASES[] = {
        { KIND_CONFIG_MAP, "shop", "c", "" },
        { KIND_SECRET, "shop", "gone", "secret \"gone\" not found" },
        { KIND_SECRET, "shop", "locked", "is forbidden" },
        { KIND_RUNTIME_CLASS, "", "r", "runtimeclass.node.k8s.io \"r\" not found" },
        { KIND_CONFIG_MAP, "other", "c", "configmap \"c\" is not read yet" },
    };
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t objects = yaml_node (OBJECTS, tree);
    for (size_t i = 0; i < COUNT_OF (CASES); i++) {
        fault_t fault = { 0 };
        const node_t *object =
            object_find (&objects, CASES[i].kind, CASES[i].namespace, CASES[i].name, &fault);
        assert_int_equal (object != NULL, !*CASES[i].fault);
        assert_string_equal (fault.text, CASES[i].fault);
    }
}

static void
objects_are_known_when_every_reference_has_a_row (void **state)
{
    (void) state;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t objects = yaml_node (OBJECTS, tree);
    node_t known = yaml_node ("[{kind: ConfigMap, namespace: shop, name: c},"
                              " {kind: Secret, namespace: shop, name: gone}]",
                              tree);
    node_t unknown = yaml_node ("[{kind: ConfigMap, namespace: shop, name: d}]", tree);
    node_t none = node_array();
    assert_true (objects_are_known (&objects, &known));
    assert_false (objects_are_known (&objects, &unknown));
    assert_false (objects_are_known (NULL, &known));
    assert_true (objects_are_known (NULL, &none));
    assert_true (objects_are_known (NULL, NULL));
}

static void
the_environment_gets_objects_by_name (void **state)
{
    (void) state;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t objects = yaml_node (OBJECTS, tree);
    node_t secrets = objects_by_name (&objects, KIND_SECRET, "shop", tree);
    assert_yaml ("secrets", &secrets, "{s: {data: {k: dg==}}, locked: is forbidden}");
    node_t other = objects_by_name (&objects, KIND_SECRET, "other", tree);
    assert_int_equal (node_count (&other), 0);
}

static void
missing_pull_secrets_are_named (void **state)
{
    (void) state;
    OWNED (fixture_close)
    fixture_t fixture = fixture_pod ("imagePullSecrets: [{name: gone}, {name: s}, {name: locked}]");
    node_t objects = yaml_node (OBJECTS, fixture.tree);
    OWNED (free_text) char *missing = NULL;
    node_t secrets = pod_pull_secrets (&fixture.pod, &objects, fixture.tree, &missing);
    assert_yaml ("secrets", &secrets, "[{data: {k: dg==}}]");
    assert_string_equal (missing, "gone, locked");
}

// ---- files of objects ----

static void
files_of_objects (void **state)
{
    (void) state;
    static const struct {
        payload_object_t kind;
        const char *object, *source, *files; // "PATH MODE BYTES;..." or the fault
    } CASES[] = {
        { PAYLOAD_CONFIG_MAP, "{data: {a: '1', b: two}}", "{}", "a 644 1;b 644 two;" },
        { PAYLOAD_CONFIG_MAP, "{data: {a: '1'}, binaryData: {b: /w==}}", "{}",
          "a 644 1;b 644 \xff;" },
        { PAYLOAD_CONFIG_MAP, "{data: {a: '1', b: x}}", "items: [{key: b, path: sub/b, mode: 256}]",
          "sub/b 400 x;" },
        { PAYLOAD_CONFIG_MAP, "{binaryData: {b: eA==}}", "items: [{key: b, path: b}]", "b 644 x;" },
        { PAYLOAD_CONFIG_MAP, "{data: {a: '1'}}", "items: [{key: z, path: z}]",
          "configmap references non-existent config key: z" },
        { PAYLOAD_CONFIG_MAP, "{data: {a: '1'}}",
          "{items: [{key: z, path: z}, {key: a, path: a}], optional: true}", "a 644 1;" },
        { PAYLOAD_SECRET, "{data: {k: dg==}}", "{}", "k 644 v;" },
        { PAYLOAD_SECRET, "{data: {k: dg==}}", "items: [{key: z, path: z}]",
          "references non-existent secret key: z" },
        { PAYLOAD_SECRET, "{data: {k: '*'}}", "{}", "the value of key k is not base64" },
        { PAYLOAD_SECRET, "{data: {k: dg==}}", "items: [{key: k, path: ../k}]",
          "invalid path: must not contain '..': ../k" },
        { PAYLOAD_SECRET, "", "{optional: true}", "" },
    };
    for (size_t i = 0; i < COUNT_OF (CASES); i++) {
        OWNED (tree_destroy) tree_t *tree = tree_new();
        node_t object = yaml_node (CASES[i].object, tree),
               source = yaml_node (CASES[i].source, tree);
        payload_t payload = { 0 };
        fault_t fault = { 0 };
        OWNED (free_text) char *made = text_copy ("");
        if (payload_put_object (&payload, tree, CASES[i].kind,
                                node_is_nil (&object) ? NULL : &object, &source, 0644, &fault)
            < 0)
            text_replace (&made, "%s", fault.text);
        else
            for (size_t k = 0; k < payload.count; k++)
                text_replace (&made, "%s%s %o %.*s;", made, payload.items[k].path,
                              (unsigned) payload.items[k].mode, (int) payload.items[k].size,
                              payload.items[k].bytes);
        assert_string_equal (made, CASES[i].files);
    }
}

static void
who_may_read_a_token (void **state)
{
    (void) state;
    static const struct {
        const char *spec;
        int64_t mode, owner; // -1: root
    } CASES[] = {
        { "containers: [{name: a}]", 0644, -1 },
        { "{securityContext: {fsGroup: 2000}, containers: [{name: a}]}", 0600, -1 },
        { "{securityContext: {runAsUser: 7}, containers: [{name: a}, {name: b}]}", 0600, 7 },
        { "{securityContext: {runAsUser: 7}, containers: [{name: a, securityContext: {runAsUser: "
          "8}}, {name: b}]}",
          0644, -1 },
        { "containers: [{name: a, securityContext: {runAsUser: 8}}, {name: b}]", 0644, -1 },
        { "{initContainers: [{name: i, securityContext: {runAsUser: 8}}],"
          " containers: [{name: a, securityContext: {runAsUser: 8}}]}",
          0600, 8 },
    };
    for (size_t i = 0; i < COUNT_OF (CASES); i++) {
        OWNED (fixture_close) fixture_t fixture = fixture_pod (CASES[i].spec);
        payload_file_t file = { 0 };
        payload_token_access (&fixture.pod, 0644, &file);
        assert_int_equal (file.mode, CASES[i].mode);
        assert_int_equal (file.owner.set ? file.owner.value : -1, CASES[i].owner);
    }
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (every_reference_is_named_once),
        cmocka_unit_test (a_missing_object_is_named_as_upstream_does),
        cmocka_unit_test (objects_are_known_when_every_reference_has_a_row),
        cmocka_unit_test (the_environment_gets_objects_by_name),
        cmocka_unit_test (missing_pull_secrets_are_named),
        cmocka_unit_test (files_of_objects),
        cmocka_unit_test (who_may_read_a_token),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
