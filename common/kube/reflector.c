#include "cubelet/reflector.h"
#include "cubelet/memory.h"
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define PAGE_OBJECTS 500

/* Without failures for so long, waits start small again. */
#define BACKOFF_RESET_MS (2 * 60 * 1000)

/* A watch that ends so soon without an event is a failure. */
#define VERY_SHORT_MS 1000

static void
set_version (reflector_t *self, const char *version)
{
    bool fits = version && strlen (version) < sizeof self->version;
    snprintf (self->version, sizeof self->version, "%s", fits ? version : "");
}

/* Doubling, up to twice as long by chance: client-go's jitter factor of 1. */
static int64_t
next_wait (reflector_t *self, const reflector_limits_t *limits, double chance, int64_t now_ms)
{
    bool starts_over = self->wait_ms == 0 || now_ms - self->failed_ms > BACKOFF_RESET_MS;
    int64_t wait_ms = starts_over ? limits->first_wait_ms : 2 * self->wait_ms;
    self->wait_ms = wait_ms < REFLECTOR_WAIT_MAX_MS ? wait_ms : REFLECTOR_WAIT_MAX_MS;
    self->failed_ms = now_ms;
    int64_t jittered = self->wait_ms + (int64_t) ((double) self->wait_ms * chance);
    return jittered < REFLECTOR_WAIT_MAX_MS ? jittered : REFLECTOR_WAIT_MAX_MS;
}

static bool
is_expired (const reflector_end_t *end)
{
    const char *reason = end->reason ? end->reason : "";
    return end->code == 410 || strcmp (reason, "Expired") == 0 || strcmp (reason, "Gone") == 0;
}

reflector_step_t
reflector_listed (reflector_t *self, const char *version)
{
    set_version (self, version);
    self->is_fresh_wanted = false;
    return (reflector_step_t){ REFLECTOR_WATCH, 0 };
}

reflector_step_t
reflector_list_failed (reflector_t *self, const reflector_limits_t *limits,
                       const reflector_end_t *end, double chance, int64_t now_ms)
{
    // "Timeout" with 504: our version lies in the server's future, it was restored from a backup
    bool is_ahead = end->code == 504 && end->reason && strcmp (end->reason, "Timeout") == 0;
    if ((is_expired (end) || is_ahead) && !self->is_fresh_wanted) {
        self->is_fresh_wanted = true;
        return (reflector_step_t){ REFLECTOR_LIST, 0 };
    }
    return (reflector_step_t){ REFLECTOR_LIST, next_wait (self, limits, chance, now_ms) };
}

void
reflector_saw (reflector_t *self, const char *version)
{
    if (version && version[0])
        set_version (self, version);
}

reflector_step_t
reflector_watch_ended (reflector_t *self, const reflector_limits_t *limits,
                       const reflector_end_t *end, double chance, int64_t now_ms)
{
    if (is_expired (end)) // a new list is at least as fresh as what we know
        return (reflector_step_t){ REFLECTOR_LIST, 0 };
    bool is_busy = end->code == 0 || end->code == 429 || end->code >= 500;
    if (is_busy && end->events == 0) // the connection, or the server, not our version
        return (reflector_step_t){ REFLECTOR_WATCH, next_wait (self, limits, chance, now_ms) };
    if (is_busy)
        return (reflector_step_t){ REFLECTOR_WATCH, 0 };
    bool is_very_short = end->events == 0 && end->lasted_ms < VERY_SHORT_MS;
    if (end->code != 200 || is_very_short)
        return (reflector_step_t){ REFLECTOR_LIST, next_wait (self, limits, chance, now_ms) };
    return (reflector_step_t){ REFLECTOR_WATCH, 0 };
}

// ---- queries ----

char *
query_escape (const char *text)
{
    char *escaped = memory_new (3 * strlen (text) + 1, 1);
    char *out = escaped;
    for (const char *c = text; *c; c++) {
        if (isalnum ((unsigned char) *c) || strchr ("-_.~", *c))
            *out++ = *c;
        else
            out += snprintf (out, 4, "%%%02X", (unsigned) (unsigned char) *c);
    }
    return escaped;
}

/* "fieldSelector=...&", or "". */
static char *
selector_part (const char *selector)
{
    if (!selector)
        return text_copy ("");
    OWNED (free_text) char *escaped = query_escape (selector);
    return text_format ("fieldSelector=%s&", escaped);
}

char *
reflector_list_query (const reflector_t *self, const char *selector, const char *more)
{
    OWNED (free_text) char *part = selector_part (selector);
    if (more && more[0]) {
        OWNED (free_text) char *token = query_escape (more);
        return text_format ("continue=%s&%slimit=%d", token, part, PAGE_OBJECTS);
    }
    if (self->is_fresh_wanted)
        return text_format ("%slimit=%d", part, PAGE_OBJECTS);
    OWNED (free_text) char *version = query_escape (self->version[0] ? self->version : "0");
    return text_format ("%slimit=%d&resourceVersion=%s", part, PAGE_OBJECTS, version);
}

char *
reflector_watch_query (const reflector_t *self, const char *selector, int64_t timeout_s)
{
    OWNED (free_text) char *part = selector_part (selector);
    OWNED (free_text) char *version = query_escape (self->version);
    return text_format ("allowWatchBookmarks=true&%sresourceVersion=%s&timeoutSeconds=%" PRId64
                        "&watch=true",
                        part, version, timeout_s);
}

int64_t
reflector_watch_s (const reflector_limits_t *limits, double chance)
{
    return limits->watch_min_s + (int64_t) ((double) limits->watch_min_s * chance);
}
