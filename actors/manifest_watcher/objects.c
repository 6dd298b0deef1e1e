#include "objects.h"
#include "cubelet/manifest_object.h"
#include "cubelet/memory.h"
#include <czmq.h>

/* What a worker asked for, and was told. */
typedef struct {
    tree_t *refs;
    tree_t *told; // the last OBJECT_STATE's body
} asker_t;

struct manifest_objects {
    actor_t *actor;
    tree_t *objects;  // a list
    zhashx_t *askers; // asker_t by the worker's name
};

static void
asker_destroy (void **self_p)
{
    asker_t *self = *self_p;
    tree_destroy (&self->refs);
    tree_destroy (&self->told);
    free (self);
    *self_p = NULL;
}

manifest_objects_t *
manifest_objects_new (actor_t *actor)
{
    manifest_objects_t *self = memory_new (1, sizeof *self);
    self->actor = actor;
    self->objects = tree_new();
    *tree_root (self->objects) = node_array();
    self->askers = zhashx_new();
    zhashx_set_destructor (self->askers, asker_destroy);
    return self;
}

void
manifest_objects_destroy (manifest_objects_t **self_p)
{
    manifest_objects_t *self = *self_p;
    if (!self)
        return;
    zhashx_destroy (&self->askers);
    tree_destroy (&self->objects);
    free (self);
    *self_p = NULL;
}

/* Tells a worker what it uses, unless it knows. */
static void
tell (manifest_objects_t *self, const char *worker, asker_t *asker)
{
    tree_t *tree = tree_new();
    node_t rows = node_array(), body = node_map();
    NODE_EACH (tree_root (asker->refs), ref)
    node_append (tree, &rows, manifest_object_row (tree, tree_root (self->objects), ref));
    node_set (tree, &body, "objects", rows);
    *tree_root (tree) = body;
    if (asker->told && node_equal (tree_root (asker->told), tree_root (tree))) {
        tree_destroy (&tree);
        return;
    }
    actor_send (self->actor, worker, MSG_OBJECT_STATE, tree_root (tree));
    tree_destroy (&asker->told);
    asker->told = tree;
}

void
manifest_objects_set (manifest_objects_t *self, tree_t *objects)
{
    tree_destroy (&self->objects);
    self->objects = objects;
    for (asker_t *asker = zhashx_first (self->askers); asker; asker = zhashx_next (self->askers))
        tell (self, zhashx_cursor (self->askers), asker);
}

void
manifest_objects_watch (manifest_objects_t *self, const char *worker, const node_t *refs)
{
    zhashx_delete (self->askers, worker);
    if (!node_count (refs))
        return;
    asker_t *asker = memory_new (1, sizeof *asker);
    asker->refs = tree_copy (refs);
    zhashx_insert (self->askers, worker, asker);
    tell (self, worker, asker);
}

void
manifest_objects_forget (manifest_objects_t *self, const char *worker)
{
    zhashx_delete (self->askers, worker);
}
