#include "cubelet/messages.h"
#include <string.h>

#define MESSAGE_ROW(symbol, type_, from_, to_, body_, reply_, about_)                              \
    [MSG_##symbol] = { type_, from_, to_, body_, reply_, about_ },
static const message_info_t CATALOGUE[MESSAGE_COUNT] = { MESSAGE_CATALOGUE (MESSAGE_ROW) };
#undef MESSAGE_ROW

const message_info_t *
message_info (message_id_t id)
{
    return &CATALOGUE[id];
}

const char *
message_name (message_id_t id)
{
    return id < MESSAGE_COUNT ? CATALOGUE[id].type : "unknown";
}

message_id_t
message_find (const char *type)
{
    for (int id = 0; id < MESSAGE_COUNT; id++)
        if (strcmp (CATALOGUE[id].type, type) == 0)
            return (message_id_t) id;
    return MESSAGE_COUNT;
}

/* One "name:kind?" of a row. */
typedef struct {
    char name[48];
    char kind[8];
    bool optional;
} body_field_t;

/* Reads the next field of a row's text; false at its end. */
static bool
next_field (const char **text_p, body_field_t *field)
{
    const char *text = *text_p + strspn (*text_p, " ");
    size_t length = strcspn (text, " ");
    size_t colon = strcspn (text, ":");
    if (!length || colon >= length)
        return false;
    *text_p = text + length;
    field->optional = text[length - 1] == '?';
    size_t kind_length = length - colon - 1 - (field->optional ? 1 : 0);
    snprintf (field->name, sizeof field->name, "%.*s", (int) colon, text);
    snprintf (field->kind, sizeof field->kind, "%.*s", (int) kind_length, text + colon + 1);
    return true;
}

static bool
is_kind (const node_t *value, const char *kind)
{
    if (strcmp (kind, "text") == 0)
        return node_is_text (value);
    if (strcmp (kind, "int") == 0)
        return node_is_int (value);
    if (strcmp (kind, "bool") == 0)
        return value->type == MSGPACK_OBJECT_BOOLEAN;
    if (strcmp (kind, "map") == 0)
        return node_is_map (value);
    if (strcmp (kind, "list") == 0)
        return node_is_array (value);
    return strcmp (kind, "any") == 0;
}

static bool
is_listed (const char *row, const char *key)
{
    body_field_t field;
    while (next_field (&row, &field))
        if (strcmp (field.name, key) == 0)
            return true;
    return false;
}

int
message_check (message_id_t id, bool is_reply, const node_t *body, fault_t *fault)
{
    const message_info_t *info = message_info (id);
    const char *row = is_reply ? info->reply : info->body;
    if (row[0] == '=')
        return 0;
    if (is_reply && strcmp (row, "-") == 0)
        return fault_set (fault, FAULT_INVALID, "%s has no reply", info->type);
    const char *rest = row;
    for (body_field_t field; next_field (&rest, &field);) {
        const node_t *value = node_get (body, field.name);
        if (!value && !field.optional)
            return fault_set (fault, FAULT_INVALID, "%s: %s is missing", info->type, field.name);
        if (value && !is_kind (value, field.kind))
            return fault_set (fault, FAULT_INVALID, "%s: %s is not %s", info->type, field.name,
                              field.kind);
    }
    for (size_t i = 0; i < node_count (body); i++)
        if (!is_listed (row, node_key_at (body, i)))
            return fault_set (fault, FAULT_INVALID, "%s: unknown field %s", info->type,
                              node_key_at (body, i));
    return 0;
}
