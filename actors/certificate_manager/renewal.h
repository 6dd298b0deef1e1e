/* renewal.h - one certificate of the node: asked for, stored, replaced in time. For
   certificate_manager.c. */
#pragma once
#include "cubelet/actor.h"
#include "cubelet/certificate_plan.h"

typedef struct renewal renewal_t;

/* Everything is copied. */
typedef struct {
    certificate_use_t use;
    const char *node_name;
    const char *directory;  // --cert-dir
    const char *kubeconfig; // of the node; a first client certificate has it written
    const char *bootstrap;  // kubeconfig to get a first client certificate with; NULL: none
    bool is_rotated;        // replaced before it expires
} renewal_options_t;

/* Looks after the certificate from now on; a serving certificate as soon as renewal_set_names said
   what for. Owned. */
renewal_t *renewal_new (actor_t *actor, const renewal_options_t *options);
void renewal_destroy (renewal_t **self_p);

/* The names that a serving certificate must have, {"dns": [...], "ips": [...]}. */
void renewal_set_names (renewal_t *self, const node_t *names);
