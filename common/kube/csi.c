#include "cubelet/csi.h"
#include "cubelet/base64.h"
#include "cubelet/go_quote.h"
#include "cubelet/memory.h"
#include "cubelet/path_element.h"
#include "cubelet/volume_paths.h"
#include <sha2.h>
#include <stdarg.h>
#include <string.h>

#define POD_INFO "csi.storage.k8s.io/"

static bool
is_text (const node_t *node, const char *text)
{
    return strcmp (node_as_text (node, ""), text) == 0;
}

static bool
lists (const node_t *list, const char *text)
{
    NODE_EACH (list, item)
    {
        if (is_text (item, text))
            return true;
    }
    return false;
}

// ---- the driver ----

unsigned
csi_abilities_read (const node_t *reply)
{
    static const struct {
        const char *name;
        csi_ability_t ability;
    } NAMES[] = {
        { "STAGE_UNSTAGE_VOLUME", CSI_STAGES },
        { "GET_VOLUME_STATS", CSI_HAS_STATS },
        { "EXPAND_VOLUME", CSI_EXPANDS },
        { "SINGLE_NODE_MULTI_WRITER", CSI_TELLS_WRITERS },
        { "VOLUME_MOUNT_GROUP", CSI_GIVES_TO_GROUP },
        { "VOLUME_CONDITION", CSI_TELLS_CONDITION },
    };
    unsigned abilities = 0;
    NODE_EACH (node_get (reply, "capabilities"), item)
    {
        for (size_t i = 0; i < COUNT_OF (NAMES); i++)
            if (is_text (node_at (item, "rpc", "type", NULL), NAMES[i].name))
                abilities |= NAMES[i].ability;
    }
    return abilities;
}

void
csi_driver_spec_read (const node_t *object, csi_driver_spec_t *out)
{
    const node_t *spec = node_get (object, "spec");
    const node_t *modes = node_get (spec, "volumeLifecycleModes");
    *out = (csi_driver_spec_t){
        .exists = object != NULL,
        .is_attached = node_get_bool (spec, "attachRequired", true),
        .wants_pod = node_get_bool (spec, "podInfoOnMount", false),
        .republishes = node_get_bool (spec, "requiresRepublish", false),
        .is_persistent = node_count (modes) == 0 || lists (modes, "Persistent"),
        .is_ephemeral = lists (modes, "Ephemeral"),
        .fs_group_policy = node_get_text (spec, "fsGroupPolicy", "ReadWriteOnceWithFSType"),
        .token_requests = node_get (spec, "tokenRequests"),
    };
}

int
csi_mode_check (const csi_driver_spec_t *spec, const csi_volume_t *volume, fault_t *fault)
{
    const char *mode = volume->pv ? "Persistent" : "Ephemeral";
    if (volume->pv ? spec->is_persistent : spec->is_ephemeral)
        return 0;
    if (!spec->exists)
        return fault_set (fault, FAULT_PRECONDITION,
                          "volume mode \"%s\" not supported by driver %s (no CSIDriver object)",
                          mode, volume->driver);
    return fault_set (fault, FAULT_PRECONDITION,
                      "volume mode \"%s\" not supported by driver %s (only supports [\"%s\"])",
                      mode, volume->driver, volume->pv ? "Ephemeral" : "Persistent");
}

// ---- the volume ----

/* "csi-<sha256 of all texts>". Owned. */
static char *
hashed (const char *prefix, ...)
{
    SHA2_CTX sha;
    char hex[SHA256_DIGEST_STRING_LENGTH];
    va_list texts;
    SHA256Init (&sha);
    va_start (texts, prefix);
    for (const char *text; (text = va_arg (texts, const char *));)
        SHA256Update (&sha, (const uint8_t *) text, strlen (text));
    va_end (texts);
    SHA256End (&sha, hex);
    return text_format ("%s%s", prefix, hex);
}

static int
check_volume (const csi_volume_t *self, fault_t *fault)
{
    if (path_element_check ("pod uid", self->pod_uid, fault) < 0
        || path_element_check ("volume name", self->name, fault) < 0
        || path_element_check ("driver name", self->driver, fault) < 0)
        return -1;
    return *self->handle ? 0 : fault_set (fault, FAULT_INVALID, "the volume has no volumeHandle");
}

int
csi_volume_read (const node_t *request, tree_t *tree, csi_volume_t *out, fault_t *fault)
{
    const node_t *source = node_get (request, "source");
    *out = (csi_volume_t){
        .pod_uid = node_get_text (request, "pod_uid", ""),
        .pod_name = node_get_text (request, "pod_name", ""),
        .pod_namespace = node_get_text (request, "pod_namespace", ""),
        .service_account = node_get_text (request, "service_account", ""),
        .name = node_get_text (request, "volume", ""),
        .driver = node_get_text (source, "driver", ""),
        .handle = node_get_text (source, "volumeHandle", ""),
        .fs_type = node_get_text (source, "fsType", ""),
        .pv = node_get (request, "pv"),
        .source = source,
        .is_read_only = node_get_bool (request, "read_only", false),
        .fs_group = node_get_int (request, "fs_group", -1),
    };
    out->is_block = is_text (node_at (out->pv, "spec", "volumeMode", NULL), "Block");
    if (!out->pv) {
        out->is_read_only |= node_get_bool (source, "readOnly", false);
        OWNED (free_text) char *handle = hashed ("csi-", out->pod_uid, out->name, NULL);
        out->handle = tree_text (tree, handle, strlen (handle));
    }
    return check_volume (out, fault);
}

static const node_t *
access_modes (const csi_volume_t *volume)
{
    return node_at (volume->pv, "spec", "accessModes", NULL);
}

csi_group_t
csi_group (const csi_driver_spec_t *spec, unsigned abilities, const csi_volume_t *volume)
{
    if (volume->fs_group < 0 || volume->is_block)
        return CSI_GROUP_NONE;
    if (abilities & CSI_GIVES_TO_GROUP)
        return CSI_GROUP_DRIVER;
    const char *policy = spec->fs_group_policy;
    if (strcmp (policy, "None") == 0 || volume->is_read_only)
        return CSI_GROUP_NONE;
    if (strcmp (policy, "File") == 0)
        return CSI_GROUP_AGENT;
    if (!*volume->fs_type)
        return CSI_GROUP_NONE;
    const node_t *modes = access_modes (volume);
    bool is_once =
        !volume->pv || lists (modes, "ReadWriteOnce") || lists (modes, "ReadWriteOncePod");
    return is_once ? CSI_GROUP_AGENT : CSI_GROUP_NONE;
}

// ---- requests ----

static const char *
access_mode (const csi_volume_t *volume, unsigned abilities)
{
    static const struct {
        const char *name, *mode, *detailed;
    } MODES[] = {
        { "ReadWriteOnce", "SINGLE_NODE_WRITER", "SINGLE_NODE_MULTI_WRITER" },
        { "ReadOnlyMany", "MULTI_NODE_READER_ONLY", "MULTI_NODE_READER_ONLY" },
        { "ReadWriteMany", "MULTI_NODE_MULTI_WRITER", "MULTI_NODE_MULTI_WRITER" },
        { "ReadWriteOncePod", "SINGLE_NODE_WRITER", "SINGLE_NODE_SINGLE_WRITER" },
    };
    const char *name = node_as_text (node_item (access_modes (volume), 0), "ReadWriteOnce");
    for (size_t i = 0; i < COUNT_OF (MODES); i++)
        if (strcmp (name, MODES[i].name) == 0)
            return abilities & CSI_TELLS_WRITERS ? MODES[i].detailed : MODES[i].mode;
    return "UNKNOWN";
}

/* How a directory is to be mounted. */
static node_t
mount_capability (const csi_volume_t *volume, const csi_driver_spec_t *spec, unsigned abilities,
                  tree_t *tree)
{
    node_t mount = node_map();
    if (*volume->fs_type)
        node_set_text (tree, &mount, "fs_type", volume->fs_type);
    const node_t *options = node_at (volume->pv, "spec", "mountOptions", NULL);
    if (node_count (options))
        node_set (tree, &mount, "mount_flags", node_copy (tree, options));
    if (csi_group (spec, abilities, volume) == CSI_GROUP_DRIVER)
        node_set (tree, &mount, "volume_mount_group",
                  node_text_format (tree, "%lld", (long long) volume->fs_group));
    return mount;
}

static node_t
capability (const csi_volume_t *volume, const csi_driver_spec_t *spec, unsigned abilities,
            tree_t *tree)
{
    node_t mode = node_map(), out = node_map();
    if (volume->is_block)
        node_set (tree, &out, "block", node_map());
    else
        node_set (tree, &out, "mount", mount_capability (volume, spec, abilities, tree));
    node_set_text (tree, &mode, "mode", access_mode (volume, abilities));
    node_set (tree, &out, "access_mode", mode);
    return out;
}

static void
set_copy (tree_t *tree, node_t *map, const char *key, const node_t *value)
{
    if (node_count (value))
        node_set (tree, map, key, node_copy (tree, value));
}

/* The values of a Secret, decoded. */
static void
set_secrets (tree_t *tree, node_t *map, const node_t *secret)
{
    const node_t *data = node_get (secret, "data");
    node_t out = node_map();
    for (size_t i = 0; i < node_count (data); i++) {
        size_t size = 0;
        const char *text = node_as_text (node_value_at (data, i), "");
        OWNED (free_text) char *value = base64_decode (text, &size);
        if (value)
            node_set (tree, &out, node_key_at (data, i), node_text_sized (tree, value, size));
    }
    if (node_count (&out))
        node_set (tree, map, "secrets", out);
}

node_t
csi_stage_request (const csi_volume_t *volume, const csi_driver_spec_t *spec, unsigned abilities,
                   const csi_context_t *context, tree_t *tree)
{
    node_t out = node_map();
    node_set_text (tree, &out, "volume_id", volume->handle);
    set_copy (tree, &out, "publish_context", context->publish_context);
    node_set_text (tree, &out, "staging_target_path", context->stage_path);
    node_set (tree, &out, "volume_capability", capability (volume, spec, abilities, tree));
    set_secrets (tree, &out, context->stage_secrets);
    set_copy (tree, &out, "volume_context", node_get (volume->source, "volumeAttributes"));
    return out;
}

static node_t
volume_context (const csi_volume_t *volume, const csi_driver_spec_t *spec, const char *tokens,
                tree_t *tree)
{
    const node_t *attributes = node_get (volume->source, "volumeAttributes");
    node_t out = node_is_map (attributes) ? node_copy (tree, attributes) : node_map();
    if (spec->wants_pod) {
        node_set_text (tree, &out, POD_INFO "pod.name", volume->pod_name);
        node_set_text (tree, &out, POD_INFO "pod.namespace", volume->pod_namespace);
        node_set_text (tree, &out, POD_INFO "pod.uid", volume->pod_uid);
        node_set_text (tree, &out, POD_INFO "serviceAccount.name", volume->service_account);
        node_set_text (tree, &out, POD_INFO "ephemeral", volume->pv ? "false" : "true");
    }
    node_set_text (tree, &out, POD_INFO "serviceAccount.tokens", tokens);
    return out;
}

node_t
csi_publish_request (const csi_volume_t *volume, const csi_driver_spec_t *spec, unsigned abilities,
                     const csi_context_t *context, tree_t *tree)
{
    node_t out = node_map();
    node_set_text (tree, &out, "volume_id", volume->handle);
    set_copy (tree, &out, "publish_context", context->publish_context);
    node_set_text (tree, &out, "staging_target_path", context->stage_path);
    node_set_text (tree, &out, "target_path", context->target_path);
    node_set (tree, &out, "volume_capability", capability (volume, spec, abilities, tree));
    node_set_bool (tree, &out, "readonly", volume->is_read_only);
    set_secrets (tree, &out, context->publish_secrets);
    node_t attributes = volume_context (volume, spec, context->tokens, tree);
    if (node_count (&attributes))
        node_set (tree, &out, "volume_context", attributes);
    return out;
}

node_t
csi_expand_request (const csi_volume_t *volume, const csi_driver_spec_t *spec, unsigned abilities,
                    const csi_context_t *context, int64_t bytes, tree_t *tree)
{
    node_t range = node_map(), out = node_map();
    node_set_int (tree, &range, "required_bytes", bytes);
    node_set_text (tree, &out, "volume_id", volume->handle);
    node_set_text (tree, &out, "volume_path",
                   context->target_path ? context->target_path : context->stage_path);
    node_set (tree, &out, "capacity_range", range);
    node_set_text (tree, &out, "staging_target_path", context->stage_path);
    node_set (tree, &out, "volume_capability", capability (volume, spec, abilities, tree));
    set_secrets (tree, &out, context->expand_secrets);
    return out;
}

// ---- faults ----

bool
csi_fault_is_final (const fault_t *fault)
{
    switch (fault->code) {
    case FAULT_CANCELLED:
    case FAULT_DEADLINE:
    case FAULT_UNAVAILABLE:
    case FAULT_EXHAUSTED:
    case FAULT_ABORTED: return false;
    default: return true;
    }
}

void
csi_fault_show (fault_t *fault)
{
    fault_t shown = { 0 };
    fault_set (&shown, fault->code, "rpc error: code = %s desc = %s", fault_code_name (fault->code),
               fault->text);
    *fault = shown;
}

// ---- names ----

char *
csi_attachment_name (const char *handle, const char *driver, const char *node)
{
    return hashed ("csi-", handle, driver, node, NULL);
}

char *
csi_stage_directory (const char *root, const char *driver, const char *handle)
{
    OWNED (free_text) char *name = hashed ("", handle, NULL);
    return text_format ("%s/plugins/kubernetes.io/csi/%s/%s", root, driver, name);
}

char *
csi_devices_directory (const char *root)
{
    return text_format ("%s/plugins/kubernetes.io/csi/volumeDevices", root);
}

char *
csi_unique_name (const csi_volume_t *volume)
{
    return text_format ("kubernetes.io/csi/%s^%s", volume->driver, volume->handle);
}

char *
csi_pod_directory (const char *root, const char *uid, const char *name)
{
    return volume_directory (root, uid, "kubernetes.io~csi", name);
}
