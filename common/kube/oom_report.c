#include "cubelet/oom_report.h"
#include "cubelet/memory.h"
#include <string.h>

/* Where the value of ",NAME=" begins, or NULL. */
static const char *
find_value (const char *record, const char *name)
{
    OWNED (free_text) char *key = text_format (",%s=", name);
    const char *at = strstr (record, key);
    return at ? at + strlen (key) : NULL;
}

bool
oom_report_parse (const char *record, oom_report_t *out)
{
    const char *report = strstr (record, "oom-kill:constraint=");
    const char *group = report ? find_value (report, "task_memcg") : NULL;
    const char *task = report ? find_value (report, "task") : NULL;
    // A name may hold anything: what follows it is found from the end.
    const char *pid = NULL;
    for (const char *at = task; at && (at = find_value (at, "pid"));)
        pid = at;
    if (!task || !pid || pid < task)
        return false;
    size_t size = (size_t) (pid - task) - strlen (",pid=");
    *out = (oom_report_t){ .pid = strtoll (pid, NULL, 10) };
    memcpy (out->task, task, size < sizeof out->task ? size : sizeof out->task - 1);
    out->is_system = group && group[0] == '/' && group[1] == ',';
    return out->pid > 0;
}
