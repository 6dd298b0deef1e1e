/* log_json.h - a log line as a JSON object, as upstream's `logging.format: json` writes it:
     {"ts":1700000000123.456,"caller":"worker.c:33","msg":"Killing container","v":0,"pod":"a/b"}
   `ts` is milliseconds since 1970. Lines of errors have no "v". What follows the text of a line as
   key=value becomes members, as texts; a value ends where " key=" begins, that of `err` with the
   line. */
#pragma once
#include "cubelet/log.h"
#include <stddef.h>
#include <stdint.h>

typedef struct {
    log_level_t level;
    int64_t at_ns; // since 1970
    const char *file;
    int line;
} log_line_t;

/* Writes the object to `out` without a line's end and without NUL; returns the number of bytes. A
   text that does not fit is cut off, the object stays whole. Bytes that are no UTF-8 become
   U+FFFD. `room` is at least 256. */
size_t log_json (const log_line_t *line, const char *text, char *out, size_t room);
