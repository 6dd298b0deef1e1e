/* pages.h - what the pages of metrics show that nobody counts: it is found out when a page is asked
   for. Private to actors/stats_provider/.

     page_resource.c  /metrics/resource
     page_cadvisor.h  /metrics/cadvisor
     page_agent.c     /metrics: actors, this process
     page_pods.c      the same: pods and volumes
     page_probes.c    /metrics/probes */
#pragma once
#include "cubelet/metrics.h"
#include "stats_provider.h"

/* Fills `out` from a collection. */
typedef void
page_fill_fn (const provider_t *provider, const collected_t *collected, metrics_t *out);

page_fill_fn page_resource_fill, page_cadvisor_fill, page_agent_fill, page_pods_fill,
    page_probes_fill;

/* When this process started, in seconds since 1970; 0: not known (page_agent.c). */
double process_started_s (const provider_t *provider);

/* Sets a number (an opt_int_t) unless it is not known. */
#define SET_KNOWN(OUT, ID, NUMBER, SCALE, LABELS_OF_IT)                                            \
    do {                                                                                           \
        if ((NUMBER).set)                                                                          \
            metric_set (OUT, ID, (double) (NUMBER).value *(SCALE), LABELS_OF_IT);                  \
    } while (0)

#define NS_TO_S 1e-9
