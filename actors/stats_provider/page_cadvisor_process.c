#include "cubelet/memory.h"
#include "page_cadvisor.h"
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LIMITS_MAX 4096

/* More processors than this are not looked at. */
#define PROCESSORS_MAX 1024

// ---- processes of groups ----

/* What the processes of one group have open. */
typedef struct {
    const provider_t *provider;
    int64_t *budget_p;
    int64_t processes, first; // its first process
    int64_t descriptors, sockets;
} open_files_t;

static bool
is_socket (int directory, const char *name)
{
    static const char START[] = "socket:";
    char target[sizeof START];
    ssize_t size = readlinkat (directory, name, target, sizeof target - 1);
    return size == sizeof target - 1 && memcmp (target, START, sizeof START - 1) == 0;
}

static void
count_process (void *context, int64_t pid)
{
    open_files_t *self = context;
    self->processes++;
    if (!self->first)
        self->first = pid;
    OWNED (free_text)
    char *path = text_format ("%s/%lld/fd", self->provider->proc, (long long) pid);
    DIR *directory = *self->budget_p > 0 ? opendir (path) : NULL;
    for (struct dirent *entry; directory && (entry = readdir (directory));) {
        if (entry->d_name[0] == '.')
            continue;
        self->descriptors++;
        self->sockets += *self->budget_p > 0 && is_socket (dirfd (directory), entry->d_name);
        --*self->budget_p;
    }
    if (directory)
        closedir (directory);
}

/* The soft limit of open files; -1: none. False when it is not known. */
static bool
read_limit (const provider_t *provider, int64_t pid, double *out)
{
    static const char KEY[] = "Max open files";
    char text[LIMITS_MAX], soft[32];
    OWNED (free_text) char *path = text_format ("%s/%lld/limits", provider->proc, (long long) pid);
    short_file_read (path, text, sizeof text);
    const char *line = strstr (text, KEY);
    if (!line || sscanf (line + sizeof KEY - 1, "%31s", soft) != 1)
        return false;
    *out = strcmp (soft, "unlimited") == 0 ? -1 : strtod (soft, NULL);
    return true;
}

void
cadvisor_fill_processes (const provider_t *provider, const labels_t *l, int64_t root_pid,
                         int64_t *budget_p, metrics_t *out)
{
    open_files_t files = { .provider = provider, .budget_p = budget_p };
    double limit = 0;
    cgroup_each_process (&provider->cgroups, l->id, count_process, &files);
    metric_labels_t labels = LABELS (l->container, l->id, l->image, l->name, l->ns, l->pod);
    metric_set (out, METRIC_CONTAINER_PROCESSES, (double) files.processes, labels);
    if (*budget_p > 0) { // else some have not been looked at
        metric_set (out, METRIC_CONTAINER_FILE_DESCRIPTORS, (double) files.descriptors, labels);
        metric_set (out, METRIC_CONTAINER_SOCKETS, (double) files.sockets, labels);
    }
    int64_t pid = root_pid < 0 ? files.first : root_pid;
    if (pid && read_limit (provider, pid, &limit))
        metric_set (
            out, METRIC_CONTAINER_ULIMITS_SOFT, limit,
            LABELS (l->container, l->id, l->image, l->name, l->ns, l->pod, "max_open_files"));
}

// ---- processors ----

static bool
read_topology (long processor, const char *name, int *out)
{
    char text[32];
    OWNED (free_text)
    char *path = text_format ("/sys/devices/system/cpu/cpu%ld/topology/%s", processor, name);
    return short_file_read (path, text, sizeof text) && sscanf (text, "%d", out) == 1;
}

typedef struct {
    int socket, number;
} core_t;

static int
compare_cores (const void *a, const void *b)
{
    const core_t *one = a, *other = b;
    return one->socket != other->socket
               ? (one->socket > other->socket ? 1 : -1)
               : (one->number > other->number) - (one->number < other->number);
}

void
cadvisor_fill_processors (metric_labels_t machine, metrics_t *out)
{
    core_t all[PROCESSORS_MAX];
    size_t count = 0, cores = 0, sockets = 0;
    for (long i = 0; i < sysconf (_SC_NPROCESSORS_CONF) && count < COUNT_OF (all); i++)
        if (read_topology (i, "physical_package_id", &all[count].socket)
            && read_topology (i, "core_id", &all[count].number))
            count++;
    qsort (all, count, sizeof *all, compare_cores);
    for (size_t i = 0; i < count; i++) {
        sockets += i == 0 || all[i].socket != all[i - 1].socket;
        cores += i == 0 || compare_cores (&all[i], &all[i - 1]) != 0;
    }
    if (count == 0)
        return;
    metric_set (out, METRIC_MACHINE_CPU_PHYSICAL_CORES, (double) cores, machine);
    metric_set (out, METRIC_MACHINE_CPU_SOCKETS, (double) sockets, machine);
}
