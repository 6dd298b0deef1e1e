#include "cubelet/crowd.h"
#include "cubelet/memory.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/un.h>

#include <cmocka.h>

static uint64_t
place (const char *text)
{
    struct sockaddr_in four = { .sin_family = AF_INET, .sin_port = htons (7) };
    struct sockaddr_in6 six = { .sin6_family = AF_INET6, .sin6_port = htons (7) };
    if (inet_pton (AF_INET, text, &four.sin_addr) == 1)
        return crowd_place ((struct sockaddr *) &four);
    assert_int_equal (inet_pton (AF_INET6, text, &six.sin6_addr), 1);
    return crowd_place ((struct sockaddr *) &six);
}

static void
places_are_hosts (void **state)
{
    (void) state;
    static const struct {
        const char *one, *other;
        bool are_same;
    } ROWS[] = {
        { "127.0.0.1", "127.0.0.1", true },
        { "127.0.0.1", "127.0.0.2", false },
        { "10.1.2.3", "::ffff:10.1.2.3", true },
        { "2001:db8:1:2::1", "2001:db8:1:2:ffff::2", true },
        { "2001:db8:1:2::1", "2001:db8:1:3::1", false },
        { "::1", "0.0.0.0", false },
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++)
        assert_int_equal (place (ROWS[i].one) == place (ROWS[i].other), ROWS[i].are_same);
    struct sockaddr_un local = { .sun_family = AF_UNIX };
    assert_int_equal (crowd_place ((struct sockaddr *) &local), crowd_place (NULL));
}

#define SILENT .is_silent = true
#define PROVEN .is_silent = true, .is_proven = true

static void
who_has_most_gives_one (void **state)
{
    (void) state;
    static const struct {
        crowd_member_t members[6];
        bool only_unproven;
        ptrdiff_t chosen;
    } ROWS[] = {
        { { { 1, 5, SILENT }, { 1, 3, SILENT }, { 1, 4, SILENT } }, false, 1 }, // the oldest
        { { { 1, 1, SILENT }, { 2, 3, SILENT }, { 2, 2, SILENT } }, false, 2 }, // of most
        { { { 1, 2, SILENT }, { 2, 1, SILENT } }, false, 1 },    // as many: the oldest
        { { { 1, 1, PROVEN }, { 1, 2, SILENT } }, false, 1 },    // the unproven first
        { { { 1, 1 }, { 1, 2, SILENT } }, false, 1 },            // the silent only
        { { { 1, 1 }, { 1, 2 }, { 2, 3, SILENT } }, false, -1 }, // but all count
        { { { 1, 3, SILENT }, { 2, 1 } }, false, 0 },
        { { { 1, 1 }, { 2, 3, SILENT } }, false, 1 },
        { { { 1, 1, .is_proven = true }, { 1, 2, .is_proven = true }, { 2, 3, SILENT } },
          false,
          2 },
        { { { 1, 1, PROVEN }, { 1, 2, PROVEN }, { 2, 3, SILENT } }, true, 2 },
        { { { 1, 1, PROVEN }, { 1, 2, PROVEN }, { 2, 3, SILENT } }, false, 0 },
        { { { 1, 1, PROVEN }, { 1, 2 } }, true, -1 },
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        size_t count = 0;
        while (count < COUNT_OF (ROWS[i].members) && ROWS[i].members[count].place)
            count++;
        ptrdiff_t chosen = crowd_choose (ROWS[i].members, count, ROWS[i].only_unproven);
        if (chosen != ROWS[i].chosen)
            fail_msg ("row %zu: %td", i, chosen);
    }
    assert_int_equal (crowd_choose (NULL, 0, false), -1);
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (places_are_hosts),
        cmocka_unit_test (who_has_most_gives_one),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
