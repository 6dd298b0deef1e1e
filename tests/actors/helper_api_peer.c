#include "helper_api_peer.h"
#include <setjmp.h>
#include <stdarg.h>
// cmocka wants these before it
#include "cubelet/memory.h"
#include <cmocka.h>

void
call_check (const received_t *call, const char *method, const char *path)
{
    assert_int_equal (call->type, MSG_API_REQUEST);
    assert_string_equal (node_get_text (call->body, "method", ""), method);
    assert_string_equal (node_get_text (call->body, "path", ""), path);
}

received_t *
call_expect (peer_t *api, const char *method, const char *path)
{
    received_t *call = peer_expect (api, MSG_API_REQUEST);
    call_check (call, method, path);
    return call;
}

void
call_answer (peer_t *api, const received_t *call, int code, const char *body)
{
    OWNED (free_text) char *json = text_format ("{\"code\": %d, \"body\": %s}", code, body);
    peer_reply_json (api, call, json);
}

void
call_expect_and_answer (peer_t *api, const char *method, const char *path, int code,
                        const char *body)
{
    OWNED (received_destroy) received_t *call = call_expect (api, method, path);
    call_answer (api, call, code, body);
}
