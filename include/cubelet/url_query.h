/* url_query.h - the query of a URL ("a=1&b=2") and the parts of its path, as Go's net/url reads
   them. */
#pragma once
#include <stddef.h>

typedef struct url_query url_query_t;

/* Reads a query without its "?" (NULL: empty). Pairs that Go leaves out are left out: with a bad
   escape, with a semicolon, and those with an escaped NUL, which no C string can hold. Owned. */
url_query_t *url_query_new (const char *text);

/* Frees *self_p and sets it to NULL; does nothing if it is NULL already. */
void url_query_destroy (url_query_t **self_p);

/* The first value of `name`, "" for a name alone; NULL when it is not there. */
const char *url_query_get (const url_query_t *self, const char *name);

/* The value number `index` of `name`, or NULL: for names that are repeated. */
const char *url_query_get_at (const url_query_t *self, const char *name, size_t index);

/* Decodes one part of a path or query; "+" means a blank in a query only. Owned; NULL when an
   escape is bad or means NUL. */
char *url_decode (const char *text, size_t size, int is_query);

#define URL_PARTS_MAX 8

/* The parts of a path below a prefix, decoded: "/exec/a/b" below "/exec/" are "a", "b". Owned
   texts. */
typedef struct {
    char *parts[URL_PARTS_MAX];
    size_t count;
} url_parts_t;

/* Splits what stands behind `prefix`. 0, or -1 when there are too many parts or a bad escape. */
int url_parts_read (const char *path, const char *prefix, url_parts_t *out);

/* Frees the parts; for OWNED. */
void url_parts_clear (url_parts_t *self);
