/* fault.h - what went wrong, in a form the caller can act on.

   Functions that can fail return 0 or -1 (or an owned pointer or NULL) and take a `fault_t *`
   last. On success the fault is not touched. Whoever handles a fault logs it, once. */
#pragma once

/* The canonical codes of gRPC (reference/cri.md 1.6), since most faults come from there and
   travel on unchanged; FAULT_NAMES in fault.c has their spelling. */
typedef enum {
    FAULT_NONE = 0,
    FAULT_CANCELLED = 1,
    FAULT_UNKNOWN = 2,
    FAULT_INVALID = 3,  // the input is wrong; trying again cannot help
    FAULT_DEADLINE = 4, // no answer in time
    FAULT_NOT_FOUND = 5,
    FAULT_ALREADY_EXISTS = 6,
    FAULT_DENIED = 7,
    FAULT_EXHAUSTED = 8,
    FAULT_PRECONDITION = 9,
    FAULT_ABORTED = 10,
    FAULT_OUT_OF_RANGE = 11,
    FAULT_UNIMPLEMENTED = 12,
    FAULT_INTERNAL = 13,
    FAULT_UNAVAILABLE = 14, // the other side did not answer; try again later
    FAULT_DATA_LOSS = 15,
    FAULT_UNAUTHENTICATED = 16,
    FAULT_CODE_COUNT
} fault_code_t;

/* Lives on the caller's stack, so reporting an error never allocates. Zero it before use. */
typedef struct {
    fault_code_t code;
    char text[2048]; // for people; cut at the end when too long
} fault_t;

/* Records a fault and returns -1, so that callers write `return fault_set (...)`. */
int fault_set (fault_t *fault, fault_code_t code, const char *format, ...)
    __attribute__ ((format (printf, 3, 4)));

/* Puts "<context>: " before the text, keeps the code, returns -1. */
int fault_wrap (fault_t *fault, const char *format, ...) __attribute__ ((format (printf, 2, 3)));

/* Forgets what is recorded. */
void fault_clear (fault_t *fault);

/* The code's name as Go's gRPC prints it ("NotFound", "Unavailable"); "Code(99)" never happens,
   an unknown number reads "Unknown". Static text. */
const char *fault_code_name (fault_code_t code);
