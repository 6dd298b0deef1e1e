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

/* Keys are hashes, since thousands of the texts are much more memory. */
struct event_correlator {
    lru_t *similar; // similar_t by object, type and reason
    lru_t *seen;    // seen_t by everything of an event, or by the key of its similar_t
    lru_t *spam;    // token_bucket_t by object
};

typedef struct {
    char text[2 * sizeof (uint64_t) + 1];
} hash_key_t;

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

#define HASH_BEGIN 0xcbf29ce484222325U

/* FNV-1a, of what was hashed before and this text (NULL: ""). Two things with one hash would count
   as one, which nobody would notice. */
static uint64_t
hash_more (uint64_t hash, const char *text)
{
    for (; text && *text; text++)
        hash = (hash ^ (unsigned char) *text) * 0x100000001b3U;
    return (hash ^ 0x1f) * 0x100000001b3U; // the end counts: "ab" "c" is not "a" "bc"
}

static uint64_t
hash_object (const node_t *object)
{
    static const char *const FIELDS[] = { "kind", "namespace", "name", "uid", "apiVersion" };
    uint64_t hash = HASH_BEGIN;
    for (size_t i = 0; i < COUNT_OF (FIELDS); i++)
        hash = hash_more (hash, node_get_text (object, FIELDS[i], ""));
    return hash;
}

static hash_key_t
key_of (uint64_t hash)
{
    hash_key_t key;
    snprintf (key.text, sizeof key.text, "%016llx", (unsigned long long) hash);
    return key;
}

/* Counts the message as one of a kind; true when the kind has too many different ones. */
static bool
count_similar (similar_t *similar, const char *message, int64_t now_ns)
{
    if (now_ns - similar->last_ns > SIMILAR_GAP_NS)
        similar->count = 0;
    similar->last_ns = now_ns;
    uint64_t hash = hash_more (HASH_BEGIN, message);
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
    uint64_t object_hash = hash_object (object);
    uint64_t kind_hash = hash_more (hash_more (object_hash, type), reason);
    uint64_t event_hash =
        hash_more (hash_more (kind_hash, node_get_text (object, "fieldPath", "")), message);
    hash_key_t object_key = key_of (object_hash), kind_key = key_of (kind_hash);
    hash_key_t event_key = key_of (event_hash);

    event_verdict_t verdict = { .first_ns = now_ns, .name_ns = now_ns };
    verdict.is_combined = count_similar (lru_put (self->similar, kind_key.text), message, now_ns);
    seen_t *seen = lru_put (self->seen, verdict.is_combined ? kind_key.text : event_key.text);
    if (seen->count > 0) {
        verdict.is_again = true;
        verdict.first_ns = seen->first_ns;
        verdict.name_ns = seen->name_ns;
    }
    verdict.count = seen->count + 1;
    // Dropped ones count, too: upstream filters last.
    *seen = (seen_t){ verdict.count, verdict.first_ns, verdict.name_ns };
    verdict.is_dropped =
        !token_bucket_take (lru_put (self->spam, object_key.text), &SPAM_RATE, now_ns);
    return verdict;
}
