/* log_options.h - PodLogOptions: which part of a container's log is wanted, and which container's.
   Source: reference/node-and-server.md 5.2. */
#pragma once
#include "cubelet/fault.h"
#include "cubelet/pod.h"
#include "cubelet/url_query.h"
#include <stdbool.h>
#include <stdint.h>

typedef enum { LOG_STREAM_ALL, LOG_STREAM_STDOUT, LOG_STREAM_STDERR } log_stream_kind_t;

typedef struct {
    bool follow, previous, timestamps;
    opt_int_t since_ns;    // entries before this time are left out
    opt_int_t tail_lines;  // entries from the end of the file; not set: all
    opt_int_t limit_bytes; // of the answer
    log_stream_kind_t stream;
} log_options_t;

/* Reads them from a query; `now_ns` is what sinceSeconds counts from, `may_split` the gate
   PodLogsQuerySplitStreams. 0, or -1 with FAULT_INVALID (a value that cannot be read: 400) or
   FAULT_OUT_OF_RANGE (a value that is not allowed: 422); the text is the answer's body. */
int log_options_read (const url_query_t *query, bool may_split, int64_t now_ns, log_options_t *out,
                      fault_t *fault);

/* The id ("containerd://...") of the container whose log is meant: the running one, or the one that
   ran last, or with `previous` the one before. Borrowed from `status` (a PodStatus); NULL with
   FAULT_INVALID and the text that upstream answers. */
const char *log_container_id (const node_t *status, const char *pod_name, const char *container,
                              bool previous, fault_t *fault);
