#include "web_faults.h"
#include "cubelet/envelope.h"
#include "cubelet/json.h"
#include "cubelet/memory.h"
#include <czmq.h>

struct web_faults {
    char *path;
    zsock_t *socket; // NULL: not connected
};

web_faults_t *
web_faults_new (const char *socket_dir)
{
    web_faults_t *self = memory_new (1, sizeof *self);
    self->path = text_format ("%s/fault.sock", socket_dir);
    return self;
}

void
web_faults_destroy (web_faults_t **self_p)
{
    if (!*self_p)
        return;
    zsock_destroy (&(*self_p)->socket);
    free ((*self_p)->path);
    free (*self_p);
    *self_p = NULL;
}

/* A question that is never answered (the agent went) must not block the next one. */
static void
connect_agent (web_faults_t *self)
{
    self->socket = zsock_new (ZMQ_REQ);
    zsock_set_req_relaxed (self->socket, 1);
    zsock_set_req_correlate (self->socket, 1);
    zsock_set_linger (self->socket, 0);
    zsock_set_rcvtimeo (self->socket, 0);
    zsock_set_sndtimeo (self->socket, 0);
    zsock_connect (self->socket, "ipc://%s", self->path);
}

static char *
take_answer (web_faults_t *self)
{
    OWNED (zframe_destroy) zframe_t *frame = zframe_recv (self->socket);
    fault_t fault = { 0 };
    OWNED (tree_destroy) tree_t *answer = frame ? body_unpack (frame, &fault) : NULL;
    if (!answer || !node_get (tree_root (answer), "rules"))
        return NULL;
    node_set_bool (answer, tree_root (answer), "enabled", true);
    return json_write (tree_root (answer), JSON_COMPACT, NULL);
}

char *
web_faults_poll (web_faults_t *self)
{
    if (access (self->path, R_OK | W_OK) < 0) {
        zsock_destroy (&self->socket);
        return text_copy ("{\"enabled\":false}");
    }
    if (!self->socket)
        connect_agent (self);
    char *answer = take_answer (self);
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t command = node_map();
    node_set_text (tree, &command, "command", "list");
    zframe_t *frame = body_pack (&command);
    if (zframe_send (&frame, self->socket, ZFRAME_DONTWAIT) < 0)
        zframe_destroy (&frame); // no agent yet; the next poll asks
    return answer;
}
