"""How lists merge in a strategic merge patch, by the types' `patchStrategy` and `patchMergeKey`.

A schema is a dictionary from field name to what is below: a schema, or for a list that merges a `Merged`. A list that
is not named is replaced as a whole.
"""
import dataclasses


@dataclasses.dataclass(frozen=True)
class Merged:
    """A list that merges: by `key`, or as a set of primitives when there is no key."""

    key: str = None
    item: dict = dataclasses.field(default_factory=dict)


SET = Merged()
META = {'ownerReferences': Merged('uid'), 'finalizers': SET}
CONDITIONS = {'conditions': Merged('type')}

CONTAINER = {'ports': Merged('containerPort'), 'env': Merged('name'), 'volumeMounts': Merged('mountPath'),
             'volumeDevices': Merged('devicePath'), 'resources': {'claims': Merged('name')}}

POD_SPEC = {
    'containers': Merged('name', CONTAINER), 'initContainers': Merged('name', CONTAINER),
    'ephemeralContainers': Merged('name', CONTAINER), 'volumes': Merged('name'),
    'imagePullSecrets': Merged('name'), 'hostAliases': Merged('ip'), 'schedulingGates': Merged('name'),
    'resourceClaims': Merged('name'), 'topologySpreadConstraints': Merged('topologyKey'),
}

SCHEMAS = {
    'pods': {'metadata': META, 'spec': POD_SPEC, 'status': {
        'conditions': Merged('type'), 'podIPs': Merged('ip'), 'hostIPs': Merged('ip'),
        'resourceClaimStatuses': Merged('name')}},
    'nodes': {'metadata': META, 'spec': {'podCIDRs': SET}, 'status': {
        'conditions': Merged('type'), 'addresses': Merged('type')}},
    'services': {'metadata': META, 'spec': {'ports': Merged('port')}, 'status': CONDITIONS},
    'serviceaccounts': {'metadata': META, 'secrets': Merged('name')},
    'namespaces': {'metadata': META, 'status': CONDITIONS},
    'persistentvolumeclaims': {'metadata': META, 'status': CONDITIONS},
}


def schema_of(resource):
    """The schema of a resource's objects."""
    return SCHEMAS.get(resource.full, {'metadata': META})
