/* yaml_scalar.h - what a YAML scalar means to Kubernetes: the rules of go.yaml.in/yaml/v2
   (resolve.go), which sigs.k8s.io/yaml uses, and of its conversion to JSON (yaml.go).

     y Y n N, yes no on off true false as written, Written and WRITTEN    booleans
     ~ null Null NULL and nothing at all                                  nil
     12 +12 -12 1_000 0x1F 0b101 0o17 017                                 integers
     1.5 .5 1. 1e3 1_0.5 08 and integers beyond 64 bits                   reals
     .inf +.inf -.inf .nan                                                reals JSON cannot hold
     2006-01-02, 1:30, 0x, 1e999, everything else, everything quoted      text

   A tag (!!str, !!int, !!float, !!bool, !!null) overrides the look, quotes or not. */
#pragma once
#include "cubelet/fault.h"
#include "cubelet/tree.h"
#include <stdbool.h>
#include <stddef.h>

/* What a scalar says: nil, a boolean, an integer, a real (perhaps infinite) or text, which is
   copied into `tree`. `is_plain`: written without quotes and tag; `tag`: in its long form
   ("tag:yaml.org,2002:int"), or NULL. Returns 0, or -1 with FAULT_INVALID when the tag does not
   fit or is !!binary. */
int yaml_scalar_resolve (tree_t *tree, const char *text, size_t size, bool is_plain,
                         const char *tag, node_t *out, fault_t *fault);

/* The resolved scalar as a value of a JSON document: a whole real that fits becomes an integer,
   since Go prints it as one (1e3 is 1000); FAULT_INVALID for what JSON cannot hold. */
int yaml_scalar_value (node_t *node, fault_t *fault);

/* The resolved scalar as a map key, which is text: true, 12, 1.5, 1e+06. FAULT_INVALID for nil
   and for text with a NUL in it. */
int yaml_scalar_key (tree_t *tree, node_t *node, fault_t *fault);
