#include "cubelet/event_correlator.h"
#include "cubelet/clock.h"
#include "cubelet/lru.h"
#include "cubelet/memory.h"
#include "cubelet/token_bucket.h"
#include <string.h>

#define REMEMBERED_MAX 4096
#define SIMILAR_MAX 10
#define SIMILAR_GAP_NS (600 * NS_PER_S)

static const token_rate_t SPAM_RATE = { .per_s = 1.0 / 300, .burst = 25 };

/* Different messages of one object, type and reason. */
typedef struct {
    int64_t last_ns;
    size_t count;
    uint64_t messages[SIMILAR_MAX]; // hashes; the oldest first
} similar_t;

/* One event as it was last seen. */
typedef struct {
    int64_t count;
    int64_t first_ns;
    int64_t name_ns;
} seen_t;

struct event_correlator {
    lru_t *similar; // similar_t by object, type and reason
    lru_t *seen;    // seen_t by everything of an event, or by the key of its similar_t
    lru_t *spam;    // token_bucket_t by object
};

event_correlator_t *
event_correlator_new (void)
{
    event_correlator_t *self = memory_new (1, sizeof *self);
    self->similar = lru_new (REMEMBERED_MAX, sizeof (similar_t));
    self->seen = lru_new (REMEMBERED_MAX, sizeof (seen_t));
    self->spam = lru_new (REMEMBERED_MAX, sizeof (token_bucket_t));
    return self;
}

void
event_correlator_destroy (event_correlator_t **self_p)
{
    event_correlator_t *self = *self_p;
    if (!self)
        return;
    lru_destroy (&self->similar);
    lru_destroy (&self->seen);
    lru_destroy (&self->spam);
    free (self);
    *self_p = NULL;
}

/* FNV-1a. Two messages with one hash would count as one, which nobody would notice. */
static uint64_t
hash_of (const char *text)
{
    uint64_t hash = 0xcbf29ce484222325U;
    for (; *text; text++)
        hash = (hash ^ (unsigned char) *text) * 0x100000001b3U;
    return hash;
}

/* Counts the message as one of a kind; true when the kind has too many different ones. */
static bool
count_similar (similar_t *similar, const char *message, int64_t now_ns)
{
    if (now_ns - similar->last_ns > SIMILAR_GAP_NS)
        similar->count = 0;
    similar->last_ns = now_ns;
    uint64_t hash = hash_of (message);
    bool is_known = false;
    for (size_t i = 0; i < similar->count; i++)
        is_known = is_known || similar->messages[i] == hash;
    if (!is_known)
        similar->messages[similar->count++] = hash;
    if (similar->count < SIMILAR_MAX)
        return false;
    // Upstream forgets any one of them here.
    similar->count--;
    memmove (similar->messages, similar->messages + 1, similar->count * sizeof (uint64_t));
    return true;
}

event_verdict_t
event_correlate (event_correlator_t *self, const node_t *object, const char *type,
                 const char *reason, const char *message, int64_t now_ns)
{
    message = message ? message : "";
    OWNED (free_text)
    char *object_key =
        text_format ("%s\x1f%s\x1f%s\x1f%s\x1f%s", node_get_text (object, "kind", ""),
                     node_get_text (object, "namespace", ""), node_get_text (object, "name", ""),
                     node_get_text (object, "uid", ""), node_get_text (object, "apiVersion", ""));
    OWNED (free_text)
    char *kind_key =
        text_format ("%s\x1f%s\x1f%s", object_key, type ? type : "", reason ? reason : "");

    event_verdict_t verdict = { .first_ns = now_ns, .name_ns = now_ns };
    verdict.is_combined = count_similar (lru_put (self->similar, kind_key), message, now_ns);
    OWNED (free_text)
    char *event_key =
        text_format ("%s\x1f%s\x1f%s", kind_key, node_get_text (object, "fieldPath", ""), message);
    seen_t *seen = lru_put (self->seen, verdict.is_combined ? kind_key : event_key);
    if (seen->count > 0) {
        verdict.is_again = true;
        verdict.first_ns = seen->first_ns;
        verdict.name_ns = seen->name_ns;
    }
    verdict.count = seen->count + 1;
    // Dropped ones count, too: upstream filters last.
    *seen = (seen_t){ verdict.count, verdict.first_ns, verdict.name_ns };
    verdict.is_dropped = !token_bucket_take (lru_put (self->spam, object_key), &SPAM_RATE, now_ns);
    return verdict;
}
