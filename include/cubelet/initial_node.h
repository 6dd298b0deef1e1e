/* initial_node.h - what a node says of itself before any API server has a Node of it: the labels,
   taints and resources that pods are admitted by.
   Source: reference/node-and-server.md 1; samples/node.json. */
#pragma once
#include "cubelet/kubelet_config.h"
#include "cubelet/node_facts.h"

/* A Node object in `tree`: name, labels (hostname, os, arch and their beta names over `labels`, of
   --node-labels, which may be NULL), registerWithTaints, allocatable. `machine` is uname's. */
node_t initial_node (tree_t *tree, const node_facts_t *facts, const kubelet_config_t *config,
                     const node_t *labels, const char *machine);

/* Go's name of a machine as uname spells it: "amd64" for "x86_64"; others stay. */
const char *go_architecture (const char *machine);
