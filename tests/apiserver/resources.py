"""The table of resources that the server serves."""
import dataclasses

ALL = ('create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch')


@dataclasses.dataclass(frozen=True)
class Resource:
    """One kind of object, and how it is called in paths."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True
    short: tuple = ()
    subresources: tuple = ()
    categories: tuple = ()
    verbs: tuple = ALL

    @property
    def full(self):
        """The name in messages: `leases.coordination.k8s.io`."""
        return f'{self.plural}.{self.group}' if self.group else self.plural

    @property
    def api_version(self):
        """What an object's apiVersion says."""
        return f'{self.group}/{self.version}' if self.group else self.version

    @property
    def is_stored(self):
        """Whether objects are kept; reviews are answered and forgotten."""
        return 'get' in self.verbs


def cluster(group, plural, kind, **options):
    """A resource without namespaces."""
    return Resource(group, 'v1', plural, kind, False, **options)


STATUS = ('status',)
CREATE = ('create',)

TABLE = (
    Resource('', 'v1', 'pods', 'Pod', short=('po',), categories=('all',), subresources=(
        'status', 'binding', 'eviction', 'ephemeralcontainers', 'resize', 'log', 'exec', 'attach', 'portforward')),
    cluster('', 'nodes', 'Node', short=('no',), subresources=('status', 'proxy')),
    cluster('', 'namespaces', 'Namespace', short=('ns',), subresources=('status', 'finalize')),
    Resource('', 'v1', 'services', 'Service', short=('svc',), categories=('all',), subresources=STATUS),
    Resource('', 'v1', 'endpoints', 'Endpoints', short=('ep',)),
    Resource('', 'v1', 'events', 'Event', short=('ev',)),
    Resource('', 'v1', 'configmaps', 'ConfigMap', short=('cm',)),
    Resource('', 'v1', 'secrets', 'Secret'),
    Resource('', 'v1', 'serviceaccounts', 'ServiceAccount', short=('sa',), subresources=('token',)),
    cluster('', 'persistentvolumes', 'PersistentVolume', short=('pv',), subresources=STATUS),
    Resource('', 'v1', 'persistentvolumeclaims', 'PersistentVolumeClaim', short=('pvc',), subresources=STATUS),
    Resource('coordination.k8s.io', 'v1', 'leases', 'Lease'),
    cluster('node.k8s.io', 'runtimeclasses', 'RuntimeClass'),
    cluster('scheduling.k8s.io', 'priorityclasses', 'PriorityClass', short=('pc',)),
    cluster('storage.k8s.io', 'csinodes', 'CSINode'),
    cluster('storage.k8s.io', 'csidrivers', 'CSIDriver'),
    cluster('storage.k8s.io', 'storageclasses', 'StorageClass', short=('sc',)),
    cluster('storage.k8s.io', 'volumeattachments', 'VolumeAttachment', subresources=STATUS),
    Resource('policy', 'v1', 'poddisruptionbudgets', 'PodDisruptionBudget', short=('pdb',), subresources=STATUS),
    cluster('resource.k8s.io', 'resourceslices', 'ResourceSlice'),
    Resource('resource.k8s.io', 'v1', 'resourceclaims', 'ResourceClaim', subresources=STATUS),
    cluster('certificates.k8s.io', 'certificatesigningrequests', 'CertificateSigningRequest', short=('csr',),
            subresources=('status', 'approval')),
    cluster('authentication.k8s.io', 'tokenreviews', 'TokenReview', verbs=CREATE),
    cluster('authentication.k8s.io', 'selfsubjectreviews', 'SelfSubjectReview', verbs=CREATE),
    cluster('authorization.k8s.io', 'subjectaccessreviews', 'SubjectAccessReview', verbs=CREATE),
    cluster('authorization.k8s.io', 'selfsubjectaccessreviews', 'SelfSubjectAccessReview', verbs=CREATE),
)

BY_PATH = {(resource.group, resource.version, resource.plural): resource for resource in TABLE}
BY_NAME = {resource.full: resource for resource in TABLE}
BY_KIND = {(resource.api_version, resource.kind): resource for resource in TABLE}


def of(full):
    """A resource by its name: `pods`, `leases.coordination.k8s.io`."""
    return BY_NAME[full]
