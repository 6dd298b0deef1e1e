/* http_fault.h - what libcurl says of a failed transfer, in the words of Go's net/http: users and
   their tools know those from the upstream kubelet. For http_client.c. */
#pragma once
#include "cubelet/fault.h"
#include "cubelet/http_client.h"
#include "curl_library.h"
#include <stdbool.h>
#include <stddef.h>

/* Where and how far a transfer came. */
typedef struct {
    CURL *easy;
    const char *method;
    const char *url;       // of the request under way
    const char *curl_text; // CURLOPT_ERRORBUFFER
    bool is_connect_only;  // texts of net.Dial: without `Get "URL": `
    bool has_answer;       // the headers came
} http_failure_t;

/* Fills `fault` for a transfer that ended with `code` (not CURLE_OK). */
void http_fault_of (const http_failure_t *failure, CURLcode code, fault_t *fault);

/* Fills `fault` for a server that does not speak HTTP; `bytes` is the start of what it sent. */
void http_fault_of_greeting (const http_failure_t *failure, const char *bytes, size_t size,
                             fault_t *fault);

/* Puts `Get "URL": ` before the text. */
void http_fault_with_url (const char *method, const char *url, fault_t *fault);

/* Returns 0 when all headers can be sent, or -1 with FAULT_INVALID and Go's text (without URL). */
int http_check_headers (const http_header_t *headers, fault_t *fault);
