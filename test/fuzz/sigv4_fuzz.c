/* Authorization and what it signs: the claim is parsed and verified with a secret the input does not know. */
#include "../unit/s3/head_text.h"
#include "auth/date.h"
#include "auth/sigv4.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void verify(const struct sigv4_claim *claim, const struct http_head *head, struct arena *arena)
{
    struct s3_request request = {.query = head->target, .payload_text = SPAN("UNSIGNED-PAYLOAD")};
    const char *message;
    struct span detail;

    /* With the region and the time that the input claims, so that the canonical request is reached. */
    request.path = span_cut(&request.query, '?');
    if (sigv4_verify(NULL, claim, SPAN("not in any corpus"), claim->region, head, &request,
                     claim->stamp_unix_s, arena, &message, &detail) == S3_OK)
        abort();
    if (claim->stamp.len != SIGV4_STAMP_CHARS || claim->day.len != SIGV4_DAY_CHARS)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span text = {(const char *)data, size};
    struct http_head head;
    struct sigv4_claim claim;
    struct arena arena;
    const char *message;
    uint64_t unix_s;
    char printed[16];

    arena_init(&arena, 1024 * 1024);
    if (amz_date_parse(text, &unix_s)) {
        amz_date_print(unix_s, printed);
        if (memcmp(printed, data, sizeof(printed)) != 0)
            abort();
    }
    head_from_text(&head, text);
    if (sigv4_claim_parse(&claim, &head, &arena, &message) == S3_OK && claim.proof != S3_PROOF_NONE)
        verify(&claim, &head, &arena);
    arena_fini(&arena);
    return 0;
}
