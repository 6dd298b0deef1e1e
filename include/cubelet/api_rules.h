/* api_rules.h - how single requests to the API server are treated: which are made again, and which
   pass by the limit on requests per second.
   Source: client-go's rest.Request (retries); the kubelet's heartbeat client, which has no limit.
 */
#pragma once
#include "cubelet/fault.h"
#include <stdbool.h>
#include <stdint.h>

/* What came of an attempt. */
typedef struct {
    const char *method;
    unsigned attempts;       // made so far, this one included
    int code;                // HTTP status; 0: no answer
    const char *retry_after; // the header, or NULL
    const fault_t *fault;    // when there was no answer
    int64_t left_ms;         // of the request's time
} api_attempt_t;

/* How many milliseconds to wait before the request is made again; -1: its outcome stands. Again is
   made what the server asks for (429 and 5xx with Retry-After in seconds) and a GET whose
   connection broke, at most ten times and never beyond the request's time. */
int64_t api_retry_wait (const api_attempt_t *attempt);

/* True for what keeps the node alive: its Node and its Lease. */
bool api_is_heartbeat (const char *path);
