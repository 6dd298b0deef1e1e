/* flag_help.c - what --help and --version print, from the table. */
#include "cubelet/memory.h"
#include "flag_table.h"
#include <stdio.h>
#include <string.h>

#define WIDTH 100
#define TEXT_COLUMN 44

static const char INTRO[] =
    "The kubelet runs the pods of one Kubernetes node: those it finds as manifests in a directory\n"
    "(staticPodPath). Flags for nodes of a cluster are accepted, but this version does not join "
    "one.\n"
    "\n"
    "Usage:\n"
    "  kubelet --config FILE [--kubeconfig FILE] [flags]\n"
    "\n"
    "A flag wins over the drop-ins of --config-dir, these over the file of --config, and that "
    "over\n"
    "the defaults. `--name value` and `--name=value` are the same; a switch alone means true.\n";

static const char *const TITLES[] = {
    [GROUP_FILES] = "Files and directories:",
    [GROUP_NODE] = "The node:",
    [GROUP_RUNTIME] = "The container runtime:",
    [GROUP_LOGGING] = "Logging:",
    [GROUP_OWN] = "Cubelet only (other kubelets do not have these):",
    [GROUP_DEPRECATED] = "Fields of the configuration file, which is the better place for them:",
    [GROUP_IGNORED] = "Accepted for the sake of old scripts, without any effect:",
};
_Static_assert(COUNT_OF (TITLES) == GROUP_COUNT, "a title for every group");

static const char *const PLACEHOLDERS[] = {
    [FLAG_TEXT] = " TEXT",
    [FLAG_BOOL] = "",
    [FLAG_INT] = " NUMBER",
    [FLAG_REAL] = " NUMBER",
    [FLAG_DURATION] = " 1m30s",
    [FLAG_LIST] = " A,B",
    [FLAG_MAP] = " K=V,...",
    [FLAG_THRESHOLDS] = " SIGNAL<VALUE,...",
    [FLAG_GATES] = " GATE=true,...",
    [FLAG_TAINTS] = " K=V:EFFECT,...",
    [FLAG_HEADERS] = " NAME:VALUE",
    [FLAG_MEMORY] = " NODE:memory=SIZE;...",
    [FLAG_PATTERNS] = " FILE=NUMBER,...",
};
_Static_assert(COUNT_OF (PLACEHOLDERS) == FLAG_KIND_COUNT, "a placeholder for every kind");

// Writes words from `column` on, and goes on at `indent` on the next line when they do not fit.
static size_t
write_wrapped (FILE *out, const char *text, size_t column, size_t indent)
{
    while (*text) {
        size_t size = strcspn (text, " ");
        bool is_start = column == indent;
        if (!is_start && column + 1 + size > WIDTH) {
            fprintf (out, "\n%*s", (int) indent, "");
            column = indent;
            is_start = true;
        }
        fprintf (out, "%s%.*s", is_start ? "" : " ", (int) size, text);
        column += size + !is_start;
        text += size;
        text += strspn (text, " ");
    }
    return column;
}

static void
write_flag (FILE *out, const flag_t *flag)
{
    int used = fprintf (out, "  %s%s", flag->name, PLACEHOLDERS[flag->kind]);
    size_t column = used > 0 ? (size_t) used : 0;
    if (column + 2 > TEXT_COLUMN) {
        fprintf (out, "\n");
        column = 0;
    }
    fprintf (out, "%*s", (int) (TEXT_COLUMN - column), "");
    write_wrapped (out, flag->about ? flag->about : flag->config, TEXT_COLUMN, TEXT_COLUMN);
    fprintf (out, "\n");
}

static void
write_group (FILE *out, flag_group_t group)
{
    size_t column = 2;
    fprintf (out, "\n%s\n", TITLES[group]);
    if (group == GROUP_IGNORED)
        fprintf (out, "  ");
    for (const flag_t *flag = FLAGS; flag->name; flag++) {
        if (flag->group != group)
            continue;
        if (group == GROUP_IGNORED)
            column = write_wrapped (out, flag->name, column, 2);
        else
            write_flag (out, flag);
    }
    if (group == GROUP_IGNORED)
        fprintf (out, "\n");
}

char *
kubelet_help_text (void)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream (&text, &size);
    if (!out)
        abort();
    fputs (INTRO, out);
    for (int group = 0; group < GROUP_COUNT; group++)
        write_group (out, (flag_group_t) group);
    if (fclose (out) != 0)
        abort();
    return text;
}

const char *
kubelet_version_text (void)
{
    return "Kubernetes " CUBELET_VERSION " (Cubelet " CUBELET_AGENT_VERSION ")";
}
