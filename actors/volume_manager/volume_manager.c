/* volume_manager.c - sets up, refreshes and removes the volumes of pods.

   What is on disk is the truth: nothing is remembered between messages but set-ups and removals
   under way, so that a new incarnation takes over what it finds. Every kind of volume is a plugin,
   a row in plugins.c.

   Arguments: {"root_dir": text, "node_allocatable_memory": int (bytes), "node_allocatable": map
   (resource -> quantity, for resourceFieldRef), "has_csi": bool (there is a csi-manager),
   "userns_first", "userns_total", "userns_length": int (host ids for pods with hostUsers: false,
   and how many each gets), "ownership_first_ms", "ownership_next_ms": int (when an event tells of a
   change of ownership that takes long; which tests change)}, all optional. Source:
   reference/node-and-server.md 7, reference/pod-to-cri.md 1 and 5.3. */
#include "cubelet/actors.h"
#include "cubelet/go_quote.h"
#include "cubelet/go_text.h"
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include "cubelet/path_element.h"
#include "cubelet/user_ranges.h"
#include "cubelet/volume_events.h"
#include "cubelet/volume_paths.h"
#include "manager.h"
#include "safe_path.h"
#include "subpath.h"
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define USERNS_LENGTH 65536

int
check_not_removing (manager_t *self, const char *uid, fault_t *fault)
{
    if (path_element_check ("pod uid", uid, fault) < 0)
        return -1;
    if (zhashx_lookup (self->removals, uid))
        return fault_set (fault, FAULT_UNAVAILABLE,
                          "the pod's old directory is still being removed");
    return 0;
}

// ---- sub paths ----

/* What VOLUME_SUBPATH asks for; borrowed from the message. */
typedef struct {
    const char *pod_uid, *container, *volume, *host_path, *sub_path;
    int64_t index;
} subpath_request_t;

static int
check_subpath (manager_t *self, const subpath_request_t *request, fault_t *fault)
{
    if (check_not_removing (self, request->pod_uid, fault) < 0
        || path_element_check ("container name", request->container, fault) < 0
        || path_element_check ("volume name", request->volume, fault) < 0)
        return -1;
    if (request->index < 0 || request->host_path[0] != '/')
        return fault_set (fault, FAULT_INVALID, "invalid index %" PRId64 " or host path %s",
                          request->index, request->host_path);
    if (request->sub_path[0] == '/')
        return fault_set (fault, FAULT_INVALID, "error SubPath `%s` must not be an absolute path",
                          request->sub_path);
    if (path_has_back_step (request->sub_path))
        return fault_set (fault, FAULT_INVALID,
                          "unable to provision SubPath `%s`: must not contain '..'",
                          request->sub_path);
    return 0;
}

/* Binds the sub path to `target`. What exactly failed is for the log: users must not learn of the
   node's files. */
static int
bind_subpath (const subpath_request_t *request, const char *target, fault_t *fault)
{
    fault_t detail = { 0 };
    if (subpath_bind (request->host_path, request->sub_path, target, &detail) == 0)
        return 0;
    LOG_ERROR ("Sub path not prepared uid=%s volume=%s container=%s err=%s", request->pod_uid,
               request->volume, request->container, detail.text);
    OWNED (free_text) char *volume = go_quote (request->volume);
    OWNED (free_text) char *container = go_quote (request->container);
    return fault_set (fault, detail.code,
                      "failed to prepare subPath for volumeMount %s of container %s", volume,
                      container);
}

static int
on_subpath (void *state, const message_t *message, fault_t *fault)
{
    manager_t *self = state;
    const subpath_request_t request = {
        .pod_uid = node_get_text (message->body, "pod_uid", ""),
        .container = node_get_text (message->body, "container", ""),
        .volume = node_get_text (message->body, "volume", ""),
        .host_path = node_get_text (message->body, "host_path", ""),
        .sub_path = node_get_text (message->body, "sub_path", ""),
        .index = node_get_int (message->body, "index", -1),
    };
    if (check_subpath (self, &request, fault) < 0)
        return -1;
    OWNED (free_text)
    char *target = volume_subpath_target (self->host.root_dir, request.pod_uid, request.volume,
                                          request.container, request.index);
    // An empty one means the volume itself, which needs no protection.
    if (*request.sub_path && bind_subpath (&request, target, fault) < 0)
        return -1;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t body = node_map();
    node_set_text (tree, &body, "host_path", *request.sub_path ? target : request.host_path);
    actor_reply (self->actor, message, &body);
    return 0;
}

// ---- start and stop ----

static void
stop (void **self_p)
{
    manager_t *self = *self_p;
    users_destroy (&self->users);
    zhashx_destroy (&self->setups);
    zhashx_destroy (&self->removals);
    zhashx_destroy (&self->known);
    tree_destroy (&self->args);
    free (self->host.root_dir);
    free (self->real_root);
    free (self);
    *self_p = NULL;
}

static int
read_args (manager_t *self, fault_t *fault)
{
    node_t *args = tree_root (self->args);
    self->host.root_dir = text_copy (node_get_text (args, "root_dir", "/var/lib/kubelet"));
    self->host.allocatable_memory = node_get_int (args, "node_allocatable_memory", 0);
    self->host.ownership_first_ms =
        node_get_int (args, "ownership_first_ms", VOLUME_OWNERSHIP_FIRST_MS);
    self->host.ownership_next_ms =
        node_get_int (args, "ownership_next_ms", VOLUME_OWNERSHIP_NEXT_MS);
    self->host.has_csi = node_get_bool (args, "has_csi", false);
    self->host.facts.allocatable = node_get (args, "node_allocatable");
    if (self->host.root_dir[0] != '/')
        return fault_set (fault, FAULT_INVALID, "root_dir: must be absolute: %s",
                          self->host.root_dir);
    OWNED (free_text) char *pods = text_format ("%s/pods", self->host.root_dir);
    if (make_directory (pods, 0750, fault) < 0)
        return -1;
    char error[GO_ERRNO_MAX];
    self->real_root = realpath (self->host.root_dir, NULL);
    if (!self->real_root)
        return fault_set (fault, FAULT_INTERNAL, "%s: %s", self->host.root_dir,
                          go_errno (errno, error));
    self->users =
        users_new (self->host.root_dir, node_get_int (args, "userns_first", USER_RANGES_FIRST),
                   node_get_int (args, "userns_total", USER_RANGES_TOTAL),
                   node_get_int (args, "userns_length", USERNS_LENGTH));
    return 0;
}

static void *
start (actor_t *actor, const node_t *args, fault_t *fault)
{
    manager_t *self = memory_new (1, sizeof *self);
    self->actor = actor;
    self->args = tree_copy (args);
    self->host.actor = actor;
    self->setups = volume_setups_new();
    self->removals = volume_removals_new();
    self->known = known_volumes_new();
    if (read_args (self, fault) < 0) {
        void *state = self;
        stop (&state);
        return NULL;
    }
    return self;
}

static const actor_handler_t HANDLERS[] = {
    { MSG_VOLUME_SETUP, on_volume_setup },
    { MSG_VOLUME_LIST, on_volume_list },
    { MSG_VOLUME_SUBPATH, on_subpath },
    { MSG_VOLUME_TEARDOWN, on_volume_teardown },
    { 0 },
};

const actor_class_t volume_manager_class = {
    .name = "volume-manager",
    .about = "sets up, refreshes and removes volumes",
    .handlers = HANDLERS,
    .start = start,
    .stop = stop,
};
