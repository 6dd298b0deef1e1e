/* What a client of the node's API chooses: path, query and headers. The input's lines are the path,
   the query, the Authorization header and the list of WebSocket protocols. */
#include "cubelet/log_options.h"
#include "cubelet/memory.h"
#include "cubelet/node_access.h"
#include "cubelet/stream_options.h"
#include <string.h>

int LLVMFuzzerTestOneInput (const uint8_t *bytes, size_t size);

/* The next line, NUL-terminated; owned. */
static char *
next_line (const char **at, const char *end)
{
    const char *newline = memchr (*at, '\n', (size_t) (end - *at));
    size_t size = (size_t) ((newline ? newline : end) - *at);
    char *line = memory_new (size + 1, 1);
    memcpy (line, *at, size);
    *at = newline ? newline + 1 : end;
    return line;
}

int
LLVMFuzzerTestOneInput (const uint8_t *bytes, size_t size)
{
    const char *at = (const char *) bytes, *end = at + size;
    if (!size)
        return 0;
    OWNED (free_text) char *path = next_line (&at, end);
    OWNED (free_text) char *text = next_line (&at, end);
    OWNED (free_text) char *header = next_line (&at, end);
    OWNED (free_text) char *protocols = next_line (&at, end);
    OWNED (url_parts_clear) url_parts_t parts = { 0 };
    url_parts_read (path, "/", &parts);
    subresources_t subresources = access_subresources (path, true);
    if (subresources.count < 1 || subresources.count > SUBRESOURCES_MAX)
        abort();
    fault_t fault = { 0 };
    log_options_t options = { 0 };
    stream_options_t streams = { 0 };
    forward_ports_t ports = { 0 };
    OWNED (url_query_destroy) url_query_t *query = url_query_new (text);
    log_options_read (query, false, 0, &options, &fault);
    stream_options_read (query, &streams, &fault);
    forward_ports_read (query, &ports, &fault);
    OWNED (free_text) char *token = bearer_token (header);
    OWNED (free_text) char *other = websocket_token (protocols);
    OWNED (free_text) char *rest = websocket_protocols_without_token (protocols);
    OWNED (free_text) char *none = websocket_token (rest);
    if (none)
        abort(); // a token would travel on
    return 0;
}
