/* test_container_labels.c - what is written on sandboxes and containers, and read back. */
#include "cubelet/container_labels.h"
#include "pod_fixture.h"

static void
labels_name_the_pod_and_the_container (void **state)
{
    (void) state;
    OWNED (fixture_close)
    fixture_t fixture = fixture_with ("{labels: {app: x, io.kubernetes.pod.name: fake}}",
                                      "{containers: [{name: c}]}");
    node_t sandbox = sandbox_labels (&fixture.pod, fixture.tree);
    node_t container =
        container_labels (&fixture.pod, &fixture.pod.spec.containers.items[0], fixture.tree);
#define POD_LABELS                                                                                 \
    "io.kubernetes.pod.name: web, io.kubernetes.pod.namespace: shop, io.kubernetes.pod.uid: u-1"
    assert_yaml ("sandbox", &sandbox, "{app: x, " POD_LABELS "}");
    assert_yaml ("container", &container, "{io.kubernetes.container.name: c, " POD_LABELS "}");
    assert_yaml ("the pod's own", fixture.pod.metadata.labels,
                 "{app: x, io.kubernetes.pod.name: fake}");
}

static void
annotations_tell_how_to_stop_it (void **state)
{
    (void) state;
    static const struct {
        const char *metadata, *spec, *key, *expected; // NULL: no such annotation
    } ROWS[] = {
        { "{}", "{containers: [{}]}", ANNOTATION_HASH, "1f" },
        { "{}", "{containers: [{}]}", ANNOTATION_RESTARTS, "3" },
        { "{}", "{containers: [{}]}", ANNOTATION_MESSAGE_PATH, "" },
        { "{}", "{containers: [{terminationMessagePath: /x}]}", ANNOTATION_MESSAGE_PATH, "/x" },
        { "{}", "{containers: [{terminationMessagePolicy: File}]}", ANNOTATION_MESSAGE_POLICY,
          "File" },
        { "{}", "{containers: [{}]}", ANNOTATION_TERMINATION_GRACE, NULL },
        { "{}", "{terminationGracePeriodSeconds: 0, containers: [{}]}",
          ANNOTATION_TERMINATION_GRACE, "0" },
        { "{}", "{containers: [{}]}", ANNOTATION_DELETION_GRACE, NULL },
        { "{deletionGracePeriodSeconds: 30}", "{containers: [{}]}", ANNOTATION_DELETION_GRACE,
          "30" },
        { "{}", "{containers: [{}]}", ANNOTATION_PRE_STOP, NULL },
        { "{}", "{containers: [{lifecycle: {preStop: {exec: {command: [a, '<b> & \"c\"']}}}}]}",
          ANNOTATION_PRE_STOP,
          "{\"exec\":{\"command\":[\"a\",\"\\u003cb\\u003e \\u0026 \\\"c\\\"\"]}}" },
        { "{}",
          "{containers: [{lifecycle: {preStop: {httpGet: {scheme: HTTP, port: web, path: /,"
          " host: '', httpHeaders: [{name: X, value: v}]}}}}]}",
          ANNOTATION_PRE_STOP,
          "{\"httpGet\":{\"path\":\"/\",\"port\":\"web\",\"scheme\":\"HTTP\",\"httpHeaders\":"
          "[{\"name\":\"X\",\"value\":\"v\"}]}}" },
        { "{}", "{containers: [{lifecycle: {preStop: {tcpSocket: {port: 80}}}}]}",
          ANNOTATION_PRE_STOP, "{\"tcpSocket\":{\"port\":80}}" },
        { "{}", "{containers: [{lifecycle: {preStop: {sleep: {seconds: 0}}}}]}",
          ANNOTATION_PRE_STOP, "{\"sleep\":{\"seconds\":0}}" },
        { "{}", "{containers: [{ports: []}]}", ANNOTATION_PORTS, NULL },
        { "{}",
          "{containers: [{ports: [{protocol: TCP, hostPort: 0, containerPort: 80, name: a},"
          " {hostIP: '::1', containerPort: 1, hostPort: 2}]}]}",
          ANNOTATION_PORTS,
          "[{\"name\":\"a\",\"containerPort\":80,\"protocol\":\"TCP\"},"
          "{\"hostPort\":2,\"containerPort\":1,\"hostIP\":\"::1\"}]" },
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        OWNED (fixture_close) fixture_t fixture = fixture_with (ROWS[i].metadata, ROWS[i].spec);
        node_t made = container_annotations (&fixture.pod, &fixture.pod.spec.containers.items[0],
                                             0x1f, 3, fixture.tree);
        const char *text = node_get_text (&made, ROWS[i].key, NULL);
        assert_int_equal (!text, !ROWS[i].expected);
        if (text)
            assert_string_equal (text, ROWS[i].expected);
    }
}

static void
what_was_written_is_read_back (void **state)
{
    (void) state;
    OWNED (fixture_close)
    fixture_t fixture = fixture_with (
        "{deletionGracePeriodSeconds: 7}",
        "{terminationGracePeriodSeconds: 30, containers: [{name: c, terminationMessagePath: /m,"
        " terminationMessagePolicy: File, ports: [{containerPort: 80}],"
        " lifecycle: {preStop: {exec: {command: ['<x>']}}}}]}");
    const container_t *container = &fixture.pod.spec.containers.items[0];
    node_t labels = container_labels (&fixture.pod, container, fixture.tree);
    node_t annotations =
        container_annotations (&fixture.pod, container, 0xfedcba98, 12, fixture.tree);
    container_identity_t made;
    container_identity (&labels, &annotations, fixture.tree, &made);
    assert_string_equal (made.pod_name, "web");
    assert_string_equal (made.pod_namespace, "shop");
    assert_string_equal (made.pod_uid, "u-1");
    assert_string_equal (made.container_name, "c");
    assert_true (made.hash.set);
    assert_int_equal (made.hash.value, 0xfedcba98);
    assert_int_equal (made.restarts, 12);
    assert_string_equal (made.message_path, "/m");
    assert_string_equal (made.message_policy, "File");
    assert_int_equal (made.termination_grace_s.value, 30);
    assert_int_equal (made.deletion_grace_s.value, 7);
    assert_yaml ("preStop", &made.pre_stop, "{exec: {command: ['<x>']}}");
    assert_yaml ("ports", &made.ports, "[{containerPort: 80}]");
}

static void
foreign_containers_read_as_nothing (void **state)
{
    (void) state;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t annotations = yaml_node ("{io.kubernetes.container.hash: xyz,"
                                    " io.kubernetes.container.restartCount: '',"
                                    " io.kubernetes.container.preStopHandler: '{'}",
                                    tree);
    container_identity_t made;
    container_identity (NULL, &annotations, tree, &made);
    assert_string_equal (made.pod_uid, "");
    assert_false (made.hash.set);
    assert_int_equal (made.restarts, 0);
    assert_false (made.termination_grace_s.set);
    assert_true (node_is_nil (&made.pre_stop));
    assert_true (node_is_nil (&made.ports));
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (labels_name_the_pod_and_the_container),
        cmocka_unit_test (annotations_tell_how_to_stop_it),
        cmocka_unit_test (what_was_written_is_read_back),
        cmocka_unit_test (foreign_containers_read_as_nothing),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
