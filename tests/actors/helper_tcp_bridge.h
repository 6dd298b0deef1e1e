/* helper_tcp_bridge.h - a loopback TCP port whose connections lead to a unix socket, for servers
   of helper_grpc_server.h that have to be found by address and port. */
#pragma once

typedef struct tcp_bridge tcp_bridge_t;

/* Listens; one connection at a time is carried to `path`. Owned. */
tcp_bridge_t *tcp_bridge_new (const char *path);

/* Closes everything. */
void tcp_bridge_destroy (tcp_bridge_t **self_p);

int tcp_bridge_port (const tcp_bridge_t *self);
