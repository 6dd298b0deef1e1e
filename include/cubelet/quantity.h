/* quantity.h - Kubernetes resource quantities: "100m", "1Gi", "1e3", "0.5", "12E".
   Source: k8s.io/apimachinery/pkg/api/resource, "Quantity" (fixed point, 3 decimals at least).
   Values are held in nano-units, so that 1n is exact and 2^63-1 (the API's own cap) fits. */
#pragma once
#include "cubelet/fault.h"
#include <stdbool.h>
#include <stdint.h>

typedef struct {
    bool set;
    __extension__ __int128 nano; // value times 10^9
} quantity_t;

/* Reads a quantity. Finer than nano is rounded up (away from zero); a binary one larger than
   2^63-1 is capped there, a decimal one ("12E") only at what fits, both as upstream. Returns 0, or
   -1 with FAULT_INVALID naming the text. */
int quantity_parse (const char *text, quantity_t *out, fault_t *fault);

/* The value as a whole number, rounded away from zero, as Quantity.Value (); not set gives 0,
   what does not fit the nearest that does. */
int64_t quantity_value (quantity_t quantity);

/* The value in thousandths, rounded away from zero, as Quantity.MilliValue (). */
int64_t quantity_milli (quantity_t quantity);

bool quantity_is_zero (quantity_t quantity); // not set counts as zero

/* Sum; set when either is. Difference is quantity_add with a negated value. */
quantity_t quantity_add (quantity_t a, quantity_t b);

/* -1, 0, 1; not set counts as zero. */
int quantity_compare (quantity_t a, quantity_t b);

/* A whole number of units, or of thousandths. */
quantity_t quantity_of (int64_t value);
quantity_t quantity_of_milli (int64_t milli);

/* Canonical text in the suffix family of the original, which `like` names: "1Gi" stays binary,
   "1000m" becomes "1". `like` may be NULL (decimal). Owned text. */
char *quantity_text (quantity_t quantity, const char *like);
