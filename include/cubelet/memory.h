/* memory.h - owned variables that free themselves on every way out, and allocation that ends
   the process when memory is out (there is nothing useful a node agent could still do). */
#pragma once
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* `OWNED (tree_destroy) tree_t *tree = ...;` is destroyed when the variable leaves its scope. Some
   are there for that only, so not using one is no mistake. */
#define OWNED(destructor) __attribute__ ((cleanup (destructor), unused))

/* Hands an owned pointer on: yields its value and leaves NULL behind. */
#define STEAL(ptr)                                                                                 \
    __extension__({                                                                                \
        __typeof__ (ptr) stolen_ = (ptr);                                                          \
        (ptr) = NULL;                                                                              \
        stolen_;                                                                                   \
    })

#define COUNT_OF(array) (sizeof (array) / sizeof *(array))

/* Zeroed memory for `count` items of `size` bytes; never NULL. Freed with free(). */
void *memory_new (size_t count, size_t size);

/* Grows `old` to `count` items of `size` bytes; never NULL; new bytes are not zeroed. */
void *memory_grow (void *old, size_t count, size_t size);

/* Owned copy of `text`; NULL gives NULL. */
char *text_copy (const char *text);

/* Owned text made as by printf. */
char *text_format (const char *format, ...) __attribute__ ((format (printf, 1, 2)));

/* Puts an owned text made as by printf in place of *text_p, which is freed (it may be an
   argument of the format). */
void text_replace (char **text_p, const char *format, ...) __attribute__ ((format (printf, 2, 3)));

/* For OWNED (...). */
static inline void
free_text (char **text_p)
{
    free (*text_p);
    *text_p = NULL;
}

static inline void
close_file (FILE **file_p)
{
    if (*file_p)
        fclose (*file_p);
    *file_p = NULL;
}

static inline void
close_fd (int *fd_p)
{
    if (*fd_p >= 0)
        close (*fd_p);
    *fd_p = -1;
}
