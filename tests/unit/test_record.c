#include "cubelet/json.h"
#include "cubelet/memory.h"
#include "cubelet/record.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

// ---- a record with a field of every kind, shaped like a pod ----

typedef struct {
    const char *name;
    int64_t port;
} port_t;

typedef struct {
    const char *name;
    const char *image;
    const char *pull_policy;
    text_list_t args;
    quantity_t cpu;
    LIST_OF (port_t) ports;
} container_t;

typedef struct {
    opt_bool_t is_non_root;
    opt_int_t user;
} security_t;

typedef struct {
    const char *host;
    bool is_host_network;
    int64_t priority;
    double weight;
    int_or_text_t target;
    int64_t grace_ns;
    int64_t started_ns;
    const node_t *anything;
    const node_t *labels;
    security_t security;
    security_t *more_security;
    LIST_OF (container_t) containers;
} pod_spec_t;

typedef struct {
    pod_spec_t spec;
} pod_t;

static const record_type_t PORT = {
    (const field_t[]){ { .name = "name", .kind = FIELD_TEXT, .offset = offsetof (port_t, name) },
                       { .name = "containerPort",
                         .kind = FIELD_INT,
                         .offset = offsetof (port_t, port),
                         .required = true,
                         .low = 1,
                         .high = 65535 },
                       { .name = NULL } },
    sizeof (port_t)
};

static const char *const POLICIES[] = { "Always", "Never", "IfNotPresent", NULL };

static const record_type_t CONTAINER = {
    (const field_t[]){
        { .name = "name",
          .kind = FIELD_TEXT,
          .offset = offsetof (container_t, name),
          .required = true },
        { .name = "image", .kind = FIELD_TEXT, .offset = offsetof (container_t, image) },
        { .name = "imagePullPolicy",
          .kind = FIELD_TEXT,
          .offset = offsetof (container_t, pull_policy),
          .one_of = POLICIES },
        { .name = "args", .kind = FIELD_TEXT_LIST, .offset = offsetof (container_t, args) },
        { .name = "cpu", .kind = FIELD_QUANTITY, .offset = offsetof (container_t, cpu) },
        { .name = "ports",
          .kind = FIELD_LIST,
          .offset = offsetof (container_t, ports),
          .of = &PORT },
        { .name = NULL } },
    sizeof (container_t)
};

static const record_type_t SECURITY = { (const field_t[]){
                                            { .name = "runAsNonRoot",
                                              .kind = FIELD_OPT_BOOL,
                                              .offset = offsetof (security_t, is_non_root) },
                                            { .name = "runAsUser",
                                              .kind = FIELD_OPT_INT,
                                              .offset = offsetof (security_t, user),
                                              .low = 0,
                                              .high = INT32_MAX },
                                            { .name = NULL } },
                                        sizeof (security_t) };

#define FIELD(json, kind_, member)                                                                 \
    {                                                                                              \
        .name = json, .kind = kind_, .offset = offsetof (pod_spec_t, member)                       \
    }

static const record_type_t POD_SPEC = { (const field_t[]){
                                            FIELD ("hostname", FIELD_TEXT, host),
                                            FIELD ("hostNetwork", FIELD_BOOL, is_host_network),
                                            FIELD ("priority", FIELD_INT, priority),
                                            FIELD ("weight", FIELD_REAL, weight),
                                            FIELD ("target", FIELD_INT_OR_TEXT, target),
                                            FIELD ("grace", FIELD_DURATION, grace_ns),
                                            FIELD ("started", FIELD_TIME, started_ns),
                                            FIELD ("anything", FIELD_NODE, anything),
                                            FIELD ("labels", FIELD_TEXT_MAP, labels),
                                            { .name = "securityContext",
                                              .kind = FIELD_RECORD,
                                              .offset = offsetof (pod_spec_t, security),
                                              .of = &SECURITY },
                                            { .name = "moreSecurity",
                                              .kind = FIELD_OPT_RECORD,
                                              .offset = offsetof (pod_spec_t, more_security),
                                              .of = &SECURITY },
                                            { .name = "containers",
                                              .kind = FIELD_LIST,
                                              .offset = offsetof (pod_spec_t, containers),
                                              .of = &CONTAINER },
                                            { .name = NULL } },
                                        sizeof (pod_spec_t) };

static const record_type_t POD = {
    (const field_t[]){
        { .name = "spec", .kind = FIELD_RECORD, .offset = offsetof (pod_t, spec), .of = &POD_SPEC },
        { .name = NULL } },
    sizeof (pod_t)
};

static tree_t *
read_json (const char *text)
{
    fault_t fault = { 0 };
    tree_t *tree = json_read (text, strlen (text), &fault);
    if (!tree)
        fail_msg ("%s: %s", text, fault.text);
    return tree;
}

/* Decodes leniently; the tree stays the caller's. */
static pod_t
decode (tree_t *tree)
{
    pod_t pod = { 0 };
    fault_t fault = { 0 };
    if (record_decode (&POD, tree_root (tree), tree, RECORD_LENIENT, &pod, &fault) < 0)
        fail_msg ("%s", fault.text);
    return pod;
}

// ---- reading ----

static void
every_kind_of_field_is_read (void **state)
{
    (void) state;
    OWNED (tree_destroy)
    tree_t *tree = read_json (
        "{\"spec\":{\"hostname\":\"h\",\"hostNetwork\":true,\"priority\":-5,\"weight\":2.5,"
        "\"target\":\"http\",\"grace\":\"1m30s\",\"started\":\"1970-01-01T00:00:01.5Z\","
        "\"anything\":[1],\"labels\":{\"a\":\"b\",\"c\":null},"
        "\"securityContext\":{\"runAsNonRoot\":false,\"runAsUser\":0},"
        "\"moreSecurity\":{\"runAsUser\":7},"
        "\"containers\":[{\"name\":\"c0\"},{\"name\":\"c1\",\"image\":\"i\",\"args\":[\"x\",null],"
        "\"cpu\":\"100m\",\"ports\":[{\"containerPort\":80,\"name\":\"p\"}],"
        "\"imagePullPolicy\":\"Never\"}]}}");
    pod_t pod = decode (tree);
    assert_string_equal (pod.spec.host, "h");
    assert_true (pod.spec.is_host_network);
    assert_int_equal (pod.spec.priority, -5);
    assert_true (pod.spec.weight == 2.5);
    assert_true (pod.spec.target.set);
    assert_string_equal (pod.spec.target.text, "http");
    assert_int_equal (pod.spec.grace_ns, 90000000000);
    assert_int_equal (pod.spec.started_ns, 1500000000);
    assert_int_equal (node_count (pod.spec.anything), 1);
    assert_string_equal (node_get_text (pod.spec.labels, "a", ""), "b");
    assert_true (pod.spec.security.is_non_root.set);
    assert_false (pod.spec.security.is_non_root.value);
    assert_true (pod.spec.security.user.set);
    assert_int_equal (pod.spec.security.user.value, 0);
    assert_int_equal (pod.spec.more_security->user.value, 7);
    assert_int_equal (pod.spec.containers.count, 2);
    const container_t *container = &pod.spec.containers.items[1];
    assert_string_equal (container->name, "c1");
    assert_int_equal (container->args.count, 2);
    assert_string_equal (container->args.items[1], "");
    assert_int_equal (quantity_milli (container->cpu), 100);
    assert_int_equal (container->ports.items[0].port, 80);
    assert_false (pod.spec.containers.items[0].cpu.set);
}

static void
absent_and_null_fields_leave_presets_alone (void **state)
{
    (void) state;
    static const char *const ROWS[] = {
        "{}",
        "null",
        "{\"spec\":null}",
        "{\"spec\":{}}",
        "{\"spec\":{\"hostname\":null,\"hostNetwork\":null,\"priority\":null,\"weight\":null,"
        "\"target\":null,\"grace\":null,\"started\":null,\"anything\":null,\"labels\":null,"
        "\"securityContext\":null,\"moreSecurity\":null,\"containers\":null}}",
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        OWNED (tree_destroy) tree_t *tree = read_json (ROWS[i]);
        pod_t pod = { .spec = { .host = "preset",
                                .is_host_network = true,
                                .priority = 3,
                                .weight = 0.5,
                                .grace_ns = 30 } };
        fault_t fault = { 0 };
        assert_int_equal (record_decode (&POD, tree_root (tree), tree, RECORD_STRICT, &pod, &fault),
                          0);
        assert_string_equal (pod.spec.host, "preset");
        assert_true (pod.spec.is_host_network);
        assert_int_equal (pod.spec.priority, 3);
        assert_true (pod.spec.weight == 0.5);
        assert_int_equal (pod.spec.grace_ns, 30);
        assert_false (pod.spec.target.set);
        assert_false (pod.spec.security.user.set);
        assert_null (pod.spec.more_security);
        assert_null (pod.spec.labels);
        assert_int_equal (pod.spec.containers.count, 0);
    }
    OWNED (tree_destroy) tree_t *tree = tree_new();
    pod_t pod = { 0 };
    fault_t fault = { 0 };
    assert_int_equal (record_decode (&POD, NULL, tree, RECORD_STRICT, &pod, &fault), 0);
}

static void
a_wrong_value_is_refused_with_its_path (void **state)
{
    (void) state;
    static const struct {
        const char *spec, *fault;
    } ROWS[] = {
        { "[]", "spec: is not an object (found a list)" },
        { "{\"hostname\":1}", "spec.hostname: is not text (found a number)" },
        { "{\"hostname\":1.5}", "spec.hostname: is not text (found a real number)" },
        { "{\"hostname\":true}", "spec.hostname: is not text (found a boolean)" },
        { "{\"hostname\":{}}", "spec.hostname: is not text (found an object)" },
        { "{\"hostname\":\"a\\u0000b\"}", "spec.hostname: must not contain a NUL character" },
        { "{\"hostNetwork\":\"true\"}", "spec.hostNetwork: is not a boolean (found a text)" },
        { "{\"hostNetwork\":1}", "spec.hostNetwork: is not a boolean (found a number)" },
        { "{\"priority\":\"1\"}", "spec.priority: is not an integer (found a text)" },
        { "{\"priority\":1.5}", "spec.priority: is not an integer (found a real number)" },
        { "{\"priority\":1e3}", "spec.priority: is not an integer (found a real number)" },
        { "{\"priority\":1.0}", "spec.priority: is not an integer (found a real number)" },
        { "{\"priority\":9223372036854775808}",
          "spec.priority: is not an integer (found a real number)" },
        { "{\"weight\":\"1\"}", "spec.weight: is not a number (found a text)" },
        { "{\"target\":true}", "spec.target: is not an integer or text (found a boolean)" },
        { "{\"target\":1.5}", "spec.target: is not an integer or text (found a real number)" },
        { "{\"grace\":30}", "spec.grace: is not a duration such as \"1m30s\" (found a number)" },
        { "{\"grace\":\"30\"}", "spec.grace: time: missing unit in duration \"30\"" },
        { "{\"started\":1}",
          "spec.started: is not a time such as \"2006-01-02T15:04:05Z\" (found a number)" },
        { "{\"started\":\"today\"}", "spec.started: \"today\" is not an RFC 3339 time" },
        { "{\"labels\":[]}", "spec.labels: is not an object (found a list)" },
        { "{\"labels\":{\"a.b/c\":1}}", "spec.labels[a.b/c]: is not text (found a number)" },
        { "{\"securityContext\":{\"runAsUser\":\"root\"}}",
          "spec.securityContext.runAsUser: is not an integer (found a text)" },
        { "{\"securityContext\":{\"runAsUser\":-1}}",
          "spec.securityContext.runAsUser: must be between 0 and 2147483647, inclusive (found "
          "-1)" },
        { "{\"moreSecurity\":7}", "spec.moreSecurity: is not an object (found a number)" },
        { "{\"containers\":{}}", "spec.containers: is not a list (found an object)" },
        { "{\"containers\":[null]}", "spec.containers[0].name: Required value" },
        { "{\"containers\":[{}]}", "spec.containers[0].name: Required value" },
        { "{\"containers\":[{\"name\":null}]}", "spec.containers[0].name: Required value" },
        { "{\"containers\":[{\"name\":\"a\"},{\"name\":\"b\",\"image\":5}]}",
          "spec.containers[1].image: is not text (found a number)" },
        { "{\"containers\":[{\"name\":\"a\",\"args\":[\"x\",1]}]}",
          "spec.containers[0].args[1]: is not text (found a number)" },
        { "{\"containers\":[{\"name\":\"a\",\"args\":\"x\"}]}",
          "spec.containers[0].args: is not a list (found a text)" },
        { "{\"containers\":[{\"name\":\"a\",\"cpu\":\"1 core\"}]}",
          "spec.containers[0].cpu: \"1 core\" is not a quantity" },
        { "{\"containers\":[{\"name\":\"a\",\"cpu\":true}]}",
          "spec.containers[0].cpu: is not a quantity (found a boolean)" },
        { "{\"containers\":[{\"name\":\"a\",\"ports\":[{\"containerPort\":65536}]}]}",
          "spec.containers[0].ports[0].containerPort: must be between 1 and 65535, inclusive" },
        { "{\"containers\":[{\"name\":\"a\",\"imagePullPolicy\":\"never\"}]}",
          "spec.containers[0].imagePullPolicy: Unsupported value: \"never\": supported values: "
          "\"Always\", \"Never\", \"IfNotPresent\"" },
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        OWNED (free_text) char *text = text_format ("{\"spec\":%s}", ROWS[i].spec);
        OWNED (tree_destroy) tree_t *tree = read_json (text);
        pod_t pod = { 0 };
        fault_t fault = { 0 };
        if (record_decode (&POD, tree_root (tree), tree, RECORD_LENIENT, &pod, &fault) == 0)
            fail_msg ("%s is accepted", ROWS[i].spec);
        assert_int_equal (fault.code, FAULT_INVALID);
        if (strncmp (fault.text, ROWS[i].fault, strlen (ROWS[i].fault)) != 0)
            fail_msg ("%s: %s", ROWS[i].spec, fault.text);
    }
}

static void
a_root_that_is_no_object_is_refused (void **state)
{
    (void) state;
    OWNED (tree_destroy) tree_t *tree = read_json ("\"pod\"");
    pod_t pod = { 0 };
    fault_t fault = { 0 };
    assert_int_equal (record_decode (&POD, tree_root (tree), tree, RECORD_LENIENT, &pod, &fault),
                      -1);
    assert_string_equal (fault.text, "is not an object (found a text)");
}

static void
unknown_fields_are_faults_only_when_strict (void **state)
{
    (void) state;
    static const struct {
        const char *text, *fault;
    } ROWS[] = {
        { "{\"kind\":\"Pod\"}", "kind: unknown field" },
        { "{\"spec\":{\"Hostname\":\"x\"}}", "spec.Hostname: unknown field" },
        { "{\"spec\":{\"containers\":[{\"name\":\"a\",\"imagee\":null}]}}",
          "spec.containers[0].imagee: unknown field" },
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        OWNED (tree_destroy) tree_t *tree = read_json (ROWS[i].text);
        decode (tree);
        pod_t pod = { 0 };
        fault_t fault = { 0 };
        assert_int_equal (record_decode (&POD, tree_root (tree), tree, RECORD_STRICT, &pod, &fault),
                          -1);
        assert_string_equal (fault.text, ROWS[i].fault);
    }
    // What a NODE or TEXT_MAP field holds is nobody's schema.
    OWNED (tree_destroy)
    tree_t *tree = read_json ("{\"spec\":{\"anything\":{\"x\":1},\"labels\":{\"y\":\"z\"}}}");
    pod_t pod = { 0 };
    fault_t fault = { 0 };
    assert_int_equal (record_decode (&POD, tree_root (tree), tree, RECORD_STRICT, &pod, &fault), 0);
}

static void
quantities_may_be_numbers_and_have_blanks_around (void **state)
{
    (void) state;
    static const struct {
        const char *cpu;
        int64_t milli;
    } ROWS[] = {
        { "\"1\"", 1000 },  { "1", 1000 },           { "0.5", 500 },  { "-2", -2000 },
        { "1e3", 1000000 }, { "\" 250m\\n\"", 250 }, { "1.5", 1500 }, { "1e21", INT64_MAX },
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        OWNED (free_text)
        char *text =
            text_format ("{\"spec\":{\"containers\":[{\"name\":\"a\",\"cpu\":%s}]}}", ROWS[i].cpu);
        OWNED (tree_destroy) tree_t *tree = read_json (text);
        assert_int_equal (quantity_milli (decode (tree).spec.containers.items[0].cpu),
                          ROWS[i].milli);
    }
}

static void
reals_may_be_written_as_integers (void **state)
{
    (void) state;
    OWNED (tree_destroy) tree_t *tree = read_json ("{\"spec\":{\"weight\":-3}}");
    assert_true (decode (tree).spec.weight == -3);
}

static void
int_or_text_keeps_which_it_was (void **state)
{
    (void) state;
    OWNED (tree_destroy) tree_t *tree = read_json ("{\"spec\":{\"target\":8080}}");
    pod_t pod = decode (tree);
    assert_true (pod.spec.target.set);
    assert_null (pod.spec.target.text);
    assert_int_equal (pod.spec.target.value, 8080);
}

static void
records_with_quantities_in_lists_are_aligned (void **state)
{
    (void) state;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    for (size_t i = 0; i < 100; i++) {
        tree_text (tree, "odd", i % 4);
        assert_int_equal ((uintptr_t) tree_alloc (tree, i) % _Alignof(container_t), 0);
    }
}

// ---- writing ----

static void
what_was_read_is_written_again (void **state)
{
    (void) state;
    static const struct {
        const char *in, *out;
    } ROWS[] = {
        { "{}", "{\"spec\":{\"hostNetwork\":false,\"priority\":0,\"weight\":0,\"grace\":\"0s\"}}" },
        { "{\"spec\":{\"hostname\":\"h\",\"hostNetwork\":true,\"priority\":-5,\"weight\":2.5,"
          "\"target\":\"http\",\"grace\":\"90s\",\"started\":\"1970-01-01T01:00:01.5+01:00\","
          "\"anything\":[1],\"labels\":{\"a\":\"b\"},\"unknown\":1,"
          "\"securityContext\":{\"runAsNonRoot\":false,\"runAsUser\":0},"
          "\"moreSecurity\":{},"
          "\"containers\":[{\"name\":\"c\",\"args\":[\"x\"],\"cpu\":\"0.1\","
          "\"ports\":[{\"containerPort\":80}]}]}}",
          "{\"spec\":{\"hostname\":\"h\",\"hostNetwork\":true,\"priority\":-5,\"weight\":2.5,"
          "\"target\":\"http\",\"grace\":\"1m30s\",\"started\":\"1970-01-01T00:00:01.5Z\","
          "\"anything\":[1],\"labels\":{\"a\":\"b\"},"
          "\"securityContext\":{\"runAsNonRoot\":false,\"runAsUser\":0},"
          "\"moreSecurity\":{},"
          "\"containers\":[{\"name\":\"c\",\"args\":[\"x\"],\"cpu\":\"100m\","
          "\"ports\":[{\"containerPort\":80}]}]}}" },
        { "{\"spec\":{\"target\":5}}",
          "{\"spec\":{\"hostNetwork\":false,\"priority\":0,\"weight\":0,\"target\":5,"
          "\"grace\":\"0s\"}}" },
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        OWNED (tree_destroy) tree_t *tree = read_json (ROWS[i].in);
        pod_t pod = decode (tree);
        OWNED (tree_destroy) tree_t *to = tree_new();
        node_t node = record_encode (&POD, &pod, to);
        OWNED (free_text) char *text = json_write (&node, JSON_COMPACT, NULL);
        assert_string_equal (text, ROWS[i].out);
    }
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (every_kind_of_field_is_read),
        cmocka_unit_test (absent_and_null_fields_leave_presets_alone),
        cmocka_unit_test (a_wrong_value_is_refused_with_its_path),
        cmocka_unit_test (a_root_that_is_no_object_is_refused),
        cmocka_unit_test (unknown_fields_are_faults_only_when_strict),
        cmocka_unit_test (quantities_may_be_numbers_and_have_blanks_around),
        cmocka_unit_test (reals_may_be_written_as_integers),
        cmocka_unit_test (int_or_text_keeps_which_it_was),
        cmocka_unit_test (records_with_quantities_in_lists_are_aligned),
        cmocka_unit_test (what_was_read_is_written_again),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
