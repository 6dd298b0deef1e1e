/* stream_proxy.h - carries an upgraded connection to the runtime's streaming server and back, byte
   for byte: whatever protocol the two have agreed on passes, and so does the end of each side.

   What waits on one side is bounded: reading from the other waits then. */
#pragma once
#include "server.h"

/* Asks the server at `url` (http://ADDRESS:PORT/...) what the client asked, and joins the two when
   it agrees to the upgrade; else the client gets its answer, or 500. The exchange is the proxy's.
 */
void stream_proxy_begin (exchange_t *exchange, const char *url);
