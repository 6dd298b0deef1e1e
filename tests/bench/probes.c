/* probes.c - what many probes cost: the probe-manager with 1,000 probes at a period of 1 s, the
   runtime and the worker played, the targets an HTTP server of this process.

   usage: bench_probes [exec|tcp|http] [PROBES] [SECONDS]

   Prints how many attempts were made, and the CPU of the actor's one thread. */
#include "helper_peer.h"
#include <setjmp.h>
#include <stdarg.h>
// cmocka, which the helpers use, wants these before it
#include "cubelet/actors.h"
#include "cubelet/clock.h"
#include "cubelet/memory.h"
#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define WARM_UP_MS 3000
#define PER_POD 20

/* CPU milliseconds of the threads whose name begins with `name`, and how many there are. */
static int64_t
cpu_ms_of (const char *name, int *threads_p)
{
    int64_t ticks = 0;
    DIR *tasks = opendir ("/proc/self/task");
    *threads_p = 0;
    for (struct dirent *entry; tasks && (entry = readdir (tasks));) {
        OWNED (free_text) char *path = text_format ("/proc/self/task/%s/stat", entry->d_name);
        OWNED (close_file) FILE *file = fopen (path, "re");
        char line[1024] = "", *comm, *rest;
        if (!file || !fgets (line, sizeof line, file) || !(comm = strchr (line, '('))
            || !(rest = strrchr (line, ')')) || strncmp (comm + 1, name, strlen (name)) != 0)
            continue;
        unsigned long user = 0, system = 0;
        sscanf (rest, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system);
        ticks += (int64_t) (user + system);
        (*threads_p)++;
    }
    if (tasks)
        closedir (tasks);
    return ticks * 1000 / sysconf (_SC_CLK_TCK);
}

// ---- the target ----

static int s_connections;

/* Answers one connection after the other; each takes microseconds over loopback. */
static void *
serve (void *arg)
{
    static const char ANSWER[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    int listener = *(int *) arg;
    for (int fd; (fd = accept (listener, NULL, NULL)) >= 0;) {
        char request[4096];
        __atomic_add_fetch (&s_connections, 1, __ATOMIC_RELAXED);
        if (recv (fd, request, sizeof request, 0) > 0)
            send (fd, ANSWER, sizeof ANSWER - 1, MSG_NOSIGNAL);
        close (fd);
    }
    return NULL;
}

static int
listen_anywhere (int *port_p)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind (fd, (struct sockaddr *) &address, size) < 0 || listen (fd, 1024) < 0
        || getsockname (fd, (struct sockaddr *) &address, &size) < 0) {
        perror ("bench_probes: no port");
        exit (1);
    }
    *port_p = ntohs (address.sin_port);
    return fd;
}

/* The handler of a probe, as JSON. Owned. */
static char *
handler_of (const char *kind, int port)
{
    if (strcmp (kind, "exec") == 0)
        return text_copy ("\"exec\":{\"command\":[\"true\"]}");
    if (strcmp (kind, "tcp") == 0)
        return text_format ("\"tcpSocket\":{\"port\":%d}", port);
    return text_format ("\"httpGet\":{\"path\":\"/ok\",\"port\":%d}", port);
}

static void
add_pod (peer_t *worker, int pod, int containers, const char *handler)
{
    OWNED (free_text) char *specs = text_copy ("");
    OWNED (free_text) char *sights = text_copy ("");
    for (int i = 0; i < containers; i++) {
        const char *comma = i ? "," : "";
        text_replace (
            &specs,
            "%s%s{\"name\":\"c%d\",\"image\":\"i\",\"livenessProbe\":{\"periodSeconds\":1,"
            "\"timeoutSeconds\":1,\"successThreshold\":1,\"failureThreshold\":3,%s}}",
            specs, comma, i, handler);
        text_replace (&sights,
                      "%s%s{\"name\":\"c%d\",\"id\":\"p%d-c%d\",\"started_at\":%lld,"
                      "\"started\":true,\"running\":true}",
                      sights, comma, i, pod, i, (long long) (clock_now_ns() - 60 * NS_PER_S));
    }
    OWNED (free_text)
    char *json = text_format (
        "{\"pod_uid\":\"u%d\",\"pod_ip\":\"127.0.0.1\",\"terminating\":false,\"containers\":[%s],"
        "\"pod\":{\"metadata\":{\"name\":\"p%d\",\"namespace\":\"d\",\"uid\":\"u%d\"},"
        "\"spec\":{\"restartPolicy\":\"Always\",\"containers\":[%s]}}}",
        pod, sights, pod, pod, specs);
    peer_send_json (worker, "probe-manager", MSG_PROBE_SET, json);
}

/* Answers what the runtime is asked until then. Returns how often that was. */
static int
play_until (peer_t *runtime, int64_t end_ms)
{
    int count = 0;
    for (int64_t left; (left = end_ms - clock_monotonic_ms()) > 0;) {
        OWNED (received_destroy) received_t *asked = peer_next (runtime, (int) left);
        if (!asked)
            continue;
        count++;
        peer_reply_json (runtime, asked, "{}");
    }
    return count;
}

int
main (int argc, char **argv)
{
    const char *kind = argc > 1 ? argv[1] : "http";
    int probes = argc > 2 ? atoi (argv[2]) : 1000;
    int seconds = argc > 3 ? atoi (argv[3]) : 10;
    int port = 0;
    int listener = listen_anywhere (&port);
    pthread_t server;
    if (pthread_create (&server, NULL, serve, &listener) != 0)
        return 1;
    stage_t *stage = stage_new();
    peer_t *runtime = stage_peer (stage, "runtime");
    peer_t *worker = stage_peer (stage, "pod-worker/d_p_u");
    stage_peer (stage, "event-recorder");
    stage_actor (stage, &probe_manager_class, "probe-manager", NULL);
    OWNED (free_text) char *handler = handler_of (kind, port);
    for (int pod = 0; pod * PER_POD < probes; pod++)
        add_pod (worker, pod, probes - pod * PER_POD < PER_POD ? probes - pod * PER_POD : PER_POD,
                 handler);
    play_until (runtime, clock_monotonic_ms() + WARM_UP_MS);

    int threads = 0, calls_before = s_connections;
    int64_t cpu_before = cpu_ms_of ("probe-manager", &threads);
    int attempts = play_until (runtime, clock_monotonic_ms() + seconds * 1000);
    int64_t cpu_ms = cpu_ms_of ("probe-manager", &threads) - cpu_before;
    attempts += s_connections - calls_before;
    printf ("%s: %d probes, %.0f attempts a second, %d thread, %.1f %% of a core\n", kind, probes,
            (double) attempts / seconds, threads, (double) cpu_ms / (10.0 * seconds));
    stage_destroy (&stage);
    shutdown (listener, SHUT_RDWR);
    pthread_join (server, NULL);
    close (listener);
    return 0;
}
