/* metrics.h - counting, and showing what was counted as Prometheus reads it.

   There is one shared set of metrics for the whole process, in which every actor counts what it
   does, where it does it: `metric_count (METRIC_EVICTIONS, LABELS ("memory.available"))`. It is the
   one thing that actors share besides the bus, on purpose: a counter has no state that a decision
   depends on, has to outlive the restarts of its actor, and would cost a message for each event
   otherwise. A mutex guards it, held for a few instructions and never while anybody waits. Numbers
   that are found out when somebody asks go into a set of the asker's own, which is written together
   with the shared one.

   Families are rows of metric_table.h. Labels are given as texts in the order of the row; NULL and
   one that is missing count as "". A family keeps at most METRIC_SERIES_MAX series; more are
   dropped and counted. */
#pragma once
#include "cubelet/metric_table.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define METRIC_SERIES_MAX 5000

#define METRIC_ENUM(symbol, ...) METRIC_##symbol,
typedef enum { METRIC_TABLE (METRIC_ENUM) METRIC_FAMILY_COUNT } metric_id_t;
#undef METRIC_ENUM

typedef enum {
    METRIC_PAGE_METRICS,
    METRIC_PAGE_CADVISOR,
    METRIC_PAGE_RESOURCE,
    METRIC_PAGE_PROBES,
    METRIC_PAGE_SLIS,
    METRIC_PAGE_COUNT
} metric_page_t;

typedef struct metrics metrics_t;

/* The values of a series' labels: LABELS ("default", name), or NO_LABELS. */
typedef struct {
    const char *const *values;
    size_t count;
} metric_labels_t;

#define LABELS(...)                                                                                \
    ((metric_labels_t){ (const char *const[]){ __VA_ARGS__ },                                      \
                        sizeof ((const char *const[]){ __VA_ARGS__ }) / sizeof (const char *) })
#define NO_LABELS ((metric_labels_t){ NULL, 0 })

/* The page of that name ("metrics", "cadvisor", "resource", "probes", "slis"), or
 * METRIC_PAGE_COUNT. */
metric_page_t metric_page_find (const char *name);

/* A set of one's own. Owned; metrics_destroy frees *self_p and sets it to NULL. */
metrics_t *metrics_new (void);
void metrics_destroy (metrics_t **self_p);

/* The process's; lives as long as it. */
metrics_t *metrics_shared (void);

/* From now on samples that are set carry this time, ms since 1970; 0: none. */
void metrics_stamp (metrics_t *self, int64_t time_ms);

/* Sets a gauge, or a counter that somebody else counts. */
void metric_set (metrics_t *self, metric_id_t id, double value, metric_labels_t labels);

/* Counts one or more, and puts a value into a histogram; of the shared set. */
void metric_count (metric_id_t id, metric_labels_t labels);
void metric_add (metric_id_t id, double value, metric_labels_t labels);
void metric_observe (metric_id_t id, double value, metric_labels_t labels);

/* A gauge of the shared set that shows the seconds that are left until a time (ns since 1970),
   negative afterwards; INT64_MAX: for ever. */
void metric_count_down (metric_id_t id, int64_t until_ns, metric_labels_t labels);

/* Forgets the series of a family of the shared set that have these labels, where NULL and those
   that are missing fit any: what they were about is gone. */
void metric_forget (metric_id_t id, metric_labels_t labels);

/* The text of a page, of all sets together: each family that has series, these in the order of
   their labels. Owned. */
char *metrics_write (metric_page_t page, metrics_t *const *sets, size_t count);

#define METRIC_NUMBER_MAX 40

/* A number as Go's client library writes it: 0, 1.5, 1.757184e+06, +Inf, NaN. Returns `out`. */
char *metric_number (double value, char out[static METRIC_NUMBER_MAX]);
