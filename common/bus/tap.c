#include "cubelet/tap.h"
#include "cubelet/clock.h"
#include "cubelet/mask.h"
#include "cubelet/memory.h"
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

struct tap {
    zsock_t *socket;
    size_t subscriptions;
};

/* The path of an ipc endpoint, or NULL for other transports and abstract names. */
static const char *
ipc_path (const char *endpoint)
{
    static const char SCHEME[] = "ipc://";
    if (strncmp (endpoint, SCHEME, sizeof SCHEME - 1) != 0)
        return NULL;
    const char *path = endpoint + sizeof SCHEME - 1;
    return path[0] == '/' ? path : NULL;
}

static int
make_directory (const char *path, fault_t *fault)
{
    OWNED (free_text) char *directory = text_copy (path);
    *strrchr (directory, '/') = '\0';
    if (directory[0] && mkdir (directory, 0700) < 0 && errno != EEXIST)
        return fault_set (fault, FAULT_UNAVAILABLE, "cannot make the directory %s: %s", directory,
                          strerror (errno));
    return 0;
}

int
bind_for_root (zsock_t *socket, const char *endpoint, fault_t *fault)
{
    const char *path = ipc_path (endpoint);
    if (path && make_directory (path, fault) < 0)
        return -1;
    // The mask closes the gap between bind and chmod in a directory somebody else has made.
    mode_t mask = umask (0177);
    int result = zsock_bind (socket, "%s", endpoint);
    umask (mask);
    if (result < 0)
        return fault_set (fault, FAULT_UNAVAILABLE, "cannot bind %s: %s", endpoint,
                          zmq_strerror (zmq_errno()));
    if (path && chmod (path, 0600) < 0)
        return fault_set (fault, FAULT_UNAVAILABLE, "cannot close %s to others: %s", path,
                          strerror (errno));
    return 0;
}

tap_t *
tap_new (const char *endpoint, fault_t *fault)
{
    tap_t *self = memory_new (1, sizeof *self);
    self->socket = zsock_new (ZMQ_XPUB);
    if (!self->socket || bind_for_root (self->socket, endpoint, fault) < 0) {
        tap_destroy (&self);
        return NULL;
    }
    // A tap that does not keep up loses messages; the bus does not wait for it.
    zsock_set_sndtimeo (self->socket, 0);
    zsock_set_xpub_verboser (self->socket, 1);
    return self;
}

void
tap_destroy (tap_t **self_p)
{
    if (!*self_p)
        return;
    zsock_destroy (&(*self_p)->socket);
    free (*self_p);
    *self_p = NULL;
}

zsock_t *
tap_socket (tap_t *self)
{
    return self->socket;
}

bool
tap_read (tap_t *self)
{
    OWNED (zframe_destroy) zframe_t *frame = zframe_recv (self->socket);
    if (!frame || zframe_size (frame) == 0)
        return false;
    if (zframe_data (frame)[0] != 1) {
        if (self->subscriptions > 0)
            self->subscriptions--;
        return false;
    }
    self->subscriptions++;
    const char *list = message_name (MSG_ACTOR_LIST);
    size_t size = zframe_size (frame) - 1;
    return size == strlen (list) && memcmp (zframe_data (frame) + 1, list, size) == 0;
}

bool
tap_is_attached (const tap_t *self)
{
    return self->subscriptions > 0;
}

static zframe_t *
describe (const envelope_t *envelope, const char *outcome)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t map = node_map();
    node_set_text (tree, &map, "from", envelope->from);
    node_set_text (tree, &map, "to", envelope->to);
    node_set_text (tree, &map, "type", envelope->type);
    node_set_int (tree, &map, "id", (int64_t) envelope->id);
    node_set_int (tree, &map, "re", (int64_t) envelope->re);
    node_set_int (tree, &map, "sent", envelope->sent_ns);
    node_set_int (tree, &map, "now", clock_now_ns());
    node_set_text (tree, &map, "outcome", outcome);
    if (envelope->fault_code != FAULT_NONE) {
        node_set_int (tree, &map, "fault", envelope->fault_code);
        node_set_text (tree, &map, "fault_text", envelope->fault_text);
    }
    return body_pack (&map);
}

void
tap_publish (tap_t *self, const envelope_t *envelope, zframe_t *body, const char *outcome)
{
    fault_t fault = { 0 };
    OWNED (tree_destroy) tree_t *tree = body_unpack (body, &fault);
    node_t shown = tree ? mask_secrets (tree, tree_root (tree)) : node_map();
    zmsg_t *message = zmsg_new();
    zframe_t *head = describe (envelope, outcome);
    zframe_t *tail = body_pack (&shown);
    zmsg_addstr (message, envelope->type);
    zmsg_append (message, &head);
    zmsg_append (message, &tail);
    if (zmsg_send (&message, self->socket) < 0)
        zmsg_destroy (&message);
}
