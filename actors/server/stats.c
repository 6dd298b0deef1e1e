/* /stats/summary and /metrics: what the stats-provider knows, as JSON and as Prometheus reads it.
 */
#include "cubelet/clock.h"
#include "cubelet/json.h"
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include "cubelet/metrics.h"
#include "server.h"
#include <string.h>

#define ANSWER_LIMIT_MS 15000
#define METRICS_TEXT "text/plain; version=0.0.4; charset=utf-8"

static void
answer_fault (exchange_t *exchange, const fault_t *fault)
{
    LOG_ERROR ("Stats cannot be told path=%s err=%s", exchange_path (exchange), fault->text);
    OWNED (free_text) char *text = text_format ("Internal Error: %s", fault->text);
    exchange_error (exchange, HTTP_INTERNAL, text);
}

static void
answer_summary (void *state, const message_t *reply, const fault_t *fault, void *context)
{
    (void) state;
    exchange_t *exchange = exchange_of_context (context);
    if (fault) {
        answer_fault (exchange, fault);
        return;
    }
    size_t size = 0;
    OWNED (free_text)
    char *json = json_write (node_get (reply->body, "summary"), JSON_PRETTY, &size);
    exchange_reply (exchange, HTTP_OK, "application/json", json, size);
}

static void
answer_metrics (void *state, const message_t *reply, const fault_t *fault, void *context)
{
    (void) state;
    exchange_t *exchange = exchange_of_context (context);
    if (fault) {
        answer_fault (exchange, fault);
        return;
    }
    const char *text = node_get_text (reply->body, "text", "");
    exchange_reply (exchange, HTTP_OK, METRICS_TEXT, text, strlen (text));
}

void
serve_stats_summary (exchange_t *exchange)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t body = node_map();
    const char *brief = url_query_get (exchange->query, "only_cpu_and_memory");
    node_set_bool (tree, &body, "only_cpu_and_memory",
                   brief && (strcmp (brief, "true") == 0 || strcmp (brief, "1") == 0));
    exchange_ask (exchange, "stats-provider", MSG_STATS_SUMMARY, &body, ANSWER_LIMIT_MS,
                  answer_summary);
}

/* "/metrics" is the page "metrics"; "/metrics/cadvisor" is "cadvisor", and so on. */
void
serve_metrics (exchange_t *exchange)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t body = node_map();
    const char *page = strrchr (exchange_path (exchange), '/') + 1;
    node_set_text (tree, &body, "page", page);
    exchange_ask (exchange, "stats-provider", MSG_METRICS_GET, &body, ANSWER_LIMIT_MS,
                  answer_metrics);
}

// ---- counting ----

/* "containerLogs/ns/pod/c" counts as containerLogs, but "metrics/cadvisor" as itself. Strangers do
   not make series: what is no path of ours counts as other. */
static const struct {
    const char *path;
    bool is_long; // its connection carries a stream
} PATHS[] = {
    { "attach", true },
    { "checkpoint", false },
    { "configz", false },
    { "containerLogs", false },
    { "debug", true },
    { "exec", true },
    { "flagz", false },
    { "healthz", false },
    { "logs", false },
    { "metrics", false },
    { "metrics/cadvisor", false },
    { "metrics/probes", false },
    { "metrics/resource", false },
    { "metrics/slis", false },
    { "pods", false },
    { "portForward", true },
    { "run", false },
    { "runningpods", false },
    { "stats", false },
    { "statusz", false },
};

/* How many bytes of a path (without its first slash) tell what is asked for. */
static size_t
telling_size (const char *path)
{
    static const char METRICS[] = "metrics/";
    size_t first = strcspn (path, "/");
    if (strncmp (path, METRICS, sizeof METRICS - 1) != 0)
        return first;
    return sizeof METRICS - 1 + strcspn (path + sizeof METRICS - 1, "/");
}

static size_t
path_row (const char *path)
{
    size_t size = telling_size (path), row = 0;
    while (row < COUNT_OF (PATHS)
           && (strlen (PATHS[row].path) != size || strncmp (PATHS[row].path, path, size) != 0))
        row++;
    return row;
}

/* True for what upstream counts: its health port it does not. */
static bool
is_counted (const exchange_t *exchange)
{
    return exchange->port != PORT_HEALTHZ;
}

static metric_labels_t
labels_of (const exchange_t *exchange, const char *out[static 4])
{
    size_t row = exchange->counted_row;
    bool is_known = row < COUNT_OF (PATHS);
    out[0] = is_known && PATHS[row].is_long ? "true" : "false";
    out[1] = exchange->counted_method;
    out[2] = is_known ? PATHS[row].path : "other";
    out[3] =
        exchange->port == PORT_SECURE || exchange->port == PORT_LOCAL ? "readwrite" : "readonly";
    return (metric_labels_t){ out, 4 };
}

void
count_request_begin (exchange_t *exchange)
{
    const char *values[4];
    exchange->counted_row = path_row (exchange_path (exchange) + 1);
    exchange->counted_method = exchange_method (exchange);
    if (!is_counted (exchange))
        return;
    metric_labels_t labels = labels_of (exchange, values);
    metric_count (METRIC_HTTP_REQUESTS_TOTAL, labels);
    metric_add (METRIC_HTTP_INFLIGHT_REQUESTS, 1, labels);
}

void
count_request_end (const exchange_t *exchange)
{
    const char *values[4];
    if (!is_counted (exchange))
        return;
    metric_labels_t labels = labels_of (exchange, values);
    metric_add (METRIC_HTTP_INFLIGHT_REQUESTS, -1, labels);
    metric_observe (METRIC_HTTP_REQUESTS_DURATION_SECONDS,
                    (double) (clock_monotonic_ms() - exchange->began_ms) / 1000, labels);
}
