#include "cubelet/csi_places.h"
#include "cubelet/memory.h"
#include "cubelet/pod_names.h"
#include "cubelet/volume_paths.h"
#include <string.h>

/* Moves an owned text into the tree. */
static const char *
keep (tree_t *tree, char *text)
{
    const char *kept = tree_text (tree, text, strlen (text));
    free (text);
    return kept;
}

static void
places_of_directory (const char *root, const csi_volume_t *volume, tree_t *tree, csi_places_t *out)
{
    out->note = keep (tree, csi_pod_directory (root, volume->pod_uid, volume->name));
    out->target = keep (tree, text_format ("%s/mount", out->note));
    out->stage_note = keep (tree, csi_stage_directory (root, volume->driver, volume->handle));
    out->stage = keep (tree, text_format ("%s/globalmount", out->stage_note));
}

static void
places_of_device (const char *root, const csi_volume_t *volume, tree_t *tree, csi_places_t *out)
{
    const char *uid = volume->pod_uid, *name = volume->name;
    OWNED (free_text) char *devices = csi_devices_directory (root);
    OWNED (free_text) char *pod = pod_directory (root, uid);
    out->note = keep (tree, volume_notes_directory (root, uid, "kubernetes.io~csi", name));
    out->target = keep (tree, text_format ("%s/publish/%s/%s", devices, name, uid));
    out->stage_note = keep (tree, text_format ("%s/%s/data", devices, name));
    out->stage = keep (tree, text_format ("%s/staging/%s", devices, name));
    out->map = keep (tree, text_format ("%s/%s/dev/%s", devices, name, uid));
    out->link = keep (tree, text_format ("%s/volumeDevices/kubernetes.io~csi/%s", pod, name));
}

void
csi_places (const char *root, const csi_volume_t *volume, tree_t *tree, csi_places_t *out)
{
    *out = (csi_places_t){ 0 };
    if (volume->is_block)
        places_of_device (root, volume, tree, out);
    else
        places_of_directory (root, volume, tree, out);
}
