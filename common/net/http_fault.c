#include "http_fault.h"
#include "cubelet/go_quote.h"
#include "cubelet/go_text.h"
#include "cubelet/memory.h"
#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>

/* What a failure's text needs of the transfer's connection. */
typedef struct {
    char *host; // of the URL, without brackets
    int port;
    long os_error; // errno, 0: unknown
} endpoint_t;

static void
endpoint_clear (endpoint_t *self)
{
    free (self->host);
}

static endpoint_t
endpoint_of (const http_failure_t *failure)
{
    endpoint_t self = { .host = NULL };
    CURLU *url = curl_url();
    char *host = NULL, *port = NULL;
    if (curl_url_set (url, CURLUPART_URL, failure->url, 0) == CURLUE_OK) {
        curl_url_get (url, CURLUPART_HOST, &host, 0);
        curl_url_get (url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT);
    }
    self.host = text_copy (host ? host : "");
    if (self.host[0] == '[') { // an IPv6 address
        memmove (self.host, self.host + 1, strlen (self.host));
        self.host[strcspn (self.host, "]")] = '\0';
    }
    self.port = port ? (int) strtol (port, NULL, 10) : 0;
    curl_free (host);
    curl_free (port);
    curl_url_cleanup (url);
    curl_easy_getinfo (failure->easy, CURLINFO_OS_ERRNO, &self.os_error);
    return self;
}

/* libcurl's own words; those of its buffer say more than those of the code. */
static const char *
own_text (const http_failure_t *failure, CURLcode code)
{
    return failure->curl_text[0] ? failure->curl_text : curl_easy_strerror (code);
}

// ---- one function per kind of failure ----

typedef void describe_fn (const http_failure_t *failure, CURLcode code, fault_t *fault);

static void
describe_timeout (const http_failure_t *failure, CURLcode code, fault_t *fault)
{
    (void) code;
    if (failure->is_connect_only) {
        endpoint_t to = endpoint_of (failure);
        OWNED (free_text) char *address = go_host_port (to.host, to.port);
        fault_set (fault, FAULT_DEADLINE, "dial tcp %s: i/o timeout", address);
        endpoint_clear (&to);
        return;
    }
    fault_set (fault, FAULT_DEADLINE, "context deadline exceeded (Client.Timeout %s)",
               failure->has_answer ? "or context cancellation while reading body"
                                   : "exceeded while awaiting headers");
}

static void
describe_connect (const http_failure_t *failure, CURLcode code, fault_t *fault)
{
    endpoint_t to = endpoint_of (failure);
    OWNED (free_text) char *address = go_host_port (to.host, to.port);
    char number[GO_ERRNO_MAX];
    if (to.os_error)
        fault_set (fault, FAULT_UNAVAILABLE, "dial tcp %s: connect: %s", address,
                   go_errno ((int) to.os_error, number));
    else
        fault_set (fault, FAULT_UNAVAILABLE, "dial tcp %s: %s", address, own_text (failure, code));
    endpoint_clear (&to);
}

static void
describe_lookup (const http_failure_t *failure, CURLcode code, fault_t *fault)
{
    (void) code;
    endpoint_t to = endpoint_of (failure);
    fault_set (fault, FAULT_UNAVAILABLE, "dial tcp: lookup %s: no such host", to.host);
    endpoint_clear (&to);
}

static void
describe_early_end (const http_failure_t *failure, CURLcode code, fault_t *fault)
{
    (void) code;
    fault_set (fault, FAULT_UNAVAILABLE, failure->has_answer ? "unexpected EOF" : "EOF");
}

static void
describe_transport (const http_failure_t *failure, CURLcode code, fault_t *fault)
{
    const char *verb = code == CURLE_SEND_ERROR ? "write" : "read";
    long error = 0, local_port = 0, peer_port = 0;
    char *local = NULL, *peer = NULL;
    curl_easy_getinfo (failure->easy, CURLINFO_OS_ERRNO, &error);
    curl_easy_getinfo (failure->easy, CURLINFO_LOCAL_IP, &local);
    curl_easy_getinfo (failure->easy, CURLINFO_LOCAL_PORT, &local_port);
    curl_easy_getinfo (failure->easy, CURLINFO_PRIMARY_IP, &peer);
    curl_easy_getinfo (failure->easy, CURLINFO_PRIMARY_PORT, &peer_port);
    if (!error || !local || !peer) {
        fault_set (fault, FAULT_UNAVAILABLE, "%s", own_text (failure, code));
        return;
    }
    OWNED (free_text) char *from = go_host_port (local, (int) local_port);
    OWNED (free_text) char *to = go_host_port (peer, (int) peer_port);
    char number[GO_ERRNO_MAX];
    fault_set (fault, FAULT_UNAVAILABLE, "%s tcp %s->%s: %s: %s", verb, from, to, verb,
               go_errno ((int) error, number));
}

/* OpenSSL sees no TLS in what came; Go looks whether it is HTTP, which it nearly always is. */
static void
describe_handshake (const http_failure_t *failure, CURLcode code, fault_t *fault)
{
    if (strstr (failure->curl_text, "wrong version number"))
        fault_set (fault, FAULT_INVALID, "http: server gave HTTP response to HTTPS client");
    else
        fault_set (fault, FAULT_UNAVAILABLE, "tls: %s", own_text (failure, code));
}

static void
describe_certificate (const http_failure_t *failure, CURLcode code, fault_t *fault)
{
    fault_set (fault, FAULT_UNAVAILABLE, "tls: failed to verify certificate: %s",
               own_text (failure, code));
}

static void
describe_bad_url (const http_failure_t *failure, CURLcode code, fault_t *fault)
{
    fault_set (fault, FAULT_INVALID, "%s", own_text (failure, code));
}

static void
describe_unavailable (const http_failure_t *failure, CURLcode code, fault_t *fault)
{
    fault_set (fault, FAULT_UNAVAILABLE, "%s", own_text (failure, code));
}

static void
describe_other (const http_failure_t *failure, CURLcode code, fault_t *fault)
{
    fault_set (fault, FAULT_UNKNOWN, "%s", own_text (failure, code));
}

static const struct {
    CURLcode code;
    describe_fn *describe;
} KINDS[] = {
    { CURLE_OPERATION_TIMEDOUT, describe_timeout },
    { CURLE_COULDNT_CONNECT, describe_connect },
    { CURLE_COULDNT_RESOLVE_HOST, describe_lookup },
    { CURLE_GOT_NOTHING, describe_early_end },
    { CURLE_PARTIAL_FILE, describe_early_end },
    { CURLE_RECV_ERROR, describe_transport },
    { CURLE_SEND_ERROR, describe_transport },
    { CURLE_SSL_CONNECT_ERROR, describe_handshake },
    { CURLE_PEER_FAILED_VERIFICATION, describe_certificate },
    { CURLE_HTTP2, describe_unavailable },
    { CURLE_HTTP2_STREAM, describe_unavailable },
    { CURLE_SSL_CERTPROBLEM, describe_unavailable }, // a file may be half written
    { CURLE_SSL_CACERT_BADFILE, describe_unavailable },
    { CURLE_COULDNT_RESOLVE_PROXY, describe_unavailable },
    { CURLE_URL_MALFORMAT, describe_bad_url },
    { CURLE_UNSUPPORTED_PROTOCOL, describe_bad_url },
};

void
http_fault_of (const http_failure_t *failure, CURLcode code, fault_t *fault)
{
    describe_fn *describe = describe_other;
    for (size_t i = 0; i < COUNT_OF (KINDS); i++)
        if (KINDS[i].code == code)
            describe = KINDS[i].describe;
    describe (failure, code, fault);
    if (!failure->has_answer && !failure->is_connect_only)
        http_fault_with_url (failure->method, failure->url, fault);
}

/* "%q" of bytes that may hold NULs. Owned. */
static char *
quote_bytes (const char *bytes, size_t size)
{
    OWNED (free_text) char *text = memory_new (size + 1, 1);
    memcpy (text, bytes, size);
    char *quoted = go_quote (text);
    for (size_t at = strlen (text); at < size; at += strlen (text + at)) {
        at++;
        OWNED (free_text) char *rest = go_quote (text + at);
        quoted[strlen (quoted) - 1] = '\0'; // its closing quotation mark
        text_replace (&quoted, "%s\\x00%s", quoted, rest + 1);
    }
    return quoted;
}

void
http_fault_of_greeting (const http_failure_t *failure, const char *bytes, size_t size,
                        fault_t *fault)
{
    const char *end = memchr (bytes, '\n', size);
    size_t length = end ? (size_t) (end - bytes) : size;
    if (length > 0 && bytes[length - 1] == '\r')
        length--;
    OWNED (free_text) char *line = quote_bytes (bytes, length);
    fault_set (fault, FAULT_INVALID,
               "net/http: HTTP/1.x transport connection broken: malformed HTTP response %s", line);
    http_fault_with_url (failure->method, failure->url, fault);
}

void
http_fault_with_url (const char *method, const char *url, fault_t *fault)
{
    OWNED (free_text) char *verb = text_copy (method);
    for (size_t i = 1; verb[0] && verb[i]; i++)
        verb[i] = (char) tolower ((unsigned char) verb[i]);
    OWNED (free_text) char *quoted = go_quote (url);
    fault_wrap (fault, "%s %s", verb, quoted);
}

// ---- headers ----

/* RFC 7230 "token", as golang.org/x/net/http/httpguts has it. */
static bool
is_token (const char *name)
{
    for (const char *c = name; *c; c++)
        if (!isalnum ((unsigned char) *c) && !strchr ("!#$%&'*+-.^_`|~", *c))
            return false;
    return *name != '\0';
}

static bool
is_field_value (const char *value)
{
    for (const char *c = value; *c; c++)
        if (*c != '\t' && ((unsigned char) *c < 0x20 || *c == 0x7f))
            return false;
    return true;
}

int
http_check_headers (const http_header_t *headers, fault_t *fault)
{
    for (; headers && headers->name; headers++) {
        OWNED (free_text) char *name = go_quote (headers->name);
        if (!is_token (headers->name))
            return fault_set (fault, FAULT_INVALID, "net/http: invalid header field name %s", name);
        if (headers->value && !is_field_value (headers->value))
            return fault_set (fault, FAULT_INVALID, "net/http: invalid header field value for %s",
                              name);
    }
    return 0;
}
