/* kubelet: the program. Reads the command line and the configuration, finds out about the node,
   and has the supervisor run the actors until a signal says stop. */
#include "cubelet/checkpoint_dir.h"
#include "cubelet/flags.h"
#include "cubelet/kernel_defaults.h"
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include "cubelet/node_info.h"
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cubelet/supervisor.h"
#include "image_puller/docker_config.h"
#include "launch.h"
#include "process.h"
#include "subids.h"

/* An actor's stack: handlers are shallow, the deepest are the converters (TREE_DEPTH_MAX) and
   getaddrinfo. Only what is touched costs memory. */
#define STACK_BYTES (512 * 1024)

/* A hundred threads with an arena each would cost more than everything else. */
static void
spare_memory (void)
{
    mallopt (M_ARENA_MAX, 2);
    mallopt (M_TRIM_THRESHOLD, 256 * 1024);
    mallopt (M_MMAP_THRESHOLD, 256 * 1024);
    pthread_attr_t attributes;
    pthread_attr_init (&attributes);
    pthread_attr_setstacksize (&attributes, STACK_BYTES);
    pthread_setattr_default_np (&attributes);
    pthread_attr_destroy (&attributes);
}

/* Makes a directory and its parents. */
static int
make_path (const char *path, mode_t mode, fault_t *fault)
{
    OWNED (free_text) char *part = text_copy (path);
    for (char *slash = strchr (part + 1, '/'); slash; slash = strchr (slash + 1, '/')) {
        *slash = '\0';
        mkdir (part, 0755);
        *slash = '/';
    }
    if (mkdir (path, mode) < 0 && errno != EEXIST)
        return fault_set (fault, FAULT_UNAVAILABLE, "cannot make the directory %s: %s", path,
                          strerror (errno));
    return 0;
}

static int
make_directories (const kubelet_options_t *options, fault_t *fault)
{
    if (geteuid() != 0)
        return fault_set (fault, FAULT_DENIED,
                          "the kubelet has to run as root: it mounts volumes "
                          "and makes cgroups");
    if (make_path (options->root_dir, 0750, fault) < 0
        || make_path (options->config.pod_logs_dir, 0755, fault) < 0
        || make_path (options->socket_dir, 0700, fault) < 0)
        return -1;
    OWNED (free_text) char *pods = text_format ("%s/pods", options->root_dir);
    return make_path (pods, 0750, fault);
}

/* --exit-on-lock-contention: as soon as somebody else opens or removes the file, the kernel sends
   SIGTERM, and the agent ends as if it had been asked to: with 0, and containers run on. */
static int
end_when_wanted (const char *path, fault_t *fault)
{
    int fd = inotify_init1 (IN_CLOEXEC | IN_NONBLOCK);
    if (fd < 0 || inotify_add_watch (fd, path, IN_OPEN | IN_DELETE_SELF) < 0
        || fcntl (fd, F_SETOWN, getpid()) < 0 || fcntl (fd, F_SETSIG, SIGTERM) < 0
        || fcntl (fd, F_SETFL, O_NONBLOCK | O_ASYNC) < 0)
        return fault_set (fault, FAULT_UNAVAILABLE,
                          "--exit-on-lock-contention: cannot watch %s: %s", path, strerror (errno));
    return 0; // kept open until the end
}

/* --lock-file: waits until no other agent holds it. The lock ends with the process. */
static int
take_lock (const kubelet_options_t *options, fault_t *fault)
{
    bool has_file = options->lock_file && options->lock_file[0];
    if (options->exit_on_lock_contention && !has_file)
        return fault_set (fault, FAULT_INVALID,
                          "cannot exit on lock file contention: no lock file specified");
    if (!has_file)
        return 0;
    int fd = open (options->lock_file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || flock (fd, LOCK_EX) < 0)
        return fault_set (fault, FAULT_UNAVAILABLE, "--lock-file: cannot lock %s: %s",
                          options->lock_file, strerror (errno));
    return options->exit_on_lock_contention ? end_when_wanted (options->lock_file, fault) : 0;
}

static void
warn_of_what_is_missing (const kubelet_options_t *options)
{
    const char *path = options->config.static_pod_path;
    bool is_standalone = !options->kubeconfig && !options->bootstrap_kubeconfig;
    const char *url = options->config.static_pod_url;
    if (is_standalone && (!path || !path[0]) && (!url || !url[0]))
        LOG_WARNING ("No pods will run: set --kubeconfig to join a cluster, staticPodPath in the "
                     "configuration file, or --pod-manifest-path");
    const char *mode = options->config.authorization.mode;
    if (is_standalone && options->config.enable_server && strcmp (mode, "Webhook") == 0)
        LOG_WARNING ("Nobody is let in over TLS: authorization.mode is Webhook by default, which "
                     "needs an API server to ask. Set it to AlwaysAllow for who has a certificate "
                     "of authentication.x509.clientCAFile");
}

/* The exec credential plugins, when both flags are there, as upstream. */
static int
read_credential_providers (const kubelet_options_t *options, launch_t *launch, fault_t *fault)
{
    const char *path = options->image_credential_provider_config;
    const char *bin_dir = options->image_credential_provider_bin_dir;
    if (!path || !*path || !bin_dir || !*bin_dir)
        return 0;
    node_t *providers = tree_alloc (options->tree, sizeof *providers);
    if (credential_config_load (path, bin_dir, options->tree, providers, fault) < 0)
        return fault_wrap (fault, "--image-credential-provider-config");
    launch->credential_providers = providers;
    launch->credential_provider_bin_dir = bin_dir;
    return 0;
}

/* The directory and the key of --offline-autonomy; without it nothing of an earlier time stays. */
static int
prepare_offline (const kubelet_options_t *options, launch_t *launch, fault_t *fault)
{
    OWNED (free_text) char *path = text_format ("%s/offline", options->root_dir);
    OWNED (free_text) char *key = text_format ("%s/offline-autonomy.key", options->root_dir);
    if (options->offline_autonomy_key_file && options->offline_autonomy_key_file[0])
        text_replace (&key, "%s", options->offline_autonomy_key_file);
    if (!options->offline_autonomy || launch->is_standalone)
        return checkpoint_dir_delete (path, fault);
    checkpoint_dir_t *opened = checkpoint_dir_new (path, key, fault);
    if (!opened)
        return fault_wrap (fault, "--offline-autonomy");
    checkpoint_dir_tidy (opened); // no actor writes yet
    checkpoint_dir_destroy (&opened);
    launch->checkpoint_dir = tree_text (options->tree, path, strlen (path));
    launch->offline_key_file = tree_text (options->tree, key, strlen (key));
    return 0;
}

static int
run (const kubelet_options_t *options, fault_t *fault)
{
    process_set_log (&options->config);
    if (make_directories (options, fault) < 0 || take_lock (options, fault) < 0)
        return -1;
    if (options->config.protect_kernel_defaults && kernel_defaults_check ("/proc/sys", fault) < 0)
        return fault_wrap (fault, "protectKernelDefaults");
    node_facts_t facts = { 0 };
    if (node_facts_read (options, options->tree, &facts, fault) < 0)
        return -1;
    LOG_INFO ("Kubelet version version=%s node=%s", kubelet_version_text(), facts.node_name);
    process_set_limits (&options->config);
    warn_of_what_is_missing (options);
    launch_t launch = {
        .config = &options->config,
        .facts = &facts,
        .start_window = options->start_window,
        .dead_containers_kept = options->maximum_dead_containers_per_container,
        .dead_containers_max = options->maximum_dead_containers,
        .dead_container_least_ns = options->minimum_container_ttl_ns,
        .node_labels = options->node_labels,
        .node_ip = options->node_ip,
        .cloud_provider = options->cloud_provider,
        .runtime_cgroups = options->runtime_cgroups,
        .kubeconfig = options->kubeconfig,
        .bootstrap_kubeconfig = options->bootstrap_kubeconfig,
        .cert_dir = options->cert_dir,
        .socket_dir = options->socket_dir,
        .is_standalone = !options->kubeconfig && !options->bootstrap_kubeconfig,
    };
    if (read_credential_providers (options, &launch, fault) < 0
        || prepare_offline (options, &launch, fault) < 0
        || subids_find (&launch.userns_first, &launch.userns_total, fault) < 0)
        return -1;
    launch_server_certificate (&launch);
    supervised_t actors[LAUNCH_ACTORS_MAX];
    size_t count = launch_actors (&launch, options->tree, actors);
    OWNED (free_text) char *tap = text_format ("ipc://%s/tap.sock", options->socket_dir);
    OWNED (free_text) char *control = text_format ("ipc://%s/fault.sock", options->socket_dir);
    supervisor_config_t config = {
        .tap_endpoint = options->tap ? tap : NULL,
        .fault_endpoint = options->enable_fault_injection ? control : NULL,
    };
    return supervisor_run (&config, actors, count, LAUNCH_CLASSES, fault);
}

int
main (int argc, char **argv)
{
    process_forgo_thread_caches (argv);
    spare_memory();
    fault_t fault = { 0 };
    OWNED (kubelet_options_destroy)
    kubelet_options_t *options = kubelet_options_new (argc, (const char *const *) argv, &fault);
    if (!options) {
        fprintf (stderr, "kubelet: %s\nSee kubelet --help.\n", fault.text);
        return 1;
    }
    if (options->show_help) {
        OWNED (free_text) char *text = kubelet_help_text();
        fputs (text, stdout);
        return 0;
    }
    if (options->show_version) {
        puts (kubelet_version_text());
        return 0;
    }
    if (run (options, &fault) < 0) {
        LOG_ERROR ("Kubelet cannot run err=%s", fault.text);
        return 1;
    }
    return 0;
}
