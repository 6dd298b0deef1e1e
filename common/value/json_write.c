/* json_write.c - value trees to JSON text. Written without jansson, which would need a second
   tree, and prints reals longer than they are. */
#include "cubelet/base64.h"
#include "cubelet/json.h"
#include "cubelet/memory.h"
#include "cubelet/real.h"
#include "cubelet/utf8.h"
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

typedef struct {
    char *text;
    size_t size;
    size_t room;
    int step; // spaces per level; 0: all in one line
} writer_t;

static char *
make_room (writer_t *writer, size_t size)
{
    if (writer->size + size + 1 > writer->room) {
        writer->room = (writer->size + size + 1) * 2;
        writer->text = memory_grow (writer->text, writer->room, 1);
    }
    return writer->text + writer->size;
}

static void
put (writer_t *writer, const char *text, size_t size)
{
    memcpy (make_room (writer, size), text, size);
    writer->size += size;
}

static void
put_text (writer_t *writer, const char *text)
{
    put (writer, text, strlen (text));
}

static void
put_line_break (writer_t *writer, int level)
{
    if (!writer->step)
        return;
    put (writer, "\n", 1);
    size_t spaces = (size_t) writer->step * (size_t) level;
    memset (make_room (writer, spaces), ' ', spaces);
    writer->size += spaces;
}

// ---- strings ----

static void
put_escaped (writer_t *writer, unsigned char c)
{
    static const char *const SHORT[] = {
        ['\b'] = "\\b", ['\f'] = "\\f", ['\n'] = "\\n",  ['\r'] = "\\r",
        ['\t'] = "\\t", ['"'] = "\\\"", ['\\'] = "\\\\",
    };
    char number[8];
    snprintf (number, sizeof number, "\\u%04x", c);
    put_text (writer, c < COUNT_OF (SHORT) && SHORT[c] ? SHORT[c] : number);
}

/* Bytes at `at` that stand for themselves. */
static size_t
plain_size (const char *at, const char *end)
{
    const char *start = at;
    while (at < end && *at != '"' && *at != '\\' && (unsigned char) *at >= 0x20) {
        size_t step = utf8_size (at, end);
        if (!step)
            break;
        at += step;
    }
    return (size_t) (at - start);
}

/* Bytes that are no UTF-8 become U+FFFD, as in encoding/json: the result is always valid. */
static void
put_string (writer_t *writer, const char *text, size_t size)
{
    const char *end = text + size;
    put (writer, "\"", 1);
    while (text < end) {
        size_t plain = plain_size (text, end);
        put (writer, text, plain);
        text += plain;
        if (text == end)
            break;
        if ((unsigned char) *text < 0x80)
            put_escaped (writer, (unsigned char) *text);
        else
            put_text (writer, "\xef\xbf\xbd");
        text++;
    }
    put (writer, "\"", 1);
}

static void
put_base64 (writer_t *writer, const char *bytes, size_t size)
{
    put (writer, "\"", 1);
    while (size) {
        size_t part = size > 3 * 4096 ? 3 * 4096 : size; // whole triples but for the last
        char *to = make_room (writer, (part + 2) / 3 * 4);
        writer->size += base64_encode (bytes, part, to);
        bytes += part;
        size -= part;
    }
    put (writer, "\"", 1);
}

// ---- values ----

static void put_node (writer_t *writer, const node_t *node, int level);

static void
put_map (writer_t *writer, const node_t *map, int level)
{
    put (writer, "{", 1);
    for (uint32_t i = 0; i < map->via.map.size; i++) {
        const msgpack_object_kv *pair = &map->via.map.ptr[i];
        if (i)
            put (writer, ",", 1);
        put_line_break (writer, level + 1);
        put_string (writer, pair->key.via.str.ptr, pair->key.via.str.size);
        put_text (writer, writer->step ? ": " : ":");
        put_node (writer, &pair->val, level + 1);
    }
    if (map->via.map.size)
        put_line_break (writer, level);
    put (writer, "}", 1);
}

static void
put_array (writer_t *writer, const node_t *array, int level)
{
    put (writer, "[", 1);
    for (uint32_t i = 0; i < array->via.array.size; i++) {
        if (i)
            put (writer, ",", 1);
        put_line_break (writer, level + 1);
        put_node (writer, &array->via.array.ptr[i], level + 1);
    }
    if (array->via.array.size)
        put_line_break (writer, level);
    put (writer, "]", 1);
}

static void
put_number (writer_t *writer, const node_t *node)
{
    char text[REAL_TEXT_MAX];
    if (node->type == MSGPACK_OBJECT_POSITIVE_INTEGER)
        snprintf (text, sizeof text, "%" PRIu64, node->via.u64);
    else if (node->type == MSGPACK_OBJECT_NEGATIVE_INTEGER)
        snprintf (text, sizeof text, "%" PRId64, node->via.i64);
    else
        real_text (node->via.f64, text);
    put_text (writer, text);
}

static void
put_node (writer_t *writer, const node_t *node, int level)
{
    switch ((int) node->type) {
    case MSGPACK_OBJECT_MAP: put_map (writer, node, level); break;
    case MSGPACK_OBJECT_ARRAY: put_array (writer, node, level); break;
    case MSGPACK_OBJECT_STR: put_string (writer, node->via.str.ptr, node->via.str.size); break;
    case MSGPACK_OBJECT_BIN: put_base64 (writer, node->via.bin.ptr, node->via.bin.size); break;
    case MSGPACK_OBJECT_BOOLEAN: put_text (writer, node->via.boolean ? "true" : "false"); break;
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64: put_number (writer, node); break;
    default: put_text (writer, "null"); break;
    }
}

char *
json_write (const node_t *node, int style, size_t *size_p)
{
    writer_t writer = { .step = style };
    node_t nil = node_nil();
    put_node (&writer, node ? node : &nil, 0);
    writer.text[writer.size] = '\0';
    if (size_p)
        *size_p = writer.size;
    return writer.text;
}
