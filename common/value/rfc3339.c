/* rfc3339.c - RFC 3339 times, as Go's time.Parse (time.RFC3339, ...) reads them. */
#include "cubelet/clock.h"
#include "cubelet/duration.h"
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define S_PER_DAY 86400

typedef struct {
    int year, month, day, hour, minute, second, nanosecond;
    int zone_s; // east of UTC
} moment_t;

// ---- reading ----

/* Reads exactly `count` digits within low..high at *at. */
static bool
read_digits (const char **at, int count, int low, int high, int *out)
{
    *out = 0;
    for (int i = 0; i < count; i++, (*at)++) {
        if (**at < '0' || **at > '9')
            return false;
        *out = *out * 10 + (**at - '0');
    }
    return *out >= low && *out <= high;
}

static bool
read_char (const char **at, char expected)
{
    if (**at != expected)
        return false;
    (*at)++;
    return true;
}

/* Reads an optional fraction of a second; digits finer than a nanosecond are dropped. */
static bool
read_nanosecond (const char **at, int *out)
{
    *out = 0;
    if (**at != '.' && **at != ',')
        return true;
    (*at)++;
    size_t count = strspn (*at, "0123456789");
    for (size_t i = 0; i < 9; i++)
        *out = *out * 10 + (i < count ? (*at)[i] - '0' : 0);
    *at += count;
    return count > 0;
}

static bool
read_zone (const char **at, int *out)
{
    *out = 0;
    if (read_char (at, 'Z'))
        return true;
    int sign = **at == '-' ? -1 : 1;
    int hours, minutes;
    if (!read_char (at, '+') && !read_char (at, '-'))
        return false;
    if (!read_digits (at, 2, 0, 23, &hours) || !read_char (at, ':')
        || !read_digits (at, 2, 0, 59, &minutes))
        return false;
    *out = sign * (hours * 3600 + minutes * 60);
    return true;
}

static int
days_in_month (int year, int month)
{
    static const int DAYS[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && is_leap ? 29 : DAYS[month - 1];
}

static bool
read_moment (const char *text, moment_t *out)
{
    return read_digits (&text, 4, 0, 9999, &out->year) && read_char (&text, '-')
           && read_digits (&text, 2, 1, 12, &out->month) && read_char (&text, '-')
           && read_digits (&text, 2, 1, days_in_month (out->year, out->month), &out->day)
           && read_char (&text, 'T') && read_digits (&text, 2, 0, 23, &out->hour)
           && read_char (&text, ':') && read_digits (&text, 2, 0, 59, &out->minute)
           && read_char (&text, ':') && read_digits (&text, 2, 0, 59, &out->second)
           && read_nanosecond (&text, &out->nanosecond) && read_zone (&text, &out->zone_s)
           && *text == '\0';
}

/* Days from 1970-01-01 to a date of the Gregorian calendar, which is also applied before 1582.
   Years are counted from March, so that the leap day is the last of its year. */
static int64_t
days_since_epoch (int year, int month, int day)
{
    int64_t y = month > 2 ? year : year - 1;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year
           - 719468;
}

int
time_parse (const char *text, int64_t *ns, fault_t *fault)
{
    moment_t at;
    if (!read_moment (text, &at))
        return fault_set (fault, FAULT_INVALID, "\"%s\" is not an RFC 3339 time", text);
    int64_t seconds = days_since_epoch (at.year, at.month, at.day) * S_PER_DAY + at.hour * 3600
                      + at.minute * 60 + at.second - at.zone_s;
    if (__builtin_mul_overflow (seconds, NS_PER_S, ns)
        || __builtin_add_overflow (*ns, at.nanosecond, ns))
        *ns = seconds < 0 ? INT64_MIN : INT64_MAX;
    return 0;
}

// ---- writing ----

/* Splits into whole seconds, rounded down, and the nanoseconds above them. */
static int
split (int64_t ns, struct tm *out)
{
    time_t seconds = (time_t) (ns / NS_PER_S);
    int rest = (int) (ns % NS_PER_S);
    if (rest < 0) {
        rest += (int) NS_PER_S;
        seconds--;
    }
    gmtime_r (&seconds, out);
    return rest;
}

/* Writes the time up to the seconds; returns the number of bytes. */
static size_t
write_seconds (const struct tm *at, char out[static TIME_TEXT_MAX])
{
    return strftime (out, TIME_TEXT_MAX, "%Y-%m-%dT%H:%M:%S", at);
}

char *
time_text (int64_t ns, char out[static TIME_TEXT_MAX])
{
    struct tm at;
    split (ns, &at);
    size_t used = write_seconds (&at, out);
    snprintf (out + used, TIME_TEXT_MAX - used, "Z");
    return out;
}

char *
time_text_nano (int64_t ns, char out[static TIME_TEXT_MAX])
{
    struct tm at;
    int rest = split (ns, &at);
    size_t used = write_seconds (&at, out);
    if (rest) {
        used += (size_t) snprintf (out + used, TIME_TEXT_MAX - used, ".%09d", rest);
        while (out[used - 1] == '0')
            used--;
    }
    snprintf (out + used, TIME_TEXT_MAX - used, "Z");
    return out;
}

char *
time_text_micro (int64_t ns, char out[static TIME_TEXT_MAX])
{
    struct tm at;
    int rest = split (ns, &at);
    size_t used = write_seconds (&at, out);
    snprintf (out + used, TIME_TEXT_MAX - used, ".%06dZ", rest / 1000);
    return out;
}
