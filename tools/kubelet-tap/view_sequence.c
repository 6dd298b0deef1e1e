#include "cubelet/clock.h"
#include "cubelet/memory.h"
#include "view.h"
#include <string.h>

#define COLUMN_WIDTH 19
#define LINE_MAX_BYTES 256

/* The columns, in the order in which a pod's life mostly goes. */
static const char *const COLUMNS[] = {
    "pod-manager", "pod-worker",      "volume-manager", "resource-manager", "image-puller",
    "runtime",     "runtime-watcher", "probe-manager",  "event-recorder",   "others",
};
#define COLUMN_COUNT (int) (sizeof COLUMNS / sizeof *COLUMNS)

struct view_sequence {
    char *pod;
    int64_t start_ns;
};

view_sequence_t *
view_sequence_new (const char *pod)
{
    view_sequence_t *self = memory_new (1, sizeof *self);
    self->pod = text_copy (pod);
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
print_heads (void)
{
    printf ("%9s ", "seconds");
    for (int i = 0; i < COLUMN_COUNT; i++)
        printf ("%-*s", COLUMN_WIDTH, COLUMNS[i]);
    putchar ('\n');
}

/* Life lines, and on them an arrow from one column to another with the label inside. */
static void
draw (int from, int to, const char *label, char line[static LINE_MAX_BYTES])
{
    int width = COLUMN_COUNT * COLUMN_WIDTH;
    memset (line, ' ', (size_t) width);
    line[width] = '\0';
    for (int i = 0; i < COLUMN_COUNT; i++)
        line[i * COLUMN_WIDTH] = '|';
    int left = (from < to ? from : to) * COLUMN_WIDTH + 1;
    int right = (from < to ? to : from) * COLUMN_WIDTH - 1;
    if (right < left)
        right = left + COLUMN_WIDTH - 3;
    memset (line + left, '-', (size_t) (right - left + 1));
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
        print_heads();
    }
    char label[96], line[LINE_MAX_BYTES];
    snprintf (label, sizeof label, "%s%s", message->fault ? "FAULT " : (message->re ? "ok " : ""),
              message->type);
    draw (column_of (message->from), column_of (message->to), label, line);
    printf ("%9.3f %s\n", (double) (message->sent_ns - self->start_ns) / (double) NS_PER_S, line);
    fflush (stdout);
}
