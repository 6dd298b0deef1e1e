/* How a node enters a cluster, against the Node that an upstream kubelet made. */
#include "cubelet/initial_node.h"
#include "cubelet/json.h"
#include "cubelet/memory.h"
#include "cubelet/node_identity.h"
#include "cubelet/node_registration.h"
#include "cubelet/node_status.h"
#include "helper_samples.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

static tree_t *
parsed (const char *text)
{
    fault_t fault = { 0 };
    tree_t *tree = json_read (text, strlen (text), &fault);
    if (!tree)
        fail_msg ("%s: %s", text, fault.text);
    return tree;
}

static void
a_new_node_is_that_of_upstream (void **state)
{
    (void) state;
    OWNED (tree_destroy) tree_t *line = sample_request (24);
    OWNED (tree_destroy) tree_t *tree = tree_new();
    const node_t *recorded = node_get (tree_root (line), "request");
    node_facts_t facts = { .node_name = "lab-node" };
    kubelet_config_t config = { 0 };
    node_registration_t registration = { .has_controller_attach_detach = true };
    node_t initial = initial_node (tree, &facts, &config, NULL, "x86_64");
    node_t node = node_registration_object (tree, &initial, &registration);
    node_set (tree, &node, "status", node_copy (tree, node_get (recorded, "status")));
    assert_same_json (&node, recorded);
}

static void
a_cloud_gets_its_taint_and_the_given_address (void **state)
{
    (void) state;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    OWNED (tree_destroy)
    tree_t *initial = parsed ("{\"metadata\": {\"name\": \"n\"}, \"spec\": {\"taints\": [{\"key\": "
                              "\"k\", \"effect\": \"NoExecute\"}]}}");
    node_registration_t registration = { .has_external_cloud = true,
                                         .node_ip = "10.0.0.1",
                                         .provider_id = "cloud://7" };
    node_t node = node_registration_object (tree, tree_root (initial), &registration);
    assert_json (&node, "{\"kind\": \"Node\", \"apiVersion\": \"v1\", \"metadata\": {\"name\": "
                        "\"n\", \"annotations\": {\"alpha.kubernetes.io/provided-node-ip\": "
                        "\"10.0.0.1\"}}, \"spec\": {\"providerID\": \"cloud://7\", \"taints\": "
                        "[{\"key\": \"k\", \"effect\": \"NoExecute\"}, {\"key\": "
                        "\"node.cloudprovider.kubernetes.io/uninitialized\", \"value\": \"true\", "
                        "\"effect\": \"NoSchedule\"}]}}");
}

static void
a_node_that_is_there_is_set_right (void **state)
{
    (void) state;
    OWNED (tree_destroy)
    tree_t *initial = parsed (
        "{\"metadata\": {\"labels\": {\"kubernetes.io/hostname\": \"n\", \"kubernetes.io/os\": "
        "\"linux\", \"mine\": \"1\"}, \"annotations\": "
        "{\"volumes.kubernetes.io/controller-managed-attach-detach\": \"true\"}}, \"status\": "
        "{\"capacity\": {\"cpu\": \"2\", \"hugepages-2Mi\": \"4Mi\"}, \"allocatable\": "
        "{\"hugepages-2Mi\": \"4Mi\"}}}");
    OWNED (tree_destroy)
    tree_t *existing = parsed (
        "{\"metadata\": {\"labels\": {\"kubernetes.io/hostname\": \"other\", \"role\": \"x\"}, "
        "\"annotations\": {\"a\": \"b\"}}, \"spec\": {\"taints\": [{\"key\": \"t\"}]}, \"status\": "
        "{\"capacity\": {\"cpu\": \"1\", \"example.com/gpu\": \"3\", \"hugepages-1Gi\": \"1Gi\"}, "
        "\"allocatable\": {\"example.com/gpu\": \"3\"}}}");
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t node = node_reconcile (tree, tree_root (initial), tree_root (existing));
    node_t patch = node_patch (tree, tree_root (existing), &node);
    // cpu comes with the next status
    assert_json (
        &patch,
        "{\"metadata\": {\"labels\": {\"kubernetes.io/hostname\": \"n\", \"kubernetes.io/os\": "
        "\"linux\"}, \"annotations\": "
        "{\"volumes.kubernetes.io/controller-managed-attach-detach\": \"true\"}}, \"status\": "
        "{\"capacity\": {\"example.com/gpu\": \"0\", \"hugepages-1Gi\": null, \"hugepages-2Mi\": "
        "\"4Mi\"}, \"allocatable\": {\"example.com/gpu\": \"0\", \"hugepages-2Mi\": \"4Mi\"}}}");
    node_t again = node_reconcile (tree, tree_root (initial), &node);
    patch = node_patch (tree, &node, &again);
    assert_json (&patch, "{}");
}

static void
the_labels_of_the_system_are_put_back (void **state)
{
    (void) state;
    OWNED (tree_destroy)
    tree_t *initial = parsed ("{\"metadata\": {\"labels\": {\"kubernetes.io/os\": \"linux\", "
                              "\"kubernetes.io/arch\": \"amd64\", \"mine\": \"1\"}}}");
    OWNED (tree_destroy)
    tree_t *node = parsed ("{\"metadata\": {\"labels\": {\"kubernetes.io/os\": \"windows\", "
                           "\"a\": \"b\"}}, \"spec\": {}}");
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t right = node_with_system_labels (tree, tree_root (node), tree_root (initial));
    assert_json (&right, "{\"metadata\": {\"labels\": {\"kubernetes.io/os\": \"linux\", "
                         "\"kubernetes.io/arch\": \"amd64\", \"a\": \"b\"}}, \"spec\": {}}");
}

// ---- the machine ----

static void
write_file (const char *root, const char *path, const char *text)
{
    OWNED (free_text) char *full = text_format ("%s%s", root, path);
    for (char *slash = strchr (full + 1, '/'); slash; slash = strchr (slash + 1, '/')) {
        *slash = '\0';
        mkdir (full, 0755);
        *slash = '/';
    }
    OWNED (close_file) FILE *file = fopen (full, "we");
    assert_non_null (file);
    assert_true (fputs (text, file) >= 0);
}

static void
the_machine_says_who_it_is (void **state)
{
    (void) state;
    char root[] = "/tmp/cubelet-identity-XXXXXX";
    OWNED (tree_destroy) tree_t *tree = tree_new();
    assert_non_null (mkdtemp (root));
    node_t info = node_identity_read (root, tree);
    assert_string_equal (node_get_text (&info, "machineID", "?"), "");
    assert_string_equal (node_get_text (&info, "osImage", "?"), "Linux");
    write_file (root, "/etc/machine-id", "3d12\n");
    write_file (root, "/proc/sys/kernel/random/boot_id", "df4d\n");
    write_file (root, "/etc/os-release", "NAME=\"Debian\"\nPRETTY_NAME=\"Debian GNU/Linux 12\"\n");
    info = node_identity_read (root, tree);
    assert_string_equal (node_get_text (&info, "machineID", ""), "3d12");
    assert_string_equal (node_get_text (&info, "systemUUID", ""), "3d12");
    assert_string_equal (node_get_text (&info, "bootID", ""), "df4d");
    assert_string_equal (node_get_text (&info, "osImage", ""), "Debian GNU/Linux 12");
    assert_string_equal (node_get_text (&info, "kubeletVersion", ""), CUBELET_VERSION);
    write_file (root, "/sys/class/dmi/id/product_uuid", "4C4C\n");
    info = node_identity_read (root, tree);
    assert_string_equal (node_get_text (&info, "systemUUID", ""), "4C4C");
    // of this machine: files of proc say that they are empty
    info = node_identity_read ("", tree);
    assert_int_equal (strlen (node_get_text (&info, "bootID", "")), 36);
    OWNED (free_text) char *command = text_format ("rm -r %s", root);
    assert_int_equal (system (command), 0);
    info = node_identity_read ("", tree); // files of the kernel have no size
    assert_int_equal (strlen (node_get_text (&info, "bootID", "")), 36);
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (a_new_node_is_that_of_upstream),
        cmocka_unit_test (a_cloud_gets_its_taint_and_the_given_address),
        cmocka_unit_test (a_node_that_is_there_is_set_right),
        cmocka_unit_test (the_labels_of_the_system_are_put_back),
        cmocka_unit_test (the_machine_says_who_it_is),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
