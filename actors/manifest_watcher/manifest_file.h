/* manifest_file.h - one manifest file, with static pods and the objects they use: reading it, and
   what it last said. */
#pragma once
#include "cubelet/static_pod.h"
#include "cubelet/tree.h"
#include <stdbool.h>
#include <stdint.h>

/* The largest manifest that is read, as upstream's. */
#define MANIFEST_MAX_BYTES (10 * 1024 * 1024)

typedef struct {
    char *path;
    uint64_t content; // hash of the bytes last read, or of what hindered reading them
    bool is_read;     // `content` holds something
    bool is_there;    // while a directory is compared
    tree_t *pods;     // the last good pods, a list; never NULL
    tree_t *objects;  // the last good ConfigMaps and the like (manifest_object.h); never NULL
} manifest_file_t;

/* A file not read yet, without pods. Owned. */
manifest_file_t *manifest_file_new (const char *path);

/* Frees *self_p; has the shape of a czmq destructor. */
void manifest_file_destroy (void **self_p);

/* Reads the file when it has changed. A good one replaces the pods; what is wrong with a bad one
   (no regular file, too large, no YAML, not a Pod, ...) is logged once per content as
   "PATH:LINE: reason", and the last good pods stay until the file is good again or gone. Every
   document of a file counts; ConfigMaps, Secrets and RuntimeClasses are taken only when
   options->allow_api_references says that pods may use them. Returns true when anything changed. */
bool manifest_file_read (manifest_file_t *self, const static_pod_options_t *options);
