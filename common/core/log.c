#include "cubelet/log.h"
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* The letter klog starts a line with, and sd-daemon's priority for journald. */
static const struct {
    char letter;
    int priority;
} LEVELS[] = { { 'I', 6 }, { 'W', 4 }, { 'E', 3 }, { 'F', 2 } };

static atomic_int shown_verbosity;

void
log_set_verbosity (int verbosity)
{
    atomic_store (&shown_verbosity, verbosity);
}

bool
log_is_verbose (int verbosity)
{
    return verbosity <= atomic_load_explicit (&shown_verbosity, memory_order_relaxed);
}

/* Writes `text` with control characters as \n or \xNN; returns the number of bytes. */
static size_t
escape (const char *text, char *out, size_t room)
{
    size_t used = 0;
    for (const unsigned char *c = (const unsigned char *) text; *c && used + 5 < room; c++) {
        if (*c >= 0x20 && *c != 0x7f)
            out[used++] = (char) *c;
        else if (*c == '\n' || *c == '\t')
            used += (size_t) snprintf (out + used, room - used, "\\%c", *c == '\n' ? 'n' : 't');
        else
            used += (size_t) snprintf (out + used, room - used, "\\x%02x", *c);
    }
    return used;
}

void
log_write (log_level_t level, const char *file, int line, const char *format, ...)
{
    char text[3072];
    va_list args;
    va_start (args, format);
    vsnprintf (text, sizeof text, format, args);
    va_end (args);

    struct timespec now;
    clock_gettime (CLOCK_REALTIME, &now);
    struct tm local;
    localtime_r (&now.tv_sec, &local);
    const char *name = strrchr (file, '/');
    char out[4096];
    int head = 0;
    if (getenv ("JOURNAL_STREAM"))
        head = snprintf (out, sizeof out, "<%d>", LEVELS[level].priority);
    head += snprintf (out + head, sizeof out - (size_t) head,
                      "%c%02d%02d %02d:%02d:%02d.%06ld %7d %s:%d] ", LEVELS[level].letter,
                      local.tm_mon + 1, local.tm_mday, local.tm_hour, local.tm_min, local.tm_sec,
                      now.tv_nsec / 1000, (int) getpid(), name ? name + 1 : file, line);
    size_t used = (size_t) head;
    used += escape (text, out + used, sizeof out - used - 1);
    out[used++] = '\n';
    // One write keeps lines of several threads whole. Nowhere is left to report its failure to.
    ssize_t written = write (STDERR_FILENO, out, used);
    (void) written;
}
