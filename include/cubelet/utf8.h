/* utf8.h - is text from outside valid UTF-8? */
#pragma once
#include <stdbool.h>
#include <stddef.h>

/* Bytes (1 to 4) of the character at `at`, which is before `end`; 0 when it is no valid UTF-8:
   overlong forms, surrogates and numbers beyond U+10FFFF are not. */
size_t utf8_size (const char *at, const char *end);

bool utf8_is_valid (const char *text, size_t size);
