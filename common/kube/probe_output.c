#include "cubelet/probe_output.h"
#include "cubelet/clock.h"
#include "cubelet/duration.h"
#include "cubelet/go_quote.h"
#include "cubelet/memory.h"
#include "cubelet/utf8.h"
#include <stdarg.h>
#include <string.h>

/* What stands for a byte that is no UTF-8, as in Go's JSON. */
#define REPLACEMENT "\xef\xbf\xbd"

static const struct {
    const char *reason; // of the event; NULL: none
    const char *what;   // between the probe's title and the text
} EVENTS[] = {
    [OUTCOME_SUCCESS] = { NULL, NULL },
    [OUTCOME_WARNING] = { "ProbeWarning", "probe warning" },
    [OUTCOME_FAILURE] = { "Unhealthy", "probe failed" },
    [OUTCOME_UNKNOWN] = { "Unhealthy", "probe errored and resulted in unknown state" },
    [OUTCOME_BROKEN] = { "Unhealthy", "probe errored and resulted in failure state" },
};

// ---- bytes to texts ----

/* Owned copy that is valid UTF-8 and holds no NUL. */
static char *
clean_text (const char *bytes, size_t size)
{
    char *text = memory_new (size * strlen (REPLACEMENT) + 1, 1), *to = text;
    for (const char *at = bytes, *end = bytes + size; at < end;) {
        size_t step = *at ? utf8_size (at, end) : 0;
        to = step ? mempcpy (to, at, step) : stpcpy (to, REPLACEMENT);
        at += step ? step : 1;
    }
    return text;
}

char *
exec_output (const node_t *response, size_t limit)
{
    size_t out_size, error_size;
    const char *out = node_as_bytes (node_get (response, "stdout"), &out_size);
    const char *error = node_as_bytes (node_get (response, "stderr"), &error_size);
    out_size = out_size < limit ? out_size : limit;
    error_size = error_size < limit - out_size ? error_size : limit - out_size;
    OWNED (free_text) char *whole = memory_new (out_size + error_size + 1, 1);
    memcpy (whole, out, out_size);
    memcpy (whole + out_size, error, error_size);
    return clean_text (whole, out_size + error_size);
}

char *
command_text (const node_t *command)
{
    char *text = NULL;
    size_t text_size = 0;
    FILE *out = open_memstream (&text, &text_size);
    if (!out)
        abort();
    for (size_t i = 0; node_is_array (command) && i < node_count (command); i++) {
        size_t size;
        const char *bytes = node_as_bytes (node_item (command, i), &size);
        OWNED (free_text) char *word = clean_text (bytes, size);
        fprintf (out, "%s%s", i > 0 ? " " : "", word);
    }
    if (fclose (out) != 0)
        abort(); // only memory can run out here
    return text;
}

char *
exec_error (const fault_t *fault, const node_t *command, int64_t timeout_s)
{
    if (fault->code != FAULT_DEADLINE)
        return text_format ("rpc error: code = %s desc = %s", fault_code_name (fault->code),
                            fault->text);
    char duration[DURATION_TEXT_MAX];
    OWNED (free_text) char *words = command_text (command);
    OWNED (free_text) char *quoted = go_quote (words);
    return text_format ("command timed out: %s timed out after %s", quoted,
                        duration_text (timeout_s * NS_PER_S, duration));
}

// ---- outcomes ----

__attribute__ ((format (printf, 2, 3))) static probe_outcome_t
outcome (outcome_kind_t kind, const char *format, ...)
{
    va_list args;
    va_start (args, format);
    char *text = NULL;
    if (vasprintf (&text, format, args) < 0)
        abort();
    va_end (args);
    return (probe_outcome_t){ kind, text };
}

void
probe_outcome_clear (probe_outcome_t *self)
{
    free (self->text);
    self->text = NULL;
}

probe_outcome_t
probe_outcome_exec (const node_t *response)
{
    bool is_success = node_get_int (response, "exit_code", 0) == 0;
    return (probe_outcome_t){ is_success ? OUTCOME_SUCCESS : OUTCOME_FAILURE,
                              exec_output (response, PROBE_OUTPUT_LIMIT_BYTES) };
}

probe_outcome_t
probe_outcome_exec_fault (const fault_t *fault, const node_t *command, int64_t timeout_s)
{
    return (probe_outcome_t){ fault->code == FAULT_DEADLINE ? OUTCOME_FAILURE : OUTCOME_UNKNOWN,
                              exec_error (fault, command, timeout_s) };
}

probe_outcome_t
probe_outcome_http (int status, const char *body, size_t size)
{
    if (status < 200 || status >= 400)
        return outcome (OUTCOME_FAILURE, "HTTP probe failed with statuscode: %d", status);
    OWNED (free_text) char *text = clean_text (body, size);
    if (status < 300)
        return outcome (OUTCOME_SUCCESS, "%s", text);
    return outcome (OUTCOME_WARNING, "Probe terminated redirects, Response body: %s", text);
}

probe_outcome_t
probe_outcome_http_fault (const fault_t *fault, bool has_answer)
{
    return outcome (has_answer ? OUTCOME_BROKEN : OUTCOME_FAILURE, "%s", fault->text);
}

probe_outcome_t
probe_outcome_tcp (const fault_t *fault)
{
    return fault ? outcome (OUTCOME_FAILURE, "%s", fault->text)
                 : outcome (OUTCOME_SUCCESS, "%s", "");
}

probe_outcome_t
probe_outcome_grpc (const node_t *response)
{
    const node_t *status = node_get (response, "status");
    const char *name = node_as_text (status, "UNKNOWN"); // 0 is left out
    if (strcmp (name, "SERVING") == 0)
        return outcome (OUTCOME_SUCCESS, "service healthy");
    if (node_is_int (status)) // a number that the enum does not have
        return outcome (OUTCOME_FAILURE, "service unhealthy (responded with \"%lld\")",
                        (long long) node_as_int (status, 0));
    return outcome (OUTCOME_FAILURE, "service unhealthy (responded with \"%s\")", name);
}

probe_outcome_t
probe_outcome_grpc_fault (const fault_t *fault, int64_t timeout_s)
{
    char duration[DURATION_TEXT_MAX];
    switch (fault->code) {
    case FAULT_UNIMPLEMENTED:
        return outcome (OUTCOME_FAILURE,
                        "error: this server does not implement the grpc health protocol "
                        "(grpc.health.v1.Health): %s",
                        fault->text);
    case FAULT_DEADLINE:
        return outcome (OUTCOME_FAILURE, "timeout: health rpc did not complete within %s",
                        duration_text (timeout_s * NS_PER_S, duration));
    default:
        return outcome (OUTCOME_FAILURE,
                        "error: health rpc probe failed: rpc error: code = %s desc = %s",
                        fault_code_name (fault->code), fault->text);
    }
}

probe_outcome_t
probe_outcome_grpc_unreached (const char *address, int64_t timeout_s)
{
    char duration[DURATION_TEXT_MAX];
    OWNED (free_text) char *quoted = go_quote (address);
    return outcome (OUTCOME_FAILURE,
                    "timeout: failed to connect service %s within %s: context deadline exceeded",
                    quoted, duration_text (timeout_s * NS_PER_S, duration));
}

bool
probe_outcome_is_error (const probe_outcome_t *self)
{
    return self->kind == OUTCOME_UNKNOWN || self->kind == OUTCOME_BROKEN;
}

const char *
probe_outcome_event (const probe_outcome_t *self, probe_kind_t kind, char **message_p)
{
    *message_p = NULL;
    if (!EVENTS[self->kind].reason)
        return NULL;
    *message_p =
        text_format ("%s %s: %s", probe_kind_title (kind), EVENTS[self->kind].what, self->text);
    return EVENTS[self->kind].reason;
}
