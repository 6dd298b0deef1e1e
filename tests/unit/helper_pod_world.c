#include "helper_pod_world.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
// cmocka wants these before it
#include "cubelet/clock.h"
#include "cubelet/container_hash.h"
#include "cubelet/json.h"
#include "cubelet/memory.h"
#include <cmocka.h>

#define WORDS_MAX 40

const char *const WORLD_POD_SIMPLE =
    "{'metadata':{'name':'p','namespace':'ns','uid':'u'},'spec':{'restartPolicy':'Always',"
    "'terminationGracePeriodSeconds':30,'containers':[{'name':'main','image':'busybox'}]}}";

typedef struct {
    char *text;
    const char *words[WORDS_MAX + 1];
    size_t count;
} statement_t;

int64_t
world_time (int64_t s)
{
    return (WORLD_T0 + s) * NS_PER_S;
}

tree_t *
world_json (const char *text)
{
    fault_t fault = { 0 };
    OWNED (free_text) char *copy = text_copy (text);
    bool is_plain = strncmp (copy, "{\"", 2) == 0;
    for (char *c = copy; *c && !is_plain; c++)
        if (*c == '\'')
            *c = '"';
    tree_t *tree = json_read (copy, strlen (copy), &fault);
    if (!tree)
        fail_msg ("%s in %s", fault.text, copy);
    return tree;
}

// ---- words ----

/* The word behind `key`, or NULL. */
static const char *
option (const statement_t *statement, const char *key)
{
    for (size_t i = 0; i + 1 < statement->count; i++)
        if (strcmp (statement->words[i], key) == 0)
            return statement->words[i + 1];
    return NULL;
}

static int64_t
number_of (const char *word)
{
    char *end;
    long long value = strtoll (word ? word : "", &end, 10);
    if (!word || *end || end == word)
        fail_msg ("not a number: %s", word ? word : "(nothing)");
    return value;
}

static int64_t
number_option (const statement_t *statement, const char *key, int64_t otherwise)
{
    const char *word = option (statement, key);
    return word ? number_of (word) : otherwise;
}

static bool
flag (const statement_t *statement, const char *key)
{
    for (size_t i = 0; i < statement->count; i++)
        if (strcmp (statement->words[i], key) == 0)
            return true;
    return false;
}

static const char *
word_at (const statement_t *statement, size_t index)
{
    if (index >= statement->count)
        fail_msg ("word %zu is missing after %s", index, statement->words[0]);
    return statement->words[index];
}

static size_t
index_in (const char *const *names, size_t count, const char *word)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp (names[i], word) == 0)
            return i;
    return count;
}

static size_t
must_be_in (const char *const *names, size_t count, const char *word)
{
    size_t index = index_in (names, count, word);
    if (index == count)
        fail_msg ("unknown word %s", word);
    return index;
}

static void
spaces_for_underscores (char *text)
{
    for (; text && *text; text++)
        if (*text == '_')
            *text = ' ';
}

static char *
sentence (const char *word)
{
    char *text = text_copy (word);
    spaces_for_underscores (text);
    return text;
}

// ---- verbs ----

typedef void verb_fn (world_t *self, const statement_t *s);

static void
do_now (world_t *self, const statement_t *s)
{
    self->now = world_time (number_of (word_at (s, 1)));
}

static void
do_sandbox (world_t *self, const statement_t *s)
{
    fault_t fault = { 0 };
    bool is_ready = strcmp (word_at (s, 2), "ready") == 0;
    const char *ip = option (s, "ip") ? option (s, "ip") : "10.0.0.1";
    OWNED (free_text)
    char *text = text_format (
        "{'id':'%s','metadata':{'name':'p','attempt':%lld},%s'created_at':%lld,"
        "'network':{'ip':'%s'},'linux':{'namespaces':{'options':{%s}}}}",
        word_at (s, 1), (long long) number_option (s, "attempt", 0),
        is_ready ? "" : "'state':'SANDBOX_NOTREADY',",
        (long long) world_time (number_option (s, "created", number_option (s, "attempt", 0))),
        flag (s, "no-ip") || flag (s, "host") ? "" : ip,
        flag (s, "host") ? "'network':'NODE'" : "");
    OWNED (tree_destroy) tree_t *tree = world_json (text);
    if (pod_seen_set_sandbox (self->seen, tree_root (tree), &fault) < 0)
        fail_msg ("%s", fault.text);
}

static const char *const STATES[] = { "created", "running", "exited", "unknown" };
static const char *const CRI_STATES[] = { "CONTAINER_CREATED", "CONTAINER_RUNNING",
                                          "CONTAINER_EXITED", "CONTAINER_UNKNOWN" };

static void
do_container (world_t *self, const statement_t *whole)
{
    fault_t fault = { 0 };
    statement_t state_apart = *whole; // "created" is a state and an option
    const statement_t *s = &state_apart;
    size_t state = must_be_in (STATES, COUNT_OF (STATES), word_at (s, 2));
    state_apart.words[2] = "";
    const container_t *container = pod_container (&self->pod, word_at (s, 0));
    char hash[CONTAINER_HASH_TEXT_MAX] = "0";
    if (container)
        container_hash_text (container, hash);
    int64_t restarts = number_option (s, "restarts", 0);
    int64_t created = number_option (s, "created", 10 + restarts);
    int64_t code = number_option (s, "code", 0);
    const char *reason = option (s, "reason");
    OWNED (free_text) char *message = sentence (option (s, "message"));
    if (!reason)
        reason = state != SEEN_EXITED ? "" : code ? "Error" : "Completed";
    OWNED (free_text)
    char *text = text_format (
        "{'id':'%s','metadata':{'name':'%s','attempt':%lld},'state':'%s','created_at':%lld,"
        "'started_at':%lld,'finished_at':%lld,'exit_code':%lld,'image':{'image':'docker.io/%s'},"
        "'image_ref':'sha256:1','reason':'%s','message':'%s','annotations':{"
        "'io.kubernetes.container.restartCount':'%lld','io.kubernetes.container.hash':'%s'}}",
        word_at (s, 1), word_at (s, 0), (long long) restarts, CRI_STATES[state],
        (long long) world_time (created),
        (long long) world_time (number_option (s, "started", created)),
        state == SEEN_EXITED ? (long long) world_time (number_option (s, "finished", created + 1))
                             : 0LL,
        (long long) code, container && container->image ? container->image : "x", reason,
        message ? message : "", (long long) restarts,
        option (s, "hash") ? option (s, "hash") : hash);
    OWNED (tree_destroy) tree_t *tree = world_json (text);
    const sandbox_seen_t *newest = pod_seen_sandbox_at (self->seen, 0);
    const char *sandbox = option (s, "sandbox");
    if (!sandbox)
        sandbox = newest ? newest->id : "";
    if (pod_seen_set_container (self->seen, tree_root (tree), sandbox, &fault) < 0)
        fail_msg ("%s", fault.text);
}

static void
do_gone (world_t *self, const statement_t *s)
{
    pod_seen_remove_container (self->seen, word_at (s, 1));
}

static void
do_image (world_t *self, const statement_t *s)
{
    pod_local_ended (self->local, POD_ENSURE_IMAGE, word_at (s, 1), self->now);
}

static void
do_step (world_t *self, const statement_t *s)
{
    static const char *const STEPS[] = { "idle", "image", "create", "start", "post-start" };
    size_t step = must_be_in (STEPS, COUNT_OF (STEPS), word_at (s, 2));
    pod_local_set_step (self->local, word_at (s, 1), (container_step_t) step);
}

static void
do_failed (world_t *self, const statement_t *s)
{
    OWNED (free_text) char *message = sentence (word_at (s, 3));
    const char *retry = option (s, "retry");
    pod_local_failed (self->local, POD_START_CONTAINER, word_at (s, 1), word_at (s, 2), message,
                      retry ? world_time (number_of (retry)) : 0, self->now);
}

static void
do_ok (world_t *self, const statement_t *s)
{
    pod_local_ended (self->local, POD_START_CONTAINER, word_at (s, 1), self->now);
}

static void
do_probe (world_t *self, const statement_t *s)
{
    static const char *const PROBES[] = { "liveness", "readiness", "startup" };
    size_t probe = must_be_in (PROBES, COUNT_OF (PROBES), word_at (s, 2));
    bool is_good = strcmp (word_at (s, 3), "success") == 0;
    pod_local_set_probe (self->local, word_at (s, 1), (local_probe_t) probe,
                         is_good ? RESULT_SUCCESS : RESULT_FAILURE);
}

static void
do_hook_failed (world_t *self, const statement_t *s)
{
    pod_local_set_post_start_failed (self->local, word_at (s, 1));
}

static void
do_needs_restart (world_t *self, const statement_t *s)
{
    pod_local_set_needs_restart (self->local, word_at (s, 1));
}

static void
do_resize_pending (world_t *self, const statement_t *s)
{
    OWNED (free_text) char *message = sentence (word_at (s, 2));
    pod_local_set_resize_pending (self->local, word_at (s, 1), message);
}

static void
do_resizing (world_t *self, const statement_t *s)
{
    OWNED (free_text) char *error = option (s, "error") ? sentence (option (s, "error")) : NULL;
    pod_local_set_resizing (self->local, true, error);
}

static void
do_left (world_t *self, const statement_t *s)
{
    OWNED (free_text) char *text = sentence (word_at (s, 2));
    pod_local_set_termination_message (self->local, word_at (s, 1), text);
}

static void
began (world_t *self, pod_action_t action, int64_t at)
{
    pod_local_began (self->local, &action, at);
}

static void
do_killing (world_t *self, const statement_t *s)
{
    pod_action_t action = { .kind = POD_KILL_CONTAINER,
                            .id = word_at (s, 1),
                            .grace_s = number_of (word_at (s, 2)),
                            .is_restart = flag (s, "restart"),
                            .is_pod_kill = flag (s, "pod") };
    began (self, action, world_time (number_of (word_at (s, 3))));
}

static void
do_pre_stop (world_t *self, const statement_t *s)
{
    int64_t at = world_time (number_of (word_at (s, 3)));
    began (self, (pod_action_t){ .kind = POD_PRE_STOP, .id = word_at (s, 1) }, at);
    if (strcmp (word_at (s, 2), "done") == 0)
        pod_local_ended (self->local, POD_PRE_STOP, word_at (s, 1), at);
}

static void
do_stopping (world_t *self, const statement_t *s)
{
    began (self, (pod_action_t){ .kind = POD_STOP_CONTAINER, .id = word_at (s, 1) }, self->now);
}

static void
do_stopped (world_t *self, const statement_t *s)
{
    pod_local_ended (self->local, POD_STOP_CONTAINER, word_at (s, 1), self->now);
}

static void
do_stop_retry (world_t *self, const statement_t *s)
{
    pod_local_failed (self->local, POD_STOP_CONTAINER, word_at (s, 1), NULL, NULL,
                      world_time (number_of (word_at (s, 2))), self->now);
}

static void
do_removing (world_t *self, const statement_t *s)
{
    began (self, (pod_action_t){ .kind = POD_REMOVE_CONTAINER, .id = word_at (s, 1) }, self->now);
}

static void
do_stop_sandbox (world_t *self, const statement_t *s)
{
    began (self, (pod_action_t){ .kind = POD_STOP_SANDBOX, .id = word_at (s, 1) }, self->now);
}

static void
do_stopped_sandbox (world_t *self, const statement_t *s)
{
    pod_local_ended (self->local, POD_STOP_SANDBOX, word_at (s, 1), self->now);
}

static void
do_creating_sandbox (world_t *self, const statement_t *s)
{
    (void) s;
    began (self, (pod_action_t){ .kind = POD_CREATE_SANDBOX }, self->now);
}

static void
do_sandbox_retry (world_t *self, const statement_t *s)
{
    pod_local_failed (self->local, POD_CREATE_SANDBOX, NULL, NULL, NULL,
                      world_time (number_of (word_at (s, 1))), self->now);
}

static void
do_unprepared (world_t *self, const statement_t *s)
{
    (void) s;
    self->local->is_prepared = false;
}

static void
do_terminate (world_t *self, const statement_t *s)
{
    opt_int_t grace = { 0 };
    OWNED (free_text) char *message = sentence (option (s, "message"));
    if (option (s, "grace"))
        grace = (opt_int_t){ true, number_of (option (s, "grace")) };
    pod_local_terminate (self->local, grace, option (s, "reason"), message, flag (s, "gone"));
}

static void
do_terminating (world_t *self, const statement_t *s)
{
    (void) s;
    self->local->is_terminating = true;
}

static void
do_finishing (world_t *self, const statement_t *s)
{
    (void) s;
    self->local->is_finishing = true;
}

static void
do_delete (world_t *self, const statement_t *s)
{
    self->pod.metadata.deletion_time = self->now;
    self->pod.metadata.deletion_grace_s = (opt_int_t){ true, number_of (word_at (s, 1)) };
}

static void
do_changed (world_t *self, const statement_t *s)
{
    pod_t before = self->pod;
    container_t first = before.spec.containers.items[0];
    if (s->count > 1)
        first.image = s->words[1];
    before.spec.containers = (container_list_t){ .items = &first, .count = 1 };
    pod_local_pod_changed (self->local, &before, &self->pod);
}

static void
do_status (world_t *self, const statement_t *s)
{
    tree_destroy (&self->status);
    OWNED (free_text) char *text = text_copy ("");
    for (size_t i = 1; i < s->count; i++)
        text_replace (&text, "%s%s ", text, s->words[i]);
    self->status = world_json (text);
}

static const struct {
    const char *word;
    verb_fn *act;
} VERBS[] = {
    { "now", do_now },
    { "sandbox", do_sandbox },
    { "gone", do_gone },
    { "image", do_image },
    { "step", do_step },
    { "failed", do_failed },
    { "ok", do_ok },
    { "probe", do_probe },
    { "hook-failed", do_hook_failed },
    { "needs-restart", do_needs_restart },
    { "resize-pending", do_resize_pending },
    { "resizing", do_resizing },
    { "left", do_left },
    { "killing", do_killing },
    { "pre-stop", do_pre_stop },
    { "stopping", do_stopping },
    { "stopped", do_stopped },
    { "stop-retry", do_stop_retry },
    { "removing", do_removing },
    { "stop-sandbox", do_stop_sandbox },
    { "stopped-sandbox", do_stopped_sandbox },
    { "creating-sandbox", do_creating_sandbox },
    { "sandbox-retry", do_sandbox_retry },
    { "changed", do_changed },
    { "unprepared", do_unprepared },
    { "terminate", do_terminate },
    { "terminating", do_terminating },
    { "finishing", do_finishing },
    { "delete", do_delete },
    { "status", do_status },
};

static void
run_statement (world_t *self, statement_t *s)
{
    char *rest = s->text;
    for (char *word; s->count < WORDS_MAX && (word = strtok_r (rest, " \n", &rest));)
        s->words[s->count++] = word;
    if (s->count == 0)
        return;
    for (size_t i = 0; i < COUNT_OF (VERBS); i++)
        if (strcmp (VERBS[i].word, s->words[0]) == 0) {
            VERBS[i].act (self, s);
            return;
        }
    do_container (self, s);
}

void
world_run (world_t *self, const char *script)
{
    OWNED (free_text) char *copy = text_copy (script ? script : "");
    char *rest = copy;
    for (char *text; (text = strtok_r (rest, ";", &rest));) {
        statement_t statement = { .text = text };
        run_statement (self, &statement);
    }
}

// ---- the world ----

world_t *
world_new (const char *pod, const char *script)
{
    fault_t fault = { 0 };
    world_t *self = memory_new (1, sizeof *self);
    self->pod_tree = world_json (pod ? pod : WORLD_POD_SIMPLE);
    if (pod_decode (tree_root (self->pod_tree), self->pod_tree, &self->pod, &fault) < 0)
        fail_msg ("%s", fault.text);
    self->seen = pod_seen_new();
    self->local = pod_local_new();
    self->local->is_prepared = true;
    self->now = world_time (100);
    self->node.runtime_name = "containerd";
    self->node.host_ips.items = self->host_ips;
    world_run (self, script);
    return self;
}

void
world_destroy (world_t **self_p)
{
    world_t *self = *self_p;
    if (!self)
        return;
    tree_destroy (&self->pod_tree);
    tree_destroy (&self->status);
    pod_seen_destroy (&self->seen);
    pod_local_destroy (&self->local);
    free (self);
    *self_p = NULL;
}

const node_t *
world_status (world_t *self)
{
    tree_t *status = pod_status (&self->pod, self->seen, self->local, tree_root (self->status),
                                 &self->node, self->now);
    tree_destroy (&self->status);
    self->status = status;
    return tree_root (status);
}

// ---- plans as text ----

static char *
action_text (const pod_action_t *action)
{
    const char *container = action->container;
    long long grace = (long long) action->grace_s;
    const char *restart = action->is_restart ? " restart" : "";
    switch (action->kind) {
    case POD_EVENT:
        return text_format ("event(%s%s%s)", action->reason, container ? " " : "",
                            container ? container : "");
    case POD_KILL_CONTAINER:
        return text_format ("kill(%s %lld%s: %s)", action->id, grace, restart, action->message);
    case POD_PRE_STOP: return text_format ("pre-stop(%s %lld)", action->id, grace);
    case POD_STOP_CONTAINER: return text_format ("stop(%s %lld)", action->id, grace);
    case POD_REMOVE_CONTAINER: return text_format ("remove(%s)", action->id);
    case POD_STOP_SANDBOX: return text_format ("stop-sandbox(%s)", action->id);
    case POD_REMOVE_SANDBOX: return text_format ("remove-sandbox(%s)", action->id);
    case POD_CREATE_SANDBOX:
        return text_format ("create-sandbox(%lld)", (long long) action->attempt);
    case POD_ENSURE_IMAGE: return text_format ("ensure-image(%s)", container);
    case POD_START_CONTAINER:
        return text_format ("start(%s %lld)", container, (long long) action->attempt);
    case POD_ACTION_KIND_COUNT: break;
    }
    return text_copy ("?");
}

static void
append (char **text_p, const char *more)
{
    text_replace (text_p, "%s%s%s", *text_p, **text_p ? " " : "", more);
}

char *
world_plan_text (const pod_plan_t *plan)
{
    char *text = text_copy ("");
    for (size_t i = 0; i < plan->action_count; i++) {
        OWNED (free_text) char *action = action_text (&plan->actions[i]);
        append (&text, action);
    }
    for (size_t i = 0; i < plan->waiting_count; i++) {
        OWNED (free_text)
        char *waiting =
            text_format ("waiting(%s %s)", plan->waiting[i].container, plan->waiting[i].reason);
        append (&text, waiting);
    }
    if (plan->next_wake) {
        OWNED (free_text)
        char *wake = text_format ("wake %lld", (long long) (plan->next_wake / NS_PER_S - WORLD_T0));
        append (&text, wake);
    }
    if (plan->is_terminating)
        append (&text, "terminating");
    if (plan->is_stopped)
        append (&text, "stopped");
    if (plan->is_finished)
        append (&text, "finished");
    return text;
}

char *
world_plan (world_t *self)
{
    OWNED (pod_plan_destroy)
    pod_plan_t *plan =
        pod_plan (&self->pod, self->seen, self->local, tree_root (self->status), self->now);
    return world_plan_text (plan);
}

void
world_check (const char *what, const char *expected, const char *actual)
{
    if (strcmp (expected, actual) != 0)
        fail_msg ("%s\n  expected: %s\n  actual:   %s", what, expected, actual);
}

void
world_check_plans (const world_row_t *rows, size_t count)
{
    bool has_failed = false;
    for (size_t i = 0; i < count; i++) {
        OWNED (world_destroy) world_t *world = world_new (rows[i].pod, rows[i].script);
        OWNED (free_text) char *plan = world_plan (world);
        if (strcmp (plan, rows[i].plan) == 0)
            continue;
        has_failed = true;
        print_error ("%s\n  script:   %s\n  expected: %s\n  actual:   %s\n", rows[i].what,
                     rows[i].script, rows[i].plan, plan);
    }
    assert_false (has_failed);
}
