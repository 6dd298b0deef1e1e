/* test_static_pod.c - a manifest becomes the pod that upstream made of it. */
#include "cubelet/duration.h"
#include "cubelet/json.h"
#include "cubelet/memory.h"
#include "cubelet/static_pod.h"
#include "cubelet/yaml.h"
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define TRACES CUBELET_SOURCE_DIR "/tests/node/traces"
#define HASH "kubernetes.io/config.hash"
#define SEEN "kubernetes.io/config.seen"

static const static_pod_options_t OPTIONS = {
    .node_name = "lab-node", .source = "file", .location = "/m/a.yaml", .seen_ns = 1000000001
};

static tree_t *
read_json_file (const char *path)
{
    OWNED (close_file) FILE *file = fopen (path, "re");
    assert_non_null (file);
    OWNED (free_text) char *bytes = NULL;
    size_t room = 0;
    ssize_t size = getdelim (&bytes, &room, '\0', file);
    fault_t fault = { 0 };
    tree_t *tree = json_read (bytes, (size_t) size, &fault);
    assert_string_equal (fault.text, "");
    return tree;
}

static node_t
parse (tree_t *tree, const char *yaml)
{
    fault_t fault = { 0 };
    OWNED (tree_destroy) tree_t *read = yaml_read (yaml, strlen (yaml), &fault);
    if (!read)
        fail_msg ("%s: %s", yaml, fault.text);
    return node_copy (tree, node_item (tree_root (read), 0));
}

static node_t
build (tree_t *tree, const char *yaml, const static_pod_options_t *options)
{
    node_t document = parse (tree, yaml), pod;
    fault_t fault = { 0 };
    static_pod_build (tree, &document, options, &pod, &fault);
    assert_string_equal (fault.text, "");
    return pod;
}

static void
check_recording (const char *path)
{
    OWNED (tree_destroy) tree_t *tree = read_json_file (path);
    node_t *expected = node_get_mutable (tree_root (tree), "pod");
    const node_t *annotations = node_at (expected, "metadata", "annotations", NULL);
    static_pod_options_t options = OPTIONS;
    options.node_name = "lab-node";
    fault_t fault = { 0 };
    assert_int_equal (time_parse (node_get_text (annotations, SEEN, ""), &options.seen_ns, &fault),
                      0);
    node_t pod;
    static_pod_build (tree, node_item (node_get (tree_root (tree), "objects"), 0), &options, &pod,
                      &fault);
    assert_string_equal (fault.text, "");

    // The one thing that differs is the hash; ours is put in upstream's place.
    const node_t *uid = node_at (&pod, "metadata", "uid", NULL);
    assert_int_equal (strlen (node_as_text (uid, "")), 32);
    node_t *metadata = node_get_mutable (expected, "metadata");
    node_set (tree, metadata, "uid", *uid);
    node_set (tree, node_get_mutable (metadata, "annotations"), HASH, *uid);
    // The recorded status has moved on.
    node_set (tree, expected, "status", parse (tree, "phase: Pending"));
    if (!node_equal (&pod, expected)) {
        OWNED (free_text) char *actual_text = json_write (&pod, JSON_PRETTY, NULL);
        OWNED (free_text) char *expected_text = json_write (expected, JSON_PRETTY, NULL);
        fail_msg ("%s\nactual %s\nexpected %s", path, actual_text, expected_text);
    }
}

static void
every_recorded_manifest_becomes_the_recorded_pod (void **state)
{
    (void) state;
    glob_t found = { 0 };
    glob (TRACES "/standalone/*.json", 0, NULL, &found);
    assert_true (found.gl_pathc >= 8);
    for (size_t i = 0; i < found.gl_pathc; i++)
        check_recording (found.gl_pathv[i]);
    globfree (&found);
}

#define POD "apiVersion: v1\nkind: Pod\n"
#define CONTAINER "containers: [{name: c, image: 'i:1'}]"

static void
the_uid_changes_with_the_content_but_not_with_its_layout (void **state)
{
    (void) state;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    static const char FIRST[] = POD "metadata: {name: p, labels: {a: x, b: z}}\n"
                                    "spec: {" CONTAINER ", hostPID: true}\n";
    static const char SAME[] = "# a comment\nspec:\n  hostPID: true\n  " CONTAINER "\n"
                               "kind: Pod\napiVersion: v1\n"
                               "metadata: {labels: {b: z, a: x}, name: p}\n";
    static const char OTHER[] = POD "metadata: {name: p, labels: {a: x, b: z}}\n"
                                    "spec: {" CONTAINER ", hostPID: false}\n";
    static_pod_options_t elsewhere = OPTIONS;
    elsewhere.location = "/m/b.yaml";
    static_pod_options_t later = OPTIONS;
    later.seen_ns++;
    node_t pods[] = {
        build (tree, FIRST, &OPTIONS), build (tree, SAME, &OPTIONS),    build (tree, FIRST, &later),
        build (tree, OTHER, &OPTIONS), build (tree, FIRST, &elsewhere),
    };
    const char *uids[COUNT_OF (pods)];
    for (size_t i = 0; i < COUNT_OF (pods); i++)
        uids[i] = node_get_text (node_get (&pods[i], "metadata"), "uid", "");
    assert_string_equal (uids[0], uids[1]);
    assert_string_equal (uids[0], uids[2]);
    assert_string_not_equal (uids[0], uids[3]);
    assert_string_not_equal (uids[0], uids[4]);
}

static void
a_given_identity_is_kept (void **state)
{
    (void) state;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t pod = build (tree,
                        POD "metadata: {name: p, namespace: ns, uid: my-uid, resourceVersion: '7', "
                            "creationTimestamp: 2026-11-23T16:18:34Z, annotations: {mine: x}}\n"
                            "spec: {" CONTAINER ", nodeName: elsewhere, "
                            "tolerations: [{operator: Exists, effect: NoExecute}]}\n"
                            "status: {phase: Running}\n",
                        &OPTIONS);
    node_t expected =
        parse (tree, "{name: p-lab-node, namespace: ns, uid: my-uid, annotations: {mine: x, " HASH
                     ": my-uid, " SEEN ": '1970-01-01T00:00:01.000000001Z', "
                     "kubernetes.io/config.source: file}}");
    assert_true (node_equal (node_get (&pod, "metadata"), &expected));
    const node_t *spec = node_get (&pod, "spec");
    assert_string_equal (node_get_text (spec, "nodeName", ""), "lab-node");
    assert_int_equal (node_count (node_get (spec, "tolerations")), 1);
    assert_string_equal (node_get_text (node_get (&pod, "status"), "phase", ""), "Pending");
}

static void
only_files_bring_the_toleration (void **state)
{
    (void) state;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    static_pod_options_t http = OPTIONS;
    http.source = "http";
    node_t pod = build (tree, POD "metadata: {name: p}\nspec: {" CONTAINER "}\n", &http);
    assert_null (node_at (&pod, "spec", "tolerations", NULL));
}

static void
what_is_no_valid_pod_is_refused (void **state)
{
    (void) state;
    static const struct {
        const char *yaml, *problem;
    } ROWS[] = {
        { "hello", "is not an object, only a v1 Pod is supported" },
        { "apiVersion: v1", "kind: Required value: must be Pod" },
        { "kind: Pod", "apiVersion: Required value: must be v1" },
        { "{apiVersion: v1, kind: PodList}",
          "kind: Unsupported value: \"PodList\": only a Pod may stand here" },
        { "{apiVersion: apps/v1, kind: Deployment}",
          "kind: Unsupported value: \"Deployment\": only a Pod may stand here" },
        { "{apiVersion: v2, kind: Pod}",
          "apiVersion: Unsupported value: \"v2\": a Pod is of apiVersion v1" },
        { POD "metadata: {}", "invalid pod: name is needed for the pod" },
        { POD "metadata: {name: p}", "invalid pod: spec: Required value" },
        { POD "metadata: {name: p}\nspec: {}", "invalid pod: spec.containers: Required value" },
        { POD "metadata: {name: p, uid: 5}\nspec: {}",
          "invalid pod: metadata.uid: is not text (found a number)" },
        { POD "metadata: {name: p, uid: ../../x}\nspec: {}",
          "invalid pod: metadata.uid: Invalid value: \"../../x\": must consist of alphanumeric "
          "characters and '-'" },
        { POD "metadata: {name: p}\nspec: {containers: [{name: c}]}",
          "invalid pod: spec.containers[0].image: Required value" },
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        OWNED (tree_destroy) tree_t *tree = tree_new();
        node_t document = parse (tree, ROWS[i].yaml), pod;
        fault_t fault = { 0 };
        assert_int_equal (static_pod_build (tree, &document, &OPTIONS, &pod, &fault), -1);
        assert_string_equal (fault.text, ROWS[i].problem);
    }
}

static void
api_objects_may_not_be_referenced (void **state)
{
    (void) state;
#define C(MORE) "containers: [{name: c, image: 'i:1', " MORE "}]"
#define V(SOURCE) CONTAINER ", volumes: [{name: v, " SOURCE "}]"
    static const struct {
        const char *spec, *reference;
        bool is_allowed; // with allow_api_references
    } ROWS[] = {
        { "serviceAccountName: a, " CONTAINER, "serviceaccounts", false },
        { "serviceAccount: a, " CONTAINER, "serviceaccounts", false },
        { "imagePullSecrets: [{name: s}], " CONTAINER, "secrets", true },
        { C ("env: [{name: A, valueFrom: {secretKeyRef: {name: s, key: k}}}]"), "secrets", true },
        { C ("envFrom: [{configMapRef: {name: s}}]"), "configmaps", true },
        { V ("secret: {secretName: s}"), "secrets", true },
        { V ("configMap: {name: s}"), "configmaps", true },
        { V ("persistentVolumeClaim: {claimName: s}"), "persistentvolumeclaims", false },
        { V ("csi: {driver: d}"), "csidrivers (via CSI volumes)", false },
        { V ("ephemeral: {volumeClaimTemplate: {spec: {}}}"),
          "persistentvolumeclaims (via ephemeral volumes)", false },
        { V ("projected: {sources: [{secret: {name: s}}]}"), "secrets", true },
        { V ("projected: {sources: [{clusterTrustBundle: {name: s, path: p}}]}"),
          "clustertrustbundles", false },
        { "resourceClaims: [{name: r}], " CONTAINER, "resourceclaims", false },
        { V ("emptyDir: {}"), NULL, true },
        { V ("hostPath: {path: /x}"), NULL, true },
        { V ("downwardAPI: {items: [{path: p, fieldRef: {fieldPath: metadata.name}}]}"), NULL,
          true },
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++)
        for (int allow = 0; allow < 2; allow++) {
            OWNED (tree_destroy) tree_t *tree = tree_new();
            OWNED (free_text)
            char *yaml = text_format (POD "metadata: {name: p}\nspec: {%s}\n", ROWS[i].spec);
            OWNED (free_text) char *problem = text_copy ("");
            if (ROWS[i].reference && !(allow && ROWS[i].is_allowed))
                text_replace (&problem, "static pods may not reference %s", ROWS[i].reference);
            static_pod_options_t options = OPTIONS;
            options.allow_api_references = allow;
            node_t document = parse (tree, yaml), pod;
            fault_t fault = { 0 };
            static_pod_build (tree, &document, &options, &pod, &fault);
            assert_string_equal (fault.text, problem);
        }
}

// ---- whatever a manifest holds ----

static const char RICH[] =
    POD "metadata: {name: p, namespace: ns, uid: u, labels: {a: b}, annotations: {c: d}}\n"
        "spec:\n"
        "  hostNetwork: true\n"
        "  tolerations: [{key: a, operator: Equal, value: b, effect: NoExecute, "
        "tolerationSeconds: 3}]\n"
        "  dnsConfig: {nameservers: [192.0.2.1], searches: [a.b], options: [{name: x}]}\n"
        "  hostAliases: [{ip: 192.0.2.9, hostnames: [x.test]}]\n"
        "  securityContext: {runAsUser: 1, supplementalGroups: [1], sysctls: [{name: a, value: "
        "b}], seccompProfile: {type: RuntimeDefault}}\n"
        "  resources: {limits: {cpu: 4, memory: 4Gi}}\n"
        "  readinessGates: [{conditionType: a.b/c}]\n"
        "  volumes: [{name: v, emptyDir: {sizeLimit: 1Mi}}, {name: w, hostPath: {path: /x}}, "
        "{name: d, downwardAPI: {items: [{path: x, fieldRef: {fieldPath: metadata.name}}]}}, "
        "{name: q, projected: {sources: [{downwardAPI: {items: [{path: z, resourceFieldRef: "
        "{containerName: c, resource: limits.cpu, divisor: 1m}}]}}]}}]\n"
        "  initContainers: [{name: i, image: 'i:1', restartPolicy: Always}]\n"
        "  containers:\n"
        "  - name: c\n"
        "    image: nginx:latest\n"
        "    command: [a, b]\n"
        "    ports: [{name: web, containerPort: 80, hostPort: 80, hostIP: 127.0.0.1}]\n"
        "    env: [{name: A, value: x}, {name: B, valueFrom: {fieldRef: {fieldPath: "
        "metadata.uid}}}]\n"
        "    resources: {limits: {cpu: 1, memory: 1Gi}, requests: {cpu: 500m}}\n"
        "    volumeMounts: [{name: v, mountPath: /v, subPath: s, mountPropagation: None}]\n"
        "    livenessProbe: {httpGet: {port: web, httpHeaders: [{name: X, value: z}]}}\n"
        "    readinessProbe: {grpc: {port: 9}}\n"
        "    lifecycle: {preStop: {sleep: {seconds: 1}}, postStart: {exec: {command: [x]}}}\n"
        "    securityContext: {capabilities: {add: [X]}, appArmorProfile: {type: Unconfined}}\n";

// The node at a random place below `node`, or `node` itself.
static node_t *
random_place (node_t *node, unsigned *seed)
{
    while (rand_r (seed) % 5 != 0) {
        size_t count = node_count (node);
        if (count == 0)
            break;
        size_t index = (size_t) rand_r (seed) % count;
        node = node_is_map (node) ? &node->via.map.ptr[index].val : &node->via.array.ptr[index];
    }
    return node;
}

static node_t
random_value (tree_t *tree, unsigned *seed)
{
    static const char *const TEXTS[] = { "",    "x",  "../..", "-1",       "1e99",   "10Gi",
                                         "a b", "\n", "%s%n",  "\xc3\xa9", "Always", "None" };
    switch (rand_r (seed) % 9) {
    case 0: return node_nil();
    case 1: return node_bool (rand_r (seed) % 2 == 0);
    case 2: return node_int (rand_r (seed) % 2 == 0 ? INT64_MIN : INT64_MAX);
    case 3: return node_int (rand_r (seed) % 70000 - 10);
    case 4: return node_real (0.1 * rand_r (seed));
    case 5: return node_map();
    case 6: return node_array();
    default: return node_text (tree, TEXTS[(size_t) rand_r (seed) % COUNT_OF (TEXTS)]);
    }
}

static void
whatever_a_manifest_holds_it_is_taken_or_refused (void **state)
{
    (void) state;
    OWNED (tree_destroy) tree_t *original = tree_new();
    node_t rich = parse (original, RICH);
    unsigned seed = 1;
    int taken = 0;
    for (int i = 0; i < 5000; i++) {
        OWNED (tree_destroy) tree_t *tree = tree_new();
        node_t document = node_copy (tree, &rich), pod;
        for (int changes = i == 0 ? 0 : rand_r (&seed) % 3 + 1; changes > 0; changes--)
            *random_place (&document, &seed) = random_value (tree, &seed);
        fault_t fault = { 0 };
        if (static_pod_build (tree, &document, &OPTIONS, &pod, &fault) == 0)
            taken++;
        else
            assert_int_equal (fault.code, FAULT_INVALID);
        if (i == 0)
            assert_string_equal (fault.text, "");
    }
    assert_in_range (taken, 1, 4999);
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (every_recorded_manifest_becomes_the_recorded_pod),
        cmocka_unit_test (the_uid_changes_with_the_content_but_not_with_its_layout),
        cmocka_unit_test (a_given_identity_is_kept),
        cmocka_unit_test (only_files_bring_the_toleration),
        cmocka_unit_test (what_is_no_valid_pod_is_refused),
        cmocka_unit_test (api_objects_may_not_be_referenced),
        cmocka_unit_test (whatever_a_manifest_holds_it_is_taken_or_refused),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
