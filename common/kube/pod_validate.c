#include "cubelet/pod_validate.h"
#include "cubelet/memory.h"
#include "cubelet/name_rules.h"
#include "cubelet/record_table.h"
#include "pod_validate_internal.h"
#include <stdio.h>
#include <string.h>

#define ANNOTATIONS_BYTES_MAX (256 * 1024)
#define NAMESERVERS_MAX 3
#define SEARCHES_MAX 32
#define SEARCH_LINE_MAX 2048

static const char *const RESTART_POLICIES[] = { "Always", "OnFailure", "Never", NULL };
static const char *const DNS_POLICIES[] = { "ClusterFirstWithHostNet", "ClusterFirst", "Default",
                                            "None", NULL };
static const char *const OPERATORS[] = { "Equal", "Exists", NULL };
static const char *const EFFECTS[] = { "NoSchedule", "PreferNoSchedule", "NoExecute", NULL };
static const char *const SYSTEMS[] = { "linux", "windows", NULL };
static const char *const PREEMPTION_POLICIES[] = { "PreemptLowerPriority", "Never", NULL };

/* The lists of the spec that pod_t leaves as nodes. */
typedef struct {
    const char *key, *op, *value, *effect;
    opt_int_t seconds;
} toleration_t;

typedef struct {
    const char *name; // or conditionType
    const char *value;
} named_t;

typedef struct {
    LIST_OF (named_t) options;
} dns_options_t;

typedef struct {
    LIST_OF (toleration_t) tolerations;
    LIST_OF (named_t) readiness_gates;
    LIST_OF (named_t) pull_secrets;
    dns_options_t dns;
    const char *preemption_policy;
} extras_t;

// clang-format off
RECORD_TYPE (TOLERATION, toleration_t,
    FIELD (toleration_t, key,      "key",               TEXT),
    FIELD (toleration_t, op,       "operator",          TEXT),
    FIELD (toleration_t, value,    "value",             TEXT),
    FIELD (toleration_t, effect,   "effect",            TEXT),
    FIELD (toleration_t, seconds,  "tolerationSeconds", OPT_INT));
RECORD_TYPE (GATE, named_t,
    FIELD (named_t, name, "conditionType", TEXT));
RECORD_TYPE (SECRET_REF, named_t,
    FIELD (named_t, name, "name", TEXT));
RECORD_TYPE (DNS_OPTION, named_t,
    FIELD (named_t, name,  "name",  TEXT),
    FIELD (named_t, value, "value", TEXT));
RECORD_TYPE (DNS_OPTIONS, dns_options_t,
    FIELD_OF (dns_options_t, options, "options", LIST, DNS_OPTION));
RECORD_TYPE (EXTRAS, extras_t,
    FIELD_OF (extras_t, tolerations,     "tolerations",      LIST,   TOLERATION),
    FIELD_OF (extras_t, readiness_gates, "readinessGates",   LIST,   GATE),
    FIELD_OF (extras_t, pull_secrets,    "imagePullSecrets", LIST,   SECRET_REF),
    FIELD_OF (extras_t, dns,             "dnsConfig",        RECORD, DNS_OPTIONS),
    FIELD (extras_t, preemption_policy,  "preemptionPolicy", TEXT));
// clang-format on

// ---- small rules ----

void
validate_no_backsteps (problems_t *problems, const path_t *path, const char *value)
{
    for (const char *at = value; at && *at; at += strcspn (at, "/"), at += *at == '/')
        if (strncmp (at, "..", 2) == 0 && (at[2] == '/' || at[2] == '\0')) {
            problem_invalid (problems, path, value, "must not contain '..'");
            return;
        }
}

void
validate_relative_path (problems_t *problems, const path_t *path, const char *value)
{
    if (value && *value == '/')
        problem_invalid (problems, path, value, "must be a relative path");
    validate_no_backsteps (problems, path, value);
}

void
validate_range (problems_t *problems, const path_t *path, int64_t value, int64_t low, int64_t high)
{
    char detail[96];
    if (value >= low && value <= high)
        return;
    snprintf (detail, sizeof detail, "must be between %lld and %lld, inclusive", (long long) low,
              (long long) high);
    problem_invalid_int (problems, path, value, detail);
}

void
validate_one_of (problems_t *problems, const path_t *path, const char *value,
                 const char *const *allowed)
{
    if (!value)
        return;
    for (const char *const *row = allowed; *row; row++)
        if (strcmp (*row, value) == 0)
            return;
    problem_not_supported (problems, path, value, allowed);
}

void
validate_name (problems_t *problems, const path_t *path, const char *value,
               const char *(*rule) (const char *text))
{
    if (!is_given (value))
        problem_required (problems, path, NULL);
    else
        problem_check (problems, path, value, rule);
}

// ---- metadata ----

static void
validate_labels (problems_t *problems, const path_t *path, const node_t *labels)
{
    for (size_t i = 0; i < node_count (labels); i++) {
        problem_check (problems, path, node_key_at (labels, i), name_rule_qualified_name);
        problem_check (problems, path, node_as_text (node_value_at (labels, i), ""),
                       name_rule_label_value);
    }
}

static void
validate_annotations (problems_t *problems, const path_t *path, const node_t *annotations)
{
    size_t bytes = 0;
    for (size_t i = 0; i < node_count (annotations); i++) {
        const char *key = node_key_at (annotations, i);
        bytes += strlen (key) + strlen (node_as_text (node_value_at (annotations, i), ""));
        // Annotation keys may have capitals in their domain; they are checked lower-cased.
        char lower[512];
        size_t size = 0;
        for (; key[size] && size < sizeof lower - 1; size++)
            lower[size] =
                key[size] >= 'A' && key[size] <= 'Z' ? (char) (key[size] + 32) : key[size];
        lower[size] = '\0';
        const char *detail = name_rule_qualified_name (lower);
        if (detail)
            problem_invalid (problems, path, key, detail);
    }
    if (bytes > ANNOTATIONS_BYTES_MAX)
        problem_add (problems, path, "Too long: may not be more than %d bytes",
                     ANNOTATIONS_BYTES_MAX);
}

static void
validate_metadata (problems_t *problems, const pod_t *pod)
{
    const path_t *path = AT (NULL, "metadata");
    const object_meta_t *metadata = &pod->metadata;
    if (!is_given (metadata->name))
        problem_required (problems, AT (path, "name"), "name or generateName is required");
    else
        problem_check (problems, AT (path, "name"), metadata->name, name_rule_dns_subdomain);
    validate_name (problems, AT (path, "namespace"), metadata->namespace, name_rule_dns_label);
    validate_labels (problems, AT (path, "labels"), metadata->labels);
    validate_annotations (problems, AT (path, "annotations"), metadata->annotations);
}

// ---- the rest of the spec ----

static void
validate_dns (problems_t *problems, const path_t *spec, const pod_t *pod, const extras_t *extras)
{
    const path_t *path = AT (spec, "dnsConfig");
    const dns_config_t *dns = &pod->spec.dns_config;
    bool is_none = pod->spec.dns_policy && strcmp (pod->spec.dns_policy, "None") == 0;
    if (is_none && !node_at (pod->node, "spec", "dnsConfig", NULL))
        problem_required (problems, path, "must provide `dnsConfig` when `dnsPolicy` is None");
    else if (is_none && dns->nameservers.count == 0)
        problem_required (problems, AT (path, "nameservers"),
                          "must provide at least one DNS nameserver when `dnsPolicy` is None");
    if (dns->nameservers.count > NAMESERVERS_MAX)
        problem_add (problems, AT (path, "nameservers"),
                     "Invalid value: must not have more than %d nameservers", NAMESERVERS_MAX);
    for (size_t i = 0; i < dns->nameservers.count; i++)
        problem_check (problems, ITEM (AT (path, "nameservers"), i), dns->nameservers.items[i],
                       name_rule_ip);
    const path_t *searches = AT (path, "searches");
    size_t length = 0;
    for (size_t i = 0; i < dns->searches.count; i++) {
        char search[256];
        const char *text = dns->searches.items[i];
        size_t size = strlen (text);
        length += size + (i > 0);
        snprintf (search, sizeof search, "%.*s", (int) (size - (size > 1 && text[size - 1] == '.')),
                  text);
        if (strcmp (search, ".") != 0)
            problem_check (problems, ITEM (searches, i), search, name_rule_search_domain);
    }
    if (dns->searches.count > SEARCHES_MAX)
        problem_add (problems, searches, "Invalid value: must not have more than %d search paths",
                     SEARCHES_MAX);
    if (length > SEARCH_LINE_MAX)
        problem_add (problems, searches,
                     "Invalid value: must not have more than %d characters (including spaces) in "
                     "the search list",
                     SEARCH_LINE_MAX);
    for (size_t i = 0; i < extras->dns.options.count; i++)
        if (!is_given (extras->dns.options.items[i].name))
            problem_required (problems, ITEM (AT (path, "options"), i), "must not be empty");
}

static void
validate_toleration (problems_t *problems, const path_t *path, const toleration_t *toleration)
{
    const char *op = toleration->op;
    bool is_exists = op && strcmp (op, "Exists") == 0;
    if (is_given (toleration->key))
        problem_check (problems, AT (path, "key"), toleration->key, name_rule_qualified_name);
    else if (!is_exists)
        problem_invalid (problems, AT (path, "operator"), op ? op : "",
                         "operator must be Exists when `key` is empty, which means \"match all "
                         "values and all keys\"");
    if (toleration->seconds.set
        && (!toleration->effect || strcmp (toleration->effect, "NoExecute") != 0))
        problem_invalid (problems, AT (path, "effect"),
                         toleration->effect ? toleration->effect : "",
                         "effect must be 'NoExecute' when `tolerationSeconds` is set");
    if (is_exists && is_given (toleration->value))
        problem_invalid (problems, AT (path, "operator"), toleration->value,
                         "value must be empty when `operator` is 'Exists'");
    else if (toleration->value)
        problem_check (problems, AT (path, "operator"), toleration->value, name_rule_label_value);
    if (is_given (op))
        validate_one_of (problems, AT (path, "operator"), op, OPERATORS);
    if (is_given (toleration->effect))
        validate_one_of (problems, AT (path, "effect"), toleration->effect, EFFECTS);
}

static void
validate_lists (problems_t *problems, const path_t *spec, const pod_t *pod, const extras_t *extras)
{
    for (size_t i = 0; i < extras->tolerations.count; i++)
        validate_toleration (problems, ITEM (AT (spec, "tolerations"), i),
                             &extras->tolerations.items[i]);
    for (size_t i = 0; i < extras->readiness_gates.count; i++) {
        const char *type = extras->readiness_gates.items[i].name;
        problem_check (problems, AT (ITEM (AT (spec, "readinessGates"), i), "conditionType"),
                       type ? type : "", name_rule_qualified_name);
    }
    for (size_t i = 0; i < pod->spec.host_aliases.count; i++) {
        const host_alias_t *alias = &pod->spec.host_aliases.items[i];
        const path_t *here = ITEM (AT (spec, "hostAliases"), i);
        problem_check (problems, AT (here, "ip"), alias->ip ? alias->ip : "", name_rule_ip);
        for (size_t k = 0; k < alias->hostnames.count; k++)
            problem_check (problems, ITEM (AT (here, "hostnames"), k), alias->hostnames.items[k],
                           name_rule_dns_subdomain);
    }
}

// Names that are checked when they are given.
static void
validate_names (problems_t *problems, const path_t *spec, const pod_t *pod)
{
    const struct {
        const char *name, *value;
        const char *(*rule) (const char *text);
    } NAMES[] = {
        { "serviceAccountName", pod->spec.service_account_name, name_rule_dns_subdomain },
        { "nodeName", pod->spec.node_name, name_rule_dns_subdomain },
        { "hostname", pod->spec.hostname, name_rule_dns_label },
        { "subdomain", pod->spec.subdomain, name_rule_dns_label },
        { "priorityClassName", pod->spec.priority_class_name, name_rule_dns_subdomain },
        { "runtimeClassName", pod->spec.runtime_class_name, name_rule_dns_subdomain },
    };
    for (size_t i = 0; i < COUNT_OF (NAMES); i++)
        if (is_given (NAMES[i].value))
            problem_check (problems, AT (spec, NAMES[i].name), NAMES[i].value, NAMES[i].rule);
    validate_labels (problems, AT (spec, "nodeSelector"), pod->spec.node_selector);
}

static void
validate_spec (problems_t *problems, const path_t *spec, const pod_t *pod, const extras_t *extras)
{
    const pod_spec_t *of = &pod->spec;
    const path_t *grace = AT (spec, "terminationGracePeriodSeconds");
    if (!of->termination_grace_s.set)
        problem_required (problems, grace, NULL);
    else if (of->termination_grace_s.value < 0)
        problem_invalid_int (problems, grace, of->termination_grace_s.value,
                             "must be greater than or equal to 0");
    validate_containers (problems, spec, pod);
    validate_resources (problems, AT (spec, "resources"), &of->resources, true);
    validate_resource_list (problems, AT (spec, "overhead"), of->overhead);
    validate_one_of (problems, AT (spec, "restartPolicy"), of->restart_policy, RESTART_POLICIES);
    validate_one_of (problems, AT (spec, "dnsPolicy"), of->dns_policy, DNS_POLICIES);
    validate_pod_security (problems, spec, pod);
    validate_dns (problems, spec, pod, extras);
    validate_lists (problems, spec, pod, extras);
    validate_names (problems, spec, pod);
    validate_one_of (problems, AT (spec, "preemptionPolicy"), extras->preemption_policy,
                     PREEMPTION_POLICIES);
    validate_one_of (problems, AT (AT (spec, "os"), "name"), of->os_name, SYSTEMS);
    if (of->active_deadline_s.set)
        validate_range (problems, AT (spec, "activeDeadlineSeconds"), of->active_deadline_s.value,
                        1, INT32_MAX);
}

int
pod_validate (const pod_t *pod, fault_t *fault)
{
    problems_t problems = { 0 };
    extras_t extras = { 0 };
    const path_t *spec = AT (NULL, "spec");
    OWNED (tree_destroy) tree_t *tree = tree_new();
    if (record_decode (&EXTRAS, node_get (pod->node, "spec"), tree, RECORD_LENIENT, &extras, fault)
        < 0) {
        fault_t inner = *fault;
        return fault_set (fault, inner.code, "spec.%s", inner.text);
    }
    validate_metadata (&problems, pod);
    if (validate_volumes (&problems, AT (spec, "volumes"), pod, tree, fault) < 0)
        return -1;
    validate_spec (&problems, spec, pod, &extras);
    return problems_fault (&problems, fault);
}
