#include "cubelet/api_call.h"
#include "cubelet/memory.h"
#include <string.h>

#define DEFAULT_TIMEOUT_MS 30000

uint64_t
api_call (actor_t *self, const api_call_t *call, actor_reply_fn *reply, const void *context,
          size_t context_size)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t body = node_map();
    node_set_text (tree, &body, "method", call->method);
    node_set_text (tree, &body, "path", call->path);
    node_set_text (tree, &body, "query", call->query);
    node_set_text (tree, &body, "content_type", call->content_type);
    if (call->body)
        node_set (tree, &body, "body", *call->body);
    if (call->timeout_ms > 0)
        node_set_int (tree, &body, "timeout_ms", call->timeout_ms);
    int64_t timeout_ms = call->timeout_ms > 0 ? call->timeout_ms : DEFAULT_TIMEOUT_MS;
    return actor_request (self, API_CLIENT, MSG_API_REQUEST, &body, timeout_ms + API_QUEUE_MS,
                          reply, context, context_size);
}

char *
api_path (const char *group, const char *ns, const char *resource, const char *name,
          const char *sub)
{
    return text_format ("%s%s%s/%s%s%s%s%s", group, ns ? "/namespaces/" : "", ns ? ns : "",
                        resource, name ? "/" : "", name ? name : "", sub ? "/" : "",
                        sub ? sub : "");
}

/* What HTTP says, in the program's codes. */
static fault_code_t
code_of (int64_t code, const char *reason)
{
    switch (code) {
    case 400:
    case 422: return FAULT_INVALID;
    case 401: return FAULT_UNAUTHENTICATED;
    case 403: return FAULT_DENIED;
    case 404:
    case 410: return FAULT_NOT_FOUND;
    case 409: return strcmp (reason, "AlreadyExists") == 0 ? FAULT_ALREADY_EXISTS : FAULT_ABORTED;
    case 429: return FAULT_EXHAUSTED;
    default: return code >= 500 ? FAULT_UNAVAILABLE : FAULT_PRECONDITION;
    }
}

const node_t *
api_reply_check (const message_t *reply, const fault_t *came, fault_t *fault)
{
    static const node_t NOTHING = { .type = MSGPACK_OBJECT_NIL };
    if (!reply) {
        fault_set (fault, came ? came->code : FAULT_UNKNOWN, "%s", came ? came->text : "no answer");
        return NULL;
    }
    int64_t code = node_get_int (reply->body, "code", 0);
    const node_t *body = node_get (reply->body, "body");
    if (code >= 200 && code < 300)
        return body ? body : &NOTHING;
    const char *reason = node_get_text (body, "reason", "");
    fault_set (fault, code_of (code, reason), "HTTP %lld%s%s: %s", (long long) code,
               *reason ? " " : "", reason, node_get_text (body, "message", "no message"));
    return NULL;
}

bool
api_fault_is_passing (const fault_t *fault)
{
    switch (fault->code) {
    case FAULT_UNAVAILABLE:
    case FAULT_DEADLINE:
    case FAULT_EXHAUSTED:
    case FAULT_CANCELLED:
    case FAULT_UNKNOWN: return true;
    default: return false;
    }
}

node_t
api_delete_options (tree_t *tree, const char *uid, int64_t grace_s)
{
    node_t preconditions = node_map();
    node_set_text (tree, &preconditions, "uid", uid);
    node_t options = node_map();
    node_set_text (tree, &options, "kind", "DeleteOptions");
    node_set_text (tree, &options, "apiVersion", "v1");
    node_set_int (tree, &options, "gracePeriodSeconds", grace_s);
    node_set (tree, &options, "preconditions", preconditions);
    return options;
}
