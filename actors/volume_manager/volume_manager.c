/* volume_manager.c - sets up, refreshes and removes the volumes of pods.

   What is on disk is the truth: nothing is remembered between messages but removals under way, so
   that a new incarnation takes over what it finds. Every kind of volume is a plugin, a row of
   PLUGINS.

   Arguments: {"root_dir": text, "node_allocatable_memory": int (bytes), "node_allocatable": map
   (resource -> quantity, for resourceFieldRef)}, all optional.
   Source: reference/node-and-server.md 7, reference/pod-to-cri.md 1 and 5.3. */
#include "cubelet/actors.h"
#include "cubelet/askers.h"
#include "cubelet/go_quote.h"
#include "cubelet/go_text.h"
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include "cubelet/object_reference.h"
#include "cubelet/path_element.h"
#include "cubelet/pod_names.h"
#include "cubelet/volume_paths.h"
#include "mounts.h"
#include "safe_path.h"
#include "subpath.h"
#include "tree_removal.h"
#include "volume_plugin.h"
#include <czmq.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* How long deleting keeps other messages waiting. */
#define REMOVAL_SLICE_MS 10

static const volume_plugin_t PLUGINS[] = {
    { "emptyDir", "kubernetes.io~empty-dir", empty_dir_setup, memory_teardown, false, true },
    { "hostPath", NULL, host_path_setup, NULL, false, false },
    { "downwardAPI", "kubernetes.io~downward-api", downward_setup, memory_teardown, true, true },
    { "projected", "kubernetes.io~projected", projected_setup, memory_teardown, true, true },
    { "configMap", "kubernetes.io~configmap", config_map_setup, NULL, true, true },
    { "secret", "kubernetes.io~secret", secret_setup, memory_teardown, true, true },
};

typedef struct {
    actor_t *actor;
    volume_host_t host;
    char *real_root;    // root_dir without links, as mountinfo shows it
    tree_t *args;       // the facts borrow from it
    zhashx_t *removals; // removal_t by pod uid
} manager_t;

/* A pod's directory on its way out, and who waits for its end. */
typedef struct {
    manager_t *manager;
    char *uid;
    askers_t *askers; // for its end
    tree_removal_t *removal;
    uint64_t timer;
} removal_t;

// ---- setting up ----

static int
make_pod_directories (manager_t *self, const pod_t *pod, fault_t *fault)
{
    const char *root = self->host.root_dir;
    OWNED (free_text) char *directory = pod_directory (root, pod->metadata.uid);
    OWNED (free_text) char *volumes = pod_volumes_directory (root, pod->metadata.uid);
    OWNED (free_text) char *plugins = text_format ("%s/plugins", directory);
    if (make_directory (volumes, 0750, fault) < 0 || make_directory (plugins, 0750, fault) < 0)
        return -1;
    for (size_t i = 0; i < POD_CONTAINER_COUNT (pod); i++) {
        const char *name = pod_container_at (pod, i)->name;
        OWNED (free_text) char *container = pod_container_directory (root, pod->metadata.uid, name);
        if (path_element_check ("container name", name, fault) < 0
            || make_directory (container, 0750, fault) < 0)
            return -1;
    }
    return 0;
}

/* The plugin of a volume, and what the volume says to it. */
static const volume_plugin_t *
find_plugin (const volume_t *volume, const node_t **source, fault_t *fault)
{
    for (size_t i = 0; i < COUNT_OF (PLUGINS); i++)
        if ((*source = node_get (volume->node, PLUGINS[i].name)))
            return &PLUGINS[i];
    OWNED (free_text) char *sources = text_copy ("");
    for (size_t i = 0; i < node_count (volume->node); i++)
        if (strcmp (node_key_at (volume->node, i), "name") != 0)
            text_replace (&sources, "%s %s", sources, node_key_at (volume->node, i));
    fault_set (fault, FAULT_UNIMPLEMENTED, "no volume plugin matched%s", sources);
    return NULL;
}

static int
set_up_by_plugin (manager_t *self, const pod_t *pod, const volume_t *volume, tree_t *tree,
                  node_t *volumes, fault_t *fault)
{
    volume_job_t job = { .host = &self->host, .pod = pod, .name = volume->name, .tree = tree };
    if (path_element_check ("volume name", volume->name, fault) < 0)
        return -1;
    const volume_plugin_t *plugin = find_plugin (volume, &job.source, fault);
    if (!plugin)
        return -1;
    OWNED (free_text)
    char *path = plugin->directory ? volume_directory (self->host.root_dir, pod->metadata.uid,
                                                       plugin->directory, volume->name)
                                   : NULL;
    job.path = path;
    const char *host_path = path;
    if (plugin->setup (&job, &host_path, fault) < 0)
        return -1;
    node_t described = node_map();
    node_set_text (tree, &described, "host_path", host_path);
    node_set_bool (tree, &described, "read_only", plugin->is_read_only);
    node_set_text (tree, &described, "kind", plugin->name);
    if (plugin->relabels)
        node_set_bool (tree, &described, "selinux_relabel", true);
    node_set (tree, volumes, volume->name, described);
    return 0;
}

static int
set_up_volume (manager_t *self, const pod_t *pod, const volume_t *volume, tree_t *tree,
               node_t *volumes, fault_t *fault)
{
    if (set_up_by_plugin (self, pod, volume, tree, volumes, fault) == 0)
        return 0;
    OWNED (free_text) char *quoted = go_quote (volume->name);
    return fault_wrap (fault, "MountVolume.SetUp failed for volume %s ", quoted);
}

/* The answer holds one fault; the events of further ones come from here. */
static void
record_further_fault (manager_t *self, const pod_t *pod, const fault_t *fault)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t body = node_map();
    node_set (tree, &body, "object", object_reference_pod (tree, pod->node, NULL));
    node_set_text (tree, &body, "type", "Warning");
    node_set_text (tree, &body, "reason", "FailedMount");
    node_set_text (tree, &body, "message", fault->text);
    actor_send (self->actor, "event-recorder", MSG_EVENT_RECORD, &body);
}

static int
set_up_volumes (manager_t *self, const pod_t *pod, tree_t *tree, node_t *volumes, fault_t *fault)
{
    int result = 0;
    for (size_t i = 0; i < pod->spec.volumes.count; i++) {
        const volume_t *volume = &pod->spec.volumes.items[i];
        fault_t bad = { 0 };
        if (!volume->name || !volume_is_used (pod, volume->name)
            || set_up_volume (self, pod, volume, tree, volumes, &bad) == 0)
            continue;
        if (result == 0)
            *fault = bad;
        else
            record_further_fault (self, pod, &bad);
        result = -1;
    }
    return result;
}

static int
check_not_removing (manager_t *self, const char *uid, fault_t *fault)
{
    if (path_element_check ("pod uid", uid, fault) < 0)
        return -1;
    if (zhashx_lookup (self->removals, uid))
        return fault_set (fault, FAULT_UNAVAILABLE,
                          "the pod's old directory is still being removed");
    return 0;
}

static int
on_setup (void *state, const message_t *message, fault_t *fault)
{
    manager_t *self = state;
    OWNED (tree_destroy) tree_t *tree = tree_copy (node_get (message->body, "pod"));
    pod_t pod = { 0 };
    if (pod_decode (tree_root (tree), tree, &pod, fault) < 0
        || check_not_removing (self, pod.metadata.uid, fault) < 0)
        return -1;
    if (make_pod_directories (self, &pod, fault) < 0)
        return fault_wrap (fault, "error making pod data directories");
    node_t volumes = node_map();
    if (set_up_volumes (self, &pod, tree, &volumes, fault) < 0)
        return -1;
    node_t body = node_map();
    node_set (tree, &body, "volumes", volumes);
    actor_reply (self->actor, message, &body);
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

// ---- tearing down ----

/* True when a mount below a pod's directory is one that this actor makes. `place` is its path below
   that directory. */
static bool
is_ours (const mount_entry_t *mount, const char *place)
{
    pod_mount_t kind = pod_mount_kind (place);
    if (kind != POD_MOUNT_VOLUME)
        return kind == POD_MOUNT_SUBPATH;
    if (strcmp (mount->fs_type, "tmpfs") != 0 && strcmp (mount->fs_type, "hugetlbfs") != 0)
        return false;
    const char *plugin = place + strlen ("volumes/");
    for (size_t i = 0; i < COUNT_OF (PLUGINS); i++)
        if (PLUGINS[i].teardown
            && strncmp (plugin, PLUGINS[i].directory, strlen (PLUGINS[i].directory)) == 0
            && plugin[strlen (PLUGINS[i].directory)] == '/')
            return true;
    return false;
}

/* Unmounts the sub paths, or touches nothing at all when something is mounted that is not ours. */
static int
unmount_subpaths (const mount_table_t *mounts, const char *directory, fault_t *fault)
{
    size_t skip = strlen (directory) + 1;
    for (size_t i = 0; i < mounts->count; i++) {
        const char *path = mounts->items[i].path;
        if (strlen (path) < skip || !is_ours (&mounts->items[i], path + skip))
            return fault_set (fault, FAULT_PRECONDITION,
                              "not removing %s: something is still mounted on %s", directory, path);
    }
    for (size_t i = mounts->count; i-- > 0;) {
        const char *path = mounts->items[i].path;
        if (pod_mount_kind (path + skip) == POD_MOUNT_SUBPATH && mounts_unmount (path, fault) < 0)
            return -1;
    }
    return 0;
}

static void
close_directory (DIR **directory_p)
{
    if (*directory_p)
        closedir (*directory_p);
    *directory_p = NULL;
}

/* Lets a plugin unmount all its volumes of a pod. */
static int
tear_down_plugin (const volume_plugin_t *plugin, const char *pod_path, fault_t *fault)
{
    OWNED (free_text) char *path = text_format ("%s/volumes/%s", pod_path, plugin->directory);
    OWNED (close_directory) DIR *directory = opendir (path);
    for (struct dirent *entry; directory && (entry = readdir (directory));) {
        if (strcmp (entry->d_name, ".") == 0 || strcmp (entry->d_name, "..") == 0)
            continue;
        OWNED (free_text) char *volume = text_format ("%s/%s", path, entry->d_name);
        if (plugin->teardown (volume, fault) < 0)
            return fault_wrap (fault, "UnmountVolume.TearDown failed for volume \"%s\" ",
                               entry->d_name);
    }
    return 0;
}

static int
unmount_volumes (manager_t *self, const char *uid, fault_t *fault)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    OWNED (free_text) char *directory = pod_directory (self->real_root, uid);
    mount_table_t mounts;
    if (mounts_read (directory, tree, &mounts, fault) < 0
        || unmount_subpaths (&mounts, directory, fault) < 0)
        return -1;
    for (size_t i = 0; i < COUNT_OF (PLUGINS); i++)
        if (PLUGINS[i].teardown && tear_down_plugin (&PLUGINS[i], directory, fault) < 0)
            return -1;
    if (mounts_read (directory, tree, &mounts, fault) < 0)
        return -1;
    if (mounts.count)
        return fault_set (fault, FAULT_UNAVAILABLE,
                          "not removing %s: something is still mounted on %s", directory,
                          mounts.items[0].path);
    return 0;
}

static void
removal_destroy (void **self_p)
{
    removal_t *self = *self_p;
    actor_timer_cancel (self->manager->actor, &self->timer);
    askers_destroy (&self->askers);
    tree_removal_destroy (&self->removal);
    free (self->uid);
    free (self);
    *self_p = NULL;
}

static removal_t *
removal_new (manager_t *manager, const char *uid)
{
    removal_t *self = memory_new (1, sizeof *self);
    self->manager = manager;
    self->uid = text_copy (uid);
    self->askers = askers_new();
    zhashx_insert (manager->removals, uid, self);
    return self;
}

/* Answers everyone who waits, and forgets the removal. */
static void
finish_removal (removal_t *self, const fault_t *fault)
{
    manager_t *manager = self->manager;
    askers_answer (self->askers, manager->actor, NULL, fault);
    zhashx_delete (manager->removals, self->uid);
}

static void
continue_removal (void *state, void *context)
{
    manager_t *manager = state;
    removal_t *self = context;
    fault_t fault = { 0 };
    self->timer = 0;
    int result = self->removal ? tree_removal_step (self->removal, REMOVAL_SLICE_MS, &fault) : 1;
    if (result == 0)
        self->timer = actor_timer (manager->actor, 0, continue_removal, self);
    else
        finish_removal (self, result < 0 ? &fault : NULL);
}

static void
start_removal (removal_t *self)
{
    manager_t *manager = self->manager;
    fault_t fault = { 0 };
    OWNED (free_text) char *directory = pod_directory (manager->real_root, self->uid);
    if (unmount_volumes (manager, self->uid, &fault) < 0
        || tree_removal_new (directory, &self->removal, &fault) < 0)
        finish_removal (self, &fault);
    else
        continue_removal (manager, self);
}

static int
on_teardown (void *state, const message_t *message, fault_t *fault)
{
    manager_t *self = state;
    const char *uid = node_get_text (message->body, "pod_uid", "");
    if (path_element_check ("pod uid", uid, fault) < 0)
        return -1;
    removal_t *removal = zhashx_lookup (self->removals, uid);
    bool is_new = !removal;
    if (is_new)
        removal = removal_new (self, uid);
    askers_add (removal->askers, message);
    if (is_new)
        start_removal (removal);
    return 0;
}

// ---- start and stop ----

static void
stop (void **self_p)
{
    manager_t *self = *self_p;
    zhashx_destroy (&self->removals);
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
    return 0;
}

static void *
start (actor_t *actor, const node_t *args, fault_t *fault)
{
    manager_t *self = memory_new (1, sizeof *self);
    self->actor = actor;
    self->args = tree_copy (args);
    self->removals = zhashx_new();
    zhashx_set_destructor (self->removals, removal_destroy);
    if (read_args (self, fault) < 0) {
        void *state = self;
        stop (&state);
        return NULL;
    }
    return self;
}

static const actor_handler_t HANDLERS[] = {
    { MSG_VOLUME_SETUP, on_setup },
    { MSG_VOLUME_SUBPATH, on_subpath },
    { MSG_VOLUME_TEARDOWN, on_teardown },
    { 0 },
};

const actor_class_t volume_manager_class = {
    .name = "volume-manager",
    .about = "sets up, refreshes and removes volumes",
    .handlers = HANDLERS,
    .start = start,
    .stop = stop,
};
