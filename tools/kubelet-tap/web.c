#include "web.h"
#include "cubelet/clock.h"
#include "cubelet/json.h"
#include "cubelet/memory.h"
#include "web_faults.h"
#include "web_files.h"
#include <arpa/inet.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <signal.h>
#include <string.h>
#include <sys/random.h>

#define TOKEN_BYTES 16
#define HEADERS_MAX_BYTES 16384
#define IDLE_S 30
#define PAGES_MAX 16
#define READ_BATCH 200                       // messages before pages are written to again
#define PAGE_BYTES_MAX ((size_t) 4 << 20)    // waiting to be written to one page; more is lost
#define HISTORY_BYTES_MAX ((size_t) 2 << 20) // messages of pods, for pages that come later
#define POLL_MS 100                          // a ZeroMQ descriptor may stay silent for once
#define FAULTS_EVERY 20                      // polls: 2 s
#define ACTORS_EVERY 50                      // polls: 5 s
#define ALIVE_EVERY 150                      // polls: 15 s, so that dead connections are noticed

/* Scripts, styles and events from here, nothing else from anywhere. */
static const char *const HEADERS[][2] = {
    { "Content-Security-Policy",
      "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
      "base-uri 'none'; form-action 'none'; frame-ancestors 'none'" },
    { "X-Content-Type-Options", "nosniff" },
    { "Referrer-Policy", "no-referrer" },
    { "Cross-Origin-Resource-Policy", "same-origin" },
    { "Cache-Control", "no-store" },
};

/* Endings of file names. */
static const char *const TYPES[][2] = {
    { ".html", "text/html; charset=utf-8" },
    { ".css", "text/css; charset=utf-8" },
    { ".js", "text/javascript; charset=utf-8" },
};

/* One open page. The connection is kept beside the request: when it ends, the request has
   forgotten it by then. */
typedef struct {
    struct evhttp_request *request;
    struct evhttp_connection *connection;
    uint64_t lost; // messages it was not told of
} page_t;

struct web {
    struct event_base *base;
    struct evhttp *http;
    web_faults_t *faults;
    const web_sources_t *sources; // while it runs
    char token[2 * TOKEN_BYTES + 1];
    char *url, *host, *host_name; // host, host_name: what a request may call this port
    page_t pages[PAGES_MAX];
    size_t page_count;
    zlistx_t *history; // texts: messages as JSON
    size_t history_bytes;
    struct evbuffer *batch; // messages not yet sent, with commas between
    uint64_t batch_count;
    char *actors, *rules; // the last ones said, as JSON; NULL: none yet
    bool is_agent_there;
    unsigned polls;
};

// ---- pages ----

static void
on_page_closed (struct evhttp_connection *connection, void *context)
{
    web_t *self = context;
    for (size_t i = 0; i < self->page_count; i++) {
        if (self->pages[i].connection != connection)
            continue;
        // A request whose answer had not ended is ours to free by now: that is what its end does.
        if (!evhttp_request_get_connection (self->pages[i].request))
            evhttp_send_reply_end (self->pages[i].request);
        self->pages[i] = self->pages[--self->page_count];
        return;
    }
}

static size_t
waiting_bytes (const page_t *page)
{
    struct bufferevent *stream = evhttp_connection_get_bufferevent (page->connection);
    return evbuffer_get_length (bufferevent_get_output (stream));
}

static void
send_event (const page_t *page, const char *name, const void *data, size_t size)
{
    OWNED (free_text) char *head = text_format ("event: %s\ndata: ", name);
    struct evbuffer *event = evbuffer_new();
    if (!event)
        abort(); // out of memory
    evbuffer_add (event, head, strlen (head));
    evbuffer_add (event, data, size);
    evbuffer_add (event, "\n\n", 2);
    evhttp_send_reply_chunk (page->request, event);
    evbuffer_free (event);
}

static void
send_text (const page_t *page, const char *name, const char *text)
{
    if (text)
        send_event (page, name, text, strlen (text));
}

/* To all that keep up: what is said this way is said again soon. */
static void
send_all (web_t *self, const char *name, const char *text)
{
    for (size_t i = 0; i < self->page_count; i++)
        if (waiting_bytes (&self->pages[i]) < PAGE_BYTES_MAX)
            send_text (&self->pages[i], name, text);
}

static const char *
agent_json (const web_t *self)
{
    return self->is_agent_there ? "{\"there\":true}" : "{\"there\":false}";
}

/* Sends what was added since the last time. */
static void
flush (web_t *self)
{
    if (!self->batch_count)
        return;
    evbuffer_prepend (self->batch, "[", 1);
    evbuffer_add (self->batch, "]", 1);
    size_t size = evbuffer_get_length (self->batch);
    const unsigned char *text = evbuffer_pullup (self->batch, -1);
    for (size_t i = 0; i < self->page_count; i++) {
        page_t *page = &self->pages[i];
        if (waiting_bytes (page) + size > PAGE_BYTES_MAX) {
            page->lost += self->batch_count;
            continue;
        }
        if (page->lost) {
            OWNED (free_text)
            char *lost = text_format ("{\"count\":%llu}", (unsigned long long) page->lost);
            send_text (page, "lost", lost);
            page->lost = 0;
        }
        send_event (page, "message", text, size);
    }
    evbuffer_drain (self->batch, size);
    self->batch_count = 0;
}

static void
send_history (web_t *self, const page_t *page)
{
    struct evbuffer *all = evbuffer_new();
    if (!all)
        abort(); // out of memory
    const char *separator = "[";
    for (const char *text = zlistx_first (self->history); text;
         text = zlistx_next (self->history)) {
        evbuffer_add (all, separator, 1);
        evbuffer_add (all, text, strlen (text));
        separator = ",";
    }
    size_t size = evbuffer_get_length (all);
    if (size) {
        evbuffer_add (all, "]", 1);
        send_event (page, "message", evbuffer_pullup (all, -1), size + 1);
    }
    evbuffer_free (all);
}

// ---- messages ----

/* Asks who runs: the bus answers a subscription to this very name (tap.h). */
static void
ask_actors (const web_t *self)
{
    zsock_set_unsubscribe (self->sources->tap, "actor.list");
    zsock_set_subscribe (self->sources->tap, "actor.list");
}

static bool
is_of_pod (const char *actor)
{
    return strncmp (actor, "pod-worker/", 11) == 0;
}

/* A pod's life, without what repeats for ever. */
static bool
is_kept (const shown_t *message)
{
    return (is_of_pod (message->from) || is_of_pod (message->to))
           && strcmp (message->type, "actor.alive") != 0
           && strcmp (message->type, "probe.result") != 0;
}

static void
keep (web_t *self, const char *text)
{
    zlistx_add_end (self->history, text_copy (text));
    self->history_bytes += strlen (text);
    while (self->history_bytes > HISTORY_BYTES_MAX) {
        char *oldest = zlistx_detach (self->history, NULL);
        self->history_bytes -= strlen (oldest);
        free (oldest);
    }
}

void
web_look (web_t *self, const shown_t *message)
{
    if (strcmp (message->type, "actor.list") != 0 || strcmp (message->from, "supervisor") != 0
        || message->fault)
        return;
    free (self->actors);
    self->actors = json_write (message->body, JSON_COMPACT, NULL);
    send_all (self, "actors", self->actors);
}

void
web_add (web_t *self, const shown_t *message)
{
    OWNED (free_text) char *text = web_message_json (message);
    if (is_kept (message))
        keep (self, text);
    if (!self->page_count)
        return;
    if (self->batch_count++)
        evbuffer_add (self->batch, ",", 1);
    evbuffer_add (self->batch, text, strlen (text));
}

void
web_set_agent (web_t *self, bool is_there)
{
    self->is_agent_there = is_there;
    send_all (self, "agent", agent_json (self));
    if (is_there)
        ask_actors (self);
}

// ---- requests ----

static void
add_headers (struct evhttp_request *request, const char *type)
{
    struct evkeyvalq *headers = evhttp_request_get_output_headers (request);
    for (size_t i = 0; i < COUNT_OF (HEADERS); i++)
        evhttp_add_header (headers, HEADERS[i][0], HEADERS[i][1]);
    evhttp_add_header (headers, "Content-Type", type);
}

static void
reply (struct evhttp_request *request, int code, const char *type, const void *bytes, size_t size)
{
    struct evbuffer *body = evbuffer_new();
    if (!body)
        abort(); // out of memory
    add_headers (request, type);
    evbuffer_add (body, bytes, size);
    evhttp_send_reply (request, code, NULL, body);
    evbuffer_free (body);
}

static void
refuse (struct evhttp_request *request, int code, const char *text)
{
    reply (request, code, "text/plain; charset=utf-8", text, strlen (text));
}

static void
open_page (web_t *self, struct evhttp_request *request)
{
    if (self->page_count == PAGES_MAX) {
        refuse (request, 503, "Too many pages are open.\n");
        return;
    }
    struct evhttp_connection *connection = evhttp_request_get_connection (request);
    evhttp_connection_set_closecb (connection, on_page_closed, self);
    bufferevent_set_timeouts (evhttp_connection_get_bufferevent (connection), NULL, NULL);
    add_headers (request, "text/event-stream");
    evhttp_send_reply_start (request, HTTP_OK, NULL);
    flush (self); // what waits is in the history, too
    page_t page = { .request = request, .connection = connection };
    self->pages[self->page_count++] = page;
    send_text (&page, "agent", agent_json (self));
    send_history (self, &page);
    send_text (&page, "actors", self->actors);
    send_text (&page, "faults", self->rules);
    ask_actors (self);
}

static bool
is_our_host (const web_t *self, struct evhttp_request *request)
{
    const char *host = evhttp_find_header (evhttp_request_get_input_headers (request), "Host");
    return host && (streq (host, self->host) || streq (host, self->host_name));
}

/* The path behind "/TOKEN/", or NULL. Takes as long whatever is wrong. */
static const char *
path_of (const web_t *self, struct evhttp_request *request)
{
    const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri (request);
    const char *path = uri ? evhttp_uri_get_path (uri) : NULL;
    size_t size = strlen (self->token);
    if (!path || strlen (path) < size + 2 || path[0] != '/' || path[size + 1] != '/')
        return NULL;
    unsigned difference = 0;
    for (size_t i = 0; i < size; i++)
        difference |= (unsigned) (path[i + 1] ^ self->token[i]);
    return difference ? NULL : path + size + 2;
}

static void
on_request (struct evhttp_request *request, void *context)
{
    web_t *self = context;
    if (!is_our_host (self, request)) {
        refuse (request, 403, "This is not the host that was asked for.\n");
        return;
    }
    const char *path = path_of (self, request);
    if (path && streq (path, "events")) {
        open_page (self, request);
        return;
    }
    const char *name = path && !*path ? "page.html" : path;
    for (const web_file_t *file = WEB_FILES; name && file->name; file++) {
        if (!streq (file->name, name))
            continue;
        const char *type = "application/octet-stream";
        for (size_t i = 0; i < COUNT_OF (TYPES); i++)
            if (strstr (name, TYPES[i][0]))
                type = TYPES[i][1];
        reply (request, HTTP_OK, type, file->bytes, file->size);
        return;
    }
    refuse (request, HTTP_NOTFOUND, "Nothing is here; kubelet-tap printed the whole address.\n");
}

// ---- life ----

static int
make_token (char *token, fault_t *fault)
{
    unsigned char bytes[TOKEN_BYTES];
    if (getrandom (bytes, sizeof bytes, 0) != sizeof bytes)
        return fault_set (fault, FAULT_UNAVAILABLE, "no random bytes: %s", strerror (errno));
    for (size_t i = 0; i < sizeof bytes; i++)
        snprintf (token + 2 * i, 3, "%02x", bytes[i]);
    return 0;
}

/* The port that was bound. */
static int
bound_port (struct evhttp_bound_socket *bound)
{
    struct sockaddr_in address = { 0 };
    socklen_t size = sizeof address;
    if (getsockname (evhttp_bound_socket_get_fd (bound), (struct sockaddr *) &address, &size) < 0)
        return -1;
    return ntohs (address.sin_port);
}

static void
free_item (void **item_p)
{
    free (*item_p);
    *item_p = NULL;
}

web_t *
web_new (int port, const char *socket_dir, fault_t *fault)
{
    web_t *self = memory_new (1, sizeof *self);
    self->base = event_base_new();
    self->http = self->base ? evhttp_new (self->base) : NULL;
    self->batch = evbuffer_new();
    if (!self->http || !self->batch)
        abort(); // out of memory
    self->history = zlistx_new();
    zlistx_set_destructor (self->history, free_item);
    self->faults = web_faults_new (socket_dir);
    evhttp_set_gencb (self->http, on_request, self);
    evhttp_set_allowed_methods (self->http, EVHTTP_REQ_GET);
    evhttp_set_timeout (self->http, IDLE_S);
    evhttp_set_max_headers_size (self->http, HEADERS_MAX_BYTES);
    evhttp_set_max_body_size (self->http, 0);
    struct evhttp_bound_socket *bound =
        evhttp_bind_socket_with_handle (self->http, "127.0.0.1", (uint16_t) port);
    if (!bound)
        fault_set (fault, FAULT_UNAVAILABLE, "cannot listen on 127.0.0.1:%d: %s", port,
                   strerror (errno));
    if (!bound || (port = bound_port (bound)) < 0 || make_token (self->token, fault) < 0) {
        web_destroy (&self);
        return NULL;
    }
    self->host = text_format ("127.0.0.1:%d", port);
    self->host_name = text_format ("localhost:%d", port);
    self->url = text_format ("http://%s/%s/", self->host, self->token);
    return self;
}

void
web_destroy (web_t **self_p)
{
    web_t *self = *self_p;
    if (!self)
        return;
    evhttp_free (self->http);
    evbuffer_free (self->batch);
    event_base_free (self->base);
    web_faults_destroy (&self->faults);
    zlistx_destroy (&self->history);
    free (self->actors);
    free (self->rules);
    free (self->url);
    free (self->host);
    free (self->host_name);
    free (self);
    *self_p = NULL;
}

const char *
web_url (const web_t *self)
{
    return self->url;
}

// ---- the loop ----

/* Reads what is there. A ZeroMQ descriptor only tells of changes, so nothing may be left behind:
   after a full batch the loop comes back (the poll, at the latest). */
static void
read_sources (web_t *self)
{
    const web_sources_t *sources = self->sources;
    for (int i = 0; i < READ_BATCH && (zsock_events (sources->tap) & ZMQ_POLLIN); i++)
        sources->read_tap (sources->context);
    while (zsock_events (sources->monitor) & ZMQ_POLLIN)
        sources->read_monitor (sources->context);
    flush (self);
}

static void
on_readable (evutil_socket_t fd, short what, void *context)
{
    (void) fd, (void) what;
    read_sources (context);
}

static void
on_poll (evutil_socket_t fd, short what, void *context)
{
    (void) fd, (void) what;
    web_t *self = context;
    do
        read_sources (self);
    while (zsock_events (self->sources->tap) & ZMQ_POLLIN);
    self->polls++;
    if (!self->page_count)
        return; // nobody looks: the agent is not asked
    if (self->polls % ACTORS_EVERY == 0)
        ask_actors (self);
    if (self->polls % ALIVE_EVERY == 0)
        send_all (self, "alive", "{}");
    char *rules =
        self->polls % FAULTS_EVERY == 0 || !self->rules ? web_faults_poll (self->faults) : NULL;
    if (!rules)
        return;
    free (self->rules);
    self->rules = rules;
    send_all (self, "faults", rules);
}

static void
on_signal (evutil_socket_t fd, short what, void *context)
{
    (void) fd, (void) what;
    event_base_loopbreak (((web_t *) context)->base);
}

void
web_run (web_t *self, const web_sources_t *sources, int64_t seconds)
{
    self->sources = sources;
    const short reads = EV_READ | EV_PERSIST;
    struct event *events[] = {
        event_new (self->base, zsock_fd (sources->tap), reads, on_readable, self),
        event_new (self->base, zsock_fd (sources->monitor), reads, on_readable, self),
        event_new (self->base, -1, EV_PERSIST, on_poll, self),
        evsignal_new (self->base, SIGINT, on_signal, self),
        evsignal_new (self->base, SIGTERM, on_signal, self),
    };
    const struct timeval poll = { .tv_usec = POLL_MS * 1000 };
    for (size_t i = 0; i < COUNT_OF (events); i++)
        if (!events[i] || event_add (events[i], i == 2 ? &poll : NULL) < 0)
            abort(); // out of memory
    const struct timeval end = { .tv_sec = seconds };
    if (seconds)
        event_base_loopexit (self->base, &end);
    event_base_dispatch (self->base);
    for (size_t i = 0; i < COUNT_OF (events); i++)
        event_free (events[i]);
    self->page_count = 0;
}
