/* url_manifest.h - the pods that a manifest from a URL asks for: one Pod or a PodList.
   Source: reference/pod-lifecycle.md 3.1 (http source). */
#pragma once
#include "cubelet/static_pod.h"

/* Reads one YAML or JSON document and makes its pods, an array in `tree`; options->source is to be
   "http" and options->location the URL. Returns 0, or -1 with FAULT_INVALID when anything of it is
   wrong: no document or several, neither Pod nor PodList, a pod that is invalid. */
int url_manifest_pods (tree_t *tree, const char *bytes, size_t size,
                       const static_pod_options_t *options, node_t *pods, fault_t *fault);
