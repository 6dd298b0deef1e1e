#include "cubelet/hosts_file.h"
#include "cubelet/memory.h"
#include <string.h>

#define HOSTS_PATH "/etc/hosts"

static const char OWN_HEADER[] = "# Kubernetes-managed hosts file.\n"
                                 "127.0.0.1\tlocalhost\n"
                                 "::1\tlocalhost ip6-localhost ip6-loopback\n"
                                 "fe00::0\tip6-localnet\n"
                                 "fe00::0\tip6-mcastprefix\n"
                                 "fe00::1\tip6-allnodes\n"
                                 "fe00::2\tip6-allrouters\n";
static const char HOST_HEADER[] = "# Kubernetes-managed hosts file (host network).\n";
static const char ALIAS_HEADER[] = "\n# Entries added by HostAliases.\n";

static void
write_own (const pod_hostname_t *hostname, text_list_t pod_ips, FILE *out)
{
    fputs (OWN_HEADER, out);
    for (size_t i = 0; i < pod_ips.count; i++) {
        fputs (pod_ips.items[i], out);
        if (*hostname->domain)
            fprintf (out, "\t%s.%s", hostname->name, hostname->domain);
        fprintf (out, "\t%s\n", hostname->name);
    }
}

static void
write_aliases (const pod_t *pod, FILE *out)
{
    if (pod->spec.host_aliases.count > 0)
        fputs (ALIAS_HEADER, out);
    for (size_t i = 0; i < pod->spec.host_aliases.count; i++) {
        const host_alias_t *alias = &pod->spec.host_aliases.items[i];
        fprintf (out, "%s\t", alias->ip ? alias->ip : "");
        for (size_t k = 0; k < alias->hostnames.count; k++)
            fprintf (out, "%s%s", k ? "\t" : "", alias->hostnames.items[k]);
        fputc ('\n', out);
    }
}

char *
hosts_file (const pod_t *pod, const pod_hostname_t *hostname, text_list_t pod_ips,
            const char *node_hosts)
{
    char *contents = NULL;
    size_t size = 0;
    FILE *out = open_memstream (&contents, &size);
    if (!out)
        abort();
    if (pod->spec.host_network) {
        fputs (HOST_HEADER, out);
        fputs (node_hosts ? node_hosts : "", out);
    }
    else
        write_own (hostname, pod_ips, out);
    write_aliases (pod, out);
    if (fclose (out) != 0)
        abort(); // only memory can run out here
    return contents;
}

bool
hosts_file_is_mounted (const pod_t *pod, const container_t *container, text_list_t pod_ips)
{
    for (size_t i = 0; i < container->volume_mounts.count; i++) {
        const char *path = container->volume_mounts.items[i].mount_path;
        if (path && strcmp (path, HOSTS_PATH) == 0)
            return false;
    }
    return pod->spec.host_network || pod_ips.count > 0;
}
