/* test_container_env.c - the environment of a container: order, overriding, sources, faults. */
#include "cubelet/container_env.h"
#include "pod_fixture.h"

#define CONFIG_MAPS                                                                                \
    "{conf: {data: {A: '1', B: two words}, binaryData: {C: AAAA}}, empty: {},"                     \
    " broken: 'failed to sync configmap cache: timed out waiting for the condition'}"
#define SECRETS "{cred: {data: {PASS: czNjcmV0, RAW: AP8=, BAD: '?'}}}"
#define SERVICES                                                                                   \
    "[{metadata: {name: kubernetes, namespace: default},"                                          \
    "  spec: {clusterIP: 10.0.0.1, ports: [{port: 443}]}}]"

/* What one container's lists make, without the service's own variables. */
typedef struct {
    const char *container, *expected, *fault;
} row_t;

static const row_t ROWS[] = {
    { "{}", "[]", "" },
    { "{env: [{name: X, value: v}, {name: E}, {name: F, value: ''}]}",
      "[{key: X, value: v}, {key: E, value: ''}, {key: F, value: ''}]", "" },
    { "{env: [{name: X, value: a}, {name: YY, value: b}, {name: X, value: c}]}",
      "[{key: X, value: c}, {key: YY, value: b}]", "" },
    { "{env: [{name: L, value: x}, {name: E, value: '$(L)-$(NOPE)-$$(L)-$(LATER)'},"
      " {name: LATER, value: '$(L)'}]}",
      "[{key: L, value: x}, {key: E, value: 'x-$(NOPE)-$(L)-$(LATER)'}, {key: LATER, value: x}]",
      "" },
    { "{env: [{name: H, value: 'http://$(KUBERNETES_SERVICE_HOST)'}]}",
      "[{key: H, value: 'http://10.0.0.1'}]", "" },
    { "{env: [{name: KUBERNETES_SERVICE_HOST, value: mine}]}",
      "[{key: KUBERNETES_SERVICE_HOST, value: mine}]", "" },
    { "{envFrom: [{configMapRef: {name: conf}}]}",
      "[{key: A, value: '1'}, {key: B, value: two words}]", "" },
    { "{envFrom: [{configMapRef: {name: conf}, prefix: P_}, {secretRef: {name: none,"
      " optional: true}}], env: [{name: P_A, value: mine}, {name: C, value: $(P_B)}]}",
      "[{key: P_A, value: mine}, {key: P_B, value: two words}, {key: C, value: two words}]", "" },
    { "{envFrom: [{configMapRef: {name: empty}}]}", "[]", "" },
    { "{envFrom: [{configMapRef: {name: none, optional: true}}]}", "[]", "" },
    { "{envFrom: [{configMapRef: {name: none}}]}", NULL, "configmap \"none\" not found" },
    { "{envFrom: [{configMapRef: {name: none, optional: false}}]}", NULL,
      "configmap \"none\" not found" },
    { "{envFrom: [{secretRef: {name: none}}]}", NULL, "secret \"none\" not found" },
    { "{envFrom: [{configMapRef: {name: broken, optional: true}}]}", NULL,
      "failed to sync configmap cache: timed out waiting for the condition" },
    { "{env: [{name: X, valueFrom: {configMapKeyRef: {name: conf, key: B}}}]}",
      "[{key: X, value: two words}]", "" },
    { "{env: [{name: X, valueFrom: {secretKeyRef: {name: cred, key: PASS}}}]}",
      "[{key: X, value: s3cret}]", "" },
    { "{env: [{name: X, valueFrom: {secretKeyRef: {name: cred, key: BAD}}}]}", NULL,
      "key BAD in Secret shop/cred is not base64" },
    { "{env: [{name: X, valueFrom: {configMapKeyRef: {name: conf, key: Z}}}]}", NULL,
      "couldn't find key Z in ConfigMap shop/conf" },
    { "{env: [{name: X, valueFrom: {configMapKeyRef: {name: conf, key: C}}}]}", NULL,
      "couldn't find key C in ConfigMap shop/conf" },
    { "{env: [{name: X, valueFrom: {secretKeyRef: {name: cred, key: Z}}}]}", NULL,
      "couldn't find key Z in Secret shop/cred" },
    { "{env: [{name: X, valueFrom: {secretKeyRef: {name: none, key: Z}}}]}", NULL,
      "secret \"none\" not found" },
    { "{env: [{name: X, valueFrom: {secretKeyRef: {name: cred, key: Z, optional: true}}},"
      " {name: YY, valueFrom: {configMapKeyRef: {name: none, key: Z, optional: true}}}]}",
      "[]", "" },
    { "{env: [{name: X, valueFrom: {fieldRef: {fieldPath: metadata.name}}},"
      " {name: IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}]}",
      "[{key: X, value: web}, {key: IP, value: 10.1.1.1}]", "" },
    { "{env: [{name: X, valueFrom: {fieldRef: {fieldPath: nope}}}]}", NULL,
      "field label not supported: nope" },
    { "{resources: {limits: {cpu: 2}}, env: [{name: X, valueFrom: {resourceFieldRef:"
      " {resource: limits.cpu}}}]}",
      "[{key: X, value: '2'}]", "" },
    { "{env: [{name: X, value: v, valueFrom: {fieldRef: {fieldPath: nope}}}]}",
      "[{key: X, value: v}]", "" },
    { "{env: [{name: X, valueFrom: {}}]}", "[{key: X, value: ''}]", "" },
};

static int
make (const char *container, tree_t *tree, node_t *out, fault_t *fault)
{
    OWNED (free_text)
    char *spec = text_format ("{enableServiceLinks: true, containers: [%s]}", container);
    // the environment must not hold on to what it was made from
    OWNED (fixture_close) fixture_t fixture = fixture_pod (spec);
    node_t config_maps = yaml_node (CONFIG_MAPS, fixture.tree);
    node_t secrets = yaml_node (SECRETS, fixture.tree);
    node_t services = yaml_node (SERVICES, fixture.tree);
    env_sources_t sources = { &config_maps, &secrets, &services, true, true };
    node_facts_t facts = { .node_name = "n1" };
    text_list_t ips = TEXTS ("10.1.1.1");
    return container_environment (&fixture.pod, &fixture.pod.spec.containers.items[0], &sources,
                                  &facts, ips, tree, out, fault);
}

static void
variables_come_in_declared_order (void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        OWNED (tree_destroy) tree_t *tree = tree_new();
        node_t made = node_nil(), own = node_array();
        fault_t fault = { 0 };
        int rc = make (ROWS[i].container, tree, &made, &fault);
        assert_string_equal (fault.text, ROWS[i].fault);
        assert_int_equal (rc, ROWS[i].expected ? 0 : -1);
        if (!ROWS[i].expected)
            continue;
        NODE_EACH (&made, variable)
        {
            if (strncmp (node_get_text (variable, "key", ""), "KUBERNETES_", 11) != 0
                || strcmp (node_get_text (variable, "value", ""), "mine") == 0)
                node_append (tree, &own, *variable);
        }
        assert_yaml (ROWS[i].container, &own, ROWS[i].expected);
        assert_true (node_count (&made) >= 7); // HOST, PORT, PORT and four of the port
    }
}

static void
secrets_that_are_no_text_stay_whole (void **state)
{
    (void) state;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t made;
    fault_t fault = { 0 };
    assert_int_equal (make ("{env: [{name: X, valueFrom: {secretKeyRef: {name: cred, key: RAW}}}]}",
                            tree, &made, &fault),
                      0);
    const node_t *value = node_get (node_item (&made, 0), "value");
    assert_int_equal (value->type, MSGPACK_OBJECT_BIN);
    assert_int_equal (value->via.bin.size, 2);
    assert_memory_equal (value->via.bin.ptr, "\0\377", 2);
}

static void
a_pod_waits_for_what_it_needs (void **state)
{
    (void) state;
    static const struct {
        const char *metadata, *spec;
        bool services_known, has_api;
        const char *fault;
    } WAITS[] = {
        { "{}", "{containers: [{}]}", true, true,
          "nil pod.spec.enableServiceLinks encountered, cannot construct envvars" },
        { "{}", "{enableServiceLinks: false, containers: [{}]}", false, true,
          "services have not yet been read at least once, cannot construct envvars" },
        { "{annotations: {kubernetes.io/config.source: file}}",
          "{enableServiceLinks: true, containers: [{}]}", false, false, "" },
        { "{annotations: {kubernetes.io/config.source: file}}",
          "{enableServiceLinks: true, containers: [{envFrom: [{configMapRef: {name: c,"
          " optional: true}}]}]}",
          false, false, "couldn't get configMap shop/c, no kubeClient defined" },
        { "{annotations: {kubernetes.io/config.source: file}}",
          "{enableServiceLinks: true, containers: [{env: [{name: X, valueFrom: {secretKeyRef:"
          " {name: s, key: k}}}]}]}",
          false, false, "couldn't get secret shop/s, no kubeClient defined" },
    };
    for (size_t i = 0; i < COUNT_OF (WAITS); i++) {
        OWNED (fixture_close) fixture_t fixture = fixture_with (WAITS[i].metadata, WAITS[i].spec);
        env_sources_t sources = { .services_known = WAITS[i].services_known,
                                  .has_api = WAITS[i].has_api };
        node_facts_t facts = { 0 };
        node_t made;
        fault_t fault = { 0 };
        container_environment (&fixture.pod, &fixture.pod.spec.containers.items[0], &sources,
                               &facts, (text_list_t){ 0 }, fixture.tree, &made, &fault);
        assert_string_equal (fault.text, WAITS[i].fault);
    }
}

static void
thousands_of_services_take_no_time (void **state)
{
    (void) state;
    OWNED (fixture_close)
    fixture_t fixture = fixture_pod ("{enableServiceLinks: true, containers: [{}]}");
    node_t services = node_array();
    for (int i = 0; i < 5000; i++) {
        OWNED (free_text)
        char *yaml = text_format ("{metadata: {name: s%d, namespace: shop},"
                                  " spec: {clusterIP: 10.0.0.1, ports: [{port: 80}]}}",
                                  i);
        node_append (fixture.tree, &services, yaml_node (yaml, fixture.tree));
    }
    env_sources_t sources = { .services = &services, .services_known = true };
    node_facts_t facts = { 0 };
    node_t made;
    fault_t fault = { 0 };
    assert_int_equal (container_environment (&fixture.pod, &fixture.pod.spec.containers.items[0],
                                             &sources, &facts, (text_list_t){ 0 }, fixture.tree,
                                             &made, &fault),
                      0);
    assert_int_equal (node_count (&made), 5000 * 7);
}

static void
note_reference (void *context, bool is_secret, const char *name)
{
    text_replace (context, "%s %s:%s", *(char **) context, is_secret ? "secret" : "config", name);
}

static void
references_are_listed (void **state)
{
    (void) state;
    OWNED (fixture_close)
    fixture_t fixture = fixture_pod (
        "{containers: [{envFrom: [{configMapRef: {name: a}}, {secretRef: {name: b}}],"
        " env: [{name: X, value: v}, {name: YY, valueFrom: {secretKeyRef: {name: c, key: k}}},"
        " {name: Z, valueFrom: {configMapKeyRef: {name: a, key: k, optional: true}}},"
        " {name: W, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]}]}");
    OWNED (free_text) char *found = text_copy ("");
    container_env_references (&fixture.pod.spec.containers.items[0], note_reference, &found);
    assert_string_equal (found, " config:a secret:b secret:c config:a");
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (variables_come_in_declared_order),
        cmocka_unit_test (secrets_that_are_no_text_stay_whole),
        cmocka_unit_test (a_pod_waits_for_what_it_needs),
        cmocka_unit_test (thousands_of_services_take_no_time),
        cmocka_unit_test (references_are_listed),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
