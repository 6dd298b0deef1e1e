/* What the agent says of itself: /configz, /statusz, /flagz, /debug/... */
#include "cubelet/clock.h"
#include "cubelet/duration.h"
#include "cubelet/go_quote.h"
#include "cubelet/log.h"
#include "cubelet/memory.h"
#include "server.h"
#include "target.h"
#include <errno.h>
#include <event2/buffer.h>
#include <string.h>

#define WARNING                                                                                    \
    "Warning: This endpoint is not meant to be machine parseable, has no formatting "              \
    "compatibility guarantees and is for debugging purposes only.\n\n"

void
serve_configz (exchange_t *exchange)
{
    const char *json = exchange->server->settings.configz;
    exchange_add_header (exchange, "X-Content-Type-Options", "nosniff");
    exchange_reply (exchange, HTTP_OK, JSON_TYPE, json ? json : "{}", json ? strlen (json) : 2);
}

/* Gates that are off hide the page, as if there was none. */
static bool
is_hidden (exchange_t *exchange, bool is_on)
{
    if (!is_on)
        exchange_error (exchange, HTTP_NOTFOUND, "404 page not found");
    return !is_on;
}

void
serve_statusz (exchange_t *exchange)
{
    const server_t *server = exchange->server;
    if (is_hidden (exchange, server->settings.statusz))
        return;
    char started[TIME_TEXT_MAX];
    int64_t up_s = (clock_now_ns() - server->started_ns) / NS_PER_S;
    OWNED (free_text)
    char *text = text_format (
        "\nkubelet statusz\n" WARNING "Started: %s\nUp: %lld hr %02lld min %02lld sec\n"
        "Binary version: %s\nAgent version: %s\n",
        time_text (server->started_ns, started), (long long) up_s / 3600,
        (long long) up_s / 60 % 60, (long long) up_s % 60, CUBELET_VERSION, CUBELET_AGENT_VERSION);
    exchange_reply_text (exchange, HTTP_OK, text);
}

/* The command line's flags, one "name=value" a line. Owned. */
static char *
flags_of_this_process (void)
{
    char *flags = text_copy ("");
    OWNED (close_file) FILE *file = fopen ("/proc/self/cmdline", "re");
    OWNED (free_text) char *word = NULL;
    size_t room = 0;
    bool is_secret = false;
    for (int i = 0; file && getdelim (&word, &room, '\0', file) > 0; i++) {
        if (i == 0)
            continue;
        bool is_flag = word[0] == '-';
        is_secret = is_flag ? strstr (word, "password") != NULL : is_secret;
        if (is_flag && is_secret)
            word[strcspn (word, "=")] = '\0';
        text_replace (&flags, "%s%s%s", flags,
                      !is_flag   ? "="
                      : flags[0] ? "\n"
                                 : "",
                      !is_flag && is_secret ? "..." : word + strspn (word, "-"));
    }
    return flags;
}

void
serve_flagz (exchange_t *exchange)
{
    if (is_hidden (exchange, exchange->server->settings.flagz))
        return;
    OWNED (free_text) char *flags = flags_of_this_process();
    OWNED (free_text) char *text = text_format ("\nkubelet flagz\n" WARNING "%s\n", flags);
    exchange_reply_text (exchange, HTTP_OK, text);
}

/* PUT with the new verbosity as its body. */
void
serve_verbosity (exchange_t *exchange)
{
    if (!exchange->server->settings.debug_flags_handler) {
        exchange_error (exchange, HTTP_BADMETHOD, "flags endpoint is disabled.");
        return;
    }
    struct evbuffer *body = evhttp_request_get_input_buffer (exchange->http);
    char value[16] = "";
    size_t size = evbuffer_get_length (body);
    evbuffer_copyout (body, value, size < sizeof value ? size : sizeof value - 1);
    char *end = NULL;
    errno = 0;
    long verbosity = strtol (value, &end, 10);
    if (errno || end == value || *end || size >= sizeof value || verbosity < 0 || verbosity > 100) {
        OWNED (free_text) char *quoted = go_quote (value);
        OWNED (free_text)
        char *text = text_format ("failed set klog.logging.verbosity %s: strconv.ParseInt: parsing "
                                  "%s: invalid syntax",
                                  value, quoted);
        exchange_reply_text (exchange, HTTP_BADREQUEST, text);
        return;
    }
    log_set_verbosity ((int) verbosity);
    OWNED (free_text)
    char *text = text_format ("successfully set klog.logging.verbosity to %ld", verbosity);
    exchange_reply_text (exchange, HTTP_OK, text);
}

/* Go's profiler has no counterpart here. */
void
serve_profiles (exchange_t *exchange)
{
    if (exchange->server->settings.profiling_handler)
        exchange_error (exchange, HTTP_NOTIMPLEMENTED,
                        "this kubelet is no Go program and has no pprof profiles; kubelet-tap "
                        "--stats shows its messages, perf(1) its CPU time");
    else
        exchange_error (exchange, HTTP_BADMETHOD, "profiling endpoint is disabled.");
}
