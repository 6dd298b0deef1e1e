#include "cubelet/backoff.h"
#include "cubelet/clock.h"

const backoff_limits_t BACKOFF_CONTAINER = { .first_ns = 10 * NS_PER_S,
                                             .limit_ns = 300 * NS_PER_S };
const backoff_limits_t BACKOFF_IMAGE = { .first_ns = 10 * NS_PER_S, .limit_ns = 300 * NS_PER_S };

backoff_limits_t
backoff_container_limits (bool is_reduced, int64_t most_ns)
{
    static const backoff_limits_t REDUCED = { .first_ns = NS_PER_S, .limit_ns = 60 * NS_PER_S };
    backoff_limits_t limits = is_reduced ? REDUCED : BACKOFF_CONTAINER;
    if (most_ns)
        limits.limit_ns = most_ns;
    if (limits.first_ns > limits.limit_ns)
        limits.first_ns = limits.limit_ns;
    limits.forget_ns = 600 * NS_PER_S;
    return limits;
}

/* A run that ended this long after the entry was made had been healthy. */
static bool
is_expired (const backoff_t *self, const backoff_limits_t *limits, int64_t event_at)
{
    int64_t forget_ns = limits->forget_ns ? limits->forget_ns : 2 * limits->limit_ns;
    return self->wait_ns == 0 || event_at - self->updated_at > forget_ns;
}

bool
backoff_holds_since (const backoff_t *self, const backoff_limits_t *limits, int64_t event_at,
                     int64_t now)
{
    return !is_expired (self, limits, event_at) && now - event_at < self->wait_ns;
}

bool
backoff_holds (const backoff_t *self, const backoff_limits_t *limits, int64_t now)
{
    return !is_expired (self, limits, now) && now - self->updated_at < self->wait_ns;
}

void
backoff_next (backoff_t *self, const backoff_limits_t *limits, int64_t event_at, int64_t now)
{
    if (is_expired (self, limits, event_at))
        self->wait_ns = limits->first_ns;
    else // halve the limit instead of doubling the wait, which may overflow
        self->wait_ns = self->wait_ns < limits->limit_ns / 2 ? self->wait_ns * 2 : limits->limit_ns;
    self->updated_at = now;
}
