/* strategic_patch.h - what has to change of an API object, as a strategic merge patch.

   Source: Kubernetes documentation, "Strategic merge patch" (apimachinery's
   contributors page of that name); the merge keys are the patchMergeKey tags of core/v1; the shape
   is held against samples/api-requests.jsonl. */
#pragma once
#include "cubelet/tree.h"

/* A list whose items are told apart by one of their fields. */
typedef struct {
    const char *field;     // of the object that is compared
    const char *merge_key; // of the list's items
} merge_list_t;

/* Those of PodStatus and of NodeStatus; each ends with a row whose field is NULL. All their other
   lists are replaced as a whole. */
extern const merge_list_t POD_STATUS_LISTS[], NODE_STATUS_LISTS[];

/* The patch that makes `old` into `new`, both maps or NULL: a map in `tree`, empty when nothing is
   to change. Changed and new fields, null for those that go; maps are compared field by field;
   of the lists in `lists` (NULL: none) the changed items, {"$patch": "delete"} for those that go
   and "$setElementOrder/FIELD". Nil and an empty list count as absent, as Go leaves them out. */
node_t
strategic_patch (tree_t *tree, const node_t *old, const node_t *new, const merge_list_t *lists);
