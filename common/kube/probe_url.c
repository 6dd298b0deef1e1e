/* The path of an httpGet action as Go's net/url reads and prints it. */
#include "cubelet/go_text.h"
#include "cubelet/memory.h"
#include "cubelet/probe_target.h"
#include <ctype.h>
#include <stdbool.h>
#include <string.h>

/* What stays as it is in a path: unreserved characters and what url.shouldEscape lets pass. */
#define PATH_PLAIN "-_.~$&+,/:;=@"
/* What else an escaped path may hold (url.validEncoded). */
#define PATH_VALID PATH_PLAIN "!'()*[]%"

/* Parts of a reference; lengths in bytes. */
typedef struct {
    const char *path;
    size_t path_size;
    const char *query; // from its "?" on; NULL: none
    size_t query_size;
    const char *fragment; // from its "#" on; NULL: none
} reference_t;

static bool
is_one_of (char c, const char *set)
{
    return isalnum ((unsigned char) c) || (c && strchr (set, c));
}

static bool
has_controls (const char *text)
{
    for (; *text; text++)
        if ((unsigned char) *text < 0x20 || *text == 0x7f)
            return true;
    return false;
}

/* True when each % is followed by two hexadecimal digits. */
static bool
is_unescapable (const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (text[i] == '%'
            && (i + 2 >= size || !isxdigit ((unsigned char) text[i + 1])
                || !isxdigit ((unsigned char) text[i + 2])))
            return false;
    return true;
}

/* Skips "scheme:" before a "/"; false for a colon that makes it no reference. */
static bool
skip_scheme (const char **at_p)
{
    const char *at = *at_p;
    size_t length =
        strspn (at, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.");
    if (isalpha ((unsigned char) *at) && at[length] == ':' && at[length + 1] == '/') {
        *at_p = at + length + 1;
        return true;
    }
    size_t segment = strcspn (at, "/?#");
    return *at == '/' || !memchr (at, ':', segment);
}

/* Splits a reference; false when Go would refuse it. */
static bool
split (const char *text, reference_t *out)
{
    const char *at = text;
    if (has_controls (text) || !skip_scheme (&at))
        return false;
    if (strncmp (at, "//", 2) == 0 && at[2] != '/')
        at += 2 + strcspn (at + 2, "/?#"); // a host, which is not wanted
    out->path = at;
    out->path_size = strcspn (at, "?#");
    at += out->path_size;
    if (*at == '?') {
        out->query = at;
        out->query_size = strcspn (at, "#");
        at += out->query_size;
    }
    out->fragment = *at == '#' ? at : NULL;
    return is_unescapable (out->path, out->path_size)
           && (!out->fragment || is_unescapable (out->fragment, strlen (out->fragment)));
}

/* Appends bytes, those not in `plain` as %XX. */
static char *
append_escaped (char *end, const char *text, size_t size, const char *plain)
{
    for (size_t i = 0; i < size; i++) {
        if (is_one_of (text[i], plain))
            *end++ = text[i];
        else
            end += sprintf (end, "%%%02X", (unsigned) (unsigned char) text[i]);
    }
    return end;
}

static unsigned
hex_digit (char c)
{
    return (unsigned) (isdigit ((unsigned char) c) ? c - '0'
                                                   : tolower ((unsigned char) c) - 'a' + 10);
}

/* Turns %XX into bytes, in place; returns the new size. */
static size_t
unescape (char *text, size_t size)
{
    size_t used = 0;
    for (size_t i = 0; i < size; i++, used++) {
        bool is_escape = text[i] == '%';
        text[used] =
            is_escape ? (char) (hex_digit (text[i + 1]) << 4 | hex_digit (text[i + 2])) : text[i];
        i += is_escape ? 2 : 0;
    }
    return used;
}

/* URL.EscapedPath: a path that is escaped properly stays, any other is escaped anew. */
static char *
append_path (char *end, const char *path, size_t size)
{
    bool is_valid = true;
    for (size_t i = 0; i < size; i++)
        is_valid = is_valid && is_one_of (path[i], PATH_VALID);
    if (is_valid)
        return append_escaped (end, path, size, PATH_VALID);
    OWNED (free_text) char *raw = memory_new (size + 1, 1);
    memcpy (raw, path, size);
    return append_escaped (end, raw, unescape (raw, size), PATH_PLAIN);
}

/* Appends a query or fragment with what could break the request line escaped. */
static char *
append_rest (char *end, const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (text[i] == ' ')
            end = stpcpy (end, "%20");
        else
            *end++ = text[i];
    }
    return end;
}

char *
probe_url (const char *scheme, const char *host, int port, const char *path)
{
    OWNED (free_text) char *address = go_host_port (host, port);
    OWNED (free_text) char *lower = text_copy (scheme && scheme[0] ? scheme : "http");
    for (char *c = lower; *c; c++)
        *c = (char) tolower ((unsigned char) *c);
    path = path ? path : "";
    char *url = memory_new (strlen (lower) + strlen (address) + 3 * strlen (path) + 8, 1);
    char *end = url + sprintf (url, "%s://%s", lower, address);
    reference_t parts = { .path = NULL };
    bool is_reference = split (path, &parts);
    if (!is_reference)
        parts = (reference_t){ .path = path, .path_size = strlen (path) };
    if (parts.path_size > 0 && parts.path[0] != '/')
        *end++ = '/';
    end = is_reference ? append_path (end, parts.path, parts.path_size)
                       : append_escaped (end, parts.path, parts.path_size, PATH_PLAIN);
    if (parts.query)
        end = append_rest (end, parts.query, parts.query_size);
    if (parts.fragment)
        end = append_rest (end, parts.fragment, strlen (parts.fragment));
    *end = '\0';
    return url;
}
