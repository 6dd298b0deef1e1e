/* A pod with everything, a pretend runtime, and a storm of faults, many times over. Whatever
   happens: never two running containers of one name, never one before its gates, no ephemeral one
   twice, no sidecar stopped before those it serves, nothing started after the end was asked for;
   and when the storm is over the pod gets to where it should be.

   A failure names its seed: CUBELET_SIMULATED_SEED=N plays that one alone, and
   CUBELET_SIMULATED_SEEDS=N the first N instead of those of a usual run. */
#include "helper_pod_world.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
// cmocka wants these before it
#include "cubelet/clock.h"
#include "cubelet/container_hash.h"
#include "cubelet/memory.h"
#include <cmocka.h>

#define SEEDS 60
#define STORM_S 600
#define CALM_S 4000 // longer than the longest backoff
#define INSTANCES_MAX 4000
#define SANDBOXES_MAX 400
#define CALLS_MAX 64
#define ID_MAX 16
#define STORM_STEP_MS 250
#define CALM_STEP_MS 1000

static const char POD[] =
    "{'metadata':{'name':'p','namespace':'ns','uid':'u'},'spec':{'restartPolicy':'%s',"
    "'terminationGracePeriodSeconds':5,'initContainers':[{'name':'i1','image':'i'},"
    "{'name':'s1','image':'i','restartPolicy':'Always','startupProbe':{'exec':{'command':['x']}}},"
    "{'name':'i2','image':'i'},{'name':'s2','image':'i','restartPolicy':'Always'}],"
    "'ephemeralContainers':[{'name':'e','image':'i'}],'containers':[{'name':'a','image':'i','"
    "lifecycle':{'postStart':"
    "{'exec':{'command':['x']}}}},{'name':'b','image':'i','lifecycle':{'preStop':{'exec':"
    "{'command':['x']}}}}]}}";

enum { I1, S1, I2, S2, A, B, E, NAMES_COUNT };
static const char *const NAMES[NAMES_COUNT] = { "i1", "s1", "i2", "s2", "a", "b", "e" };

// ---- the pretend runtime ----

typedef struct {
    char id[ID_MAX];
    bool is_ready, is_removed;
    int64_t attempt, created_at;
    bool is_done[NAMES_COUNT]; // init containers: through in this sandbox
} sandbox_t;

typedef struct {
    char id[ID_MAX];
    int name;
    size_t sandbox;
    container_state_t state;
    bool is_removed, is_probed;
    int64_t restarts, created_at, started_at, finished_at, ends_at; // ends_at 0: runs on
    int64_t exit_code;
    char hash[CONTAINER_HASH_TEXT_MAX]; // of the definition it was made from
} instance_t;

/* A request of the worker that has not been answered. */
typedef struct {
    pod_action_kind_t kind;
    container_step_t step; // START_CONTAINER
    char key[ID_MAX];
    size_t instance;
    int64_t attempt, due_at;
    bool is_timeout; // it takes effect, but the answer is an error
    bool is_failure; // nothing happens
} call_t;

typedef struct {
    world_t *world;
    uint64_t random;
    bool is_storm;
    bool is_agent_asked; // to terminate
    sandbox_t sandboxes[SANDBOXES_MAX];
    size_t sandbox_count;
    instance_t instances[INSTANCES_MAX];
    size_t instance_count;
    call_t calls[CALLS_MAX];
    size_t call_count;
    uint64_t seed;
    char *policy;
} sim_t;

static uint64_t
next_random (sim_t *sim)
{
    sim->random ^= sim->random << 13;
    sim->random ^= sim->random >> 7;
    sim->random ^= sim->random << 17;
    return sim->random;
}

static bool
happens (sim_t *sim, uint64_t one_in)
{
    return sim->is_storm && next_random (sim) % one_in == 0;
}

static int64_t
between_ms (sim_t *sim, uint64_t low, uint64_t high)
{
    return (int64_t) (low + next_random (sim) % (high - low + 1)) * NS_PER_MS;
}

static int
name_index (const char *name)
{
    for (int i = 0; i < NAMES_COUNT; i++)
        if (strcmp (NAMES[i], name) == 0)
            return i;
    fail_msg ("no container %s", name);
    return 0;
}

static bool
is_regular (int name)
{
    return name == A || name == B;
}

static bool
is_sidecar (int name)
{
    return name == S1 || name == S2;
}

static bool
is_init (int name)
{
    return name == I1 || name == I2;
}

static instance_t *
find_instance (sim_t *sim, const char *id)
{
    for (size_t i = sim->instance_count; i-- > 0;)
        if (!sim->instances[i].is_removed && strcmp (sim->instances[i].id, id) == 0)
            return &sim->instances[i];
    return NULL;
}

static sandbox_t *
find_sandbox (sim_t *sim, const char *id)
{
    for (size_t i = sim->sandbox_count; i-- > 0;)
        if (!sim->sandboxes[i].is_removed && strcmp (sim->sandboxes[i].id, id) == 0)
            return &sim->sandboxes[i];
    return NULL;
}

static void
end_instance (sim_t *sim, instance_t *instance, int64_t exit_code)
{
    if (instance->state != SEEN_RUNNING)
        return;
    instance->state = SEEN_EXITED;
    instance->exit_code = exit_code;
    instance->finished_at = sim->world->now;
    if (exit_code == 0 && is_init (instance->name))
        sim->sandboxes[instance->sandbox].is_done[instance->name] = true;
}

// ---- what must never be ----

static void
check_gates (sim_t *sim, int name, const sandbox_t *sandbox)
{
    int before = is_regular (name) ? S2 + 1 : name;
    if (name == E)
        return; // starts at any time
    for (int i = 0; i < before; i++)
        if (!sandbox->is_done[i])
            fail_msg ("seed %llu: %s starts before %s is through", (unsigned long long) sim->seed,
                      NAMES[name], NAMES[i]);
}

static void
check_running (sim_t *sim, const instance_t *started)
{
    for (size_t i = 0; i < sim->instance_count; i++) {
        const instance_t *other = &sim->instances[i];
        if (started->name == E && other != started && other->name == E && other->started_at)
            fail_msg ("seed %llu: %s is started twice", (unsigned long long) sim->seed, NAMES[E]);
        bool may_run = other->state == SEEN_RUNNING || other->state == SEEN_UNKNOWN;
        if (other != started && other->name == started->name && may_run && !other->is_removed)
            fail_msg ("seed %llu: two of %s run: %s and %s", (unsigned long long) sim->seed,
                      NAMES[started->name], other->id, started->id);
    }
    if (!sim->sandboxes[started->sandbox].is_ready)
        return; // it died meanwhile; the runtime would have refused
    check_gates (sim, started->name, &sim->sandboxes[started->sandbox]);
}

/* When the whole pod goes, a sidecar has to wait for those it serves, as long as there is time; one
   that was being stopped for a reason of its own is told of a shorter grace. */
static void
check_order (sim_t *sim, const pod_action_t *action)
{
    int name = name_index (action->container);
    const instance_local_t *known = pod_local_instance (sim->world->local, action->id);
    bool has_time = known && known->is_pod_kill && !known->is_stopping
                    && sim->world->now < known->kill_begun_at + known->kill_grace_s * NS_PER_S;
    for (int later = name + 1; is_sidecar (name) && has_time && later <= B; later++) {
        const container_seen_t *other = pod_seen_newest (sim->world->seen, NAMES[later], 0);
        if (!is_init (later) && other && other->state == SEEN_RUNNING)
            fail_msg ("seed %llu: %s is stopped before %s", (unsigned long long) sim->seed,
                      action->id, other->id);
    }
}

static void
check_action (sim_t *sim, const pod_action_t *action)
{
    const pod_local_t *local = sim->world->local;
    if (action->kind == POD_STOP_CONTAINER)
        check_order (sim, action);
    if (action->kind != POD_START_CONTAINER && action->kind != POD_CREATE_SANDBOX)
        return;
    if (sim->is_agent_asked)
        fail_msg ("seed %llu: %s after the end was asked for", (unsigned long long) sim->seed,
                  pod_action_name (action->kind));
    for (size_t i = 0; action->kind == POD_START_CONTAINER && i < local->container_count; i++)
        if (local->containers[i]->step > STEP_IMAGE)
            fail_msg ("seed %llu: %s starts while %s does", (unsigned long long) sim->seed,
                      action->container, local->containers[i]->name);
}

// ---- what the worker sees of it ----

static void
show_sandbox (sim_t *sim, const char *id)
{
    const sandbox_t *sandbox = find_sandbox (sim, id);
    if (!sandbox) {
        pod_seen_remove_sandbox (sim->world->seen, id);
        return;
    }
    fault_t fault = { 0 };
    OWNED (free_text)
    char *text = text_format ("{'id':'%s','metadata':{'attempt':%lld},%s'created_at':%lld,"
                              "'network':{'ip':'10.0.0.1'}}",
                              id, (long long) sandbox->attempt,
                              sandbox->is_ready ? "" : "'state':'SANDBOX_NOTREADY',",
                              (long long) sandbox->created_at);
    OWNED (tree_destroy) tree_t *tree = world_json (text);
    assert_int_equal (pod_seen_set_sandbox (sim->world->seen, tree_root (tree), &fault), 0);
}

static void
show_instance (sim_t *sim, const char *id)
{
    static const char *const STATES[] = { "CREATED", "RUNNING", "EXITED", "UNKNOWN" };
    const instance_t *instance = find_instance (sim, id);
    if (!instance) {
        pod_seen_remove_container (sim->world->seen, id);
        return;
    }
    fault_t fault = { 0 };
    OWNED (free_text)
    char *text = text_format (
        "{'id':'%s','metadata':{'name':'%s'},'state':'CONTAINER_%s','created_at':%lld,"
        "'started_at':%lld,'finished_at':%lld,'exit_code':%lld,'annotations':{"
        "'io.kubernetes.container.restartCount':'%lld','io.kubernetes.container.hash':'%s'}}",
        id, NAMES[instance->name], STATES[instance->state], (long long) instance->created_at,
        (long long) instance->started_at, (long long) instance->finished_at,
        (long long) instance->exit_code, (long long) instance->restarts, instance->hash);
    OWNED (tree_destroy) tree_t *tree = world_json (text);
    assert_int_equal (pod_seen_set_container (sim->world->seen, tree_root (tree),
                                              sim->sandboxes[instance->sandbox].id, &fault),
                      0);
}

static bool
is_starting (const sim_t *sim, size_t instance)
{
    for (size_t i = 0; i < sim->call_count; i++)
        if (sim->calls[i].kind == POD_START_CONTAINER && sim->calls[i].step > STEP_CREATE
            && sim->calls[i].instance == instance)
            return true;
    return false;
}

/* What a listing shows; now and then before a start is answered. */
static void
show_all (sim_t *sim)
{
    pod_seen_t *seen = sim->world->seen;
    for (size_t i = pod_seen_container_count (seen); i-- > 0;) {
        char id[ID_MAX];
        snprintf (id, sizeof id, "%s", pod_seen_container_at (seen, i)->id);
        if (!find_instance (sim, id))
            pod_seen_remove_container (seen, id);
    }
    for (size_t i = 0; i < sim->sandbox_count; i++)
        show_sandbox (sim, sim->sandboxes[i].id);
    for (size_t i = 0; i < sim->instance_count; i++)
        if (!sim->instances[i].is_removed && (!is_starting (sim, i) || happens (sim, 2)))
            show_instance (sim, sim->instances[i].id);
}

// ---- calls take effect ----

typedef bool effect_fn (sim_t *sim, call_t *call);

static bool
no_effect (sim_t *sim, call_t *call)
{
    (void) sim, (void) call;
    return true;
}

static bool
effect_stop (sim_t *sim, call_t *call)
{
    instance_t *instance = find_instance (sim, call->key);
    if (instance && instance->state == SEEN_UNKNOWN)
        instance->state = SEEN_RUNNING; // it did run
    if (instance)
        end_instance (sim, instance, next_random (sim) % 2 ? 0 : 143);
    return true;
}

static bool
effect_remove (sim_t *sim, call_t *call)
{
    instance_t *instance = find_instance (sim, call->key);
    if (instance && instance->state == SEEN_RUNNING)
        fail_msg ("seed %llu: %s is removed while it runs", (unsigned long long) sim->seed,
                  instance->id);
    if (instance)
        instance->is_removed = true;
    return true;
}

static void
kill_all_in (sim_t *sim, const sandbox_t *sandbox)
{
    for (size_t i = 0; i < sim->instance_count; i++)
        if (&sim->sandboxes[sim->instances[i].sandbox] == sandbox)
            end_instance (sim, &sim->instances[i], 137);
}

static bool
effect_stop_sandbox (sim_t *sim, call_t *call)
{
    sandbox_t *sandbox = find_sandbox (sim, call->key);
    if (!sandbox)
        return true;
    sandbox->is_ready = false;
    kill_all_in (sim, sandbox);
    return true;
}

static bool
effect_remove_sandbox (sim_t *sim, call_t *call)
{
    sandbox_t *sandbox = find_sandbox (sim, call->key);
    if (sandbox)
        sandbox->is_removed = true;
    return true;
}

static bool
effect_create_sandbox (sim_t *sim, call_t *call)
{
    assert_true (sim->sandbox_count < SANDBOXES_MAX);
    sandbox_t *sandbox = &sim->sandboxes[sim->sandbox_count];
    *sandbox =
        (sandbox_t){ .is_ready = true, .attempt = call->attempt, .created_at = sim->world->now };
    snprintf (sandbox->id, sizeof sandbox->id, "sb%zu", sim->sandbox_count++);
    snprintf (call->key, sizeof call->key, "%s", sandbox->id);
    return true;
}

static size_t
newest_sandbox (sim_t *sim)
{
    return sim->sandbox_count - 1;
}

/* How long it runs and how it ends: in the storm anything, in the calm as it should. */
static void
write_program (sim_t *sim, instance_t *instance)
{
    instance->exit_code = happens (sim, 3) ? 1 : 0;
    instance->ends_at = 0;
    if (is_init (instance->name) || happens (sim, 2))
        instance->ends_at = sim->world->now + between_ms (sim, 100, 20000);
}

/* CreateContainer, StartContainer, the hook. False when the runtime refuses. */
static bool
effect_start (sim_t *sim, call_t *call)
{
    if (call->step == STEP_CREATE) {
        assert_true (sim->instance_count < INSTANCES_MAX);
        if (!sim->sandboxes[newest_sandbox (sim)].is_ready)
            return false;
        call->instance = sim->instance_count++;
        instance_t *created = &sim->instances[call->instance];
        *created = (instance_t){ .name = name_index (call->key),
                                 .sandbox = newest_sandbox (sim),
                                 .state = SEEN_CREATED,
                                 .restarts = call->attempt < 0 ? 0 : call->attempt,
                                 .created_at = sim->world->now };
        snprintf (created->id, sizeof created->id, "c%zu", call->instance);
        container_hash_text (pod_container (&sim->world->pod, call->key), created->hash);
        return true;
    }
    instance_t *instance = &sim->instances[call->instance];
    if (call->step == STEP_POST_START)
        return true;
    if (instance->state != SEEN_CREATED || !sim->sandboxes[instance->sandbox].is_ready)
        return false;
    instance->state = SEEN_RUNNING;
    instance->started_at = sim->world->now;
    write_program (sim, instance);
    check_running (sim, instance);
    if (instance->name == S2) // no startup probe
        sim->sandboxes[instance->sandbox].is_done[S2] = true;
    return true;
}

static effect_fn *const EFFECTS[POD_ACTION_KIND_COUNT] = {
    [POD_EVENT] = no_effect,
    [POD_KILL_CONTAINER] = no_effect,
    [POD_PRE_STOP] = no_effect,
    [POD_STOP_CONTAINER] = effect_stop,
    [POD_REMOVE_CONTAINER] = effect_remove,
    [POD_STOP_SANDBOX] = effect_stop_sandbox,
    [POD_REMOVE_SANDBOX] = effect_remove_sandbox,
    [POD_CREATE_SANDBOX] = effect_create_sandbox,
    [POD_ENSURE_IMAGE] = no_effect,
    [POD_START_CONTAINER] = effect_start,
};

// ---- the worker ----

static void
fill_call (sim_t *sim, call_t *call)
{
    bool is_stop = call->kind == POD_STOP_CONTAINER || call->kind == POD_PRE_STOP;
    call->due_at = sim->world->now + between_ms (sim, 10, is_stop ? 4000 : 800);
    call->is_failure = happens (sim, 8);
    call->is_timeout = !call->is_failure && happens (sim, 12);
}

static void
send_call (sim_t *sim, const pod_action_t *action)
{
    bool is_by_name = action->kind == POD_ENSURE_IMAGE || action->kind == POD_START_CONTAINER;
    call_t call = { .kind = action->kind, .attempt = action->attempt };
    if (action->kind == POD_EVENT || action->kind == POD_KILL_CONTAINER)
        return;
    if (action->kind == POD_START_CONTAINER)
        call.step = STEP_CREATE;
    const char *key = is_by_name ? action->container : action->id;
    snprintf (call.key, sizeof call.key, "%s", key ? key : "");
    fill_call (sim, &call);
    assert_true (sim->call_count < CALLS_MAX);
    sim->calls[sim->call_count++] = call;
}

static size_t
plan_and_send (sim_t *sim)
{
    world_t *world = sim->world;
    const node_t *status = world_status (world);
    OWNED (pod_plan_destroy)
    pod_plan_t *plan = pod_plan (&world->pod, world->seen, world->local, status, world->now);
    if (plan->is_terminating)
        world->local->is_terminating = sim->is_agent_asked = true;
    for (size_t i = 0; i < plan->action_count; i++) {
        check_action (sim, &plan->actions[i]);
        pod_local_began (world->local, &plan->actions[i], world->now);
        send_call (sim, &plan->actions[i]);
    }
    pod_local_prune (world->local, &world->pod, world->seen);
    return plan->action_count;
}

/* Puts what the runtime now has where pod_plan looks. */
static void
refresh (sim_t *sim, const call_t *call)
{
    switch (call->kind) {
    case POD_STOP_CONTAINER:
    case POD_REMOVE_CONTAINER: show_instance (sim, call->key); break;
    case POD_STOP_SANDBOX:
    case POD_REMOVE_SANDBOX:
    case POD_CREATE_SANDBOX:
        if (*call->key)
            show_sandbox (sim, call->key);
        break;
    case POD_START_CONTAINER:
        if (call->step > STEP_CREATE || call->is_timeout)
            show_instance (sim, sim->instances[call->instance].id);
        break;
    default: break;
    }
}

/* CreateContainer leads to StartContainer, that to the hook. True when there is a next step. */
static bool
go_on (sim_t *sim, call_t *call)
{
    bool has_hook = strcmp (call->key, "a") == 0;
    if (call->kind != POD_START_CONTAINER || call->step == STEP_POST_START
        || (call->step == STEP_START && !has_hook))
        return false;
    call->step = call->step == STEP_CREATE ? STEP_START : STEP_POST_START;
    pod_local_set_step (sim->world->local, call->key, call->step);
    fill_call (sim, call);
    sim->calls[sim->call_count++] = *call;
    return true;
}

static void
answer (sim_t *sim, call_t *call)
{
    pod_local_t *local = sim->world->local;
    int64_t now = sim->world->now;
    bool is_good = !call->is_failure && EFFECTS[call->kind](sim, call) && !call->is_timeout;
    bool is_hook = call->kind == POD_START_CONTAINER && call->step == STEP_POST_START;
    const char *key = call->kind == POD_CREATE_SANDBOX ? NULL : call->key;
    if (is_good && go_on (sim, call))
        return;
    refresh (sim, call);
    if (is_good) {
        pod_local_ended (local, (int) call->kind, key, now);
        return;
    }
    if (is_hook)
        pod_local_set_post_start_failed (local, sim->instances[call->instance].id);
    pod_local_failed (local, (int) call->kind, key, "Reason", "message",
                      is_hook ? 0 : now + between_ms (sim, 10000, 15000), now);
}

static void
answer_due (sim_t *sim)
{
    for (size_t i = 0; i < sim->call_count;) {
        if (sim->calls[i].due_at > sim->world->now) {
            i++;
            continue;
        }
        call_t call = sim->calls[i];
        sim->calls[i] = sim->calls[--sim->call_count];
        answer (sim, &call);
    }
}

// ---- what happens by itself ----

static void
end_programs (sim_t *sim)
{
    for (size_t i = 0; i < sim->instance_count; i++) {
        instance_t *instance = &sim->instances[i];
        if (instance->state == SEEN_RUNNING && instance->ends_at
            && instance->ends_at <= sim->world->now)
            end_instance (sim, instance, instance->exit_code);
    }
}

static void
speak_probes (sim_t *sim)
{
    for (size_t i = 0; i < sim->instance_count; i++) {
        instance_t *instance = &sim->instances[i];
        bool is_known = pod_seen_container (sim->world->seen, instance->id) != NULL;
        if (instance->state != SEEN_RUNNING || !is_known || is_starting (sim, i))
            continue;
        if (instance->name == S1 && sim->world->now > instance->started_at + NS_PER_S) {
            bool is_good = !happens (sim, 40);
            pod_local_set_probe (sim->world->local, instance->id, LOCAL_STARTUP,
                                 is_good ? RESULT_SUCCESS : RESULT_FAILURE);
            if (is_good)
                sim->sandboxes[instance->sandbox].is_done[S1] = true;
        }
        if (happens (sim, 200))
            pod_local_set_probe (sim->world->local, instance->id, LOCAL_LIVENESS, RESULT_FAILURE);
    }
}

/* The agent ends and starts again: what was asked has been done or never arrived. */
static void
restart_agent (sim_t *sim)
{
    world_t *world = sim->world;
    for (size_t i = 0; i < sim->call_count; i++)
        if (next_random (sim) % 2)
            EFFECTS[sim->calls[i].kind](sim, &sim->calls[i]);
    sim->call_count = 0;
    pod_seen_destroy (&world->seen);
    pod_local_destroy (&world->local);
    world->seen = pod_seen_new();
    world->local = pod_local_new();
    world->local->is_prepared = true;
    if (sim->is_agent_asked)
        pod_local_terminate (world->local, (opt_int_t){ 0 }, NULL, NULL, true);
    show_all (sim);
}

static void
strike (sim_t *sim)
{
    sandbox_t *newest = sim->sandbox_count ? &sim->sandboxes[newest_sandbox (sim)] : NULL;
    if (newest && newest->is_ready && happens (sim, 300)) { // the sandbox dies
        newest->is_ready = false;
        kill_all_in (sim, newest);
    }
    if (happens (sim, 300)) // somebody else's containers in an unknown state
        for (size_t i = 0; i < sim->instance_count; i++)
            if (sim->instances[i].state == SEEN_RUNNING && !is_starting (sim, i)
                && next_random (sim) % 3 == 0) {
                sim->instances[i].state = SEEN_UNKNOWN;
                sim->instances[i].ends_at = 0;
            }
    if (happens (sim, 400))
        restart_agent (sim);
    pod_t *pod = &sim->world->pod;
    if (happens (sim, 700)) // another image, for one container alone
        pod->spec.containers.items[0].image = next_random (sim) % 2 ? "i" : "j";
    if (happens (sim, 500)) // somebody wants to debug
        pod->spec.ephemeral_containers.count = 1;
    if (happens (sim, 3000)) {
        sim->is_agent_asked = true;
        pod_local_terminate (sim->world->local, (opt_int_t){ true, 3 }, NULL, NULL, true);
    }
    if (happens (sim, 3000)) { // deleted, perhaps once more with less patience
        sim->is_agent_asked = true;
        pod->metadata.deletion_time = sim->world->now;
        pod->metadata.deletion_grace_s =
            (opt_int_t){ true, pod->metadata.deletion_grace_s.set ? 1 : 5 };
    }
}

/* A stretch of time, in small steps; a listing every second. */
static void
run_for (sim_t *sim, int64_t duration_s)
{
    int64_t end_at = sim->world->now + duration_s * NS_PER_S;
    int64_t step_ms = sim->is_storm ? STORM_STEP_MS : CALM_STEP_MS;
    for (int64_t step = 0; sim->world->now < end_at; step++) {
        sim->world->now += step_ms * NS_PER_MS;
        end_programs (sim);
        answer_due (sim);
        strike (sim);
        if (step % (1000 / step_ms) == 0 && !happens (sim, 4)) // or it gets lost
            show_all (sim);
        speak_probes (sim);
        plan_and_send (sim);
    }
}

// ---- where it should get to ----

static size_t
count_running (const sim_t *sim, int name)
{
    size_t count = 0;
    for (size_t i = 0; i < sim->instance_count; i++)
        count += sim->instances[i].name == name && sim->instances[i].state == SEEN_RUNNING;
    return count;
}

static void
check_calm (sim_t *sim)
{
    bool is_over = sim->is_agent_asked;
    OWNED (free_text) char *plan = world_plan (sim->world);
    if (strncmp (plan, is_over ? "terminating stopped" : "", is_over ? 19 : 1) != 0
        || sim->call_count)
        fail_msg ("seed %llu: not calm: %s, %zu calls", (unsigned long long) sim->seed, plan,
                  sim->call_count);
    for (int name = 0; name < NAMES_COUNT; name++) {
        bool should_run = !is_over && (is_regular (name) || is_sidecar (name));
        bool may_have_ended = strcmp (sim->policy, "Always") != 0;
        if (name == E)
            continue; // runs as long as it likes
        size_t running = count_running (sim, name);
        if (running != should_run && !(running == 0 && may_have_ended))
            fail_msg ("seed %llu: %zu of %s run", (unsigned long long) sim->seed, running,
                      NAMES[name]);
    }
}

/* Whatever runs was made from the definition as it is now. */
static void
check_definitions (sim_t *sim)
{
    for (size_t i = 0; i < sim->instance_count; i++) {
        const instance_t *instance = &sim->instances[i];
        char hash[CONTAINER_HASH_TEXT_MAX];
        if (instance->state != SEEN_RUNNING)
            continue;
        container_hash_text (pod_container (&sim->world->pod, NAMES[instance->name]), hash);
        if (strcmp (hash, instance->hash) != 0)
            fail_msg ("seed %llu: %s runs an old definition", (unsigned long long) sim->seed,
                      instance->id);
    }
}

static void
check_gone (sim_t *sim)
{
    for (size_t i = 0; i < sim->instance_count; i++)
        if (!sim->instances[i].is_removed)
            fail_msg ("seed %llu: %s is left", (unsigned long long) sim->seed,
                      sim->instances[i].id);
    for (size_t i = 0; i < sim->sandbox_count; i++)
        if (!sim->sandboxes[i].is_removed)
            fail_msg ("seed %llu: %s is left", (unsigned long long) sim->seed,
                      sim->sandboxes[i].id);
    OWNED (free_text) char *plan = world_plan (sim->world);
    assert_string_equal (plan, "terminating stopped finished");
}

static void
simulate (uint64_t seed)
{
    static const char *const POLICIES[] = { "Always", "OnFailure", "Never" };
    OWNED (free_text) char *policy = text_copy (POLICIES[seed % COUNT_OF (POLICIES)]);
    const char *hole = strstr (POD, "%s");
    OWNED (free_text)
    char *pod = text_format ("%.*s%s%s", (int) (hole - POD), POD, policy, hole + 2);
    sim_t *sim = memory_new (1, sizeof *sim);
    sim->world = world_new (pod, "");
    sim->world->pod.spec.ephemeral_containers.count = 0; // it comes later
    sim->random = seed * 0x9e3779b97f4a7c15ULL + 1;
    sim->seed = seed;
    sim->policy = policy;
    sim->is_storm = true;
    run_for (sim, STORM_S);
    sim->is_storm = false;
    run_for (sim, CALM_S);
    check_calm (sim);
    check_definitions (sim);
    sim->is_agent_asked = true;
    pod_local_terminate (sim->world->local, (opt_int_t){ true, 3 }, NULL, NULL, true);
    run_for (sim, 120);
    check_gone (sim);
    world_destroy (&sim->world);
    free (sim);
}

static void
any_storm_ends_where_it_should (void **state)
{
    (void) state;
    const char *more = getenv ("CUBELET_SIMULATED_SEEDS"); // for a longer look
    const char *one = getenv ("CUBELET_SIMULATED_SEED");   // for a closer one
    uint64_t first = one ? strtoull (one, NULL, 10) : 1;
    uint64_t last = one ? first : more ? strtoull (more, NULL, 10) : SEEDS;
    for (uint64_t seed = first; seed <= last; seed++)
        simulate (seed);
}

int
main (void)
{
    const struct CMUnitTest TESTS[] = {
        cmocka_unit_test (any_storm_ends_where_it_should),
    };
    return cmocka_run_group_tests (TESTS, NULL, NULL);
}
