#include "cubelet/actors.h"
#include "cubelet/clock.h"
#include "cubelet/duration.h"
#include "cubelet/memory.h"
#include "helper_peer.h"
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define WORKER "pod-worker/ns_p_u1"

typedef struct {
    stage_t *stage;
    peer_t *client, *worker;
} fixture_t;

static fixture_t
fixture_new (void)
{
    fixture_t self = { .stage = stage_new() };
    self.client = stage_peer (self.stage, "api-client");
    self.worker = stage_peer (self.stage, WORKER);
    stage_actor (self.stage, &token_manager_class, "token-manager", NULL);
    return self;
}

static uint64_t
ask (fixture_t *self, const char *audience)
{
    OWNED (free_text)
    char *json = text_format ("{\"namespace\": \"ns\", \"service_account\": \"sa\", \"pod_name\":"
                              " \"p\", \"pod_uid\": \"u1\", \"audience\": \"%s\"}",
                              audience);
    return peer_request_json (self->worker, "token-manager", MSG_TOKEN_GET, json);
}

/* Answers the next request with a token that lives for so long from now on. */
static void
give_token (fixture_t *self, const char *token, int64_t left_s)
{
    char expires[TIME_TEXT_MAX];
    OWNED (received_destroy) received_t *request = peer_expect (self->client, MSG_API_REQUEST);
    assert_string_equal (node_get_text (request->body, "path", ""),
                         "/api/v1/namespaces/ns/serviceaccounts/sa/token");
    assert_string_equal (node_get_text (request->body, "method", ""), "POST");
    OWNED (free_text)
    char *json = text_format ("{\"code\": 201, \"body\": {\"spec\": {\"expirationSeconds\": 3600},"
                              " \"status\": {\"token\": \"%s\", \"expirationTimestamp\": \"%s\"}}}",
                              token, time_text (clock_now_ns() + left_s * NS_PER_S, expires));
    peer_reply_json (self->client, request, json);
}

static void
refuse (fixture_t *self)
{
    OWNED (received_destroy) received_t *request = peer_expect (self->client, MSG_API_REQUEST);
    peer_reply_json (self->client, request,
                     "{\"code\": 404, \"body\": {\"message\": \"no such account\"}}");
}

static void
expect_token (fixture_t *self, uint64_t id, const char *token)
{
    OWNED (received_destroy) received_t *reply = peer_expect_reply (self->worker, id);
    assert_string_equal (node_get_text (reply->body, "token", ""), token);
}

static void
expect_fault (fixture_t *self, uint64_t id, const char *text)
{
    OWNED (received_destroy) received_t *reply = peer_expect_reply (self->worker, id);
    assert_string_equal (reply->envelope.fault_text ? reply->envelope.fault_text : "", text);
}

// ---- what is left in freed memory ----

#define SECRET "a-secret-of-a-length-that-nothing-else-has"

static atomic_int freed_secrets;       // blocks that were freed with a secret at their beginning
static _Thread_local bool is_the_peer; // which writes the answer and may leave what it likes

#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
#define LOOKS_AT_FREE false // their own free is needed
#else
#define LOOKS_AT_FREE true

void __libc_free (void *block);

/* In place of libc's, in all of this program. */
void
free (void *block)
{
    if (block && !is_the_peer && malloc_usable_size (block) >= strlen (SECRET)
        && memcmp (block, SECRET, strlen (SECRET)) == 0)
        atomic_fetch_add (&freed_secrets, 1);
    __libc_free (block);
}
#endif

static void
tokens_are_wiped_when_they_are_replaced_or_forgotten (void **state)
{
    (void) state;
    if (!LOOKS_AT_FREE)
        skip();
    OWNED (free_text) char *proof = text_copy (SECRET);
    free_text (&proof);
    assert_int_equal (freed_secrets, 1);
    is_the_peer = true;
    fixture_t self = fixture_new();
    uint64_t id = ask (&self, "");
    give_token (&self, SECRET "-1", 600); // due for its replacement at once
    expect_token (&self, id, SECRET "-1");
    id = ask (&self, "");
    give_token (&self, SECRET "-2", 600);
    expect_token (&self, id, SECRET "-2");
    stage_destroy (&self.stage);
    is_the_peer = false;
    assert_int_equal (freed_secrets, 1);
}

static void
a_fresh_token_comes_from_the_cache (void **state)
{
    (void) state;
    fixture_t self = fixture_new();
    uint64_t first = ask (&self, ""), second = ask (&self, "");
    give_token (&self, "one", 3600);
    expect_token (&self, first, "one");
    expect_token (&self, second, "one");
    expect_token (&self, ask (&self, ""), "one");
    uint64_t other = ask (&self, "vault");
    give_token (&self, "two", 3600);
    expect_token (&self, other, "two");
    stage_destroy (&self.stage);
}

static void
an_old_token_is_replaced_or_serves_until_it_expires (void **state)
{
    (void) state;
    fixture_t self = fixture_new();
    uint64_t id = ask (&self, "");
    give_token (&self, "old", 600);
    expect_token (&self, id, "old");
    id = ask (&self, "");
    refuse (&self);
    expect_token (&self, id, "old");
    id = ask (&self, "");
    give_token (&self, "gone", -10);
    expect_token (&self, id, "gone");
    id = ask (&self, "");
    refuse (&self);
    expect_fault (&self, id,
                  "token of service account ns/sa expired and refresh failed: no such account");
    stage_destroy (&self.stage);
}

static void
a_refusal_is_told_in_the_servers_words (void **state)
{
    (void) state;
    fixture_t self = fixture_new();
    uint64_t id = ask (&self, "");
    refuse (&self);
    expect_fault (&self, id, "failed to fetch token: no such account");
    id = ask (&self, "");
    give_token (&self, "one", 3600);
    expect_token (&self, id, "one");
    stage_destroy (&self.stage);
}

static void
the_tokens_of_a_worker_that_ended_are_forgotten (void **state)
{
    (void) state;
    fixture_t self = fixture_new();
    uint64_t id = ask (&self, "");
    give_token (&self, "one", 3600);
    expect_token (&self, id, "one");
    peer_send_json (self.client, "token-manager", MSG_ACTOR_DOWN,
                    "{\"name\": \"" WORKER "\", \"at\": 1}");
    // its turn comes after the message before, from another peer: asked until it has
    received_t *request = NULL;
    while (!request) {
        id = ask (&self, "");
        request = peer_next (self.client, 100);
    }
    peer_reply_json (self.client, request, "{\"code\": 403}");
    received_destroy (&request);
    expect_fault (&self, id, "failed to fetch token: HTTP 403: no message");
    stage_destroy (&self.stage);
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (a_fresh_token_comes_from_the_cache),
        cmocka_unit_test (an_old_token_is_replaced_or_serves_until_it_expires),
        cmocka_unit_test (a_refusal_is_told_in_the_servers_words),
        cmocka_unit_test (the_tokens_of_a_worker_that_ended_are_forgotten),
        cmocka_unit_test (tokens_are_wiped_when_they_are_replaced_or_forgotten),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
