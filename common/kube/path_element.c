#include "cubelet/path_element.h"
#include "cubelet/go_quote.h"
#include "cubelet/memory.h"
#include <limits.h>
#include <string.h>

int
path_element_check (const char *what, const char *text, fault_t *fault)
{
    if (text && *text && !strchr (text, '/') && strcmp (text, ".") != 0 && strcmp (text, "..") != 0
        && strlen (text) <= NAME_MAX)
        return 0;
    OWNED (free_text) char *quoted = go_quote (text);
    return fault_set (fault, FAULT_INVALID, "invalid %s %s", what, quoted);
}

bool
path_has_back_step (const char *path)
{
    for (const char *at = path; *(at += strspn (at, "/")); at += strcspn (at, "/"))
        if (strcspn (at, "/") == 2 && at[0] == '.' && at[1] == '.')
            return true;
    return false;
}
