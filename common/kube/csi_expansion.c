#include "cubelet/csi_expansion.h"
#include "cubelet/duration.h"
#include "cubelet/memory.h"
#include "cubelet/quantity.h"
#include <string.h>

static int64_t
storage_bytes (const node_t *map)
{
    quantity_t quantity = { 0 };
    fault_t ignored = { 0 };
    const char *text = node_get_text (map, "storage", NULL);
    return text && quantity_parse (text, &quantity, &ignored) == 0 ? quantity_value (quantity) : 0;
}

csi_expansion_t
csi_expansion (const node_t *pv, const node_t *claim, int64_t node_bytes)
{
    const node_t *status = node_get (claim, "status");
    const node_t *resizing = node_get (status, "allocatedResourceStatuses");
    const char *step = node_get_text (resizing, "storage", "");
    int64_t wanted = storage_bytes (node_at (pv, "spec", "capacity", NULL));
    int64_t shown = storage_bytes (node_get (status, "capacity"));
    csi_expansion_t out = { .size_bytes = node_bytes ? node_bytes : shown };
    if (!out.size_bytes || wanted <= out.size_bytes)
        return out;
    bool is_node_next =
        strcmp (step, "NodeResizePending") == 0 || strcmp (step, "NodeResizeInProgress") == 0;
    bool is_noted = *step || node_get (status, "allocatedResources");
    out.is_told = shown >= wanted && !*step;
    out.is_marked = !out.is_told && is_noted;
    if (out.is_told || is_node_next || !is_noted)
        out.bytes = wanted;
    return out;
}

static node_t
status_patch (node_t status, tree_t *tree)
{
    node_t out = node_map();
    node_set (tree, &out, "status", status);
    return out;
}

static void
set_step (node_t *status, const char *step, tree_t *tree)
{
    node_t steps = node_map();
    node_set_text (tree, &steps, "storage", step);
    node_set (tree, status, "allocatedResourceStatuses", steps);
}

node_t
csi_expansion_begun_patch (tree_t *tree)
{
    node_t status = node_map();
    set_step (&status, "NodeResizeInProgress", tree);
    return status_patch (status, tree);
}

node_t
csi_expansion_done_patch (const node_t *pv, const node_t *claim, tree_t *tree)
{
    static const char *const OVER[] = { "Resizing", "FileSystemResizePending",
                                        "ControllerResizeError", "NodeResizeError" };
    node_t capacity = node_map(), conditions = node_array(), status = node_map();
    node_set_text (tree, &capacity, "storage",
                   node_as_text (node_at (pv, "spec", "capacity", "storage", NULL), ""));
    node_set (tree, &status, "capacity", capacity);
    NODE_EACH (node_at (claim, "status", "conditions", NULL), condition)
    {
        const char *type = node_get_text (condition, "type", "");
        for (size_t i = 0; i < COUNT_OF (OVER); i++)
            if (strcmp (type, OVER[i]) == 0) {
                node_t row = node_map();
                node_set_text (tree, &row, "$patch", "delete");
                node_set_text (tree, &row, "type", type);
                node_append (tree, &conditions, row);
            }
    }
    if (node_count (&conditions))
        node_set (tree, &status, "conditions", conditions);
    if (node_at (claim, "status", "allocatedResourceStatuses", NULL))
        node_set (tree, &status, "allocatedResourceStatuses", node_nil());
    return status_patch (status, tree);
}

static bool
is_infeasible (const fault_t *fault)
{
    return fault->code == FAULT_INVALID || fault->code == FAULT_NOT_FOUND
           || fault->code == FAULT_OUT_OF_RANGE;
}

node_t
csi_expansion_failed_patch (const fault_t *fault, int64_t now_ns, tree_t *tree)
{
    char time[TIME_TEXT_MAX];
    node_t status = node_map(), conditions = node_array(), condition = node_map();
    node_set_text (tree, &condition, "type", "NodeResizeError");
    node_set_text (tree, &condition, "status", "True");
    node_set_text (tree, &condition, "lastTransitionTime", time_text (now_ns, time));
    node_set (tree, &condition, "message",
              node_text_format (tree, "failed to expand pvc with %s", fault->text));
    node_append (tree, &conditions, condition);
    node_set (tree, &status, "conditions", conditions);
    if (is_infeasible (fault))
        set_step (&status, "NodeResizeInfeasible", tree);
    return status_patch (status, tree);
}
