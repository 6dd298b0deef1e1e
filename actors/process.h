/* process.h - what the configuration says of the agent's own process. Before there are threads. */
#pragma once
#include "cubelet/kubelet_config.h"

/* Sets verbosity, format and patterns of the log (`logging`). */
void process_set_log (const kubelet_config_t *config);

/* Sets the limit of open files (`maxOpenFiles`) and the score of the OOM killer (`oomScoreAdj`).
   What the system does not allow is logged, and the agent runs without, as upstream's. */
void process_set_limits (const kubelet_config_t *config);
