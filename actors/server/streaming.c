/* /exec, /attach, /portForward: what the client wants is asked of the runtime, which names a URL of
   its streaming server; the connection goes there (reference/node-and-server.md 4.2). */
#include "cubelet/go_quote.h"
#include "cubelet/memory.h"
#include "cubelet/stream_options.h"
#include "stream_proxy.h"
#include "target.h"
#include <string.h>

#define ANSWER_LIMIT_MS 0 // the runtime actor's own limits count

typedef enum { EXEC, ATTACH, PORT_FORWARD, KIND_COUNT } kind_t;

static const struct {
    const char *prefix;
    size_t parts; // of the path without a uid: namespace, pod, container
    message_id_t type;
} KINDS[] = {
    [EXEC] = { "/exec/", 3, MSG_CRI_EXEC },
    [ATTACH] = { "/attach/", 3, MSG_CRI_ATTACH },
    [PORT_FORWARD] = { "/portForward/", 2, MSG_CRI_PORT_FORWARD },
};
_Static_assert(COUNT_OF (KINDS) == KIND_COUNT, "name every kind");

/* The work of an exchange until the runtime has named a URL. */
typedef struct {
    kind_t kind;
    url_parts_t path;
    stream_options_t options;
    forward_ports_t ports;
} call_t;

static void
free_call (void **call_p)
{
    url_parts_clear (&((call_t *) *call_p)->path);
    free (*call_p);
    *call_p = NULL;
}

static const char *
container_of (const call_t *call)
{
    return call->path.parts[call->path.count - 1];
}

// ---- the runtime's answer ----

static void
take_url (void *state, const message_t *reply, const fault_t *fault, void *context)
{
    (void) state;
    exchange_t *exchange = exchange_of_context (context);
    const char *url = fault ? "" : node_get_text (reply->body, "url", "");
    if (fault) {
        target_answer_fault (exchange, fault);
        return;
    }
    exchange->drop (&exchange->work);
    exchange->drop = NULL;
    stream_proxy_begin (exchange, url);
}

static void
ask_runtime (exchange_t *exchange, const node_t *body)
{
    const call_t *call = exchange->work;
    if (is_upgrade (exchange_header (exchange, "Connection"),
                    exchange_header (exchange, "Upgrade")))
        exchange_ask (exchange, "runtime", KINDS[call->kind].type, body, ANSWER_LIMIT_MS, take_url);
    else
        exchange_error (exchange, HTTP_INTERNAL, "Upgrade request required");
}

// ---- exec and attach ----

static void
take_container (exchange_t *exchange, const char *id, const fault_t *fault)
{
    const call_t *call = exchange->work;
    if (fault || !id) {
        OWNED (free_text) char *quoted = go_quote (container_of (call));
        OWNED (free_text) char *text = text_format ("container not found (%s)", quoted);
        exchange_reply_text (exchange, HTTP_INTERNAL, fault ? fault->text : text);
        return;
    }
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t body = node_map(), command = node_array();
    const char *word = NULL;
    for (size_t i = 0; (word = url_query_get_at (exchange->query, "command", i)); i++)
        node_append (tree, &command, node_text (tree, word));
    node_set_text (tree, &body, "container_id", id);
    if (call->kind == EXEC)
        node_set (tree, &body, "cmd", command);
    node_set_bool (tree, &body, "tty", call->options.tty);
    node_set_bool (tree, &body, "stdin", call->options.stdin);
    node_set_bool (tree, &body, "stdout", call->options.stdout);
    node_set_bool (tree, &body, "stderr", call->options.stderr);
    ask_runtime (exchange, &body);
}

static void
take_pod (exchange_t *exchange, const node_t *pod, const char *uid)
{
    call_t *call = exchange->work;
    const node_t *container = target_container (pod, container_of (call));
    if (call->kind == ATTACH && container) // whether it has a terminal was decided at its start
        call->options.tty = node_get_bool (container, "tty", false);
    if (call->options.tty)
        call->options.stderr = false;
    target_find_container (exchange, uid, container_of (call), take_container);
}

// ---- port-forward ----

static void
take_sandboxes (void *state, const message_t *reply, const fault_t *fault, void *context)
{
    (void) state;
    exchange_t *exchange = exchange_of_context (context);
    const call_t *call = exchange->work;
    const char *id = NULL;
    int64_t newest = INT64_MIN;
    if (!fault)
        NODE_EACH (node_get (reply->body, "items"), sandbox)
        {
            int64_t created = node_get_int (sandbox, "created_at", 0);
            if (created >= newest) {
                newest = created;
                id = node_get_text (sandbox, "id", NULL);
            }
        }
    if (!id) {
        OWNED (free_text)
        char *name = text_format ("%s_%s", call->path.parts[1], call->path.parts[0]);
        OWNED (free_text) char *quoted = go_quote (name);
        OWNED (free_text) char *text = text_format ("pod not found (%s)", quoted);
        exchange_reply_text (exchange, HTTP_INTERNAL, fault ? fault->text : text);
        return;
    }
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t body = node_map(), ports = node_array();
    for (size_t i = 0; i < call->ports.count; i++)
        node_append (tree, &ports, node_int (call->ports.ports[i]));
    node_set_text (tree, &body, "pod_sandbox_id", id);
    node_set (tree, &body, "port", ports);
    ask_runtime (exchange, &body);
}

static void
take_forward_pod (exchange_t *exchange, const node_t *pod, const char *uid)
{
    (void) pod;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t body = node_map(), filter = node_map(), labels = node_map();
    node_set_text (tree, &labels, "io.kubernetes.pod.uid", uid);
    node_set (tree, &filter, "label_selector", labels);
    node_set (tree, &body, "filter", filter);
    exchange_ask (exchange, "runtime", MSG_CRI_LIST_POD_SANDBOX, &body, ANSWER_LIMIT_MS,
                  take_sandboxes);
}

// ---- requests ----

static int
read_options (const exchange_t *exchange, call_t *call, fault_t *fault)
{
    if (call->kind != PORT_FORWARD)
        return stream_options_read (exchange->query, &call->options, fault);
    if (is_websocket (exchange_header (exchange, "Connection"),
                      exchange_header (exchange, "Upgrade")))
        return forward_ports_read (exchange->query, &call->ports, fault);
    return 0; // SPDY names the port with each stream
}

static void
begin (exchange_t *exchange, kind_t kind)
{
    call_t *call = memory_new (1, sizeof *call);
    size_t parts = KINDS[kind].parts;
    fault_t fault = { 0 };
    call->kind = kind;
    exchange->work = call;
    exchange->drop = free_call;
    if (url_parts_read (exchange_path (exchange), KINDS[kind].prefix, &call->path) < 0
        || call->path.count < parts || call->path.count > parts + 1) {
        target_no_page (exchange);
        return;
    }
    if (read_options (exchange, call, &fault) < 0) {
        exchange_reply_text (exchange, HTTP_BADREQUEST, fault.text);
        return;
    }
    const char *uid = call->path.count > parts ? call->path.parts[2] : NULL;
    target_find_pod (exchange, &call->path, uid, "pod does not exist",
                     kind == PORT_FORWARD ? take_forward_pod : take_pod);
}

void
serve_exec (exchange_t *exchange)
{
    begin (exchange, EXEC);
}

void
serve_attach (exchange_t *exchange)
{
    begin (exchange, ATTACH);
}

void
serve_port_forward (exchange_t *exchange)
{
    begin (exchange, PORT_FORWARD);
}
