/* /checkpoint/NAMESPACE/POD/CONTAINER: the runtime writes a running container into a file. */
#include "cubelet/clock.h"
#include "cubelet/json.h"
#include "cubelet/memory.h"
#include "target.h"
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

/* The work of an exchange until the file is there. */
typedef struct {
    url_parts_t path;
    int64_t timeout_s; // 0: the runtime's own
    char *file;
} checkpoint_t;

static void
free_checkpoint (void **checkpoint_p)
{
    checkpoint_t *checkpoint = *checkpoint_p;
    url_parts_clear (&checkpoint->path);
    free (checkpoint->file);
    free (checkpoint);
    *checkpoint_p = NULL;
}

static void
fail (exchange_t *exchange, const char *reason)
{
    const url_parts_t *path = &((checkpoint_t *) exchange->work)->path;
    OWNED (free_text)
    char *text = text_format ("checkpointing of %s/%s/%s failed (%s)", path->parts[0],
                              path->parts[1], path->parts[2], reason);
    exchange_reply_text (exchange, HTTP_INTERNAL, text);
}

static void
take_answer (void *state, const message_t *reply, const fault_t *fault, void *context)
{
    (void) state, (void) reply;
    exchange_t *exchange = exchange_of_context (context);
    if (fault) {
        fail (exchange, fault->text);
        return;
    }
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t answer = node_map(), items = node_array();
    node_append (tree, &items, node_text (tree, ((checkpoint_t *) exchange->work)->file));
    node_set (tree, &answer, "items", items);
    size_t size = 0;
    OWNED (free_text) char *json = json_write (&answer, JSON_COMPACT, &size);
    exchange_reply (exchange, HTTP_OK, JSON_TYPE, json, size);
}

/* ".../checkpoints/checkpoint-POD_NAMESPACE-CONTAINER-TIME.tar"; the directory is made. Owned. */
static char *
file_of (const exchange_t *exchange)
{
    const url_parts_t *path = &((const checkpoint_t *) exchange->work)->path;
    char time[32];
    time_t now = (time_t) (clock_now_ns() / NS_PER_S);
    struct tm parts;
    gmtime_r (&now, &parts);
    strftime (time, sizeof time, "%Y-%m-%dT%H:%M:%SZ", &parts);
    OWNED (free_text)
    char *directory = text_format ("%s/checkpoints", exchange->server->settings.root_dir);
    if (mkdir (directory, 0700) < 0 && errno != EEXIST)
        return NULL;
    return text_format ("%s/checkpoint-%s_%s-%s-%s.tar", directory, path->parts[1], path->parts[0],
                        path->parts[2], time);
}

static void
take_container (exchange_t *exchange, const char *id, const fault_t *fault)
{
    checkpoint_t *checkpoint = exchange->work;
    if (fault || !id) {
        fail (exchange, fault ? fault->text : "the container does not run");
        return;
    }
    checkpoint->file = file_of (exchange);
    if (!checkpoint->file) {
        fail (exchange, strerror (errno));
        return;
    }
    OWNED (tree_destroy) tree_t *tree = tree_new();
    node_t body = node_map();
    node_set_text (tree, &body, "container_id", id);
    node_set_text (tree, &body, "location", checkpoint->file);
    node_set_int (tree, &body, "timeout", checkpoint->timeout_s);
    exchange_ask (exchange, "runtime", MSG_CRI_CHECKPOINT_CONTAINER, &body, 0, take_answer);
}

static void
take_pod (exchange_t *exchange, const node_t *pod, const char *uid)
{
    const char *container = ((checkpoint_t *) exchange->work)->path.parts[2];
    if (!target_container (pod, container)) {
        OWNED (free_text) char *text = text_format ("container %s does not exist", container);
        exchange_reply_text (exchange, HTTP_NOTFOUND, text);
        return;
    }
    target_find_container (exchange, uid, container, take_container);
}

void
serve_checkpoint (exchange_t *exchange)
{
    checkpoint_t *checkpoint = memory_new (1, sizeof *checkpoint);
    exchange->work = checkpoint;
    exchange->drop = free_checkpoint;
    const char *timeout = url_query_get (exchange->query, "timeout");
    char *end = NULL;
    errno = 0;
    checkpoint->timeout_s = timeout ? strtoll (timeout, &end, 10) : 0;
    if (!exchange->server->settings.checkpoint
        || url_parts_read (exchange_path (exchange), "/checkpoint/", &checkpoint->path) < 0
        || checkpoint->path.count != 3 || strchr (checkpoint->path.parts[0], '/')
        || strchr (checkpoint->path.parts[1], '/') || strchr (checkpoint->path.parts[2], '/'))
        target_no_page (exchange);
    else if (timeout && (errno || end == timeout || *end))
        exchange_reply_text (exchange, HTTP_INTERNAL, "the timeout is no number of seconds");
    else
        target_find_pod (exchange, &checkpoint->path, NULL, "pod does not exist", take_pod);
}
