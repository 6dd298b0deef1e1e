#include "cubelet/lru.h"
#include "cubelet/memory.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void
remembers_values_by_key (void **state)
{
    (void) state;
    OWNED (lru_destroy) lru_t *lru = lru_new (3, sizeof (int));
    assert_null (lru_get (lru, "a"));
    *(int *) lru_put (lru, "a") = 1;
    assert_int_equal (*(int *) lru_put (lru, "b"), 0);
    assert_int_equal (*(int *) lru_get (lru, "a"), 1);
    assert_int_equal (*(int *) lru_put (lru, "a"), 1);
    assert_int_equal (lru_count (lru), 2);
    lru_remove (lru, "a");
    lru_remove (lru, "never there");
    assert_null (lru_get (lru, "a"));
}

static void
the_one_unused_for_longest_goes (void **state)
{
    (void) state;
    OWNED (lru_destroy) lru_t *lru = lru_new (2, sizeof (int));
    lru_put (lru, "a");
    lru_put (lru, "b");
    lru_get (lru, "a");
    lru_put (lru, "c");
    assert_non_null (lru_get (lru, "a"));
    assert_null (lru_get (lru, "b"));
    assert_non_null (lru_get (lru, "c"));
    assert_int_equal (lru_count (lru), 2);
}

static void
never_grows_beyond_its_limit (void **state)
{
    (void) state;
    OWNED (lru_destroy) lru_t *lru = lru_new (100, 64);
    for (int i = 0; i < 5000; i++) {
        OWNED (free_text) char *key = text_format ("key %d", i);
        *(int *) lru_put (lru, key) = i;
        assert_int_equal (lru_count (lru), i < 100 ? i + 1 : 100);
    }
    for (int i = 4900; i < 5000; i++) {
        OWNED (free_text) char *key = text_format ("key %d", i);
        assert_int_equal (*(int *) lru_get (lru, key), i);
    }
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (remembers_values_by_key),
        cmocka_unit_test (the_one_unused_for_longest_goes),
        cmocka_unit_test (never_grows_beyond_its_limit),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
