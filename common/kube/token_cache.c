#include "cubelet/token_cache.h"
#include "cubelet/clock.h"
#include "cubelet/duration.h"
#include "cubelet/memory.h"
#include <inttypes.h>

#define AGE_MAX_NS (24 * 3600 * NS_PER_S)

static const char *
text_or_nothing (const char *text)
{
    return text ? text : "";
}

char *
token_key (const token_request_t *request)
{
    // names have no line ends, an audience may have anything and comes last
    return text_format ("%s\n%s\n%s\n%s\n%" PRId64 "\n%s", request->ns, request->service_account,
                        request->pod_name, request->pod_uid, request->expiration_seconds,
                        text_or_nothing (request->audience));
}

node_t
token_request_node (const token_request_t *request, tree_t *tree)
{
    const char *audience = text_or_nothing (request->audience);
    node_t audiences = node_array();
    if (audience[0])
        node_append (tree, &audiences, node_text (tree, audience));
    node_t pod = node_map();
    node_set_text (tree, &pod, "kind", "Pod");
    node_set_text (tree, &pod, "apiVersion", "v1");
    node_set_text (tree, &pod, "name", request->pod_name);
    node_set_text (tree, &pod, "uid", request->pod_uid);
    node_t spec = node_map();
    node_set (tree, &spec, "audiences", audiences);
    node_set_int (tree, &spec, "expirationSeconds", request->expiration_seconds);
    node_set (tree, &spec, "boundObjectRef", pod);
    node_t object = node_map();
    node_set_text (tree, &object, "kind", "TokenRequest");
    node_set_text (tree, &object, "apiVersion", "authentication.k8s.io/v1");
    node_set (tree, &object, "spec", spec);
    return object;
}

int
token_answer_read (const node_t *answer, const token_request_t *request, const char **token,
                   token_life_t *life, fault_t *fault)
{
    const node_t *status = node_get (answer, "status");
    const char *expires = node_get_text (status, "expirationTimestamp", NULL);
    *token = node_get_text (status, "token", NULL);
    if (!*token || !expires)
        return fault_set (fault, FAULT_INVALID, "status.%s: Required value",
                          *token ? "expirationTimestamp" : "token");
    int64_t seconds =
        node_get_int (node_get (answer, "spec"), "expirationSeconds", request->expiration_seconds);
    if (time_parse (expires, &life->expires_ns, fault) < 0)
        return fault_wrap (fault, "status.expirationTimestamp");
    bool is_sane = seconds > 0 && seconds < INT64_MAX / NS_PER_S;
    life->lifetime_ns = (is_sane ? seconds : request->expiration_seconds) * NS_PER_S;
    return 0;
}

bool
token_needs_refresh (const token_life_t *life, int64_t now_ns, int64_t jitter_ns)
{
    int64_t issued_ns = life->expires_ns - life->lifetime_ns;
    return now_ns > issued_ns + AGE_MAX_NS - jitter_ns
           || now_ns > life->expires_ns - life->lifetime_ns / 5 - jitter_ns;
}

bool
token_is_expired (const token_life_t *life, int64_t now_ns)
{
    return now_ns > life->expires_ns;
}
