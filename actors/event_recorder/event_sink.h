/* event_sink.h - events on their way to the API server: in order, one at a time, within a rate.

   Source: reference/probes-hooks-events.md 11.1; the requests in samples/api-requests.jsonl. */
#pragma once
#include "cubelet/actor.h"
#include "cubelet/token_bucket.h"

typedef struct event_sink event_sink_t;

/* `rate` is eventRecordQPS and eventBurst. Owned. */
event_sink_t *event_sink_new (actor_t *actor, token_rate_t rate);

/* What waits, as an array in `tree`; and takes it over, as if it had just come. */
node_t event_sink_leave (event_sink_t *self, tree_t *tree);
void event_sink_inherit (event_sink_t *self, const node_t *left);

/* Frees *self_p and sets it to NULL; what waits is lost. Does nothing if it is NULL already. */
void event_sink_destroy (event_sink_t **self_p);

/* Queues a v1 Event (copied). `identity` is the event's own: of two that wait with the same one
   only the newer is sent. `is_again`: the API server should have it, so that only its count
   changes. Beyond 1,000 events that wait, new ones are dropped. */
void event_sink_add (event_sink_t *self, const node_t *event, uint64_t identity, bool is_again);

/* The API server may be back: what waits for another try is sent at once. */
void event_sink_wake (event_sink_t *self);
