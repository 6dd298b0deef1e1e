/* credentials.h - gathers the credentials that an image may be pulled with: from the pod's Secrets,
   the node's docker configuration and the exec credential plugins, in that order. */
#pragma once
#include "cubelet/actor.h"

typedef struct credentials credentials_t;
typedef struct credential_query credential_query_t;

/* args: {"root_dir": text, "credential_providers": map (a CredentialProviderConfig),
   "credential_provider_bin_dir": text}, all optional. Owned, or NULL with FAULT_INVALID. */
credentials_t *credentials_new (actor_t *actor, const node_t *args, fault_t *fault);

/* Frees *self_p and sets it to NULL; does nothing if it is NULL already. Queries go first. */
void credentials_destroy (credentials_t **self_p);

/* What was found, exactly once and never from within credentials_find: an array of {username
   password} in the order in which they are to be tried, borrowed for the call, or a fault (a Secret
   that cannot be read). The query is freed afterwards. */
typedef void credentials_found_fn (void *context, const node_t *found, const fault_t *fault);

/* Looks for those of a normalised repository. `secrets` is a list of Secrets or NULL; all is
   copied. Plugins are run as programs, a minute at most. */
credential_query_t *
credentials_find (credentials_t *self, const char *repository, const node_t *secrets,
                  credentials_found_fn *on_found, void *context);

/* Gives a query up. Sets *self_p to NULL; does nothing if it is NULL already. */
void credential_query_destroy (credential_query_t **self_p);
