/* certificate.h - a certificate of the node's own, for servers that were given none. */
#pragma once
#include "cubelet/fault.h"
#include "cubelet/record.h"
#include <stdint.h>

/* Makes a key (ECDSA P-256) and a certificate for `name` (a host name or an address) and
   `addresses`, valid for a year from an hour before `now_ns`, signed by a certificate authority
   made for it and forgotten: subject NAME@SECONDS, issuer NAME-ca@SECONDS. Writes the certificate
   and the authority's to `certificate_path`, the key to `key_path` (both mode 0600, at once or not
   at all); their directory is made (0750) when it is not there.
   Returns 0, or -1 with FAULT_UNAVAILABLE. Source: reference/node-and-server.md 3. */
int
certificate_make_self_signed (const char *name, text_list_t addresses, const char *certificate_path,
                              const char *key_path, int64_t now_ns, fault_t *fault);
