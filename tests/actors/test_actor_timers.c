/* The timers of an actor on zloop: what is set, fired and cancelled leaves nothing behind. */
#include "cubelet/actor_host.h"
#include "cubelet/memory.h"
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define ROUNDS 2000
#define SETTLED 100 // rounds

typedef struct {
    actor_t *actor;
} player_t;

static size_t in_use[2]; // bytes after SETTLED and after all ROUNDS; 0 with a sanitizer
static int rounds, never;

static void
count_never (void *state, void *context)
{
    (void) state, (void) context;
    never++;
}

/* Sets the next round, and before it another timer, which is cancelled at once. */
static void
play (void *state, void *context)
{
    player_t *self = state;
    fault_t done = { 0 };
    fault_set (&done, FAULT_ABORTED, "all rounds are played");
    (void) context;
    rounds++;
    if (rounds == SETTLED)
        in_use[0] = mallinfo2().uordblks;
    if (rounds == ROUNDS) {
        in_use[1] = mallinfo2().uordblks;
        actor_fail (self->actor, &done);
        return;
    }
    actor_timer (self->actor, 1, play, NULL);
    uint64_t id = actor_timer (self->actor, 0, count_never, NULL);
    actor_timer_cancel (self->actor, &id);
}

static void *
start (actor_t *actor, const node_t *args, fault_t *fault)
{
    (void) args, (void) fault;
    player_t *self = memory_new (1, sizeof *self);
    self->actor = actor;
    actor_timer (actor, 0, play, NULL);
    return self;
}

static void
stop (void **self_p)
{
    free (*self_p);
    *self_p = NULL;
}

static void
cancelled_timers_do_not_pile_up (void **state)
{
    (void) state;
    static const actor_handler_t HANDLERS[] = { { 0 } };
    static const actor_class_t PLAYER = {
        .name = "player", .handlers = HANDLERS, .start = start, .stop = stop
    };
    fault_t fault = { 0 };
    assert_int_equal (actor_run_here (&PLAYER, "player", NULL, "inproc://nobody", &fault), 0);
    assert_int_equal (rounds, ROUNDS);
    assert_int_equal (never, 0);
    // One loop timer too many a round would be more than 100 bytes each.
    assert_true (in_use[1] < in_use[0] + (ROUNDS - SETTLED) * 20);
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (cancelled_timers_do_not_pile_up),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
