#include "cubelet/go_text.h"
#include "cubelet/memory.h"
#include "server.h"
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

/* A client whose machine is gone is noticed after 30 s + 9 * 15 s; connections inherit it. */
#define KEEP_ALIVE_AFTER_S 30
#define KEEP_ALIVE_EVERY_S 15

static void
set_options (int fd, int family)
{
    int on = 1, off = 0, after = KEEP_ALIVE_AFTER_S, every = KEEP_ALIVE_EVERY_S;
    setsockopt (fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt (fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    setsockopt (fd, IPPROTO_TCP, TCP_KEEPIDLE, &after, sizeof after);
    setsockopt (fd, IPPROTO_TCP, TCP_KEEPINTVL, &every, sizeof every);
    setsockopt (fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (family == AF_INET6) // :: serves IPv4 as well
        setsockopt (fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
}

/* A bound socket of one family, or -1 with errno. */
static int
open_socket (const struct addrinfo *address)
{
    int fd = socket (address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    set_options (fd, address->ai_family);
    if (bind (fd, address->ai_addr, address->ai_addrlen) == 0)
        return fd;
    int error = errno;
    close_fd (&fd);
    errno = error;
    return -1;
}

/* A bound socket; or -1 with *error_p, 0 when `host` is no address. */
static int
open_address (const char *host, int port, int *error_p)
{
    char service[16];
    snprintf (service, sizeof service, "%d", port);
    struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
                              .ai_socktype = SOCK_STREAM };
    struct addrinfo *address = NULL;
    *error_p = 0;
    if (getaddrinfo (host, service, &hints, &address) != 0)
        return -1;
    int fd = open_socket (address);
    if (fd < 0)
        *error_p = errno;
    freeaddrinfo (address);
    return fd;
}

int
listen_socket_open (const char *address, int port, fault_t *fault)
{
    int error = 0;
    char text[GO_ERRNO_MAX];
    bool is_any = !address[0] || strcmp (address, "0.0.0.0") == 0;
    int fd = open_address (is_any ? "::" : address, port, &error);
    if (fd < 0 && is_any && (error == EAFNOSUPPORT || error == EADDRNOTAVAIL))
        fd = open_address ("0.0.0.0", port, &error);
    if (fd >= 0)
        return fd;
    if (error == 0)
        return fault_set (fault, FAULT_INVALID, "%s is not an IP address", address);
    return fault_set (fault, FAULT_UNAVAILABLE, "bind: %s", go_errno (error, text));
}

int
listen_socket_open_local (const char *path, fault_t *fault)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    char text[GO_ERRNO_MAX];
    if (strlen (path) >= sizeof address.sun_path)
        return fault_set (fault, FAULT_INVALID, "%s is longer than %zu characters", path,
                          sizeof address.sun_path - 1);
    memcpy (address.sun_path, path, strlen (path) + 1);
    int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return fault_set (fault, FAULT_UNAVAILABLE, "socket: %s", go_errno (errno, text));
    // the mode is set before anybody can connect: nobody listens yet
    if ((unlink (path) == 0 || errno == ENOENT)
        && bind (fd, (struct sockaddr *) &address, sizeof address) == 0 && chmod (path, 0600) == 0)
        return fd;
    fault_set (fault, FAULT_UNAVAILABLE, "bind: %s", go_errno (errno, text));
    close_fd (&fd);
    return -1;
}
