/* test_downward_api.c - fields and resources are made texts as upstream makes them. */
#include "cubelet/downward_api.h"
#include "pod_fixture.h"

#define METADATA "{labels: {app: web, b: 'x \"y\"'}, annotations: {Case/Key: v, note: \"l1\\nl2\"}}"

static const node_facts_t FACTS = { .host_ips = TEXTS ("192.0.2.2", "fd00::2") };

static void
fields_are_texts (void **state)
{
    (void) state;
    static const struct {
        const char *path, *expected, *fault;
    } ROWS[] = {
        { "metadata.name", "web", "" },
        { "metadata.namespace", "shop", "" },
        { "metadata.uid", "u-1", "" },
        { "metadata.labels", "app=\"web\"\nb=\"x \\\"y\\\"\"", "" },
        { "metadata.annotations", "Case/Key=\"v\"\nnote=\"l1\\nl2\"", "" },
        { "metadata.labels['app']", "web", "" },
        { "metadata.labels['absent']", "", "" },
        { "metadata.annotations['note']", "l1\nl2", "" },
        { "metadata.annotations['Case/Key']", "v", "" },
        { "spec.nodeName", "n1", "" },
        { "spec.host", "n1", "" },
        { "spec.serviceAccountName", "sa", "" },
        { "status.hostIP", "192.0.2.2", "" },
        { "status.hostIPs", "192.0.2.2,fd00::2", "" },
        { "status.podIP", "10.0.0.9", "" },
        { "status.podIPs", "10.0.0.9,fd00::9", "" },
        { "status.phase", NULL, "unsupported fieldPath: status.phase" },
        { "spec.containers", NULL, "field label not supported: spec.containers" },
        { "", NULL, "field label not supported: " },
        { "metadata.name['x']", NULL,
          "field label does not support subscript: metadata.name['x']" },
        { "metadata.labels[x]", NULL, "field label not supported: metadata.labels[x]" },
        { "['x']", NULL, "field label not supported: ['x']" },
        { "metadata.labels[']", NULL, "field label not supported: metadata.labels[']" },
    };
    OWNED (fixture_close)
    fixture_t fixture = fixture_with (METADATA, "{nodeName: n1, serviceAccountName: sa}");
    text_list_t ips = TEXTS ("10.0.0.9", "fd00::9");
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        const char *made = NULL;
        fault_t fault = { 0 };
        int rc =
            downward_field (&fixture.pod, &FACTS, ips, ROWS[i].path, fixture.tree, &made, &fault);
        assert_string_equal (fault.text, ROWS[i].fault);
        assert_int_equal (rc, ROWS[i].expected ? 0 : -1);
        if (ROWS[i].expected)
            assert_string_equal (made, ROWS[i].expected);
    }
}

static void
keys_that_no_label_can_have_are_refused (void **state)
{
    (void) state;
    OWNED (fixture_close) fixture_t fixture = fixture_with (METADATA, "{}");
    const char *made = NULL;
    fault_t fault = { 0 };
    assert_int_equal (downward_field (&fixture.pod, &FACTS, (text_list_t){ 0 },
                                      "metadata.labels['a b']", fixture.tree, &made, &fault),
                      -1);
    assert_non_null (strstr (fault.text, "invalid key subscript in metadata.labels['a b']: "));
}

static void
missing_fields_are_empty (void **state)
{
    (void) state;
    static const char *const PATHS[] = { "metadata.labels", "spec.nodeName", "status.podIP",
                                         "status.podIPs", "spec.serviceAccountName" };
    OWNED (fixture_close) fixture_t fixture = fixture_pod ("{}");
    for (size_t i = 0; i < COUNT_OF (PATHS); i++) {
        const char *made = NULL;
        fault_t fault = { 0 };
        assert_int_equal (downward_field (&fixture.pod, &FACTS, (text_list_t){ 0 }, PATHS[i],
                                          fixture.tree, &made, &fault),
                          0);
        assert_string_equal (made, "");
    }
}

// ---- resources ----

#define SPEC                                                                                       \
    "{containers: [{name: a, resources: {limits: {cpu: 250m, memory: 64Mi, hugepages-2Mi: 4Mi},"   \
    " requests: {cpu: 100m, memory: '1000', ephemeral-storage: 1Gi}}}, {name: b}],"                \
    " initContainers: [{name: i}]}"

static void
resources_are_numbers (void **state)
{
    (void) state;
    static const struct {
        const char *asker, *named, *resource, *divisor, *expected, *fault;
    } ROWS[] = {
        { "a", NULL, "limits.cpu", NULL, "1", "" },
        { "a", NULL, "limits.cpu", "1m", "250", "" },
        { "a", NULL, "limits.cpu", "100m", "3", "" },
        { "a", NULL, "requests.cpu", "0", "1", "" },
        { "a", NULL, "requests.cpu", "1m", "100", "" },
        { "a", NULL, "limits.memory", NULL, "67108864", "" },
        { "a", NULL, "limits.memory", "1Mi", "64", "" },
        { "a", NULL, "limits.memory", "1M", "68", "" },
        { "a", NULL, "requests.memory", "1Ki", "1", "" },
        { "a", NULL, "requests.ephemeral-storage", "1Gi", "1", "" },
        { "a", NULL, "limits.hugepages-2Mi", "1Mi", "4", "" },
        { "a", NULL, "requests.hugepages-2Mi", NULL, "0", "" },
        { "b", NULL, "limits.cpu", NULL, "4", "" }, // what the node has
        { "b", NULL, "limits.cpu", "1m", "3500", "" },
        { "b", NULL, "limits.memory", NULL, "8589934592", "" },
        { "b", NULL, "limits.ephemeral-storage", "1Gi", "10", "" },
        { "b", NULL, "requests.cpu", NULL, "0", "" },
        { "b", "a", "limits.cpu", "1m", "250", "" },
        { "a", "b", "limits.cpu", "1m", "3500", "" },
        { "i", NULL, "limits.cpu", "1m", "3500", "" },
        { "a", "i", "limits.cpu", "1m", "0", "" },
        { "a", "zz", "limits.cpu", NULL, NULL, "container zz not found" },
        { "a", NULL, "cpu", NULL, NULL, "unsupported container resource : cpu" },
        { "a", NULL, "limits.gpu", NULL, NULL, "unsupported container resource : limits.gpu" },
        { "a", NULL, NULL, NULL, NULL, "unsupported container resource : " },
    };
    OWNED (fixture_close) fixture_t fixture = fixture_pod (SPEC);
    node_t allocatable =
        yaml_node ("{cpu: 3500m, memory: 8Gi, ephemeral-storage: 10Gi}", fixture.tree);
    node_facts_t facts = { .allocatable = &allocatable };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        resource_field_ref_t ref = { .container_name = ROWS[i].named,
                                     .resource = ROWS[i].resource };
        const char *made = NULL;
        fault_t fault = { 0 };
        if (ROWS[i].divisor)
            quantity_parse (ROWS[i].divisor, &ref.divisor, &fault);
        int rc =
            downward_resource (&fixture.pod, &facts, pod_container (&fixture.pod, ROWS[i].asker),
                               &ref, fixture.tree, &made, &fault);
        assert_string_equal (fault.text, ROWS[i].fault);
        assert_int_equal (rc, ROWS[i].expected ? 0 : -1);
        if (ROWS[i].expected)
            assert_string_equal (made, ROWS[i].expected);
    }
}

static void
limits_of_the_pod_come_before_the_nodes (void **state)
{
    (void) state;
    OWNED (fixture_close)
    fixture_t fixture =
        fixture_pod ("{containers: [{name: a}], resources: {limits: {cpu: 2, memory: 1Gi}}}");
    node_t allocatable = yaml_node ("{cpu: 4}", fixture.tree);
    node_facts_t facts = { .allocatable = &allocatable };
    static const struct {
        const char *resource, *expected;
    } ROWS[] = { { "limits.cpu", "2" }, { "limits.memory", "0" } }; // the node knows no memory
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        resource_field_ref_t ref = { .resource = ROWS[i].resource };
        const char *made = NULL;
        fault_t fault = { 0 };
        assert_int_equal (downward_resource (&fixture.pod, &facts,
                                             pod_container (&fixture.pod, "a"), &ref, fixture.tree,
                                             &made, &fault),
                          0);
        assert_string_equal (made, ROWS[i].expected);
    }
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (fields_are_texts),
        cmocka_unit_test (keys_that_no_label_can_have_are_refused),
        cmocka_unit_test (missing_fields_are_empty),
        cmocka_unit_test (resources_are_numbers),
        cmocka_unit_test (limits_of_the_pod_come_before_the_nodes),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
