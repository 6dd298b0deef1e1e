/* seal.h - bytes that only this node can read: AES-256-GCM with a key that lies in a file of
   root's. OpenSSL is loaded with the first seal (tls_library.h). */
#pragma once
#include "cubelet/fault.h"
#include <stddef.h>

#define SEAL_KEY_BYTES 32
#define SEAL_OVERHEAD 28 // the nonce before, the tag behind

typedef struct {
    unsigned char bytes[SEAL_KEY_BYTES];
} seal_key_t;

/* Reads a key file; one that does not exist is made, with random bytes and mode 0600. Returns 0, or
   -1: FAULT_DENIED when others than its owner, who must be us, may read or write it, FAULT_INVALID
   when it is no regular file of SEAL_KEY_BYTES bytes, else FAULT_UNAVAILABLE. */
int seal_key_read (const char *path, seal_key_t *key, fault_t *fault);

/* Overwrites it. */
void seal_key_clear (seal_key_t *key);

/* Seals: a random nonce, what was encrypted, the tag. `bound` is not in it but has to be the same
   when it is opened. Owned, of `size` + SEAL_OVERHEAD bytes; NULL with FAULT_UNAVAILABLE. */
char *seal_close (const seal_key_t *key, const char *bound, const char *bytes, size_t size,
                  fault_t *fault);

/* Opens: owned bytes, *size_p of them, to be overwritten before they are freed. NULL: FAULT_DENIED
   when it was sealed with another key, bound to something else, or changed. */
char *seal_open (const seal_key_t *key, const char *bound, const char *sealed, size_t size,
                 size_t *size_p, fault_t *fault);
