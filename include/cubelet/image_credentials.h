/* image_credentials.h - which user names and passwords an image is pulled with.
   Source: reference/pod-lifecycle.md 7.1; Kubernetes documentation, "Images" and "Pull an Image
   from a Private Registry" (the rules of config.json); docker's own rules for its default registry.

   A keyring is an array of {registry username password} made in one tree. */
#pragma once
#include "cubelet/fault.h"
#include "cubelet/tree.h"
#include <stdbool.h>

/* True when `image` (a repository, "registry.io:5000/a/b", no scheme) lies under `glob`: equal
   ports, as many host labels, each matching ("*" and "?" within a label), and a path that begins
   with the glob's. */
bool registry_matches (const char *glob, const char *image);

/* Adds what a docker configuration knows: `config` is {auths: {REGISTRY: {username password |
   auth}}} or, `is_old`, what stands in auths (a .dockercfg). Returns 0, or -1 with FAULT_INVALID,
   which never shows a password. */
int keyring_add_config (tree_t *tree, node_t *keyring, const node_t *config, bool is_old,
                        fault_t *fault);

/* Adds what a Secret knows: of type kubernetes.io/dockerconfigjson or kubernetes.io/dockercfg;
   others know nothing. Faults as above. */
int keyring_add_secret (tree_t *tree, node_t *keyring, const node_t *secret, fault_t *fault);

/* Appends to `found` (an array in `tree`) {username password} of every entry that matches the
   normalised repository (image_name_t), in the order in which they are to be tried: the longest
   registry path first, of equal ones those added first. Without any, entries of docker's own
   registry, when the image is one of its. */
void keyring_lookup (const node_t *keyring, const char *repository, tree_t *tree, node_t *found);
