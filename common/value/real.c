#include "cubelet/real.h"
#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* 0.DIGITS times 10^point; no trailing zeros. */
typedef struct {
    bool is_negative;
    char digits[20];
    int count;
    int point;
} decimal_t;

/* Takes "-d.ddde-xx" apart. */
static void
split (const char *text, decimal_t *out)
{
    *out = (decimal_t){ .is_negative = *text == '-' };
    for (text += out->is_negative; *text != 'e'; text++)
        if (*text != '.')
            out->digits[out->count++] = *text;
    while (out->count > 1 && out->digits[out->count - 1] == '0')
        out->count--;
    out->point = (int) strtol (text + 1, NULL, 10) + 1;
}

/* Finds the fewest digits that read back as `value`: a double has 15 that always survive and 17
   that always suffice; a float 6 and 9. Numbers next to zero have less precision. */
static void
find_digits (double value, bool is_single, decimal_t *out)
{
    bool is_normal = fabs (value) >= (is_single ? (double) FLT_MIN : DBL_MIN);
    int precision = !is_normal ? 1 : is_single ? 6 : 15;
    int last = is_single ? 9 : 17;
    char text[REAL_TEXT_MAX];
    for (; precision <= last; precision++) {
        snprintf (text, sizeof text, "%.*e", precision - 1, value);
        bool is_same =
            is_single ? strtof (text, NULL) == (float) value : strtod (text, NULL) == value;
        if (is_same)
            break;
    }
    split (text, out);
}

/* 123.45, 0.0012, 1200 */
static void
write_plain (const decimal_t *decimal, char out[static REAL_TEXT_MAX])
{
    const char *sign = decimal->is_negative ? "-" : "";
    int used;
    if (decimal->point <= 0)
        used = snprintf (out, REAL_TEXT_MAX, "%s0.%.*s", sign, -decimal->point, "000000000");
    else
        used = snprintf (out, REAL_TEXT_MAX, "%s", sign);
    for (int i = 0; i < decimal->count || i < decimal->point; i++) {
        if (i > 0 && i == decimal->point)
            out[used++] = '.';
        out[used++] = i < decimal->count ? decimal->digits[i] : '0';
    }
    out[used] = '\0';
}

/* 1.2e+21; at least `exponent_digits` digits of exponent. */
static void
write_scientific (const decimal_t *decimal, int exponent_digits, char out[static REAL_TEXT_MAX])
{
    int exponent = decimal->point - 1;
    snprintf (out, REAL_TEXT_MAX, "%s%c%s%.*se%c%0*d", decimal->is_negative ? "-" : "",
              decimal->digits[0], decimal->count > 1 ? "." : "", decimal->count - 1,
              decimal->digits + 1, exponent < 0 ? '-' : '+', exponent_digits, abs (exponent));
}

char *
real_text (double value, char out[static REAL_TEXT_MAX])
{
    if (!isfinite (value))
        return strcpy (out, "null");
    decimal_t decimal;
    find_digits (value, false, &decimal);
    double magnitude = fabs (value);
    if (magnitude != 0 && (magnitude < 1e-6 || magnitude >= 1e21))
        write_scientific (&decimal, 1, out);
    else
        write_plain (&decimal, out);
    return out;
}

char *
real_key (double value, char out[static REAL_TEXT_MAX])
{
    if (isnan (value))
        return strcpy (out, ".nan");
    if (fabs (value) > FLT_MAX)
        return strcpy (out, value < 0 ? "-.inf" : ".inf");
    decimal_t decimal;
    value = (double) (float) value;
    find_digits (value, true, &decimal);
    int exponent = decimal.point - 1;
    if (value != 0 && (exponent < -4 || exponent >= 6)) // the limits of Go's shortest %g
        write_scientific (&decimal, 2, out);
    else
        write_plain (&decimal, out);
    return out;
}
