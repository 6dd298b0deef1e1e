/* helper_peer.h - a stage for one actor: a real bus, the actor, and peers played by the test. */
#pragma once
#include "cubelet/actor_host.h"
#include "cubelet/bus.h"
#include "cubelet/envelope.h"

/* How long a test waits for what must come; long, because a slow machine is no failure. */
#define PEER_DEADLINE_MS 30000

typedef struct stage stage_t;
typedef struct peer peer_t;

/* A received message; `body` lives in `tree`. */
typedef struct {
    envelope_t envelope;
    message_id_t type;
    const node_t *body;
    tree_t *head, *tree;
} received_t;

/* Starts a bus. Ends the test program with a message when it cannot. */
stage_t *stage_new (void);

/* The same with a tap at this endpoint. */
stage_t *stage_new_with_tap (const char *tap_endpoint);

/* Ends the actors, the peers and the bus. */
void stage_destroy (stage_t **self_p);

/* Starts an actor and waits until it is up. `args` may be NULL. Borrowed until the stage ends. */
actor_host_t *
stage_actor (stage_t *self, const actor_class_t *class, const char *name, const node_t *args);

/* Waits for the actor's end and yields the reason it gave (owned), "" for none. */
char *stage_wait_down (actor_host_t *actor);

/* The same, and what it leaves to its successor: owned, NULL for nothing. */
char *stage_wait_left (actor_host_t *actor, tree_t **left_p);

/* Waits until the actor's thread is over and frees it, so that another one may have its name. */
void stage_end_actor (stage_t *self, actor_host_t *actor);

/* Joins the bus under a name. Borrowed until the stage ends. */
peer_t *stage_peer (stage_t *self, const char *name);

/* Sends a message or request; returns its id. `body` may be NULL. */
uint64_t peer_send (peer_t *self, const char *to, message_id_t type, const node_t *body);
uint64_t peer_request (peer_t *self, const char *to, message_id_t type, const node_t *body);

/* Sends a body written as JSON text. */
uint64_t peer_send_json (peer_t *self, const char *to, message_id_t type, const char *json);
uint64_t peer_request_json (peer_t *self, const char *to, message_id_t type, const char *json);

/* Answers a request. */
void peer_reply (peer_t *self, const received_t *request, const node_t *body);
void peer_reply_json (peer_t *self, const received_t *request, const char *json);
void
peer_reply_fault (peer_t *self, const received_t *request, fault_code_t code, const char *text);

/* The next message of that type (others are thrown away); ends the test program with a message
   when none comes. Owned: received_destroy. */
received_t *peer_expect (peer_t *self, message_id_t type);

/* The next message of any type within `wait_ms`, or NULL. */
received_t *peer_next (peer_t *self, int wait_ms);

/* The answer to a request. */
received_t *peer_expect_reply (peer_t *self, uint64_t id);

void received_destroy (received_t **self_p);
