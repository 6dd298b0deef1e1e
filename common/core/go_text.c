#include "cubelet/go_text.h"
#include "cubelet/memory.h"
#include <ctype.h>
#include <stdio.h>
#include <string.h>

char *
go_list (const char *const *items, size_t count)
{
    size_t size = 3;
    for (size_t i = 0; i < count; i++)
        size += (items[i] ? strlen (items[i]) : 0) + 1;
    char *list = memory_new (1, size), *end = list;
    *end++ = '[';
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            *end++ = ' ';
        end = stpcpy (end, items[i] ? items[i] : "");
    }
    *end = ']';
    return list;
}

char *
go_errno (int number, char out[static GO_ERRNO_MAX])
{
    const char *text = strerrordesc_np (number);
    if (text)
        snprintf (out, GO_ERRNO_MAX, "%c%s", tolower ((unsigned char) text[0]), text + 1);
    else
        snprintf (out, GO_ERRNO_MAX, "errno %d", number);
    return out;
}

char *
go_host_port (const char *host, int port)
{
    return text_format (strpbrk (host, ":%") ? "[%s]:%d" : "%s:%d", host, port);
}
