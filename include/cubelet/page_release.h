/* page_release.h - memory that only the start of the program needed goes back to the machine. */
#pragma once
#include <stddef.h>

/* Gives back malloc's free memory, and takes the program's own clean file pages (code, constants of
   the program and its libraries) out of the process. The kernel maps 16 pages around each one that
   is touched, and a start touches nearly all of a library; what is needed again comes back from the
   page cache without reading a disk. Pages that were written to are left alone. Returns the bytes
   taken out of the address space's resident set, as /proc/self/smaps counts them; 0 when it cannot
   be read. */
size_t page_release (void);
