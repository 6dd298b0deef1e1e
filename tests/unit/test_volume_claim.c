#include "cubelet/volume_claim.h"
#include "pod_fixture.h"
#include <sys/mount.h>

#define FAILED                                                                                     \
    "Unable to attach or mount volumes: unmounted volumes=[v], unattached volumes=[], failed to "  \
    "process volumes=[v]: "

/* A row of the claim shop/data with this claim and this PersistentVolume. */
static node_t
row (const char *claim, const char *pv, tree_t *tree)
{
    node_t list = node_array(), out = node_map();
    node_set_text (tree, &out, "kind", "PersistentVolumeClaim");
    node_set_text (tree, &out, "namespace", "shop");
    node_set_text (tree, &out, "name", "data");
    node_set_bool (tree, &out, "found", *claim != '\0');
    if (*claim)
        node_set (tree, &out, "object", yaml_node (claim, tree));
    if (*pv)
        node_set (tree, &out, "volume", yaml_node (pv, tree));
    node_append (tree, &list, out);
    return list;
}

#define BOUND "{metadata: {uid: c1}, spec: {volumeName: pv1}, status: {phase: Bound}}"
#define PV "{spec: {claimRef: {uid: c1}, local: {path: /d}}}"
#define CLAIM "{name: v, persistentVolumeClaim: {claimName: data}}"

static void
a_claim_leads_to_its_volume_or_says_why_not (void **state)
{
    (void) state;
    static const struct {
        const char *volume, *claim, *pv;
        bool wants_block;
        const char *fault; // NULL: none
    } CASES[] = {
        { CLAIM, BOUND, PV, false, NULL },
        { CLAIM, "", "", false,
          FAILED "error processing PVC shop/data: failed to fetch PVC from API server: "
                 "persistentvolumeclaims \"data\" not found" },
        { CLAIM, "{spec: {volumeName: pv1}, status: {phase: Pending}}", "", false,
          FAILED "error processing PVC shop/data: PVC is not bound" },
        { CLAIM, "{spec: {}, status: {phase: Bound}}", "", false,
          FAILED "error processing PVC shop/data: PVC has empty pvc.Spec.VolumeName" },
        { CLAIM, "{metadata: {deletionTimestamp: '2026-01-01T00:00:00Z'}, status: {phase: Bound}}",
          "", false, FAILED "error processing PVC shop/data: PVC is being deleted" },
        { CLAIM, BOUND, "", false,
          FAILED "error processing PVC shop/data: failed to fetch PV pv1 from API server: "
                 "persistentvolumes \"pv1\" not found" },
        { CLAIM, BOUND, "{spec: {local: {path: /d}}}", false,
          FAILED "error processing PVC shop/data: found PV object \"pv1\" but it has a nil "
                 "pv.Spec.ClaimRef indicating it is not yet bound to the claim" },
        { CLAIM, BOUND, "{spec: {claimRef: {uid: c2}}}", false,
          FAILED "error processing PVC shop/data: found PV object \"pv1\" but its "
                 "pv.Spec.ClaimRef.UID c2 does not point to claim.UID c1" },
        { CLAIM, BOUND, PV, true,
          FAILED "volume v has volumeMode Filesystem, but is specified in volumeDevices" },
        { CLAIM, BOUND, "{spec: {claimRef: {uid: c1}, volumeMode: Block}}", false,
          FAILED "volume v has volumeMode Block, but is specified in volumeMounts" },
        { CLAIM, BOUND, "{spec: {claimRef: {uid: c1}, volumeMode: Block}}", true, NULL },
    };
    for (size_t i = 0; i < COUNT_OF (CASES); i++) {
        OWNED (free_text) char *spec = text_format ("volumes: [%s]", CASES[i].volume);
        OWNED (fixture_close) fixture_t fixture = fixture_pod (spec);
        node_t objects = row (CASES[i].claim, CASES[i].pv, fixture.tree);
        claimed_volume_t found;
        fault_t fault = { 0 };
        int result = claim_resolve (&fixture.pod, &fixture.pod.spec.volumes.items[0], &objects,
                                    CASES[i].wants_block, fixture.tree, &found, &fault);
        assert_int_equal (result, CASES[i].fault ? -1 : 0);
        assert_string_equal (fault.text, CASES[i].fault ? CASES[i].fault : "");
        if (result == 0)
            assert_string_equal (found.pv_name, "pv1");
    }
}

static void
an_ephemeral_volume_takes_only_the_claim_of_its_pod (void **state)
{
    (void) state;
    static const struct {
        const char *owners;
        int result;
    } CASES[] = {
        { "[{uid: u-1, controller: true}]", 0 },
        { "[{uid: u-2, controller: true}]", -1 },
        { "[{uid: u-1}]", -1 },
        { "[]", -1 },
    };
    for (size_t i = 0; i < COUNT_OF (CASES); i++) {
        OWNED (fixture_close)
        fixture_t fixture =
            fixture_pod ("volumes: [{name: v, ephemeral: {volumeClaimTemplate: {}}}]");
        OWNED (free_text)
        char *yaml =
            text_format ("[{kind: PersistentVolumeClaim, namespace: shop, name: web-v,"
                         " found: true, object: {metadata: {uid: c1, ownerReferences: %s},"
                         " spec: {volumeName: pv1}, status: {phase: Bound}}, volume: " PV "}]",
                         CASES[i].owners);
        node_t objects = yaml_node (yaml, fixture.tree);
        claimed_volume_t found;
        fault_t fault = { 0 };
        assert_int_equal (claim_resolve (&fixture.pod, &fixture.pod.spec.volumes.items[0], &objects,
                                         false, fixture.tree, &found, &fault),
                          CASES[i].result);
        if (CASES[i].result < 0)
            assert_string_equal (fault.text,
                                 FAILED "error processing PVC shop/web-v: PVC shop/web-v was not "
                                        "created for pod shop/web (pod is not owner)");
    }
}

static void
mount_options_become_flags (void **state)
{
    (void) state;
    static const struct {
        const char *options;
        unsigned long flags;
        const char *data;
    } CASES[] = {
        { "", 0, "" },
        { "[ro, noexec]", MS_RDONLY | MS_NOEXEC, "" },
        { "[size=1, nodev, x]", MS_NODEV, "size=1,x" },
    };
    for (size_t i = 0; i < COUNT_OF (CASES); i++) {
        OWNED (tree_destroy) tree_t *tree = tree_new();
        node_t options = yaml_node (CASES[i].options, tree);
        unsigned long flags;
        const char *data;
        mount_options_read (&options, tree, &flags, &data);
        assert_int_equal (flags, CASES[i].flags);
        assert_string_equal (data, CASES[i].data);
    }
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (a_claim_leads_to_its_volume_or_says_why_not),
        cmocka_unit_test (an_ephemeral_volume_takes_only_the_claim_of_its_pod),
        cmocka_unit_test (mount_options_become_flags),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
