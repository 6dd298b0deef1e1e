/* flag_table.h - the rows of flag_table.c, for flags.c and flag_help.c. */
#pragma once
#include "cubelet/flags.h"

typedef enum {
    FLAG_TEXT,
    FLAG_BOOL,
    FLAG_INT,
    FLAG_REAL,
    FLAG_DURATION,
    FLAG_LIST,       // a,b
    FLAG_MAP,        // a=b,c=d
    FLAG_THRESHOLDS, // a<b,c<d
    FLAG_GATES,      // A=true,B=false
    FLAG_TAINTS,     // key=value:effect,...
    FLAG_HEADERS,    // name:value, may be given several times
    FLAG_MEMORY,     // 0:memory=1Gi,hugepages-1Mi=2Mi;1:...
    FLAG_PATTERNS,   // file=4,...
    FLAG_KIND_COUNT
} flag_kind_t;

typedef enum {
    GROUP_FILES,
    GROUP_NODE,
    GROUP_RUNTIME,
    GROUP_LOGGING,
    GROUP_OWN,        // not upstream's
    GROUP_DEPRECATED, // better in the configuration file
    GROUP_IGNORED,    // accepted, without effect
    GROUP_COUNT
} flag_group_t;

typedef struct {
    const char *name; // with its dashes
    flag_kind_t kind;
    flag_group_t group;
    const char *config; // path of the configuration's field; NULL: `offset` counts
    size_t offset;      // in kubelet_options_t; FLAG_DURATION is int64_t ns there
    const char *about;  // NULL: "same as FIELD in the configuration file"
} flag_t;

extern const flag_t FLAGS[]; // ends with a row whose name is NULL
