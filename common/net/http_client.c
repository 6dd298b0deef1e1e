#include "cubelet/http_client.h"
#include "cubelet/memory.h"
#include "curl_library.h"
#include "http_transfer.h"
#include <poll.h>
#include <string.h>

#define REDIRECTS_MAX 10 // of http_redirect_same_host
#define STREAMS_MAX 250L // of a connection, if the server allows as many; libcurl's own is 100

struct http_client {
    actor_t *actor;
    CURLM *multi;          // NULL before the first request
    transfer_t *transfers; // newest first
    uint64_t last_id;
    uint64_t curl_timer;
    uint64_t kick_timer;
    bool is_inside; // libcurl is calling us: it must not be called
    bool is_busy;   // ends of requests are being told: do not free
    bool is_gone;   // destroyed meanwhile
};

// ---- libcurl and the actor's loop ----

static void collect (http_client_t *self);

static void
act (http_client_t *self, curl_socket_t fd, int events)
{
    int running = 0;
    self->is_inside = true;
    curl_multi_socket_action (self->multi, fd, events, &running);
    self->is_inside = false;
    collect (self);
}

static void
on_fd (void *state, int fd, short events, void *context)
{
    (void) state, (void) events;
    act (context, fd, 0); // libcurl looks itself what is ready
}

static void
on_curl_timer (void *state, void *context)
{
    (void) state;
    http_client_t *self = context;
    self->curl_timer = 0;
    act (self, CURL_SOCKET_TIMEOUT, 0);
}

static int
watch_socket (CURL *easy, curl_socket_t fd, int what, void *user, void *known)
{
    (void) easy, (void) known;
    http_client_t *self = user;
    static const short EVENTS[] = {
        [CURL_POLL_IN] = POLLIN, [CURL_POLL_OUT] = POLLOUT, [CURL_POLL_INOUT] = POLLIN | POLLOUT
    };
    if (what == CURL_POLL_REMOVE)
        actor_unwatch_fd (self->actor, fd);
    else if (what >= CURL_POLL_IN && what <= CURL_POLL_INOUT)
        actor_watch_fd (self->actor, fd, EVENTS[what], on_fd, self);
    return 0;
}

static int
set_timer (CURLM *multi, long timeout_ms, void *user)
{
    (void) multi;
    http_client_t *self = user;
    actor_timer_cancel (self->actor, &self->curl_timer);
    if (timeout_ms >= 0)
        self->curl_timer = actor_timer (self->actor, timeout_ms, on_curl_timer, self);
    return 0;
}

static void
open_multi (http_client_t *self)
{
    self->multi = curl_multi_init();
    if (!self->multi)
        abort(); // out of memory
    curl_multi_setopt (self->multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
    curl_multi_setopt (self->multi, CURLMOPT_SOCKETDATA, self);
    curl_multi_setopt (self->multi, CURLMOPT_TIMERFUNCTION, set_timer);
    curl_multi_setopt (self->multi, CURLMOPT_TIMERDATA, self);
    curl_multi_setopt (self->multi, CURLMOPT_PIPELINING, CURLPIPE_MULTIPLEX);
    curl_multi_setopt (self->multi, CURLMOPT_MAX_CONCURRENT_STREAMS, STREAMS_MAX);
}

// ---- transfers ----

static void
link_transfer (http_client_t *self, transfer_t *transfer)
{
    transfer->next = self->transfers;
    if (transfer->next)
        transfer->next->previous = transfer;
    self->transfers = transfer;
}

static void
unlink_transfer (http_client_t *self, transfer_t *transfer)
{
    *(transfer->previous ? &transfer->previous->next : &self->transfers) = transfer->next;
    if (transfer->next)
        transfer->next->previous = transfer->previous;
}

static void
hand_over (http_client_t *self, transfer_t *transfer)
{
    transfer->state = TRANSFER_RUNNING;
    self->is_inside = true;
    curl_multi_add_handle (self->multi, transfer->easy);
    self->is_inside = false;
}

static void
take_back (http_client_t *self, transfer_t *transfer)
{
    if (transfer->easy)
        curl_multi_remove_handle (self->multi, transfer->easy);
}

/* Ends a transfer. The client may be gone when it returns. */
static void
finish (http_client_t *self, transfer_t *transfer, const fault_t *fault)
{
    unlink_transfer (self, transfer);
    take_back (self, transfer);
    transfer_tell (transfer, fault);
    transfer_destroy (&transfer);
}

static void
drop (http_client_t *self, transfer_t *transfer)
{
    unlink_transfer (self, transfer);
    take_back (self, transfer);
    transfer_destroy (&transfer);
}

static void
take_result (http_client_t *self, transfer_t *transfer, CURLcode code)
{
    fault_t fault = { 0 };
    int followed = transfer_judge (transfer, code, &fault);
    take_back (self, transfer);
    if (followed == 0)
        followed = transfer_follow (transfer, &fault);
    if (followed == 1)
        hand_over (self, transfer);
    else
        finish (self, transfer, followed < 0 ? &fault : NULL);
}

static void
end_telling (http_client_t *self)
{
    self->is_busy = false;
    if (self->is_gone)
        free (self);
}

/* Takes from libcurl what has ended. */
static void
collect (http_client_t *self)
{
    int left = 0;
    self->is_busy = true;
    for (CURLMsg *message;
         !self->is_gone && (message = curl_multi_info_read (self->multi, &left));) {
        transfer_t *transfer = NULL;
        curl_easy_getinfo (message->easy_handle, CURLINFO_PRIVATE, &transfer);
        if (message->msg == CURLMSG_DONE && transfer->state == TRANSFER_RUNNING)
            take_result (self, transfer, message->data.result);
    }
    end_telling (self);
}

// ---- what has to wait until libcurl and the caller are off the stack ----

static void
settle (http_client_t *self, transfer_t *transfer)
{
    fault_t fault = { 0 };
    switch (transfer->state) {
    case TRANSFER_STARTING:
        transfer_prepare (transfer);
        hand_over (self, transfer);
        break;
    case TRANSFER_REFUSED:
        fault_set (&fault, FAULT_INVALID, "%s", transfer->refusal);
        finish (self, transfer, &fault);
        break;
    case TRANSFER_CANCELLED: drop (self, transfer); break;
    case TRANSFER_RUNNING: break;
    }
}

static transfer_t *
find_unsettled (const http_client_t *self)
{
    transfer_t *oldest = NULL;
    for (transfer_t *transfer = self->transfers; transfer; transfer = transfer->next)
        if (transfer->state != TRANSFER_RUNNING)
            oldest = transfer;
    return oldest;
}

static void
kick (void *state, void *context)
{
    (void) state;
    http_client_t *self = context;
    self->kick_timer = 0;
    self->is_busy = true;
    for (transfer_t *transfer; !self->is_gone && (transfer = find_unsettled (self));)
        settle (self, transfer);
    end_telling (self);
}

static void
kick_soon (http_client_t *self)
{
    if (!self->kick_timer)
        self->kick_timer = actor_timer (self->actor, 0, kick, self);
}

// ---- public ----

http_client_t *
http_client_new (actor_t *actor)
{
    http_client_t *self = memory_new (1, sizeof *self);
    self->actor = actor;
    return self;
}

void
http_client_destroy (http_client_t **self_p)
{
    http_client_t *self = *self_p;
    if (!self)
        return;
    *self_p = NULL;
    while (self->transfers)
        drop (self, self->transfers);
    if (self->multi)
        curl_multi_cleanup (self->multi);
    actor_timer_cancel (self->actor, &self->curl_timer);
    actor_timer_cancel (self->actor, &self->kick_timer);
    self->is_gone = true;
    if (!self->is_busy)
        free (self);
}

uint64_t
http_request (http_client_t *self, const http_request_t *request)
{
    transfer_t *transfer = transfer_new (++self->last_id, request);
    if (!self->multi && transfer->easy)
        open_multi (self);
    link_transfer (self, transfer);
    if (self->is_inside || transfer->state == TRANSFER_REFUSED)
        kick_soon (self);
    else
        settle (self, transfer);
    return transfer->id;
}

void
http_cancel (http_client_t *self, uint64_t id)
{
    transfer_t *transfer = self->transfers;
    while (transfer && transfer->id != id)
        transfer = transfer->next;
    if (!transfer)
        return;
    if (!self->is_inside) {
        drop (self, transfer);
        return;
    }
    transfer->state = TRANSFER_CANCELLED;
    kick_soon (self);
}

size_t
http_request_count (const http_client_t *self)
{
    size_t count = 0;
    for (const transfer_t *transfer = self->transfers; transfer; transfer = transfer->next)
        count += transfer->state != TRANSFER_CANCELLED;
    return count;
}

/* The URL's host as url.Hostname () gives it, owned; "" for none. */
static char *
host_of (const char *text)
{
    CURLU *url = curl_url();
    char *host = NULL;
    if (curl_url_set (url, CURLUPART_URL, text, 0) == CURLUE_OK)
        curl_url_get (url, CURLUPART_HOST, &host, 0);
    char *copy = text_copy (host ? host : "");
    curl_free (host);
    curl_url_cleanup (url);
    return copy;
}

int
http_redirect_same_host (const char *from, const char *to, unsigned requests, fault_t *fault)
{
    OWNED (free_text) char *first = host_of (from);
    OWNED (free_text) char *next = host_of (to);
    if (strcmp (first, next) != 0)
        return 0;
    if (requests >= REDIRECTS_MAX)
        return fault_set (fault, FAULT_INVALID, "stopped after %d redirects", REDIRECTS_MAX);
    return 1;
}
