/* duration.h - Go durations ("1m30s", "1.5h", "100ms") and RFC 3339 times. */
#pragma once
#include "cubelet/fault.h"
#include <stddef.h>
#include <stdint.h>

/* Room for every text these functions write, the NUL included. */
#define DURATION_TEXT_MAX 32
#define TIME_TEXT_MAX 40

/* Reads a Go duration to nanoseconds; units ns us µs ms s m h; a sign is allowed; "0" is.
   Returns 0, or -1 with FAULT_INVALID naming the text (also when it overflows int64_t). */
int duration_parse (const char *text, int64_t *ns, fault_t *fault);

/* Writes it as Go's Duration.String (): "1m20s", "5m0s", "1.5s", "0s". Returns `out`. */
char *duration_text (int64_t ns, char out[static DURATION_TEXT_MAX]);

/* Reads an RFC 3339 time with optional fraction and zone to nanoseconds since 1970; a time outside
   of 1677..2262 becomes the nearest that fits. */
int time_parse (const char *text, int64_t *ns, fault_t *fault);

/* "2006-01-02T15:04:05Z": metav1.Time, cut to seconds. Returns `out`. */
char *time_text (int64_t ns, char out[static TIME_TEXT_MAX]);

/* "2006-01-02T15:04:05.999999999Z": RFC3339Nano, trailing zeros of the fraction dropped. */
char *time_text_nano (int64_t ns, char out[static TIME_TEXT_MAX]);

/* "2006-01-02T15:04:05.999999Z": metav1.MicroTime. */
char *time_text_micro (int64_t ns, char out[static TIME_TEXT_MAX]);
