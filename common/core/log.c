#include "cubelet/log.h"
#include "cubelet/log_json.h"
#include "cubelet/memory.h"
#include <fnmatch.h>
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
static log_format_t line_format;

/* Patterns of --vmodule; they do not change while there are threads. */
static struct {
    char *pattern;
    int verbosity;
} * modules;
static size_t module_count;

void
log_set_verbosity (int verbosity)
{
    atomic_store (&shown_verbosity, verbosity);
}

void
log_add_module (const char *pattern, int verbosity)
{
    modules = memory_grow (modules, module_count + 1, sizeof *modules);
    modules[module_count].pattern = text_copy (pattern);
    modules[module_count++].verbosity = verbosity;
}

void
log_clear_modules (void)
{
    for (size_t i = 0; i < module_count; i++)
        free (modules[i].pattern);
    free (modules);
    modules = NULL;
    module_count = 0;
}

static const char *
base_name (const char *path)
{
    const char *slash = strrchr (path, '/');
    return slash ? slash + 1 : path;
}

static bool
is_verbose_module (const char *file, int verbosity)
{
    char name[64];
    snprintf (name, sizeof name, "%s", base_name (file));
    char *dot = strrchr (name, '.');
    if (dot)
        *dot = '\0';
    for (size_t i = 0; i < module_count; i++)
        if (fnmatch (modules[i].pattern, name, 0) == 0)
            return verbosity <= modules[i].verbosity;
    return false;
}

bool
log_is_verbose (const char *file, int verbosity)
{
    return verbosity <= atomic_load_explicit (&shown_verbosity, memory_order_relaxed)
           || (module_count && is_verbose_module (file, verbosity));
}

void
log_set_format (log_format_t format)
{
    line_format = format;
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

/* klog's head and the text; returns the number of bytes, without the line's end. */
static size_t
write_text (const log_line_t *line, const char *text, char *out, size_t room)
{
    struct tm local;
    time_t seconds = (time_t) (line->at_ns / 1000000000);
    localtime_r (&seconds, &local);
    int head = 0;
    if (getenv ("JOURNAL_STREAM"))
        head = snprintf (out, room, "<%d>", LEVELS[line->level].priority);
    head +=
        snprintf (out + head, room - (size_t) head, "%c%02d%02d %02d:%02d:%02d.%06d %7d %s:%d] ",
                  LEVELS[line->level].letter, local.tm_mon + 1, local.tm_mday, local.tm_hour,
                  local.tm_min, local.tm_sec, (int) (line->at_ns % 1000000000 / 1000),
                  (int) getpid(), line->file, line->line);
    return (size_t) head + escape (text, out + head, room - (size_t) head);
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
    log_line_t at = { .level = level,
                      .at_ns = now.tv_sec * 1000000000LL + now.tv_nsec,
                      .file = base_name (file),
                      .line = line };
    char out[4096];
    size_t used = line_format == LOG_FORMAT_JSON ? log_json (&at, text, out, sizeof out - 1)
                                                 : write_text (&at, text, out, sizeof out - 1);
    out[used++] = '\n';
    // One write keeps lines of several threads whole. Nowhere is left to report its failure to.
    ssize_t written = write (STDERR_FILENO, out, used);
    (void) written;
}
