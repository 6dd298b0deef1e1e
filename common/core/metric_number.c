#include "cubelet/metrics.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Numbers of that many digits before the point, and more, are written with an exponent: what Go's
   strconv does for format 'g' with the shortest precision. */
#define EXPONENT_FROM 6
#define EXPONENT_BELOW (-4)

#define DIGITS_MAX 17

/* The fewest digits that read back as `value`, in "%.*e" notation. */
static void
shortest (double value, char out[static METRIC_NUMBER_MAX])
{
    for (int digits = 15; digits <= DIGITS_MAX; digits++) {
        snprintf (out, METRIC_NUMBER_MAX, "%.*e", digits - 1, value);
        if (strtod (out, NULL) == value) // NOLINT: exactly
            return;
    }
}

/* Takes "d.dddde+XX" apart: digits without point and trailing zeros, and the exponent. */
static int
split (const char *text, char digits[static DIGITS_MAX + 1])
{
    size_t count = 0;
    for (; *text && *text != 'e'; text++)
        if (*text >= '0' && *text <= '9')
            digits[count++] = *text;
    while (count > 1 && digits[count - 1] == '0')
        count--;
    digits[count] = '\0';
    return *text ? (int) strtol (text + 1, NULL, 10) : 0;
}

static void
write_plain (const char *digits, int exponent, char *out, size_t room)
{
    int count = (int) strlen (digits);
    if (exponent < 0)
        snprintf (out, room, "0.%.*s%s", -exponent - 1, "0000", digits);
    else if (count <= exponent + 1)
        snprintf (out, room, "%s%.*s", digits, exponent + 1 - count, "000000");
    else
        snprintf (out, room, "%.*s.%s", exponent + 1, digits, digits + exponent + 1);
}

char *
metric_number (double value, char out[static METRIC_NUMBER_MAX])
{
    if (isnan (value))
        return strcpy (out, "NaN");
    if (isinf (value))
        return strcpy (out, value > 0 ? "+Inf" : "-Inf");
    if (value == 0)
        return strcpy (out, "0");
    char text[METRIC_NUMBER_MAX], digits[DIGITS_MAX + 1] = "";
    shortest (fabs (value), text);
    int exponent = split (text, digits);
    char *at = out;
    if (value < 0)
        *at++ = '-';
    size_t room = METRIC_NUMBER_MAX - 1;
    if (exponent >= EXPONENT_BELOW && exponent < EXPONENT_FROM)
        write_plain (digits, exponent, at, room);
    else
        snprintf (at, room, "%c%s%se%c%02d", digits[0], digits[1] ? "." : "", digits + 1,
                  exponent < 0 ? '-' : '+', abs (exponent));
    return out;
}
