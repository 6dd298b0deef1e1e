/* url-watcher: static pods from a URL (staticPodURL; reference/pod-lifecycle.md 3.1).

   The URL is asked every httpCheckFrequency. What it last said well stays while it cannot be
   reached or says something wrong. An empty answer is a mistake of the server's, and no pods until
   it has said any.

   Arguments: {"url": text, "headers": {name: [text]}, "node_name": text, "check_ms": int,
   "allow_objects": bool}. */
#include "cubelet/actors.h"
#include "cubelet/clock.h"
#include "cubelet/http_client.h"
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include "cubelet/url_manifest.h"
#include <string.h>

#define TIMEOUT_MS 10000
#define MAX_BYTES (10 * 1024 * 1024)
/* So many failures in a row are logged; the rest is for who asked for details. */
#define LOGGED_FAILURES 3

typedef struct {
    actor_t *actor;
    http_client_t *client;
    char *url, *node_name;
    http_header_t *headers;
    tree_t *args; // owns the headers' texts
    int64_t check_ms;
    bool allow_objects;
    char *content; // the last good answer
    size_t content_size;
    tree_t *pods; // of it; NULL: nothing is known yet
    int failures; // in a row
    uint64_t timer;
} watcher_t;

static void ask (void *state, void *context);

static void
send_pods (watcher_t *self)
{
    if (!self->pods)
        return;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t body = node_map();
    node_set_text (tree, &body, "source", "http");
    node_set (tree, &body, "pods", node_copy (tree, tree_root (self->pods)));
    actor_send (self->actor, "pod-manager", MSG_SOURCE_PODS, &body);
}

/* Turns a good answer into pods, when it is another one than before. */
static int
take (watcher_t *self, const http_response_t *response, fault_t *fault)
{
    if (response->status != 200)
        return fault_set (fault, FAULT_UNAVAILABLE, "status %d", response->status);
    if (response->is_truncated)
        return fault_set (fault, FAULT_INVALID, "more than %d MiB", MAX_BYTES >> 20);
    size_t size = response->body_size;
    if (size == 0) {
        if (!self->pods) { // the source has spoken: others need not wait for it
            self->pods = tree_new();
            *tree_root (self->pods) = node_array();
        }
        return fault_set (fault, FAULT_INVALID, "zero-length data received");
    }
    if (self->content && self->content_size == size
        && memcmp (self->content, response->body, size) == 0)
        return 0;
    static_pod_options_t options = { .node_name = self->node_name,
                                     .source = "http",
                                     .location = self->url,
                                     .seen_ns = clock_now_ns(),
                                     .allow_api_references = self->allow_objects };
    OWNED (tree_destroy) tree_t *tree = tree_new();
    if (url_manifest_pods (tree, response->body, size, &options, tree_root (tree), fault) < 0)
        return -1;
    tree_destroy (&self->pods);
    self->pods = STEAL (tree);
    free (self->content);
    self->content = memory_new (size, 1);
    memcpy (self->content, response->body, size);
    self->content_size = size;
    return 0;
}

static void
on_done (void *context, const http_response_t *response, const fault_t *fault)
{
    watcher_t *self = context;
    fault_t reason = { 0 };
    if (fault || take (self, response, &reason) < 0) {
        const char *text = fault ? fault->text : reason.text;
        if (self->failures++ < LOGGED_FAILURES)
            LOG_WARNING ("Pods not read from the URL url=%s err=%s", self->url, text);
        else
            LOG_V (4, "Pods not read from the URL url=%s err=%s", self->url, text);
    }
    else
        self->failures = 0;
    send_pods (self); // also without a change: the last message may have been lost
    self->timer = actor_timer (self->actor, self->check_ms, ask, NULL);
}

static void
ask (void *state, void *context)
{
    (void) context;
    watcher_t *self = state;
    self->timer = 0;
    http_request (self->client, &(http_request_t){
                                    .url = self->url,
                                    .headers = self->headers,
                                    .timeout_ms = TIMEOUT_MS,
                                    .body_limit = MAX_BYTES,
                                    .redirect = http_redirect_same_host,
                                    .proxy = HTTP_PROXY_OF_ENVIRONMENT,
                                    .on_done = on_done,
                                    .context = self,
                                });
}

static int
on_actor_up (void *state, const message_t *message, fault_t *fault)
{
    (void) message, (void) fault;
    send_pods (state); // a manager that starts anew
    return 0;
}

static const actor_handler_t HANDLERS[] = { { MSG_ACTOR_UP, on_actor_up }, { 0 } };

// ---- the class ----

/* {name: [value, value]} as a list. */
static http_header_t *
headers_of (const node_t *map)
{
    size_t count = 0;
    for (size_t i = 0; i < node_count (map); i++)
        count += node_count (node_value_at (map, i));
    http_header_t *headers = memory_new (count + 1, sizeof *headers);
    size_t used = 0;
    for (size_t i = 0; i < node_count (map); i++)
        NODE_EACH (node_value_at (map, i), value)
    headers[used++] = (http_header_t){ node_key_at (map, i), node_as_text (value, "") };
    return headers;
}

static void
stop (void **self_p)
{
    watcher_t *self = *self_p;
    http_client_destroy (&self->client);
    tree_destroy (&self->pods);
    tree_destroy (&self->args);
    free (self->headers);
    free (self->content);
    free (self->url);
    free (self->node_name);
    free (self);
    *self_p = NULL;
}

static void *
start (actor_t *actor, const node_t *args, fault_t *fault)
{
    (void) fault;
    watcher_t *self = memory_new (1, sizeof *self);
    self->actor = actor;
    self->client = http_client_new (actor);
    self->args = tree_copy (args);
    self->headers = headers_of (node_get (tree_root (self->args), "headers"));
    self->url = text_copy (node_get_text (args, "url", ""));
    self->node_name = text_copy (node_get_text (args, "node_name", ""));
    self->check_ms = node_get_int (args, "check_ms", 20000);
    self->allow_objects = node_get_bool (args, "allow_objects", false);
    self->timer = actor_timer (actor, 0, ask, NULL);
    return self;
}

const actor_class_t url_watcher_class = {
    .name = "url-watcher",
    .about = "static pods from a URL",
    .hears_of = "pod-manager",
    .handlers = HANDLERS,
    .start = start,
    .stop = stop,
};
