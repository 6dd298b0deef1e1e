#include "cubelet/kernel_defaults.h"
#include "cubelet/file_read.h"
#include "cubelet/memory.h"
#include <stdlib.h>

#define SETTING_MAX_BYTES 4096

static const struct {
    const char *path;
    long expected;
} SETTINGS[] = {
    { "vm/overcommit_memory", 1 },
    { "vm/panic_on_oom", 0 },
    { "kernel/panic", 10 },
    { "kernel/panic_on_oops", 1 },
    { "kernel/keys/root_maxkeys", 1000000 },
    { "kernel/keys/root_maxbytes", 25000000 },
};

/* What is wrong with one setting; owned, NULL when nothing is. */
static char *
problem_of (const char *proc_sys, size_t index)
{
    fault_t fault = { 0 };
    OWNED (free_text) char *path = text_format ("%s/%s", proc_sys, SETTINGS[index].path);
    OWNED (free_text) char *text = file_read (path, SETTING_MAX_BYTES, NULL, &fault);
    if (!text)
        return text_copy (fault.text);
    long actual = strtol (text, NULL, 10);
    if (actual == SETTINGS[index].expected)
        return NULL;
    return text_format ("invalid kernel flag: %s, expected value: %ld, actual value: %ld",
                        SETTINGS[index].path, SETTINGS[index].expected, actual);
}

int
kernel_defaults_check (const char *proc_sys, fault_t *fault)
{
    OWNED (free_text) char *all = NULL;
    for (size_t i = 0; i < COUNT_OF (SETTINGS); i++) {
        OWNED (free_text) char *problem = problem_of (proc_sys, i);
        if (!problem)
            continue;
        OWNED (free_text) char *before = STEAL (all);
        all = before ? text_format ("%s, %s", before, problem) : text_copy (problem);
    }
    return all ? fault_set (fault, FAULT_PRECONDITION, "[%s]", all) : 0;
}
