/* image_puller.c - makes images present, by each container's pull policy.

   A container asks with IMAGE_ENSURE and becomes an asker. Unless its policy is Always it is first
   looked whether the image is there; if need be the asker joins the pull of that image. Pulls wait
   for a place in the order they were asked for; all askers of an image share one PullImage. A
   failed pull keeps the same pod from trying again for a while. A pull tries one credential after
   the other (credentials.c) until the runtime has the image; without any it is anonymous.

   All events about images come from here, also the "Error: REASON" that ends a failure; faults read
   "REASON: MESSAGE", both as a container's waiting state shows them.

   Arguments: {"serialize_pulls": bool, "max_parallel_pulls": int (0: no limit), "qps": number
   (0: no limit), "burst": int}, KubeletConfiguration's serializeImagePulls, maxParallelImagePulls,
   registryPullQPS, registryBurst and their defaults; further ones in credentials.h.
   Source: reference/pod-lifecycle.md 7 and 7.1; the recordings image-*. */
#include "credentials.h"
#include "cubelet/actors.h"
#include "cubelet/backoff.h"
#include "cubelet/clock.h"
#include "cubelet/fault_list.h"
#include "cubelet/go_quote.h"
#include "cubelet/image_name.h"
#include "cubelet/image_pull.h"
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include "cubelet/metrics.h"
#include "cubelet/object_reference.h"
#include "cubelet/token_bucket.h"
#include <czmq.h>
#include <string.h>

#define RUNTIME "runtime"

/* The runtime gives up by itself after its own 2 min, which is the better message. */
#define INSPECT_DEADLINE_MS (130 * 1000)

/* Upstream waits for ever; this only ends a wait for a message that got lost. */
#define PULL_DEADLINE_MS (3600 * 1000)

/* More images than a node can need at once. */
#define PULLS_MAX 1000

#define DEFAULT_QPS 5.0
#define DEFAULT_BURST 10

typedef struct pull pull_t;
typedef struct puller puller_t;

/* A container that waits for its image. */
typedef struct {
    return_address_t *address;
    tree_t *request; // the message's body; what follows is borrowed from it
    const node_t *pod;
    const char *container;
    const char *image;   // as in the pod
    const char *policy;  // Always, IfNotPresent, Never
    char *name;          // the image with its tag
    char *failure_key;   // UID_IMAGE
    uint64_t inspection; // the ImageStatus that is under way, 0: none
    pull_t *pull;        // what it waits for, or NULL
    int64_t joined_ms;   // since when
} asker_t;

/* One image to pull, under way or waiting for its place. */
struct pull {
    puller_t *puller;
    char *name;
    char *repository;          // normalised
    tree_t *secrets;           // that it may be pulled with
    credential_query_t *query; // looks for credentials; NULL: not under way
    tree_t *credentials;       // those found, to be tried in their order
    size_t attempt;            // index of the one that is tried
    fault_list_t faults;       // of those tried before
    tree_t *memory;            // of the request
    node_t request;
    zlistx_t *askers; // borrowed
    uint64_t call;    // PullImage or the ImageStatus after it; 0: waits for its place
    bool has_place;
    int64_t started_ms;
    int64_t took_ms;
    char *image_ref; // what PullImage answered
};

/* The last failed pull of an image for a pod. */
typedef struct {
    backoff_t backoff;
    char *text; // "ErrImagePull: ..."; NULL once it is tried again
} failure_t;

struct puller {
    actor_t *actor;
    credentials_t *credentials;
    size_t places; // pulls at a time
    size_t places_taken;
    token_rate_t rate;
    token_bucket_t bucket;
    zlistx_t *askers;
    zlistx_t *pulls;    // in the order they were asked for
    zhashx_t *failures; // failure_t by key
};

static void start_pulls (puller_t *self);

// ---- askers ----

static asker_t *
asker_new (puller_t *self, const message_t *message)
{
    asker_t *asker = memory_new (1, sizeof *asker);
    asker->address = return_address_new (message);
    asker->request = tree_copy (message->body);
    const node_t *body = tree_root (asker->request);
    asker->pod = node_get (body, "pod");
    asker->container = node_get_text (body, "container", "");
    asker->image = node_get_text (body, "image", "");
    asker->policy = node_get_text (body, "policy", "");
    zlistx_add_end (self->askers, asker);
    return asker;
}

/* Takes an asker out of every list. It must not be in a pull any more, or the pull is ending. */
static void
asker_destroy (puller_t *self, asker_t *asker)
{
    actor_cancel (self->actor, asker->inspection);
    zlistx_detach (self->askers, zlistx_find (self->askers, asker));
    return_address_destroy (&asker->address);
    tree_destroy (&asker->request);
    free (asker->name);
    free (asker->failure_key);
    free (asker);
}

static void
record_event (puller_t *self, const asker_t *asker, const char *type, const char *reason,
              const char *message)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t body = node_map();
    node_set (tree, &body, "object", object_reference_pod (tree, asker->pod, asker->container));
    node_set_text (tree, &body, "type", type);
    node_set_text (tree, &body, "reason", reason);
    node_set_text (tree, &body, "message", message);
    actor_send (self->actor, "event-recorder", MSG_EVENT_RECORD, &body);
}

/* An event whose message ends with the image's name in quotes. */
static void
record_image_event (puller_t *self, const asker_t *asker, const char *reason, const char *text,
                    const char *image)
{
    OWNED (free_text) char *quoted = go_quote (image);
    OWNED (free_text) char *message = text_format ("%s %s", text, quoted);
    record_event (self, asker, "Normal", reason, message);
}

/* Answers with a fault "REASON: MESSAGE" and is done with the asker. */
static void
fail_asker (puller_t *self, asker_t *asker, const fault_t *fault)
{
    OWNED (free_text)
    char *message = text_format ("Error: %.*s", (int) strcspn (fault->text, ":"), fault->text);
    record_event (self, asker, "Warning", "Failed", message);
    actor_answer (self->actor, &asker->address, NULL, fault);
    asker_destroy (self, asker);
}

/* The same, after an event of its own with the message of the fault. */
static void
fail_asker_with_event (puller_t *self, asker_t *asker, const char *event_reason, fault_code_t code,
                       const char *reason, const char *message)
{
    fault_t fault = { 0 };
    fault_set (&fault, code, "%s: %s", reason, message);
    record_event (self, asker, "Warning", event_reason, message);
    fail_asker (self, asker, &fault);
}

/* Answers that the image is there as `image_ref`; `image` is the runtime's Image. */
static void
satisfy_asker (puller_t *self, asker_t *asker, const char *image_ref, const node_t *image,
               bool is_pulled)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t body = node_map();
    node_set_text (tree, &body, "image_ref", image_ref);
    node_set (tree, &body, "user", image_user_node (tree, image));
    node_set_bool (tree, &body, "pulled", is_pulled);
    actor_answer (self->actor, &asker->address, &body, NULL);
    asker_destroy (self, asker);
}

static void
fail_inspection (puller_t *self, asker_t *asker, const char *image, const fault_t *fault)
{
    OWNED (free_text) char *quoted = go_quote (image);
    OWNED (free_text) char *error = image_error_text (fault, false);
    OWNED (free_text) char *message = text_format ("Failed to inspect image %s: %s", quoted, error);
    fail_asker_with_event (self, asker, "InspectFailed", fault->code, "ImageInspectError", message);
}

// ---- failures of the past ----

static void
failure_destroy (void **self_p)
{
    failure_t *self = *self_p;
    free (self->text);
    free (self);
    *self_p = NULL;
}

static int64_t
now_ns (void)
{
    return clock_monotonic_ms() * NS_PER_MS;
}

/* Forgets what failed so long ago that it has no more effect. */
static void
forget_old_failures (puller_t *self)
{
    OWNED (zlistx_destroy) zlistx_t *keys = zhashx_keys (self->failures);
    for (const char *key = zlistx_first (keys); key; key = zlistx_next (keys)) {
        const failure_t *failure = zhashx_lookup (self->failures, key);
        if (now_ns() - failure->backoff.updated_at > 2 * BACKOFF_IMAGE.limit_ns)
            zhashx_delete (self->failures, key);
    }
}

static void
remember_failure (puller_t *self, const asker_t *asker, const fault_t *fault)
{
    forget_old_failures (self);
    failure_t *failure = zhashx_lookup (self->failures, asker->failure_key);
    if (!failure) {
        failure = memory_new (1, sizeof *failure);
        zhashx_insert (self->failures, asker->failure_key, failure);
    }
    backoff_next (&failure->backoff, &BACKOFF_IMAGE, now_ns(), now_ns());
    text_replace (&failure->text, "%s", fault->text);
}

/* True when the asker has to wait after a failure, with the fault it gets. */
static bool
is_held_back (puller_t *self, const asker_t *asker, fault_t *fault)
{
    failure_t *failure = zhashx_lookup (self->failures, asker->failure_key);
    if (!failure)
        return false;
    if (!backoff_holds (&failure->backoff, &BACKOFF_IMAGE, now_ns())) {
        free_text (&failure->text);
        return false;
    }
    OWNED (free_text) char *quoted = go_quote (asker->name);
    fault_set (fault, FAULT_EXHAUSTED, "ImagePullBackOff: Back-off pulling image %s%s%s", quoted,
               failure->text ? ": " : "", failure->text ? failure->text : "");
    return true;
}

// ---- pulls ----

/* The request for an image: with the pod's annotations, which some runtimes go by. */
static node_t
image_request (tree_t *tree, const char *image, const node_t *pod)
{
    const node_t *annotations = node_at (pod, "metadata", "annotations", NULL);
    node_t spec = node_map();
    node_set_text (tree, &spec, "image", image);
    if (annotations)
        node_set (tree, &spec, "annotations", node_copy (tree, annotations));
    node_t request = node_map();
    node_set (tree, &request, "image", spec);
    return request;
}

static pull_t *
pull_new (puller_t *self, const asker_t *asker)
{
    const node_t *sandbox_config = node_get (tree_root (asker->request), "sandbox_config");
    pull_t *pull = memory_new (1, sizeof *pull);
    image_name_t parts;
    fault_t ignored = { 0 };
    pull->puller = self;
    pull->name = text_copy (asker->name);
    image_name_parse (asker->name, &parts, &ignored); // it has been parsed before
    pull->repository = text_copy (parts.repository);
    pull->secrets = tree_copy (node_get (tree_root (asker->request), "secrets"));
    pull->askers = zlistx_new();
    pull->memory = tree_new();
    pull->request = image_request (pull->memory, asker->name, asker->pod);
    if (sandbox_config)
        node_set (pull->memory, &pull->request, "sandbox_config",
                  node_copy (pull->memory, sandbox_config));
    zlistx_add_end (self->pulls, pull);
    return pull;
}

static void
give_place_back (puller_t *self, pull_t *pull)
{
    if (pull->has_place)
        self->places_taken--;
    pull->has_place = false;
}

/* Ends a pull without askers, also one that is under way. */
static void
pull_destroy (puller_t *self, pull_t *pull)
{
    actor_cancel (self->actor, pull->call);
    credential_query_destroy (&pull->query);
    give_place_back (self, pull);
    zlistx_detach (self->pulls, zlistx_find (self->pulls, pull));
    zlistx_destroy (&pull->askers);
    tree_destroy (&pull->memory);
    tree_destroy (&pull->secrets);
    tree_destroy (&pull->credentials);
    fault_list_clear (&pull->faults);
    free (pull->repository);
    free (pull->name);
    free (pull->image_ref);
    free (pull);
}

/* The pull of that image with the same Secrets: what one pod may read need not be another's. */
static pull_t *
find_pull (puller_t *self, const char *name, const node_t *secrets)
{
    for (pull_t *pull = zlistx_first (self->pulls); pull; pull = zlistx_next (self->pulls))
        if (strcmp (pull->name, name) == 0 && node_equal (tree_root (pull->secrets), secrets))
            return pull;
    return NULL;
}

/* Takes an asker out of its pull; a pull that nobody waits for ends. */
static void
leave_pull (puller_t *self, asker_t *asker)
{
    pull_t *pull = asker->pull;
    if (!pull)
        return;
    asker->pull = NULL;
    zlistx_detach (pull->askers, zlistx_find (pull->askers, asker));
    if (zlistx_size (pull->askers) > 0)
        return;
    pull_destroy (self, pull);
    start_pulls (self);
}

/* The pull of an image failed: its askers are told. Ends the pull. */
static void
fail_pull (puller_t *self, pull_t *pull, const fault_t *cause)
{
    fault_t fault = { 0 };
    image_pull_failed (pull->name, cause, &fault);
    OWNED (free_text) char *quoted = go_quote (pull->name);
    OWNED (free_text) char *error = image_error_text (cause, true);
    OWNED (free_text) char *message = text_format ("Failed to pull image %s: %s", quoted, error);
    for (asker_t *asker; (asker = zlistx_detach (pull->askers, NULL));) {
        record_event (self, asker, "Warning", "Failed", message);
        remember_failure (self, asker, &fault);
        fail_asker (self, asker, &fault);
    }
    pull_destroy (self, pull);
}

/* The image is there and described: the askers have what they wanted. Ends the pull. */
static void
on_pulled_inspected (void *state, const message_t *reply, const fault_t *fault, void *context)
{
    puller_t *self = state;
    pull_t *pull = *(pull_t **) context;
    pull->call = 0;
    const node_t *image = reply ? node_get (reply->body, "image") : NULL;
    int64_t now_ms = clock_monotonic_ms();
    fault_t missing = { FAULT_NOT_FOUND, "the image is gone again" };
    metric_observe (METRIC_IMAGE_PULL_DURATION_SECONDS, (double) pull->took_ms / 1000,
                    LABELS (image_size_class (node_get_int (image, "size", 0))));
    for (asker_t *asker; (asker = zlistx_detach (pull->askers, NULL));) {
        OWNED (free_text)
        char *message = image_pulled_message (pull->name, pull->took_ms * NS_PER_MS,
                                              (now_ms - asker->joined_ms) * NS_PER_MS,
                                              node_get_int (image, "size", 0));
        record_event (self, asker, "Normal", "Pulled", message);
        if (image)
            satisfy_asker (self, asker, pull->image_ref, image, true);
        else
            fail_inspection (self, asker, pull->image_ref, fault ? fault : &missing);
    }
    pull_destroy (self, pull);
    forget_old_failures (self);
}

static void call_runtime (puller_t *self, pull_t *pull);

/* Keeps the fault of a credential, as upstream prints it. */
static void
note_attempt (pull_t *pull, const fault_t *fault)
{
    fault_t printed = { 0 };
    OWNED (free_text) char *text = image_error_text (fault, true);
    fault_set (&printed, FAULT_UNKNOWN, "%s", text);
    fault_list_add (&pull->faults, &printed);
}

/* No credential was any good: one fault counts as it is, different ones together. */
static void
fail_all_attempts (puller_t *self, pull_t *pull, const fault_t *last)
{
    fault_t fault = *last;
    note_attempt (pull, last);
    if (pull->faults.count > 1)
        fault_list_report (&pull->faults, &fault);
    fail_pull (self, pull, &fault);
}

/* True when there is another credential, which is tried now. */
static bool
try_next (puller_t *self, pull_t *pull, const fault_t *fault)
{
    if (pull->attempt + 1 >= node_count (tree_root (pull->credentials)))
        return false;
    note_attempt (pull, fault);
    pull->attempt++;
    call_runtime (self, pull);
    return true;
}

static void
on_pulled (void *state, const message_t *reply, const fault_t *fault, void *context)
{
    puller_t *self = state;
    pull_t *pull = *(pull_t **) context;
    pull->call = 0;
    if (fault && try_next (self, pull, fault))
        return;
    give_place_back (self, pull);
    if (fault)
        fail_all_attempts (self, pull, fault);
    else {
        pull->took_ms = clock_monotonic_ms() - pull->started_ms;
        pull->image_ref = text_copy (node_get_text (reply->body, "image_ref", ""));
        const asker_t *first = zlistx_first (pull->askers);
        OWNED (tree_destroy) tree_t *tree = tree_new();
        node_t request = image_request (tree, pull->image_ref, first->pod);
        pull->call = actor_request (self->actor, RUNTIME, MSG_CRI_IMAGE_STATUS, &request,
                                    INSPECT_DEADLINE_MS, on_pulled_inspected, &pull, sizeof pull);
    }
    start_pulls (self);
}

/* PullImage with the credential whose turn it is. */
static void
call_runtime (puller_t *self, pull_t *pull)
{
    const node_t *auth = node_item (tree_root (pull->credentials), pull->attempt);
    if (auth)
        node_set (pull->memory, &pull->request, "auth", node_copy (pull->memory, auth));
    pull->call = actor_request (self->actor, RUNTIME, MSG_CRI_PULL_IMAGE, &pull->request,
                                PULL_DEADLINE_MS, on_pulled, &pull, sizeof pull);
}

static void
on_credentials (void *context, const node_t *found, const fault_t *fault)
{
    pull_t *pull = context;
    puller_t *self = pull->puller;
    pull->query = NULL; // it frees itself
    if (fault) {
        fault_t own = *fault;
        own.code = FAULT_UNKNOWN; // it is no runtime's
        fail_pull (self, pull, &own);
        start_pulls (self);
        return;
    }
    pull->credentials = tree_copy (found);
    call_runtime (self, pull);
}

static void
start_pull (puller_t *self, pull_t *pull)
{
    if (!token_bucket_take (&self->bucket, &self->rate, now_ns())) {
        fault_t fault = { FAULT_UNKNOWN, "pull QPS exceeded" };
        fail_pull (self, pull, &fault);
        return;
    }
    self->places_taken++;
    pull->has_place = true;
    pull->started_ms = clock_monotonic_ms();
    pull->query = credentials_find (self->credentials, pull->repository, tree_root (pull->secrets),
                                    on_credentials, pull);
}

static pull_t *
first_waiting (puller_t *self)
{
    for (pull_t *pull = zlistx_first (self->pulls); pull; pull = zlistx_next (self->pulls))
        if (!pull->call && !pull->has_place)
            return pull;
    return NULL;
}

static void
start_pulls (puller_t *self)
{
    for (pull_t *pull; self->places_taken < self->places && (pull = first_waiting (self));)
        start_pull (self, pull);
}

static void
join_pull (puller_t *self, asker_t *asker)
{
    fault_t fault = { 0 };
    if (is_held_back (self, asker, &fault)) {
        record_image_event (self, asker, "BackOff", "Back-off pulling image", asker->name);
        fail_asker (self, asker, &fault);
        return;
    }
    pull_t *pull = find_pull (self, asker->name, node_get (tree_root (asker->request), "secrets"));
    if (!pull && zlistx_size (self->pulls) >= PULLS_MAX) {
        fault_set (&fault, FAULT_EXHAUSTED, "ErrImagePull: %d images are being pulled already",
                   PULLS_MAX);
        fail_asker (self, asker, &fault);
        return;
    }
    record_image_event (self, asker, "Pulling", "Pulling image", asker->name);
    asker->joined_ms = clock_monotonic_ms();
    asker->pull = pull ? pull : pull_new (self, asker);
    zlistx_add_end (asker->pull->askers, asker);
    start_pulls (self);
}

// ---- is it there already? ----

static void
on_inspected (void *state, const message_t *reply, const fault_t *fault, void *context)
{
    puller_t *self = state;
    asker_t *asker = *(asker_t **) context;
    asker->inspection = 0;
    if (fault) {
        fail_inspection (self, asker, "", fault); // upstream, too, has forgotten its name here
        return;
    }
    const node_t *image = node_get (reply->body, "image");
    OWNED (free_text) char *quoted = go_quote (asker->image);
    if (*node_get_text (image, "id", "")) {
        OWNED (free_text)
        char *message = text_format ("Container image %s already present on machine", quoted);
        record_event (self, asker, "Normal", "Pulled", message);
        satisfy_asker (self, asker, node_get_text (image, "id", ""), image, false);
    }
    else if (strcmp (asker->policy, "Never") == 0) {
        OWNED (free_text)
        char *message =
            text_format ("Container image %s is not present with pull policy of Never", quoted);
        fail_asker_with_event (self, asker, "ErrImageNeverPull", FAULT_NOT_FOUND,
                               "ErrImageNeverPull", message);
    }
    else
        join_pull (self, asker);
}

static int
on_ensure (void *state, const message_t *message, fault_t *fault)
{
    (void) fault; // answered by the asker, with events
    puller_t *self = state;
    asker_t *asker = asker_new (self, message);
    fault_t bad_name = { 0 };
    asker->name = image_name_with_tag (asker->image, &bad_name);
    if (!asker->name) {
        fail_asker_with_event (self, asker, "InspectFailed", FAULT_INVALID, "InvalidImageName",
                               bad_name.text);
        return 0;
    }
    const node_t *metadata = node_get (asker->pod, "metadata");
    asker->failure_key = text_format ("%s_%s", node_get_text (metadata, "uid", ""), asker->name);
    if (strcmp (asker->policy, "Always") == 0) {
        join_pull (self, asker);
        return 0;
    }
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t request = image_request (tree, asker->name, asker->pod);
    asker->inspection = actor_request (self->actor, RUNTIME, MSG_CRI_IMAGE_STATUS, &request,
                                       INSPECT_DEADLINE_MS, on_inspected, &asker, sizeof asker);
    return 0;
}

// ---- askers that go away ----

static void
drop_asker (puller_t *self, asker_t *asker)
{
    leave_pull (self, asker);
    asker_destroy (self, asker);
}

/* An asker of `name` (its request `id`, 0: any), or NULL. */
static asker_t *
find_asker (puller_t *self, const char *name, uint64_t id)
{
    for (asker_t *asker = zlistx_first (self->askers); asker; asker = zlistx_next (self->askers)) {
        if (strcmp (return_address_from (asker->address), name) == 0
            && (id == 0 || return_address_id (asker->address) == id))
            return asker;
    }
    return NULL;
}

static int
on_cancel (void *state, const message_t *message, fault_t *fault)
{
    (void) fault;
    puller_t *self = state;
    uint64_t id = (uint64_t) node_get_int (message->body, "id", 0);
    asker_t *asker = id ? find_asker (self, message->from, id) : NULL;
    if (asker)
        drop_asker (self, asker);
    return 0;
}

/* A worker that was started anew does not know what its predecessor asked for. */
static int
on_actor_up (void *state, const message_t *message, fault_t *fault)
{
    (void) fault;
    puller_t *self = state;
    const char *name = node_get_text (message->body, "name", "");
    for (asker_t *asker; (asker = find_asker (self, name, 0));)
        drop_asker (self, asker);
    return 0;
}

// ---- start and stop ----

static double
number_of (const node_t *node, double otherwise)
{
    if (node && (node->type == MSGPACK_OBJECT_FLOAT64 || node->type == MSGPACK_OBJECT_FLOAT32))
        return node->via.f64;
    return (double) node_as_int (node, (int64_t) otherwise);
}

static size_t
places_of (const node_t *args)
{
    if (node_get_bool (args, "serialize_pulls", true))
        return 1;
    int64_t limit = node_get_int (args, "max_parallel_pulls", 0);
    return limit > 0 ? (size_t) limit : SIZE_MAX;
}

static void *
start (actor_t *actor, const node_t *args, fault_t *fault)
{
    puller_t *self = memory_new (1, sizeof *self);
    self->actor = actor;
    self->credentials = credentials_new (actor, args, fault);
    if (!self->credentials) {
        free (self);
        return NULL;
    }
    self->places = places_of (args);
    self->rate.per_s = number_of (node_get (args, "qps"), DEFAULT_QPS);
    self->rate.burst = (double) node_get_int (args, "burst", DEFAULT_BURST);
    self->askers = zlistx_new();
    self->pulls = zlistx_new();
    self->failures = zhashx_new();
    zhashx_set_destructor (self->failures, failure_destroy);
    return self;
}

static void
stop (void **self_p)
{
    puller_t *self = *self_p;
    self->places = 0; // nothing starts any more
    for (asker_t *asker; (asker = zlistx_first (self->askers));)
        drop_asker (self, asker);
    zlistx_destroy (&self->askers);
    zlistx_destroy (&self->pulls);
    zhashx_destroy (&self->failures);
    credentials_destroy (&self->credentials);
    free (self);
    *self_p = NULL;
}

static const actor_handler_t HANDLERS[] = {
    { MSG_IMAGE_ENSURE, on_ensure },
    { MSG_REQUEST_CANCEL, on_cancel },
    { MSG_ACTOR_UP, on_actor_up },
    { 0 },
};

const actor_class_t image_puller_class = {
    .name = "image-puller",
    .about = "makes images present, by pull policy, with back-off",
    .hears_of = "pod-worker",
    .handlers = HANDLERS,
    .start = start,
    .stop = stop,
};
