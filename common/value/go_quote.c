#include "cubelet/go_quote.h"
#include "cubelet/memory.h"
#include "cubelet/utf8.h"
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* Longest escape: \UNNNNNNNN, from four bytes; from one byte \xNN. */
#define ESCAPE_MAX 11

static const char SHORT_ESCAPES[] = "a\ab\bf\fn\nr\rt\tv\v\\\\\"\"";

/* What strconv.IsPrint refuses above ASCII: control and format characters, spaces and separators,
   private use, no characters. Sorted. */
static const struct {
    uint32_t first, last;
} UNSEEN[] = { { 0x80, 0xa0 },       { 0xad, 0xad },       { 0x600, 0x605 },
               { 0x61c, 0x61c },     { 0x6dd, 0x6dd },     { 0x70f, 0x70f },
               { 0x890, 0x891 },     { 0x8e2, 0x8e2 },     { 0x1680, 0x1680 },
               { 0x180e, 0x180e },   { 0x2000, 0x200f },   { 0x2028, 0x202f },
               { 0x205f, 0x206f },   { 0x3000, 0x3000 },   { 0xd800, 0xf8ff },
               { 0xfdd0, 0xfdef },   { 0xfeff, 0xfeff },   { 0xfff0, 0xfffb },
               { 0xfffe, 0xffff },   { 0x110bd, 0x110bd }, { 0x110cd, 0x110cd },
               { 0x13430, 0x1343f }, { 0x1bca0, 0x1bca3 }, { 0x1d173, 0x1d17a },
               { 0xe0001, 0xe007f }, { 0xf0000, 0x10ffff } };

static bool
is_seen (uint32_t character)
{
    if (character < 0x80)
        return character >= 0x20 && character != 0x7f;
    for (size_t i = 0; i < COUNT_OF (UNSEEN) && UNSEEN[i].first <= character; i++)
        if (character <= UNSEEN[i].last)
            return false;
    return true;
}

static uint32_t
decode (const unsigned char *at, size_t size)
{
    static const unsigned char FIRST_BITS[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
    uint32_t character = at[0] & FIRST_BITS[size];
    for (size_t i = 1; i < size; i++)
        character = character << 6 | (at[i] & 0x3f);
    return character;
}

/* Writes one character of `size` bytes (0: a byte that is no UTF-8) as it stands in quotes;
   returns the bytes written. */
static size_t
write_character (const char *at, size_t size, char *out)
{
    const unsigned char *bytes = (const unsigned char *) at;
    for (const char *pair = SHORT_ESCAPES; *pair; pair += 2)
        if (pair[1] == *at)
            return (size_t) snprintf (out, ESCAPE_MAX, "\\%c", pair[0]);
    uint32_t character = size ? decode (bytes, size) : 0;
    if (!size || (character < 0x80 && !is_seen (character)))
        return (size_t) snprintf (out, ESCAPE_MAX, "\\x%02x", bytes[0]);
    if (!is_seen (character))
        return (size_t) snprintf (out, ESCAPE_MAX, character < 0x10000 ? "\\u%04x" : "\\U%08x",
                                  character);
    memcpy (out, at, size);
    return size;
}

char *
go_quote (const char *text)
{
    if (!text)
        text = "";
    const char *end = text + strlen (text);
    char *quoted = memory_new (1, (size_t) (end - text) * 4 + ESCAPE_MAX + 3);
    size_t used = 0;
    quoted[used++] = '"';
    for (const char *at = text; at < end;) {
        size_t size = utf8_size (at, end);
        used += write_character (at, size, quoted + used);
        at += size ? size : 1;
    }
    quoted[used++] = '"';
    return quoted;
}
