"""What the node and its pods use, as /stats/summary and the pages of metrics say it."""
import json
import shutil
import subprocess
import unittest

from lab import metrics, pods
from lab.case import AgentCase

MIB = 1 << 20

# Keeps a core busy for a while, holds 32 MiB in memory, 8 MiB on its root, 5 MiB in a volume and some in its log.
BURN = ('head -c 33554432 /dev/zero | tail -c 33554432 > /memory/held; head -c 8388608 /dev/zero > /written; '
        'head -c 5242880 /dev/zero > /scratch/file; head -c 200000 /dev/zero | tr "\\0" "x"; echo; '
        'i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done; ') + pods.FOREVER


def burner(name):
    container = {'name': 'main', 'image': pods.BUSYBOX, 'imagePullPolicy': 'IfNotPresent', 'command': ['sh', '-c', BURN],
                 'resources': {'limits': {'memory': '128Mi'}},
                 'volumeMounts': [{'name': 'scratch', 'mountPath': '/scratch'}, {'name': 'memory', 'mountPath': '/memory'}]}
    return pods.pod(name, containers=[container], volumes=[
        {'name': 'scratch', 'emptyDir': {}}, {'name': 'memory', 'emptyDir': {'medium': 'Memory'}}])


class Stats(AgentCase):
    """Numbers of a pod that is known to use CPU, memory and disks."""

    def get(self, path):
        code, body = self.agent.get(path)
        self.assertEqual(code, 200, f'{path}: {body}')
        return body

    def summary(self, query=''):
        return json.loads(self.get('/stats/summary' + query))

    def pod_stats(self, name, summary=None):
        found = [pod for pod in (summary or self.summary())['pods'] if pod['podRef']['name'].startswith(name)]
        return found[0] if found else None

    def test_the_summary_tells_what_a_pod_uses(self):
        self.agent.write_manifest('burner', burner('burner'))
        self.agent.wait_ready_pod('burner')

        def burnt():
            """The pod's numbers, once everything is written and counted."""
            pod = self.pod_stats('burner')
            volumes = {volume['name']: volume for volume in pod.get('volume', [])} if pod else {}
            container = pod['containers'][0] if pod and pod['containers'] else {}
            done = (container.get('cpu', {}).get('usageCoreNanoSeconds', 0) > 200e6
                    and container.get('rootfs', {}).get('usedBytes', 0) >= 8 * MIB
                    and container.get('logs', {}).get('usedBytes', 0) > 200000
                    and volumes.get('scratch', {}).get('usedBytes', 0) >= 5 * MIB
                    and volumes.get('memory', {}).get('usedBytes', 0) >= 32 * MIB)
            return done and (pod, container, volumes)
        # the volume may first be measured while it is empty, and again after volumeStatsAggPeriod
        pod, container, volumes = self.agent.wait('the pod has used what it was to use', burnt, deadline=150)
        self.assertEqual(container['name'], 'main')
        self.assertGreater(container['memory']['usageBytes'], 32 * MIB)
        self.assertLess(container['memory']['workingSetBytes'], 128 * MIB)
        self.assertGreater(container['memory']['availableBytes'], 0)
        self.assertLess(container['memory']['availableBytes'], 128 * MIB - 32 * MIB)
        self.assertGreater(container['memory']['pageFaults'], 100)
        self.assertLess(container['rootfs']['usedBytes'], 16 * MIB)
        self.assertLess(volumes['scratch']['usedBytes'], 6 * MIB)
        self.assertEqual(volumes['scratch']['inodesUsed'], 2)
        ephemeral = pod['ephemeral-storage']['usedBytes']
        self.assertGreater(ephemeral, 13 * MIB, 'root file system and volume')
        self.assertLess(ephemeral, 25 * MIB, 'a volume in memory is no ephemeral storage')
        self.assertGreaterEqual(pod['cpu']['usageCoreNanoSeconds'], container['cpu']['usageCoreNanoSeconds'])
        self.assertGreater(pod['process_stats']['process_count'], 1)
        self.assertEqual(pod['network']['name'], 'eth0')
        self.assertRegex(pod['startTime'], r'^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$')
        self.assertIn('usageNanoCores', pod['cpu'])

    def test_the_summary_tells_of_the_node(self):
        node = self.summary()['node']
        self.assertEqual(node['nodeName'], 'lab-node')
        for part in ('cpu', 'memory', 'network', 'fs', 'runtime', 'rlimit', 'swap'):
            self.assertIn(part, node)
        self.assertGreater(node['memory']['availableBytes'], 0)
        self.assertGreater(node['fs']['capacityBytes'], node['fs']['availableBytes'])
        self.agent.wait('the runtime has counted its images',
                        lambda: self.summary()['node']['runtime']['imageFs']['usedBytes'] > 0)
        self.assertIn('pods', [container['name'] for container in node['systemContainers']])
        brief = self.summary('?only_cpu_and_memory=true')['node']
        self.assertIn('cpu', brief)
        self.assertNotIn('fs', brief)

    def test_a_pod_that_ends_is_no_longer_shown(self):
        self.agent.write_manifest('short', pods.pod('short', grace=0))
        self.agent.wait_ready_pod('short')
        self.agent.wait('the pod is shown', lambda: self.pod_stats('short'))
        self.agent.remove_manifest('short')
        self.agent.wait('it is not shown', lambda: not self.pod_stats('short'))

    def metric(self, page, family, /, **labels):
        return metrics.value(self.get(page), family, **labels)

    @unittest.skipUnless(shutil.which('promtool'), 'needs promtool, of the package prometheus')
    def test_prometheus_understands_every_page(self):
        self.agent.write_manifest('page', pods.pod('page', container={'readinessProbe': {
            'exec': {'command': ['true']}, 'periodSeconds': 1}}))
        self.agent.wait_ready_pod('page')
        for page in ('/metrics', '/metrics/cadvisor', '/metrics/resource', '/metrics/probes', '/metrics/slis'):
            check = subprocess.run(['promtool', 'check', 'metrics'], input=self.get(page), text=True, capture_output=True)
            # 3: readable, but names are not as Prometheus likes them; upstream's own are such
            self.assertIn(check.returncode, (0, 3), f'{page}: {check.stdout}{check.stderr}')
            self.assertNotIn('cubelet_', check.stdout + check.stderr)

    def test_the_pages_of_metrics_tell_of_a_pod(self):
        self.agent.write_manifest('shown', pods.pod('shown', container={'readinessProbe': {
            'exec': {'command': ['true']}, 'periodSeconds': 1}}))
        self.agent.wait_ready_pod('shown')
        pod = {'namespace': 'default', 'pod': 'shown-lab-node', 'container': 'main'}
        self.assertGreater(self.metric('/metrics/resource', 'container_cpu_usage_seconds_total', **pod), 0)
        self.assertGreater(self.metric('/metrics/resource', 'container_memory_working_set_bytes', **pod), 0)
        self.assertEqual(self.metric('/metrics/resource', 'scrape_error'), 0)
        self.assertGreater(self.metric('/metrics/cadvisor', 'container_memory_usage_bytes', **pod), 0)
        self.assertGreater(self.metric('/metrics/cadvisor', 'container_cpu_usage_seconds_total', cpu='total', **pod), 0)
        self.assertGreater(self.metric('/metrics/cadvisor', 'container_network_receive_bytes_total',
                                       interface='eth0', pod='shown-lab-node'), 0)
        self.assertGreater(self.metric('/metrics/cadvisor', 'container_file_descriptors', **pod), 0)
        self.assertGreater(self.metric('/metrics/cadvisor', 'container_ulimits_soft', ulimit='max_open_files', **pod), 0)
        self.assertGreater(self.metric('/metrics/cadvisor', 'container_fs_limit_bytes', id='/'), 0)
        self.assertEqual(self.metric('/metrics', 'kubelet_running_pods'), 1)
        self.assertEqual(self.metric('/metrics', 'kubelet_working_pods', config='desired', lifecycle='sync', static='true'), 1)
        self.assertGreater(self.metric('/metrics', 'kubelet_pod_worker_start_duration_seconds_count'), 0)
        self.assertGreater(self.metric('/metrics', 'kubelet_cgroup_manager_duration_seconds_count', operation_type='create'), 0)
        self.assertEqual(self.metric('/metrics', 'kubelet_started_pods_errors_total'), 0)
        self.get('/healthz')
        self.assertEqual(self.metric('/metrics/slis', 'kubernetes_healthcheck', name='syncloop', type='healthz'), 1)
        self.assertEqual(self.metric('/metrics', 'kubelet_running_containers', container_state='running'), 1)
        self.assertEqual(self.metric('/metrics', 'kubelet_node_name', node='lab-node'), 1)
        self.assertGreater(self.metric('/metrics', 'process_resident_memory_bytes'), 1e6)
        self.assertGreater(self.metric('/metrics', 'cubelet_messages_total', type='pod.sync'), 0)
        self.assertGreater(self.metric('/metrics', 'kubelet_runtime_operations_total', operation_type='run_podsandbox'), 0)
        self.assertEqual(self.metric('/metrics', 'kubelet_started_containers_total', container_type='container'), 1)
        self.assertGreater(self.metric('/metrics', 'kubelet_pleg_relist_duration_seconds_count'), 0)
        probe = {**pod, 'probe_type': 'Readiness'}
        self.assertGreater(self.metric('/metrics/probes', 'prober_probe_total', result='successful', **probe), 0)
        self.assertGreater(self.metric('/metrics/probes', 'prober_probe_duration_seconds_count', **probe), 0)
        self.agent.remove_manifest('shown')
        self.agent.wait('its probes are forgotten',
                        lambda: self.metric('/metrics/probes', 'prober_probe_total', **probe) is None)


class SystemContainers(AgentCase):
    """The parts of the node that are named."""

    def new_agent(self, **options):
        cgroup = f'/{self.containerd.cgroup}'
        return super().new_agent(config={'systemCgroups': cgroup}, arguments=('--runtime-cgroups', cgroup), **options)

    def test_the_runtime_and_the_rest_are_shown(self):
        code, body = self.agent.get('/stats/summary')
        self.assertEqual(code, 200, body)
        parts = {part['name']: part for part in json.loads(body)['node']['systemContainers']}
        for name in ('runtime', 'misc', 'pods'):
            self.assertIn('usageCoreNanoSeconds', parts[name]['cpu'])
            self.assertIn('workingSetBytes', parts[name]['memory'])


if __name__ == '__main__':
    unittest.main()
