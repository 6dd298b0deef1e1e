/* fault_list.h - faults that come together, as Go's aggregate prints them: one as it is, several as
   "[a, b]", equal ones once. */
#pragma once
#include "cubelet/fault.h"
#include <stddef.h>

/* Zero it before use. */
typedef struct {
    size_t count;
    fault_code_t code; // of the first
    char **texts;      // owned
} fault_list_t;

/* Adds a fault, whose text is copied, unless one of that text is there. */
void fault_list_add (fault_list_t *self, const fault_t *fault);

/* Reports what was added: 0 when there is nothing, else -1 with the fault. Clears the list. */
int fault_list_report (fault_list_t *self, fault_t *fault);

/* Forgets all. */
void fault_list_clear (fault_list_t *self);
