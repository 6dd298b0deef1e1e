#include "cubelet/json.h"
#include "cubelet/memory.h"
#include "web.h"
#include <string.h>

#define BODY_MAX 800 // bytes of a body's JSON that a page is shown
#define NS_PER_MS_REAL 1e6

/* What the page needs whole of a body. `reply`: of the answer, not of the request. */
static const struct {
    const char *type;
    bool reply;
    const char *name;
    const char *path[3];
} FACTS[] = {
    { "pod.sync", false, "terminate", { "terminate" } },
    { "pod.status", false, "phase", { "status", "phase" } },
    { "pod.status", false, "finished", { "finished" } },
    { "cri.CreateContainer", false, "container", { "config", "metadata", "name" } },
    { "cri.CreateContainer", true, "id", { "container_id" } },
    { "cri.StartContainer", false, "id", { "container_id" } },
    { "cri.StopContainer", false, "id", { "container_id" } },
    { "cri.RemoveContainer", false, "id", { "container_id" } },
    { "image.ensure", false, "container", { "image" } },
};

static node_t
facts_of (tree_t *tree, const shown_t *message)
{
    node_t facts = node_map();
    for (size_t i = 0; i < COUNT_OF (FACTS); i++) {
        if (FACTS[i].reply != (message->re != 0) || strcmp (FACTS[i].type, message->type) != 0)
            continue;
        const node_t *value = message->body;
        for (size_t j = 0; value && j < COUNT_OF (FACTS[i].path) && FACTS[i].path[j]; j++)
            value = node_is_map (value) ? node_get (value, FACTS[i].path[j]) : NULL;
        if (value && !node_is_map (value) && !node_is_array (value))
            node_set (tree, &facts, FACTS[i].name, *value);
    }
    return facts;
}

/* The length of `text`, or, when that is more than BODY_MAX, where to cut it: not inside of a
   letter of several bytes. */
static size_t
cut_at (const char *text, size_t size)
{
    if (size <= BODY_MAX)
        return size;
    size = BODY_MAX;
    while (size > 0 && ((unsigned char) text[size] & 0xC0) == 0x80)
        size--;
    return size;
}

char *
web_message_json (const shown_t *message)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t map = node_map();
    size_t size = 0;
    OWNED (free_text) char *body = json_write (message->body, JSON_COMPACT, &size);
    size_t kept = cut_at (body, size);
    node_set_text (tree, &map, "from", message->from);
    node_set_text (tree, &map, "to", message->to);
    node_set_text (tree, &map, "type", message->type);
    node_set (tree, &map, "id", node_text_format (tree, "%llu", (unsigned long long) message->id));
    if (message->re)
        node_set (tree, &map, "re",
                  node_text_format (tree, "%llu", (unsigned long long) message->re));
    node_set (tree, &map, "sent", node_real ((double) message->sent_ns / NS_PER_MS_REAL));
    node_set (tree, &map, "now", node_real ((double) message->now_ns / NS_PER_MS_REAL));
    node_set_text (tree, &map, "outcome", message->outcome);
    if (message->fault) {
        node_set_text (tree, &map, "fault", fault_code_name (message->fault));
        node_set_text (tree, &map, "fault_text", message->fault_text);
    }
    node_set (tree, &map, "body",
              node_text_format (tree, "%.*s%s", (int) kept, body, kept < size ? "..." : ""));
    node_set (tree, &map, "facts", facts_of (tree, message));
    return json_write (&map, JSON_COMPACT, NULL);
}
