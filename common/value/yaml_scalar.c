#include "cubelet/yaml_scalar.h"
#include "cubelet/memory.h"
#include "cubelet/real.h"
#include <inttypes.h>
#include <math.h>
#include <string.h>

#define TAG_PREFIX "tag:yaml.org,2002:"

typedef enum {
    WORD_NIL,
    WORD_TRUE,
    WORD_FALSE,
    WORD_NAN,
    WORD_INFINITY,
    WORD_MINUS_INFINITY
} word_t;

/* Spellings, each between blanks. */
static const struct {
    word_t word;
    const char *spellings;
} WORDS[] = {
    { WORD_NIL, " ~ null Null NULL " },
    { WORD_TRUE, " y Y yes Yes YES true True TRUE on On ON " },
    { WORD_FALSE, " n N no No NO false False FALSE off Off OFF " },
    { WORD_NAN, " .nan .NaN .NAN " },
    { WORD_INFINITY, " .inf .Inf .INF +.inf +.Inf +.INF " },
    { WORD_MINUS_INFINITY, " -.inf -.Inf -.INF " },
};
#define WORD_SIZE_MAX 5

static node_t
node_of_word (word_t word)
{
    switch (word) {
    case WORD_TRUE: return node_bool (true);
    case WORD_FALSE: return node_bool (false);
    case WORD_NAN: return node_real ((double) NAN);
    case WORD_INFINITY: return node_real ((double) INFINITY);
    case WORD_MINUS_INFINITY: return node_real (-(double) INFINITY);
    case WORD_NIL: break;
    }
    return node_nil();
}

static bool
read_word (const char *text, size_t size, node_t *out)
{
    if (size > WORD_SIZE_MAX || memchr (text, ' ', size) || memchr (text, '\0', size))
        return false;
    char spelling[WORD_SIZE_MAX + 3];
    snprintf (spelling, sizeof spelling, " %.*s ", (int) size, text);
    for (size_t i = 0; i < COUNT_OF (WORDS); i++) {
        if (size == 0 || strstr (WORDS[i].spellings, spelling)) {
            *out = node_of_word (WORDS[i].word); // nothing at all is the first: nil
            return true;
        }
    }
    return false;
}

// ---- numbers ----

/* Steps over 0x, 0b, 0o or 0 and says which base they stand for. */
static int
read_base (const char **at)
{
    const char *text = *at;
    if (text[0] != '0' || text[1] == '\0')
        return 10;
    char c = (char) (text[1] | 0x20); // lower case
    bool has_more = text[2] != '\0';
    if (has_more && (c == 'x' || c == 'b' || c == 'o')) {
        *at += 2;
        return c == 'x' ? 16 : c == 'b' ? 2 : 8;
    }
    *at += 1;
    return 8;
}

static int
digit_of (char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    char lower = (char) (c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : 99;
}

/* Reads an integer in Go's notation; false when it is none or fits no 64 bits. */
static bool
read_integer (const char *text, node_t *out)
{
    bool is_negative = *text == '-';
    bool is_signed = is_negative || *text == '+';
    const char *at = text + is_signed;
    int base = read_base (&at);
    uint64_t value = 0;
    if (!*at)
        return false;
    for (; *at; at++) {
        int digit = digit_of (*at);
        if (digit >= base || __builtin_mul_overflow (value, (uint64_t) base, &value)
            || __builtin_add_overflow (value, (uint64_t) digit, &value))
            return false;
    }
    uint64_t limit = is_negative ? (uint64_t) INT64_MAX + 1 : is_signed ? INT64_MAX : UINT64_MAX;
    if (value > limit)
        return false;
    if (is_negative)
        *out = node_int ((int64_t) -value);
    else
        *out = (node_t){ .type = MSGPACK_OBJECT_POSITIVE_INTEGER, .via.u64 = value };
    return true;
}

static size_t
skip_digits (const char **at)
{
    size_t count = strspn (*at, "0123456789");
    *at += count;
    return count;
}

/* Has the text the form [+-] (.5 | 5 | 5. | 5.5) [e[+-]5]? */
static bool
has_real_form (const char *at)
{
    at += *at == '-' || *at == '+';
    size_t whole = skip_digits (&at);
    size_t fraction = 0;
    if (*at == '.') {
        at++;
        fraction = skip_digits (&at);
    }
    if (whole + fraction == 0)
        return false;
    if (*at == 'e' || *at == 'E') {
        at++;
        at += *at == '-' || *at == '+';
        if (skip_digits (&at) == 0)
            return false;
    }
    return *at == '\0';
}

static bool
read_real (const char *text, node_t *out)
{
    if (!has_real_form (text))
        return false;
    double value = strtod (text, NULL);
    *out = node_real (value);
    return isfinite (value); // too large ones stay text
}

static bool
has_stray_underscore (const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (text[i] == '_'
            && (i == 0 || digit_of (text[i - 1]) > 9 || i + 1 == size
                || digit_of (text[i + 1]) > 9))
            return true;
    return false;
}

/* Owned copy of the text without underscores; NULL when it holds a NUL. */
static char *
without_underscores (const char *text, size_t size)
{
    if (memchr (text, '\0', size))
        return NULL;
    char *copy = memory_new (size + 1, 1);
    char *to = copy;
    for (size_t i = 0; i < size; i++)
        if (text[i] != '_')
            *to++ = text[i];
    return copy;
}

static bool
read_number (const char *text, size_t size, node_t *out)
{
    bool starts_with_point = text[0] == '.';
    if (!strchr ("+-.0123456789", text[0]))
        return false;
    // In numbers that start with a digit or sign upstream forgives underscores everywhere.
    if (starts_with_point && has_stray_underscore (text, size))
        return false;
    OWNED (free_text) char *plain = without_underscores (text, size);
    if (!plain)
        return false;
    return (!starts_with_point && read_integer (plain, out)) || read_real (plain, out);
}

// ---- tags ----

typedef enum { TAG_NONE, TAG_TEXT, TAG_BOOL, TAG_INT, TAG_REAL, TAG_NIL, TAG_BINARY } tag_t;

static const struct {
    const char *name;
    tag_t tag;
} TAGS[] = {
    { TAG_PREFIX "str", TAG_TEXT }, { TAG_PREFIX "bool", TAG_BOOL },
    { TAG_PREFIX "int", TAG_INT },  { TAG_PREFIX "float", TAG_REAL },
    { TAG_PREFIX "null", TAG_NIL }, { TAG_PREFIX "binary", TAG_BINARY },
};

/* Tags of applications, and !!timestamp, leave a scalar the text it is. */
static tag_t
tag_named (const char *name)
{
    if (!name)
        return TAG_NONE;
    for (size_t i = 0; i < COUNT_OF (TAGS); i++)
        if (strcmp (name, TAGS[i].name) == 0)
            return TAGS[i].tag;
    return TAG_TEXT;
}

static tag_t
tag_of (const node_t *node)
{
    switch ((int) node->type) {
    case MSGPACK_OBJECT_NIL: return TAG_NIL;
    case MSGPACK_OBJECT_BOOLEAN: return TAG_BOOL;
    case MSGPACK_OBJECT_STR: return TAG_TEXT;
    case MSGPACK_OBJECT_FLOAT64: return TAG_REAL;
    default: return TAG_INT;
    }
}

int
yaml_scalar_resolve (tree_t *tree, const char *text, size_t size, bool is_plain, const char *tag,
                     node_t *out, fault_t *fault)
{
    tag_t wanted = tag_named (tag);
    if (wanted == TAG_BINARY)
        return fault_set (fault, FAULT_INVALID, "!!binary is not supported");
    bool is_text = wanted == TAG_TEXT || (wanted == TAG_NONE && !is_plain);
    if (is_text || (!read_word (text, size, out) && !read_number (text, size, out)))
        *out = node_text_sized (tree, text, size);
    tag_t found = tag_of (out);
    if (wanted == TAG_REAL && found == TAG_INT) {
        *out = node_real (out->type == MSGPACK_OBJECT_NEGATIVE_INTEGER ? (double) out->via.i64
                                                                       : (double) out->via.u64);
        found = TAG_REAL;
    }
    if (wanted != TAG_NONE && wanted != found)
        return fault_set (fault, FAULT_INVALID, "the scalar is no %s",
                          strrchr (tag, ':') ? strrchr (tag, ':') + 1 : tag);
    return 0;
}

// ---- what becomes of it in JSON ----

int
yaml_scalar_value (node_t *node, fault_t *fault)
{
    if (node->type != MSGPACK_OBJECT_FLOAT64)
        return 0;
    double value = node->via.f64;
    if (!isfinite (value))
        return fault_set (fault, FAULT_INVALID, "JSON has no infinity and no \"not a number\"");
    char text[REAL_TEXT_MAX];
    read_integer (real_text (value, text), node); // stays as it is unless it reads as an integer
    return 0;
}

int
yaml_scalar_key (tree_t *tree, node_t *node, fault_t *fault)
{
    char text[REAL_TEXT_MAX];
    switch ((int) node->type) {
    case MSGPACK_OBJECT_STR:
        if (memchr (node->via.str.ptr, '\0', node->via.str.size))
            return fault_set (fault, FAULT_INVALID, "a map key contains a NUL character");
        return 0;
    case MSGPACK_OBJECT_BOOLEAN:
        *node = node_text (tree, node->via.boolean ? "true" : "false");
        return 0;
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        *node = node_text_format (tree, "%" PRId64, node->via.i64);
        return 0;
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
        *node = node_text_format (tree, "%" PRIu64, node->via.u64);
        return 0;
    case MSGPACK_OBJECT_FLOAT64: *node = node_text (tree, real_key (node->via.f64, text)); return 0;
    default: return fault_set (fault, FAULT_INVALID, "a map key is null");
    }
}
