/* /run: a command without streams, whose output comes back as a whole. */
#include "cubelet/go_quote.h"
#include "cubelet/go_text.h"
#include "cubelet/memory.h"
#include "target.h"
#include <event2/buffer.h>
#include <string.h>

#define WORDS_MAX 256

/* The work of an exchange until the command has ended. */
typedef struct {
    url_parts_t path;
    char *command; // cut at its blanks by `words`
    const char *words[WORDS_MAX];
    size_t count;
} run_t;

static void
free_run (void **run_p)
{
    url_parts_clear (&((run_t *) *run_p)->path);
    free (((run_t *) *run_p)->command);
    free (*run_p);
    *run_p = NULL;
}

/* As upstream: standard output, then standard error; an exit code other than 0 is an error. */
static void
take_result (void *state, const message_t *reply, const fault_t *fault, void *context)
{
    (void) state;
    exchange_t *exchange = exchange_of_context (context);
    const run_t *run = exchange->work;
    if (fault) {
        exchange_reply_text (exchange, HTTP_INTERNAL, fault->text);
        return;
    }
    size_t out_size = 0, error_size = 0;
    const char *out = node_as_bytes (node_get (reply->body, "stdout"), &out_size);
    const char *error = node_as_bytes (node_get (reply->body, "stderr"), &error_size);
    int64_t code = node_get_int (reply->body, "exit_code", 0);
    if (code) {
        OWNED (free_text) char *list = text_copy ("");
        for (size_t i = 0; i < run->count; i++)
            text_replace (&list, "%s%s%s", list, i ? " " : "", run->words[i]);
        OWNED (free_text)
        char *text = text_format ("command '%s' exited with %lld: %.*s", list, (long long) code,
                                  (int) error_size, error);
        exchange_reply_text (exchange, HTTP_INTERNAL, text);
        return;
    }
    OWNED (free_text) char *both = memory_new (out_size + error_size + 1, 1);
    memcpy (both, out, out_size);
    memcpy (both + out_size, error, error_size);
    exchange_reply (exchange, HTTP_OK, JSON_TYPE, both, out_size + error_size);
}

static void
take_container (exchange_t *exchange, const char *id, const fault_t *fault)
{
    const run_t *run = exchange->work;
    if (fault || !id) {
        OWNED (free_text) char *quoted = go_quote (run->path.parts[run->path.count - 1]);
        OWNED (free_text) char *text = text_format ("container not found (%s)", quoted);
        exchange_reply_text (exchange, HTTP_INTERNAL, fault ? fault->text : text);
        return;
    }
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t body = node_map(), command = node_array();
    for (size_t i = 0; i < run->count; i++)
        node_append (tree, &command, node_text (tree, run->words[i]));
    node_set_text (tree, &body, "container_id", id);
    node_set (tree, &body, "cmd", command);
    exchange_ask (exchange, "runtime", MSG_CRI_EXEC_SYNC, &body, 0, take_result);
}

static void
take_pod (exchange_t *exchange, const node_t *pod, const char *uid)
{
    (void) pod;
    const run_t *run = exchange->work;
    target_find_container (exchange, uid, run->path.parts[run->path.count - 1], take_container);
}

/* From the form in the body, else from the query, as Go's FormValue. Owned. */
static char *
command_of (const exchange_t *exchange)
{
    struct evbuffer *body = evhttp_request_get_input_buffer (exchange->http);
    size_t size = evbuffer_get_length (body);
    OWNED (free_text) char *form = memory_new (size + 1, 1);
    evbuffer_copyout (body, form, size);
    OWNED (url_query_destroy) url_query_t *fields = url_query_new (form);
    const char *command = url_query_get (fields, "cmd");
    if (!command)
        command = url_query_get (exchange->query, "cmd");
    return text_copy (command ? command : "");
}

static int
split (run_t *run)
{
    for (char *at = run->command;;) {
        if (run->count == WORDS_MAX)
            return -1;
        run->words[run->count++] = at;
        char *blank = strchr (at, ' ');
        if (!blank)
            return 0;
        *blank = '\0';
        at = blank + 1;
    }
}

void
serve_run (exchange_t *exchange)
{
    run_t *run = memory_new (1, sizeof *run);
    exchange->work = run;
    exchange->drop = free_run;
    run->command = command_of (exchange);
    if (url_parts_read (exchange_path (exchange), "/run/", &run->path) < 0 || run->path.count < 3
        || run->path.count > 4)
        target_no_page (exchange);
    else if (split (run) < 0)
        exchange_reply_text (exchange, HTTP_BADREQUEST, "the command has too many words");
    else
        target_find_pod (exchange, &run->path, run->path.count == 4 ? run->path.parts[2] : NULL,
                         "pod does not exist", take_pod);
}
