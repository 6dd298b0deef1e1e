/* What the status-reporter, the event-recorder and those who ask are told of pods. */
#include "cubelet/memory.h"
#include "cubelet/object_reference.h"
#include "manager.h"

void
report_pod (manager_t *self, managed_pod_t *entry)
{
    // A static pod that waits for its predecessor would fight with it for the mirror pod.
    bool is_next = entry->state == POD_WAITING && entry->is_static;
    if (!self->is_joined || entry->is_orphan || is_next)
        return;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t body = node_map();
    const mirror_t *mirror = entry->is_static ? mirror_find (self, entry->full_name) : NULL;
    bool is_off = entry->state == POD_FINISHED || entry->state == POD_REJECTED;
    node_set (tree, &body, "pod", packed_node (&entry->pod, tree));
    if (entry->status.bytes)
        node_set (tree, &body, "status", packed_node (&entry->status, tree));
    node_set_bool (tree, &body, "finished", is_off && !entry->may_run);
    node_set_bool (tree, &body, "running", entry->may_run);
    node_set_bool (tree, &body, "terminating", entry->is_removed);
    if (mirror)
        node_set (tree, &body, "mirror", packed_node (&mirror->pod, tree));
    actor_send (self->actor, "status-reporter", MSG_POD_REPORT, &body);
}

void
report_forget (manager_t *self, const char *uid)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t body = node_map();
    node_set_text (tree, &body, "uid", uid);
    if (self->is_joined)
        actor_send (self->actor, "status-reporter", MSG_POD_FORGET, &body);
}

void
warn_of_pod (manager_t *self, const managed_pod_t *entry, const char *reason, const char *message)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t body = node_map();
    node_t pod = packed_node (&entry->pod, tree);
    node_set (tree, &body, "object", object_reference_pod (tree, &pod, NULL));
    node_set_text (tree, &body, "type", "Warning");
    node_set_text (tree, &body, "reason", reason);
    node_set_text (tree, &body, "message", message);
    actor_send (self->actor, "event-recorder", MSG_EVENT_RECORD, &body);
}

// ---- questions ----

/* Out of the list as soon as its source has it no more, as upstream. */
static bool
is_listed (const managed_pod_t *entry)
{
    return !entry->is_orphan && (!entry->is_removed || entry->is_wanted_again);
}

int
on_pod_list (void *state, const message_t *message, fault_t *fault)
{
    (void) fault;
    manager_t *self = state;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t items = node_array();
    MANAGER_EACH (self, entry)
    if (is_listed (entry))
        node_append (tree, &items, managed_object (entry, tree));
    node_t body = node_map();
    node_set (tree, &body, "items", items);
    actor_reply (self->actor, message, &body);
    return 0;
}

int
on_pod_known (void *state, const message_t *message, fault_t *fault)
{
    (void) fault;
    manager_t *self = state;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t uids = node_array();
    MANAGER_EACH (self, entry)
    node_append (tree, &uids, node_text (tree, entry->uid));
    node_t body = node_map();
    node_set (tree, &body, "uids", uids);
    node_set_bool (tree, &body, "ready", !self->early && sources_are_ready (self));
    actor_reply (self->actor, message, &body);
    return 0;
}

/* By name; of two with one name the one that its source wants. */
static managed_pod_t *
find_named (manager_t *self, const char *full_name)
{
    managed_pod_t *found = NULL;
    MANAGER_EACH (self, entry)
    if (streq (entry->full_name, full_name)
        && (!found || (!is_listed (found) && is_listed (entry))))
        found = entry;
    return found;
}

int
on_pod_get (void *state, const message_t *message, fault_t *fault)
{
    manager_t *self = state;
    const node_t *body = message->body;
    OWNED (free_text)
    char *full_name = text_format ("%s/%s", node_get_text (body, "namespace", ""),
                                   node_get_text (body, "name", ""));
    const char *uid = node_get_text (body, "uid", "");
    const mirror_t *mirror = mirror_find_uid (self, uid);
    bool is_exact = uid[0] && !(mirror && streq (mirror->full_name, full_name));
    const managed_pod_t *entry = is_exact ? find_uid (self, uid) : find_named (self, full_name);
    if (!entry || !streq (entry->full_name, full_name))
        return fault_set (fault, FAULT_NOT_FOUND, "pod \"%s\" not found",
                          node_get_text (body, "name", ""));
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t answer = node_map();
    node_set (tree, &answer, "pod", managed_object (entry, tree));
    node_set_text (tree, &answer, "uid", entry->uid);
    actor_reply (self->actor, message, &answer);
    return 0;
}
