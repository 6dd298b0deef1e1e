/* log.h - log lines in klog's format on standard error, one write each:
     I1123 16:49:18.557384    4711 pod_manager.c:120] Pod added pod=default/nginx
   A line is a short text plus key=value pairs, the pod as pod=NAMESPACE/NAME; no secrets, no
   environment values. Control characters in it are escaped, so that outside text cannot forge
   lines. Under journald (JOURNAL_STREAM set) each line starts with its sd-daemon priority. */
#pragma once
#include <stdbool.h>
#include <syslog.h> // czmq.h brings it in too; included here, its LOG_* can make way for ours

typedef enum { LOG_LEVEL_INFO, LOG_LEVEL_WARNING, LOG_LEVEL_ERROR, LOG_LEVEL_FATAL } log_level_t;

/* Sets what LOG_V shows: 0 (default) to 10, as --v. Any thread. */
void log_set_verbosity (int verbosity);
bool log_is_verbose (int verbosity);

#undef LOG_INFO
#undef LOG_WARNING

/* Use the macros. */
void log_write (log_level_t level, const char *file, int line, const char *format, ...)
    __attribute__ ((format (printf, 4, 5)));

#define LOG_INFO(...) log_write (LOG_LEVEL_INFO, __FILE__, __LINE__, __VA_ARGS__)
#define LOG_WARNING(...) log_write (LOG_LEVEL_WARNING, __FILE__, __LINE__, __VA_ARGS__)
#define LOG_ERROR(...) log_write (LOG_LEVEL_ERROR, __FILE__, __LINE__, __VA_ARGS__)

/* Details for who asked with --v=N. */
#define LOG_V(verbosity, ...)                                                                      \
    do {                                                                                           \
        if (log_is_verbose (verbosity))                                                            \
            log_write (LOG_LEVEL_INFO, __FILE__, __LINE__, __VA_ARGS__);                           \
    } while (0)
