#include "cubelet/utf8.h"
#include "cubelet/memory.h"
#include <stdint.h>

/* The well-formed sequences: Unicode standard, table 3-7. */
static const struct {
    uint8_t first_low, first_high;
    uint8_t second_low, second_high; // further bytes are 80..bf
    size_t size;
} FORMS[] = {
    { 0xc2, 0xdf, 0x80, 0xbf, 2 }, { 0xe0, 0xe0, 0xa0, 0xbf, 3 }, { 0xe1, 0xec, 0x80, 0xbf, 3 },
    { 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 }, { 0xf0, 0xf0, 0x90, 0xbf, 4 },
    { 0xf1, 0xf3, 0x80, 0xbf, 4 }, { 0xf4, 0xf4, 0x80, 0x8f, 4 },
};

size_t
utf8_size (const char *at, const char *end)
{
    const unsigned char *c = (const unsigned char *) at;
    if (*c < 0x80)
        return 1;
    for (size_t i = 0; i < COUNT_OF (FORMS); i++) {
        if (*c < FORMS[i].first_low || *c > FORMS[i].first_high)
            continue;
        if ((size_t) (end - at) < FORMS[i].size || c[1] < FORMS[i].second_low
            || c[1] > FORMS[i].second_high)
            return 0;
        for (size_t j = 2; j < FORMS[i].size; j++)
            if (c[j] < 0x80 || c[j] > 0xbf)
                return 0;
        return FORMS[i].size;
    }
    return 0;
}

bool
utf8_is_valid (const char *text, size_t size)
{
    for (const char *end = text + size; text < end;) {
        size_t step = utf8_size (text, end);
        if (step == 0)
            return false;
        text += step;
    }
    return true;
}
