#include "cubelet/background.h"
#include "cubelet/memory.h"
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define STACK_BYTES (128 * 1024)

typedef struct task task_t;
struct task {
    background_work_t work;
    fault_t fault;
    task_t *next;
};

/* First in, first out. */
typedef struct {
    task_t *first, **end;
} tasks_t;

/* What both threads know; the last of them frees it. */
typedef struct {
    pthread_mutex_t mutex;
    tasks_t waiting, done;
    bool is_running; // there is a thread
    bool is_forgotten;
    int event; // wakes the actor up
} shared_t;

struct background {
    actor_t *actor;
    shared_t *shared;
    bool is_calling;   // done functions, of which one may destroy it
    bool is_destroyed; // ... as has happened
};

static void
tasks_add (tasks_t *self, task_t *task)
{
    task->next = NULL;
    *self->end = task;
    self->end = &task->next;
}

static task_t *
tasks_take (tasks_t *self)
{
    task_t *task = self->first;
    if (task && !(self->first = task->next))
        self->end = &self->first;
    return task;
}

static void
task_destroy (task_t *self)
{
    self->work.destroy (self->work.data);
    free (self);
}

static void
shared_destroy (shared_t *self)
{
    for (task_t *task; (task = tasks_take (&self->waiting)) || (task = tasks_take (&self->done));)
        task_destroy (task);
    pthread_mutex_destroy (&self->mutex);
    close (self->event);
    free (self);
}

// ---- the other thread ----

/* The next task; NULL: the thread ends, and nobody else will free what is shared if that is
   forgotten. */
static task_t *
next_task (shared_t *self)
{
    pthread_mutex_lock (&self->mutex);
    task_t *task = self->is_forgotten ? NULL : tasks_take (&self->waiting);
    bool is_last = !task && self->is_forgotten;
    self->is_running = task != NULL;
    pthread_mutex_unlock (&self->mutex);
    if (is_last)
        shared_destroy (self);
    return task;
}

static void
hand_over (shared_t *self, task_t *task)
{
    uint64_t one = 1;
    pthread_mutex_lock (&self->mutex);
    tasks_add (&self->done, task);
    ssize_t ignored = write (self->event, &one, sizeof one); // it cannot be full
    (void) ignored;
    pthread_mutex_unlock (&self->mutex);
}

static void *
run (void *shared)
{
    for (task_t *task; (task = next_task (shared));) {
        if (task->work.run (task->work.data, &task->fault) == 0)
            task->fault = (fault_t){ 0 };
        hand_over (shared, task);
    }
    return NULL;
}

// ---- the actor's ----

static void
forget (background_t *self)
{
    shared_t *shared = self->shared;
    actor_unwatch_fd (self->actor, shared->event);
    pthread_mutex_lock (&shared->mutex);
    shared->is_forgotten = true;
    bool is_last = !shared->is_running;
    pthread_mutex_unlock (&shared->mutex);
    if (is_last)
        shared_destroy (shared);
    free (self);
}

static task_t *
take_done (background_t *self)
{
    pthread_mutex_lock (&self->shared->mutex);
    task_t *task = tasks_take (&self->shared->done);
    pthread_mutex_unlock (&self->shared->mutex);
    return task;
}

static void
on_event (void *state, int fd, short events, void *context)
{
    (void) state, (void) events;
    background_t *self = context;
    uint64_t count;
    if (read (fd, &count, sizeof count) < 0)
        return;
    self->is_calling = true;
    for (task_t *task; !self->is_destroyed && (task = take_done (self));) {
        const background_work_t work = task->work;
        const fault_t fault = task->fault;
        task_destroy (task);
        work.done (work.context, fault.code ? &fault : NULL);
    }
    self->is_calling = false;
    if (self->is_destroyed)
        forget (self);
}

background_t *
background_new (actor_t *actor, fault_t *fault)
{
    int event = eventfd (0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (event < 0) {
        fault_set (fault, FAULT_UNAVAILABLE, "cannot make an eventfd: %s", strerror (errno));
        return NULL;
    }
    background_t *self = memory_new (1, sizeof *self);
    shared_t *shared = memory_new (1, sizeof *shared);
    pthread_mutex_init (&shared->mutex, NULL);
    shared->waiting.end = &shared->waiting.first;
    shared->done.end = &shared->done.first;
    shared->event = event;
    self->actor = actor;
    self->shared = shared;
    actor_watch_fd (actor, event, POLLIN, on_event, self);
    return self;
}

/* Starts the thread; returns an errno. */
static int
start_thread (shared_t *shared)
{
    pthread_t thread;
    pthread_attr_t attributes;
    pthread_attr_init (&attributes);
    pthread_attr_setdetachstate (&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize (&attributes, STACK_BYTES);
    int error = pthread_create (&thread, &attributes, run, shared);
    pthread_attr_destroy (&attributes);
    return error;
}

void
background_add (background_t *self, const background_work_t *work)
{
    shared_t *shared = self->shared;
    task_t *task = memory_new (1, sizeof *task);
    task->work = *work;
    pthread_mutex_lock (&shared->mutex);
    bool is_running = shared->is_running;
    shared->is_running = true;
    tasks_add (&shared->waiting, task);
    pthread_mutex_unlock (&shared->mutex);
    int error = is_running ? 0 : start_thread (shared);
    if (!error)
        return;
    pthread_mutex_lock (&shared->mutex); // there is no other thread
    shared->is_running = false;
    tasks_take (&shared->waiting);
    pthread_mutex_unlock (&shared->mutex);
    fault_set (&task->fault, FAULT_UNAVAILABLE, "cannot start a thread: %s", strerror (error));
    hand_over (shared, task);
}

void
background_destroy (background_t **self_p)
{
    background_t *self = STEAL (*self_p);
    if (!self)
        return;
    self->is_destroyed = true;
    if (!self->is_calling)
        forget (self);
}
