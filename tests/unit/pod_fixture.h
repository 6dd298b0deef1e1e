/* pod_fixture.h - pods and expectations of table tests, written as YAML. */
#pragma once
#include "cubelet/json.h"
#include "cubelet/memory.h"
#include "cubelet/pod.h"
#include "cubelet/yaml.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* A text_list_t for the scope it stands in. */
#define TEXTS(...)                                                                                 \
    {                                                                                              \
        (const char *[]){ __VA_ARGS__ }, COUNT_OF (((const char *[]){ __VA_ARGS__ }))              \
    }

/* The first document of `yaml` as a node in `tree`; nil for "". */
static inline node_t
yaml_node (const char *yaml, tree_t *tree)
{
    fault_t fault = { 0 };
    OWNED (tree_destroy) tree_t *documents = yaml_read (yaml, strlen (yaml), &fault);
    if (!documents)
        fail_msg ("%s: %s", yaml, fault.text);
    return node_copy (tree, node_item (tree_root (documents), 0));
}

typedef struct {
    tree_t *tree;
    pod_t pod;
} fixture_t;

static inline void
fixture_close (fixture_t *self)
{
    tree_destroy (&self->tree);
}

/* A pod with the given spec: named web in namespace shop, uid u-1; `metadata` adds to these. */
static inline fixture_t
fixture_with (const char *metadata, const char *spec)
{
    fixture_t self = { .tree = tree_new() };
    node_t pod = node_map(), meta = yaml_node (metadata, self.tree);
    static const struct {
        const char *key, *value;
    } NAMES[] = { { "name", "web" }, { "namespace", "shop" }, { "uid", "u-1" } };
    for (size_t i = 0; i < COUNT_OF (NAMES); i++)
        if (!node_get (&meta, NAMES[i].key))
            node_set_text (self.tree, &meta, NAMES[i].key, NAMES[i].value);
    node_set (self.tree, &pod, "metadata", meta);
    node_set (self.tree, &pod, "spec", yaml_node (spec, self.tree));
    *tree_root (self.tree) = pod;
    fault_t fault = { 0 };
    if (pod_decode (tree_root (self.tree), self.tree, &self.pod, &fault) < 0)
        fail_msg ("%s: %s", spec, fault.text);
    return self;
}

static inline fixture_t
fixture_pod (const char *spec)
{
    return fixture_with ("{}", spec);
}

/* Fails unless `made` equals the YAML; `what` names the row. */
static inline void
assert_yaml (const char *what, const node_t *made, const char *expected)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t wanted = yaml_node (expected, tree);
    if (node_equal (made, &wanted))
        return;
    OWNED (free_text) char *text = json_write (made, JSON_COMPACT, NULL);
    fail_msg ("%s\n   made:     %s\n   expected: %s", what, text, expected);
}
