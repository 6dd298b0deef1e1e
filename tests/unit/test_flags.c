/* test_flags.c - the command line is read as upstream's, and mistakes in it are named. */
#include "cubelet/clock.h"
#include "cubelet/flags.h"
#include "cubelet/memory.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define ARGUMENTS_MAX 32

/* `line` is split at blanks. */
static kubelet_options_t *
read_line (const char *line, fault_t *fault)
{
    const char *argv[ARGUMENTS_MAX] = { "kubelet" };
    OWNED (free_text) char *copy = text_copy (line);
    int argc = 1;
    char *rest = copy;
    for (char *word; (word = strsep (&rest, " ")) && argc < ARGUMENTS_MAX;)
        if (*word)
            argv[argc++] = word;
    return kubelet_options_new (argc, argv, fault);
}

static kubelet_options_t *
read_good (const char *line)
{
    fault_t fault = { 0 };
    kubelet_options_t *options = read_line (line, &fault);
    if (!options)
        fail_msg ("%s: %s", line, fault.text);
    return options;
}

static void
no_flags_give_the_defaults (void **state)
{
    (void) state;
    OWNED (kubelet_options_destroy) kubelet_options_t *options = read_good ("");
    assert_string_equal (options->root_dir, "/var/lib/kubelet");
    assert_string_equal (options->cert_dir, "/var/lib/kubelet/pki");
    assert_string_equal (options->socket_dir, "/run/cubelet");
    assert_true (options->tap);
    assert_false (options->enable_fault_injection);
    assert_int_equal (options->start_window, 0);
    assert_int_equal (options->maximum_dead_containers_per_container, 1);
    assert_int_equal (options->maximum_dead_containers, -1);
    assert_null (options->kubeconfig);
    assert_null (options->node_labels);
    assert_int_equal (options->config.max_pods, 110);
}

static void
every_form_of_a_flag_is_understood (void **state)
{
    (void) state;
    OWNED (kubelet_options_destroy)
    kubelet_options_t *options =
        read_good ("--kubeconfig /k --root-dir=/r --tap=false --enable-fault-injection "
                   "--pod_manifest_path /m -v 4 --max-pods=0x10 --start-window 8 "
                   "--minimum-container-ttl-duration 1m");
    assert_string_equal (options->kubeconfig, "/k");
    assert_string_equal (options->root_dir, "/r");
    assert_false (options->tap);
    assert_true (options->enable_fault_injection);
    assert_string_equal (options->config.static_pod_path, "/m");
    assert_int_equal (options->config.logging.verbosity, 4);
    assert_int_equal (options->config.max_pods, 16);
    assert_int_equal (options->start_window, 8);
    assert_int_equal (options->minimum_container_ttl_ns, 60 * NS_PER_S);
}

static void
verbosity_has_several_forms (void **state)
{
    (void) state;
    static const char *const LINES[] = { "-v 5", "-v=5", "-v5", "--v 5", "--v=5" };
    for (size_t i = 0; i < COUNT_OF (LINES); i++) {
        OWNED (kubelet_options_destroy) kubelet_options_t *options = read_good (LINES[i]);
        assert_int_equal (options->config.logging.verbosity, 5);
        assert_string_equal (options->config.logging.format, "text");
    }
}

static void
lists_and_maps_may_come_in_pieces (void **state)
{
    (void) state;
    OWNED (kubelet_options_destroy)
    kubelet_options_t *options =
        read_good ("--cluster-dns 10.96.0.10 --cluster-dns=10.96.0.11,10.96.0.12 "
                   "--node-labels a=b,c= --node-labels d.e/f=g "
                   "--feature-gates A=true,B=false --feature-gates B=true "
                   "--eviction-hard memory.available<200Mi,nodefs.available<5% "
                   "--system-reserved cpu=200m,memory=1Gi "
                   "--register-with-taints a=b:NoSchedule,c:NoExecute");
    assert_int_equal (options->config.cluster_dns.count, 3);
    assert_int_equal (node_count (options->node_labels), 3);
    assert_string_equal (node_get_text (options->node_labels, "d.e/f", ""), "g");
    assert_string_equal (node_get_text (options->node_labels, "c", "?"), "");
    assert_true (node_get_bool (options->config.feature_gates, "A", false));
    assert_true (node_get_bool (options->config.feature_gates, "B", false));
    assert_int_equal (node_count (options->config.eviction_hard), 2);
    assert_string_equal (node_get_text (options->config.eviction_hard, "nodefs.available", ""),
                         "5%");
    assert_string_equal (node_get_text (options->config.system_reserved, "cpu", ""), "200m");
    assert_int_equal (options->config.register_with_taints.count, 2);
    assert_string_equal (options->config.register_with_taints.items[0].value, "b");
    assert_null (options->config.register_with_taints.items[1].value);
    assert_string_equal (options->config.register_with_taints.items[1].effect, "NoExecute");
}

static void
rare_shapes_are_understood (void **state)
{
    (void) state;
    OWNED (kubelet_options_destroy)
    kubelet_options_t *options =
        read_good ("--manifest-url-header A:b --manifest-url-header A:c "
                   "--reserved-memory 0:memory=1Gi,hugepages-2Mi=4Mi;1:memory=2Gi "
                   "--vmodule pod=5,*net*=2 --node-ip 192.0.2.2,2001:db8::2 --cloud-provider= "
                   "--authentication-token-webhook=false --client-ca-file /ca");
    const node_t *values = node_get (options->config.static_pod_url_header, "A");
    assert_string_equal (node_as_text (node_item (values, 1), ""), "c");
    assert_int_equal (options->config.reserved_memory.count, 2);
    assert_string_equal (
        node_get_text (options->config.reserved_memory.items[0].limits, "hugepages-2Mi", ""),
        "4Mi");
    const node_t *pattern = node_item (options->config.logging.vmodule, 1);
    assert_string_equal (node_get_text (pattern, "filePattern", ""), "*net*");
    assert_int_equal (node_get_int (pattern, "verbosity", 0), 2);
    assert_false (options->config.authentication.webhook.enabled);
    assert_string_equal (options->config.authentication.x509.client_ca_file, "/ca");
}

static void
kubeadms_flags_are_accepted (void **state)
{
    (void) state;
    OWNED (kubelet_options_destroy)
    kubelet_options_t *options =
        read_good ("--bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf "
                   "--kubeconfig=/etc/kubernetes/kubelet.conf "
                   "--container-runtime-endpoint=unix:///run/crio/crio.sock "
                   "--pod-infra-container-image=registry.k8s.io/pause:3.10");
    assert_string_equal (options->config.container_runtime_endpoint, "unix:///run/crio/crio.sock");
}

static void
flags_win_over_the_file (void **state)
{
    (void) state;
    char path[] = "/tmp/test_flags_XXXXXX";
    int fd = mkstemp (path);
    dprintf (fd, "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n"
                 "maxPods: 5\nport: 1234\nfeatureGates: {A: true, B: true}\n"
                 "evictionHard: {pid.available: 10%%}\n");
    close (fd);
    OWNED (free_text)
    char *line = text_format ("--max-pods 7 --config %s --feature-gates B=false --eviction-hard "
                              "memory.available<1Gi",
                              path);
    OWNED (kubelet_options_destroy) kubelet_options_t *options = read_good (line);
    assert_int_equal (options->config.max_pods, 7);
    assert_int_equal (options->config.port, 1234);
    assert_true (node_get_bool (options->config.feature_gates, "A", false));
    assert_false (node_get_bool (options->config.feature_gates, "B", true));
    assert_int_equal (node_count (options->config.eviction_hard), 1);
    unlink (path);
}

static void
mistakes_are_named_with_the_flag (void **state)
{
    (void) state;
    static const struct {
        const char *line, *problem;
    } ROWS[] = {
        { "--foo", "unknown flag: --foo" },
        { "--max-pod 5", "unknown flag: --max-pod (did you mean --max-pods?)" },
        { "--kubconfig=/x", "unknown flag: --kubconfig (did you mean --kubeconfig?)" },
        { "-x", "unknown shorthand flag: 'x' in -x" },
        { "-v", "flag needs an argument: 'v' in -v" },
        { "--port", "flag needs an argument: --port" },
        { "serve", "unexpected argument: serve" },
        { "--tap false", "unexpected argument: false" },
        { "--port many", "invalid argument \"many\" for \"--port\" flag: is not an integer" },
        { "-v much", "invalid argument \"much\" for \"-v, --v\" flag: is not an integer" },
        { "--tap=maybe", "invalid argument \"maybe\" for \"--tap\" flag: is not true or false" },
        { "--port 70000", "--port: port: must be between 1 and 65535, inclusive (found 70000)" },
        { "--cgroup-driver x",
          "--cgroup-driver: cgroupDriver: Unsupported value: \"x\": supported values: "
          "\"cgroupfs\", \"systemd\"" },
        { "--authorization-mode x",
          "--authorization-mode: authorization.mode: Unsupported value: \"x\": supported values: "
          "\"AlwaysAllow\", \"Webhook\"" },
        { "--eviction-hard memory.available=1Gi",
          "invalid argument \"memory.available=1Gi\" for \"--eviction-hard\" flag: malformed pair, "
          "expect string<string" },
        { "--eviction-hard memory.available<x",
          "--eviction-hard: evictionHard[memory.available]: " },
        { "--feature-gates A", "invalid argument \"A\" for \"--feature-gates\" flag: missing bool "
                               "value, expect GATE=true|false,..." },
        { "--register-with-taints a",
          "invalid argument \"a\" for \"--register-with-taints\" flag: taint \"a\" is not of the "
          "form key=value:effect" },
        { "--register-with-taints a=b:Never",
          "--register-with-taints: registerWithTaints[0].effect: "
          "Unsupported value: \"Never\"" },
        { "--sync-frequency soon", "invalid argument \"soon\" for \"--sync-frequency\" flag: " },
        { "--node-ip 300.0.0.1", "bad --node-ip \"300.0.0.1\"" },
        { "--node-ip 192.0.2.1,192.0.2.2",
          "bad --node-ip \"192.0.2.1,192.0.2.2\": must contain either a single IP or a dual-stack "
          "pair of IPs" },
        { "--node-labels a", "invalid argument \"a\" for \"--node-labels\" flag: malformed pair, "
                             "expect string=string" },
        { "--node-labels a=b/c", "invalid --node-labels \"a=b/c\": " },
        { "--node-labels node-role.kubernetes.io/x=",
          "unknown 'kubernetes.io' or 'k8s.io' labels specified with --node-labels: "
          "[node-role.kubernetes.io/x]" },
        { "--cloud-provider aws", "unsupported value \"aws\" for \"--cloud-provider\" flag" },
        { "--config /nowhere", "cannot read /nowhere: No such file or directory" },
        { "--authorization-mode Webhook",
          "--authorization-mode: authorization.mode: Webhook needs an API server to ask, and there "
          "is none without --kubeconfig or --bootstrap-kubeconfig: set it to AlwaysAllow" },
        { "--authentication-token-webhook",
          "--authentication-token-webhook: authentication.webhook.enabled: needs an API server" },
        { "--start-window=-1", "--start-window must not be negative" },
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        fault_t fault = { 0 };
        OWNED (kubelet_options_destroy)
        kubelet_options_t *options = read_line (ROWS[i].line, &fault);
        if (options || strncmp (fault.text, ROWS[i].problem, strlen (ROWS[i].problem)) != 0)
            fail_msg ("%s\n  expected: %s\n  got:      %s", ROWS[i].line, ROWS[i].problem,
                      fault.text);
    }
}

static void
webhooks_need_an_api_server_or_no_server (void **state)
{
    (void) state;
    static const char *const LINES[] = {
        "", // the defaults are webhooks
        "--kubeconfig /k --authorization-mode Webhook --authentication-token-webhook",
        "--bootstrap-kubeconfig /b --authorization-mode Webhook",
        "--enable-server=false --authorization-mode Webhook --authentication-token-webhook",
        "--authorization-mode AlwaysAllow --authentication-token-webhook=false",
    };
    for (size_t i = 0; i < COUNT_OF (LINES); i++) {
        OWNED (kubelet_options_destroy) kubelet_options_t *options = read_good (LINES[i]);
        assert_non_null (options);
    }
}

static void
allowed_labels_pass (void **state)
{
    (void) state;
    OWNED (kubelet_options_destroy)
    kubelet_options_t *options =
        read_good ("--node-labels node.kubernetes.io/x=1,topology.kubernetes.io/zone=z,"
                   "a.kubelet.kubernetes.io/y=2,example.com/kubernetes.io=3");
    assert_int_equal (node_count (options->node_labels), 4);
}

static void
help_fits_on_a_terminal_and_names_every_flag_once (void **state)
{
    (void) state;
    OWNED (kubelet_options_destroy)
    kubelet_options_t *options = read_good ("--help --config /nowhere");
    assert_true (options->show_help);
    OWNED (free_text) char *help = kubelet_help_text();
    OWNED (free_text) char *copy = text_copy (help);
    char *rest = copy;
    for (char *line; (line = strsep (&rest, "\n"));)
        if (strlen (line) > 100)
            fail_msg ("too long: %s", line);
    static const char *const NAMED[] = {
        "  --config TEXT ",      "  --v NUMBER ",        "  --max-pods NUMBER ",
        "--storage-driver-user", "  --socket-dir TEXT ", "  --feature-gates GATE=true,... "
    };
    for (size_t i = 0; i < COUNT_OF (NAMED); i++)
        if (!strstr (help, NAMED[i]))
            fail_msg ("not in the help: %s", NAMED[i]);
}

static void
the_version_is_upstreams_and_ours (void **state)
{
    (void) state;
    static const char *const LINES[] = { "--version", "--version=true", "--version=raw" };
    for (size_t i = 0; i < COUNT_OF (LINES); i++) {
        OWNED (kubelet_options_destroy) kubelet_options_t *options = read_good (LINES[i]);
        assert_true (options->show_version);
    }
    assert_string_equal (kubelet_version_text(), "Kubernetes v1.34.0 (Cubelet 0.1.0)");
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (no_flags_give_the_defaults),
        cmocka_unit_test (every_form_of_a_flag_is_understood),
        cmocka_unit_test (verbosity_has_several_forms),
        cmocka_unit_test (lists_and_maps_may_come_in_pieces),
        cmocka_unit_test (rare_shapes_are_understood),
        cmocka_unit_test (kubeadms_flags_are_accepted),
        cmocka_unit_test (flags_win_over_the_file),
        cmocka_unit_test (mistakes_are_named_with_the_flag),
        cmocka_unit_test (webhooks_need_an_api_server_or_no_server),
        cmocka_unit_test (allowed_labels_pass),
        cmocka_unit_test (help_fits_on_a_terminal_and_names_every_flag_once),
        cmocka_unit_test (the_version_is_upstreams_and_ours),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
