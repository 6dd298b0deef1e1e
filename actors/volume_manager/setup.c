/* setup.c - VOLUME_SETUP: every volume of a pod is a job of its plugin. Most jobs are done at once;
   those that are not end later, and the pod is answered when all have ended. Meanwhile other pods
   go on; of further requests for the same pod the newest is done next. */
#include "cubelet/clock.h"
#include "cubelet/go_quote.h"
#include "cubelet/memory.h"
#include "cubelet/object_reference.h"
#include "cubelet/path_element.h"
#include "cubelet/pod_names.h"
#include "cubelet/volume_events.h"
#include "cubelet/volume_paths.h"
#include "manager.h"
#include "safe_path.h"
#include <string.h>

typedef struct setup {
    manager_t *manager;
    char *uid;
    askers_t *askers;
    tree_t *tree; // the request; all of the set-up lives in it
    pod_t pod;
    LIST_OF (volume_job_t *) jobs; // those begun
    size_t pending;
    node_t volumes;           // the answer so far
    background_t *background; // NULL: not needed so far
    int64_t userns_host_id;   // -1: the pod has no user namespace
    fault_t fault;            // the first one
    bool is_failed;

    tree_t *next; // a newer request, NULL: none
    askers_t *next_askers;
} setup_t;

static void
end_work (volume_job_t *job)
{
    if (job->work && job->destroy_work)
        job->destroy_work (&job->work);
    job->work = NULL;
}

static void
setup_destroy (void **self_p)
{
    setup_t *self = *self_p;
    for (size_t i = 0; i < self->jobs.count; i++)
        end_work (self->jobs.items[i]);
    background_destroy (&self->background);
    askers_destroy (&self->askers);
    askers_destroy (&self->next_askers);
    tree_destroy (&self->tree);
    tree_destroy (&self->next);
    free (self->uid);
    free (self);
    *self_p = NULL;
}

zhashx_t *
volume_setups_new (void)
{
    zhashx_t *setups = zhashx_new();
    zhashx_set_destructor (setups, setup_destroy);
    return setups;
}

// ---- the end ----

static void
record (const setup_t *self, const char *type, const char *reason, const char *message)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t body = node_map();
    node_set (tree, &body, "object", object_reference_pod (tree, self->pod.node, NULL));
    node_set_text (tree, &body, "type", type);
    node_set_text (tree, &body, "reason", reason);
    node_set_text (tree, &body, "message", message);
    actor_send (self->manager->actor, "event-recorder", MSG_EVENT_RECORD, &body);
}

void
volume_job_event (const volume_job_t *job, const char *type, const char *reason,
                  const char *message)
{
    record (job->setup, type, reason, message);
}

background_t *
volume_job_background (volume_job_t *job, fault_t *fault)
{
    setup_t *self = job->setup;
    if (!self->background)
        self->background = background_new (self->manager->actor, fault);
    return self->background;
}

/* The answer holds one fault; the events of further ones come from here. */
static void
record_further_fault (const setup_t *self, const fault_t *fault)
{
    record (self, "Warning", volume_fault_reason (fault->text), fault->text);
}

static void
note_fault (setup_t *self, const fault_t *fault)
{
    if (self->is_failed)
        record_further_fault (self, fault);
    else
        self->fault = *fault;
    self->is_failed = true;
}

static void
note_volume (setup_t *self, const volume_job_t *job)
{
    const volume_plugin_t *plugin = job->plugin;
    node_t row = node_map();
    node_set_text (self->tree, &row, "host_path", job->host_path);
    node_set_bool (self->tree, &row, "read_only", job->is_read_only || job->is_claim_read_only);
    node_set_text (self->tree, &row, "kind", job->is_block ? "block" : plugin->name);
    if (plugin->relabels)
        node_set_bool (self->tree, &row, "selinux_relabel", true);
    node_set (self->tree, &self->volumes, job->volume->name, row);
}

/* Notes how a job ended. */
static void
end_job (volume_job_t *job, const fault_t *fault)
{
    setup_t *self = job->setup;
    end_work (job);
    known_volume_ended (self->manager, job, fault != NULL);
    if (!fault) {
        if (!job->is_unchanged)
            note_volume (self, job);
        return;
    }
    fault_t bad = *fault;
    if (job->step) {
        OWNED (free_text) char *quoted = go_quote (job->name);
        fault_wrap (&bad, "%s failed for volume %s ", job->step, quoted);
    }
    note_fault (self, &bad);
}

static void setup_begin (manager_t *manager, const char *uid, tree_t *request, askers_t *askers);

/* Answers, and goes on with what came meanwhile. */
static void
setup_finish (setup_t *self)
{
    manager_t *manager = self->manager;
    node_t body = node_map();
    node_set (self->tree, &body, "volumes", self->volumes);
    if (self->userns_host_id >= 0)
        node_set_int (self->tree, &body, "userns_host_id", self->userns_host_id);
    askers_answer (self->askers, manager->actor, &body, self->is_failed ? &self->fault : NULL);
    OWNED (free_text) char *uid = text_copy (self->uid);
    OWNED (tree_destroy) tree_t *next = STEAL (self->next);
    OWNED (askers_destroy) askers_t *askers = STEAL (self->next_askers);
    zhashx_delete (manager->setups, uid);
    fault_t fault = { 0 };
    if (next && check_not_removing (manager, uid, &fault) < 0)
        askers_answer (askers, manager->actor, NULL, &fault);
    else if (next)
        setup_begin (manager, uid, STEAL (next), STEAL (askers));
    volume_removal_continue (manager, uid);
}

static void
setup_one_less (setup_t *self)
{
    if (--self->pending == 0)
        setup_finish (self);
}

void
volume_job_ended (volume_job_t *job, const fault_t *fault)
{
    setup_t *self = job->setup;
    end_job (job, fault);
    setup_one_less (self);
}

// ---- the jobs ----

static int
make_pod_directories (const setup_t *self, fault_t *fault)
{
    const char *root = self->manager->host.root_dir;
    OWNED (free_text) char *directory = pod_directory (root, self->uid);
    OWNED (free_text) char *volumes = pod_volumes_directory (root, self->uid);
    OWNED (free_text) char *plugins = text_format ("%s/plugins", directory);
    if (make_directory (volumes, 0750, fault) < 0 || make_directory (plugins, 0750, fault) < 0)
        return -1;
    for (size_t i = 0; i < POD_CONTAINER_COUNT (&self->pod); i++) {
        const char *name = pod_container_at (&self->pod, i)->name;
        OWNED (free_text) char *container = pod_container_directory (root, self->uid, name);
        if (path_element_check ("container name", name, fault) < 0
            || make_directory (container, 0750, fault) < 0)
            return -1;
    }
    return 0;
}

/* Lets the plugin begin; returns as volume_setup_fn. */
static int
start_job (volume_job_t *job, fault_t *fault)
{
    if (path_element_check ("volume name", job->name, fault) < 0)
        return -1;
    const volume_plugin_t *plugin =
        volume_plugin_find (job->volume->node, false, &job->source, fault);
    if (!plugin)
        return -1;
    return volume_plugin_run (plugin, job, fault);
}

static void
begin_volume (setup_t *self, const volume_t *volume)
{
    const node_t *request = tree_root (self->tree);
    volume_job_t *job = tree_alloc (self->tree, sizeof *job);
    *job = (volume_job_t){
        .host = &self->manager->host,
        .pod = &self->pod,
        .objects = node_get (request, "objects"),
        .tokens = node_get (request, "tokens"),
        .volume = volume,
        .name = volume->name,
        .tree = self->tree,
        .step = "MountVolume.SetUp",
        .wants_block = volume_is_device (&self->pod, volume->name),
        .is_refresh = node_get_bool (request, "refresh", false),
        .began_ns = clock_now_ns(),
        .setup = self,
    };
    self->jobs.items[self->jobs.count++] = job;
    fault_t fault = { 0 };
    int result = start_job (job, &fault);
    if (result == VOLUME_PENDING)
        self->pending++;
    else
        end_job (job, result < 0 ? &fault : NULL);
}

/* A pod with a user namespace gets ids of its own, with its directory. */
static int
find_users (setup_t *self, fault_t *fault)
{
    opt_bool_t host_users = self->pod.spec.host_users;
    self->userns_host_id = -1;
    if (!host_users.set || host_users.value)
        return 0;
    self->userns_host_id = users_of_pod (self->manager->users, self->uid, fault);
    return self->userns_host_id < 0 ? -1 : 0;
}

/* What a refresh leaves alone: volumes whose content nobody but containers changes. */
static bool
is_to_do (const setup_t *self, const volume_t *volume)
{
    if (!volume->name || !volume_is_used (&self->pod, volume->name))
        return false;
    const node_t *source = NULL;
    fault_t ignored = { 0 };
    const volume_plugin_t *plugin = volume_plugin_find (volume->node, false, &source, &ignored);
    bool is_refresh = node_get_bool (tree_root (self->tree), "refresh", false);
    return !is_refresh || (plugin && plugin->refreshes);
}

static void
begin_volumes (setup_t *self)
{
    size_t count = self->pod.spec.volumes.count;
    self->jobs.items = tree_alloc (self->tree, (count + 1) * sizeof *self->jobs.items);
    for (size_t i = 0; i < count; i++)
        if (is_to_do (self, &self->pod.spec.volumes.items[i]))
            begin_volume (self, &self->pod.spec.volumes.items[i]);
}

/* Takes `request` and `askers`. */
static void
setup_begin (manager_t *manager, const char *uid, tree_t *request, askers_t *askers)
{
    setup_t *self = memory_new (1, sizeof *self);
    fault_t fault = { 0 };
    self->manager = manager;
    self->uid = text_copy (uid);
    self->askers = askers;
    self->tree = request;
    self->volumes = node_map();
    self->userns_host_id = -1;
    self->pending = 1; // until all have begun
    zhashx_insert (manager->setups, uid, self);
    if (pod_decode (node_get (tree_root (request), "pod"), request, &self->pod, &fault) < 0)
        note_fault (self, &fault);
    else if (make_pod_directories (self, &fault) < 0) {
        fault_wrap (&fault, "error making pod data directories");
        note_fault (self, &fault);
    }
    else if (find_users (self, &fault) < 0)
        note_fault (self, &fault);
    else
        begin_volumes (self);
    setup_one_less (self);
}

int
on_volume_setup (void *state, const message_t *message, fault_t *fault)
{
    manager_t *self = state;
    const char *uid = node_as_text (node_at (message->body, "pod", "metadata", "uid", NULL), "");
    if (check_not_removing (self, uid, fault) < 0)
        return -1;
    setup_t *running = zhashx_lookup (self->setups, uid);
    if (!running) {
        askers_t *askers = askers_new();
        askers_add (askers, message);
        setup_begin (self, uid, tree_copy (message->body), askers);
        return 0;
    }
    if (!running->next_askers)
        running->next_askers = askers_new();
    askers_add (running->next_askers, message);
    tree_destroy (&running->next);
    running->next = tree_copy (message->body);
    return 0;
}
