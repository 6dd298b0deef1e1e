#include "cubelet/logind.h"
#include "cubelet/clock.h"
#include "cubelet/file_write.h"
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#define LOGIN_SERVICE "org.freedesktop.login1"
#define LOGIN_PATH "/org/freedesktop/login1"
#define LOGIN_MANAGER "org.freedesktop.login1.Manager"
#define CONF_FILE "99-kubelet.conf" // upstream's
#define RETRY_FIRST_MS 1000
#define RETRY_MAX_MS 30000
#define CALL_US (10ULL * 1000 * 1000)

struct logind {
    actor_t *actor;
    logind_options_t options;
    char *conf_dir;
    sd_bus *bus;       // NULL: not connected
    int fd;            // the bus's, watched; -1: none
    int lock;          // the inhibitor; -1: none
    bool is_delay_set; // the drop-in was written on this connection
    bool is_dispatching;
    bool is_broken; // ... and the connection is to be closed after it
    bool is_told;   // of the failure
    fault_t fault;
    int64_t retry_ms;
    uint64_t bus_timer, retry_timer;
};

static void connect_bus (logind_t *self);
static void ask_delay (logind_t *self);
static void inhibit (logind_t *self);

// ---- the connection ----

static void
close_bus (logind_t *self)
{
    actor_timer_cancel (self->actor, &self->bus_timer);
    if (self->fd >= 0)
        actor_unwatch_fd (self->actor, self->fd);
    self->fd = -1;
    if (self->bus)
        self->bus = sd_bus_close_unref (self->bus);
}

static void
on_retry (void *state, void *context)
{
    (void) state;
    logind_t *self = context;
    self->retry_timer = 0;
    connect_bus (self);
}

/* The lock stays: it does not depend on the connection. */
static void
give_up (logind_t *self)
{
    if (!self->is_told)
        LOG_WARNING ("Shutdown of the node cannot be watched, trying again err=%s",
                     self->fault.text);
    self->is_told = true;
    self->is_broken = false;
    close_bus (self);
    actor_timer_cancel (self->actor, &self->retry_timer);
    self->retry_timer = actor_timer (self->actor, self->retry_ms, on_retry, self);
    self->retry_ms = self->retry_ms * 2 < RETRY_MAX_MS ? self->retry_ms * 2 : RETRY_MAX_MS;
}

/* Notes a failure; the connection is closed when nothing of it is on the stack any more. */
static void
fail (logind_t *self, const char *what, const char *why)
{
    if (self->is_broken)
        return;
    self->fault = (fault_t){ 0 };
    fault_set (&self->fault, FAULT_UNAVAILABLE, "%s: %s", what, why);
    self->is_broken = true;
}

static void
check (logind_t *self, const char *what, int result)
{
    if (result < 0)
        fail (self, what, strerror (-result));
}

static void on_bus (void *state, int fd, short events, void *context);

static void
on_bus_timer (void *state, void *context)
{
    logind_t *self = context;
    self->bus_timer = 0;
    on_bus (state, -1, 0, context);
}

/* What the bus waits for next. */
static void
watch (logind_t *self)
{
    uint64_t at_us = UINT64_MAX;
    int events = sd_bus_get_events (self->bus);
    actor_timer_cancel (self->actor, &self->bus_timer);
    if (events < 0 || sd_bus_get_timeout (self->bus, &at_us) < 0) {
        fail (self, "D-Bus", "the connection is closed");
        return;
    }
    self->fd = sd_bus_get_fd (self->bus);
    actor_watch_fd (self->actor, self->fd, (short) events, on_bus, self);
    if (at_us == UINT64_MAX)
        return;
    int64_t wait_ms = (int64_t) (at_us / 1000) - clock_monotonic_ms() + 1;
    self->bus_timer = actor_timer (self->actor, wait_ms > 0 ? wait_ms : 0, on_bus_timer, self);
}

/* Does what can be done without waiting, and what follows. */
static void
dispatch (logind_t *self)
{
    int result = 1;
    self->is_dispatching = true;
    while (result > 0 && !self->is_broken)
        result = sd_bus_process (self->bus, NULL);
    check (self, "D-Bus", result);
    if (!self->is_broken)
        watch (self);
    self->is_dispatching = false;
    if (self->is_broken)
        give_up (self);
}

static void
on_bus (void *state, int fd, short events, void *context)
{
    (void) state, (void) fd, (void) events;
    dispatch (context);
}

/* Sends what was queued outside of a callback. */
static void
dispatch_later (logind_t *self)
{
    if (!self->is_dispatching)
        dispatch (self);
}

/* False, and noted, when the answer is an error. */
static bool
is_good (logind_t *self, sd_bus_message *reply, const char *what)
{
    const sd_bus_error *error = sd_bus_message_get_error (reply);
    if (error)
        fail (self, what, error->message ? error->message : error->name);
    return !error;
}

static void
ask_property (logind_t *self, const char *name, sd_bus_message_handler_t on_answer)
{
    check (self, name,
           sd_bus_call_method_async (self->bus, NULL, LOGIN_SERVICE, LOGIN_PATH,
                                     "org.freedesktop.DBus.Properties", "Get", on_answer, self,
                                     "ss", LOGIN_MANAGER, name));
}

// ---- the steps: signal, delay, lock, state ----

static int
on_signal (sd_bus_message *message, void *context, sd_bus_error *error)
{
    (void) error;
    logind_t *self = context;
    int is_shutting_down = 0;
    int result = sd_bus_message_read (message, "b", &is_shutting_down);
    if (result < 0) {
        LOG_WARNING ("PrepareForShutdown of logind not understood err=%s", strerror (-result));
        return 0;
    }
    if (!is_shutting_down)
        inhibit (self); // the old lock was given back, or has done its work
    self->options.on_shutdown (self->options.context, is_shutting_down);
    return 0;
}

static int
on_matched (sd_bus_message *reply, void *context, sd_bus_error *error)
{
    (void) error;
    logind_t *self = context;
    if (is_good (self, reply, "PrepareForShutdown"))
        ask_delay (self);
    return 0;
}

/* A shutdown may have begun before we listened. */
static int
on_preparing (sd_bus_message *reply, void *context, sd_bus_error *error)
{
    (void) error;
    logind_t *self = context;
    int is_shutting_down = 0;
    if (!is_good (self, reply, "PreparingForShutdown"))
        return 0;
    check (self, "PreparingForShutdown", sd_bus_message_read (reply, "v", "b", &is_shutting_down));
    if (self->is_broken)
        return 0;
    LOG_INFO ("Shutdown of the node is watched, and held up when it comes seconds=%lld",
              (long long) self->options.delay_s);
    self->is_told = false;
    self->retry_ms = RETRY_FIRST_MS;
    if (is_shutting_down)
        self->options.on_shutdown (self->options.context, true);
    return 0;
}

static int
on_inhibited (sd_bus_message *reply, void *context, sd_bus_error *error)
{
    (void) error;
    logind_t *self = context;
    int lock = -1;
    const sd_bus_error *refusal = sd_bus_message_get_error (reply);
    // While a shutdown is under way logind gives no locks: nothing is held up, but it is heard of.
    if (refusal && !sd_bus_error_has_name (refusal, LOGIN_SERVICE ".OperationInProgress")) {
        is_good (self, reply, "Inhibit");
        return 0;
    }
    if (!refusal) {
        check (self, "Inhibit", sd_bus_message_read (reply, "h", &lock));
        if (self->is_broken)
            return 0;
        lock = fcntl (lock, F_DUPFD_CLOEXEC, 3); // the message's own goes with it
        if (lock < 0) {
            fail (self, "Inhibit", strerror (errno));
            return 0;
        }
        close_fd (&self->lock);
        self->lock = lock;
    }
    ask_property (self, "PreparingForShutdown", on_preparing);
    return 0;
}

static void
inhibit (logind_t *self)
{
    check (self, "Inhibit",
           sd_bus_call_method_async (self->bus, NULL, LOGIN_SERVICE, LOGIN_PATH, LOGIN_MANAGER,
                                     "Inhibit", on_inhibited, self, "ssss", "shutdown", "kubelet",
                                     "Kubelet needs time to handle node shutdown", "delay"));
}

static int
on_reloaded (sd_bus_message *reply, void *context, sd_bus_error *error)
{
    (void) error;
    logind_t *self = context;
    if (is_good (self, reply, "reload of systemd-logind"))
        ask_delay (self);
    return 0;
}

/* As upstream: a drop-in, and SIGHUP for logind. */
static void
set_delay (logind_t *self)
{
    fault_t fault = { 0 };
    OWNED (free_text) char *path = text_format ("%s/" CONF_FILE, self->conf_dir);
    OWNED (free_text)
    char *text = text_format ("# Kubelet logind override\n[Login]\nInhibitDelayMaxSec=%lld\n",
                              (long long) self->options.delay_s);
    if (file_make_parents (path, 0755, &fault) < 0
        || file_write (path, text, strlen (text), 0644, &fault) < 0) {
        fail (self, "InhibitDelayMaxSec", fault.text);
        return;
    }
    self->is_delay_set = true;
    LOG_INFO ("InhibitDelayMaxSec of logind is set path=%s seconds=%lld", path,
              (long long) self->options.delay_s);
    check (self, "reload of systemd-logind",
           sd_bus_call_method_async (self->bus, NULL, "org.freedesktop.systemd1",
                                     "/org/freedesktop/systemd1",
                                     "org.freedesktop.systemd1.Manager", "KillUnit", on_reloaded,
                                     self, "ssi", "systemd-logind.service", "all", 1));
}

static int
on_delay (sd_bus_message *reply, void *context, sd_bus_error *error)
{
    (void) error;
    logind_t *self = context;
    uint64_t delay_us = 0;
    if (!is_good (self, reply, "InhibitDelayMaxUSec"))
        return 0;
    check (self, "InhibitDelayMaxUSec", sd_bus_message_read (reply, "v", "t", &delay_us));
    bool is_long_enough = delay_us / 1000000 >= (uint64_t) self->options.delay_s;
    if (self->is_broken)
        return 0;
    if (is_long_enough)
        inhibit (self);
    else if (!self->is_delay_set)
        set_delay (self);
    else { // it reads its files a little later, or they say something else
        OWNED (free_text)
        char *text =
            text_format ("unable to update logind InhibitDelayMaxSec to %llds, it is %llds",
                         (long long) self->options.delay_s, (long long) (delay_us / 1000000));
        fail (self, "InhibitDelayMaxSec", text);
    }
    return 0;
}

static void
ask_delay (logind_t *self)
{
    ask_property (self, "InhibitDelayMaxUSec", on_delay);
}

static void
connect_bus (logind_t *self)
{
    self->is_delay_set = false;
    int result = sd_bus_open_system (&self->bus);
    if (result < 0) {
        fail (self, "D-Bus", strerror (-result));
        give_up (self);
        return;
    }
    sd_bus_set_method_call_timeout (self->bus, CALL_US);
    check (self, "PrepareForShutdown",
           sd_bus_match_signal_async (self->bus, NULL, LOGIN_SERVICE, LOGIN_PATH, LOGIN_MANAGER,
                                      "PrepareForShutdown", on_signal, on_matched, self));
    dispatch_later (self);
}

// ---- outside ----

logind_t *
logind_new (actor_t *actor, const logind_options_t *options)
{
    logind_t *self = memory_new (1, sizeof *self);
    self->actor = actor;
    self->options = *options;
    self->conf_dir = text_copy (options->conf_dir);
    self->fd = self->lock = -1;
    self->retry_ms = RETRY_FIRST_MS;
    connect_bus (self);
    return self;
}

void
logind_destroy (logind_t **self_p)
{
    logind_t *self = *self_p;
    if (!self)
        return;
    actor_timer_cancel (self->actor, &self->retry_timer);
    close_bus (self);
    close_fd (&self->lock);
    free (self->conf_dir);
    free (self);
    *self_p = NULL;
}

void
logind_release (logind_t *self)
{
    close_fd (&self->lock);
}
