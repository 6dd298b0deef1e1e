#include "helper_csi_driver.h"
#include "csi.pb-c.h"
#include "cubelet/json.h"
#include "cubelet/memory.h"
#include "cubelet/protobuf.h"
#include "helper_grpc_server.h"
#include "pluginregistration.pb-c.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

struct csi_driver {
    grpc_server_t *server;
    char *name, *data, *type, *version;
};

typedef int serve_method_fn (csi_driver_t *self, const node_t *request);

static int
make_directory (const char *path)
{
    return mkdir (path, 0755) < 0 && errno != EEXIST ? -1 : 0;
}

static int
bind_directory (const char *from, const char *to, bool is_read_only)
{
    if (make_directory (to) < 0 || mount (from, to, NULL, MS_BIND, NULL) < 0)
        return -1;
    return is_read_only ? mount (NULL, to, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL) : 0;
}

static int
unbind (const char *path)
{
    return umount2 (path, UMOUNT_NOFOLLOW) < 0 && errno != EINVAL && errno != ENOENT ? -1 : 0;
}

/* The directory of the volume's content. Owned. */
static char *
content (csi_driver_t *self, const node_t *request)
{
    OWNED (free_text) char *all = text_format ("%s/volumes", self->data);
    char *path = text_format ("%s/%s", all, node_get_text (request, "volume_id", ""));
    make_directory (all);
    make_directory (path);
    return path;
}

// ---- volumes of mode Block: loop devices of files ----

static bool
is_block (const node_t *request)
{
    return node_at (request, "volume_capability", "block", NULL) != NULL;
}

/* The volume's device, made when there is none; "" when that does not go. Owned. */
static char *
device (csi_driver_t *self, const node_t *request)
{
    char path[64] = "";
    const char *id = node_get_text (request, "volume_id", "");
    OWNED (free_text) char *directory = content (self, request);
    OWNED (free_text)
    char *line = text_format ("cd %s && truncate -s 1M %s.img && losetup -j $PWD/%s.img | cut -d: "
                              "-f1 | grep . || losetup -f --show $PWD/%s.img",
                              directory, id, id, id);
    FILE *pipe = popen (line, "re");
    if (pipe && !fgets (path, sizeof path, pipe))
        path[0] = '\0';
    if (pipe)
        pclose (pipe);
    path[strcspn (path, "\n")] = '\0';
    return text_copy (path);
}

static void
remove_device (csi_driver_t *self, const node_t *request)
{
    const char *id = node_get_text (request, "volume_id", "");
    OWNED (free_text)
    char *line = text_format ("for loop in $(losetup -j %s/volumes/%s/%s.img | cut -d: -f1); do "
                              "losetup -d $loop; done",
                              self->data, id, id);
    if (system (line) != 0)
        fprintf (stderr, "%s: failed\n", line);
}

static int
bind_device (const char *from, const char *to)
{
    OWNED (close_file) FILE *file = fopen (to, "we");
    return file ? mount (from, to, NULL, MS_BIND, NULL) : -1;
}

static int
stage (csi_driver_t *self, const node_t *request)
{
    if (is_block (request)) {
        OWNED (free_text) char *made = device (self, request);
        return *made ? 0 : -1;
    }
    OWNED (free_text) char *path = content (self, request);
    const char *target = node_get_text (request, "staging_target_path", "");
    return unbind (target) < 0 ? -1 : bind_directory (path, target, false);
}

static int
publish (csi_driver_t *self, const node_t *request)
{
    OWNED (free_text) char *path = content (self, request);
    const char *target = node_get_text (request, "target_path", "");
    const char *staged = node_get_text (request, "staging_target_path", path);
    if (is_block (request)) {
        OWNED (free_text) char *from = device (self, request);
        return unbind (target) < 0 || bind_device (from, target) < 0 ? -1 : 0;
    }
    return unbind (target) < 0
               ? -1
               : bind_directory (staged, target, node_get_bool (request, "readonly", false));
}

static int
unpublish (csi_driver_t *self, const node_t *request)
{
    (void) self;
    const char *target = node_get_text (request, "target_path", "");
    return unbind (target) < 0 || (remove (target) < 0 && errno != ENOENT) ? -1 : 0;
}

static int
unstage (csi_driver_t *self, const node_t *request)
{
    remove_device (self, request);
    return unbind (node_get_text (request, "staging_target_path", ""));
}

#define ABILITIES                                                                                  \
    "{\"capabilities\": [{\"rpc\": {\"type\": \"STAGE_UNSTAGE_VOLUME\"}},"                         \
    " {\"rpc\": {\"type\": \"GET_VOLUME_STATS\"}}, {\"rpc\": {\"type\": \"EXPAND_VOLUME\"}}]}"
#define STATS                                                                                      \
    "{\"usage\": [{\"unit\": \"BYTES\", \"total\": 1000, \"used\": 400, \"available\": 600},"      \
    " {\"unit\": \"INODES\", \"total\": 10, \"used\": 4, \"available\": 6}]}"
#define NODE_INFO                                                                                  \
    "{\"node_id\": \"id-of-node\", \"max_volumes_per_node\": 7,"                                   \
    " \"accessible_topology\": {\"segments\": {\"topology.lab/rack\": \"r1\"}}}"
#define NODE(name, symbol)                                                                         \
    "/csi.v1.Node/Node" name, &csi__v1__node_##symbol##_request__descriptor,                       \
        &csi__v1__node_##symbol##_response__descriptor

static const struct {
    const char *path;
    const ProtobufCMessageDescriptor *request, *reply;
    serve_method_fn *serve;
    const char *answer;
} METHODS[] = {
    { "/pluginregistration.Registration/GetInfo", &pluginregistration__info_request__descriptor,
      &pluginregistration__plugin_info__descriptor, NULL, NULL },
    { "/pluginregistration.Registration/NotifyRegistrationStatus",
      &pluginregistration__registration_status__descriptor,
      &pluginregistration__registration_status_response__descriptor, NULL, "{}" },
    { NODE ("GetInfo", get_info), NULL, NODE_INFO },
    { NODE ("GetCapabilities", get_capabilities), NULL, ABILITIES },
    { NODE ("StageVolume", stage_volume), stage, "{}" },
    { NODE ("PublishVolume", publish_volume), publish, "{}" },
    { NODE ("UnpublishVolume", unpublish_volume), unpublish, "{}" },
    { NODE ("UnstageVolume", unstage_volume), unstage, "{}" },
    { NODE ("ExpandVolume", expand_volume), NULL, "{}" },
    { NODE ("GetVolumeStats", get_volume_stats), NULL, STATS },
};

static void
note (csi_driver_t *self, const char *method, const node_t *request)
{
    OWNED (free_text) char *path = text_format ("%s/calls", self->data);
    OWNED (free_text) char *json = json_write (request, JSON_COMPACT, NULL);
    OWNED (close_file) FILE *file = fopen (path, "ae");
    if (file)
        fprintf (file, "%s %s\n", method, json);
}

/* True when the file `fault` says how to answer. */
static bool
fails (csi_driver_t *self, const char *method, server_call_t *call)
{
    char wanted[64] = "", code[16] = "", text[256] = "";
    OWNED (free_text) char *path = text_format ("%s/fault", self->data);
    OWNED (close_file) FILE *file = fopen (path, "re");
    if (!file || fscanf (file, "%63s %15s %255[^\n]", wanted, code, text) < 2
        || strcmp (wanted, method) != 0)
        return false;
    if (strcmp (code, "hang") != 0)
        server_fail (call, code, text);
    return true;
}

static void
serve (void *context, server_call_t *call)
{
    csi_driver_t *self = context;
    size_t i = 0, size = 0;
    while (i < COUNT_OF (METHODS) && strcmp (METHODS[i].path, server_call_path (call)) != 0)
        i++;
    if (i == COUNT_OF (METHODS)) {
        server_fail (call, "12", "unknown method");
        return;
    }
    fault_t fault = { 0 };
    const uint8_t *bytes = server_call_body (call, &size);
    OWNED (tree_destroy)
    tree_t *request = protobuf_decode (METHODS[i].request, bytes, size, &fault);
    const char *method = strrchr (METHODS[i].path, '/') + 1;
    note (self, method, tree_root (request));
    if (fails (self, method, call))
        return;
    if (METHODS[i].serve && METHODS[i].serve (self, tree_root (request)) < 0) {
        server_fail (call, "13", strerror (errno));
        return;
    }
    OWNED (free_text)
    char *info = text_format ("{\"type\": \"%s\", \"name\": \"%s\", \"supported_versions\":"
                              " [\"%s\"]}",
                              self->type, self->name, self->version);
    server_reply_json (call, METHODS[i].reply, METHODS[i].answer ? METHODS[i].answer : info);
}

csi_driver_t *
csi_driver_new (const char *socket, const char *name, const char *data, const char *type,
                const char *version)
{
    csi_driver_t *self = memory_new (1, sizeof *self);
    self->name = text_copy (name);
    self->data = text_copy (data);
    self->type = text_copy (type);
    self->version = text_copy (version);
    make_directory (data);
    self->server = grpc_server_new (socket, serve, self);
    return self;
}

void
csi_driver_destroy (csi_driver_t **self_p)
{
    csi_driver_t *self = *self_p;
    if (!self)
        return;
    grpc_server_destroy (&self->server);
    free (self->name);
    free (self->data);
    free (self->type);
    free (self->version);
    free (self);
    *self_p = NULL;
}
