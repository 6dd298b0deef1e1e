/* path_element.h - names from outside that become files: a uid, a volume, a container. */
#pragma once
#include "cubelet/fault.h"
#include <stdbool.h>

/* Checks that `text` (NULL counts as "") can stand between two slashes of a path: not empty, not
   "." or "..", no slash, at most 255 bytes. Returns 0, or -1 with FAULT_INVALID, where `what`
   names it: `invalid pod uid "../x"`. */
int path_element_check (const char *what, const char *text, fault_t *fault);

/* True when one of the elements of `path` is "..". */
bool path_has_back_step (const char *path);
