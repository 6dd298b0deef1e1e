#include "cubelet/proc_stats.h"
#include "cubelet/memory.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define KIB 1024

static const char *
next_line (const char *line)
{
    line += strcspn (line, "\n");
    return line + (*line == '\n');
}

// ---- network ----

static bool
is_left_out (const char *name)
{
    static const char *const PREFIXES[] = { "veth", "docker", "nerdctl" };
    for (size_t i = 0; i < COUNT_OF (PREFIXES); i++)
        if (strncmp (name, PREFIXES[i], strlen (PREFIXES[i])) == 0)
            return true;
    return strcmp (name, "lo") == 0;
}

size_t
net_dev_parse (const char *text, interface_stats_t *out, size_t room)
{
    size_t count = 0;
    for (const char *line = text; *line && count < room; line = next_line (line)) {
        interface_stats_t one = { 0 };
        int read =
            sscanf (line,
                    " %31[^: ]: %" SCNd64 " %" SCNd64 " %" SCNd64 " %" SCNd64
                    " %*u %*u %*u %*u %" SCNd64 " %" SCNd64 " %" SCNd64 " %" SCNd64,
                    one.name, &one.rx_bytes, &one.rx_packets, &one.rx_errors, &one.rx_dropped,
                    &one.tx_bytes, &one.tx_packets, &one.tx_errors, &one.tx_dropped);
        if (read == 9 && !is_left_out (one.name))
            out[count++] = one;
    }
    return count;
}

// ---- all of a network ----

/* The number in column `name` of the two lines that begin with "IpExt:". */
static bool
ext_number (const char *names, const char *values, const char *name, int64_t *out)
{
    size_t size = strlen (name);
    while (*names && *names != '\n' && *values && *values != '\n') {
        size_t column = strcspn (names, " \n");
        if (column == size && strncmp (names, name, size) == 0)
            return sscanf (values, "%" SCNd64, out) == 1;
        names += column + (names[column] == ' ');
        size_t value = strcspn (values, " \n");
        values += value + (values[value] == ' ');
    }
    return false;
}

bool
netstat_parse (const char *text, int64_t *received, int64_t *sent)
{
    static const char START[] = "IpExt: ";
    const char *names = strstr (text, START);
    const char *values = names ? strstr (names + 1, START) : NULL;
    return values && ext_number (names, values, "InOctets", received)
           && ext_number (names, values, "OutOctets", sent);
}

// ---- memory ----

void
meminfo_parse (const char *text, meminfo_t *out)
{
    static const struct {
        const char *key;
        size_t offset;
    } KEYS[] = {
        { "MemTotal:", offsetof (meminfo_t, total) },
        { "MemFree:", offsetof (meminfo_t, free) },
        { "MemAvailable:", offsetof (meminfo_t, available) },
        { "SwapTotal:", offsetof (meminfo_t, swap_total) },
        { "SwapFree:", offsetof (meminfo_t, swap_free) },
    };
    *out = (meminfo_t){ 0 };
    for (const char *line = text; *line; line = next_line (line))
        for (size_t i = 0; i < COUNT_OF (KEYS); i++)
            if (strncmp (line, KEYS[i].key, strlen (KEYS[i].key)) == 0)
                *(int64_t *) ((char *) out + KEYS[i].offset) =
                    strtoll (line + strlen (KEYS[i].key), NULL, 10) * KIB;
}

// ---- the machine ----

int64_t
loadavg_tasks (const char *text)
{
    int64_t tasks = -1;
    return sscanf (text, "%*f %*f %*f %*d/%" SCNd64, &tasks) == 1 ? tasks : -1;
}

int64_t
stat_boot_time (const char *text)
{
    for (const char *line = text; *line; line = next_line (line)) {
        int64_t seconds = 0;
        if (sscanf (line, "btime %" SCNd64, &seconds) == 1)
            return seconds;
    }
    return 0;
}

// ---- processes ----

/* True when `word` is among the `size` bytes of a list with commas. */
static bool
lists (const char *list, size_t size, const char *word)
{
    size_t length = strlen (word);
    for (const char *at = list, *end = list + size; at < end;) {
        const char *comma = memchr (at, ',', (size_t) (end - at));
        size_t item = (size_t) ((comma ? comma : end) - at);
        if (item == length && memcmp (at, word, item) == 0)
            return true;
        at += item + 1;
    }
    return false;
}

char *
proc_cgroup_path (const char *text, const char *controller)
{
    for (const char *line = text; *line; line = next_line (line)) {
        const char *list = strchr (line, ':');
        const char *path = list ? strchr (list + 1, ':') : NULL;
        if (!path)
            return NULL;
        size_t size = (size_t) (path - list - 1);
        if (controller ? lists (list + 1, size, controller) : size == 0)
            return text_format ("%.*s", (int) strcspn (path + 1, "\n"), path + 1);
    }
    return NULL;
}

bool
process_stat_parse (const char *text, process_stat_t *out)
{
    // the program's name may hold anything, also parentheses
    const char *after = strrchr (text, ')');
    int64_t user = 0, system = 0;
    *out = (process_stat_t){ 0 };
    if (!after
        || sscanf (after + 1,
                   " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %" SCNd64 " %" SCNd64
                   " %*d %*d %*d %*d %" SCNd64 " %*d %" SCNd64 " %" SCNd64 " %" SCNd64,
                   &user, &system, &out->threads, &out->start_ticks, &out->virtual_bytes,
                   &out->resident_pages)
               != 6)
        return false;
    out->cpu_ticks = user + system;
    return true;
}
