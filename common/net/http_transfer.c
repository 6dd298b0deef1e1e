#include "http_transfer.h"
#include "cubelet/clock.h"
#include "cubelet/go_quote.h"
#include "cubelet/memory.h"
#include "http_fault.h"
#include <netinet/tcp.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#define SMALL_BUFFER_BYTES 4096L // of a connection used once, and of streams; libcurl's: 16 KiB
#define GREETING_BYTES 64        // of something that is no HTTP are enough to say so

/* When a shared connection's peer counts as gone: after 15 s and three probes, or 30 s without an
   acknowledgement. */
#define PEER_IDLE_S 15
#define PEER_PROBE_S 5
#define PEER_PROBES 3
#define PEER_SILENCE_MS 30000

// ---- the body ----

static long
status_of (const transfer_t *self)
{
    long status = 0;
    curl_easy_getinfo (self->easy, CURLINFO_RESPONSE_CODE, &status);
    return status;
}

/* Keeps what fits under `limit`; false when there was more. */
static bool
keep_bytes (transfer_t *self, const char *bytes, size_t size, size_t limit)
{
    size_t fits = limit - self->body_size < size ? limit - self->body_size : size;
    if (self->body_size + fits + 1 > self->body_room) {
        self->body_room = 2 * self->body_room + fits + 1;
        self->body = memory_grow (self->body, self->body_room, 1);
    }
    memcpy (self->body + self->body_size, bytes, fits);
    self->body_size += fits;
    self->body[self->body_size] = '\0';
    return fits == size;
}

static size_t
on_data (char *bytes, size_t unit, size_t count, void *user)
{
    transfer_t *self = user;
    size_t size = unit * count;
    bool goes_on = true;
    if (self->state == TRANSFER_CANCELLED)
        return 0;
    if (status_of (self) == 0) // what counts as HTTP/0.9: something else speaks
        goes_on = keep_bytes (self, bytes, size, GREETING_BYTES) && !memchr (bytes, '\n', size);
    else if (self->request.on_body && status_of (self) / 100 == 2)
        goes_on =
            !(self->is_unwanted = !self->request.on_body (self->request.context, bytes, size));
    else
        goes_on = !(self->is_truncated = !keep_bytes (self, bytes, size, self->request.body_limit));
    self->is_broken_off = !goes_on;
    return goes_on ? size : 0;
}

static size_t
on_header (char *bytes, size_t unit, size_t count, void *user)
{
    transfer_t *self = user;
    size_t size = unit * count;
    bool is_end = size > 0 && (bytes[0] == '\r' || bytes[0] == '\n');
    self->has_answer = is_end && status_of (self) >= 200;
    return size;
}

// ---- what libcurl is told ----

static struct curl_slist *
append_header (struct curl_slist *list, const char *text)
{
    struct curl_slist *longer = curl_slist_append (list, text);
    if (!longer)
        abort(); // out of memory
    return longer;
}

/* The headers in libcurl's notation: "Name;" is empty, "Name:" is left out. */
static void
set_headers (transfer_t *self, bool with_host)
{
    bool has_accept = false;
    curl_slist_free_all (self->headers);
    self->headers = NULL;
    for (const http_header_t *header = self->asked; header->name; header++) {
        const char *value = header->value + strspn (header->value, " \t");
        size_t size = strlen (value);
        while (size > 0 && strchr (" \t", value[size - 1]))
            size--;
        OWNED (free_text)
        char *line = size == 0 ? text_format ("%s;", header->name)
                               : text_format ("%s: %.*s", header->name, (int) size, value);
        if (with_host || strcasecmp (header->name, "Host") != 0)
            self->headers = append_header (self->headers, line);
        has_accept = has_accept || strcasecmp (header->name, "Accept") == 0;
    }
    if (!has_accept)
        self->headers = append_header (self->headers, "Accept:");
    self->headers = append_header (self->headers, "Expect:");
    curl_easy_setopt (self->easy, CURLOPT_HTTPHEADER, self->headers);
}

static void
set_method (transfer_t *self)
{
    const http_request_t *request = &self->request;
    if (strcmp (self->method, "HEAD") == 0)
        curl_easy_setopt (self->easy, CURLOPT_NOBODY, 1L);
    if (request->body) {
        curl_easy_setopt (self->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) request->body_size);
        curl_easy_setopt (self->easy, CURLOPT_COPYPOSTFIELDS, request->body);
    }
    if (strcmp (self->method, "GET") != 0 || request->body)
        curl_easy_setopt (self->easy, CURLOPT_CUSTOMREQUEST, self->method);
}

static void
set_pem (CURL *easy, CURLoption option, http_pem_t pem)
{
    struct curl_blob blob = { .data = (char *) pem.bytes, .len = pem.size };
    if (pem.bytes)
        curl_easy_setopt (easy, option, &blob);
}

static void
set_security (CURL *easy, const http_request_t *request)
{
    if (request->is_unverified) {
        curl_easy_setopt (easy, CURLOPT_SSL_VERIFYPEER, 0L);
        curl_easy_setopt (easy, CURLOPT_SSL_VERIFYHOST, 0L);
    }
    if (request->ca_file || request->ca.bytes) // then the system's count no more
        curl_easy_setopt (easy, CURLOPT_CAPATH, NULL);
    if (request->ca_file)
        curl_easy_setopt (easy, CURLOPT_CAINFO, request->ca_file);
    if (request->certificate_file)
        curl_easy_setopt (easy, CURLOPT_SSLCERT, request->certificate_file);
    if (request->key_file)
        curl_easy_setopt (easy, CURLOPT_SSLKEY, request->key_file);
    set_pem (easy, CURLOPT_CAINFO_BLOB, request->ca);
    set_pem (easy, CURLOPT_SSLCERT_BLOB, request->certificate);
    set_pem (easy, CURLOPT_SSLKEY_BLOB, request->key);
}

/* A peer that vanished without a word is noticed, whether something is under way to it (the user
   timeout) or nothing is (the keepalive). A socket that refuses these options works without. */
static int
set_socket (void *user, curl_socket_t fd, curlsocktype purpose)
{
    (void) user, (void) purpose;
    static const struct {
        int level, option, value;
    } OPTIONS[] = {
        { SOL_SOCKET, SO_KEEPALIVE, 1 },
        { IPPROTO_TCP, TCP_KEEPIDLE, PEER_IDLE_S },
        { IPPROTO_TCP, TCP_KEEPINTVL, PEER_PROBE_S },
        { IPPROTO_TCP, TCP_KEEPCNT, PEER_PROBES },
        { IPPROTO_TCP, TCP_USER_TIMEOUT, PEER_SILENCE_MS },
    };
    for (size_t i = 0; i < COUNT_OF (OPTIONS); i++)
        (void) setsockopt (fd, OPTIONS[i].level, OPTIONS[i].option, &OPTIONS[i].value,
                           sizeof OPTIONS[i].value);
    return CURL_SOCKOPT_OK;
}

static void
set_connection (CURL *easy, const http_request_t *request, struct curl_slist *connect_to)
{
    bool is_of_environment =
        request->proxy && strcmp (request->proxy, HTTP_PROXY_OF_ENVIRONMENT) == 0;
    if (!is_of_environment)
        curl_easy_setopt (easy, CURLOPT_PROXY, request->proxy ? request->proxy : "");
    if (connect_to)
        curl_easy_setopt (easy, CURLOPT_CONNECT_TO, connect_to);
    if (request->connect_timeout_ms > 0)
        curl_easy_setopt (easy, CURLOPT_CONNECTTIMEOUT_MS, (long) request->connect_timeout_ms);
    if (request->is_shared) {
        // only TLS says early whether the server offers HTTP/2; a plain server's first answer would
        // have to be waited for
        bool is_https = strncasecmp (request->url, "https:", 6) == 0;
        curl_easy_setopt (easy, CURLOPT_PIPEWAIT, is_https ? 1L : 0L);
        curl_easy_setopt (easy, CURLOPT_SOCKOPTFUNCTION, set_socket);
    }
    if (request->is_single || request->is_connect_only) {
        curl_easy_setopt (easy, CURLOPT_FRESH_CONNECT, 1L);
        curl_easy_setopt (easy, CURLOPT_FORBID_REUSE, 1L);
    }
    if (request->is_single || request->is_connect_only || request->on_body)
        curl_easy_setopt (easy, CURLOPT_BUFFERSIZE, SMALL_BUFFER_BYTES);
}

/* Everything that stays the same over redirects. libcurl copies the texts. */
static void
set_options (transfer_t *self)
{
    CURL *easy = self->easy;
    const http_request_t *request = &self->request;
    curl_easy_setopt (easy, CURLOPT_PRIVATE, self);
    curl_easy_setopt (easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt (easy, CURLOPT_HEADERDATA, self);
    curl_easy_setopt (easy, CURLOPT_WRITEFUNCTION, on_data);
    curl_easy_setopt (easy, CURLOPT_WRITEDATA, self);
    curl_easy_setopt (easy, CURLOPT_ERRORBUFFER, self->curl_text);
    curl_easy_setopt (easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt (easy, CURLOPT_QUICK_EXIT, 1L); // never join a thread that looks up a name
    curl_easy_setopt (easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt (easy, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt (easy, CURLOPT_HTTP09_ALLOWED, 1L); // to see what a server says that is none
    curl_easy_setopt (easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_2TLS);
    curl_easy_setopt (easy, CURLOPT_CONNECT_ONLY, request->is_connect_only ? 1L : 0L);
    set_connection (easy, request, self->connect_to);
    set_security (easy, request);
    set_method (self);
}

static void
open_easy (transfer_t *self)
{
    self->easy = curl_easy_init();
    if (!self->easy)
        abort(); // out of memory
    if (self->target)
        self->connect_to = append_header (NULL, self->target);
    set_options (self);
    set_headers (self, true);
}

// ---- life ----

static http_header_t *
copy_headers (const http_header_t *headers)
{
    size_t count = 0;
    while (headers && headers[count].name)
        count++;
    http_header_t *copy = memory_new (count + 1, sizeof *copy);
    for (size_t i = 0; i < count; i++) {
        copy[i].name = text_copy (headers[i].name);
        copy[i].value = text_copy (headers[i].value ? headers[i].value : "");
    }
    return copy;
}

transfer_t *
transfer_new (uint64_t id, const http_request_t *request)
{
    transfer_t *self = memory_new (1, sizeof *self);
    self->id = id;
    self->request = *request;
    self->method = text_copy (request->method ? request->method : "GET");
    self->first_url = text_copy (request->url);
    self->url = text_copy (request->url);
    self->asked = copy_headers (request->headers);
    self->target = request->connect_to ? text_format ("::%s", request->connect_to) : NULL;
    if (request->timeout_ms > 0)
        self->deadline_ms = clock_monotonic_ms() + request->timeout_ms;
    fault_t fault = { 0 };
    if (curl_library_load (&fault) == 0 && http_check_headers (self->asked, &fault) == 0) {
        open_easy (self);
        return self;
    }
    http_fault_with_url (self->method, self->url, &fault);
    self->refusal = text_copy (fault.text);
    self->state = TRANSFER_REFUSED;
    return self;
}

void
transfer_destroy (transfer_t **self_p)
{
    transfer_t *self = *self_p;
    if (!self)
        return;
    if (self->easy) {
        curl_easy_cleanup (self->easy);
        curl_slist_free_all (self->headers);
        curl_slist_free_all (self->connect_to);
    }
    for (http_header_t *header = self->asked; header->name; header++) {
        free ((char *) header->name);
        free ((char *) header->value);
    }
    free (self->asked);
    free (self->method);
    free (self->target);
    free (self->first_url);
    free (self->url);
    free (self->referer);
    free (self->refusal);
    free (self->body);
    free (self);
    *self_p = NULL;
}

void
transfer_prepare (transfer_t *self)
{
    curl_easy_setopt (self->easy, CURLOPT_URL, self->url);
    curl_easy_setopt (self->easy, CURLOPT_REFERER, self->referer);
    if (self->deadline_ms) {
        int64_t left_ms = self->deadline_ms - clock_monotonic_ms();
        curl_easy_setopt (self->easy, CURLOPT_TIMEOUT_MS, (long) (left_ms > 1 ? left_ms : 1));
    }
    self->body_size = 0;
    self->has_answer = self->is_truncated = self->is_broken_off = false;
    self->curl_text[0] = '\0';
    self->requests++;
}

// ---- the answer ----

static bool
is_redirect (const transfer_t *self)
{
    static const long STATUSES[] = { 301, 302, 303, 307, 308 };
    long status = status_of (self);
    for (size_t i = 0; i < COUNT_OF (STATUSES); i++)
        if (status == STATUSES[i])
            return strcmp (self->method, "GET") == 0 || strcmp (self->method, "HEAD") == 0;
    return false;
}

/* The absolute URL that `location` means seen from `base`, its fragment kept; owned, or NULL.
 *is_absolute_p: it named a host itself. */
static char *
resolve_url (const char *base, const char *location, bool *is_absolute_p)
{
    CURLU *url = curl_url();
    char *whole = NULL, *copy = NULL;
    *is_absolute_p = curl_url_set (url, CURLUPART_URL, location, CURLU_URLENCODE) == CURLUE_OK;
    if (!*is_absolute_p && curl_url_set (url, CURLUPART_URL, base, 0) != CURLUE_OK) {
        curl_url_cleanup (url);
        return NULL;
    }
    if ((*is_absolute_p
         || curl_url_set (url, CURLUPART_URL, location, CURLU_URLENCODE) == CURLUE_OK)
        && curl_url_get (url, CURLUPART_URL, &whole, 0) == CURLUE_OK)
        copy = text_copy (whole);
    curl_free (whole);
    curl_url_cleanup (url);
    return copy;
}

int
transfer_follow (transfer_t *self, fault_t *fault)
{
    struct curl_header *location = NULL;
    if (!self->request.redirect || !is_redirect (self)
        || curl_easy_header (self->easy, "Location", 0, CURLH_HEADER, -1, &location) != CURLHE_OK
        || !location->value[0])
        return 0;
    bool is_absolute = false;
    OWNED (free_text) char *to = resolve_url (self->url, location->value, &is_absolute);
    OWNED (free_text) char *quoted = go_quote (location->value);
    int verdict = -1;
    if (to)
        verdict = self->request.redirect (self->first_url, to, self->requests, fault);
    else
        fault_set (fault, FAULT_INVALID, "failed to parse Location header %s", quoted);
    if (verdict < 0) {
        self->has_answer = false; // the redirect is not one that anybody wants
        // Go names the Location as it came when it is the rule that fails
        http_fault_with_url (self->method, to ? location->value : self->url, fault);
    }
    if (verdict <= 0)
        return verdict;
    if (is_absolute) // a Host header belongs to the first host
        set_headers (self, false);
    free (self->referer);
    self->referer = STEAL (self->url);
    self->url = STEAL (to);
    transfer_prepare (self);
    return 1;
}

int
transfer_judge (const transfer_t *self, CURLcode code, fault_t *fault)
{
    http_failure_t failure = { .easy = self->easy,
                               .method = self->method,
                               .url = self->url,
                               .curl_text = self->curl_text,
                               .is_connect_only = self->request.is_connect_only,
                               .has_answer = self->has_answer };
    bool is_greeting = status_of (self) == 0 && self->body_size > 0;
    if (self->is_unwanted)
        return fault_set (fault, FAULT_CANCELLED, "the rest of the answer was not wanted");
    if (is_greeting)
        http_fault_of_greeting (&failure, self->body, self->body_size, fault);
    else if (code != CURLE_OK && !self->is_broken_off)
        http_fault_of (&failure, code, fault);
    else
        return 0;
    return -1;
}

void
transfer_tell (const transfer_t *self, const fault_t *fault)
{
    http_response_t response = { .url = self->url,
                                 .body = self->body_size ? self->body : "",
                                 .body_size = self->body_size,
                                 .is_truncated = self->is_truncated,
                                 .source = self->easy };
    if (self->has_answer)
        response.status = (int) status_of (self);
    bool has_answer = self->has_answer || (self->request.is_connect_only && !fault);
    self->request.on_done (self->request.context, has_answer ? &response : NULL, fault);
}

const char *
http_response_header (const http_response_t *response, const char *name)
{
    struct curl_header *header = NULL;
    CURL *easy = (CURL *) response->source;
    if (!easy || curl_easy_header (easy, name, 0, CURLH_HEADER, -1, &header) != CURLHE_OK)
        return NULL;
    return header->value;
}
