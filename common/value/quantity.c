#include "cubelet/quantity.h"
#include "cubelet/memory.h"
#include <limits.h>
#include <string.h>

__extension__ typedef __int128 int128_t;
__extension__ typedef unsigned __int128 uint128_t;

#define NANO_PER_MILLI 1000000
#define NANO_PER_ONE 1000000000
#define NANO_DIGITS 9
#define NANO_MAX ((int128_t) (~(uint128_t) 0 >> 1))

// As many digits as leave room for what they are multiplied with: 2^60 in a binary quantity,
// nothing (later steps saturate) in a decimal one.
#define BINARY_DIGITS_MAX 19
#define DECIMAL_DIGITS_MAX 28

// Far beyond every value; exponents are cut to it so that sums of them stay small.
#define EXPONENT_MAX 10000

typedef enum { FAMILY_DECIMAL, FAMILY_BINARY, FAMILY_EXPONENT } family_t;

typedef struct {
    const char *text;
    family_t family;
    int exponent; // of 2 in a binary suffix, else of 10
} suffix_t;

static const suffix_t SUFFIXES[] = {
    { "", FAMILY_DECIMAL, 0 },   { "n", FAMILY_DECIMAL, -9 }, { "u", FAMILY_DECIMAL, -6 },
    { "m", FAMILY_DECIMAL, -3 }, { "k", FAMILY_DECIMAL, 3 },  { "M", FAMILY_DECIMAL, 6 },
    { "G", FAMILY_DECIMAL, 9 },  { "T", FAMILY_DECIMAL, 12 }, { "P", FAMILY_DECIMAL, 15 },
    { "E", FAMILY_DECIMAL, 18 }, { "Ki", FAMILY_BINARY, 10 }, { "Mi", FAMILY_BINARY, 20 },
    { "Gi", FAMILY_BINARY, 30 }, { "Ti", FAMILY_BINARY, 40 }, { "Pi", FAMILY_BINARY, 50 },
    { "Ei", FAMILY_BINARY, 60 },
};

/* A number on its way in: digits times 10^exponent, and a bit more when `has_rest`. */
typedef struct {
    uint128_t digits;
    int exponent;
    bool has_rest;
} number_t;

// ---- reading ----

/* Reads the digits after "e" or "E"; more than an int32 is refused, as upstream does. */
static int
read_exponent (const char *text, int *out)
{
    bool is_negative = *text == '-';
    if (*text == '-' || *text == '+')
        text++;
    size_t size = strspn (text, "0123456789");
    if (size == 0 || text[size] != '\0')
        return -1;
    int64_t value = 0;
    for (; *text; text++) {
        value = value * 10 + (*text - '0');
        if (value > INT32_MAX)
            return -1;
    }
    int cut = value > EXPONENT_MAX ? EXPONENT_MAX : (int) value;
    *out = is_negative ? -cut : cut;
    return 0;
}

static int
read_suffix (const char *text, suffix_t *out)
{
    for (size_t i = 0; i < COUNT_OF (SUFFIXES); i++) {
        if (strcmp (text, SUFFIXES[i].text) == 0) {
            *out = SUFFIXES[i];
            return 0;
        }
    }
    if (*text != 'e' && *text != 'E')
        return -1;
    *out = (suffix_t){ .text = text, .family = FAMILY_EXPONENT };
    return read_exponent (text + 1, &out->exponent);
}

static void
add_digit (number_t *number, int digit, bool is_fraction, uint128_t limit)
{
    if (number->digits < limit) {
        number->digits = number->digits * 10 + (unsigned) digit;
        number->exponent -= is_fraction;
    }
    else {
        number->has_rest = number->has_rest || digit != 0;
        if (!is_fraction && number->exponent < EXPONENT_MAX)
            number->exponent++;
    }
}

/* Reads digits with at most one point among them from `text` up to `end`. */
static int
read_number (const char *text, const char *end, int digits_max, number_t *out)
{
    uint128_t limit = 1;
    for (int i = 1; i < digits_max; i++)
        limit *= 10;
    *out = (number_t){ 0 };
    bool is_fraction = false;
    bool has_digits = false;
    for (; text < end; text++) {
        if (*text == '.' && is_fraction)
            return -1;
        if (*text == '.')
            is_fraction = true;
        else {
            add_digit (out, *text - '0', is_fraction, limit);
            has_digits = true;
        }
    }
    return has_digits ? 0 : -1;
}

/* The number with its exponent applied: rounded up, and capped at NANO_MAX. */
static int128_t
whole (number_t number)
{
    for (; number.exponent > 0 && number.digits; number.exponent--) {
        if (number.digits > (uint128_t) NANO_MAX / 10)
            return NANO_MAX;
        number.digits *= 10;
    }
    for (; number.exponent < 0 && number.digits; number.exponent++) {
        number.has_rest = number.has_rest || number.digits % 10 != 0;
        number.digits /= 10;
    }
    if (number.has_rest)
        number.digits++;
    return number.digits > (uint128_t) NANO_MAX ? NANO_MAX : (int128_t) number.digits;
}

int
quantity_parse (const char *text, quantity_t *out, fault_t *fault)
{
    bool is_negative = *text == '-';
    const char *digits = text + (*text == '-' || *text == '+');
    const char *end = digits + strspn (digits, "0123456789.");
    suffix_t suffix;
    number_t number;
    if (read_suffix (end, &suffix) < 0)
        return fault_set (fault, FAULT_INVALID, "\"%s\" is not a quantity: unknown suffix", text);
    bool is_binary = suffix.family == FAMILY_BINARY;
    if (read_number (digits, end, is_binary ? BINARY_DIGITS_MAX : DECIMAL_DIGITS_MAX, &number) < 0)
        return fault_set (fault, FAULT_INVALID, "\"%s\" is not a quantity", text);

    if (is_binary)
        number.digits <<= suffix.exponent;
    else
        number.exponent += suffix.exponent;
    number.exponent += NANO_DIGITS;
    int128_t nano = whole (number);
    if (is_binary && nano > (int128_t) INT64_MAX * NANO_PER_ONE)
        nano = (int128_t) INT64_MAX * NANO_PER_ONE;
    *out = (quantity_t){ .set = true, .nano = is_negative ? -nano : nano };
    return 0;
}

// ---- values ----

/* Divides, rounding away from zero, within int64_t. */
static int64_t
divide_up (int128_t nano, int64_t divisor)
{
    int128_t result = nano / divisor;
    if (nano % divisor != 0)
        result += nano < 0 ? -1 : 1;
    if (result > INT64_MAX)
        return INT64_MAX;
    return result < INT64_MIN ? INT64_MIN : (int64_t) result;
}

int64_t
quantity_value (quantity_t quantity)
{
    return quantity.set ? divide_up (quantity.nano, NANO_PER_ONE) : 0;
}

int64_t
quantity_milli (quantity_t quantity)
{
    return quantity.set ? divide_up (quantity.nano, NANO_PER_MILLI) : 0;
}

bool
quantity_is_zero (quantity_t quantity)
{
    return !quantity.set || quantity.nano == 0;
}

quantity_t
quantity_add (quantity_t a, quantity_t b)
{
    int128_t x = a.set ? a.nano : 0;
    int128_t y = b.set ? b.nano : 0;
    quantity_t sum = { .set = a.set || b.set };
    if (__builtin_add_overflow (x, y, &sum.nano))
        sum.nano = x < 0 ? -NANO_MAX : NANO_MAX;
    return sum;
}

int
quantity_compare (quantity_t a, quantity_t b)
{
    int128_t x = a.set ? a.nano : 0;
    int128_t y = b.set ? b.nano : 0;
    return x < y ? -1 : x > y;
}

quantity_t
quantity_of (int64_t value)
{
    return (quantity_t){ .set = true, .nano = (int128_t) value * NANO_PER_ONE };
}

quantity_t
quantity_of_milli (int64_t milli)
{
    return (quantity_t){ .set = true, .nano = (int128_t) milli * NANO_PER_MILLI };
}

// ---- writing ----

static family_t
family_of (const char *like)
{
    suffix_t suffix;
    if (!like || read_suffix (like + strspn (like, "+-0123456789."), &suffix) < 0)
        return FAMILY_DECIMAL;
    return suffix.family;
}

static const char *
suffix_for (family_t family, int exponent)
{
    for (size_t i = 0; i < COUNT_OF (SUFFIXES); i++)
        if (SUFFIXES[i].family == family && SUFFIXES[i].exponent == exponent)
            return SUFFIXES[i].text;
    return NULL;
}

/* Owned text "[-]<magnitude><suffix>"; printf knows no 128 bit numbers. */
static char *
join (bool is_negative, uint128_t magnitude, const char *suffix)
{
    char digits[48];
    size_t at = sizeof digits - 1;
    digits[at] = '\0';
    do {
        digits[--at] = (char) ('0' + (int) (magnitude % 10));
        magnitude /= 10;
    } while (magnitude);
    return text_format ("%s%s%s", is_negative ? "-" : "", digits + at, suffix);
}

static char *
binary_text (bool is_negative, uint128_t value)
{
    int exponent = 0;
    for (; value % 1024 == 0 && exponent < 60; exponent += 10)
        value /= 1024;
    return join (is_negative, value, exponent ? suffix_for (FAMILY_BINARY, exponent) : "");
}

static char *
decimal_text (bool is_negative, uint128_t nano, family_t family)
{
    int exponent = -NANO_DIGITS;
    for (; nano % 1000 == 0; exponent += 3)
        nano /= 1000;
    char scientific[16] = "";
    if (exponent != 0)
        snprintf (scientific, sizeof scientific, "e%d", exponent);
    const char *suffix = family == FAMILY_DECIMAL ? suffix_for (family, exponent) : NULL;
    return join (is_negative, nano, suffix ? suffix : scientific);
}

char *
quantity_text (quantity_t quantity, const char *like)
{
    if (quantity_is_zero (quantity))
        return text_copy ("0");
    bool is_negative = quantity.nano < 0;
    uint128_t nano = is_negative ? -(uint128_t) quantity.nano : (uint128_t) quantity.nano;
    family_t family = family_of (like);
    if (family != FAMILY_BINARY)
        return decimal_text (is_negative, nano, family);
    // Small and fractional values would lose something as binary; upstream does the same.
    if (nano < (uint128_t) 1024 * NANO_PER_ONE || nano % NANO_PER_ONE != 0)
        return decimal_text (is_negative, nano, FAMILY_DECIMAL);
    return binary_text (is_negative, nano / NANO_PER_ONE);
}
