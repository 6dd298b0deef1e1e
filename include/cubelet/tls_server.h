/* tls_server.h - the TLS side of a server: its certificate, read again when the file changes, and
   who a client's certificate says it is. Source: reference/node-and-server.md 4, 4.1.

   Nothing is loaded before the first connection. Belongs to one thread. */
#pragma once
#include "cubelet/fault.h"
#include "cubelet/record.h"
#include <event2/bufferevent.h>

typedef struct tls_server tls_server_t;

/* Copied. Files are PEM. */
typedef struct {
    const char *certificate_file; // with the chain behind it
    const char *key_file;         // may be the same file
    const char *client_ca_file;   // NULL or "": no client certificates
    const char *min_version;      // "VersionTLS12"; NULL or "": that
    text_list_t cipher_suites;    // as Go and IANA call them, up to TLS 1.2; none: OpenSSL's
} tls_settings_t;

/* Owned. */
tls_server_t *tls_server_new (const tls_settings_t *settings);

/* Frees *self_p and sets it to NULL; connections that are open live on. */
void tls_server_destroy (tls_server_t **self_p);

/* A bufferevent without a descriptor yet, which will do the handshake of a server. A changed
   certificate or CA file is read before; when that fails, the last good one is used and the
   failure logged, once for each change. Client certificates are asked for and looked at later:
   tls_server_user. Owned; NULL with a fault when there is no usable certificate. */
struct bufferevent *tls_server_accept (tls_server_t *self, struct event_base *base, fault_t *fault);

/* True when the bufferevent comes from tls_server_accept. */
bool tls_is_secure (struct bufferevent *connection);

/* Who the client's certificate says it is: verified against the CA file as it is now, CN is the
   user, O are the groups (node_access.h: user_new). Owned; NULL without a fault when the client
   sent none or none is wanted, NULL with FAULT_UNAUTHENTICATED when it is not good. */
tree_t *tls_server_user (tls_server_t *self, struct bufferevent *connection, fault_t *fault);

/* Tells the other side that nothing more will be sent, and goes on receiving. */
void tls_end_sending (struct bufferevent *connection);

/* OpenSSL's name of a suite ("ECDHE-RSA-AES128-GCM-SHA256" of
   "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"), "" for one of TLS 1.3, which cannot be chosen, or NULL
   when it is not known. Static. */
const char *tls_cipher_name (const char *suite);
