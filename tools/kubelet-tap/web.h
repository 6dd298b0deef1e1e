/* web.h - the tap as a page on a loopback port: files from memory, messages as Server-Sent Events.

   GET /TOKEN/        the page (tools/kubelet-tap/web/), which asks for
   GET /TOKEN/events  what passes, as events: `message` (one JSON array of messages, oldest first),
                      `actors` (who runs), `faults` (the rules in force), `agent` (here or gone) and
                      `lost` (how many messages this page was too slow for).

   TOKEN is random and printed once: the tap's socket is root's alone, and a port of loopback is
   everybody's. Requests that name another host are refused (DNS rebinding). A page may only look:
   nothing it sends changes anything. */
#pragma once
#include "view.h"
#include <czmq.h>

#define WEB_PORT 10270

typedef struct web web_t;

/* Binds 127.0.0.1:`port` (0: any free one). `socket_dir` is where the agent's fault.sock is.
   Owned; NULL with FAULT_UNAVAILABLE. */
web_t *web_new (int port, const char *socket_dir, fault_t *fault);
void web_destroy (web_t **self_p);

/* Where the page is; borrowed. */
const char *web_url (const web_t *self);

/* What the loop calls when a socket may be read without waiting. */
typedef struct {
    zsock_t *tap;
    void *monitor;                        // of the tap's socket
    void (*read_tap) (void *context);     // one message, which comes back by web_add
    void (*read_monitor) (void *context); // one event, which comes back by web_set_agent
    void *context;
} web_sources_t;

/* Serves until SIGINT or SIGTERM, or until `seconds` have passed (0: no end). */
void web_run (web_t *self, const web_sources_t *sources, int64_t seconds);

/* Takes what the pages need of any message, whether or not it is to be shown: who runs. */
void web_look (web_t *self, const shown_t *message);

/* Sends one message to all pages; those of pods are kept a while for pages that come later. */
void web_add (web_t *self, const shown_t *message);

/* Tells the pages whether the agent is there. */
void web_set_agent (web_t *self, bool is_there);

/* The message as the page gets it: JSON, owned. Ids are texts (JavaScript's numbers are too small
   for them), times are milliseconds; `body` is the body's JSON, cut; `facts` are what the page
   needs of it whole. */
char *web_message_json (const shown_t *message);
