/* /metrics/probes, what is not counted of it: when this process has started. */
#include "cubelet/memory.h"
#include "pages.h"
#include <unistd.h>

void
page_probes_fill (const provider_t *provider, const collected_t *collected, metrics_t *out)
{
    (void) collected;
    double start = process_started_s (provider);
    if (start > 0)
        metric_set (out, METRIC_PROBES_PROCESS_START_TIME_SECONDS, start, NO_LABELS);
}
