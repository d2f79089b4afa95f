/* Paths, queries and header fields: whatever comes, no memory is touched that is not ours, and what is accepted
 * keeps its promises. */
#include "../unit/s3/head_text.h"
#include "s3/request.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition))                                                                                    \
            abort();                                                                                         \
    } while (0)

static void check_accepted(const struct s3_request *r, struct arena *arena)
{
    struct span encoded, again;

    CHECK(r->op < S3_OP_COUNT);
    CHECK(r->key.len <= S3_KEY_BYTES_MAX && span_is_utf8(r->key));
    CHECK(r->op == S3_OP_LIST_BUCKETS || (r->op == S3_OP_PREFLIGHT && !r->bucket.len) ||
          s3_bucket_name_valid(r->bucket)); /* one may be asked for all buckets */
    CHECK(r->op == S3_OP_PREFLIGHT || r->payload_text.at);
    CHECK(r->override_count <= S3_OVERRIDES_MAX);
    encoded = s3_path_encode(arena, r->key);
    CHECK(encoded.at && s3_decode(arena, encoded, false, &again) && span_eq(again, r->key));
    for (size_t i = 0; i < r->override_count; i++)
        for (size_t j = 0; j < r->overrides[i].value.len; j++)
            CHECK((unsigned char)r->overrides[i].value.at[j] >= 0x20);
}

/* What a presigned URL brings becomes header fields: none may be able to end its line. */
static void check_moved(const struct s3_request *r, const struct http_head *head)
{
    CHECK(r->head->header_count >= head->header_count && r->head->header_count <= HTTP_HEADERS_MAX);
    for (size_t i = head->header_count; i < r->head->header_count; i++)
        CHECK(http_is_token(r->head->headers[i].name) && http_is_value(r->head->headers[i].value));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum s3_proof proofs[] = {S3_PROOF_HEADER, S3_PROOF_QUERY};
    struct span text = {(const char *)data, size};
    struct http_head head;
    struct s3_request request;
    struct arena arena;
    const char *message;
    enum s3_code code;

    arena_init(&arena, 256 * 1024);
    head_from_text(&head, text);
    for (size_t i = 0; i < sizeof(proofs) / sizeof(proofs[0]); i++) {
        code = s3_request_parse(&request, &head, proofs[i], NULL, &arena, &message);
        CHECK(code < S3_CODE_COUNT);
        CHECK(!message || strlen(message) > 0);
        check_moved(&request, &head);
        if (code == S3_OK)
            check_accepted(&request, &arena);
        arena_reset(&arena);
    }
    for (size_t i = 0; i < head.header_count; i++) {
        struct span name = head.headers[i].name;

        CHECK(!s3_header_is_stored(name) || s3_header_is_shown(name));
    }
    arena_fini(&arena);
    return 0;
}
