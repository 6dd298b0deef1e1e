#include "cubelet/askers.h"
#include "cubelet/memory.h"
#include <czmq.h>

struct askers {
    zlistx_t *addresses; // return_address_t
};

askers_t *
askers_new (void)
{
    askers_t *self = memory_new (1, sizeof *self);
    self->addresses = zlistx_new();
    return self;
}

void
askers_destroy (askers_t **self_p)
{
    askers_t *self = *self_p;
    if (!self)
        return;
    for (return_address_t *address; (address = zlistx_detach (self->addresses, NULL));)
        return_address_destroy (&address);
    zlistx_destroy (&self->addresses);
    free (self);
    *self_p = NULL;
}

void
askers_add (askers_t *self, const message_t *request)
{
    zlistx_add_end (self->addresses, return_address_new (request));
}

void
askers_answer (askers_t *self, actor_t *actor, const node_t *body, const fault_t *fault)
{
    for (return_address_t *address; (address = zlistx_detach (self->addresses, NULL));)
        actor_answer (actor, &address, body, fault);
}
