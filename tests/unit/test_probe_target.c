/* test_probe_target.c - URLs, ports, headers and commands as upstream makes them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
// cmocka wants these before it
#include "cubelet/json.h"
#include "cubelet/memory.h"
#include "cubelet/probe_target.h"
#include <cmocka.h>

static const struct {
    const char *scheme, *host;
    int port;
    const char *path, *url;
} URLS[] = {
    { "HTTP", "10.0.0.5", 8080, "/", "http://10.0.0.5:8080/" },
    { "HTTPS", "10.0.0.5", 443, "/x", "https://10.0.0.5:443/x" },
    { NULL, "10.0.0.5", 80, "", "http://10.0.0.5:80" },
    { "", "fd00::1", 80, "/", "http://[fd00::1]:80/" },
    { NULL, "h", 1, "path", "http://h:1/path" },
    { NULL, "h", 1, "/a?b=c&d", "http://h:1/a?b=c&d" },
    { NULL, "h", 1, "?b", "http://h:1?b" },
    { NULL, "h", 1, "/a#top", "http://h:1/a#top" },
    { NULL, "h", 1, "/a b", "http://h:1/a%20b" },
    { NULL, "h", 1, "/a%20b", "http://h:1/a%20b" },
    { NULL, "h", 1, "/a%2Fb", "http://h:1/a%2Fb" },
    { NULL, "h", 1, "/a%2Fb c", "http://h:1/a/b%20c" },
    { NULL, "h", 1, "/100%", "http://h:1/100%25" },
    { NULL, "h", 1, "/\xc3\xa4", "http://h:1/%C3%A4" },
    { NULL, "h", 1, "a:b/c", "http://h:1/a:b/c" },
    { NULL, "h", 1, "http://other/p?q", "http://h:1/p?q" },
    { NULL, "h", 1, "//other/p", "http://h:1/p" },
    { NULL, "h", 1, "/x\ny", "http://h:1/x%0Ay" },
    { NULL, "h", 1, "/x?a b", "http://h:1/x?a%20b" },
};

static void
paths_become_urls_as_with_go (void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT_OF (URLS); i++) {
        OWNED (free_text)
        char *url = probe_url (URLS[i].scheme, URLS[i].host, URLS[i].port, URLS[i].path);
        assert_string_equal (url, URLS[i].url);
    }
}

static container_port_t PORTS[] = { { .name = "web", .container_port = 8080 },
                                    { .name = "far", .container_port = 70000 } };
static env_var_t ENV[] = { { .name = "A", .value = "1" },
                           { .name = "B", .value = "$(A)" },
                           { .name = "FROM" },
                           { .name = "A", .value = "2" } };
static const container_t CONTAINER = { .name = "main",
                                       .ports = { PORTS, COUNT_OF (PORTS) },
                                       .env = { ENV, COUNT_OF (ENV) } };

static const struct {
    int_or_text_t port;
    int number; // 0: a fault
    const char *text;
} PORT_ROWS[] = {
    { { true, 80, NULL }, 80, "" },
    { { true, 0, "web" }, 8080, "" },
    { { true, 0, "81" }, 81, "" },
    { { true, 0, "+81" }, 81, "" },
    { { true, 0, NULL }, 0, "invalid port number: 0" },
    { { true, 65536, NULL }, 0, "invalid port number: 65536" },
    { { true, 0, "-1" }, 0, "invalid port number: -1" },
    { { true, 0, "far" }, 0, "invalid port number: 70000" },
    { { true, 0, "nope" }, 0, "strconv.Atoi: parsing \"nope\": invalid syntax" },
    { { true, 0, "" }, 0, "strconv.Atoi: parsing \"\": invalid syntax" },
    { { true, 0, "99999999999999999999" },
      0,
      "strconv.Atoi: parsing \"99999999999999999999\": value out of range" },
};

static void
ports_are_numbers_or_names (void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT_OF (PORT_ROWS); i++) {
        tcp_action_t tcp = { .port = PORT_ROWS[i].port };
        probe_t probe = { .tcp_socket = &tcp };
        OWNED (tree_destroy) tree_t *tree = tree_new();
        probe_target_t target;
        fault_t fault = { 0 };
        int result = probe_target (&probe, &CONTAINER, "10.0.0.5", tree, &target, &fault);
        assert_string_equal (fault.text, PORT_ROWS[i].text);
        if (PORT_ROWS[i].number)
            assert_int_equal (target.port, PORT_ROWS[i].number);
        assert_int_equal (result, PORT_ROWS[i].number ? 0 : -1);
    }
}

/* Headers of the pod, and all that are sent ("Name: value|..."). */
static const struct {
    const char *given, *sent;
} HEADERS[] = {
    { "null", "User-Agent: kube-probe/1.34|Accept: */*|Connection: close|" },
    { "[{\"name\": \"x-probe\", \"value\": \"yes\"}, {\"name\": \"X-Probe\", \"value\": \"no\"}]",
      "User-Agent: kube-probe/1.34|Accept: */*|X-Probe: yes|X-Probe: no|Connection: close|" },
    { "[{\"name\": \"Accept\", \"value\": \"a/b\"}]",
      "User-Agent: kube-probe/1.34|Accept: a/b|Connection: close|" },
    { "[{\"name\": \"accept\", \"value\": \"\"}]",
      "User-Agent: kube-probe/1.34|Connection: close|" },
    { "[{\"name\": \"Host\", \"value\": \"me\"}, {\"name\": \"host\", \"value\": \"you\"}]",
      "Host: me|User-Agent: kube-probe/1.34|Accept: */*|Connection: close|" },
    { "[{\"name\": \"User-Agent\", \"value\": \"mine\"}]",
      "User-Agent: mine|Accept: */*|Connection: close|" },
    { "[{\"name\": \"User-Agent\", \"value\": \"\"}]", "Accept: */*|Connection: close|" },
    { "[{\"name\": \"Content-Length\", \"value\": \"5\"}]",
      "User-Agent: kube-probe/1.34|Accept: */*|Connection: close|" },
    { "[{\"name\": \"strange name\", \"value\": \"1\"}]",
      "User-Agent: kube-probe/1.34|Accept: */*|strange name: 1|Connection: close|" },
};

static char *
headers_text (const node_t *headers)
{
    char *text = text_copy ("");
    NODE_EACH (headers, header)
    text_replace (&text, "%s%s: %s|", text, node_get_text (header, "name", ""),
                  node_get_text (header, "value", ""));
    return text;
}

static void
headers_follow_upstream (void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT_OF (HEADERS); i++) {
        fault_t fault = { 0 };
        OWNED (tree_destroy)
        tree_t *given = json_read (HEADERS[i].given, strlen (HEADERS[i].given), &fault);
        http_action_t http = { .port = { true, 80, NULL }, .http_headers = tree_root (given) };
        probe_t probe = { .http_get = &http };
        OWNED (tree_destroy) tree_t *tree = tree_new();
        probe_target_t target;
        assert_int_equal (probe_target (&probe, &CONTAINER, "10.0.0.5", tree, &target, &fault), 0);
        OWNED (free_text) char *sent = headers_text (target.headers);
        assert_string_equal (sent, HEADERS[i].sent);
        assert_string_equal (target.url, "http://10.0.0.5:80");
    }
}

static void
a_hook_has_its_own_user_agent_and_keeps_the_connection (void **state)
{
    (void) state;
    fault_t fault = { 0 };
    http_action_t http = { .port = { true, 0, "web" }, .host = "example", .path = "/bye" };
    OWNED (tree_destroy) tree_t *tree = tree_new();
    probe_target_t target;
    assert_int_equal (hook_http_target (&http, &CONTAINER, NULL, tree, &target, &fault), 0);
    OWNED (free_text) char *sent = headers_text (target.headers);
    assert_string_equal (sent, "User-Agent: kube-lifecycle/1.34|Accept: */*|");
    assert_string_equal (target.url, "http://example:8080/bye");
}

static const struct {
    const char *word, *expanded;
} WORDS[] = {
    { "plain", "plain" },  { "$(A)", "2" },          { "$(B)", "$(A)" },
    { "x$(FROM)y", "xy" }, { "$(NONE)", "$(NONE)" }, { "$$(A)", "$(A)" },
};

static void
commands_are_expanded_with_static_values_only (void **state)
{
    (void) state;
    const char *words[COUNT_OF (WORDS)];
    for (size_t i = 0; i < COUNT_OF (WORDS); i++)
        words[i] = WORDS[i].word;
    exec_action_t exec = { .command = { words, COUNT_OF (words) } };
    probe_t probe = { .exec = &exec };
    OWNED (tree_destroy) tree_t *tree = tree_new();
    probe_target_t target;
    fault_t fault = { 0 };
    assert_int_equal (probe_target (&probe, &CONTAINER, NULL, tree, &target, &fault), 0);
    for (size_t i = 0; i < COUNT_OF (WORDS); i++)
        assert_string_equal (node_as_text (node_item (target.command, i), ""), WORDS[i].expanded);
}

static void
without_an_address_nobody_is_asked (void **state)
{
    (void) state;
    grpc_action_t grpc = { .port = 80 };
    probe_t probe = { .grpc = &grpc };
    OWNED (tree_destroy) tree_t *tree = tree_new();
    probe_target_t target;
    fault_t fault = { 0 };
    assert_int_equal (probe_target (&probe, &CONTAINER, NULL, tree, &target, &fault), -1);
    assert_string_equal (fault.text, "the pod has no IP address");
    assert_int_equal (probe_target (&probe, &CONTAINER, "10.0.0.5", tree, &target, &fault), 0);
    assert_string_equal (target.host, "10.0.0.5");
    assert_string_equal (target.service, "");
}

static void
a_probe_without_a_handler_is_a_fault (void **state)
{
    (void) state;
    probe_t probe = { .period_s = 1 };
    OWNED (tree_destroy) tree_t *tree = tree_new();
    probe_target_t target;
    fault_t fault = { 0 };
    assert_int_equal (probe_target (&probe, &CONTAINER, "10.0.0.5", tree, &target, &fault), -1);
    assert_int_equal (fault.code, FAULT_INVALID);
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (paths_become_urls_as_with_go),
        cmocka_unit_test (ports_are_numbers_or_names),
        cmocka_unit_test (headers_follow_upstream),
        cmocka_unit_test (a_hook_has_its_own_user_agent_and_keeps_the_connection),
        cmocka_unit_test (commands_are_expanded_with_static_values_only),
        cmocka_unit_test (without_an_address_nobody_is_asked),
        cmocka_unit_test (a_probe_without_a_handler_is_a_fault),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
