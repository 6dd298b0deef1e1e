/* /logs/: the files below /var/log, as Go's file server shows them. */
#include "cubelet/json.h"
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include "log_stream.h"
#include "target.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#define ENTRIES_MAX 10000

/* Where an open file really is: a symbolic link may lead out of the directory (one that a pod with
   a hostPath has put there), and is followed by nobody's leave. */
static bool
is_below (const char *directory, int fd)
{
    char link[64], path[PATH_MAX];
    OWNED (free_text) char *root = realpath (directory, NULL); // it may be a link itself
    snprintf (link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink (link, path, sizeof path - 1);
    if (size <= 0 || !root)
        return false;
    path[size] = '\0';
    size_t length = strlen (root);
    return strncmp (path, root, length) == 0 && (path[length] == '\0' || path[length] == '/');
}

/* The character in HTML. */
static const char *
entity_of (char c)
{
    switch (c) {
    case '&': return "&amp;";
    case '<': return "&lt;";
    case '>': return "&gt;";
    case '"': return "&#34;";
    case '\'': return "&#39;";
    default: return NULL;
    }
}

/* Appends a name for people. */
static void
write_name (FILE *out, const char *name)
{
    for (; *name; name++) {
        const char *entity = entity_of (*name);
        if (entity)
            fputs (entity, out);
        else
            fputc (*name, out);
    }
}

/* Appends a name as it stands in a URL. */
static void
write_link (FILE *out, const char *name)
{
    for (; *name; name++) {
        unsigned char c = (unsigned char) *name;
        bool is_plain = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z')
                        || strchr ("-_.~/$@:+,", c);
        fprintf (out, is_plain ? "%c" : "%%%02X", c);
    }
}

static int
compare_names (const struct dirent **a, const struct dirent **b)
{
    return strcmp ((*a)->d_name, (*b)->d_name);
}

static int
is_shown (const struct dirent *entry)
{
    return strcmp (entry->d_name, ".") != 0 && strcmp (entry->d_name, "..") != 0;
}

static void
show_directory (exchange_t *exchange, int fd)
{
    struct dirent **entries = NULL;
    int count = scandirat (fd, ".", &entries, is_shown, compare_names);
    if (count < 0) {
        exchange_error (exchange, HTTP_INTERNAL, "Error reading directory");
        return;
    }
    OWNED (free_text) char *page = NULL;
    size_t size = 0;
    FILE *out = open_memstream (&page, &size);
    if (!out)
        abort(); // out of memory
    fputs ("<!doctype html>\n<meta name=\"viewport\" content=\"width=device-width\">\n<pre>\n",
           out);
    for (int i = 0; i < count; i++) {
        const char *slash = entries[i]->d_type == DT_DIR ? "/" : "";
        if (i < ENTRIES_MAX) {
            fputs ("<a href=\"", out);
            write_link (out, entries[i]->d_name);
            fprintf (out, "%s\">", slash);
            write_name (out, entries[i]->d_name);
            fprintf (out, "%s</a>\n", slash);
        }
        free (entries[i]);
    }
    free (entries);
    fputs ("</pre>\n", out);
    fclose (out);
    exchange_reply (exchange, HTTP_OK, "text/html; charset=utf-8", page, size);
}

static void
redirect (exchange_t *exchange, const char *to)
{
    exchange_add_header (exchange, "Location", to);
    exchange_reply (exchange, HTTP_MOVEPERM, TEXT_PLAIN, "", 0);
}

/* Files are shown without a slash at the end, directories with one. */
static void
show (exchange_t *exchange, const char *path, int fd)
{
    struct stat found;
    size_t size = strlen (path);
    bool has_slash = size == 0 || path[size - 1] == '/';
    if (fstat (fd, &found) < 0)
        exchange_error (exchange, HTTP_NOTFOUND, "404 page not found");
    else if (S_ISDIR (found.st_mode) && has_slash)
        show_directory (exchange, fd);
    else if (S_ISDIR (found.st_mode)) {
        const char *name = strrchr (path, '/') ? strrchr (path, '/') + 1 : path;
        OWNED (free_text) char *to = text_format ("%s/", name);
        redirect (exchange, to);
    }
    else if (!S_ISREG (found.st_mode) || has_slash)
        exchange_error (exchange, HTTP_NOTFOUND, "404 page not found");
    else {
        log_stream_begin_file (exchange, dup (fd), found.st_size, TEXT_PLAIN);
    }
}

static bool
has_dots (const char *path)
{
    for (const char *at = path; at; at = strchr (at, '/')) {
        at += *at == '/';
        if (strncmp (at, "..", 2) == 0 && (at[2] == '/' || at[2] == '\0'))
            return true;
    }
    return false;
}

void
serve_system_logs (exchange_t *exchange)
{
    static const char PREFIX[] = "/logs/";
    if (!exchange->server->settings.system_log_handler) {
        exchange_error (exchange, HTTP_BADMETHOD, "logs endpoint is disabled.");
        return;
    }
    const char *path = exchange_path (exchange);
    size_t prefix = strlen (PREFIX);
    OWNED (free_text)
    char *name = strlen (path) < prefix ? text_copy ("")
                                        : url_decode (path + prefix, strlen (path) - prefix, 0);
    if (!name || has_dots (name)) {
        exchange_error (exchange, HTTP_BADREQUEST, "invalid URL path");
        return;
    }
    const char *root = exchange->server->settings.system_log_dir;
    OWNED (free_text) char *full = text_format ("%s/%s", root, name);
    OWNED (close_fd) int fd = open (full, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || !is_below (root, fd))
        exchange_error (exchange, fd < 0 && errno == EACCES ? 403 : HTTP_NOTFOUND,
                        "404 page not found");
    else
        show (exchange, name, fd);
}
