/* empty_dir.c - emptyDir: a directory on disk, memory, or huge pages. */
#include "cubelet/empty_dir.h"
#include "cubelet/go_quote.h"
#include "cubelet/go_text.h"
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include "cubelet/mounts.h"
#include "cubelet/record_table.h"
#include "cubelet/volume_paths.h"
#include "ownership.h"
#include "safe_path.h"
#include "volume_plugin.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#define NOTES_PLUGIN "kubernetes.io~empty-dir"

typedef struct {
    const char *medium;
    quantity_t size_limit;
} empty_dir_t;

// clang-format off
RECORD_TYPE (EMPTY_DIR, empty_dir_t,
    FIELD (empty_dir_t, medium,     "medium",    TEXT),
    FIELD (empty_dir_t, size_limit, "sizeLimit", QUANTITY));
// clang-format on

/* A volume's medium, and how it comes to be. */
typedef struct {
    const volume_job_t *job;
    const char *medium;
    quantity_t size_limit;
} making_t;

typedef int mount_fn (const making_t *making, fault_t *fault);

static int
set_mount_fault (const char *path, fault_t *fault)
{
    char error[GO_ERRNO_MAX];
    return fault_set (fault, FAULT_INTERNAL, "mount failed: %s: %s", path, go_errno (errno, error));
}

static int
mount_memory (const making_t *making, fault_t *fault)
{
    volume_host_t *host = making->job->host;
    int64_t size = empty_dir_size (making->size_limit, making->job->pod, &host->facts,
                                   host->allocatable_memory);
    OWNED (free_text)
    char *options = size > 0 ? text_format ("size=%lld", (long long) size) : text_copy ("");
    OWNED (free_text) char *with_noswap = text_format ("%s%snoswap", options, *options ? "," : "");
    const char *path = making->job->path;
    if (!host->lacks_noswap && mount ("tmpfs", path, "tmpfs", 0, with_noswap) == 0)
        return 0;
    if (!host->lacks_noswap && errno != EINVAL && errno != EPERM)
        return set_mount_fault (path, fault);
    if (mount ("tmpfs", path, "tmpfs", 0, options) < 0)
        return set_mount_fault (path, fault);
    if (!host->lacks_noswap)
        LOG_INFO ("Volumes in memory may be swapped out: the kernel does not know noswap");
    host->lacks_noswap = true;
    return 0;
}

static int
mount_huge_pages (const making_t *making, fault_t *fault)
{
    const char *size = empty_dir_page_size (making->medium, making->job->pod, fault);
    if (!size)
        return -1;
    OWNED (free_text) char *options = text_format ("pagesize=%s", size);
    if (mount ("nodev", making->job->path, "hugetlbfs", 0, options) < 0)
        return set_mount_fault (making->job->path, fault);
    return 0;
}

typedef struct {
    const char *name;
    bool is_prefix; // of the medium
    mounted_t mounted;
    mount_fn *mount; // NULL: on disk
} medium_t;

static const medium_t MEDIA[] = {
    { "", false, MOUNTED_NOT, NULL },
    { "Memory", false, MOUNTED_TMPFS, mount_memory },
    { "HugePages", false, MOUNTED_HUGETLBFS, mount_huge_pages },
    { "HugePages-", true, MOUNTED_HUGETLBFS, mount_huge_pages },
};

static const medium_t *
find_medium (const char *name)
{
    for (size_t i = 0; i < COUNT_OF (MEDIA); i++)
        if (MEDIA[i].is_prefix ? strncmp (name, MEDIA[i].name, strlen (MEDIA[i].name)) == 0
                               : strcmp (name, MEDIA[i].name) == 0)
            return &MEDIA[i];
    return NULL;
}

/* The directory, open to everybody. What is mounted on it has permissions of its own. */
static int
make_open_directory (const char *path, fault_t *fault)
{
    struct stat stat;
    char error[GO_ERRNO_MAX];
    if (make_directory (path, 0777, fault) < 0)
        return -1;
    if (lstat (path, &stat) == 0 && (stat.st_mode & 0777) != 0777 && chmod (path, 0777) < 0)
        return fault_set (fault, FAULT_INTERNAL, "chmod %s: %s", path, go_errno (errno, error));
    return 0;
}

static int
note_ready (const char *notes, const char *ready, fault_t *fault)
{
    char error[GO_ERRNO_MAX];
    if (make_directory (notes, 0750, fault) < 0)
        return -1;
    OWNED (close_fd) int fd = open (ready, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd < 0)
        return fault_set (fault, FAULT_INTERNAL, "create %s: %s", ready, go_errno (errno, error));
    return 0;
}

int
empty_dir_make (const volume_job_t *job, const char *medium_name, quantity_t size_limit,
                const char *notes_name, fault_t *fault)
{
    const medium_t *medium = find_medium (medium_name);
    if (!medium) {
        OWNED (free_text) char *quoted = go_quote (medium_name);
        return fault_set (fault, FAULT_INVALID, "unknown storage medium %s", quoted);
    }
    OWNED (free_text)
    char *notes = volume_notes_directory (job->host->root_dir, job->pod->metadata.uid, NOTES_PLUGIN,
                                          notes_name);
    OWNED (free_text) char *ready = text_format ("%s/ready", notes);
    bool is_mounted = medium->mount && mounts_at (job->path) == medium->mounted;
    if (access (ready, F_OK) == 0 && (medium->mount ? is_mounted : access (job->path, F_OK) == 0))
        return 0;

    making_t making = { job, medium_name, size_limit };
    const pod_security_context_t *security = &job->pod->spec.security_context;
    if (!is_mounted && make_open_directory (job->path, fault) < 0)
        return -1;
    if (medium->mount && !is_mounted && medium->mount (&making, fault) < 0)
        return -1;
    if (security->fs_group.set
        && ownership_apply (job->path, security->fs_group.value, false, NULL, fault) < 0)
        return -1;
    return note_ready (notes, ready, fault);
}

int
empty_dir_setup (volume_job_t *job, fault_t *fault)
{
    empty_dir_t empty_dir = { 0 };
    if (record_decode (&EMPTY_DIR, job->source, job->tree, RECORD_LENIENT, &empty_dir, fault) < 0)
        return -1;
    return empty_dir_make (job, empty_dir.medium ? empty_dir.medium : "", empty_dir.size_limit,
                           job->name, fault);
}

/* Nothing but tmpfs and hugetlbfs is taken away: what else is there is not of our making. */
int
memory_teardown (const char *path, fault_t *fault)
{
    for (;;) {
        switch (mounts_at (path)) {
        case MOUNTED_NOT: return 0;
        case MOUNTED_OTHER:
            return fault_set (fault, FAULT_PRECONDITION,
                              "%s is neither a tmpfs nor a hugetlbfs, but mounted", path);
        default:
            if (mounts_unmount (path, fault) < 0)
                return -1;
        }
    }
}
