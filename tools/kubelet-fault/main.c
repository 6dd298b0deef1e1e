/* kubelet-fault: kills or hangs actors of a running agent, and drops, delays, duplicates or fails
   its messages. The agent must have been started with --enable-fault-injection. */
#include "cubelet/envelope.h"
#include "cubelet/json.h"
#include "cubelet/memory.h"
#include <czmq.h>
#include <getopt.h>

#define ANSWER_MS 5000

static const char HELP[] =
    "Injects faults into a running Cubelet kubelet (started with --enable-fault-injection).\n"
    "\n"
    "usage: kubelet-fault [--socket-dir DIR] COMMAND\n"
    "\n"
    "  kill ACTOR                 end an actor at once; the supervisor starts it anew\n"
    "  hang ACTOR [--ms N]        let an actor do nothing for N ms (an hour when not given)\n"
    "  drop      [MATCH]          throw messages away\n"
    "  delay --ms N [MATCH]       deliver messages later\n"
    "  duplicate [MATCH]          deliver messages twice\n"
    "  fail [--code N] [--text TEXT] [MATCH]\n"
    "                             answer requests with a fault (gRPC code; 14: unavailable)\n"
    "  list                       the rules in force, and how often each was used\n"
    "  remove ID, clear           take one rule, or all, away\n"
    "\n"
    "MATCH: --from GLOB --to GLOB --type GLOB --replies --requests --count N; all that are given\n"
    "must fit. A rule stays until its count is used up or it is removed.\n"
    "\n"
    "example: kubelet-fault fail --type cri.RunPodSandbox --count 2 --text 'no network'\n";

enum {
    OPT_FROM = 256,
    OPT_TO,
    OPT_TYPE,
    OPT_TEXT,
    OPT_MS,
    OPT_CODE,
    OPT_COUNT,
    OPT_REPLIES,
    OPT_REQUESTS,
    OPT_DIR
};

static const struct option OPTIONS[] = {
    { "from", required_argument, NULL, OPT_FROM },
    { "to", required_argument, NULL, OPT_TO },
    { "type", required_argument, NULL, OPT_TYPE },
    { "text", required_argument, NULL, OPT_TEXT },
    { "ms", required_argument, NULL, OPT_MS },
    { "code", required_argument, NULL, OPT_CODE },
    { "count", required_argument, NULL, OPT_COUNT },
    { "replies", no_argument, NULL, OPT_REPLIES },
    { "requests", no_argument, NULL, OPT_REQUESTS },
    { "socket-dir", required_argument, NULL, OPT_DIR },
    { "help", no_argument, NULL, 'h' },
    { 0 },
};

/* What an option sets: text or number, in the rule or (hang) in the command. */
static const struct {
    int option;
    const char *key;
    bool is_number;
} SETTINGS[] = {
    { OPT_FROM, "from", false },  { OPT_TO, "to", false },      { OPT_TYPE, "type", false },
    { OPT_TEXT, "text", false },  { OPT_MS, "delay_ms", true }, { OPT_CODE, "code", true },
    { OPT_COUNT, "count", true },
};

typedef struct {
    const char *socket_dir;
    tree_t *tree;
    node_t rule;
} program_t;

static int
refuse (const char *what, const char *about)
{
    fprintf (stderr, "kubelet-fault: %s%s; see kubelet-fault --help\n", what, about);
    return 1;
}

static int
set (program_t *self, int option, const char *value)
{
    for (size_t i = 0; i < COUNT_OF (SETTINGS); i++) {
        if (SETTINGS[i].option != option)
            continue;
        char *end = NULL;
        long long number = SETTINGS[i].is_number ? strtoll (value, &end, 10) : 0;
        if (end && *end)
            return refuse ("not a number: ", value);
        node_set (self->tree, &self->rule, SETTINGS[i].key,
                  SETTINGS[i].is_number ? node_int (number) : node_text (self->tree, value));
    }
    return 0;
}

static int
read_options (program_t *self, int argc, char **argv)
{
    for (int option; (option = getopt_long (argc, argv, "h", OPTIONS, NULL)) != -1;) {
        if (option == 'h') {
            fputs (HELP, stdout);
            exit (0);
        }
        if (option == '?')
            return 1;
        if (option == OPT_DIR)
            self->socket_dir = optarg;
        else if (option == OPT_REPLIES || option == OPT_REQUESTS)
            node_set_bool (self->tree, &self->rule, "reply", option == OPT_REPLIES);
        else if (set (self, option, optarg) != 0)
            return 1;
    }
    return 0;
}

/* The command's map, or nil when the words are wrong. */
static node_t
make_command (program_t *self, char **words, int count)
{
    static const char *const ACTIONS[] = { "drop", "delay", "duplicate", "fail" };
    node_t command = node_map();
    const char *name = words[0];
    const char *operand = count > 1 ? words[1] : NULL;
    for (size_t i = 0; i < COUNT_OF (ACTIONS); i++) {
        if (!streq (name, ACTIONS[i]))
            continue;
        node_set_text (self->tree, &self->rule, "action", name);
        node_set_text (self->tree, &command, "command", "add");
        node_set (self->tree, &command, "rule", self->rule);
        return count == 1 ? command : node_nil();
    }
    bool is_clear = streq (name, "clear");
    node_set_text (self->tree, &command, "command", is_clear ? "remove" : name);
    if (streq (name, "list") || is_clear)
        return operand ? node_nil() : command;
    if (!operand || count > 2)
        return node_nil();
    if (streq (name, "remove")) {
        int64_t id = strtoll (operand, NULL, 10);
        node_set_int (self->tree, &command, "id", id);
        return id > 0 ? command : node_nil();
    }
    if (!streq (name, "kill") && !streq (name, "hang"))
        return node_nil();
    node_set_text (self->tree, &command, "actor", operand);
    if (node_get (&self->rule, "delay_ms"))
        node_set (self->tree, &command, "ms", *node_get (&self->rule, "delay_ms"));
    return command;
}

/* Sends the command and prints the answer. Returns the exit code. */
static int
ask (const program_t *self, const node_t *command)
{
    OWNED (free_text) char *path = text_format ("%s/fault.sock", self->socket_dir);
    if (access (path, R_OK | W_OK) < 0) {
        fprintf (stderr,
                 "kubelet-fault: cannot use %s: %s\nIs the kubelet running here with "
                 "--enable-fault-injection and this --socket-dir, and are you root?\n",
                 path, strerror (errno));
        return 1;
    }
    OWNED (zsock_destroy) zsock_t *socket = zsock_new (ZMQ_REQ);
    zsock_set_linger (socket, 0);
    zsock_set_rcvtimeo (socket, ANSWER_MS);
    zsock_connect (socket, "ipc://%s", path);
    zframe_t *frame = body_pack (command);
    zframe_send (&frame, socket, 0);
    OWNED (zframe_destroy) zframe_t *answer = zframe_recv (socket);
    if (!answer)
        return refuse ("no answer from the agent at ", path);
    fault_t fault = { 0 };
    OWNED (tree_destroy) tree_t *tree = body_unpack (answer, &fault);
    if (!tree)
        return refuse ("the answer makes no sense: ", fault.text);
    const node_t *root = tree_root (tree);
    if (node_get (root, "fault"))
        return refuse (node_get_text (root, "text", "refused"), "");
    OWNED (free_text) char *text = json_write (root, JSON_PRETTY, NULL);
    puts (text);
    return 0;
}

int
main (int argc, char **argv)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    program_t self = { .socket_dir = "/run/cubelet", .tree = tree, .rule = node_map() };
    if (read_options (&self, argc, argv) != 0)
        return 1;
    if (optind >= argc)
        return refuse ("what to do is missing", "");
    node_t command = make_command (&self, argv + optind, argc - optind);
    if (node_is_nil (&command))
        return refuse ("cannot make sense of: ", argv[optind]);
    return ask (&self, &command);
}
