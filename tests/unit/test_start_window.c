/* The window that starts pass through: places, priorities, who leaves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
// cmocka wants these before it
#include "cubelet/memory.h"
#include "cubelet/start_window.h"
#include <cmocka.h>

static int items[10];

static void
places_are_given_until_they_are_used_up (void **state)
{
    (void) state;
    OWNED (start_window_destroy) start_window_t *window = start_window_new (2, 1);
    assert_int_equal (start_window_enter (window, 1, &items[0]), WINDOW_ENTERED);
    assert_int_equal (start_window_enter (window, 1, &items[1]), WINDOW_ENTERED);
    assert_int_equal (start_window_enter (window, 1, &items[2]), WINDOW_WAITS);
    assert_int_equal (start_window_enter (window, 9, &items[3]), WINDOW_FULL);
    assert_int_equal (start_window_in_flight (window), 2);
    assert_int_equal (start_window_waiting (window), 1);
}

static void
a_window_has_at_least_one_place (void **state)
{
    (void) state;
    OWNED (start_window_destroy) start_window_t *window = start_window_new (0, 1);
    assert_int_equal (start_window_enter (window, 1, &items[0]), WINDOW_ENTERED);
}

static void
the_higher_priority_goes_first_then_who_came_first (void **state)
{
    (void) state;
    static const struct {
        int item, priority;
    } ARRIVALS[] = { { 1, 1 }, { 2, 2 }, { 3, 1 }, { 4, 3 }, { 5, 2 }, { 6, 3 } };
    static const int ORDER[] = { 4, 6, 2, 5, 1, 3 };
    OWNED (start_window_destroy) start_window_t *window = start_window_new (1, 10);
    start_window_enter (window, 3, &items[0]);
    for (size_t i = 0; i < COUNT_OF (ARRIVALS); i++)
        start_window_enter (window, ARRIVALS[i].priority, &items[ARRIVALS[i].item]);
    for (size_t i = 0; i < COUNT_OF (ORDER); i++)
        assert_ptr_equal (start_window_leave (window), &items[ORDER[i]]);
    assert_int_equal (start_window_in_flight (window), 1);
    assert_null (start_window_leave (window));
    assert_int_equal (start_window_in_flight (window), 0);
}

static void
who_gives_up_waiting_is_not_called (void **state)
{
    (void) state;
    OWNED (start_window_destroy) start_window_t *window = start_window_new (1, 10);
    for (size_t i = 0; i < 4; i++)
        start_window_enter (window, 1, &items[i]);
    assert_true (start_window_forget (window, &items[2]));
    assert_false (start_window_forget (window, &items[2]));
    assert_false (start_window_forget (window, &items[0])); // is in
    assert_ptr_equal (start_window_leave (window), &items[1]);
    assert_ptr_equal (start_window_leave (window), &items[3]);
}

static void
leaving_an_empty_window_does_nothing (void **state)
{
    (void) state;
    OWNED (start_window_destroy) start_window_t *window = start_window_new (1, 1);
    assert_null (start_window_leave (window));
    assert_int_equal (start_window_in_flight (window), 0);
}

int
main (void)
{
    const struct CMUnitTest TESTS[] = {
        cmocka_unit_test (places_are_given_until_they_are_used_up),
        cmocka_unit_test (a_window_has_at_least_one_place),
        cmocka_unit_test (the_higher_priority_goes_first_then_who_came_first),
        cmocka_unit_test (who_gives_up_waiting_is_not_called),
        cmocka_unit_test (leaving_an_empty_window_does_nothing),
    };
    return cmocka_run_group_tests (TESTS, NULL, NULL);
}
