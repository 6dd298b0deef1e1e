#include "cubelet/event_object.h"
#include "cubelet/duration.h"
#include "cubelet/go_quote.h"
#include "cubelet/memory.h"
#include <inttypes.h>

#define COMPONENT "kubelet"

/* The API takes names of at most 253 characters; the nanoseconds need up to 17 of them. */
#define OBJECT_NAME_MAX 236

static node_t
event_metadata (tree_t *tree, const node_t *object, int64_t name_ns)
{
    node_t metadata = node_map();
    node_set (tree, &metadata, "name",
              node_text_format (tree, "%.*s.%" PRIx64, OBJECT_NAME_MAX,
                                node_get_text (object, "name", ""), (uint64_t) name_ns));
    node_set_text (tree, &metadata, "namespace", node_get_text (object, "namespace", "default"));
    return metadata;
}

node_t
event_object (tree_t *tree, const event_t *event, const event_verdict_t *verdict,
              const char *node_name, int64_t now_ns)
{
    char first[TIME_TEXT_MAX], last[TIME_TEXT_MAX];
    node_t source = node_map();
    node_set_text (tree, &source, "component", COMPONENT);
    node_set_text (tree, &source, "host", node_name);

    node_t object = node_map();
    node_set_text (tree, &object, "kind", "Event");
    node_set_text (tree, &object, "apiVersion", "v1");
    node_set (tree, &object, "metadata", event_metadata (tree, event->object, verdict->name_ns));
    node_set (tree, &object, "involvedObject", node_copy (tree, event->object));
    node_set_text (tree, &object, "reason", event->reason);
    node_set (tree, &object, "message",
              node_text_format (tree, "%s%s", verdict->is_combined ? EVENT_COMBINED_PREFIX : "",
                                event->message));
    node_set (tree, &object, "source", source);
    node_set_text (tree, &object, "firstTimestamp", time_text (verdict->first_ns, first));
    node_set_text (tree, &object, "lastTimestamp", time_text (now_ns, last));
    node_set_int (tree, &object, "count", verdict->count);
    node_set_text (tree, &object, "type", event->type);
    node_set (tree, &object, "eventTime", node_nil());
    node_set_text (tree, &object, "reportingComponent", COMPONENT);
    node_set_text (tree, &object, "reportingInstance", node_name);
    return object;
}

node_t
event_patch (tree_t *tree, const node_t *event)
{
    static const char *const CHANGING[] = { "count", "lastTimestamp", "message" };
    node_t patch = node_map();
    for (size_t i = 0; i < COUNT_OF (CHANGING); i++)
        node_set (tree, &patch, CHANGING[i], node_copy (tree, node_get (event, CHANGING[i])));
    return patch;
}

char *
event_log_text (const event_t *event)
{
    static const char *const SHOWN[] = { "fieldPath", "kind", "apiVersion" };
    const char *ns = node_get_text (event->object, "namespace", "");
    char *line = text_format ("Event occurred object=\"%s%s%s\"", ns, *ns ? "/" : "",
                              node_get_text (event->object, "name", ""));
    for (size_t i = 0; i < COUNT_OF (SHOWN); i++) {
        OWNED (free_text) char *value = go_quote (node_get_text (event->object, SHOWN[i], ""));
        text_replace (&line, "%s %s=%s", line, SHOWN[i], value);
    }
    OWNED (free_text) char *type = go_quote (event->type);
    OWNED (free_text) char *reason = go_quote (event->reason);
    OWNED (free_text) char *message = go_quote (event->message);
    text_replace (&line, "%s type=%s reason=%s message=%s", line, type, reason, message);
    return line;
}
