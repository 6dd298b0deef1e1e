#include "cubelet/url_query.h"
#include "cubelet/memory.h"
#include <string.h>

typedef struct {
    char *name, *value;
} pair_t;

struct url_query {
    pair_t *pairs;
    size_t count;
};

static int
digit_of (char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char) (c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

char *
url_decode (const char *text, size_t size, int is_query)
{
    OWNED (free_text) char *out = memory_new (size + 1, 1);
    size_t used = 0;
    for (size_t i = 0; i < size; i++) {
        if (text[i] != '%') {
            out[used++] = is_query && text[i] == '+' ? ' ' : text[i];
            continue;
        }
        int high = i + 2 < size ? digit_of (text[i + 1]) : -1;
        int low = high >= 0 ? digit_of (text[i + 2]) : -1;
        if (low < 0 || (high == 0 && low == 0))
            return NULL;
        out[used++] = (char) (high << 4 | low);
        i += 2;
    }
    return STEAL (out);
}

static void
take_pair (url_query_t *self, const char *text, size_t size)
{
    const char *equals = memchr (text, '=', size);
    size_t name_size = equals ? (size_t) (equals - text) : size;
    size_t value_size = equals ? size - name_size - 1 : 0;
    if (size == 0 || memchr (text, ';', size))
        return;
    OWNED (free_text) char *name = url_decode (text, name_size, 1);
    OWNED (free_text) char *value = url_decode (equals ? equals + 1 : text, value_size, 1);
    if (!name || !value)
        return;
    if ((self->count & (self->count - 1)) == 0)
        self->pairs =
            memory_grow (self->pairs, self->count ? 2 * self->count : 1, sizeof *self->pairs);
    self->pairs[self->count++] = (pair_t){ STEAL (name), STEAL (value) };
}

url_query_t *
url_query_new (const char *text)
{
    url_query_t *self = memory_new (1, sizeof *self);
    for (const char *at = text; at && *at;) {
        size_t size = strcspn (at, "&");
        take_pair (self, at, size);
        at += size + (at[size] == '&');
    }
    return self;
}

void
url_query_destroy (url_query_t **self_p)
{
    url_query_t *self = *self_p;
    if (!self)
        return;
    for (size_t i = 0; i < self->count; i++) {
        free (self->pairs[i].name);
        free (self->pairs[i].value);
    }
    free (self->pairs);
    free (self);
    *self_p = NULL;
}

const char *
url_query_get_at (const url_query_t *self, const char *name, size_t index)
{
    for (size_t i = 0; i < self->count; i++)
        if (strcmp (self->pairs[i].name, name) == 0 && index-- == 0)
            return self->pairs[i].value;
    return NULL;
}

const char *
url_query_get (const url_query_t *self, const char *name)
{
    return url_query_get_at (self, name, 0);
}

int
url_parts_read (const char *path, const char *prefix, url_parts_t *out)
{
    size_t size = strlen (prefix);
    if (strncmp (path, prefix, size) != 0)
        return -1;
    for (const char *at = path + size;; at++) {
        size_t part = strcspn (at, "/");
        if (out->count == URL_PARTS_MAX)
            return -1;
        out->parts[out->count] = url_decode (at, part, 0);
        if (!out->parts[out->count++])
            return -1;
        at += part;
        if (!*at)
            return 0;
    }
}

void
url_parts_clear (url_parts_t *self)
{
    for (size_t i = 0; i < self->count; i++)
        free (self->parts[i]);
    self->count = 0;
}
