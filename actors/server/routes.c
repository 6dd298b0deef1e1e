#include "cubelet/memory.h"
#include "server.h"
#include <string.h>

#define ANY_METHOD 0
#define GET EVHTTP_REQ_GET
#define POST EVHTTP_REQ_POST
#define PUT EVHTTP_REQ_PUT

#define PORTS_FULL (PORT_SECURE | PORT_LOCAL)
#define PORTS_MOST (PORT_READ_ONLY | PORTS_FULL)
#define PORTS_ALL (PORT_HEALTHZ | PORTS_MOST)

/* When a route is there; else the next one that fits. */
typedef enum { ALWAYS, IF_DEBUGGING, UNLESS_DEBUGGING } condition_t;

/* Sends a client on to the same path with a slash, as Go's ServeMux does it. */
static void
serve_with_slash (exchange_t *exchange)
{
    const char *query = evhttp_uri_get_query (evhttp_request_get_evhttp_uri (exchange->http));
    OWNED (free_text)
    char *to =
        text_format ("%s/%s%s", exchange_path (exchange), query ? "?" : "", query ? query : "");
    exchange_add_header (exchange, "Location", to);
    exchange_reply (exchange, HTTP_MOVEPERM, TEXT_PLAIN, "", 0);
}

/* Every path that is served. One that ends with "/" stands for all below it; the longest that fits
   counts, and of equals the first. Source: reference/node-and-server.md 4. */
static const struct {
    const char *path;
    unsigned methods; // EVHTTP_REQ_...; ANY_METHOD
    unsigned ports;   // port_kind_t
    condition_t condition;
    route_fn *serve;
} ROUTES[] = {
    { "/healthz", ANY_METHOD, PORT_HEALTHZ, ALWAYS, serve_health_ping },
    { "/healthz/ping", ANY_METHOD, PORTS_ALL, ALWAYS, serve_check_ok },
    { "/healthz", ANY_METHOD, PORTS_MOST, ALWAYS, serve_health },
    { "/healthz/log", ANY_METHOD, PORTS_MOST, ALWAYS, serve_check_ok },
    { "/healthz/syncloop", ANY_METHOD, PORTS_MOST, ALWAYS, serve_check_syncloop },
    { "/healthz/device-plugin", ANY_METHOD, PORTS_MOST, ALWAYS, serve_check_ok },
    { "/pods", GET, PORTS_MOST, ALWAYS, serve_pods },
    { "/stats/summary", GET | POST, PORTS_MOST, ALWAYS, serve_stats_summary },
    { "/metrics", GET, PORTS_MOST, ALWAYS, serve_metrics },
    { "/metrics/cadvisor", GET, PORTS_MOST, ALWAYS, serve_metrics },
    { "/metrics/resource", GET, PORTS_MOST, ALWAYS, serve_metrics },
    { "/metrics/probes", GET, PORTS_MOST, ALWAYS, serve_metrics },
    { "/metrics/slis", GET, PORTS_MOST, ALWAYS, serve_metrics },
    { "/run/", ANY_METHOD, PORT_READ_ONLY, ALWAYS, serve_debug_disabled },
    { "/exec/", ANY_METHOD, PORT_READ_ONLY, ALWAYS, serve_debug_disabled },
    { "/attach/", ANY_METHOD, PORT_READ_ONLY, ALWAYS, serve_debug_disabled },
    { "/portForward/", ANY_METHOD, PORT_READ_ONLY, ALWAYS, serve_debug_disabled },
    { "/containerLogs/", ANY_METHOD, PORT_READ_ONLY, ALWAYS, serve_debug_disabled },
    { "/runningpods/", ANY_METHOD, PORT_READ_ONLY, ALWAYS, serve_debug_disabled },
    { "/debug/pprof/", ANY_METHOD, PORT_READ_ONLY, ALWAYS, serve_debug_disabled },
    { "/logs/", ANY_METHOD, PORT_READ_ONLY, ALWAYS, serve_debug_disabled },
    { "/containerLogs/", GET, PORTS_FULL, IF_DEBUGGING, serve_container_logs },
    { "/exec/", GET | POST, PORTS_FULL, IF_DEBUGGING, serve_exec },
    { "/attach/", GET | POST, PORTS_FULL, IF_DEBUGGING, serve_attach },
    { "/portForward/", GET | POST, PORTS_FULL, IF_DEBUGGING, serve_port_forward },
    { "/run/", POST, PORTS_FULL, IF_DEBUGGING, serve_run },
    { "/runningpods/", GET, PORTS_FULL, IF_DEBUGGING, serve_running_pods },
    { "/checkpoint/", POST, PORTS_FULL, IF_DEBUGGING, serve_checkpoint },
    { "/logs/", GET, PORTS_FULL, IF_DEBUGGING, serve_system_logs },
    { "/logs", ANY_METHOD, PORTS_MOST, ALWAYS, serve_with_slash },
    { "/runningpods", ANY_METHOD, PORTS_MOST, ALWAYS, serve_with_slash },
    { "/configz", GET, PORTS_FULL, IF_DEBUGGING, serve_configz },
    { "/statusz", GET, PORTS_FULL, IF_DEBUGGING, serve_statusz },
    { "/flagz", GET, PORTS_FULL, IF_DEBUGGING, serve_flagz },
    { "/debug/flags/v", PUT, PORTS_FULL, IF_DEBUGGING, serve_verbosity },
    { "/debug/pprof/", GET | POST, PORTS_FULL, IF_DEBUGGING, serve_profiles },
    { "/run/", ANY_METHOD, PORTS_FULL, UNLESS_DEBUGGING, serve_debug_disabled },
    { "/exec/", ANY_METHOD, PORTS_FULL, UNLESS_DEBUGGING, serve_debug_disabled },
    { "/attach/", ANY_METHOD, PORTS_FULL, UNLESS_DEBUGGING, serve_debug_disabled },
    { "/portForward/", ANY_METHOD, PORTS_FULL, UNLESS_DEBUGGING, serve_debug_disabled },
    { "/containerLogs/", ANY_METHOD, PORTS_FULL, UNLESS_DEBUGGING, serve_debug_disabled },
    { "/runningpods/", ANY_METHOD, PORTS_FULL, UNLESS_DEBUGGING, serve_debug_disabled },
    { "/debug/pprof/", ANY_METHOD, PORTS_FULL, UNLESS_DEBUGGING, serve_debug_disabled },
    { "/logs/", ANY_METHOD, PORTS_FULL, UNLESS_DEBUGGING, serve_debug_disabled },
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

static bool
is_there (condition_t condition, const server_settings_t *settings)
{
    return condition == ALWAYS || settings->debugging_handlers == (condition == IF_DEBUGGING);
}

/* The index of the route, or -1. */
static int
find_route (const exchange_t *exchange, const char *path)
{
    const server_settings_t *settings = &exchange->server->settings;
    int found = -1;
    for (int i = 0; i < (int) COUNT_OF (ROUTES); i++)
        if ((ROUTES[i].ports & exchange->port) && is_there (ROUTES[i].condition, settings)
            && fits (ROUTES[i].path, path)
            && (found < 0 || strlen (ROUTES[i].path) > strlen (ROUTES[found].path)))
            found = i;
    return found;
}

/* As go-restful refuses a method; without a newline. */
static void
refuse_method (exchange_t *exchange, unsigned allowed)
{
    OWNED (free_text) char *names = text_copy ("");
    for (size_t i = 0; i < COUNT_OF (METHODS); i++)
        if (allowed & METHODS[i].method)
            text_replace (&names, "%s%s%s", names, names[0] ? ", " : "", METHODS[i].name);
    exchange_add_header (exchange, "Allow", names);
    exchange_reply_text (exchange, HTTP_BADMETHOD, "405: Method Not Allowed");
}

void
route_request (exchange_t *exchange)
{
    int route = find_route (exchange, exchange_path (exchange));
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
