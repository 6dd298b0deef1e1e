#include "cubelet/json.h"
#include "cubelet/memory.h"
#include "cubelet/volume_paths.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void
paths_are_upstreams (void **state)
{
    (void) state;
    OWNED (free_text) char *volume = volume_directory ("/r", "u", "kubernetes.io~empty-dir", "v");
    assert_string_equal (volume, "/r/pods/u/volumes/kubernetes.io~empty-dir/v");
    OWNED (free_text)
    char *notes = volume_notes_directory ("/r", "u", "kubernetes.io~empty-dir", "wrapped_v");
    assert_string_equal (notes, "/r/pods/u/plugins/kubernetes.io~empty-dir/wrapped_v");
    OWNED (free_text) char *subpath = volume_subpath_target ("/r", "u", "v", "c", 3);
    assert_string_equal (subpath, "/r/pods/u/volume-subpaths/v/c/3");
}

static void
mounts_are_told_apart_by_their_place (void **state)
{
    (void) state;
    static const struct {
        const char *path;
        pod_mount_t kind;
    } CASES[] = {
        { "volumes/kubernetes.io~empty-dir/v", POD_MOUNT_VOLUME },
        { "volumes/kubernetes.io~csi/v", POD_MOUNT_VOLUME },
        { "volumes/kubernetes.io~csi/v/mount", POD_MOUNT_VOLUME },
        { "volumes/kubernetes.io~csi/v/mount/deeper", POD_MOUNT_FOREIGN },
        { "volumes/kubernetes.io~empty-dir/v/left/over", POD_MOUNT_FOREIGN },
        { "volumes/x", POD_MOUNT_FOREIGN },
        { "volume-subpaths/v/c/0", POD_MOUNT_SUBPATH },
        { "volume-subpaths/v/c", POD_MOUNT_FOREIGN },
        { "volume-subpaths/v/c/0/deeper", POD_MOUNT_FOREIGN },
        { "etc-hosts", POD_MOUNT_FOREIGN },
        { "", POD_MOUNT_FOREIGN },
    };
    for (size_t i = 0; i < COUNT_OF (CASES); i++)
        assert_int_equal (pod_mount_kind (CASES[i].path), CASES[i].kind);
}

/* A pod whose two containers mount volumes as "NAME=PATH" lists say. */
static tree_t *
pod_with_mounts (const char *first, const char *second, pod_t *pod)
{
    const char *const lists[] = { first, second };
    tree_t *tree = tree_new();
    node_t containers = node_array();
    for (size_t i = 0; i < COUNT_OF (lists); i++) {
        node_t mounts = node_array();
        OWNED (free_text) char *text = text_copy (lists[i]);
        char *rest = NULL;
        for (char *at = strtok_r (text, " ", &rest); at; at = strtok_r (NULL, " ", &rest)) {
            node_t mount = node_map();
            char *path = strchr (at, '=');
            *path++ = '\0';
            node_set_text (tree, &mount, "name", at);
            node_set_text (tree, &mount, "mountPath", path);
            node_append (tree, &mounts, mount);
        }
        node_t container = node_map();
        node_set_text (tree, &container, "name", i ? "second" : "first");
        node_set (tree, &container, "volumeMounts", mounts);
        node_append (tree, &containers, container);
    }
    node_t spec = node_map();
    node_set (tree, &spec, "containers", containers);
    node_t metadata = node_map();
    node_set_text (tree, &metadata, "name", "p");
    *tree_root (tree) = node_map();
    node_set (tree, tree_root (tree), "metadata", metadata);
    node_set (tree, tree_root (tree), "spec", spec);
    fault_t fault = { 0 };
    assert_int_equal (pod_decode (tree_root (tree), tree, pod, &fault), 0);
    return tree;
}

static void
only_mounted_volumes_are_used (void **state)
{
    (void) state;
    pod_t pod;
    OWNED (tree_destroy) tree_t *tree = pod_with_mounts ("a=/a", "b=/b", &pod);
    assert_non_null (tree);
    assert_true (volume_is_used (&pod, "a"));
    assert_true (volume_is_used (&pod, "b"));
    assert_false (volume_is_used (&pod, "c"));
}

static void
outermost_mounts_below_a_volume_are_found (void **state)
{
    (void) state;
    static const struct {
        const char *first, *second;
        const char *nested; // NULL: a fault
    } CASES[] = {
        { "v=/conf", "v=/conf other=/elsewhere", "" },
        { "v=/conf a=/conf/sub", "", "sub " },
        { "v=/conf/ a=/conf//sub/ b=/conf/sub/deep c=/conf/x/y", "", "sub x/y " },
        { "v=/conf a=/conf2/sub", "a=/conf/sub", "" },
        { "v=/conf a=/conf/1", "v=/c a=/c/2", "1 2 " },
        { "v=/c v=/d a=/c/x b=/d/y", "", "x y " },
        { "v=../conf a=../conf/sub", "", NULL },
        { "v=/c/../d a=/c/../d/e", "", NULL },
        { "v=/c a=/c/../../etc", "", "" },
    };
    for (size_t i = 0; i < COUNT_OF (CASES); i++) {
        pod_t pod;
        fault_t fault = { 0 };
        text_list_t nested;
        OWNED (tree_destroy) tree_t *tree = pod_with_mounts (CASES[i].first, CASES[i].second, &pod);
        int result = volume_nested_mounts (&pod, "v", tree, &nested, &fault);
        assert_int_equal (result, CASES[i].nested ? 0 : -1);
        if (result < 0) {
            assert_non_null (strstr (fault.text, "invalid container mount point "));
            continue;
        }
        OWNED (free_text) char *text = text_copy ("");
        for (size_t j = 0; j < nested.count; j++)
            text_replace (&text, "%s%s ", text, nested.items[j]);
        assert_string_equal (text, CASES[i].nested);
    }
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (paths_are_upstreams),
        cmocka_unit_test (mounts_are_told_apart_by_their_place),
        cmocka_unit_test (only_mounted_volumes_are_used),
        cmocka_unit_test (outermost_mounts_below_a_volume_are_found),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
