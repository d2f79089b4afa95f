/* XML: backends' bodies and clients' bodies are read, and what we print of any text is well-formed. */
#include "s3/document.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span body = {(const char *)data, size}, location, code, message, printed;
    struct arena arena;
    size_t entries;

    arena_init(&arena, 8 * 1024 * 1024);
    if (s3_create_bucket_parse(body, &arena, &location) == ERR_OK && !location.at)
        abort();
    s3_body_is_error(body, &arena, &code, &message);
    if (s3_list_count(body, &arena, &entries) == ERR_OK && entries > size)
        abort();
    printed = s3_error_document(&arena, S3_INVALID_REQUEST, NULL, body, body, SPAN_EMPTY);
    if (printed.at && printed.len < 60 * 1024 &&
        (!s3_body_is_error(printed, &arena, &code, &message) || !span_is(code, "InvalidRequest") ||
         !span_is(message, s3_error(S3_INVALID_REQUEST)->message)))
        abort();
    arena_fini(&arena);
    return 0;
}
