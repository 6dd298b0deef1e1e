#include "cubelet/metrics.h"
#include "cubelet/clock.h"
#include "cubelet/memory.h"
#include <czmq.h>
#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <string.h>

/* Between the values of labels in a series' key; cannot be in a name. */
#define SEPARATOR '\x1f'

// ---- the table ----

typedef enum { TYPE_COUNTER, TYPE_GAUGE, TYPE_HISTOGRAM } type_t;

static const char *const TYPE_NAMES[] = { "counter", "gauge", "histogram" };

static const double BUCKETS_NONE[] = { INFINITY };
static const double BUCKETS_DEFAULT[] = { 0.005, 0.01, 0.025, 0.05, 0.1, 0.25,
                                          0.5,   1,    2.5,   5,    10,  INFINITY };
static const double BUCKETS_PULL[] = { 1,   5,   10,  20,  30,   60,   120,  180,  240,     300,
                                       360, 480, 600, 900, 1200, 1800, 2700, 3600, INFINITY };
static const double BUCKETS_POD_START[] = { 0.5, 1,   2,   3,    4,    5,    6,    8,       10,
                                            20,  30,  45,  60,   120,  180,  240,  300,     360,
                                            480, 600, 900, 1200, 1800, 2700, 3600, INFINITY };
static const double BUCKETS_COUNT[] = { 1, 2, 4, 8, 16, INFINITY };
static const double BUCKETS_RUNTIME[] = { // 14, from 0.005 on, each 2.5 times the one before
    0.005,
    0.0125,
    0.03125,
    0.078125,
    0.1953125,
    0.48828125,
    1.220703125,
    3.0517578125,
    7.62939453125,
    19.073486328125,
    47.6837158203125,
    119.20928955078125,
    298.0232238769531,
    745.0580596923828,
    INFINITY
};
static const double BUCKETS_STATUS_SYNC[] = { 0.01, 0.05, 0.1, 0.5, 1,  5,
                                              10,   20,   30,  45,  60, INFINITY };
static const double BUCKETS_REST[] = { 0.005, 0.025, 0.1, 0.25, 0.5, 1,       2,
                                       4,     8,     15,  30,   60,  INFINITY };
static const double BUCKETS_SIZE[] = { 64,    256,    512,     1024,    4096,     16384,
                                       65536, 262144, 1048576, 4194304, 16777216, INFINITY };
static const double BUCKETS_STORAGE[] = { 0.1, 0.25, 0.5, 1,   2.5, 5,   10,
                                          15,  25,   50,  120, 300, 600, INFINITY };
static const double BUCKETS_DELEGATED[] = { 0.25, 0.5, 0.7, 1, 1.5, 3, 5, 10, INFINITY };
static const double BUCKETS_EXPIRATION[] = { // 0, 30 min, 1, 2, 6, 12 h, 1, 2, 4 days, 1 week ...
    0,      1800,   3600,    7200,    21600,    43200,    86400,   172800,
    345600, 604800, 2592000, 7776000, 15552000, 31104000, INFINITY
};
static const double BUCKETS_ROTATION[] = { 60,      3600,     14400,    86400,     604800,  2592000,
                                           7776000, 15552000, 31104000, 124416000, INFINITY };
static const double BUCKETS_FINE[] = { 0.0001, 0.001, 0.01, 0.1, 1, 10, INFINITY };

static const char *const PAGE_NAMES[] = { "metrics", "cadvisor", "resource", "probes", "slis" };
_Static_assert(COUNT_OF (PAGE_NAMES) == METRIC_PAGE_COUNT, "name every page");

#define METRIC_ROW(symbol, name_, type, page_, buckets_, labels_, help_)                           \
    { name_, TYPE_##type, METRIC_PAGE_##page_, BUCKETS_##buckets_, labels_, help_ },
static const struct {
    const char *name;
    type_t type;
    metric_page_t page;
    const double *buckets; // upper bounds; ends with infinity
    const char *labels;    // "a b c"
    const char *help;
} FAMILIES[] = { METRIC_TABLE (METRIC_ROW) };
_Static_assert(COUNT_OF (FAMILIES) == METRIC_FAMILY_COUNT, "a row for every family");

/* Families of the shared set that begin at zero, as upstream's without labels do: so that the first
   event is an increase to whoever watches. (Actors that are not always there begin their own.) */
static const metric_id_t FROM_ZERO[] = {
    METRIC_CONTAINERS_PER_POD_COUNT,
    METRIC_EVENTED_PLEG_CONNECTION_ERROR_COUNT,
    METRIC_EVENTED_PLEG_CONNECTION_LATENCY_SECONDS,
    METRIC_EVENTED_PLEG_CONNECTION_SUCCESS_COUNT,
    METRIC_GRACEFUL_SHUTDOWN_END_TIME_SECONDS,
    METRIC_GRACEFUL_SHUTDOWN_START_TIME_SECONDS,
    METRIC_LIFECYCLE_HANDLER_HTTP_FALLBACKS_TOTAL,
    METRIC_ORPHAN_POD_CLEANED_VOLUMES,
    METRIC_ORPHAN_POD_CLEANED_VOLUMES_ERRORS,
    METRIC_ORPHANED_RUNTIME_PODS_TOTAL,
    METRIC_PLEG_RELIST_DURATION_SECONDS,
    METRIC_PLEG_RELIST_INTERVAL_SECONDS,
    METRIC_POD_START_DURATION_SECONDS,
    METRIC_POD_WORKER_START_DURATION_SECONDS,
    METRIC_SLEEP_ACTION_TERMINATED_EARLY_TOTAL,
    METRIC_STARTED_PODS_ERRORS_TOTAL,
    METRIC_STARTED_PODS_TOTAL,
    METRIC_STARTED_USER_NAMESPACED_PODS_ERRORS_TOTAL,
    METRIC_STARTED_USER_NAMESPACED_PODS_TOTAL,
};

metric_page_t
metric_page_find (const char *name)
{
    size_t page = 0;
    while (page < METRIC_PAGE_COUNT && strcmp (PAGE_NAMES[page], name) != 0)
        page++;
    return (metric_page_t) page;
}

static size_t
label_count (metric_id_t id)
{
    size_t count = 0;
    for (const char *at = FAMILIES[id].labels; *at; at += strspn (at, " ")) {
        count++;
        at += strcspn (at, " ");
    }
    return count;
}

static size_t
bucket_count (metric_id_t id)
{
    size_t count = 0;
    while (!isinf (FAMILIES[id].buckets[count]))
        count++;
    return count + 1;
}

// ---- sets ----

typedef struct {
    double value;     // of a histogram: the sum
    int64_t until_ns; // 0, or the time up to which the value counts down; INT64_MAX: no end
    int64_t time_ms;
    uint64_t count;
    uint64_t *buckets; // each with what fell into it alone; NULL: no histogram
} series_t;

struct metrics {
    pthread_mutex_t mutex;
    int64_t stamp_ms;
    double dropped;
    zhashx_t *keys;                          // those of all families; NULL: each has its own
    zhashx_t *families[METRIC_FAMILY_COUNT]; // series_t by key; NULL: none yet
};

static void
series_destroy (void **self_p)
{
    series_t *self = *self_p;
    free (self->buckets);
    free (self);
    *self_p = NULL;
}

metrics_t *
metrics_new (void)
{
    metrics_t *self = memory_new (1, sizeof *self);
    pthread_mutex_init (&self->mutex, NULL);
    self->keys = zhashx_new();
    return self;
}

void
metrics_destroy (metrics_t **self_p)
{
    metrics_t *self = *self_p;
    if (!self)
        return;
    for (size_t i = 0; i < METRIC_FAMILY_COUNT; i++)
        zhashx_destroy (&self->families[i]);
    zhashx_destroy (&self->keys);
    pthread_mutex_destroy (&self->mutex);
    free (self);
    *self_p = NULL;
}

void
metrics_stamp (metrics_t *self, int64_t time_ms)
{
    self->stamp_ms = time_ms;
}

static const char *
label_at (const metric_labels_t *labels, size_t index)
{
    return index < labels->count && labels->values[index] ? labels->values[index] : "";
}

/* The labels' values in one text: the series' key. Owned. */
static char *
make_key (metric_id_t id, const metric_labels_t *labels)
{
    size_t count = label_count (id), size = 1;
    for (size_t i = 0; i < count; i++)
        size += strlen (label_at (labels, i)) + 1;
    char *key = memory_new (1, size), *at = key;
    for (size_t i = 0; i < count; i++) {
        at = stpcpy (at, label_at (labels, i));
        *at++ = SEPARATOR;
    }
    return key;
}

/* The set's copy of a key: dozens of families have the same group, whose labels are long. */
static const char *
shared_key (metrics_t *self, const char *key)
{
    if (!self->keys)
        return key; // the family makes a copy
    if (!zhashx_lookup (self->keys, key))
        zhashx_insert (self->keys, key, self->keys); // any value will do
    zhashx_lookup (self->keys, key);
    return zhashx_cursor (self->keys);
}

static zhashx_t *
family_new (const metrics_t *self)
{
    zhashx_t *family = zhashx_new();
    zhashx_set_destructor (family, series_destroy);
    if (self->keys) {
        zhashx_set_key_duplicator (family, NULL);
        zhashx_set_key_destructor (family, NULL);
    }
    return family;
}

/* The series, made when it is new; NULL when there are too many. The mutex is held. */
static series_t *
find_series (metrics_t *self, metric_id_t id, const char *key)
{
    if (!self->families[id])
        self->families[id] = family_new (self);
    series_t *series = zhashx_lookup (self->families[id], key);
    if (series)
        return series;
    if (zhashx_size (self->families[id]) >= METRIC_SERIES_MAX) {
        self->dropped++;
        return NULL;
    }
    series = memory_new (1, sizeof *series);
    if (FAMILIES[id].type == TYPE_HISTOGRAM)
        series->buckets = memory_new (bucket_count (id), sizeof *series->buckets);
    zhashx_insert (self->families[id], shared_key (self, key), series);
    return series;
}

static metrics_t shared = { .mutex = PTHREAD_MUTEX_INITIALIZER };

static void
begin_at_zero (void)
{
    for (size_t i = 0; i < COUNT_OF (FROM_ZERO); i++)
        find_series (&shared, FROM_ZERO[i], "");
}

metrics_t *
metrics_shared (void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once (&once, begin_at_zero);
    return &shared;
}

typedef enum { CHANGE_SET, CHANGE_ADD, CHANGE_OBSERVE } change_t;

static void
change (metrics_t *self, metric_id_t id, change_t kind, double value, const metric_labels_t *labels)
{
    OWNED (free_text) char *key = make_key (id, labels);
    pthread_mutex_lock (&self->mutex);
    series_t *series = find_series (self, id, key);
    if (series) {
        series->value = kind == CHANGE_SET ? value : series->value + value;
        series->time_ms = self->stamp_ms;
        if (kind == CHANGE_OBSERVE && series->buckets) {
            size_t bucket = 0;
            while (value > FAMILIES[id].buckets[bucket])
                bucket++;
            series->buckets[bucket]++;
            series->count++;
        }
    }
    pthread_mutex_unlock (&self->mutex);
}

void
metric_set (metrics_t *self, metric_id_t id, double value, metric_labels_t labels)
{
    change (self, id, CHANGE_SET, value, &labels);
}

void
metric_count (metric_id_t id, metric_labels_t labels)
{
    change (metrics_shared(), id, CHANGE_ADD, 1, &labels);
}

void
metric_add (metric_id_t id, double value, metric_labels_t labels)
{
    change (metrics_shared(), id, CHANGE_ADD, value, &labels);
}

void
metric_count_down (metric_id_t id, int64_t until_ns, metric_labels_t labels)
{
    metrics_t *self = metrics_shared();
    OWNED (free_text) char *key = make_key (id, &labels);
    pthread_mutex_lock (&self->mutex);
    series_t *series = find_series (self, id, key);
    if (series)
        series->until_ns = until_ns;
    pthread_mutex_unlock (&self->mutex);
}

void
metric_observe (metric_id_t id, double value, metric_labels_t labels)
{
    change (metrics_shared(), id, CHANGE_OBSERVE, isnan (value) ? 0 : value, &labels);
}

/* True when a key has all the labels that are given. */
static bool
has_labels (const char *key, const metric_labels_t *labels)
{
    for (size_t i = 0; i < labels->count && *key; i++) {
        size_t size = strcspn (key, (char[]){ SEPARATOR, '\0' });
        const char *value = labels->values[i];
        if (value && (strlen (value) != size || strncmp (value, key, size) != 0))
            return false;
        key += size + 1;
    }
    return true;
}

void
metric_forget (metric_id_t id, metric_labels_t labels)
{
    metrics_t *self = metrics_shared();
    pthread_mutex_lock (&self->mutex);
    OWNED (zlistx_destroy)
    zlistx_t *keys = self->families[id] ? zhashx_keys (self->families[id]) : zlistx_new();
    for (const char *key = zlistx_first (keys); key; key = zlistx_next (keys))
        if (has_labels (key, &labels))
            zhashx_delete (self->families[id], key);
    pthread_mutex_unlock (&self->mutex);
}

// ---- text ----

/* Text that grows at its end. */
typedef struct {
    char *bytes;
    size_t size, room;
} text_t;

static void
append_sized (text_t *self, const char *text, size_t size)
{
    if (self->size + size + 1 > self->room) {
        self->room = 2 * (self->size + size + 1);
        self->bytes = memory_grow (self->bytes, self->room, 1);
    }
    memcpy (self->bytes + self->size, text, size);
    self->size += size;
    self->bytes[self->size] = '\0';
}

static void
append (text_t *self, const char *text)
{
    append_sized (self, text, strlen (text));
}

static void
append_number (text_t *self, double value)
{
    char number[METRIC_NUMBER_MAX];
    append (self, metric_number (value, number));
}

/* A label's value or a help text, up to `end`: with the escapes of the exposition format. */
static void
append_escaped (text_t *self, const char *text, size_t size, bool is_label)
{
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '\\')
            append (self, "\\\\");
        else if (text[i] == '\n')
            append (self, "\\n");
        else if (text[i] == '"' && is_label)
            append (self, "\\\"");
        else
            append_sized (self, &text[i], 1);
    }
}

static void
append_head (text_t *self, metric_id_t id)
{
    append (self, "# HELP ");
    append (self, FAMILIES[id].name);
    append (self, " ");
    append_escaped (self, FAMILIES[id].help, strlen (FAMILIES[id].help), false);
    append (self, "\n# TYPE ");
    append (self, FAMILIES[id].name);
    append (self, " ");
    append (self, TYPE_NAMES[FAMILIES[id].type]);
    append (self, "\n");
}

/* {a="1",b="2"} and, for a bucket, le="BOUND" at the end. */
static void
append_labels (text_t *self, metric_id_t id, const char *key, const double *bound)
{
    const char *separator = "{";
    for (const char *label = FAMILIES[id].labels; *label; label += strspn (label, " ")) {
        size_t size = strcspn (label, " "), value = strcspn (key, (char[]){ SEPARATOR, '\0' });
        append (self, separator);
        append_sized (self, label, size);
        append (self, "=\"");
        append_escaped (self, key, value, true);
        append (self, "\"");
        separator = ",";
        label += size;
        key += value + 1;
    }
    if (bound) {
        append (self, separator);
        append (self, "le=\"");
        append_number (self, *bound);
        append (self, "\"");
        separator = ",";
    }
    if (*separator == ',')
        append (self, "}");
}

static void
append_sample (text_t *self, metric_id_t id, const char *suffix, const char *key,
               const double *bound, double value, int64_t time_ms)
{
    append (self, FAMILIES[id].name);
    append (self, suffix);
    append_labels (self, id, key, bound);
    append (self, " ");
    append_number (self, value);
    if (time_ms) {
        char text[32];
        snprintf (text, sizeof text, " %" PRId64, time_ms);
        append (self, text);
    }
    append (self, "\n");
}

static double
value_of (const series_t *series)
{
    if (!series->until_ns)
        return series->value;
    return series->until_ns == INT64_MAX ? INFINITY
                                         : (double) (series->until_ns - clock_now_ns()) / NS_PER_S;
}

static void
append_series (text_t *self, metric_id_t id, const char *key, const series_t *series)
{
    if (!series->buckets) {
        append_sample (self, id, "", key, NULL, value_of (series), series->time_ms);
        return;
    }
    uint64_t below = 0;
    for (size_t i = 0; i < bucket_count (id); i++) {
        below += series->buckets[i];
        append_sample (self, id, "_bucket", key, &FAMILIES[id].buckets[i], (double) below, 0);
    }
    append_sample (self, id, "_sum", key, NULL, series->value, 0);
    append_sample (self, id, "_count", key, NULL, (double) series->count, 0);
}

static int
compare_keys (const void *a, const void *b)
{
    return strcmp (a, b);
}

/* One family of one set. The mutex is held. */
static void
append_family (text_t *self, metric_id_t id, zhashx_t *series)
{
    OWNED (zlistx_destroy) zlistx_t *keys = zhashx_keys (series);
    zlistx_set_comparator (keys, compare_keys);
    zlistx_sort (keys);
    for (const char *key = zlistx_first (keys); key; key = zlistx_next (keys))
        append_series (self, id, key, zhashx_lookup (series, key));
}

static void
write_family (text_t *text, metric_id_t id, metrics_t *const *sets, size_t count)
{
    bool has_head = false;
    for (size_t i = 0; i < count; i++) {
        pthread_mutex_lock (&sets[i]->mutex);
        zhashx_t *series = sets[i]->families[id];
        if (series && zhashx_size (series) > 0) {
            if (!has_head)
                append_head (text, id);
            has_head = true;
            append_family (text, id, series);
        }
        pthread_mutex_unlock (&sets[i]->mutex);
    }
}

char *
metrics_write (metric_page_t page, metrics_t *const *sets, size_t count)
{
    text_t text = { 0 };
    append (&text, "");
    for (size_t id = 0; id < METRIC_FAMILY_COUNT; id++)
        if (FAMILIES[id].page == page)
            write_family (&text, (metric_id_t) id, sets, count);
    for (size_t i = 0; i < count && page == METRIC_PAGE_METRICS; i++)
        if (sets[i]->dropped > 0) {
            append_head (&text, METRIC_CUBELET_METRIC_SERIES_DROPPED_TOTAL);
            append_sample (&text, METRIC_CUBELET_METRIC_SERIES_DROPPED_TOTAL, "", "", NULL,
                           sets[i]->dropped, 0);
            break;
        }
    return text.bytes;
}
