#include "cubelet/mount_table.h"
#include "cubelet/memory.h"
#include <string.h>

/* Fields of a line are separated by one space; this is the fifth. */
#define FIELDS_BEFORE_PATH 4

static const char *
skip_fields (const char *at, const char *end, int count)
{
    for (; at && count > 0; count--) {
        at = memchr (at, ' ', (size_t) (end - at));
        at = at ? at + 1 : NULL;
    }
    return at;
}

static bool
is_octal (char character)
{
    return character >= '0' && character <= '7';
}

/* Copies a field with "\040" and the like as the bytes they mean. */
static const char *
unescape (tree_t *tree, const char *at, size_t size)
{
    char *text = tree_alloc (tree, size + 1);
    char *to = text;
    for (size_t i = 0; i < size; i++) {
        if (at[i] == '\\' && i + 3 < size && is_octal (at[i + 1]) && is_octal (at[i + 2])
            && is_octal (at[i + 3])) {
            *to++ = (char) ((at[i + 1] - '0') << 6 | (at[i + 2] - '0') << 3 | (at[i + 3] - '0'));
            i += 3;
        }
        else
            *to++ = at[i];
    }
    return text;
}

static bool
read_line (const char *line, const char *end, tree_t *tree, mount_entry_t *out)
{
    const char *path = skip_fields (line, end, FIELDS_BEFORE_PATH);
    const char *path_end = skip_fields (path, end, 1);
    // optional fields end with a dash of their own
    const char *dash =
        path_end ? memmem (path_end - 1, (size_t) (end - path_end + 1), " - ", 3) : NULL;
    if (!dash)
        return false;
    const char *type_end = skip_fields (dash + 3, end, 1);
    if (!type_end)
        return false;
    out->path = unescape (tree, path, (size_t) (path_end - path - 1));
    out->fs_type = tree_text (tree, dash + 3, (size_t) (type_end - dash - 4));
    return true;
}

static bool
is_at_or_below (const char *path, const char *directory)
{
    size_t size = strlen (directory);
    return strncmp (path, directory, size) == 0 && (path[size] == '\0' || path[size] == '/');
}

void
mount_table_read (const char *text, const char *directory, tree_t *tree, mount_table_t *out)
{
    size_t lines = 1;
    for (const char *at = text; (at = strchr (at, '\n')); at++)
        lines++;
    *out = (mount_table_t){ .items = tree_alloc (tree, lines * sizeof *out->items) };
    for (const char *line = text; *line;) {
        const char *end = strchrnul (line, '\n');
        mount_entry_t entry;
        if (read_line (line, end, tree, &entry) && is_at_or_below (entry.path, directory))
            out->items[out->count++] = entry;
        line = *end ? end + 1 : end;
    }
}
