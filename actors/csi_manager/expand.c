/* expand.c - the last steps of a mount: the driver is asked to let the volume grow to what the API
   says, and the claim's status follows. What has grown is kept in `sizes`, so that a second look at
   a claim that is not up to date yet does nothing, and a node that is not the first knows that its
   own file system is still small. */
#include "cubelet/api_call.h"
#include "cubelet/clock.h"
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include "mount.h"
#include <inttypes.h>

static const node_t *
claim_of (const mount_t *self)
{
    return node_get (tree_root (self->tree), "claim");
}

static void
note_size (mount_t *self, int64_t bytes)
{
    if (bytes > 0)
        zhashx_update (self->base.manager->sizes, self->base.key, text_format ("%" PRId64, bytes));
}

int
mount_plan_expansion (mount_t *self, fault_t *fault)
{
    (void) fault;
    const char *known = zhashx_lookup (self->base.manager->sizes, self->base.key);
    if (!self->volume.pv || self->volume.is_read_only || !(self->abilities & CSI_EXPANDS))
        return 0;
    self->expansion =
        csi_expansion (self->volume.pv, claim_of (self), known ? strtoll (known, NULL, 10) : 0);
    note_size (self, self->expansion.size_bytes);
    self->phase = PHASE_EXPAND;
    return self->expansion.bytes
               ? mount_read_secret (self, "nodeExpandSecretRef", &self->context.expand_secrets)
               : 0;
}

// ---- the claim's status ----

static void
patch_claim (mount_t *self, const node_t *patch, actor_reply_fn *reply)
{
    const node_t *claim = claim_of (self);
    OWNED (free_text)
    char *path = api_path ("/api/v1", node_get_text (claim, "namespace", ""),
                           "persistentvolumeclaims", node_get_text (claim, "name", ""), "status");
    api_call (
        self->base.manager->actor,
        &(api_call_t){
            .method = "PATCH", .path = path, .content_type = API_STRATEGIC_PATCH, .body = patch },
        reply, &self, sizeof self);
}

/* Whether the claim shows it or not, what was done is done. */
static void
on_claim_patched (void *state, const message_t *reply, const fault_t *came, void *context)
{
    (void) state;
    mount_t *self = *(mount_t **) context;
    fault_t fault = { 0 };
    if (!api_reply_check (reply, came, &fault))
        LOG_WARNING ("The claim's status not told volume=%s err=%s", self->volume.name, fault.text);
    mount_advance (self);
}

int
mount_mark_expansion (mount_t *self, fault_t *fault)
{
    (void) fault;
    if (!self->expansion.bytes || !self->expansion.is_marked)
        return 0;
    node_t patch = csi_expansion_begun_patch (self->tree);
    patch_claim (self, &patch, on_claim_patched);
    return STEP_WAITS;
}

// ---- the driver ----

/* A pod does not start on a volume that is too small; one that runs goes on with it. */
static void
end_failed (mount_t *self, const fault_t *fault)
{
    if (!self->is_refresh) {
        mount_finish (self, fault);
        return;
    }
    OWNED (free_text)
    char *message = text_format ("NodeExpandVolume.NodeExpandVolume failed for volume \"%s\" : %s",
                                 self->volume.name, fault->text);
    mount_event (self, "Warning", "VolumeResizeFailed", message, false);
    mount_advance (self);
}

static void
on_failure_told (void *state, const message_t *reply, const fault_t *came, void *context)
{
    (void) state;
    mount_t *self = *(mount_t **) context;
    fault_t fault = { 0 };
    if (!api_reply_check (reply, came, &fault))
        LOG_WARNING ("The claim's status not told volume=%s err=%s", self->volume.name, fault.text);
    end_failed (self, &self->failure);
}

static void
on_failed (mount_t *self, const fault_t *fault)
{
    bool is_in_use = fault->code == FAULT_PRECONDITION;
    self->failure = *fault;
    fault_wrap (&self->failure,
                "kubernetes.io/csi: Expander.NodeExpand failed to expand the volume ");
    if (is_in_use) {
        // The driver cannot do it while the volume is used here: nothing to hold a pod up for.
        LOG_WARNING ("Volume not expanded volume=%s err=%s", self->volume.name, fault->text);
        mount_advance (self);
    }
    else if (self->expansion.is_marked && csi_fault_is_final (fault)) {
        node_t patch = csi_expansion_failed_patch (&self->failure, clock_now_ns(), self->tree);
        patch_claim (self, &patch, on_failure_told);
    }
    else
        end_failed (self, &self->failure);
}

static void
on_expanded (void *context, const node_t *reply, const fault_t *fault)
{
    (void) reply;
    mount_t *self = context;
    if (fault) {
        on_failed (self, fault);
        return;
    }
    note_size (self, self->expansion.bytes);
    OWNED (free_text)
    char *message = text_format ("MountVolume.NodeExpandVolume succeeded for volume \"%s\" %s",
                                 self->volume.name, self->base.manager->node_name);
    mount_event (self, "Normal", "FileSystemResizeSuccessful", message, true);
    if (self->expansion.is_told) {
        mount_advance (self);
        return;
    }
    node_t patch = csi_expansion_done_patch (self->volume.pv, claim_of (self), self->tree);
    patch_claim (self, &patch, on_claim_patched);
}

int
mount_expand (mount_t *self, fault_t *fault)
{
    if (!self->expansion.bytes)
        return 0;
    node_t request = csi_expand_request (&self->volume, &self->spec, self->abilities,
                                         &self->context, self->expansion.bytes, self->tree);
    return mount_call_driver (self, CALL_EXPAND, &request, on_expanded, fault);
}
