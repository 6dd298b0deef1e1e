/* clock.h - the only place that asks what time it is; the rules take time as an argument. */
#pragma once
#include <stdint.h>

#define NS_PER_MS 1000000LL
#define NS_PER_S 1000000000LL

/* Nanoseconds since 1970, UTC; steps when somebody sets the clock. What CRI timestamps use. */
int64_t clock_now_ns (void);

/* Milliseconds that never go back, from an arbitrary start; for deadlines and timers. */
int64_t clock_monotonic_ms (void);
