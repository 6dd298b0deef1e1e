/* go_text.h - texts as Go prints them, for messages that users know from the upstream kubelet;
   go_quote.h has "%q". */
#pragma once
#include <stddef.h>

/* What "%v" makes of a []string: "[a b c]". NULL items count as "". Owned. */
char *go_list (const char *const *items, size_t count);

/* Room for what go_errno writes. */
#define GO_ERRNO_MAX 80

/* The text of an errno value in Go's syscall package, which is strerror's with a small first
   letter: "connection refused". Returns `out`. */
char *go_errno (int number, char out[static GO_ERRNO_MAX]);

/* net.JoinHostPort: "HOST:PORT", an IPv6 address in brackets. Owned. */
char *go_host_port (const char *host, int port);
