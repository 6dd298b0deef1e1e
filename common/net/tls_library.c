#define TLS_LIBRARY_ITSELF
#include "cubelet/tls_library.h"
#include <dlfcn.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>

#define CRYPTO_LIBRARY "libcrypto.so.3"
#define SSL_LIBRARY "libssl.so.3"
#define EVENT_LIBRARY "libevent_openssl-2.1.so.7"

tls_library_t tls_library;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static char failure[512]; // why it cannot be used; "" when it can
static atomic_bool is_loaded;

static void *
open_library (const char *name)
{
    void *library = dlopen (name, RTLD_NOW | RTLD_LOCAL);
    const char *reason = library ? NULL : dlerror();
    if (!library && !failure[0])
        snprintf (failure, sizeof failure, "%s", reason ? reason : name);
    return library;
}

/* Puts one function's address into its slot of the table. */
static void
find_function (void *library, const char *name, void *slot)
{
    void *address = library ? dlsym (library, name) : NULL;
    if (!address && !failure[0])
        snprintf (failure, sizeof failure, "no library has %s", name);
    *(void **) slot = address;
}

static void
load (void)
{
    void *crypto = open_library (CRYPTO_LIBRARY);
    void *ssl = open_library (SSL_LIBRARY);
    void *event = open_library (EVENT_LIBRARY);
#define TLS_FIND_CRYPTO(name) find_function (crypto, #name, &tls_library.name##_);
#define TLS_FIND_SSL(name) find_function (ssl, #name, &tls_library.name##_);
#define TLS_FIND_EVENT(name) find_function (event, #name, &tls_library.name##_);
    TLS_FUNCTIONS_CRYPTO (TLS_FIND_CRYPTO)
    TLS_FUNCTIONS_SSL (TLS_FIND_SSL)
    TLS_FUNCTIONS_EVENT (TLS_FIND_EVENT)
    // the system's openssl.cnf is for programs that have no settings of their own; the texts of
    // errors are loaded when one is printed
    if (!failure[0] && tls_library.OPENSSL_init_ssl_ (OPENSSL_INIT_NO_LOAD_CONFIG, NULL) != 1)
        snprintf (failure, sizeof failure, "%s cannot be initialised", SSL_LIBRARY);
    is_loaded = !failure[0];
}

int
tls_library_load (fault_t *fault)
{
    pthread_once (&once, load);
    if (failure[0])
        return fault_set (fault, FAULT_UNAVAILABLE,
                          "%s (Debian packages libssl3 and libevent-openssl-2.1-7)", failure);
    return 0;
}

bool
tls_library_is_loaded (void)
{
    return is_loaded;
}

int
tls_fault (fault_t *fault, fault_code_t code, const char *format, ...)
{
    char what[1024], reason[256];
    va_list arguments;
    va_start (arguments, format);
    vsnprintf (what, sizeof what, format, arguments);
    va_end (arguments);
    unsigned long error = tls_library.ERR_peek_last_error_();
    tls_library.ERR_error_string_n_ (error, reason, sizeof reason);
    tls_library.ERR_clear_error_();
    return fault_set (fault, code, "%s%s%s", what, error ? ": " : "", error ? reason : "");
}
