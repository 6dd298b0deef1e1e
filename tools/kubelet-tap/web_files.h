/* web_files.h - the page's files, which the build puts into the program (embed.cmake). */
#pragma once
#include <stddef.h>

typedef struct {
    const char *name; // of the file in tools/kubelet-tap/web
    const unsigned char *bytes;
    size_t size;
} web_file_t;

/* Ends with a name that is NULL. */
extern const web_file_t WEB_FILES[];
