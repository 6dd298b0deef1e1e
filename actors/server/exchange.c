#include "cubelet/clock.h"
#include "cubelet/memory.h"
#include "server.h"
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <string.h>

static void
forget (exchange_t *self)
{
    zlistx_t *exchanges = self->server->exchanges;
    zlistx_detach (exchanges, zlistx_find (exchanges, self));
    count_request_end (self);
    if (self->request)
        actor_cancel (self->server->actor, self->request);
    if (self->work)
        self->drop (&self->work);
    listener_note (self->listener, self->stream, -1, false);
    url_query_destroy (&self->query);
    tree_destroy (&self->user);
    free (self);
}

static void
on_close (struct evhttp_connection *connection, void *context)
{
    exchange_drop (context, connection);
}

void
exchange_begin (server_t *server, listener_t *listener, port_kind_t port,
                struct evhttp_request *http)
{
    exchange_t *self = memory_new (1, sizeof *self);
    self->server = server;
    self->listener = listener;
    self->port = port;
    self->began_ms = clock_monotonic_ms();
    self->http = http;
    self->connection = evhttp_request_get_connection (http);
    self->stream = evhttp_connection_get_bufferevent (self->connection);
    self->query = url_query_new (evhttp_uri_get_query (evhttp_request_get_evhttp_uri (http)));
    evhttp_connection_set_closecb (self->connection, on_close, server);
    zlistx_add_end (server->exchanges, self);
    listener_note (listener, self->stream, 1, false);
    count_request_begin (self);
    access_check (self);
}

void
exchange_drop (server_t *server, const struct evhttp_connection *connection)
{
    for (exchange_t *self = zlistx_first (server->exchanges); self;
         self = zlistx_next (server->exchanges)) {
        if (self->connection == connection) {
            forget (self);
            return;
        }
    }
}

void
exchange_add_header (exchange_t *self, const char *name, const char *value)
{
    evhttp_add_header (evhttp_request_get_output_headers (self->http), name, value);
}

void
exchange_reply (exchange_t *self, int status, const char *content_type, const char *body,
                size_t size)
{
    struct evhttp_request *http = self->http;
    exchange_add_header (self, "Content-Type", content_type);
    evbuffer_add (evhttp_request_get_output_buffer (http), body, size);
    forget (self); // the connection may close at once, and the exchange with it
    evhttp_send_reply (http, status, NULL, NULL);
}

void
exchange_reply_text (exchange_t *self, int status, const char *text)
{
    exchange_reply (self, status, TEXT_PLAIN, text, strlen (text));
}

void
exchange_error (exchange_t *self, int status, const char *text)
{
    OWNED (free_text) char *body = text_format ("%s\n", text);
    exchange_add_header (self, "X-Content-Type-Options", "nosniff");
    exchange_reply_text (self, status, body);
}

void
exchange_ask (exchange_t *self, const char *actor, message_id_t type, const node_t *body,
              int64_t deadline_ms, actor_reply_fn *reply)
{
    self->request = actor_request (self->server->actor, actor, type, body, deadline_ms, reply,
                                   &self, sizeof self);
}

exchange_t *
exchange_of_context (void *context)
{
    exchange_t *self = *(exchange_t **) context;
    self->request = 0;
    return self;
}

void
exchange_take_over (exchange_t *self, bufferevent_data_cb on_read, bufferevent_data_cb on_sent,
                    bufferevent_event_cb on_event, void *context)
{
    // evhttp leaves a request alone until it is answered, which it never will be here
    bufferevent_setcb (self->stream, on_read, on_sent, on_event, context);
    bufferevent_set_timeouts (self->stream, NULL, NULL);
    bufferevent_setwatermark (self->stream, EV_READ | EV_WRITE, 0, 0);
    bufferevent_enable (self->stream, EV_READ | EV_WRITE);
}

void
exchange_close (exchange_t *self)
{
    struct evhttp_connection *connection = self->connection;
    evhttp_connection_set_closecb (connection, NULL, NULL);
    forget (self);
    evhttp_connection_free (connection); // with its request
}

const char *
exchange_path (const exchange_t *self)
{
    const char *path = evhttp_uri_get_path (evhttp_request_get_evhttp_uri (self->http));
    return path && path[0] ? path : "/";
}

const char *
exchange_method (const exchange_t *self)
{
    static const struct {
        enum evhttp_cmd_type command;
        const char *name;
    } METHODS[] = {
        { EVHTTP_REQ_GET, "GET" },       { EVHTTP_REQ_POST, "POST" },   { EVHTTP_REQ_PUT, "PUT" },
        { EVHTTP_REQ_DELETE, "DELETE" }, { EVHTTP_REQ_PATCH, "PATCH" }, { EVHTTP_REQ_HEAD, "HEAD" },
    };
    enum evhttp_cmd_type command = evhttp_request_get_command (self->http);
    for (size_t i = 0; i < COUNT_OF (METHODS); i++)
        if (METHODS[i].command == command)
            return METHODS[i].name;
    return "";
}

const char *
exchange_header (const exchange_t *self, const char *name)
{
    return evhttp_find_header (evhttp_request_get_input_headers (self->http), name);
}
