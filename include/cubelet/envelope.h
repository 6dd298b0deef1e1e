/* envelope.h - the head of every message, and how messages stand on the wire.

   Two frames: the envelope (a msgpack array in the order of the fields below) and the body (a
   msgpack map), which the bus passes on without looking into it. */
#pragma once
#include "cubelet/fault.h"
#include "cubelet/messages.h"
#include "cubelet/tree.h"
#include <czmq.h>
#include <stdbool.h>
#include <stdint.h>

/* Texts are borrowed: from the caller when sending, from the tree after reading. */
typedef struct {
    const char *to;
    const char *from;
    const char *type;
    uint64_t id;
    uint64_t re; // 0: no reply
    bool wants_reply;
    int64_t sent_ns;
    fault_code_t fault_code; // of a reply that is a fault
    const char *fault_text;
} envelope_t;

/* Packs to a new frame. Owned. */
zframe_t *envelope_pack (const envelope_t *envelope);

/* Reads a frame; the texts live in the returned owned tree. NULL with FAULT_INVALID. */
tree_t *envelope_unpack (zframe_t *frame, envelope_t *envelope, fault_t *fault);

/* Packs a body (NULL: the empty map) to a new frame. Owned. */
zframe_t *body_pack (const node_t *body);

/* Reads a body, which must be a map. Owned; NULL with FAULT_INVALID. */
tree_t *body_unpack (zframe_t *frame, fault_t *fault);
