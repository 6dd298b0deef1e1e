#include "cubelet/backoff.h"
#include "cubelet/clock.h"

const backoff_limits_t BACKOFF_CONTAINER = { .first_ns = 10 * NS_PER_S,
                                             .limit_ns = 300 * NS_PER_S };
const backoff_limits_t BACKOFF_IMAGE = { .first_ns = 10 * NS_PER_S, .limit_ns = 300 * NS_PER_S };

/* A run that ended this long after the entry was made had been healthy. */
static bool
is_expired (const backoff_t *self, const backoff_limits_t *limits, int64_t event_at)
{
    return self->wait_ns == 0 || event_at - self->updated_at > 2 * limits->limit_ns;
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
