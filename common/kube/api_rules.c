#include "cubelet/api_rules.h"
#include "cubelet/memory.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define ATTEMPTS_MAX 11 // the first one and ten more
#define BROKEN_WAIT_MS 1000
#define RETRY_AFTER_MAX_S 3600

/* Seconds of a Retry-After header, -1 for none (a date is none: no API server sends one). */
static int64_t
seconds_of (const char *header)
{
    if (!header || !isdigit ((unsigned char) header[0]))
        return -1;
    char *end = NULL;
    long seconds = strtol (header, &end, 10);
    return *end == '\0' && seconds <= RETRY_AFTER_MAX_S ? seconds : -1;
}

/* The server may have gone in the middle: reading again does no harm. */
static bool
is_broken (const api_attempt_t *attempt)
{
    static const char *const TEXTS[] = { "EOF", "connection reset", "connection lost",
                                         "HTTP/2 stream" };
    if (!attempt->fault || attempt->fault->code != FAULT_UNAVAILABLE
        || strcmp (attempt->method, "GET") != 0)
        return false;
    for (size_t i = 0; i < COUNT_OF (TEXTS); i++)
        if (strstr (attempt->fault->text, TEXTS[i]))
            return true;
    return false;
}

int64_t
api_retry_wait (const api_attempt_t *attempt)
{
    int64_t wait_ms = -1;
    if (attempt->attempts >= ATTEMPTS_MAX)
        return -1;
    if (attempt->code == 429 || (attempt->code >= 500 && attempt->code <= 599)) {
        int64_t seconds = seconds_of (attempt->retry_after);
        wait_ms = seconds < 0 ? -1 : seconds * 1000;
    }
    else if (attempt->code == 0 && is_broken (attempt))
        wait_ms = BROKEN_WAIT_MS;
    return wait_ms < attempt->left_ms ? wait_ms : -1;
}

bool
api_is_heartbeat (const char *path)
{
    static const char *const PREFIXES[] = {
        "/api/v1/nodes",
        "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/",
    };
    for (size_t i = 0; i < COUNT_OF (PREFIXES); i++)
        if (strncmp (path, PREFIXES[i], strlen (PREFIXES[i])) == 0)
            return true;
    return false;
}
