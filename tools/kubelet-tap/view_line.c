#include "cubelet/clock.h"
#include "cubelet/json.h"
#include "cubelet/memory.h"
#include "view.h"
#include <string.h>
#include <time.h>

#define HEAD_MAX 160

/* Local time of day with microseconds. */
static void
print_time (int64_t ns)
{
    time_t seconds = (time_t) (ns / NS_PER_S);
    struct tm local;
    localtime_r (&seconds, &local);
    printf ("%02d:%02d:%02d.%06lld", local.tm_hour, local.tm_min, local.tm_sec,
            (long long) (ns % NS_PER_S / 1000));
}

/* A pod-worker's name without the pod's uid, which only makes lines long. */
static void
short_name (const char *name, char out[static 48])
{
    snprintf (out, 48, "%.47s", name);
    char *last = strrchr (out, '_');
    if (strncmp (out, "pod-worker/", 11) == 0 && last)
        *last = '\0';
}

void
view_line (const view_options_t *options, const shown_t *message)
{
    char from[48], to[48], head[HEAD_MAX];
    short_name (message->from, from);
    short_name (message->to, to);
    snprintf (head, sizeof head, " %-26s -> %-26s %-24s ", from, to, message->type);
    print_time (message->sent_ns);
    fputs (head, stdout);
    if (message->re)
        printf ("%s ", message->fault ? "FAULT" : "ok");
    if (strcmp (message->outcome, "delivered") != 0)
        printf ("[%s] ", message->outcome);
    if (message->fault) {
        printf ("%s: %s\n", fault_code_name (message->fault), message->fault_text);
        return;
    }
    OWNED (free_text) char *body = json_write (message->body, JSON_COMPACT, NULL);
    int room = options->width - 15 - (int) strlen (head) - 4;
    if (options->width && (int) strlen (body) > room && room > 3)
        printf ("%.*s...\n", room - 3, body);
    else
        puts (body);
}

void
view_json (const shown_t *message)
{
    OWNED (tree_destroy) tree_t *tree = tree_copy (message->head);
    node_set (tree, tree_root (tree), "body", node_copy (tree, message->body));
    OWNED (free_text) char *text = json_write (tree_root (tree), JSON_COMPACT, NULL);
    puts (text);
}
