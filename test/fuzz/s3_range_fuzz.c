/* Range: the first 8 bytes are the object's size, the rest the field's value. */
#include "s3/request.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint64_t object_bytes, first = 0, last = 0;

    if (size < sizeof(object_bytes))
        return 0;
    memcpy(&object_bytes, data, sizeof(object_bytes));
    data += sizeof(object_bytes);
    size -= sizeof(object_bytes);
    if (s3_range_parse((struct span){(const char *)data, size}, object_bytes, &first, &last) == S3_RANGE_OK &&
        (first > last || last >= object_bytes))
        abort();
    return 0;
}
