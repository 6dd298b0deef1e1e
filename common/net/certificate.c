#include "cubelet/certificate.h"
#include "cubelet/clock.h"
#include "cubelet/memory.h"
#include "cubelet/tls_library.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define VALID_S (365 * 24 * 3600)
#define BACKDATED_S 3600 // clocks of others may be behind

static void
free_key (EVP_PKEY **key_p)
{
    EVP_PKEY_free (*key_p);
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

static bool
add_extension (X509 *certificate, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx (&context, issuer, certificate, NULL, NULL, 0);
    context.db = NULL;
    X509_EXTENSION *extension = X509V3_EXT_conf_nid (NULL, &context, nid, value);
    bool is_added = extension && X509_add_ext (certificate, extension, -1) == 1;
    X509_EXTENSION_free (extension);
    return is_added;
}

static bool
set_name (X509 *certificate, const char *subject, const char *issuer)
{
    X509_NAME *names[2] = { X509_NAME_new(), X509_NAME_new() };
    const char *texts[2] = { subject, issuer };
    bool is_set = true;
    for (int i = 0; i < 2; i++)
        is_set = is_set
                 && X509_NAME_add_entry_by_txt (names[i], "CN", MBSTRING_UTF8,
                                                (const unsigned char *) texts[i], -1, -1, 0)
                        == 1;
    is_set = is_set && X509_set_subject_name (certificate, names[0]) == 1
             && X509_set_issuer_name (certificate, names[1]) == 1;
    X509_NAME_free (names[0]);
    X509_NAME_free (names[1]);
    return is_set;
}

/* An unsigned certificate with names, serial, key and times. */
static X509 *
new_certificate (const char *subject, const char *issuer, uint64_t serial, EVP_PKEY *key,
                 int64_t now_ns)
{
    X509 *certificate = X509_new();
    time_t now_s = (time_t) (now_ns / NS_PER_S);
    if (certificate && X509_set_version (certificate, X509_VERSION_3) == 1
        && ASN1_INTEGER_set_uint64 (X509_get_serialNumber (certificate), serial) == 1
        && ASN1_TIME_set (X509_getm_notBefore (certificate), now_s - BACKDATED_S)
        && ASN1_TIME_set (X509_getm_notAfter (certificate), now_s + VALID_S)
        && X509_set_pubkey (certificate, key) == 1 && set_name (certificate, subject, issuer))
        return certificate;
    X509_free (certificate);
    return NULL;
}

static bool
is_address (const char *text)
{
    unsigned char bytes[16];
    return inet_pton (AF_INET, text, bytes) == 1 || inet_pton (AF_INET6, text, bytes) == 1;
}

/* "DNS:node,IP:10.0.0.1". Owned. */
static char *
alternative_names (const char *name, text_list_t addresses)
{
    char *text = text_format ("%s:%s", is_address (name) ? "IP" : "DNS", name);
    for (size_t i = 0; i < addresses.count; i++)
        if (is_address (addresses.items[i]) && strcmp (addresses.items[i], name) != 0)
            text_replace (&text, "%s,IP:%s", text, addresses.items[i]);
    return text;
}

/* Writes to a temporary name and renames. */
static int
write_file (const char *path, BIO *bio, fault_t *fault)
{
    char *bytes = NULL;
    long size = BIO_get_mem_data (bio, &bytes);
    OWNED (free_text) char *temporary = text_format ("%s.tmp", path);
    OWNED (close_fd)
    int fd = open (temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || write (fd, bytes, (size_t) size) != size || fsync (fd) < 0
        || rename (temporary, path) < 0)
        return fault_set (fault, FAULT_UNAVAILABLE, "cannot write %s: %s", path, strerror (errno));
    return 0;
}

static int
make_directory_of (const char *path, fault_t *fault)
{
    OWNED (free_text) char *directory = text_copy (path);
    for (char *slash = strchr (directory + 1, '/'); slash; slash = strchr (slash + 1, '/')) {
        *slash = '\0';
        if (mkdir (directory, 0750) < 0 && errno != EEXIST)
            return fault_set (fault, FAULT_UNAVAILABLE, "cannot make the directory %s: %s",
                              directory, strerror (errno));
        *slash = '/';
    }
    return 0;
}

/* The authority that signs, and the certificate it signs. */
typedef struct {
    EVP_PKEY *authority_key, *key;
    X509 *authority, *certificate;
} pair_t;

static bool
sign_pair (pair_t *pair, const char *name, text_list_t addresses, int64_t now_ns)
{
    int64_t seconds = now_ns / NS_PER_S;
    OWNED (free_text) char *issuer = text_format ("%s-ca@%lld", name, (long long) seconds);
    OWNED (free_text) char *subject = text_format ("%s@%lld", name, (long long) seconds);
    OWNED (free_text) char *names = alternative_names (name, addresses);
    X509 *authority = pair->authority =
        pair->authority_key
            ? new_certificate (issuer, issuer, (uint64_t) seconds, pair->authority_key, now_ns)
            : NULL;
    X509 *certificate = pair->certificate =
        pair->key ? new_certificate (subject, issuer, (uint64_t) seconds + 1, pair->key, now_ns)
                  : NULL;
    return authority && certificate
           && add_extension (authority, authority, NID_basic_constraints, "critical,CA:TRUE")
           && add_extension (authority, authority, NID_key_usage,
                             "critical,digitalSignature,keyCertSign")
           && add_extension (authority, authority, NID_subject_key_identifier, "hash")
           && X509_sign (authority, pair->authority_key, EVP_sha256()) > 0
           && add_extension (certificate, authority, NID_basic_constraints, "critical,CA:FALSE")
           && add_extension (certificate, authority, NID_key_usage, "critical,digitalSignature")
           && add_extension (certificate, authority, NID_ext_key_usage, "serverAuth")
           && add_extension (certificate, authority, NID_authority_key_identifier, "keyid")
           && add_extension (certificate, authority, NID_subject_alt_name, names)
           && X509_sign (certificate, pair->authority_key, EVP_sha256()) > 0;
}

int
certificate_make_self_signed (const char *name, text_list_t addresses, const char *certificate_path,
                              const char *key_path, int64_t now_ns, fault_t *fault)
{
    if (tls_library_load (fault) < 0)
        return -1;
    OWNED (free_key) EVP_PKEY *authority_key = EVP_EC_gen ("P-256");
    OWNED (free_key) EVP_PKEY *key = EVP_EC_gen ("P-256");
    pair_t pair = { .authority_key = authority_key, .key = key };
    bool is_signed = sign_pair (&pair, name, addresses, now_ns);
    OWNED (free_certificate) X509 *authority = pair.authority;
    OWNED (free_certificate) X509 *certificate = pair.certificate;
    OWNED (free_bio) BIO *certificates = BIO_new (BIO_s_mem());
    OWNED (free_bio) BIO *secret = BIO_new (BIO_s_mem());
    if (!is_signed || !certificates || !secret
        || PEM_write_bio_X509 (certificates, certificate) != 1
        || PEM_write_bio_X509 (certificates, authority) != 1
        || PEM_write_bio_PrivateKey (secret, key, NULL, NULL, 0, NULL, NULL) != 1)
        return tls_fault (fault, FAULT_UNAVAILABLE, "cannot make a certificate for %s", name);
    if (make_directory_of (key_path, fault) < 0 || make_directory_of (certificate_path, fault) < 0)
        return -1;
    // the key first: a certificate that is there has one
    return write_file (key_path, secret, fault) < 0
                   || write_file (certificate_path, certificates, fault) < 0
               ? -1
               : 0;
}
