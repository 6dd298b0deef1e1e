#include "process.h"
#include "cubelet/log.h"
#include "cubelet/tree.h"
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* Only the environment can say this, and only to a program that begins. */
void
process_forgo_thread_caches (char *const *argv)
{
    static const char NAME[] = "GLIBC_TUNABLES";
    static const char NONE[] = "glibc.malloc.tcache_count=0:glibc.pthread.stack_cache_size=0";
    const char *set = getenv (NAME);
    if (set && strcmp (set, NONE) == 0)
        unsetenv (NAME); // it is not meant for the programs that the agent runs
    if (set)
        return;
    // Not execv ("/proc/self/exe"): that would be the name by which ps and pgrep know the agent.
    char path[PATH_MAX];
    ssize_t size = readlink ("/proc/self/exe", path, sizeof path - 1);
    if (size <= 0 || setenv (NAME, NONE, 1) < 0)
        return;
    path[size] = '\0';
    execv (path, argv);
    unsetenv (NAME); // it has been removed or replaced since it was started
}

void
process_set_log (const kubelet_config_t *config)
{
    const logging_config_t *logging = &config->logging;
    log_set_verbosity ((int) logging->verbosity);
    log_set_format (strcmp (logging->format, "json") == 0 ? LOG_FORMAT_JSON : LOG_FORMAT_TEXT);
    NODE_EACH (logging->vmodule, row)
    log_add_module (node_get_text (row, "filePattern", ""),
                    (int) node_get_int (row, "verbosity", 0));
}

/* Not above what the administrator allows, if the agent may not change that. */
static void
set_open_files (rlim_t wanted)
{
    struct rlimit limit = { wanted, wanted };
    if (setrlimit (RLIMIT_NOFILE, &limit) == 0)
        return;
    int error = errno;
    if (getrlimit (RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
        if (setrlimit (RLIMIT_NOFILE, &limit) == 0)
            error = EPERM; // but so many as are allowed
    }
    LOG_WARNING ("maxOpenFiles is more than the system allows wanted=%lld err=%s",
                 (long long) wanted, strerror (error));
}

static void
set_oom_score (int64_t score)
{
    FILE *file = fopen ("/proc/self/oom_score_adj", "we");
    bool is_written = file && fprintf (file, "%lld\n", (long long) score) > 0;
    int error = errno;
    if (file && fclose (file) != 0) { // this is where the kernel says no
        is_written = false;
        error = errno;
    }
    if (!is_written)
        LOG_WARNING ("oomScoreAdj is not set wanted=%lld err=%s", (long long) score,
                     strerror (error));
}

void
process_set_limits (const kubelet_config_t *config)
{
    set_open_files ((rlim_t) config->max_open_files);
    set_oom_score (config->oom_score_adj);
}
