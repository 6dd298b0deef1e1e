/* event_correlator.h - which events are new, which happen again, which are too many.
   Source: reference/probes-hooks-events.md 11.1; client-go's tools/record, events_cache.go. */
#pragma once
#include "cubelet/tree.h"
#include <stdbool.h>
#include <stdint.h>

typedef struct event_correlator event_correlator_t;

/* What becomes of an event. */
typedef struct {
    bool is_dropped;  // more than 25 about this object, and fewer than 300 s since the last token
    bool is_again;    // seen before: the event named by name_ns changes, instead of a new one
    bool is_combined; // stands for ten and more different messages of one reason
    int64_t count;    // how often it was seen, 1 for a new one
    int64_t first_ns; // when it was seen first
    int64_t name_ns;  // makes its name: OBJECT.HEX
} event_verdict_t;

/* What is_combined puts before a message. */
#define EVENT_COMBINED_PREFIX "(combined from similar events): "

/* Owned by the caller. It remembers 4,096 of each kind of thing. All events of one correlator have
   the same source, so that the source is no part of what makes events alike. */
event_correlator_t *event_correlator_new (void);

/* Frees *self_p and sets it to NULL; does nothing if it is NULL already. */
void event_correlator_destroy (event_correlator_t **self_p);

/* Judges an event at `now_ns` (clock_now_ns) and remembers it. `object` is an ObjectReference;
   NULL texts count as "". */
event_verdict_t event_correlate (event_correlator_t *self, const node_t *object, const char *type,
                                 const char *reason, const char *message, int64_t now_ns);
