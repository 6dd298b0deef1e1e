/* protobuf.h - protobuf messages to and from value trees, driven by protobuf-c descriptors.

   A message is a map with the .proto's own field names. Scalars that hold their zero value are
   absent (proto3), a present but empty message is an empty map, enums are their names as text
   (numbers are accepted too), map<string, string> fields are maps, `bytes` are texts when they
   are valid UTF-8 without NUL and binary otherwise (both accepted). So no call needs conversion
   code of its own, and what the tap shows is the CRI's own spelling. */
#pragma once
#include "cubelet/fault.h"
#include "cubelet/tree.h"
#include <protobuf-c/protobuf-c.h>
#include <stddef.h>
#include <stdint.h>

/* Encodes a map node. Returns 0 with owned bytes in *bytes_p (free()), or -1 with FAULT_INVALID
   "PATH: ..." for unknown fields, wrong types and numbers out of range. NULL or nil encodes the
   empty message. */
int protobuf_encode (const ProtobufCMessageDescriptor *type, const node_t *node, uint8_t **bytes_p,
                     size_t *size_p, fault_t *fault);

/* Decodes to an owned tree, or NULL with FAULT_INVALID. Unknown fields are skipped. */
tree_t *protobuf_decode (const ProtobufCMessageDescriptor *type, const uint8_t *bytes, size_t size,
                         fault_t *fault);
