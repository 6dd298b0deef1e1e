#include "cubelet/name_rules.h"
#include "cubelet/memory.h"
#include <arpa/inet.h>
#include <stdbool.h>
#include <string.h>

#define LABEL_MAX 63
#define SUBDOMAIN_MAX 253
#define PORT_NAME_MAX 15

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

static const char TOO_LONG_LABEL[] = "must be no more than 63 bytes";
static const char TOO_LONG_SUBDOMAIN[] = "must be no more than 253 bytes";

static const char BAD_LABEL[] =
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and "
    "must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex "
    "used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
static const char BAD_SUBDOMAIN[] =
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used "
    "for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
static const char BAD_SEARCH_DOMAIN[] =
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used "
    "for validation is "
    "'_?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\._?[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

static bool
is_of (char c, const char *set)
{
    return c != '\0' && strchr (set, c);
}

// One label of `size` bytes: of `inner`, at both ends of `ends`.
static bool
is_label (const char *text, size_t size, const char *inner, const char *ends)
{
    if (size == 0 || !is_of (text[0], ends) || !is_of (text[size - 1], ends))
        return false;
    for (size_t i = 0; i < size; i++)
        if (!is_of (text[i], inner))
            return false;
    return true;
}

// Labels joined by dots; `may_underscore`: each may start with one.
static bool
is_dotted (const char *text, bool may_underscore)
{
    for (;;) {
        text += may_underscore && *text == '_';
        size_t size = strcspn (text, ".");
        if (!is_label (text, size, LOWER DIGITS "-", LOWER DIGITS))
            return false;
        if (text[size] == '\0')
            return true;
        text += size + 1;
    }
}

const char *
name_rule_dns_label (const char *text)
{
    size_t size = strlen (text);
    if (size > LABEL_MAX)
        return TOO_LONG_LABEL;
    return is_label (text, size, LOWER DIGITS "-", LOWER DIGITS) ? NULL : BAD_LABEL;
}

const char *
name_rule_dns_subdomain (const char *text)
{
    if (strlen (text) > SUBDOMAIN_MAX)
        return TOO_LONG_SUBDOMAIN;
    return is_dotted (text, false) ? NULL : BAD_SUBDOMAIN;
}

const char *
name_rule_search_domain (const char *text)
{
    if (strlen (text) > SUBDOMAIN_MAX)
        return TOO_LONG_SUBDOMAIN;
    return is_dotted (text, true) ? NULL : BAD_SEARCH_DOMAIN;
}

const char *
name_rule_qualified_name (const char *text)
{
    const char *slash = strchr (text, '/');
    const char *name = slash ? slash + 1 : text;
    if (slash) {
        size_t size = (size_t) (slash - text);
        if (size == 0)
            return "prefix part must be non-empty";
        if (size > SUBDOMAIN_MAX)
            return "prefix part must be no more than 253 bytes";
        char prefix[SUBDOMAIN_MAX + 1];
        memcpy (prefix, text, size);
        prefix[size] = '\0';
        if (!is_dotted (prefix, false))
            return "prefix part a lowercase RFC 1123 subdomain must consist of lower case "
                   "alphanumeric characters, '-' or '.', and must start and end with an "
                   "alphanumeric character (e.g. 'example.com', regex used for validation is "
                   "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
    }
    if (strchr (name, '/'))
        return "a qualified name must consist of alphanumeric characters, '-', '_' or '.', and "
               "must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  "
               "or '123-abc', regex used for validation is "
               "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain prefix "
               "and '/' (e.g. 'example.com/MyName')";
    size_t size = strlen (name);
    if (size == 0)
        return "name part must be non-empty";
    if (size > LABEL_MAX)
        return "name part must be no more than 63 bytes";
    if (!is_label (name, size, LOWER UPPER DIGITS "-_.", LOWER UPPER DIGITS))
        return "name part must consist of alphanumeric characters, '-', '_' or '.', and must "
               "start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or "
               "'123-abc', regex used for validation is "
               "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
    return NULL;
}

const char *
name_rule_label_value (const char *text)
{
    size_t size = strlen (text);
    if (size > LABEL_MAX)
        return TOO_LONG_LABEL;
    if (size > 0 && !is_label (text, size, LOWER UPPER DIGITS "-_.", LOWER UPPER DIGITS))
        return "a valid label must be an empty string or consist of alphanumeric characters, '-', "
               "'_' or '.', and must start and end with an alphanumeric character (e.g. "
               "'MyValue',  or 'my_value',  or '12345', regex used for validation is "
               "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
    return NULL;
}

const char *
name_rule_env_name (const char *text)
{
    if (!*text)
        return "environment variable name must be non-empty";
    for (; *text; text++)
        if (*text < ' ' || *text > '~' || *text == '=')
            return "a valid environment variable name must consist only of printable ASCII "
                   "characters other than '='";
    return NULL;
}

const char *
name_rule_port_name (const char *text)
{
    size_t size = strlen (text);
    if (size > PORT_NAME_MAX)
        return "must be no more than 15 characters";
    if (strspn (text, LOWER DIGITS "-") != size)
        return "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)";
    if (!strpbrk (text, LOWER))
        return "must contain at least one letter (a-z)";
    if (strstr (text, "--"))
        return "must not contain consecutive hyphens";
    if (text[0] == '-' || text[size - 1] == '-')
        return "must not begin or end with a hyphen";
    return NULL;
}

const char *
name_rule_config_key (const char *text)
{
    size_t size = strlen (text);
    if (size > SUBDOMAIN_MAX)
        return TOO_LONG_SUBDOMAIN;
    if (size == 0 || strspn (text, LOWER UPPER DIGITS "-._") != size)
        return "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. "
               "'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is "
               "'[-._a-zA-Z0-9]+')";
    if (strcmp (text, ".") == 0)
        return "must not be '.'";
    if (strcmp (text, "..") == 0)
        return "must not be '..'";
    return strncmp (text, "..", 2) == 0 ? "must not start with '..'" : NULL;
}

const char *
name_rule_http_header (const char *text)
{
    size_t size = strlen (text);
    if (size == 0 || strspn (text, LOWER UPPER DIGITS "-") != size)
        return "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. "
               "'X-Header-Name', regex used for validation is '[-A-Za-z0-9]+')";
    return NULL;
}

const char *
name_rule_ip (const char *text)
{
    struct in6_addr address; // room for either family
    if (inet_pton (AF_INET, text, &address) == 1 || inet_pton (AF_INET6, text, &address) == 1)
        return NULL;
    return "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
}

const char *
name_rule_sysctl (const char *text)
{
    static const char BAD[] =
        "must have at most 253 characters and match regex "
        "^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$";
    if (strlen (text) > SUBDOMAIN_MAX)
        return BAD;
    for (;;) {
        size_t size = strcspn (text, "./");
        if (!is_label (text, size, LOWER DIGITS "-_", LOWER DIGITS))
            return BAD;
        if (text[size] == '\0')
            return NULL;
        text += size + 1;
    }
}
