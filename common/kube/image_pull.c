#include "cubelet/image_pull.h"
#include "cubelet/clock.h"
#include "cubelet/duration.h"
#include "cubelet/go_quote.h"
#include "cubelet/memory.h"
#include <inttypes.h>
#include <string.h>

/* Errors that runtimes name at the start of their message, and what becomes of the rest. */
static const struct {
    const char *name;
    const char *meaning;
} NAMED_ERRORS[] = {
    { "RegistryUnavailable", "because the registry is unavailable" },
    { "SignatureValidationFailed", "because the signature validation failed" },
};

char *
image_error_text (const fault_t *fault, bool is_pull)
{
    if (is_pull && fault->code == FAULT_UNKNOWN)
        return text_copy (fault->text);
    return text_format ("rpc error: code = %s desc = %s", fault_code_name (fault->code),
                        fault->text);
}

void
image_pull_failed (const char *image, const fault_t *fault, fault_t *out)
{
    OWNED (free_text) char *text = image_error_text (fault, true);
    for (size_t i = 0; i < COUNT_OF (NAMED_ERRORS); i++) {
        const char *name = NAMED_ERRORS[i].name;
        if (strncmp (text, name, strlen (name)) == 0) {
            fault_set (out, fault->code, "%s: image pull failed for %s %s%s", name, image,
                       NAMED_ERRORS[i].meaning, text + strlen (name));
            return;
        }
    }
    fault_set (out, fault->code, "ErrImagePull: %s", text);
}

static const char *
in_milliseconds (int64_t ns, char out[static DURATION_TEXT_MAX])
{
    return duration_text (ns / NS_PER_MS * NS_PER_MS, out);
}

char *
image_pulled_message (const char *image, int64_t pull_ns, int64_t whole_ns, int64_t size_bytes)
{
    char pull[DURATION_TEXT_MAX], whole[DURATION_TEXT_MAX];
    OWNED (free_text) char *quoted = go_quote (image);
    return text_format ("Successfully pulled image %s in %s (%s including waiting). Image size: "
                        "%" PRId64 " bytes.",
                        quoted, in_milliseconds (pull_ns, pull), in_milliseconds (whole_ns, whole),
                        size_bytes);
}

node_t
image_user_node (tree_t *tree, const node_t *image)
{
    node_t user = node_map();
    const node_t *uid = node_get (image, "uid");
    const char *username = node_get_text (image, "username", "");
    if (uid || !*username) // root's number is a zero, which protobuf leaves out
        node_set_int (tree, &user, "uid", node_get_int (uid, "value", 0));
    else
        node_set_text (tree, &user, "username", username);
    return user;
}

const char *
image_size_class (int64_t size_bytes)
{
    static const struct {
        int64_t from_mib;
        const char *name;
    } CLASSES[] = {
        { 102400, "GT100GB" },  { 61440, "60GB-100GB" }, { 40960, "40GB-60GB" },
        { 30720, "30GB-40GB" }, { 20480, "20GB-30GB" },  { 10240, "10GB-20GB" },
        { 5120, "5GB-10GB" },   { 1024, "1GB-5GB" },     { 500, "500MB-1GB" },
        { 100, "100MB-500MB" }, { 10, "10MB-100MB" },
    };
    for (size_t i = 0; i < COUNT_OF (CLASSES); i++)
        if (size_bytes >> 20 >= CLASSES[i].from_mib)
            return CLASSES[i].name;
    return "0-10MB";
}
