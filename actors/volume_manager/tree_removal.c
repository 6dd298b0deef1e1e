#include "tree_removal.h"
#include "cubelet/clock.h"
#include "cubelet/go_text.h"
#include "cubelet/memory.h"
#include "safe_path.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

/* Directories open at a time; deeper ones are moved to the first one. */
#define LEVELS_MAX 32

/* Entries deleted between two looks at the clock. */
#define BATCH 64

typedef struct {
    DIR *directory;
    char *name;      // in the level above; of the first one: in `parent`
    bool is_changed; // since it was read from the start: what is left may have been missed
} level_t;

struct tree_removal {
    char *path; // for faults
    int parent;
    size_t depth;
    level_t levels[LEVELS_MAX];
    unsigned long moved; // makes names for what is moved
};

static int
set_errno_fault (const tree_removal_t *self, const char *name, fault_t *fault)
{
    char text[GO_ERRNO_MAX];
    if (errno == EXDEV || errno == EBUSY)
        return fault_set (fault, FAULT_PRECONDITION,
                          "not removing %s: something is still mounted on %s in it", self->path,
                          name);
    return fault_set (fault, FAULT_INTERNAL, "cannot remove %s in %s: %s", name, self->path,
                      go_errno (errno, text));
}

/* Opens a directory of the level above and makes it the deepest one. */
static int
enter (tree_removal_t *self, int in, const char *name)
{
    int fd =
        safe_open (in, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, SAFE_NO_LINKS | SAFE_NO_MOUNTS);
    if (fd < 0)
        return -1;
    DIR *directory = fdopendir (fd);
    if (!directory) {
        close (fd);
        return -1;
    }
    self->levels[self->depth++] = (level_t){ .directory = directory, .name = text_copy (name) };
    return 0;
}

static void
leave (tree_removal_t *self)
{
    level_t *level = &self->levels[--self->depth];
    closedir (level->directory);
    free (level->name);
}

int
tree_removal_new (const char *path, tree_removal_t **self_p, fault_t *fault)
{
    tree_removal_t *self = memory_new (1, sizeof *self);
    OWNED (free_text) char *parent = text_copy (path);
    char *slash = strrchr (parent, '/');
    *slash = '\0';
    self->path = text_copy (path);
    self->parent = open (*parent ? parent : "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    *self_p = self;
    if (self->parent >= 0 && enter (self, self->parent, slash + 1) == 0)
        return 0;
    int result = errno == ENOENT ? 0 : set_errno_fault (self, slash + 1, fault);
    tree_removal_destroy (self_p);
    return result;
}

void
tree_removal_destroy (tree_removal_t **self_p)
{
    tree_removal_t *self = *self_p;
    if (!self)
        return;
    while (self->depth)
        leave (self);
    close_fd (&self->parent);
    free (self->path);
    free (self);
    *self_p = NULL;
}

/* Moves a directory up to the first level, where it is found later. */
static int
move_up (tree_removal_t *self, int from, const char *name)
{
    level_t *first = &self->levels[0];
    for (;;) {
        char moved[64];
        snprintf (moved, sizeof moved, "..removing-%lu", self->moved++);
        if (renameat (from, name, dirfd (first->directory), moved) == 0)
            break;
        // what a removal that was broken off has left may be in the way
        if (errno != ENOTEMPTY && errno != EEXIST && errno != ENOTDIR)
            return -1;
    }
    first->is_changed = true;
    return 0;
}

/* Removes a file, link or empty directory; a full one becomes the deepest level instead. */
static int
remove_entry (tree_removal_t *self, const char *name, fault_t *fault)
{
    level_t *level = &self->levels[self->depth - 1];
    int in = dirfd (level->directory);
    if (unlinkat (in, name, 0) == 0
        || (errno == EISDIR && unlinkat (in, name, AT_REMOVEDIR) == 0)) {
        level->is_changed = true;
        return 0;
    }
    if (errno == ENOENT)
        return 0;
    if (errno != ENOTEMPTY && errno != EEXIST)
        return set_errno_fault (self, name, fault);
    if (self->depth == LEVELS_MAX ? move_up (self, in, name) < 0 : enter (self, in, name) < 0)
        return set_errno_fault (self, name, fault);
    return 0;
}

/* The deepest directory has been read to its end: removes it, or reads it again. */
static int
finish_level (tree_removal_t *self, fault_t *fault)
{
    level_t *level = &self->levels[self->depth - 1];
    int in = self->depth > 1 ? dirfd (self->levels[self->depth - 2].directory) : self->parent;
    if (unlinkat (in, level->name, AT_REMOVEDIR) == 0 || errno == ENOENT) {
        leave (self);
        if (self->depth)
            self->levels[self->depth - 1].is_changed = true;
        return 0;
    }
    if ((errno != ENOTEMPTY && errno != EEXIST) || !level->is_changed)
        return set_errno_fault (self, level->name, fault);
    level->is_changed = false;
    rewinddir (level->directory);
    return 0;
}

static int
remove_next (tree_removal_t *self, fault_t *fault)
{
    errno = 0;
    struct dirent *entry = readdir (self->levels[self->depth - 1].directory);
    if (!entry && errno)
        return set_errno_fault (self, self->levels[self->depth - 1].name, fault);
    if (!entry)
        return finish_level (self, fault);
    if (strcmp (entry->d_name, ".") == 0 || strcmp (entry->d_name, "..") == 0)
        return 0;
    return remove_entry (self, entry->d_name, fault);
}

int
tree_removal_step (tree_removal_t *self, int budget_ms, fault_t *fault)
{
    int64_t end_ms = clock_monotonic_ms() + budget_ms;
    do {
        for (int i = 0; i < BATCH && self->depth; i++)
            if (remove_next (self, fault) < 0)
                return -1;
    } while (self->depth && clock_monotonic_ms() < end_ms);
    return self->depth ? 0 : 1;
}

int
tree_remove (const char *path, fault_t *fault)
{
    OWNED (tree_removal_destroy) tree_removal_t *removal = NULL;
    if (tree_removal_new (path, &removal, fault) < 0)
        return -1;
    int result = 0;
    while (removal && result == 0)
        result = tree_removal_step (removal, 1000, fault);
    return result < 0 ? -1 : 0;
}
