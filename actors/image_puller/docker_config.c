#include "docker_config.h"
#include "cubelet/credential_plugin.h"
#include "cubelet/image_credentials.h"
#include "cubelet/json.h"
#include "cubelet/memory.h"
#include "cubelet/yaml.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define FILE_MAX_BYTES (1 << 20)

/* All bytes of a regular file. Owned, or NULL with a fault. */
static char *
read_file (const char *path, size_t *size_p, fault_t *fault)
{
    struct stat info;
    OWNED (close_fd) int fd = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || fstat (fd, &info) < 0) {
        fault_set (fault, FAULT_UNAVAILABLE, "cannot be read: %s", strerror (errno));
        return NULL;
    }
    if (!S_ISREG (info.st_mode) || info.st_size > FILE_MAX_BYTES) {
        fault_set (fault, FAULT_INVALID, "is no regular file of at most 1 MiB");
        return NULL;
    }
    OWNED (free_text) char *bytes = memory_new ((size_t) info.st_size + 1, 1);
    size_t used = 0;
    for (ssize_t got; used < (size_t) info.st_size; used += (size_t) got)
        if ((got = read (fd, bytes + used, (size_t) info.st_size - used)) <= 0)
            break; // it shrank meanwhile
    *size_p = used;
    return STEAL (bytes);
}

// ---- docker's files ----

static bool
add_file (const char *path, bool is_old, tree_t *tree, node_t *keyring)
{
    size_t size = 0;
    fault_t ignored = { 0 };
    OWNED (free_text) char *bytes = read_file (path, &size, &ignored);
    OWNED (tree_destroy) tree_t *config = bytes ? json_read (bytes, size, &ignored) : NULL;
    node_t entries = node_array();
    if (!config || keyring_add_config (tree, &entries, tree_root (config), is_old, &ignored) < 0)
        return false;
    NODE_EACH (&entries, entry)
    node_append (tree, keyring, *entry);
    return true;
}

void
docker_config_read (const char *root_dir, tree_t *tree, node_t *keyring)
{
    const char *home = getenv ("HOME");
    const struct {
        const char *directory, *file;
        bool is_old;
    } PLACES[] = {
        { root_dir, "config.json", false },   { home, ".docker/config.json", false },
        { "", ".docker/config.json", false }, { root_dir, ".dockercfg", true },
        { home, ".dockercfg", true },         { "", ".dockercfg", true },
    };
    for (size_t i = 0; i < COUNT_OF (PLACES); i++) {
        if (!PLACES[i].directory)
            continue;
        OWNED (free_text) char *path = text_format ("%s/%s", PLACES[i].directory, PLACES[i].file);
        if (add_file (path, PLACES[i].is_old, tree, keyring))
            return;
    }
}

// ---- the plugins' configuration ----

static int
check_programs (const credential_provider_list_t *providers, const char *bin_dir, fault_t *fault)
{
    for (size_t i = 0; i < providers->count; i++) {
        OWNED (free_text)
        char *program = text_format ("%s/%s", bin_dir, providers->items[i].name);
        if (access (program, X_OK) < 0)
            return fault_set (fault, FAULT_NOT_FOUND,
                              "plugin binary executable %s did not exist or cannot be run: %s",
                              program, strerror (errno));
    }
    return 0;
}

int
credential_config_load (const char *path, const char *bin_dir, tree_t *tree, node_t *out,
                        fault_t *fault)
{
    size_t size = 0;
    credential_provider_list_t providers = { 0 };
    OWNED (free_text) char *bytes = read_file (path, &size, fault);
    OWNED (tree_destroy) tree_t *documents = bytes ? yaml_read (bytes, size, fault) : NULL;
    if (!documents)
        return fault_wrap (fault, "%s", path);
    *out = node_copy (tree, node_item (tree_root (documents), 0));
    if (credential_providers_read (out, tree, &providers, fault) < 0
        || check_programs (&providers, bin_dir, fault) < 0)
        return fault_wrap (fault, "%s", path);
    return 0;
}
