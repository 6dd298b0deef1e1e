/* test_command.c - programs that end, that write too much, that do not end, and that cannot even be
   killed: none of them keeps the actor. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
// cmocka wants these before it
#include "cubelet/clock.h"
#include "cubelet/command.h"
#include "cubelet/memory.h"
#include "helper_peer.h"
#include <cmocka.h>
#include <unistd.h>

#define OUTPUT_LIMIT 1000

/* ---- an actor that runs programs: cri.Version {version: "TIMEOUT_MS SHELL COMMAND"} is answered
   with the output; cri.Status {} destroys the last one ---- */

typedef struct {
    actor_t *actor;
    command_t *command;
    return_address_t *asker;
} user_t;

static void
on_done (void *context, const char *output, size_t size, const fault_t *fault)
{
    (void) size;
    user_t *self = context;
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t body = node_map();
    node_set_text (tree, &body, "version", output);
    self->command = NULL;
    actor_answer (self->actor, &self->asker, &body, fault);
}

static int
on_ask (void *state, const message_t *message, fault_t *fault)
{
    user_t *self = state;
    char *line = NULL;
    int64_t timeout_ms = strtoll (node_get_text (message->body, "version", ""), &line, 10);
    const char *const arguments[] = { "-c", line, NULL };
    self->command = command_start (self->actor,
                                   &(command_options_t){ .file = "/bin/sh",
                                                         .arguments = arguments,
                                                         .timeout_ms = timeout_ms,
                                                         .output_limit = OUTPUT_LIMIT,
                                                         .on_done = on_done,
                                                         .context = self },
                                   fault);
    if (!self->command)
        return -1;
    self->asker = return_address_new (message);
    return 0;
}

static int
on_destroy (void *state, const message_t *message, fault_t *fault)
{
    (void) fault;
    user_t *self = state;
    command_destroy (&self->command);
    return_address_destroy (&self->asker);
    actor_reply (self->actor, message, NULL);
    return 0;
}

static void *
start (actor_t *actor, const node_t *args, fault_t *fault)
{
    (void) args, (void) fault;
    user_t *self = memory_new (1, sizeof *self);
    self->actor = actor;
    return self;
}

static void
stop (void **self_p)
{
    user_t *self = *self_p;
    command_destroy (&self->command);
    return_address_destroy (&self->asker);
    free (self);
    *self_p = NULL;
}

static const actor_handler_t HANDLERS[] = {
    { MSG_CRI_VERSION, on_ask },
    { MSG_CRI_STATUS, on_destroy },
    { 0 },
};

static const actor_class_t USER = {
    .name = "user", .about = "runs programs", .handlers = HANDLERS, .start = start, .stop = stop
};

// ---- fixture ----

typedef struct {
    stage_t *stage;
    peer_t *peer;
    char place[64]; // of the disk that hangs; "": none
} fixture_t;

static int
set_up (void **state)
{
    fixture_t *self = memory_new (1, sizeof *self);
    self->stage = stage_new();
    self->peer = stage_peer (self->stage, "test");
    stage_actor (self->stage, &USER, "user", NULL);
    *state = self;
    return 0;
}

static int
run (const fixture_t *self, const char *command)
{
    OWNED (free_text) char *line = text_format ("cd %s && %s", self->place, command);
    return system (line);
}

static int
tear_down (void **state)
{
    fixture_t *self = *state;
    if (*self->place)
        run (self,
             "fsfreeze -u disk; until umount disk; do sleep 0.1; done; cd / && rm -rf $OLDPWD");
    stage_destroy (&self->stage);
    free (self);
    return 0;
}

static uint64_t
ask (fixture_t *self, const char *command)
{
    OWNED (free_text) char *json = text_format ("{\"version\": \"%s\"}", command);
    return peer_request_json (self->peer, "user", MSG_CRI_VERSION, json);
}

/* The output, or the fault's text. Owned. */
static char *
said (fixture_t *self, uint64_t id)
{
    OWNED (received_destroy) received_t *reply = peer_expect_reply (self->peer, id);
    const char *fault = reply->envelope.fault_text;
    return text_copy (fault && *fault ? fault : node_get_text (reply->body, "version", ""));
}

static void
says (fixture_t *self, const char *command, const char *expected)
{
    OWNED (free_text) char *text = said (self, ask (self, command));
    assert_string_equal (text, expected);
}

// ---- tests ----

static void
programs_end_in_their_ways (void **state)
{
    fixture_t *self = *state;
    says (self, "60000 echo good", "good\n");
    says (self, "60000 echo bad >&2; exit 3", "/bin/sh: exit status 3: bad");
    says (self, "50 sleep 600", "/bin/sh: did not end in time");
}

/* Who writes faster than it is read must not keep the actor in its reading. */
static void
who_writes_without_end_is_stopped (void **state)
{
    says (*state, "60000 exec yes", "/bin/sh: its output is larger than 1000 bytes");
}

/* A program that waits for a disk that does not answer cannot be killed. */
static void
who_cannot_die_is_not_waited_for (void **state)
{
    fixture_t *self = *state;
    strcpy (self->place, "/tmp/test-command-XXXXXX");
    if (getuid() != 0 || !mkdtemp (self->place)
        || run (self, "mkdir disk && truncate -s 4M image && mkfs.ext4 -q image && "
                      "mount -o loop image disk && fsfreeze -f disk")
               != 0) {
        run (self, "umount disk; cd / && rm -rf $OLDPWD");
        self->place[0] = '\0';
        skip();
    }
    OWNED (free_text) char *late = text_format ("50 exec touch %s/disk/file", self->place);
    says (self, late, "/bin/sh: did not end in time");
    OWNED (free_text) char *line = text_format ("60000 exec touch %s/disk/other", self->place);
    ask (self, line);
    uint64_t id = peer_request_json (self->peer, "user", MSG_CRI_STATUS, "{}");
    OWNED (received_destroy) received_t *reply = peer_expect_reply (self->peer, id);
    assert_int_equal (reply->envelope.fault_code, FAULT_NONE);
    says (self, "60000 echo still here", "still here\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown (name, set_up, tear_down)

int
main (void)
{
    const struct CMUnitTest tests[] = {
        TEST (programs_end_in_their_ways),
        TEST (who_writes_without_end_is_stopped),
        TEST (who_cannot_die_is_not_waited_for),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
