/* cri-recorder - stands between a kubelet and its runtime and writes down their calls.

     cri-recorder --listen SOCKET --upstream SOCKET --log FILE

   Every byte is passed on as it came, in both directions, so that streams, unknown services and
   flow control work as without it; HTTP/2 is only read along the way. Each finished call is one
   line of JSON appended to FILE:
     {"method": "RunPodSandbox", "ms": 450, "req": {...}, "resp": {...}, "t": "..Z"}
   or with "err": "rpc error: code = NotFound desc = ..." in place of "resp". Messages are in
   protobuf's JSON form with the original field names. `req` and `resp` of calls that are not CRI's,
   and `resp` of streams, are {}. */
#include "../../common/net/grpc_wire.h"
#include "cubelet/clock.h"
#include "cubelet/cri.h"
#include "cubelet/json.h"
#include "cubelet/memory.h"
#include "cubelet/protobuf.h"
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <nghttp2/nghttp2.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/un.h>
#include <time.h>

#define PAIRS_MAX 64
#define PREFACE_BYTES 24 // "PRI * HTTP/2.0..." of the client
#define HEAD_BYTES 9     // of a frame
#define TABLE_BYTES 4096 // HPACK's default
#define READ_BYTES 65536

typedef struct call call_t;
typedef struct pair pair_t;

struct call {
    int32_t id;
    char *path;
    const cri_method_t *method; // NULL: not CRI's
    int64_t began_ns, began_ms;
    grpc_reply_t request;
    grpc_reply_t reply;
    call_t *next;
};

/* One direction of a connection. */
typedef struct {
    pair_t *pair;
    bool is_reply;
    int from, to;
    uint8_t out[READ_BYTES]; // read and not written yet
    size_t out_sent, out_size;
    bool is_ended;
    // what of the stream of frames is here so far
    size_t skip; // of the preface
    uint8_t *frame;
    size_t frame_size, frame_room;
    nghttp2_hd_inflater *inflater;
    uint8_t *block; // of headers, until END_HEADERS
    size_t block_size;
    bool block_ends_stream;
} flow_t;

struct pair {
    flow_t flows[2]; // requests, replies
    call_t *calls;
};

static int log_fd;
static pair_t *pairs[PAIRS_MAX];

// ---- protobuf's JSON form ----

static node_t
json_of_message (tree_t *tree, const ProtobufCMessageDescriptor *type, const node_t *map);

static node_t
json_of_value (tree_t *tree, const ProtobufCFieldDescriptor *field, const node_t *value)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
        return node_text_format (tree, "%" PRId64, node_as_int (value, 0));
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64: return node_text_format (tree, "%" PRIu64, value->via.u64);
    case PROTOBUF_C_TYPE_MESSAGE: return json_of_message (tree, field->descriptor, value);
    default: return node_copy (tree, value);
    }
}

static node_t
json_of_field (tree_t *tree, const ProtobufCFieldDescriptor *field, const node_t *value)
{
    bool is_map = node_is_map (value) && field->label == PROTOBUF_C_LABEL_REPEATED;
    if (is_map || !node_is_array (value)) // maps of CRI hold texts only
        return is_map ? node_copy (tree, value) : json_of_value (tree, field, value);
    node_t array = node_array();
    NODE_EACH (value, item)
    node_append (tree, &array, json_of_value (tree, field, item));
    return array;
}

static node_t
json_of_message (tree_t *tree, const ProtobufCMessageDescriptor *type, const node_t *map)
{
    node_t out = node_map();
    for (size_t i = 0; i < node_count (map); i++) {
        const char *name = node_key_at (map, i);
        const ProtobufCFieldDescriptor *field =
            protobuf_c_message_descriptor_get_field_by_name (type, name);
        node_set (tree, &out, name, json_of_field (tree, field, node_value_at (map, i)));
    }
    return out;
}

/* The message that came in a call's body; {} when it cannot be told. */
static node_t
json_of_body (tree_t *tree, const ProtobufCMessageDescriptor *type, grpc_reply_t *body)
{
    const uint8_t *bytes = NULL;
    size_t size = 0;
    fault_t fault = { 0 };
    if (!type || body->is_stream || !grpc_reply_next (body, &bytes, &size))
        return node_map();
    OWNED (tree_destroy) tree_t *message = protobuf_decode (type, bytes, size, &fault);
    return message ? json_of_message (tree, type, tree_root (message)) : node_map();
}

// ---- calls ----

static node_t
time_text (tree_t *tree, int64_t ns)
{
    time_t seconds = ns / NS_PER_S;
    struct tm parts;
    char text[40];
    gmtime_r (&seconds, &parts);
    strftime (text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
    return node_text_format (tree, "%s.%09" PRId64 "Z", text, (int64_t) (ns % NS_PER_S));
}

static void
write_line (call_t *call, uint32_t reset_code)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t line = node_map();
    fault_t fault = { 0 };
    const char *name = strrchr (call->path, '/');
    const cri_method_t *method = call->method;
    node_set_text (tree, &line, "method", name ? name + 1 : call->path);
    node_set_int (tree, &line, "ms", clock_monotonic_ms() - call->began_ms);
    node_set (tree, &line, "req",
              json_of_body (tree, method ? method->request : NULL, &call->request));
    if (grpc_reply_verdict (&call->reply, reset_code, &fault) < 0)
        node_set (tree, &line, "err",
                  node_text_format (tree, "rpc error: code = %s desc = %s",
                                    fault_code_name (fault.code), fault.text));
    else
        node_set (tree, &line, "resp",
                  json_of_body (tree, method ? method->reply : NULL, &call->reply));
    node_set (tree, &line, "t", time_text (tree, call->began_ns));
    OWNED (free_text) char *json = json_write (&line, JSON_COMPACT, NULL);
    text_replace (&json, "%s\n", json);
    if (write (log_fd, json, strlen (json)) < 0) // one write: lines stay whole
        err (1, "cannot write the log");
}

static call_t *
find_call (pair_t *pair, int32_t id)
{
    call_t *call = pair->calls;
    while (call && call->id != id)
        call = call->next;
    return call;
}

static call_t *
begin_call (pair_t *pair, int32_t id)
{
    call_t *call = memory_new (1, sizeof *call);
    *call = (call_t){ .id = id,
                      .path = text_copy (""),
                      .began_ns = clock_now_ns(),
                      .began_ms = clock_monotonic_ms(),
                      .request = { .http_status = 200 },
                      .reply = { .status = -1, .is_stream = true },
                      .next = pair->calls };
    pair->calls = call;
    return call;
}

static void
end_call (pair_t *pair, call_t *call, uint32_t reset_code)
{
    call_t **at_p = &pair->calls;
    while (*at_p != call)
        at_p = &(*at_p)->next;
    *at_p = call->next;
    write_line (call, reset_code);
    grpc_reply_reset (&call->request);
    grpc_reply_reset (&call->reply);
    free (call->path);
    free (call);
}

static void
take_header (flow_t *flow, call_t *call, const nghttp2_nv *header)
{
    const char *name = (const char *) header->name, *value = (const char *) header->value;
    if (flow->is_reply)
        grpc_reply_header (&call->reply, name, value, header->valuelen);
    else if (strcmp (name, ":path") == 0) {
        text_replace (&call->path, "%.*s", (int) header->valuelen, value);
        call->method = cri_method_find (call->path);
        call->reply.is_stream = !call->method || call->method->message == MESSAGE_COUNT;
    }
}

static void
take_body (flow_t *flow, call_t *call, const uint8_t *bytes, size_t size)
{
    grpc_reply_t *body = flow->is_reply ? &call->reply : &call->request;
    fault_t fault = { 0 };
    if (call->method && !body->is_stream) // what nobody prints is not kept
        grpc_reply_body (body, bytes, size, &fault);
}

// ---- frames ----

/* Cuts a frame's padding off. Returns false when it is malformed. */
static bool
cut_padding (uint8_t flags, const uint8_t **bytes_p, size_t *size_p)
{
    if (!(flags & NGHTTP2_FLAG_PADDED))
        return true;
    size_t padding = *size_p ? (*bytes_p)[0] : 0;
    if (*size_p < 1 + padding)
        return false;
    *bytes_p += 1;
    *size_p -= 1 + padding;
    return true;
}

static void
take_block (flow_t *flow, int32_t id)
{
    call_t *call = find_call (flow->pair, id);
    if (!call && !flow->is_reply)
        call = begin_call (flow->pair, id);
    const uint8_t *at = flow->block;
    size_t left = flow->block_size;
    for (int flags = 0; !(flags & NGHTTP2_HD_INFLATE_FINAL);) {
        nghttp2_nv header;
        ssize_t taken = nghttp2_hd_inflate_hd2 (flow->inflater, &header, &flags, at, left, 1);
        if (taken < 0)
            errx (1, "cannot read headers: %s", nghttp2_strerror ((int) taken));
        at += taken;
        left -= (size_t) taken;
        if ((flags & NGHTTP2_HD_INFLATE_EMIT) && call)
            take_header (flow, call, &header);
    }
    nghttp2_hd_inflate_end_headers (flow->inflater);
    flow->block_size = 0;
    if (flow->block_ends_stream && flow->is_reply && call)
        end_call (flow->pair, call, NGHTTP2_NO_ERROR);
}

static void
take_headers (flow_t *flow, const nghttp2_frame_hd *head, const uint8_t *bytes, size_t size)
{
    if (head->type == NGHTTP2_HEADERS) {
        flow->block_ends_stream = (head->flags & NGHTTP2_FLAG_END_STREAM) != 0;
        size_t priority = head->flags & NGHTTP2_FLAG_PRIORITY ? 5 : 0;
        if (!cut_padding (head->flags, &bytes, &size) || size < priority)
            return;
        bytes += priority;
        size -= priority;
    }
    flow->block = memory_grow (flow->block, flow->block_size + size + 1, 1);
    memcpy (flow->block + flow->block_size, bytes, size);
    flow->block_size += size;
    if (head->flags & NGHTTP2_FLAG_END_HEADERS)
        take_block (flow, head->stream_id);
}

static void
take_settings (flow_t *flow, const uint8_t *bytes, size_t size)
{
    flow_t *other = &flow->pair->flows[!flow->is_reply];
    for (; size >= 6; bytes += 6, size -= 6) {
        size_t value =
            (size_t) bytes[2] << 24 | (size_t) bytes[3] << 16 | (size_t) bytes[4] << 8 | bytes[5];
        if (bytes[0] == 0 && bytes[1] == NGHTTP2_SETTINGS_HEADER_TABLE_SIZE && value > TABLE_BYTES)
            nghttp2_hd_inflate_change_table_size (other->inflater, value);
    }
}

static void
take_frame (flow_t *flow, const nghttp2_frame_hd *head, const uint8_t *bytes)
{
    size_t size = head->length;
    call_t *call = find_call (flow->pair, head->stream_id);
    switch (head->type) {
    case NGHTTP2_HEADERS:
    case NGHTTP2_CONTINUATION: take_headers (flow, head, bytes, size); return;
    case NGHTTP2_SETTINGS: take_settings (flow, bytes, size); return;
    case NGHTTP2_DATA:
        if (call && cut_padding (head->flags, &bytes, &size))
            take_body (flow, call, bytes, size);
        if (call && flow->is_reply && (head->flags & NGHTTP2_FLAG_END_STREAM))
            end_call (flow->pair, call, NGHTTP2_NO_ERROR);
        return;
    case NGHTTP2_RST_STREAM:
        if (call && size == 4)
            end_call (flow->pair, call,
                      (uint32_t) bytes[0] << 24 | (uint32_t) bytes[1] << 16
                          | (uint32_t) bytes[2] << 8 | bytes[3]);
        return;
    default: return;
    }
}

/* Reads the frames in what just came. */
static void
read_along (flow_t *flow, const uint8_t *bytes, size_t size)
{
    size_t preface = flow->skip < size ? flow->skip : size;
    flow->skip -= preface;
    size -= preface;
    if (flow->frame_size + size > flow->frame_room) {
        flow->frame_room = flow->frame_size + size;
        flow->frame = memory_grow (flow->frame, flow->frame_room, 1);
    }
    memcpy (flow->frame + flow->frame_size, bytes + preface, size);
    flow->frame_size += size;
    size_t at = 0;
    while (flow->frame_size - at >= HEAD_BYTES) {
        const uint8_t *head = flow->frame + at;
        const nghttp2_frame_hd frame = {
            .length = (size_t) head[0] << 16 | (size_t) head[1] << 8 | head[2],
            .type = head[3],
            .flags = head[4],
            .stream_id = (int32_t) ((uint32_t) (head[5] & 0x7f) << 24 | (uint32_t) head[6] << 16
                                    | (uint32_t) head[7] << 8 | head[8]),
        };
        if (flow->frame_size - at < HEAD_BYTES + frame.length)
            break;
        take_frame (flow, &frame, head + HEAD_BYTES);
        at += HEAD_BYTES + frame.length;
    }
    flow->frame_size -= at;
    memmove (flow->frame, flow->frame + at, flow->frame_size);
}

// ---- connections ----

static void
flow_init (pair_t *pair, bool is_reply, int from, int to)
{
    flow_t *flow = &pair->flows[is_reply];
    flow->pair = pair;
    flow->is_reply = is_reply;
    flow->from = from;
    flow->to = to;
    flow->skip = is_reply ? 0 : PREFACE_BYTES;
    if (nghttp2_hd_inflate_new (&flow->inflater) != 0)
        errx (1, "no memory");
}

static void
pair_free (pair_t **self_p)
{
    pair_t *self = *self_p;
    while (self->calls) // the connection broke; so the other side sees it too
        end_call (self, self->calls, NGHTTP2_REFUSED_STREAM);
    for (size_t i = 0; i < COUNT_OF (self->flows); i++) {
        close (self->flows[i].from);
        nghttp2_hd_inflate_del (self->flows[i].inflater);
        free (self->flows[i].frame);
        free (self->flows[i].block);
    }
    free (self);
    *self_p = NULL;
}

static void
flow_read (flow_t *flow)
{
    ssize_t size = recv (flow->from, flow->out, sizeof flow->out, MSG_DONTWAIT);
    if (size > 0) {
        flow->out_sent = 0;
        flow->out_size = (size_t) size;
        read_along (flow, flow->out, flow->out_size);
    }
    else if (size == 0 || errno != EAGAIN)
        flow->is_ended = true;
}

static void
flow_write (flow_t *flow)
{
    ssize_t size = send (flow->to, flow->out + flow->out_sent, flow->out_size - flow->out_sent,
                         MSG_DONTWAIT | MSG_NOSIGNAL);
    if (size > 0)
        flow->out_sent += (size_t) size;
    else if (size < 0 && errno != EAGAIN)
        flow->is_ended = true;
}

static struct sockaddr_un
address_of (const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    if (strlen (path) >= sizeof address.sun_path)
        errx (1, "the path is too long: %s", path);
    snprintf (address.sun_path, sizeof address.sun_path, "%s", path);
    return address;
}

static void
accept_pair (int listener, const char *upstream)
{
    struct sockaddr_un address = address_of (upstream);
    size_t place = 0;
    while (place < PAIRS_MAX && pairs[place])
        place++;
    int client = accept4 (listener, NULL, NULL, SOCK_CLOEXEC);
    if (client < 0)
        return;
    int server = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (place == PAIRS_MAX || server < 0
        || connect (server, (struct sockaddr *) &address, sizeof address) < 0) {
        warn ("cannot connect to %s", upstream);
        close (server);
        close (client);
        return;
    }
    pairs[place] = memory_new (1, sizeof *pairs[place]);
    flow_init (pairs[place], false, client, server);
    flow_init (pairs[place], true, server, client);
}

/* A flow waits to write what it has, else to read. */
static struct pollfd
poll_of (const flow_t *flow)
{
    bool has_output = flow->out_sent < flow->out_size;
    return (struct pollfd){ .fd = has_output ? flow->to : flow->from,
                            .events = has_output ? POLLOUT : POLLIN };
}

static void
run (int listener, const char *upstream)
{
    struct pollfd polls[1 + 2 * PAIRS_MAX];
    flow_t *flows[1 + 2 * PAIRS_MAX];
    for (;;) {
        size_t count = 1;
        polls[0] = (struct pollfd){ .fd = listener, .events = POLLIN };
        for (size_t i = 0; i < PAIRS_MAX; i++) {
            if (pairs[i] && (pairs[i]->flows[0].is_ended || pairs[i]->flows[1].is_ended))
                pair_free (&pairs[i]);
            for (size_t j = 0; pairs[i] && j < COUNT_OF (pairs[i]->flows); j++) {
                flows[count] = &pairs[i]->flows[j];
                polls[count++] = poll_of (&pairs[i]->flows[j]);
            }
        }
        if (poll (polls, count, -1) < 0 && errno != EINTR)
            err (1, "poll");
        for (size_t i = 1; i < count; i++) {
            if (polls[i].revents && !(polls[i].events & POLLOUT))
                flow_read (flows[i]);
            if (flows[i]->out_sent < flows[i]->out_size)
                flow_write (flows[i]);
        }
        if (polls[0].revents)
            accept_pair (listener, upstream);
    }
}

/* The socket appears under its name when it listens. */
static int
listen_on (const char *path)
{
    OWNED (free_text) char *own = text_format ("%s.%d", path, (int) getpid());
    struct sockaddr_un address = address_of (own);
    int listener = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    unlink (own);
    if (listener < 0 || bind (listener, (struct sockaddr *) &address, sizeof address) < 0
        || listen (listener, 64) < 0 || rename (own, path) < 0)
        err (1, "cannot listen on %s", path);
    return listener;
}

int
main (int argc, char **argv)
{
    static const struct option OPTIONS[] = {
        { "listen", required_argument, NULL, 'l' },
        { "upstream", required_argument, NULL, 'u' },
        { "log", required_argument, NULL, 'o' },
        { 0 },
    };
    const char *listen_path = NULL, *upstream = NULL, *log_path = NULL;
    for (int option; (option = getopt_long (argc, argv, "", OPTIONS, NULL)) != -1;) {
        switch (option) {
        case 'l': listen_path = optarg; break;
        case 'u': upstream = optarg; break;
        case 'o': log_path = optarg; break;
        default: return 2;
        }
    }
    if (!listen_path || !upstream || !log_path || optind != argc)
        errx (2, "usage: cri-recorder --listen SOCKET --upstream SOCKET --log FILE");
    log_fd = open (log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (log_fd < 0)
        err (1, "cannot open %s", log_path);
    signal (SIGPIPE, SIG_IGN);
    run (listen_on (listen_path), upstream);
}
