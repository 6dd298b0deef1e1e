/* yaml_line.c - the line of a value, for messages about files people wrote. */
#include "cubelet/memory.h"
#include "cubelet/yaml.h"
#include "cubelet/yaml_scalar.h"
#include <string.h>
#include <yaml.h>

/* One step of a path: name, [index] or [key]. */
typedef struct {
    const char *text;
    size_t size;
} step_t;

/* Takes the first step off *path; false at its end. */
static bool
next_step (const char **path, step_t *step)
{
    const char *at = *path;
    bool is_bracket = *at == '[';
    at += is_bracket || *at == '.';
    step->text = at;
    step->size = strcspn (at, is_bracket ? "]" : ".[");
    *path = at + step->size;
    if (is_bracket && **path == ']')
        (*path)++;
    return step->size > 0;
}

static bool
is_named (const yaml_node_t *key, const step_t *step)
{
    return key && key->type == YAML_SCALAR_NODE && key->data.scalar.length == step->size
           && memcmp (key->data.scalar.value, step->text, step->size) == 0;
}

static yaml_node_t *
child_of_map (yaml_document_t *document, const yaml_node_t *map, const step_t *step)
{
    yaml_node_pair_t *end = map->data.mapping.pairs.top;
    for (yaml_node_pair_t *pair = map->data.mapping.pairs.start; pair < end; pair++)
        if (is_named (yaml_document_get_node (document, pair->key), step))
            return yaml_document_get_node (document, pair->value);
    return NULL;
}

static yaml_node_t *
child_of_list (yaml_document_t *document, const yaml_node_t *list, const step_t *step)
{
    size_t count = (size_t) (list->data.sequence.items.top - list->data.sequence.items.start);
    char *end;
    unsigned long index = strtoul (step->text, &end, 10);
    if (end != step->text + step->size || index >= count)
        return NULL;
    return yaml_document_get_node (document, list->data.sequence.items.start[index]);
}

static yaml_node_t *
child_of (yaml_document_t *document, const yaml_node_t *node, const step_t *step)
{
    if (node->type == YAML_MAPPING_NODE)
        return child_of_map (document, node, step);
    return node->type == YAML_SEQUENCE_NODE ? child_of_list (document, node, step) : NULL;
}

static size_t
find_line (yaml_document_t *document, yaml_node_t *node, const char *path)
{
    step_t step;
    size_t line = node->start_mark.line + 1;
    while (next_step (&path, &step) && (node = child_of (document, node, &step)))
        line = node->start_mark.line + 1;
    return line;
}

/* Documents that say nothing are not among those yaml_read returns. */
static bool
is_empty (const yaml_node_t *root)
{
    if (root->type != YAML_SCALAR_NODE)
        return false;
    OWNED (tree_destroy) tree_t *scratch = tree_new();
    fault_t ignored;
    node_t node;
    bool is_plain = root->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    if (yaml_scalar_resolve (scratch, (const char *) root->data.scalar.value,
                             root->data.scalar.length, is_plain, NULL, &node, &ignored)
        < 0)
        return false;
    return node_is_nil (&node);
}

/* Loads documents up to the one asked for. */
static size_t
line_in_stream (yaml_parser_t *parser, size_t wanted, const char *path)
{
    for (;;) {
        yaml_document_t document;
        if (!yaml_parser_load (parser, &document))
            return 0;
        yaml_node_t *root = yaml_document_get_root_node (&document);
        bool is_wanted = root && !is_empty (root) && wanted-- == 0;
        size_t line = is_wanted ? find_line (&document, root, path) : 0;
        yaml_document_delete (&document);
        if (!root || is_wanted)
            return line;
    }
}

size_t
yaml_line_of (const char *bytes, size_t size, size_t document, const char *path)
{
    // libyaml's loader has no limits of its own, so nothing gets there that yaml_read refuses.
    fault_t ignored;
    OWNED (tree_destroy) tree_t *tree = yaml_read (bytes, size, &ignored);
    if (!tree)
        return 0;
    yaml_parser_t parser;
    if (!yaml_parser_initialize (&parser))
        abort(); // only memory can run out here
    yaml_parser_set_input_string (&parser, (const unsigned char *) bytes, size);
    size_t line = line_in_stream (&parser, document, path);
    yaml_parser_delete (&parser);
    return line;
}
