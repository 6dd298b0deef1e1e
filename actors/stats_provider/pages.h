/* pages.h - what the pages of metrics show that nobody counts: it is found out when a page is asked
   for. Private to actors/stats_provider/.

     page_resource.c  /metrics/resource
     page_cadvisor.c  /metrics/cadvisor
     page_agent.c     /metrics: pods, volumes, actors, this process */
#pragma once
#include "cubelet/metrics.h"
#include "stats_provider.h"

/* Fills `out` from a collection. */
typedef void
page_fill_fn (const provider_t *provider, const collected_t *collected, metrics_t *out);

page_fill_fn page_resource_fill, page_cadvisor_fill, page_agent_fill;

/* Sets a number (an opt_int_t) unless it is not known. */
#define SET_KNOWN(OUT, ID, NUMBER, SCALE, LABELS_OF_IT)                                            \
    do {                                                                                           \
        if ((NUMBER).set)                                                                          \
            metric_set (OUT, ID, (double) (NUMBER).value *(SCALE), LABELS_OF_IT);                  \
    } while (0)

#define NS_TO_S 1e-9
