/* problems.h - collects everything that is wrong with an object, so that its author hears of all
   mistakes at once. Each problem reads as the API server would put it:
     spec.containers[0].image: Required value
     spec.restartPolicy: Unsupported value: "Ever": supported values: "Always", "Never"
   Source: k8s.io/apimachinery/pkg/util/validation/field. */
#pragma once
#include "cubelet/fault.h"
#include "cubelet/path.h"
#include <stddef.h>
#include <stdint.h>

/* Zero it before use; nothing is allocated. What no longer fits is counted only. */
typedef struct {
    size_t count;
    size_t shown;
    size_t used;
    char text[1800];
} problems_t;

/* "PATH: " and what the format makes. */
void problem_add (problems_t *self, const path_t *path, const char *format, ...)
    __attribute__ ((format (printf, 3, 4)));

/* `detail` may be NULL. */
void problem_required (problems_t *self, const path_t *path, const char *detail);
void problem_invalid (problems_t *self, const path_t *path, const char *value, const char *detail);
void problem_invalid_int (problems_t *self, const path_t *path, int64_t value, const char *detail);
void problem_forbidden (problems_t *self, const path_t *path, const char *detail);
void problem_duplicate (problems_t *self, const path_t *path, const char *value);
void problem_not_found (problems_t *self, const path_t *path, const char *value);

/* `allowed` ends with NULL. */
void problem_not_supported (problems_t *self, const path_t *path, const char *value,
                            const char *const *allowed);

/* Invalid when `rule` (name_rules.h) has something against `value`. */
void problem_check (problems_t *self, const path_t *path, const char *value,
                    const char *(*rule) (const char *text));

/* 0 when nothing was added; else -1 and FAULT_INVALID with the one problem, or with all of them
   as "[a, b]". */
int problems_fault (const problems_t *self, fault_t *fault);
