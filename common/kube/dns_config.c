#include "cubelet/dns_config.h"
#include "cubelet/go_quote.h"
#include "cubelet/memory.h"
#include "cubelet/pod_names.h"
#include "optional.h"
#include <string.h>

#define SERVERS_MAX 3
#define SEARCHES_MAX 32
#define SEARCH_LINE_MAX 2048
#define SEARCH_MAX 253
#define CLUSTER_SEARCHES 3 // what a cluster domain adds to those of the host

// Enough to know that there are too many; a resolver file may hold a million.
#define ONCE_MAX 64

#define BLANKS " \t\r\v\f"

typedef struct {
    node_t servers, searches, options; // arrays of texts
} resolver_t;

static const char *
item_text (const node_t *list, size_t index)
{
    return node_as_text (node_item (list, index), "");
}

static void
append_text (tree_t *tree, node_t *list, const char *text)
{
    node_append (tree, list, node_text (tree, text));
}

static void
append_new (tree_t *tree, node_t *list, const char *text)
{
    NODE_EACH (list, known)
    {
        if (strcmp (node_as_text (known, ""), text) == 0)
            return;
    }
    if (node_count (list) < ONCE_MAX)
        append_text (tree, list, text);
}

static node_t
without_doubles (tree_t *tree, const node_t *list)
{
    node_t once = node_array();
    NODE_EACH (list, item)
    {
        append_new (tree, &once, node_as_text (item, ""));
    }
    return once;
}

/* Adds "NAME:VALUE", in place of an option of the same name. */
static void
set_option (tree_t *tree, node_t *options, const char *option)
{
    size_t size = strcspn (option, ":");
    for (size_t i = 0; i < node_count (options); i++) {
        const char *known = item_text (options, i);
        if (strcspn (known, ":") == size && strncmp (known, option, size) == 0) {
            options->via.array.ptr[i] = node_text (tree, option);
            return;
        }
    }
    append_text (tree, options, option);
}

// ---- resolv.conf ----

static int
parse_line (tree_t *tree, char *line, resolver_t *out, fault_t *fault)
{
    char *rest = NULL;
    const char *word = strtok_r (line, BLANKS, &rest);
    if (!word || *word == '#')
        return 0;
    bool is_search = strcmp (word, "search") == 0;
    bool is_options = strcmp (word, "options") == 0;
    if (strcmp (word, "nameserver") == 0) {
        const char *server = strtok_r (NULL, BLANKS, &rest);
        if (!server)
            return fault_set (fault, FAULT_INVALID, "nameserver list is empty ");
        append_text (tree, &out->servers, server);
        return 0;
    }
    if (is_search)
        out->searches = node_array(); // the last line wins
    for (char *item; (item = strtok_r (NULL, BLANKS, &rest)) != NULL;) {
        if (is_options)
            set_option (tree, &out->options, item);
        if (!is_search || strcmp (item, ".") == 0)
            continue;
        size_t size = strlen (item);
        if (item[size - 1] == '.')
            item[size - 1] = '\0';
        append_text (tree, &out->searches, item);
    }
    return 0;
}

static int
parse (const char *bytes, size_t size, tree_t *tree, resolver_t *out, fault_t *fault)
{
    *out = (resolver_t){ node_array(), node_array(), node_array() };
    const char *end = bytes + size;
    while (bytes < end) {
        const char *stop = memchr (bytes, '\n', (size_t) (end - bytes));
        size_t length = (size_t) ((stop ? stop : end) - bytes);
        OWNED (free_text) char *line = strndup (bytes, length);
        if (!line)
            abort();
        if (parse_line (tree, line, out, fault) < 0)
            return -1;
        bytes += length + 1;
    }
    return 0;
}

int
resolv_conf_parse (const char *bytes, size_t size, tree_t *tree, node_t *out, fault_t *fault)
{
    resolver_t resolver;
    if (parse (bytes, size, tree, &resolver, fault) < 0)
        return -1;
    *out = node_map();
    node_set (tree, out, "servers", resolver.servers);
    node_set (tree, out, "searches", resolver.searches);
    node_set (tree, out, "options", resolver.options);
    return 0;
}

static bool
has_file (const node_facts_t *facts)
{
    return *text_or_empty (facts->resolv_conf_path) != '\0';
}

static int
read_host (const node_facts_t *facts, tree_t *tree, resolver_t *out, fault_t *fault)
{
    *out = (resolver_t){ node_array(), node_array(), node_array() };
    if (!has_file (facts))
        return 0;
    if (!facts->resolv_conf)
        return fault_set (fault, FAULT_UNAVAILABLE, "open %s: no such file or directory",
                          facts->resolv_conf_path);
    return parse (facts->resolv_conf, facts->resolv_conf_size, tree, out, fault);
}

// ---- events ----

static void
add_event (tree_t *tree, node_t *events, const char *object, const char *reason,
           const char *message)
{
    if (!events)
        return;
    node_t event = node_map();
    node_set_text (tree, &event, "object", object);
    node_set_text (tree, &event, "type", "Warning");
    node_set_text (tree, &event, "reason", reason);
    node_set_text (tree, &event, "message", message);
    node_append (tree, events, event);
}

static void
note_missing_servers (const pod_t *pod, tree_t *tree, node_t *events)
{
    static const char MESSAGE[] =
        "kubelet does not have ClusterDNS IP configured and cannot create Pod using "
        "\"ClusterFirst\" policy. Falling back to \"Default\" policy.";
    OWNED (free_text)
    char *name = pod_full_name (pod->metadata.namespace, pod->metadata.name, pod->metadata.uid);
    OWNED (free_text) char *quoted = go_quote (name);
    OWNED (free_text) char *message = text_format ("pod: %s. %s", quoted, MESSAGE);
    add_event (tree, events, "node", "MissingClusterDNS", MESSAGE);
    add_event (tree, events, "pod", "MissingClusterDNS", message);
}

static char *
joined (const node_t *list)
{
    char *line = text_copy ("");
    for (size_t i = 0; i < node_count (list); i++)
        text_replace (&line, "%s%s%s", line, i ? " " : "", item_text (list, i));
    return line;
}

// ---- limits ----

static void
cut (node_t *list, size_t count)
{
    if (node_count (list) > count)
        list->via.array.size = (uint32_t) count;
}

static void
limit_servers (tree_t *tree, node_t *servers, node_t *events)
{
    if (node_count (servers) <= SERVERS_MAX)
        return;
    *servers = node_copy (tree, servers); // a cut array has no room to grow
    cut (servers, SERVERS_MAX);
    OWNED (free_text) char *line = joined (servers);
    OWNED (free_text)
    char *message = text_format ("Nameserver limits were exceeded, some nameservers have been "
                                 "omitted, the applied nameserver line is: %s",
                                 line);
    add_event (tree, events, "pod", "DNSConfigForming", message);
}

static void
limit_searches (tree_t *tree, node_t *searches, node_t *events)
{
    size_t size = 0;
    node_t kept = node_array();
    for (size_t i = 0; i < node_count (searches) && i < SEARCHES_MAX; i++)
        if (strlen (item_text (searches, i)) <= SEARCH_MAX)
            append_text (tree, &kept, item_text (searches, i));
    for (size_t i = 0; i < node_count (&kept); i++)
        size += strlen (item_text (&kept, i)) + (i ? 1 : 0);
    while (size > SEARCH_LINE_MAX) {
        size_t last = node_count (&kept) - 1;
        size -= strlen (item_text (&kept, last)) + 1;
        cut (&kept, last);
    }
    bool is_cut = node_count (&kept) < node_count (searches);
    *searches = kept;
    if (!is_cut)
        return;
    OWNED (free_text) char *line = joined (searches);
    OWNED (free_text)
    char *message = text_format ("Search Line limits were exceeded, some search paths have been "
                                 "omitted, the applied search line is: %s",
                                 line);
    add_event (tree, events, "pod", "DNSConfigForming", message);
}

// ---- policies ----

typedef enum { DNS_CLUSTER, DNS_HOST, DNS_NONE } dns_type_t;

static dns_type_t
dns_type (const pod_t *pod)
{
    const char *policy = text_or_empty (pod->spec.dns_policy);
    if (strcmp (policy, "None") == 0)
        return DNS_NONE;
    if (strcmp (policy, "Default") == 0
        || (strcmp (policy, "ClusterFirst") == 0 && pod->spec.host_network))
        return DNS_HOST;
    return DNS_CLUSTER; // ClusterFirst, ClusterFirstWithHostNet, and what nobody knows
}

static void
use_cluster (const pod_t *pod, const node_facts_t *facts, tree_t *tree, resolver_t *out)
{
    const char *domain = text_or_empty (facts->cluster_domain);
    out->servers = node_array();
    for (size_t i = 0; i < facts->cluster_dns.count; i++)
        append_text (tree, &out->servers, facts->cluster_dns.items[i]);
    out->options = node_array();
    append_text (tree, &out->options, "ndots:5");
    if (!*domain)
        return;
    node_t all = node_array();
    const char *ns = text_or_empty (pod->metadata.namespace);
    node_append (tree, &all, node_text_format (tree, "%s.svc.%s", ns, domain));
    node_append (tree, &all, node_text_format (tree, "svc.%s", domain));
    append_text (tree, &all, domain);
    NODE_EACH (&out->searches, search)
    {
        node_append (tree, &all, *search);
    }
    out->searches = without_doubles (tree, &all);
}

// Without a file: lookups go to the node itself, which has no resolver, so they fail.
static void
use_nothing (const node_facts_t *facts, tree_t *tree, resolver_t *out)
{
    for (size_t i = 0; i < facts->host_ips.count; i++)
        append_text (tree, &out->servers,
                     strchr (facts->host_ips.items[i], ':') ? "::1" : "127.0.0.1");
    if (facts->host_ips.count == 0)
        append_text (tree, &out->servers, "127.0.0.1");
    append_text (tree, &out->searches, ".");
}

static void
append_pod_config (const dns_config_t *config, tree_t *tree, resolver_t *out)
{
    out->servers = without_doubles (tree, &out->servers);
    for (size_t i = 0; i < config->nameservers.count; i++)
        append_new (tree, &out->servers, config->nameservers.items[i]);
    out->searches = without_doubles (tree, &out->searches);
    for (size_t i = 0; i < config->searches.count; i++)
        append_new (tree, &out->searches, config->searches.items[i]);
    NODE_EACH (config->options, option)
    {
        const char *name = node_get_text (option, "name", "");
        const char *value = node_get_text (option, "value", "");
        OWNED (free_text)
        char *text = *value ? text_format ("%s:%s", name, value) : text_copy (name);
        set_option (tree, &out->options, text);
    }
}

int
dns_config (const pod_t *pod, const node_facts_t *facts, tree_t *tree, node_t *out, node_t *events,
            fault_t *fault)
{
    resolver_t resolver;
    if (read_host (facts, tree, &resolver, fault) < 0)
        return -1;
    dns_type_t type = dns_type (pod);
    if (type == DNS_NONE)
        resolver = (resolver_t){ node_array(), node_array(), node_array() };
    else if (type == DNS_CLUSTER && facts->cluster_dns.count > 0)
        use_cluster (pod, facts, tree, &resolver);
    else {
        if (type == DNS_CLUSTER)
            note_missing_servers (pod, tree, events);
        if (!has_file (facts))
            use_nothing (facts, tree, &resolver);
    }
    if (node_at (pod->node, "spec", "dnsConfig", NULL))
        append_pod_config (&pod->spec.dns_config, tree, &resolver);
    limit_servers (tree, &resolver.servers, events);
    limit_searches (tree, &resolver.searches, events);

    *out = node_map();
    if (node_count (&resolver.servers))
        node_set (tree, out, "servers", resolver.servers);
    if (node_count (&resolver.searches))
        node_set (tree, out, "searches", resolver.searches);
    if (node_count (&resolver.options))
        node_set (tree, out, "options", resolver.options);
    return 0;
}

char *
resolv_conf_check (const node_facts_t *facts)
{
    if (!has_file (facts))
        return NULL;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    fault_t fault = { 0 };
    resolver_t host;
    if (read_host (facts, tree, &host, &fault) < 0)
        return text_copy (fault.text);
    bool has_domain = *text_or_empty (facts->cluster_domain) != '\0';
    size_t count_max = SEARCHES_MAX - (has_domain ? CLUSTER_SEARCHES : 0);
    if (node_count (&host.searches) > count_max)
        return text_format (
            "Resolv.conf file '%s' contains search line consisting of more than %zu domains!",
            facts->resolv_conf_path, count_max);
    size_t size = 0;
    OWNED (free_text) char *path = go_quote (facts->resolv_conf_path);
    NODE_EACH (&host.searches, search)
    {
        size_t length = strlen (node_as_text (search, ""));
        size += length + 1;
        if (length > SEARCH_MAX)
            return text_format ("Resolv.conf file %s contains a search path which length is more "
                                "than allowed %d chars!",
                                path, SEARCH_MAX);
    }
    if (size > SEARCH_LINE_MAX + 1)
        return text_format ("Resolv.conf file '%s' contains search line which length is more than "
                            "allowed %d chars!",
                            facts->resolv_conf_path, SEARCH_LINE_MAX);
    return NULL;
}
