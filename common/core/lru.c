#include "cubelet/lru.h"
#include "cubelet/memory.h"
#include <czmq.h>
#include <string.h>

/* Entries hang in a ring around `lru->ends`: ends.next was used last, ends.previous first. */
typedef struct link {
    struct link *previous, *next;
} link_t;

typedef struct {
    link_t link;         // first, so that a link is its entry
    const char *key;     // behind the value: an entry is one piece of memory
    max_align_t value[]; // value_size bytes
} entry_t;

struct lru {
    size_t limit;
    size_t value_size;
    lru_forget_fn *forget; // NULL: values own nothing
    zhashx_t *entries;     // by key; owned by the ring
    link_t ends;
};

lru_t *
lru_new (size_t limit, size_t value_size)
{
    lru_t *self = memory_new (1, sizeof *self);
    self->limit = limit;
    self->value_size = value_size;
    self->entries = zhashx_new();
    zhashx_set_key_duplicator (self->entries, NULL); // the entry has it
    zhashx_set_key_destructor (self->entries, NULL);
    self->ends.next = self->ends.previous = &self->ends;
    return self;
}

void
lru_set_forget (lru_t *self, lru_forget_fn *forget)
{
    self->forget = forget;
}

static void
take_out (link_t *link)
{
    link->previous->next = link->next;
    link->next->previous = link->previous;
}

static void
put_newest (lru_t *self, link_t *link)
{
    link->previous = &self->ends;
    link->next = self->ends.next;
    link->next->previous = link;
    self->ends.next = link;
}

static void
drop_entry (lru_t *self, entry_t *entry)
{
    take_out (&entry->link);
    zhashx_delete (self->entries, entry->key);
    if (self->forget)
        self->forget (entry->value);
    free (entry);
}

void
lru_destroy (lru_t **self_p)
{
    lru_t *self = *self_p;
    if (!self)
        return;
    while (self->ends.next != &self->ends)
        drop_entry (self, (entry_t *) self->ends.next);
    zhashx_destroy (&self->entries);
    free (self);
    *self_p = NULL;
}

void *
lru_get (lru_t *self, const char *key)
{
    entry_t *entry = zhashx_lookup (self->entries, key);
    if (!entry)
        return NULL;
    take_out (&entry->link);
    put_newest (self, &entry->link);
    return entry->value;
}

void *
lru_put (lru_t *self, const char *key)
{
    void *found = lru_get (self, key);
    if (found)
        return found;
    if (zhashx_size (self->entries) >= self->limit)
        drop_entry (self, (entry_t *) self->ends.previous);
    size_t key_size = strlen (key) + 1;
    entry_t *entry = memory_new (1, sizeof *entry + self->value_size + key_size);
    entry->key = memcpy ((char *) entry->value + self->value_size, key, key_size);
    zhashx_insert (self->entries, entry->key, entry);
    put_newest (self, &entry->link);
    return entry->value;
}

void
lru_remove (lru_t *self, const char *key)
{
    entry_t *entry = zhashx_lookup (self->entries, key);
    if (entry)
        drop_entry (self, entry);
}

size_t
lru_count (const lru_t *self)
{
    return zhashx_size (self->entries);
}
