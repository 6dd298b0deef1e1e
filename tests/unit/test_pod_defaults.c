/* test_pod_defaults.c - a pod gets the defaults that upstream gave it in the recordings. */
#include "cubelet/json.h"
#include "cubelet/memory.h"
#include "cubelet/pod_defaults.h"
#include "cubelet/yaml.h"
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define TRACES CUBELET_SOURCE_DIR "/tests/node/traces"

/* What the API server and its admission add on top. */
static const char *const ADDED_BY_ADMISSION[] = { "serviceAccount",   "serviceAccountName",
                                                  "priority",         "tolerations",
                                                  "preemptionPolicy", "nodeName" };

static tree_t *
read_json_file (const char *path)
{
    OWNED (close_file) FILE *file = fopen (path, "re");
    assert_non_null (file);
    OWNED (free_text) char *bytes = NULL;
    size_t room = 0;
    ssize_t size = getdelim (&bytes, &room, '\0', file);
    assert_true (size > 0);
    fault_t fault = { 0 };
    tree_t *tree = json_read (bytes, (size_t) size, &fault);
    assert_string_equal (fault.text, "");
    return tree;
}

static void
check_equal (const node_t *actual, const node_t *expected, const char *about)
{
    if (node_equal (actual, expected))
        return;
    OWNED (free_text) char *actual_text = json_write (actual, JSON_PRETTY, NULL);
    OWNED (free_text) char *expected_text = json_write (expected, JSON_PRETTY, NULL);
    fail_msg ("%s\nactual %s\nexpected %s", about, actual_text, expected_text);
}

static bool
is_token_volume (const node_t *item)
{
    return strncmp (node_get_text (item, "name", ""), "kube-api-access-", 16) == 0;
}

// Removes the volume with the service account's token and its mounts, and empty lists left.
static void
drop_token (node_t *holder, const char *key)
{
    node_t *list = node_get_mutable (holder, key);
    if (!list)
        return;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < list->via.array.size; i++)
        if (!is_token_volume (&list->via.array.ptr[i]))
            list->via.array.ptr[kept++] = list->via.array.ptr[i];
    list->via.array.size = kept;
    if (kept == 0)
        node_remove (holder, key);
}

static void
drop_admission (node_t *spec)
{
    for (size_t i = 0; i < COUNT_OF (ADDED_BY_ADMISSION); i++)
        node_remove (spec, ADDED_BY_ADMISSION[i]);
    drop_token (spec, "volumes");
    node_t *containers = node_get_mutable (spec, "containers");
    for (uint32_t i = 0; containers && i < containers->via.array.size; i++)
        drop_token (&containers->via.array.ptr[i], "volumeMounts");
}

static void
check_recording (const char *path)
{
    OWNED (tree_destroy) tree_t *tree = read_json_file (path);
    node_t applied = node_nil();
    NODE_EACH (node_get (tree_root (tree), "objects"), object)
    {
        if (strcmp (node_get_text (object, "kind", ""), "Pod") == 0)
            applied = node_copy (tree, object);
    }
    pod_apply_defaults (tree, &applied);
    node_t expected = node_copy (tree, node_at (tree_root (tree), "pod", "spec", NULL));
    node_t *actual = node_get_mutable (&applied, "spec");
    drop_admission (actual);
    drop_admission (&expected);
    check_equal (actual, &expected, path);

    node_t again = node_copy (tree, &applied);
    pod_apply_defaults (tree, &again);
    check_equal (&again, &applied, "defaulted twice");
}

static void
check_recordings (const char *pattern, size_t at_least)
{
    glob_t found = { 0 };
    glob (pattern, 0, NULL, &found);
    assert_true (found.gl_pathc >= at_least);
    for (size_t i = 0; i < found.gl_pathc; i++)
        check_recording (found.gl_pathv[i]);
    globfree (&found);
}

static void
every_recorded_static_pod_gets_upstreams_defaults (void **state)
{
    (void) state;
    check_recordings (TRACES "/standalone/*.json", 8);
}

static void
every_recorded_api_pod_gets_upstreams_defaults (void **state)
{
    (void) state;
    check_recordings (TRACES "/*.json", 0);
}

/* What no recording shows; `given` and `expected` are fragments of the spec. */
static const struct {
    const char *about, *given, *expected;
} ROWS[] = {
    { "no tag is latest, pulled always", "containers: [{image: nginx}]",
      "containers: [{image: nginx, imagePullPolicy: Always, resources: {}, "
      "terminationMessagePath: /dev/termination-log, terminationMessagePolicy: File}]" },
    { "null and empty count as absent",
      "{containers: [{image: 'a:1', imagePullPolicy: '', resources: null, env: null}], "
      "dnsPolicy: ''}",
      "containers: [{image: 'a:1', imagePullPolicy: IfNotPresent, resources: {}, "
      "terminationMessagePath: /dev/termination-log, terminationMessagePolicy: File}]" },
    { "requests come from limits key by key",
      "initContainers: [{image: 'a:1', resources: {limits: {cpu: 1.5, memory: 1Gi}, "
      "requests: {cpu: 100m}}}]",
      "initContainers: [{image: 'a:1', imagePullPolicy: IfNotPresent, "
      "resources: {limits: {cpu: 1500m, memory: 1Gi}, requests: {cpu: 100m, memory: 1Gi}}, "
      "terminationMessagePath: /dev/termination-log, terminationMessagePolicy: File}]" },
    { "not for ephemeral containers",
      "ephemeralContainers: [{image: 'a:1', imagePullPolicy: Never, "
      "resources: {limits: {cpu: 1000m}}, terminationMessagePath: /x, "
      "terminationMessagePolicy: File}]",
      "ephemeralContainers: [{image: 'a:1', imagePullPolicy: Never, "
      "resources: {limits: {cpu: '1'}}, terminationMessagePath: /x, "
      "terminationMessagePolicy: File}]" },
    { "volumes",
      "volumes: [{name: a}, {name: b, hostPath: {path: /x}}, {name: c, configMap: {name: x}}, "
      "{name: d, emptyDir: {sizeLimit: 1024Mi}}, "
      "{name: e, projected: {sources: [{serviceAccountToken: {path: t}}]}}]",
      "volumes: [{name: a, emptyDir: {}}, {name: b, hostPath: {path: /x, type: ''}}, "
      "{name: c, configMap: {name: x, defaultMode: 420}}, {name: d, emptyDir: {sizeLimit: 1Gi}}, "
      "{name: e, projected: {sources: [{serviceAccountToken: {path: t, expirationSeconds: 3600}}], "
      "defaultMode: 420}}]" },
    { "on the host's network a port is a host port",
      "{hostNetwork: true, containers: [{image: 'a:1', ports: [{containerPort: 80}]}]}",
      "{hostNetwork: true, containers: [{image: 'a:1', imagePullPolicy: IfNotPresent, "
      "ports: [{containerPort: 80, protocol: TCP, hostPort: 80}], resources: {}, "
      "terminationMessagePath: /dev/termination-log, terminationMessagePolicy: File}]}" },
    { "a gRPC probe without service",
      "containers: [{image: 'a:1', livenessProbe: {grpc: {port: 9}}}]",
      "containers: [{image: 'a:1', imagePullPolicy: IfNotPresent, resources: {}, "
      "livenessProbe: {grpc: {port: 9, service: ''}, timeoutSeconds: 1, periodSeconds: 10, "
      "successThreshold: 1, failureThreshold: 3}, "
      "terminationMessagePath: /dev/termination-log, terminationMessagePolicy: File}]" },
    { "resources of the pod",
      "{resources: {limits: {cpu: 2, memory: 1Gi}}, containers: [{image: 'a:1', "
      "imagePullPolicy: Never, terminationMessagePath: /x, terminationMessagePolicy: File, "
      "resources: {requests: {cpu: 250m}}}, {image: 'a:1', imagePullPolicy: Never, "
      "terminationMessagePath: /x, terminationMessagePolicy: File, "
      "resources: {requests: {cpu: 250m}}}]}",
      "{resources: {limits: {cpu: '2', memory: 1Gi}, requests: {cpu: 500m, memory: 1Gi}}, "
      "containers: [{image: 'a:1', "
      "imagePullPolicy: Never, terminationMessagePath: /x, terminationMessagePolicy: File, "
      "resources: {requests: {cpu: 250m}}}, {image: 'a:1', imagePullPolicy: Never, "
      "terminationMessagePath: /x, terminationMessagePolicy: File, "
      "resources: {requests: {cpu: 250m}}}]}" },
    { "what is no map is left alone",
      "{containers: [5, nope], volumes: x, initContainers: [{image: [], ports: {}, resources: 7, "
      "imagePullPolicy: Never, terminationMessagePath: /x, terminationMessagePolicy: File}]}",
      "{containers: [5, nope], volumes: x, initContainers: [{image: [], ports: {}, resources: 7, "
      "imagePullPolicy: Never, terminationMessagePath: /x, terminationMessagePolicy: File}]}" },
};

static const char SPEC_DEFAULTS[] =
    "{restartPolicy: Always, terminationGracePeriodSeconds: 30, dnsPolicy: ClusterFirst, "
    "securityContext: {}, schedulerName: default-scheduler, enableServiceLinks: true}";

static node_t
parse (tree_t *tree, const char *yaml)
{
    fault_t fault = { 0 };
    OWNED (tree_destroy) tree_t *read = yaml_read (yaml, strlen (yaml), &fault);
    assert_string_equal (fault.text, "");
    return node_copy (tree, node_item (tree_root (read), 0));
}

static void
what_no_recording_shows_follows_the_api (void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        OWNED (tree_destroy) tree_t *tree = tree_new();
        node_t pod = node_map();
        node_set (tree, &pod, "spec", parse (tree, ROWS[i].given));
        pod_apply_defaults (tree, &pod);
        node_t expected = parse (tree, ROWS[i].expected);
        node_t spec = parse (tree, SPEC_DEFAULTS);
        for (size_t k = 0; k < node_count (&spec); k++)
            node_set (tree, &expected, node_key_at (&spec, k), *node_value_at (&spec, k));
        check_equal (node_get (&pod, "spec"), &expected, ROWS[i].about);
    }
}

static void
what_is_no_pod_is_left_alone (void **state)
{
    (void) state;
    static const char *const BAD[] = { "5", "[]", "{spec: []}", "{spec: null}", "{spec: {}}" };
    for (size_t i = 0; i < COUNT_OF (BAD); i++) {
        OWNED (tree_destroy) tree_t *tree = tree_new();
        node_t pod = parse (tree, BAD[i]);
        pod_apply_defaults (tree, &pod);
    }
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (every_recorded_static_pod_gets_upstreams_defaults),
        cmocka_unit_test (every_recorded_api_pod_gets_upstreams_defaults),
        cmocka_unit_test (what_no_recording_shows_follows_the_api),
        cmocka_unit_test (what_is_no_pod_is_left_alone),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
