/* watch_stream.h - the body of a watch: one JSON event a line, {"type": ..., "object": ...}, that
   arrives in pieces of any size. Pure.
   Source: Kubernetes API concepts, "Efficient detection of changes". */
#pragma once
#include "cubelet/fault.h"
#include "cubelet/tree.h"
#include <stdbool.h>
#include <stddef.h>

/* An object is at most 1.5 MiB in etcd (and JSON takes more than what is stored there). */
#define WATCH_EVENT_MAX_BYTES (8 * 1024 * 1024)

typedef enum {
    WATCH_ADDED,
    WATCH_MODIFIED,
    WATCH_DELETED,
    WATCH_BOOKMARK, // the object holds nothing but its resourceVersion
    WATCH_ERROR,    // the object is a Status
} watch_event_type_t;

/* An event; `object` is a map and borrowed for the call, like the tree that it lives in. False ends
   the reading. */
typedef bool watch_event_fn (void *context, watch_event_type_t type, node_t *object, tree_t *tree);

/* The bytes of a line that is not complete yet. Zero it before use. */
typedef struct {
    char *bytes;
    size_t size, room;
} watch_stream_t;

/* Reads a piece and calls `event` for every event that it completes. Returns 1 when all was read, 0
   when `event` said no, -1 with FAULT_INVALID: a line that is no event, or too long. */
int watch_stream_read (watch_stream_t *self, const char *bytes, size_t size, watch_event_fn *event,
                       void *context, fault_t *fault);

/* Frees what is kept; the stream is empty then. */
void watch_stream_clear (watch_stream_t *self);
