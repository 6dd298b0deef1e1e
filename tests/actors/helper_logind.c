#include "helper_logind.h"
#include "cubelet/memory.h"
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/wait.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#define LOCKS_MAX 8

// ---- the bus ----

static const char CONFIG[] =
    "<busconfig><type>session</type><listen>unix:path=%s/bus</listen><auth>EXTERNAL</auth>"
    "<policy context='default'><allow send_destination='*'/><allow receive_sender='*'/>"
    "<allow own='*'/></policy></busconfig>";

pid_t
private_bus_start (const char *directory)
{
    OWNED (free_text) char *path = text_format ("%s/bus.conf", directory);
    OWNED (free_text) char *option = text_format ("--config-file=%s", path);
    FILE *file = fopen (path, "we");
    int ends[2];
    if (!file || pipe (ends) < 0)
        return -1;
    fprintf (file, CONFIG, directory);
    fclose (file);
    pid_t pid = fork();
    if (pid == 0) {
        dup2 (ends[1], STDOUT_FILENO);
        close (ends[0]);
        execlp ("dbus-daemon", "dbus-daemon", option, "--nofork", "--nopidfile",
                "--print-address=1", NULL);
        _exit (127);
    }
    close (ends[1]);
    char address[512] = ""; // it is there when it says so
    ssize_t size = read (ends[0], address, sizeof address - 1);
    close (ends[0]);
    if (size <= 0)
        return -1;
    address[strcspn (address, "\n")] = '\0';
    setenv ("DBUS_SYSTEM_BUS_ADDRESS", address, 1);
    return pid;
}

void
private_bus_stop (pid_t pid)
{
    kill (pid, SIGTERM);
    waitpid (pid, NULL, 0);
}

// ---- logind ----

typedef struct {
    sd_bus *bus;
    const char *conf;
    uint64_t delay_us;
    int is_preparing;
    int locks[LOCKS_MAX]; // our ends; -1: free
    int news;
} fake_t;

static void
say (const fake_t *self, const char *text)
{
    dprintf (self->news, "%s\n", text);
}

static int
on_inhibit (sd_bus_message *message, void *context, sd_bus_error *error)
{
    fake_t *self = context;
    const char *what, *who, *why, *mode;
    int ends[2], i = 0;
    if (self->is_preparing)
        return sd_bus_error_set (error, "org.freedesktop.login1.OperationInProgress",
                                 "already running");
    if (sd_bus_message_read (message, "ssss", &what, &who, &why, &mode) < 0)
        return -1;
    while (i < LOCKS_MAX && self->locks[i] >= 0)
        i++;
    if (i == LOCKS_MAX || pipe2 (ends, O_CLOEXEC) < 0)
        return -1;
    self->locks[i] = ends[0];
    OWNED (free_text) char *text = text_format ("inhibited %s %s %s %s", what, who, why, mode);
    say (self, text);
    int result = sd_bus_reply_method_return (message, "h", ends[1]);
    close (ends[1]);
    return result;
}

static int
get_delay (sd_bus *bus, const char *path, const char *interface, const char *property,
           sd_bus_message *reply, void *context, sd_bus_error *error)
{
    (void) bus, (void) path, (void) interface, (void) property, (void) error;
    return sd_bus_message_append (reply, "t", ((fake_t *) context)->delay_us);
}

static int
get_preparing (sd_bus *bus, const char *path, const char *interface, const char *property,
               sd_bus_message *reply, void *context, sd_bus_error *error)
{
    (void) bus, (void) path, (void) interface, (void) property, (void) error;
    return sd_bus_message_append (reply, "b", ((fake_t *) context)->is_preparing);
}

static int
on_kill_unit (sd_bus_message *message, void *context, sd_bus_error *error)
{
    (void) error;
    fake_t *self = context;
    const char *unit, *who;
    int32_t number = 0;
    long long seconds;
    if (sd_bus_message_read (message, "ssi", &unit, &who, &number) < 0
        || strcmp (unit, "systemd-logind.service") != 0 || number != SIGHUP)
        return -1;
    FILE *file = fopen (self->conf, "re");
    for (char line[256]; file && fgets (line, sizeof line, file);)
        if (sscanf (line, "InhibitDelayMaxSec=%lld", &seconds) == 1)
            self->delay_us = (uint64_t) seconds * 1000000;
    if (file)
        fclose (file);
    say (self, "reloaded");
    return sd_bus_reply_method_return (message, "");
}

static const sd_bus_vtable LOGIN_MANAGER[] = {
    SD_BUS_VTABLE_START (0),
    SD_BUS_METHOD ("Inhibit", "ssss", "h", on_inhibit, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_PROPERTY ("InhibitDelayMaxUSec", "t", get_delay, 0, 0),
    SD_BUS_PROPERTY ("PreparingForShutdown", "b", get_preparing, 0, 0),
    SD_BUS_SIGNAL ("PrepareForShutdown", "b", 0),
    SD_BUS_VTABLE_END,
};

static const sd_bus_vtable SYSTEMD_MANAGER[] = {
    SD_BUS_VTABLE_START (0),
    SD_BUS_METHOD ("KillUnit", "ssi", "", on_kill_unit, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_VTABLE_END,
};

static int
open_bus (fake_t *self)
{
    if (sd_bus_open_system (&self->bus) < 0
        || sd_bus_add_object_vtable (self->bus, NULL, "/org/freedesktop/login1",
                                     "org.freedesktop.login1.Manager", LOGIN_MANAGER, self)
               < 0
        || sd_bus_add_object_vtable (self->bus, NULL, "/org/freedesktop/systemd1",
                                     "org.freedesktop.systemd1.Manager", SYSTEMD_MANAGER, self)
               < 0
        || sd_bus_request_name (self->bus, "org.freedesktop.systemd1", 0) < 0
        || sd_bus_request_name (self->bus, "org.freedesktop.login1", 0) < 0)
        return -1;
    say (self, "ready");
    return 0;
}

static void
obey (fake_t *self, char order)
{
    if (order != 't' && order != 'f')
        return;
    self->is_preparing = order == 't';
    sd_bus_emit_signal (self->bus, "/org/freedesktop/login1", "org.freedesktop.login1.Manager",
                        "PrepareForShutdown", "b", self->is_preparing);
}

static void
check_locks (fake_t *self, const struct pollfd *fds)
{
    for (int i = 0; i < LOCKS_MAX; i++)
        if (self->locks[i] >= 0 && fds[i].fd == self->locks[i] && fds[i].revents & POLLHUP) {
            close_fd (&self->locks[i]);
            say (self, "released");
        }
}

/* False when `commands` has ended. */
static bool
wait_once (fake_t *self, int commands)
{
    struct pollfd fds[LOCKS_MAX + 2];
    char order = 0;
    for (int i = 0; i < LOCKS_MAX; i++)
        fds[i] = (struct pollfd){ .fd = self->locks[i] };
    fds[LOCKS_MAX] = (struct pollfd){ .fd = commands, .events = POLLIN };
    fds[LOCKS_MAX + 1] = (struct pollfd){ .fd = sd_bus_get_fd (self->bus),
                                          .events = (short) sd_bus_get_events (self->bus) };
    if (poll (fds, LOCKS_MAX + 2, -1) < 0)
        return false;
    check_locks (self, fds);
    if (fds[LOCKS_MAX].revents == 0)
        return true;
    if (read (commands, &order, 1) <= 0)
        return false;
    obey (self, order);
    return true;
}

int
fake_logind_run (const char *conf, int64_t delay_s, int commands, int news)
{
    fake_t self = { .conf = conf, .delay_us = (uint64_t) delay_s * 1000000, .news = news };
    for (int i = 0; i < LOCKS_MAX; i++)
        self.locks[i] = -1;
    int result = open_bus (&self);
    while (result >= 0) {
        while ((result = sd_bus_process (self.bus, NULL)) > 0)
            ;
        if (result < 0 || !wait_once (&self, commands))
            break;
    }
    for (int i = 0; i < LOCKS_MAX; i++)
        close_fd (&self.locks[i]);
    sd_bus_flush_close_unref (self.bus);
    return result < 0 ? -1 : 0;
}
