#include "cubelet/memory.h"
#include "server.h"
#include <string.h>

#define ANY_METHOD 0
#define PORTS_ALL (PORT_HEALTHZ | PORT_READ_ONLY)

/* Every path that is served. One that ends with "/" stands for all below it; the longest that fits
   counts. Source: reference/node-and-server.md 4. */
static const struct {
    const char *path;
    unsigned methods; // EVHTTP_REQ_...; ANY_METHOD
    unsigned ports;   // port_kind_t
    route_fn *serve;
} ROUTES[] = {
    { "/healthz", ANY_METHOD, PORT_HEALTHZ, serve_health_ping },
    { "/healthz/ping", ANY_METHOD, PORTS_ALL, serve_check_ok },
    { "/healthz", ANY_METHOD, PORT_READ_ONLY, serve_health },
    { "/healthz/log", ANY_METHOD, PORT_READ_ONLY, serve_check_ok },
    { "/healthz/syncloop", ANY_METHOD, PORT_READ_ONLY, serve_check_syncloop },
    { "/healthz/device-plugin", ANY_METHOD, PORT_READ_ONLY, serve_check_ok },
    { "/pods", EVHTTP_REQ_GET, PORT_READ_ONLY, serve_pods },
    { "/stats/summary", EVHTTP_REQ_GET | EVHTTP_REQ_POST, PORT_READ_ONLY, serve_stats_summary },
    { "/metrics", EVHTTP_REQ_GET, PORT_READ_ONLY, serve_metrics },
    { "/metrics/cadvisor", EVHTTP_REQ_GET, PORT_READ_ONLY, serve_metrics },
    { "/metrics/resource", EVHTTP_REQ_GET, PORT_READ_ONLY, serve_metrics },
    { "/metrics/probes", EVHTTP_REQ_GET, PORT_READ_ONLY, serve_metrics },
    { "/run/", ANY_METHOD, PORT_READ_ONLY, serve_debug_disabled },
    { "/exec/", ANY_METHOD, PORT_READ_ONLY, serve_debug_disabled },
    { "/attach/", ANY_METHOD, PORT_READ_ONLY, serve_debug_disabled },
    { "/portForward/", ANY_METHOD, PORT_READ_ONLY, serve_debug_disabled },
    { "/containerLogs/", ANY_METHOD, PORT_READ_ONLY, serve_debug_disabled },
    { "/runningpods/", ANY_METHOD, PORT_READ_ONLY, serve_debug_disabled },
    { "/debug/pprof/", ANY_METHOD, PORT_READ_ONLY, serve_debug_disabled },
    { "/logs/", ANY_METHOD, PORT_READ_ONLY, serve_debug_disabled },
};

static const struct {
    unsigned method;
    const char *name;
} METHODS[] = {
    { EVHTTP_REQ_GET, "GET" },       { EVHTTP_REQ_POST, "POST" },
    { EVHTTP_REQ_HEAD, "HEAD" },     { EVHTTP_REQ_PUT, "PUT" },
    { EVHTTP_REQ_DELETE, "DELETE" }, { EVHTTP_REQ_OPTIONS, "OPTIONS" },
    { EVHTTP_REQ_TRACE, "TRACE" },   { EVHTTP_REQ_CONNECT, "CONNECT" },
    { EVHTTP_REQ_PATCH, "PATCH" },
};

static bool
fits (const char *route, const char *path)
{
    size_t size = strlen (route);
    return route[size - 1] == '/' ? strncmp (route, path, size) == 0 : strcmp (route, path) == 0;
}

/* The index of the route, or -1. */
static int
find_route (port_kind_t port, const char *path)
{
    int found = -1;
    for (int i = 0; i < (int) COUNT_OF (ROUTES); i++)
        if ((ROUTES[i].ports & port) && fits (ROUTES[i].path, path)
            && (found < 0 || strlen (ROUTES[i].path) > strlen (ROUTES[found].path)))
            found = i;
    return found;
}

/* As go-restful refuses a method; without a newline. */
static void
refuse_method (exchange_t *exchange, unsigned allowed)
{
    static const char TEXT[] = "405: Method Not Allowed";
    OWNED (free_text) char *names = text_copy ("");
    for (size_t i = 0; i < COUNT_OF (METHODS); i++)
        if (allowed & METHODS[i].method)
            text_replace (&names, "%s%s%s", names, names[0] ? ", " : "", METHODS[i].name);
    evhttp_add_header (evhttp_request_get_output_headers (exchange->http), "Allow", names);
    exchange_reply (exchange, HTTP_BADMETHOD, TEXT_PLAIN, TEXT, strlen (TEXT));
}

void
route_request (exchange_t *exchange)
{
    int route = find_route (exchange->port, exchange_path (exchange));
    unsigned method = evhttp_request_get_command (exchange->http);
    if (route < 0)
        exchange_error (exchange, HTTP_NOTFOUND, "404 page not found");
    else if (ROUTES[route].methods != ANY_METHOD && !(ROUTES[route].methods & method))
        refuse_method (exchange, ROUTES[route].methods);
    else
        ROUTES[route].serve (exchange);
}

void
serve_debug_disabled (exchange_t *exchange)
{
    exchange_error (exchange, HTTP_BADMETHOD, "Debug endpoints are disabled.");
}
