/* local.c - local PersistentVolumes: a directory of the node bound into the pod's, or a device. */
#include "cubelet/go_quote.h"
#include "cubelet/go_text.h"
#include "cubelet/memory.h"
#include "cubelet/mounts.h"
#include "cubelet/path_element.h"
#include "cubelet/pod_names.h"
#include "cubelet/volume_claim.h"
#include "safe_path.h"
#include "volume_plugin.h"
#include <errno.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

static int
set_errno_fault (const char *what, const char *path, fault_t *fault)
{
    char error[GO_ERRNO_MAX];
    return fault_set (fault, FAULT_INTERNAL, "%s %s: %s", what, path, go_errno (errno, error));
}

static int
bind_directory (volume_job_t *job, const char *from, fault_t *fault)
{
    unsigned long flags;
    const char *data;
    mount_options_read (node_at (job->pv, "spec", "mountOptions", NULL), job->tree, &flags, &data);
    if (*data)
        return fault_set (fault, FAULT_INVALID, "mount failed: %s: unknown mount options %s",
                          job->path, data);
    flags |= job->is_claim_read_only ? MS_RDONLY : 0;
    if (make_directory (job->path, 0750, fault) < 0)
        return -1;
    if (mounts_is_mounted (job->path, job->tree))
        return 0;
    if (mount (from, job->path, NULL, MS_BIND | MS_REC, NULL) < 0)
        return set_errno_fault ("mount failed:", job->path, fault);
    // a bind mount takes its options only when mounted a second time
    if (flags && mount (NULL, job->path, NULL, MS_BIND | MS_REMOUNT | flags, NULL) < 0) {
        set_errno_fault ("mount failed:", job->path, fault);
        fault_t ignored = { 0 };
        mounts_unmount (job->path, &ignored);
        return -1;
    }
    return 0;
}

// ---- devices ----

/* A link in the pod's directory to the device, as upstream has it. */
static int
link_device (volume_job_t *job, const char *device, fault_t *fault)
{
    job->step = "MapVolume.MapBlockVolume";
    OWNED (free_text) char *pod = pod_directory (job->host->root_dir, job->pod->metadata.uid);
    OWNED (free_text)
    char *directory = text_format ("%s/volumeDevices/kubernetes.io~local-volume", pod);
    OWNED (free_text) char *link = text_format ("%s/%s", directory, job->name);
    OWNED (free_text) char *real = realpath (device, NULL);
    if (!real)
        return set_errno_fault ("stat", device, fault);
    if (make_directory (directory, 0750, fault) < 0)
        return -1;
    if (unlink (link) < 0 && errno != ENOENT)
        return set_errno_fault ("remove", link, fault);
    if (symlink (real, link) < 0)
        return set_errno_fault ("symlink", link, fault);
    job->host_path = tree_text (job->tree, link, strlen (link));
    job->is_block = true;
    return 0;
}

int
local_setup (volume_job_t *job, fault_t *fault)
{
    const char *path = node_get_text (job->source, "path", "");
    struct stat file;
    if (*path != '/' || path_has_back_step (path))
        return fault_set (fault, FAULT_INVALID, "invalid path: %s", path);
    if (stat (path, &file) < 0) {
        OWNED (free_text) char *quoted = go_quote (path);
        job->step = "MountVolume.NewMounter initialization";
        return fault_set (fault, FAULT_NOT_FOUND, "path %s does not exist", quoted);
    }
    if (job->wants_block)
        return S_ISBLK (file.st_mode)
                   ? link_device (job, path, fault)
                   : fault_set (fault, FAULT_PRECONDITION, "path %s is not a block device", path);
    if (!S_ISDIR (file.st_mode))
        return fault_set (fault, FAULT_UNIMPLEMENTED,
                          "path %s is not a directory: local devices are not formatted", path);
    return bind_directory (job, path, fault) < 0 ? -1 : volume_give_to_group (job, fault);
}

int
bind_teardown (const char *path, fault_t *fault)
{
    char error[GO_ERRNO_MAX];
    while (umount2 (path, UMOUNT_NOFOLLOW) == 0)
        continue;
    if (errno == EINVAL || errno == ENOENT)
        return 0; // nothing is mounted any more
    return fault_set (fault, FAULT_UNAVAILABLE, "unmount %s: %s", path, go_errno (errno, error));
}
