#include "cubelet/gzip_file.h"
#include "cubelet/memory.h"
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#define STEP_BYTES ((size_t) 256 * 1024)
#define CHUNK_BYTES ((size_t) 32 * 1024)
#define GZIP_WINDOW_BITS (15 + 16) // the largest window, and gzip's header
#define MEMORY_LEVEL 8             // zlib's default

struct gzip_file {
    char *path, *unfinished, *finished;
    int in, out;
    z_stream stream;
    bool has_stream;
    unsigned char in_buffer[CHUNK_BYTES], out_buffer[CHUNK_BYTES];
};

void
gzip_file_destroy (gzip_file_t **self_p)
{
    gzip_file_t *self = *self_p;
    if (!self)
        return;
    if (self->has_stream)
        deflateEnd (&self->stream);
    close_fd (&self->in);
    if (self->out >= 0)
        unlink (self->unfinished); // a finished one has been closed
    close_fd (&self->out);
    free (self->path);
    free (self->unfinished);
    free (self->finished);
    free (self);
    *self_p = NULL;
}

static int
open_both (gzip_file_t *self, fault_t *fault)
{
    struct stat info;
    self->in = open (self->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (self->in < 0)
        return fault_set (fault, errno == ENOENT ? FAULT_NOT_FOUND : FAULT_INTERNAL,
                          "cannot open %s: %s", self->path, strerror (errno));
    if (fstat (self->in, &info) < 0 || !S_ISREG (info.st_mode))
        return fault_set (fault, FAULT_INTERNAL, "%s is not a file", self->path);
    self->out = open (self->unfinished, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
                      info.st_mode & 0777);
    if (self->out < 0)
        return fault_set (fault, FAULT_INTERNAL, "cannot make %s: %s", self->unfinished,
                          strerror (errno));
    if (fchown (self->out, info.st_uid, info.st_gid) < 0
        || fchmod (self->out, info.st_mode & 0777) < 0)
        return fault_set (fault, FAULT_INTERNAL, "cannot set the owner of %s: %s", self->unfinished,
                          strerror (errno));
    return 0;
}

gzip_file_t *
gzip_file_new (const char *path, fault_t *fault)
{
    gzip_file_t *self = memory_new (1, sizeof *self);
    self->in = self->out = -1;
    self->path = text_copy (path);
    self->finished = text_format ("%s.gz", path);
    self->unfinished = text_format ("%s.tmp", self->finished);
    if (open_both (self, fault) < 0) {
        gzip_file_destroy (&self);
        return NULL;
    }
    int result = deflateInit2 (&self->stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, GZIP_WINDOW_BITS,
                               MEMORY_LEVEL, Z_DEFAULT_STRATEGY);
    self->has_stream = result == Z_OK;
    if (!self->has_stream) {
        fault_set (fault, FAULT_INTERNAL, "cannot compress %s: zlib says %d", path, result);
        gzip_file_destroy (&self);
    }
    return self;
}

static int
write_all (gzip_file_t *self, size_t size, fault_t *fault)
{
    for (size_t done = 0; done < size;) {
        ssize_t written = write (self->out, self->out_buffer + done, size - done);
        if (written < 0 && errno != EINTR)
            return fault_set (fault, FAULT_INTERNAL, "cannot write %s: %s", self->unfinished,
                              strerror (errno));
        done += written > 0 ? (size_t) written : 0;
    }
    return 0;
}

/* Compresses what is in in_buffer; `flush` Z_FINISH: and ends. */
static int
compress_chunk (gzip_file_t *self, size_t size, int flush, fault_t *fault)
{
    self->stream.next_in = self->in_buffer;
    self->stream.avail_in = (uInt) size;
    do {
        self->stream.next_out = self->out_buffer;
        self->stream.avail_out = CHUNK_BYTES;
        if (deflate (&self->stream, flush) == Z_STREAM_ERROR)
            return fault_set (fault, FAULT_INTERNAL, "cannot compress %s", self->path);
        if (write_all (self, CHUNK_BYTES - self->stream.avail_out, fault) < 0)
            return -1;
    } while (self->stream.avail_out == 0);
    return 0;
}

/* The output is complete: it takes the place of the input. */
static int
finish (gzip_file_t *self, fault_t *fault)
{
    // Not synced: that would hold up the actor, and a part is no more precious than a live log.
    if (rename (self->unfinished, self->finished) < 0)
        return fault_set (fault, FAULT_INTERNAL, "cannot finish %s: %s", self->finished,
                          strerror (errno));
    close_fd (&self->out);
    if (unlink (self->path) < 0 && errno != ENOENT)
        return fault_set (fault, FAULT_INTERNAL, "cannot remove %s: %s", self->path,
                          strerror (errno));
    return 0;
}

int
gzip_file_step (gzip_file_t *self, fault_t *fault)
{
    for (size_t done = 0; done < STEP_BYTES;) {
        ssize_t size = read (self->in, self->in_buffer, CHUNK_BYTES);
        if (size < 0 && errno == EINTR)
            continue;
        if (size < 0)
            return fault_set (fault, FAULT_INTERNAL, "cannot read %s: %s", self->path,
                              strerror (errno));
        if (compress_chunk (self, (size_t) size, size == 0 ? Z_FINISH : Z_NO_FLUSH, fault) < 0)
            return -1;
        if (size == 0)
            return finish (self, fault) < 0 ? -1 : 1;
        done += (size_t) size;
    }
    return 0;
}
