/* log.h - log lines in klog's format on standard error, one write each:
     I1123 16:49:18.557384    4711 pod_manager.c:120] Pod added pod=default/nginx
   A line is a short text plus key=value pairs, the pod as pod=NAMESPACE/NAME; no secrets, no
   environment values. Control characters in it are escaped, so that outside text cannot forge
   lines. Under journald (JOURNAL_STREAM set) each line starts with its sd-daemon priority. */
#pragma once
#include <stdbool.h>
#include <syslog.h> // czmq.h brings it in too; included here, its LOG_* can make way for ours

typedef enum { LOG_LEVEL_INFO, LOG_LEVEL_WARNING, LOG_LEVEL_ERROR, LOG_LEVEL_FATAL } log_level_t;

typedef enum { LOG_FORMAT_TEXT, LOG_FORMAT_JSON } log_format_t;

/* Sets what LOG_V shows: 0 (default) to 10, as --v. Any thread. */
void log_set_verbosity (int verbosity);

/* How much LOG_V shows in source files whose name without ".c" matches `pattern` (fnmatch), where
   that is more than the verbosity: klog's --vmodule. Copied; the first pattern that matches counts.
   Before there are threads. */
void log_add_module (const char *pattern, int verbosity);

/* Forgets all patterns. While there is only one thread. */
void log_clear_modules (void);

/* True when LOG_V (verbosity, ...) in this source file shows its line. */
bool log_is_verbose (const char *file, int verbosity);

/* How lines look (`logging.format`); text by default. Before there are threads. With
   LOG_FORMAT_JSON each line is an object as log_json.h makes it, without a priority. */
void log_set_format (log_format_t format);

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
        if (log_is_verbose (__FILE__, verbosity))                                                  \
            log_write (LOG_LEVEL_INFO, __FILE__, __LINE__, __VA_ARGS__);                           \
    } while (0)
