/* The supervisor with real actors: a driver among them plays one scenario and ends the process's
   supervisor with SIGTERM; results are read after supervisor_run has returned. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>
// cmocka wants these before it
#include "cubelet/memory.h"
#include "cubelet/supervisor.h"
#include <cmocka.h>

#define BEAT_MS 50
#define HANG_MS 1000
#define ASK_AGAIN_MS 50
#define LOST_MS 20000 // an answer or a fault comes much sooner, unless the request is lost

/* What happens to the victim in one scenario. */
typedef struct {
    message_id_t order; // sent to `victim` once it is up
    const char *victim;
    bool by_start;  // the victim is started by message instead of from the beginning
    int more;       // so often again
    bool asks_hard; // the next request follows each answer or fault at once
} scenario_t;

static scenario_t scenario;
static int64_t restarts_seen; // of the victim, as its ACTOR_UP said
static int answers_after;     // requests answered after the fault
static int lost;              // requests that were neither answered nor failed
static int64_t left_seen;     // what the victim found of the one before it

// ---- the victim: answers POD_LIST ----

typedef struct {
    actor_t *actor;
} victim_t;

static int
on_list (void *state, const message_t *message, fault_t *fault)
{
    (void) fault;
    victim_t *self = state;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t body = node_map();
    node_set (tree, &body, "items", node_array());
    actor_reply (self->actor, message, &body);
    return 0;
}

static const actor_handler_t VICTIM_HANDLERS[] = { { MSG_POD_LIST, on_list }, { 0 } };

static void *
victim_start (actor_t *actor, const node_t *args, fault_t *fault)
{
    (void) fault;
    victim_t *self = memory_new (1, sizeof *self);
    self->actor = actor;
    left_seen = node_get_int (node_get (args, "left"), "number", -1);
    return self;
}

static node_t
victim_leave (void *state, tree_t *tree)
{
    (void) state;
    node_t left = node_map();
    node_set_int (tree, &left, "number", 7);
    return left;
}

static void
free_state (void **self_p)
{
    free (*self_p);
    *self_p = NULL;
}

static const actor_class_t VICTIM = {
    .name = "victim",
    .handlers = VICTIM_HANDLERS,
    .start = victim_start,
    .leave = victim_leave,
    .stop = free_state,
};

// ---- the driver ----

typedef struct {
    actor_t *actor;
    int ordered;
} driver_t;

static void ask (void *state, void *context);

static void
on_answer (void *state, const message_t *reply, const fault_t *fault, void *context)
{
    (void) reply, (void) context;
    driver_t *self = state;
    lost += fault && fault->code == FAULT_DEADLINE;
    // Whoever was up first did not hear of the other.
    bool has_returned =
        !self->ordered
        || restarts_seen == (strcmp (scenario.victim, "bus") == 0 ? 0 : self->ordered);
    if (fault || !has_returned) { // still on its way up
        actor_timer (self->actor, scenario.asks_hard ? 0 : ASK_AGAIN_MS, ask, NULL);
        return;
    }
    if (self->ordered > scenario.more) {
        answers_after++;
        kill (getpid(), SIGTERM);
        return;
    }
    self->ordered++;
    restarts_seen = -1;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t body = node_map();
    if (scenario.order == MSG_ACTOR_HANG)
        node_set_int (tree, &body, "ms", 600000);
    actor_send (self->actor, scenario.victim, scenario.order, &body);
    actor_timer (self->actor, ASK_AGAIN_MS, ask, NULL);
}

static void
ask (void *state, void *context)
{
    (void) context;
    driver_t *self = state;
    actor_request (self->actor, "victim", MSG_POD_LIST, NULL, LOST_MS, on_answer, NULL, 0);
}

static int
on_up (void *state, const message_t *message, fault_t *fault)
{
    (void) state, (void) fault;
    restarts_seen = node_get_int (message->body, "restarts", -1);
    return 0;
}

static void
ignore (void *state, const message_t *reply, const fault_t *fault, void *context)
{
    (void) state, (void) reply, (void) fault, (void) context;
}

static const actor_handler_t DRIVER_HANDLERS[] = { { MSG_ACTOR_UP, on_up }, { 0 } };

static void *
driver_start (actor_t *actor, const node_t *args, fault_t *fault)
{
    (void) args, (void) fault;
    driver_t *self = memory_new (1, sizeof *self);
    self->actor = actor;
    if (scenario.by_start) {
        OWNED (tree_destroy) tree_t *tree = tree_new();
        node_t body = node_map();
        node_set_text (tree, &body, "class", "victim");
        node_set_text (tree, &body, "name", "victim");
        actor_request (actor, "supervisor", MSG_ACTOR_START, &body, 0, ignore, NULL, 0);
    }
    actor_timer (actor, 0, ask, NULL);
    return self;
}

static const actor_class_t DRIVER = { .name = "driver",
                                      .hears_of = "other victim",
                                      .handlers = DRIVER_HANDLERS,
                                      .start = driver_start,
                                      .stop = free_state };

static void
play (scenario_t played)
{
    scenario = played;
    restarts_seen = -1;
    answers_after = lost = 0;
    supervisor_config_t config = { .heartbeat_ms = BEAT_MS, .hang_ms = HANG_MS };
    supervised_t actors[] = { { &DRIVER, NULL }, { &VICTIM, NULL } };
    const actor_class_t *const classes[] = { &VICTIM, NULL };
    fault_t fault = { 0 };
    int result = supervisor_run (&config, actors, played.by_start ? 1 : 2, classes, &fault);
    assert_string_equal (fault.text, "");
    assert_int_equal (result, 0);
    assert_int_equal (answers_after, 1);
    assert_int_equal (lost, 0);
}

static void
a_killed_actor_is_started_anew_and_its_peers_hear_of_it (void **state)
{
    (void) state;
    play ((scenario_t){ MSG_ACTOR_KILL, "victim", false });
    assert_int_equal (left_seen, 7); // it was handed over
}

static void
after_the_bus_was_killed_messages_flow_again_and_all_are_new_to_all (void **state)
{
    (void) state;
    play ((scenario_t){ MSG_ACTOR_KILL, "bus", false });
}

static void
no_request_is_lost_while_an_actor_ends (void **state)
{
    (void) state;
    play ((scenario_t){ MSG_ACTOR_KILL, "victim", .more = 4, .asks_hard = true });
}

static void
an_actor_started_by_message_is_supervised_like_the_others (void **state)
{
    (void) state;
    play ((scenario_t){ MSG_ACTOR_KILL, "victim", true });
}

/* Last: the hanging thread is left behind, and the process ends without waiting for it. */
static void
a_hanging_actor_is_replaced (void **state)
{
    (void) state;
    play ((scenario_t){ MSG_ACTOR_HANG, "victim", false });
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (a_killed_actor_is_started_anew_and_its_peers_hear_of_it),
        cmocka_unit_test (after_the_bus_was_killed_messages_flow_again_and_all_are_new_to_all),
        cmocka_unit_test (no_request_is_lost_while_an_actor_ends),
        cmocka_unit_test (an_actor_started_by_message_is_supervised_like_the_others),
        cmocka_unit_test (a_hanging_actor_is_replaced),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
