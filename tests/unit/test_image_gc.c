#include "cubelet/image_gc.h"
#include "pod_fixture.h"

#define S 1000000000LL

static void
note (image_gc_t *gc, const char *images, const char *containers, const char *sandbox, int64_t now)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t image_list = yaml_node (images, tree), container_list = yaml_node (containers, tree);
    image_gc_note (gc, &image_list, &container_list, sandbox, now);
}

/* What is chosen, as "a b c". */
static void
assert_chosen (const image_gc_t *gc, int64_t bytes, int64_t minimum_age, int64_t now,
               const char *expected)
{
    image_victim_t victims[16];
    OWNED (free_text) char *text = text_copy ("");
    size_t count = image_gc_choose (gc, bytes, minimum_age, now, victims);
    for (size_t i = 0; i < count; i++)
        text_replace (&text, "%s%s%s", text, i ? " " : "", victims[i].id);
    assert_string_equal (text, expected);
}

#define ABC "[{id: a, size: 10}, {id: b, size: 20, repo_tags: ['x/b:1']}, {id: c, size: 30}]"

static void
unused_images_go_in_the_order_of_their_last_use (void **state)
{
    (void) state;
    OWNED (image_gc_destroy) image_gc_t *gc = image_gc_new();
    note (gc, ABC, "[{image_ref: a}, {image: {image: 'x/b:1'}}]", NULL, 100 * S);
    assert_chosen (gc, INT64_MAX, 0, 100 * S, "c");
    note (gc, ABC, "[{image_ref: a}]", NULL, 200 * S);
    assert_chosen (gc, INT64_MAX, 0, 200 * S, "c b");
    note (gc, ABC, "[]", NULL, 300 * S);
    assert_chosen (gc, INT64_MAX, 0, 300 * S, "c b a");
    assert_chosen (gc, 30, 0, 300 * S, "c");
    assert_chosen (gc, 31, 0, 300 * S, "c b");
    assert_chosen (gc, 0, 0, 300 * S, "");
}

static void
some_are_kept (void **state)
{
    (void) state;
    OWNED (image_gc_destroy) image_gc_t *gc = image_gc_new();
    note (gc, "[{id: old, size: 1}]", "[]", NULL, 100 * S);
    note (gc,
          "[{id: old, size: 1}, {id: pinned, size: 1, pinned: true}, {id: new, size: 1},"
          " {id: pause, repo_tags: ['r/pause:3.6']}, {id: p2, repo_digests: ['r/q@sha256:1']}]",
          "[]", "r/pause:3.6", 200 * S);
    assert_chosen (gc, INT64_MAX, 120 * S, 200 * S, "old");
    assert_chosen (gc, INT64_MAX, 120 * S, 319 * S, "old");
    note (gc, "[{id: old, size: 1}, {id: new, size: 1}]", "[]", NULL, 330 * S);
    assert_chosen (gc, INT64_MAX, 120 * S, 330 * S, "old new");
    note (gc, "[{id: new, size: 1}]", "[]", NULL, 340 * S);
    assert_int_equal (image_gc_count (gc), 1);
    note (gc, "[]", "[]", NULL, 350 * S);
    assert_chosen (gc, INT64_MAX, 0, 350 * S, "");
}

static void
age_alone_can_be_enough (void **state)
{
    (void) state;
    OWNED (image_gc_destroy) image_gc_t *gc = image_gc_new();
    image_victim_t victims[4];
    assert_int_equal (image_gc_choose_old (gc, 10 * S, 0, 100 * S, victims), 0);
    note (gc, "[{id: a, size: 1}, {id: b, size: 1}]", "[{image_ref: b}]", NULL, 100 * S);
    assert_int_equal (image_gc_choose_old (gc, 50 * S, 0, 140 * S, victims), 0);
    note (gc, "[{id: a, size: 1}, {id: b, size: 1}]", "[]", NULL, 130 * S);
    assert_int_equal (image_gc_choose_old (gc, 60 * S, 0, 159 * S, victims), 0);
    assert_int_equal (image_gc_choose_old (gc, 60 * S, 0, 161 * S, victims), 2);
    assert_string_equal (victims[0].id, "a");
    assert_int_equal (image_gc_choose_old (gc, 55 * S, 0, 156 * S, victims), 2);
    assert_int_equal (image_gc_choose_old (gc, 70 * S, 0, 169 * S, victims), 0);
    assert_int_equal (image_gc_choose_old (gc, 0, 0, 1000 * S, victims), 0);
}

static void
how_much_is_too_much (void **state)
{
    (void) state;
    static const struct {
        int64_t capacity, available, high, low, excess;
    } CASES[] = {
        { 1000, 500, 85, 80, 0 }, { 1000, 151, 85, 80, 49 }, { 1000, 150, 85, 80, 50 },
        { 1000, 0, 85, 80, 200 }, { 1000, 0, 100, 80, 0 },   { 0, 0, 85, 80, 0 },
        { 1000, 250, 0, 0, 750 },
    };
    for (size_t i = 0; i < COUNT_OF (CASES); i++)
        assert_int_equal (
            image_gc_excess (CASES[i].capacity, CASES[i].available, CASES[i].high, CASES[i].low),
            CASES[i].excess);
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (unused_images_go_in_the_order_of_their_last_use),
        cmocka_unit_test (some_are_kept),
        cmocka_unit_test (age_alone_can_be_enough),
        cmocka_unit_test (how_much_is_too_much),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
