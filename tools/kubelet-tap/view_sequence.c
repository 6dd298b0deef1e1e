#include "cubelet/clock.h"
#include "cubelet/memory.h"
#include "view.h"
#include <string.h>

/* On a terminal columns become narrower to fit, down to where arrows still say something. */
#define COLUMN_WIDTH_MAX 19
#define COLUMN_WIDTH_MIN 8
#define TIME_WIDTH 10
#define LINE_MAX_BYTES 256

/* The columns, in the order in which a pod's life mostly goes. */
static const char *const COLUMNS[] = {
    "pod-manager", "pod-worker",      "volume-manager", "resource-manager", "image-puller",
    "runtime",     "runtime-watcher", "probe-manager",  "event-recorder",   "others",
};
#define COLUMN_COUNT (int) (sizeof COLUMNS / sizeof *COLUMNS)

struct view_sequence {
    char *pod;
    int column_width;
    int64_t start_ns;
};

view_sequence_t *
view_sequence_new (const view_options_t *options)
{
    view_sequence_t *self = memory_new (1, sizeof *self);
    self->pod = text_copy (options->sequence);
    self->column_width = COLUMN_WIDTH_MAX;
    if (options->width) {
        int fit = (options->width - TIME_WIDTH - 1) / (COLUMN_COUNT - 1);
        if (fit < COLUMN_WIDTH_MAX)
            self->column_width = fit > COLUMN_WIDTH_MIN ? fit : COLUMN_WIDTH_MIN;
    }
    return self;
}

void
view_sequence_destroy (view_sequence_t **self_p)
{
    if (!*self_p)
        return;
    free ((*self_p)->pod);
    free (*self_p);
    *self_p = NULL;
}

static bool
is_of_pod (const view_sequence_t *self, const char *actor)
{
    return strncmp (actor, "pod-worker/", 11) == 0 && strstr (actor, self->pod);
}

static int
column_of (const char *actor)
{
    int column = 0;
    while (column < COLUMN_COUNT - 1
           && strncmp (actor, COLUMNS[column], strlen (COLUMNS[column])) != 0)
        column++;
    // "runtime" is the head of "runtime-watcher" too.
    if (strcmp (COLUMNS[column], "runtime") == 0 && strcmp (actor, "runtime") != 0)
        column++;
    return column;
}

static void
print_line (char *line)
{
    size_t length = strlen (line);
    while (length > 0 && line[length - 1] == ' ')
        length--;
    line[length] = '\0';
    puts (line);
}

static void
print_heads (const view_sequence_t *self)
{
    char line[LINE_MAX_BYTES];
    int at = snprintf (line, sizeof line, "%*s ", TIME_WIDTH - 1, "seconds");
    for (int i = 0; i < COLUMN_COUNT; i++) {
        int room = self->column_width - 1;
        at += snprintf (line + at, sizeof line - (size_t) at, "%-*.*s ", room, room, COLUMNS[i]);
    }
    print_line (line);
}

/* Life lines, and on them an arrow from one column to another with the label inside. */
static void
draw (const view_sequence_t *self, int from, int to, const char *label,
      char line[static LINE_MAX_BYTES])
{
    int column = self->column_width, width = COLUMN_COUNT * column;
    memset (line, ' ', (size_t) width);
    line[width] = '\0';
    for (int i = 0; i < COLUMN_COUNT; i++)
        line[i * column] = '|';
    int left = (from < to ? from : to) * column + 1;
    int right = (from < to ? to : from) * column - 1;
    if (right < left)
        right = left + column - 3;
    memset (line + left, '-', (size_t) right + 1 - (size_t) left);
    line[from < to ? right : left] = from < to ? '>' : '<';
    int length = (int) strlen (label);
    if (length > right - left - 1)
        length = right - left - 1;
    memcpy (line + left + 1, label, (size_t) length);
}

void
view_sequence_add (view_sequence_t *self, const shown_t *message)
{
    if (!is_of_pod (self, message->from) && !is_of_pod (self, message->to))
        return;
    if (!self->start_ns) {
        self->start_ns = message->sent_ns;
        print_heads (self);
    }
    bool is_delivered = strcmp (message->outcome, "delivered") == 0;
    char label[96], line[LINE_MAX_BYTES];
    snprintf (label, sizeof label, "%s%s%s%s",
              message->fault ? "FAULT " : (message->re ? "ok " : ""), message->type,
              is_delivered ? "" : " ", is_delivered ? "" : message->outcome);
    draw (self, column_of (message->from), column_of (message->to), label, line);
    printf ("%*.3f ", TIME_WIDTH - 1,
            (double) (message->sent_ns - self->start_ns) / (double) NS_PER_S);
    print_line (line);
}
