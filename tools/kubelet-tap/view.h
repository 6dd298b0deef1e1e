/* view.h - what every view of the tap gets: one message at a time. */
#pragma once
#include "cubelet/fault.h"
#include "cubelet/tree.h"
#include <stdbool.h>
#include <stdint.h>

/* One message as the tap shows it (include/cubelet/tap.h). Texts are borrowed for the call. */
typedef struct {
    const char *from, *to, *type, *outcome;
    uint64_t id, re;
    int64_t sent_ns, now_ns;
    fault_code_t fault;
    const char *fault_text;
    const node_t *head, *body;
} shown_t;

/* What the user asked for. */
typedef struct {
    const char *type;     // glob, NULL: all
    const char *actor;    // glob on sender or receiver, NULL: all
    const char *sequence; // the pod whose life is drawn, NULL: none
    bool json;
    bool stats;
    bool is_terminal;
    int width; // of the terminal, 0: do not cut
} view_options_t;

/* One line a message: time, sender, receiver, type, body. */
void view_line (const view_options_t *options, const shown_t *message);

/* One JSON object a line. */
void view_json (const shown_t *message);

/* Counts, rates and latencies per type; view_stats_print draws the table in place. */
typedef struct view_stats view_stats_t;
view_stats_t *view_stats_new (void);
void view_stats_destroy (view_stats_t **self_p);
void view_stats_add (view_stats_t *self, const shown_t *message);
void view_stats_print (view_stats_t *self, const view_options_t *options);

/* A sequence diagram: one column an actor, one row a message of the pod. */
typedef struct view_sequence view_sequence_t;
view_sequence_t *view_sequence_new (const view_options_t *options);
void view_sequence_destroy (view_sequence_t **self_p);
void view_sequence_add (view_sequence_t *self, const shown_t *message);
