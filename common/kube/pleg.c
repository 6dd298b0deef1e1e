#include "cubelet/pleg.h"
#include "cubelet/memory.h"
#include "cubelet/packed.h"
#include <string.h>

#define EXPECTED_MAX 512 // more events than that at once: the periodic listing will do
#define RETRY_FIRST_MS 20
#define RETRY_MAX_MS 1000

/* A sandbox or a container of a listing; borrowed from it. */
typedef struct {
    const char *uid, *ns, *name; // of its pod
    const char *id;
    const char *state;
    int64_t created_at;
    bool is_sandbox;
    const node_t *node;
} entry_t;

typedef struct {
    char *uid, *ns, *name;
    char *signature;  // "ID STATE\n" of all its entries, sorted; "" after pleg_renew
    packed_t listing; // {sandboxes containers}
    bool is_orphan;
    bool is_listed; // in the listing that is being taken
} pod_t;

typedef struct {
    char *id;
    bool (*is_met) (const entry_t *entry);
    unsigned tries;
} expectation_t;

struct pleg {
    pod_t **pods; // sorted by uid
    size_t count;
    expectation_t *expected;
    size_t expected_count;
    int64_t listed_at;
};

// ---- entries of a listing ----

static bool
is_complete (const entry_t *entry)
{
    return *entry->uid && *entry->ns && *entry->name && *entry->id;
}

static entry_t
sandbox_entry (const node_t *node)
{
    const node_t *metadata = node_get (node, "metadata");
    return (entry_t){
        .uid = node_get_text (metadata, "uid", ""),
        .ns = node_get_text (metadata, "namespace", ""),
        .name = node_get_text (metadata, "name", ""),
        .id = node_get_text (node, "id", ""),
        .state = node_get_text (node, "state", "SANDBOX_READY"), // the zero values are absent
        .created_at = node_get_int (node, "created_at", 0),
        .is_sandbox = true,
        .node = node,
    };
}

static entry_t
container_entry (const node_t *node)
{
    const node_t *labels = node_get (node, "labels");
    return (entry_t){
        .uid = node_get_text (labels, "io.kubernetes.pod.uid", ""),
        .ns = node_get_text (labels, "io.kubernetes.pod.namespace", ""),
        .name = node_get_text (labels, "io.kubernetes.pod.name", ""),
        .id = node_get_text (node, "id", ""),
        .state = node_get_text (node, "state", "CONTAINER_CREATED"),
        .created_at = node_get_int (node, "created_at", 0),
        .node = node,
    };
}

static int
compare_entries (const void *a_p, const void *b_p)
{
    const entry_t *a = a_p, *b = b_p;
    int order = strcmp (a->uid, b->uid);
    if (order == 0)
        order = b->is_sandbox - a->is_sandbox;
    if (order == 0) // newest first, as the kubelet sorts them
        order = (a->created_at < b->created_at) - (a->created_at > b->created_at);
    return order ? order : strcmp (a->id, b->id);
}

/* All complete entries, those of one pod together. Owned array of *count_p. */
static entry_t *
read_entries (const node_t *sandboxes, const node_t *containers, size_t *count_p)
{
    size_t most = node_count (sandboxes) + node_count (containers);
    entry_t *entries = memory_new (most + 1, sizeof *entries);
    size_t count = 0;
    NODE_EACH (sandboxes, sandbox)
    {
        entries[count] = sandbox_entry (sandbox);
        count += is_complete (&entries[count]);
    }
    NODE_EACH (containers, container)
    {
        entries[count] = container_entry (container);
        count += is_complete (&entries[count]);
    }
    qsort (entries, count, sizeof *entries, compare_entries);
    *count_p = count;
    return entries;
}

// ---- pods ----

static void
pod_destroy (pod_t **self_p)
{
    pod_t *self = *self_p;
    if (!self)
        return;
    free (self->uid);
    free (self->ns);
    free (self->name);
    free (self->signature);
    packed_clear (&self->listing);
    free (self);
    *self_p = NULL;
}

/* Where the pod is, or would be. */
static size_t
find_place (const pleg_t *self, const char *uid, bool *is_there)
{
    size_t low = 0, high = self->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (strcmp (self->pods[middle]->uid, uid) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *is_there = low < self->count && strcmp (self->pods[low]->uid, uid) == 0;
    return low;
}

/* The pod of these entries; made when it was not known. */
static pod_t *
pod_of (pleg_t *self, const entry_t *entry)
{
    bool is_there = false;
    size_t at = find_place (self, entry->uid, &is_there);
    if (is_there)
        return self->pods[at];
    pod_t *pod = memory_new (1, sizeof *pod);
    *pod = (pod_t){ .uid = text_copy (entry->uid),
                    .ns = text_copy (entry->ns),
                    .name = text_copy (entry->name),
                    .signature = text_copy ("") };
    self->pods = memory_grow (self->pods, self->count + 1, sizeof *self->pods);
    memmove (&self->pods[at + 1], &self->pods[at], (self->count - at) * sizeof *self->pods);
    self->pods[at] = pod;
    self->count++;
    return pod;
}

static char *
signature_of (const entry_t *entries, size_t count)
{
    char *signature = NULL;
    size_t size = 0;
    FILE *stream = open_memstream (&signature, &size);
    if (!stream)
        abort(); // only memory can run out
    for (size_t i = 0; i < count; i++)
        fprintf (stream, "%s %s\n", entries[i].id, entries[i].state);
    fclose (stream);
    return signature;
}

static void
keep_entries (pod_t *pod, const entry_t *entries, size_t count)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t sandboxes = node_array(), containers = node_array(), map = node_map();
    for (size_t i = 0; i < count; i++)
        node_append (tree, entries[i].is_sandbox ? &sandboxes : &containers, *entries[i].node);
    node_set (tree, &map, "sandboxes", sandboxes);
    node_set (tree, &map, "containers", containers);
    packed_set (&pod->listing, &map);
}

static void
tell_pod (const pod_t *pod, pleg_pod_fn *tell, void *context)
{
    OWNED (tree_destroy) tree_t *tree = packed_tree (&pod->listing);
    const node_t *map = tree_root (tree);
    const pleg_pod_t view = { .uid = pod->uid,
                              .ns = pod->ns,
                              .name = pod->name,
                              .sandboxes = node_get (map, "sandboxes"),
                              .containers = node_get (map, "containers"),
                              .is_orphan = pod->is_orphan };
    tell (context, &view);
}

pleg_t *
pleg_new (void)
{
    return memory_new (1, sizeof (pleg_t));
}

void
pleg_destroy (pleg_t **self_p)
{
    pleg_t *self = *self_p;
    if (!self)
        return;
    for (size_t i = 0; i < self->count; i++)
        pod_destroy (&self->pods[i]);
    for (size_t i = 0; i < self->expected_count; i++)
        free (self->expected[i].id);
    free (self->pods);
    free (self->expected);
    free (self);
    *self_p = NULL;
}

// ---- events that a listing has to confirm ----

/* `entry` is NULL when the listing does not have it. */
static bool
is_started (const entry_t *entry)
{
    return entry && strcmp (entry->state, "CONTAINER_CREATED") != 0;
}

static bool
is_stopped (const entry_t *entry)
{
    return !entry
           || (strcmp (entry->state, "CONTAINER_RUNNING") != 0
               && strcmp (entry->state, "SANDBOX_READY") != 0);
}

static bool
is_deleted (const entry_t *entry)
{
    return !entry;
}

static const struct {
    const char *kind;
    bool (*is_met) (const entry_t *entry);
} EXPECTATIONS[] = {
    { "started", is_started },
    { "stopped", is_stopped },
    { "deleted", is_deleted },
};

void
pleg_expect (pleg_t *self, const char *container_id, const char *kind)
{
    size_t row = 0, at = 0;
    while (row < COUNT_OF (EXPECTATIONS) && strcmp (EXPECTATIONS[row].kind, kind) != 0)
        row++;
    if (row == COUNT_OF (EXPECTATIONS))
        return;
    while (at < self->expected_count && strcmp (self->expected[at].id, container_id) != 0)
        at++;
    if (at == EXPECTED_MAX)
        return;
    if (at == self->expected_count) { // else the later event supersedes the earlier one
        self->expected = memory_grow (self->expected, at + 1, sizeof *self->expected);
        self->expected[at].id = text_copy (container_id);
        self->expected_count++;
    }
    self->expected[at].is_met = EXPECTATIONS[row].is_met;
    self->expected[at].tries = 0;
}

static void
check_expectations (pleg_t *self, const entry_t *entries, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < self->expected_count; i++) {
        expectation_t *expected = &self->expected[i];
        const entry_t *found = NULL;
        for (size_t j = 0; j < count && !found; j++)
            if (strcmp (entries[j].id, expected->id) == 0)
                found = &entries[j];
        if (expected->is_met (found) || ++expected->tries >= PLEG_TRIES_MAX)
            free (expected->id);
        else
            self->expected[kept++] = *expected;
    }
    self->expected_count = kept;
}

int64_t
pleg_retry_ms (const pleg_t *self)
{
    int64_t soonest = -1;
    for (size_t i = 0; i < self->expected_count; i++) {
        unsigned tries = self->expected[i].tries;
        int64_t wait_ms = (int64_t) RETRY_FIRST_MS << (tries ? tries - 1 : 0);
        if (wait_ms > RETRY_MAX_MS)
            wait_ms = RETRY_MAX_MS;
        if (soonest < 0 || wait_ms < soonest)
            soonest = wait_ms;
    }
    return soonest;
}

// ---- listings ----

/* Forgets what the listing did not have, and tells of it. Returns how many. */
static size_t
drop_gone (pleg_t *self, pleg_pod_fn *changed, void *context)
{
    size_t kept = 0, gone = 0;
    for (size_t i = 0; i < self->count; i++) {
        pod_t *pod = self->pods[i];
        if (pod->is_listed) {
            self->pods[kept++] = pod;
            continue;
        }
        keep_entries (pod, NULL, 0);
        tell_pod (pod, changed, context);
        pod_destroy (&pod);
        gone++;
    }
    self->count = kept;
    return gone;
}

size_t
pleg_take (pleg_t *self, const node_t *sandboxes, const node_t *containers, int64_t listed_at,
           pleg_pod_fn *changed, void *context)
{
    size_t count = 0, changes = 0;
    entry_t *entries = read_entries (sandboxes, containers, &count);
    self->listed_at = listed_at;
    for (size_t i = 0; i < self->count; i++)
        self->pods[i]->is_listed = false;
    for (size_t first = 0, end; first < count; first = end) {
        for (end = first + 1; end < count && strcmp (entries[end].uid, entries[first].uid) == 0;)
            end++;
        pod_t *pod = pod_of (self, &entries[first]);
        OWNED (free_text) char *signature = signature_of (&entries[first], end - first);
        pod->is_listed = true;
        if (strcmp (signature, pod->signature) == 0)
            continue;
        free (pod->signature);
        pod->signature = STEAL (signature);
        keep_entries (pod, &entries[first], end - first);
        tell_pod (pod, changed, context);
        changes++;
    }
    changes += drop_gone (self, changed, context);
    check_expectations (self, entries, count);
    free (entries);
    return changes;
}

int64_t
pleg_listed_at (const pleg_t *self)
{
    return self->listed_at;
}

void
pleg_each (pleg_t *self, pleg_pod_fn *tell, void *context)
{
    for (size_t i = 0; i < self->count; i++)
        tell_pod (self->pods[i], tell, context);
}

bool
pleg_find (pleg_t *self, const char *uid, pleg_pod_fn *tell, void *context)
{
    bool is_there = false;
    size_t at = find_place (self, uid, &is_there);
    if (is_there)
        tell_pod (self->pods[at], tell, context);
    return is_there;
}

void
pleg_set_orphan (pleg_t *self, const char *uid, bool is_orphan)
{
    bool is_there = false;
    size_t at = find_place (self, uid, &is_there);
    if (is_there)
        self->pods[at]->is_orphan = is_orphan;
}

void
pleg_renew (pleg_t *self)
{
    for (size_t i = 0; i < self->count; i++)
        self->pods[i]->signature[0] = '\0';
}
