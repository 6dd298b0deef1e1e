#include "helper_samples.h"
#include "cubelet/json.h"
#include "cubelet/memory.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static tree_t *
read_json (const char *bytes, size_t size)
{
    fault_t fault = { 0 };
    tree_t *tree = json_read (bytes, size, &fault);
    if (!tree)
        fail_msg ("%s", fault.text);
    return tree;
}

static FILE *
open_sample (const char *name)
{
    OWNED (free_text) char *path = text_format ("%s/tests/samples/%s", CUBELET_SOURCE_DIR, name);
    FILE *file = fopen (path, "re");
    if (!file)
        fail_msg ("cannot open %s", path);
    return file;
}

tree_t *
sample_request (int number)
{
    OWNED (close_file) FILE *file = open_sample ("api-requests.jsonl");
    OWNED (free_text) char *line = NULL;
    size_t room = 0;
    ssize_t size = -1;
    for (int i = 0; i < number; i++)
        size = getline (&line, &room, file);
    if (size < 0)
        fail_msg ("the conversation has no line %d", number);
    return read_json (line, (size_t) size);
}

tree_t *
sample_file (const char *name)
{
    OWNED (close_file) FILE *file = open_sample (name);
    OWNED (free_text) char *bytes = NULL;
    size_t room = 0;
    ssize_t size = getdelim (&bytes, &room, EOF, file);
    assert_true (size > 0);
    return read_json (bytes, (size_t) size);
}

static int
compare_keys (const void *a, const void *b)
{
    const msgpack_object_kv *left = a, *right = b;
    return strcmp (left->key.via.str.ptr, right->key.via.str.ptr);
}

static void
sort_keys (node_t *node)
{
    if (node_is_map (node) && node_count (node)) {
        qsort (node->via.map.ptr, node->via.map.size, sizeof *node->via.map.ptr, compare_keys);
        for (size_t i = 0; i < node->via.map.size; i++)
            sort_keys (&node->via.map.ptr[i].val);
    }
    for (size_t i = 0; node_is_array (node) && i < node_count (node); i++)
        sort_keys (&node->via.array.ptr[i]);
}

static char *
sorted_text (const node_t *node)
{
    OWNED (tree_destroy) tree_t *tree = tree_copy (node);
    sort_keys (tree_root (tree));
    return json_write (tree_root (tree), JSON_PRETTY, NULL);
}

void
assert_same_json (const node_t *actual, const node_t *expected)
{
    OWNED (free_text) char *left = sorted_text (actual);
    OWNED (free_text) char *right = sorted_text (expected);
    assert_string_equal (left, right);
}

void
assert_json (const node_t *actual, const char *expected)
{
    OWNED (tree_destroy) tree_t *tree = read_json (expected, strlen (expected));
    assert_same_json (actual, tree_root (tree));
}
