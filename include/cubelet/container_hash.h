/* container_hash.h - tells whether a container's definition changed since it was created.
   Source: reference/pod-to-cri.md 4. The value is upstream's own (checked against the recordings:
   the dump is Go's "%#v" of the JSON bytes), so containers that an upstream kubelet created are
   adopted without a restart. */
#pragma once
#include "cubelet/pod.h"
#include <stdint.h>

/* Room for the text, NUL included. */
#define CONTAINER_HASH_TEXT_MAX 9

/* 32-bit FNV-1a over name and image. */
uint32_t container_hash (const container_t *container);

/* The same in lowercase hex without leading zeros, as the annotation
   io.kubernetes.container.hash has it. Returns `out`. */
char *container_hash_text (const container_t *container, char out[static CONTAINER_HASH_TEXT_MAX]);
