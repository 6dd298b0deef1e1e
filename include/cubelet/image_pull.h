/* image_pull.h - what users read about images that are pulled, present or missing.
   Source: reference/pod-lifecycle.md 7, reference/cri.md 1.7; the recordings image-*. */
#pragma once
#include "cubelet/fault.h"
#include "cubelet/tree.h"
#include <stdint.h>

/* A fault of the runtime as upstream prints it: "rpc error: code = NotFound desc = ...". A failed
   pull whose code says nothing (`is_pull` and FAULT_UNKNOWN) is its text alone. Owned. */
char *image_error_text (const fault_t *fault, bool is_pull);

/* What a failed pull of `image` comes to: the code is kept, the text becomes "REASON: MESSAGE" with
   the waiting reason, "ErrImagePull: rpc error: ...", RegistryUnavailable or
   SignatureValidationFailed. */
void image_pull_failed (const char *image, const fault_t *fault, fault_t *out);

/* `Successfully pulled image "IMG" in 32ms (1.5s including waiting). Image size: 7 bytes.`; both
   times are cut to milliseconds. Owned. */
char *
image_pulled_message (const char *image, int64_t pull_ns, int64_t whole_ns, int64_t size_bytes);

/* The user that a CRI Image runs as: {uid: N} or {username: TEXT}, made in `tree`; {uid: 0} when it
   names none. */
node_t image_user_node (tree_t *tree, const node_t *image);

/* The class of an image's size that metrics of pulls have as a label: "0-10MB" ... "GT100GB";
   static. */
const char *image_size_class (int64_t size_bytes);
