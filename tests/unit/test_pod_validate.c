/* test_pod_validate.c - a pod that the API server would refuse is refused, in its words. */
#include "cubelet/memory.h"
#include "cubelet/pod_defaults.h"
#include "cubelet/pod_validate.h"
#include "cubelet/yaml.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* `spec` is merged over a valid one: {containers: [{name: c, image: 'i:1'}]}. `problem` is what
   is expected, "" when the pod is fine. */
typedef struct {
    const char *spec;
    const char *problem;
} row_t;

static node_t
parse (tree_t *tree, const char *yaml)
{
    fault_t fault = { 0 };
    OWNED (tree_destroy) tree_t *read = yaml_read (yaml, strlen (yaml), &fault);
    if (!read)
        fail_msg ("%s: %s", yaml, fault.text);
    return node_copy (tree, node_item (tree_root (read), 0));
}

static void
validate (const char *metadata, const char *spec, fault_t *fault)
{
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t pod = node_map();
    node_t base = parse (tree, "containers: [{name: c, image: 'i:1'}]");
    node_t over = parse (tree, spec);
    for (size_t i = 0; i < node_count (&over); i++)
        node_set (tree, &base, node_key_at (&over, i), *node_value_at (&over, i));
    node_set (tree, &pod, "metadata", parse (tree, metadata));
    node_set (tree, &pod, "spec", base);
    pod_apply_defaults (tree, &pod);
    pod_t decoded;
    if (pod_decode (&pod, tree, &decoded, fault) == 0)
        pod_validate (&decoded, fault);
}

static void
check_rows (const row_t *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        fault_t fault = { 0 };
        validate ("{name: p, namespace: default}", rows[i].spec, &fault);
        if (strcmp (fault.text, rows[i].problem) != 0)
            fail_msg ("%s\n  expected: %s\n  got:      %s", rows[i].spec, rows[i].problem,
                      fault.text);
    }
}

#define CHECK(ROWS) check_rows (ROWS, COUNT_OF (ROWS))

static const row_t CONTAINERS[] = {
    { "{}", "" },
    { "containers: []", "spec.containers: Required value" },
    { "containers: [{image: 'i:1'}]", "spec.containers[0].name: Required value" },
    { "containers: [{name: c}]", "spec.containers[0].image: Required value" },
    { "containers: [{}]",
      "[spec.containers[0].name: Required value, spec.containers[0].image: Required value]" },
    { "containers: [{name: c, image: ' i'}]",
      "spec.containers[0].image: Invalid value: \" i\": must not have leading or trailing "
      "whitespace" },
    { "containers: [{name: c, image: i}, {name: c, image: i}]",
      "spec.containers[1].name: Duplicate value: \"c\"" },
    { "initContainers: [{name: c, image: i}]",
      "spec.initContainers[0].name: Duplicate value: \"c\"" },
    { "containers: [{name: c, image: i, imagePullPolicy: Sometimes}]",
      "spec.containers[0].imagePullPolicy: Unsupported value: \"Sometimes\": supported values: "
      "\"Always\", \"IfNotPresent\", \"Never\"" },
    { "containers: [{name: c, image: i, terminationMessagePolicy: X}]",
      "spec.containers[0].terminationMessagePolicy: Unsupported value: \"X\": supported values: "
      "\"File\", \"FallbackToLogsOnError\"" },
    { "containers: [{name: c, image: i, restartPolicy: Always}]",
      "spec.containers[0].restartPolicy: Forbidden: may not be set for non-init containers" },
    { "initContainers: [{name: i, image: i, restartPolicy: Never}]",
      "spec.initContainers[0].restartPolicy: Unsupported value: \"Never\": supported values: "
      "\"Always\"" },
    { "initContainers: [{name: i, image: i, livenessProbe: {exec: {command: [a]}}}]",
      "spec.initContainers[0].livenessProbe: Forbidden: may not be set for init containers without "
      "restartPolicy=Always" },
    { "initContainers: [{name: i, image: i, restartPolicy: Always, "
      "livenessProbe: {exec: {command: [a]}}}]",
      "" },
    { "ephemeralContainers: [{name: e, image: i, targetContainerName: x}]",
      "spec.ephemeralContainers[0].targetContainerName: Not found: \"x\"" },
    { "ephemeralContainers: [{name: e, image: i, ports: [{containerPort: 1}]}]",
      "spec.ephemeralContainers[0].ports: Forbidden: cannot be set for an Ephemeral Container" },
    { "containers: 5", "spec.containers: is not a list (found a number)" },
    { "containers: [{name: 5, image: i}]",
      "spec.containers[0].name: is not text (found a number)" },
};

static const row_t PORTS[] = {
    { "containers: [{name: c, image: i, ports: [{}]}]",
      "spec.containers[0].ports[0].containerPort: Required value" },
    { "containers: [{name: c, image: i, ports: [{containerPort: 65536}]}]",
      "spec.containers[0].ports[0].containerPort: Invalid value: 65536: must be between 1 and "
      "65535, inclusive" },
    { "containers: [{name: c, image: i, ports: [{containerPort: 1, hostPort: -1}]}]",
      "spec.containers[0].ports[0].hostPort: Invalid value: -1: must be between 1 and 65535, "
      "inclusive" },
    { "containers: [{name: c, image: i, ports: [{containerPort: 1, protocol: ICMP}]}]",
      "spec.containers[0].ports[0].protocol: Unsupported value: \"ICMP\": supported values: "
      "\"SCTP\", \"TCP\", \"UDP\"" },
    { "containers: [{name: c, image: i, ports: [{containerPort: 1, name: a}, "
      "{containerPort: 2, name: a}]}]",
      "spec.containers[0].ports[1].name: Duplicate value: \"a\"" },
    { "containers: [{name: c, image: i, ports: [{containerPort: 1, name: a-port-with-a-name}]}]",
      "spec.containers[0].ports[0].name: Invalid value: \"a-port-with-a-name\": must be no more "
      "than 15 characters" },
    { "containers: [{name: c, image: i, ports: [{containerPort: 1, hostPort: 9}]}, "
      "{name: d, image: i, ports: [{containerPort: 2, hostPort: 9}]}]",
      "spec.containers[1].ports[0].hostPort: Duplicate value: \"TCP//9\"" },
    { "containers: [{name: c, image: i, ports: [{containerPort: 1, hostPort: 9}]}, "
      "{name: d, image: i, ports: [{containerPort: 2, hostPort: 9, protocol: UDP}]}]",
      "" },
    { "{hostNetwork: true, containers: [{name: c, image: i, ports: [{containerPort: 1, "
      "hostPort: 2}]}]}",
      "spec.containers[0].ports[0].hostPort: Invalid value: 2: must match `containerPort` when "
      "`hostNetwork` is true" },
};

static const row_t ENVIRONMENT[] = {
    { "containers: [{name: c, image: i, env: [{name: ''}]}]",
      "spec.containers[0].env[0].name: Required value" },
    { "containers: [{name: c, image: i, env: [{name: a=b}]}]",
      "spec.containers[0].env[0].name: Invalid value: \"a=b\": a valid environment variable name "
      "must consist only of printable ASCII characters other than '='" },
    { "containers: [{name: c, image: i, env: [{name: my.name-1}]}]", "" },
    { "containers: [{name: c, image: i, env: [{name: A, value: x, valueFrom: {fieldRef: "
      "{fieldPath: metadata.name}}}]}]",
      "spec.containers[0].env[0].valueFrom: Invalid value: \"\": may not be specified when `value` "
      "is not empty" },
    { "containers: [{name: c, image: i, env: [{name: A, valueFrom: {}}]}]",
      "spec.containers[0].env[0].valueFrom: Invalid value: \"\": must specify one of: `fieldRef`, "
      "`resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`" },
    { "containers: [{name: c, image: i, env: [{name: A, valueFrom: {fieldRef: "
      "{fieldPath: metadata.name}, resourceFieldRef: {resource: limits.cpu}}}]}]",
      "spec.containers[0].env[0].valueFrom: Invalid value: \"\": may not have more than one field "
      "specified at a time" },
    { "containers: [{name: c, image: i, env: [{name: A, valueFrom: {fieldRef: "
      "{fieldPath: status.phase}}}]}]",
      "spec.containers[0].env[0].valueFrom.fieldRef.fieldPath: Unsupported value: "
      "\"status.phase\": supported values: \"metadata.name\", \"metadata.namespace\", "
      "\"metadata.uid\", \"spec.nodeName\", \"spec.serviceAccountName\", \"status.hostIP\", "
      "\"status.hostIPs\", \"status.podIP\", \"status.podIPs\"" },
    { "containers: [{name: c, image: i, env: [{name: A, valueFrom: {fieldRef: "
      "{fieldPath: \"metadata.labels['a.b/c']\"}}}]}]",
      "" },
    { "containers: [{name: c, image: i, env: [{name: A, valueFrom: {resourceFieldRef: "
      "{resource: limits.cpu, divisor: 2m}}}]}]",
      "spec.containers[0].env[0].valueFrom.resourceFieldRef.divisor: Invalid value: "
      "\"limits.cpu\": only divisor's values 1m and 1 are supported with the cpu resource" },
    { "containers: [{name: c, image: i, env: [{name: A, valueFrom: {configMapKeyRef: "
      "{name: x, key: a/b}}}]}]",
      "spec.containers[0].env[0].valueFrom.configMapKeyRef.key: Invalid value: \"a/b\": a valid "
      "config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or "
      "'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')" },
    { "containers: [{name: c, image: i, envFrom: [{}]}]",
      "spec.containers[0].envFrom: Invalid value: \"\": must specify one of: `configMapRef` or "
      "`secretRef`" },
    { "containers: [{name: c, image: i, envFrom: [{secretRef: {}}]}]",
      "spec.containers[0].envFrom[0].secretRef.name: Required value" },
};

static const row_t MOUNTS[] = {
    { "containers: [{name: c, image: i, volumeMounts: [{name: v, mountPath: /x}]}]",
      "spec.containers[0].volumeMounts[0].name: Not found: \"v\"" },
    { "{volumes: [{name: v}], containers: [{name: c, image: i, volumeMounts: [{name: v}]}]}",
      "spec.containers[0].volumeMounts[0].mountPath: Required value" },
    { "{volumes: [{name: v}], containers: [{name: c, image: i, volumeMounts: "
      "[{name: v, mountPath: /x}, {name: v, mountPath: /x}]}]}",
      "spec.containers[0].volumeMounts[1].mountPath: Invalid value: \"/x\": must be unique" },
    { "{volumes: [{name: v}], containers: [{name: c, image: i, volumeMounts: "
      "[{name: v, mountPath: /x, subPath: a/../../b}]}]}",
      "spec.containers[0].volumeMounts[0].subPath: Invalid value: \"a/../../b\": must not contain "
      "'..'" },
    { "{volumes: [{name: v}], containers: [{name: c, image: i, volumeMounts: "
      "[{name: v, mountPath: /x, subPath: /a}]}]}",
      "spec.containers[0].volumeMounts[0].subPath: Invalid value: \"/a\": must be a relative "
      "path" },
    { "{volumes: [{name: v}], containers: [{name: c, image: i, volumeMounts: "
      "[{name: v, mountPath: /x, subPath: ..a/b.., subPathExpr: c}]}]}",
      "spec.containers[0].volumeMounts[0].subPathExpr: Invalid value: \"c\": subPathExpr and "
      "subPath are mutually exclusive" },
    { "{volumes: [{name: v}], containers: [{name: c, image: i, volumeMounts: "
      "[{name: v, mountPath: /x, mountPropagation: Bidirectional}]}]}",
      "spec.containers[0].volumeMounts[0].mountPropagation: Forbidden: Bidirectional mount "
      "propagation is available only to privileged containers" },
    { "{volumes: [{name: v}], containers: [{name: c, image: i, securityContext: {privileged: "
      "true}, volumeMounts: [{name: v, mountPath: /x, mountPropagation: Bidirectional}]}]}",
      "" },
    { "{volumes: [{name: v}], containers: [{name: c, image: i, volumeMounts: "
      "[{name: v, mountPath: /x, recursiveReadOnly: Enabled}]}]}",
      "spec.containers[0].volumeMounts[0].recursiveReadOnly: Forbidden: may only be specified when "
      "readOnly is true" },
    { "{volumes: [{name: v}], containers: [{name: c, image: i, volumeDevices: "
      "[{name: v, devicePath: /dev/x}]}]}",
      "spec.containers[0].volumeDevices[0].name: Invalid value: \"v\": can only use volume source "
      "type of PersistentVolumeClaim or Ephemeral for block mode" },
};

static const row_t HANDLERS[] = {
    { "containers: [{name: c, image: i, livenessProbe: {}}]",
      "spec.containers[0].livenessProbe: Required value: must specify a handler type" },
    { "containers: [{name: c, image: i, livenessProbe: {exec: {command: [a]}, "
      "tcpSocket: {port: 1}}}]",
      "spec.containers[0].livenessProbe.tcpSocket: Forbidden: may not specify more than 1 handler "
      "type" },
    { "containers: [{name: c, image: i, livenessProbe: {exec: {}}}]",
      "spec.containers[0].livenessProbe.exec.command: Required value" },
    { "containers: [{name: c, image: i, livenessProbe: {httpGet: {port: 0}}}]",
      "spec.containers[0].livenessProbe.httpGet.port: Invalid value: 0: must be between 1 and "
      "65535, inclusive" },
    { "containers: [{name: c, image: i, readinessProbe: {httpGet: {port: web}}}]", "" },
    { "containers: [{name: c, image: i, readinessProbe: {httpGet: {port: Web_1}}}]",
      "spec.containers[0].readinessProbe.httpGet.port: Invalid value: \"Web_1\": must contain only "
      "alpha-numeric characters (a-z, 0-9), and hyphens (-)" },
    { "containers: [{name: c, image: i, readinessProbe: {httpGet: {port: 1, scheme: FTP}}}]",
      "spec.containers[0].readinessProbe.httpGet.scheme: Unsupported value: \"FTP\": supported "
      "values: \"HTTP\", \"HTTPS\"" },
    { "containers: [{name: c, image: i, readinessProbe: {httpGet: {port: 1, httpHeaders: "
      "[{name: a b, value: x}]}}}]",
      "spec.containers[0].readinessProbe.httpGet.httpHeaders: Invalid value: \"a b\": a valid HTTP "
      "header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', regex used for "
      "validation is '[-A-Za-z0-9]+')" },
    { "containers: [{name: c, image: i, livenessProbe: {exec: {command: [a]}, "
      "successThreshold: 2}}]",
      "spec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be 1" },
    { "containers: [{name: c, image: i, readinessProbe: {exec: {command: [a]}, "
      "successThreshold: 2}}]",
      "" },
    { "containers: [{name: c, image: i, readinessProbe: {exec: {command: [a]}, "
      "initialDelaySeconds: -1}}]",
      "spec.containers[0].readinessProbe.initialDelaySeconds: Invalid value: -1: must be greater "
      "than or equal to 0" },
    { "containers: [{name: c, image: i, livenessProbe: {exec: {command: [a]}, "
      "terminationGracePeriodSeconds: 0}}]",
      "spec.containers[0].livenessProbe.terminationGracePeriodSeconds: Invalid value: 0: must be "
      "greater than 0" },
    { "containers: [{name: c, image: i, readinessProbe: {exec: {command: [a]}, "
      "terminationGracePeriodSeconds: 1}}]",
      "spec.containers[0].readinessProbe.terminationGracePeriodSeconds: Invalid value: 1: must not "
      "be set for readinessProbes" },
    { "containers: [{name: c, image: i, lifecycle: {preStop: {}}}]",
      "spec.containers[0].lifecycle.preStop: Required value: must specify a handler type" },
    { "containers: [{name: c, image: i, lifecycle: {preStop: {sleep: {seconds: 31}}}}]",
      "spec.containers[0].lifecycle.preStop.sleep: Invalid value: 31: must be non-negative and "
      "less than terminationGracePeriodSeconds (30)" },
    { "containers: [{name: c, image: i, livenessProbe: {grpc: {port: 70000}}}]",
      "spec.containers[0].livenessProbe.grpc.port: Invalid value: 70000: must be between 1 and "
      "65535, inclusive" },
};

static const row_t RESOURCES[] = {
    { "containers: [{name: c, image: i, resources: {limits: {cpu: 1, memory: 1Gi}, "
      "requests: {cpu: 2}}}]",
      "spec.containers[0].resources.requests: Invalid value: \"2\": must be less than or equal to "
      "cpu limit of 1" },
    { "containers: [{name: c, image: i, resources: {limits: {cpu: lots}}}]",
      "spec.containers[0].resources.limits[cpu]: \"lots\" is not a quantity: unknown suffix" },
    { "containers: [{name: c, image: i, resources: {requests: {memory: -1Mi}}}]",
      "spec.containers[0].resources.requests[memory]: Invalid value: \"-1Mi\": must be greater "
      "than or equal to 0" },
    { "containers: [{name: c, image: i, resources: {requests: {gpus: 1}}}]",
      "spec.containers[0].resources.requests: Invalid value: \"gpus\": must be a standard resource "
      "for containers" },
    { "containers: [{name: c, image: i, resources: {requests: {example.com/gpu: 1}}}]",
      "spec.containers[0].resources.limits: Required value: Limit must be set for non "
      "overcommitable resources" },
    { "containers: [{name: c, image: i, resources: {limits: {example.com/gpu: 1500m}}}]",
      "[spec.containers[0].resources.limits[example.com/gpu]: Invalid value: \"1500m\": must be an "
      "integer, spec.containers[0].resources.requests[example.com/gpu]: Invalid value: \"1500m\": "
      "must be an integer]" },
    { "containers: [{name: c, image: i, resources: {limits: {hugepages-2Mi: 4Mi}}}]",
      "spec.containers[0].resources: Forbidden: HugePages require cpu or memory" },
    { "containers: [{name: c, image: i, resources: {limits: []}}]",
      "spec.containers[0].resources.limits: is not an object" },
    { "{resources: {limits: {ephemeral-storage: 1Gi}}}",
      "spec.resources.limits: Unsupported value: \"ephemeral-storage\": supported values: "
      "\"cpu\", "
      "\"hugepages-\", \"memory\"" },
};

static const row_t VOLUMES[] = {
    { "volumes: [{emptyDir: {}}]", "spec.volumes[0].name: Required value" },
    { "volumes: [{name: a}, {name: a}]", "spec.volumes[1].name: Duplicate value: \"a\"" },
    { "volumes: [{name: A}]",
      "spec.volumes[0].name: Invalid value: \"A\": a lowercase RFC 1123 label must consist of "
      "lower "
      "case alphanumeric characters or '-', and must start and end with an alphanumeric character "
      "(e.g. 'my-name',  or '123-abc', regex used for validation is "
      "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')" },
    { "volumes: [{name: a, emptyDir: {}, hostPath: {path: /x}}]",
      "spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type" },
    { "volumes: [{name: a, emptydir: {}}]",
      "spec.volumes[0]: Required value: must specify a volume type" },
    { "volumes: [{name: a, hostPath: {}}]", "spec.volumes[0].hostPath.path: Required value" },
    { "volumes: [{name: a, hostPath: {path: /a/../b}}]",
      "spec.volumes[0].hostPath.path: Invalid value: \"/a/../b\": must not contain '..'" },
    { "volumes: [{name: a, hostPath: {path: /a, type: Dir}}]",
      "spec.volumes[0].hostPath.type: Unsupported value: \"Dir\": supported values: \"\", "
      "\"BlockDevice\", \"CharDevice\", \"Directory\", \"DirectoryOrCreate\", \"File\", "
      "\"FileOrCreate\", \"Socket\"" },
    { "volumes: [{name: a, emptyDir: {sizeLimit: x}}]",
      "spec.volumes[0].emptyDir.sizeLimit: \"x\" is not a quantity: unknown suffix" },
    { "volumes: [{name: a, emptyDir: {sizeLimit: -1}}]",
      "spec.volumes[0].emptyDir.sizeLimit: Forbidden: SizeLimit field must be a valid resource "
      "quantity" },
    { "volumes: [{name: a, configMap: {}}]", "spec.volumes[0].configMap.name: Required value" },
    { "volumes: [{name: a, configMap: {name: x, defaultMode: 0777, items: [{key: k}]}}]",
      "spec.volumes[0].configMap.items[0].path: Required value" },
    { "volumes: [{name: a, secret: {secretName: x, defaultMode: 1000}}]",
      "spec.volumes[0].secret.defaultMode: Invalid value: 1000: must be a number between 0 and "
      "0777 "
      "(octal), both inclusive" },
    { "volumes: [{name: a, secret: {secretName: x, items: [{key: k, path: ..data}]}}]",
      "spec.volumes[0].secret.items[0].path: Invalid value: \"..data\": must not start with '..'" },
    { "volumes: [{name: a, downwardAPI: {items: [{path: x}]}}]",
      "spec.volumes[0].downwardAPI.items[0]: Required value: one of fieldRef and resourceFieldRef "
      "is required" },
    { "volumes: [{name: a, downwardAPI: {items: [{path: x, fieldRef: {fieldPath: "
      "status.podIP}}]}}]",
      "spec.volumes[0].downwardAPI.items[0].fieldRef.fieldPath: Unsupported value: "
      "\"status.podIP\": supported values: \"metadata.annotations\", \"metadata.labels\", "
      "\"metadata.name\", \"metadata.namespace\", \"metadata.uid\"" },
    { "volumes: [{name: a, downwardAPI: {items: [{path: x, resourceFieldRef: {resource: "
      "limits.cpu}}]}}]",
      "spec.volumes[0].downwardAPI.items[0].resourceFieldRef.containerName: Required value" },
    { "volumes: [{name: a, projected: {sources: [{}]}}]",
      "spec.volumes[0].projected.sources[0]: Required value: must specify a volume type" },
    { "volumes: [{name: a, projected: {sources: [{configMap: {name: x, items: [{key: k, path: "
      "p}]}}, "
      "{secret: {name: z, items: [{key: k, path: p}]}}]}}]",
      "spec.volumes[0].projected: Invalid value: \"p\": conflicting duplicate paths" },
    { "volumes: [{name: a, projected: {sources: [{serviceAccountToken: {path: t, "
      "expirationSeconds: 60}}]}}]",
      "[spec.volumes[0].projected.sources[0].serviceAccountToken.expirationSeconds: Invalid value: "
      "60: may not specify a duration less than 10 minutes, "
      "spec.volumes[0].projected.sources[0].serviceAccountToken: Forbidden: must not be specified "
      "when serviceAccountName is not set]" },
    { "volumes: [{name: a, nfs: {server: s, path: p}}]",
      "spec.volumes[0].nfs.path: Invalid value: \"p\": must be an absolute path" },
    { "volumes: [{name: a, persistentVolumeClaim: {}}]",
      "spec.volumes[0].persistentVolumeClaim.claimName: Required value" },
    { "volumes: [{name: a, csi: {}}]", "spec.volumes[0].csi.driver: Required value" },
    { "volumes: [{name: a, hostPath: 5}]",
      "spec.volumes[0].hostPath: is not an object (found a number)" },
};

static const row_t SECURITY[] = {
    { "containers: [{name: c, image: i, securityContext: {runAsUser: -1}}]",
      "spec.containers[0].securityContext.runAsUser: Invalid value: -1: must be between 0 and "
      "2147483647, inclusive" },
    { "containers: [{name: c, image: i, securityContext: {allowPrivilegeEscalation: false, "
      "privileged: true}}]",
      "spec.containers[0].securityContext: Invalid value: cannot set `allowPrivilegeEscalation` to "
      "false and `privileged` to true" },
    { "containers: [{name: c, image: i, securityContext: {seccompProfile: {type: Localhost}}}]",
      "spec.containers[0].securityContext.seccompProfile.localhostProfile: Required value: must be "
      "set when seccomp type is Localhost" },
    { "containers: [{name: c, image: i, securityContext: {seccompProfile: {type: Localhost, "
      "localhostProfile: ../x}}}]",
      "spec.containers[0].securityContext.seccompProfile.localhostProfile: Invalid value: "
      "\"../x\": "
      "must not contain '..'" },
    { "containers: [{name: c, image: i, securityContext: {seccompProfile: {}}}]",
      "spec.containers[0].securityContext.seccompProfile.type: Required value" },
    { "containers: [{name: c, image: i, securityContext: {procMount: X}}]",
      "spec.containers[0].securityContext.procMount: Unsupported value: \"X\": supported values: "
      "\"Default\", \"Unmasked\"" },
    { "securityContext: {fsGroup: 2147483648}",
      "spec.securityContext.fsGroup: Invalid value: 2147483648: must be between 0 and 2147483647, "
      "inclusive" },
    { "securityContext: {supplementalGroups: [1, x]}",
      "spec.securityContext.supplementalGroups[1]: is not an integer" },
    { "securityContext: {sysctls: [{name: a, value: b}, {name: a, value: b}]}",
      "spec.securityContext.sysctls[1].name: Duplicate value: \"a\"" },
    { "securityContext: {sysctls: [{value: b}]}",
      "spec.securityContext.sysctls[0].name: Required value" },
    { "{hostPID: true, shareProcessNamespace: true}",
      "spec.shareProcessNamespace: Invalid value: true: ShareProcessNamespace and HostPID cannot "
      "both be enabled" },
    { "{hostUsers: false, hostNetwork: true}",
      "spec.hostNetwork: Forbidden: when `pod.Spec.HostUsers` is false" },
};

static const row_t SPEC[] = {
    { "restartPolicy: Sometimes",
      "spec.restartPolicy: Unsupported value: \"Sometimes\": supported values: \"Always\", "
      "\"OnFailure\", \"Never\"" },
    { "dnsPolicy: X", "spec.dnsPolicy: Unsupported value: \"X\": supported values: "
                      "\"ClusterFirstWithHostNet\", \"ClusterFirst\", \"Default\", \"None\"" },
    { "dnsPolicy: None",
      "spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None" },
    { "{dnsPolicy: None, dnsConfig: {}}",
      "spec.dnsConfig.nameservers: Required value: must provide at least one DNS nameserver when "
      "`dnsPolicy` is None" },
    { "dnsConfig: {nameservers: [x]}",
      "spec.dnsConfig.nameservers[0]: Invalid value: \"x\": must be a valid IP address, (e.g. "
      "10.9.8.7 or 2001:db8::ffff)" },
    { "dnsConfig: {searches: [., _tcp.a.test., a.test]}", "" },
    { "terminationGracePeriodSeconds: -1",
      "spec.terminationGracePeriodSeconds: Invalid value: -1: must be greater than or equal to 0" },
    { "activeDeadlineSeconds: 0",
      "spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive" },
    { "hostname: a.b",
      "spec.hostname: Invalid value: \"a.b\": a lowercase RFC 1123 label must consist of lower "
      "case "
      "alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. "
      "'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')" },
    { "hostAliases: [{ip: 1.2.3}]", "spec.hostAliases[0].ip: Invalid value: \"1.2.3\": must be a "
                                    "valid IP address, (e.g. 10.9.8.7 "
                                    "or 2001:db8::ffff)" },
    { "tolerations: [{operator: Exists}, {key: a, operator: Equal, value: b}]", "" },
    { "tolerations: [{key: a, operator: Is}]",
      "spec.tolerations[0].operator: Unsupported value: \"Is\": supported values: \"Equal\", "
      "\"Exists\"" },
    { "tolerations: [{key: a, tolerationSeconds: 1}]",
      "spec.tolerations[0].effect: Invalid value: \"\": effect must be 'NoExecute' when "
      "`tolerationSeconds` is set" },
    { "tolerations: {}", "spec.tolerations: is not a list (found an object)" },
    { "readinessGates: [{}]",
      "spec.readinessGates[0].conditionType: Invalid value: \"\": name part must be non-empty" },
    { "overhead: {cpu: -1}",
      "spec.overhead[cpu]: Invalid value: \"-1\": must be greater than or equal to 0" },
    { "os: {name: beos}",
      "spec.os.name: Unsupported value: \"beos\": supported values: \"linux\", \"windows\"" },
    { "nodeSelector: {a: 'b c'}",
      "spec.nodeSelector: Invalid value: \"b c\": a valid label must be an empty string or consist "
      "of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
      "character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
      "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')" },
};

static void
containers_are_checked (void **state)
{
    (void) state;
    CHECK (CONTAINERS);
    CHECK (PORTS);
}

static void
environments_are_checked (void **state)
{
    (void) state;
    CHECK (ENVIRONMENT);
}

static void
mounts_and_volumes_are_checked (void **state)
{
    (void) state;
    CHECK (MOUNTS);
    CHECK (VOLUMES);
}

static void
probes_and_hooks_are_checked (void **state)
{
    (void) state;
    CHECK (HANDLERS);
}

static void
resources_are_checked (void **state)
{
    (void) state;
    CHECK (RESOURCES);
}

static void
security_contexts_are_checked (void **state)
{
    (void) state;
    CHECK (SECURITY);
}

static void
the_rest_of_the_spec_is_checked (void **state)
{
    (void) state;
    CHECK (SPEC);
}

static void
metadata_is_checked (void **state)
{
    (void) state;
    static const row_t ROWS[] = {
        { "{name: a.b-c, namespace: ns}", "" },
        { "{namespace: ns}", "metadata.name: Required value: name or generateName is required" },
        { "{name: a}", "metadata.namespace: Required value" },
        { "{name: a, namespace: ns, labels: {a: 5}}",
          "metadata.labels[a]: is not text (found a number)" },
        { "{name: a, namespace: ns, labels: {a/b/c: x}}",
          "metadata.labels: Invalid value: \"a/b/c\": a qualified name must consist of "
          "alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
          "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
          "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain prefix and "
          "'/' (e.g. 'example.com/MyName')" },
        { "{name: a, namespace: ns, annotations: {Example.COM/Key: any value at all!}}", "" },
    };
    for (size_t i = 0; i < COUNT_OF (ROWS); i++) {
        fault_t fault = { 0 };
        validate (ROWS[i].spec, "{}", &fault);
        assert_string_equal (fault.text, ROWS[i].problem);
    }
}

static void
many_problems_are_counted_when_they_do_not_fit (void **state)
{
    (void) state;
    char spec[4096] = "containers: [";
    for (int i = 0; i < 60; i++)
        strcat (spec, "{name: c, image: ''}, ");
    strcat (spec, "]");
    fault_t fault = { 0 };
    validate ("{name: p, namespace: default}", spec, &fault);
    assert_non_null (strstr (fault.text, "[spec.containers[0].image: Required value, "));
    assert_non_null (strstr (fault.text, ", and "));
    assert_non_null (strstr (fault.text, " more]"));
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (containers_are_checked),
        cmocka_unit_test (environments_are_checked),
        cmocka_unit_test (mounts_and_volumes_are_checked),
        cmocka_unit_test (probes_and_hooks_are_checked),
        cmocka_unit_test (resources_are_checked),
        cmocka_unit_test (security_contexts_are_checked),
        cmocka_unit_test (the_rest_of_the_spec_is_checked),
        cmocka_unit_test (metadata_is_checked),
        cmocka_unit_test (many_problems_are_counted_when_they_do_not_fit),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
