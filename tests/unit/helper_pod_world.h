/* helper_pod_world.h - a pod, what the runtime shows of it and what its worker knows, set up from
   a short script, so that tests of pod_plan and pod_status are tables of text.

   A script is statements separated by ";", a statement is words; times are seconds after WORLD_T0:
     now S                       the time (100 at first)
     sandbox ID ready|notready [attempt N] [created S] [no-ip] [ip A] [host]
     NAME ID created|running|exited|unknown [code N] [restarts N] [sandbox ID] [created S]
                                 [started S] [finished S] [hash H] [reason R] [message M]
     gone ID                     the runtime no longer has the container
     image NAME                  is ensured
     step NAME idle|image|create|start|post-start
     failed NAME REASON MESSAGE [retry S]
     ok NAME                     the start went well
     probe ID liveness|readiness|startup success|failure
     hook-failed ID
     needs-restart ID            a resize asks for it
     resize-pending REASON MESSAGE | resizing [error MESSAGE]
     left ID TEXT                termination message
     killing ID GRACE S [restart] [pod]        since S
     pre-stop ID running|done S
     stopping ID | stopped ID | removing ID | stop-sandbox ID | stopped-sandbox ID
     stop-retry ID S
     creating-sandbox | sandbox-retry S
     changed [IMAGE]             the pod was, from one whose first container had that image
     unprepared
     terminate [grace N] [reason R] [message M] [gone]
     terminating | finishing
     delete GRACE                the pod gets a deletionTimestamp
     status JSON...              the previous status, to the end of the statement
   "_" in REASON, MESSAGE and TEXT stands for a space. */
#pragma once
#include "cubelet/pod_plan.h"
#include "cubelet/pod_status.h"

#define WORLD_T0 1700000000LL // 2023-11-14T22:13:20Z

typedef struct {
    tree_t *pod_tree;
    pod_t pod;
    pod_seen_t *seen;
    pod_local_t *local;
    tree_t *status; // the previous one; NULL: none
    int64_t now;    // ns
    const char *host_ips[2];
    pod_status_node_t node;
} world_t;

/* `pod` is the JSON of a Pod with ' for "; its texts may be NULL for WORLD_POD_SIMPLE. The test
   fails when the script or the pod is wrong. */
world_t *world_new (const char *pod, const char *script);
void world_destroy (world_t **self_p);

/* Runs more of a script. */
void world_run (world_t *self, const char *script);

/* WORLD_T0 + s, in ns. */
int64_t world_time (int64_t s);

/* The plan as text: "ensure-image(a) ensure-image(b)", followed by " wake S", "terminating",
   "stopped", "finished" and "waiting(NAME REASON)" where they hold. Owned. */
char *world_plan (world_t *self);

/* The same for a plan that is there already. */
char *world_plan_text (const pod_plan_t *plan);

/* pod_status, which becomes the previous one. */
const node_t *world_status (world_t *self);

/* Fails the test, naming `what`, unless both are equal. */
void world_check (const char *what, const char *expected, const char *actual);

/* A tree from JSON with ' for ", or as it is when it begins with {". */
tree_t *world_json (const char *text);

/* One regular container "main", image "busybox", policy Always, grace period 30 s. */
extern const char *const WORLD_POD_SIMPLE;

/* A row of a table: what holds, for which pod, after which script, and what comes out. */
typedef struct {
    const char *what;
    const char *pod; // NULL: WORLD_POD_SIMPLE
    const char *script;
    const char *plan;
} world_row_t;

/* Checks that each row's plan is as expected. */
void world_check_plans (const world_row_t *rows, size_t count);
