#include "cubelet/sanitizer.h"

#if defined(__SANITIZE_THREAD__)
char sanitizer_token;

/* Read by the sanitizer's runtime at the start of every program that has it. */
const char *__tsan_default_suppressions (void);

const char *
__tsan_default_suppressions (void)
{
    return "called_from_lib:libzmq.so\ncalled_from_lib:libczmq.so\nrace:libzmq.so\n"
           "race:libczmq.so\n"
           "mutex:libzmq.so\nmutex:libczmq.so\nmutex:prepare_czmq\n";
}
#else
typedef int sanitizer_is_off_t; // an empty file is not ISO C
#endif
