/* mount.h - one MSG_CSI_MOUNT under way, shared by mount.c and expand.c. */
#pragma once
#include "cubelet/csi_expansion.h"
#include "manager.h"

/* What a fault is about; each has upstream's words in PHASES. */
typedef enum { PHASE_ATTACH, PHASE_STAGE, PHASE_PUBLISH, PHASE_MAP, PHASE_EXPAND } phase_t;

typedef struct {
    operation_t base;
    return_address_t *asker;
    tree_t *tree; // the request, and what is found out
    csi_volume_t volume;
    csi_driver_spec_t spec;
    csi_context_t context;
    csi_places_t places;
    unsigned abilities;
    phase_t phase;
    size_t step;
    bool is_refresh;      // containers use the volume already
    volume_state_t state; // of the pod's volume
    bool is_noted;        // the pod's note is there
    bool is_staged;       // nothing is to do about that
    bool is_published;    // already, before this
    bool is_done;         // ... and it need not be published anew
    size_t looks;
    uint64_t timer;
    node_t tokens; // audience -> {token expirationTimestamp}
    size_t token_count;
    csi_expansion_t expansion;
    fault_t failure; // of growing
} mount_t;

/* Returns 0 when done, -1 with a fault, or STEP_WAITS: then mount_advance or mount_finish is called
   later. */
typedef int mount_step_fn (mount_t *self, fault_t *fault);
#define STEP_WAITS 1

/* Goes on with the next step. */
void mount_advance (mount_t *self);

/* Answers, and ends the operation. */
void mount_finish (mount_t *self, const fault_t *fault);

/* Asks the driver, if it is still there; returns STEP_WAITS or -1. `done`'s context is the mount.
 */
int mount_call_driver (mount_t *self, call_kind_t kind, const node_t *request, link_done_fn *done,
                       fault_t *fault);

/* Reads the Secret that the volume names under `key`, if any, into *place. */
int mount_read_secret (mount_t *self, const char *key, const node_t **place);

/* Records an event of the pod, and of the claim as well when `is_claims`. */
void mount_event (const mount_t *self, const char *type, const char *reason, const char *message,
                  bool is_claims);

// ---- expand.c: steps ----

mount_step_fn mount_plan_expansion, mount_mark_expansion, mount_expand;
