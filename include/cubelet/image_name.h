/* image_name.h - names of images: what they mean, which default tag and pull policy they stand for.
   Source: reference/pod-lifecycle.md 7.1; the grammar of github.com/distribution/reference. */
#pragma once
#include "cubelet/fault.h"

/* Room for each part with its NUL; longer ones are refused. */
#define IMAGE_REPOSITORY_MAX 256
#define IMAGE_TAG_MAX 129
#define IMAGE_DIGEST_MAX 136 // "sha512:" and 128 digits

typedef struct {
    char repository[IMAGE_REPOSITORY_MAX]; // normalised: "docker.io/library/busybox"
    char tag[IMAGE_TAG_MAX];               // "latest" when there is neither tag nor digest
    char digest[IMAGE_DIGEST_MAX];         // "sha256:...", "" when there is none
} image_name_t;

/* Reads a name and normalises it. Returns 0, or -1 with FAULT_INVALID
   `couldn't parse image name "IMG": invalid reference format` and the like; `out` is then empty. */
int image_name_parse (const char *text, image_name_t *out, fault_t *fault);

/* The pull policy that an absent imagePullPolicy stands for: "Always" for the tag latest (given or
   not), else "IfNotPresent", also for names that are wrong. Static text. */
const char *image_default_pull_policy (const char *image);

/* The name to pull: ":latest" appended when it has neither tag nor digest, otherwise as it is; the
   host is never added. Owned text, or NULL with FAULT_INVALID
   `Failed to apply default image tag "IMG": couldn't parse image name "IMG": ...`, the message of
   the waiting reason InvalidImageName. */
char *image_name_with_tag (const char *image, fault_t *fault);
