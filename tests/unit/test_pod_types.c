/* test_pod_types.c - a pod is read into typed views; what is asked of one is answered from them. */
#include "cubelet/memory.h"
#include "cubelet/pod.h"
#include "cubelet/yaml.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static tree_t *
parse (const char *yaml)
{
    fault_t fault = { 0 };
    OWNED (tree_destroy) tree_t *read = yaml_read (yaml, strlen (yaml), &fault);
    if (!read)
        fail_msg ("%s: %s", yaml, fault.text);
    return tree_copy (node_item (tree_root (read), 0));
}

// The pod's tree goes to *tree_p, to be destroyed by the caller.
static void
decode (const char *yaml, tree_t **tree_p, pod_t *pod)
{
    *tree_p = parse (yaml);
    fault_t fault = { 0 };
    pod_decode (tree_root (*tree_p), *tree_p, pod, &fault);
    assert_string_equal (fault.text, "");
}

static const char EVERYTHING[] =
    "metadata:\n"
    "  name: p\n"
    "  namespace: ns\n"
    "  uid: u-1\n"
    "  resourceVersion: '12'\n"
    "  generation: 3\n"
    "  creationTimestamp: 2026-11-23T16:18:34Z\n"
    "  deletionTimestamp: 2026-11-23T16:18:35Z\n"
    "  deletionGracePeriodSeconds: 0\n"
    "  labels: {app: x}\n"
    "  annotations: {a: b}\n"
    "spec:\n"
    "  restartPolicy: Never\n"
    "  terminationGracePeriodSeconds: 7\n"
    "  hostNetwork: true\n"
    "  hostUsers: false\n"
    "  os: {name: linux}\n"
    "  priority: 5\n"
    "  nodeSelector: {disk: ssd}\n"
    "  hostAliases: [{ip: 192.0.2.9, hostnames: [x.test, z.test]}]\n"
    "  dnsConfig: {nameservers: [192.0.2.53], searches: [a.test], options: [{name: ndots}]}\n"
    "  securityContext: {runAsUser: 0, fsGroup: 2000, supplementalGroups: [4000]}\n"
    "  volumes: [{name: v, emptyDir: {}}]\n"
    "  initContainers:\n"
    "  - {name: side, image: i, restartPolicy: Always}\n"
    "  - {name: init, image: i}\n"
    "  containers:\n"
    "  - name: main\n"
    "    image: nginx\n"
    "    command: [a, b]\n"
    "    args: []\n"
    "    stdin: true\n"
    "    ports: [{name: web, containerPort: 80, hostPort: 8080, hostIP: 127.0.0.1}]\n"
    "    env:\n"
    "    - {name: A, value: x}\n"
    "    - {name: B, valueFrom: {resourceFieldRef: {resource: limits.cpu, divisor: 1m}}}\n"
    "    envFrom: [{prefix: P_, secretRef: {name: s, optional: true}}]\n"
    "    resources: {limits: {cpu: 500m, memory: 1Gi}}\n"
    "    volumeMounts: [{name: v, mountPath: /v, readOnly: true}]\n"
    "    livenessProbe: {httpGet: {port: web, path: /}, periodSeconds: 3, "
    "terminationGracePeriodSeconds: 1}\n"
    "    lifecycle: {preStop: {exec: {command: [stop]}}}\n"
    "    securityContext: {privileged: false, capabilities: {add: [X], drop: [ALL]}}\n"
    "  ephemeralContainers: [{name: debug, image: i, targetContainerName: main}]\n";

static void
every_field_is_where_it_belongs (void **state)
{
    (void) state;
    pod_t pod;
    OWNED (tree_destroy) tree_t *tree = NULL;
    decode (EVERYTHING, &tree, &pod);
    assert_string_equal (pod.metadata.name, "p");
    assert_string_equal (pod.metadata.resource_version, "12");
    assert_int_equal (pod.metadata.generation, 3);
    assert_int_equal (pod.metadata.deletion_time - pod.metadata.creation_time, 1000000000);
    assert_true (pod.metadata.deletion_grace_s.set);
    assert_int_equal (pod.metadata.deletion_grace_s.value, 0);
    assert_string_equal (node_get_text (pod.metadata.labels, "app", ""), "x");
    assert_int_equal (pod.spec.termination_grace_s.value, 7);
    assert_true (pod.spec.host_network);
    assert_true (pod.spec.host_users.set && !pod.spec.host_users.value);
    assert_false (pod.spec.active_deadline_s.set);
    assert_string_equal (pod.spec.os_name, "linux");
    assert_int_equal (pod.spec.host_aliases.count, 1);
    assert_string_equal (pod.spec.host_aliases.items[0].hostnames.items[1], "z.test");
    assert_string_equal (pod.spec.dns_config.searches.items[0], "a.test");
    assert_true (pod.spec.security_context.run_as_user.set);
    assert_int_equal (node_as_int (node_item (pod.spec.security_context.supplemental_groups, 0), 0),
                      4000);
    assert_non_null (node_get (pod.spec.volumes.items[0].node, "emptyDir"));
    assert_ptr_equal (pod.node, tree_root (tree));
}

static void
a_containers_fields_are_where_they_belong (void **state)
{
    (void) state;
    pod_t pod;
    OWNED (tree_destroy) tree_t *tree = NULL;
    decode (EVERYTHING, &tree, &pod);
    const container_t *main = pod_container (&pod, "main");
    assert_int_equal (main->command.count, 2);
    assert_int_equal (main->args.count, 0);
    assert_true (main->stdin && !main->tty);
    assert_int_equal (main->ports.items[0].host_port, 8080);
    assert_null (main->ports.items[0].protocol);
    assert_string_equal (main->env.items[0].value, "x");
    assert_null (main->env.items[0].value_from);
    assert_int_equal (quantity_milli (main->env.items[1].value_from->resource_field_ref->divisor),
                      1);
    assert_true (main->env_from.items[0].secret_ref->optional.value);
    assert_int_equal (quantity_milli (resource_quantity (main->resources.limits, "cpu")), 500);
    assert_false (resource_quantity (main->resources.requests, "cpu").set);
    assert_true (main->volume_mounts.items[0].read_only);
    assert_string_equal (main->liveness_probe->http_get->port.text, "web");
    assert_int_equal (main->liveness_probe->period_s, 3);
    assert_true (main->liveness_probe->termination_grace_s.set);
    assert_null (main->readiness_probe);
    assert_string_equal (main->lifecycle.pre_stop->exec->command.items[0], "stop");
    assert_non_null (node_get (main->lifecycle.pre_stop->node, "exec"));
    assert_null (main->lifecycle.post_start);
    assert_true (main->security_context.privileged.set);
    assert_string_equal (main->security_context.capabilities.drop.items[0], "ALL");
    assert_string_equal (node_get_text (main->node, "image", ""), "nginx");
}

static void
containers_of_all_kinds_are_found_in_the_order_of_the_spec (void **state)
{
    (void) state;
    static const struct {
        const char *name;
        container_kind_t kind;
    } EXPECTED[] = { { "side", CONTAINER_SIDECAR },
                     { "init", CONTAINER_INIT },
                     { "main", CONTAINER_REGULAR },
                     { "debug", CONTAINER_EPHEMERAL } };
    pod_t pod;
    OWNED (tree_destroy) tree_t *tree = NULL;
    decode (EVERYTHING, &tree, &pod);
    assert_int_equal (POD_CONTAINER_COUNT (&pod), COUNT_OF (EXPECTED));
    for (size_t i = 0; i < COUNT_OF (EXPECTED); i++) {
        const container_t *container = pod_container_at (&pod, i);
        assert_string_equal (container->name, EXPECTED[i].name);
        assert_int_equal (container->kind, EXPECTED[i].kind);
        assert_ptr_equal (pod_container (&pod, EXPECTED[i].name), container);
    }
    assert_null (pod_container_at (&pod, COUNT_OF (EXPECTED)));
    assert_null (pod_container (&pod, "nobody"));
    assert_null (pod_container (&pod, NULL));
}

static void
what_is_no_pod_is_refused_with_the_path (void **state)
{
    (void) state;
    static const struct {
        const char *yaml, *problem;
    } ROWS[] = {
        { "5", "is not an object (found a number)" },
        { "spec: {containers: [{name: a}, {name: []}]}",
          "spec.containers[1].name: is not text (found a list)" },
        { "metadata: {creationTimestamp: noon}", "metadata.creationTimestamp: " },
        { "spec: {containers: [{ports: [{containerPort: '80'}]}]}",
          "spec.containers[0].ports[0].containerPort: is not an integer (found a text)" },
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        pod_t pod;
        fault_t fault = { 0 };
        OWNED (tree_destroy) tree_t *tree = parse (ROWS[i].yaml);
        assert_int_equal (pod_decode (tree_root (tree), tree, &pod, &fault), -1);
        assert_memory_equal (fault.text, ROWS[i].problem, strlen (ROWS[i].problem));
    }
}

static void
static_mirror_and_critical_pods_are_told_by_annotation_and_priority (void **state)
{
    (void) state;
    static const struct {
        const char *yaml;
        bool is_static, is_mirror, is_critical;
    } ROWS[] = {
        { "metadata: {}", false, false, false },
        { "metadata: {annotations: {kubernetes.io/config.source: api}}", false, false, false },
        { "metadata: {annotations: {kubernetes.io/config.source: file}}", true, false, true },
        { "metadata: {annotations: {kubernetes.io/config.mirror: x}}", false, true, true },
        { "spec: {priority: 1999999999}", false, false, false },
        { "spec: {priority: 2000000000}", false, false, true },
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        pod_t pod;
        OWNED (tree_destroy) tree_t *tree = NULL;
        decode (ROWS[i].yaml, &tree, &pod);
        assert_int_equal (pod_is_static (&pod), ROWS[i].is_static);
        assert_int_equal (pod_is_mirror (&pod), ROWS[i].is_mirror);
        assert_int_equal (pod_is_critical (&pod), ROWS[i].is_critical);
    }
}

static void
the_quality_of_service_follows_from_requests_and_limits (void **state)
{
    (void) state;
#define FULL "{limits: {cpu: 1, memory: 1Gi}, requests: {cpu: 1000m, memory: 1024Mi}}"
    static const struct {
        const char *yaml, *expected;
    } ROWS[] = {
        { "spec: {containers: [{name: a}]}", "BestEffort" },
        { "spec: {containers: [{name: a, resources: {requests: {cpu: 0}}}]}", "BestEffort" },
        { "spec: {containers: [{name: a, resources: {limits: {example.com/x: 1}}}]}",
          "BestEffort" },
        { "spec: {containers: [{name: a, resources: {requests: {cpu: 1m}}}]}", "Burstable" },
        { "spec: {containers: [{name: a, resources: " FULL "}]}", "Guaranteed" },
        { "spec: {containers: [{name: a, resources: " FULL "}, {name: b}]}", "Burstable" },
        { "spec: {initContainers: [{name: b}], containers: [{name: a, resources: " FULL "}]}",
          "Burstable" },
        { "spec: {containers: [{name: a, resources: {limits: {cpu: 1, memory: 1Gi}, "
          "requests: {cpu: 500m, memory: 1Gi}}}]}",
          "Burstable" },
        { "spec: {containers: [{name: a, resources: {limits: {cpu: 1}, requests: {cpu: 1}}}]}",
          "Burstable" },
        { "spec: {resources: " FULL ", containers: [{name: a}]}", "Guaranteed" },
        { "spec: {resources: {requests: {cpu: 1}}, containers: [{name: a, resources: " FULL "}]}",
          "Burstable" },
        { "{status: {qosClass: Guaranteed}, spec: {containers: [{name: a}]}}", "Guaranteed" },
        { "{status: {qosClass: Odd}, spec: {containers: [{name: a}]}}", "BestEffort" },
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        pod_t pod;
        OWNED (tree_destroy) tree_t *tree = NULL;
        decode (ROWS[i].yaml, &tree, &pod);
        assert_string_equal (pod_qos_class (&pod), ROWS[i].expected);
    }
}

static void
quantities_are_read_from_texts_and_numbers (void **state)
{
    (void) state;
    OWNED (tree_destroy)
    tree_t *tree = parse ("{a: 250m, b: 2, c: 0.1, d: [], e: x, f: 1e3, g: 1.5Gi}");
    const node_t *list = tree_root (tree);
    assert_int_equal (quantity_milli (resource_quantity (list, "a")), 250);
    assert_int_equal (quantity_milli (resource_quantity (list, "b")), 2000);
    assert_int_equal (quantity_milli (resource_quantity (list, "c")), 100);
    assert_false (resource_quantity (list, "d").set);
    assert_false (resource_quantity (list, "e").set);
    assert_int_equal (quantity_value (resource_quantity (list, "f")), 1000);
    assert_int_equal (quantity_value (resource_quantity (list, "g")), 1610612736);
    assert_false (resource_quantity (list, "none").set);
    assert_false (resource_quantity (NULL, "a").set);
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (every_field_is_where_it_belongs),
        cmocka_unit_test (a_containers_fields_are_where_they_belong),
        cmocka_unit_test (containers_of_all_kinds_are_found_in_the_order_of_the_spec),
        cmocka_unit_test (what_is_no_pod_is_refused_with_the_path),
        cmocka_unit_test (static_mirror_and_critical_pods_are_told_by_annotation_and_priority),
        cmocka_unit_test (the_quality_of_service_follows_from_requests_and_limits),
        cmocka_unit_test (quantities_are_read_from_texts_and_numbers),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
