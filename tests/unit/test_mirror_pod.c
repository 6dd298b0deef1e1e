#include "cubelet/json.h"
#include "cubelet/memory.h"
#include "cubelet/mirror_pod.h"
#include "helper_samples.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* The static pod behind the recorded mirror: what only the mirror has is taken out again. */
static tree_t *
static_pod (const node_t *mirror)
{
    tree_t *tree = tree_copy (mirror);
    node_t *metadata = node_get_mutable (tree_root (tree), "metadata");
    node_t *annotations = node_get_mutable (metadata, "annotations");
    node_remove (metadata, "ownerReferences");
    node_set_text (tree, metadata, "uid", node_get_text (annotations, ANNOTATION_CONFIG_HASH, ""));
    node_remove (annotations, ANNOTATION_CONFIG_MIRROR);
    return tree;
}

static void
a_mirror_has_what_upstream_gives_it (void **state)
{
    (void) state;
    OWNED (tree_destroy) tree_t *recorded = sample_file ("mirror-pod.json");
    OWNED (tree_destroy) tree_t *pod = static_pod (tree_root (recorded));
    OWNED (tree_destroy) tree_t *tree = tree_new();
    assert_false (mirror_pod_is_of (tree_root (pod), tree_root (pod)));
    node_t mirror =
        mirror_pod (tree, tree_root (pod), "lab-node", "2893eac8-8604-4b1e-abef-481e0148db99");
    static const char *const SAME[] = { "annotations", "labels", "name", "namespace",
                                        "ownerReferences" };
    for (size_t i = 0; i < COUNT_OF (SAME); i++)
        assert_same_json (node_at (&mirror, "metadata", SAME[i], NULL),
                          node_at (tree_root (recorded), "metadata", SAME[i], NULL));
    assert_same_json (node_get (&mirror, "spec"), node_get (tree_root (recorded), "spec"));
    assert_string_equal (node_get_text (&mirror, "kind", ""), "Pod");
    assert_true (mirror_pod_is_of (&mirror, tree_root (pod)));
    assert_true (mirror_pod_is_of (tree_root (recorded), tree_root (pod)));
    assert_null (node_at (tree_root (pod), "metadata", "ownerReferences", NULL)); // untouched
}

static void
another_hash_or_name_is_another_pod (void **state)
{
    (void) state;
    OWNED (tree_destroy) tree_t *recorded = sample_file ("mirror-pod.json");
    OWNED (tree_destroy) tree_t *pod = static_pod (tree_root (recorded));
    node_t *metadata = node_get_mutable (tree_root (pod), "metadata");
    node_set_text (pod, metadata, "namespace", "other");
    assert_false (mirror_pod_is_of (tree_root (recorded), tree_root (pod)));
    node_set_text (pod, metadata, "namespace", "default");
    assert_true (mirror_pod_is_of (tree_root (recorded), tree_root (pod)));
    node_set_text (pod, node_get_mutable (metadata, "annotations"), ANNOTATION_CONFIG_HASH, "new");
    assert_false (mirror_pod_is_of (tree_root (recorded), tree_root (pod)));
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (a_mirror_has_what_upstream_gives_it),
        cmocka_unit_test (another_hash_or_name_is_another_pod),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
