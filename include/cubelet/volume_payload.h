/* volume_payload.h - the files of configMap, secret, downwardAPI and projected volumes, before
   anybody writes them.
   Source: reference/node-and-server.md 7.3; upstream's volume/util/atomic_writer.go and
   volume/downwardapi. */
#pragma once
#include "cubelet/node_facts.h"
#include "cubelet/pod.h"

typedef struct {
    const char *path; // relative and clean: "a", "sub/a"
    const char *bytes;
    size_t size;
    int64_t mode; // permission bits
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

/* Faults that come together as Go's aggregate prints them: one as it is, more as "[a, b]". */
typedef struct {
    size_t count;
    fault_code_t code; // of the first
    char *text;        // owned
} fault_list_t;

/* Adds a fault, whose text is copied. */
void fault_list_add (fault_list_t *self, const fault_t *fault);

/* Reports what was added: 0 when there is nothing, else -1 with the fault. Frees the list's text.
 */
int fault_list_report (fault_list_t *self, fault_t *fault);
