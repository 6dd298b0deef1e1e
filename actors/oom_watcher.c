/* oom_watcher.c - reads the kernel's log, and tells of processes that were killed because the
   machine ran out of memory: the event SystemOOM of the node. Those of containers are their pods'
   own business (reason OOMKilled). Only what is logged from now on counts. Where there is no kernel
   log, or no right to read it, there is nothing to do.

   Arguments: {"node_name", "kmsg": "/dev/kmsg", which tests change}. */
#include "cubelet/actors.h"
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include "cubelet/object_reference.h"
#include "cubelet/oom_report.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#define RECORD_MAX 8192 // what the kernel hands out at most

/* In one go; then others have their turn. */
#define RECORDS_AT_ONCE 100

typedef struct {
    actor_t *actor;
    char *node_name;
    int fd; // -1: none
} watcher_t;

static void
tell (watcher_t *self, const oom_report_t *report)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    OWNED (free_text)
    char *message = text_format ("System OOM encountered, victim process: %s, pid: %lld",
                                 report->task, (long long) report->pid);
    node_t body = node_map();
    node_set (tree, &body, "object", object_reference_node (tree, self->node_name));
    node_set_text (tree, &body, "type", "Warning");
    node_set_text (tree, &body, "reason", "SystemOOM");
    node_set_text (tree, &body, "message", message);
    actor_send (self->actor, "event-recorder", MSG_EVENT_RECORD, &body);
}

static void
close_log (watcher_t *self)
{
    if (self->fd >= 0) {
        actor_unwatch_fd (self->actor, self->fd);
        close (self->fd);
    }
    self->fd = -1;
}

static void
on_records (void *state, int fd, short events, void *context)
{
    (void) events, (void) context;
    watcher_t *self = state;
    char record[RECORD_MAX];
    for (int i = 0; i < RECORDS_AT_ONCE; i++) {
        ssize_t size = read (fd, record, sizeof record - 1);
        if (size < 0 && errno == EPIPE)
            continue; // overwritten before we came: the next one is still there
        if (size < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (size <= 0) {
            LOG_WARNING ("The kernel's log cannot be read any more err=%s",
                         size < 0 ? strerror (errno) : "it has ended");
            close_log (self);
            return;
        }
        record[size] = '\0';
        oom_report_t report;
        if (oom_report_parse (record, &report) && report.is_system)
            tell (self, &report);
    }
}

static void
stop (void **self_p)
{
    watcher_t *self = *self_p;
    close_log (self);
    free (self->node_name);
    free (self);
    *self_p = NULL;
}

static void *
start (actor_t *actor, const node_t *args, fault_t *fault)
{
    (void) fault;
    watcher_t *self = memory_new (1, sizeof *self);
    const char *path = node_get_text (args, "kmsg", "/dev/kmsg");
    self->actor = actor;
    self->node_name = text_copy (node_get_text (args, "node_name", ""));
    self->fd = open (path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (self->fd < 0) {
        LOG_V (1, "No events of the machine's memory: cannot open %s: %s", path, strerror (errno));
        return self;
    }
    lseek (self->fd, 0, SEEK_END); // a pipe, as tests have it, has no past
    actor_watch_fd (actor, self->fd, POLLIN, on_records, NULL);
    return self;
}

static const actor_handler_t HANDLERS[] = { { 0 } };

const actor_class_t oom_watcher_class = {
    .name = "oom-watcher",
    .about = "tells when the machine itself runs out of memory",
    .handlers = HANDLERS,
    .start = start,
    .stop = stop,
};
