/* log_stream.h - sends a container's log file to a client, in slices, and follows it.

   log_stream.c   one client
   log_watch.c    what all who follow wait for: changes of files, ends of containers */
#pragma once
#include "cubelet/log_options.h"
#include "server.h"

typedef struct log_stream log_stream_t;

/* Takes the exchange over and answers with the log at `path` of the container of that id, or with
   the reason why it cannot be read, which upstream sends as if it were the log. */
void log_stream_begin (exchange_t *exchange, const log_options_t *options, const char *path,
                       const char *container_id);

/* Sends a plain file as it is, with its size in front. `fd` is taken. */
void log_stream_begin_file (exchange_t *exchange, int fd, int64_t size, const char *content_type);

/* For log_watch.c: there may be more to read; the container does not run any more. */
void log_stream_wake (log_stream_t *self);
void log_stream_end_follow (log_stream_t *self);
const char *log_stream_container (const log_stream_t *self);

// ---- log_watch.c ----

typedef struct log_watch log_watch_t;

/* Wakes streams when something in the directory of their file changes, and tells them when their
   container has ended; costs nothing while nobody follows. Owned. */
log_watch_t *log_watch_new (server_t *server);
void log_watch_destroy (log_watch_t **self_p);

/* Adds a stream, whose file is in `directory`; and takes it out again (does nothing when it is not
   there). */
void log_watch_add (log_watch_t *self, log_stream_t *stream, const char *directory);
void log_watch_remove (log_watch_t *self, const log_stream_t *stream);
