#include "cubelet/log_options.h"
#include "cubelet/clock.h"
#include "cubelet/duration.h"
#include "cubelet/go_quote.h"
#include "cubelet/memory.h"
#include <errno.h>
#include <string.h>
#include <strings.h>

#define CANNOT_DECODE "{\"message\": \"Unable to decode query.\"}"
#define NOT_ALLOWED "{\"message\": \"Invalid request.\"}"

// ---- values as the API's parameter codec reads them ----

static bool
read_bool (const url_query_t *query, const char *name)
{
    const char *text = url_query_get (query, name);
    return text && strcasecmp (text, "false") != 0 && strcmp (text, "0") != 0;
}

/* strconv.ParseInt in base 10: digits with a sign, nothing else. */
static int
parse_int (const char *text, int64_t *out)
{
    char *end = NULL;
    const char *digits = text + (*text == '-' || *text == '+');
    if (*digits < '0' || *digits > '9')
        return -1;
    errno = 0;
    long long value = strtoll (text, &end, 10);
    if (errno || *end)
        return -1;
    *out = value;
    return 0;
}

static int
read_int (const char *text, opt_int_t *out)
{
    if (!text)
        return 0;
    out->set = true;
    return parse_int (text, &out->value);
}

static int
read_since_time (const char *text, opt_int_t *out)
{
    fault_t ignored = { 0 };
    if (!text || !text[0] || strcmp (text, "null") == 0)
        return 0;
    out->set = true;
    return time_parse (text, &out->value, &ignored);
}

static int
read_stream (const char *text, log_stream_kind_t *out)
{
    static const struct {
        const char *name;
        log_stream_kind_t stream;
    } STREAMS[] = {
        { "All", LOG_STREAM_ALL },
        { "Stdout", LOG_STREAM_STDOUT },
        { "Stderr", LOG_STREAM_STDERR },
    };
    for (size_t i = 0; i < COUNT_OF (STREAMS); i++) {
        if (strcmp (STREAMS[i].name, text) == 0) {
            *out = STREAMS[i].stream;
            return 0;
        }
    }
    return -1;
}

/* "tail" is an old name, and wins. */
static const char *
tail_of (const url_query_t *query)
{
    const char *tail = url_query_get (query, "tail");
    if (!tail || !tail[0])
        return url_query_get (query, "tailLines");
    return strcmp (tail, "all") == 0 ? NULL : tail;
}

static int64_t
seconds_before (int64_t now_ns, int64_t seconds)
{
    int64_t span_ns = 0, since_ns = 0;
    if (__builtin_mul_overflow (seconds, NS_PER_S, &span_ns)
        || __builtin_sub_overflow (now_ns, span_ns, &since_ns))
        return INT64_MIN;
    return since_ns;
}

int
log_options_read (const url_query_t *query, bool may_split, int64_t now_ns, log_options_t *out,
                  fault_t *fault)
{
    opt_int_t seconds = { 0 };
    const char *stream = url_query_get (query, "stream");
    out->follow = read_bool (query, "follow");
    out->previous = read_bool (query, "previous");
    out->timestamps = read_bool (query, "timestamps");
    if (read_int (tail_of (query), &out->tail_lines) < 0
        || read_int (url_query_get (query, "limitBytes"), &out->limit_bytes) < 0
        || read_int (url_query_get (query, "sinceSeconds"), &seconds) < 0
        || read_since_time (url_query_get (query, "sinceTime"), &out->since_ns) < 0)
        return fault_set (fault, FAULT_INVALID, "%s", CANNOT_DECODE);
    bool is_split = stream && strcmp (stream, "All") != 0;
    if ((out->tail_lines.set && out->tail_lines.value < 0)
        || (out->limit_bytes.set && out->limit_bytes.value < 1)
        || (seconds.set && (seconds.value < 1 || out->since_ns.set))
        || (stream && (!may_split || read_stream (stream, &out->stream) < 0))
        || (is_split && out->tail_lines.set))
        return fault_set (fault, FAULT_OUT_OF_RANGE, "%s", NOT_ALLOWED);
    if (seconds.set)
        out->since_ns = (opt_int_t){ true, seconds_before (now_ns, seconds.value) };
    return 0;
}

// ---- which container ----

static const node_t *
find_status (const node_t *pod_status, const char *container)
{
    static const char *const LISTS[] = { "containerStatuses", "initContainerStatuses",
                                         "ephemeralContainerStatuses" };
    for (size_t i = 0; i < COUNT_OF (LISTS); i++)
        NODE_EACH (node_get (pod_status, LISTS[i]), status)
    if (strcmp (node_get_text (status, "name", ""), container) == 0)
        return status;
    return NULL;
}

static const char *
waiting_text (const char *reason)
{
    if (strcmp (reason, "ErrImagePull") == 0)
        return "image can't be pulled";
    if (strcmp (reason, "ImagePullBackOff") == 0)
        return "trying and failing to pull image";
    return reason;
}

/* The id of a terminated state; NULL when there is none. */
static const char *
id_of (const node_t *terminated)
{
    const char *id = node_get_text (terminated, "containerID", "");
    return id[0] ? id : NULL;
}

const char *
log_container_id (const node_t *status, const char *pod_name, const char *container, bool previous,
                  fault_t *fault)
{
    OWNED (free_text) char *name = go_quote (container);
    OWNED (free_text) char *pod = go_quote (pod_name);
    const node_t *found = find_status (status, container);
    const node_t *state = node_get (found, "state");
    const node_t *last = node_at (found, "lastState", "terminated", NULL);
    const node_t *terminated = node_get (state, "terminated");
    const node_t *waiting = node_get (state, "waiting");
    const char *id = NULL;
    if (!found)
        fault_set (fault, FAULT_INVALID, "container %s in pod %s is not available", name, pod);
    else if (previous && !(id = id_of (last)))
        fault_set (fault, FAULT_INVALID, "previous terminated container %s in pod %s not found",
                   name, pod);
    else if (previous)
        return id;
    else if (node_get (state, "running"))
        return node_get_text (found, "containerID", "");
    else if (terminated || last) {
        id = id_of (terminated) ? id_of (terminated) : id_of (last);
        if (!id)
            fault_set (fault, FAULT_INVALID, "container %s in pod %s is terminated", name, pod);
        return id;
    }
    else if (waiting)
        fault_set (fault, FAULT_INVALID, "container %s in pod %s is waiting to start: %s", name,
                   pod, waiting_text (node_get_text (waiting, "reason", "")));
    else
        fault_set (fault, FAULT_INVALID, "container %s in pod %s is waiting to start - no logs yet",
                   name, pod);
    return NULL;
}
