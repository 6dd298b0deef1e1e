#include "cubelet/clock.h"
#include "cubelet/json.h"
#include "cubelet/memory.h"
#include "cubelet/pod_names.h"
#include "view.h"
#include <string.h>
#include <time.h>

#define TIME_WIDTH 15  // 20:14:31.304066
#define ACTOR_WIDTH 34 // "pod-worker/default_nginx-lab-node0"
#define ACTOR_HEAD 14
#define TYPE_WIDTH 24
#define TYPE_MAX 96
#define ID_LEAST 32
#define ID_SHOWN 12

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

/* A pod-worker's name without the pod's uid, which only makes lines long, and of a name that is
   still too long the head and the tail, where names differ. */
static void
short_name (const char *name, char out[static ACTOR_NAME_MAX])
{
    snprintf (out, ACTOR_NAME_MAX, "%s", name);
    char *last = strrchr (out, '_');
    if (strncmp (out, "pod-worker/", 11) == 0 && last)
        *last = '\0';
    size_t length = strlen (out);
    if (length > ACTOR_WIDTH) {
        memcpy (out + ACTOR_HEAD, "...", 3);
        size_t tail = ACTOR_WIDTH - ACTOR_HEAD - 3;
        memmove (out + ACTOR_HEAD + 3, out + length - tail, tail + 1);
    }
}

static bool
is_hex (char letter)
{
    return (letter >= '0' && letter <= '9') || (letter >= 'a' && letter <= 'f');
}

/* Cuts ids (32 hexadecimal digits and more) to their first 12, as crictl and docker show them. */
static void
shorten_ids (char *text)
{
    char *to = text;
    for (const char *from = text; *from;) {
        size_t run = 0;
        while (is_hex (from[run]))
            run++;
        size_t kept = run >= ID_LEAST ? ID_SHOWN : run;
        memmove (to, from, kept);
        to += kept;
        from += run;
        if (run == 0)
            *to++ = *from++;
    }
    *to = '\0';
}

static void
print_body (const char *body, int room)
{
    if (room > 3 && (int) strlen (body) > room)
        printf ("%.*s...\n", room - 3, body);
    else
        puts (body);
}

void
view_line (const view_options_t *options, const shown_t *message)
{
    char from[ACTOR_NAME_MAX], to[ACTOR_NAME_MAX], type[TYPE_MAX];
    short_name (message->from, from);
    short_name (message->to, to);
    snprintf (type, sizeof type, "%s%s", message->fault ? "FAULT " : (message->re ? "ok " : ""),
              message->type);
    print_time (message->sent_ns);
    int used =
        TIME_WIDTH
        + printf (" %-*s -> %-*s %-*s ", ACTOR_WIDTH, from, ACTOR_WIDTH, to, TYPE_WIDTH, type);
    if (strcmp (message->outcome, "delivered") != 0)
        used += printf ("[%s] ", message->outcome);
    OWNED (free_text)
    char *body = message->fault
                     ? text_format ("%s: %s", fault_code_name (message->fault), message->fault_text)
                     : json_write (message->body, JSON_COMPACT, NULL);
    shorten_ids (body);
    print_body (body, options->width ? options->width - used : 0);
}

void
view_json (const shown_t *message)
{
    OWNED (tree_destroy) tree_t *tree = tree_copy (message->head);
    node_set (tree, tree_root (tree), "body", node_copy (tree, message->body));
    OWNED (free_text) char *text = json_write (tree_root (tree), JSON_COMPACT, NULL);
    puts (text);
}
