/* /pods: the pods of this node as one PodList (samples/pods.json). */
#include "cubelet/json.h"
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include "server.h"

#define ANSWER_LIMIT_MS 10000

static void
answer_pods (void *state, const message_t *reply, const fault_t *fault, void *context)
{
    (void) state;
    exchange_t *exchange = exchange_of_context (context);
    if (fault) {
        LOG_ERROR ("Pods cannot be listed for GET /pods err=%s", fault->text);
        OWNED (free_text) char *text = text_format ("Internal Error: %s", fault->text);
        exchange_error (exchange, HTTP_INTERNAL, text);
        return;
    }
    const node_t *items = node_get (reply->body, "items");
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t list = node_map(), metadata = node_map();
    node_set_text (tree, &list, "kind", "PodList");
    node_set_text (tree, &list, "apiVersion", "v1");
    node_set (tree, &list, "metadata", metadata);
    // Go's empty slice, which nobody appended to, is nil
    node_set (tree, &list, "items", node_count (items) ? *items : node_nil());
    size_t size = 0;
    OWNED (free_text) char *json = json_write (&list, JSON_COMPACT, &size);
    text_replace (&json, "%s\n", json);
    exchange_reply (exchange, HTTP_OK, JSON_TYPE, json, size + 1);
}

void
serve_pods (exchange_t *exchange)
{
    exchange_ask (exchange, "pod-manager", MSG_POD_LIST, NULL, ANSWER_LIMIT_MS, answer_pods);
}
