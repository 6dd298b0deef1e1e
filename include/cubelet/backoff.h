/* backoff.h - how long to wait before a failing thing is tried again: containers that crash and
   images that cannot be pulled. Upstream: k8s.io/client-go/util/flowcontrol.Backoff without
   jitter; the numbers are reference/pod-lifecycle.md 1, the rules 6.6. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

typedef struct {
    int64_t first_ns;  // the first wait
    int64_t limit_ns;  // waits double up to this
    int64_t forget_ns; // so long without trouble forgets the entry; 0: twice the limit
} backoff_limits_t;

/* 10 s, doubled up to 300 s. */
extern const backoff_limits_t BACKOFF_CONTAINER;
extern const backoff_limits_t BACKOFF_IMAGE;

/* Those of a node's containers (KEP-4603). `is_reduced`: 1 s, doubled up to 60 s, instead of
   BACKOFF_CONTAINER (gate ReduceDefaultCrashLoopBackOffDecay). `most_ns`, if not 0, is the longest
   wait instead (maxContainerRestartPeriod, gate KubeletCrashLoopBackOffMax); a first wait above it
   is shortened to it. Entries are always forgotten after 10 minutes. */
backoff_limits_t backoff_container_limits (bool is_reduced, int64_t most_ns);

/* One entry; all zero means that there is none. Times are ns since 1970. */
typedef struct {
    int64_t wait_ns;    // the current wait
    int64_t updated_at; // when backoff_next last set it
} backoff_t;

/* Containers: true while `now` is closer than the wait to `event_at`, the end of the last run.
   False without an entry, and when the run ended more than forget_ns after the last update. */
bool backoff_holds_since (const backoff_t *self, const backoff_limits_t *limits, int64_t event_at,
                          int64_t now);

/* Images: true while `now` is closer than the wait to the entry's last update. */
bool backoff_holds (const backoff_t *self, const backoff_limits_t *limits, int64_t now);

/* Starts an entry at the first wait, or doubles it up to the limit. `event_at` as above: after a
   long healthy run the entry starts over. */
void backoff_next (backoff_t *self, const backoff_limits_t *limits, int64_t event_at, int64_t now);
