/* runtime.h - what the files of the runtime actor share. Private to actors/runtime/.

     runtime.c  the class: calls come in, go out through the start window, answers go back
     health.c   the handshake, the periodic Status, and what others are told of it
     events.c   the stream of container events
     counts.c   how many calls there were, for /metrics */
#pragma once
#include "cubelet/actor.h"
#include "cubelet/cri.h"
#include "cubelet/grpc.h"
#include "cubelet/start_window.h"

typedef struct runtime runtime_t;
typedef struct call call_t;

/* Takes the answer of a call of our own: `reply` or `fault` is NULL. */
typedef void runtime_reply_fn (runtime_t *self, const node_t *reply, const fault_t *fault);

typedef struct {
    unsigned step;             // of the handshake
    uint64_t call;             // under way, 0: none
    uint64_t timer;            // of the next step
    bool is_told;              // that it is down: log it once
    int64_t status_at;         // monotonic ms of the last good Status
    tree_t *published;         // what others were told last
    bool is_up;                // handshake passed, Status answers
    bool is_ready;             // condition RuntimeReady
    bool is_network_ready;     // condition NetworkReady
    char *name;                // "containerd"
    char *version;             // "1.6.20~ds1"
    bool has_config;           // the runtime has been asked for its RuntimeConfig
    const char *cgroup_driver; // static text; NULL: the runtime does not say
    char *reason;              // why it is not ready; NULL: it is
    tree_t *handlers;          // runtime_handlers of the last Status, or NULL
    tree_t *features;          // CRI RuntimeFeatures of the last Status; NULL: none
} health_t;

typedef struct {
    uint64_t call;      // the stream, 0: none
    bool is_containerd; // containerd's own events, not CRI's
    bool is_streaming;  // the stream stands: no need to poll
    unsigned failures;  // since the handshake
    uint64_t timer;     // subscribe again, or count the stream as standing
    int64_t asked_ms;   // monotonic; when it was subscribed
} events_t;

struct runtime {
    actor_t *actor;
    char *endpoint;
    grpc_t *channel;
    grpc_t *image_channel; // NULL: the same
    int64_t request_timeout_ms;
    start_window_t *window;
    call_t *calls; // all unfinished ones, newest first
    uint64_t last_id;
    health_t health;
    events_t events;
};

/* Makes a call of our own, past the window. `wait_ms` 0: the method's deadline. Returns its id for
   runtime_call_forget. */
uint64_t runtime_call (runtime_t *self, message_id_t message, const node_t *request,
                       int64_t wait_ms, runtime_reply_fn *on_reply);

/* Ends a call of our own without its answer, and sets *id to 0. 0 does nothing. */
void runtime_call_forget (runtime_t *self, uint64_t *id);

// ---- health.c ----

/* The connection came (fault NULL) or went. */
void health_connection (runtime_t *self, const fault_t *fault);

/* Tells everybody who wants it what changed, if anything. */
void health_publish (runtime_t *self);

/* Tells one actor how things are. */
void health_tell (runtime_t *self, const char *name);

/* The state for a reply; borrowed until the next publish. */
const node_t *health_state (runtime_t *self);

/* Frees what `health` holds. */
void health_clear (runtime_t *self);

// ---- events.c ----

/* Subscribes, after the handshake. */
void events_start (runtime_t *self);

/* Forgets the stream, without telling anybody. */
void events_stop (runtime_t *self);

// ---- counts.c ----

/* Counts a call that has ended. */
void count_call (const cri_method_t *method, int64_t took_ms, bool has_failed);
