/* pod_validate_volumes.c - the part of pod_validate for volumes and the downward API. */
#include "cubelet/memory.h"
#include "cubelet/name_rules.h"
#include "cubelet/record_table.h"
#include "pod_validate_internal.h"
#include <stdio.h>
#include <string.h>

#define MODE_MAX 0777
#define MODE_PROBLEM "must be a number between 0 and 0777 (octal), both inclusive"
#define TOKEN_SECONDS_MIN 600
#define TOKEN_SECONDS_MAX (1LL << 32)

/* Every volume source of the API; those without a rule of their own are only counted. */
static const char *const SOURCES[] = {
    "emptyDir",
    "hostPath",
    "gitRepo",
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "secret",
    "nfs",
    "iscsi",
    "glusterfs",
    "flocker",
    "persistentVolumeClaim",
    "rbd",
    "cinder",
    "cephfs",
    "quobyte",
    "downwardAPI",
    "fc",
    "flexVolume",
    "configMap",
    "azureFile",
    "vsphereVolume",
    "photonPersistentDisk",
    "portworxVolume",
    "azureDisk",
    "storageos",
    "projected",
    "scaleIO",
    "csi",
    "ephemeral",
    "image",
};
#define MORE_THAN_ONE "may not specify more than 1 volume type"

// ---- the sources that are looked into ----

typedef struct {
    const char *key;
    const char *path;
    opt_int_t mode;
} key_path_t;

typedef struct {
    const char *path;
    opt_int_t mode;
    field_ref_t *field_ref;
    resource_field_ref_t *resource_field_ref;
} downward_file_t;

typedef LIST_OF (key_path_t) key_path_list_t;
typedef LIST_OF (downward_file_t) downward_file_list_t;

typedef struct {
    const char *name; // of secret volumes: secretName
    opt_int_t default_mode;
    key_path_list_t items;
    opt_bool_t optional;
} config_source_t;

typedef struct {
    opt_int_t default_mode;
    downward_file_list_t items;
} downward_source_t;

typedef struct {
    const char *path;
    const char *audience;
    int64_t expiration_s;
} token_source_t;

typedef struct {
    config_source_t *secret;
    config_source_t *config_map;
    downward_source_t *downward_api;
    token_source_t *token;
    const node_t *trust_bundle;
    const node_t *pod_certificate;
} projection_t;

typedef struct {
    opt_int_t default_mode;
    LIST_OF (projection_t) sources;
} projected_source_t;

typedef struct {
    const char *medium;
    quantity_t size_limit;
} empty_dir_t;

typedef struct {
    const char *path;
    const char *type;
} host_path_t;

typedef struct {
    const char *server;
    const char *path;
    bool read_only;
} nfs_source_t;

typedef struct {
    const char *name; // the one field that has to be there
    bool read_only;
} named_source_t;

typedef struct {
    const node_t *claim_template;
} ephemeral_source_t;

typedef struct {
    empty_dir_t *empty_dir;
    host_path_t *host_path;
    nfs_source_t *nfs;
    config_source_t *secret;
    config_source_t *config_map;
    downward_source_t *downward_api;
    projected_source_t *projected;
    named_source_t *claim;
    named_source_t *csi;
    ephemeral_source_t *ephemeral;
} sources_t;

// clang-format off
RECORD_TYPE (KEY_PATH, key_path_t,
    FIELD (key_path_t, key,  "key",  TEXT),
    FIELD (key_path_t, path, "path", TEXT),
    FIELD (key_path_t, mode, "mode", OPT_INT));
RECORD_TYPE (DOWNWARD_FILE, downward_file_t,
    FIELD (downward_file_t, path, "path", TEXT),
    FIELD (downward_file_t, mode, "mode", OPT_INT),
    FIELD_OF (downward_file_t, field_ref, "fieldRef", OPT_RECORD, FIELD_REF_RECORD),
    FIELD_OF (downward_file_t, resource_field_ref, "resourceFieldRef", OPT_RECORD,
              RESOURCE_FIELD_REF_RECORD));
RECORD_TYPE (SECRET, config_source_t,
    FIELD (config_source_t, name,         "secretName",  TEXT),
    FIELD (config_source_t, default_mode, "defaultMode", OPT_INT),
    FIELD_OF (config_source_t, items,     "items",       LIST, KEY_PATH),
    FIELD (config_source_t, optional,     "optional",    OPT_BOOL));
RECORD_TYPE (CONFIG_MAP, config_source_t,
    FIELD (config_source_t, name,         "name",        TEXT),
    FIELD (config_source_t, default_mode, "defaultMode", OPT_INT),
    FIELD_OF (config_source_t, items,     "items",       LIST, KEY_PATH),
    FIELD (config_source_t, optional,     "optional",    OPT_BOOL));
RECORD_TYPE (DOWNWARD_API, downward_source_t,
    FIELD (downward_source_t, default_mode, "defaultMode", OPT_INT),
    FIELD_OF (downward_source_t, items,     "items",       LIST, DOWNWARD_FILE));
RECORD_TYPE (TOKEN, token_source_t,
    FIELD (token_source_t, path,         "path",              TEXT),
    FIELD (token_source_t, audience,     "audience",          TEXT),
    FIELD (token_source_t, expiration_s, "expirationSeconds", INT));
RECORD_TYPE (PROJECTION, projection_t,
    FIELD_OF (projection_t, secret,       "secret",              OPT_RECORD, CONFIG_MAP),
    FIELD_OF (projection_t, config_map,   "configMap",           OPT_RECORD, CONFIG_MAP),
    FIELD_OF (projection_t, downward_api, "downwardAPI",         OPT_RECORD, DOWNWARD_API),
    FIELD_OF (projection_t, token,        "serviceAccountToken", OPT_RECORD, TOKEN),
    FIELD (projection_t, trust_bundle,    "clusterTrustBundle",  NODE),
    FIELD (projection_t, pod_certificate, "podCertificate",      NODE));
RECORD_TYPE (PROJECTED, projected_source_t,
    FIELD (projected_source_t, default_mode, "defaultMode", OPT_INT),
    FIELD_OF (projected_source_t, sources,   "sources",     LIST, PROJECTION));
RECORD_TYPE (EMPTY_DIR, empty_dir_t,
    FIELD (empty_dir_t, medium,     "medium",    TEXT),
    FIELD (empty_dir_t, size_limit, "sizeLimit", QUANTITY));
RECORD_TYPE (HOST_PATH, host_path_t,
    FIELD (host_path_t, path, "path", TEXT),
    FIELD (host_path_t, type, "type", TEXT));
RECORD_TYPE (NFS, nfs_source_t,
    FIELD (nfs_source_t, server,    "server",   TEXT),
    FIELD (nfs_source_t, path,      "path",     TEXT),
    FIELD (nfs_source_t, read_only, "readOnly", BOOL));
RECORD_TYPE (CLAIM, named_source_t,
    FIELD (named_source_t, name,      "claimName", TEXT),
    FIELD (named_source_t, read_only, "readOnly",  BOOL));
RECORD_TYPE (CSI, named_source_t,
    FIELD (named_source_t, name,      "driver",   TEXT),
    FIELD (named_source_t, read_only, "readOnly", BOOL));
RECORD_TYPE (EPHEMERAL, ephemeral_source_t,
    FIELD (ephemeral_source_t, claim_template, "volumeClaimTemplate", NODE));
RECORD_TYPE (VOLUME, sources_t,
    FIELD_OF (sources_t, empty_dir,    "emptyDir",              OPT_RECORD, EMPTY_DIR),
    FIELD_OF (sources_t, host_path,    "hostPath",              OPT_RECORD, HOST_PATH),
    FIELD_OF (sources_t, nfs,          "nfs",                   OPT_RECORD, NFS),
    FIELD_OF (sources_t, secret,       "secret",                OPT_RECORD, SECRET),
    FIELD_OF (sources_t, config_map,   "configMap",             OPT_RECORD, CONFIG_MAP),
    FIELD_OF (sources_t, downward_api, "downwardAPI",           OPT_RECORD, DOWNWARD_API),
    FIELD_OF (sources_t, projected,    "projected",             OPT_RECORD, PROJECTED),
    FIELD_OF (sources_t, claim,        "persistentVolumeClaim", OPT_RECORD, CLAIM),
    FIELD_OF (sources_t, csi,          "csi",                   OPT_RECORD, CSI),
    FIELD_OF (sources_t, ephemeral,    "ephemeral",             OPT_RECORD, EPHEMERAL));
// clang-format on

// ---- the downward API ----

static bool
is_in (const char *const *list, const char *text, size_t size)
{
    for (; *list; list++)
        if (strlen (*list) == size && memcmp (*list, text, size) == 0)
            return true;
    return false;
}

// metadata.labels['KEY']; KEY is copied to `key`. False when it is of another form.
static bool
split_subscript (const char *path, size_t *name_size, char *key, size_t key_room)
{
    const char *open = strstr (path, "['");
    size_t size = strlen (path);
    if (!open || size < 4 || strcmp (path + size - 2, "']") != 0 || open + 2 > path + size - 2)
        return false;
    *name_size = (size_t) (open - path);
    size_t key_size = (size_t) (path + size - 2 - (open + 2));
    if (key_size >= key_room)
        return false;
    memcpy (key, open + 2, key_size);
    key[key_size] = '\0';
    return true;
}

void
validate_field_ref (problems_t *problems, const path_t *path, const field_ref_t *ref,
                    const char *const *allowed)
{
    static const char *const SUBSCRIPTED[] = { "metadata.annotations", "metadata.labels", NULL };
    char key[512];
    size_t size = 0;
    const path_t *where = AT (path, "fieldPath");
    if (!is_given (ref->field_path))
        problem_required (problems, where, NULL);
    else if (split_subscript (ref->field_path, &size, key, sizeof key)) {
        if (is_in (SUBSCRIPTED, ref->field_path, size))
            problem_check (problems, path, key, name_rule_qualified_name);
        else
            problem_invalid (problems, path, ref->field_path, "does not support subscript");
    }
    else if (!is_in (allowed, ref->field_path, strlen (ref->field_path)))
        problem_not_supported (problems, where, ref->field_path, allowed);
}

/* A divisor is one unit of what is asked for. */
static void
validate_divisor (problems_t *problems, const path_t *path, const resource_field_ref_t *ref)
{
    static const char *const UNITS[] = { "1",   "1k",  "1M",  "1G",  "1T",  "1P", "1E",
                                         "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei" };
    static const char *const CPU_UNITS[] = { "1m", "1" };
    const char *dot = ref->resource ? strchr (ref->resource, '.') : NULL;
    bool is_cpu = dot && strcmp (dot, ".cpu") == 0;
    if (quantity_is_zero (ref->divisor))
        return;
    const char *const *units = is_cpu ? CPU_UNITS : UNITS;
    for (size_t i = 0; i < (is_cpu ? COUNT_OF (CPU_UNITS) : COUNT_OF (UNITS)); i++) {
        quantity_t unit;
        fault_t ignored = { 0 };
        if (quantity_parse (units[i], &unit, &ignored) == 0
            && quantity_compare (unit, ref->divisor) == 0)
            return;
    }
    char detail[192];
    snprintf (detail, sizeof detail,
              is_cpu ? "only divisor's values 1m and 1 are supported with the cpu resource"
                     : "only divisor's values 1, 1k, 1M, 1G, 1T, 1P, 1E, 1Ki, 1Mi, 1Gi, 1Ti, 1Pi, "
                       "1Ei are supported with the memory resource");
    problem_invalid (problems, AT (path, "divisor"), ref->resource ? ref->resource : "", detail);
}

void
validate_resource_field_ref (problems_t *problems, const path_t *path,
                             const resource_field_ref_t *ref, bool needs_container)
{
    static const char *const ALLOWED[] = { "limits.cpu",
                                           "limits.ephemeral-storage",
                                           "limits.memory",
                                           "requests.cpu",
                                           "requests.ephemeral-storage",
                                           "requests.memory",
                                           NULL };
    const char *resource = ref->resource ? ref->resource : "";
    if (needs_container && !is_given (ref->container_name))
        problem_required (problems, AT (path, "containerName"), NULL);
    else if (!*resource)
        problem_required (problems, AT (path, "resource"), NULL);
    else if (!is_in (ALLOWED, resource, strlen (resource))
             && strncmp (resource, "limits.hugepages-", 17) != 0
             && strncmp (resource, "requests.hugepages-", 19) != 0)
        problem_not_supported (problems, AT (path, "resource"), resource, ALLOWED);
    validate_divisor (problems, path, ref);
}

// ---- files of a volume ----

static void
validate_mode (problems_t *problems, const path_t *path, const opt_int_t *mode)
{
    if (mode->set && (mode->value < 0 || mode->value > MODE_MAX))
        problem_invalid_int (problems, path, mode->value, MODE_PROBLEM);
}

// The path of a file in a volume: relative, and out of the way of the writer's "..data".
static void
validate_file_path (problems_t *problems, const path_t *path, const char *value)
{
    if (!is_given (value)) {
        problem_required (problems, path, NULL);
        return;
    }
    validate_relative_path (problems, path, value);
    if (strncmp (value, "..", 2) == 0 && value[2] != '/' && value[2] != '\0')
        problem_invalid (problems, path, value, "must not start with '..'");
}

static void
validate_items (problems_t *problems, const path_t *path, const config_source_t *source)
{
    for (size_t i = 0; i < source->items.count; i++) {
        const key_path_t *item = &source->items.items[i];
        const path_t *here = ITEM (AT (path, "items"), i);
        if (!is_given (item->key))
            problem_required (problems, AT (here, "key"), NULL);
        validate_file_path (problems, AT (here, "path"), item->path);
        validate_mode (problems, AT (here, "mode"), &item->mode);
    }
}

static void
validate_downward_files (problems_t *problems, const path_t *path, const downward_source_t *source)
{
    static const char *const FIELDS[] = { "metadata.annotations", "metadata.labels",
                                          "metadata.name",        "metadata.namespace",
                                          "metadata.uid",         NULL };
    for (size_t i = 0; i < source->items.count; i++) {
        const downward_file_t *file = &source->items.items[i];
        const path_t *here = ITEM (AT (path, "items"), i);
        validate_file_path (problems, AT (here, "path"), file->path);
        validate_mode (problems, AT (here, "mode"), &file->mode);
        if (file->field_ref)
            validate_field_ref (problems, AT (here, "fieldRef"), file->field_ref, FIELDS);
        if (file->resource_field_ref)
            validate_resource_field_ref (problems, AT (here, "resourceFieldRef"),
                                         file->resource_field_ref, true);
        if (file->field_ref && file->resource_field_ref)
            problem_invalid (problems, here, "resource",
                             "fieldRef and resourceFieldRef can not be specified simultaneously");
        if (!file->field_ref && !file->resource_field_ref)
            problem_required (problems, here, "one of fieldRef and resourceFieldRef is required");
    }
}

static void
validate_config (problems_t *problems, const path_t *path, const config_source_t *source,
                 const char *name_field)
{
    if (!source)
        return;
    if (!is_given (source->name))
        problem_required (problems, AT (path, name_field), NULL);
    validate_mode (problems, AT (path, "defaultMode"), &source->default_mode);
    validate_items (problems, path, source);
}

static void
validate_downward (problems_t *problems, const path_t *path, const downward_source_t *source)
{
    if (!source)
        return;
    validate_mode (problems, AT (path, "defaultMode"), &source->default_mode);
    validate_downward_files (problems, path, source);
}

static void
validate_token (problems_t *problems, const path_t *path, const token_source_t *token,
                const pod_t *pod)
{
    const path_t *expiration = AT (path, "expirationSeconds");
    if (token->expiration_s < TOKEN_SECONDS_MIN)
        problem_invalid_int (problems, expiration, token->expiration_s,
                             "may not specify a duration less than 10 minutes");
    if (token->expiration_s > TOKEN_SECONDS_MAX)
        problem_invalid_int (problems, expiration, token->expiration_s,
                             "may not specify a duration larger than 2^32 seconds");
    validate_file_path (problems, AT (path, "path"), token->path);
    if (!is_given (pod->spec.service_account_name))
        problem_forbidden (problems, path,
                           "must not be specified when serviceAccountName is not set");
}

// All files of a projected volume lie in one directory.
static void
validate_unique_paths (problems_t *problems, const path_t *path,
                       const projected_source_t *projected)
{
    size_t count = 0, room = 0;
    for (size_t i = 0; i < projected->sources.count; i++) {
        const projection_t *source = &projected->sources.items[i];
        room += (source->secret ? source->secret->items.count : 0)
                + (source->config_map ? source->config_map->items.count : 0)
                + (source->downward_api ? source->downward_api->items.count : 0);
    }
    const char **seen = memory_new (room, sizeof *seen);
    for (size_t i = 0; i < projected->sources.count; i++) {
        const projection_t *source = &projected->sources.items[i];
        const config_source_t *const CONFIGS[] = { source->secret, source->config_map };
        for (size_t c = 0; c < COUNT_OF (CONFIGS); c++)
            for (size_t k = 0; CONFIGS[c] && k < CONFIGS[c]->items.count; k++)
                if (is_given (CONFIGS[c]->items.items[k].path))
                    seen[count++] = CONFIGS[c]->items.items[k].path;
        for (size_t k = 0; source->downward_api && k < source->downward_api->items.count; k++)
            if (is_given (source->downward_api->items.items[k].path))
                seen[count++] = source->downward_api->items.items[k].path;
    }
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < i; k++)
            if (strcmp (seen[i], seen[k]) == 0) {
                problem_invalid (problems, path, seen[i], "conflicting duplicate paths");
                break;
            }
    free (seen);
}

static void
validate_projected (problems_t *problems, const path_t *path, const projected_source_t *projected,
                    const pod_t *pod)
{
    if (!projected)
        return;
    validate_mode (problems, AT (path, "defaultMode"), &projected->default_mode);
    for (size_t i = 0; i < projected->sources.count; i++) {
        const projection_t *source = &projected->sources.items[i];
        const path_t *here = ITEM (AT (path, "sources"), i);
        validate_config (problems, AT (here, "secret"), source->secret, "name");
        validate_config (problems, AT (here, "configMap"), source->config_map, "name");
        validate_downward (problems, AT (here, "downwardAPI"), source->downward_api);
        if (source->token)
            validate_token (problems, AT (here, "serviceAccountToken"), source->token, pod);
        int given = (source->secret != NULL) + (source->config_map != NULL)
                    + (source->downward_api != NULL) + (source->token != NULL)
                    + (source->trust_bundle != NULL) + (source->pod_certificate != NULL);
        if (given > 1)
            problem_forbidden (problems, here,
                               "may not specify more than 1 volume type per source");
        if (given == 0)
            problem_required (problems, here, "must specify a volume type");
    }
    validate_unique_paths (problems, path, projected);
}

// ---- volumes ----

static void
validate_paths (problems_t *problems, const path_t *path, const sources_t *sources)
{
    static const char *const TYPES[] = {
        "",     "BlockDevice",  "CharDevice", "Directory", "DirectoryOrCreate",
        "File", "FileOrCreate", "Socket",     NULL
    };
    if (sources->host_path) {
        const path_t *here = AT (path, "hostPath");
        if (!is_given (sources->host_path->path))
            problem_required (problems, AT (here, "path"), NULL);
        validate_no_backsteps (problems, AT (here, "path"), sources->host_path->path);
        validate_one_of (problems, AT (here, "type"), sources->host_path->type, TYPES);
    }
    if (sources->nfs) {
        const path_t *here = AT (path, "nfs");
        if (!is_given (sources->nfs->server))
            problem_required (problems, AT (here, "server"), NULL);
        if (!is_given (sources->nfs->path))
            problem_required (problems, AT (here, "path"), NULL);
        else if (sources->nfs->path[0] != '/')
            problem_invalid (problems, AT (here, "path"), sources->nfs->path,
                             "must be an absolute path");
    }
    if (sources->empty_dir && sources->empty_dir->size_limit.set
        && sources->empty_dir->size_limit.nano < 0)
        problem_forbidden (problems, AT (AT (path, "emptyDir"), "sizeLimit"),
                           "SizeLimit field must be a valid resource quantity");
}

static void
validate_sources (problems_t *problems, const path_t *path, const node_t *volume,
                  const sources_t *sources, const pod_t *pod)
{
    size_t given = 0;
    for (size_t i = 0; i < COUNT_OF (SOURCES); i++)
        if (node_get (volume, SOURCES[i]) && given++ > 0)
            problem_forbidden (problems, AT (path, SOURCES[i]), MORE_THAN_ONE);
    if (given == 0)
        problem_required (problems, path, "must specify a volume type");
    validate_paths (problems, path, sources);
    validate_config (problems, AT (path, "secret"), sources->secret, "secretName");
    validate_config (problems, AT (path, "configMap"), sources->config_map, "name");
    validate_downward (problems, AT (path, "downwardAPI"), sources->downward_api);
    validate_projected (problems, AT (path, "projected"), sources->projected, pod);
    if (sources->claim && !is_given (sources->claim->name))
        problem_required (problems, AT (AT (path, "persistentVolumeClaim"), "claimName"), NULL);
    if (sources->csi && !is_given (sources->csi->name))
        problem_required (problems, AT (AT (path, "csi"), "driver"), NULL);
    if (sources->ephemeral && !node_is_map (sources->ephemeral->claim_template))
        problem_required (problems, AT (AT (path, "ephemeral"), "volumeClaimTemplate"), NULL);
}

int
validate_volumes (problems_t *problems, const path_t *path, const pod_t *pod, tree_t *tree,
                  fault_t *fault)
{
    for (size_t i = 0; i < pod->spec.volumes.count; i++) {
        const volume_t *volume = &pod->spec.volumes.items[i];
        const path_t *here = ITEM (path, i);
        sources_t sources = { 0 };
        if (record_decode (&VOLUME, volume->node, tree, RECORD_LENIENT, &sources, fault) < 0) {
            char where[PATH_TEXT_MAX];
            fault_t inner = *fault;
            return fault_set (fault, inner.code, "%s.%s", path_text (here, where), inner.text);
        }
        validate_name (problems, AT (here, "name"), volume->name, name_rule_dns_label);
        for (size_t k = 0; is_given (volume->name) && k < i; k++) {
            const char *other = pod->spec.volumes.items[k].name;
            if (other && strcmp (other, volume->name) == 0) {
                problem_duplicate (problems, AT (here, "name"), volume->name);
                break;
            }
        }
        validate_sources (problems, here, volume->node, &sources, pod);
    }
    return 0;
}
