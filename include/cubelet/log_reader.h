/* log_reader.h - a container's log file becomes what a client gets, piece by piece, in bounded
   memory: the CRI's format and Docker's json-file. Source: reference/node-and-server.md 5.

   A line of the CRI's is `TIME STREAM TAGS CONTENT`; its content passes as it comes, however long
   the line is. The entries of a file are counted and cut as upstream does. For one thread. */
#pragma once
#include "cubelet/log_options.h"
#include <stddef.h>

typedef struct log_reader log_reader_t;

/* Takes what the client gets. */
typedef void log_sink_fn (void *context, const char *bytes, size_t size);

/* Copies the options. Owned. */
log_reader_t *log_reader_new (const log_options_t *options, log_sink_fn *sink, void *context);

/* Frees *self_p and sets it to NULL; does nothing if it is NULL already. */
void log_reader_destroy (log_reader_t **self_p);

typedef enum {
    LOG_READER_GOES_ON,
    LOG_READER_DONE,  // a limit is reached: nothing more is to be sent
    LOG_READER_FAILED // the first line is of no known format
} log_reader_state_t;

/* Takes bytes of the file, in order and in pieces of any size. FAILED sets `fault`. */
log_reader_state_t
log_reader_feed (log_reader_t *self, const char *bytes, size_t size, fault_t *fault);

/* The file has ended, or another one follows: a line without a newline counts as one. */
log_reader_state_t log_reader_end (log_reader_t *self, fault_t *fault);

// ---- where the last lines start ----

/* Counts newlines from the end of a file. */
typedef struct {
    int64_t start; // result: where the last lines start
    int64_t left;  // newlines still to be found
} log_tail_t;

/* The last `lines` lines of a file of `size` bytes; a last one without a newline counts as none, as
   upstream does it. */
void log_tail_start (log_tail_t *self, int64_t size, int64_t lines);

/* The piece of at most `room` bytes to be read next; false when `start` is the result. */
bool log_tail_next (const log_tail_t *self, size_t room, int64_t *offset, size_t *size);

/* Takes that piece. */
void log_tail_take (log_tail_t *self, const char *bytes, size_t size);
