/* env_expand.h - $(VAR) expansion in commands, arguments, variables and sub paths.
   Source: reference/pod-to-cri.md 5.1 (upstream: third_party/forked/golang/expansion). */
#pragma once
#include "cubelet/tree.h"

/* The value of a variable: a text or binary node borrowed for the call, or NULL when there is
   none, which leaves the reference as it stands. */
typedef const node_t *env_lookup_fn (void *context, const char *name);

/* `text` with each $(NAME) replaced once (the values are not expanded again), $$ by $; an
   unfinished "$(" and "$x" stay. NULL counts as "". Returns a text node in `tree`, or a binary one
   when a value brought in bytes that are no text. */
node_t env_expand (const char *text, env_lookup_fn *lookup, void *context, tree_t *tree);

/* env_expand with the variables of a finished environment (container_environment): an array of
   {key, value}. */
node_t env_expand_with (const char *text, const node_t *environment, tree_t *tree);

/* A subPathExpr: as env_expand_with, but a missing or empty variable is a fault. Returns 0 and
   the text in *out (borrowed from `tree`), or -1 with FAULT_INVALID "missing value for A, B". */
int env_expand_strict (const char *text, const node_t *environment, tree_t *tree, const char **out,
                       fault_t *fault);
