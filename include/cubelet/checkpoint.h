/* checkpoint.h - what a node keeps on disk of the API server's objects, for a start without it
   (--offline-autonomy; docs/offline.md): one file per object, and when it is believed. Pure: who
   reads and writes files is checkpoint_dir.h.

   A file is a msgpack map: version, what the object is, its packed bytes, and a SHA-256 over all of
   it. The sum finds what was torn or swapped by accident; Secrets and tokens are sealed (seal.h),
   and what is beside their bytes is authenticated too. */
#pragma once
#include "cubelet/fault.h"
#include "cubelet/tree.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CHECKPOINT_VERSION 1

/* A file that is larger is not read: an object of the API server has at most about 1.5 MiB, a list
   of Services is kept as one. */
#define CHECKPOINT_SIZE_MAX (64 * 1024 * 1024)

/* Kinds of our own, beside those of the API. */
#define CHECKPOINT_SERVICES "Services"              // all, as one
#define CHECKPOINT_RUNTIME_CLASSES "RuntimeClasses" // all, as one
#define CHECKPOINT_TOKEN "Token"                    // of a service account, for one pod

typedef struct {
    const char *kind, *namespace, *name; // namespace "" for what has none
    const char *uid;                     // the object's; of a token the pod's
    int64_t first_ns;                    // when it was first seen, since 1970
    bool is_sealed;
    const char *bytes; // the packed object; sealed: as seal.h makes it
    size_t size;
} checkpoint_t;

/* True for kinds that never go to disk in the clear. */
bool checkpoint_is_secret (const char *kind);

/* True when a list that ended so means that the API server is away, so that the checkpoint counts:
   no answer (0), 429, or 5xx. Whoever is refused (401, 403) or answered otherwise has been heard.
 */
bool checkpoint_counts_after (int code);

/* The name of the object's file: "KIND_HASH", of a token "Token_UID_HASH". NULL when `uid` cannot
   be part of one. Owned. */
char *checkpoint_file (const char *kind, const char *namespace, const char *name, const char *uid);

/* What a seal is bound to, so that no file can stand in for another. Owned. */
char *checkpoint_bound (const checkpoint_t *record);

/* The file's bytes; owned. */
char *checkpoint_pack (const checkpoint_t *record, size_t *size_p);

/* Reads a file that was found under the name `file`; texts and bytes of `record` live in `tree`.
   FAULT_INVALID for anything that checkpoint_pack has not made for that name, and for a secret kind
   that is not sealed. */
int checkpoint_unpack (const char *bytes, size_t size, const char *file, tree_t *tree,
                       checkpoint_t *record, fault_t *fault);

/* The names of the files that the node needs as long as these pods are its own: theirs and of all
   that they refer to, as keys of a map in `tree`, tokens as "Token_UID". `pods` is an array of Pod
   objects; one that cannot be read counts with its own file only. */
node_t checkpoint_wanted (const node_t *pods, tree_t *tree);

/* True when that map or the node itself wants the file. Temporary files are wanted by nobody. */
bool checkpoint_is_wanted (const node_t *wanted, const char *file);
