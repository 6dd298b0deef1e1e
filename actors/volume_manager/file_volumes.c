/* file_volumes.c - downwardAPI and projected: files made of what is known, in memory. */
#include "atomic_writer.h"
#include "cubelet/go_quote.h"
#include "cubelet/go_text.h"
#include "cubelet/memory.h"
#include "cubelet/volume_paths.h"
#include "safe_path.h"
#include "volume_plugin.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define DEFAULT_MODE 0644
#define TOKEN_SECONDS 3600 // when expirationSeconds is not given

int64_t
volume_default_mode (const node_t *source)
{
    return node_get_int (source, "defaultMode", DEFAULT_MODE);
}

/* Where other volumes are mounted inside of this one, which containers cannot make themselves. */
static int
make_mount_points (const volume_job_t *job, fault_t *fault)
{
    text_list_t nested;
    char error[GO_ERRNO_MAX];
    if (volume_nested_mounts (job->pod, job->name, job->tree, &nested, fault) < 0)
        return -1;
    if (!nested.count)
        return 0;
    OWNED (close_fd) int fd = open (job->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    for (size_t i = 0; i < nested.count; i++) {
        OWNED (close_fd) int there = safe_open (fd, nested.items[i], O_PATH, SAFE_BENEATH);
        if (there >= 0)
            continue; // a file of the volume will do, too
        if (fd < 0 || safe_make_directories (fd, nested.items[i], 0755) < 0)
            return fault_set (fault, FAULT_INTERNAL, "mkdir %s/%s: %s", job->path, nested.items[i],
                              go_errno (errno, error));
    }
    return 0;
}

int
volume_write_files (const volume_job_t *job, const payload_t *payload, bool in_memory,
                    fault_t *fault)
{
    static const quantity_t NO_LIMIT = { 0 };
    OWNED (free_text) char *notes = text_format ("wrapped_%s", job->name);
    if (empty_dir_make (job, in_memory ? "Memory" : "", NO_LIMIT, notes, fault) < 0
        || make_mount_points (job, fault) < 0)
        return -1;
    return atomic_write (job->path, payload, job->pod->spec.security_context.fs_group, fault);
}

// ---- downwardAPI ----

int
downward_setup (volume_job_t *job, fault_t *fault)
{
    payload_t payload = { 0 };
    if (payload_put_downward (&payload, job->tree, job->pod, &job->host->facts,
                              node_get (job->source, "items"), volume_default_mode (job->source),
                              fault)
        < 0)
        return -1;
    return volume_write_files (job, &payload, true, fault);
}

// ---- projected ----

typedef int put_fn (const volume_job_t *job, const node_t *source, int64_t default_mode,
                    payload_t *payload, fault_t *fault);

static int
put_downward (const volume_job_t *job, const node_t *source, int64_t default_mode,
              payload_t *payload, fault_t *fault)
{
    return payload_put_downward (payload, job->tree, job->pod, &job->host->facts,
                                 node_get (source, "items"), default_mode, fault);
}

static int
put_config_map (const volume_job_t *job, const node_t *source, int64_t default_mode,
                payload_t *payload, fault_t *fault)
{
    return config_put (job, PAYLOAD_CONFIG_MAP, node_get_text (source, "name", ""), source,
                       default_mode, payload, fault);
}

static int
put_secret (const volume_job_t *job, const node_t *source, int64_t default_mode, payload_t *payload,
            fault_t *fault)
{
    return config_put (job, PAYLOAD_SECRET, node_get_text (source, "name", ""), source,
                       default_mode, payload, fault);
}

/* The token that the worker got for this source: the pod's service account's, with that audience
   and lifetime. */
static const node_t *
find_token (const volume_job_t *job, const node_t *source)
{
    const char *audience = node_get_text (source, "audience", "");
    int64_t seconds = node_get_int (source, "expirationSeconds", TOKEN_SECONDS);
    NODE_EACH (job->tokens, row)
    {
        if (strcmp (node_get_text (row, "audience", ""), audience) == 0
            && node_get_int (row, "expiration_seconds", TOKEN_SECONDS) == seconds)
            return row;
    }
    return NULL;
}

static int
put_token (const volume_job_t *job, const node_t *source, int64_t default_mode, payload_t *payload,
           fault_t *fault)
{
    const node_t *row = find_token (job, source);
    const char *token = node_get_text (row, "token", NULL);
    if (!token)
        return fault_set (fault, FAULT_PRECONDITION, "%s",
                          node_get_text (row, "error", "failed to fetch token: there is none yet"));
    payload_file_t file = { .path = node_get_text (source, "path", ""),
                            .bytes = token,
                            .size = strlen (token) };
    payload_token_access (job->pod, default_mode, &file);
    return payload_put (payload, job->tree, &file, fault);
}

static const struct {
    const char *name;
    put_fn *put;
} SOURCES[] = {
    { "downwardAPI", put_downward },
    { "configMap", put_config_map },
    { "secret", put_secret },
    { "serviceAccountToken", put_token },
};

static int
put_source (const volume_job_t *job, const node_t *source, payload_t *payload, fault_t *fault)
{
    for (size_t i = 0; i < COUNT_OF (SOURCES); i++) {
        const node_t *found = node_get (source, SOURCES[i].name);
        if (found)
            return SOURCES[i].put (job, found, volume_default_mode (job->source), payload, fault);
    }
    return fault_set (fault, FAULT_UNIMPLEMENTED, "projected source %s is not supported",
                      node_count (source) ? node_key_at (source, 0) : "{}");
}

int
projected_setup (volume_job_t *job, fault_t *fault)
{
    payload_t payload = { 0 };
    fault_list_t faults = { 0 };
    NODE_EACH (node_get (job->source, "sources"), source)
    {
        fault_t bad = { 0 };
        if (put_source (job, source, &payload, &bad) < 0)
            fault_list_add (&faults, &bad);
    }
    if (fault_list_report (&faults, fault) < 0)
        return -1;
    return volume_write_files (job, &payload, true, fault);
}
