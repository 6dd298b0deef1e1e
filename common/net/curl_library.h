/* curl_library.h - libcurl, loaded when the first request is made. Include it instead of
   curl/curl.h: the functions below keep their names.

   Linking it brings in OpenSSL, GnuTLS, Kerberos, LDAP and two dozen more: 6 MiB of resident
   memory (docs/performance.md), which a node whose pods have no HTTP probes need not pay. */
#pragma once
#define CURL_DISABLE_TYPECHECK // its macros call the functions by their linked names
#include "cubelet/fault.h"
#include <curl/curl.h>
#include <stdbool.h>

// clang-format off
#define CURL_FUNCTIONS(F) \
F (curl_easy_cleanup) F (curl_easy_getinfo) F (curl_easy_header) F (curl_easy_init) \
F (curl_easy_setopt) F (curl_easy_strerror) F (curl_free) F (curl_global_init) \
F (curl_multi_add_handle) F (curl_multi_cleanup) F (curl_multi_info_read) F (curl_multi_init) \
F (curl_multi_remove_handle) F (curl_multi_setopt) F (curl_multi_socket_action) \
F (curl_slist_append) F (curl_slist_free_all) F (curl_url) F (curl_url_cleanup) \
F (curl_url_get) F (curl_url_set)
// clang-format on

#define CURL_POINTER(name) __typeof__ (&(name)) name##_;
typedef struct {
    CURL_FUNCTIONS (CURL_POINTER)
} curl_library_t;
#undef CURL_POINTER

/* Filled by curl_library_load. */
extern curl_library_t curl_library;

/* Loads and initialises libcurl, once for the process; any thread. Returns 0, or -1 with
   FAULT_UNAVAILABLE and the dynamic linker's reason; nothing else here may be called then. */
int curl_library_load (fault_t *fault);

#ifndef CURL_LIBRARY_ITSELF
#undef curl_easy_getinfo
#undef curl_easy_setopt
#undef curl_multi_setopt
#define curl_easy_cleanup curl_library.curl_easy_cleanup_
#define curl_easy_getinfo curl_library.curl_easy_getinfo_
#define curl_easy_header curl_library.curl_easy_header_
#define curl_easy_init curl_library.curl_easy_init_
#define curl_easy_setopt curl_library.curl_easy_setopt_
#define curl_easy_strerror curl_library.curl_easy_strerror_
#define curl_free curl_library.curl_free_
#define curl_multi_add_handle curl_library.curl_multi_add_handle_
#define curl_multi_cleanup curl_library.curl_multi_cleanup_
#define curl_multi_info_read curl_library.curl_multi_info_read_
#define curl_multi_init curl_library.curl_multi_init_
#define curl_multi_remove_handle curl_library.curl_multi_remove_handle_
#define curl_multi_setopt curl_library.curl_multi_setopt_
#define curl_multi_socket_action curl_library.curl_multi_socket_action_
#define curl_slist_append curl_library.curl_slist_append_
#define curl_slist_free_all curl_library.curl_slist_free_all_
#define curl_url curl_library.curl_url_
#define curl_url_cleanup curl_library.curl_url_cleanup_
#define curl_url_get curl_library.curl_url_get_
#define curl_url_set curl_library.curl_url_set_
#endif
