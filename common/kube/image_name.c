#include "cubelet/image_name.h"
#include "cubelet/go_quote.h"
#include "cubelet/memory.h"
#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define DEFAULT_DOMAIN "docker.io"
#define LEGACY_DOMAIN "index.docker.io"
#define REPOSITORY_LENGTH_MAX 255
#define BAD_FORMAT "invalid reference format"

static const struct {
    const char *name;
    size_t hex_length;
} ALGORITHMS[] = { { "sha256", 64 }, { "sha384", 96 }, { "sha512", 128 } };

// ASCII only, whatever the locale says.
static bool
is_lower_or_digit (char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool
is_alphanumeric (char c)
{
    return is_lower_or_digit (c) || (c >= 'A' && c <= 'Z');
}

static bool
has_upper (const char *text)
{
    for (; *text; text++)
        if (*text >= 'A' && *text <= 'Z')
            return true;
    return false;
}

static bool
is_hex (const char *text, size_t length)
{
    return strspn (text, "0123456789abcdef") >= length;
}

// host.example:5000, [::1]:5000
static bool
is_domain (const char *text)
{
    if (*text == '[') {
        size_t length = strspn (text + 1, "0123456789abcdefABCDEF:");
        if (length == 0 || text[1 + length] != ']')
            return false;
        text += length + 2;
    }
    else
        for (;;) { // components of letters, digits and inner hyphens
            if (!is_alphanumeric (*text))
                return false;
            while (is_alphanumeric (*text) || *text == '-')
                text++;
            if (text[-1] == '-')
                return false;
            if (*text != '.')
                break;
            text++;
        }
    if (*text != ':')
        return *text == '\0';
    text++;
    return *text && strspn (text, "0123456789") == strlen (text);
}

// Elements of lower case letters and digits, joined by ".", "_", "__" or any number of "-".
static bool
is_path (const char *text)
{
    for (;;) {
        if (!is_lower_or_digit (*text))
            return false;
        while (is_lower_or_digit (*text))
            text++;
        if (*text == '\0')
            return true;
        if (*text == '-')
            text += strspn (text, "-");
        else if (text[0] == '_' && text[1] == '_')
            text += 2;
        else if (*text == '.' || *text == '_' || *text == '/')
            text++;
        else
            return false;
    }
}

static bool
is_tag (const char *text)
{
    size_t length = strlen (text);
    if (length == 0 || length >= IMAGE_TAG_MAX || *text == '.' || *text == '-')
        return false;
    for (; *text; text++)
        if (!is_alphanumeric (*text) && !strchr ("_.-", *text))
            return false;
    return true;
}

// Words of letters and digits, joined by one of "-_+.", each with a letter first.
static bool
is_algorithm (const char *text, const char *end)
{
    for (;; text++) {
        if (!is_alphanumeric (*text) || (*text >= '0' && *text <= '9'))
            return false;
        while (text < end && is_alphanumeric (*text))
            text++;
        if (text == end || !strchr ("-_+.", *text))
            return text == end;
    }
}

static int
check_digest (const char *digest, fault_t *fault)
{
    const char *colon = strchr (digest, ':');
    size_t hex_length = colon ? strlen (colon + 1) : 0;
    if (!colon || hex_length < 32 || strspn (colon + 1, "0123456789abcdefABCDEF") != hex_length
        || !is_algorithm (digest, colon))
        return fault_set (fault, FAULT_INVALID, BAD_FORMAT);
    for (size_t i = 0; i < COUNT_OF (ALGORITHMS); i++)
        if (strncmp (digest, ALGORITHMS[i].name, (size_t) (colon - digest)) == 0
            && strlen (ALGORITHMS[i].name) == (size_t) (colon - digest)) {
            if (hex_length != ALGORITHMS[i].hex_length)
                return fault_set (fault, FAULT_INVALID, "invalid checksum digest length");
            if (!is_hex (colon + 1, hex_length))
                return fault_set (fault, FAULT_INVALID, "invalid checksum digest format");
            return 0;
        }
    return fault_set (fault, FAULT_INVALID, "unsupported digest algorithm");
}

/* Cuts `name` at its first "/" when what stands before looks like a host, else the domain is
   Docker's. Returns owned text "DOMAIN/PATH..."; *path_p is the length of DOMAIN and the "/". */
static char *
complete (const char *name, size_t *path_p)
{
    const char *slash = strchr (name, '/');
    OWNED (free_text)
    char *first = slash ? strndup (name, (size_t) (slash - name)) : text_copy ("");
    if (!first)
        abort();
    bool is_host =
        slash && (strpbrk (first, ".:") || strcmp (first, "localhost") == 0 || has_upper (first));
    const char *domain = is_host ? first : DEFAULT_DOMAIN;
    const char *path = is_host ? slash + 1 : name;
    if (strcmp (domain, LEGACY_DOMAIN) == 0)
        domain = DEFAULT_DOMAIN;
    const char *prefix =
        strcmp (domain, DEFAULT_DOMAIN) == 0 && !strchr (path, '/') ? "library/" : "";
    *path_p = strlen (domain) + 1;
    return text_format ("%s/%s%s", domain, prefix, path);
}

// `text` is DOMAIN/PATH[:TAG][@DIGEST] and is cut to DOMAIN/PATH.
static int
split (char *text, size_t path, image_name_t *out, fault_t *fault)
{
    char *colon = strchr (text + path, ':');
    char *at = strchr (text + path, '@');
    if (colon)
        *colon = '\0';
    if (has_upper (text + path))
        return fault_set (fault, FAULT_INVALID,
                          BAD_FORMAT ": repository name (%s) must be lowercase", text + path);
    if (colon)
        *colon = ':';

    const char *tag = "", *digest = "";
    if (at) {
        *at = '\0';
        digest = at + 1;
        if (colon > at)
            colon = NULL; // the digest's own
    }
    if (colon) {
        *colon = '\0';
        tag = colon + 1;
    }
    text[path - 1] = '\0';
    bool has_domain = is_domain (text) && is_path (text + path);
    text[path - 1] = '/';
    // what looks like a host but cannot be one may still be the first element of a path
    bool is_valid = (has_domain || is_path (text)) && (!colon || is_tag (tag));
    if (!is_valid)
        return fault_set (fault, FAULT_INVALID, BAD_FORMAT);
    if (at && check_digest (digest, fault) < 0)
        return -1;
    if (strlen (text) > REPOSITORY_LENGTH_MAX)
        return fault_set (fault, FAULT_INVALID,
                          "repository name must not be more than %d characters",
                          REPOSITORY_LENGTH_MAX);
    snprintf (out->repository, sizeof out->repository, "%s", text);
    snprintf (out->tag, sizeof out->tag, "%s", colon || at ? tag : "latest");
    snprintf (out->digest, sizeof out->digest, "%s", digest);
    return 0;
}

int
image_name_parse (const char *text, image_name_t *out, fault_t *fault)
{
    *out = (image_name_t){ 0 };
    size_t path = 0;
    OWNED (free_text) char *name = complete (text ? text : "", &path);
    int rc;
    if (text && strlen (text) == 64 && is_hex (text, 64))
        rc = fault_set (fault, FAULT_INVALID,
                        "invalid repository name (%s), cannot specify 64-byte hexadecimal strings",
                        text);
    else
        rc = split (name, path, out, fault);
    if (rc == 0)
        return 0;
    OWNED (free_text) char *quoted = go_quote (text);
    return fault_wrap (fault, "couldn't parse image name %s", quoted);
}

const char *
image_default_pull_policy (const char *image)
{
    image_name_t name;
    fault_t ignored = { 0 };
    image_name_parse (image, &name, &ignored);
    return strcmp (name.tag, "latest") == 0 ? "Always" : "IfNotPresent";
}

char *
image_name_with_tag (const char *image, fault_t *fault)
{
    image_name_t name;
    if (image_name_parse (image, &name, fault) < 0) {
        OWNED (free_text) char *quoted = go_quote (image);
        fault_wrap (fault, "Failed to apply default image tag %s", quoted);
        return NULL;
    }
    size_t size = strlen (image), tag_size = strlen (name.tag);
    bool has_tag = size > tag_size && image[size - tag_size - 1] == ':'
                   && strcmp (image + size - tag_size, name.tag) == 0;
    if (*name.digest || !*name.tag || has_tag)
        return text_copy (image);
    return text_format ("%s:%s", image, name.tag);
}
