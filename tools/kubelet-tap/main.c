/* kubelet-tap: shows the messages between the actors of a running agent. */
#include "cubelet/clock.h"
#include "cubelet/envelope.h"
#include "cubelet/memory.h"
#include "view.h"
#include "web.h"
#include <czmq.h>
#include <fnmatch.h>
#include <getopt.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#define STATS_EVERY_MS 1000

static const char HELP[] =
    "Shows the messages between the actors of a running Cubelet kubelet, as they pass.\n"
    "Attach and detach at any time; the agent only works for a tap while one is attached.\n"
    "Values of environment variables, Secrets and credentials are masked by the agent.\n"
    "\n"
    "usage: kubelet-tap [options]\n"
    "\n"
    "  --type GLOB        only messages of these types, e.g. 'cri.*' or 'pod.status'\n"
    "  --actor GLOB       only messages from or to these actors, e.g. 'pod-worker/*'\n"
    "  --json             one JSON object a line: from to type id re sent now outcome body\n"
    "  --stats            counts, rates and latencies per type, refreshed in place; into a file\n"
    "                     or pipe once, at the end (Ctrl-C, --seconds or --count)\n"
    "  --sequence POD     a sequence diagram of one pod's life (POD: its name, or part of it)\n"
    "  --web[=PORT]       a page with all this as a live picture, for a browser on this machine:\n"
    "                     http://127.0.0.1:PORT/ (10270; 0: any free port); prints its address\n"
    "  --seconds N        end after so many seconds\n"
    "  --count N          end after so many messages\n"
    "  --socket-dir DIR   where the agent's sockets are (its --socket-dir; /run/cubelet)\n"
    "  -h, --help         this text\n"
    "\n"
    "A line reads: time, sender -> receiver, type (\"ok\" or \"FAULT\" before it: an answer), "
    "body.\n"
    "Only root may attach. When the agent goes, the tap says so and waits for it to come back.\n"
    "docs/messages.md says what each type means.\n"
    "\n"
    "examples: kubelet-tap --type 'cri.*' --actor 'pod-worker/default_nginx*'\n"
    "          kubelet-tap --sequence nginx\n"
    "          kubelet-tap --json --type pod.status | jq -c '[.from, .body.status.phase]'\n";

typedef struct {
    view_options_t view;
    const char *socket_dir;
    int64_t seconds, count;
    bool has_web;
    int web_port;
} options_t;

enum {
    OPT_TYPE = 256,
    OPT_ACTOR,
    OPT_JSON,
    OPT_STATS,
    OPT_SEQUENCE,
    OPT_SECONDS,
    OPT_COUNT,
    OPT_DIR,
    OPT_WEB
};

static const struct option OPTIONS[] = {
    { "type", required_argument, NULL, OPT_TYPE },
    { "actor", required_argument, NULL, OPT_ACTOR },
    { "json", no_argument, NULL, OPT_JSON },
    { "stats", no_argument, NULL, OPT_STATS },
    { "sequence", required_argument, NULL, OPT_SEQUENCE },
    { "seconds", required_argument, NULL, OPT_SECONDS },
    { "count", required_argument, NULL, OPT_COUNT },
    { "socket-dir", required_argument, NULL, OPT_DIR },
    { "web", optional_argument, NULL, OPT_WEB },
    { "help", no_argument, NULL, 'h' },
    { 0 },
};

/* A whole number above zero, or the end of the program. */
static int64_t
number (const char *name, const char *text)
{
    char *end;
    long long value = strtoll (text, &end, 10);
    if (*end || value <= 0) {
        fprintf (stderr, "kubelet-tap: --%s takes a number above 0, not \"%s\"\n", name, text);
        exit (1);
    }
    return value;
}

/* A port (0: any free one; NULL: the usual one), or the end of the program. */
static int
port_number (const char *text)
{
    if (!text)
        return WEB_PORT;
    char *end;
    long value = strtol (text, &end, 10);
    if (end == text || *end || value < 0 || value > UINT16_MAX) {
        fprintf (stderr, "kubelet-tap: --web takes a port from 0 to 65535, not \"%s\"\n", text);
        exit (1);
    }
    return (int) value;
}

static options_t
read_options (int argc, char **argv)
{
    options_t options = { .socket_dir = "/run/cubelet" };
    for (int option; (option = getopt_long (argc, argv, "h", OPTIONS, NULL)) != -1;) {
        switch (option) {
        case OPT_TYPE: options.view.type = optarg; break;
        case OPT_ACTOR: options.view.actor = optarg; break;
        case OPT_JSON: options.view.json = true; break;
        case OPT_STATS: options.view.stats = true; break;
        case OPT_SEQUENCE: options.view.sequence = optarg; break;
        case OPT_SECONDS: options.seconds = number ("seconds", optarg); break;
        case OPT_COUNT: options.count = number ("count", optarg); break;
        case OPT_DIR: options.socket_dir = optarg; break;
        case OPT_WEB:
            options.has_web = true;
            options.web_port = port_number (optarg);
            break;
        case 'h': fputs (HELP, stdout); exit (0);
        default: fputs ("See kubelet-tap --help.\n", stderr); exit (1);
        }
    }
    if (optind < argc) {
        fprintf (stderr, "kubelet-tap: unexpected argument \"%s\"; see kubelet-tap --help\n",
                 argv[optind]);
        exit (1);
    }
    if (options.has_web
        && (options.view.json || options.view.stats || options.view.sequence || options.count)) {
        fputs ("kubelet-tap: --web goes with --type, --actor and --seconds only\n", stderr);
        exit (1);
    }
    struct winsize size;
    options.view.is_terminal = isatty (STDOUT_FILENO);
    if (options.view.is_terminal && ioctl (STDOUT_FILENO, TIOCGWINSZ, &size) == 0)
        options.view.width = size.ws_col;
    return options;
}

/* Subscribes as narrowly as the glob allows, so that the agent sends no more than is looked at. */
static zsock_t *
attach (const options_t *options, zactor_t **monitor_p)
{
    OWNED (free_text) char *path = text_format ("%s/tap.sock", options->socket_dir);
    if (access (path, R_OK | W_OK) < 0) {
        fprintf (stderr,
                 "kubelet-tap: cannot use %s: %s\n"
                 "Is the kubelet running here, with this --socket-dir and without --tap=false, "
                 "and are you root?\n",
                 path, strerror (errno));
        return NULL;
    }
    zsock_t *socket = zsock_new (ZMQ_SUB);
    zactor_t *monitor = zactor_new (zmonitor, socket);
    zstr_sendx (monitor, "LISTEN", "CONNECTED", "DISCONNECTED", NULL);
    zstr_send (monitor, "START");
    zsock_wait (monitor);
    *monitor_p = monitor;
    const char *glob = options->view.type ? options->view.type : "";
    OWNED (free_text) char *prefix = text_copy (glob);
    prefix[strcspn (prefix, "*?[\\")] = '\0';
    zsock_set_subscribe (socket, prefix);
    zsock_set_linger (socket, 0);
    zsock_connect (socket, "ipc://%s", path);
    return socket;
}

static bool
is_wanted (const view_options_t *options, const shown_t *message)
{
    if (options->type && fnmatch (options->type, message->type, 0) != 0)
        return false;
    return !options->actor || fnmatch (options->actor, message->from, 0) == 0
           || fnmatch (options->actor, message->to, 0) == 0;
}

typedef struct {
    options_t options;
    view_stats_t *stats;
    view_sequence_t *sequence;
    web_t *web;
    zsock_t *socket;
    zactor_t *monitor;
    int64_t shown;
} program_t;

static void
show (program_t *self, const shown_t *message)
{
    if (self->web)
        web_look (self->web, message);
    if (!is_wanted (&self->options.view, message))
        return;
    self->shown++;
    if (self->web)
        web_add (self->web, message);
    else if (self->stats)
        view_stats_add (self->stats, message);
    else if (self->sequence)
        view_sequence_add (self->sequence, message);
    else if (self->options.view.json)
        view_json (message);
    else
        view_line (&self->options.view, message);
    if (!self->stats && !self->web)
        fflush (stdout);
}

static void
receive (program_t *self)
{
    OWNED (zmsg_destroy) zmsg_t *frames = zmsg_recv (self->socket);
    if (!frames || zmsg_size (frames) != 3)
        return;
    fault_t fault = { 0 };
    zmsg_first (frames);
    OWNED (tree_destroy) tree_t *head = body_unpack (zmsg_next (frames), &fault);
    OWNED (tree_destroy) tree_t *body = head ? body_unpack (zmsg_next (frames), &fault) : NULL;
    if (!body) {
        fprintf (stderr, "kubelet-tap: not a message of a Cubelet agent: %s\n", fault.text);
        return;
    }
    const node_t *root = tree_root (head);
    shown_t message = {
        .from = node_get_text (root, "from", "?"),
        .to = node_get_text (root, "to", "?"),
        .type = node_get_text (root, "type", "?"),
        .outcome = node_get_text (root, "outcome", "?"),
        .id = (uint64_t) node_get_int (root, "id", 0),
        .re = (uint64_t) node_get_int (root, "re", 0),
        .sent_ns = node_get_int (root, "sent", 0),
        .now_ns = node_get_int (root, "now", 0),
        .fault = (fault_code_t) node_get_int (root, "fault", FAULT_NONE),
        .fault_text = node_get_text (root, "fault_text", ""),
        .head = root,
        .body = tree_root (body),
    };
    show (self, &message);
}

/* The agent came or went. */
static void
tell_connection (program_t *self)
{
    OWNED (zmsg_destroy) zmsg_t *event = zmsg_recv (self->monitor);
    OWNED (free_text) char *name = event ? zmsg_popstr (event) : NULL;
    if (!name)
        return;
    bool is_there = streq (name, "CONNECTED");
    if (is_there)
        fprintf (stderr, "kubelet-tap: attached to %s/tap.sock\n", self->options.socket_dir);
    else
        fputs ("kubelet-tap: the agent is gone; waiting for it to come back\n", stderr);
    if (self->web)
        web_set_agent (self->web, is_there);
}

/* Milliseconds to wait for input: until the next table (-1: there is none), or the end. */
static int
wait_ms (const program_t *self, int64_t end_ms, int64_t next_table_ms)
{
    int64_t until = -1;
    if (self->options.seconds)
        until = end_ms;
    if (next_table_ms >= 0 && (until < 0 || next_table_ms < until))
        until = next_table_ms;
    if (until < 0)
        return -1;
    int64_t wait = until - clock_monotonic_ms();
    return wait > 0 ? (int) wait : 0;
}

static void
run (program_t *self)
{
    int64_t end_ms = clock_monotonic_ms() + self->options.seconds * 1000;
    int64_t next_table_ms = clock_monotonic_ms() + STATS_EVERY_MS;
    bool refreshes = self->stats && self->options.view.is_terminal;
    OWNED (zpoller_destroy) zpoller_t *poller = zpoller_new (self->socket, self->monitor, NULL);
    while (!self->options.count || self->shown < self->options.count) {
        if (self->options.seconds && clock_monotonic_ms() >= end_ms)
            break;
        int wait = wait_ms (self, end_ms, refreshes ? next_table_ms : -1);
        void *ready = zpoller_wait (poller, wait);
        if (ready == self->socket)
            receive (self);
        else if (ready)
            tell_connection (self);
        else if (zpoller_terminated (poller))
            break;
        if (refreshes && clock_monotonic_ms() >= next_table_ms) {
            view_stats_print (self->stats, &self->options.view);
            next_table_ms += STATS_EVERY_MS;
        }
    }
    if (self->stats)
        view_stats_print (self->stats, &self->options.view);
}

static void
read_tap (void *context)
{
    receive (context);
}

static void
read_monitor (void *context)
{
    tell_connection (context);
}

static void
serve (program_t *self)
{
    web_sources_t sources = { .tap = self->socket,
                              .monitor = self->monitor,
                              .read_tap = read_tap,
                              .read_monitor = read_monitor,
                              .context = self };
    web_run (self->web, &sources, self->options.seconds);
}

/* Makes the view that was asked for. Returns 0, or -1 after it has said why not. */
static int
make_view (program_t *self)
{
    const options_t *options = &self->options;
    if (options->view.stats)
        self->stats = view_stats_new();
    if (options->view.sequence)
        self->sequence = view_sequence_new (&options->view);
    if (!options->has_web)
        return 0;
    fault_t fault = { 0 };
    self->web = web_new (options->web_port, options->socket_dir, &fault);
    if (!self->web) {
        fprintf (stderr, "kubelet-tap: %s\n", fault.text);
        return -1;
    }
    printf ("%s\n", web_url (self->web));
    fflush (stdout);
    return 0;
}

int
main (int argc, char **argv)
{
    program_t self = { .options = read_options (argc, argv) };
    self.socket = attach (&self.options, &self.monitor);
    int result = self.socket && make_view (&self) == 0 ? 0 : 1;
    if (self.web)
        serve (&self);
    else if (result == 0)
        run (&self);
    web_destroy (&self.web);
    view_stats_destroy (&self.stats);
    view_sequence_destroy (&self.sequence);
    zactor_destroy (&self.monitor);
    zsock_destroy (&self.socket);
    return result;
}
