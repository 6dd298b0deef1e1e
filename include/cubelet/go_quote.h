/* go_quote.h - text in quotation marks as Go's %q prints it, for messages and downward API files
   that must read as upstream's. */
#pragma once

/* `text` as strconv.Quote writes it: "a\n\"b\"". What is no UTF-8 becomes \xNN, characters that
   nobody sees \uNNNN; those that Unicode has not assigned yet pass as they are, other than in Go.
   NULL counts as "". Owned text. */
char *go_quote (const char *text);
