/* certificate_keys.h - keys, requests for certificates, and what a certificate says, with OpenSSL
   (loaded when first needed: tls_library.h). */
#pragma once
#include "cubelet/fault.h"
#include "cubelet/tree.h"
#include <stdbool.h>
#include <stdint.h>

/* A new ECDSA P-256 key as PEM, owned; NULL with FAULT_UNAVAILABLE. */
char *certificate_key_make (fault_t *fault);

/* A request for a certificate of this key (PEM) with subject O=`organization`, CN=`name`, and the
   alternative names {"dns": [...], "ips": [...]} (NULL: none), as PEM, owned; NULL with
   FAULT_INVALID. */
char *certificate_request_make (const char *key_pem, const char *organization, const char *name,
                                const node_t *names, fault_t *fault);

/* "node-csr-" and 43 characters that depend on the key, the name and the usages alone, so that who
   asks again finds the request made before. Owned; NULL with FAULT_INVALID. */
char *certificate_request_name (const char *key_pem, const char *name, fault_t *fault);

typedef struct {
    int64_t not_before_ns, not_after_ns; // since 1970
    char common_name[256];               // "" when there is none
    bool has_names;                      // all of `names` are named
} certificate_facts_t;

/* Looks at a file of certificate and key (PEM, in any order). `names` as above, NULL: none asked.
   Returns 0, or -1 with FAULT_INVALID: no certificate, no key, or the key of another one. */
int certificate_inspect (const char *pem, const node_t *names, certificate_facts_t *out,
                         fault_t *fault);
