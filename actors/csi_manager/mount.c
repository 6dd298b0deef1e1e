/* mount.c - MSG_CSI_MOUNT: a volume of a pod is attached (by a controller), staged for the node and
   published for the pod. The steps stand in a table; one that has to wait goes on later. What the
   driver may have done is noted on disk before it is asked, so that it is undone whatever happens.

   A fault's text is whole: `MountVolume.SetUp failed for volume "V" : rpc error: ...`. Its code is
   Unavailable only while a controller's attachment is waited for, which makes no event. */
#include "cubelet/api_call.h"
#include "cubelet/clock.h"
#include "cubelet/duration.h"
#include "cubelet/file_write.h"
#include "cubelet/json.h"
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include "cubelet/mounts.h"
#include "cubelet/object_reference.h"
#include "manager.h"
#include <sys/stat.h>

#define STORAGE "/apis/storage.k8s.io/v1"

/* A controller's attachment is looked for so often and so long, before the pod's worker has to ask
   again. */
#define ATTACH_LOOK_MS 1000
#define ATTACH_LOOKS 10
#define TOKEN_DEADLINE_MS 60000

typedef struct {
    operation_t base;
    return_address_t *asker;
    tree_t *tree; // the request, and what is found out
    csi_volume_t volume;
    csi_driver_spec_t spec;
    csi_context_t context;
    unsigned abilities;
    const char *pod_directory, *stage_directory;
    const char *phase; // begins the text of a fault
    size_t step;
    bool is_published; // already, before this
    bool is_done;      // ... and it need not be published anew
    size_t looks;
    uint64_t timer;
    node_t tokens; // audience -> {token expirationTimestamp}
    size_t token_count;
} mount_t;

/* Returns 0 when done, -1 with a fault, or STEP_WAITS: then advance or give_up is called later. */
typedef int step_fn (mount_t *self, fault_t *fault);
#define STEP_WAITS 1
#define STEP_COUNT 10

static void go_on (mount_t *self);

static void
destroy (operation_t *base)
{
    mount_t *self = (mount_t *) base;
    actor_timer_cancel (base->manager->actor, &self->timer);
    return_address_destroy (&self->asker);
    tree_destroy (&self->tree);
    free (self);
}

/* Answers, and ends the operation. */
static void
finish (mount_t *self, const fault_t *fault)
{
    actor_t *actor = self->base.manager->actor;
    fault_t whole = { 0 };
    node_t body = node_map();
    if (fault) {
        fault_code_t code = self->looks ? FAULT_UNAVAILABLE : FAULT_PRECONDITION;
        fault_set (&whole, code, "%s failed for volume \"%s\" : %s", self->phase, self->volume.name,
                   fault->text);
    }
    else {
        // a driver that is not there now has mounted the volume earlier
        bool is_known = self->spec.fs_group_policy != NULL;
        csi_group_t group =
            is_known ? csi_group (&self->spec, self->abilities, &self->volume) : CSI_GROUP_NONE;
        node_set_text (self->tree, &body, "path", self->context.target_path);
        node_set_bool (self->tree, &body, "read_only", self->volume.is_read_only);
        node_set_bool (self->tree, &body, "wants_group", group == CSI_GROUP_AGENT);
    }
    actor_answer (actor, &self->asker, &body, fault ? &whole : NULL);
    operation_end (&self->base);
}

static void
advance (mount_t *self)
{
    self->step++;
    go_on (self);
}

// ---- from the API server ----

static void
get (mount_t *self, const char *path, actor_reply_fn *reply)
{
    api_call (self->base.manager->actor, &(api_call_t){ .method = "GET", .path = path }, reply,
              &self, sizeof self);
}

static void
on_driver_object (void *state, const message_t *reply, const fault_t *came, void *context)
{
    (void) state;
    mount_t *self = *(mount_t **) context;
    fault_t fault = { 0 };
    const node_t *object = api_reply_check (reply, came, &fault);
    if (!object && fault.code != FAULT_NOT_FOUND) {
        if (self->is_published) {
            finish (self, NULL); // nothing that could not wait
            return;
        }
        fault_wrap (&fault, "kubernetes.io/csi: cannot read CSIDriver %s", self->volume.driver);
        finish (self, &fault);
        return;
    }
    node_t *copy = tree_alloc (self->tree, sizeof *copy);
    *copy = node_copy (self->tree, object);
    csi_driver_spec_read (object ? copy : NULL, &self->spec);
    bool is_refresh = node_get_bool (tree_root (self->tree), "refresh", false);
    self->is_done = self->is_published && !(is_refresh && self->spec.republishes);
    fault = (fault_t){ 0 };
    self->phase = "MountVolume.NewMounter initialization";
    if (csi_mode_check (&self->spec, &self->volume, &fault) < 0)
        finish (self, &fault);
    else
        advance (self);
}

static int
read_driver (mount_t *self, fault_t *fault)
{
    plugin_t *driver = driver_find (self->base.manager, self->volume.driver, fault);
    if (!driver && self->is_published) {
        *fault = (fault_t){ 0 };
        self->step = STEP_COUNT - 1;
        return 0;
    }
    if (!driver) {
        self->phase = self->volume.pv ? "MountVolume.MountDevice" : "MountVolume.SetUp";
        return fault_wrap (fault, self->volume.pv
                                      ? "kubernetes.io/csi: attacher.MountDevice failed to create "
                                        "newCsiDriverClient"
                                      : "kubernetes.io/csi: mounter.SetUpAt failed to get CSI "
                                        "client");
    }
    self->abilities = driver->abilities;
    OWNED (free_text)
    char *path = api_path (STORAGE, NULL, "csidrivers", self->volume.driver, NULL);
    get (self, path, on_driver_object);
    return STEP_WAITS;
}

/* What is mounted already stays, also after a restart of the agent. */
static int
look (mount_t *self, fault_t *fault)
{
    (void) fault;
    self->is_published = mounts_is_mounted (self->context.target_path, self->tree);
    return 0;
}

/* Puts a Secret that was read where its step wants it. */
static void
on_secret (void *state, const message_t *reply, const fault_t *came, void *context)
{
    (void) state;
    struct {
        mount_t *mount;
        const node_t **place;
    } *to = context;
    fault_t fault = { 0 };
    const node_t *secret = api_reply_check (reply, came, &fault);
    if (!secret) {
        fault_wrap (&fault, "kubernetes.io/csi: failed to get secret");
        finish (to->mount, &fault);
        return;
    }
    node_t *copy = tree_alloc (to->mount->tree, sizeof *copy);
    *copy = node_copy (to->mount->tree, secret);
    *to->place = copy;
    advance (to->mount);
}

static int
read_secret (mount_t *self, const char *key, const node_t **place)
{
    const node_t *ref = node_get (self->volume.source, key);
    const char *name = node_get_text (ref, "name", "");
    // An inline volume's Secret is in the pod's namespace.
    const char *ns =
        self->volume.pv ? node_get_text (ref, "namespace", "") : self->volume.pod_namespace;
    if (!*name)
        return 0;
    const struct {
        mount_t *mount;
        const node_t **place;
    } to = { self, place };
    OWNED (free_text) char *path = api_path ("/api/v1", ns, "secrets", name, NULL);
    api_call (self->base.manager->actor, &(api_call_t){ .method = "GET", .path = path }, on_secret,
              &to, sizeof to);
    return STEP_WAITS;
}

static int
read_stage_secret (mount_t *self, fault_t *fault)
{
    (void) fault;
    self->phase = "MountVolume.MountDevice";
    if (self->is_published)
        return 0;
    return read_secret (self, "nodeStageSecretRef", &self->context.stage_secrets);
}

static int
read_publish_secret (mount_t *self, fault_t *fault)
{
    (void) fault;
    self->phase = "MountVolume.SetUp";
    if (self->is_done)
        return 0;
    return read_secret (self, "nodePublishSecretRef", &self->context.publish_secrets);
}

// ---- attaching ----

static int ask_attachment (mount_t *self, fault_t *fault);

static void
look_again (void *state, void *context)
{
    (void) state;
    mount_t *self = context;
    self->timer = 0;
    ask_attachment (self, NULL);
}

static void
on_attachment (void *state, const message_t *reply, const fault_t *came, void *context)
{
    (void) state;
    mount_t *self = *(mount_t **) context;
    fault_t fault = { 0 };
    const node_t *object = api_reply_check (reply, came, &fault);
    const node_t *status = node_get (object, "status");
    if (node_get_bool (status, "attached", false)) {
        node_t *copy = tree_alloc (self->tree, sizeof *copy);
        *copy = node_copy (self->tree, node_get (status, "attachmentMetadata"));
        self->context.publish_context = copy;
        self->looks = 0;
        advance (self);
        return;
    }
    const char *why = node_as_text (node_at (status, "attachError", "message", NULL), NULL);
    if (++self->looks < ATTACH_LOOKS) {
        self->timer = actor_timer (self->base.manager->actor, ATTACH_LOOK_MS, look_again, self);
        return;
    }
    fault_t late = { 0 };
    fault_set (&late, FAULT_UNAVAILABLE, "volume %s is not attached yet%s%s", self->volume.handle,
               why || fault.code ? ": " : "", why ? why : fault.text);
    finish (self, &late);
}

static int
ask_attachment (mount_t *self, fault_t *fault)
{
    (void) fault;
    if (!self->volume.pv || !self->spec.is_attached || self->is_done)
        return 0;
    self->phase = "MountVolume.WaitForAttach";
    OWNED (free_text)
    char *name = csi_attachment_name (self->volume.handle, self->volume.driver,
                                      self->base.manager->node_name);
    OWNED (free_text) char *path = api_path (STORAGE, NULL, "volumeattachments", name, NULL);
    get (self, path, on_attachment);
    return STEP_WAITS;
}

// ---- staging ----

/* Asks the driver, if it is still there. */
static int
call_driver (mount_t *self, call_kind_t kind, const node_t *request, link_done_fn *done,
             fault_t *fault)
{
    plugin_t *driver = driver_find (self->base.manager, self->volume.driver, fault);
    if (!driver)
        return -1;
    link_call (driver->link, kind, request, done, self);
    return STEP_WAITS;
}

/* The pod's volume is certainly not there: nothing has to be undone for it. */
static void
forget (mount_t *self)
{
    fault_t ignored = { 0 };
    if (!mounts_is_mounted (self->context.target_path, self->tree))
        volume_data_remove (self->pod_directory, "mount", &ignored);
    unstage_if_unused (self->base.manager, self->volume.driver, self->volume.handle);
}

static void
on_called (void *context, const node_t *reply, const fault_t *fault)
{
    (void) reply;
    mount_t *self = context;
    if (!fault) {
        advance (self);
        return;
    }
    if (csi_fault_is_final (fault))
        forget (self);
    finish (self, fault);
}

/* The notes come first, the pod's before all others: it keeps the volume staged. */
static int
note (mount_t *self, fault_t *fault)
{
    bool is_attached = self->volume.pv && self->spec.is_attached;
    if (self->is_published)
        return 0;
    if (volume_data_write_pod (self->pod_directory, &self->volume, is_attached,
                               self->base.manager->node_name, fault)
            < 0
        || (self->context.stage_path
            && volume_data_write_stage (self->stage_directory, &self->volume, fault) < 0))
        return -1;
    in_use_tell (self->base.manager);
    return 0;
}

static int
stage (mount_t *self, fault_t *fault)
{
    self->phase = "MountVolume.MountDevice";
    if (!self->volume.pv || !(self->abilities & CSI_STAGES))
        return note (self, fault);
    OWNED (free_text) char *path = text_format ("%s/globalmount", self->stage_directory);
    OWNED (free_text) char *inside = text_format ("%s/x", path);
    self->context.stage_path = tree_text (self->tree, path, strlen (path));
    if (self->is_published)
        return 0; // so it is staged too
    if (note (self, fault) < 0 || file_make_parents (inside, 0750, fault) < 0)
        return -1;
    node_t request =
        csi_stage_request (&self->volume, &self->spec, self->abilities, &self->context, self->tree);
    return call_driver (self, CALL_STAGE, &request, on_called, fault);
}

// ---- tokens of the pod's service account ----

static int next_token (mount_t *self, fault_t *fault);

static const node_t *
wanted_token (const mount_t *self)
{
    return node_item (self->spec.token_requests, self->token_count);
}

static void
on_token (void *state, const message_t *reply, const fault_t *fault, void *context)
{
    (void) state;
    mount_t *self = *(mount_t **) context;
    fault_t failed = { 0 };
    char time[TIME_TEXT_MAX];
    if (!reply) {
        fault_set (&failed, FAULT_PRECONDITION,
                   "failed to get service account token attributes: %s", fault->text);
        finish (self, &failed);
        return;
    }
    node_t token = node_map();
    int64_t expires_at = node_get_int (reply->body, "expires_at", 0);
    node_set_text (self->tree, &token, "token", node_get_text (reply->body, "token", ""));
    node_set_text (self->tree, &token, "expirationTimestamp",
                   time_text (expires_at * NS_PER_S, time));
    node_set (self->tree, &self->tokens, node_get_text (wanted_token (self), "audience", ""),
              token);
    self->token_count++;
    if (next_token (self, NULL) == 0)
        advance (self);
}

static int
next_token (mount_t *self, fault_t *fault)
{
    (void) fault;
    const node_t *wanted = self->is_done ? NULL : wanted_token (self);
    if (!wanted) {
        if (node_count (&self->tokens)) {
            OWNED (free_text) char *text = json_write (&self->tokens, JSON_COMPACT, NULL);
            self->context.tokens = tree_text (self->tree, text, strlen (text));
        }
        return 0;
    }
    const node_t *seconds = node_get (wanted, "expirationSeconds");
    node_t body = node_map();
    node_set_text (self->tree, &body, "namespace", self->volume.pod_namespace);
    node_set_text (self->tree, &body, "service_account", self->volume.service_account);
    node_set_text (self->tree, &body, "pod_name", self->volume.pod_name);
    node_set_text (self->tree, &body, "pod_uid", self->volume.pod_uid);
    node_set_text (self->tree, &body, "audience", node_get_text (wanted, "audience", ""));
    if (seconds)
        node_set_int (self->tree, &body, "expiration_seconds", node_as_int (seconds, 3600));
    actor_request (self->base.manager->actor, "token-manager", MSG_TOKEN_GET, &body,
                   TOKEN_DEADLINE_MS, on_token, &self, sizeof self);
    return STEP_WAITS;
}

// ---- publishing ----

static int
publish (mount_t *self, fault_t *fault)
{
    self->phase = "MountVolume.SetUp";
    if (self->is_done)
        return 0;
    node_t request = csi_publish_request (&self->volume, &self->spec, self->abilities,
                                          &self->context, self->tree);
    return call_driver (self, CALL_PUBLISH, &request, on_called, fault);
}

// ---- growing ----

static int64_t
growth (const mount_t *self)
{
    bool can = self->abilities & CSI_EXPANDS && !self->volume.is_read_only;
    return can ? csi_growth (self->volume.pv, node_get (tree_root (self->tree), "claim")) : 0;
}

static int
read_expand_secret (mount_t *self, fault_t *fault)
{
    (void) fault;
    self->phase = "MountVolume.SetUp";
    return growth (self) ? read_secret (self, "nodeExpandSecretRef", &self->context.expand_secrets)
                         : 0;
}

/* Whether the claim shows the new size or not, the volume has it. */
static void
on_claim_patched (void *state, const message_t *reply, const fault_t *came, void *context)
{
    (void) state;
    mount_t *self = *(mount_t **) context;
    fault_t fault = { 0 };
    if (!api_reply_check (reply, came, &fault))
        LOG_WARNING ("The claim's new size not told volume=%s err=%s", self->volume.name,
                     fault.text);
    advance (self);
}

static void
on_expanded (void *context, const node_t *reply, const fault_t *fault)
{
    (void) reply;
    mount_t *self = context;
    if (fault) {
        fault_t failed = *fault;
        fault_wrap (&failed, "failed while expanding volume");
        finish (self, &failed);
        return;
    }
    const node_t *claim = node_get (tree_root (self->tree), "claim");
    manager_t *manager = self->base.manager;
    node_t event = node_map(), pod = node_map(), metadata = node_map();
    node_set_text (self->tree, &metadata, "name", self->volume.pod_name);
    node_set_text (self->tree, &metadata, "namespace", self->volume.pod_namespace);
    node_set_text (self->tree, &metadata, "uid", self->volume.pod_uid);
    node_set (self->tree, &pod, "metadata", metadata);
    node_set (self->tree, &event, "object", object_reference_pod (self->tree, &pod, NULL));
    node_set_text (self->tree, &event, "type", "Normal");
    node_set_text (self->tree, &event, "reason", "FileSystemResizeSuccessful");
    node_set (self->tree, &event, "message",
              node_text_format (self->tree,
                                "MountVolume.NodeExpandVolume succeeded for volume \"%s\" %s",
                                self->volume.name, manager->node_name));
    actor_send (manager->actor, "event-recorder", MSG_EVENT_RECORD, &event);
    node_t patch = csi_claim_patch (self->volume.pv, claim, self->tree);
    OWNED (free_text)
    char *path = api_path ("/api/v1", node_get_text (claim, "namespace", ""),
                           "persistentvolumeclaims", node_get_text (claim, "name", ""), "status");
    api_call (
        manager->actor,
        &(api_call_t){
            .method = "PATCH", .path = path, .content_type = API_STRATEGIC_PATCH, .body = &patch },
        on_claim_patched, &self, sizeof self);
}

static int
expand (mount_t *self, fault_t *fault)
{
    int64_t bytes = growth (self);
    if (!bytes)
        return 0;
    node_t request = csi_expand_request (&self->volume, &self->spec, self->abilities,
                                         &self->context, bytes, self->tree);
    return call_driver (self, CALL_EXPAND, &request, on_expanded, fault);
}

static step_fn *const STEPS[] = {
    look,
    read_driver,
    read_stage_secret,
    read_publish_secret,
    read_expand_secret,
    ask_attachment,
    stage,
    next_token,
    publish,
    expand,
};
_Static_assert(COUNT_OF (STEPS) == STEP_COUNT, "STEP_COUNT");

static void
go_on (mount_t *self)
{
    for (; self->step < COUNT_OF (STEPS); self->step++) {
        fault_t fault = { 0 };
        int result = STEPS[self->step](self, &fault);
        if (result < 0) {
            finish (self, &fault);
            return;
        }
        if (result == STEP_WAITS)
            return;
    }
    finish (self, NULL);
}

static void
begin (operation_t *base)
{
    go_on ((mount_t *) base);
}

static const char *
keep (tree_t *tree, char *text)
{
    const char *kept = tree_text (tree, text, strlen (text));
    free (text);
    return kept;
}

int
on_csi_mount (void *state, const message_t *message, fault_t *fault)
{
    manager_t *manager = state;
    OWNED (tree_destroy) tree_t *tree = tree_copy (message->body);
    csi_volume_t volume;
    if (csi_volume_read (tree_root (tree), tree, &volume, fault) < 0) {
        const char *name = node_get_text (message->body, "volume", "");
        return fault_wrap (fault, "MountVolume.SetUp failed for volume \"%s\" ", name);
    }
    mount_t *self = memory_new (1, sizeof *self);
    *self = (mount_t){
        .base = { .manager = manager, .begin = begin, .destroy = destroy },
        .asker = return_address_new (message),
        .volume = volume,
        .tokens = node_map(),
        .phase = "MountVolume.SetUp",
    };
    self->pod_directory =
        keep (tree, csi_pod_directory (manager->root_dir, volume.pod_uid, volume.name));
    self->stage_directory =
        keep (tree, csi_stage_directory (manager->root_dir, volume.driver, volume.handle));
    self->context.target_path = keep (tree, text_format ("%s/mount", self->pod_directory));
    self->tree = STEAL (tree);
    operation_add (&self->base, volume.driver, volume.handle);
    return 0;
}
