/* test_pod_resource_state.c - the files are those of upstream, and damaged ones are not believed.
 */
#include "cubelet/pod_resource_state.h"
#include "pod_fixture.h"

// As upstream 1.34 wrote it.
#define UPSTREAM                                                                                   \
    "{\"data\":\"{\\\"entries\\\":{\\\"pod1\\\":{\\\"ContainerResources\\\":"                      \
    "{\\\"container1\\\":{\\\"requests\\\":{\\\"cpu\\\":\\\"1Ki\\\",\\\"memory\\\":"               \
    "\\\"1Ki\\\"}}}}}}\",\"checksum\":1178570812}"

static void
upstreams_file_is_read (void **state)
{
    (void) state;
    fault_t fault = { 0 };
    OWNED (tree_destroy)
    tree_t *pods = pod_resource_state_read (UPSTREAM, strlen (UPSTREAM), &fault);
    assert_non_null (pods);
    assert_yaml ("pods", tree_root (pods),
                 "{pod1: {container1: {requests: {cpu: 1Ki, memory: 1Ki}}}}");
}

static void
what_is_written_is_upstreams_file (void **state)
{
    (void) state;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t pods =
        yaml_node ("{pod1: {container1: {limits: {}, requests: {cpu: 1Ki, memory: 1Ki}}}}", tree);
    size_t size = 0;
    OWNED (free_text) char *text = pod_resource_state_write (&pods, &size);
    assert_string_equal (text, UPSTREAM);
    assert_int_equal (size, strlen (UPSTREAM));
}

static void
nothing_and_several_pods_survive_the_way (void **state)
{
    (void) state;
    static const char *const ROWS[] = {
        "{}",
        "{u1: {a: {limits: {cpu: 1}}, b: {}}, u2: {c: {requests: {memory: 1Gi}}}}",
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        fault_t fault = { 0 };
        size_t size = 0;
        OWNED (tree_destroy) tree_t *tree = tree_new();
        node_t pods = yaml_node (ROWS[i], tree);
        OWNED (free_text) char *text = pod_resource_state_write (&pods, &size);
        OWNED (tree_destroy) tree_t *read = pod_resource_state_read (text, size, &fault);
        assert_non_null (read);
        assert_yaml ("pods", tree_root (read), ROWS[i]);
    }
}

static void
a_damaged_file_is_not_believed (void **state)
{
    (void) state;
    static const struct {
        const char *text, *fault;
    } ROWS[] = {
        { "", NULL },
        { "[]", "checkpoint is corrupted" },
        { "{\"pods\":{}}", "checkpoint is corrupted" },
        { "{\"data\":\"{}\",\"checksum\":1}", "checkpoint is corrupted" },
        { "{\"data\":\"{}\"}", "checkpoint is corrupted" },
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        fault_t fault = { 0 };
        assert_null (pod_resource_state_read (ROWS[i].text, strlen (ROWS[i].text), &fault));
        if (ROWS[i].fault)
            assert_string_equal (fault.text, ROWS[i].fault);
        else
            assert_int_not_equal (fault.code, FAULT_NONE);
    }
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (upstreams_file_is_read),
        cmocka_unit_test (what_is_written_is_upstreams_file),
        cmocka_unit_test (nothing_and_several_pods_survive_the_way),
        cmocka_unit_test (a_damaged_file_is_not_believed),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
