#include "cubelet/stream_options.h"
#include "cubelet/go_quote.h"
#include "cubelet/memory.h"
#include <string.h>
#include <strings.h>

static bool
is_wanted (const url_query_t *query, const char *name)
{
    const char *value = url_query_get (query, name);
    return value && strcmp (value, "1") == 0;
}

int
stream_options_read (const url_query_t *query, stream_options_t *out, fault_t *fault)
{
    out->stdin = is_wanted (query, "input");
    out->stdout = is_wanted (query, "output");
    out->tty = is_wanted (query, "tty");
    out->stderr = is_wanted (query, "error") && !out->tty;
    if (!out->stdin && !out->stdout && !out->stderr)
        return fault_set (fault, FAULT_INVALID,
                          "you must specify at least 1 of stdin, stdout, stderr");
    return 0;
}

// ---- ports ----

static int
take_port (const char *text, size_t size, forward_ports_t *out, fault_t *fault)
{
    OWNED (free_text) char *copy = text_format ("%.*s", (int) size, text);
    OWNED (free_text) char *quoted = go_quote (copy);
    unsigned port = 0;
    bool is_number = size > 0 && size < 20;
    for (size_t i = 0; i < size && is_number && port <= UINT16_MAX; i++) {
        is_number = text[i] >= '0' && text[i] <= '9';
        port = 10 * port + (unsigned) (text[i] - '0');
    }
    if (!is_number || port > UINT16_MAX)
        return fault_set (fault, FAULT_INVALID, "unable to parse %s as a port", quoted);
    if (port == 0)
        return fault_set (fault, FAULT_INVALID, "port %s must be > 0", quoted);
    if (out->count == FORWARD_PORTS_MAX)
        return fault_set (fault, FAULT_INVALID, "at most %d ports", FORWARD_PORTS_MAX);
    out->ports[out->count++] = (uint16_t) port;
    return 0;
}

int
forward_ports_read (const url_query_t *query, forward_ports_t *out, fault_t *fault)
{
    const char *value = NULL;
    for (size_t i = 0; (value = url_query_get_at (query, "port", i)); i++) {
        for (const char *at = value;; at++) {
            size_t size = strcspn (at, ",");
            if (take_port (at, size, out, fault) < 0)
                return -1;
            at += size;
            if (!*at)
                break;
        }
    }
    if (!out->count)
        return fault_set (fault, FAULT_INVALID, "query parameter \"port\" is required");
    return 0;
}

// ---- headers ----

bool
is_upgrade (const char *connection, const char *upgrade)
{
    return connection && upgrade && upgrade[0] && strcasestr (connection, "upgrade");
}

bool
is_websocket (const char *connection, const char *upgrade)
{
    return is_upgrade (connection, upgrade) && strcasecmp (upgrade, "websocket") == 0;
}

/* The value of the header in a line "Name: value" of that name, or NULL. */
static const char *
value_of (const char *line, const char *name)
{
    size_t size = strlen (name);
    if (strncasecmp (line, name, size) != 0 || line[size] != ':')
        return NULL;
    line += size + 1;
    return line + strspn (line, " \t");
}

static void
take_line (const char *line, size_t size, stream_head_t *out)
{
    OWNED (free_text) char *copy = text_format ("%.*s", (int) size, line);
    const char *length = value_of (copy, "Content-Length");
    const char *type = value_of (copy, "Content-Type");
    if (length)
        out->content_length = strtoul (length, NULL, 10);
    if (type)
        snprintf (out->content_type, sizeof out->content_type, "%s", type);
}

int
stream_head_read (const char *bytes, size_t size, stream_head_t *out, fault_t *fault)
{
    static const char START[] = "HTTP/1.1 ";
    size_t start = strlen (START);
    size_t compared = size < start ? size : start;
    if (memcmp (bytes, START, compared) != 0)
        return fault_set (fault, FAULT_INVALID, "the answer is not HTTP/1.1");
    const char *end = memmem (bytes, size, "\r\n\r\n", 4);
    if (!end)
        return 0;
    *out = (stream_head_t){ .size = (size_t) (end - bytes) + 4 };
    for (size_t i = start; i < start + 3; i++) {
        if (bytes[i] < '0' || bytes[i] > '9')
            return fault_set (fault, FAULT_INVALID, "the answer has no status");
        out->status = 10 * out->status + (bytes[i] - '0');
    }
    for (const char *line = bytes; line < end;) {
        const char *next = memmem (line, (size_t) (end + 2 - line), "\r\n", 2);
        take_line (line, (size_t) (next - line), out);
        line = next + 2;
    }
    return 1;
}
