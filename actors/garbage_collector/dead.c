#include "collector.h"
#include "cubelet/container_labels.h"
#include "cubelet/memory.h"
#include "cubelet/pod_names.h"
#include <glob.h>
#include <string.h>
#include <unistd.h>

void
dead_logs_remove (const char *logs_dir, const node_t *container)
{
    const node_t *labels = node_get (container, "labels");
    for (size_t i = 0; i < node_count (labels); i++) {
        // of a pod's identity; who else makes containers there may not lead us elsewhere
        bool is_ours = strncmp (node_key_at (labels, i), "io.kubernetes.", 14) == 0;
        if (is_ours && strpbrk (node_as_text (node_value_at (labels, i), ""), "/*?["))
            return;
    }
    OWNED (free_text)
    char *directory = pod_log_directory (logs_dir, node_get_text (labels, LABEL_POD_NAMESPACE, ""),
                                         node_get_text (labels, LABEL_POD_NAME, ""),
                                         node_get_text (labels, LABEL_POD_UID, ""));
    OWNED (free_text)
    char *log = container_log_path (node_get_text (labels, LABEL_CONTAINER_NAME, ""),
                                    node_get_int (node_get (container, "metadata"), "attempt", 0));
    OWNED (free_text) char *pattern = text_format ("%s/%s*", directory, log);
    glob_t found;
    if (glob (pattern, 0, NULL, &found) == 0)
        for (size_t i = 0; i < found.gl_pathc; i++)
            unlink (found.gl_pathv[i]); // what stays goes with the pod's logs
    globfree (&found);
}
