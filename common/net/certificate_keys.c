#include "cubelet/certificate_keys.h"
#include "cubelet/clock.h"
#include "cubelet/memory.h"
#include "cubelet/tls_library.h"
#include <string.h>
#include <time.h>

#define DIGEST_BYTES 32

static void
free_key (EVP_PKEY **key_p)
{
    EVP_PKEY_free (*key_p);
}

static void
free_request (X509_REQ **request_p)
{
    X509_REQ_free (*request_p);
}

static void
free_certificate (X509 **certificate_p)
{
    X509_free (*certificate_p);
}

static void
free_bio (BIO **bio_p)
{
    BIO_free (*bio_p);
}

/* What was written to a memory BIO, owned, with a NUL. */
static char *
text_of (BIO *bio)
{
    char *bytes = NULL;
    long size = BIO_get_mem_data (bio, &bytes);
    char *text = memory_new ((size_t) size + 1, 1);
    memcpy (text, bytes, (size_t) size);
    return text;
}

static EVP_PKEY *
read_key (const char *pem)
{
    OWNED (free_bio) BIO *bio = BIO_new_mem_buf (pem, -1);
    return bio ? PEM_read_bio_PrivateKey (bio, NULL, NULL, NULL) : NULL;
}

char *
certificate_key_make (fault_t *fault)
{
    if (tls_library_load (fault) < 0)
        return NULL;
    OWNED (free_key) EVP_PKEY *key = EVP_EC_gen ("P-256");
    OWNED (free_bio) BIO *bio = BIO_new (BIO_s_mem());
    if (key && bio && PEM_write_bio_PrivateKey (bio, key, NULL, NULL, 0, NULL, NULL) == 1)
        return text_of (bio);
    tls_fault (fault, FAULT_UNAVAILABLE, "cannot make a key");
    return NULL;
}

// ---- requests ----

static bool
set_subject (X509_REQ *request, const char *organization, const char *name)
{
    X509_NAME *subject = X509_NAME_new();
    const unsigned char *o = (const unsigned char *) organization;
    const unsigned char *cn = (const unsigned char *) name;
    bool is_set = subject
                  && X509_NAME_add_entry_by_txt (subject, "O", MBSTRING_UTF8, o, -1, -1, 0) == 1
                  && X509_NAME_add_entry_by_txt (subject, "CN", MBSTRING_UTF8, cn, -1, -1, 0) == 1
                  && X509_REQ_set_subject_name (request, subject) == 1;
    X509_NAME_free (subject);
    return is_set;
}

/* "DNS:node,IP:10.0.0.1", "" for none. Owned. What could end an entry was no host name. */
static char *
names_text (const node_t *names)
{
    static const struct {
        const char *key, *prefix;
    } LISTS[] = { { "dns", "DNS" }, { "ips", "IP" } };
    char *text = text_copy ("");
    for (size_t i = 0; i < COUNT_OF (LISTS); i++)
        NODE_EACH (node_get (names, LISTS[i].key), item)
        {
            const char *name = node_as_text (item, "");
            if (!strchr (name, ','))
                text_replace (&text, "%s%s%s:%s", text, text[0] ? "," : "", LISTS[i].prefix, name);
        }
    return text;
}

static bool
set_names (X509_REQ *request, const node_t *names)
{
    OWNED (free_text) char *text = names_text (names);
    if (!text[0])
        return true;
    X509V3_CTX context;
    X509V3_set_ctx (&context, NULL, NULL, request, NULL, 0);
    context.db = NULL;
    X509_EXTENSION *extension = X509V3_EXT_conf_nid (NULL, &context, NID_subject_alt_name, text);
    STACK_OF (X509_EXTENSION) *list = NULL;
    bool is_set = extension && X509v3_add_ext (&list, extension, -1)
                  && X509_REQ_add_extensions (request, list) == 1;
    X509_EXTENSION_free (extension);
    while (list && OPENSSL_sk_num ((const OPENSSL_STACK *) list) > 0)
        X509_EXTENSION_free (X509v3_delete_ext (list, 0));
    OPENSSL_sk_free ((OPENSSL_STACK *) list);
    return is_set;
}

char *
certificate_request_make (const char *key_pem, const char *organization, const char *name,
                          const node_t *names, fault_t *fault)
{
    if (tls_library_load (fault) < 0)
        return NULL;
    OWNED (free_key) EVP_PKEY *key = read_key (key_pem);
    OWNED (free_request) X509_REQ *request = X509_REQ_new();
    OWNED (free_bio) BIO *bio = BIO_new (BIO_s_mem());
    if (key && request && bio && set_subject (request, organization, name)
        && X509_REQ_set_pubkey (request, key) == 1 && set_names (request, names)
        && X509_REQ_sign (request, key, EVP_sha256()) > 0
        && PEM_write_bio_X509_REQ (bio, request) == 1)
        return text_of (bio);
    tls_fault (fault, FAULT_INVALID, "cannot make a certificate request for %s", name);
    return NULL;
}

/* Unpadded base64url. */
static void
encode_url (const unsigned char *bytes, size_t size, char *out)
{
    static const char LETTERS[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    uint32_t kept = 0;
    int bits = 0;
    for (size_t i = 0; i < size; i++) {
        kept = kept << 8 | bytes[i];
        for (bits += 8; bits >= 6; bits -= 6)
            *out++ = LETTERS[kept >> (bits - 6) & 63];
    }
    if (bits > 0)
        *out++ = LETTERS[kept << (6 - bits) & 63];
    *out = '\0';
}

char *
certificate_request_name (const char *key_pem, const char *name, fault_t *fault)
{
    if (tls_library_load (fault) < 0)
        return NULL;
    OWNED (free_key) EVP_PKEY *key = read_key (key_pem);
    OWNED (free_bio) BIO *bio = BIO_new (BIO_s_mem());
    unsigned char digest[DIGEST_BYTES];
    char encoded[DIGEST_BYTES * 4 / 3 + 4];
    if (!key || !bio || PEM_write_bio_PUBKEY (bio, key) != 1
        || BIO_write (bio, name, (int) strlen (name)) < 0) {
        tls_fault (fault, FAULT_INVALID, "cannot read the key");
        return NULL;
    }
    char *bytes = NULL;
    long size = BIO_get_mem_data (bio, &bytes);
    if (EVP_Digest (bytes, (size_t) size, digest, NULL, EVP_sha512_256(), NULL) != 1) {
        tls_fault (fault, FAULT_UNAVAILABLE, "cannot digest the key");
        return NULL;
    }
    encode_url (digest, sizeof digest, encoded);
    return text_format ("node-csr-%s", encoded);
}

// ---- certificates ----

static int64_t
time_of (const ASN1_TIME *time)
{
    struct tm fields = { 0 };
    return ASN1_TIME_to_tm (time, &fields) == 1 ? (int64_t) timegm (&fields) * NS_PER_S : 0;
}

static void
read_common_name (X509 *certificate, char *out, size_t room)
{
    X509_NAME *subject = X509_get_subject_name (certificate);
    int at = X509_NAME_get_index_by_NID (subject, NID_commonName, -1);
    const ASN1_STRING *value =
        at < 0 ? NULL : X509_NAME_ENTRY_get_data (X509_NAME_get_entry (subject, at));
    unsigned char *text = NULL;
    out[0] = '\0';
    if (value && ASN1_STRING_to_UTF8 (&text, value) >= 0) {
        snprintf (out, room, "%s", (const char *) text);
        OPENSSL_free (text);
    }
}

static bool
names_all (X509 *certificate, const node_t *names)
{
    NODE_EACH (node_get (names, "dns"), name)
    if (X509_check_host (certificate, node_as_text (name, ""), 0, 0, NULL) != 1)
        return false;
    NODE_EACH (node_get (names, "ips"), address)
    if (X509_check_ip_asc (certificate, node_as_text (address, ""), 0) != 1)
        return false;
    return true;
}

int
certificate_inspect (const char *pem, const node_t *names, certificate_facts_t *out, fault_t *fault)
{
    if (tls_library_load (fault) < 0)
        return -1;
    OWNED (free_bio) BIO *bio = BIO_new_mem_buf (pem, -1);
    OWNED (free_certificate)
    X509 *certificate = bio ? PEM_read_bio_X509 (bio, NULL, NULL, NULL) : NULL;
    OWNED (free_key) EVP_PKEY *key = read_key (pem);
    if (!certificate || !key)
        return tls_fault (fault, FAULT_INVALID, "there is no %s",
                          certificate ? "key" : "certificate");
    if (X509_check_private_key (certificate, key) != 1)
        return tls_fault (fault, FAULT_INVALID, "the key is not that of the certificate");
    out->not_before_ns = time_of (X509_getm_notBefore (certificate));
    out->not_after_ns = time_of (X509_getm_notAfter (certificate));
    read_common_name (certificate, out->common_name, sizeof out->common_name);
    out->has_names = names_all (certificate, names);
    return 0;
}
