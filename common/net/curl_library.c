#define CURL_LIBRARY_ITSELF
#include "curl_library.h"
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>

#define LIBRARY "libcurl.so.4"

curl_library_t curl_library;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static char failure[512]; // why it cannot be used; "" when it can

/* Puts one function's address into its slot of the table. */
static void
find_function (void *library, const char *name, void *slot)
{
    void *address = dlsym (library, name);
    if (!address && !failure[0])
        snprintf (failure, sizeof failure, "%s has no %s", LIBRARY, name);
    *(void **) slot = address;
}

static void
load (void)
{
    void *library = dlopen (LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        const char *reason = dlerror();
        snprintf (failure, sizeof failure, "%s", reason ? reason : "cannot load " LIBRARY);
        return;
    }
#define CURL_FIND(name) find_function (library, #name, &curl_library.name##_);
    CURL_FUNCTIONS (CURL_FIND)
#undef CURL_FIND
    if (!failure[0] && curl_library.curl_global_init_ (CURL_GLOBAL_DEFAULT) != CURLE_OK)
        snprintf (failure, sizeof failure, "%s cannot be initialised", LIBRARY);
}

int
curl_library_load (fault_t *fault)
{
    pthread_once (&once, load);
    if (failure[0])
        return fault_set (fault, FAULT_UNAVAILABLE, "%s (Debian package libcurl4)", failure);
    return 0;
}
