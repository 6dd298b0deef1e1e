#include "cubelet/flags.h"
#include "cubelet/duration.h"
#include "cubelet/memory.h"
#include "cubelet/name_rules.h"
#include "flag_table.h"
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_MAX_LENGTH 64
#define SUGGEST_DISTANCE_MAX 3

/* What a flag's value becomes is put into `config` (a partial configuration) or into `options`. */
typedef struct {
    kubelet_options_t *options;
    tree_t *tree;
    node_t config;
    node_t labels;
} parse_t;

/* Makes a node of a flag's text; `old` is what earlier occurrences gave (nil at first). A fault
   says what is wrong with the text. */
typedef int convert_fn (tree_t *tree, const char *text, node_t *value, fault_t *fault);

// ---- one value ----

static int
convert_text (tree_t *tree, const char *text, node_t *value, fault_t *fault)
{
    (void) fault;
    *value = node_text (tree, text);
    return 0;
}

static int
convert_bool (tree_t *tree, const char *text, node_t *value, fault_t *fault)
{
    static const char *const WORDS[][2] = { { "false", "true" }, { "False", "True" },
                                            { "FALSE", "TRUE" }, { "f", "t" },
                                            { "F", "T" },        { "0", "1" } };
    (void) tree;
    for (size_t i = 0; i < COUNT_OF (WORDS); i++)
        for (int k = 0; k < 2; k++)
            if (strcmp (WORDS[i][k], text) == 0) {
                *value = node_bool (k == 1);
                return 0;
            }
    return fault_set (fault, FAULT_INVALID, "is not true or false");
}

static int
convert_int (tree_t *tree, const char *text, node_t *value, fault_t *fault)
{
    (void) tree;
    char *end = NULL;
    errno = 0;
    long long number = strtoll (text, &end, 0);
    if (end == text || *end || errno)
        return fault_set (fault, FAULT_INVALID, "is not an integer");
    *value = node_int (number);
    return 0;
}

static int
convert_real (tree_t *tree, const char *text, node_t *value, fault_t *fault)
{
    (void) tree;
    char *end = NULL;
    errno = 0;
    double number = strtod (text, &end);
    if (end == text || *end || errno)
        return fault_set (fault, FAULT_INVALID, "is not a number");
    *value = node_real (number);
    return 0;
}

static int
convert_duration (tree_t *tree, const char *text, node_t *value, fault_t *fault)
{
    int64_t ns;
    if (duration_parse (text, &ns, fault) < 0)
        return -1;
    *value = node_text (tree, text);
    return 0;
}

// ---- lists and maps; they may be given several times ----

// Cuts the next piece off *rest, which ends up NULL. The piece is copied into `tree`.
static const char *
next_piece (tree_t *tree, const char **rest, char separator)
{
    const char *start = *rest;
    const char *end = strchr (start, separator);
    size_t size = end ? (size_t) (end - start) : strlen (start);
    *rest = end ? end + 1 : NULL;
    while (size > 0 && *start == ' ')
        start++, size--;
    return tree_text (tree, start, size);
}

// Splits "key<separator>value" in place of `piece`; false when the separator is missing.
static bool
split_pair (const char *piece, char separator, tree_t *tree, const char **key, const char **value)
{
    const char *at = strchr (piece, separator);
    if (!at)
        return false;
    size_t size = (size_t) (at - piece);
    while (size > 0 && piece[size - 1] == ' ')
        size--;
    *key = tree_text (tree, piece, size);
    *value = at + 1 + strspn (at + 1, " ");
    return true;
}

static int
convert_list (tree_t *tree, const char *text, node_t *value, fault_t *fault)
{
    (void) fault;
    if (node_is_nil (value))
        *value = node_array();
    for (const char *rest = *text ? text : NULL; rest;)
        node_append (tree, value, node_text (tree, next_piece (tree, &rest, ',')));
    return 0;
}

static int
convert_pairs (tree_t *tree, const char *text, char separator, node_t *value, fault_t *fault)
{
    if (node_is_nil (value))
        *value = node_map();
    for (const char *rest = *text ? text : NULL; rest;) {
        const char *key, *item;
        const char *piece = next_piece (tree, &rest, ',');
        if (!*piece)
            continue;
        if (!split_pair (piece, separator, tree, &key, &item))
            return fault_set (fault, FAULT_INVALID, "malformed pair, expect string%cstring",
                              separator);
        node_set_text (tree, value, key, item);
    }
    return 0;
}

static int
convert_map (tree_t *tree, const char *text, node_t *value, fault_t *fault)
{
    return convert_pairs (tree, text, '=', value, fault);
}

static int
convert_thresholds (tree_t *tree, const char *text, node_t *value, fault_t *fault)
{
    return convert_pairs (tree, text, '<', value, fault);
}

static int
convert_gates (tree_t *tree, const char *text, node_t *value, fault_t *fault)
{
    node_t pairs = node_nil();
    if (convert_pairs (tree, text, '=', &pairs, fault) < 0)
        return fault_set (fault, FAULT_INVALID, "missing bool value, expect GATE=true|false,...");
    if (node_is_nil (value))
        *value = node_map();
    for (size_t i = 0; i < node_count (&pairs); i++) {
        const char *gate = node_key_at (&pairs, i);
        node_t flag;
        if (convert_bool (tree, node_as_text (node_value_at (&pairs, i), ""), &flag, fault) < 0)
            return fault_wrap (fault, "value of %s", gate);
        node_set (tree, value, gate, flag);
    }
    return 0;
}

// "key=value:effect" or "key:effect".
static int
convert_taints (tree_t *tree, const char *text, node_t *value, fault_t *fault)
{
    if (node_is_nil (value))
        *value = node_array();
    for (const char *rest = *text ? text : NULL; rest;) {
        const char *name, *effect, *key, *item;
        const char *piece = next_piece (tree, &rest, ',');
        if (!split_pair (piece, ':', tree, &name, &effect))
            return fault_set (fault, FAULT_INVALID,
                              "taint \"%s\" is not of the form key=value:effect", piece);
        node_t taint = node_map();
        if (split_pair (name, '=', tree, &key, &item)) {
            node_set_text (tree, &taint, "key", key);
            node_set_text (tree, &taint, "value", item);
        }
        else
            node_set_text (tree, &taint, "key", name);
        node_set_text (tree, &taint, "effect", effect);
        node_append (tree, value, taint);
    }
    return 0;
}

static int
convert_headers (tree_t *tree, const char *text, node_t *value, fault_t *fault)
{
    const char *name, *item;
    if (node_is_nil (value))
        *value = node_map();
    if (!split_pair (text, ':', tree, &name, &item))
        return fault_set (fault, FAULT_INVALID, "is not of the form name:value");
    const node_t *old = node_get (value, name);
    node_t items = old ? *old : node_array();
    node_append (tree, &items, node_text (tree, item));
    node_set (tree, value, name, items);
    return 0;
}

// "0:memory=1Gi,hugepages-1Mi=2Mi;1:memory=2Gi"
static int
convert_memory (tree_t *tree, const char *text, node_t *value, fault_t *fault)
{
    if (node_is_nil (value))
        *value = node_array();
    for (const char *rest = *text ? text : NULL; rest;) {
        const char *index, *limits_text;
        const char *piece = next_piece (tree, &rest, ';');
        node_t reservation = node_map(), number = node_nil(), limits = node_nil();
        if (!split_pair (piece, ':', tree, &index, &limits_text)
            || convert_int (tree, index, &number, fault) < 0
            || convert_map (tree, limits_text, &limits, fault) < 0)
            return fault_set (fault, FAULT_INVALID,
                              "\"%s\" is not of the form NODE:memory=QUANTITY,...", piece);
        node_set (tree, &reservation, "numaNode", number);
        node_set (tree, &reservation, "limits", limits);
        node_append (tree, value, reservation);
    }
    return 0;
}

static int
convert_patterns (tree_t *tree, const char *text, node_t *value, fault_t *fault)
{
    node_t pairs = node_nil();
    if (convert_map (tree, text, &pairs, fault) < 0)
        return -1;
    *value = node_array();
    for (size_t i = 0; i < node_count (&pairs); i++) {
        node_t item = node_map(), verbosity = node_nil();
        if (convert_int (tree, node_as_text (node_value_at (&pairs, i), ""), &verbosity, fault) < 0)
            return fault_wrap (fault, "verbosity of %s", node_key_at (&pairs, i));
        node_set_text (tree, &item, "filePattern", node_key_at (&pairs, i));
        node_set (tree, &item, "verbosity", verbosity);
        node_append (tree, value, item);
    }
    return 0;
}

static convert_fn *const CONVERTERS[] = {
    [FLAG_TEXT] = convert_text,         [FLAG_BOOL] = convert_bool,
    [FLAG_INT] = convert_int,           [FLAG_REAL] = convert_real,
    [FLAG_DURATION] = convert_duration, [FLAG_LIST] = convert_list,
    [FLAG_MAP] = convert_map,           [FLAG_THRESHOLDS] = convert_thresholds,
    [FLAG_GATES] = convert_gates,       [FLAG_TAINTS] = convert_taints,
    [FLAG_HEADERS] = convert_headers,   [FLAG_MEMORY] = convert_memory,
    [FLAG_PATTERNS] = convert_patterns,
};
_Static_assert(COUNT_OF (CONVERTERS) == FLAG_KIND_COUNT, "a converter for every kind");

// ---- where values go ----

// The value of a configuration path in `map`, which is made on the way.
static node_t *
config_at (tree_t *tree, node_t *map, const char *path)
{
    char step[NAME_MAX_LENGTH];
    for (const char *dot; (dot = strchr (path, '.')); path = dot + 1) {
        snprintf (step, sizeof step, "%.*s", (int) (dot - path), path);
        node_t *next = node_get_mutable (map, step);
        map = next ? next : node_set (tree, map, step, node_map());
    }
    node_t *value = node_get_mutable (map, path);
    return value ? value : node_set (tree, map, path, node_nil());
}

static void
set_option (parse_t *parse, const flag_t *flag, const node_t *value)
{
    void *at = (char *) parse->options + flag->offset;
    int64_t ns = 0;
    fault_t ignored = { 0 };
    switch (flag->kind) {
    case FLAG_TEXT: *(const char **) at = node_as_text (value, NULL); break;
    case FLAG_BOOL: *(bool *) at = node_as_bool (value, false); break;
    case FLAG_INT: *(int64_t *) at = node_as_int (value, 0); break;
    case FLAG_DURATION:
        duration_parse (node_as_text (value, "0"), &ns, &ignored); // converted, so it is one
        *(int64_t *) at = ns;
        break;
    default: // the one map: node labels
        parse->labels = *value;
    }
}

static int
take_value (parse_t *parse, const flag_t *flag, const char *text, fault_t *fault)
{
    node_t single = node_nil();
    node_t *value = flag->config             ? config_at (parse->tree, &parse->config, flag->config)
                    : flag->kind == FLAG_MAP ? &parse->labels
                                             : &single;
    if (CONVERTERS[flag->kind](parse->tree, text, value, fault) < 0) {
        fault_t inner = *fault;
        return fault_set (fault, FAULT_INVALID, "invalid argument \"%s\" for \"%s%s\" flag: %s",
                          text, strcmp (flag->name, "--v") == 0 ? "-v, " : "", flag->name,
                          inner.text);
    }
    if (!flag->config && flag->group != GROUP_IGNORED)
        set_option (parse, flag, value);
    return 0;
}

// ---- finding flags ----

static bool
is_same_name (const char *name, const char *given, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (name[i] != (given[i] == '_' ? '-' : given[i]))
            return false;
    return name[size] == '\0';
}

// `given` is a name of `size` bytes, with its dashes.
static const flag_t *
find_flag (const char *given, size_t size)
{
    for (const flag_t *flag = FLAGS; flag->name; flag++)
        if (is_same_name (flag->name, given, size))
            return flag;
    return NULL;
}

static size_t
smaller (size_t a, size_t b)
{
    return a < b ? a : b;
}

// How many letters have to be inserted, removed or changed (Levenshtein).
static size_t
distance (const char *a, const char *b)
{
    size_t row[NAME_MAX_LENGTH + 1];
    size_t width = strlen (b);
    if (width > NAME_MAX_LENGTH || strlen (a) > NAME_MAX_LENGTH)
        return NAME_MAX_LENGTH;
    for (size_t k = 0; k <= width; k++)
        row[k] = k;
    for (size_t i = 0; a[i]; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t k = 0; k < width; k++) {
            size_t change = diagonal + (a[i] != b[k]);
            diagonal = row[k + 1];
            row[k + 1] = smaller (smaller (row[k] + 1, diagonal + 1), change);
        }
    }
    return row[width];
}

static int
refuse_unknown (const char *given, size_t size, fault_t *fault)
{
    OWNED (free_text) char *name = text_format ("%.*s", (int) size, given);
    const flag_t *best = NULL;
    size_t least = SUGGEST_DISTANCE_MAX + 1;
    for (const flag_t *flag = FLAGS; flag->name; flag++)
        if (distance (name, flag->name) < least) {
            least = distance (name, flag->name);
            best = flag;
        }
    if (best)
        return fault_set (fault, FAULT_INVALID, "unknown flag: %s (did you mean %s?)", name,
                          best->name);
    return fault_set (fault, FAULT_INVALID, "unknown flag: %s", name);
}

// ---- the command line ----

/* "-v 4", "-v=4", "-v4", "-h": rewritten as the long flags they stand for. Returns how many of
   the arguments were used, or -1. */
static int
take_short (parse_t *parse, int argc, const char *const *argv, fault_t *fault)
{
    const char *text = argv[0];
    if (strcmp (text, "-h") == 0)
        return take_value (parse, find_flag ("--help", 6), "true", fault) < 0 ? -1 : 1;
    if (text[1] != 'v')
        return fault_set (fault, FAULT_INVALID, "unknown shorthand flag: '%c' in %s", text[1],
                          text);
    const char *value = text[2] == '=' ? text + 3 : text + 2;
    int used = 1;
    if (!*value && text[2] != '=') {
        if (argc < 2)
            return fault_set (fault, FAULT_INVALID, "flag needs an argument: 'v' in -v");
        value = argv[1];
        used = 2;
    }
    return take_value (parse, find_flag ("--v", 3), value, fault) < 0 ? -1 : used;
}

// One flag at argv[0]; returns how many of the arguments were used, or -1.
static int
take_flag (parse_t *parse, int argc, const char *const *argv, fault_t *fault)
{
    const char *text = argv[0];
    if (text[0] != '-' || text[1] == '\0')
        return fault_set (fault, FAULT_INVALID, "unexpected argument: %s", text);
    if (text[1] != '-')
        return take_short (parse, argc, argv, fault);
    size_t size = strcspn (text, "=");
    const flag_t *flag = find_flag (text, size);
    if (!flag)
        return refuse_unknown (text, size, fault);
    const char *value = text[size] == '=' ? text + size + 1 : NULL;
    int used = 1;
    // `--version=raw` asks upstream for more details than we have.
    if (flag->kind == FLAG_BOOL && value && strcmp (flag->name, "--version") == 0
        && strcmp (value, "raw") == 0)
        value = "true";
    if (!value && flag->kind == FLAG_BOOL)
        value = "true";
    if (!value) {
        if (argc < 2)
            return fault_set (fault, FAULT_INVALID, "flag needs an argument: %s", flag->name);
        value = argv[1];
        used = 2;
    }
    return take_value (parse, flag, value, fault) < 0 ? -1 : used;
}

static int
take_all (parse_t *parse, int argc, const char *const *argv, fault_t *fault)
{
    for (int i = 1; i < argc;) {
        if (strcmp (argv[i], "--") == 0 && i + 1 == argc)
            break;
        int used = take_flag (parse, argc - i, argv + i, fault);
        if (used < 0)
            return -1;
        i += used;
    }
    return 0;
}

// ---- checks of what is no configuration field ----

static int
check_node_ip (const char *text, fault_t *fault)
{
    char piece[INET6_ADDRSTRLEN + 1];
    struct in6_addr address;
    int families[2] = { 0, 0 }, count = 0;
    for (const char *rest = text; rest && *rest; count++) {
        size_t size = strcspn (rest, ",");
        snprintf (piece, sizeof piece, "%.*s", (int) smaller (size, INET6_ADDRSTRLEN), rest);
        int family = inet_pton (AF_INET, piece, &address) == 1    ? AF_INET
                     : inet_pton (AF_INET6, piece, &address) == 1 ? AF_INET6
                                                                  : 0;
        if (family == 0 || count == 2)
            return fault_set (fault, FAULT_INVALID, "bad --node-ip \"%s\"", text);
        families[count] = family;
        rest = rest[size] ? rest + size + 1 : NULL;
    }
    if (count == 2 && families[0] == families[1])
        return fault_set (fault, FAULT_INVALID,
                          "bad --node-ip \"%s\": must contain either a single IP or a dual-stack "
                          "pair of IPs",
                          text);
    return 0;
}

static bool
ends_with (const char *text, const char *end)
{
    size_t size = strlen (text), end_size = strlen (end);
    return size >= end_size && strcmp (text + size - end_size, end) == 0;
}

// Is the label's domain this one or below it?
static bool
is_below (const char *domain, const char *parent)
{
    OWNED (free_text) char *dotted = text_format (".%s", parent);
    return strcmp (domain, parent) == 0 || ends_with (domain, dotted);
}

// Kubernetes' own labels may be set only when they say nothing that others rely on.
static bool
is_label_allowed (const char *key)
{
    static const char *const ALLOWED[] = {
        "kubernetes.io/hostname",
        "kubernetes.io/os",
        "kubernetes.io/arch",
        "node.kubernetes.io/instance-type",
        "topology.kubernetes.io/zone",
        "topology.kubernetes.io/region",
        "beta.kubernetes.io/os",
        "beta.kubernetes.io/arch",
        "beta.kubernetes.io/instance-type",
        "failure-domain.beta.kubernetes.io/zone",
        "failure-domain.beta.kubernetes.io/region",
        "failure-domain.kubernetes.io/zone",
        "failure-domain.kubernetes.io/region",
    };
    OWNED (free_text) char *domain = text_format ("%.*s", (int) strcspn (key, "/"), key);
    if (!strchr (key, '/') || (!is_below (domain, "kubernetes.io") && !is_below (domain, "k8s.io")))
        return true;
    for (size_t i = 0; i < COUNT_OF (ALLOWED); i++)
        if (strcmp (ALLOWED[i], key) == 0)
            return true;
    return is_below (domain, "kubelet.kubernetes.io") || is_below (domain, "node.kubernetes.io");
}

static int
check_labels (const node_t *labels, fault_t *fault)
{
    for (size_t i = 0; i < node_count (labels); i++) {
        const char *key = node_key_at (labels, i);
        const char *value = node_as_text (node_value_at (labels, i), "");
        const char *detail = name_rule_qualified_name (key);
        if (!detail)
            detail = name_rule_label_value (value);
        if (detail)
            return fault_set (fault, FAULT_INVALID, "invalid --node-labels \"%s=%s\": %s", key,
                              value, detail);
        if (!is_label_allowed (key))
            return fault_set (fault, FAULT_INVALID,
                              "unknown 'kubernetes.io' or 'k8s.io' labels specified with "
                              "--node-labels: [%s]",
                              key);
    }
    return 0;
}

static int
check_options (const kubelet_options_t *options, fault_t *fault)
{
    const char *cloud = options->cloud_provider;
    if (check_node_ip (options->node_ip, fault) < 0
        || check_labels (options->node_labels, fault) < 0)
        return -1;
    if (cloud && *cloud && strcmp (cloud, "external") != 0)
        return fault_set (fault, FAULT_INVALID,
                          "unsupported value \"%s\" for \"--cloud-provider\" flag: only external "
                          "and empty are known",
                          cloud);
    if (options->start_window < 0)
        return fault_set (fault, FAULT_INVALID, "--start-window must not be negative");
    if (options->minimum_container_ttl_ns < 0)
        return fault_set (fault, FAULT_INVALID,
                          "--minimum-container-ttl-duration must not be negative");
    return 0;
}

// The flag for a field of the configuration, or for one below or above it.
static const char *
flag_of (const char *path)
{
    for (const flag_t *flag = FLAGS; flag->name; flag++) {
        size_t size = flag->config ? strlen (flag->config) : 0;
        if (size > 0 && strncmp (path, flag->config, size) == 0
            && (path[size] == '\0' || path[size] == '.' || path[size] == '['))
            return flag->name;
    }
    return NULL;
}

kubelet_options_t *
kubelet_options_new (int argc, const char *const *argv, fault_t *fault)
{
    OWNED (kubelet_options_destroy) kubelet_options_t *self = memory_new (1, sizeof *self);
    *self = (kubelet_options_t){
        .tree = tree_new(),
        .root_dir = "/var/lib/kubelet",
        .cert_dir = "/var/lib/kubelet/pki",
        .maximum_dead_containers_per_container = 1,
        .maximum_dead_containers = -1,
        .socket_dir = "/run/cubelet",
        .tap = true,
    };
    parse_t parse = { .options = self, .tree = self->tree };
    parse.config = node_map();
    parse.labels = node_nil();
    kubelet_config_defaults (&self->config);
    if (take_all (&parse, argc, argv, fault) < 0)
        return NULL;
    if (node_is_map (&parse.labels)) {
        node_t *labels = tree_alloc (self->tree, sizeof *labels);
        *labels = parse.labels;
        self->node_labels = labels;
    }
    if (self->show_help || self->show_version)
        return STEAL (self);
    config_sources_t sources = { .file = self->config_file,
                                 .dir = self->config_dir,
                                 .flags = &parse.config,
                                 .flag_of = flag_of,
                                 .is_standalone =
                                     !self->kubeconfig && !self->bootstrap_kubeconfig };
    if (check_options (self, fault) < 0
        || kubelet_config_read (&sources, self->tree, &self->config, fault) < 0)
        return NULL;
    return STEAL (self);
}

void
kubelet_options_destroy (kubelet_options_t **self_p)
{
    if (!*self_p)
        return;
    tree_destroy (&(*self_p)->tree);
    free (*self_p);
    *self_p = NULL;
}
