/* http_transfer.h - one request of http_client.c with all its redirects: what libcurl is told, what
   becomes of the answer. Knows nothing of loops and other transfers. */
#pragma once
#include "cubelet/http_client.h"
#include "curl_library.h"

typedef enum {
    TRANSFER_STARTING,  // not yet in libcurl's hands
    TRANSFER_RUNNING,   // in libcurl's hands
    TRANSFER_REFUSED,   // was never started: `refusal` says why
    TRANSFER_CANCELLED, // to be dropped as soon as libcurl is not on the stack
} transfer_state_t;

typedef struct transfer {
    struct transfer *next, *previous; // of the client
    uint64_t id;
    transfer_state_t state;
    http_request_t request; // of its pointers only functions and context are good
    char *method, *first_url, *url, *referer;
    char *target; // "::host:port", NULL: the URL's
    struct curl_slist *headers, *connect_to;
    http_header_t *asked; // copies; ends with a NULL name
    int64_t deadline_ms;  // clock_monotonic_ms; 0: none
    unsigned requests;    // made so far
    CURL *easy;           // NULL when refused
    char *refusal;
    char *body;
    size_t body_size, body_room;
    bool has_answer; // all headers came
    bool is_truncated;
    bool is_broken_off; // by us: nothing more is wanted
    bool is_unwanted;   // on_body said so
    char curl_text[CURL_ERROR_SIZE];
} transfer_t;

/* Makes a transfer, STARTING or REFUSED. libcurl must have been initialised. Owned. */
transfer_t *transfer_new (uint64_t id, const http_request_t *request);

/* Frees *self_p and sets it to NULL; does nothing if it is NULL already. The easy handle must be
   out of its multi. */
void transfer_destroy (transfer_t **self_p);

/* Sets the easy handle up for the next request; it can be added to the multi then. */
void transfer_prepare (transfer_t *self);

/* What libcurl's result means: 0 for an answer, or -1 with the fault. */
int transfer_judge (const transfer_t *self, CURLcode code, fault_t *fault);

/* Goes where an answer leads. Returns 1 when transfer_prepare has been called for the next
   request, 0 when the answer stands, -1 with a fault. The easy handle must be out of its multi. */
int transfer_follow (transfer_t *self, fault_t *fault);

/* Calls on_done with what there is. */
void transfer_tell (const transfer_t *self, const fault_t *fault);
