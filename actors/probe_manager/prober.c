#include "cubelet/clock.h"
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include "cubelet/metrics.h"
#include "cubelet/object_reference.h"
#include "probe_manager.h"
#include <string.h>

#define TRIES_MAX 3              // while an attempt ends in an internal error
#define MESSAGE_LIMIT_BYTES 1024 // of an output that is told to the worker
#define SECONDS_MAX INT32_MAX    // as the API has them

struct prober {
    probed_pod_t *pod;
    probe_kind_t kind;
    char *container, *id, *pod_ip;
    probe_t probe; // its numbers; the handlers are not to be used
    probe_sight_t sight;
    tree_t *tree; // of what follows
    probe_target_t target;
    char *untried; // why there is no target; NULL: there is one
    node_t reference;

    probe_state_t state;
    probe_result_t told; // to the worker
    char *message;       // that goes with it

    uint64_t timer;
    int64_t next_ms;         // when it fires, clock_monotonic_ms
    bool is_early;           // it is an early attempt's
    unsigned early_attempts; // made
    attempt_t *attempt;      // under way
    int64_t attempt_began_ms;
    unsigned tries; // of it
    bool is_silent; // it is an early one
    bool is_due;    // a tick came meanwhile
};

static void try_now (prober_t *self, bool is_silent);

// ---- telling ----

void
prober_tell (prober_t *self)
{
    if (self->told == PROBE_UNKNOWN)
        return;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t body = node_map();
    node_set_text (tree, &body, "container", self->container);
    node_set_text (tree, &body, "id", self->id);
    node_set_text (tree, &body, "probe", probe_kind_name (self->kind));
    node_set_text (tree, &body, "result", probe_result_name (self->told));
    node_set_text (tree, &body, "message", self->message);
    actor_send (self->pod->manager->actor, self->pod->worker, MSG_PROBE_RESULT, &body);
}

void
prober_forget_told (prober_t *self)
{
    self->told = PROBE_UNKNOWN;
}

/* The start of valid UTF-8, cut between characters. Owned. */
static char *
cut_text (const char *text)
{
    size_t size = strnlen (text, MESSAGE_LIMIT_BYTES);
    while (size > 0 && ((unsigned char) text[size] & 0xc0) == 0x80)
        size--;
    return text_format ("%.*s", (int) size, text);
}

/* `text` (NULL: none) is what the last attempt said. */
static void
publish (prober_t *self, const char *text)
{
    if (self->state.published == self->told)
        return;
    self->told = self->state.published;
    free (self->message);
    self->message = NULL;
    if (text && text[0] && self->told == PROBE_FAILURE)
        self->message = cut_text (text);
    LOG_V (2, "Probe result probeType=%s pod=%s/%s containerName=%s result=%s",
           probe_kind_title (self->kind), self->pod->namespace, self->pod->name, self->container,
           probe_result_name (self->told));
    prober_tell (self);
}

static void
record_event (const prober_t *self, const probe_outcome_t *outcome)
{
    OWNED (free_text) char *message = NULL;
    const char *reason = probe_outcome_event (outcome, self->kind, &message);
    if (!reason)
        return;
    LOG_V (1, "Probe failed probeType=%s pod=%s/%s containerName=%s output=%s",
           probe_kind_title (self->kind), self->pod->namespace, self->pod->name, self->container,
           outcome->text);
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t body = node_map();
    node_set (tree, &body, "object", self->reference);
    node_set_text (tree, &body, "type", "Warning");
    node_set_text (tree, &body, "reason", reason);
    node_set_text (tree, &body, "message", message);
    actor_send (self->pod->manager->actor, "event-recorder", MSG_EVENT_RECORD, &body);
}

// ---- the clock ----

static void on_tick (void *state, void *context);

static void
set_timer (prober_t *self, int64_t wait_ms)
{
    actor_timer_cancel (self->pod->manager->actor, &self->timer);
    self->next_ms = clock_monotonic_ms() + wait_ms;
    self->timer = actor_timer (self->pod->manager->actor, wait_ms, on_tick, self);
}

static int64_t
period_ms (const prober_t *self)
{
    return self->probe.period_s * 1000;
}

/* Ticks keep their beat however long attempts take; one that is missed is not made up for. */
static void
set_next_timer (prober_t *self, bool was_early)
{
    int64_t now_ms = clock_monotonic_ms(), period = period_ms (self);
    int64_t late_ms = now_ms > self->next_ms ? now_ms - self->next_ms : 0;
    int64_t wait_ms = period - late_ms % period;
    if (was_early)
        wait_ms = probe_early_wait_ms (++self->early_attempts, self->target.kind == TARGET_EXEC,
                                       period, &self->is_early);
    set_timer (self, wait_ms);
}

static void
on_tick (void *state, void *context)
{
    (void) state;
    prober_t *self = context;
    bool is_early = self->is_early;
    self->timer = 0;
    set_next_timer (self, is_early);
    if (self->attempt)
        self->is_due = self->is_due || !is_early;
    else
        try_now (self, is_early);
}

static void
stop_ticking (prober_t *self)
{
    actor_timer_cancel (self->pod->manager->actor, &self->timer);
    self->is_early = self->is_due = false;
}

// ---- attempts ----

static void on_outcome (void *context, probe_outcome_t outcome);

static void
start_attempt (prober_t *self)
{
    self->tries++;
    self->attempt_began_ms = clock_monotonic_ms();
    self->attempt = attempt_new (self->pod->manager, &self->target, self->id, self->probe.timeout_s,
                                 on_outcome, self);
}

/* Takes an outcome that counts. */
static void
take_outcome (prober_t *self, const probe_outcome_t *outcome)
{
    record_event (self, outcome);
    if (probe_outcome_is_error (outcome))
        return;
    bool is_failure = outcome->kind == OUTCOME_FAILURE;
    probe_step_result (self->kind, &self->probe, is_failure ? PROBE_FAILURE : PROBE_SUCCESS,
                       &self->state);
    publish (self, outcome->text);
}

/* For /metrics/probes: upstream's words for the kinds and results. */
static void
count_probe (const prober_t *self, bool is_error, bool is_success)
{
    const probed_pod_t *pod = self->pod;
    const char *kind = probe_kind_title (self->kind);
    const char *result = is_success ? "successful" : is_error ? "unknown" : "failed";
    metric_count (METRIC_PROBER_PROBE_TOTAL,
                  LABELS (self->container, pod->namespace, pod->name, pod->uid, kind, result));
    metric_observe (METRIC_PROBER_PROBE_DURATION_SECONDS,
                    (double) (clock_monotonic_ms() - self->attempt_began_ms) / 1000,
                    LABELS (self->container, pod->namespace, pod->name, kind));
}

static void
on_outcome (void *context, probe_outcome_t outcome)
{
    prober_t *self = context;
    attempt_destroy (&self->attempt);
    bool is_error = probe_outcome_is_error (&outcome);
    bool is_success = !is_error && outcome.kind != OUTCOME_FAILURE;
    count_probe (self, is_error, is_success);
    if (is_error && self->tries < TRIES_MAX)
        start_attempt (self);
    else if (is_success || !self->is_silent)
        take_outcome (self, &outcome);
    if (is_success && self->is_early) { // the period begins now
        self->is_early = false;
        set_timer (self, period_ms (self));
    }
    probe_outcome_clear (&outcome);
    if (self->is_due && !self->attempt)
        try_now (self, false);
}

/* A tick: does what the rules say. */
static void
try_now (prober_t *self, bool is_silent)
{
    self->is_due = false;
    bool is_wanted =
        probe_step_tick (self->kind, &self->probe, &self->sight, clock_now_ns(), &self->state);
    publish (self, NULL);
    if (self->state.is_over)
        stop_ticking (self);
    if (!is_wanted)
        return;
    self->tries = 0;
    self->is_silent = is_silent;
    if (!self->untried) {
        start_attempt (self);
        return;
    }
    probe_outcome_t outcome = { OUTCOME_UNKNOWN, self->untried };
    if (!is_silent)
        record_event (self, &outcome);
}

// ---- beginning ----

static int64_t
bounded (int64_t seconds, int64_t low)
{
    return seconds < low ? low : seconds > SECONDS_MAX ? SECONDS_MAX : seconds;
}

/* The handlers belong to the message's tree, so only numbers are kept. */
static probe_t
numbers_of (const probe_t *probe)
{
    return (probe_t){ .initial_delay_s = bounded (probe->initial_delay_s, 0),
                      .timeout_s = bounded (probe->timeout_s, 1),
                      .period_s = bounded (probe->period_s, 1),
                      .success_threshold = bounded (probe->success_threshold, 1),
                      .failure_threshold = bounded (probe->failure_threshold, 1) };
}

/* Begins with a container that was not probed yet. */
static void
begin (prober_t *self, const probed_container_t *container)
{
    const probe_t *probe = probe_of_container (container->container, self->kind);
    fault_t fault = { 0 };
    attempt_destroy (&self->attempt);
    tree_destroy (&self->tree);
    self->tree = tree_new();
    text_replace (&self->id, "%s", container->id);
    text_replace (&self->pod_ip, "%s", container->pod_ip ? container->pod_ip : "");
    free (self->untried);
    self->untried = NULL;
    if (probe_target (probe, container->container, container->pod_ip, self->tree, &self->target,
                      &fault)
        < 0)
        self->untried = text_copy (fault.text);
    self->reference =
        object_reference_pod (self->tree, container->pod->node, container->container->name);
    self->probe = numbers_of (probe);
}

static double
random_part (void)
{
    return (double) random() / ((double) RAND_MAX + 1);
}

/* The first tick of a new prober; later containers meet the beat as it is. */
static void
begin_ticking (prober_t *self, int64_t pod_seen_at)
{
    int64_t now = clock_now_ns();
    probe_birth_t birth = {
        .period_ms = period_ms (self),
        .container_age_ms = (now - self->sight.started_at) / NS_PER_MS,
        .pod_age_ms = pod_seen_at ? (now - pod_seen_at) / NS_PER_MS : -1,
        .prober_age_ms = clock_monotonic_ms() - self->pod->manager->started_ms,
        .random = random_part(),
    };
    set_timer (self, probe_first_wait_ms (&birth));
}

/* Readiness: the container has just come to be probed, so it is tried at once. */
static void
begin_early (prober_t *self)
{
    int64_t wait_ms = probe_delay_left_ms (&self->probe, self->sight.started_at, clock_now_ns());
    self->is_early = false;
    self->early_attempts = 0;
    if (wait_ms == 0)
        wait_ms = probe_early_wait_ms (0, self->target.kind == TARGET_EXEC, period_ms (self),
                                       &self->is_early);
    set_timer (self, wait_ms);
}

static bool
is_young (const prober_t *self)
{
    return clock_now_ns() - self->sight.started_at < self->probe.period_s * NS_PER_S;
}

static bool
is_waiting_for_ready (const prober_t *self)
{
    return self->kind == PROBE_READINESS && self->sight.is_running && self->sight.is_started
           && self->state.published != PROBE_SUCCESS;
}

prober_t *
prober_new (probed_pod_t *pod, probe_kind_t kind, const probed_container_t *container)
{
    prober_t *self = memory_new (1, sizeof *self);
    self->pod = pod;
    self->kind = kind;
    self->container = text_copy (container->container->name);
    self->sight = container->sight;
    begin (self, container);
    if (is_waiting_for_ready (self) && is_young (self))
        begin_early (self);
    else
        begin_ticking (self, container->pod_seen_at);
    return self;
}

void
prober_destroy (prober_t **self_p)
{
    prober_t *self = *self_p;
    if (!self)
        return;
    attempt_destroy (&self->attempt);
    actor_timer_cancel (self->pod->manager->actor, &self->timer);
    tree_destroy (&self->tree);
    free (self->container);
    free (self->id);
    free (self->pod_ip);
    free (self->untried);
    free (self->message);
    free (self);
    *self_p = NULL;
}

bool
prober_is (const prober_t *self, const char *container, probe_kind_t kind)
{
    return self->kind == kind && strcmp (self->container, container) == 0;
}

void
prober_update (prober_t *self, const probed_container_t *container)
{
    bool is_same = strcmp (self->id, container->id) == 0;
    bool is_newly_started = container->sight.is_started && !self->sight.is_started;
    bool is_ending = container->sight.is_pod_ending && !self->sight.is_pod_ending;
    self->sight = container->sight;
    if (!is_same || strcmp (self->pod_ip, container->pod_ip ? container->pod_ip : "") != 0)
        begin (self, container);
    if (!is_same) {
        self->state = (probe_state_t){ .published = PROBE_UNKNOWN };
        self->told = PROBE_UNKNOWN;
        self->is_due = false;
    }
    if ((!is_same || is_newly_started) && is_waiting_for_ready (self))
        begin_early (self);
    else if (!self->timer && !self->state.is_over)
        set_timer (self, period_ms (self));
    if (is_ending && !self->attempt)
        try_now (self, false);
}
