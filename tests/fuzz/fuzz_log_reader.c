/* A log file of a container, whose content the container chooses: read in pieces of any size, with
   any options. The first line of the input is the query. */
#include "cubelet/log_reader.h"
#include "cubelet/memory.h"
#include <string.h>

int LLVMFuzzerTestOneInput (const uint8_t *bytes, size_t size);

typedef struct {
    size_t size, limit;
} output_t;

static void
take (void *context, const char *bytes, size_t size)
{
    output_t *output = context;
    volatile char last = size ? bytes[size - 1] : 0; // all of it has to be readable
    (void) last;
    output->size += size;
    if (output->size > output->limit)
        abort();
}

static void
read_file (const log_options_t *options, const char *bytes, size_t size, size_t piece)
{
    fault_t fault = { 0 };
    // an entry of a few bytes may get a timestamp in front, nothing else makes it longer
    output_t output = { .limit = 40 * size + 40 };
    if (options->limit_bytes.set && options->limit_bytes.value < (int64_t) output.limit)
        output.limit = (size_t) options->limit_bytes.value;
    OWNED (log_reader_destroy) log_reader_t *reader = log_reader_new (options, take, &output);
    for (size_t i = 0; i < size; i += piece)
        if (log_reader_feed (reader, bytes + i, size - i < piece ? size - i : piece, &fault)
            != LOG_READER_GOES_ON)
            return;
    log_reader_end (reader, &fault);
}

static void
find_tail (const char *bytes, size_t size, int64_t lines)
{
    log_tail_t tail;
    int64_t offset = 0;
    size_t block = 0;
    log_tail_start (&tail, (int64_t) size, lines);
    while (log_tail_next (&tail, 7, &offset, &block))
        log_tail_take (&tail, bytes + offset, block);
    if (tail.start < 0 || tail.start > (int64_t) size
        || (tail.start > 0 && bytes[tail.start - 1] != '\n'))
        abort();
}

int
LLVMFuzzerTestOneInput (const uint8_t *bytes, size_t size)
{
    const uint8_t *newline = size ? memchr (bytes, '\n', size) : NULL;
    if (!newline)
        return 0;
    fault_t fault = { 0 };
    log_options_t options = { 0 };
    OWNED (free_text) char *text = text_format ("%.*s", (int) (newline - bytes), bytes);
    OWNED (url_query_destroy) url_query_t *query = url_query_new (text);
    if (log_options_read (query, true, 1700000000000000000, &options, &fault) < 0)
        return 0;
    const char *file = (const char *) newline + 1;
    size_t left = size - (size_t) (newline + 1 - bytes);
    read_file (&options, file, left, 1);
    read_file (&options, file, left, 5);
    read_file (&options, file, left, left ? left : 1);
    find_tail (file, left, options.tail_lines.set ? options.tail_lines.value : 3);
    return 0;
}
