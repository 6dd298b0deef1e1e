/* eviction.c - thresholds, and what one look at the node comes to. */
#include "cubelet/eviction.h"
#include "cubelet/clock.h"
#include "cubelet/duration.h"
#include "cubelet/memory.h"
#include "cubelet/node_info.h"
#include <string.h>

static const struct {
    const char *name;
    const char *resource;
    pressure_t pressure;
} SIGNALS[] = {
    [SIGNAL_MEMORY] = { "memory.available", "memory", PRESSURE_MEMORY },
    [SIGNAL_ALLOCATABLE_MEMORY] = { "allocatableMemory.available", "memory", PRESSURE_MEMORY },
    [SIGNAL_NODEFS] = { "nodefs.available", "ephemeral-storage", PRESSURE_DISK },
    [SIGNAL_NODEFS_INODES] = { "nodefs.inodesFree", "inodes", PRESSURE_DISK },
    [SIGNAL_IMAGEFS] = { "imagefs.available", "ephemeral-storage", PRESSURE_DISK },
    [SIGNAL_IMAGEFS_INODES] = { "imagefs.inodesFree", "inodes", PRESSURE_DISK },
    [SIGNAL_CONTAINERFS] = { "containerfs.available", "ephemeral-storage", PRESSURE_DISK },
    [SIGNAL_CONTAINERFS_INODES] = { "containerfs.inodesFree", "inodes", PRESSURE_DISK },
    [SIGNAL_PID] = { "pid.available", "pids", PRESSURE_PID },
};
_Static_assert(COUNT_OF (SIGNALS) == SIGNAL_COUNT, "a row for every signal");

const char *
eviction_signal_name (eviction_signal_t signal)
{
    return SIGNALS[signal].name;
}

const char *
eviction_signal_resource (eviction_signal_t signal)
{
    return SIGNALS[signal].resource;
}

pressure_t
eviction_signal_pressure (eviction_signal_t signal)
{
    return SIGNALS[signal].pressure;
}

// ---- thresholds ----

/* True for values that are no threshold: 0, 0% and 100%. */
static bool
is_off (const char *value)
{
    if (!value)
        return true;
    int64_t of_much = threshold_bytes (value, 1000000);
    return of_much <= 0 || (strchr (value, '%') && of_much >= 1000000);
}

/* Pods' memory has the threshold of all memory, unless it has one of its own. */
static const char *
value_of (const eviction_settings_t *settings, const node_t *map, size_t signal)
{
    const char *own = node_get_text (map, SIGNALS[signal].name, NULL);
    if (own || signal != SIGNAL_ALLOCATABLE_MEMORY || !settings->with_allocatable
        || map != settings->hard)
        return own;
    return node_get_text (map, SIGNALS[SIGNAL_MEMORY].name, NULL);
}

size_t
eviction_thresholds (const eviction_settings_t *settings,
                     eviction_threshold_t out[static EVICTION_THRESHOLDS_MAX])
{
    size_t count = 0;
    for (size_t i = 0; i < SIGNAL_COUNT; i++)
        for (int is_soft = 1; is_soft >= 0; is_soft--) {
            const char *name = SIGNALS[i].name;
            const node_t *map = is_soft ? settings->soft : settings->hard;
            const char *value = map ? value_of (settings, map, i) : NULL;
            if (is_off (value))
                continue;
            eviction_threshold_t one = {
                .signal = (eviction_signal_t) i,
                .value = value,
                .reclaim = node_get_text (settings->minimum_reclaim, name, NULL),
                .is_soft = is_soft,
            };
            const char *grace = node_get_text (settings->soft_grace, name, NULL);
            fault_t ignored = { 0 }; // checked with the configuration
            if (is_soft && grace && duration_parse (grace, &one.grace_ns, &ignored) < 0)
                one.grace_ns = 0;
            out[count++] = one;
        }
    return count;
}

// ---- one look ----

static bool
is_met (const eviction_threshold_t *threshold, const eviction_observation_t *observation,
        bool with_reclaim)
{
    if (!observation->is_known)
        return false;
    int64_t wanted = threshold_bytes (threshold->value, observation->capacity);
    if (with_reclaim)
        wanted += threshold_bytes (threshold->reclaim, observation->capacity);
    return observation->available < wanted;
}

bool
eviction_is_resolved (const eviction_threshold_t *threshold,
                      const eviction_observation_t *observation)
{
    return !is_met (threshold, observation, true);
}

/* Notes since when the threshold has been met. */
static bool
note_met (const eviction_threshold_t *threshold, const eviction_observation_t *observation,
          int64_t now_ns, int64_t *since)
{
    if (!is_met (threshold, observation, *since > 0)) {
        *since = 0;
        return false;
    }
    if (*since == 0)
        *since = now_ns;
    return true;
}

void
eviction_step (const eviction_threshold_t *thresholds, size_t count,
               const eviction_observation_t *observations, int64_t transition_ns, int64_t now_ns,
               eviction_state_t *state, eviction_decision_t *out)
{
    *out = (eviction_decision_t){ .act = -1 };
    for (size_t i = 0; i < count; i++) {
        const eviction_observation_t *seen = &observations[thresholds[i].signal];
        if (!note_met (&thresholds[i], seen, now_ns, &state->met_since[i]))
            continue;
        state->pressure_at[SIGNALS[thresholds[i].signal].pressure] = now_ns;
        bool is_due = now_ns - state->met_since[i] >= thresholds[i].grace_ns;
        bool is_news = seen->time_ns > state->acted_on[i];
        if (out->act < 0 && is_due && is_news) {
            out->act = (int) i;
            state->acted_on[i] = seen->time_ns;
        }
    }
    for (size_t i = 0; i < PRESSURE_COUNT; i++)
        out->has_pressure[i] =
            state->pressure_at[i] > 0
            && (state->pressure_at[i] == now_ns || now_ns - state->pressure_at[i] < transition_ns);
}
