/* /healthz as k8s.io/apiserver's healthz package serves it: samples/healthz*.txt. */
#include "cubelet/go_quote.h"
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include "cubelet/metrics.h"
#include "server.h"
#include <string.h>

#define ANSWER_LIMIT_MS 2000 // then the main loop counts as hanging
#define SYNCLOOP_ERROR "sync Loop took longer than expected"

/* The actor without which no pod is looked after. */
#define MAIN_LOOP "pod-manager"

/* The checks, in upstream's order. Only the main loop can fail: that this process answers at all
   is the ping; logging has no buffer that could get stuck; there are no device plugins. */
typedef enum { CHECK_PING, CHECK_LOG, CHECK_SYNCLOOP, CHECK_DEVICES, CHECK_COUNT } check_t;

static const char *const CHECK_NAMES[] = { "ping", "log", "syncloop", "device-plugin" };
_Static_assert(COUNT_OF (CHECK_NAMES) == CHECK_COUNT, "name every check");

/* What is known while the answer is written. */
typedef struct {
    bool is_failing[CHECK_COUNT];
    bool is_excluded[CHECK_COUNT];
    char *unknown; // excluded, but no check
} health_t;

static void
exclude (health_t *health, const char *name)
{
    for (size_t i = 0; i < CHECK_COUNT; i++) {
        if (strcmp (name, CHECK_NAMES[i]) == 0) {
            health->is_excluded[i] = true;
            return;
        }
    }
    OWNED (free_text) char *quoted = go_quote (name);
    text_replace (&health->unknown, "%s%s%s", health->unknown, health->unknown[0] ? "," : "",
                  quoted);
}

/* /metrics/slis has the last result of each check, and all that there have been. */
static void
count_check (const char *name, bool is_failing)
{
    metric_set (metrics_shared(), METRIC_KUBERNETES_HEALTHCHECK, is_failing ? 0 : 1,
                LABELS (name, "healthz"));
    metric_count (METRIC_KUBERNETES_HEALTHCHECKS_TOTAL,
                  LABELS (name, is_failing ? "error" : "success", "healthz"));
}

/* One line for each of the first `count` checks; *is_well_p tells whether none fails. Owned. */
static char *
check_lines (const health_t *health, size_t count, bool *is_well_p)
{
    char *lines = text_copy ("");
    *is_well_p = true;
    for (size_t i = 0; i < count; i++) {
        bool is_failing = health->is_failing[i] && !health->is_excluded[i];
        *is_well_p = *is_well_p && !is_failing;
        if (!health->is_excluded[i])
            count_check (CHECK_NAMES[i], is_failing);
        text_replace (&lines, "%s[%s]%s %s\n", lines, is_failing ? "-" : "+", CHECK_NAMES[i],
                      is_failing               ? "failed: reason withheld"
                      : health->is_excluded[i] ? "excluded: ok"
                                               : "ok");
    }
    if (health->unknown[0])
        text_replace (&lines, "%swarn: some health checks cannot be excluded: no matches for %s\n",
                      lines, health->unknown);
    return lines;
}

/* Answers with the first `count` checks. */
static void
answer_root (exchange_t *exchange, bool is_syncloop_well, size_t count)
{
    health_t health = { .is_failing[CHECK_SYNCLOOP] = !is_syncloop_well,
                        .unknown = text_copy ("") };
    const char *name = NULL;
    for (size_t i = 0; (name = url_query_get_at (exchange->query, "exclude", i)); i++)
        exclude (&health, name);
    bool is_well = true;
    OWNED (free_text) char *lines = check_lines (&health, count, &is_well);
    free (health.unknown);
    if (!is_well) {
        text_replace (&lines, "%shealthz check failed", lines);
        exchange_error (exchange, HTTP_INTERNAL, lines);
        return;
    }
    text_replace (&lines, "%shealthz check passed\n", lines);
    exchange_add_header (exchange, "X-Content-Type-Options", "nosniff");
    exchange_reply_text (exchange, HTTP_OK,
                         url_query_get (exchange->query, "verbose") ? lines : "ok");
}

void
serve_check_ok (exchange_t *exchange)
{
    exchange_reply_text (exchange, HTTP_OK, "ok");
}

void
serve_health_ping (exchange_t *exchange)
{
    answer_root (exchange, true, CHECK_PING + 1);
}

// ---- what the supervisor has to be asked for ----

/* True when the supervisor answered and says that the main loop runs. */
static bool
is_main_loop_up (const message_t *reply, const fault_t *fault)
{
    bool is_up = false;
    if (!fault)
        NODE_EACH (node_get (reply->body, "actors"), row)
    is_up = is_up
            || (strcmp (node_get_text (row, "name", ""), MAIN_LOOP) == 0
                && strcmp (node_get_text (row, "state", ""), "up") == 0);
    if (!is_up)
        LOG_V (2, "healthz check failed: syncloop err=%s",
               fault ? fault->text : MAIN_LOOP " is not up");
    return is_up;
}

static void
answer_health (void *state, const message_t *reply, const fault_t *fault, void *context)
{
    (void) state;
    answer_root (exchange_of_context (context), is_main_loop_up (reply, fault), CHECK_COUNT);
}

static void
answer_syncloop (void *state, const message_t *reply, const fault_t *fault, void *context)
{
    (void) state;
    exchange_t *exchange = exchange_of_context (context);
    if (is_main_loop_up (reply, fault))
        serve_check_ok (exchange);
    else
        exchange_error (exchange, HTTP_INTERNAL, "internal server error: " SYNCLOOP_ERROR);
}

void
serve_health (exchange_t *exchange)
{
    exchange_ask (exchange, "supervisor", MSG_ACTOR_LIST, NULL, ANSWER_LIMIT_MS, answer_health);
}

void
serve_check_syncloop (exchange_t *exchange)
{
    exchange_ask (exchange, "supervisor", MSG_ACTOR_LIST, NULL, ANSWER_LIMIT_MS, answer_syncloop);
}
