#include "cubelet/yaml.h"
#include "cubelet/json.h"
#include "cubelet/memory.h"
#include "cubelet/pairs.h"
#include "cubelet/yaml_scalar.h"
#include <stdint.h>
#include <string.h>
#include <yaml.h>

#define NODES_MAX 1000000
#define ANCHORS_MAX 1000
#define NO_ANCHOR ((size_t) -1)

typedef struct {
    char *name;   // owned
    node_t node;  // what it stands for, once it is closed
    size_t nodes; // how many nodes an alias adds
    bool is_open; // still being read: an alias inside would never end
} anchor_t;

typedef struct {
    yaml_parser_t parser;
    yaml_event_t event; // the one at hand
    const char *bytes;
    tree_t *tree;
    anchor_t *anchors; // of the document being read
    size_t anchor_count;
    size_t node_count;
    fault_t *fault;
} reader_t;

/* Reads the node that begins with the event at hand; afterwards its last event is at hand.
   `depth` is the number of maps and lists it stands in. */
static int read_node (reader_t *reader, int depth, node_t *out);

// ---- events and faults ----

static size_t
line_at (const char *bytes, size_t offset)
{
    size_t line = 1;
    for (size_t i = 0; i < offset; i++)
        line += bytes[i] == '\n';
    return line;
}

/* Records "line L: ..." for the event at hand. */
static int
refuse (const reader_t *reader, const char *problem)
{
    return fault_set (reader->fault, FAULT_INVALID, "line %zu: %s",
                      reader->event.start_mark.line + 1, problem);
}

/* Puts "line L: " before a fault that somebody else recorded. */
static int
wrap (const reader_t *reader)
{
    return fault_wrap (reader->fault, "line %zu", reader->event.start_mark.line + 1);
}

static int
next_event (reader_t *reader)
{
    const yaml_parser_t *parser = &reader->parser;
    yaml_event_delete (&reader->event);
    if (yaml_parser_parse (&reader->parser, &reader->event))
        return 0;
    if (parser->error == YAML_MEMORY_ERROR)
        abort();
    size_t line = parser->problem_mark.line + 1;
    if (parser->error == YAML_READER_ERROR)
        line = line_at (reader->bytes, parser->problem_offset);
    return fault_set (reader->fault, FAULT_INVALID, "line %zu: %s", line,
                      parser->problem ? parser->problem : "unknown problem");
}

static int
count_nodes (reader_t *reader, size_t added)
{
    if (added > NODES_MAX - reader->node_count)
        return refuse (reader, "the stream has more than 1,000,000 nodes");
    reader->node_count += added;
    return 0;
}

static int
check_depth (const reader_t *reader, int depth)
{
    if (depth <= TREE_DEPTH_MAX)
        return 0;
    fault_set (reader->fault, FAULT_INVALID, "nested deeper than %d", TREE_DEPTH_MAX);
    return wrap (reader);
}

// ---- anchors ----

static size_t
find_anchor (const reader_t *reader, const char *name)
{
    for (size_t i = 0; i < reader->anchor_count; i++)
        if (strcmp (reader->anchors[i].name, name) == 0)
            return i;
    return NO_ANCHOR;
}

/* Opens the anchor of the event at hand, if it has one. A name may be defined again: aliases mean
   the latest. */
static int
open_anchor (reader_t *reader, const yaml_char_t *name, size_t *index)
{
    *index = NO_ANCHOR;
    if (!name)
        return 0;
    *index = find_anchor (reader, (const char *) name);
    if (*index == NO_ANCHOR) {
        if (reader->anchor_count == ANCHORS_MAX)
            return refuse (reader, "the document has more than 1,000 anchors");
        reader->anchors =
            memory_grow (reader->anchors, reader->anchor_count + 1, sizeof *reader->anchors);
        *index = reader->anchor_count++;
        reader->anchors[*index] = (anchor_t){ .name = text_copy ((const char *) name) };
    }
    reader->anchors[*index].is_open = true;
    return 0;
}

static void
close_anchor (reader_t *reader, size_t index, const node_t *node, size_t nodes)
{
    if (index == NO_ANCHOR)
        return;
    anchor_t *anchor = &reader->anchors[index];
    anchor->node = *node;
    anchor->nodes = nodes;
    anchor->is_open = false;
}

static void
forget_anchors (reader_t *reader)
{
    for (size_t i = 0; i < reader->anchor_count; i++)
        free (reader->anchors[i].name);
    free (reader->anchors);
    reader->anchors = NULL;
    reader->anchor_count = 0;
}

/* Copies maps and lists, so that changing one place of a tree changes no other; texts are shared,
   or a long one with many aliases would fill the memory. */
static int
copy_containers (const reader_t *reader, const node_t *node, int depth, node_t *out)
{
    size_t count = node_count (node);
    *out = *node;
    if (!node_is_map (node) && !node_is_array (node))
        return 0;
    if (check_depth (reader, depth + 1) < 0)
        return -1;
    bool is_map = node_is_map (node);
    *out = is_map ? node_map_sized (reader->tree, count) : node_array_sized (reader->tree, count);
    for (size_t i = 0; i < count; i++) {
        if (is_map)
            out->via.map.ptr[i].key = node->via.map.ptr[i].key;
        const node_t *from = is_map ? node_value_at (node, i) : node_item (node, i);
        node_t *to = is_map ? &out->via.map.ptr[i].val : &out->via.array.ptr[i];
        if (copy_containers (reader, from, depth + 1, to) < 0)
            return -1;
    }
    return 0;
}

static int
read_alias (reader_t *reader, int depth, node_t *out)
{
    const char *name = (const char *) reader->event.data.alias.anchor;
    size_t index = find_anchor (reader, name);
    if (index == NO_ANCHOR)
        fault_set (reader->fault, FAULT_INVALID, "unknown anchor '%s' referenced", name);
    else if (reader->anchors[index].is_open)
        fault_set (reader->fault, FAULT_INVALID, "anchor '%s' value contains itself", name);
    else if (count_nodes (reader, reader->anchors[index].nodes) < 0)
        return -1;
    else
        return copy_containers (reader, &reader->anchors[index].node, depth, out);
    return wrap (reader);
}

// ---- scalars and keys ----

static int
resolve_scalar (reader_t *reader, node_t *out)
{
    const yaml_event_t *event = &reader->event;
    if (yaml_scalar_resolve (reader->tree, (const char *) event->data.scalar.value,
                             event->data.scalar.length, event->data.scalar.plain_implicit != 0,
                             (const char *) event->data.scalar.tag, out, reader->fault)
        < 0)
        return wrap (reader);
    return 0;
}

static int
read_scalar (reader_t *reader, node_t *out)
{
    if (resolve_scalar (reader, out) < 0)
        return -1;
    return yaml_scalar_value (out, reader->fault) < 0 ? wrap (reader) : 0;
}

/* Reads a map key, which is one event. */
static int
read_key (reader_t *reader, node_t *out)
{
    size_t anchor;
    if (reader->event.type == YAML_ALIAS_EVENT) {
        if (read_alias (reader, 0, out) < 0)
            return -1;
    }
    else if (reader->event.type != YAML_SCALAR_EVENT)
        return refuse (reader, "a map key is no scalar");
    else if (count_nodes (reader, 1) < 0
             || open_anchor (reader, reader->event.data.scalar.anchor, &anchor) < 0
             || resolve_scalar (reader, out) < 0)
        return -1;
    else {
        fault_t ignored;
        node_t value = *out;
        if (yaml_scalar_value (&value, &ignored) < 0)
            value = node_nil();
        close_anchor (reader, anchor, &value, 1);
    }
    return yaml_scalar_key (reader->tree, out, reader->fault) < 0 ? wrap (reader) : 0;
}

// ---- lists ----

typedef struct {
    node_t *items;
    size_t count;
    size_t room;
} items_t;

static void
free_items (items_t *self)
{
    free (self->items);
}

static int
read_sequence (reader_t *reader, int depth, node_t *out)
{
    OWNED (free_items) items_t list = { 0 };
    if (check_depth (reader, depth + 1) < 0)
        return -1;
    for (;;) {
        if (next_event (reader) < 0)
            return -1;
        if (reader->event.type == YAML_SEQUENCE_END_EVENT)
            break;
        if (list.count == list.room) {
            list.room = list.room ? list.room * 2 : 8;
            list.items = memory_grow (list.items, list.room, sizeof *list.items);
        }
        if (read_node (reader, depth + 1, &list.items[list.count]) < 0)
            return -1;
        list.count++;
    }
    *out = node_array_sized (reader->tree, list.count);
    if (list.count)
        memcpy (out->via.array.ptr, list.items, list.count * sizeof *list.items);
    return 0;
}

// ---- maps ----

/* Where a pair comes from. */
typedef struct {
    size_t line;
    bool is_merged; // by "<<"
} origin_t;

typedef struct {
    msgpack_object_kv *pairs;
    origin_t *origins;
    size_t count;
    size_t room;
    bool has_merged;
} mapping_t;

static void
free_mapping (mapping_t *self)
{
    free (self->pairs);
    free (self->origins);
}

static void
add_pair (mapping_t *mapping, const msgpack_object_kv *pair, origin_t origin)
{
    if (mapping->count == mapping->room) {
        mapping->room = mapping->room ? mapping->room * 2 : 8;
        mapping->pairs = memory_grow (mapping->pairs, mapping->room, sizeof *mapping->pairs);
        mapping->origins = memory_grow (mapping->origins, mapping->room, sizeof *mapping->origins);
    }
    mapping->pairs[mapping->count] = *pair;
    mapping->origins[mapping->count++] = origin;
    mapping->has_merged = mapping->has_merged || origin.is_merged;
}

static int
merge_map (const reader_t *reader, mapping_t *mapping, const node_t *map)
{
    if (!node_is_map (map))
        return refuse (reader, "map merge requires map or sequence of maps as the value");
    for (size_t i = 0; i < node_count (map); i++)
        add_pair (mapping, &map->via.map.ptr[i], (origin_t){ .is_merged = true });
    return 0;
}

/* Adds what follows "<<": a map, or a list of maps, of which the first counts most. */
static int
merge (const reader_t *reader, mapping_t *mapping, const node_t *value)
{
    if (!node_is_array (value))
        return merge_map (reader, mapping, value);
    for (size_t i = node_count (value); i > 0; i--)
        if (merge_map (reader, mapping, node_item (value, i - 1)) < 0)
            return -1;
    return 0;
}

static bool
is_merge_key (const yaml_event_t *event)
{
    if (event->type != YAML_SCALAR_EVENT
        || strcmp ((const char *) event->data.scalar.value, "<<") != 0)
        return false;
    const char *tag = (const char *) event->data.scalar.tag;
    return event->data.scalar.plain_implicit
           || (tag && strcmp (tag, "tag:yaml.org,2002:merge") == 0);
}

/* Reads one key, which is at hand, and its value. */
static int
read_pair (reader_t *reader, int depth, mapping_t *mapping)
{
    origin_t origin = { .line = reader->event.start_mark.line + 1 };
    bool is_merge = is_merge_key (&reader->event);
    msgpack_object_kv pair = { 0 };
    if (!is_merge && read_key (reader, &pair.key) < 0)
        return -1;
    if (next_event (reader) < 0 || read_node (reader, depth, &pair.val) < 0)
        return -1;
    if (is_merge)
        return merge (reader, mapping, &pair.val);
    add_pair (mapping, &pair, origin);
    return 0;
}

static void
free_indexes (size_t **indexes_p)
{
    free (*indexes_p);
}

/* A key may be written once; what "<<" brings gives way to it, or it to that, whichever is
   earlier, as upstream does. */
static int
check_keys (const reader_t *reader, const mapping_t *mapping)
{
    OWNED (free_indexes) size_t *earlier = memory_new (mapping->count, sizeof *earlier);
    pairs_find_earlier (mapping->pairs, mapping->count, earlier);
    for (size_t i = 0; i < mapping->count; i++) {
        if (mapping->origins[i].is_merged)
            continue;
        size_t other = earlier[i];
        while (other != PAIR_NONE && mapping->origins[other].is_merged)
            other = earlier[other];
        if (other != PAIR_NONE)
            return fault_set (reader->fault, FAULT_INVALID,
                              "line %zu: key \"%s\" already set in map", mapping->origins[i].line,
                              mapping->pairs[i].key.via.str.ptr);
    }
    return 0;
}

static int
read_mapping (reader_t *reader, int depth, node_t *out)
{
    OWNED (free_mapping) mapping_t mapping = { 0 };
    if (check_depth (reader, depth + 1) < 0)
        return -1;
    for (;;) {
        if (next_event (reader) < 0)
            return -1;
        if (reader->event.type == YAML_MAPPING_END_EVENT)
            break;
        if (read_pair (reader, depth + 1, &mapping) < 0)
            return -1;
    }
    if (check_keys (reader, &mapping) < 0)
        return -1;
    *out = node_map_sized (reader->tree, mapping.count);
    if (mapping.count)
        memcpy (out->via.map.ptr, mapping.pairs, mapping.count * sizeof *mapping.pairs);
    if (mapping.has_merged)
        out->via.map.size = (uint32_t) pairs_unite (out->via.map.ptr, mapping.count);
    return 0;
}

// ---- nodes and documents ----

static int
read_content (reader_t *reader, int depth, node_t *out)
{
    switch (reader->event.type) {
    case YAML_SCALAR_EVENT: return read_scalar (reader, out);
    case YAML_SEQUENCE_START_EVENT: return read_sequence (reader, depth, out);
    case YAML_MAPPING_START_EVENT: return read_mapping (reader, depth, out);
    default: return refuse (reader, "unexpected event");
    }
}

static const yaml_char_t *
anchor_of (const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_SCALAR_EVENT: return event->data.scalar.anchor;
    case YAML_SEQUENCE_START_EVENT: return event->data.sequence_start.anchor;
    case YAML_MAPPING_START_EVENT: return event->data.mapping_start.anchor;
    default: return NULL;
    }
}

static int
read_node (reader_t *reader, int depth, node_t *out)
{
    if (reader->event.type == YAML_ALIAS_EVENT)
        return read_alias (reader, depth, out);
    size_t before = reader->node_count;
    size_t anchor;
    if (count_nodes (reader, 1) < 0 || open_anchor (reader, anchor_of (&reader->event), &anchor) < 0
        || read_content (reader, depth, out) < 0)
        return -1;
    close_anchor (reader, anchor, out, reader->node_count - before);
    return 0;
}

static int
read_stream (reader_t *reader)
{
    node_t *documents = tree_root (reader->tree);
    *documents = node_array();
    for (;;) {
        if (next_event (reader) < 0)
            return -1;
        if (reader->event.type == YAML_STREAM_END_EVENT)
            return 0;
        if (reader->event.type != YAML_DOCUMENT_START_EVENT)
            continue; // the stream's start, a document's end
        node_t document = node_nil();
        if (next_event (reader) < 0 || read_node (reader, 0, &document) < 0)
            return -1;
        if (!node_is_nil (&document))
            node_append (reader->tree, documents, document);
        forget_anchors (reader);
    }
}

static void
close_reader (reader_t *self)
{
    forget_anchors (self);
    yaml_event_delete (&self->event);
    yaml_parser_delete (&self->parser);
}

/* Upstream takes what begins with a brace for JSON. Not all JSON is YAML: surrogate pairs are no
   escapes there. What is no JSON may still be YAML in flow style. */
static tree_t *
read_as_json (const char *bytes, size_t size)
{
    size_t blank = 0;
    while (blank < size && strchr (" \t\r\n", bytes[blank]) && bytes[blank])
        blank++;
    if (blank == size || bytes[blank] != '{')
        return NULL;
    fault_t ignored;
    tree_t *tree = json_read (bytes, size, &ignored);
    if (tree) {
        node_t document = *tree_root (tree);
        *tree_root (tree) = node_array();
        node_append (tree, tree_root (tree), document);
    }
    return tree;
}

tree_t *
yaml_read (const char *bytes, size_t size, fault_t *fault)
{
    tree_t *json = read_as_json (bytes, size);
    if (json)
        return json;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    OWNED (close_reader) reader_t reader = { .bytes = bytes, .tree = tree, .fault = fault };
    if (!yaml_parser_initialize (&reader.parser))
        abort(); // only memory can run out here
    yaml_parser_set_input_string (&reader.parser, (const unsigned char *) bytes, size);
    if (read_stream (&reader) < 0)
        return NULL;
    return STEAL (tree);
}
