/* stats_provider.c - what the node, its pods and its containers use, for /stats/summary and
   /metrics/...: found out when somebody asks, shared by all who ask meanwhile, and kept for a
   moment. Nothing is read while nobody asks.

   Arguments: {"node_name", "root_dir", "pod_logs_dir", "cgroup_driver", "cgroup_root",
   "cgroups_per_qos", "kubelet_cgroups", "runtime_cgroups", "system_cgroups": as in the
   configuration; "allocatable_memory": bytes that pods may use together; "feature_gates";
   "has_csi": there is a csi-manager; "volume_stats_ms": volumeStatsAggPeriod, below 0: volumes are
   not measured; "cgroup_mount":
   "/sys/fs/cgroup" and "proc": "/proc", which tests change}. Source:
   reference/node-and-server.md 4.3. */
#include "stats_provider.h"
#include "cubelet/actors.h"
#include "cubelet/cgroup_path.h"
#include "cubelet/clock.h"
#include "cubelet/memory.h"
#include "pages.h"
#include <string.h>

/* Several readers of one moment (a dashboard, a scraper, people) cost one reading. */
#define CACHE_MS 1500

#define DEFAULT_VOLUME_MS 60000 // KubeletConfiguration volumeStatsAggPeriod

/* The pages of metrics: what they show besides what is counted (NULL: nothing), and what has to be
   collected for that; those that need nothing are answered at once. */
typedef struct {
    page_fill_fn *fill;
    bool is_collected;
    collect_t wanted;
} page_t;

static const page_t PAGES[METRIC_PAGE_COUNT] = {
    [METRIC_PAGE_METRICS] = { page_agent_fill, true, { .has_disks = true, .has_agent = true } },
    [METRIC_PAGE_CADVISOR] = { page_cadvisor_fill, true, { .detail = CGROUP_ALL } },
    [METRIC_PAGE_RESOURCE] = { page_resource_fill, true, { .detail = CGROUP_BASIC } },
    [METRIC_PAGE_PROBES] = { .fill = page_probes_fill },
    [METRIC_PAGE_SLIS] = { 0 },
};

/* Who asked, and for what. */
typedef struct {
    return_address_t *address;
    bool is_brief;
    metric_page_t page; // METRIC_PAGE_COUNT: for the Summary
} waiter_t;

/* Those who wait for one collection. */
typedef struct {
    collect_t wanted; // `only` is the collection's own: here only whether there is one
    zlistx_t *waiters;
} crowd_t;

/* The last collection of all pods. */
struct cache {
    collected_t collected;
    tree_t *tree;
    int64_t at_ms; // monotonic
};

// ---- who waits ----

static void
waiter_destroy (void **self_p)
{
    waiter_t *self = *self_p;
    return_address_destroy (&self->address);
    free (self);
    *self_p = NULL;
}

static waiter_t *
waiter_new (const message_t *message, metric_page_t page)
{
    waiter_t *self = memory_new (1, sizeof *self);
    self->address = return_address_new (message);
    self->page = page;
    self->is_brief = node_get_bool (message->body, "only_cpu_and_memory", false);
    return self;
}

static void
crowd_destroy (void **self_p)
{
    crowd_t *self = *self_p;
    zlistx_destroy (&self->waiters);
    free (self);
    *self_p = NULL;
}

static crowd_t *
crowd_new (const collect_t *wanted)
{
    crowd_t *self = memory_new (1, sizeof *self);
    self->wanted = *wanted;
    self->waiters = zlistx_new();
    zlistx_set_destructor (self->waiters, waiter_destroy);
    return self;
}

// ---- answers ----

/* The text of a page, from what was counted and what was collected for it (NULL: nothing). Owned.
 */
static char *
page_text (const provider_t *self, metric_page_t page, const collected_t *collected)
{
    OWNED (metrics_destroy) metrics_t *found = metrics_new();
    if (PAGES[page].fill)
        PAGES[page].fill (self, collected, found);
    return metrics_write (page, (metrics_t *[]){ found, metrics_shared() }, 2);
}

/* Puts the page into `body`; it may be megabytes, so that no other copy of it is kept. */
static void
set_page (const provider_t *self, metric_page_t page, const collected_t *collected, tree_t *tree,
          node_t *body)
{
    OWNED (free_text) char *text = page_text (self, page, collected);
    node_set_text (tree, body, "text", text);
}

static void
answer (provider_t *self, waiter_t *waiter, const collected_t *collected, const fault_t *fault)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t body = node_map();
    if (collected && waiter->page == METRIC_PAGE_COUNT)
        node_set (tree, &body, "summary",
                  stats_summary_encode (&collected->summary, waiter->is_brief, tree));
    else if (collected)
        set_page (self, waiter->page, collected, tree, &body);
    actor_answer (self->actor, &waiter->address, &body, fault);
}

static void
keep_in_cache (provider_t *self, const collected_t *collected, tree_t **tree_p)
{
    if (collected->wanted.only || !collected->is_complete)
        return;
    tree_destroy (&self->cache->tree);
    self->cache->collected = *collected;
    self->cache->tree = STEAL (*tree_p);
    self->cache->at_ms = clock_monotonic_ms();
}

static void
on_collected (provider_t *self, const collected_t *collected, tree_t **tree_p, const fault_t *fault,
              void *context)
{
    crowd_t *crowd = context;
    for (waiter_t *waiter = zlistx_first (crowd->waiters); waiter;
         waiter = zlistx_next (crowd->waiters))
        answer (self, waiter, collected, fault);
    if (collected)
        keep_in_cache (self, collected, tree_p);
    zlistx_delete (self->crowds, zlistx_find (self->crowds, crowd));
}

// ---- questions ----

/* True when what was collected for `has` also answers who wants `wants`. */
static bool
covers (const collect_t *has, const collect_t *wants)
{
    return !has->only && !wants->only && has->has_disks >= wants->has_disks
           && has->has_stats >= wants->has_stats && has->has_agent >= wants->has_agent
           && has->detail >= wants->detail && has->max_age_ms <= wants->max_age_ms;
}

static crowd_t *
find_crowd (provider_t *self, const collect_t *wanted)
{
    for (crowd_t *crowd = zlistx_first (self->crowds); crowd; crowd = zlistx_next (self->crowds))
        if (covers (&crowd->wanted, wanted))
            return crowd;
    return NULL;
}

/* Answers from the cache, or has the answer collected. */
static void
serve (provider_t *self, const collect_t *wanted, waiter_t *waiter)
{
    const cache_t *cache = self->cache;
    if (cache->tree && covers (&cache->collected.wanted, wanted)
        && clock_monotonic_ms() - cache->at_ms < CACHE_MS) {
        answer (self, waiter, &cache->collected, NULL);
        void *gone = waiter;
        waiter_destroy (&gone);
        return;
    }
    crowd_t *crowd = find_crowd (self, wanted);
    if (crowd) {
        zlistx_add_end (crowd->waiters, waiter);
        return;
    }
    crowd = crowd_new (wanted);
    zlistx_add_end (crowd->waiters, waiter);
    zlistx_add_end (self->crowds, crowd);
    collect (self, wanted, on_collected, crowd);
}

static int
on_summary (void *state, const message_t *message, fault_t *fault)
{
    (void) fault;
    provider_t *self = state;
    waiter_t *waiter = waiter_new (message, METRIC_PAGE_COUNT);
    collect_t wanted = {
        .has_disks = !waiter->is_brief,
        .has_stats = !waiter->is_brief || !self->facts.cgroups_per_qos,
        .max_age_ms = node_get_int (message->body, "max_age_ms", self->volume_age_ms),
        .only = node_get (message->body, "pods"),
    };
    serve (self, &wanted, waiter);
    return 0;
}

static int
on_metrics (void *state, const message_t *message, fault_t *fault)
{
    provider_t *self = state;
    const char *name = node_get_text (message->body, "page", "");
    metric_page_t page = metric_page_find (name);
    if (page == METRIC_PAGE_COUNT)
        return fault_set (fault, FAULT_NOT_FOUND, "no page of metrics is called %s", name);
    if (!PAGES[page].is_collected) {
        OWNED (tree_destroy) tree_t *tree = tree_new();
        node_t body = node_map();
        set_page (self, page, NULL, tree, &body);
        actor_reply (self->actor, message, &body);
        return 0;
    }
    collect_t wanted = PAGES[page].wanted;
    wanted.max_age_ms = self->volume_age_ms;
    wanted.has_stats = wanted.has_disks || !self->facts.cgroups_per_qos;
    serve (self, &wanted, waiter_new (message, page));
    return 0;
}

static int
on_runtime_state (void *state, const message_t *message, fault_t *fault)
{
    (void) fault;
    provider_t *self = state;
    cgroup_driver_choose (message->body, self->facts.cgroup_driver, &self->facts.cgroup_driver);
    return 0;
}

// ---- start and stop ----

static void
free_item (void **item_p)
{
    free (*item_p);
    *item_p = NULL;
}

static void
stop (void **self_p)
{
    provider_t *self = *self_p;
    zlistx_destroy (&self->collections);
    zlistx_destroy (&self->crowds);
    disks_destroy (&self->disks);
    zhashx_destroy (&self->samples);
    tree_destroy (&self->cache->tree);
    free (self->cache);
    tree_destroy (&self->args);
    free (self);
    *self_p = NULL;
}

static void
read_args (provider_t *self)
{
    const node_t *args = tree_root (self->args);
    int64_t period_ms = node_get_int (args, "volume_stats_ms", DEFAULT_VOLUME_MS);
    self->cgroups = cgroup_place (node_get_text (args, "cgroup_mount", "/sys/fs/cgroup"));
    self->proc = node_get_text (args, "proc", "/proc");
    self->facts.root_dir = node_get_text (args, "root_dir", "/var/lib/kubelet");
    self->facts.pod_logs_dir = node_get_text (args, "pod_logs_dir", "/var/log/pods");
    self->facts.cgroup_root = node_get_text (args, "cgroup_root", "");
    self->facts.cgroups_per_qos = node_get_bool (args, "cgroups_per_qos", true);
    self->facts.cgroup_driver = cgroup_driver_of (node_get_text (args, "cgroup_driver", NULL));
    self->allocatable_memory = node_get_int (args, "allocatable_memory", 0);
    self->volume_age_ms = period_ms;
    self->has_csi = node_get_bool (args, "has_csi", false);
}

static void *
start (actor_t *actor, const node_t *args, fault_t *fault)
{
    (void) fault;
    provider_t *self = memory_new (1, sizeof *self);
    self->actor = actor;
    self->args = tree_copy (args);
    self->cache = memory_new (1, sizeof *self->cache);
    self->samples = zhashx_new();
    zhashx_set_destructor (self->samples, free_item);
    self->collections = zlistx_new();
    zlistx_set_destructor (self->collections, collection_destroy);
    self->crowds = zlistx_new();
    zlistx_set_destructor (self->crowds, crowd_destroy);
    self->disks = disks_new (actor);
    read_args (self);
    return self;
}

static const actor_handler_t HANDLERS[] = {
    { MSG_STATS_SUMMARY, on_summary },
    { MSG_METRICS_GET, on_metrics },
    { MSG_RUNTIME_STATE, on_runtime_state },
    { 0 },
};

const actor_class_t stats_provider_class = {
    .name = "stats-provider",
    .about = "tells what the node and its pods use, when asked",
    .handlers = HANDLERS,
    .start = start,
    .stop = stop,
};
