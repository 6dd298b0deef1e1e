/* node_status_internal.h - what the files of node_status share. */
#pragma once
#include "cubelet/node_status.h"

/* The conditions: `old` (NULL: none) with the kubelet's four brought up to date in their places,
   those that are missing behind them. */
node_t
status_node_conditions (tree_t *tree, const node_view_t *view, const node_t *old, int64_t now);
