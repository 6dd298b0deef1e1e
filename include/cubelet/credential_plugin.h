/* credential_plugin.h - the exec credential provider plugins: which there are, what they are asked,
   what they answer. Source: Kubernetes documentation, "Configure a kubelet image credential
   provider"; the API kubelet.config.k8s.io/v1 CredentialProviderConfig and
   credentialprovider.kubelet.k8s.io/v1. */
#pragma once
#include "cubelet/record.h"

typedef struct {
    const char *name; // of the program
    text_list_t match_images;
    int64_t default_cache_ns;
    const char *api_version; // of request and response
    text_list_t args;
    text_list_t env; // "NAME=VALUE"
} credential_provider_t;

typedef LIST_OF (credential_provider_t) credential_provider_list_t;

/* Reads a CredentialProviderConfig (v1, v1beta1, v1alpha1). Everything is allocated in `tree`, the
   texts borrowed from it. Returns 0, or -1 with FAULT_INVALID that names every mistake. */
int credential_providers_read (const node_t *config, tree_t *tree, credential_provider_list_t *out,
                               fault_t *fault);

/* True when the provider is to be asked for this repository. */
bool credential_provider_matches (const credential_provider_t *provider, const char *repository);

/* What the program reads: a CredentialProviderRequest, JSON. Owned. */
char *credential_request (const credential_provider_t *provider, const char *repository);

typedef struct {
    node_t keyring;   // as in image_credentials.h
    char *cache_key;  // the answers of this provider that it stands for; owned
    int64_t cache_ns; // how long; 0: not at all
} credential_response_t;

/* Reads a CredentialProviderResponse, for a request about `repository`. The keyring is made in
   `tree`. Returns 0, or -1 with FAULT_INVALID, which shows nothing of the answer. */
int credential_response_read (const credential_provider_t *provider, const char *repository,
                              const char *bytes, size_t size, tree_t *tree,
                              credential_response_t *out, fault_t *fault);

/* The three keys under which an answer for `repository` may be cached, most special first, each
   owned by the caller: of the image, its registry, and all. */
#define CREDENTIAL_CACHE_KEYS 3
char *credential_cache_key (const char *provider, const char *repository, int kind);
