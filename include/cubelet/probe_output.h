/* probe_output.h - what one attempt of a probe came to, and the texts that users see of it.
   Source: reference/probes-hooks-events.md 5 to 9 (upstream: pkg/probe, pkg/kubelet/prober). */
#pragma once
#include "cubelet/fault.h"
#include "cubelet/probe_step.h"
#include "cubelet/tree.h"
#include <stdint.h>

typedef enum {
    OUTCOME_SUCCESS,
    OUTCOME_WARNING, // counts as success, with an event
    OUTCOME_FAILURE,
    OUTCOME_UNKNOWN, // an internal error: tried again, then told, never counted
    OUTCOME_BROKEN,  // the same, but upstream calls the state "failure"
} outcome_kind_t;

typedef struct {
    outcome_kind_t kind;
    char *text; // owned, valid UTF-8; "" for nothing to say
} probe_outcome_t;

void probe_outcome_clear (probe_outcome_t *self);

/* From the answer of ExecSync, or the fault it ended with; `command` is an array of texts. */
probe_outcome_t probe_outcome_exec (const node_t *response);
probe_outcome_t
probe_outcome_exec_fault (const fault_t *fault, const node_t *command, int64_t timeout_s);

/* From an HTTP status and the (cut) body; a fault of the request, or one that broke the body off
   after the headers. */
probe_outcome_t probe_outcome_http (int status, const char *body, size_t size);
probe_outcome_t probe_outcome_http_fault (const fault_t *fault, bool has_answer);

/* From a TCP connect that worked (NULL) or did not. */
probe_outcome_t probe_outcome_tcp (const fault_t *fault);

/* From a health check's answer; from a call that failed; from a server that was not reached in
   time. `address` is "HOST:PORT". */
probe_outcome_t probe_outcome_grpc (const node_t *response);
probe_outcome_t probe_outcome_grpc_fault (const fault_t *fault, int64_t timeout_s);
probe_outcome_t probe_outcome_grpc_unreached (const char *address, int64_t timeout_s);

/* True for the two internal errors. */
bool probe_outcome_is_error (const probe_outcome_t *self);

/* The event of an outcome: "Unhealthy" or "ProbeWarning" with the owned text in *message_p; NULL
   when there is none (success). Always of type Warning. */
const char *probe_outcome_event (const probe_outcome_t *self, probe_kind_t kind, char **message_p);

/* stdout and then stderr of an ExecSyncResponse, at most `limit` bytes, made valid UTF-8. Owned. */
char *exec_output (const node_t *response, size_t limit);

/* The error of RunInContainer as Go prints it: "rpc error: code = NotFound desc = ...", for a
   timeout "command timed out: "a b" timed out after 1s". Owned text. */
char *exec_error (const fault_t *fault, const node_t *command, int64_t timeout_s);

/* The items of a command (texts, or binary) joined by " ". Owned text. */
char *command_text (const node_t *command);

/* How much of an output is read: exec and HTTP. */
#define PROBE_OUTPUT_LIMIT_BYTES 10240
