#include "cubelet/command.h"
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define ERRORS_LIMIT 4096 // bytes kept of standard error
#define READ_BYTES 4096
#define REAPER_STACK_BYTES (64 * 1024)
#define READS_AT_ONCE                                                                              \
    32 // more than a pipe holds; who writes faster than that lets others have a turn
#define INPUT_PIPE_BYTES (64 * 1024) // what a pipe takes without a reader

/* How long a program that is killed has for dying, before it is given up. One that waits for a disk
   or a server that does not answer may not die for hours. */
#define DYING_MS 2000

extern char **environ;

typedef struct {
    int fd; // -1: at its end
    char *bytes;
    size_t size, limit;
    bool is_over; // there was more than limit
} stream_t;

struct command {
    actor_t *actor;
    char *file;
    pid_t pid;
    int pidfd; // -1: it has been waited for
    int status;
    stream_t output, errors;
    uint64_t timer;
    bool is_late;
    command_done_fn *on_done;
    void *context;
};

// ---- the end ----

static void
close_stream (command_t *self, stream_t *stream)
{
    if (stream->fd < 0)
        return;
    actor_unwatch_fd (self->actor, stream->fd);
    close (stream->fd);
    stream->fd = -1;
}

static void
kill_all (const command_t *self)
{
    if (self->pidfd >= 0)
        kill (-self->pid, SIGKILL); // its process group
}

static void
forget_process (command_t *self)
{
    actor_unwatch_fd (self->actor, self->pidfd);
    close (self->pidfd);
    self->pidfd = -1;
}

static void *
wait_for_end (void *pid)
{
    waitpid ((pid_t) (intptr_t) pid, NULL, 0);
    return NULL;
}

/* Waits for a process that has been killed without keeping anybody: on a thread of its own, should
   it not be dead yet. */
static void
reap (pid_t pid)
{
    pthread_t thread;
    pthread_attr_t attributes;
    if (waitpid (pid, NULL, WNOHANG) != 0)
        return;
    pthread_attr_init (&attributes);
    pthread_attr_setdetachstate (&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize (&attributes, REAPER_STACK_BYTES);
    int error = pthread_create (&thread, &attributes, wait_for_end, (void *) (intptr_t) pid);
    if (error)
        LOG_WARNING ("Killed program not waited for pid=%d err=%s", (int) pid, strerror (error));
    pthread_attr_destroy (&attributes);
}

void
command_destroy (command_t **self_p)
{
    command_t *self = *self_p;
    if (!self)
        return;
    if (self->pidfd >= 0) {
        kill_all (self);
        reap (self->pid);
        forget_process (self);
    }
    close_stream (self, &self->output);
    close_stream (self, &self->errors);
    actor_timer_cancel (self->actor, &self->timer);
    free (self->output.bytes);
    free (self->errors.bytes);
    free (self->file);
    free (self);
    *self_p = NULL;
}

/* The last line of standard error that says something. */
static char *
last_words (stream_t *errors)
{
    while (errors->size > 0 && strchr ("\r\n \t", errors->bytes[errors->size - 1]))
        errors->bytes[--errors->size] = '\0';
    const char *line = errors->size ? strrchr (errors->bytes, '\n') : NULL;
    return text_copy (errors->size == 0 ? "" : line ? line + 1 : errors->bytes);
}

static int
judge (command_t *self, fault_t *fault)
{
    if (self->output.is_over)
        return fault_set (fault, FAULT_EXHAUSTED, "%s: its output is larger than %zu bytes",
                          self->file, self->output.limit);
    if (self->is_late)
        return fault_set (fault, FAULT_DEADLINE, "%s: did not end in time", self->file);
    if (WIFEXITED (self->status) && WEXITSTATUS (self->status) == 0)
        return 0;
    bool is_signal = WIFSIGNALED (self->status);
    OWNED (free_text) char *words = last_words (&self->errors);
    return fault_set (fault, FAULT_UNAVAILABLE, "%s: %s %d%s%s", self->file,
                      is_signal ? "ended by signal" : "exit status",
                      is_signal ? WTERMSIG (self->status) : WEXITSTATUS (self->status),
                      words[0] ? ": " : "", words);
}

static void
finish (command_t *self)
{
    fault_t fault = { 0 };
    bool is_good = judge (self, &fault) == 0;
    const char *output = self->output.bytes ? self->output.bytes : "";
    self->on_done (self->context, is_good ? output : NULL, is_good ? self->output.size : 0,
                   is_good ? NULL : &fault);
    command_destroy (&self);
}

/* Tells the end when the process and what it had to say are complete. */
static void
finish_if_done (command_t *self)
{
    if (self->pidfd < 0 && self->output.fd < 0)
        finish (self);
}

// ---- while it runs ----

static void
keep (stream_t *stream, const char *bytes, size_t size)
{
    size_t fits = stream->limit - stream->size < size ? stream->limit - stream->size : size;
    stream->bytes = memory_grow (stream->bytes, stream->size + fits + 1, 1);
    memcpy (stream->bytes + stream->size, bytes, fits);
    stream->size += fits;
    stream->bytes[stream->size] = '\0';
    stream->is_over |= fits < size;
}

static void
read_stream (command_t *self, stream_t *stream)
{
    char bytes[READ_BYTES];
    for (int i = 0; i < READS_AT_ONCE && stream->fd >= 0; i++) {
        ssize_t got = read (stream->fd, bytes, sizeof bytes);
        if (got > 0)
            keep (stream, bytes, (size_t) got);
        else if (got < 0 && errno == EINTR)
            continue;
        else if (got < 0 && errno == EAGAIN)
            break;
        else
            close_stream (self, stream);
    }
}

static void
on_output (void *state, int fd, short events, void *context)
{
    (void) state, (void) fd, (void) events;
    command_t *self = context;
    read_stream (self, &self->output);
    if (self->output.is_over)
        kill_all (self);
    finish_if_done (self);
}

static void
on_errors (void *state, int fd, short events, void *context)
{
    (void) state, (void) fd, (void) events;
    command_t *self = context;
    read_stream (self, &self->errors);
}

static void
on_exit_of_it (void *state, int fd, short events, void *context)
{
    (void) state, (void) fd, (void) events;
    command_t *self = context;
    if (waitpid (self->pid, &self->status, WNOHANG) != self->pid)
        return;
    kill (-self->pid, SIGKILL); // children that it left behind would keep its output open
    forget_process (self);
    read_stream (self, &self->output);
    read_stream (self, &self->errors);
    close_stream (self, &self->output);
    finish_if_done (self);
}

static void
on_not_dying (void *state, void *context)
{
    (void) state;
    command_t *self = context;
    self->timer = 0;
    finish (self);
}

static void
on_timeout (void *state, void *context)
{
    (void) state;
    command_t *self = context;
    self->is_late = true;
    kill_all (self);
    self->timer = actor_timer (self->actor, DYING_MS, on_not_dying, self);
}

// ---- the start ----

typedef struct {
    int in[2], out[2], err[2];
} pipes_t;

static void
pipes_close (pipes_t *self)
{
    for (int i = 0; i < 2; i++) {
        close_fd (&self->in[i]);
        close_fd (&self->out[i]);
        close_fd (&self->err[i]);
    }
}

static int
pipes_open (pipes_t *self, fault_t *fault)
{
    *self = (pipes_t){ { -1, -1 }, { -1, -1 }, { -1, -1 } };
    if (pipe2 (self->in, O_CLOEXEC) < 0 || pipe2 (self->out, O_CLOEXEC) < 0
        || pipe2 (self->err, O_CLOEXEC) < 0)
        return fault_set (fault, FAULT_UNAVAILABLE, "cannot make a pipe: %s", strerror (errno));
    fcntl (self->in[1], F_SETFL, O_NONBLOCK);
    fcntl (self->out[0], F_SETFL, O_NONBLOCK);
    fcntl (self->err[0], F_SETFL, O_NONBLOCK);
    return 0;
}

static bool
is_same_name (const char *a, const char *b)
{
    size_t length = strcspn (a, "=");
    return strncmp (a, b, length) == 0 && b[length] == '=';
}

static bool
is_replaced (const char *variable, const char *const *by)
{
    for (; by && *by; by++)
        if (is_same_name (*by, variable))
            return true;
    return false;
}

/* The agent's environment with `changes`; the texts are borrowed, the array is owned. */
static char **
environment_with (const char *const *changes)
{
    size_t count = 0, used = 0;
    for (char **variable = environ; variable && *variable; variable++)
        count++;
    for (const char *const *variable = changes; variable && *variable; variable++)
        count++;
    char **result = memory_new (count + 1, sizeof *result);
    for (char **variable = environ; variable && *variable; variable++)
        if (!is_replaced (*variable, changes))
            result[used++] = *variable;
    for (const char *const *variable = changes; variable && *variable; variable++)
        result[used++] = (char *) *variable;
    return result;
}

static char **
arguments_with (const char *file, const char *const *arguments)
{
    size_t count = 0;
    while (arguments && arguments[count])
        count++;
    char **result = memory_new (count + 2, sizeof *result);
    result[0] = (char *) file;
    for (size_t i = 0; i < count; i++)
        result[i + 1] = (char *) arguments[i];
    return result;
}

/* Spawns with a process group of its own and the signals as a program expects them. Returns an
   errno. */
static int
spawn (const command_options_t *options, const pipes_t *pipes, pid_t *pid)
{
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init (&files);
    posix_spawn_file_actions_adddup2 (&files, pipes->in[0], STDIN_FILENO);
    posix_spawn_file_actions_adddup2 (&files, pipes->out[1], STDOUT_FILENO);
    posix_spawn_file_actions_adddup2 (&files, pipes->err[1], STDERR_FILENO);
    posix_spawnattr_t attributes;
    posix_spawnattr_init (&attributes);
    sigset_t none, all;
    sigemptyset (&none);
    sigfillset (&all);
    posix_spawnattr_setsigmask (&attributes, &none);
    posix_spawnattr_setsigdefault (&attributes, &all);
    posix_spawnattr_setpgroup (&attributes, 0);
    posix_spawnattr_setflags (&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF
                                               | POSIX_SPAWN_SETPGROUP);
    char **arguments = arguments_with (options->file, options->arguments);
    char **environment = environment_with (options->environment);
    int error = posix_spawnp (pid, options->file, &files, &attributes, arguments, environment);
    free (arguments);
    free (environment);
    posix_spawnattr_destroy (&attributes);
    posix_spawn_file_actions_destroy (&files);
    return error;
}

/* The input fits into the pipe, so nothing waits for the program to read it. */
static int
write_input (const pipes_t *pipes, const char *input, fault_t *fault)
{
    size_t size = input ? strlen (input) : 0;
    if (size > INPUT_PIPE_BYTES)
        return fault_set (fault, FAULT_INVALID, "its input is larger than %d bytes",
                          INPUT_PIPE_BYTES);
    if (size > 0 && write (pipes->in[1], input, size) != (ssize_t) size)
        return fault_set (fault, FAULT_UNAVAILABLE, "cannot write its input: %s", strerror (errno));
    return 0;
}

static command_t *
command_new (actor_t *actor, const command_options_t *options, pipes_t *pipes, pid_t pid, int pidfd)
{
    command_t *self = memory_new (1, sizeof *self);
    self->actor = actor;
    self->file = text_copy (options->file);
    self->pid = pid;
    self->pidfd = pidfd;
    self->output = (stream_t){ .fd = pipes->out[0], .limit = options->output_limit };
    self->errors = (stream_t){ .fd = pipes->err[0], .limit = ERRORS_LIMIT };
    pipes->out[0] = pipes->err[0] = -1;
    self->on_done = options->on_done;
    self->context = options->context;
    actor_watch_fd (actor, self->output.fd, POLLIN, on_output, self);
    actor_watch_fd (actor, self->errors.fd, POLLIN, on_errors, self);
    actor_watch_fd (actor, pidfd, POLLIN, on_exit_of_it, self);
    if (options->timeout_ms > 0)
        self->timer = actor_timer (actor, options->timeout_ms, on_timeout, self);
    return self;
}

command_t *
command_start (actor_t *actor, const command_options_t *options, fault_t *fault)
{
    OWNED (pipes_close) pipes_t pipes;
    if (pipes_open (&pipes, fault) < 0 || write_input (&pipes, options->input, fault) < 0) {
        fault_wrap (fault, "%s", options->file);
        return NULL;
    }
    pid_t pid = 0;
    int error = spawn (options, &pipes, &pid);
    if (error) {
        fault_set (fault, error == ENOENT ? FAULT_NOT_FOUND : FAULT_UNAVAILABLE,
                   "%s: cannot be run: %s", options->file, strerror (error));
        return NULL;
    }
    int pidfd = (int) syscall (SYS_pidfd_open, pid, 0);
    if (pidfd < 0) {
        fault_set (fault, FAULT_UNAVAILABLE, "%s: cannot be waited for: %s", options->file,
                   strerror (errno));
        kill (-pid, SIGKILL);
        reap (pid);
        return NULL;
    }
    return command_new (actor, options, &pipes, pid, pidfd);
}
