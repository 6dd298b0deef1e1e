#include "stream_proxy.h"
#include "cubelet/clock.h"
#include "cubelet/go_text.h"
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include "cubelet/stream_options.h"
#include <arpa/inet.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/keyvalq_struct.h>
#include <netinet/tcp.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#define BUFFER_MAX_BYTES 65536
#define BUFFER_LOW_BYTES 16384
#define HEAD_MAX_BYTES 65536  // of the runtime's answer, its body included when it refuses
#define ANSWER_LIMIT_MS 30000 // for that head
#define LINGER_MS 10000       // without a byte, after one side has ended

/* One of the two connections. */
typedef struct {
    struct bufferevent *stream;
    bool has_ended; // nothing more comes from it
    bool is_told;   // that nothing more is sent to it
    bool is_broken; // nothing can be sent to it
} side_t;

typedef struct {
    exchange_t *exchange;
    side_t client, runtime;
    char *address; // of the runtime, for people
    bool is_open;  // both sides are joined
    int64_t idle_ms;
    int64_t active_ms; // clock_monotonic_ms of the last byte
    struct event *timer;
} proxy_t;

static void
free_proxy (void **proxy_p)
{
    proxy_t *proxy = *proxy_p;
    if (proxy->runtime.stream)
        bufferevent_free (proxy->runtime.stream);
    if (proxy->timer)
        event_free (proxy->timer);
    free (proxy->address);
    free (proxy);
    *proxy_p = NULL;
}

// ---- time ----

static int64_t
limit_of (const proxy_t *proxy)
{
    if (!proxy->is_open)
        return ANSWER_LIMIT_MS;
    if (proxy->client.has_ended || proxy->runtime.has_ended)
        return LINGER_MS;
    return proxy->idle_ms;
}

static void
arm_timer (proxy_t *proxy)
{
    int64_t limit_ms = limit_of (proxy);
    int64_t left_ms = limit_ms - (clock_monotonic_ms() - proxy->active_ms);
    if (limit_ms <= 0) // no limit
        return;
    if (left_ms < 1)
        left_ms = 1;
    struct timeval wait = { .tv_sec = left_ms / 1000, .tv_usec = left_ms % 1000 * 1000 };
    evtimer_add (proxy->timer, &wait);
}

static void refuse (proxy_t *proxy, const char *reason);

static void
check_time (evutil_socket_t fd, short what, void *context)
{
    (void) fd, (void) what;
    proxy_t *proxy = context;
    int64_t limit_ms = limit_of (proxy);
    if (limit_ms > 0 && clock_monotonic_ms() - proxy->active_ms >= limit_ms) {
        LOG_V (2, "Stream ended after silence path=%s", exchange_path (proxy->exchange));
        if (proxy->is_open) {
            tls_end_sending (proxy->client.stream);
            exchange_close (proxy->exchange);
        }
        else
            refuse (proxy, "i/o timeout");
        return;
    }
    arm_timer (proxy);
}

// ---- both sides are joined ----

static side_t *
other_side (proxy_t *proxy, const side_t *side)
{
    return side == &proxy->client ? &proxy->runtime : &proxy->client;
}

static size_t
waiting_for (const side_t *side)
{
    return evbuffer_get_length (bufferevent_get_output (side->stream));
}

/* Tells a side that the other one has ended, once it has got everything. */
static void
tell_end (side_t *side)
{
    if (side->is_told || waiting_for (side))
        return;
    side->is_told = true;
    if (tls_is_secure (side->stream))
        tls_end_sending (side->stream);
    else
        shutdown (bufferevent_getfd (side->stream), SHUT_WR);
}

/* Passes ends on; closes when both sides are through. The proxy may be gone then. */
static void
settle (proxy_t *proxy)
{
    side_t *sides[2] = { &proxy->client, &proxy->runtime };
    for (int i = 0; i < 2; i++)
        if (sides[i]->has_ended && !sides[1 - i]->is_broken)
            tell_end (sides[1 - i]);
    bool is_over = true;
    for (int i = 0; i < 2; i++)
        is_over =
            is_over && sides[i]->has_ended && (sides[1 - i]->is_told || sides[1 - i]->is_broken);
    // nothing can come of a client that goes on without a runtime
    is_over = is_over || (proxy->runtime.is_broken && proxy->client.is_told);
    if (is_over)
        exchange_close (proxy->exchange);
}

static void
pass_on (proxy_t *proxy, side_t *from)
{
    side_t *to = other_side (proxy, from);
    struct evbuffer *input = bufferevent_get_input (from->stream);
    proxy->active_ms = clock_monotonic_ms();
    if (to->is_broken)
        evbuffer_drain (input, evbuffer_get_length (input));
    else
        evbuffer_add_buffer (bufferevent_get_output (to->stream), input);
    if (!to->is_broken && waiting_for (to) > BUFFER_MAX_BYTES)
        bufferevent_disable (from->stream, EV_READ);
}

static void
sent_to (proxy_t *proxy, side_t *side)
{
    side_t *from = other_side (proxy, side);
    if (!from->has_ended)
        bufferevent_enable (from->stream, EV_READ);
    settle (proxy);
}

static void
side_ended (proxy_t *proxy, side_t *side, bool is_broken)
{
    side->has_ended = true;
    bufferevent_disable (side->stream, EV_READ);
    if (is_broken) {
        side->is_broken = true;
        bufferevent_disable (side->stream, EV_WRITE);
    }
    else
        bufferevent_enable (side->stream, EV_WRITE); // a TLS one stops both ways
    arm_timer (proxy);
    settle (proxy);
}

static void
on_client_read (struct bufferevent *stream, void *context)
{
    (void) stream;
    proxy_t *proxy = context;
    pass_on (proxy, &proxy->client);
}

static void
on_client_sent (struct bufferevent *stream, void *context)
{
    (void) stream;
    proxy_t *proxy = context;
    sent_to (proxy, &proxy->client);
}

static void
on_client_event (struct bufferevent *stream, short what, void *context)
{
    (void) stream;
    proxy_t *proxy = context;
    if (what & BEV_EVENT_ERROR)
        exchange_close (proxy->exchange); // nobody is there any more
    else if (what & BEV_EVENT_EOF)
        side_ended (proxy, &proxy->client, false);
}

static void
on_runtime_read (struct bufferevent *stream, void *context)
{
    (void) stream;
    proxy_t *proxy = context;
    pass_on (proxy, &proxy->runtime);
}

static void
on_runtime_sent (struct bufferevent *stream, void *context)
{
    (void) stream;
    proxy_t *proxy = context;
    sent_to (proxy, &proxy->runtime);
}

static void
on_runtime_event (struct bufferevent *stream, short what, void *context)
{
    (void) stream;
    proxy_t *proxy = context;
    if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR))
        side_ended (proxy, &proxy->runtime, what & BEV_EVENT_ERROR);
}

static void
bound_buffers (struct bufferevent *stream)
{
    bufferevent_setwatermark (stream, EV_READ, 0, BUFFER_MAX_BYTES);
    bufferevent_setwatermark (stream, EV_WRITE, BUFFER_LOW_BYTES, 0);
}

/* The runtime has agreed: its head goes to the client, and everything after it. */
static void
join (proxy_t *proxy)
{
    proxy->is_open = true;
    exchange_take_over (proxy->exchange, on_client_read, on_client_sent, on_client_event, proxy);
    bufferevent_setcb (proxy->runtime.stream, on_runtime_read, on_runtime_sent, on_runtime_event,
                       proxy);
    bound_buffers (proxy->client.stream);
    bound_buffers (proxy->runtime.stream);
    pass_on (proxy, &proxy->runtime);
    pass_on (proxy, &proxy->client); // what a hasty client has sent already
    arm_timer (proxy);
}

// ---- before that ----

static void
refuse (proxy_t *proxy, const char *reason)
{
    OWNED (free_text)
    char *text =
        text_format ("error dialing the runtime's streaming server %s: %s", proxy->address, reason);
    LOG_ERROR ("Stream cannot be opened path=%s err=%s", exchange_path (proxy->exchange), text);
    exchange_error (proxy->exchange, HTTP_INTERNAL, text);
}

/* The runtime does not agree; `body` bytes of its answer are there. */
static void
pass_refusal (proxy_t *proxy, const stream_head_t *head, const char *bytes, size_t body)
{
    const char *type = head->content_type[0] ? head->content_type : TEXT_PLAIN;
    OWNED (free_text) char *copy = memory_new (body + 1, 1);
    memcpy (copy, bytes + head->size, body);
    exchange_reply (proxy->exchange, head->status, type, copy, body);
}

static void
on_head (struct bufferevent *stream, void *context)
{
    proxy_t *proxy = context;
    struct evbuffer *input = bufferevent_get_input (stream);
    size_t size = evbuffer_get_length (input);
    const char *bytes = (const char *) evbuffer_pullup (input, -1);
    stream_head_t head;
    fault_t fault = { 0 };
    int is_there = stream_head_read (bytes, size, &head, &fault);
    if (is_there < 0)
        refuse (proxy, fault.text);
    else if (is_there && head.status == 101)
        join (proxy);
    else if (is_there && size - head.size >= head.content_length)
        pass_refusal (proxy, &head, bytes, head.content_length);
    else if (size >= HEAD_MAX_BYTES)
        refuse (proxy, "its answer is too long");
}

static void
on_early_event (struct bufferevent *stream, short what, void *context)
{
    proxy_t *proxy = context;
    char text[GO_ERRNO_MAX];
    int on = 1;
    if (what & BEV_EVENT_CONNECTED)
        setsockopt (bufferevent_getfd (stream), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    else if (what & BEV_EVENT_ERROR)
        refuse (proxy, go_errno (EVUTIL_SOCKET_ERROR(), text));
    else if (what & BEV_EVENT_EOF)
        refuse (proxy, "EOF");
}

/* Headers that are not the runtime's business; those of a body would make it take the first bytes
   of the stream for one, as the body itself stays here. */
static bool
is_withheld (const char *name)
{
    static const char *const NAMES[] = { "Host", "Authorization", "Content-Length",
                                         "Transfer-Encoding", "Expect" };
    for (size_t i = 0; i < COUNT_OF (NAMES); i++)
        if (strcasecmp (name, NAMES[i]) == 0)
            return true;
    return false;
}

static void
write_request (const proxy_t *proxy, const struct evhttp_uri *uri)
{
    const exchange_t *exchange = proxy->exchange;
    struct evbuffer *out = bufferevent_get_output (proxy->runtime.stream);
    const char *query = evhttp_uri_get_query (uri), *path = evhttp_uri_get_path (uri);
    evbuffer_add_printf (out, "%s %s%s%s HTTP/1.1\r\nHost: %s\r\n", exchange_method (exchange),
                         path && path[0] ? path : "/", query ? "?" : "", query ? query : "",
                         proxy->address);
    struct evkeyvalq *headers = evhttp_request_get_input_headers (exchange->http);
    for (struct evkeyval *header = headers->tqh_first; header; header = header->next.tqe_next) {
        if (is_withheld (header->key))
            continue;
        bool is_list = strcasecmp (header->key, "Sec-WebSocket-Protocol") == 0;
        OWNED (free_text)
        char *list = is_list ? websocket_protocols_without_token (header->value) : NULL;
        evbuffer_add_printf (out, "%s: %s\r\n", header->key, is_list ? list : header->value);
    }
    evbuffer_add (out, "\r\n", 2);
}

/* Fills in the address of a URL; the host has to be one. Returns its size, 0 when it is none. */
static socklen_t
address_of (const struct evhttp_uri *uri, struct sockaddr_storage *out)
{
    const char *host = evhttp_uri_get_host (uri);
    int port = evhttp_uri_get_port (uri);
    struct sockaddr_in *four = (struct sockaddr_in *) out;
    struct sockaddr_in6 *six = (struct sockaddr_in6 *) out;
    *out = (struct sockaddr_storage){ 0 };
    if (!host || port <= 0)
        return 0;
    OWNED (free_text) char *bare = text_copy (host + (host[0] == '['));
    bare[strcspn (bare, "]")] = '\0';
    if (strcmp (bare, "localhost") == 0)
        text_replace (&bare, "127.0.0.1");
    if (inet_pton (AF_INET, bare, &four->sin_addr) == 1) {
        four->sin_family = AF_INET;
        four->sin_port = htons ((uint16_t) port);
        return sizeof *four;
    }
    if (inet_pton (AF_INET6, bare, &six->sin6_addr) == 1) {
        six->sin6_family = AF_INET6;
        six->sin6_port = htons ((uint16_t) port);
        return sizeof *six;
    }
    return 0;
}

static void
free_uri (struct evhttp_uri **uri_p)
{
    if (*uri_p)
        evhttp_uri_free (*uri_p);
}

/* Without the URL: whoever knows its path may use the stream. */
static void
refuse_url (exchange_t *exchange, const struct evhttp_uri *uri)
{
    const char *scheme = uri ? evhttp_uri_get_scheme (uri) : NULL;
    const char *host = uri ? evhttp_uri_get_host (uri) : NULL;
    OWNED (free_text) char *address = host ? go_host_port (host, evhttp_uri_get_port (uri)) : NULL;
    const char *text = "the runtime's streaming URL is not http://ADDRESS:PORT/...";
    if (scheme && strcasecmp (scheme, "https") == 0)
        text = "the runtime's streaming server speaks https, which is not supported here: let it "
               "speak http on a loopback address (containerd: enable_tls_streaming = false, "
               "CRI-O: stream_enable_tls = false)";
    LOG_ERROR ("Stream cannot be opened path=%s address=%s err=%s", exchange_path (exchange),
               address ? address : "", text);
    exchange_error (exchange, HTTP_INTERNAL, text);
}

void
stream_proxy_begin (exchange_t *exchange, const char *url)
{
    OWNED (free_uri) struct evhttp_uri *uri = evhttp_uri_parse (url);
    struct sockaddr_storage address;
    socklen_t size = uri ? address_of (uri, &address) : 0;
    const char *scheme = uri ? evhttp_uri_get_scheme (uri) : NULL;
    if (!size || !scheme || strcmp (scheme, "http") != 0) {
        refuse_url (exchange, uri);
        return;
    }
    proxy_t *proxy = memory_new (1, sizeof *proxy);
    proxy->exchange = exchange;
    proxy->client.stream = exchange->stream;
    proxy->address = go_host_port (evhttp_uri_get_host (uri), evhttp_uri_get_port (uri));
    proxy->idle_ms = exchange->server->settings.streaming_idle_ms;
    proxy->active_ms = clock_monotonic_ms();
    proxy->timer = evtimer_new (exchange->server->base, check_time, proxy);
    proxy->runtime.stream =
        bufferevent_socket_new (exchange->server->base, -1, BEV_OPT_CLOSE_ON_FREE);
    if (!proxy->timer || !proxy->runtime.stream)
        abort(); // out of memory
    exchange->work = proxy;
    exchange->drop = free_proxy;
    bufferevent_setcb (proxy->runtime.stream, on_head, NULL, on_early_event, proxy);
    bufferevent_enable (proxy->runtime.stream, EV_READ | EV_WRITE);
    write_request (proxy, uri);
    arm_timer (proxy);
    if (bufferevent_socket_connect (proxy->runtime.stream, (struct sockaddr *) &address, (int) size)
        < 0)
        refuse (proxy, "no socket");
}
