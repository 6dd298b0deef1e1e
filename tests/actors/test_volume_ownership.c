/* test_volume_ownership.c - a volume is given to a group while others have it too. */
#include "../../actors/volume_manager/ownership.h"
#include "cubelet/memory.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char place[64];

static int
set_up (void **state)
{
    (void) state;
    strcpy (place, "/tmp/test-ownership-XXXXXX");
    return getuid() == 0 && mkdtemp (place) ? 0 : -1;
}

static int
run (const char *command)
{
    OWNED (free_text) char *line = text_format ("cd %s && %s", place, command);
    return system (line);
}

static int
tear_down (void **state)
{
    (void) state;
    return run ("cd / && rm -rf $OLDPWD");
}

static gid_t
group_of (const char *name)
{
    struct stat stat;
    OWNED (free_text) char *path = text_format ("%s/%s", place, name);
    assert_int_equal (lstat (path, &stat), 0);
    return stat.st_gid;
}

/* Another pod with the same volume puts a link to the node's files where a directory was, after it
   has been read and before all in it is changed. */
static void
a_link_in_the_place_of_a_directory_leads_nowhere (void **state)
{
    (void) state;
    fault_t fault = { 0 };
    OWNED (free_text) char *volume = text_format ("%s/volume", place);
    assert_int_equal (
        run ("mkdir -p volume/a node && for i in 1 2 3; do touch volume/a/$i node/$i; "
             "done"),
        0);
    OWNED (ownership_destroy)
    ownership_t *work = ownership_new (volume, 2000, false, NULL, &fault);
    assert_non_null (work);
    while (ownership_count (work) == 0) // the first file in a
        assert_false (ownership_step (work, 0));
    assert_int_equal (run ("mv volume/a volume/b && ln -s $PWD/node volume/a"), 0);
    while (!ownership_step (work, 0))
        continue;
    assert_int_equal (group_of ("node"), 0);
    assert_int_equal (group_of ("node/1") + group_of ("node/2") + group_of ("node/3"), 0);
    assert_int_equal (group_of ("volume"), 2000);
    assert_int_equal (group_of ("volume/b/1") + group_of ("volume/b/2") + group_of ("volume/b/3"),
                      2000); // the one from before
}

static void
all_of_it_is_changed_but_what_links_lead_to (void **state)
{
    (void) state;
    fault_t fault = { 0 };
    OWNED (free_text) char *volume = text_format ("%s/volume", place);
    assert_int_equal (run ("mkdir -p volume/a/b && touch volume/a/b/c outside && "
                           "ln -s $PWD/outside volume/link"),
                      0);
    assert_int_equal (ownership_apply (volume, 2000, false, NULL, &fault), 0);
    assert_int_equal (group_of ("volume/a/b/c"), 2000);
    assert_int_equal (group_of ("volume/link"), 2000);
    assert_int_equal (group_of ("outside"), 0);
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown (a_link_in_the_place_of_a_directory_leads_nowhere, set_up,
                                         tear_down),
        cmocka_unit_test_setup_teardown (all_of_it_is_changed_but_what_links_lead_to, set_up,
                                         tear_down),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
