#include "docker_config.h"
#include "cubelet/credential_plugin.h"
#include "cubelet/file_read.h"
#include "cubelet/image_credentials.h"
#include "cubelet/json.h"
#include "cubelet/memory.h"
#include "cubelet/yaml.h"
#include <errno.h>
#include <string.h>
#include <unistd.h>

#define FILE_MAX_BYTES (1 << 20)

// ---- docker's files ----

static bool
add_file (const char *path, bool is_old, tree_t *tree, node_t *keyring)
{
    size_t size = 0;
    fault_t ignored = { 0 };
    OWNED (free_text) char *bytes = file_read (path, FILE_MAX_BYTES, &size, &ignored);
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
    OWNED (free_text) char *bytes = file_read (path, FILE_MAX_BYTES, &size, fault);
    if (!bytes)
        return -1;
    OWNED (tree_destroy) tree_t *documents = yaml_read (bytes, size, fault);
    if (!documents)
        return fault_wrap (fault, "%s", path);
    *out = node_copy (tree, node_item (tree_root (documents), 0));
    if (credential_providers_read (out, tree, &providers, fault) < 0
        || check_programs (&providers, bin_dir, fault) < 0)
        return fault_wrap (fault, "%s", path);
    return 0;
}
