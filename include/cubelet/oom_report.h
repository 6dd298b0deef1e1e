/* oom_report.h - what the kernel's log says when it kills a process because memory is out.
   Source: the kernel's mm/oom_kill.c, since 5.0: "oom-kill:constraint=...,task=NAME,pid=N,uid=0".
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#define OOM_TASK_MAX 32 // the kernel's names have 15 bytes

typedef struct {
    char task[OOM_TASK_MAX];
    int64_t pid;
    bool is_system; // the victim is in no cgroup but the root: the machine itself is short
} oom_report_t;

/* Reads one record of /dev/kmsg. False when it is about something else. */
bool oom_report_parse (const char *record, oom_report_t *out);
