/* docker_config.h - files of credentials on the node: docker's, and those for the plugins. */
#pragma once
#include "cubelet/fault.h"
#include "cubelet/tree.h"

/* Adds what the node's docker configuration knows to a keyring (image_credentials.h) in `tree`. The
   first file that can be read counts, as upstream: config.json in ROOT_DIR (may be NULL),
   $HOME/.docker and
   /.docker, else .dockercfg in ROOT_DIR, $HOME and /. Read anew each time: it may have changed. */
void docker_config_read (const char *root_dir, tree_t *tree, node_t *keyring);

/* Reads --image-credential-provider-config and checks that every provider's program is in
   `bin_dir`. *out is the configuration, in `tree`. Returns 0, or -1 with a fault "PATH: ...". */
int credential_config_load (const char *path, const char *bin_dir, tree_t *tree, node_t *out,
                            fault_t *fault);
