/* The files of the pod's own directory that containers mount, and the names of their logs. */
#include "cubelet/hosts_file.h"
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include "cubelet/pod_names.h"
#include "worker.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#define NODE_HOSTS "/etc/hosts"
#define NODE_HOSTS_MAX (1024 * 1024)
#define RESOLV_CONF_MAX (10 * 1024 * 1024)

/* At most `limit` bytes of a file, NUL added; NULL when it cannot be read. */
static char *
read_head (const char *path, size_t limit, size_t *size_p)
{
    OWNED (close_fd) int fd = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat info;
    if (fd < 0 || fstat (fd, &info) < 0)
        return NULL;
    size_t room = info.st_size > 0 && (size_t) info.st_size < limit ? (size_t) info.st_size : limit;
    char *text = memory_new (room + 1, 1);
    ssize_t size = read (fd, text, room);
    *size_p = size > 0 ? (size_t) size : 0;
    return text;
}

void
resolv_conf_read (worker_t *self)
{
    const char *path = self->facts.resolv_conf_path;
    free (self->resolv_conf);
    self->facts.resolv_conf_size = 0;
    self->resolv_conf =
        path && path[0] ? read_head (path, RESOLV_CONF_MAX, &self->facts.resolv_conf_size) : NULL;
    self->facts.resolv_conf = self->resolv_conf;
}

static int
write_whole (const char *path, const char *text, fault_t *fault)
{
    // Containers have it bind-mounted: it is rewritten in place, since a renamed one would not be
    // seen by those that run.
    OWNED (close_fd)
    int fd = open (path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
    size_t size = strlen (text);
    if (fd < 0 || write (fd, text, size) != (ssize_t) size)
        return fault_set (fault, FAULT_INTERNAL, "cannot write %s: %s", path, strerror (errno));
    return 0;
}

int
hosts_file_write (const worker_t *self, fault_t *fault)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    pod_hostname_t hostname = { 0 };
    if (pod_hostname (&self->pod, self->facts.cluster_domain, tree, &hostname, fault) < 0)
        return -1;
    size_t size = 0;
    OWNED (free_text)
    char *node_hosts =
        self->pod.spec.host_network ? read_head (NODE_HOSTS, NODE_HOSTS_MAX, &size) : NULL;
    OWNED (free_text)
    char *text = hosts_file (&self->pod, &hostname, pod_addresses (self), node_hosts);
    OWNED (free_text) char *path = pod_hosts_path (self->facts.root_dir, self->pod.metadata.uid);
    return write_whole (path, text, fault);
}

static int
make_directory (const char *path, fault_t *fault)
{
    if (mkdir (path, 0750) < 0 && errno != EEXIST)
        return fault_set (fault, FAULT_INTERNAL, "cannot make %s: %s", path, strerror (errno));
    return 0;
}

char *
termination_log_new (const worker_t *self, const char *container, fault_t *fault)
{
    OWNED (free_text)
    char *directory =
        pod_container_directory (self->facts.root_dir, self->pod.metadata.uid, container);
    OWNED (free_text) char *parent = text_copy (directory);
    *strrchr (parent, '/') = '\0';
    if (make_directory (parent, fault) < 0 || make_directory (directory, fault) < 0)
        return NULL;
    uint32_t number = 0;
    if (getrandom (&number, sizeof number, 0) != sizeof number) {
        fault_set (fault, FAULT_INTERNAL, "no random number: %s", strerror (errno));
        return NULL;
    }
    OWNED (free_text) char *path = text_format ("%s/%08x", directory, number);
    OWNED (close_fd) int fd = open (path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    // Whatever user the container has, it may write there; the umask must not stand against it.
    if (fd < 0 || fchmod (fd, 0666) < 0) {
        fault_set (fault, FAULT_INTERNAL, "cannot make %s: %s", path, strerror (errno));
        return NULL;
    }
    return STEAL (path);
}

int64_t
restart_count_of_logs (const worker_t *self, const char *container)
{
    OWNED (free_text)
    char *root = pod_log_directory (self->facts.pod_logs_dir, self->pod.metadata.namespace,
                                    self->pod.metadata.name, self->pod.metadata.uid);
    OWNED (free_text) char *path = text_format ("%s/%s", root, container);
    DIR *directory = opendir (path);
    if (!directory)
        return 0;
    int64_t highest = -1;
    for (struct dirent *entry; (entry = readdir (directory));) {
        char *end;
        long long number = strtoll (entry->d_name, &end, 10);
        if (end != entry->d_name && strncmp (end, ".log", 4) == 0 && number > highest)
            highest = number;
    }
    closedir (directory);
    return highest + 1;
}

void
log_link_new (const worker_t *self, const container_seen_t *container)
{
    if (!container->log_path[0] || (access (container->log_path, F_OK) < 0 && errno == ENOENT))
        return;
    OWNED (free_text)
    char *link = container_log_link (CONTAINER_LOGS_DIR, self->pod.metadata.namespace,
                                     self->pod.metadata.name, container->name, container->id);
    mkdir (CONTAINER_LOGS_DIR, 0755);
    if (symlink (container->log_path, link) < 0 && errno != EEXIST)
        LOG_WARNING ("Log not linked link=%s err=%s", link, strerror (errno));
}
