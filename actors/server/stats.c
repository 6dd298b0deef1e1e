/* /stats/summary and /metrics: what the stats-provider knows, as JSON and as Prometheus reads it.
 */
#include "cubelet/json.h"
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include "server.h"
#include <string.h>

#define ANSWER_LIMIT_MS 15000
#define METRICS_TEXT "text/plain; version=0.0.4; charset=utf-8"

static void
ask (exchange_t *exchange, message_id_t type, const node_t *body, actor_reply_fn *reply)
{
    exchange->request = actor_request (exchange->server->actor, "stats-provider", type, body,
                                       ANSWER_LIMIT_MS, reply, &exchange, sizeof exchange);
}

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

static void
note_true (const char *value, void *context)
{
    *(bool *) context = strcmp (value, "true") == 0 || strcmp (value, "1") == 0;
}

void
serve_stats_summary (exchange_t *exchange)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t body = node_map();
    bool is_brief = false;
    exchange_each_parameter (exchange, "only_cpu_and_memory", note_true, &is_brief);
    node_set_bool (tree, &body, "only_cpu_and_memory", is_brief);
    ask (exchange, MSG_STATS_SUMMARY, &body, answer_summary);
}

/* "/metrics" is the page "metrics"; "/metrics/cadvisor" is "cadvisor", and so on. */
void
serve_metrics (exchange_t *exchange)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t body = node_map();
    const char *page = strrchr (exchange_path (exchange), '/') + 1;
    node_set_text (tree, &body, "page", page);
    ask (exchange, MSG_METRICS_GET, &body, answer_metrics);
}
