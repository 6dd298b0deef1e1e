/* certificate_plan.h - the certificates that the node asks the API server for: what is asked, what
   an answer means, and when a certificate is replaced. Pure.
   Source: reference/node-and-server.md 3 (upstream: client-go's util/certificate, the kubelet's
   pkg/kubelet/certificate). */
#pragma once
#include "cubelet/kubeconfig.h"
#include "cubelet/tree.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum {
    CERTIFICATE_CLIENT,  // for the API server: who we are
    CERTIFICATE_SERVING, // for our own server
} certificate_use_t;

/* When it is replaced: after 70 to 90 % of its life; `chance` is 0 to below 1. Times are ns since
   1970. */
int64_t certificate_replaced_at (int64_t not_before_ns, int64_t not_after_ns, double chance);

/* How long to wait after so many failures in a row (1 or more): 2 s doubling to 32 s, a tenth more
   by chance. Milliseconds. */
int64_t certificate_retry_ms (unsigned failures, double chance);

/* The CertificateSigningRequest for a request in PEM, in `tree`. `name` NULL: the API server makes
   one up. */
node_t certificate_request_node (tree_t *tree, certificate_use_t use, const char *name,
                                 const char *request_pem);

typedef enum {
    CERTIFICATE_PENDING,
    CERTIFICATE_ISSUED,
    CERTIFICATE_REFUSED, // denied, or the signer failed
} certificate_state_t;

/* What has become of a CertificateSigningRequest. ISSUED: *pem_p is the certificate, owned.
 *REFUSED: reason_p says why, borrowed from the object. */
certificate_state_t
certificate_request_state (const node_t *request, char **pem_p, const char **reason_p);

/* The kubeconfig of a node that has got its first certificate: the bootstrap's cluster, and the
   file `pem_path` for certificate and key. YAML, owned. */
char *certificate_kubeconfig (const kubeconfig_t *bootstrap, const char *pem_path);

/* The addresses of a Node's status that a serving certificate has to name: {"dns": [...], "ips":
   [...]}, sorted, each once, in `tree`. */
node_t certificate_names_of_node (tree_t *tree, const node_t *node);
