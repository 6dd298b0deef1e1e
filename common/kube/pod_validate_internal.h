/* pod_validate_internal.h - what the parts of pod_validate share. */
#pragma once
#include "cubelet/path.h"
#include "cubelet/pod.h"
#include "cubelet/problems.h"

#define AT(PARENT, NAME) (&(path_t){ .parent = (PARENT), .name = (NAME) })
#define ITEM(PARENT, INDEX) (&(path_t){ .parent = (PARENT), .index = (INDEX) })

/* ---- the parts; `path` is where the thing stands ---- */

/* spec.containers, spec.initContainers and spec.ephemeralContainers. */
void validate_containers (problems_t *problems, const path_t *spec, const pod_t *pod);

/* spec.volumes. -1 with a fault when a value has a wrong type; what is decoded on the way goes
   into `tree`. */
int validate_volumes (problems_t *problems, const path_t *path, const pod_t *pod, tree_t *tree,
                      fault_t *fault);

/* A container's or (`is_pod`) the pod's own requests and limits. */
void validate_resources (problems_t *problems, const path_t *path, const resources_t *resources,
                         bool is_pod);

/* spec.overhead and the like: names and signs only. */
void validate_resource_list (problems_t *problems, const path_t *path, const node_t *list);

void
validate_security (problems_t *problems, const path_t *path, const security_context_t *context);
void validate_pod_security (problems_t *problems, const path_t *spec, const pod_t *pod);

/* An environment variable's or a downward API file's source; `allowed` are the field paths that
   may be given (ends with NULL). A file has to name the container (`needs_container`). */
void validate_field_ref (problems_t *problems, const path_t *path, const field_ref_t *ref,
                         const char *const *allowed);
void validate_resource_field_ref (problems_t *problems, const path_t *path,
                                  const resource_field_ref_t *ref, bool needs_container);

/* ---- small rules ---- */

/* Relative and without ".." elements; the second only the latter. NULL and "" pass. */
void validate_relative_path (problems_t *problems, const path_t *path, const char *value);
void validate_no_backsteps (problems_t *problems, const path_t *path, const char *value);

/* "must be between LOW and HIGH, inclusive". */
void
validate_range (problems_t *problems, const path_t *path, int64_t value, int64_t low, int64_t high);

/* Absent, or one of `allowed` (ends with NULL). */
void validate_one_of (problems_t *problems, const path_t *path, const char *value,
                      const char *const *allowed);

/* Required when absent or "", else checked by `rule`. */
void validate_name (problems_t *problems, const path_t *path, const char *value,
                    const char *(*rule) (const char *text));

static inline bool
is_given (const char *text)
{
    return text && *text;
}
