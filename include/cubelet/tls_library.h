/* tls_library.h - OpenSSL and libevent's bufferevents over it, loaded when first needed. Include it
   instead of openssl/ssl.h, openssl/x509v3.h and event2/bufferevent_ssl.h: the functions listed
   here keep their names; add those that you need.

   Linking them costs memory at once (docs/performance.md) that a node without TLS connections
   need not pay. Only libraries of the same names as at build time are taken. */
#pragma once
#include "cubelet/fault.h"
#include <event2/bufferevent_ssl.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdbool.h>

// clang-format off
#define TLS_FUNCTIONS_CRYPTO(F) \
F (ASN1_INTEGER_set_uint64) F (ASN1_STRING_to_UTF8) F (ASN1_TIME_diff) F (ASN1_TIME_set) F (BIO_ctrl) F (BIO_free) F (BIO_new) \
F (BIO_new_mem_buf) F (BIO_s_mem) F (CRYPTO_free) F (ERR_clear_error) F (ERR_error_string_n) \
F (ERR_peek_last_error) F (EVP_PKEY_Q_keygen) F (EVP_PKEY_free) F (EVP_sha256) \
F (PEM_write_bio_PrivateKey) F (PEM_write_bio_X509) F (X509V3_EXT_conf_nid) F (X509V3_set_ctx) \
F (X509_EXTENSION_free) F (X509_NAME_ENTRY_get_data) F (X509_NAME_add_entry_by_txt) \
F (X509_NAME_free) F (X509_NAME_get_entry) F (X509_NAME_get_index_by_NID) F (X509_NAME_new) \
F (X509_STORE_CTX_free) F (X509_STORE_CTX_get_error) F (X509_STORE_CTX_init) \
F (X509_STORE_CTX_new) F (X509_STORE_CTX_set_default) F (X509_STORE_free) \
F (X509_STORE_load_file) F (X509_STORE_new) F (X509_add_ext) F (X509_digest) F (X509_free) \
F (X509_get0_notAfter) F (X509_get_serialNumber) F (X509_get_subject_name) F (X509_getm_notAfter) \
F (X509_getm_notBefore) F (X509_new) F (X509_set_issuer_name) \
F (X509_set_pubkey) F (X509_set_subject_name) F (X509_set_version) F (X509_sign) \
F (X509_verify_cert) F (X509_verify_cert_error_string) \
F (ASN1_TIME_to_tm) F (BIO_write) F (EVP_Digest) F (EVP_sha512_256) F (OPENSSL_sk_free) \
F (OPENSSL_sk_num) F (PEM_read_bio_PrivateKey) F (PEM_read_bio_X509) F (PEM_write_bio_PUBKEY) \
F (PEM_write_bio_X509_REQ) F (X509_REQ_add_extensions) F (X509_REQ_free) F (X509_REQ_new) \
F (X509_REQ_set_pubkey) F (X509_REQ_set_subject_name) F (X509_REQ_sign) F (X509_check_host) \
F (X509_check_ip_asc) F (X509_check_private_key) F (X509v3_add_ext) F (X509v3_delete_ext) \
F (EVP_CIPHER_CTX_ctrl) F (EVP_CIPHER_CTX_free) F (EVP_CIPHER_CTX_new) F (EVP_CipherFinal_ex) \
F (EVP_CipherInit_ex) F (EVP_CipherUpdate) F (EVP_aes_256_gcm)

#define TLS_FUNCTIONS_SSL(F) \
F (OPENSSL_init_ssl) F (SSL_CTX_check_private_key) F (SSL_CTX_ctrl) F (SSL_CTX_free) \
F (SSL_CTX_new) F (SSL_CTX_set_cipher_list) F (SSL_CTX_set_client_CA_list) \
F (SSL_CTX_set_num_tickets) F (SSL_CTX_set_options) F (SSL_CTX_set_verify) \
F (SSL_CTX_use_PrivateKey_file) F (SSL_CTX_use_certificate_chain_file) F (SSL_free) \
F (SSL_get1_peer_certificate) F (SSL_get_peer_cert_chain) F (SSL_load_client_CA_file) F (SSL_new) \
F (SSL_shutdown) F (TLS_server_method)

#define TLS_FUNCTIONS_EVENT(F) \
F (bufferevent_openssl_get_ssl) F (bufferevent_openssl_set_allow_dirty_shutdown) \
F (bufferevent_openssl_socket_new)
// clang-format on

#define TLS_POINTER(name) __typeof__ (&(name)) name##_;
typedef struct {
    TLS_FUNCTIONS_CRYPTO (TLS_POINTER)
    TLS_FUNCTIONS_SSL (TLS_POINTER)
    TLS_FUNCTIONS_EVENT (TLS_POINTER)
} tls_library_t;
#undef TLS_POINTER

/* Filled by tls_library_load. */
extern tls_library_t tls_library;

/* Loads and initialises the libraries, once for the process; any thread. Returns 0, or -1 with
   FAULT_UNAVAILABLE and the dynamic linker's reason; nothing else here may be called then. */
int tls_library_load (fault_t *fault);

/* True when that has succeeded: what is not loaded has made no connection. */
bool tls_library_is_loaded (void);

/* Records the last error of OpenSSL in this thread, behind "WHAT: ", and forgets it. Returns -1. */
int tls_fault (fault_t *fault, fault_code_t code, const char *format, ...)
    __attribute__ ((format (printf, 3, 4)));

#ifndef TLS_LIBRARY_ITSELF
#define ASN1_INTEGER_set_uint64 tls_library.ASN1_INTEGER_set_uint64_
#define ASN1_STRING_to_UTF8 tls_library.ASN1_STRING_to_UTF8_
#define ASN1_TIME_diff tls_library.ASN1_TIME_diff_
#define ASN1_TIME_set tls_library.ASN1_TIME_set_
#define BIO_ctrl tls_library.BIO_ctrl_
#define BIO_free tls_library.BIO_free_
#define BIO_new tls_library.BIO_new_
#define BIO_new_mem_buf tls_library.BIO_new_mem_buf_
#define BIO_s_mem tls_library.BIO_s_mem_
#define CRYPTO_free tls_library.CRYPTO_free_
#define ERR_clear_error tls_library.ERR_clear_error_
#define ERR_error_string_n tls_library.ERR_error_string_n_
#define ERR_peek_last_error tls_library.ERR_peek_last_error_
#define EVP_PKEY_Q_keygen tls_library.EVP_PKEY_Q_keygen_
#define EVP_PKEY_free tls_library.EVP_PKEY_free_
#define EVP_sha256 tls_library.EVP_sha256_
#define PEM_write_bio_PrivateKey tls_library.PEM_write_bio_PrivateKey_
#define PEM_write_bio_X509 tls_library.PEM_write_bio_X509_
#define X509V3_EXT_conf_nid tls_library.X509V3_EXT_conf_nid_
#define X509V3_set_ctx tls_library.X509V3_set_ctx_
#define X509_EXTENSION_free tls_library.X509_EXTENSION_free_
#define X509_NAME_ENTRY_get_data tls_library.X509_NAME_ENTRY_get_data_
#define X509_NAME_add_entry_by_txt tls_library.X509_NAME_add_entry_by_txt_
#define X509_NAME_free tls_library.X509_NAME_free_
#define X509_NAME_get_entry tls_library.X509_NAME_get_entry_
#define X509_NAME_get_index_by_NID tls_library.X509_NAME_get_index_by_NID_
#define X509_NAME_new tls_library.X509_NAME_new_
#define X509_STORE_CTX_free tls_library.X509_STORE_CTX_free_
#define X509_STORE_CTX_get_error tls_library.X509_STORE_CTX_get_error_
#define X509_STORE_CTX_init tls_library.X509_STORE_CTX_init_
#define X509_STORE_CTX_new tls_library.X509_STORE_CTX_new_
#define X509_STORE_CTX_set_default tls_library.X509_STORE_CTX_set_default_
#define X509_STORE_free tls_library.X509_STORE_free_
#define X509_STORE_load_file tls_library.X509_STORE_load_file_
#define X509_STORE_new tls_library.X509_STORE_new_
#define X509_add_ext tls_library.X509_add_ext_
#define X509_digest tls_library.X509_digest_
#define X509_free tls_library.X509_free_
#define X509_get0_notAfter tls_library.X509_get0_notAfter_
#define X509_get_serialNumber tls_library.X509_get_serialNumber_
#define X509_get_subject_name tls_library.X509_get_subject_name_
#define X509_getm_notAfter tls_library.X509_getm_notAfter_
#define X509_getm_notBefore tls_library.X509_getm_notBefore_
#define X509_new tls_library.X509_new_
#define X509_set_issuer_name tls_library.X509_set_issuer_name_
#define X509_set_pubkey tls_library.X509_set_pubkey_
#define X509_set_subject_name tls_library.X509_set_subject_name_
#define X509_set_version tls_library.X509_set_version_
#define X509_sign tls_library.X509_sign_
#define X509_verify_cert tls_library.X509_verify_cert_
#define X509_verify_cert_error_string tls_library.X509_verify_cert_error_string_
#define ASN1_TIME_to_tm tls_library.ASN1_TIME_to_tm_
#define BIO_write tls_library.BIO_write_
#define EVP_Digest tls_library.EVP_Digest_
#define EVP_sha512_256 tls_library.EVP_sha512_256_
#define OPENSSL_sk_free tls_library.OPENSSL_sk_free_
#define OPENSSL_sk_num tls_library.OPENSSL_sk_num_
#define PEM_read_bio_PrivateKey tls_library.PEM_read_bio_PrivateKey_
#define PEM_read_bio_X509 tls_library.PEM_read_bio_X509_
#define PEM_write_bio_PUBKEY tls_library.PEM_write_bio_PUBKEY_
#define PEM_write_bio_X509_REQ tls_library.PEM_write_bio_X509_REQ_
#define X509_REQ_add_extensions tls_library.X509_REQ_add_extensions_
#define X509_REQ_free tls_library.X509_REQ_free_
#define X509_REQ_new tls_library.X509_REQ_new_
#define X509_REQ_set_pubkey tls_library.X509_REQ_set_pubkey_
#define X509_REQ_set_subject_name tls_library.X509_REQ_set_subject_name_
#define X509_REQ_sign tls_library.X509_REQ_sign_
#define X509_check_host tls_library.X509_check_host_
#define X509_check_ip_asc tls_library.X509_check_ip_asc_
#define X509_check_private_key tls_library.X509_check_private_key_
#define X509v3_add_ext tls_library.X509v3_add_ext_
#define X509v3_delete_ext tls_library.X509v3_delete_ext_
#define EVP_CIPHER_CTX_ctrl tls_library.EVP_CIPHER_CTX_ctrl_
#define EVP_CIPHER_CTX_free tls_library.EVP_CIPHER_CTX_free_
#define EVP_CIPHER_CTX_new tls_library.EVP_CIPHER_CTX_new_
#define EVP_CipherFinal_ex tls_library.EVP_CipherFinal_ex_
#define EVP_CipherInit_ex tls_library.EVP_CipherInit_ex_
#define EVP_CipherUpdate tls_library.EVP_CipherUpdate_
#define EVP_aes_256_gcm tls_library.EVP_aes_256_gcm_
#define SSL_CTX_check_private_key tls_library.SSL_CTX_check_private_key_
#define SSL_CTX_ctrl tls_library.SSL_CTX_ctrl_
#define SSL_CTX_free tls_library.SSL_CTX_free_
#define SSL_CTX_new tls_library.SSL_CTX_new_
#define SSL_CTX_set_cipher_list tls_library.SSL_CTX_set_cipher_list_
#define SSL_CTX_set_client_CA_list tls_library.SSL_CTX_set_client_CA_list_
#define SSL_CTX_set_num_tickets tls_library.SSL_CTX_set_num_tickets_
#define SSL_CTX_set_options tls_library.SSL_CTX_set_options_
#define SSL_CTX_set_verify tls_library.SSL_CTX_set_verify_
#define SSL_CTX_use_PrivateKey_file tls_library.SSL_CTX_use_PrivateKey_file_
#define SSL_CTX_use_certificate_chain_file tls_library.SSL_CTX_use_certificate_chain_file_
#define SSL_free tls_library.SSL_free_
#undef SSL_get1_peer_certificate
#define SSL_get1_peer_certificate tls_library.SSL_get1_peer_certificate_
#define SSL_get_peer_cert_chain tls_library.SSL_get_peer_cert_chain_
#define SSL_load_client_CA_file tls_library.SSL_load_client_CA_file_
#define SSL_new tls_library.SSL_new_
#define SSL_shutdown tls_library.SSL_shutdown_
#define TLS_server_method tls_library.TLS_server_method_
#define bufferevent_openssl_get_ssl tls_library.bufferevent_openssl_get_ssl_
#define bufferevent_openssl_set_allow_dirty_shutdown                                               \
    tls_library.bufferevent_openssl_set_allow_dirty_shutdown_
#define bufferevent_openssl_socket_new tls_library.bufferevent_openssl_socket_new_
#endif
