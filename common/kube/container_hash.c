#include "cubelet/container_hash.h"
#include <inttypes.h>
#include <stdio.h>

#define FNV_BASIS 0x811c9dc5U
#define FNV_PRIME 0x01000193U

/* What is hashed is Go's print of the bytes of {"image":"...","name":"..."}: "([]uint8)[123 34",
   each byte in decimal, and "]". */
typedef struct {
    uint32_t hash;
    bool is_first;
} dump_t;

static void
hash_raw (dump_t *dump, const char *text)
{
    for (; *text; text++)
        dump->hash = (dump->hash ^ (unsigned char) *text) * FNV_PRIME;
}

static void
dump_byte (dump_t *dump, unsigned char byte)
{
    char number[8];
    snprintf (number, sizeof number, dump->is_first ? "%u" : " %u", (unsigned) byte);
    dump->is_first = false;
    hash_raw (dump, number);
}

static void
dump_text (dump_t *dump, const char *text)
{
    for (; *text; text++)
        dump_byte (dump, (unsigned char) *text);
}

/* A JSON string as Go writes it, without the quotes. */
static void
dump_escaped (dump_t *dump, const char *text)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char) *text;
        char escape[8];
        if (c == '"' || c == '\\')
            snprintf (escape, sizeof escape, "\\%c", c);
        else if (c < 0x20 || c == '<' || c == '>' || c == '&')
            snprintf (escape, sizeof escape, "\\u%04x", (unsigned) c);
        else {
            dump_byte (dump, c);
            continue;
        }
        dump_text (dump, escape);
    }
}

uint32_t
container_hash (const container_t *container)
{
    dump_t dump = { FNV_BASIS, true };
    hash_raw (&dump, "([]uint8)[");
    dump_text (&dump, "{");
    if (container->image && *container->image) { // empty ones are left out
        dump_text (&dump, "\"image\":\"");
        dump_escaped (&dump, container->image);
        dump_text (&dump, "\",");
    }
    dump_text (&dump, "\"name\":\"");
    dump_escaped (&dump, container->name ? container->name : "");
    dump_text (&dump, "\"}");
    hash_raw (&dump, "]");
    return dump.hash;
}

char *
container_hash_text (const container_t *container, char out[static CONTAINER_HASH_TEXT_MAX])
{
    snprintf (out, CONTAINER_HASH_TEXT_MAX, "%" PRIx32, container_hash (container));
    return out;
}
