/* target.h - the pod and container that a request is about. */
#pragma once
#include "server.h"

/* Takes the pod with its status; `uid` is the one it has on this node (a static pod's own). It
   answers the exchange, or has it answered. */
typedef void target_pod_fn (exchange_t *exchange, const node_t *pod, const char *uid);

/* Asks for the pod of path->parts[0] (namespace) and [1] (name), with that uid if it is not NULL.
   When there is none, answers 404 with `absent`. */
void target_find_pod (exchange_t *exchange, const url_parts_t *path, const char *uid,
                      const char *absent, target_pod_fn *take);

/* Takes the id of the running container of that name, or NULL; `fault` when the runtime does not
   say. */
typedef void target_container_fn (exchange_t *exchange, const char *id, const fault_t *fault);

/* Asks the runtime for the container of a pod that runs now. */
void target_find_container (exchange_t *exchange, const char *uid, const char *container,
                            target_container_fn *take);

/* The container of that name in a Pod's spec, of any kind; NULL when there is none. */
const node_t *target_container (const node_t *pod, const char *name);

/* "ID" of "containerd://ID". */
const char *container_bare_id (const char *id);

/* Answers as go-restful does when no path fits. */
void target_no_page (exchange_t *exchange);

/* Answers with a fault of the runtime: 404, 429 or 500 and its text. */
void target_answer_fault (exchange_t *exchange, const fault_t *fault);
