#include "cubelet/packed.h"
#include "cubelet/log.h"
#include "cubelet/memory.h"

void
packed_clear (packed_t *self)
{
    free (self->bytes);
    *self = (packed_t){ NULL, 0 };
}

void
packed_set (packed_t *self, const node_t *node)
{
    packed_t packed = { NULL, 0 };
    if (!node_is_nil (node)) // it may lie in what is freed next
        packed.bytes = node_pack (node, &packed.size);
    packed_clear (self);
    *self = packed;
}

node_t
packed_node (const packed_t *self, tree_t *tree)
{
    node_t node = node_nil();
    fault_t fault = { 0 };
    if (self->bytes && node_unpack (tree, self->bytes, self->size, &node, &fault) < 0)
        LOG_ERROR ("A kept value cannot be read err=%s", fault.text);
    return node;
}

tree_t *
packed_tree (const packed_t *self)
{
    tree_t *tree = tree_new();
    *tree_root (tree) = packed_node (self, tree);
    return tree;
}

bool
packed_equal (const packed_t *self, const node_t *node)
{
    if (!self->bytes)
        return node_is_nil (node);
    OWNED (tree_destroy) tree_t *tree = packed_tree (self);
    return node_equal (tree_root (tree), node);
}

/* FNV-1a; two values with the same one would count as one. */
uint64_t
packed_hash (const packed_t *self)
{
    uint64_t hash = 0xcbf29ce484222325U;
    if (!self->bytes)
        return 0;
    for (size_t i = 0; i < self->size; i++)
        hash = (hash ^ (unsigned char) self->bytes[i]) * 0x100000001b3U;
    return hash ? hash : 1;
}
