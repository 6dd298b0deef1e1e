#include "cubelet/page_release.h"
#include "cubelet/memory.h"
#include <inttypes.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#define KIB 1024

/* One mapping of smaps, as far as its lines have been read. */
typedef struct {
    uintptr_t begin, end;
    bool is_clean_file; // of a file, not writable, and nothing in it was written
    size_t resident;
} mapping_t;

/* Returns the bytes given back. */
static size_t
release (const mapping_t *mapping)
{
    if (!mapping->is_clean_file || !mapping->resident)
        return 0;
    // A private mapping that nobody wrote to is the file itself, so dropping it loses nothing.
    // NOLINTNEXTLINE(performance-no-int-to-ptr): smaps gives numbers
    void *begin = (void *) mapping->begin;
    return madvise (begin, mapping->end - mapping->begin, MADV_DONTNEED) == 0 ? mapping->resident
                                                                              : 0;
}

/* The first line of a mapping: "7f00-7f10 r-xp 00000000 08:01 123  /usr/lib/libc.so.6". */
static bool
begins_mapping (const char *line, mapping_t *out)
{
    char access[8] = "", path[2] = "";
    uintptr_t begin = 0, end = 0;
    if (sscanf (line, "%" SCNxPTR "-%" SCNxPTR " %7s %*s %*s %*s %1s", &begin, &end, access, path)
        < 3)
        return false;
    *out = (mapping_t){ begin, end, path[0] == '/' && !strchr (access, 'w'), 0 };
    return true;
}

static void
read_detail (const char *line, mapping_t *mapping)
{
    size_t kib = 0;
    if (sscanf (line, "Rss: %zu", &kib) == 1)
        mapping->resident = kib * KIB;
    // pages written to once, like those that were relocated, are there only once
    else if ((sscanf (line, "Anonymous: %zu", &kib) == 1 || sscanf (line, "Swap: %zu", &kib) == 1)
             && kib > 0)
        mapping->is_clean_file = false;
}

size_t
page_release (void)
{
    malloc_trim (0);
    OWNED (close_file) FILE *file = fopen ("/proc/self/smaps", "re");
    if (!file)
        return 0;
    char line[512];
    mapping_t mapping = { 0 }, next;
    size_t released = 0;
    while (fgets (line, sizeof line, file)) {
        if (begins_mapping (line, &next)) {
            released += release (&mapping);
            mapping = next;
        }
        else
            read_detail (line, &mapping);
    }
    return released + release (&mapping);
}
