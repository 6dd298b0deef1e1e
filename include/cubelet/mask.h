/* mask.h - what may not be shown: environment values, Secret data, credentials. */
#pragma once
#include "cubelet/tree.h"

#define MASKED_TEXT "***"

/* A copy of `node` in `tree` with every secret value replaced by MASKED_TEXT: "value" inside env
   and envs lists, data and stringData of objects of kind Secret, every field of the CRI's
   AuthConfig, tokens and passwords by name, URLs of the runtime's streams, and kubectl's
   last-applied-configuration (which holds all of these). */
node_t mask_secrets (tree_t *tree, const node_t *node);
