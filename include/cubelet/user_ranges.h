/* user_ranges.h - which host ids a pod with its own user namespace (hostUsers: false) is given: a
   range of its own for as long as it is on the node.
   Source: reference/pod-to-cri.md 2.5; KEP-127; the file is upstream's, pods/UID/userns. */
#pragma once
#include "cubelet/fault.h"
#include <stddef.h>
#include <stdint.h>

/* The default host ids: all above those of the host, 65536 to 2^32. */
#define USER_RANGES_FIRST 65536
#define USER_RANGES_TOTAL ((INT64_C (1) << 32) - USER_RANGES_FIRST)

typedef struct user_ranges user_ranges_t;

/* Ranges of `length` ids each, from `first` on, as many as there are whole ones in `total` ids; all
   are free. Owned. */
user_ranges_t *user_ranges_new (int64_t first, int64_t total, int64_t length);

/* Frees *self_p and sets it to NULL; does nothing if it is NULL already. */
void user_ranges_destroy (user_ranges_t **self_p);

/* Takes the lowest free range. Returns its first id, or -1 with FAULT_EXHAUSTED. */
int64_t user_ranges_take (user_ranges_t *self, fault_t *fault);

/* Takes the range that begins with `id`, which a pod has already. Returns 0, or -1 with
   FAULT_INVALID when there is no such range, FAULT_ALREADY_EXISTS when another pod has it. */
int user_ranges_mark (user_ranges_t *self, int64_t id, fault_t *fault);

/* Gives the range back; unknown ids do nothing. */
void user_ranges_release (user_ranges_t *self, int64_t id);

/* The content of a pod's userns file, JSON: user and group ids from `id` on. Owned. */
char *user_mapping_write (int64_t id, int64_t length);

/* Reads one. Returns 0, or -1 with FAULT_INVALID when it is not one range of `length` ids for
   users and the same for groups. */
int user_mapping_read (const char *bytes, size_t size, int64_t length, int64_t *id, fault_t *fault);

/* Reads what getsubids(1) prints for a user with one range: "0: kubelet 65536 7208960". Returns 0,
   or -1 with FAULT_INVALID: another form, several ranges, or none that starts at a multiple of
   65536 above 0. */
int subids_read (const char *text, int64_t *first, int64_t *total, fault_t *fault);
