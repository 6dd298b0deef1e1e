/* base64.h - base64 as in the data of Secrets (RFC 4648, standard alphabet, padded). */
#pragma once
#include <stddef.h>

/* Decodes; line ends are skipped, as Go does. Returns owned bytes with a NUL behind them, *size_p
   is their number without it, or NULL when the text is not base64. */
char *base64_decode (const char *text, size_t *size_p);

/* Encodes to `out`, which has room for (size + 2) / 3 * 4 bytes; no NUL is added. Returns how many
   bytes were written. */
size_t base64_encode (const char *bytes, size_t size, char *out);
