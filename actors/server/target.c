#include "target.h"
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include <string.h>

#define ANSWER_LIMIT_MS 10000

// ---- pods ----

typedef struct {
    exchange_t *exchange;
    target_pod_fn *take;
    char absent[512]; // the text of 404
} pod_search_t;

static void
answer_pod (void *state, const message_t *reply, const fault_t *fault, void *context)
{
    (void) state;
    pod_search_t *search = context;
    exchange_t *exchange = search->exchange;
    exchange->request = 0;
    if (fault && fault->code == FAULT_NOT_FOUND) {
        exchange_reply_text (exchange, HTTP_NOTFOUND, search->absent);
        return;
    }
    if (fault) {
        LOG_ERROR ("Pod cannot be looked up path=%s err=%s", exchange_path (exchange), fault->text);
        exchange_reply_text (exchange, HTTP_INTERNAL, fault->text);
        return;
    }
    search->take (exchange, node_get (reply->body, "pod"), node_get_text (reply->body, "uid", ""));
}

void
target_find_pod (exchange_t *exchange, const url_parts_t *path, const char *uid, const char *absent,
                 target_pod_fn *take)
{
    pod_search_t search = { .exchange = exchange, .take = take };
    snprintf (search.absent, sizeof search.absent, "%s", absent);
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t body = node_map();
    node_set_text (tree, &body, "namespace", path->parts[0]);
    node_set_text (tree, &body, "name", path->parts[1]);
    node_set_text (tree, &body, "uid", uid);
    exchange->request = actor_request (exchange->server->actor, "pod-manager", MSG_POD_GET, &body,
                                       ANSWER_LIMIT_MS, answer_pod, &search, sizeof search);
}

// ---- containers ----

typedef struct {
    exchange_t *exchange;
    target_container_fn *take;
} container_search_t;

static void
answer_containers (void *state, const message_t *reply, const fault_t *fault, void *context)
{
    (void) state;
    const container_search_t *search = context;
    const char *id = NULL;
    int64_t newest = INT64_MIN;
    search->exchange->request = 0;
    if (!fault)
        NODE_EACH (node_get (reply->body, "containers"), container)
        {
            int64_t created = node_get_int (container, "created_at", 0);
            if (created >= newest) {
                newest = created;
                id = node_get_text (container, "id", NULL);
            }
        }
    search->take (search->exchange, id, fault);
}

void
target_find_container (exchange_t *exchange, const char *uid, const char *container,
                       target_container_fn *take)
{
    container_search_t search = { exchange, take };
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t body = node_map(), filter = node_map(), labels = node_map(), running = node_map();
    node_set_text (tree, &labels, "io.kubernetes.pod.uid", uid);
    node_set_text (tree, &labels, "io.kubernetes.container.name", container);
    node_set_text (tree, &running, "state", "CONTAINER_RUNNING");
    node_set (tree, &filter, "state", running);
    node_set (tree, &filter, "label_selector", labels);
    node_set (tree, &body, "filter", filter);
    exchange->request =
        actor_request (exchange->server->actor, "runtime", MSG_CRI_LIST_CONTAINERS, &body,
                       ANSWER_LIMIT_MS, answer_containers, &search, sizeof search);
}

// ---- small things ----

const node_t *
target_container (const node_t *pod, const char *name)
{
    static const char *const LISTS[] = { "containers", "initContainers", "ephemeralContainers" };
    for (size_t i = 0; i < COUNT_OF (LISTS); i++)
        NODE_EACH (node_at (pod, "spec", LISTS[i], NULL), container)
    if (strcmp (node_get_text (container, "name", ""), name) == 0)
        return container;
    return NULL;
}

const char *
container_bare_id (const char *id)
{
    const char *mark = strstr (id, "://");
    return mark ? mark + 3 : id;
}

void
target_no_page (exchange_t *exchange)
{
    exchange_reply_text (exchange, HTTP_NOTFOUND, "404: Page Not Found");
}

void
target_answer_fault (exchange_t *exchange, const fault_t *fault)
{
    int status = HTTP_INTERNAL;
    if (fault->code == FAULT_NOT_FOUND)
        status = HTTP_NOTFOUND;
    if (fault->code == FAULT_EXHAUSTED) {
        status = 429;
        exchange_add_header (exchange, "Retry-After", "1");
    }
    exchange_reply_text (exchange, status, fault->text);
}
