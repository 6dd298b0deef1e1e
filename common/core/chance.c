#include "cubelet/chance.h"
#include "cubelet/clock.h"
#include <stdint.h>
#include <sys/random.h>

double
chance (void)
{
    uint32_t number = 0;
    if (getrandom (&number, sizeof number, 0) != sizeof number)
        number = (uint32_t) clock_now_ns(); // only at boot, before there is any entropy
    return (double) number / ((double) UINT32_MAX + 1);
}
