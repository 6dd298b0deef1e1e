#include "cubelet/reflector.h"
#include "cubelet/memory.h"
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define PAGE_OBJECTS 500
#define LIST_END_ANNOTATION "k8s.io/initial-events-end"

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

/* "Timeout" with 504: our version lies in the server's future, it was restored from a backup. */
static bool
is_ahead (const reflector_end_t *end)
{
    return end->code == 504 && end->reason && strcmp (end->reason, "Timeout") == 0;
}

/* The connection, or the server; not our version, nor what we ask for. */
static bool
is_busy (const reflector_end_t *end)
{
    return end->code == 0 || end->code == 429 || end->code >= 500;
}

static bool
is_very_short (const reflector_end_t *end)
{
    return end->events == 0 && end->lasted_ms < VERY_SHORT_MS;
}

static reflector_step_t
list_after (const reflector_t *self, const reflector_limits_t *limits, int64_t wait_ms)
{
    bool is_streamed = limits->streams && !self->is_stream_refused;
    return (reflector_step_t){ is_streamed ? REFLECTOR_STREAM : REFLECTOR_LIST, wait_ms };
}

reflector_step_t
reflector_begin (const reflector_t *self, const reflector_limits_t *limits)
{
    return list_after (self, limits, 0);
}

reflector_step_t
reflector_listed (reflector_t *self, const char *version)
{
    set_version (self, version);
    self->is_fresh_wanted = false;
    self->is_stream_refused = false;
    return (reflector_step_t){ REFLECTOR_WATCH, 0 };
}

reflector_step_t
reflector_list_failed (reflector_t *self, const reflector_limits_t *limits,
                       const reflector_end_t *end, double chance, int64_t now_ms)
{
    if ((is_expired (end) || is_ahead (end)) && !self->is_fresh_wanted) {
        self->is_fresh_wanted = true;
        return (reflector_step_t){ REFLECTOR_LIST, 0 };
    }
    self->is_stream_refused = false;
    return list_after (self, limits, next_wait (self, limits, chance, now_ms));
}

reflector_step_t
reflector_stream_failed (reflector_t *self, const reflector_limits_t *limits,
                         const reflector_end_t *end, double chance, int64_t now_ms)
{
    bool is_useless = is_expired (end) || is_ahead (end);
    if (is_useless && !self->is_fresh_wanted) {
        self->is_fresh_wanted = true;
        return list_after (self, limits, 0);
    }
    bool is_cut_off = end->code == 200 && !is_very_short (end);
    if (is_cut_off || (is_busy (end) && !is_useless))
        return list_after (self, limits, next_wait (self, limits, chance, now_ms));
    self->is_stream_refused = true;
    return list_after (self, limits, 0);
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
        return list_after (self, limits, 0);
    if (is_busy (end) && end->events == 0)
        return (reflector_step_t){ REFLECTOR_WATCH, next_wait (self, limits, chance, now_ms) };
    if (is_busy (end))
        return (reflector_step_t){ REFLECTOR_WATCH, 0 };
    if (end->code != 200 || is_very_short (end))
        return list_after (self, limits, next_wait (self, limits, chance, now_ms));
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

char *
reflector_stream_query (const reflector_t *self, const char *selector, int64_t timeout_s)
{
    OWNED (free_text) char *part = selector_part (selector);
    bool has_version = self->version[0] && !self->is_fresh_wanted;
    OWNED (free_text) char *version = query_escape (has_version ? self->version : "");
    return text_format ("allowWatchBookmarks=true&%s%s%s%sresourceVersionMatch=NotOlderThan&"
                        "sendInitialEvents=true&timeoutSeconds=%" PRId64 "&watch=true",
                        part, has_version ? "resourceVersion=" : "", version,
                        has_version ? "&" : "", timeout_s);
}

bool
reflector_is_list_end (const node_t *bookmark)
{
    const node_t *end = node_at (bookmark, "metadata", "annotations", LIST_END_ANNOTATION, NULL);
    return strcmp (node_as_text (end, ""), "true") == 0;
}

int64_t
reflector_watch_s (const reflector_limits_t *limits, double chance)
{
    return limits->watch_min_s + (int64_t) ((double) limits->watch_min_s * chance);
}
