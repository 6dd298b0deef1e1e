/* probe_target.h - what a probe or lifecycle handler addresses: the command, the URL and headers,
   the host and port. Worked out once, when the pod is set, not at every attempt.
   Source: reference/probes-hooks-events.md 5 to 8 and 10 (upstream: pkg/probe/http/request.go,
   pkg/probe/util.go). */
#pragma once
#include "cubelet/fault.h"
#include "cubelet/pod.h"

typedef enum { TARGET_EXEC, TARGET_HTTP, TARGET_TCP, TARGET_GRPC } target_kind_t;

/* Nodes and texts live in the tree that the target was made in. */
typedef struct {
    target_kind_t kind;
    const node_t *command; // exec: array of texts (binary where a variable is none)
    const char *url;       // http
    const node_t *headers; // http: array of {name, value} in the order they are sent
    const char *host;      // tcp, grpc
    int port;              // tcp, grpc
    const char *service;   // grpc: "" when unset
} probe_target_t;

/* Fills `out` for a probe of `container`. `pod_ip` (NULL or "": none yet) is the host unless the
   probe names one. Everything is copied to `tree`. Returns 0, or -1 with FAULT_INVALID and
   upstream's text ("strconv.Atoi: parsing \"web\": invalid syntax"). */
int probe_target (const probe_t *probe, const container_t *container, const char *pod_ip,
                  tree_t *tree, probe_target_t *out, fault_t *fault);

/* The same for a handler's httpGet; its user agent is "kube-lifecycle/1.34" and the connection may
   stay open. */
int hook_http_target (const http_action_t *http, const container_t *container, const char *pod_ip,
                      tree_t *tree, probe_target_t *out, fault_t *fault);

/* "kube-PURPOSE/MAJOR.MINOR" of the Kubernetes version that this agent follows. Owned text. */
char *kube_user_agent (const char *purpose);

/* The URL of scheme (NULL or "": http; any case), host and port with `path` read as Go's url.Parse
   reads a reference: a query is kept, what needs it is escaped, a host in it is ignored, and what
   is no reference is taken as the bare path. Owned text. */
char *probe_url (const char *scheme, const char *host, int port, const char *path);
