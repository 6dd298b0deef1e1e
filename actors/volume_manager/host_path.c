/* host_path.c - hostPath: a file or directory of the node as it is, perhaps checked or made. */
#include "cubelet/go_quote.h"
#include "cubelet/go_text.h"
#include "cubelet/memory.h"
#include "cubelet/path_element.h"
#include "safe_path.h"
#include "volume_plugin.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

typedef int make_fn (const char *path, fault_t *fault);

static int
make_empty_file (const char *path, fault_t *fault)
{
    char error[GO_ERRNO_MAX];
    OWNED (close_fd) int fd = open (path, O_RDONLY | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0)
        return fault_set (fault, FAULT_INTERNAL, "open %s: %s", path, go_errno (errno, error));
    if (fchmod (fd, 0644) < 0)
        return fault_set (fault, FAULT_INTERNAL, "chmod %s: %s", path, go_errno (errno, error));
    return 0;
}

/* With all above it, on ways that may lead over links. */
static int
make_host_directory (const char *path, fault_t *fault)
{
    char error[GO_ERRNO_MAX];
    OWNED (free_text) char *part = text_copy (path);
    for (char *slash = strchr (part + 1, '/');; slash = strchr (slash + 1, '/')) {
        if (slash)
            *slash = '\0';
        bool is_new = mkdir (part, 0755) == 0;
        if ((!is_new && errno != EEXIST) || (is_new && chmod (part, 0755) < 0))
            return fault_set (fault, FAULT_INTERNAL, "mkdir %s: %s", part, go_errno (errno, error));
        if (!slash)
            return 0;
        *slash = '/';
    }
}

static const struct {
    const char *type;
    mode_t format;
    const char *name;
    make_fn *make; // when there is nothing; NULL: that is a fault
} TYPES[] = {
    { "DirectoryOrCreate", S_IFDIR, "a directory", make_host_directory },
    { "Directory", S_IFDIR, "a directory", NULL },
    { "FileOrCreate", S_IFREG, "a file", make_empty_file },
    { "File", S_IFREG, "a file", NULL },
    { "Socket", S_IFSOCK, "a socket file", NULL },
    { "CharDevice", S_IFCHR, "a character device", NULL },
    { "BlockDevice", S_IFBLK, "a block device", NULL },
};

static int
check_type (const char *path, const char *type, fault_t *fault)
{
    for (size_t i = 0; i < COUNT_OF (TYPES); i++) {
        struct stat file = { 0 };
        if (strcmp (TYPES[i].type, type) != 0)
            continue;
        bool is_there = stat (path, &file) == 0;
        if (!is_there && errno == ENOENT && TYPES[i].make)
            return TYPES[i].make (path, fault);
        if (is_there && (file.st_mode & S_IFMT) == TYPES[i].format)
            return 0;
        return fault_set (fault, FAULT_PRECONDITION, "hostPath type check failed: %s is not %s",
                          path, TYPES[i].name);
    }
    return fault_set (fault, FAULT_INVALID, "%s is an invalid volume type", type);
}

// ---- beside the actor: a path may lie on a file server that does not answer ----

typedef struct {
    char *path, *type;
} check_t;

static void
check_destroy (void *data)
{
    check_t *self = data;
    free (self->path);
    free (self->type);
    free (self);
}

static int
check_run (void *data, fault_t *fault)
{
    const check_t *self = data;
    return check_type (self->path, self->type, fault);
}

static void
on_checked (void *context, const fault_t *fault)
{
    volume_job_ended (context, fault);
}

int
host_path_setup (volume_job_t *job, fault_t *fault)
{
    const char *path = node_get_text (job->source, "path", "");
    const char *type = node_get_text (job->source, "type", "");
    if (*path != '/')
        return fault_set (fault, FAULT_INVALID, "invalid HostPath `%s`: must be an absolute path",
                          path);
    if (path_has_back_step (path))
        return fault_set (fault, FAULT_INVALID, "invalid HostPath `%s`: must not contain '..'",
                          path);
    job->host_path = path;
    if (!*type)
        return 0;
    background_t *background = volume_job_background (job, fault);
    if (!background)
        return -1;
    check_t *check = memory_new (1, sizeof *check);
    *check = (check_t){ text_copy (path), text_copy (type) };
    background_add (background, &(background_work_t){ .run = check_run,
                                                      .data = check,
                                                      .destroy = check_destroy,
                                                      .done = on_checked,
                                                      .context = job });
    return VOLUME_PENDING;
}
