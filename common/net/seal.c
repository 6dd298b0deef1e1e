#include "cubelet/seal.h"
#include "cubelet/file_write.h"
#include "cubelet/memory.h"
#include "cubelet/tls_library.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define NONCE_BYTES 12
#define TAG_BYTES 16
_Static_assert(NONCE_BYTES + TAG_BYTES == SEAL_OVERHEAD, "seal.h says how much");

// ---- the key ----

static int
fill_randomly (unsigned char *bytes, size_t size, fault_t *fault)
{
    for (size_t have = 0; have < size;) {
        ssize_t came = getrandom (bytes + have, size - have, 0);
        if (came < 0 && errno != EINTR)
            return fault_set (fault, FAULT_UNAVAILABLE, "no random bytes: %s", strerror (errno));
        have += came > 0 ? (size_t) came : 0;
    }
    return 0;
}

static int
make_key (const char *path, seal_key_t *key, fault_t *fault)
{
    if (fill_randomly (key->bytes, sizeof key->bytes, fault) < 0)
        return -1;
    if (file_write (path, (const char *) key->bytes, sizeof key->bytes, 0600, fault) < 0)
        return -1;
    return file_sync_directory (path, fault); // what it seals is worth nothing without it
}

/* Everything is asked of what is open: nobody can put another file there in between. */
static int
check_key_file (const char *path, int fd, fault_t *fault)
{
    struct stat status;
    if (fstat (fd, &status) < 0)
        return fault_set (fault, FAULT_UNAVAILABLE, "cannot read %s: %s", path, strerror (errno));
    if (!S_ISREG (status.st_mode) || status.st_size != SEAL_KEY_BYTES)
        return fault_set (fault, FAULT_INVALID, "%s is no file of %d bytes", path, SEAL_KEY_BYTES);
    if (status.st_uid != geteuid() || (status.st_mode & 077) != 0)
        return fault_set (fault, FAULT_DENIED,
                          "%s must belong to root and be readable by nobody else (mode 0600)",
                          path);
    return 0;
}

int
seal_key_read (const char *path, seal_key_t *key, fault_t *fault)
{
    OWNED (close_fd) int fd = open (path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return make_key (path, key, fault);
    if (fd < 0)
        return fault_set (fault, FAULT_UNAVAILABLE, "cannot read %s: %s", path, strerror (errno));
    if (check_key_file (path, fd, fault) < 0)
        return -1;
    if (read (fd, key->bytes, sizeof key->bytes) != (ssize_t) sizeof key->bytes)
        return fault_set (fault, FAULT_UNAVAILABLE, "cannot read %s", path);
    return 0;
}

void
seal_key_clear (seal_key_t *key)
{
    explicit_bzero (key, sizeof *key);
}

// ---- sealing ----

static void
free_context (EVP_CIPHER_CTX **context_p)
{
    if (*context_p)
        EVP_CIPHER_CTX_free (*context_p);
    *context_p = NULL;
}

/* A context that has the key, the nonce and what the bytes are bound to. NULL with a fault. */
static EVP_CIPHER_CTX *
begin (const seal_key_t *key, const char *bound, const unsigned char *nonce, int is_closing,
       size_t size, fault_t *fault)
{
    int done;
    if (size > INT_MAX - SEAL_OVERHEAD) {
        fault_set (fault, FAULT_INVALID, "%zu bytes are too many to be sealed", size);
        return NULL;
    }
    if (tls_library_load (fault) < 0)
        return NULL;
    OWNED (free_context) EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    if (!context
        || EVP_CipherInit_ex (context, EVP_aes_256_gcm(), NULL, key->bytes, nonce, is_closing) != 1
        || EVP_CipherUpdate (context, NULL, &done, (const unsigned char *) bound,
                             (int) strlen (bound))
               != 1) {
        tls_fault (fault, FAULT_UNAVAILABLE, "cannot seal");
        return NULL;
    }
    return STEAL (context);
}

char *
seal_close (const seal_key_t *key, const char *bound, const char *bytes, size_t size,
            fault_t *fault)
{
    unsigned char nonce[NONCE_BYTES];
    int done, rest;
    if (fill_randomly (nonce, sizeof nonce, fault) < 0)
        return NULL;
    OWNED (free_context) EVP_CIPHER_CTX *context = begin (key, bound, nonce, 1, size, fault);
    if (!context)
        return NULL;
    OWNED (free_text) char *out = memory_new (1, size + SEAL_OVERHEAD);
    unsigned char *body = (unsigned char *) out + NONCE_BYTES;
    memcpy (out, nonce, NONCE_BYTES);
    if (EVP_CipherUpdate (context, body, &done, (const unsigned char *) bytes, (int) size) != 1
        || EVP_CipherFinal_ex (context, body + done, &rest) != 1
        || EVP_CIPHER_CTX_ctrl (context, EVP_CTRL_GCM_GET_TAG, TAG_BYTES, body + size) != 1) {
        tls_fault (fault, FAULT_UNAVAILABLE, "cannot seal");
        return NULL;
    }
    return STEAL (out);
}

char *
seal_open (const seal_key_t *key, const char *bound, const char *sealed, size_t size,
           size_t *size_p, fault_t *fault)
{
    int done, rest;
    if (size < SEAL_OVERHEAD) {
        fault_set (fault, FAULT_DENIED, "too short to be sealed");
        return NULL;
    }
    const unsigned char *nonce = (const unsigned char *) sealed;
    const unsigned char *body = nonce + NONCE_BYTES;
    size_t length = size - SEAL_OVERHEAD;
    unsigned char tag[TAG_BYTES];
    memcpy (tag, body + length, TAG_BYTES);
    OWNED (free_context) EVP_CIPHER_CTX *context = begin (key, bound, nonce, 0, length, fault);
    if (!context)
        return NULL;
    char *out = memory_new (1, length + 1);
    if (EVP_CipherUpdate (context, (unsigned char *) out, &done, body, (int) length) != 1
        || EVP_CIPHER_CTX_ctrl (context, EVP_CTRL_GCM_SET_TAG, TAG_BYTES, tag) != 1
        || EVP_CipherFinal_ex (context, (unsigned char *) out + done, &rest) != 1) {
        explicit_bzero (out, length); // it was not what it claims to be
        free (out);
        ERR_clear_error();
        fault_set (fault, FAULT_DENIED, "sealed with another key, or changed");
        return NULL;
    }
    *size_p = length;
    return out;
}
