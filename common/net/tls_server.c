#include "cubelet/tls_server.h"
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include "cubelet/metrics.h"
#include "cubelet/node_access.h"
#include "cubelet/tls_library.h"
#include <string.h>
#include <sys/stat.h>

/* What tells one content of a file from the next. */
typedef struct {
    ino_t inode;
    off_t size;
    struct timespec changed;
} file_mark_t;

enum { CERTIFICATE, KEY, CLIENT_CA, FILE_COUNT };

struct tls_server {
    char *files[FILE_COUNT];
    int min_version;
    char *ciphers; // OpenSSL's list; NULL: its own
    file_mark_t marks[FILE_COUNT];
    bool is_read;      // the marks are those of the last attempt
    SSL_CTX *context;  // the last that could be made
    X509_STORE *store; // of the CA file; NULL: none
};

// ---- settings ----

static const struct {
    const char *name;
    int version;
} VERSIONS[] = {
    { "VersionTLS10", TLS1_VERSION },
    { "VersionTLS11", TLS1_1_VERSION },
    { "VersionTLS12", TLS1_2_VERSION },
    { "VersionTLS13", TLS1_3_VERSION },
};

static int
version_of (const char *name)
{
    for (size_t i = 0; name && i < COUNT_OF (VERSIONS); i++)
        if (strcmp (VERSIONS[i].name, name) == 0)
            return VERSIONS[i].version;
    return TLS1_2_VERSION;
}

static char *
cipher_list (text_list_t suites)
{
    char *list = NULL;
    for (size_t i = 0; i < suites.count; i++) {
        const char *name = tls_cipher_name (suites.items[i]);
        if (!name)
            LOG_WARNING ("Cipher suite is not known and left out suite=%s", suites.items[i]);
        else if (name[0])
            text_replace (&list, "%s%s%s", list ? list : "", list ? ":" : "", name);
    }
    return list;
}

tls_server_t *
tls_server_new (const tls_settings_t *settings)
{
    tls_server_t *self = memory_new (1, sizeof *self);
    const char *ca_file = settings->client_ca_file;
    self->files[CERTIFICATE] = text_copy (settings->certificate_file);
    self->files[KEY] = text_copy (settings->key_file);
    self->files[CLIENT_CA] = text_copy (ca_file && ca_file[0] ? ca_file : NULL);
    self->min_version = version_of (settings->min_version);
    self->ciphers = cipher_list (settings->cipher_suites);
    return self;
}

static void
forget_context (tls_server_t *self)
{
    if (self->context)
        SSL_CTX_free (self->context);
    if (self->store)
        X509_STORE_free (self->store);
    self->context = NULL;
    self->store = NULL;
}

void
tls_server_destroy (tls_server_t **self_p)
{
    tls_server_t *self = *self_p;
    if (!self)
        return;
    forget_context (self);
    for (int i = 0; i < FILE_COUNT; i++)
        free (self->files[i]);
    free (self->ciphers);
    free (self);
    *self_p = NULL;
}

// ---- the files ----

/* Whoever they are: they are looked at with each request, where the answer is a status. */
static int
accept_any_certificate (int is_good, X509_STORE_CTX *context)
{
    (void) is_good, (void) context;
    return 1;
}

static int
set_certificate (const tls_server_t *self, SSL_CTX *context, fault_t *fault)
{
    const char *certificate = self->files[CERTIFICATE], *key = self->files[KEY];
    if (SSL_CTX_use_certificate_chain_file (context, certificate) != 1)
        return tls_fault (fault, FAULT_UNAVAILABLE, "certificate %s", certificate);
    if (SSL_CTX_use_PrivateKey_file (context, key, SSL_FILETYPE_PEM) != 1)
        return tls_fault (fault, FAULT_UNAVAILABLE, "key %s", key);
    if (SSL_CTX_check_private_key (context) != 1)
        return tls_fault (fault, FAULT_UNAVAILABLE, "%s is not the key of %s", key, certificate);
    return 0;
}

static int
set_client_ca (const tls_server_t *self, SSL_CTX *context, X509_STORE *store, fault_t *fault)
{
    const char *file = self->files[CLIENT_CA];
    STACK_OF (X509_NAME) *names = SSL_load_client_CA_file (file);
    if (!names || !store || X509_STORE_load_file (store, file) != 1)
        return tls_fault (fault, FAULT_UNAVAILABLE, "client CA %s", file);
    SSL_CTX_set_client_CA_list (context, names);
    SSL_CTX_set_verify (context, SSL_VERIFY_PEER, accept_any_certificate);
    return 0;
}

static int
set_protocol (const tls_server_t *self, SSL_CTX *context, fault_t *fault)
{
    // no resumption: it would need state for every client, and clients of a kubelet do without
    SSL_CTX_set_options (context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET
                                      | SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_num_tickets (context, 0);
    SSL_CTX_set_session_cache_mode (context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode (context, SSL_MODE_RELEASE_BUFFERS);
    if (SSL_CTX_set_min_proto_version (context, self->min_version) != 1)
        return tls_fault (fault, FAULT_INVALID, "tlsMinVersion");
    if (self->ciphers && SSL_CTX_set_cipher_list (context, self->ciphers) != 1)
        return tls_fault (fault, FAULT_INVALID, "tlsCipherSuites %s", self->ciphers);
    return 0;
}

static int
read_files (tls_server_t *self, fault_t *fault)
{
    SSL_CTX *context = SSL_CTX_new (TLS_server_method());
    X509_STORE *store = self->files[CLIENT_CA] ? X509_STORE_new() : NULL;
    if (context && set_protocol (self, context, fault) == 0
        && set_certificate (self, context, fault) == 0
        && (!self->files[CLIENT_CA] || set_client_ca (self, context, store, fault) == 0)) {
        forget_context (self);
        self->context = context;
        self->store = store;
        return 0;
    }
    SSL_CTX_free (context);
    X509_STORE_free (store);
    return -1;
}

/* True when a file is another one than last time; notes which they are. */
static bool
have_files_changed (tls_server_t *self)
{
    bool have_changed = !self->is_read;
    for (int i = 0; i < FILE_COUNT; i++) {
        struct stat found = { 0 };
        if (self->files[i] && stat (self->files[i], &found) < 0)
            found = (struct stat){ 0 };
        file_mark_t mark = { 0 };
        mark.inode = found.st_ino;
        mark.size = found.st_size;
        mark.changed = found.st_mtim;
        have_changed = have_changed || memcmp (&mark, &self->marks[i], sizeof mark) != 0;
        self->marks[i] = mark;
    }
    self->is_read = true;
    return have_changed;
}

static int
refresh (tls_server_t *self, fault_t *fault)
{
    if (tls_library_load (fault) < 0)
        return -1;
    if (!have_files_changed (self))
        return self->context ? 0 : fault_set (fault, FAULT_UNAVAILABLE, "no usable certificate");
    fault_t reason = { 0 };
    if (read_files (self, &reason) == 0) {
        LOG_INFO ("Certificate read file=%s", self->files[CERTIFICATE]);
        return 0;
    }
    LOG_ERROR ("Certificate cannot be used, %s err=%s",
               self->context ? "the last one stays" : "no TLS connection is served", reason.text);
    return self->context ? 0 : fault_set (fault, FAULT_UNAVAILABLE, "no usable certificate");
}

// ---- connections ----

struct bufferevent *
tls_server_accept (tls_server_t *self, struct event_base *base, fault_t *fault)
{
    if (refresh (self, fault) < 0)
        return NULL;
    SSL *ssl = SSL_new (self->context);
    if (!ssl) {
        tls_fault (fault, FAULT_UNAVAILABLE, "cannot make a TLS connection");
        return NULL;
    }
    struct bufferevent *connection = bufferevent_openssl_socket_new (
        base, -1, ssl, BUFFEREVENT_SSL_ACCEPTING, BEV_OPT_CLOSE_ON_FREE);
    if (!connection) {
        SSL_free (ssl);
        fault_set (fault, FAULT_UNAVAILABLE, "cannot make a TLS connection");
        return NULL;
    }
    bufferevent_openssl_set_allow_dirty_shutdown (connection, 1); // many clients just close
    return connection;
}

static SSL *
ssl_of (struct bufferevent *connection)
{
    return tls_library_is_loaded() ? bufferevent_openssl_get_ssl (connection) : NULL;
}

bool
tls_is_secure (struct bufferevent *connection)
{
    return ssl_of (connection) != NULL;
}

void
tls_end_sending (struct bufferevent *connection)
{
    SSL *ssl = ssl_of (connection);
    if (!ssl)
        return;
    SSL_shutdown (ssl);
    ERR_clear_error();
}

// ---- who it is ----

static void
free_certificate (X509 **certificate_p)
{
    X509_free (*certificate_p);
}

static int
verify (const tls_server_t *self, SSL *ssl, X509 *certificate, fault_t *fault)
{
    X509_STORE_CTX *context = X509_STORE_CTX_new();
    bool is_good =
        context
        && X509_STORE_CTX_init (context, self->store, certificate, SSL_get_peer_cert_chain (ssl))
               == 1
        && X509_STORE_CTX_set_default (context, "ssl_client") == 1
        && X509_verify_cert (context) == 1;
    int rc = 0;
    if (!is_good)
        rc = fault_set (fault, FAULT_UNAUTHENTICATED, "client certificate: %s",
                        context ? X509_verify_cert_error_string (X509_STORE_CTX_get_error (context))
                                : "cannot be verified");
    X509_STORE_CTX_free (context);
    ERR_clear_error();
    return rc;
}

/* The text of entry `index` of the name. Owned; NULL when it is none. */
static char *
entry_text (const X509_NAME *name, int index)
{
    unsigned char *bytes = NULL;
    int size =
        ASN1_STRING_to_UTF8 (&bytes, X509_NAME_ENTRY_get_data (X509_NAME_get_entry (name, index)));
    char *text =
        size > 0 && strlen ((char *) bytes) == (size_t) size ? text_copy ((char *) bytes) : NULL;
    OPENSSL_free (bytes);
    return text;
}

/* "X509SHA256=...", which upstream tells the authorizer as the credential's id. */
static char *
credential_id (const X509 *certificate)
{
    unsigned char digest[32];
    unsigned int size = 0;
    char *text = text_copy ("X509SHA256=");
    if (X509_digest (certificate, EVP_sha256(), digest, &size) == 1)
        for (unsigned int i = 0; i < size; i++)
            text_replace (&text, "%s%02x", text, digest[i]);
    return text;
}

static tree_t *
user_of (const X509 *certificate, fault_t *fault)
{
    const X509_NAME *subject = X509_get_subject_name (certificate);
    int last = -1;
    for (int at = -1; (at = X509_NAME_get_index_by_NID (subject, NID_commonName, at)) >= 0;)
        last = at; // as Go, which takes the last one
    OWNED (free_text) char *name = last >= 0 ? entry_text (subject, last) : NULL;
    if (!name) {
        fault_set (fault, FAULT_UNAUTHENTICATED, "client certificate: it has no common name");
        return NULL;
    }
    OWNED (tree_destroy) tree_t *scratch = tree_new();
    node_t groups = node_array();
    for (int at = -1; (at = X509_NAME_get_index_by_NID (subject, NID_organizationName, at)) >= 0;) {
        OWNED (free_text) char *group = entry_text (subject, at);
        if (group)
            node_append (scratch, &groups, node_text (scratch, group));
    }
    OWNED (free_text) char *id = credential_id (certificate);
    return user_new (name, &groups, id);
}

/* How long the certificate is good, for /metrics. */
static void
count_certificate (const X509 *certificate)
{
    int days = 0, seconds = 0;
    if (ASN1_TIME_diff (&days, &seconds, NULL, X509_get0_notAfter (certificate)))
        metric_observe (METRIC_CLIENT_CERTIFICATE_EXPIRATION_SECONDS,
                        (double) days * 86400 + seconds, NO_LABELS);
}

tree_t *
tls_server_user (tls_server_t *self, struct bufferevent *connection, fault_t *fault)
{
    SSL *ssl = ssl_of (connection);
    if (!ssl || !self->store)
        return NULL;
    OWNED (free_certificate) X509 *certificate = SSL_get1_peer_certificate (ssl);
    if (!certificate || verify (self, ssl, certificate, fault) < 0)
        return NULL;
    count_certificate (certificate);
    return user_of (certificate, fault);
}
