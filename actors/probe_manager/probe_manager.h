/* probe_manager.h - what the files of this actor share.

   probe_manager.c    messages: which pods are probed, and by whom it is asked
   prober.c           one probe of one container: when it runs, what becomes of the results
   attempt.c          one run of a probe: exec, HTTP, TCP or gRPC
   lifecycle_hook.c   one run of a postStart or preStop handler */
#pragma once
#include "cubelet/actor.h"
#include "cubelet/http_client.h"
#include "cubelet/pod.h"
#include "cubelet/pod_names.h"
#include "cubelet/probe_output.h"
#include "cubelet/probe_step.h"
#include "cubelet/probe_target.h"
#include <czmq.h>

typedef struct {
    actor_t *actor;
    http_client_t *http;
    zhashx_t *pods;     // uid -> probed_pod_t
    zlistx_t *hooks;    // lifecycle_hook_t
    int64_t started_ms; // clock_monotonic_ms
} manager_t;

/* Seconds of a deadline towards the runtime on top of a command's own timeout, as upstream's. */
#define RUNTIME_EXTRA_S 120

// ---- probe_manager.c ----

typedef struct prober prober_t;

/* A pod with probes. */
typedef struct {
    manager_t *manager;
    char *uid;
    char *name, *namespace;
    char worker[ACTOR_NAME_MAX];
    prober_t **probers;
    size_t count;
} probed_pod_t;

// ---- prober.c ----

/* What a PROBE_SET says of one container. */
typedef struct {
    const pod_t *pod;
    const container_t *container;
    const char *id;
    const char *pod_ip;  // or NULL
    int64_t pod_seen_at; // ns; 0: unknown
    probe_sight_t sight;
} probed_container_t;

/* Begins to probe. The pod stays the owner's and must live longer. Owned. */
prober_t *prober_new (probed_pod_t *pod, probe_kind_t kind, const probed_container_t *container);

/* Gives up what is under way, frees *self_p and sets it to NULL. */
void prober_destroy (prober_t **self_p);

bool prober_is (const prober_t *self, const char *container, probe_kind_t kind);

/* Takes what is now known of the container; begins anew when it is another one. */
void prober_update (prober_t *self, const probed_container_t *container);

/* Tells the worker again what is published, if anything. */
void prober_tell (prober_t *self);

/* The worker did not get what it was told: it is told again with the next result. */
void prober_forget_told (prober_t *self);

// ---- attempt.c ----

typedef struct attempt attempt_t;

/* The end of an attempt, exactly once, from the loop. Takes the outcome's text. May call
   attempt_destroy. */
typedef void attempt_done_fn (void *context, probe_outcome_t outcome);

/* Runs a probe once. What `target` holds must live until the end or attempt_destroy. Owned. */
attempt_t *attempt_new (manager_t *manager, const probe_target_t *target, const char *container_id,
                        int64_t timeout_s, attempt_done_fn *done, void *context);

/* Gives up if it is under way, frees *self_p and sets it to NULL; NULL does nothing. */
void attempt_destroy (attempt_t **self_p);

/* Fills a request for an HTTP target; headers are in *headers_p, owned (free()). */
http_request_t http_request_of (const probe_target_t *target, http_header_t **headers_p);

// ---- lifecycle_hook.c ----

/* Runs the handler of a HOOK_RUN, which is answered when it ends. */
actor_handle_fn on_hook_run;

/* Ends the hook whose request is cancelled. */
actor_handle_fn on_request_cancel;

/* The list for manager_t; zlistx_destroy ends all hooks without an answer. */
zlistx_t *lifecycle_hooks_new (void);
