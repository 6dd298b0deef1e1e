#include "cubelet/log_json.h"
#include "cubelet/utf8.h"
#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* What ends the object, and the longest escape, always have room. */
#define KEPT_ROOM 16

typedef struct {
    char *out;
    size_t used, room;
} writer_t;

static void
put (writer_t *self, const char *text, size_t size)
{
    memcpy (self->out + self->used, text, size);
    self->used += size;
}

static bool
has_room (const writer_t *self, size_t size)
{
    return self->used + size + KEPT_ROOM <= self->room;
}

/* Puts the character at `at` into a JSON text; returns how many bytes it has. */
static size_t
put_character (writer_t *self, const char *at, const char *end)
{
    static const char REPLACEMENT[] = "\\ufffd";
    char escape[8];
    size_t size = utf8_size (at, end);
    unsigned char c = (unsigned char) *at;
    if (size == 0)
        put (self, REPLACEMENT, sizeof REPLACEMENT - 1);
    else if (c == '"' || c == '\\')
        put (self, escape, (size_t) snprintf (escape, sizeof escape, "\\%c", c));
    else if (c < 0x20 || c == 0x7f)
        put (self, escape, (size_t) snprintf (escape, sizeof escape, "\\u%04x", (unsigned) c));
    else
        put (self, at, size);
    return size ? size : 1;
}

/* ,"key":"value" */
static void
put_member (writer_t *self, const char *key, size_t key_size, const char *value, size_t value_size)
{
    if (!has_room (self, key_size + 6))
        return;
    put (self, ",\"", 2);
    put (self, key, key_size);
    put (self, "\":\"", 3);
    for (const char *at = value; at < value + value_size && has_room (self, 6);)
        at += put_character (self, at, value + value_size);
    put (self, "\"", 1);
}

/* The bytes of the key when a `key=` begins here, else 0. */
static size_t
key_size (const char *at)
{
    size_t size = 0;
    while (isalnum ((unsigned char) at[size]) || at[size] == '_' || at[size] == '.')
        size++;
    return isalpha ((unsigned char) at[0]) && at[size] == '=' ? size : 0;
}

/* The next " key=" at or after `at`, or the text's end. */
static const char *
next_pair (const char *at)
{
    for (; *at; at++)
        if (*at == ' ' && key_size (at + 1))
            return at;
    return at;
}

size_t
log_json (const log_line_t *line, const char *text, char *out, size_t room)
{
    writer_t writer = { out, 0, room };
    int head = snprintf (out, room, "{\"ts\":%lld.%06d,\"caller\":\"%.64s:%d\"",
                         (long long) (line->at_ns / 1000000), (int) (line->at_ns % 1000000),
                         line->file, line->line);
    writer.used = (size_t) head;
    const char *at = key_size (text) ? text : next_pair (text);
    put_member (&writer, "msg", 3, text, (size_t) (at - text));
    if (line->level < LOG_LEVEL_ERROR)
        put (&writer, ",\"v\":0", 6);
    while (*at) {
        const char *key = *at == ' ' ? at + 1 : at;
        size_t size = key_size (key);
        const char *value = key + size + 1;
        bool is_last = size == 3 && memcmp (key, "err", 3) == 0;
        at = is_last ? value + strlen (value) : next_pair (value);
        put_member (&writer, key, size, value, (size_t) (at - value));
    }
    put (&writer, "}", 1);
    return writer.used;
}
