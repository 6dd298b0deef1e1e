/* cri.h - the calls of CRI in one table: their names, messages, deadlines and what their replies
   must hold (reference/cri.md 3). */
#pragma once
#include "cubelet/fault.h"
#include "cubelet/messages.h"
#include "cubelet/tree.h"
#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* T is the kubelet's runtimeRequestTimeout, `timeout` the request's own field in seconds. */
typedef enum {
    CRI_WAITS_T,
    CRI_WAITS_2T,
    CRI_WAITS_T_AND_TIMEOUT, // T + timeout
    CRI_WAITS_EXEC,          // T + timeout; no end when timeout is 0
    CRI_WAITS_MAX,           // the larger of T and timeout
    CRI_WAITS_FOREVER        // until it is cancelled
} cri_wait_t;

/* The calls that start a pod are bound by the runtime's CPU and pass through a window; of those
   that wait for a place, the higher class goes first, so that pods finish one after the other. */
typedef enum {
    CRI_START_NONE, // passes at once
    CRI_START_SANDBOX,
    CRI_START_CREATE,
    CRI_START_CONTAINER,
    CRI_START_COUNT
} cri_start_t;

typedef struct {
    message_id_t message; // MSG_CRI_..., or MESSAGE_COUNT for the streaming GetContainerEvents
    bool is_image;        // of the image service
    const char *name;     // "RunPodSandbox"
    const ProtobufCMessageDescriptor *request;
    const ProtobufCMessageDescriptor *reply;
    cri_wait_t wait;
    cri_start_t start;
    const char *required; // fields of the reply, or NULL; see cri_reply_check
} cri_method_t;

/* The row of a message, or NULL when it is no CRI call. Static. */
const cri_method_t *cri_method (message_id_t message);

/* The row of a gRPC path ("/runtime.v1.RuntimeService/Version"), or NULL. Static. */
const cri_method_t *cri_method_find (const char *path);

/* The row of GetContainerEvents, which is no message between actors. Static. */
const cri_method_t *cri_method_events (void);

#define CRI_PATH_MAX 96

/* Writes the call's gRPC path. */
void cri_path (const cri_method_t *method, char out[static CRI_PATH_MAX]);

/* The call's deadline in milliseconds, 0: none. `request` are its fields, `t_ms` is T. */
int64_t cri_wait_ms (const cri_method_t *method, const node_t *request, int64_t t_ms);

/* Checks that the reply holds what `required` lists, as the kubelet does before it believes one:
   "a.b" that b is set and not zero, "?a.b" the same when a is there at all, "a.b#2" that the list b
   has at least 2 items. Returns 0, or -1 with FAULT_INTERNAL "NAME: the reply has no FIELD". */
int cri_reply_check (const cri_method_t *method, const node_t *reply, fault_t *fault);
