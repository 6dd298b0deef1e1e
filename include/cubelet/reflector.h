/* reflector.h - keeping a picture of some objects of the API server: list them, then watch what
   changes, and what to do when either fails. Pure: the caller makes the requests and says how they
   ended; time and chance are arguments.

   A list comes in pages, or as a stream (KEP-3157): a watch that begins with all objects as ADDED,
   then a BOOKMARK with the annotation k8s.io/initial-events-end, and goes on as any watch. A server
   that refuses that is asked for pages, each time anew.
   Source: client-go's cache.Reflector; the recorded conversation (samples/api-requests.jsonl). */
#pragma once
#include "cubelet/fault.h"
#include "cubelet/tree.h"
#include <stdbool.h>
#include <stdint.h>

/* Room for a resourceVersion; longer ones count as none. */
#define REFLECTOR_VERSION_MAX 64

#define REFLECTOR_WAIT_MIN_MS 800
#define REFLECTOR_WAIT_MAX_MS 30000

typedef struct {
    int64_t first_wait_ms; // after a first failure; doubles up to REFLECTOR_WAIT_MAX_MS
    int64_t watch_min_s;   // a watch lasts so long, up to twice as long
    bool streams;          // lists are asked for as streams first (the gate WatchListClient)
} reflector_limits_t;

typedef struct {
    char version[REFLECTOR_VERSION_MAX]; // up to where we know; "" at the start
    bool is_fresh_wanted;                // our version is of no use: list what is now
    bool is_stream_refused;              // this list comes in pages
    int64_t wait_ms;                     // the last wait, without its jitter; 0: none yet
    int64_t failed_ms;                   // when it was
} reflector_t;

/* How a list or a watch ended. */
typedef struct {
    int code;           // HTTP status, or that of an ERROR event; 0: no answer, or it broke off
    const char *reason; // of the Status: "Expired"; or NULL
    unsigned events;    // that a watch brought
    int64_t lasted_ms;  // of a watch
} reflector_end_t;

typedef enum {
    REFLECTOR_LIST,   // in pages
    REFLECTOR_STREAM, // a list that goes on as a watch
    REFLECTOR_WATCH,
} reflector_what_t;

/* What to do next, and when. */
typedef struct {
    reflector_what_t what;
    int64_t wait_ms;
} reflector_step_t;

/* What to begin with: a list of either kind. */
reflector_step_t reflector_begin (const reflector_t *self, const reflector_limits_t *limits);

/* A list came to its end (its last page) and stands at `version`. Of a stream the step does not
   count: it is the watch already. */
reflector_step_t reflector_listed (reflector_t *self, const char *version);

/* A list failed, at whatever page: it starts over. `chance` is 0 to below 1, now_ms monotonic. */
reflector_step_t reflector_list_failed (reflector_t *self, const reflector_limits_t *limits,
                                        const reflector_end_t *end, double chance, int64_t now_ms);

/* A stream ended before its list was complete; `end` is that of a watch. Refusals lead to pages at
   once. */
reflector_step_t
reflector_stream_failed (reflector_t *self, const reflector_limits_t *limits,
                         const reflector_end_t *end, double chance, int64_t now_ms);

/* An event or bookmark came with this version. */
void reflector_saw (reflector_t *self, const char *version);

/* A watch ended: by itself (code 200), by an ERROR event, by a status that is no 200, or it broke
   off. */
reflector_step_t reflector_watch_ended (reflector_t *self, const reflector_limits_t *limits,
                                        const reflector_end_t *end, double chance, int64_t now_ms);

/* The queries, as upstream's: "fieldSelector=...&limit=500&resourceVersion=0". `selector` is a
   field selector or NULL; `more` is the continue token of the page before, or NULL. Owned. */
char *reflector_list_query (const reflector_t *self, const char *selector, const char *more);
char *reflector_watch_query (const reflector_t *self, const char *selector, int64_t timeout_s);
char *reflector_stream_query (const reflector_t *self, const char *selector, int64_t timeout_s);

/* True for the bookmark that ends a streamed list: `bookmark` is the object of the event. */
bool reflector_is_list_end (const node_t *bookmark);

/* How long the next watch is to last, in seconds. */
int64_t reflector_watch_s (const reflector_limits_t *limits, double chance);

/* `text` with all but letters, digits, "-", "_", "." and "~" as %XX, for queries. Owned. */
char *query_escape (const char *text);
