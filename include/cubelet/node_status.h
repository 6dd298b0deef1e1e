/* node_status.h - the status of this node's Node object, and when it is worth a request.
   Source: reference/node-and-server.md 2; samples/node.json, api-requests.jsonl. */
#pragma once
#include "cubelet/record.h"
#include "cubelet/tree.h"
#include <stdbool.h>
#include <stdint.h>

/* What the status is made of. All borrowed. */
typedef struct {
    const char *node_name;
    const node_t *ips;       // the node's addresses, the primary one first
    bool has_external_cloud; // --cloud-provider=external: addresses are left to it
    bool has_node_ip;        // --node-ip names them
    const node_t *capacity;  // resource lists
    const node_t *allocatable;
    const node_t *info;       // node_identity_read, with swap
    const char *runtime_name; // "containerd"; NULL: not known
    const char *runtime_version;
    int64_t port;           // of the kubelet's own server
    const node_t *images;   // CRI Image list; NULL: not known, they stay as they are
    int64_t max_images;     // nodeStatusMaxImages; negative: all
    const node_t *handlers; // CRI RuntimeHandler list; NULL: none
    const node_t *features; // CRI RuntimeFeatures; NULL: none
    bool memory_pressure, disk_pressure, pid_pressure;
    const node_t *volumes_in_use; // their unique names; NULL: not known, they stay as they are
    const char *problem;          // why the node is not ready; NULL: it is
} node_view_t;

/* The status as it should be: `previous` is the API server's (NULL: there is none); conditions,
   resources and fields of others in it stay. A map NodeStatus in `tree`. */
node_t node_status (tree_t *tree, const node_view_t *view, const node_t *previous, int64_t now);

/* Why the node is not ready, all of it in one text as upstream joins it; NULL: it is ready.
   `runtime` is a RUNTIME_STATE body (NULL: not heard of it yet). Owned. */
char *node_problem (const node_t *runtime, const node_t *capacity, bool is_shutting_down);

/* True when the condition of that type has the status "True". */
bool node_condition_is_true (const node_t *status, const char *type);

/* True when the two differ in more than the times of heartbeats. */
bool node_status_differs (const node_t *old, const node_t *new);

/* Times of the requests that said that nothing has changed; in milliseconds of one clock. */
typedef struct {
    int64_t every_ms; // nodeStatusReportFrequency
    int64_t last_ms;  // the last request that was accepted
    int64_t shift_ms; // added to every_ms: random after each change, so that nodes spread out
} node_report_pace_t;

/* True when a status without changes is to be reported again. */
bool node_report_is_due (const node_report_pace_t *pace, int64_t now_ms);

/* Notes an accepted request; `part` (0 to 1) is random. */
void node_report_sent (node_report_pace_t *pace, bool has_changed, double part, int64_t now_ms);

/* The events that lie between the two Nodes (`old` NULL: there was none): conditions that changed,
   another boot. A list of {type reason message}, reference/probes-hooks-events.md 12. */
node_t
node_status_events (tree_t *tree, const char *node_name, const node_t *old, const node_t *new);

/* The same for a node that pods may be scheduled to, or not any more. */
node_t node_schedulable_events (tree_t *tree, const char *node_name, bool is_unschedulable);

/* The patch of nodes/NAME/status that makes `old` into `new`: labels, annotations and status. A
   map; empty when nothing changes. */
node_t node_patch (tree_t *tree, const node_t *old, const node_t *new);
