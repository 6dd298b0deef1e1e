/* /containerLogs/NAMESPACE/POD/CONTAINER: finds the container and its file
   (reference/node-and-server.md 5.2). */
#include "cubelet/clock.h"
#include "cubelet/go_quote.h"
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include "log_stream.h"
#include "target.h"
#include <string.h>

#define ANSWER_LIMIT_MS 10000

/* The work of an exchange until its log is found. */
typedef struct {
    exchange_t *exchange;
    url_parts_t path;
    log_options_t options;
    char *container_id; // with its type
} search_t;

static void
free_search (void **search_p)
{
    search_t *search = *search_p;
    url_parts_clear (&search->path);
    free (search->container_id);
    free (search);
    *search_p = NULL;
}

static const char *
container_of (const search_t *search)
{
    return search->path.parts[2];
}

static void
answer_status (void *state, const message_t *reply, const fault_t *fault, void *context)
{
    (void) state;
    exchange_t *exchange = exchange_of_context (context);
    search_t *search = exchange->work;
    const char *path =
        fault ? "" : node_as_text (node_at (reply->body, "status", "log_path", NULL), "");
    if (!path[0]) {
        OWNED (free_text)
        char *text = text_format ("unable to retrieve container logs for %s", search->container_id);
        LOG_V (2, "%s err=%s", text, fault ? fault->text : "the runtime names no file");
        exchange_reply_text (exchange, HTTP_OK, text); // as upstream, whose 200 is out by then
        return;
    }
    exchange->work = NULL; // the stream's now
    log_stream_begin (exchange, &search->options, path, container_bare_id (search->container_id));
    free_search ((void **) &search);
}

static void
ask_for_path (exchange_t *exchange, const char *id)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t body = node_map();
    node_set_text (tree, &body, "container_id", container_bare_id (id));
    exchange_ask (exchange, "runtime", MSG_CRI_CONTAINER_STATUS, &body, ANSWER_LIMIT_MS,
                  answer_status);
}

static void
take_pod (exchange_t *exchange, const node_t *pod, const char *uid)
{
    (void) uid;
    search_t *search = exchange->work;
    const char *pod_name = search->path.parts[1];
    fault_t fault = { 0 };
    if (!target_container (pod, container_of (search))) {
        OWNED (free_text) char *name = go_quote (container_of (search));
        OWNED (free_text) char *quoted = go_quote (pod_name);
        OWNED (free_text)
        char *text = text_format ("container %s not found in pod %s", name, quoted);
        exchange_reply_text (exchange, HTTP_NOTFOUND, text);
        return;
    }
    const char *id = log_container_id (node_get (pod, "status"), pod_name, container_of (search),
                                       search->options.previous, &fault);
    if (!id) {
        exchange_reply_text (exchange, HTTP_BADREQUEST, fault.text);
        return;
    }
    search->container_id = text_copy (id);
    ask_for_path (exchange, id);
}

/* The text of a part that is missing, or NULL. */
static const char *
missing_part (const url_parts_t *path)
{
    if (!path->parts[1][0])
        return "{\"message\": \"Missing podID.\"}";
    if (!path->parts[2][0])
        return "{\"message\": \"Missing container name.\"}";
    return path->parts[0][0] ? NULL : "{\"message\": \"Missing podNamespace.\"}";
}

void
serve_container_logs (exchange_t *exchange)
{
    search_t *search = memory_new (1, sizeof *search);
    search->exchange = exchange;
    exchange->work = search;
    exchange->drop = free_search;
    fault_t fault = { 0 };
    if (url_parts_read (exchange_path (exchange), "/containerLogs/", &search->path) < 0
        || search->path.count != 3) {
        target_no_page (exchange);
        return;
    }
    const char *missing = missing_part (&search->path);
    if (missing) {
        exchange_reply_text (exchange, HTTP_BADREQUEST, missing);
        return;
    }
    bool may_split = exchange->server->settings.split_log_streams;
    if (log_options_read (exchange->query, may_split, clock_now_ns(), &search->options, &fault)
        < 0) {
        exchange_reply_text (exchange, fault.code == FAULT_INVALID ? HTTP_BADREQUEST : 422,
                             fault.text);
        return;
    }
    OWNED (free_text) char *quoted = go_quote (search->path.parts[1]);
    OWNED (free_text) char *absent = text_format ("pod %s does not exist", quoted);
    target_find_pod (exchange, &search->path, NULL, absent, take_pod);
}
