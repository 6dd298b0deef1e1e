"""Volumes of a CSI driver: a real one, that binds directories, beside a joined agent."""
import hashlib
import json
import pathlib
import unittest

from lab import metrics, pods, system
from lab.case import JoinedCase

DRIVER = 'lab.csi'


class CsiDriver(JoinedCase):
    """The driver registers, and mounts for pods."""

    config = {'syncFrequency': '1s'}

    def setUp(self):
        super().setUp()
        self.data = self.agent.place / 'csi'
        self.data.mkdir()
        self.driver = None
        self.addCleanup(self.stop_driver)

    def start_driver(self, **spec):
        """A CSIDriver object and the driver; wait until it is registered."""
        self.cluster.create({'apiVersion': 'storage.k8s.io/v1', 'kind': 'CSIDriver', 'metadata': {'name': DRIVER},
                             'spec': {'attachRequired': False, **spec}}, None)
        self.run_driver()

    def run_driver(self):
        """The driver's process, registered."""
        self.driver = system.spawn([system.BUILD / 'csi-driver', self.agent.root / 'plugins_registry' / 'lab.sock', DRIVER, self.data],
                                   self.data / 'log')
        self.agent.wait('the driver is in CSINode', lambda: self.csi_rows() != [])

    def stop_driver(self):
        """Its end."""
        if self.driver:
            system.end(self.driver)
            self.driver = None

    def csi_rows(self):
        """The drivers that CSINode names."""
        item = self.server.get('csinodes.storage.k8s.io', self.cluster.node) or {}
        return item.get('spec', {}).get('drivers') or []

    def calls(self, method):
        """What the driver was asked."""
        path = self.data / 'calls'
        lines = path.read_text().splitlines() if path.exists() else []
        return [json.loads(line.split(' ', 1)[1]) for line in lines if line.split(' ', 1)[0] == method]

    def create_claim(self, **more):
        """A bound claim `data` of a PersistentVolume of the driver."""
        claim = self.cluster.create({
            'apiVersion': 'v1', 'kind': 'PersistentVolumeClaim', 'metadata': {'name': 'data'},
            'spec': {'accessModes': ['ReadWriteOnce'], 'volumeName': 'disk', 'storageClassName': '',
                     'resources': {'requests': {'storage': '1Gi'}}}})
        self.cluster.create({
            'apiVersion': 'v1', 'kind': 'PersistentVolume', 'metadata': {'name': 'disk'},
            'spec': {'capacity': {'storage': '1Gi'}, 'accessModes': ['ReadWriteOnce'], **more,
                     'csi': {'driver': DRIVER, 'volumeHandle': 'handle-1', 'fsType': 'ext4'},
                     'claimRef': {'kind': 'PersistentVolumeClaim', 'namespace': 'default', 'name': 'data',
                                  'uid': claim['metadata']['uid']}}}, None)
        self.cluster.edit('persistentvolumeclaims', 'data', lambda item: item.update(status={'phase': 'Bound'}))

    def create_user(self, name, volume, text):
        """A pod that writes into its volume."""
        self.cluster.create(pods.pod(
            name, f'echo {text} >> /d/file; echo "gid $(stat -c %g /d)"; ' + pods.FOREVER,
            nodeName=self.cluster.node, container={'volumeMounts': [{'name': 'd', 'mountPath': '/d'}]},
            securityContext={'fsGroup': 2000}, volumes=[{'name': 'd', **volume}]))

    def remove(self, name):
        """Delete a pod and wait for its end."""
        self.cluster.delete('pods', name, gracePeriodSeconds=1)
        self.agent.wait_api_gone(name)

    def staged(self):
        """What is staged."""
        return list(pathlib.Path(self.agent.root, 'plugins/kubernetes.io/csi').glob('*/*'))

    def mounts(self):
        """Mounts of the driver."""
        lines = pathlib.Path('/proc/self/mountinfo').read_text().splitlines()
        return [line.split()[4] for line in lines if str(self.agent.root) in line and 'csi' in line.split()[4]]

    def attach(self):
        """What a controller does."""
        name = 'csi-' + hashlib.sha256(f'handle-1{DRIVER}{self.cluster.node}'.encode()).hexdigest()
        self.cluster.create({
            'apiVersion': 'storage.k8s.io/v1', 'kind': 'VolumeAttachment', 'metadata': {'name': name},
            'spec': {'attacher': DRIVER, 'nodeName': self.cluster.node, 'source': {'persistentVolumeName': 'disk'}}}, None)
        self.cluster.edit('volumeattachments.storage.k8s.io', name, lambda item: item.update(status={'attached': True}), None)

    def test_a_claimed_volume_outlives_pods_and_agents(self):
        self.start_driver(attachRequired=True)
        node = self.cluster.node_object()
        self.assertEqual(json.loads(node['metadata']['annotations']['csi.volume.kubernetes.io/nodeid']), {DRIVER: 'id-of-node'})
        self.assertEqual(node['metadata']['labels']['topology.lab/rack'], 'r1')
        self.create_claim()
        self.attach()
        claim = {'persistentVolumeClaim': {'claimName': 'data'}}
        self.create_user('one', claim, 'first')
        self.agent.wait_api_ready('one')
        self.create_user('two', claim, 'second')
        self.agent.wait_api_ready('two')
        self.agent.wait('the claim has its size', lambda: metrics.value(
            self.agent.get('/metrics')[1], 'kubelet_volume_stats_capacity_bytes',
            namespace='default', persistentvolumeclaim='data'))
        self.agent.wait('both pods have the volume', lambda: metrics.value(
            self.agent.get('/metrics')[1], 'volume_manager_total_volumes',
            plugin_name=f'kubernetes.io/csi:{DRIVER}', state='actual_state_of_world') == 2)
        self.assertEqual(metrics.value(self.agent.get('/metrics')[1], 'csi_operations_seconds_count', driver_name=DRIVER,
                                       grpc_status_code='OK', method_name='/csi.v1.Node/NodePublishVolume'), 2)
        file = self.data / 'volumes' / 'handle-1' / 'file'
        self.assertEqual(sorted(file.read_text().split()), ['first', 'second'])
        self.assertEqual(file.parent.stat().st_gid, 2000)
        self.assertEqual([len(self.calls(f'Node{call}Volume')) for call in ('Stage', 'Publish')], [1, 2])
        self.agent.wait('the volume is in use', lambda: self.cluster.node_object()['status'].get('volumesInUse') == [
            f'kubernetes.io/csi/{DRIVER}^handle-1'])
        self.remove('one')
        self.assertEqual(self.calls('NodeUnstageVolume'), [])
        self.agent.kill()
        self.agent.start()
        self.agent.wait_api_ready('two')
        self.remove('two')
        self.agent.wait('nothing is staged', lambda: not self.staged())
        self.assertEqual(self.mounts(), [])
        self.assertEqual(len(self.calls('NodeUnstageVolume')), 1)
        self.agent.wait('it is not in use', lambda: 'volumesInUse' not in self.cluster.node_object()['status'])
        self.assertEqual(len(self.calls('NodePublishVolume')), 2)
        self.stop_driver()
        self.agent.wait('the driver has left CSINode', lambda: self.csi_rows() == [])

    def test_a_volume_grows_while_it_is_used(self):
        self.start_driver()
        self.create_claim()
        self.cluster.edit('persistentvolumeclaims', 'data', lambda item: item['status'].update(capacity={'storage': '1Gi'}))
        self.create_user('user', {'persistentVolumeClaim': {'claimName': 'data'}}, 'text')
        self.agent.wait_api_ready('user')
        self.assertEqual(self.calls('NodeExpandVolume'), [])
        self.cluster.edit('persistentvolumeclaims', 'data', lambda item: item['status'].update(
            conditions=[{'type': 'FileSystemResizePending', 'status': 'True'}]))
        self.cluster.edit('persistentvolumes', 'disk', lambda item: item['spec'].update(capacity={'storage': '2Gi'}), None)
        event = self.agent.wait_event('user', 'FileSystemResizeSuccessful')
        self.assertEqual(event['message'], f'MountVolume.NodeExpandVolume succeeded for volume "disk" {self.cluster.node}')
        self.agent.wait('the claim shows the new size', lambda: self.server.get('persistentvolumeclaims', 'data', 'default')[
            'status']['capacity'] == {'storage': '2Gi'})
        self.assertFalse(self.server.get('persistentvolumeclaims', 'data', 'default')['status'].get('conditions'))
        self.assertEqual(self.calls('NodeExpandVolume')[0]['capacity_range'], {'required_bytes': 2 << 30})
        self.agent.wait('the metrics tell how full it is', lambda: 'kubelet_volume_stats_used_bytes{namespace="default",'
                        'persistentvolumeclaim="data"} 400\n' in self.agent.get('/metrics')[1])
        self.assertEqual(len(self.calls('NodePublishVolume')), 1)

    def test_a_device_is_given_to_containers(self):
        self.start_driver()
        self.create_claim(volumeMode='Block')
        self.cluster.create(pods.pod(
            'user', 'echo written > /dev/disk && sync && test -b /dev/disk && echo ready; ' + pods.FOREVER,
            nodeName=self.cluster.node, container={'volumeDevices': [{'name': 'd', 'devicePath': '/dev/disk'}]},
            volumes=[{'name': 'd', 'persistentVolumeClaim': {'claimName': 'data'}}]))
        self.agent.wait_api_ready('user')
        image = self.data / 'volumes' / 'handle-1' / 'handle-1.img'
        self.agent.wait('it is written', lambda: image.read_bytes().startswith(b'written\n'))
        event = self.agent.wait_event('user', 'SuccessfulMountVolume')
        self.assertIn('MapVolume.MapPodDevice succeeded for volume "disk"', event['message'])
        devices = pathlib.Path(self.agent.root, 'plugins/kubernetes.io/csi/volumeDevices')
        self.assertIn('/disk/dev/', ' '.join(self.mounts()))
        self.agent.kill()
        self.agent.start()
        self.agent.wait_api_ready('user')
        self.remove('user')
        self.agent.wait('nothing is staged', lambda: not (devices / 'disk').exists())
        self.assertEqual(self.mounts(), [])
        self.assertEqual([len(self.calls(f'Node{call}Volume')) for call in ('Publish', 'Unpublish', 'Unstage')], [1, 1, 1])
        self.assertNotIn(str(self.agent.root), system.run('losetup', '-a'))

    def test_an_inline_volume_waits_for_its_driver(self):
        inline = {'csi': {'driver': DRIVER, 'volumeAttributes': {'size': '1Gi'}}}
        self.create_user('early', inline, 'late')
        event = self.agent.wait_event('early', 'FailedMount')
        self.assertIn(f'driver name {DRIVER} not found in the list of registered CSI drivers', event['message'])
        self.start_driver(volumeLifecycleModes=['Ephemeral'], podInfoOnMount=True)
        self.agent.wait_api_ready('early')
        context = self.calls('NodePublishVolume')[-1]['volume_context']
        self.assertEqual(context['csi.storage.k8s.io/pod.name'], 'early')
        self.assertEqual(context['size'], '1Gi')
        self.remove('early')
        self.assertEqual(self.mounts(), [])
        self.assertEqual(len(self.calls('NodeUnpublishVolume')), 1)
        self.assertEqual(self.calls('NodeStageVolume'), [])

    def test_a_pod_that_goes_waits_for_the_driver(self):
        self.start_driver()
        self.create_claim()
        self.create_user('user', {'persistentVolumeClaim': {'claimName': 'data'}}, 'text')
        self.agent.wait_api_ready('user')
        self.stop_driver()
        self.agent.wait('the driver has left CSINode', lambda: self.csi_rows() == [])
        self.cluster.delete('pods', 'user', gracePeriodSeconds=1)
        self.agent.wait('the driver is missed', lambda: 'Unmounter.TearDownAt failed' in self.agent.text())
        self.agent.kill()
        self.agent.start()
        self.assertIsNotNone(self.cluster.pod('user'))
        self.run_driver()
        self.agent.wait_api_gone('user')
        self.agent.wait('nothing is staged', lambda: not self.staged())
        self.assertEqual(self.mounts(), [])
        self.assertEqual((self.data / 'volumes/handle-1/file').read_text(), 'text\n')


if __name__ == '__main__':
    unittest.main()
