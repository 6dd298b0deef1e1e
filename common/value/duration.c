#include "cubelet/duration.h"
#include "cubelet/clock.h"
#include "cubelet/memory.h"
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#define NS_PER_MINUTE (60 * (uint64_t) NS_PER_S)
#define NS_PER_HOUR (60 * NS_PER_MINUTE)

// The magnitude of INT64_MIN: the largest that fits either sign.
#define MAGNITUDE_MAX ((uint64_t) 1 << 63)

static const struct {
    const char *name;
    uint64_t ns;
} UNITS[] = {
    { "ns", 1 },           { "us", 1000 },    { "\302\265s", 1000 }, // U+00B5, the micro sign
    { "\316\274s", 1000 },                                           // U+03BC, the Greek letter
    { "ms", NS_PER_MS },   { "s", NS_PER_S }, { "m", NS_PER_MINUTE }, { "h", NS_PER_HOUR },
};

// ---- reading ----

static bool
is_digit (char c)
{
    return c >= '0' && c <= '9';
}

/* Reads the digits at *at; -1 when they are more than MAGNITUDE_MAX. */
static int
read_whole (const char **at, uint64_t *out)
{
    *out = 0;
    for (; is_digit (**at); (*at)++) {
        if (*out > MAGNITUDE_MAX / 10)
            return -1;
        *out = *out * 10 + (uint64_t) (**at - '0');
        if (*out > MAGNITUDE_MAX)
            return -1;
    }
    return 0;
}

/* Reads the digits behind the point as `*digits / *scale`; those that do not fit are skipped. */
static void
read_fraction (const char **at, uint64_t *digits, double *scale)
{
    *digits = 0;
    *scale = 1;
    bool is_full = false;
    for (; is_digit (**at); (*at)++) {
        is_full = is_full || *digits > (MAGNITUDE_MAX - 10) / 10;
        if (is_full)
            continue;
        *digits = *digits * 10 + (uint64_t) (**at - '0');
        *scale *= 10;
    }
}

/* Reads a unit at *at to nanoseconds. */
static int
read_unit (const char **at, const char *text, uint64_t *ns, fault_t *fault)
{
    size_t size = strcspn (*at, ".0123456789");
    if (size == 0)
        return fault_set (fault, FAULT_INVALID, "time: missing unit in duration \"%s\"", text);
    for (size_t i = 0; i < COUNT_OF (UNITS); i++) {
        if (strlen (UNITS[i].name) == size && memcmp (UNITS[i].name, *at, size) == 0) {
            *at += size;
            *ns = UNITS[i].ns;
            return 0;
        }
    }
    return fault_set (fault, FAULT_INVALID, "time: unknown unit \"%.*s\" in duration \"%s\"",
                      (int) (size > 32 ? 32 : size), *at, text);
}

static int
refuse (const char *text, fault_t *fault)
{
    return fault_set (fault, FAULT_INVALID, "time: invalid duration \"%s\"", text);
}

/* Reads one "12.5s" at *at. */
static int
read_part (const char **at, const char *text, uint64_t *ns, fault_t *fault)
{
    const char *start = *at;
    if (read_whole (at, ns) < 0)
        return refuse (text, fault);
    bool has_digits = *at > start;
    uint64_t fraction = 0;
    double scale = 1;
    if (**at == '.') {
        (*at)++;
        start = *at;
        read_fraction (at, &fraction, &scale);
        has_digits = has_digits || *at > start;
    }
    if (!has_digits)
        return refuse (text, fault);
    uint64_t unit = 1;
    if (read_unit (at, text, &unit, fault) < 0)
        return -1;
    if (*ns > MAGNITUDE_MAX / unit)
        return refuse (text, fault);
    *ns = *ns * unit + (uint64_t) ((double) fraction * ((double) unit / scale));
    return *ns > MAGNITUDE_MAX ? refuse (text, fault) : 0;
}

int
duration_parse (const char *text, int64_t *ns, fault_t *fault)
{
    bool is_negative = *text == '-';
    const char *at = text + (*text == '-' || *text == '+');
    uint64_t total = 0;
    if (!*at)
        return refuse (text, fault);
    if (strcmp (at, "0") == 0)
        at++;
    while (*at) {
        uint64_t part;
        if (read_part (&at, text, &part, fault) < 0)
            return -1;
        total += part; // two values up to 2^63 do not overflow
        if (total > MAGNITUDE_MAX)
            return refuse (text, fault);
    }
    if (total == MAGNITUDE_MAX && !is_negative)
        return refuse (text, fault);
    *ns = (int64_t) (is_negative ? -total : total);
    return 0;
}

// ---- writing ----

/* Appends `value / unit` with as many decimals as it takes, and the unit's name. */
static void
write_decimal (char *out, size_t room, uint64_t value, uint64_t unit, const char *name)
{
    int used = snprintf (out, room, "%" PRIu64, value / unit);
    uint64_t rest = value % unit;
    if (rest)
        out[used++] = '.';
    while (rest) {
        unit /= 10;
        out[used++] = (char) ('0' + (int) (rest / unit));
        rest %= unit;
    }
    snprintf (out + used, room - (size_t) used, "%s", name);
}

char *
duration_text (int64_t ns, char out[static DURATION_TEXT_MAX])
{
    uint64_t left = ns < 0 ? -(uint64_t) ns : (uint64_t) ns;
    size_t used = 0;
    if (ns < 0)
        out[used++] = '-';
    if (left != 0 && left < 1000)
        write_decimal (out + used, DURATION_TEXT_MAX - used, left, 1, "ns");
    else if (left != 0 && left < NS_PER_MS)
        write_decimal (out + used, DURATION_TEXT_MAX - used, left, 1000, "\302\265s");
    else if (left != 0 && left < NS_PER_S)
        write_decimal (out + used, DURATION_TEXT_MAX - used, left, NS_PER_MS, "ms");
    else {
        if (left >= NS_PER_HOUR)
            used += (size_t) snprintf (out + used, DURATION_TEXT_MAX - used, "%" PRIu64 "h",
                                       left / NS_PER_HOUR);
        if (left >= NS_PER_MINUTE)
            used += (size_t) snprintf (out + used, DURATION_TEXT_MAX - used, "%" PRIu64 "m",
                                       left % NS_PER_HOUR / NS_PER_MINUTE);
        write_decimal (out + used, DURATION_TEXT_MAX - used, left % NS_PER_MINUTE, NS_PER_S, "s");
    }
    return out;
}
