#include "cubelet/log_reader.h"
#include "cubelet/clock.h"
#include "cubelet/duration.h"
#include "cubelet/go_quote.h"
#include "cubelet/json.h"
#include "cubelet/memory.h"
#include <string.h>

#define HEADER_MAX 256          // time, stream and tags of a line; longer ones are no entries
#define JSON_LINE_MAX (1 << 17) // Docker cuts lines at 16 KiB, escapes make six bytes of one
#define TIME_SIZE 19            // of 2006-01-02T15:04:05
#define QUOTED_MAX 256          // of an unknown line, in the fault

typedef enum { FORMAT_UNKNOWN, FORMAT_CRI, FORMAT_JSON } format_t;

/* Where in a line the next byte stands. */
typedef enum { IN_HEADER, IN_CONTENT, IN_REFUSE } place_t;

struct log_reader {
    log_options_t options;
    log_sink_fn *sink;
    void *context;
    format_t format;
    place_t place;
    char *line; // the line so far: its header, or all of it (JSON)
    size_t size, room;
    bool is_partial;    // the entry's first tag is P
    bool is_dropped;    // it is older, or of the other stream
    bool ends_line;     // what was sent last ended a line, so that a timestamp may follow
    bool is_over;       // a limit is reached
    int64_t bytes_left; // of limitBytes
    int64_t lines_left; // of tailLines, when nothing is followed
};

log_reader_t *
log_reader_new (const log_options_t *options, log_sink_fn *sink, void *context)
{
    log_reader_t *self = memory_new (1, sizeof *self);
    self->options = *options;
    self->sink = sink;
    self->context = context;
    self->ends_line = true;
    self->bytes_left = options->limit_bytes.set ? options->limit_bytes.value : INT64_MAX;
    bool has_end = options->tail_lines.set && !options->follow;
    self->lines_left = has_end ? options->tail_lines.value : INT64_MAX;
    self->is_over = self->lines_left == 0;
    return self;
}

void
log_reader_destroy (log_reader_t **self_p)
{
    log_reader_t *self = *self_p;
    if (!self)
        return;
    free (self->line);
    free (self);
    *self_p = NULL;
}

// ---- what goes out ----

static void
send_bytes (log_reader_t *self, const char *bytes, size_t size)
{
    if (size >= (uint64_t) self->bytes_left) {
        size = (size_t) self->bytes_left;
        self->is_over = true;
    }
    if (size)
        self->sink (self->context, bytes, size);
    self->bytes_left -= (int64_t) size;
}

/* RFC 3339 with nine digits of fraction, in the zone in which it was written. */
static void
send_time (log_reader_t *self, const char *text)
{
    char out[64];
    size_t size = TIME_SIZE;
    const char *at = text + TIME_SIZE; // time_parse has read it
    memcpy (out, text, TIME_SIZE);
    out[size++] = '.';
    size_t digits = *at == '.' ? strspn (at + 1, "0123456789") : 0;
    for (size_t i = 0; i < 9; i++)
        out[size++] = i < digits ? at[1 + i] : '0';
    const char *zone = at + (*at == '.' ? 1 + digits : 0);
    bool is_utc = *zone == 'z' || *zone == 'Z' || strcmp (zone + 1, "00:00") == 0;
    size += (size_t) snprintf (out + size, sizeof out - size, "%.6s ", is_utc ? "Z" : zone);
    send_bytes (self, out, size);
}

/* An entry begins: decides whether it is wanted, and sends its timestamp. 0, or -1 when time or
   stream are none. */
static int
begin_entry (log_reader_t *self, const char *time, const char *stream)
{
    fault_t ignored = { 0 };
    int64_t time_ns = 0;
    bool is_stdout = strcmp (stream, "stdout") == 0;
    if ((!is_stdout && strcmp (stream, "stderr") != 0) || time_parse (time, &time_ns, &ignored) < 0)
        return -1;
    log_stream_kind_t other = is_stdout ? LOG_STREAM_STDERR : LOG_STREAM_STDOUT;
    self->is_dropped = (self->options.since_ns.set && time_ns < self->options.since_ns.value)
                       || self->options.stream == other;
    if (self->options.timestamps && self->ends_line && !self->is_dropped)
        send_time (self, time);
    return 0;
}

static void
send_content (log_reader_t *self, const char *bytes, size_t size)
{
    if (!self->is_dropped)
        send_bytes (self, bytes, size);
}

static void
end_entry (log_reader_t *self, bool ends_line)
{
    self->ends_line = ends_line;
    if (--self->lines_left == 0)
        self->is_over = true;
}

// ---- the CRI's format ----

/* Reads "TIME STREAM TAGS" with a NUL behind it. */
static int
begin_cri_entry (log_reader_t *self)
{
    char *time = self->line;
    char *stream = strchr (time, ' ');
    char *tags = stream ? strchr (stream + 1, ' ') : NULL;
    if (!tags || memchr (time, '\0', self->size - 1))
        return -1;
    *stream++ = *tags++ = '\0';
    self->is_partial = tags[0] == 'P' && (tags[1] == '\0' || tags[1] == ':');
    return begin_entry (self, time, stream);
}

// ---- Docker's format ----

static int
take_json (log_reader_t *self)
{
    fault_t ignored = { 0 };
    OWNED (tree_destroy) tree_t *tree = json_read (self->line, self->size, &ignored);
    const node_t *root = tree_root (tree);
    const node_t *log = node_get (root, "log");
    size_t size = 0;
    const char *content = node_as_bytes (log, &size);
    if (!node_is_text (log)
        || begin_entry (self, node_get_text (root, "time", ""), node_get_text (root, "stream", ""))
               < 0)
        return -1;
    send_content (self, content, size);
    end_entry (self, size == 0 || content[size - 1] == '\n');
    return 0;
}

// ---- lines ----

static void
keep (log_reader_t *self, char byte)
{
    if (self->size + 1 >= self->room) {
        self->room = self->room ? 2 * self->room : HEADER_MAX;
        self->line = memory_grow (self->line, self->room, 1);
    }
    self->line[self->size++] = byte;
    self->line[self->size] = '\0';
}

static log_reader_state_t
fail (log_reader_t *self, fault_t *fault)
{
    if (self->size > QUOTED_MAX)
        self->line[QUOTED_MAX] = '\0';
    OWNED (free_text) char *quoted = go_quote (self->line);
    fault_set (fault, FAULT_INVALID, "failed to get parse function: unsupported log format: %s",
               quoted);
    return LOG_READER_FAILED;
}

/* A line or header could not be read: the first one says that the format is none, later ones are
   left out up to their end. */
static log_reader_state_t
refuse (log_reader_t *self, place_t next, fault_t *fault)
{
    if (self->format == FORMAT_UNKNOWN)
        return fail (self, fault);
    self->size = 0;
    self->place = next;
    return LOG_READER_GOES_ON;
}

/* TIME, STREAM and TAGS are there. */
static log_reader_state_t
begin_content (log_reader_t *self, fault_t *fault)
{
    if (begin_cri_entry (self) < 0)
        return refuse (self, IN_REFUSE, fault);
    self->format = FORMAT_CRI;
    self->place = IN_CONTENT;
    self->size = 0;
    return LOG_READER_GOES_ON;
}

/* A line ended before its content began: right for JSON only. */
static log_reader_state_t
end_header (log_reader_t *self, bool is_json, fault_t *fault)
{
    if (!self->size)
        keep (self, '\0');
    if (!is_json || take_json (self) < 0)
        return refuse (self, IN_HEADER, fault);
    self->format = FORMAT_JSON;
    self->size = 0;
    return LOG_READER_GOES_ON;
}

static bool
has_two_blanks (const log_reader_t *self)
{
    const char *first = self->size ? strchr (self->line, ' ') : NULL;
    return first && strchr (first + 1, ' ');
}

static log_reader_state_t
take_header_byte (log_reader_t *self, char byte, fault_t *fault)
{
    bool is_json =
        self->format == FORMAT_JSON
        || (self->format == FORMAT_UNKNOWN && (self->size ? self->line[0] : byte) == '{');
    if (byte == '\n')
        return end_header (self, is_json, fault);
    if (byte == ' ' && !is_json && has_two_blanks (self))
        return begin_content (self, fault);
    keep (self, byte);
    if (self->size >= (is_json ? JSON_LINE_MAX : HEADER_MAX))
        return refuse (self, IN_REFUSE, fault);
    return LOG_READER_GOES_ON;
}

/* Takes content up to the end of the line or of the bytes; returns how many. */
static size_t
take_content (log_reader_t *self, const char *bytes, size_t size)
{
    const char *newline = memchr (bytes, '\n', size);
    size_t content = newline ? (size_t) (newline - bytes) : size;
    bool is_sent = self->place == IN_CONTENT;
    if (is_sent)
        send_content (self, bytes, content + (newline && !self->is_partial));
    if (!newline)
        return size;
    self->place = IN_HEADER;
    if (is_sent)
        end_entry (self, !self->is_partial);
    return content + 1;
}

log_reader_state_t
log_reader_feed (log_reader_t *self, const char *bytes, size_t size, fault_t *fault)
{
    for (size_t i = 0; i < size && !self->is_over;) {
        if (self->place != IN_HEADER)
            i += take_content (self, bytes + i, size - i);
        else if (take_header_byte (self, bytes[i++], fault) == LOG_READER_FAILED)
            return LOG_READER_FAILED;
    }
    return self->is_over ? LOG_READER_DONE : LOG_READER_GOES_ON;
}

log_reader_state_t
log_reader_end (log_reader_t *self, fault_t *fault)
{
    log_reader_state_t state = LOG_READER_GOES_ON;
    if (self->place == IN_CONTENT)
        end_entry (self, false);
    else if (self->place == IN_HEADER && self->size)
        state = take_header_byte (self, '\n', fault);
    self->place = IN_HEADER;
    self->size = 0;
    return self->is_over && state != LOG_READER_FAILED ? LOG_READER_DONE : state;
}

// ---- where the last lines start ----

void
log_tail_start (log_tail_t *self, int64_t size, int64_t lines)
{
    self->start = size;
    self->left = lines < INT64_MAX ? lines + 1 : lines;
}

bool
log_tail_next (const log_tail_t *self, size_t room, int64_t *offset, size_t *size)
{
    if (self->left == 0 || self->start == 0)
        return false;
    *size = self->start < (int64_t) room ? (size_t) self->start : room;
    *offset = self->start - (int64_t) *size;
    return true;
}

void
log_tail_take (log_tail_t *self, const char *bytes, size_t size)
{
    int64_t base = self->start - (int64_t) size;
    for (const char *at = bytes + size; (at = memrchr (bytes, '\n', (size_t) (at - bytes)));) {
        if (--self->left == 0) {
            self->start = base + (at - bytes) + 1;
            return;
        }
    }
    self->start = base;
}
