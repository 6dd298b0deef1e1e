#include "cubelet/fault.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const CODE_NAMES[] = {
    "OK",       "Canceled",        "Unknown",          "InvalidArgument",   "DeadlineExceeded",
    "NotFound", "AlreadyExists",   "PermissionDenied", "ResourceExhausted", "FailedPrecondition",
    "Aborted",  "OutOfRange",      "Unimplemented",    "Internal",          "Unavailable",
    "DataLoss", "Unauthenticated",
};
_Static_assert(sizeof CODE_NAMES / sizeof *CODE_NAMES == FAULT_CODE_COUNT, "name every code");

int
fault_set (fault_t *fault, fault_code_t code, const char *format, ...)
{
    fault->code = code;
    va_list args;
    va_start (args, format);
    vsnprintf (fault->text, sizeof fault->text, format, args);
    va_end (args);
    return -1;
}

int
fault_wrap (fault_t *fault, const char *format, ...)
{
    char inner[sizeof fault->text];
    memcpy (inner, fault->text, sizeof inner);
    va_list args;
    va_start (args, format);
    int used = vsnprintf (fault->text, sizeof fault->text, format, args);
    va_end (args);
    size_t length = used < 0 ? 0 : (size_t) used;
    size_t room = length < sizeof fault->text ? sizeof fault->text - length : 0;
    if (room && snprintf (fault->text + length, room, ": %s", inner) < 0)
        fault->text[length] = '\0';
    return -1; // a text that is too long is cut, as promised
}

void
fault_clear (fault_t *fault)
{
    fault->code = FAULT_NONE;
    fault->text[0] = '\0';
}

const char *
fault_code_name (fault_code_t code)
{
    return (unsigned) code < FAULT_CODE_COUNT ? CODE_NAMES[code] : CODE_NAMES[FAULT_UNKNOWN];
}
