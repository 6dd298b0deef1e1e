#include "termination_message.h"
#include "cubelet/memory.h"
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define FILE_LIMIT 4096
#define POD_LIMIT 12288
#define LOG_LIMIT 2048
#define LOG_LINES 80
// Enough of a log's end that the lines' heads do not eat the limit.
#define LOG_READ (64 * 1024)

/* The last `limit` bytes of a regular file; NULL when there are none or it cannot be read. */
static char *
read_end (const char *path, size_t limit, size_t *size_p)
{
    // A container may have put anything there: never follow links, never wait for a pipe.
    OWNED (close_fd) int fd = open (path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    struct stat info;
    if (fd < 0 || fstat (fd, &info) < 0 || !S_ISREG (info.st_mode) || info.st_size == 0)
        return NULL;
    off_t from = info.st_size > (off_t) limit ? info.st_size - (off_t) limit : 0;
    char *bytes = memory_new (limit + 1, 1);
    ssize_t size = pread (fd, bytes, limit, from);
    if (size <= 0) {
        free (bytes);
        return NULL;
    }
    *size_p = (size_t) size;
    return bytes;
}

/* The content of a line of a CRI log: behind "TIME STREAM TAG ". */
static const char *
content_of (const char *line)
{
    for (int spaces = 0; spaces < 3; spaces++) {
        line = strchr (line, ' ');
        if (!line)
            return NULL;
        line++;
    }
    return line;
}

/* True for a piece of a line, which ends without a newline: the runtime tags it "P". */
static bool
is_partial (const char *content)
{
    return content[-2] == 'P' && content[-3] == ' ';
}

/* The contents of the last lines, joined, at most LOG_LIMIT bytes of their end. */
static char *
log_tail (char *log)
{
    const char *lines[LOG_LINES] = { 0 };
    size_t count = 0;
    char *rest = log;
    for (char *line; (line = strsep (&rest, "\n"));) {
        const char *content = content_of (line);
        if (content)
            lines[count++ % LOG_LINES] = content;
    }
    OWNED (free_text) char *text = text_copy ("");
    for (size_t i = count > LOG_LINES ? count - LOG_LINES : 0; i < count; i++) {
        const char *line = lines[i % LOG_LINES];
        text_replace (&text, "%s%s%s", text, line, is_partial (line) ? "" : "\n");
    }
    size_t length = strlen (text);
    return text_copy (length > LOG_LIMIT ? text + length - LOG_LIMIT : text);
}

char *
termination_message_read (const container_seen_t *container, size_t containers_of_pod)
{
    size_t size = 0;
    size_t share = POD_LIMIT / (containers_of_pod ? containers_of_pod : 1);
    if (container->termination_message_host_path[0]) {
        char *text = read_end (container->termination_message_host_path,
                               share < FILE_LIMIT ? share : FILE_LIMIT, &size);
        if (text)
            return text;
    }
    if (strcmp (container->termination_message_policy, "FallbackToLogsOnError") != 0
        || container->exit_code == 0)
        return NULL;
    OWNED (free_text) char *log = read_end (container->log_path, LOG_READ, &size);
    return log ? log_tail (log) : NULL;
}
