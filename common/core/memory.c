#include "cubelet/memory.h"
#include <stdarg.h>
#include <string.h>

void *
memory_new (size_t count, size_t size)
{
    void *memory = calloc (count ? count : 1, size ? size : 1);
    if (!memory)
        abort();
    return memory;
}

void *
memory_grow (void *old, size_t count, size_t size)
{
    void *memory = reallocarray (old, count ? count : 1, size ? size : 1);
    if (!memory)
        abort();
    return memory;
}

char *
text_copy (const char *text)
{
    if (!text)
        return NULL;
    char *copy = strdup (text);
    if (!copy)
        abort();
    return copy;
}

__attribute__ ((format (printf, 1, 0))) static char *
format_owned (const char *format, va_list args)
{
    char *text = NULL;
    if (vasprintf (&text, format, args) < 0)
        abort();
    return text;
}

char *
text_format (const char *format, ...)
{
    va_list args;
    va_start (args, format);
    char *text = format_owned (format, args);
    va_end (args);
    return text;
}

void
text_replace (char **text_p, const char *format, ...)
{
    va_list args;
    va_start (args, format);
    char *text = format_owned (format, args);
    va_end (args);
    free (*text_p);
    *text_p = text;
}
