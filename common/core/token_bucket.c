#include "cubelet/token_bucket.h"
#include "cubelet/clock.h"

bool
token_bucket_take (token_bucket_t *self, const token_rate_t *rate, int64_t now_ns)
{
    if (rate->per_s <= 0)
        return true;
    if (now_ns > self->last_ns)
        self->used -= (double) (now_ns - self->last_ns) / (double) NS_PER_S * rate->per_s;
    if (self->used < 0)
        self->used = 0;
    self->last_ns = now_ns;
    if (self->used + 1 > rate->burst)
        return false;
    self->used += 1;
    return true;
}
