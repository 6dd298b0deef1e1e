/* path.h - where in a value tree something stands, for faults: "spec.containers[0].image",
   "metadata.labels[app]". A path is a chain of steps on the stack of whoever walks the tree. */
#pragma once
#include "cubelet/fault.h"
#include <stddef.h>

typedef struct path {
    const struct path *parent; // NULL: the root
    const char *name;          // of a field or key; NULL: `index` of a list
    size_t index;
    enum { PATH_FIELD, PATH_KEY } kind; // .name or [name]
} path_t;

/* Room for what path_text writes; longer paths are cut at the end. */
#define PATH_TEXT_MAX 512

/* Writes the path, "" for the root (NULL). Returns `out`. */
char *path_text (const path_t *path, char out[static PATH_TEXT_MAX]);

/* Records FAULT_INVALID "PATH: ..." (without "PATH: " for the root); returns -1. */
int path_fault (const path_t *path, fault_t *fault, const char *format, ...)
    __attribute__ ((format (printf, 3, 4)));

/* Puts "PATH: " before the fault's text; returns -1. */
int path_wrap (const path_t *path, fault_t *fault);
