/* cri.proto against the numbers of reference/cri.md, and the table of calls. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
// cmocka wants these before it
#include "cri.pb-c.h"
#include "cubelet/cri.h"
#include "cubelet/json.h"
#include "cubelet/memory.h"
#include "cubelet/protobuf.h"
#include <cmocka.h>

/* Bytes as hexadecimal. Owned. */
static char *
hex_of (const uint8_t *bytes, size_t size)
{
    char *text = memory_new (2 * size + 1, 1);
    for (size_t i = 0; i < size; i++)
        snprintf (text + 2 * i, 3, "%02x", bytes[i]);
    return text;
}

static const struct {
    message_id_t call;
    bool is_reply;
    const char *json, *hex;
} FIELDS[] = {
    { MSG_CRI_VERSION, false, "{\"version\":\"0.1.0\"}", "0a05302e312e30" },
    { MSG_CRI_VERSION, true, "{\"runtime_api_version\":\"v1\"}", "22027631" },
    { MSG_CRI_STATUS, true, "{\"status\":{\"conditions\":[{\"status\":true}]}}", "0a040a021001" },
    { MSG_CRI_STATUS, true, "{\"runtime_handlers\":[{\"features\":{\"user_namespaces\":true}}]}",
      "1a0412021001" },
    { MSG_CRI_RUN_POD_SANDBOX, false, "{\"config\":{\"metadata\":{\"attempt\":3}}}",
      "0a040a022003" },
    { MSG_CRI_RUN_POD_SANDBOX, false,
      "{\"config\":{\"linux\":{\"security_context\":{\"run_as_group\":{}}}}}", "0a06420412024200" },
    { MSG_CRI_RUN_POD_SANDBOX, false,
      "{\"config\":{\"linux\":{\"security_context\":{\"supplemental_groups\":[1,300]}}}}",
      "0a09420712052a0301ac02" },
    { MSG_CRI_RUN_POD_SANDBOX, false,
      "{\"config\":{\"linux\":{\"security_context\":{\"namespace_options\":{\"userns_options\":"
      "{\"mode\":\"NODE\"}}}}}}",
      "0a0a420812060a042a020802" },
    { MSG_CRI_POD_SANDBOX_STATUS, true, "{\"timestamp\":1}", "2001" },
    { MSG_CRI_POD_SANDBOX_STATUS, true, "{\"status\":{\"network\":{\"ip\":\"a\"}}}",
      "0a052a030a0161" },
    { MSG_CRI_POD_SANDBOX_STATUS, true,
      "{\"status\":{\"linux\":{\"namespaces\":{\"options\":{\"pid\":\"NODE\"}}}}}",
      "0a0832060a0412021002" },
    { MSG_CRI_LIST_POD_SANDBOX, false, "{\"filter\":{\"state\":{}}}", "0a021200" },
    { MSG_CRI_CREATE_CONTAINER, false, "{\"config\":{\"CDI_devices\":[{}]}}", "12038a0100" },
    { MSG_CRI_CREATE_CONTAINER, false, "{\"config\":{\"stop_signal\":\"SIGTERM\"}}", "1203900117" },
    { MSG_CRI_CREATE_CONTAINER, false, "{\"config\":{\"image\":{\"user_specified_image\":\"a\"}}}",
      "1206120492010161" },
    { MSG_CRI_CREATE_CONTAINER, false, "{\"config\":{\"envs\":[{\"key\":\"a\",\"value\":\"b\"}]}}",
      "120832060a0161120162" },
    { MSG_CRI_CREATE_CONTAINER, false, "{\"config\":{\"mounts\":[{\"recursive_read_only\":true}]}}",
      "12043a024001" },
    { MSG_CRI_CREATE_CONTAINER, false,
      "{\"config\":{\"linux\":{\"resources\":{\"cpu_quota\":-1}}}}",
      "120f7a0d0a0b10ffffffffffffffffff01" },
    { MSG_CRI_CREATE_CONTAINER, false,
      "{\"config\":{\"linux\":{\"security_context\":{\"seccomp\":{}}}}}", "12067a0412027a00" },
    { MSG_CRI_STOP_CONTAINER, false, "{\"timeout\":30}", "101e" },
    { MSG_CRI_CONTAINER_STATUS, true, "{\"status\":{\"image_id\":\"a\"}}", "0a048a010161" },
    { MSG_CRI_CONTAINER_STATUS, true, "{\"status\":{\"user\":{\"linux\":{\"gid\":1}}}}",
      "0a079201040a021001" },
    { MSG_CRI_LIST_CONTAINERS, true, "{\"containers\":[{\"image_id\":\"a\"}]}", "0a03520161" },
    { MSG_CRI_UPDATE_CONTAINER_RESOURCES, false, "{\"annotations\":{\"a\":\"b\"}}",
      "22060a0161120162" },
    { MSG_CRI_EXEC_SYNC, true, "{\"exit_code\":-1}", "18ffffffffffffffffff01" },
    { MSG_CRI_EXEC, false, "{\"tty\":true}", "1801" },
    { MSG_CRI_ATTACH, false, "{\"tty\":true}", "1801" },
    { MSG_CRI_ATTACH, false, "{\"stdin\":true}", "1001" },
    { MSG_CRI_EXEC, false, "{\"stdin\":true}", "2001" },
    { MSG_CRI_PORT_FORWARD, false, "{\"port\":[80]}", "120150" },
    { MSG_CRI_CONTAINER_STATS, true, "{\"stats\":{\"cpu\":{\"psi\":{\"Some\":{\"Total\":1}}}}}",
      "0a081206220412020801" },
    { MSG_CRI_LIST_IMAGES, true, "{\"images\":[{\"pinned\":true}]}", "0a024001" },
    { MSG_CRI_PULL_IMAGE, false, "{\"auth\":{\"registry_token\":\"a\"}}", "1203320161" },
    { MSG_CRI_IMAGE_FS_INFO, true, "{\"container_filesystems\":[{\"used_bytes\":{}}]}",
      "12021a00" },
    { MSG_CRI_RUNTIME_CONFIG, true, "{\"linux\":{\"cgroup_driver\":\"CGROUPFS\"}}", "0a020801" },
};

static void
fields_have_their_numbers_on_the_wire (void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT_OF (FIELDS); i++) {
        fault_t fault = { 0 };
        const cri_method_t *method = cri_method (FIELDS[i].call);
        const ProtobufCMessageDescriptor *type =
            FIELDS[i].is_reply ? method->reply : method->request;
        OWNED (tree_destroy)
        tree_t *tree = json_read (FIELDS[i].json, strlen (FIELDS[i].json), &fault);
        uint8_t *bytes = NULL;
        size_t size = 0;
        if (!tree || protobuf_encode (type, tree_root (tree), &bytes, &size, &fault) < 0)
            fail_msg ("%s: %s", FIELDS[i].json, fault.text);
        OWNED (free_text) char *hex = hex_of (bytes, size);
        OWNED (tree_destroy) tree_t *back = protobuf_decode (type, bytes, size, &fault);
        free (bytes);
        assert_string_equal (hex, FIELDS[i].hex);
        assert_true (node_equal (tree_root (back), tree_root (tree)));
    }
}

static void
every_call_of_the_catalogue_has_a_row (void **state)
{
    (void) state;
    for (int id = 0; id < MESSAGE_COUNT; id++) {
        const message_info_t *info = message_info ((message_id_t) id);
        const cri_method_t *method = cri_method ((message_id_t) id);
        assert_int_equal (method != NULL, strncmp (info->type, "cri.", 4) == 0);
        if (!method)
            continue;
        assert_string_equal (method->name, info->type + 4);
        assert_string_equal (method->request->short_name, info->body + 1);
        assert_string_equal (method->reply->short_name, info->reply + 1);
        char path[CRI_PATH_MAX];
        cri_path (method, path);
        assert_ptr_equal (cri_method_find (path), method);
    }
    assert_string_equal (cri_method_events()->request->name, "runtime.v1.GetEventsRequest");
    assert_ptr_equal (cri_method_find ("/runtime.v1.RuntimeService/GetContainerEvents"),
                      cri_method_events());
    assert_null (cri_method_find ("/runtime.v1.ImageService/Version"));
}

static void
deadlines_follow_the_call (void **state)
{
    (void) state;
    static const struct {
        message_id_t call;
        const char *request;
        int64_t wait_ms; // T is 10 s
    } ROWS[] = {
        { MSG_CRI_VERSION, "{}", 10000 },
        { MSG_CRI_RUN_POD_SANDBOX, "{}", 20000 },
        { MSG_CRI_STOP_CONTAINER, "{\"timeout\":30}", 40000 },
        { MSG_CRI_STOP_CONTAINER, "{}", 10000 },
        { MSG_CRI_STOP_CONTAINER, "{\"timeout\":-5}", 10000 },
        { MSG_CRI_STOP_CONTAINER, "{\"timeout\":9223372036854775807}", 10000 + 2147483647000 },
        { MSG_CRI_EXEC_SYNC, "{\"timeout\":3}", 13000 },
        { MSG_CRI_EXEC_SYNC, "{}", 0 },
        { MSG_CRI_CHECKPOINT_CONTAINER, "{\"timeout\":3}", 10000 },
        { MSG_CRI_CHECKPOINT_CONTAINER, "{\"timeout\":30}", 30000 },
        { MSG_CRI_PULL_IMAGE, "{}", 0 },
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        fault_t fault = { 0 };
        OWNED (tree_destroy)
        tree_t *tree = json_read (ROWS[i].request, strlen (ROWS[i].request), &fault);
        assert_int_equal (cri_wait_ms (cri_method (ROWS[i].call), tree_root (tree), 10000),
                          ROWS[i].wait_ms);
    }
}

static void
incomplete_replies_are_refused (void **state)
{
    (void) state;
    static const struct {
        message_id_t call;
        const char *reply, *fault; // "" when it is good
    } ROWS[] = {
        { MSG_CRI_VERSION,
          "{\"version\":\"0.1.0\",\"runtime_name\":\"a\",\"runtime_version\":\"b\"}",
          "Version: the reply has no runtime_api_version" },
        { MSG_CRI_RUN_POD_SANDBOX, "{}", "RunPodSandbox: the reply has no pod_sandbox_id" },
        { MSG_CRI_RUN_POD_SANDBOX, "{\"pod_sandbox_id\":\"a\"}", "" },
        { MSG_CRI_START_CONTAINER, "{}", "" },
        { MSG_CRI_POD_SANDBOX_STATUS, "{}", "PodSandboxStatus: the reply has no status.id" },
        { MSG_CRI_POD_SANDBOX_STATUS,
          "{\"status\":{\"id\":\"a\",\"metadata\":{\"name\":\"b\",\"namespace\":\"c\",\"uid\":"
          "\"d\"}}}",
          "PodSandboxStatus: the reply has no status.created_at" },
        { MSG_CRI_CONTAINER_STATUS,
          "{\"status\":{\"id\":\"a\",\"metadata\":{\"name\":\"b\"},\"created_at\":1,"
          "\"image\":{\"image\":\"c\"},\"image_ref\":\"d\"}}",
          "" },
        { MSG_CRI_STATUS, "{\"status\":{\"conditions\":[{}]}}",
          "Status: the reply has no status.conditions#2" },
        { MSG_CRI_STATUS, "{\"status\":{\"conditions\":[{},{}]}}", "" },
        { MSG_CRI_STATUS, "{}", "Status: the reply has no status.conditions#2" },
        { MSG_CRI_IMAGE_STATUS, "{}", "" },
        { MSG_CRI_IMAGE_STATUS, "{\"image\":{\"id\":\"a\"}}",
          "ImageStatus: the reply has no image.size" },
        { MSG_CRI_IMAGE_STATUS, "{\"image\":{\"id\":\"a\",\"size\":1}}", "" },
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        fault_t fault = { 0 };
        OWNED (tree_destroy)
        tree_t *tree = json_read (ROWS[i].reply, strlen (ROWS[i].reply), &fault);
        int rc = cri_reply_check (cri_method (ROWS[i].call), tree_root (tree), &fault);
        assert_string_equal (fault.text, ROWS[i].fault);
        assert_int_equal (rc, *ROWS[i].fault ? -1 : 0);
    }
}

int
main (void)
{
    const struct CMUnitTest TESTS[] = {
        cmocka_unit_test (fields_have_their_numbers_on_the_wire),
        cmocka_unit_test (every_call_of_the_catalogue_has_a_row),
        cmocka_unit_test (deadlines_follow_the_call),
        cmocka_unit_test (incomplete_replies_are_refused),
    };
    return cmocka_run_group_tests (TESTS, NULL, NULL);
}
