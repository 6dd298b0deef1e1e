/* atomic_writer.h - puts files into a volume so that containers see all of the old ones or all of
   the new ones: the files are in a directory of their own, "..data" links to it, and the names in
   the volume's root link through "..data".
   Source: reference/node-and-server.md 7.3; upstream's volume/util/atomic_writer.go. */
#pragma once
#include "cubelet/record.h"
#include "cubelet/volume_payload.h"

/* Makes the volume `directory` hold exactly `payload`; what is so already is left alone. With
   `fs_group` set the whole volume is given to that group, read-only. Returns 0, or -1 with
   FAULT_INTERNAL; then the volume still holds what it did before. */
int
atomic_write (const char *directory, const payload_t *payload, opt_int_t fs_group, fault_t *fault);
