/* fault_rules.h - what fault injection does to which messages. Pure; the bus applies it.

   A rule is a map: {action: drop|delay|duplicate|fail, from: GLOB?, to: GLOB?, type: GLOB?,
   reply: bool?, count: N? (default: until removed), delay_ms: N (delay), code: N? and
   text: TEXT? (fail)}. The first rule that matches a message and has a count left is applied.
   `reply` says whether it takes replies or requests; absent: both. Only requests can be failed. */
#pragma once
#include "cubelet/envelope.h"
#include <stdbool.h>

typedef enum { ACTION_DROP, ACTION_DELAY, ACTION_DUPLICATE, ACTION_FAIL } fault_action_t;

typedef struct {
    int64_t id;
    fault_action_t action;
    char *from, *to, *type; // globs as fnmatch's; NULL: any
    int reply;              // 1: replies only, 0: no replies, -1: both
    int64_t left;           // -1: no limit
    int64_t hits;
    int64_t delay_ms;
    fault_t fault;
} fault_rule_t;

typedef struct fault_rules fault_rules_t;

fault_rules_t *fault_rules_new (void);
void fault_rules_destroy (fault_rules_t **self_p);

/* Adds a rule. Returns its id (from 1), or -1 with FAULT_INVALID naming the field. */
int64_t fault_rules_add (fault_rules_t *self, const node_t *rule, fault_t *fault);

/* Removes one rule, or all with id 0; how many went. */
size_t fault_rules_remove (fault_rules_t *self, int64_t id);

bool fault_rules_is_empty (const fault_rules_t *self);

/* The rule to apply to a message, counted as used; NULL: none. Borrowed until rules change. */
const fault_rule_t *fault_rules_match (fault_rules_t *self, const envelope_t *envelope);

/* All rules as a list node in `tree`, with {id action from to type left hits ...}. */
node_t fault_rules_list (const fault_rules_t *self, tree_t *tree);
