#include "cubelet/probe_target.h"
#include "cubelet/env_expand.h"
#include "cubelet/go_quote.h"
#include "cubelet/go_text.h"
#include "cubelet/memory.h"
#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#define PORT_MAX 65535

/* Headers that Go's client never takes from a request's map: it writes them itself. */
static const char *const DROPPED[] = { "Content-Length", "Transfer-Encoding", "Trailer" };

// ---- ports ----

/* strconv.Atoi. Returns 0 or -1. */
static int
parse_number (const char *text, int64_t *out, fault_t *fault)
{
    char *end = NULL;
    bool starts_well = isdigit ((unsigned char) text[0])
                       || ((text[0] == '-' || text[0] == '+') && isdigit ((unsigned char) text[1]));
    errno = 0;
    *out = starts_well ? strtoll (text, &end, 10) : 0;
    if (starts_well && *end == '\0' && errno == 0)
        return 0;
    OWNED (free_text) char *quoted = go_quote (text);
    return fault_set (fault, FAULT_INVALID, "strconv.Atoi: parsing %s: %s", quoted,
                      errno == ERANGE ? "value out of range" : "invalid syntax");
}

static const container_port_t *
find_port (const container_t *container, const char *name)
{
    for (size_t i = 0; i < container->ports.count; i++) {
        const container_port_t *port = &container->ports.items[i];
        if (port->name && strcmp (port->name, name) == 0)
            return port;
    }
    return NULL;
}

/* The port's number: given, that of a named port, or a number written as text. Or -1. */
static int
resolve_port (const int_or_text_t *port, const container_t *container, fault_t *fault)
{
    int64_t number = port->value;
    if (port->text) {
        const container_port_t *named = find_port (container, port->text);
        if (named)
            number = named->container_port;
        else if (parse_number (port->text, &number, fault) < 0)
            return -1;
    }
    if (number < 1 || number > PORT_MAX)
        return fault_set (fault, FAULT_INVALID, "invalid port number: %lld", (long long) number);
    return (int) number;
}

/* The host that is given, else the pod's address, copied to `tree`; or NULL. */
static const char *
resolve_host (const char *given, const char *pod_ip, tree_t *tree, fault_t *fault)
{
    const char *host = given && given[0] ? given : pod_ip;
    if (host && host[0])
        return tree_text (tree, host, strlen (host));
    fault_set (fault, FAULT_INVALID, "the pod has no IP address"); // Go would ask the node itself
    return NULL;
}

// ---- headers ----

char *
kube_user_agent (const char *purpose)
{
    int major = 0, minor = 0;
    sscanf (CUBELET_VERSION, "v%d.%d", &major, &minor);
    return text_format ("kube-%s/%d.%d", purpose, major, minor);
}

/* textproto.CanonicalMIMEHeaderKey: "x-probe" becomes "X-Probe"; in place. */
static char *
canonical_name (char *name)
{
    for (const char *c = name; *c; c++)
        if (!isalnum ((unsigned char) *c) && !strchr ("!#$%&'*+-.^_`|~", *c))
            return name;
    bool is_first = true;
    for (char *c = name; *c; c++) {
        *c = (char) (is_first ? toupper ((unsigned char) *c) : tolower ((unsigned char) *c));
        is_first = *c == '-';
    }
    return name;
}

static bool
is_dropped (const char *name)
{
    for (size_t i = 0; i < COUNT_OF (DROPPED); i++)
        if (strcasecmp (name, DROPPED[i]) == 0)
            return true;
    return false;
}

/* The first value of a header in the pod's list, or NULL. */
static const char *
first_value (const node_t *given, const char *name)
{
    NODE_EACH (given, header)
    if (strcasecmp (node_get_text (header, "name", ""), name) == 0)
        return node_get_text (header, "value", "");
    return NULL;
}

static void
append_header (tree_t *tree, node_t *list, const char *name, const char *value)
{
    node_t header = node_map();
    node_set_text (tree, &header, "name", name);
    node_set_text (tree, &header, "value", value);
    node_append (tree, list, header);
}

/* A header of which Go sends the first value only, or nothing when that is empty. */
static void
append_single (tree_t *tree, node_t *list, const node_t *given, const char *name,
               const char *otherwise)
{
    const char *value = first_value (given, name);
    value = value ? value : otherwise;
    if (value && value[0])
        append_header (tree, list, name, value);
}

static node_t
headers_of (const node_t *given, const char *purpose, tree_t *tree)
{
    node_t list = node_array();
    OWNED (free_text) char *agent = kube_user_agent (purpose);
    const char *accept = first_value (given, "Accept");
    append_single (tree, &list, given, "Host", NULL);
    append_single (tree, &list, given, "User-Agent", agent);
    if (!accept)
        append_header (tree, &list, "Accept", "*/*");
    NODE_EACH (given, header)
    {
        OWNED (free_text) char *name = text_copy (node_get_text (header, "name", ""));
        canonical_name (name);
        bool is_removed = strcmp (name, "Accept") == 0 && accept && !accept[0];
        if (!is_removed && !is_dropped (name) && strcmp (name, "Host") != 0
            && strcmp (name, "User-Agent") != 0)
            append_header (tree, &list, name, node_get_text (header, "value", ""));
    }
    return list;
}

static const node_t *
keep_node (tree_t *tree, node_t node)
{
    node_t *kept = tree_alloc (tree, sizeof *kept);
    *kept = node;
    return kept;
}

// ---- one function per kind of target ----

/* What find_variable needs, and room for what it yields. */
typedef struct {
    const container_t *container;
    node_t value;
} variables_t;

static const node_t *
find_variable (void *context, const char *name)
{
    variables_t *self = context;
    const env_var_t *found = NULL;
    for (size_t i = 0; i < self->container->env.count; i++) {
        const env_var_t *variable = &self->container->env.items[i];
        if (variable->name && strcmp (variable->name, name) == 0)
            found = variable; // the last one counts
    }
    if (!found)
        return NULL;
    const char *text = found->value ? found->value : ""; // a valueFrom is empty here, as upstream
    self->value = (node_t){ .type = MSGPACK_OBJECT_STR,
                            .via.str = { .size = (uint32_t) strlen (text), .ptr = text } };
    return &self->value;
}

static void
exec_target (const exec_action_t *exec, const container_t *container, tree_t *tree,
             probe_target_t *out)
{
    variables_t variables = { .container = container };
    node_t command = node_array();
    for (size_t i = 0; i < exec->command.count; i++)
        node_append (tree, &command,
                     env_expand (exec->command.items[i], find_variable, &variables, tree));
    out->kind = TARGET_EXEC;
    out->command = keep_node (tree, command);
}

static int
http_target (const http_action_t *http, const container_t *container, const char *pod_ip,
             const char *purpose, tree_t *tree, probe_target_t *out, fault_t *fault)
{
    int port = resolve_port (&http->port, container, fault);
    const char *host = port < 0 ? NULL : resolve_host (http->host, pod_ip, tree, fault);
    if (!host)
        return -1;
    OWNED (free_text) char *url = probe_url (http->scheme, host, port, http->path);
    out->kind = TARGET_HTTP;
    out->host = host;
    out->port = port;
    out->url = tree_text (tree, url, strlen (url));
    out->headers = keep_node (tree, headers_of (http->http_headers, purpose, tree));
    return 0;
}

static int
tcp_target (const tcp_action_t *tcp, const container_t *container, const char *pod_ip, tree_t *tree,
            probe_target_t *out, fault_t *fault)
{
    out->kind = TARGET_TCP;
    out->port = resolve_port (&tcp->port, container, fault);
    out->host = out->port < 0 ? NULL : resolve_host (tcp->host, pod_ip, tree, fault);
    return out->host ? 0 : -1;
}

static int
grpc_target (const grpc_action_t *grpc, const container_t *container, const char *pod_ip,
             tree_t *tree, probe_target_t *out, fault_t *fault)
{
    int_or_text_t port = { .set = true, .value = grpc->port };
    const char *service = grpc->service ? grpc->service : "";
    out->kind = TARGET_GRPC;
    out->port = resolve_port (&port, container, fault);
    out->host = out->port < 0 ? NULL : resolve_host (NULL, pod_ip, tree, fault);
    out->service = tree_text (tree, service, strlen (service));
    return out->host ? 0 : -1;
}

int
probe_target (const probe_t *probe, const container_t *container, const char *pod_ip, tree_t *tree,
              probe_target_t *out, fault_t *fault)
{
    *out = (probe_target_t){ .kind = TARGET_EXEC };
    if (probe->exec) {
        exec_target (probe->exec, container, tree, out);
        return 0;
    }
    if (probe->tcp_socket)
        return tcp_target (probe->tcp_socket, container, pod_ip, tree, out, fault);
    if (probe->grpc)
        return grpc_target (probe->grpc, container, pod_ip, tree, out, fault);
    if (!probe->http_get)
        return fault_set (fault, FAULT_INVALID, "missing probe handler for %s", container->name);
    if (http_target (probe->http_get, container, pod_ip, "probe", tree, out, fault) < 0)
        return -1;
    append_header (tree, (node_t *) out->headers, "Connection", "close");
    return 0;
}

int
hook_http_target (const http_action_t *http, const container_t *container, const char *pod_ip,
                  tree_t *tree, probe_target_t *out, fault_t *fault)
{
    *out = (probe_target_t){ .kind = TARGET_HTTP };
    return http_target (http, container, pod_ip, "lifecycle", tree, out, fault);
}
