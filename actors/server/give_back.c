/* Memory that the first TLS connection (OpenSSL) or a crowd of clients needed goes back to the
   machine a few seconds later; the supervisor's own turn comes once a minute. */
#include "cubelet/log.h"
#include "cubelet/page_release.h"
#include "cubelet/tls_library.h"
#include "server.h"

#define AFTER_MS 5000 // so that what follows at once is over too
#define CROWD_MIN 32  // connections; fewer leave little behind

static void
give_back (void *state, void *context)
{
    (void) state;
    server_t *self = context;
    self->give_back.timer = 0;
    size_t released = page_release();
    LOG_V (4, "Memory that is not in use is given back bytes=%zu", released);
}

/* Most of a crowd has gone. */
static bool
has_thinned (server_t *self)
{
    size_t count = 0, *most = &self->give_back.most;
    for (listener_t *listener = zlistx_first (self->listeners); listener;
         listener = zlistx_next (self->listeners))
        count += listener_count (listener);
    if (count >= *most)
        *most = count;
    if (*most < CROWD_MIN || count > *most / 2)
        return false;
    *most = count;
    return true;
}

void
give_back_watch (server_t *self)
{
    bool has_tls = tls_library_is_loaded();
    bool is_due = has_tls && !self->give_back.has_tls;
    self->give_back.has_tls = has_tls;
    is_due = has_thinned (self) || is_due;
    if (is_due && !self->give_back.timer)
        self->give_back.timer = actor_timer (self->actor, AFTER_MS, give_back, self);
}
