/*  agnhost.c - the lab's test server, with the subcommands of the upstream image that scenarios
 * use.
 *
 *    agnhost pause
 *    agnhost netexec [--http-port 8080] [--udp-port 8081]
 *        GET /healthz /readyz /hostname /clientip /echo?msg= /exit?code= /redirect?location=&code=
 * /shell?cmd= over UDP: "echo TEXT", "hostname", "clientip" agnhost grpc-health-checking [--port
 * 5000] [--http-port 8080] grpc.health.v1.Health/Check; /make-not-serving and /make-serving over
 * HTTP switch the answer
 *
 *  One thread per connection, no limits: a tool for tests, not a server.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <nghttp2/nghttp2.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define BODY_MAX 65536

static volatile bool s_serving = true;

/*  A thread of its own per connection. */
typedef struct {
    int fd;
    char peer[INET6_ADDRSTRLEN + 8];
    void (*serve) (int fd, const char *peer);
} conn_t;

static void
s_die (const char *what)
{
    perror (what);
    exit (1);
}

static void *
s_conn_main (void *arg)
{
    conn_t *conn = arg;
    conn->serve (conn->fd, conn->peer);
    close (conn->fd);
    free (conn);
    return NULL;
}

/*  A socket bound to every address, IPv6 and IPv4, or IPv4 alone where there is no IPv6. */
static int
s_bind (int type, int port)
{
    int one = 1, zero = 0;
    int fd = socket (AF_INET6, type, 0);
    if (fd >= 0) {
        struct sockaddr_in6 any = { .sin6_family = AF_INET6, .sin6_port = htons ((uint16_t) port) };
        setsockopt (fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
        setsockopt (fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof zero);
        if (bind (fd, (struct sockaddr *) &any, sizeof any) == 0)
            return fd;
        close (fd);
    }
    fd = socket (AF_INET, type, 0);
    struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons ((uint16_t) port) };
    setsockopt (fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (fd < 0 || bind (fd, (struct sockaddr *) &any, sizeof any))
        s_die ("bind");
    return fd;
}

static void
s_peer_name (const struct sockaddr_storage *peer, char *name, size_t size)
{
    char address[INET6_ADDRSTRLEN] = "";
    int port;
    if (peer->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const void *) peer;
        inet_ntop (AF_INET6, &in6->sin6_addr, address, sizeof address);
        port = ntohs (in6->sin6_port);
    }
    else {
        const struct sockaddr_in *in = (const void *) peer;
        inet_ntop (AF_INET, &in->sin_addr, address, sizeof address);
        port = ntohs (in->sin_port);
    }
    const char *shown = strncmp (address, "::ffff:", 7) ? address : address + 7;
    snprintf (name, size, "%s:%d", shown, port);
}

static void *
s_listen_main (void *arg)
{
    conn_t *listener = arg;
    for (;;) {
        struct sockaddr_storage peer;
        socklen_t size = sizeof peer;
        int fd = accept (listener->fd, (struct sockaddr *) &peer, &size);
        if (fd < 0)
            continue;
        conn_t *conn = malloc (sizeof *conn);
        *conn = *listener;
        conn->fd = fd;
        s_peer_name (&peer, conn->peer, sizeof conn->peer);
        pthread_t thread;
        if (pthread_create (&thread, NULL, s_conn_main, conn) == 0)
            pthread_detach (thread);
        else
            s_conn_main (conn);
    }
    return NULL;
}

static void
s_listen (int port, void (*serve) (int fd, const char *peer))
{
    conn_t *listener = calloc (1, sizeof *listener);
    listener->fd = s_bind (SOCK_STREAM, port);
    listener->serve = serve;
    if (listen (listener->fd, 128))
        s_die ("listen");
    pthread_t thread;
    if (pthread_create (&thread, NULL, s_listen_main, listener))
        s_die ("thread");
}

/* ---- HTTP/1.1, one request per connection ---- */

static void
s_answer (int fd, int status, const char *location, const char *body)
{
    dprintf (fd,
             "HTTP/1.1 %d %s\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n"
             "Content-Length: %zu\r\n%s%s%s\r\n%s",
             status, status < 400 ? "OK" : "Error", strlen (body), location ? "Location: " : "",
             location ? location : "", location ? "\r\n" : "", body);
}

/*  The decoded value of a query parameter, or an empty string. Changes nothing in the query. */
static void
s_query (const char *query, const char *name, char *value, size_t size)
{
    size_t length = strlen (name), used = 0;
    value[0] = 0;
    while (query && *query) {
        if (strncmp (query, name, length) == 0 && query[length] == '=') {
            for (query += length + 1; *query && *query != '&' && used + 1 < size; query++) {
                unsigned code;
                if (*query == '%' && sscanf (query + 1, "%2x", &code) == 1) {
                    value[used++] = (char) code;
                    query += 2;
                }
                else
                    value[used++] = *query == '+' ? ' ' : *query;
            }
            value[used] = 0;
            return;
        }
        query = strchr (query, '&');
        if (query)
            query++;
    }
}

static void
s_shell (int fd, const char *command)
{
    static __thread char output[BODY_MAX];
    FILE *pipe = popen (command, "r");
    size_t size = pipe ? fread (output, 1, sizeof output - 1, pipe) : 0;
    output[size] = 0;
    int code = pipe ? pclose (pipe) : -1;
    s_answer (fd, code ? 500 : 200, NULL, output);
}

static void
s_http (int fd, const char *peer)
{
    char request[8192], value[4096], number[16];
    size_t used = 0;
    while (used + 1 < sizeof request) {
        ssize_t got = read (fd, request + used, sizeof request - 1 - used);
        if (got <= 0)
            return;
        used += (size_t) got;
        request[used] = 0;
        if (strstr (request, "\r\n\r\n"))
            break;
    }
    char *path = strchr (request, ' ');
    if (!path)
        return;
    path++;
    path[strcspn (path, " \r\n")] = 0;
    char *query = strchr (path, '?');
    if (query)
        *query++ = 0;

    if (strcmp (path, "/healthz") == 0 || strcmp (path, "/readyz") == 0 || strcmp (path, "/") == 0)
        s_answer (fd, 200, NULL, "ok");
    else if (strcmp (path, "/hostname") == 0 || strcmp (path, "/hostName") == 0) {
        gethostname (value, sizeof value);
        s_answer (fd, 200, NULL, value);
    }
    else if (strcmp (path, "/clientip") == 0)
        s_answer (fd, 200, NULL, peer);
    else if (strcmp (path, "/echo") == 0) {
        s_query (query, "msg", value, sizeof value);
        s_query (query, "code", number, sizeof number);
        s_answer (fd, *number ? atoi (number) : 200, NULL, value);
    }
    else if (strcmp (path, "/redirect") == 0) {
        s_query (query, "location", value, sizeof value);
        s_query (query, "code", number, sizeof number);
        s_answer (fd, *number ? atoi (number) : 302, value, "");
    }
    else if (strcmp (path, "/shell") == 0) {
        s_query (query, "cmd", value, sizeof value);
        s_shell (fd, value);
    }
    else if (strcmp (path, "/exit") == 0) {
        s_query (query, "code", number, sizeof number);
        _exit (atoi (number));
    }
    else if (strcmp (path, "/make-not-serving") == 0 || strcmp (path, "/make-serving") == 0) {
        s_serving = strcmp (path, "/make-serving") == 0;
        s_answer (fd, 200, NULL, "ok");
    }
    else
        s_answer (fd, 404, NULL, "no such path");
    shutdown (fd, SHUT_WR);
}

/* ---- UDP ---- */

static void *
s_udp_main (void *arg)
{
    int fd = *(int *) arg;
    for (;;) {
        char message[2048], answer[2048], name[64];
        struct sockaddr_storage peer;
        socklen_t size = sizeof peer;
        ssize_t got =
            recvfrom (fd, message, sizeof message - 1, 0, (struct sockaddr *) &peer, &size);
        if (got < 0)
            continue;
        message[got] = 0;
        message[strcspn (message, "\n")] = 0;
        s_peer_name (&peer, name, sizeof name);
        if (strncmp (message, "echo ", 5) == 0)
            memmove (answer, message + 5, strlen (message + 5) + 1);
        else if (strcasecmp (message, "hostname") == 0)
            gethostname (answer, sizeof answer);
        else if (strcasecmp (message, "clientip") == 0)
            strcpy (answer, name);
        else
            continue;
        sendto (fd, answer, strlen (answer), 0, (struct sockaddr *) &peer, size);
    }
    return NULL;
}

/* ---- grpc.health.v1.Health over HTTP/2 with prior knowledge ---- */

static ssize_t
s_h2_send (nghttp2_session *session, const uint8_t *data, size_t size, int flags, void *user)
{
    (void) session;
    (void) flags;
    return write (*(int *) user, data, size);
}

/*  The whole answer, then the trailers. HealthCheckResponse.status: 1 SERVING, 2 NOT_SERVING. */
static ssize_t
s_h2_body (nghttp2_session *session, int32_t stream, uint8_t *buffer, size_t size, uint32_t *flags,
           nghttp2_data_source *source, void *user)
{
    (void) size;
    (void) source;
    (void) user;
    const uint8_t message[] = { 0, 0, 0, 0, 2, 0x08, s_serving ? 1 : 2 };
    memcpy (buffer, message, sizeof message);
    nghttp2_nv trailer = { (uint8_t *) "grpc-status", (uint8_t *) "0", 11, 1,
                           NGHTTP2_NV_FLAG_NONE };
    nghttp2_submit_trailer (session, stream, &trailer, 1);
    *flags = NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
    return sizeof message;
}

static int
s_h2_frame (nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    (void) user;
    bool request = frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA;
    if (!request || !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
        return 0;
    bool check = nghttp2_session_get_stream_user_data (session, frame->hd.stream_id) != NULL;
    nghttp2_nv headers[] = {
        { (uint8_t *) ":status", (uint8_t *) "200", 7, 3, NGHTTP2_NV_FLAG_NONE },
        { (uint8_t *) "content-type", (uint8_t *) "application/grpc", 12, 16,
          NGHTTP2_NV_FLAG_NONE },
        { (uint8_t *) "grpc-status", (uint8_t *) "12", 11, 2, NGHTTP2_NV_FLAG_NONE },
    };
    nghttp2_data_provider body = { .read_callback = s_h2_body };
    return nghttp2_submit_response (session, frame->hd.stream_id, headers, check ? 2 : 3,
                                    check ? &body : NULL);
}

/*  Mark the stream when its path is the one we serve; any other gets UNIMPLEMENTED. */
static int
s_h2_header (nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
             size_t name_size, const uint8_t *value, size_t value_size, uint8_t flags, void *user)
{
    (void) flags;
    (void) user;
    static const char path[] = "/grpc.health.v1.Health/Check";
    static char mark;
    if (name_size == 5 && memcmp (name, ":path", 5) == 0 && value_size == sizeof path - 1
        && memcmp (value, path, value_size) == 0)
        nghttp2_session_set_stream_user_data (session, frame->hd.stream_id, &mark);
    return 0;
}

static void
s_grpc (int fd, const char *peer)
{
    (void) peer;
    nghttp2_session_callbacks *callbacks;
    nghttp2_session *session;
    nghttp2_session_callbacks_new (&callbacks);
    nghttp2_session_callbacks_set_send_callback (callbacks, s_h2_send);
    nghttp2_session_callbacks_set_on_frame_recv_callback (callbacks, s_h2_frame);
    nghttp2_session_callbacks_set_on_header_callback (callbacks, s_h2_header);
    nghttp2_session_server_new (&session, callbacks, &fd);
    nghttp2_session_callbacks_del (callbacks);
    nghttp2_submit_settings (session, NGHTTP2_FLAG_NONE, NULL, 0);
    uint8_t buffer[16384];
    ssize_t got = 0;
    do {
        if (got && nghttp2_session_mem_recv (session, buffer, (size_t) got) < 0)
            break;
        if (nghttp2_session_send (session))
            break;
        got = read (fd, buffer, sizeof buffer);
    } while (got > 0);
    nghttp2_session_del (session);
}

/* ---- the program ---- */

static int
s_option (int argc, char **argv, const char *name, int standard)
{
    size_t length = strlen (name);
    for (int i = 2; i < argc; i++) {
        if (strncmp (argv[i], name, length))
            continue;
        if (argv[i][length] == '=')
            return atoi (argv[i] + length + 1);
        if (argv[i][length] == 0 && i + 1 < argc)
            return atoi (argv[i + 1]);
    }
    return standard;
}

static void
s_end (int number)
{
    (void) number;
    _exit (0);
}

int
main (int argc, char **argv)
{
    const char *command = argc > 1 ? argv[1] : "";
    setvbuf (stdout, NULL, _IOLBF, 0);
    signal (SIGPIPE, SIG_IGN);
    signal (SIGTERM, s_end);
    signal (SIGINT, s_end);
    if (strcmp (command, "pause") == 0)
        puts ("Paused\nSignals registered");
    else if (strcmp (command, "netexec") == 0) {
        int port = s_option (argc, argv, "--http-port", 8080);
        int udp = s_option (argc, argv, "--udp-port", 8081);
        static int udp_fd;
        s_listen (port, s_http);
        pthread_t thread;
        if (udp > 0) {
            udp_fd = s_bind (SOCK_DGRAM, udp);
            pthread_create (&thread, NULL, s_udp_main, &udp_fd);
        }
        printf ("Started HTTP server on port %d\n", port);
    }
    else if (strcmp (command, "grpc-health-checking") == 0) {
        int port = s_option (argc, argv, "--port", 5000);
        int http = s_option (argc, argv, "--http-port", 8080);
        s_listen (port, s_grpc);
        s_listen (http, s_http);
        printf ("Started gRPC health server on port %d, HTTP server on port %d\n", port, http);
    }
    else {
        fprintf (stderr, "usage: agnhost pause | netexec [--http-port N] [--udp-port N] |"
                         " grpc-health-checking [--port N] [--http-port N]\n");
        return 2;
    }
    for (;;)
        pause();
}
