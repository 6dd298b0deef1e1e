/* optional.h - fields of API objects that may be absent, read with their defaults. */
#pragma once
#include "cubelet/record.h"

static inline const char *
text_or_empty (const char *text)
{
    return text ? text : "";
}

static inline bool
is_true (opt_bool_t flag)
{
    return flag.set && flag.value;
}
