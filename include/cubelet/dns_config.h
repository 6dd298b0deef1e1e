/* dns_config.h - the resolver configuration of a pod.
   Source: reference/pod-to-cri.md 2.2 (upstream: pkg/kubelet/network/dns). */
#pragma once
#include "cubelet/node_facts.h"
#include "cubelet/pod.h"

/* Reads the bytes of a resolv.conf into {servers, searches, options}, arrays of texts in `tree`,
   always there. Returns 0, or -1 with FAULT_INVALID "nameserver list is empty ". */
int resolv_conf_parse (const char *bytes, size_t size, tree_t *tree, node_t *out, fault_t *fault);

/* CRI DNSConfig of the pod by its dnsPolicy and dnsConfig, cut to the limits (3 servers, 32
   searches, 2048 characters in all, 253 in each). Events to be recorded are appended to `events`,
   an array made in `tree` (NULL: not wanted), as {object: "pod" or "node", type, reason, message}:
   DNSConfigForming, MissingClusterDNS.
   Returns 0, or -1 with FAULT_UNAVAILABLE when the resolver file is configured but was not read,
   FAULT_INVALID when it is wrong. */
int dns_config (const pod_t *pod, const node_facts_t *facts, tree_t *tree, node_t *out,
                node_t *events, fault_t *fault);

/* The check of the node's own resolver file, made once at the start: the message of a Warning
   event CheckLimitsForResolvConf on the node (owned text), or NULL when the file is fine or none
   is configured. */
char *resolv_conf_check (const node_facts_t *facts);
