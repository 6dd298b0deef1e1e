/* chance.h - chance, for jitter; the rules take it as an argument, as they take the time. */
#pragma once

/* A number from 0 to below 1, from the kernel. */
double chance (void);
