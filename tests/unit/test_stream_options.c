/* test_stream_options.c - what exec, attach and port-forward ask for, and the runtime's answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
// cmocka wants these before it
#include "cubelet/memory.h"
#include "cubelet/stream_options.h"
#include <cmocka.h>

static const struct {
    const char *query;
    int rc;
    stream_options_t options;
} STREAMS[] = {
    { "output=1&error=1", 0, { .stdout = true, .stderr = true } },
    { "input=1&output=1&error=1&tty=1", 0, { .stdin = true, .stdout = true, .tty = true } },
    { "input=1", 0, { .stdin = true } },
    { "input=true", -1, { 0 } },
    { "error=1&tty=1", -1, { 0 } },
    { "tty=1", -1, { 0 } },
    { "", -1, { 0 } },
};

static void
streams_are_read (void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT_OF (STREAMS); i++) {
        stream_options_t options = { 0 };
        fault_t fault = { 0 };
        OWNED (url_query_destroy) url_query_t *query = url_query_new (STREAMS[i].query);
        assert_int_equal (stream_options_read (query, &options, &fault), STREAMS[i].rc);
        if (STREAMS[i].rc == 0)
            assert_memory_equal (&options, &STREAMS[i].options, sizeof options);
        else
            assert_string_equal (fault.text,
                                 "you must specify at least 1 of stdin, stdout, stderr");
    }
}

static const struct {
    const char *query;
    size_t count; // 0: refused
    uint16_t ports[3];
    const char *fault;
} PORTS[] = {
    { "port=80", 1, { 80 }, NULL },
    { "port=80&port=81,65535", 3, { 80, 81, 65535 }, NULL },
    { "", 0, { 0 }, "query parameter \"port\" is required" },
    { "port=", 0, { 0 }, "unable to parse \"\" as a port" },
    { "port=80,", 0, { 0 }, "unable to parse \"\" as a port" },
    { "port=65536", 0, { 0 }, "unable to parse \"65536\" as a port" },
    { "port=-1", 0, { 0 }, "unable to parse \"-1\" as a port" },
    { "port=99999999999999999999999",
      0,
      { 0 },
      "unable to parse \"99999999999999999999999\" as a port" },
    { "port=0", 0, { 0 }, "port \"0\" must be > 0" },
};

static void
ports_are_read (void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT_OF (PORTS); i++) {
        forward_ports_t ports = { 0 };
        fault_t fault = { 0 };
        OWNED (url_query_destroy) url_query_t *query = url_query_new (PORTS[i].query);
        int rc = forward_ports_read (query, &ports, &fault);
        assert_int_equal (rc, PORTS[i].count ? 0 : -1);
        if (rc < 0)
            assert_string_equal (fault.text, PORTS[i].fault);
        else
            assert_memory_equal (ports.ports, PORTS[i].ports, PORTS[i].count * sizeof *ports.ports);
    }
}

static void
upgrades_are_known (void **state)
{
    (void) state;
    assert_true (is_upgrade ("Upgrade", "SPDY/3.1"));
    assert_true (is_upgrade ("keep-alive, upgrade", "SPDY/3.1"));
    assert_false (is_upgrade ("keep-alive", "SPDY/3.1"));
    assert_false (is_upgrade ("Upgrade", NULL));
    assert_false (is_upgrade (NULL, "websocket"));
    assert_true (is_websocket ("Upgrade", "WebSocket"));
    assert_false (is_websocket ("Upgrade", "SPDY/3.1"));
}

static const struct {
    const char *bytes;
    int rc, status;
    size_t content_length;
    const char *content_type;
} HEADS[] = {
    { "HTTP/1.1 101 Switching Protocols\r\nUpgrade: SPDY/3.1\r\n\r\nrest", 1, 101, 0, "" },
    { "HTTP/1.1 404 Not Found\r\ncontent-length: 12\r\nContent-Type:  text/plain\r\n\r\n", 1, 404,
      12, "text/plain" },
    { "HTTP/1.1 101 \r\n\r\n", 1, 101, 0, "" },
    { "HTTP/1.1 101 Switching Protocols\r\n", 0, 0, 0, "" },
    { "HTTP", 0, 0, 0, "" },
    { "", 0, 0, 0, "" },
    { "SSH-2.0", -1, 0, 0, "" },
    { "HTTP/1.1 x01 Hm\r\n\r\n", -1, 0, 0, "" },
    { "HTTP/1.1 \r\n\r\n", -1, 0, 0, "" },
};

static void
heads_are_read (void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT_OF (HEADS); i++) {
        stream_head_t head = { 0 };
        fault_t fault = { 0 };
        const char *bytes = HEADS[i].bytes;
        int rc = stream_head_read (bytes, strlen (bytes), &head, &fault);
        assert_int_equal (rc, HEADS[i].rc);
        if (rc != 1)
            continue;
        assert_int_equal (head.status, HEADS[i].status);
        assert_int_equal (head.content_length, HEADS[i].content_length);
        assert_string_equal (head.content_type, HEADS[i].content_type);
        assert_int_equal (head.size, strstr (bytes, "\r\n\r\n") + 4 - bytes);
    }
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (streams_are_read),
        cmocka_unit_test (ports_are_read),
        cmocka_unit_test (upgrades_are_known),
        cmocka_unit_test (heads_are_read),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
