/* process.h - what the configuration says of the agent's own process. Before there are threads. */
#pragma once
#include "cubelet/kubelet_config.h"

/* Begins the program anew, once, so that glibc keeps no freed memory and no stacks per thread: with
   a thread for each pod that is a sixth of the agent's memory (docs/performance.md). Returns when
   that is done, when it cannot be done, or when GLIBC_TUNABLES says already what is wanted of
   glibc. */
void process_forgo_thread_caches (char *const *argv);

/* Sets verbosity, format and patterns of the log (`logging`). */
void process_set_log (const kubelet_config_t *config);

/* Sets the limit of open files (`maxOpenFiles`) and the score of the OOM killer (`oomScoreAdj`).
   What the system does not allow is logged, and the agent runs without, as upstream's. */
void process_set_limits (const kubelet_config_t *config);
