#include "http_transfer.h"
#include "cubelet/clock.h"
#include "cubelet/go_quote.h"
#include "cubelet/memory.h"
#include "http_fault.h"
#include <string.h>
#include <strings.h>

#define SINGLE_BUFFER_BYTES 4096L // of a connection that is used once; libcurl's own is 16 KiB
#define GREETING_BYTES 64         // of something that is no HTTP are enough to say so

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
    else if (self->request.on_body)
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
set_security (CURL *easy, const http_request_t *request)
{
    if (request->is_unverified) {
        curl_easy_setopt (easy, CURLOPT_SSL_VERIFYPEER, 0L);
        curl_easy_setopt (easy, CURLOPT_SSL_VERIFYHOST, 0L);
    }
    if (request->ca_file)
        curl_easy_setopt (easy, CURLOPT_CAINFO, request->ca_file);
    if (request->certificate_file)
        curl_easy_setopt (easy, CURLOPT_SSLCERT, request->certificate_file);
    if (request->key_file)
        curl_easy_setopt (easy, CURLOPT_SSLKEY, request->key_file);
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
    curl_easy_setopt (easy, CURLOPT_PROXY, "");      // not even from the environment
    curl_easy_setopt (easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt (easy, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt (easy, CURLOPT_HTTP09_ALLOWED, 1L); // to see what a server says that is none
    curl_easy_setopt (easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_2TLS);
    curl_easy_setopt (easy, CURLOPT_CONNECT_ONLY, request->is_connect_only ? 1L : 0L);
    if (request->is_single || request->is_connect_only) {
        curl_easy_setopt (easy, CURLOPT_FRESH_CONNECT, 1L);
        curl_easy_setopt (easy, CURLOPT_FORBID_REUSE, 1L);
        curl_easy_setopt (easy, CURLOPT_BUFFERSIZE, SINGLE_BUFFER_BYTES);
    }
    set_security (easy, request);
    set_method (self);
}

static void
open_easy (transfer_t *self)
{
    self->easy = curl_easy_init();
    if (!self->easy)
        abort(); // out of memory
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
    }
    for (http_header_t *header = self->asked; header->name; header++) {
        free ((char *) header->name);
        free ((char *) header->value);
    }
    free (self->asked);
    free (self->method);
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
