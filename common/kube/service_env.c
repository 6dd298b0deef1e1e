#include "cubelet/service_env.h"
#include "cubelet/go_text.h"
#include "cubelet/memory.h"
#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#define MASTER_SERVICE "kubernetes"
#define MASTER_NAMESPACE "default"

typedef struct {
    tree_t *tree;
    node_t *out;
    char *prefix;   // NAME_OF_SERVICE
    const char *ip; // clusterIP
} writer_t;

static void
to_case (char *text, int (*convert) (int))
{
    for (; *text; text++)
        *text = (char) convert ((unsigned char) *text);
}

// "my-svc" becomes MY_SVC.
static char *
variable_name (const char *text)
{
    char *name = text_copy (text);
    to_case (name, toupper);
    for (char *dash = name; (dash = strchr (dash, '-')) != NULL;)
        *dash = '_';
    return name;
}

__attribute__ ((format (printf, 3, 4))) static void
add (const writer_t *self, const char *value, const char *format, ...)
{
    va_list args;
    va_start (args, format);
    OWNED (free_text) char *key = NULL;
    if (vasprintf (&key, format, args) < 0)
        abort();
    va_end (args);
    node_t variable = node_map();
    node_set_text (self->tree, &variable, "key", key);
    node_set_text (self->tree, &variable, "value", value);
    node_append (self->tree, self->out, variable);
}

static void
add_port (const writer_t *self, const node_t *port, bool is_first)
{
    int64_t number = node_get_int (port, "port", 0);
    OWNED (free_text) char *digits = text_format ("%" PRId64, number);
    OWNED (free_text) char *upper = text_copy (node_get_text (port, "protocol", "TCP"));
    OWNED (free_text) char *lower = text_copy (upper);
    to_case (upper, toupper);
    to_case (lower, tolower);
    OWNED (free_text) char *address = go_host_port (self->ip, (int) number);
    OWNED (free_text) char *url = text_format ("%s://%s", lower, address);
    if (is_first)
        add (self, url, "%s_PORT", self->prefix);
    add (self, url, "%s_PORT_%s_%s", self->prefix, digits, upper);
    add (self, lower, "%s_PORT_%s_%s_PROTO", self->prefix, digits, upper);
    add (self, digits, "%s_PORT_%s_%s_PORT", self->prefix, digits, upper);
    add (self, self->ip, "%s_PORT_%s_%s_ADDR", self->prefix, digits, upper);
}

static void
add_named_port (const writer_t *self, const node_t *port)
{
    const char *name = node_get_text (port, "name", "");
    if (!*name)
        return;
    OWNED (free_text) char *part = variable_name (name);
    OWNED (free_text) char *digits = text_format ("%" PRId64, node_get_int (port, "port", 0));
    add (self, digits, "%s_SERVICE_PORT_%s", self->prefix, part);
}

static void
add_service (const node_t *service, tree_t *tree, node_t *out)
{
    const char *ip = node_as_text (node_at (service, "spec", "clusterIP", NULL), "");
    const node_t *ports = node_at (service, "spec", "ports", NULL);
    if (!*ip || strcmp (ip, "None") == 0 || node_count (ports) == 0)
        return;
    const char *name = node_as_text (node_at (service, "metadata", "name", NULL), "");
    OWNED (free_text) char *prefix = variable_name (name);
    writer_t self = { .tree = tree, .out = out, .prefix = prefix, .ip = ip };
    OWNED (free_text)
    char *first = text_format ("%" PRId64, node_get_int (node_item (ports, 0), "port", 0));
    add (&self, ip, "%s_SERVICE_HOST", prefix);
    add (&self, first, "%s_SERVICE_PORT", prefix);
    NODE_EACH (ports, port)
    {
        add_named_port (&self, port);
    }
    for (size_t i = 0; i < node_count (ports); i++)
        add_port (&self, node_item (ports, i), i == 0);
}

void
service_env (const node_t *services, const char *ns, bool links, tree_t *tree, node_t *out)
{
    NODE_EACH (services, service)
    {
        const node_t *metadata = node_get (service, "metadata");
        const char *home = node_get_text (metadata, "namespace", "");
        bool is_master = strcmp (home, MASTER_NAMESPACE) == 0
                         && strcmp (node_get_text (metadata, "name", ""), MASTER_SERVICE) == 0;
        if (is_master || (links && strcmp (home, ns) == 0))
            add_service (service, tree, out);
    }
}
