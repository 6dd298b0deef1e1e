/* actor.h - what an actor is made of: state, handlers, requests, timers, file descriptors.

   An actor is a czmq zactor (its own thread and loop) with one DEALER socket to the bus, whose
   identity is the actor's name. Its state belongs to its thread; everything else arrives as a
   message. It never blocks and never waits for another actor: an answer comes back as a call of
   the reply function, later. Any message may be lost or doubled, and an actor may be killed and
   started anew at any moment, so handlers are level-triggered: they take what a message says as
   the present truth.

   An actor's file reads from top to bottom: state, handlers, table, start and stop, class. */
#pragma once
#include "cubelet/fault.h"
#include "cubelet/messages.h"
#include "cubelet/tree.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct actor actor_t;

/* A received message. Everything in it is borrowed for the time of the call. */
typedef struct {
    const char *from;
    const char *to;
    message_id_t type;
    uint64_t id;        // the sender's number of it
    uint64_t re;        // what it answers; 0 when it is no reply
    bool wants_reply;   // the sender waits for an answer
    int64_t sent_ns;    // when it was sent, clock_now_ns
    const node_t *body; // a map; never NULL
} message_t;

/* Handles one message. A fault returned from the handler of a request is sent back as its reply;
   any other is logged by the framework, with the message's type and sender. */
typedef int actor_handle_fn (void *self, const message_t *message, fault_t *fault);

/* Takes the answer of a request: `reply` with `fault` NULL, or `reply` NULL with the fault (the
   receiver's own, FAULT_DEADLINE, or FAULT_UNAVAILABLE when nobody has that name). `context` is
   the actor's copy of what actor_request was given. */
typedef void
actor_reply_fn (void *self, const message_t *reply, const fault_t *fault, void *context);

typedef void actor_timer_fn (void *self, void *context);

/* `events` are POLLIN, POLLOUT, POLLERR as in poll(2). */
typedef void actor_fd_fn (void *self, int fd, short events, void *context);

typedef struct {
    message_id_t type;
    actor_handle_fn *handle;
} actor_handler_t;

typedef struct {
    const char *name;     // instances are called NAME, or NAME/SOMETHING when there are several
    const char *about;    // one line for docs and `kubelet-tap --actors`
    const char *hears_of; // classes whose (re)start it is told as MSG_ACTOR_UP, "a b c"; or NULL
    int queue_limit;      // messages that may wait for it; more are dropped and counted. 0: 1000
    const actor_handler_t *handlers; // ends with a row whose handle is NULL

    /* Makes the state, in the actor's thread; messages to it wait meanwhile. `args` are those it
       was started with (and `left`), and may be borrowed until `stop` has returned. NULL with a
       fault: the supervisor tries again later. */
    void *(*start) (actor_t *actor, const node_t *args, fault_t *fault);

    /* What the state has that nobody else can say again, as a map in `tree`: called when the actor
       is killed or fails, before stop. The one that is started in its place gets it as `left` in
       its args. For edge-triggered things only, the queue of Events. May be NULL. */
    node_t (*leave) (void *self, tree_t *tree);

    /* Frees the state. Runs in the actor's thread on an orderly stop and after a kill. */
    void (*stop) (void **self_p);

    /* Runs another loop than the default one, until actor_process says stop; for libraries that
       insist on their own. NULL: the default. */
    void (*run) (actor_t *actor, void *self);
} actor_class_t;

/* ---- for the actor's own thread only ---- */

const char *actor_name (const actor_t *self);

/* Sends a message; `body` (NULL: empty) is packed at once and stays the caller's. Losing it is
   not reported: send what the receiver must know again when MSG_ACTOR_UP names it. */
void actor_send (actor_t *self, const char *to, message_id_t type, const node_t *body);

/* Sends a request and calls `reply` exactly once: with the answer, a fault, or FAULT_DEADLINE
   after `deadline_ms` (0: no deadline; then it ends only with an answer, or with the bus or the
   receiver's restart). `context` (may be NULL) points to `context_size` bytes, which are copied;
   they must not own anything. Returns the request's id, never 0. Nothing is called after the
   actor has stopped. */
uint64_t actor_request (actor_t *self, const char *to, message_id_t type, const node_t *body,
                        int64_t deadline_ms, actor_reply_fn *reply, const void *context,
                        size_t context_size);

/* Forgets a request: its reply function is not called any more. Unknown ids do nothing. The
   receiver gets MSG_REQUEST_CANCEL {id}, so that it can end work that nobody waits for. */
void actor_cancel (actor_t *self, uint64_t request_id);

/* Answers a request; does nothing for a message that wants no reply. */
void actor_reply (actor_t *self, const message_t *request, const node_t *body);
void actor_reply_fault (actor_t *self, const message_t *request, const fault_t *fault);

/* A request's return address, for answers given after the handler has returned. Owned. */
typedef struct return_address return_address_t;
return_address_t *return_address_new (const message_t *request);
void return_address_destroy (return_address_t **self_p);

/* Answers and frees the address. Exactly one of `body` and `fault` counts: fault when not NULL. */
void actor_answer (actor_t *self, return_address_t **address_p, const node_t *body,
                   const fault_t *fault);

/* Who asked, and the id it gave the request (what MSG_REQUEST_CANCEL names). */
const char *return_address_from (const return_address_t *self);
uint64_t return_address_id (const return_address_t *self);

/* Calls `timer` once after `delay_ms`. Returns an id, never 0, for actor_timer_cancel. */
uint64_t actor_timer (actor_t *self, int64_t delay_ms, actor_timer_fn *timer, void *context);

/* Cancels *timer_id if it is not 0 and has not fired, and sets it to 0. */
void actor_timer_cancel (actor_t *self, uint64_t *timer_id);

/* Calls `ready` when `fd` has one of `events`; calling again replaces events and function. The fd
   stays the caller's; unwatch it before closing it. */
void actor_watch_fd (actor_t *self, int fd, short events, actor_fd_fn *ready, void *context);
void actor_unwatch_fd (actor_t *self, int fd);

/* Ends this actor as failed (logged); the supervisor starts it anew. Returns at once. */
void actor_fail (actor_t *self, const fault_t *fault);

/* ---- for a class's own `run` ---- */

/* Handles everything that waits: messages, due timers. Returns the milliseconds until the next
   timer (-1: none), or -2 when the actor has to end. */
int64_t actor_process (actor_t *self);

/* The descriptors (always two) that become readable when actor_process has work. ZMQ_FD rules:
   edge-triggered, so call actor_process after every wait, whatever woke it. */
void actor_wake_fds (const actor_t *self, int fds[static 2]);
