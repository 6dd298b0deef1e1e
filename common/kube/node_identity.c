#include "cubelet/node_identity.h"
#include "cubelet/cgroup_read.h"
#include "cubelet/initial_node.h"
#include "cubelet/memory.h"
#include <string.h>
#include <sys/utsname.h>

#define FILE_BYTES_MAX 4096
#define BLANKS " \t\r\n"

static const char *const MACHINE_ID[] = { "/etc/machine-id", "/var/lib/dbus/machine-id", NULL };
static const char *const SYSTEM_UUID[] = {
    "/sys/class/dmi/id/product_uuid",
    "/proc/device-tree/system-id",
    "/proc/device-tree/vm,uuid",
    NULL,
};
static const char *const BOOT_ID[] = { "/proc/sys/kernel/random/boot_id", NULL };
static const char *const OS_RELEASE[] = { "/etc/os-release", "/usr/lib/os-release", NULL };

/* The first of the files that holds something, without blanks around it. Owned; NULL: none. */
static char *
read_first (const char *root, const char *const *paths)
{
    for (; *paths; paths++) {
        // not file_read: files of /proc say that they have no bytes
        char text[FILE_BYTES_MAX];
        OWNED (free_text) char *path = text_format ("%s%s", root, *paths);
        if (!short_file_read (path, text, sizeof text))
            continue;
        const char *begin = text + strspn (text, BLANKS);
        size_t size = strlen (begin);
        while (size > 0 && strchr (BLANKS, begin[size - 1]))
            size--;
        if (size > 0)
            return text_format ("%.*s", (int) size, begin);
    }
    return NULL;
}

/* The value of PRETTY_NAME, quoted or not. */
static node_t
os_image (tree_t *tree, const char *release)
{
    static const char KEY[] = "PRETTY_NAME=";
    const char *line = release;
    while (line && strncmp (line, KEY, strlen (KEY)) != 0) {
        line = strchr (line, '\n');
        line = line ? line + 1 : NULL;
    }
    if (!line)
        return node_text (tree, "Linux");
    line += strlen (KEY);
    size_t size = strcspn (line, "\n");
    if (size >= 2 && (*line == '"' || *line == '\'') && line[size - 1] == *line)
        return node_text_sized (tree, line + 1, size - 2);
    return node_text_sized (tree, line, size);
}

node_t
node_identity_read (const char *root, tree_t *tree)
{
    struct utsname kernel;
    bool has_kernel = uname (&kernel) == 0;
    OWNED (free_text) char *machine = read_first (root, MACHINE_ID);
    OWNED (free_text) char *system = read_first (root, SYSTEM_UUID);
    OWNED (free_text) char *boot = read_first (root, BOOT_ID);
    OWNED (free_text) char *release = read_first (root, OS_RELEASE);
    const char *machine_id = machine ? machine : "";
    node_t info = node_map();
    node_set_text (tree, &info, "machineID", machine_id);
    node_set_text (tree, &info, "systemUUID", system ? system : machine_id);
    node_set_text (tree, &info, "bootID", boot ? boot : "");
    node_set_text (tree, &info, "kernelVersion", has_kernel ? kernel.release : "");
    node_set (tree, &info, "osImage", os_image (tree, release));
    node_set_text (tree, &info, "kubeletVersion", CUBELET_VERSION);
    node_set_text (tree, &info, "kubeProxyVersion", "");
    node_set_text (tree, &info, "operatingSystem", "linux");
    node_set_text (tree, &info, "architecture", has_kernel ? go_architecture (kernel.machine) : "");
    return info;
}
