/* protobuf_wire.h - what encoding and decoding protobuf both know about the wire format. */
#pragma once
#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>

/* How a single value of the type stands on the wire. */
ProtobufCWireType protobuf_wire_of (ProtobufCType type);

/* Is this a map<string, V> field? protobuf-c shows one as repeated messages named "<Field>Entry"
   with the fields key = 1 and value = 2; that it is a map is not kept. Other types of keys are
   left to be the lists they look like: a value tree has text keys only. */
bool protobuf_is_map (const ProtobufCFieldDescriptor *field);
