/* test_node_affinity.c - nodeSelector and required node affinity, every operator. */
#include "cubelet/node_affinity.h"
#include "pod_fixture.h"

static bool
matches (const char *spec)
{
    OWNED (fixture_close) fixture_t fixture = fixture_pod (spec);
    node_t node = yaml_node ("{metadata: {name: n1, labels: {zone: a, cores: '8', empty: ''}}}",
                             fixture.tree);
    return pod_matches_node (&fixture.pod, &node);
}

static void
requirements_are_met_by_labels_and_fields (void **state)
{
    (void) state;
    static const struct {
        const char *term;
        bool expected;
    } ROWS[] = {
        { "{matchExpressions: [{key: zone, operator: In, values: [b, a]}]}", true },
        { "{matchExpressions: [{key: zone, operator: In, values: [b]}]}", false },
        { "{matchExpressions: [{key: none, operator: In, values: [a]}]}", false },
        { "{matchExpressions: [{key: zone, operator: NotIn, values: [b]}]}", true },
        { "{matchExpressions: [{key: zone, operator: NotIn, values: [a, b]}]}", false },
        { "{matchExpressions: [{key: none, operator: NotIn, values: [a]}]}", true },
        { "{matchExpressions: [{key: empty, operator: Exists}]}", true },
        { "{matchExpressions: [{key: none, operator: Exists}]}", false },
        { "{matchExpressions: [{key: none, operator: DoesNotExist}]}", true },
        { "{matchExpressions: [{key: zone, operator: DoesNotExist}]}", false },
        { "{matchExpressions: [{key: cores, operator: Gt, values: ['7']}]}", true },
        { "{matchExpressions: [{key: cores, operator: Gt, values: ['8']}]}", false },
        { "{matchExpressions: [{key: cores, operator: Lt, values: ['10']}]}", true },
        { "{matchExpressions: [{key: cores, operator: Lt, values: ['8']}]}", false },
        { "{matchExpressions: [{key: zone, operator: Gt, values: ['1']}]}", false },
        { "{matchExpressions: [{key: none, operator: Lt, values: ['1']}]}", false },
        { "{matchExpressions: [{key: cores, operator: Near, values: ['8']}]}", false },
        { "{matchExpressions: [{key: zone, operator: Exists}, {key: none, operator: Exists}]}",
          false },
        { "{matchFields: [{key: metadata.name, operator: In, values: [n1]}]}", true },
        { "{matchFields: [{key: metadata.name, operator: In, values: [n2]}]}", false },
        { "{matchFields: [{key: metadata.name, operator: NotIn, values: [n2]}]}", true },
        { "{matchFields: [{key: metadata.uid, operator: NotIn, values: [n2]}]}", false },
        { "{matchExpressions: [{key: zone, operator: Exists}], matchFields: [{key: metadata.name,"
          " operator: In, values: [n2]}]}",
          false },
        { "{}", false },
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        OWNED (free_text)
        char *spec = text_format ("{affinity: {nodeAffinity: {requiredDuringSchedulingIgnored"
                                  "DuringExecution: {nodeSelectorTerms: [%s]}}}}",
                                  ROWS[i].term);
        if (matches (spec) != ROWS[i].expected)
            fail_msg ("%s", ROWS[i].term);
    }
}

#define REQUIRED(terms)                                                                            \
    "affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {"                  \
    "nodeSelectorTerms: [" terms "]}}}"
#define HAS(key) "{matchExpressions: [{key: " key ", operator: Exists}]}"

static void
selector_and_one_term_must_match (void **state)
{
    (void) state;
    assert_true (matches ("{}"));
    assert_true (matches ("{nodeSelector: {zone: a, cores: '8'}}"));
    assert_false (matches ("{nodeSelector: {zone: a, none: x}}"));
    assert_true (matches ("{" REQUIRED (HAS ("none") ", " HAS ("zone")) "}"));
    assert_false (matches ("{" REQUIRED (HAS ("none")) "}"));
    assert_false (matches ("{" REQUIRED ("") "}"));
    assert_false (matches ("{nodeSelector: {zone: b}, " REQUIRED (HAS ("zone")) "}"));
    assert_true (matches ("{affinity: {nodeAffinity: {preferredDuringSchedulingIgnoredDuring"
                          "Execution: [{weight: 1, preference: " HAS ("none") "}]}}}"));
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (requirements_are_met_by_labels_and_fields),
        cmocka_unit_test (selector_and_one_term_must_match),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
