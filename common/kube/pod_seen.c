#include "cubelet/pod_seen.h"
#include "cubelet/container_labels.h"
#include "cubelet/memory.h"
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#define EXIT_OF_SIGKILL 137 // 128 and the signal's number

struct pod_seen {
    sandbox_seen_t **sandboxes; // newest first
    size_t sandbox_count;
    container_seen_t **containers; // newest first
    size_t container_count;
};

// ---- what is read of CRI's maps ----

typedef struct {
    const char *name;
    int64_t attempt;
} raw_metadata_t;

typedef struct {
    const char *id;
    raw_metadata_t metadata;
    const char *state;
    int64_t created_at;
    const node_t *network;
    const node_t *linux_part;
    const char *runtime_handler;
} raw_sandbox_t;

typedef struct {
    const char *id;
    raw_metadata_t metadata;
    const char *state;
    int64_t created_at, started_at, finished_at, exit_code;
    const node_t *image;
    const char *image_ref, *image_id, *reason, *message, *log_path;
    const node_t *labels, *annotations, *mounts, *resources, *user;
} raw_container_t;

// clang-format off
#define FIELD(TYPE, MEMBER, NAME, KIND) { .name = NAME, .kind = FIELD_##KIND, .offset = offsetof (TYPE, MEMBER) }
#define ID_FIELD(TYPE) { .name = "id", .kind = FIELD_TEXT, .offset = offsetof (TYPE, id), .required = true }
#define METADATA_FIELD(TYPE) { .name = "metadata", .kind = FIELD_RECORD, .offset = offsetof (TYPE, metadata), .of = &METADATA }

static const record_type_t METADATA = { (const field_t[]) {
    FIELD (raw_metadata_t, name,    "name",    TEXT),
    FIELD (raw_metadata_t, attempt, "attempt", INT),
    { 0 } }, sizeof (raw_metadata_t) };

static const record_type_t SANDBOX = { (const field_t[]) {
    ID_FIELD (raw_sandbox_t),
    METADATA_FIELD (raw_sandbox_t),
    FIELD (raw_sandbox_t, state,           "state",           TEXT),
    FIELD (raw_sandbox_t, created_at,      "created_at",      INT),
    FIELD (raw_sandbox_t, network,         "network",         NODE),
    FIELD (raw_sandbox_t, linux_part,      "linux",           NODE),
    FIELD (raw_sandbox_t, runtime_handler, "runtime_handler", TEXT),
    { 0 } }, sizeof (raw_sandbox_t) };

static const record_type_t CONTAINER = { (const field_t[]) {
    ID_FIELD (raw_container_t),
    METADATA_FIELD (raw_container_t),
    FIELD (raw_container_t, state,       "state",       TEXT),
    FIELD (raw_container_t, created_at,  "created_at",  INT),
    FIELD (raw_container_t, started_at,  "started_at",  INT),
    FIELD (raw_container_t, finished_at, "finished_at", INT),
    FIELD (raw_container_t, exit_code,   "exit_code",   INT),
    FIELD (raw_container_t, image,       "image",       NODE),
    FIELD (raw_container_t, image_ref,   "image_ref",   TEXT),
    FIELD (raw_container_t, image_id,    "image_id",    TEXT),
    FIELD (raw_container_t, reason,      "reason",      TEXT),
    FIELD (raw_container_t, message,     "message",     TEXT),
    FIELD (raw_container_t, log_path,    "log_path",    TEXT),
    FIELD (raw_container_t, labels,      "labels",      TEXT_MAP),
    FIELD (raw_container_t, annotations, "annotations", TEXT_MAP),
    FIELD (raw_container_t, mounts,      "mounts",      NODE),
    FIELD (raw_container_t, resources,   "resources",   NODE),
    FIELD (raw_container_t, user,        "user",        NODE),
    { 0 } }, sizeof (raw_container_t) };
// clang-format on

/* CRI's enum values; the first is zero, which is absent in the map. */
static const char *const SANDBOX_STATES[] = { "SANDBOX_READY", "SANDBOX_NOTREADY", NULL };
static const char *const CONTAINER_STATES[] = { "CONTAINER_CREATED", "CONTAINER_RUNNING",
                                                "CONTAINER_EXITED", "CONTAINER_UNKNOWN", NULL };

static int
state_of (const char *text, const char *const *names, int otherwise)
{
    if (!text)
        return 0;
    for (int i = 0; names[i]; i++)
        if (strcmp (text, names[i]) == 0)
            return i;
    return otherwise;
}

static sandbox_state_t
sandbox_state (const char *text)
{
    return (sandbox_state_t) state_of (text, SANDBOX_STATES, SANDBOX_NOTREADY);
}

static container_state_t
container_state (const char *text)
{
    return (container_state_t) state_of (text, CONTAINER_STATES, SEEN_UNKNOWN);
}

/* Copies the text into the entry's own memory; NULL reads "". */
static const char *
keep (tree_t *memory, const char *text)
{
    return text ? tree_text (memory, text, strlen (text)) : "";
}

static bool
is_address (const char *text)
{
    unsigned char bytes[sizeof (struct in6_addr)];
    return text
           && (inet_pton (AF_INET, text, bytes) == 1 || inet_pton (AF_INET6, text, bytes) == 1);
}

static void
keep_address (sandbox_seen_t *sandbox, const char *text)
{
    if (is_address (text))
        sandbox->ips.items[sandbox->ips.count++] = keep (sandbox->memory, text);
}

static sandbox_seen_t *
sandbox_from (const raw_sandbox_t *raw)
{
    sandbox_seen_t *sandbox = memory_new (1, sizeof *sandbox);
    tree_t *memory = sandbox->memory = tree_new();
    const node_t *more = node_get (raw->network, "additional_ips");
    sandbox->id = keep (memory, raw->id);
    sandbox->attempt = raw->metadata.attempt;
    sandbox->state = sandbox_state (raw->state);
    sandbox->created_at = raw->created_at;
    sandbox->has_network = node_is_map (raw->network);
    sandbox->ips.items = tree_alloc (memory, (node_count (more) + 1) * sizeof (char *));
    keep_address (sandbox, node_get_text (raw->network, "ip", NULL));
    NODE_EACH (more, address)
    keep_address (sandbox, node_get_text (address, "ip", NULL));
    const node_t *options = node_at (raw->linux_part, "namespaces", "options", NULL);
    sandbox->is_host_network = strcmp (node_get_text (options, "network", "POD"), "NODE") == 0;
    sandbox->runtime_handler = keep (memory, raw->runtime_handler);
    return sandbox;
}

/* The annotation's number, or the attempt of a container that somebody else labelled. */
static int64_t
restart_count (const raw_container_t *raw)
{
    const char *text = node_get_text (raw->annotations, ANNOTATION_RESTARTS, "");
    char *end;
    errno = 0;
    long long count = strtoll (text, &end, 10);
    return *text && !*end && !errno && count >= 0 ? count : raw->metadata.attempt;
}

static const char *
host_path_of (const node_t *mounts, const char *container_path)
{
    if (*container_path) {
        NODE_EACH (mounts, mount)
        if (strcmp (node_get_text (mount, "container_path", ""), container_path) == 0)
            return node_get_text (mount, "host_path", NULL);
    }
    return NULL;
}

static const node_t *
keep_node (tree_t *memory, const node_t *node)
{
    if (!node_is_map (node))
        return NULL;
    node_t *copy = tree_alloc (memory, sizeof *copy);
    *copy = node_copy (memory, node);
    return copy;
}

static container_seen_t *
container_from (const raw_container_t *raw, const char *sandbox_id)
{
    container_seen_t *container = memory_new (1, sizeof *container);
    tree_t *memory = container->memory = tree_new();
    const char *labelled = node_get_text (raw->labels, LABEL_CONTAINER_NAME, raw->metadata.name);
    const char *message_path = node_get_text (raw->annotations, ANNOTATION_MESSAGE_PATH, "");
    container->id = keep (memory, raw->id);
    container->name = keep (memory, labelled);
    container->sandbox_id = keep (memory, sandbox_id);
    container->restart_count = restart_count (raw);
    container->state = container_state (raw->state);
    container->created_at = raw->created_at;
    container->started_at = raw->started_at;
    container->finished_at = raw->finished_at;
    container->exit_code = raw->exit_code;
    container->reason = keep (memory, raw->reason);
    container->message = keep (memory, raw->message);
    container->image = keep (memory, node_get_text (raw->image, "image", NULL));
    container->image_ref = keep (memory, raw->image_ref);
    container->image_id = keep (memory, raw->image_id);
    container->hash = keep (memory, node_get_text (raw->annotations, ANNOTATION_HASH, NULL));
    container->log_path = keep (memory, raw->log_path);
    container->termination_message_path = keep (memory, message_path);
    container->termination_message_policy =
        keep (memory, node_get_text (raw->annotations, ANNOTATION_MESSAGE_POLICY, NULL));
    container->termination_message_host_path =
        keep (memory, host_path_of (raw->mounts, message_path));
    container->user = keep_node (memory, raw->user);
    container->resources = keep_node (memory, node_get (raw->resources, "linux"));
    return container;
}

// ---- the collection ----

static void
sandbox_free (sandbox_seen_t *sandbox)
{
    tree_destroy (&sandbox->memory);
    free (sandbox);
}

static void
container_free (container_seen_t *container)
{
    tree_destroy (&container->memory);
    free (container);
}

pod_seen_t *
pod_seen_new (void)
{
    return memory_new (1, sizeof (pod_seen_t));
}

void
pod_seen_destroy (pod_seen_t **self_p)
{
    pod_seen_t *self = *self_p;
    if (!self)
        return;
    for (size_t i = 0; i < self->sandbox_count; i++)
        sandbox_free (self->sandboxes[i]);
    for (size_t i = 0; i < self->container_count; i++)
        container_free (self->containers[i]);
    free (self->sandboxes);
    free (self->containers);
    free (self);
    *self_p = NULL;
}

/* Newer by time of creation, or by the count where a runtime's clock is too coarse. */
static bool
is_newer (int64_t at, int64_t count, int64_t other_at, int64_t other_count)
{
    return at != other_at ? at > other_at : count > other_count;
}

int
pod_seen_set_sandbox (pod_seen_t *self, const node_t *status, fault_t *fault)
{
    OWNED (tree_destroy) tree_t *scratch = tree_new();
    raw_sandbox_t raw = { 0 };
    if (record_decode (&SANDBOX, status, scratch, RECORD_LENIENT, &raw, fault) < 0)
        return fault_wrap (fault, "PodSandboxStatus");
    sandbox_seen_t *sandbox = sandbox_from (&raw);
    pod_seen_remove_sandbox (self, sandbox->id);
    size_t count = self->sandbox_count;
    self->sandboxes = memory_grow (self->sandboxes, count + 1, sizeof *self->sandboxes);
    size_t at = count;
    for (; at > 0; at--) {
        const sandbox_seen_t *before = self->sandboxes[at - 1];
        if (!is_newer (sandbox->created_at, sandbox->attempt, before->created_at, before->attempt))
            break;
        self->sandboxes[at] = self->sandboxes[at - 1];
    }
    self->sandboxes[at] = sandbox;
    self->sandbox_count = count + 1;
    return 0;
}

int
pod_seen_set_container (pod_seen_t *self, const node_t *status, const char *sandbox_id,
                        fault_t *fault)
{
    OWNED (tree_destroy) tree_t *scratch = tree_new();
    raw_container_t raw = { 0 };
    if (record_decode (&CONTAINER, status, scratch, RECORD_LENIENT, &raw, fault) < 0)
        return fault_wrap (fault, "ContainerStatus");
    const container_seen_t *known = pod_seen_container (self, raw.id);
    if (!sandbox_id && known)
        sandbox_id = known->sandbox_id;
    container_seen_t *container = container_from (&raw, sandbox_id);
    pod_seen_remove_container (self, container->id);
    size_t count = self->container_count;
    self->containers = memory_grow (self->containers, count + 1, sizeof *self->containers);
    size_t at = count;
    for (; at > 0; at--) {
        const container_seen_t *before = self->containers[at - 1];
        if (!is_newer (container->created_at, container->restart_count, before->created_at,
                       before->restart_count))
            break;
        self->containers[at] = self->containers[at - 1];
    }
    self->containers[at] = container;
    self->container_count = count + 1;
    return 0;
}

static void
drop_sandbox_at (pod_seen_t *self, size_t index)
{
    sandbox_free (self->sandboxes[index]);
    self->sandbox_count--;
    memmove (&self->sandboxes[index], &self->sandboxes[index + 1],
             (self->sandbox_count - index) * sizeof *self->sandboxes);
}

static void
drop_container_at (pod_seen_t *self, size_t index)
{
    container_free (self->containers[index]);
    self->container_count--;
    memmove (&self->containers[index], &self->containers[index + 1],
             (self->container_count - index) * sizeof *self->containers);
}

bool
pod_seen_remove_sandbox (pod_seen_t *self, const char *id)
{
    for (size_t i = 0; i < self->sandbox_count; i++)
        if (strcmp (self->sandboxes[i]->id, id) == 0) {
            drop_sandbox_at (self, i);
            return true;
        }
    return false;
}

bool
pod_seen_remove_container (pod_seen_t *self, const char *id)
{
    for (size_t i = 0; i < self->container_count; i++)
        if (strcmp (self->containers[i]->id, id) == 0) {
            drop_container_at (self, i);
            return true;
        }
    return false;
}

static bool
is_listed (const node_t *list, const char *id)
{
    NODE_EACH (list, item)
    if (strcmp (node_get_text (item, "id", ""), id) == 0)
        return true;
    return false;
}

void
pod_seen_compare (pod_seen_t *self, const node_t *sandboxes, const node_t *containers,
                  pod_seen_changed_fn *on_sandbox, pod_seen_changed_fn *on_container, void *context)
{
    for (size_t i = self->sandbox_count; i-- > 0;)
        if (!is_listed (sandboxes, self->sandboxes[i]->id))
            drop_sandbox_at (self, i);
    for (size_t i = self->container_count; i-- > 0;)
        if (!is_listed (containers, self->containers[i]->id))
            drop_container_at (self, i);
    NODE_EACH (sandboxes, listed)
    {
        const char *id = node_get_text (listed, "id", NULL);
        const sandbox_seen_t *known = id ? pod_seen_sandbox (self, id) : NULL;
        if (id && (!known || known->state != sandbox_state (node_get_text (listed, "state", NULL))))
            on_sandbox (context, id, NULL);
    }
    NODE_EACH (containers, listed)
    {
        const char *id = node_get_text (listed, "id", NULL);
        const container_seen_t *known = id ? pod_seen_container (self, id) : NULL;
        if (id
            && (!known || known->state != container_state (node_get_text (listed, "state", NULL))))
            on_container (context, id, node_get_text (listed, "pod_sandbox_id", NULL));
    }
}

// ---- looking things up ----

bool
pod_seen_may_be_oom_killed (const node_t *status)
{
    return strcmp (node_get_text (status, "state", ""), "CONTAINER_EXITED") == 0
           && node_get_int (status, "exit_code", 0) == EXIT_OF_SIGKILL
           && strcmp (node_get_text (status, "reason", "Error"), "Error") == 0;
}

size_t
pod_seen_sandbox_count (const pod_seen_t *self)
{
    return self->sandbox_count;
}

const sandbox_seen_t *
pod_seen_sandbox_at (const pod_seen_t *self, size_t index)
{
    return index < self->sandbox_count ? self->sandboxes[index] : NULL;
}

size_t
pod_seen_container_count (const pod_seen_t *self)
{
    return self->container_count;
}

const container_seen_t *
pod_seen_container_at (const pod_seen_t *self, size_t index)
{
    return index < self->container_count ? self->containers[index] : NULL;
}

const sandbox_seen_t *
pod_seen_sandbox (const pod_seen_t *self, const char *id)
{
    for (size_t i = 0; i < self->sandbox_count; i++)
        if (strcmp (self->sandboxes[i]->id, id) == 0)
            return self->sandboxes[i];
    return NULL;
}

const container_seen_t *
pod_seen_container (const pod_seen_t *self, const char *id)
{
    for (size_t i = 0; i < self->container_count; i++)
        if (strcmp (self->containers[i]->id, id) == 0)
            return self->containers[i];
    return NULL;
}

const container_seen_t *
pod_seen_newest (const pod_seen_t *self, const char *name, size_t skip)
{
    for (size_t i = 0; i < self->container_count; i++)
        if (strcmp (self->containers[i]->name, name) == 0 && skip-- == 0)
            return self->containers[i];
    return NULL;
}

const container_seen_t *
pod_seen_newest_exited (const pod_seen_t *self, const char *name)
{
    for (size_t i = 0; i < self->container_count; i++)
        if (self->containers[i]->state == SEEN_EXITED
            && strcmp (self->containers[i]->name, name) == 0)
            return self->containers[i];
    return NULL;
}

const sandbox_seen_t *
pod_seen_ready_sandbox (const pod_seen_t *self)
{
    bool is_ready = self->sandbox_count && self->sandboxes[0]->state == SANDBOX_READY;
    return is_ready ? self->sandboxes[0] : NULL;
}

bool
pod_seen_is_running (const pod_seen_t *self)
{
    for (size_t i = 0; i < self->container_count; i++)
        if (self->containers[i]->state == SEEN_RUNNING
            || self->containers[i]->state == SEEN_UNKNOWN)
            return true;
    return false;
}
