#include "cubelet/env_expand.h"
#include "cubelet/memory.h"
#include "cubelet/utf8.h"
#include <stdio.h>
#include <string.h>

static void
write_value (const node_t *value, FILE *out)
{
    if (node_is_text (value))
        fwrite (value->via.str.ptr, 1, value->via.str.size, out);
    else if (value->type == MSGPACK_OBJECT_BIN)
        fwrite (value->via.bin.ptr, 1, value->via.bin.size, out);
}

/* Writes what "$" followed by `rest` (not empty) stands for; returns how much of `rest` that was.
   `last_closer` is the last ")" of the whole text or NULL, so that a text full of "$(" is not
   searched over and over. */
static size_t
write_reference (const char *rest, const char *last_closer, env_lookup_fn *lookup, void *context,
                 FILE *out)
{
    if (*rest == '$') {
        fputc ('$', out);
        return 1;
    }
    if (*rest != '(' || !last_closer || last_closer < rest) {
        fputc ('$', out);
        fputc (*rest, out);
        return 1;
    }
    const char *closer = strchr (rest, ')');
    OWNED (free_text) char *name = strndup (rest + 1, (size_t) (closer - rest - 1));
    if (!name)
        abort();
    const node_t *value = lookup (context, name);
    if (value)
        write_value (value, out);
    else
        fprintf (out, "$(%s)", name);
    return (size_t) (closer - rest) + 1;
}

static char *
expand (const char *text, env_lookup_fn *lookup, void *context, size_t *size_p)
{
    char *expanded = NULL;
    FILE *out = open_memstream (&expanded, size_p);
    if (!out)
        abort();
    const char *last_closer = strrchr (text, ')');
    for (const char *at = text; *at;) {
        size_t plain = strcspn (at, "$");
        if (at[plain] == '$' && at[plain + 1] == '\0')
            plain++; // a "$" at the very end is just that
        fwrite (at, 1, plain, out);
        at += plain;
        if (*at)
            at += 1 + write_reference (at + 1, last_closer, lookup, context, out);
    }
    if (fclose (out) != 0)
        abort(); // only memory can run out here
    return expanded;
}

node_t
env_expand (const char *text, env_lookup_fn *lookup, void *context, tree_t *tree)
{
    if (!text || !strchr (text, '$'))
        return node_text (tree, text ? text : "");
    size_t size = 0;
    OWNED (free_text) char *expanded = expand (text, lookup, context, &size);
    if (memchr (expanded, '\0', size) || !utf8_is_valid (expanded, size))
        return node_bytes (tree, expanded, size);
    return node_text_sized (tree, expanded, size);
}

// ---- with a finished environment ----

static const node_t *
find_variable (void *context, const char *name)
{
    NODE_EACH ((const node_t *) context, variable)
    {
        if (strcmp (node_get_text (variable, "key", ""), name) == 0)
            return node_get (variable, "value");
    }
    return NULL;
}

node_t
env_expand_with (const char *text, const node_t *environment, tree_t *tree)
{
    return env_expand (text, find_variable, (void *) environment, tree);
}

typedef struct {
    const node_t *environment;
    tree_t *tree;
    node_t missing; // array of names
} strict_t;

static const node_t *
find_or_note (void *context, const char *name)
{
    strict_t *self = context;
    const node_t *value = find_variable ((void *) self->environment, name);
    bool is_empty = !value || (node_is_text (value) && value->via.str.size == 0);
    if (!is_empty)
        return value;
    NODE_EACH (&self->missing, known)
    {
        if (strcmp (node_as_text (known, ""), name) == 0)
            return value;
    }
    node_append (self->tree, &self->missing, node_text (self->tree, name));
    return value;
}

static int
compare_texts (const void *a, const void *b)
{
    return strcmp (node_as_text (a, ""), node_as_text (b, ""));
}

static int
missing_fault (node_t *missing, fault_t *fault)
{
    qsort (missing->via.array.ptr, node_count (missing), sizeof *missing->via.array.ptr,
           compare_texts);
    OWNED (free_text) char *names = text_copy (node_as_text (node_item (missing, 0), ""));
    for (size_t i = 1; i < node_count (missing); i++)
        text_replace (&names, "%s, %s", names, node_as_text (node_item (missing, i), ""));
    return fault_set (fault, FAULT_INVALID, "missing value for %s", names);
}

int
env_expand_strict (const char *text, const node_t *environment, tree_t *tree, const char **out,
                   fault_t *fault)
{
    strict_t strict = { .environment = environment, .tree = tree, .missing = node_array() };
    node_t expanded = env_expand (text, find_or_note, &strict, tree);
    if (node_count (&strict.missing) > 0)
        return missing_fault (&strict.missing, fault);
    *out = node_as_text (&expanded, NULL);
    if (!*out)
        return fault_set (fault, FAULT_INVALID, "a value in %s is no text", text);
    return 0;
}
