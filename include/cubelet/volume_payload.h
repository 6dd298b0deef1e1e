/* volume_payload.h - the files of configMap, secret, downwardAPI and projected volumes, before
   anybody writes them.
   Source: reference/node-and-server.md 7.3; upstream's volume/util/atomic_writer.go and
   volume/downwardapi. */
#pragma once
#include "cubelet/fault_list.h"
#include "cubelet/node_facts.h"
#include "cubelet/pod.h"

typedef struct {
    const char *path; // relative and clean: "a", "sub/a"
    const char *bytes;
    size_t size;
    int64_t mode;    // permission bits
    opt_int_t owner; // user id; not set: root
} payload_file_t;

/* In the order in which they were put; every path once. */
typedef LIST_OF (payload_file_t) payload_t;

#define PAYLOAD_PATH_MAX 4096

/* Puts a file, in place of the one that has the same path. Bytes are borrowed, the rest is
   allocated in `tree`. Returns 0, or -1 with FAULT_INVALID "invalid path: must not contain '..':
   PATH" and the like. */
int payload_put (payload_t *self, tree_t *tree, const payload_file_t *file, fault_t *fault);

/* The file of that path, or NULL. */
const payload_file_t *payload_find (const payload_t *self, const char *path);

/* The first element of a payload file's path, which stands in the volume's root: "sub" of "sub/a".
   Its length in *size; not terminated. */
const char *payload_root_name (const payload_file_t *file, size_t *size);

/* Puts the files of a downwardAPI source: `items` is its list, `default_mode` what files without a
   mode get. Faults of several items read "[a, b]". Returns 0 or -1 with FAULT_INVALID. */
int
payload_put_downward (payload_t *self, tree_t *tree, const pod_t *pod, const node_facts_t *facts,
                      const node_t *items, int64_t default_mode, fault_t *fault);

/* The two kinds of objects whose data become files. */
typedef enum { PAYLOAD_CONFIG_MAP, PAYLOAD_SECRET } payload_object_t;

/* Puts the files of a ConfigMap (data and binaryData) or Secret (data). `source` is the volume's or
   projection's {items? optional?}: with items only these keys, at their paths and with their modes.
   `object` NULL: there is none, and it is optional, so no files. Returns 0, or -1 with
   FAULT_NOT_FOUND `configmap references non-existent config key: K`, `references non-existent
   secret key: K`, or FAULT_INVALID for a bad path or bad base64. */
int payload_put_object (payload_t *self, tree_t *tree, payload_object_t kind, const node_t *object,
                        const node_t *source, int64_t default_mode, fault_t *fault);

/* The mode and owner of a service account token's file (7.4): 0600 and the user's when all
   containers run as one user, 0600 with an fsGroup, which then lets its group read, else the
   default mode. */
void payload_token_access (const pod_t *pod, int64_t default_mode, payload_file_t *file);
