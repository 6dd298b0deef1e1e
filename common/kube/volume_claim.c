#include "cubelet/volume_claim.h"
#include "cubelet/go_quote.h"
#include "cubelet/memory.h"
#include "cubelet/pod_objects.h"
#include "optional.h"
#include <string.h>
#include <sys/mount.h>

/* An ephemeral volume's claim belongs to its pod, or to somebody else by the same name. */
static bool
is_owned_by (const node_t *claim, const pod_t *pod)
{
    NODE_EACH (node_at (claim, "metadata", "ownerReferences", NULL), owner)
    {
        if (node_get_bool (owner, "controller", false)
            && strcmp (node_get_text (owner, "uid", ""), text_or_empty (pod->metadata.uid)) == 0)
            return true;
    }
    return false;
}

static int
check_claim (const node_t *claim, fault_t *fault)
{
    // Pods that use a claim that is being deleted must not be started.
    if (node_at (claim, "metadata", "deletionTimestamp", NULL))
        return fault_set (fault, FAULT_PRECONDITION, "PVC is being deleted");
    if (strcmp (node_as_text (node_at (claim, "status", "phase", NULL), ""), "Bound") != 0)
        return fault_set (fault, FAULT_PRECONDITION, "PVC is not bound");
    if (!*node_as_text (node_at (claim, "spec", "volumeName", NULL), ""))
        return fault_set (fault, FAULT_PRECONDITION, "PVC has empty pvc.Spec.VolumeName");
    return 0;
}

static int
check_volume (const node_t *pv, const node_t *claim, const char *name, fault_t *fault)
{
    const char *uid = node_as_text (node_at (claim, "metadata", "uid", NULL), "");
    const node_t *ref = node_at (pv, "spec", "claimRef", NULL);
    OWNED (free_text) char *quoted = go_quote (name);
    if (!pv)
        return fault_set (fault, FAULT_NOT_FOUND,
                          "failed to fetch PV %s from API server: persistentvolumes %s not found",
                          name, quoted);
    if (!ref)
        return fault_set (fault, FAULT_PRECONDITION,
                          "found PV object %s but it has a nil pv.Spec.ClaimRef indicating it is "
                          "not yet bound to the claim",
                          quoted);
    if (strcmp (node_get_text (ref, "uid", ""), uid) != 0)
        return fault_set (fault, FAULT_PRECONDITION,
                          "found PV object %s but its pv.Spec.ClaimRef.UID %s does not point to "
                          "claim.UID %s",
                          quoted, node_get_text (ref, "uid", ""), uid);
    return 0;
}

/* The row's claim and volume, checked. */
static int
find_volume (const pod_t *pod, const volume_t *volume, const node_t *objects, const char *name,
             claimed_volume_t *out, fault_t *fault)
{
    const char *namespace = text_or_empty (pod->metadata.namespace);
    const node_t *claim = object_find (objects, KIND_CLAIM, namespace, name, fault);
    if (!claim)
        return fault_wrap (fault, "failed to fetch PVC from API server");
    if (node_get (volume->node, "ephemeral") && !is_owned_by (claim, pod))
        return fault_set (fault, FAULT_PRECONDITION,
                          "PVC %s/%s was not created for pod %s/%s (pod is not owner)", namespace,
                          name, namespace, text_or_empty (pod->metadata.name));
    if (check_claim (claim, fault) < 0)
        return -1;
    out->claim = claim;
    out->pv_name = node_as_text (node_at (claim, "spec", "volumeName", NULL), "");
    out->pv = node_get (object_row (objects, KIND_CLAIM, namespace, name), "volume");
    out->source = node_get (out->pv, "spec");
    return check_volume (out->pv, claim, out->pv_name, fault);
}

static int
check_mode (const claimed_volume_t *found, const char *volume, bool wants_block, fault_t *fault)
{
    if (found->is_block == wants_block)
        return 0;
    return fault_set (fault, FAULT_PRECONDITION,
                      found->is_block
                          ? "volume %s has volumeMode Block, but is specified in volumeMounts"
                          : "volume %s has volumeMode Filesystem, but is specified in "
                            "volumeDevices",
                      volume);
}

int
claim_resolve (const pod_t *pod, const volume_t *volume, const node_t *objects, bool wants_block,
               tree_t *tree, claimed_volume_t *out, fault_t *fault)
{
    const char *name = text_or_empty (pod_volume_claim (pod, volume, tree));
    const char *shown = text_or_empty (volume->name);
    fault_t why = { 0 };
    *out = (claimed_volume_t){ 0 };
    bool is_found = find_volume (pod, volume, objects, name, out, &why) == 0;
    out->is_read_only =
        node_as_bool (node_at (volume->node, "persistentVolumeClaim", "readOnly", NULL), false);
    out->is_block = strcmp (node_get_text (out->source, "volumeMode", ""), "Block") == 0;
    if (is_found && check_mode (out, shown, wants_block, &why) == 0)
        return 0;
    if (!is_found)
        fault_wrap (&why, "error processing PVC %s/%s", text_or_empty (pod->metadata.namespace),
                    name);
    return fault_set (fault, why.code,
                      "Unable to attach or mount volumes: unmounted volumes=[%s], unattached "
                      "volumes=[], failed to process volumes=[%s]: %s",
                      shown, shown, why.text);
}

// ---- mount options ----

void
mount_options_read (const node_t *options, tree_t *tree, unsigned long *flags, const char **data)
{
    static const struct {
        const char *name;
        unsigned long flag;
    } FLAGS[] = {
        { "ro", MS_RDONLY },         { "noexec", MS_NOEXEC },
        { "nosuid", MS_NOSUID },     { "nodev", MS_NODEV },
        { "noatime", MS_NOATIME },   { "nodiratime", MS_NODIRATIME },
        { "relatime", MS_RELATIME }, { "sync", MS_SYNCHRONOUS },
        { "dirsync", MS_DIRSYNC },   { "strictatime", MS_STRICTATIME },
    };
    OWNED (free_text) char *rest = text_copy ("");
    *flags = 0;
    NODE_EACH (options, option)
    {
        const char *text = node_as_text (option, "");
        size_t i = 0;
        while (i < COUNT_OF (FLAGS) && strcmp (FLAGS[i].name, text) != 0)
            i++;
        if (i < COUNT_OF (FLAGS))
            *flags |= FLAGS[i].flag;
        else if (*text)
            text_replace (&rest, "%s%s%s", rest, *rest ? "," : "", text);
    }
    *data = tree_text (tree, rest, strlen (rest));
}
