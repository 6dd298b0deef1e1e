#include "cubelet/path.h"
#include <stdarg.h>
#include <stdio.h>

/* Appends the path at `used`; returns what is used then. Recursion is as deep as the tree, which
   TREE_DEPTH_MAX bounds. */
static size_t
append (const path_t *path, size_t used, char out[static PATH_TEXT_MAX])
{
    if (!path)
        return used;
    used = append (path->parent, used, out);
    size_t room = PATH_TEXT_MAX - used;
    int added;
    if (!path->name)
        added = snprintf (out + used, room, "[%zu]", path->index);
    else if (path->kind == PATH_KEY)
        added = snprintf (out + used, room, "[%s]", path->name);
    else
        added = snprintf (out + used, room, "%s%s", used ? "." : "", path->name);
    if (added < 0)
        return used;
    return (size_t) added < room ? used + (size_t) added : PATH_TEXT_MAX - 1;
}

char *
path_text (const path_t *path, char out[static PATH_TEXT_MAX])
{
    out[0] = '\0';
    append (path, 0, out);
    return out;
}

int
path_wrap (const path_t *path, fault_t *fault)
{
    char text[PATH_TEXT_MAX];
    return path ? fault_wrap (fault, "%s", path_text (path, text)) : -1;
}

int
path_fault (const path_t *path, fault_t *fault, const char *format, ...)
{
    char text[sizeof fault->text];
    va_list args;
    va_start (args, format);
    vsnprintf (text, sizeof text, format, args);
    va_end (args);
    fault_set (fault, FAULT_INVALID, "%s", text);
    return path_wrap (path, fault);
}
