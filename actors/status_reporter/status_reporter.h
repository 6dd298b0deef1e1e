/* status_reporter.h - what the files of the status-reporter share.

   status_reporter.c  messages, and when an entry gets its turn
   pod_entry.c        what is known of one pod
   pod_sync.c         GET, PATCH of the status, DELETE at the end
   mirror_sync.c      mirror pods: made, replaced, removed */
#pragma once
#include "cubelet/api_call.h"
#include "cubelet/backoff.h"
#include "cubelet/packed.h"
#include <czmq.h>

typedef enum {
    ENTRY_POD,
    ENTRY_STATIC, // its API object is a mirror pod
    ENTRY_ORPHAN, // a mirror pod without a static pod, to be deleted
} entry_kind_t;

typedef struct reporter reporter_t;

typedef struct {
    reporter_t *reporter;
    entry_kind_t kind;
    char *uid; // of the pod on this node; of an orphan, the mirror's
    char *ns;
    char *name;
    char *api_uid;    // of the API object; NULL: a static pod without a mirror
    char *removing;   // of the mirror whose removal is under way; reports may bring another api_uid
    packed_t status;  // what the API server is to have, as last reported
    packed_t pod;     // a static pod's own object, of which a mirror is made
    uint64_t sent;    // what the API server accepted last (packed_hash of status); 0: nothing yet
    uint64_t sending; // what is under way
    bool is_running;  // containers may still run
    bool is_finished; // nothing of it is left on the node
    bool is_terminating;  // its source has it no more
    bool is_deleting;     // the API object has its deletionTimestamp
    bool is_deleted;      // we have deleted the API object
    bool is_mirror_wrong; // the mirror is another pod's, or is being deleted

    int64_t changed_ms; // monotonic; since when the API server has another status; 0: it has ours

    bool needs_sync; // the API server may have something else than `status`
    bool is_queued;  // has to wait, as too many others are under way
    bool is_busy;    // requests of it are under way
    uint64_t call;
    uint64_t timer; // until it may try again after a failure
    backoff_t backoff;
} entry_t;

struct reporter {
    actor_t *actor;
    char *node_name;
    char *node_uid;    // of the Node object; NULL: none, or it is being deleted
    zhashx_t *entries; // entry_t by uid
    size_t busy;
};

// ---- status_reporter.c ----

/* Starts what the entry needs next, if it is its turn. The entry may be gone afterwards. */
void entry_step (entry_t *self);

/* The entry's requests are through; others get their turn, and so does this one later on. */
void entry_end (entry_t *self);

/* The same after a failure: it is tried again after a wait. Logs it. */
void entry_failed (entry_t *self, const char *what, const fault_t *fault);

/* Forgets it: there is nothing more to report. */
void entry_forget (entry_t *self);

// ---- pod_entry.c ----

entry_t *entry_new (reporter_t *reporter, entry_kind_t kind, const char *uid, const char *ns,
                    const char *name);
void entry_destroy (void **self_p);

/* Takes over what a POD_REPORT says. */
void entry_take (entry_t *self, const node_t *report);

// ---- pod_sync.c ----

/* GET, then what it takes to bring the API object up to date. */
void pod_sync_start (entry_t *self);

/* The path of the entry's API object (owned). */
char *entry_path (const entry_t *self, const char *sub);

/* Deletes the API object at once, and no other of that name; a reply to `reply`. */
void entry_delete (entry_t *self, actor_reply_fn *reply);

// ---- mirror_sync.c ----

/* True when the entry's mirror has to be made or removed. */
bool mirror_needs_work (const entry_t *self);
void mirror_sync_start (entry_t *self);
