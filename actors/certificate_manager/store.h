/* store.h - the files of a certificate that is replaced from time to time:
   NAME-YYYY-MM-DD-hh-mm-ss.pem with certificate and key, NAME-current.pem that links to the newest.
   For renewal.c. Source: reference/node-and-server.md 3. */
#pragma once
#include "cubelet/fault.h"
#include "cubelet/kubeconfig.h"
#include <stdbool.h>
#include <stdint.h>

typedef struct certificate_store certificate_store_t;

/* `name` is "kubelet-client" or "kubelet-server". Nothing is read or made yet. Owned. */
certificate_store_t *store_new (const char *directory, const char *name);
void store_destroy (certificate_store_t **self_p);

/* Where the current certificate is, and the current client certificate; borrowed. */
const char *store_current_path (const certificate_store_t *self);
const char *store_client_path (const certificate_store_t *self);

/* Certificate and key, owned; NULL when there is none. */
char *store_read (const certificate_store_t *self);

/* Makes certificate and key (PEM) the current ones. */
int store_put (certificate_store_t *self, const char *pem, int64_t now_ns, fault_t *fault);

/* The key of a first certificate that is not issued yet, kept in NAME.key.tmp so that an agent that
   is started anew asks for the same certificate. Owned; NULL with a fault. */
char *store_key (certificate_store_t *self, fault_t *fault);
void store_drop_key (certificate_store_t *self);

/* A kubeconfig; the tree that `out` borrows from, owned, or NULL with a fault. */
tree_t *store_read_kubeconfig (const char *path, kubeconfig_t *out, fault_t *fault);
int store_write_kubeconfig (const char *path, const char *text, fault_t *fault);

/* True when the kubeconfig is there and has a client certificate that has not expired. */
bool store_kubeconfig_is_valid (const char *path, int64_t now_ns);
