#include "grpc_wire.h"
#include "cubelet/grpc.h"
#include "cubelet/memory.h"
#include <arpa/inet.h>
#include <ctype.h>
#include <inttypes.h>
#include <netdb.h>
#include <nghttp2/nghttp2.h>
#include <string.h>
#include <sys/un.h>

#define PREFIX_BYTES 5 // of a message: compressed flag, length

// ---- addresses ----

static int
read_unix (const char *path, grpc_address_t *out, fault_t *fault)
{
    struct sockaddr_un *address = (struct sockaddr_un *) &out->socket;
    size_t size = strlen (path);
    if (path[0] != '/')
        return fault_set (fault, FAULT_INVALID, "the socket's path \"%s\" is not absolute", path);
    if (size >= sizeof address->sun_path)
        return fault_set (fault, FAULT_INVALID, "the socket's path is longer than %zu bytes: %s",
                          sizeof address->sun_path - 1, path);
    address->sun_family = AF_UNIX;
    memcpy (address->sun_path, path, size + 1);
    out->size = sizeof *address;
    snprintf (out->text, sizeof out->text, "unix %s", path);
    snprintf (out->authority, sizeof out->authority, "localhost");
    return 0;
}

static int
read_tcp (const char *endpoint, grpc_address_t *out, fault_t *fault)
{
    char host[INET6_ADDRSTRLEN + 2];
    const char *colon = strrchr (endpoint, ':');
    if (!colon || colon == endpoint || !colon[1] || (size_t) (colon - endpoint) >= sizeof host)
        return fault_set (fault, FAULT_INVALID,
                          "endpoint \"%s\" is neither unix:///PATH nor ADDRESS:PORT", endpoint);
    snprintf (host, sizeof host, "%.*s", (int) (colon - endpoint), endpoint);
    char *name = host;
    size_t size = strlen (host);
    if (host[0] == '[' && host[size - 1] == ']') {
        host[size - 1] = '\0';
        name++;
    }
    struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
                              .ai_socktype = SOCK_STREAM };
    struct addrinfo *found = NULL;
    int rc = getaddrinfo (name, colon + 1, &hints, &found);
    if (rc != 0)
        return fault_set (fault, FAULT_INVALID, "endpoint \"%s\" is no address and port: %s",
                          endpoint, gai_strerror (rc));
    memcpy (&out->socket, found->ai_addr, found->ai_addrlen);
    out->size = found->ai_addrlen;
    freeaddrinfo (found);
    snprintf (out->text, sizeof out->text, "tcp %s", endpoint);
    snprintf (out->authority, sizeof out->authority, "%s", endpoint);
    return 0;
}

int
grpc_address_read (const char *endpoint, grpc_address_t *out, fault_t *fault)
{
    static const char UNIX[] = "unix://";
    memset (out, 0, sizeof *out);
    if (strncmp (endpoint, UNIX, sizeof UNIX - 1) == 0)
        return read_unix (endpoint + sizeof UNIX - 1, out, fault);
    if (endpoint[0] == '/')
        return read_unix (endpoint, out, fault);
    return read_tcp (endpoint, out, fault);
}

int
grpc_connection_fault (const char *what, fault_t *fault)
{
    return fault_set (fault, FAULT_UNAVAILABLE, "connection error: desc = \"%s\"", what);
}

int
grpc_dial_fault (const grpc_address_t *address, int error_number, fault_t *fault)
{
    char reason[128];
    snprintf (reason, sizeof reason, "%s", strerrordesc_np (error_number));
    reason[0] = (char) tolower ((unsigned char) reason[0]); // as Go spells the same errors
    return fault_set (fault, FAULT_UNAVAILABLE,
                      "connection error: desc = \"transport: Error while dialing: dial %s: connect:"
                      " %s\"",
                      address->text, reason);
}

// ---- times ----

void
grpc_timeout_text (int64_t timeout_ms, char out[static GRPC_TIMEOUT_TEXT_MAX])
{
    static const struct {
        char unit;
        int64_t ms;
    } UNITS[] = { { 'm', 1 }, { 'S', 1000 }, { 'M', 60 * 1000 }, { 'H', 3600 * 1000 } };
    static const int64_t DIGITS_MAX = 99999999;
    for (size_t i = 0; i < COUNT_OF (UNITS); i++) {
        int64_t count = timeout_ms / UNITS[i].ms + (timeout_ms % UNITS[i].ms != 0);
        if (count <= DIGITS_MAX || i + 1 == COUNT_OF (UNITS)) {
            snprintf (out, GRPC_TIMEOUT_TEXT_MAX, "%" PRId64 "%c",
                      count < DIGITS_MAX ? count : DIGITS_MAX, UNITS[i].unit);
            return;
        }
    }
}

int64_t
grpc_backoff_ms (unsigned failures, uint32_t random)
{
    static const double BASE_MS = 100, FACTOR = 1.6, MAX_MS = 3000, JITTER = 0.2;
    double wait_ms = BASE_MS;
    for (unsigned i = 1; i < failures && wait_ms < MAX_MS; i++)
        wait_ms *= FACTOR;
    if (wait_ms > MAX_MS)
        wait_ms = MAX_MS;
    return (int64_t) (wait_ms * (1 + JITTER * (2.0 * random / UINT32_MAX - 1)));
}

// ---- a reply ----

void
grpc_reply_reset (grpc_reply_t *reply)
{
    bool is_stream = reply->is_stream;
    free (reply->message);
    free (reply->strange_type);
    free (reply->bytes);
    *reply = (grpc_reply_t){ .status = -1, .is_stream = is_stream };
}

static int
hex_value (char digit)
{
    static const char DIGITS[] = "0123456789abcdef";
    const char *at = digit ? strchr (DIGITS, tolower ((unsigned char) digit)) : NULL;
    return at ? (int) (at - DIGITS) : -1;
}

/* Owned text; what is no valid %XX stays as it is. */
static char *
percent_decoded (const char *value, size_t size)
{
    char *text = memory_new (size + 1, 1);
    size_t used = 0;
    for (size_t i = 0; i < size; i++) {
        int high = value[i] == '%' && i + 2 < size ? hex_value (value[i + 1]) : -1;
        int low = high >= 0 ? hex_value (value[i + 2]) : -1;
        char decoded = (char) (high * 16 + low);
        text[used++] = low >= 0 ? decoded : value[i];
        if (low >= 0)
            i += 2;
    }
    return text;
}

/* A header's number, or `otherwise` when it is none. */
static int64_t
number_of (const char *value, size_t size, int64_t otherwise)
{
    int64_t number = 0;
    for (size_t i = 0; i < size; i++) {
        if (!isdigit ((unsigned char) value[i]) || i > 8)
            return otherwise;
        number = number * 10 + (value[i] - '0');
    }
    return size ? number : otherwise;
}

void
grpc_reply_header (grpc_reply_t *reply, const char *name, const char *value, size_t size)
{
    static const char TYPE[] = "application/grpc";
    if (strcmp (name, ":status") == 0)
        reply->http_status = (int) number_of (value, size, 0);
    else if (strcmp (name, "grpc-status") == 0)
        reply->status = number_of (value, size, FAULT_UNKNOWN);
    else if (strcmp (name, "grpc-message") == 0) {
        free (reply->message);
        reply->message = percent_decoded (value, size);
    }
    else if (strcmp (name, "content-type") == 0
             && (size < sizeof TYPE - 1 || memcmp (value, TYPE, sizeof TYPE - 1) != 0))
        text_replace (&reply->strange_type, "%.*s", (int) (size < 100 ? size : 100), value);
}

/* Whether a whole prefix stands at `offset` of the body; *size_p is its message's size. */
static bool
read_prefix (const grpc_reply_t *reply, size_t offset, uint8_t *flag_p, size_t *size_p)
{
    if (reply->size < offset + PREFIX_BYTES)
        return false;
    const uint8_t *at = reply->bytes + offset;
    *flag_p = at[0];
    *size_p = (size_t) at[1] << 24 | (size_t) at[2] << 16 | (size_t) at[3] << 8 | at[4];
    return true;
}

/* Checks every prefix in the body, so that grpc_reply_next has nothing to refuse. */
static int
check_prefixes (const grpc_reply_t *reply, fault_t *fault)
{
    uint8_t flag = 0;
    size_t size = 0;
    for (size_t at = reply->taken; read_prefix (reply, at, &flag, &size);
         at += PREFIX_BYTES + size) {
        if (at != reply->taken && !reply->is_stream)
            break;
        if (size > GRPC_RECEIVE_LIMIT_BYTES)
            return fault_set (fault, FAULT_EXHAUSTED,
                              "grpc: received message larger than max (%zu vs. %u)", size,
                              GRPC_RECEIVE_LIMIT_BYTES);
        if (flag != 0)
            return fault_set (fault, FAULT_INTERNAL,
                              "grpc: compressed flag set with identity or empty encoding");
    }
    if (!reply->is_stream && read_prefix (reply, 0, &flag, &size)
        && reply->size > PREFIX_BYTES + size)
        return fault_set (fault, FAULT_INTERNAL,
                          "cardinality violation: received more than one response message");
    return 0;
}

static void
make_room (grpc_reply_t *reply, size_t size)
{
    if (reply->taken) {
        reply->size -= reply->taken;
        memmove (reply->bytes, reply->bytes + reply->taken, reply->size);
        reply->taken = 0;
    }
    size_t wanted = reply->size + size;
    if (wanted <= reply->room)
        return;
    uint8_t flag = 0;
    size_t message = 0;
    // once its prefix is there, room for the whole message, so that large replies do not move
    if (read_prefix (reply, 0, &flag, &message) && message + PREFIX_BYTES > wanted)
        wanted = message + PREFIX_BYTES;
    reply->bytes = memory_grow (reply->bytes, wanted, 1);
    reply->room = wanted;
}

int
grpc_reply_body (grpc_reply_t *reply, const uint8_t *bytes, size_t size, fault_t *fault)
{
    if (reply->http_status != 200 || reply->strange_type || size == 0)
        return 0; // an error page of somebody else
    make_room (reply, size);
    memcpy (reply->bytes + reply->size, bytes, size);
    reply->size += size;
    return check_prefixes (reply, fault);
}

/* Whether a whole message stands at the first byte not taken. */
static bool
has_message (const grpc_reply_t *reply, size_t *size_p)
{
    uint8_t flag = 0;
    return read_prefix (reply, reply->taken, &flag, size_p)
           && reply->size - reply->taken >= PREFIX_BYTES + *size_p;
}

bool
grpc_reply_next (grpc_reply_t *reply, const uint8_t **bytes_p, size_t *size_p)
{
    if (!has_message (reply, size_p))
        return false;
    *bytes_p = reply->bytes + reply->taken + PREFIX_BYTES;
    reply->taken += PREFIX_BYTES + *size_p;
    return true;
}

static fault_code_t
code_of_http (int status)
{
    static const struct {
        int status;
        fault_code_t code;
    } CODES[] = {
        { 400, FAULT_INTERNAL },      { 401, FAULT_UNAUTHENTICATED }, { 403, FAULT_DENIED },
        { 404, FAULT_UNIMPLEMENTED }, { 429, FAULT_UNAVAILABLE },     { 502, FAULT_UNAVAILABLE },
        { 503, FAULT_UNAVAILABLE },   { 504, FAULT_UNAVAILABLE },
    };
    for (size_t i = 0; i < COUNT_OF (CODES); i++)
        if (CODES[i].status == status)
            return CODES[i].code;
    return FAULT_UNKNOWN;
}

static fault_code_t
code_of_reset (uint32_t reset_code)
{
    switch (reset_code) {
    case NGHTTP2_REFUSED_STREAM: return FAULT_UNAVAILABLE;
    case NGHTTP2_CANCEL: return FAULT_CANCELLED;
    case NGHTTP2_ENHANCE_YOUR_CALM: return FAULT_EXHAUSTED;
    case NGHTTP2_INADEQUATE_SECURITY: return FAULT_DENIED;
    default: return FAULT_INTERNAL;
    }
}

int
grpc_reply_verdict (const grpc_reply_t *reply, uint32_t reset_code, fault_t *fault)
{
    size_t size = 0;
    if (reply->status > 0)
        return fault_set (
            fault, reply->status < FAULT_CODE_COUNT ? (fault_code_t) reply->status : FAULT_UNKNOWN,
            "%s", reply->message ? reply->message : "");
    if (reply->status == 0)
        return reply->is_stream || has_message (reply, &size)
                   ? 0
                   : fault_set (fault, FAULT_INTERNAL,
                                "cardinality violation: received no response message");
    if (reply->http_status != 0 && reply->http_status != 200)
        return fault_set (fault, code_of_http (reply->http_status),
                          "unexpected HTTP status code received from server: %d",
                          reply->http_status);
    if (reset_code != NGHTTP2_NO_ERROR)
        return fault_set (fault, code_of_reset (reset_code),
                          "stream terminated by RST_STREAM with error code: %s",
                          nghttp2_http2_strerror (reset_code));
    if (reply->strange_type)
        return fault_set (fault, FAULT_UNKNOWN,
                          "transport: received unexpected content-type \"%s\"",
                          reply->strange_type);
    return fault_set (fault, FAULT_INTERNAL, "server closed the stream without sending trailers");
}
