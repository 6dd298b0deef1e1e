/* flags.h - the command line: upstream's flags and a few of our own (flag_table.c), together with
   the configuration they point to. Source: reference/node-and-server.md 9. */
#pragma once
#include "cubelet/fault.h"
#include "cubelet/kubelet_config.h"
#include "cubelet/tree.h"
#include <stdbool.h>
#include <stdint.h>

/* Everything the program was told. Texts live in `tree` or are static; absent ones are NULL. */
typedef struct {
    tree_t *tree;
    kubelet_config_t config; // flags over drop-ins over the file over the defaults

    bool show_help, show_version; // then nothing else has been read
    const char *config_file;
    const char *config_dir;
    const char *kubeconfig; // NULL: standalone, static pods only
    const char *bootstrap_kubeconfig;
    const char *hostname_override;
    const char *node_ip;       // checked: one address, or one of each family with a comma
    const node_t *node_labels; // checked: map of texts, or NULL
    const char *root_dir;
    const char *cert_dir;
    const char *cloud_provider; // NULL, "" or "external"
    const char *image_credential_provider_config;
    const char *image_credential_provider_bin_dir;
    const char *lock_file;
    const char *runtime_cgroups; // NULL: not said
    bool exit_on_lock_contention;
    int64_t maximum_dead_containers_per_container;
    int64_t maximum_dead_containers; // -1: no limit
    int64_t minimum_container_ttl_ns;

    // ---- not upstream's ----
    const char *socket_dir; // of the sockets for kubelet-tap and kubelet-fault
    bool tap;
    bool enable_fault_injection;
    bool offline_autonomy;                 // docs/offline.md
    const char *offline_autonomy_key_file; // NULL: offline-autonomy.key in root_dir
    int64_t start_window;                  // pod starts in flight; 0: twice the cores
} kubelet_options_t;

/* Reads the command line and the configuration it names. `argv` is borrowed for the call;
   argv[0] is skipped. Flags are `--name value`, `--name=value`, `--switch`, `-v 4`, `-h`; "_" in
   a name counts as "-".
   Returns owned options, or NULL with FAULT_INVALID (or a file's fault): `unknown flag: --foo
   (did you mean --bar?)`, `invalid argument "x" for "--port" flag: ...`, or as
   kubelet_config_read. */
kubelet_options_t *kubelet_options_new (int argc, const char *const *argv, fault_t *fault);

/* Frees *self_p and sets it to NULL; does nothing if it is NULL already. */
void kubelet_options_destroy (kubelet_options_t **self_p);

/* What --help prints: all flags in groups, at most 100 columns. Owned text. */
char *kubelet_help_text (void);

/* What --version prints: "Kubernetes v1.34.0 (Cubelet 0.1.0)". Static text. */
const char *kubelet_version_text (void);
