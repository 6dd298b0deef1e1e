#include "cubelet/memory.h"
#include "cubelet/quantity.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static quantity_t
parsed (const char *text)
{
    quantity_t quantity = { 0 };
    fault_t fault = { 0 };
    if (quantity_parse (text, &quantity, &fault) < 0)
        fail_msg ("%s: %s", text, fault.text);
    assert_true (quantity.set);
    return quantity;
}

static void
check_text (const char *in, const char *like, const char *expected)
{
    OWNED (free_text) char *text = quantity_text (parsed (in), like);
    if (strcmp (text, expected) != 0)
        fail_msg ("%s like %s became %s, not %s", in, like ? like : "NULL", text, expected);
}

/* What quantity_test.go of apimachinery says each text is worth, in nano-units. */
static void
every_notation_is_worth_what_upstream_says (void **state)
{
    (void) state;
    static const struct {
        const char *text;
        int64_t digits;
        int exponent; // of ten
    } ROWS[] = {
        { "0", 0, 0 },
        { "0n", 0, 0 },
        { "0Ki", 0, 0 },
        { "000", 0, 0 },
        { "1", 1, 0 },
        { "1Ki", 1024, 0 },
        { "8Ki", 8192, 0 },
        { "7Mi", 7340032, 0 },
        { "6Gi", 6442450944, 0 },
        { "5Ti", 5497558138880, 0 },
        { "4Pi", 4503599627370496, 0 },
        { "3Ei", 3458764513820540928, 0 },
        { "100Ti", 109951162777600, 0 },
        { "5n", 5, -9 },
        { "4u", 4, -6 },
        { "3m", 3, -3 },
        { "9", 9, 0 },
        { "8k", 8, 3 },
        { "50k", 5, 4 },
        { "7M", 7, 6 },
        { "6G", 6, 9 },
        { "5T", 5, 12 },
        { "40T", 4, 13 },
        { "300T", 3, 14 },
        { "2P", 2, 15 },
        { "1E", 1, 18 },
        { "12E", 12, 18 },
        { "1E-3", 1, -3 },
        { "1e3", 1, 3 },
        { "1E6", 1, 6 },
        { "1E18", 1, 18 },
        { "1e14", 1, 14 },
        { "100.035k", 100035, 0 },
        { "0.001", 1, -3 },
        { "0.0005k", 5, -1 },
        { "0.5", 5, -1 },
        { "0.00500", 5, -3 },
        { "0.5e0", 5, -1 },
        { "0.5e-2", 5, -3 },
        { "10.035M", 10035, 3 },
        { "1.2e3", 12, 2 },
        { "1.3E+6", 13, 5 },
        { "1.7E18", 17, 17 },
        { "9.01", 901, -2 },
        { "6.987654321G", 6987654321, 0 },
        { "300.2T", 3002, 11 },
        { "1.01E", 101, 16 },
        { "100.035Ki", 10243584, -2 },
        { "0.5Mi", 524288, 0 },
        { "0.05Gi", 536870912, -1 },
        { "0.025Ti", 274877906944, -1 },
        { ".001", 1, -3 },
        { ".0001k", 100, -3 },
        { "1.", 1, 0 },
        { "1.G", 1, 9 },
        { "+1", 1, 0 },
        { "-1", -1, 0 },
        { "-1.5Ki", -1536, 0 },
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        __extension__ __int128 nano = ROWS[i].digits;
        for (int exponent = -9; exponent < ROWS[i].exponent; exponent++)
            nano *= 10;
        if (parsed (ROWS[i].text).nano != nano)
            fail_msg ("%s is worth something else", ROWS[i].text);
    }
}

static void
finer_than_nano_is_rounded_away_from_zero (void **state)
{
    (void) state;
    static const struct {
        const char *text;
        int64_t nano;
    } ROWS[] = {
        { "3.001n", 4 },
        { "1.1E-9", 2 },
        { "0.0000000001", 1 },
        { "0.5e-9", 1 },
        { "0.9n", 1 },
        { "0.00000012345", 124 },
        { "0.00000012354", 124 },
        { "0.000000000001Ki", 2 },
        { "-3.001n", -4 },
        { "1e-1000", 1 },
        { "1e-2147483647", 1 },
        { "0e-1000", 0 },
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++)
        if (parsed (ROWS[i].text).nano != ROWS[i].nano)
            fail_msg ("%s is rounded to something else", ROWS[i].text);
}

static void
huge_quantities_are_capped_not_wrapped (void **state)
{
    (void) state;
    static const char *const BINARY[] = { "9Ei", "9223372036854775807Ki", "99999999999999999999Ei",
                                          "8Ei" };
    for (size_t i = 0; i < COUNT_OF (BINARY); i++)
        if (quantity_compare (parsed (BINARY[i]), quantity_of (INT64_MAX)) != 0)
            fail_msg ("%s is not capped", BINARY[i]);
    static const char *const DECIMAL[] = { "12E", "1e100", "1e2147483647",
                                           "99999999999999999999999999999999999999999999999999" };
    for (size_t i = 0; i < COUNT_OF (DECIMAL); i++) {
        assert_int_equal (quantity_value (parsed (DECIMAL[i])), INT64_MAX);
        assert_int_equal (quantity_milli (parsed (DECIMAL[i])), INT64_MAX);
    }
    assert_int_equal (quantity_value (parsed ("-1e100")), INT64_MIN);
    assert_int_equal (quantity_compare (parsed ("12E"), parsed ("11E")), 1);
    quantity_t most = parsed ("1e100");
    assert_int_equal (quantity_value (quantity_add (most, most)), INT64_MAX);
}

static void
a_malformed_quantity_is_refused_and_named (void **state)
{
    (void) state;
    static const char *const ROWS[] = {
        "",     "1.1.M",  "1+1.0M",       "0.1mi",        "0.1am", "aoeu", ".5i",
        "1i",   "-3.01i", "-3.01e-",      " 1",           "1 ",    "-",    "+",
        ".",    "Ki",     "1e4294967297", "1E2147483648", "1e",    "1ee3", "1e3Ki",
        "1KiB", "1gi",    "1 Gi",         "--1",          "+-1",   "0x10", "1_000",
        "1e3e", "1,5",    "inf",          "nan",          "1Ki1",  "1\n",
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        quantity_t quantity = { 0 };
        fault_t fault = { 0 };
        if (quantity_parse (ROWS[i], &quantity, &fault) == 0)
            fail_msg ("\"%s\" is accepted", ROWS[i]);
        assert_int_equal (fault.code, FAULT_INVALID);
        assert_non_null (strstr (fault.text, ROWS[i]));
        assert_false (quantity.set);
    }
}

static void
values_are_rounded_away_from_zero (void **state)
{
    (void) state;
    static const struct {
        const char *text;
        int64_t value, milli;
    } ROWS[] = {
        { "100m", 1, 100 }, { "1500m", 2, 1500 },  { "1n", 1, 1 },
        { "0", 0, 0 },      { "-100m", -1, -100 }, { "0.0005", 1, 1 },
        { "2", 2, 2000 },   { "-1n", -1, -1 },     { "1Ki", 1024, 1024000 },
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        assert_int_equal (quantity_value (parsed (ROWS[i].text)), ROWS[i].value);
        assert_int_equal (quantity_milli (parsed (ROWS[i].text)), ROWS[i].milli);
    }
    assert_int_equal (quantity_value ((quantity_t){ 0 }), 0);
    assert_int_equal (quantity_milli ((quantity_t){ 0 }), 0);
}

static void
quantities_are_written_in_canonical_form (void **state)
{
    (void) state;
    static const struct {
        const char *in, *like, *out;
    } ROWS[] = {
        { "1024Mi", "1024Mi", "1Gi" },
        { "307200Ki", "1Ki", "300Mi" },
        { "1025024Mi", "1Mi", "1001Gi" },
        { "5", "5Ki", "5" },
        { "0.5", "1Ki", "500m" },
        { "1000M", NULL, "1G" },
        { "0.001T", NULL, "1G" },
        { "1000u", NULL, "1m" },
        { "80m", NULL, "80m" },
        { "1.08", NULL, "1080m" },
        { "1080000000n", NULL, "1080m" },
        { "300M", NULL, "300M" },
        { "1234567M", NULL, "1234567M" },
        { "1025", "1Ki", "1025" },
        { "0Gi", "0Gi", "0" },
        { ".001e12", "1e3", "1e9" },
        { "0.001e0", "1e3", "1e-3" },
        { "80e-3", "1e3", "80e-3" },
        { "1", "1e3", "1" },
        { "1000m", "1000m", "1" },
        { "1n", NULL, "1n" },
        { "108e-8", NULL, "1080n" },
        { "1000E", NULL, "1e21" },
        { ".001Ki", ".001Ki", "1024m" },
        { ".000001Ki", "1Ki", "1024u" },
        { "-1536Mi", "1Gi", "-1536Mi" },
        { "-1", NULL, "-1" },
        { "9Ei", "9Ei", "9223372036854775807" },
        { "1Gi", NULL, "1073741824" },
        { "1Gi", "nonsense", "1073741824" },
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++)
        check_text (ROWS[i].in, ROWS[i].like, ROWS[i].out);
    OWNED (free_text) char *unset = quantity_text ((quantity_t){ 0 }, NULL);
    assert_string_equal (unset, "0");
}

static void
unset_quantities_count_as_zero (void **state)
{
    (void) state;
    quantity_t unset = { 0 };
    assert_true (quantity_is_zero (unset));
    assert_false (quantity_add (unset, unset).set);
    assert_int_equal (quantity_compare (quantity_add (unset, parsed ("2")), parsed ("2")), 0);
    assert_true (quantity_add (parsed ("0"), unset).set);
    assert_int_equal (quantity_compare (unset, parsed ("0")), 0);
    assert_int_equal (quantity_compare (unset, parsed ("1")), -1);
    assert_int_equal (quantity_compare (parsed ("100m"), parsed ("50m")), 1);
    assert_int_equal (quantity_compare (quantity_of (1), quantity_of_milli (1000)), 0);
    assert_int_equal (quantity_value (quantity_of (INT64_MIN)), INT64_MIN);
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (every_notation_is_worth_what_upstream_says),
        cmocka_unit_test (finer_than_nano_is_rounded_away_from_zero),
        cmocka_unit_test (huge_quantities_are_capped_not_wrapped),
        cmocka_unit_test (a_malformed_quantity_is_refused_and_named),
        cmocka_unit_test (values_are_rounded_away_from_zero),
        cmocka_unit_test (quantities_are_written_in_canonical_form),
        cmocka_unit_test (unset_quantities_count_as_zero),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
