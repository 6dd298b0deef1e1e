/* mount.c - MSG_CSI_MOUNT: a volume of a pod is attached (by a controller), staged for the node and
   published for the pod. The steps stand in a table; one that has to wait goes on later. What the
   driver may have done is noted on disk before it is asked, so that it is undone whatever happens;
   that it has done it is noted too, else it is asked once more.

   A fault's text is whole: `MountVolume.SetUp failed for volume "V" : rpc error: ...`. Its code is
   Unavailable only while a controller's attachment is waited for, which makes no event. */
#include "mount.h"
#include "cubelet/api_call.h"
#include "cubelet/clock.h"
#include "cubelet/duration.h"
#include "cubelet/file_write.h"
#include "cubelet/json.h"
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include "cubelet/mounts.h"
#include "cubelet/object_reference.h"
#include <sys/stat.h>

#define STORAGE "/apis/storage.k8s.io/v1"

/* A controller's attachment is looked for so often and so long, before the pod's worker has to ask
   again. */
#define ATTACH_LOOK_MS 1000
#define ATTACH_LOOKS 10
#define TOKEN_DEADLINE_MS 60000

/* How the text of a fault begins: of a directory, of a device. */
static const char *const PHASES[][2] = {
    [PHASE_ATTACH] = { "MountVolume.WaitForAttach failed", "MapVolume.WaitForAttach failed" },
    [PHASE_STAGE] = { "MountVolume.MountDevice failed", "MapVolume.SetUpDevice failed" },
    [PHASE_PUBLISH] = { "MountVolume.SetUp failed", "MapVolume.MapPodDevice failed" },
    [PHASE_MAP] = { "MountVolume.SetUp failed", "MapVolume.MapBlockVolume failed" },
    [PHASE_EXPAND] = { "MountVolume.Setup failed while expanding volume",
                       "MapVolume.MarkVolumeAsMounted failed while expanding volume" },
};

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

void
mount_finish (mount_t *self, const fault_t *fault)
{
    actor_t *actor = self->base.manager->actor;
    fault_t whole = { 0 };
    node_t body = node_map();
    if (fault) {
        fault_code_t code = self->looks ? FAULT_UNAVAILABLE : FAULT_PRECONDITION;
        fault_set (&whole, code, "%s for volume \"%s\" : %s",
                   PHASES[self->phase][self->volume.is_block], self->volume.name, fault->text);
    }
    else {
        // a driver that is not there now has mounted the volume earlier
        bool is_known = self->spec.fs_group_policy != NULL;
        csi_group_t group =
            is_known ? csi_group (&self->spec, self->abilities, &self->volume) : CSI_GROUP_NONE;
        const char *path = self->volume.is_block ? self->places.link : self->places.target;
        node_set_text (self->tree, &body, "path", path);
        node_set_bool (self->tree, &body, "read_only", self->volume.is_read_only);
        node_set_bool (self->tree, &body, "wants_group", group == CSI_GROUP_AGENT);
    }
    actor_answer (actor, &self->asker, &body, fault ? &whole : NULL);
    manager_t *manager = self->base.manager;
    bool was_wanted = fault && self->base.in_use;
    operation_end (&self->base);
    if (was_wanted)
        in_use_tell (manager);
}

void
mount_advance (mount_t *self)
{
    self->step++;
    go_on (self);
}

// ---- events ----

static void
record (const mount_t *self, const node_t *object, const char *type, const char *reason,
        const char *message)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t body = node_map();
    node_set (tree, &body, "object", node_copy (tree, object));
    node_set_text (tree, &body, "type", type);
    node_set_text (tree, &body, "reason", reason);
    node_set_text (tree, &body, "message", message);
    actor_send (self->base.manager->actor, "event-recorder", MSG_EVENT_RECORD, &body);
}

void
mount_event (const mount_t *self, const char *type, const char *reason, const char *message,
             bool is_claims)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t pod = node_map(), metadata = node_map();
    node_set_text (tree, &metadata, "name", self->volume.pod_name);
    node_set_text (tree, &metadata, "namespace", self->volume.pod_namespace);
    node_set_text (tree, &metadata, "uid", self->volume.pod_uid);
    node_set (tree, &pod, "metadata", metadata);
    node_t reference = object_reference_pod (tree, &pod, NULL);
    record (self, &reference, type, reason, message);
    const node_t *claim = node_get (tree_root (self->tree), "claim");
    if (!is_claims || !claim)
        return;
    node_t about = node_map();
    node_set_text (tree, &about, "kind", "PersistentVolumeClaim");
    node_set_text (tree, &about, "apiVersion", "v1");
    node_set_text (tree, &about, "namespace", node_get_text (claim, "namespace", ""));
    node_set_text (tree, &about, "name", node_get_text (claim, "name", ""));
    node_set_text (tree, &about, "uid", node_get_text (claim, "uid", NULL));
    record (self, &about, type, reason, message);
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
            mount_finish (self, NULL); // nothing that could not wait
            return;
        }
        fault_wrap (&fault, "kubernetes.io/csi: cannot read CSIDriver %s", self->volume.driver);
        mount_finish (self, &fault);
        return;
    }
    node_t *copy = tree_alloc (self->tree, sizeof *copy);
    *copy = node_copy (self->tree, object);
    csi_driver_spec_read (object ? copy : NULL, &self->spec);
    bool republishes = self->spec.republishes && !self->volume.is_block;
    self->is_done = self->is_published && !(self->is_refresh && republishes);
    fault = (fault_t){ 0 };
    self->phase = PHASE_PUBLISH;
    if (csi_mode_check (&self->spec, &self->volume, &fault) < 0) {
        fault_wrap (&fault, "kubernetes.io/csi: mounter.SetupAt failed to check volume lifecycle "
                            "mode");
        mount_finish (self, &fault);
    }
    else
        mount_advance (self);
}

/* The fault of a driver that is not there, as who asks for it first says it. */
static int
miss_driver (mount_t *self, fault_t *fault)
{
    self->phase = self->volume.pv ? PHASE_STAGE : PHASE_PUBLISH;
    return fault_wrap (fault, self->volume.is_block
                                  ? "kubernetes.io/csi: blockMapper.SetUpDevice failed to get CSI "
                                    "client"
                              : self->volume.pv
                                  ? "kubernetes.io/csi: attacher.MountDevice failed to create "
                                    "newCsiDriverClient"
                                  : "kubernetes.io/csi: mounter.SetUpAt failed to get CSI client");
}

static int
read_driver (mount_t *self, fault_t *fault)
{
    plugin_t *driver = driver_find (self->base.manager, self->volume.driver, fault);
    if (!driver && !self->is_published)
        return miss_driver (self, fault);
    if (!driver) {
        *fault = (fault_t){ 0 };
        mount_finish (self, NULL);
        return STEP_WAITS;
    }
    self->abilities = driver->abilities;
    OWNED (free_text)
    char *path = api_path (STORAGE, NULL, "csidrivers", self->volume.driver, NULL);
    get (self, path, on_driver_object);
    return STEP_WAITS;
}

/* What the notes say was done stays done, also after a restart of the agent. */
static int
look (mount_t *self, fault_t *fault)
{
    fault_t none = { 0 };
    volume_data_t data;
    manager_t *manager = self->base.manager;
    (void) fault;
    self->is_noted = volume_data_read (manager, self->places.note, self->tree, &data, &none) == 0;
    self->state = self->is_noted ? data.state : VOLUME_ABSENT;
    if (self->state == VOLUME_DONE)
        self->is_published = self->volume.is_block
                                 ? access (self->places.link, F_OK) == 0
                                 : mounts_is_mounted (self->places.target, self->tree);
    self->is_staged =
        self->is_published
        || (volume_data_read (manager, self->places.stage_note, self->tree, &data, &none) == 0
            && data.state == VOLUME_DONE);
    return 0;
}

/* A Secret that is being read, and where its step wants it. */
typedef struct {
    mount_t *mount;
    const char *key; // the volume's field
    const char *ns, *name;
    const node_t **place;
} secret_wish_t;

/* "nodePublishSecretRef" gives `fetching NodePublishSecretRef`, as upstream says it. */
static void
miss_secret (const secret_wish_t *self, fault_t *fault)
{
    fault_wrap (fault,
                "fetching N%s %s/%s failed: kubernetes.io/csi: failed to find the secret %s in the "
                "namespace %s with error",
                self->key + 1, self->ns, self->name, self->name, self->ns);
    mount_finish (self->mount, fault);
}

static void
on_secret (void *state, const message_t *reply, const fault_t *came, void *context)
{
    (void) state;
    const secret_wish_t *to = context;
    fault_t fault = { 0 };
    const node_t *secret = api_reply_check (reply, came, &fault);
    if (!secret) {
        miss_secret (to, &fault);
        return;
    }
    node_t *copy = tree_alloc (to->mount->tree, sizeof *copy);
    *copy = node_copy (to->mount->tree, secret);
    *to->place = copy;
    mount_advance (to->mount);
}

int
mount_read_secret (mount_t *self, const char *key, const node_t **place)
{
    const node_t *ref = node_get (self->volume.source, key);
    const char *name = node_get_text (ref, "name", "");
    // An inline volume's Secret is in the pod's namespace.
    const char *ns =
        self->volume.pv ? node_get_text (ref, "namespace", "") : self->volume.pod_namespace;
    if (!*name)
        return 0;
    const secret_wish_t to = { self, key, ns, name, place };
    OWNED (free_text) char *path = api_path ("/api/v1", ns, "secrets", name, NULL);
    api_call (self->base.manager->actor, &(api_call_t){ .method = "GET", .path = path }, on_secret,
              &to, sizeof to);
    return STEP_WAITS;
}

static bool
stages (const mount_t *self)
{
    return self->volume.pv && self->abilities & CSI_STAGES;
}

static int
read_stage_secret (mount_t *self, fault_t *fault)
{
    (void) fault;
    self->phase = PHASE_STAGE;
    if (self->is_staged || !stages (self))
        return 0;
    return mount_read_secret (self, "nodeStageSecretRef", &self->context.stage_secrets);
}

static int
read_publish_secret (mount_t *self, fault_t *fault)
{
    (void) fault;
    self->phase = PHASE_PUBLISH;
    if (self->is_done)
        return 0;
    return mount_read_secret (self, "nodePublishSecretRef", &self->context.publish_secrets);
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
        mount_advance (self);
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
    mount_finish (self, &late);
}

static bool
is_attached (const mount_t *self)
{
    return self->volume.pv && self->spec.is_attached;
}

static int
ask_attachment (mount_t *self, fault_t *fault)
{
    (void) fault;
    if (!is_attached (self) || self->is_done)
        return 0;
    self->phase = PHASE_ATTACH;
    OWNED (free_text)
    char *name = csi_attachment_name (self->volume.handle, self->volume.driver,
                                      self->base.manager->node_name);
    OWNED (free_text) char *path = api_path (STORAGE, NULL, "volumeattachments", name, NULL);
    get (self, path, on_attachment);
    return STEP_WAITS;
}

static int
wait_for_attachment (mount_t *self, fault_t *fault)
{
    if (is_attached (self) && !self->is_published) {
        OWNED (free_text) char *name = csi_unique_name (&self->volume);
        self->base.in_use = tree_text (self->tree, name, strlen (name));
        in_use_tell (self->base.manager);
    }
    return ask_attachment (self, fault);
}

// ---- notes ----

/* Notes how far the pod's volume has come. */
static int
note (mount_t *self, volume_state_t state, fault_t *fault)
{
    self->is_noted = true;
    self->state = state;
    return volume_data_write (self->base.manager, self->places.note, &self->volume,
                              is_attached (self), state, fault);
}

static int
note_stage (mount_t *self, volume_state_t state, fault_t *fault)
{
    return volume_data_write (self->base.manager, self->places.stage_note, &self->volume,
                              is_attached (self), state, fault);
}

/* What could not be noted as done is only done once more. */
static void
log_note (const mount_t *self, const fault_t *fault)
{
    LOG_WARNING ("Volume's state not noted volume=%s err=%s", self->volume.name, fault->text);
}

// ---- staging ----

int
mount_call_driver (mount_t *self, call_kind_t kind, const node_t *request, link_done_fn *done,
                   fault_t *fault)
{
    plugin_t *driver = driver_find (self->base.manager, self->volume.driver, fault);
    if (!driver)
        return -1;
    link_call (driver->link, kind, request, done, self);
    return STEP_WAITS;
}

/* The driver is sure that it has not staged the volume, so it need not unstage it. */
static void
forget_stage (mount_t *self)
{
    fault_t fault = { 0 };
    manager_t *manager = self->base.manager;
    if (self->state == VOLUME_ABSENT)
        volume_data_remove (self->places.note, self->places.target, &fault);
    if (!volume_has_users (manager, &self->volume)
        && stage_forget (manager, &self->volume, &fault) < 0)
        log_note (self, &fault);
    in_use_tell (manager);
}

static void
on_staged (void *context, const node_t *reply, const fault_t *failed)
{
    (void) reply;
    mount_t *self = context;
    fault_t fault = { 0 };
    if (!failed) {
        self->is_staged = true;
        if (note_stage (self, VOLUME_DONE, &fault) < 0)
            log_note (self, &fault);
        mount_advance (self);
        return;
    }
    if (csi_fault_is_final (failed))
        forget_stage (self);
    mount_finish (self, failed);
}

/* The notes come first, the pod's before all others: it keeps the volume staged. */
static int
stage (mount_t *self, fault_t *fault)
{
    self->phase = PHASE_STAGE;
    if (!stages (self))
        return 0;
    self->context.stage_path = self->places.stage;
    if (self->is_staged)
        return 0;
    OWNED (free_text) char *inside = text_format ("%s/x", self->places.stage);
    if ((!self->is_noted && note (self, VOLUME_ABSENT, fault) < 0)
        || note_stage (self, VOLUME_UNKNOWN, fault) < 0
        || file_make_parents (inside, 0750, fault) < 0)
        return -1;
    node_t request =
        csi_stage_request (&self->volume, &self->spec, self->abilities, &self->context, self->tree);
    return mount_call_driver (self, CALL_STAGE, &request, on_staged, fault);
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
        mount_finish (self, &failed);
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
        mount_advance (self);
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

/* The driver is sure that it has not published the volume. What is staged stays so, for the next
   try or until the pod goes. */
static void
forget_publication (mount_t *self)
{
    fault_t fault = { 0 };
    if (self->is_published || mounts_is_mounted (self->places.target, self->tree))
        return;
    if (self->context.stage_path
            ? note (self, VOLUME_ABSENT, &fault) < 0
            : volume_data_remove (self->places.note, self->places.target, &fault) < 0)
        log_note (self, &fault);
    in_use_tell (self->base.manager);
}

static void
on_published (void *context, const node_t *reply, const fault_t *failed)
{
    (void) reply;
    mount_t *self = context;
    fault_t fault = { 0 };
    if (!failed) {
        if (!self->is_published && !self->volume.is_block && note (self, VOLUME_DONE, &fault) < 0)
            log_note (self, &fault);
        mount_advance (self);
        return;
    }
    if (csi_fault_is_final (failed))
        forget_publication (self);
    mount_finish (self, failed);
}

static int
publish (mount_t *self, fault_t *fault)
{
    self->phase = PHASE_PUBLISH;
    if (self->is_done)
        return 0;
    if (!self->is_published && note (self, VOLUME_UNKNOWN, fault) < 0)
        return -1;
    if (file_make_parents (self->places.target, 0750, fault) < 0)
        return -1;
    in_use_tell (self->base.manager);
    node_t request = csi_publish_request (&self->volume, &self->spec, self->abilities,
                                          &self->context, self->tree);
    return mount_call_driver (self, CALL_PUBLISH, &request, on_published, fault);
}

static int
map (mount_t *self, fault_t *fault)
{
    self->phase = PHASE_MAP;
    if (!self->volume.is_block || self->is_done)
        return 0;
    if (device_map (&self->places, fault) < 0)
        return -1;
    if (note (self, VOLUME_DONE, fault) < 0)
        log_note (self, fault);
    const char *const places[] = { self->places.map, self->places.link };
    const char *const names[] = { "globalMapPath", "volumeMapPath" };
    for (size_t i = 0; i < COUNT_OF (places); i++) {
        const char *end = strrchr (places[i], '/');
        OWNED (free_text)
        char *message =
            text_format ("MapVolume.MapPodDevice succeeded for volume \"%s\" %s \"%.*s\"",
                         self->volume.name, names[i], (int) (end - places[i]), places[i]);
        mount_event (self, "Normal", "SuccessfulMountVolume", message, false);
    }
    return 0;
}

static mount_step_fn *const STEPS[] = {
    look,
    read_driver,
    read_stage_secret,
    read_publish_secret,
    mount_plan_expansion,
    wait_for_attachment,
    stage,
    next_token,
    publish,
    map,
    mount_mark_expansion,
    mount_expand,
};

static void
go_on (mount_t *self)
{
    for (; self->step < COUNT_OF (STEPS); self->step++) {
        fault_t fault = { 0 };
        int result = STEPS[self->step](self, &fault);
        if (result < 0) {
            mount_finish (self, &fault);
            return;
        }
        if (result == STEP_WAITS)
            return;
    }
    mount_finish (self, NULL);
}

static void
begin (operation_t *base)
{
    go_on ((mount_t *) base);
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
        .is_refresh = node_get_bool (message->body, "refresh", false),
        .tokens = node_map(),
        .phase = PHASE_PUBLISH,
    };
    csi_places (manager->root_dir, &volume, tree, &self->places);
    self->context.target_path = self->places.target;
    self->tree = STEAL (tree);
    operation_add (&self->base, volume.driver, volume.handle);
    return 0;
}
