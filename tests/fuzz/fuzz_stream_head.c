/* The answer of the runtime's streaming server. */
#include "cubelet/memory.h"
#include "cubelet/stream_options.h"
#include <string.h>

int LLVMFuzzerTestOneInput (const uint8_t *bytes, size_t size);

int
LLVMFuzzerTestOneInput (const uint8_t *bytes, size_t size)
{
    fault_t fault = { 0 };
    stream_head_t head;
    OWNED (free_text) char *copy = memory_new (size + 1, 1);
    memcpy (copy, bytes, size);
    int rc = stream_head_read (copy, size, &head, &fault);
    if (rc == 1 && (head.size > size || head.status < 0 || head.status > 999))
        abort();
    return 0;
}
