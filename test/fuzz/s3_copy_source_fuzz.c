/* x-amz-copy-source, and the range of a part's source: what is accepted names a bucket and a key that can be, and means the
 * same when it is written anew. The first byte says whether it is a part, and where the range begins. */
#include "../unit/s3/head_text.h"
#include "s3/request.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition))                                                                                    \
            abort();                                                                                         \
    } while (0)

static enum s3_code parse(struct s3_request *out, struct span source, struct span range, bool is_part,
                          struct arena *arena)
{
    static const struct http_header host = {SPAN("host"), SPAN("gateway")},
                                    hash = {SPAN("x-amz-content-sha256"), SPAN("UNSIGNED-PAYLOAD")};
    struct http_head head = {.method = HTTP_PUT, .minor = 1, .has_length = true, .method_text = SPAN("PUT")};
    const char *message = NULL;
    enum s3_code code;

    head.target = is_part ? SPAN("/media/copy?partNumber=1&uploadId=u") : SPAN("/media/copy");
    head.headers[head.header_count++] = host;
    head.headers[head.header_count++] = hash;
    head.headers[head.header_count++] = (struct http_header){SPAN("x-amz-copy-source"), source};
    if (is_part && range.len)
        head.headers[head.header_count++] = (struct http_header){SPAN("x-amz-copy-source-range"), range};
    code = s3_request_parse(out, &head, S3_PROOF_HEADER, NULL, arena, &message);
    CHECK(code < S3_CODE_COUNT && (!message || *message));
    return code;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span source, range;
    struct s3_request first, second;
    struct arena arena;
    bool is_part;

    if (size < 1)
        return 0;
    is_part = data[0] & 1;
    range = (struct span){(const char *)data + 1, size - 1};
    source = span_head(range, range.len - (is_part ? range.len * (data[0] >> 1) / 127 : 0));
    range = span_skip(range, source.len);
    arena_init(&arena, 256 * 1024);
    if (parse(&first, source, range, is_part, &arena) == S3_OK) {
        struct span anew;

        CHECK(first.op == (is_part ? S3_OP_UPLOAD_PART_COPY : S3_OP_COPY_OBJECT));
        CHECK(s3_bucket_name_valid(first.source_bucket));
        CHECK(first.source_key.len && first.source_key.len <= S3_KEY_BYTES_MAX &&
              span_is_utf8(first.source_key));
        anew = s3_path_encode(&arena, first.source_key);
        anew = arena_printf(&arena, "/%.*s/%.*s", SPAN_ARG(first.source_bucket), SPAN_ARG(anew));
        CHECK(parse(&second, anew, range, is_part, &arena) == S3_OK);
        CHECK(span_eq(first.source_bucket, second.source_bucket) &&
              span_eq(first.source_key, second.source_key));
    }
    arena_fini(&arena);
    return 0;
}
