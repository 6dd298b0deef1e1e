#include "cubelet/probe_step.h"
#include "cubelet/clock.h"
#include "cubelet/memory.h"

/* After how many milliseconds early attempts are made. */
static const int64_t EARLY_MS[] = { 0, 100, 300, 700, 1500 };
static const int64_t EARLY_COSTLY_MS[] = { 0, 1500 };

static const struct {
    const char *name, *title;
} KINDS[] = {
    [PROBE_STARTUP] = { "startup", "Startup" },
    [PROBE_READINESS] = { "readiness", "Readiness" },
    [PROBE_LIVENESS] = { "liveness", "Liveness" },
};
_Static_assert(COUNT_OF (KINDS) == PROBE_KIND_COUNT, "name every kind");

static const char *const RESULTS[] = { "unknown", "success", "failure" };
_Static_assert(COUNT_OF (RESULTS) == PROBE_RESULT_COUNT, "name every result");

const char *
probe_kind_name (probe_kind_t kind)
{
    return KINDS[kind].name;
}

const char *
probe_kind_title (probe_kind_t kind)
{
    return KINDS[kind].title;
}

const char *
probe_result_name (probe_result_t result)
{
    return RESULTS[result];
}

const probe_t *
probe_of_container (const container_t *container, probe_kind_t kind)
{
    const probe_t *const probes[] = { [PROBE_STARTUP] = container->startup_probe,
                                      [PROBE_READINESS] = container->readiness_probe,
                                      [PROBE_LIVENESS] = container->liveness_probe };
    return probes[kind];
}

/* The lettered steps are those of the table in the reference. */
bool
probe_step_tick (probe_kind_t kind, const probe_t *probe, const probe_sight_t *sight, int64_t now,
                 probe_state_t *state)
{
    bool is_for_start = kind == PROBE_STARTUP;
    if (state->is_over || state->is_on_hold) // e
        return false;
    if (!sight->is_running) { // f
        state->published = PROBE_FAILURE;
        state->is_over = !sight->may_start_again;
        return false;
    }
    if (sight->is_pod_ending && kind != PROBE_READINESS) { // g
        state->published = PROBE_SUCCESS;
        state->is_over = true;
        return false;
    }
    if (probe_delay_left_ms (probe, sight->started_at, now) > 0) // h
        return false;
    return sight->is_started != is_for_start; // i
}

void
probe_step_result (probe_kind_t kind, const probe_t *probe, probe_result_t result,
                   probe_state_t *state)
{
    state->run = result == state->last ? state->run + 1 : 1; // k
    state->last = result;
    int64_t threshold =
        result == PROBE_FAILURE ? probe->failure_threshold : probe->success_threshold;
    if (state->run < threshold) // l
        return;
    state->published = result;                                                          // m
    if (kind == PROBE_STARTUP || (kind == PROBE_LIVENESS && result == PROBE_FAILURE)) { // n
        state->is_on_hold = true;
        state->run = 0;
    }
}

int64_t
probe_first_wait_ms (const probe_birth_t *birth)
{
    if (birth->container_age_ms >= birth->period_ms)
        return birth->prober_age_ms < birth->period_ms
                   ? (int64_t) (birth->random * (double) birth->period_ms)
                   : 0;
    int64_t phase = birth->pod_age_ms >= 0 ? birth->pod_age_ms : birth->container_age_ms;
    phase = phase < 0 ? 0 : phase; // the clock was set back
    return birth->period_ms - phase % birth->period_ms;
}

int64_t
probe_early_wait_ms (unsigned attempts, bool is_costly, int64_t period_ms, bool *is_early_p)
{
    const int64_t *at = is_costly ? EARLY_COSTLY_MS : EARLY_MS;
    unsigned last = (unsigned) (is_costly ? COUNT_OF (EARLY_COSTLY_MS) : COUNT_OF (EARLY_MS)) - 1;
    if (attempts > last) {
        *is_early_p = false;
        return period_ms;
    }
    *is_early_p = attempts < last && at[attempts] < period_ms;
    int64_t begin = attempts ? at[attempts - 1] : 0;
    return (at[attempts] < period_ms ? at[attempts] : period_ms) - begin;
}

int64_t
probe_delay_left_ms (const probe_t *probe, int64_t started_at, int64_t now)
{
    int64_t left = probe->initial_delay_s - (now - started_at) / NS_PER_S;
    if (left <= 0)
        return 0;
    return (started_at + probe->initial_delay_s * NS_PER_S - now) / NS_PER_MS + 1;
}
