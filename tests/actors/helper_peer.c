#include "helper_peer.h"
#include "cubelet/clock.h"
#include "cubelet/json.h"
#include "cubelet/memory.h"
#include "cubelet/sanitizer.h"
#include <stdatomic.h>

struct stage {
    zactor_t *bus;
    char endpoint[64];
    zlistx_t *actors; // actor_host_t
    zlistx_t *peers;  // peer_t
};

struct peer {
    char *name;
    zsock_t *socket;
    uint64_t last_id;
};

__attribute__ ((noreturn, format (printf, 1, 2))) static void
give_up (const char *format, ...)
{
    va_list args;
    va_start (args, format);
    vfprintf (stderr, format, args);
    fputc ('\n', stderr);
    va_end (args);
    _exit (1);
}

stage_t *
stage_new (void)
{
    return stage_new_with_tap (NULL);
}

stage_t *
stage_new_with_tap (const char *tap_endpoint)
{
    static atomic_int count;
    zsys_handler_set (NULL);
    stage_t *self = memory_new (1, sizeof *self);
    snprintf (self->endpoint, sizeof self->endpoint, "inproc://stage-%d",
              atomic_fetch_add (&count, 1));
    fault_t fault = { 0 };
    self->bus = bus_new (
        &(bus_config_t){ .endpoint = self->endpoint, .tap_endpoint = tap_endpoint }, &fault);
    if (!self->bus)
        give_up ("no bus: %s", fault.text);
    self->actors = zlistx_new();
    self->peers = zlistx_new();
    return self;
}

void
stage_destroy (stage_t **self_p)
{
    stage_t *self = *self_p;
    for (actor_host_t *actor; (actor = zlistx_detach (self->actors, NULL));) {
        actor_host_abandon (actor); // a test may have left it hanging
        actor_host_destroy (&actor);
    }
    for (peer_t *peer; (peer = zlistx_detach (self->peers, NULL));) {
        zsock_destroy (&peer->socket);
        free (peer->name);
        free (peer);
    }
    zactor_destroy (&self->bus);
    zlistx_destroy (&self->actors);
    zlistx_destroy (&self->peers);
    free (self);
    *self_p = NULL;
}

actor_host_t *
stage_actor (stage_t *self, const actor_class_t *class, const char *name, const node_t *args)
{
    actor_host_t *actor = actor_host_new (class, name, args, self->endpoint, 0);
    zlistx_add_end (self->actors, actor);
    zsock_set_rcvtimeo (actor_host_pipe (actor), PEER_DEADLINE_MS);
    OWNED (zmsg_destroy) zmsg_t *message = zmsg_recv (actor_host_pipe (actor));
    OWNED (free_text) char *word = message ? zmsg_popstr (message) : NULL;
    if (!word || !streq (word, "UP")) {
        OWNED (free_text) char *reason = message ? zmsg_popstr (message) : NULL;
        give_up ("%s did not start: %s", name, reason ? reason : "no word from it");
    }
    SANITIZER_ACQUIRE();
    return actor;
}

char *
stage_wait_down (actor_host_t *actor)
{
    OWNED (tree_destroy) tree_t *left = NULL;
    return stage_wait_left (actor, &left);
}

char *
stage_wait_left (actor_host_t *actor, tree_t **left_p)
{
    OWNED (zmsg_destroy) zmsg_t *message = zmsg_recv (actor_host_pipe (actor));
    SANITIZER_ACQUIRE();
    OWNED (free_text) char *word = message ? zmsg_popstr (message) : NULL;
    if (!word)
        give_up ("the actor did not end");
    char *reason = streq (word, "DOWN") ? zmsg_popstr (message) : NULL;
    fault_t fault = { 0 };
    OWNED (zframe_destroy) zframe_t *body = zmsg_pop (message);
    *left_p = body ? body_unpack (body, &fault) : NULL;
    return reason ? reason : text_copy ("");
}

void
stage_end_actor (stage_t *self, actor_host_t *actor)
{
    zlistx_detach (self->actors, zlistx_find (self->actors, actor));
    actor_host_destroy (&actor);
}

peer_t *
stage_peer (stage_t *self, const char *name)
{
    peer_t *peer = memory_new (1, sizeof *peer);
    peer->name = text_copy (name);
    peer->socket = zsock_new (ZMQ_DEALER);
    peer->last_id = (uint64_t) clock_now_ns();
    zsock_set_identity (peer->socket, name);
    zsock_set_linger (peer->socket, 0);
    zsock_set_rcvtimeo (peer->socket, PEER_DEADLINE_MS);
    zsock_connect (peer->socket, "%s", self->endpoint);
    zlistx_add_end (self->peers, peer);
    return peer;
}

static uint64_t
send_envelope (peer_t *self, envelope_t envelope, const node_t *body)
{
    envelope.from = self->name;
    envelope.id = ++self->last_id;
    envelope.sent_ns = clock_now_ns();
    zmsg_t *message = zmsg_new();
    zframe_t *head = envelope_pack (&envelope);
    zframe_t *tail = body_pack (body);
    zmsg_append (message, &head);
    zmsg_append (message, &tail);
    SANITIZER_RELEASE();
    if (zmsg_send (&message, self->socket) < 0)
        give_up ("%s cannot send %s", self->name, envelope.type);
    return envelope.id;
}

static tree_t *
parse (const char *json)
{
    fault_t fault = { 0 };
    tree_t *tree = json_read (json, strlen (json), &fault);
    if (!tree)
        give_up ("the test's JSON is wrong: %s: %s", fault.text, json);
    return tree;
}

uint64_t
peer_send (peer_t *self, const char *to, message_id_t type, const node_t *body)
{
    return send_envelope (self, (envelope_t){ .to = to, .type = message_name (type) }, body);
}

uint64_t
peer_request (peer_t *self, const char *to, message_id_t type, const node_t *body)
{
    envelope_t envelope = { .to = to, .type = message_name (type), .wants_reply = true };
    return send_envelope (self, envelope, body);
}

uint64_t
peer_send_json (peer_t *self, const char *to, message_id_t type, const char *json)
{
    OWNED (tree_destroy) tree_t *tree = parse (json);
    return peer_send (self, to, type, tree_root (tree));
}

uint64_t
peer_request_json (peer_t *self, const char *to, message_id_t type, const char *json)
{
    OWNED (tree_destroy) tree_t *tree = parse (json);
    return peer_request (self, to, type, tree_root (tree));
}

void
peer_reply (peer_t *self, const received_t *request, const node_t *body)
{
    envelope_t envelope = { .to = request->envelope.from,
                            .type = request->envelope.type,
                            .re = request->envelope.id };
    send_envelope (self, envelope, body);
}

void
peer_reply_json (peer_t *self, const received_t *request, const char *json)
{
    OWNED (tree_destroy) tree_t *tree = parse (json);
    peer_reply (self, request, tree_root (tree));
}

void
peer_reply_fault (peer_t *self, const received_t *request, fault_code_t code, const char *text)
{
    envelope_t envelope = { .to = request->envelope.from,
                            .type = request->envelope.type,
                            .re = request->envelope.id,
                            .fault_code = code,
                            .fault_text = text };
    send_envelope (self, envelope, NULL);
}

static received_t *
receive (peer_t *self)
{
    OWNED (zmsg_destroy) zmsg_t *message = zmsg_recv (self->socket);
    if (!message)
        return NULL;
    SANITIZER_ACQUIRE();
    fault_t fault = { 0 };
    received_t *received = memory_new (1, sizeof *received);
    received->head = envelope_unpack (zmsg_first (message), &received->envelope, &fault);
    received->tree = body_unpack (zmsg_next (message), &fault);
    if (!received->head || !received->tree)
        give_up ("%s got a malformed message: %s", self->name, fault.text);
    received->type = message_find (received->envelope.type);
    received->body = tree_root (received->tree);
    return received;
}

received_t *
peer_next (peer_t *self, int wait_ms)
{
    zsock_set_rcvtimeo (self->socket, wait_ms);
    received_t *received = receive (self);
    zsock_set_rcvtimeo (self->socket, PEER_DEADLINE_MS);
    return received;
}

received_t *
peer_expect (peer_t *self, message_id_t type)
{
    for (received_t *received; (received = receive (self)); received_destroy (&received))
        if (received->type == type && !received->envelope.re)
            return received;
    give_up ("%s got no %s", self->name, message_name (type));
}

received_t *
peer_expect_reply (peer_t *self, uint64_t id)
{
    for (received_t *received; (received = receive (self)); received_destroy (&received))
        if (received->envelope.re == id)
            return received;
    give_up ("%s got no answer", self->name);
}

void
received_destroy (received_t **self_p)
{
    if (!*self_p)
        return;
    tree_destroy (&(*self_p)->head);
    tree_destroy (&(*self_p)->tree);
    free (*self_p);
    *self_p = NULL;
}
