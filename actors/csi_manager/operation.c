/* operation.c - operations on the same volume, one after the other. */
#include "cubelet/memory.h"
#include "manager.h"

static void
destroy (void **self_p)
{
    operation_t *self = *self_p;
    free_text (&self->key);
    self->destroy (self);
    *self_p = NULL;
}

zlistx_t *
operations_new (void)
{
    zlistx_t *operations = zlistx_new();
    zlistx_set_destructor (operations, destroy);
    return operations;
}

/* The first other one on the volume, in the order in which they came. */
static operation_t *
find (const manager_t *manager, const char *key, const operation_t *except)
{
    for (operation_t *other = zlistx_first (manager->operations); other;
         other = zlistx_next (manager->operations))
        if (other != except && streq (other->key, key))
            return other;
    return NULL;
}

bool
operation_has_others (const operation_t *self)
{
    return find (self->manager, self->key, self) != NULL;
}

static void
begin (operation_t *self)
{
    self->is_begun = true;
    self->begin (self);
}

void
operation_add (operation_t *self, const char *driver, const char *handle)
{
    self->key = text_format ("%s^%s", driver, handle);
    bool waits = operation_has_others (self);
    zlistx_add_end (self->manager->operations, self);
    if (!waits)
        begin (self);
}

void
operation_end (operation_t *self)
{
    manager_t *manager = self->manager;
    OWNED (free_text) char *key = text_copy (self->key);
    void *handle = zlistx_find (manager->operations, self);
    zlistx_delete (manager->operations, handle);
    operation_t *next = find (manager, key, NULL);
    if (next && !next->is_begun)
        begin (next);
}
