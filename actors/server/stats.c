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

/* "containerLogs/ns/pod/c" counts as containerLogs. Strangers do not make series: what is no path
   of ours counts as other. */
static const char *
first_element (const char *path)
{
    static const char *const ELEMENTS[] = { "attach", "checkpoint",  "configz", "containerLogs",
                                            "debug",  "exec",        "flagz",   "healthz",
                                            "logs",   "metrics",     "pods",    "portForward",
                                            "run",    "runningpods", "stats",   "statusz" };
    size_t size = strcspn (path, "/");
    for (size_t i = 0; i < COUNT_OF (ELEMENTS); i++)
        if (strlen (ELEMENTS[i]) == size && strncmp (ELEMENTS[i], path, size) == 0)
            return ELEMENTS[i];
    return "other";
}

void
count_request (const exchange_t *exchange, bool is_long)
{
    const char *first = first_element (exchange_path (exchange) + 1);
    metric_labels_t labels = LABELS (
        is_long ? "true" : "false", exchange_method (exchange), first,
        exchange->port == PORT_SECURE || exchange->port == PORT_LOCAL ? "readwrite" : "readonly");
    if (exchange->port == PORT_HEALTHZ)
        return; // upstream does not count its health port either
    metric_count (METRIC_HTTP_REQUESTS_TOTAL, labels);
    metric_observe (METRIC_HTTP_REQUESTS_DURATION_SECONDS,
                    (double) (clock_monotonic_ms() - exchange->began_ms) / 1000, labels);
}
