#include "cubelet/memory.h"
#include "cubelet/path_element.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void
only_names_that_stay_in_their_directory_pass (void **state)
{
    (void) state;
    static const struct {
        const char *text;
        const char *fault; // NULL: passes
    } CASES[] = {
        { "9b63cdd209fb3cbc4c7ca4fa221b4a6b", NULL },
        { "5a6b-1", NULL },
        { "...", NULL },
        { "..data", NULL },
        { NULL, "invalid pod uid \"\"" },
        { "", "invalid pod uid \"\"" },
        { ".", "invalid pod uid \".\"" },
        { "..", "invalid pod uid \"..\"" },
        { "a/b", "invalid pod uid \"a/b\"" },
        { "../x", "invalid pod uid \"../x\"" },
    };
    for (size_t i = 0; i < COUNT_OF (CASES); i++) {
        fault_t fault = { 0 };
        int result = path_element_check ("pod uid", CASES[i].text, &fault);
        assert_int_equal (result, CASES[i].fault ? -1 : 0);
        assert_string_equal (fault.text, CASES[i].fault ? CASES[i].fault : "");
    }
}

static void
a_name_no_file_can_have_is_refused (void **state)
{
    (void) state;
    char text[300];
    memset (text, 'a', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    fault_t fault = { 0 };
    assert_int_equal (path_element_check ("volume", text, &fault), -1);
    text[255] = '\0';
    assert_int_equal (path_element_check ("volume", text, &fault), 0);
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (only_names_that_stay_in_their_directory_pass),
        cmocka_unit_test (a_name_no_file_can_have_is_refused),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
