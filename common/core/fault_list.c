#include "cubelet/fault_list.h"
#include "cubelet/memory.h"
#include <string.h>

void
fault_list_add (fault_list_t *self, const fault_t *fault)
{
    for (size_t i = 0; i < self->count; i++)
        if (strcmp (self->texts[i], fault->text) == 0)
            return;
    if (self->count == 0)
        self->code = fault->code;
    self->texts = memory_grow (self->texts, self->count + 1, sizeof *self->texts);
    self->texts[self->count++] = text_copy (fault->text);
}

void
fault_list_clear (fault_list_t *self)
{
    for (size_t i = 0; i < self->count; i++)
        free (self->texts[i]);
    free (self->texts);
    *self = (fault_list_t){ 0 };
}

int
fault_list_report (fault_list_t *self, fault_t *fault)
{
    if (self->count == 0)
        return 0;
    OWNED (free_text) char *text = text_copy ("");
    for (size_t i = 0; i < self->count; i++)
        text_replace (&text, "%s%s%s", text, i ? ", " : "", self->texts[i]);
    fault_set (fault, self->code, self->count == 1 ? "%s" : "[%s]", text);
    fault_list_clear (self);
    return -1;
}
