/* event_object.h - Events as the API and the log show them.
   Source: reference/probes-hooks-events.md 11; client-go's tools/record, event.go. */
#pragma once
#include "cubelet/event_correlator.h"
#include "cubelet/tree.h"

/* What happened, to whom; all borrowed. */
typedef struct {
    const node_t *object; // an ObjectReference
    const char *type;     // Normal, Warning
    const char *reason;
    const char *message;
} event_t;

/* The v1 Event object (a map in `tree`) of an event that was judged `verdict` at `now_ns` on the
   node `node_name`. */
node_t event_object (tree_t *tree, const event_t *event, const event_verdict_t *verdict,
                     const char *node_name, int64_t now_ns);

/* The patch for an event that was seen before: what of the Event may have changed since. */
node_t event_patch (tree_t *tree, const node_t *event);

/* Its line for the log: Event occurred object="default/nginx" fieldPath="" kind="Pod" ... Owned. */
char *event_log_text (const event_t *event);
