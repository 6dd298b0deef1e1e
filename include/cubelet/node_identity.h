/* node_identity.h - which machine and system a node is: the constant part of status.nodeInfo.
   Source: reference/node-and-server.md 2; samples/node.json. */
#pragma once
#include "cubelet/tree.h"

/* Reads it below `root` ("" for the machine itself): machineID, systemUUID (of the firmware, or of
   the device tree, else the machineID), bootID, osImage ("Linux" when the system does not say);
   kernelVersion and architecture always are this machine's. A map NodeSystemInfo in `tree`, without
   containerRuntimeVersion; what cannot be read is "". */
node_t node_identity_read (const char *root, tree_t *tree);
