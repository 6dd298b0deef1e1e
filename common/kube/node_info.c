/* node_info.c - the rules of node_info.h. */
#include "cubelet/node_info.h"
#include "cubelet/memory.h"
#include "cubelet/pod.h"
#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define BLANKS " \t\r\n\v\f"

// ---- the name ----

char *
node_name_of (const char *override, const char *hostname, fault_t *fault)
{
    const char *text = override && *override ? override : hostname ? hostname : "";
    text += strspn (text, BLANKS);
    size_t size = strlen (text);
    while (size > 0 && strchr (BLANKS, text[size - 1]))
        size--;
    if (size == 0) {
        fault_set (fault, FAULT_INVALID, "empty hostname is invalid");
        return NULL;
    }
    char *name = text_format ("%.*s", (int) size, text);
    for (char *at = name; *at; at++)
        *at = (char) tolower ((unsigned char) *at);
    return name;
}

// ---- addresses ----

static int
family_of (const char *address)
{
    struct in6_addr parsed;
    if (inet_pton (AF_INET, address, &parsed) == 1)
        return AF_INET;
    return inet_pton (AF_INET6, address, &parsed) == 1 ? AF_INET6 : 0;
}

// Could another machine reach it?
static bool
is_reachable (const char *address)
{
    struct in_addr v4;
    struct in6_addr v6;
    if (inet_pton (AF_INET, address, &v4) == 1) {
        uint32_t host = ntohl (v4.s_addr);
        return host != 0 && (host >> 24) != 127 && (host >> 16) != 0xa9fe && (host >> 28) < 0xe;
    }
    return inet_pton (AF_INET6, address, &v6) == 1 && !IN6_IS_ADDR_LOOPBACK (&v6)
           && !IN6_IS_ADDR_UNSPECIFIED (&v6) && !IN6_IS_ADDR_MULTICAST (&v6)
           && !IN6_IS_ADDR_LINKLOCAL (&v6);
}

bool
machine_has_address (const machine_t *machine, const char *address)
{
    struct in6_addr wanted, found;
    int family = family_of (address);
    memset (&wanted, 0, sizeof wanted);
    memset (&found, 0, sizeof found);
    if (!family || inet_pton (family, address, &wanted) != 1)
        return false;
    for (size_t i = 0; i < machine->addresses.count; i++)
        if (inet_pton (family, machine->addresses.items[i].address, &found) == 1
            && memcmp (&wanted, &found, sizeof wanted) == 0)
            return true;
    return false;
}

// The first reachable address of `family` that the hosts file gives and an interface has.
static const char *
from_hosts_file (const machine_t *machine, int family)
{
    for (size_t i = 0; i < machine->hosts_addresses.count; i++) {
        const char *address = machine->hosts_addresses.items[i];
        if (family_of (address) == family && is_reachable (address)
            && machine_has_address (machine, address))
            return address;
    }
    return NULL;
}

static const char *
from_default_route (const machine_t *machine, int family)
{
    for (size_t i = 0; i < machine->default_interfaces.count; i++)
        for (size_t k = 0; k < machine->addresses.count; k++) {
            const host_address_t *candidate = &machine->addresses.items[k];
            if (strcmp (candidate->interface, machine->default_interfaces.items[i]) == 0
                && family_of (candidate->address) == family && is_reachable (candidate->address))
                return candidate->address;
        }
    return NULL;
}

static const char *
find_address (const machine_t *machine, bool prefers_v6)
{
    const int families[] = { prefers_v6 ? AF_INET6 : AF_INET, prefers_v6 ? AF_INET : AF_INET6 };
    static const char *(*const FINDERS[]) (const machine_t *, int) = { from_hosts_file,
                                                                       from_default_route };
    for (size_t f = 0; f < COUNT_OF (FINDERS); f++)
        for (size_t i = 0; i < COUNT_OF (families); i++) {
            const char *found = FINDERS[f](machine, families[i]);
            if (found)
                return found;
        }
    return NULL;
}

// The pieces of --node-ip that are addresses of their own: not 0.0.0.0 and ::.
static void
add_given (const char *node_ip, tree_t *tree, text_list_t *out)
{
    for (const char *rest = node_ip; rest && *rest && out->count < 2;) {
        size_t size = strcspn (rest, ",");
        const char *piece = tree_text (tree, rest, size);
        struct in6_addr address;
        bool is_any =
            (inet_pton (AF_INET, piece, &address) == 1 && strcmp (piece, "0.0.0.0") == 0)
            || (inet_pton (AF_INET6, piece, &address) == 1 && IN6_IS_ADDR_UNSPECIFIED (&address));
        if (family_of (piece) && !is_any)
            out->items[out->count++] = piece;
        rest = rest[size] ? rest + size + 1 : NULL;
    }
}

text_list_t
node_addresses (const char *node_ip, const char *node_name, const machine_t *machine, tree_t *tree)
{
    text_list_t out = { .items = tree_alloc (tree, 2 * sizeof *out.items) };
    add_given (node_ip, tree, &out);
    if (out.count > 0)
        return out;
    const char *found = family_of (node_name)
                            ? node_name
                            : find_address (machine, node_ip && strcmp (node_ip, "::") == 0);
    if (found)
        out.items[out.count++] = tree_text (tree, found, strlen (found));
    return out;
}

// ---- capacity ----

static void
set_quantity (tree_t *tree, node_t *list, const char *resource, quantity_t quantity,
              const char *like)
{
    OWNED (free_text) char *text = quantity_text (quantity, like);
    node_set_text (tree, list, resource, text);
}

// "hugepages-2Mi" of "2MB".
static char *
hugepage_name (const char *size)
{
    size_t digits = strspn (size, "0123456789");
    return text_format ("hugepages-%.*s%ci", (int) digits, size, size[digits]);
}

node_t
node_capacity (const machine_t *machine, const kubelet_config_t *config, int64_t disk_bytes,
               tree_t *tree)
{
    node_t out = node_map();
    int64_t pods = config->max_pods;
    if (config->pods_per_core > 0 && machine->cpus * config->pods_per_core < pods)
        pods = machine->cpus * config->pods_per_core;
    set_quantity (tree, &out, "cpu", quantity_of (machine->cpus), NULL);
    if (disk_bytes > 0)
        set_quantity (tree, &out, "ephemeral-storage", quantity_of (disk_bytes), "1Ki");
    for (size_t i = 0; i < machine->hugepage_sizes.count; i++) {
        OWNED (free_text) char *name = hugepage_name (machine->hugepage_sizes.items[i]);
        int64_t bytes = i < machine->hugepage_bytes.count ? machine->hugepage_bytes.items[i] : 0;
        set_quantity (tree, &out, name, quantity_of (bytes), "1Ki");
    }
    set_quantity (tree, &out, "memory", quantity_of (machine->memory_bytes), "1Ki");
    set_quantity (tree, &out, "pods", quantity_of (pods), NULL);
    return out;
}

int64_t
threshold_bytes (const char *threshold, int64_t capacity)
{
    quantity_t quantity = { 0 };
    fault_t ignored = { 0 };
    if (!threshold)
        return 0;
    if (strchr (threshold, '%')) {
        // Upstream keeps percentages in single precision, and it shows in the result.
        float share = strtof (threshold, NULL) / 100;
        return (int64_t) ((double) capacity * (double) share);
    }
    return quantity_parse (threshold, &quantity, &ignored) < 0 ? 0 : quantity_value (quantity);
}

static quantity_t
minus (quantity_t from, quantity_t what)
{
    what.nano = -what.nano;
    quantity_t rest = quantity_add (from, what);
    if (rest.nano < 0)
        rest.nano = 0;
    return rest;
}

/* How many CPUs a list such as "0-1,4" names; checked with the configuration. */
static int64_t
count_cpus (const char *list)
{
    int64_t count = 0;
    for (const char *at = list; *at;) {
        char *end = NULL;
        long long first = strtoll (at, &end, 10), last = first;
        if (*end == '-')
            last = strtoll (end + 1, &end, 10);
        count += last >= first ? last - first + 1 : 0;
        at = *end == ',' ? end + 1 : end + strlen (end);
    }
    return count;
}

/* `whole` less what is reserved for the system and for Kubernetes; reservedSystemCPUs takes the
   place of both for CPUs. */
static quantity_t
less_reserved (quantity_t whole, const kubelet_config_t *config, const char *resource)
{
    const char *cpus = config->reserved_system_cpus;
    if (cpus && *cpus && strcmp (resource, "cpu") == 0)
        return minus (whole, quantity_of (count_cpus (cpus)));
    quantity_t rest = minus (whole, resource_quantity (config->system_reserved, resource));
    return minus (rest, resource_quantity (config->kube_reserved, resource));
}

quantity_t
node_pods_limit (const node_t *capacity, const kubelet_config_t *config, const char *resource)
{
    quantity_t whole = resource_quantity (capacity, resource);
    if (!whole.set)
        return whole;
    return less_reserved (whole, config, resource);
}

node_t
node_allocatable (const node_t *capacity, const kubelet_config_t *config, tree_t *tree)
{
    static const struct {
        const char *resource, *signal;
    } THRESHOLDS[] = { { "memory", "memory.available" },
                       { "ephemeral-storage", "nodefs.available" } };
    node_t out = node_map();
    for (size_t i = 0; i < node_count (capacity); i++) {
        const char *resource = node_key_at (capacity, i);
        const char *like = node_as_text (node_value_at (capacity, i), NULL);
        quantity_t whole = resource_quantity (capacity, resource);
        quantity_t rest = less_reserved (whole, config, resource);
        for (size_t k = 0; k < COUNT_OF (THRESHOLDS); k++) {
            const char *threshold =
                node_get_text (config->eviction_hard, THRESHOLDS[k].signal, NULL);
            if (strcmp (THRESHOLDS[k].resource, resource) == 0)
                rest =
                    minus (rest, quantity_of (threshold_bytes (threshold, quantity_value (whole))));
        }
        for (size_t k = 0; strcmp (resource, "memory") == 0 && k < node_count (capacity); k++)
            if (strncmp (node_key_at (capacity, k), "hugepages-", 10) == 0)
                rest = minus (rest, resource_quantity (capacity, node_key_at (capacity, k)));
        // A percentage leaves a number of bytes that fits no larger unit.
        set_quantity (tree, &out, resource, rest, like);
    }
    return out;
}
