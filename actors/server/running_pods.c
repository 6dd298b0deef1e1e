/* /runningpods/: what runs, as the runtime says it, in the shape of Pods
   (samples/runningpods.json). */
#include "cubelet/json.h"
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include "server.h"
#include <string.h>

#define ANSWER_LIMIT_MS 10000

/* The work of an exchange until both listings are there. */
typedef struct {
    tree_t *sandboxes;
} listing_t;

static void
free_listing (void **listing_p)
{
    tree_destroy (&((listing_t *) *listing_p)->sandboxes);
    free (*listing_p);
    *listing_p = NULL;
}

static void
fail (exchange_t *exchange, const fault_t *fault)
{
    LOG_ERROR ("What runs cannot be listed err=%s", fault->text);
    OWNED (free_text) char *text = text_format ("Internal Error: %s", fault->text);
    exchange_error (exchange, HTTP_INTERNAL, text);
}

static const char *
label (const node_t *item, const char *name)
{
    return node_as_text (node_at (item, "labels", name, NULL), "");
}

/* The containers of one pod. */
static node_t
containers_of (tree_t *tree, const node_t *containers, const char *uid)
{
    node_t list = node_array();
    NODE_EACH (containers, container)
    {
        if (strcmp (label (container, "io.kubernetes.pod.uid"), uid) != 0)
            continue;
        node_t row = node_map();
        node_set_text (tree, &row, "name", label (container, "io.kubernetes.container.name"));
        node_set_text (tree, &row, "image",
                       node_as_text (node_at (container, "image", "image", NULL), ""));
        node_set (tree, &row, "resources", node_map());
        node_append (tree, &list, row);
    }
    return list;
}

static bool
is_listed (const node_t *pods, const char *uid)
{
    NODE_EACH (pods, pod)
    if (strcmp (node_as_text (node_at (pod, "metadata", "uid", NULL), ""), uid) == 0)
        return true;
    return false;
}

static node_t
pod_of (tree_t *tree, const node_t *sandbox, const node_t *containers, const char *uid)
{
    const node_t *about = node_get (sandbox, "metadata");
    node_t pod = node_map(), metadata = node_map(), spec = node_map();
    node_set_text (tree, &metadata, "name", node_get_text (about, "name", ""));
    node_set_text (tree, &metadata, "namespace", node_get_text (about, "namespace", ""));
    node_set_text (tree, &metadata, "uid", uid);
    node_set (tree, &spec, "containers", containers_of (tree, containers, uid));
    node_set (tree, &pod, "metadata", metadata);
    node_set (tree, &pod, "spec", spec);
    node_set (tree, &pod, "status", node_map());
    return pod;
}

static void
take_containers (void *state, const message_t *reply, const fault_t *fault, void *context)
{
    (void) state;
    exchange_t *exchange = exchange_of_context (context);
    const listing_t *listing = exchange->work;
    if (fault) {
        fail (exchange, fault);
        return;
    }
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t items = node_array(), list = node_map();
    NODE_EACH (tree_root (listing->sandboxes), sandbox)
    {
        const char *uid = node_as_text (node_at (sandbox, "metadata", "uid", NULL), "");
        if (!is_listed (&items, uid))
            node_append (tree, &items,
                         pod_of (tree, sandbox, node_get (reply->body, "containers"), uid));
    }
    node_set_text (tree, &list, "kind", "PodList");
    node_set_text (tree, &list, "apiVersion", "v1");
    node_set (tree, &list, "metadata", node_map());
    node_set (tree, &list, "items", node_count (&items) ? items : node_nil());
    size_t size = 0;
    OWNED (free_text) char *json = json_write (&list, JSON_COMPACT, &size);
    text_replace (&json, "%s\n", json);
    exchange_reply (exchange, HTTP_OK, JSON_TYPE, json, size + 1);
}

static void
ask_running (exchange_t *exchange, message_id_t type, const char *state, actor_reply_fn *reply)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t body = node_map(), filter = node_map(), wanted = node_map();
    node_set_text (tree, &wanted, "state", state);
    node_set (tree, &filter, "state", wanted);
    node_set (tree, &body, "filter", filter);
    exchange_ask (exchange, "runtime", type, &body, ANSWER_LIMIT_MS, reply);
}

static void
take_sandboxes (void *state, const message_t *reply, const fault_t *fault, void *context)
{
    (void) state;
    exchange_t *exchange = exchange_of_context (context);
    listing_t *listing = exchange->work;
    if (fault) {
        fail (exchange, fault);
        return;
    }
    listing->sandboxes = tree_copy (node_get (reply->body, "items"));
    ask_running (exchange, MSG_CRI_LIST_CONTAINERS, "CONTAINER_RUNNING", take_containers);
}

void
serve_running_pods (exchange_t *exchange)
{
    exchange->work = memory_new (1, sizeof (listing_t));
    exchange->drop = free_listing;
    ask_running (exchange, MSG_CRI_LIST_POD_SANDBOX, "SANDBOX_READY", take_sandboxes);
}
