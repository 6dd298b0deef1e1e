/*  pause.c - process 1 of a lab sandbox: waits, reaps, and ends when asked.
 *
 *  A sandbox needs a process that holds its namespaces. No registry is reachable in the lab, so
 *  this stands in for registry.k8s.io/pause.
 */
#include <signal.h>
#include <stddef.h>
#include <sys/wait.h>
#include <unistd.h>

static void
s_end (int signal)
{
    (void) signal;
    _exit (0);
}

static void
s_reap (int signal)
{
    (void) signal;
    while (waitpid (-1, NULL, WNOHANG) > 0)
        ;
}

int
main (void)
{
    struct sigaction end = { .sa_handler = s_end };
    struct sigaction reap = { .sa_handler = s_reap, .sa_flags = SA_NOCLDSTOP };
    if (sigaction (SIGINT, &end, NULL) || sigaction (SIGTERM, &end, NULL)
        || sigaction (SIGCHLD, &reap, NULL))
        return 1;
    for (;;)
        pause();
}
