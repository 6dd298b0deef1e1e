#include "cubelet/envelope.h"
#include "cubelet/memory.h"

enum { TO, FROM, TYPE, ID, RE, WANTS_REPLY, SENT, FAULT_CODE, FAULT_TEXT, FIELD_COUNT };

static zframe_t *
frame_of (const node_t *node)
{
    size_t size = 0;
    char *bytes = node_pack (node, &size);
    zframe_t *frame = zframe_new (bytes, size);
    free (bytes);
    return frame;
}

zframe_t *
envelope_pack (const envelope_t *envelope)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t array = node_array();
    node_append (tree, &array, node_text (tree, envelope->to));
    node_append (tree, &array, node_text (tree, envelope->from));
    node_append (tree, &array, node_text (tree, envelope->type));
    node_append (tree, &array, node_int ((int64_t) envelope->id));
    node_append (tree, &array, node_int ((int64_t) envelope->re));
    node_append (tree, &array, node_bool (envelope->wants_reply));
    node_append (tree, &array, node_int (envelope->sent_ns));
    if (envelope->fault_code != FAULT_NONE) {
        node_append (tree, &array, node_int (envelope->fault_code));
        node_append (tree, &array, node_text (tree, envelope->fault_text));
    }
    return frame_of (&array);
}

tree_t *
envelope_unpack (zframe_t *frame, envelope_t *envelope, fault_t *fault)
{
    OWNED (tree_destroy)
    tree_t *tree = frame ? tree_unpack (zframe_data (frame), zframe_size (frame), fault) : NULL;
    if (!frame)
        fault_set (fault, FAULT_INVALID, "the message has no envelope");
    if (!tree)
        return NULL;
    const node_t *root = tree_root (tree);
    *envelope = (envelope_t){
        .to = node_as_text (node_item (root, TO), NULL),
        .from = node_as_text (node_item (root, FROM), NULL),
        .type = node_as_text (node_item (root, TYPE), NULL),
        .id = (uint64_t) node_as_int (node_item (root, ID), 0),
        .re = (uint64_t) node_as_int (node_item (root, RE), 0),
        .wants_reply = node_as_bool (node_item (root, WANTS_REPLY), false),
        .sent_ns = node_as_int (node_item (root, SENT), 0),
        .fault_code = (fault_code_t) node_as_int (node_item (root, FAULT_CODE), FAULT_NONE),
        .fault_text = node_as_text (node_item (root, FAULT_TEXT), ""),
    };
    if (!envelope->to || !envelope->from || !envelope->type) {
        fault_set (fault, FAULT_INVALID, "the envelope names no receiver, sender or type");
        return NULL;
    }
    return STEAL (tree);
}

zframe_t *
body_pack (const node_t *body)
{
    node_t empty = node_map();
    return frame_of (node_is_nil (body) ? &empty : body);
}

tree_t *
body_unpack (zframe_t *frame, fault_t *fault)
{
    OWNED (tree_destroy)
    tree_t *tree = frame ? tree_unpack (zframe_data (frame), zframe_size (frame), fault) : NULL;
    if (!frame)
        fault_set (fault, FAULT_INVALID, "the message has no body");
    if (tree && !node_is_map (tree_root (tree))) {
        fault_set (fault, FAULT_INVALID, "the body is not a map");
        return NULL;
    }
    return STEAL (tree);
}
