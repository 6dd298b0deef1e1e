#include "cubelet/problems.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define ONE_MAX 1024

void
problem_add (problems_t *self, const path_t *path, const char *format, ...)
{
    char where[PATH_TEXT_MAX], what[ONE_MAX];
    va_list args;
    va_start (args, format);
    vsnprintf (what, sizeof what, format, args);
    va_end (args);
    path_text (path, where);
    self->count++;
    if (self->shown + 1 < self->count)
        return; // an earlier one did not fit; keep their order
    size_t room = sizeof self->text - self->used;
    int added = snprintf (self->text + self->used, room, "%s%s%s%s", self->used ? ", " : "", where,
                          *where ? ": " : "", what);
    if (added < 0 || (size_t) added >= room) {
        self->text[self->used] = '\0';
        return;
    }
    self->used += (size_t) added;
    self->shown++;
}

void
problem_required (problems_t *self, const path_t *path, const char *detail)
{
    problem_add (self, path, "Required value%s%s", detail ? ": " : "", detail ? detail : "");
}

void
problem_invalid (problems_t *self, const path_t *path, const char *value, const char *detail)
{
    problem_add (self, path, "Invalid value: \"%s\": %s", value, detail);
}

void
problem_invalid_int (problems_t *self, const path_t *path, int64_t value, const char *detail)
{
    problem_add (self, path, "Invalid value: %" PRId64 ": %s", value, detail);
}

void
problem_forbidden (problems_t *self, const path_t *path, const char *detail)
{
    problem_add (self, path, "Forbidden: %s", detail);
}

void
problem_duplicate (problems_t *self, const path_t *path, const char *value)
{
    problem_add (self, path, "Duplicate value: \"%s\"", value);
}

void
problem_not_found (problems_t *self, const path_t *path, const char *value)
{
    problem_add (self, path, "Not found: \"%s\"", value);
}

void
problem_not_supported (problems_t *self, const path_t *path, const char *value,
                       const char *const *allowed)
{
    char list[512] = "";
    size_t used = 0;
    for (; *allowed && used < sizeof list; allowed++) {
        int added =
            snprintf (list + used, sizeof list - used, "%s\"%s\"", used ? ", " : "", *allowed);
        used += added > 0 ? (size_t) added : 0;
    }
    problem_add (self, path, "Unsupported value: \"%s\": supported values: %s", value, list);
}

void
problem_check (problems_t *self, const path_t *path, const char *value,
               const char *(*rule) (const char *text))
{
    const char *detail = rule (value);
    if (detail)
        problem_invalid (self, path, value, detail);
}

int
problems_fault (const problems_t *self, fault_t *fault)
{
    if (self->count == 0)
        return 0;
    if (self->shown < self->count)
        return fault_set (fault, FAULT_INVALID, "[%s, and %zu more]", self->text,
                          self->count - self->shown);
    if (self->count == 1)
        return fault_set (fault, FAULT_INVALID, "%s", self->text);
    return fault_set (fault, FAULT_INVALID, "[%s]", self->text);
}
