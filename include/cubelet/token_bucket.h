/* token_bucket.h - a limit on how often something happens: `burst` times at once, then at `per_s`.
   Source: client-go's flowcontrol, token bucket passive rate limiter. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

typedef struct {
    double per_s; // tokens that come back in a second; 0 or less: no limit at all
    double burst; // tokens that fit, 1 or more
} token_rate_t;

/* A zeroed bucket is full. */
typedef struct {
    double used;     // tokens missing, 0 to burst
    int64_t last_ns; // when `used` was right
} token_bucket_t;

/* Takes a token if there is one. `now_ns` comes from any clock that the bucket's caller sticks to;
   a step back gives no tokens. */
bool token_bucket_take (token_bucket_t *self, const token_rate_t *rate, int64_t now_ns);
