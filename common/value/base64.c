#include "cubelet/base64.h"
#include "cubelet/memory.h"
#include <stdint.h>
#include <string.h>

static const char DIGITS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

char *
base64_decode (const char *text, size_t *size_p)
{
    OWNED (free_text) char *bytes = memory_new (strlen (text) / 4 * 3 + 4, 1);
    size_t size = 0, digits = 0, padding = 0;
    uint32_t group = 0;
    for (; *text; text++) {
        if (*text == '\r' || *text == '\n')
            continue;
        const char *digit = strchr (DIGITS, *text);
        if (*text == '=')
            padding++;
        if ((!digit && *text != '=') || (digit && padding) || (padding && digits % 4 < 2))
            return NULL;
        group = group << 6 | (digit ? (uint32_t) (digit - DIGITS) : 0);
        if (++digits % 4 == 0) {
            bytes[size++] = (char) (group >> 16 & 0xff);
            bytes[size++] = (char) (group >> 8 & 0xff);
            bytes[size++] = (char) (group & 0xff);
            if (padding)
                break;
        }
    }
    text += *text != '\0';
    if (digits % 4 != 0 || text[strspn (text, "\r\n")] != '\0')
        return NULL;
    size -= padding;
    bytes[size] = '\0';
    *size_p = size;
    return STEAL (bytes);
}

size_t
base64_encode (const char *bytes, size_t size, char *out)
{
    char *to = out;
    for (size_t at = 0; at < size; at += 3) {
        uint32_t group = 0;
        for (size_t i = at; i < at + 3; i++)
            group = group << 8 | (i < size ? (unsigned char) bytes[i] : 0);
        for (int shift = 18; shift >= 0; shift -= 6)
            *to++ = DIGITS[group >> shift & 63];
    }
    if (size % 3)
        to[-1] = '=';
    if (size % 3 == 1)
        to[-2] = '=';
    return (size_t) (to - out);
}
