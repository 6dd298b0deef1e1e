#include "cubelet/memory.h"
#include "server.h"
#include <event2/buffer.h>
#include <string.h>

static void
forget (exchange_t *self)
{
    zlistx_t *exchanges = self->server->exchanges;
    zlistx_detach (exchanges, zlistx_find (exchanges, self));
    free (self);
}

static void
on_close (struct evhttp_connection *connection, void *context)
{
    exchange_drop (context, connection);
}

void
exchange_begin (server_t *server, port_kind_t port, struct evhttp_request *http)
{
    exchange_t *self = memory_new (1, sizeof *self);
    self->server = server;
    self->port = port;
    self->http = http;
    self->connection = evhttp_request_get_connection (http);
    evhttp_connection_set_closecb (self->connection, on_close, server);
    zlistx_add_end (server->exchanges, self);
    route_request (self);
}

void
exchange_drop (server_t *server, const struct evhttp_connection *connection)
{
    for (exchange_t *self = zlistx_first (server->exchanges); self;
         self = zlistx_next (server->exchanges)) {
        if (self->connection == connection) {
            if (self->request)
                actor_cancel (server->actor, self->request);
            forget (self);
            return;
        }
    }
}

static void
add_header (exchange_t *self, const char *name, const char *value)
{
    evhttp_add_header (evhttp_request_get_output_headers (self->http), name, value);
}

void
exchange_reply (exchange_t *self, int status, const char *content_type, const char *body,
                size_t size)
{
    struct evhttp_request *http = self->http;
    add_header (self, "Content-Type", content_type);
    evbuffer_add (evhttp_request_get_output_buffer (http), body, size);
    forget (self); // the connection may close at once, and the exchange with it
    evhttp_send_reply (http, status, NULL, NULL);
}

void
exchange_error (exchange_t *self, int status, const char *text)
{
    OWNED (free_text) char *body = text_format ("%s\n", text);
    add_header (self, "X-Content-Type-Options", "nosniff");
    exchange_reply (self, status, TEXT_PLAIN, body, strlen (body));
}

void
exchange_ask (exchange_t *self, const char *actor, message_id_t type, int64_t deadline_ms,
              actor_reply_fn *reply)
{
    self->request = actor_request (self->server->actor, actor, type, NULL, deadline_ms, reply,
                                   &self, sizeof self);
}

exchange_t *
exchange_of_context (void *context)
{
    exchange_t *self = *(exchange_t **) context;
    self->request = 0;
    return self;
}

/* Calls `take` with the value of one "key=value" (or "key") if its key is `name`. evhttp's own
   parser refuses a query with a key alone. */
static void
take_parameter (const char *pair, size_t size, const char *name, parameter_fn *take, void *context)
{
    const char *equals = memchr (pair, '=', size);
    size_t key_size = equals ? (size_t) (equals - pair) : size;
    OWNED (free_text) char *raw_key = strndup (pair, key_size);
    OWNED (free_text)
    char *raw_value =
        strndup (pair + key_size + (equals != NULL), size - key_size - (equals != NULL));
    if (!raw_key || !raw_value)
        abort();
    OWNED (free_text) char *key = evhttp_uridecode (raw_key, 1, NULL);
    OWNED (free_text) char *value = evhttp_uridecode (raw_value, 1, NULL);
    if (key && value && strcmp (key, name) == 0)
        take (value, context);
}

void
exchange_each_parameter (const exchange_t *self, const char *name, parameter_fn *take,
                         void *context)
{
    const char *at = evhttp_uri_get_query (evhttp_request_get_evhttp_uri (self->http));
    while (at && *at) {
        size_t size = strcspn (at, "&");
        take_parameter (at, size, name, take, context);
        at += size + (at[size] == '&');
    }
}

static void
note_presence (const char *value, void *context)
{
    (void) value;
    *(bool *) context = true;
}

bool
exchange_has_parameter (const exchange_t *self, const char *name)
{
    bool is_there = false;
    exchange_each_parameter (self, name, note_presence, &is_there);
    return is_there;
}

const char *
exchange_path (const exchange_t *self)
{
    const char *path = evhttp_uri_get_path (evhttp_request_get_evhttp_uri (self->http));
    return path && path[0] ? path : "/";
}
