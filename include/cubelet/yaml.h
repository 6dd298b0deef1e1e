/* yaml.h - YAML (libyaml) to value trees, with the scalar rules Kubernetes uses.

   Upstream reads YAML with sigs.k8s.io/yaml (go.yaml.in/yaml/v2: YAML 1.1 with exceptions) and
   turns it into JSON: plain y/n, yes/no, on/off and true/false in three spellings are booleans,
   ~ null and empty are nil, 0x10 0o17 017 0b1 and 1_000 are integers, .5 and 1.5 reals, 1e3 is the
   integer 1000 (Go's JSON of it), .inf and .nan are refused, quoted scalars are always texts, <<
   merges, map keys become texts. All of it: yaml_scalar.h. What begins with a brace is read as
   JSON if it is JSON. */
#pragma once
#include "cubelet/fault.h"
#include "cubelet/tree.h"
#include <stdbool.h>
#include <stddef.h>

/* Reads every document of a stream into one array node (empty documents are left out). JSON is
   YAML, so it reads JSON as well. Faults read "line L: ..." and are FAULT_INVALID: syntax,
   duplicate keys, unknown anchors, aliases that blow a stream up (over 1,000,000 nodes), over
   1,000 anchors in a document, nesting deeper than TREE_DEPTH_MAX, invalid UTF-8. Returns an owned
   tree or NULL. */
tree_t *yaml_read (const char *bytes, size_t size, fault_t *fault);

/* The line (from 1) where the value at `path` ("spec.containers[0].image", as faults of
   record_decode name it) of document `document` (from 0, empty ones not counted) stands, or of its
   nearest parent; 0 when the bytes cannot be read. For messages only: parses again. */
size_t yaml_line_of (const char *bytes, size_t size, size_t document, const char *path);
