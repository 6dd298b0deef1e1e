#include "cubelet/fault_rules.h"
#include "cubelet/memory.h"
#include "cubelet/record.h"
#include <fnmatch.h>
#include <string.h>

#define RULES_MAX 1000

static const char *const ACTIONS[] = { "drop", "delay", "duplicate", "fail", NULL };

struct fault_rules {
    fault_rule_t *items;
    size_t count;
    int64_t last_id;
};

fault_rules_t *
fault_rules_new (void)
{
    return memory_new (1, sizeof (fault_rules_t));
}

static void
clear_rule (fault_rule_t *rule)
{
    free (rule->from);
    free (rule->to);
    free (rule->type);
}

void
fault_rules_destroy (fault_rules_t **self_p)
{
    if (!*self_p)
        return;
    fault_rules_remove (*self_p, 0);
    free ((*self_p)->items);
    free (*self_p);
    *self_p = NULL;
}

/* A rule as it is written. */
typedef struct {
    const char *action;
    const char *from, *to, *type, *text;
    opt_bool_t reply;
    opt_int_t count, code;
    int64_t delay_ms;
} written_t;

static const record_type_t WRITTEN = {
    (const field_t[]){
        { "action", FIELD_TEXT, offsetof (written_t, action), .required = true, .one_of = ACTIONS },
        { "from", FIELD_TEXT, offsetof (written_t, from) },
        { "to", FIELD_TEXT, offsetof (written_t, to) },
        { "type", FIELD_TEXT, offsetof (written_t, type) },
        { "reply", FIELD_OPT_BOOL, offsetof (written_t, reply) },
        { "count", FIELD_OPT_INT, offsetof (written_t, count), .low = 1, .high = 1000000000 },
        { "delay_ms", FIELD_INT, offsetof (written_t, delay_ms), .low = 0, .high = 3600000 },
        { "code", FIELD_OPT_INT, offsetof (written_t, code), .low = 1,
          .high = FAULT_CODE_COUNT - 1 },
        { "text", FIELD_TEXT, offsetof (written_t, text) },
        { 0 } },
    sizeof (written_t)
};

static fault_action_t
find_action (const char *name)
{
    int action = 0;
    while (strcmp (ACTIONS[action], name) != 0)
        action++;
    return (fault_action_t) action;
}

int64_t
fault_rules_add (fault_rules_t *self, const node_t *rule, fault_t *fault)
{
    OWNED (tree_destroy) tree_t *tree = tree_copy (rule);
    written_t written = { 0 };
    if (record_decode (&WRITTEN, tree_root (tree), tree, RECORD_STRICT, &written, fault) < 0)
        return -1;
    if (find_action (written.action) == ACTION_DELAY && written.delay_ms == 0)
        return fault_set (fault, FAULT_INVALID, "delay_ms: how long to delay is missing");
    if (self->count == RULES_MAX)
        return fault_set (fault, FAULT_EXHAUSTED, "there are %d rules already", RULES_MAX);
    fault_rule_t added = {
        .id = ++self->last_id,
        .action = find_action (written.action),
        .from = text_copy (written.from),
        .to = text_copy (written.to),
        .type = text_copy (written.type),
        .reply = written.reply.set ? written.reply.value : -1,
        .left = written.count.set ? written.count.value : -1,
        .delay_ms = written.delay_ms,
    };
    fault_set (&added.fault,
               written.code.set ? (fault_code_t) written.code.value : FAULT_UNAVAILABLE, "%s",
               written.text ? written.text : "failed by fault injection");
    self->items = memory_grow (self->items, self->count + 1, sizeof *self->items);
    self->items[self->count++] = added;
    return added.id;
}

size_t
fault_rules_remove (fault_rules_t *self, int64_t id)
{
    size_t kept = 0;
    for (size_t i = 0; i < self->count; i++) {
        if (id == 0 || self->items[i].id == id)
            clear_rule (&self->items[i]);
        else
            self->items[kept++] = self->items[i];
    }
    size_t removed = self->count - kept;
    self->count = kept;
    return removed;
}

bool
fault_rules_is_empty (const fault_rules_t *self)
{
    return self->count == 0;
}

static bool
is_match (const char *glob, const char *text)
{
    return !glob || fnmatch (glob, text, 0) == 0;
}

const fault_rule_t *
fault_rules_match (fault_rules_t *self, const envelope_t *envelope)
{
    int is_reply = envelope->re != 0;
    for (size_t i = 0; i < self->count; i++) {
        fault_rule_t *rule = &self->items[i];
        if (rule->left == 0 || (rule->reply >= 0 && rule->reply != is_reply)
            || (rule->action == ACTION_FAIL && !envelope->wants_reply)
            || !is_match (rule->from, envelope->from) || !is_match (rule->to, envelope->to)
            || !is_match (rule->type, envelope->type))
            continue;
        rule->hits++;
        if (rule->left > 0)
            rule->left--;
        return rule;
    }
    return NULL;
}

node_t
fault_rules_list (const fault_rules_t *self, tree_t *tree)
{
    node_t list = node_array();
    for (size_t i = 0; i < self->count; i++) {
        const fault_rule_t *rule = &self->items[i];
        node_t map = node_map();
        node_set_int (tree, &map, "id", rule->id);
        node_set_text (tree, &map, "action", ACTIONS[rule->action]);
        node_set_text (tree, &map, "from", rule->from);
        node_set_text (tree, &map, "to", rule->to);
        node_set_text (tree, &map, "type", rule->type);
        if (rule->reply >= 0)
            node_set_bool (tree, &map, "reply", rule->reply);
        node_set_int (tree, &map, "left", rule->left);
        node_set_int (tree, &map, "hits", rule->hits);
        if (rule->action == ACTION_DELAY)
            node_set_int (tree, &map, "delay_ms", rule->delay_ms);
        if (rule->action == ACTION_FAIL) {
            node_set_int (tree, &map, "code", rule->fault.code);
            node_set_text (tree, &map, "text", rule->fault.text);
        }
        node_append (tree, &list, map);
    }
    return list;
}
