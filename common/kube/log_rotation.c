#include "cubelet/log_rotation.h"
#include "cubelet/clock.h"
#include "cubelet/memory.h"
#include <string.h>
#include <time.h>

#define SUFFIX_COMPRESSED ".gz"
#define SUFFIX_UNFINISHED ".tmp"

bool
log_rotation_is_due (int64_t size, int64_t max_size)
{
    return max_size > 0 && size >= max_size;
}

char *
log_rotation_name (const char *log, int64_t now_ns)
{
    time_t seconds = (time_t) (now_ns / NS_PER_S);
    struct tm utc;
    char stamp[32] = "";
    if (gmtime_r (&seconds, &utc))
        strftime (stamp, sizeof stamp, "%Y%m%d-%H%M%S", &utc);
    return text_format ("%s.%s", log, stamp);
}

static bool
ends_with (const char *text, const char *end)
{
    size_t size = strlen (text), end_size = strlen (end);
    return size >= end_size && strcmp (text + size - end_size, end) == 0;
}

/* A file that a rotation of this log made. */
static bool
is_part (const char *log, const char *name)
{
    size_t size = strlen (log);
    return strncmp (name, log, size) == 0 && name[size] == '.';
}

static bool
has_name (const char *const *names, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp (names[i], name) == 0)
            return true;
    return false;
}

/* Output of a compression that was cut off, or its input when it was not. */
static bool
is_leftover (const char *const *names, size_t count, const char *name)
{
    if (ends_with (name, SUFFIX_UNFINISHED))
        return true;
    OWNED (free_text) char *compressed = text_format ("%s%s", name, SUFFIX_COMPRESSED);
    return has_name (names, count, compressed);
}

static int
compare_names (const void *a, const void *b)
{
    return strcmp (*(const char *const *) a, *(const char *const *) b);
}

static void
add (char ***list_p, size_t *count_p, const char *name)
{
    *list_p = memory_grow (*list_p, *count_p + 1, sizeof **list_p);
    (*list_p)[(*count_p)++] = text_copy (name);
}

void
log_rotation_plan (const char *log, const char *const *names, size_t name_count, int64_t max_files,
                   log_rotation_t *out)
{
    *out = (log_rotation_t){ 0 };
    const char **parts = memory_new (name_count + 1, sizeof *parts);
    size_t count = 0;
    for (size_t i = 0; i < name_count; i++) {
        if (!is_part (log, names[i]))
            continue;
        if (is_leftover (names, name_count, names[i]))
            add (&out->removes, &out->remove_count, names[i]);
        else
            parts[count++] = names[i];
    }
    qsort (parts, count, sizeof *parts, compare_names); // their times order them, oldest first
    int64_t room = max_files - 2;                       // the live log, and what it becomes
    size_t excess = (int64_t) count > room ? count - (size_t) (room > 0 ? room : 0) : 0;
    for (size_t i = 0; i < count; i++) {
        if (i < excess)
            add (&out->removes, &out->remove_count, parts[i]);
        else if (!ends_with (parts[i], SUFFIX_COMPRESSED))
            add (&out->compressions, &out->compression_count, parts[i]);
    }
    free ((void *) parts);
}

static void
free_list (char **list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free (list[i]);
    free (list);
}

void
log_rotation_clear (log_rotation_t *self)
{
    free_list (self->removes, self->remove_count);
    free_list (self->compressions, self->compression_count);
    *self = (log_rotation_t){ 0 };
}
