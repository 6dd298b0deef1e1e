/* machine.c - reading the machine (node_info.h). */
#include "cubelet/memory.h"
#include "cubelet/node_info.h"
#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <glob.h>
#include <ifaddrs.h>
#include <inttypes.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

#define CGROUP2_MAGIC 0x63677270
#define FILE_BYTES_MAX (1024 * 1024)
#define HUGEPAGE_SIZES_MAX 16
#define ROUTE_UP 0x1

/* Where reading is done from. */
typedef struct {
    const char *root;
    tree_t *tree;
} reader_t;

// ---- small tools ----

// The file's text, owned; "" when it cannot be read.
static char *
read_text (const reader_t *reader, const char *path)
{
    OWNED (free_text) char *full = text_format ("%s%s", reader->root, path);
    OWNED (close_fd) int fd = open (full, O_RDONLY | O_CLOEXEC);
    char *text = memory_new (1, 1);
    size_t used = 0;
    for (ssize_t got; fd >= 0 && used < FILE_BYTES_MAX; used += (size_t) got) {
        text = memory_grow (text, used + 4096 + 1, 1);
        got = read (fd, text + used, 4096);
        if (got <= 0)
            break;
    }
    text[used] = '\0';
    return text;
}

static bool
exists (const reader_t *reader, const char *path)
{
    OWNED (free_text) char *full = text_format ("%s%s", reader->root, path);
    return access (full, F_OK) == 0;
}

static void
add_text (tree_t *tree, text_list_t *list, const char *text)
{
    const char **items = tree_alloc (tree, (list->count + 1) * sizeof *items);
    if (list->count > 0)
        memcpy (items, list->items, list->count * sizeof *items);
    items[list->count] = tree_text (tree, text, strlen (text));
    list->items = items;
    list->count++;
}

static bool
has_text (const text_list_t *list, const char *text)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp (list->items[i], text) == 0)
            return true;
    return false;
}

// ---- memory and swap ----

// "MemTotal:       24684092 kB"
static int64_t
meminfo_bytes (const char *text, const char *name)
{
    const char *at = strstr (text, name);
    long long kib = 0;
    if (at)
        sscanf (at + strlen (name), ": %lld kB", &kib);
    return (int64_t) kib * 1024;
}

static void
read_memory (const reader_t *reader, machine_t *out)
{
    OWNED (free_text) char *meminfo = read_text (reader, "/proc/meminfo");
    OWNED (free_text) char *swaps = read_text (reader, "/proc/swaps");
    out->memory_bytes = meminfo_bytes (meminfo, "MemTotal");
    out->swap_bytes = meminfo_bytes (meminfo, "SwapTotal");
    const char *second_line = strchr (swaps, '\n'); // the first one is the heading
    out->is_swap_on = second_line && second_line[1] != '\0';
}

// ---- cgroups ----

static void
read_cgroups (const reader_t *reader, machine_t *out)
{
    OWNED (free_text) char *mount = text_format ("%s/sys/fs/cgroup", reader->root);
    struct statfs status;
    // The marker file counts where the root is not the real one.
    bool is_unified = (statfs (mount, &status) == 0 && status.f_type == CGROUP2_MAGIC)
                      || (*reader->root && exists (reader, "/sys/fs/cgroup/cgroup.controllers"));
    out->cgroup_version = is_unified ? 2 : 1;
    if (!is_unified) {
        out->has_swap_controller =
            exists (reader, "/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes");
        return;
    }
    // The root cgroup has no such file, its children do.
    OWNED (free_text) char *pattern = text_format ("%s/*/memory.swap.max", mount);
    glob_t found = { 0 };
    out->has_swap_controller = glob (pattern, GLOB_NOSORT, NULL, &found) == 0;
    globfree (&found);
}

// ---- huge pages ----

static int
compare_sizes (const void *a, const void *b)
{
    int64_t left = *(const int64_t *) a, right = *(const int64_t *) b;
    return (left > right) - (left < right);
}

// 2048 is "2MB", 1048576 "1GB".
static char *
hugepage_size_text (int64_t kib)
{
    static const char *const UNITS[] = { "KB", "MB", "GB" };
    size_t unit = 0;
    while (unit + 1 < COUNT_OF (UNITS) && kib >= 1024) {
        kib /= 1024;
        unit++;
    }
    return text_format ("%" PRId64 "%s", kib, UNITS[unit]);
}

static size_t
list_hugepage_sizes (const reader_t *reader, int64_t sizes[static HUGEPAGE_SIZES_MAX])
{
    OWNED (free_text) char *path = text_format ("%s/sys/kernel/mm/hugepages", reader->root);
    DIR *directory = opendir (path);
    size_t count = 0;
    for (struct dirent *entry; directory && (entry = readdir (directory));) {
        long long kib;
        if (count < HUGEPAGE_SIZES_MAX && sscanf (entry->d_name, "hugepages-%lldkB", &kib) == 1)
            sizes[count++] = kib;
    }
    if (directory)
        closedir (directory);
    qsort (sizes, count, sizeof *sizes, compare_sizes);
    return count;
}

static void
read_hugepages (const reader_t *reader, machine_t *out)
{
    int64_t sizes[HUGEPAGE_SIZES_MAX];
    size_t count = list_hugepage_sizes (reader, sizes);
    out->hugepage_bytes.items = tree_alloc (reader->tree, count * sizeof (int64_t));
    for (size_t i = 0; i < count; i++) {
        OWNED (free_text) char *name = hugepage_size_text (sizes[i]);
        OWNED (free_text)
        char *path =
            text_format ("/sys/kernel/mm/hugepages/hugepages-%" PRId64 "kB/nr_hugepages", sizes[i]);
        OWNED (free_text) char *pages = read_text (reader, path);
        add_text (reader->tree, &out->hugepage_sizes, name);
        out->hugepage_bytes.items[i] = strtoll (pages, NULL, 10) * sizes[i] * 1024;
    }
    out->hugepage_bytes.count = count;
}

// ---- kernel ----

static void
read_kernel (const reader_t *reader, machine_t *out)
{
    struct utsname names;
    if (uname (&names) == 0) {
        out->hostname = tree_text (reader->tree, names.nodename, strlen (names.nodename));
        sscanf (names.release, "%d.%d", &out->kernel_major, &out->kernel_minor);
    }
    out->cpus = sysconf (_SC_NPROCESSORS_ONLN);
    out->has_selinux = exists (reader, "/sys/fs/selinux/enforce");
    long configured = sysconf (_SC_NPROCESSORS_CONF);
    for (long i = 0; i < configured; i++) {
        OWNED (free_text)
        char *path = text_format ("/sys/devices/system/cpu/cpu%ld/thermal_throttle", i);
        if (exists (reader, path))
            add_text (reader->tree, &out->thermal_throttle_paths, path);
    }
}

// ---- network ----

static void
read_addresses (const reader_t *reader, machine_t *out)
{
    struct ifaddrs *all = NULL;
    size_t count = 0;
    if (getifaddrs (&all) < 0)
        return;
    for (const struct ifaddrs *at = all; at; at = at->ifa_next)
        count++;
    out->addresses.items = tree_alloc (reader->tree, count * sizeof *out->addresses.items);
    for (const struct ifaddrs *at = all; at; at = at->ifa_next) {
        char text[INET6_ADDRSTRLEN];
        const void *address = NULL;
        if (!at->ifa_addr || !(at->ifa_flags & IFF_UP))
            continue;
        if (at->ifa_addr->sa_family == AF_INET)
            address = &((const struct sockaddr_in *) (const void *) at->ifa_addr)->sin_addr;
        else if (at->ifa_addr->sa_family == AF_INET6)
            address = &((const struct sockaddr_in6 *) (const void *) at->ifa_addr)->sin6_addr;
        if (!address || !inet_ntop (at->ifa_addr->sa_family, address, text, sizeof text))
            continue;
        host_address_t *item = &out->addresses.items[out->addresses.count++];
        item->interface = tree_text (reader->tree, at->ifa_name, strlen (at->ifa_name));
        item->address = tree_text (reader->tree, text, strlen (text));
    }
    freeifaddrs (all);
}

static void
read_routes (const reader_t *reader, machine_t *out)
{
    OWNED (free_text) char *routes = read_text (reader, "/proc/net/route");
    OWNED (free_text) char *routes6 = read_text (reader, "/proc/net/ipv6_route");
    char *rest = routes;
    for (char *line; (line = strsep (&rest, "\n"));) {
        char name[IF_NAMESIZE];
        unsigned destination, gateway, flags, mask;
        // Iface Destination Gateway Flags RefCnt Use Metric Mask
        if (sscanf (line, "%15s %x %x %x %*s %*s %*s %x", name, &destination, &gateway, &flags,
                    &mask)
                == 5
            && destination == 0 && mask == 0 && (flags & ROUTE_UP)
            && !has_text (&out->default_interfaces, name))
            add_text (reader->tree, &out->default_interfaces, name);
    }
    rest = routes6;
    for (char *line; (line = strsep (&rest, "\n"));) {
        char destination[40], name[IF_NAMESIZE];
        unsigned prefix;
        // destination, prefix, source, prefix, next hop, metric, two counters, flags, Iface
        if (sscanf (line, "%39s %x %*s %*s %*s %*s %*s %*s %*s %15s", destination, &prefix, name)
                == 3
            && prefix == 0 && strspn (destination, "0") == strlen (destination)
            && strcmp (name, "lo") != 0 && !has_text (&out->default_interfaces, name))
            add_text (reader->tree, &out->default_interfaces, name);
    }
}

// "192.0.2.2  lab-node lab-node.example  # comment": every address of our own name.
static void
read_hosts (const reader_t *reader, machine_t *out)
{
    OWNED (free_text) char *hosts = read_text (reader, "/etc/hosts");
    char *rest = hosts;
    for (char *line; out->hostname && (line = strsep (&rest, "\n"));) {
        line[strcspn (line, "#")] = '\0';
        char *word_rest = line;
        const char *address = NULL;
        for (char *word; (word = strsep (&word_rest, " \t"));) {
            if (!*word)
                continue;
            if (!address)
                address = word;
            else if (strcasecmp (word, out->hostname) == 0) {
                add_text (reader->tree, &out->hosts_addresses, address);
                break;
            }
        }
    }
}

void
machine_read (const char *root, tree_t *tree, machine_t *out)
{
    reader_t reader = { .root = root, .tree = tree };
    memset (out, 0, sizeof *out);
    read_kernel (&reader, out);
    read_memory (&reader, out);
    read_cgroups (&reader, out);
    read_hugepages (&reader, out);
    read_addresses (&reader, out);
    read_routes (&reader, out);
    read_hosts (&reader, out);
}
