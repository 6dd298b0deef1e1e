#include "cubelet/watch_stream.h"
#include "cubelet/json.h"
#include "cubelet/memory.h"
#include <string.h>

static const char *const TYPES[] = {
    [WATCH_ADDED] = "ADDED",       [WATCH_MODIFIED] = "MODIFIED", [WATCH_DELETED] = "DELETED",
    [WATCH_BOOKMARK] = "BOOKMARK", [WATCH_ERROR] = "ERROR",
};

static int
find_type (const char *text)
{
    for (int i = 0; i < (int) COUNT_OF (TYPES); i++)
        if (strcmp (TYPES[i], text) == 0)
            return i;
    return -1;
}

/* One line: 1 to go on, 0 to stop, -1 with a fault. */
static int
read_line (const char *line, size_t size, watch_event_fn *event, void *context, fault_t *fault)
{
    while (size > 0 && strchr ("\r\t ", line[size - 1]))
        size--;
    if (size == 0)
        return 1;
    OWNED (tree_destroy) tree_t *tree = json_read (line, size, fault);
    if (!tree)
        return fault_wrap (fault, "watch event");
    const char *name = node_get_text (tree_root (tree), "type", "");
    node_t *object = node_get_mutable (tree_root (tree), "object");
    int type = find_type (name);
    if (type < 0 || !node_is_map (object))
        return fault_set (fault, FAULT_INVALID, "watch event: %s",
                          type < 0 ? "its type is unknown" : "it has no object");
    return event (context, (watch_event_type_t) type, object, tree) ? 1 : 0;
}

/* Keeps bytes for the rest of their line. */
static int
keep (watch_stream_t *self, const char *bytes, size_t size, fault_t *fault)
{
    if (size > WATCH_EVENT_MAX_BYTES - self->size)
        return fault_set (fault, FAULT_INVALID, "watch event: it is larger than %d MiB",
                          WATCH_EVENT_MAX_BYTES >> 20);
    if (self->size + size > self->room) {
        self->room = 2 * self->room + size;
        self->bytes = memory_grow (self->bytes, self->room, 1);
    }
    if (size > 0)
        memcpy (self->bytes + self->size, bytes, size);
    self->size += size;
    return 0;
}

int
watch_stream_read (watch_stream_t *self, const char *bytes, size_t size, watch_event_fn *event,
                   void *context, fault_t *fault)
{
    const char *end = bytes + size;
    for (const char *newline; (newline = memchr (bytes, '\n', (size_t) (end - bytes)));
         bytes = newline + 1) {
        size_t length = (size_t) (newline - bytes);
        bool is_whole = self->size == 0;
        if (!is_whole && keep (self, bytes, length, fault) < 0)
            return -1;
        watch_stream_t line = *self;
        if (!is_whole)
            *self = (watch_stream_t){ 0 };
        int rc = is_whole ? read_line (bytes, length, event, context, fault)
                          : read_line (line.bytes, line.size, event, context, fault);
        if (!is_whole)
            watch_stream_clear (&line); // most events are small: no buffer is kept between them
        if (rc != 1)
            return rc;
    }
    return keep (self, bytes, (size_t) (end - bytes), fault) < 0 ? -1 : 1;
}

void
watch_stream_clear (watch_stream_t *self)
{
    free (self->bytes);
    *self = (watch_stream_t){ 0 };
}
