#include "cgroup_fs.h"
#include "cubelet/go_text.h"
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include <czmq.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#define HIERARCHIES_MAX 32
#define FILE_MAX 4096

/* Deeper groups than any runtime makes; the walk stops there. */
#define DEPTH_MAX 32

typedef struct {
    char *directory;
    const char *controllers; // the end of `directory`: "cpu,cpuacct"
    bool is_v2;              // the only one, or the one beside those of v1
} hierarchy_t;

struct cgroup_fs {
    int version;
    size_t count;
    hierarchy_t hierarchies[HIERARCHIES_MAX];
    zhashx_t *missing; // names of files that were logged as missing
};

// ---- files ----

static void
close_directory (DIR **directory_p)
{
    if (*directory_p)
        closedir (*directory_p);
    *directory_p = NULL;
}

/* Writes a file that has to exist; 0, or an errno. */
static int
write_file (const char *path, const char *text)
{
    OWNED (close_fd) int fd = open (path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return errno;
    return write (fd, text, strlen (text)) < 0 ? errno : 0;
}

/* The first `room` - 1 bytes of a file; an empty text when it cannot be read. */
static void
read_file (const char *path, char *out, size_t room)
{
    OWNED (close_fd) int fd = open (path, O_RDONLY | O_CLOEXEC);
    ssize_t size = fd < 0 ? -1 : read (fd, out, room - 1);
    out[size > 0 ? size : 0] = '\0';
}

static bool
has_file (const char *directory, const char *name)
{
    OWNED (free_text) char *path = text_format ("%s/%s", directory, name);
    return access (path, F_OK) == 0;
}

/* Calls for each directory in `path`; links are not followed. */
static void
each_directory (const char *path, cgroup_child_fn *each, void *context)
{
    OWNED (close_directory) DIR *directory = opendir (path);
    for (struct dirent *entry; directory && (entry = readdir (directory));)
        if (entry->d_type == DT_DIR && strcmp (entry->d_name, ".") != 0
            && strcmp (entry->d_name, "..") != 0)
            each (context, entry->d_name);
}

// ---- hierarchies ----

static void
add_hierarchy (cgroup_fs_t *self, const char *directory)
{
    if (self->count == HIERARCHIES_MAX || !has_file (directory, "cgroup.procs"))
        return;
    hierarchy_t *hierarchy = &self->hierarchies[self->count++];
    hierarchy->directory = text_copy (directory);
    hierarchy->controllers = strrchr (hierarchy->directory, '/') + 1;
    hierarchy->is_v2 = has_file (directory, "cgroup.controllers");
}

typedef struct {
    cgroup_fs_t *self;
    const char *mount;
} finding_t;

static void
add_found (void *context, const char *name)
{
    finding_t *finding = context;
    OWNED (free_text) char *directory = text_format ("%s/%s", finding->mount, name);
    add_hierarchy (finding->self, directory);
}

cgroup_fs_t *
cgroup_fs_new (const char *mount, fault_t *fault)
{
    cgroup_fs_t *self = memory_new (1, sizeof *self);
    self->missing = zhashx_new();
    self->version = has_file (mount, "cgroup.controllers") ? 2 : 1;
    if (self->version == 2)
        add_hierarchy (self, mount);
    else
        each_directory (mount, add_found, &(finding_t){ self, mount });
    if (self->count == 0) {
        fault_set (fault, FAULT_UNAVAILABLE, "no cgroup hierarchies under %s", mount);
        cgroup_fs_destroy (&self);
    }
    return self;
}

void
cgroup_fs_destroy (cgroup_fs_t **self_p)
{
    cgroup_fs_t *self = *self_p;
    if (!self)
        return;
    for (size_t i = 0; i < self->count; i++)
        free (self->hierarchies[i].directory);
    zhashx_destroy (&self->missing);
    free (self);
    *self_p = NULL;
}

int
cgroup_fs_version (const cgroup_fs_t *self)
{
    return self->version;
}

/* True when `word` is in the list, which separates by commas or white space. */
static bool
lists_word (const char *list, const char *word)
{
    static const char SEPARATORS[] = ", \n";
    size_t size = strlen (word);
    for (const char *at = list; *(at += strspn (at, SEPARATORS)); at += strcspn (at, SEPARATORS))
        if (strncmp (at, word, size) == 0 && strchr (SEPARATORS, at[size]))
            return true;
    return false;
}

/* Where a controller's files are, or NULL. */
static const hierarchy_t *
hierarchy_of (const cgroup_fs_t *self, const char *controller)
{
    for (size_t i = 0; i < self->count; i++)
        if (self->version == 2 || lists_word (self->hierarchies[i].controllers, controller))
            return &self->hierarchies[i];
    return NULL;
}

// ---- making ----

/* v1: a new cpuset is empty, and no process can enter it. */
static void
inherit_cpuset (const char *parent, const char *group)
{
    static const char *const FILES[] = { "cpuset.cpus", "cpuset.mems" };
    char text[FILE_MAX];
    for (size_t i = 0; i < COUNT_OF (FILES); i++) {
        OWNED (free_text) char *from = text_format ("%s/%s", parent, FILES[i]);
        OWNED (free_text) char *to = text_format ("%s/%s", group, FILES[i]);
        read_file (to, text, sizeof text);
        if (text[strspn (text, " \n")])
            continue;
        read_file (from, text, sizeof text);
        int error = write_file (to, text);
        if (error)
            LOG_V (2, "Cpuset not inherited file=%s err=%s", to, strerror (error));
    }
}

/* v2: lets the children of `parent` have all controllers that it has. One by one, for each may be
   refused. */
static void
enable_controllers (const char *parent)
{
    char has[FILE_MAX], passes_on[FILE_MAX];
    OWNED (free_text) char *controllers = text_format ("%s/cgroup.controllers", parent);
    OWNED (free_text) char *control = text_format ("%s/cgroup.subtree_control", parent);
    read_file (controllers, has, sizeof has);
    read_file (control, passes_on, sizeof passes_on);
    char *rest = NULL;
    for (char *name = strtok_r (has, " \n", &rest); name; name = strtok_r (NULL, " \n", &rest)) {
        if (lists_word (passes_on, name))
            continue;
        OWNED (free_text) char *word = text_format ("+%s", name);
        int error = write_file (control, word);
        if (error)
            LOG_V (2, "Controller not enabled file=%s controller=%s err=%s", control, name,
                   strerror (error));
    }
}

static int
make_in (const hierarchy_t *hierarchy, const char *path, fault_t *fault)
{
    OWNED (free_text) char *parent = text_copy (hierarchy->directory);
    for (const char *at = path; *(at += strspn (at, "/")); at += strcspn (at, "/")) {
        OWNED (free_text)
        char *group = text_format ("%s/%.*s", parent, (int) strcspn (at, "/"), at);
        if (hierarchy->is_v2)
            enable_controllers (parent);
        char error[GO_ERRNO_MAX];
        if (mkdir (group, 0755) < 0 && errno != EEXIST)
            return fault_set (fault, FAULT_INTERNAL, "mkdir %s: %s", group,
                              go_errno (errno, error));
        if (lists_word (hierarchy->controllers, "cpuset"))
            inherit_cpuset (parent, group);
        text_replace (&parent, "%s", group);
    }
    return 0;
}

int
cgroup_fs_make (cgroup_fs_t *self, const char *path, fault_t *fault)
{
    for (size_t i = 0; i < self->count; i++) {
        // Beside v1 runtimes make what they need in the v2 hierarchy, it only has to be removed.
        if (self->hierarchies[i].is_v2 && self->version == 1)
            continue;
        if (make_in (&self->hierarchies[i], path, fault) < 0)
            return -1;
    }
    return 0;
}

// ---- settings ----

static int
pass_over (cgroup_fs_t *self, const cgroup_setting_t *setting)
{
    if (zhashx_insert (self->missing, setting->file, self) == 0)
        LOG_WARNING ("Cgroup setting is not available on this machine controller=%s file=%s",
                     setting->controller, setting->file);
    return 0;
}

int
cgroup_fs_set (cgroup_fs_t *self, const char *path, const cgroup_setting_t *setting, fault_t *fault)
{
    const hierarchy_t *hierarchy = hierarchy_of (self, setting->controller);
    if (!hierarchy)
        return pass_over (self, setting);
    OWNED (free_text)
    char *file = text_format ("%s%s/%s", hierarchy->directory, path, setting->file);
    char text[GO_ERRNO_MAX];
    int error = write_file (file, setting->text);
    // A file cannot be made in a cgroup; EACCES is what trying would give.
    if (error == ENOENT && cgroup_fs_exists (self, path))
        return pass_over (self, setting);
    if (error)
        return fault_set (fault, FAULT_INTERNAL, "cannot write %s to %s: %s", setting->text, file,
                          go_errno (error, text));
    return 0;
}

char *
cgroup_fs_get (const cgroup_fs_t *self, const char *path, const cgroup_setting_t *setting)
{
    char text[FILE_MAX];
    const hierarchy_t *hierarchy = hierarchy_of (self, setting->controller);
    if (!hierarchy)
        return NULL;
    OWNED (free_text)
    char *file = text_format ("%s%s/%s", hierarchy->directory, path, setting->file);
    read_file (file, text, sizeof text);
    text[strcspn (text, "\n")] = '\0';
    return *text ? text_copy (text) : NULL;
}

void
cgroup_fs_each_child (const cgroup_fs_t *self, const char *path, const cgroup_setting_t *setting,
                      cgroup_child_fn *each, void *context)
{
    const hierarchy_t *hierarchy = hierarchy_of (self, setting->controller);
    if (!hierarchy)
        return;
    OWNED (free_text) char *directory = text_format ("%s%s", hierarchy->directory, path);
    each_directory (directory, each, context);
}

bool
cgroup_fs_exists (const cgroup_fs_t *self, const char *path)
{
    for (size_t i = 0; i < self->count; i++)
        if (has_file (self->hierarchies[i].directory, path + 1))
            return true;
    return false;
}

// ---- ending ----

/* A group and how deep it is below the one that the walk began with. */
typedef struct {
    const char *directory;
    int depth;
    int error; // the last one of removing
} walk_t;

static void
kill_processes (const char *directory)
{
    OWNED (free_text) char *path = text_format ("%s/cgroup.procs", directory);
    OWNED (close_file) FILE *file = fopen (path, "re");
    int pid;
    // 0 is a process outside our pid namespace
    while (file && fscanf (file, "%d", &pid) == 1)
        if (pid > 1 && pid != getpid() && kill (pid, SIGKILL) < 0 && errno != ESRCH)
            LOG_WARNING ("Process not killed pid=%d cgroup=%s err=%s", pid, directory,
                         strerror (errno));
    // A paused container's processes die when they go on; other hierarchies have no such file.
    OWNED (free_text) char *freezer = text_format ("%s/freezer.state", directory);
    write_file (freezer, "THAWED");
}

static void
kill_below (void *context, const char *name)
{
    const walk_t *parent = context;
    if (parent->depth == DEPTH_MAX)
        return;
    OWNED (free_text) char *directory = text_format ("%s/%s", parent->directory, name);
    walk_t walk = { directory, parent->depth + 1, 0 };
    each_directory (directory, kill_below, &walk);
    kill_processes (directory);
}

void
cgroup_fs_kill (const cgroup_fs_t *self, const char *path)
{
    for (size_t i = 0; i < self->count; i++) {
        OWNED (free_text)
        char *killer = text_format ("%s%s/cgroup.kill", self->hierarchies[i].directory, path);
        // since Linux 5.14, v2 only, never catches a fork half way
        if (write_file (killer, "1") == 0)
            continue;
        walk_t walk = { self->hierarchies[i].directory, 0, 0 };
        kill_below (&walk, path + 1);
    }
}

static void
remove_below (void *context, const char *name)
{
    walk_t *parent = context;
    if (parent->depth == DEPTH_MAX)
        return;
    OWNED (free_text) char *directory = text_format ("%s/%s", parent->directory, name);
    walk_t walk = { directory, parent->depth + 1, 0 };
    each_directory (directory, remove_below, &walk);
    if (rmdir (directory) < 0 && errno != ENOENT)
        parent->error = errno;
}

int
cgroup_fs_remove (const cgroup_fs_t *self, const char *path, fault_t *fault)
{
    int result = 0;
    char text[GO_ERRNO_MAX];
    for (size_t i = 0; i < self->count; i++) {
        walk_t walk = { self->hierarchies[i].directory, 0, 0 };
        remove_below (&walk, path + 1);
        if (walk.error)
            result = fault_set (fault, FAULT_UNAVAILABLE, "cannot remove %s%s: %s",
                                self->hierarchies[i].directory, path, go_errno (walk.error, text));
    }
    return result;
}
