/* Policies of forms: whatever their text, an answer and a reason; what is allowed is allowed for this bucket and this time. */
#include "auth/post_policy.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition))                                                                                    \
            abort();                                                                                         \
    } while (0)

#define END_OF_9999_S 253402300799
enum { NOW_S = 1900000000, POLICY_BYTES_MAX = 20 * 1024 };

static enum s3_code check(struct span policy, struct span bucket, uint64_t now_s)
{
    struct s3_form form = {.fields = {{SPAN("key"), SPAN("a/${filename}")},
                                      {SPAN("Content-Type"), SPAN("image/png")},
                                      {SPAN("policy"), policy},
                                      {SPAN("x-amz-signature"), SPAN("s")},
                                      {SPAN("x-ignore-this"), SPAN("i")}},
                           .field_count = 5};
    struct post_policy_limits limits;
    struct arena arena;
    const char *message;
    enum s3_code code;

    arena_init(&arena, 256 * 1024);
    code = post_policy_check(&limits, &form, bucket, SPAN("a/b"), now_s, &arena, &message);
    CHECK(code == S3_OK || code == S3_ACCESS_DENIED || code == S3_INVALID_POLICY_DOCUMENT);
    CHECK((code == S3_OK) == (message == NULL));
    arena_fini(&arena);
    return code;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char text[POLICY_BYTES_MAX / 3 * 4 + 4];
    struct span policy;

    if (size > POLICY_BYTES_MAX)
        return 0;
    (void)check((struct span){(const char *)data, size}, SPAN("media"),
                NOW_S); /* not in Base64, but for luck */
    policy = (struct span){text, base64_encode(data, size, text)};
    if (check(policy, SPAN("media"), NOW_S) != S3_OK)
        return 0;
    CHECK(check(policy, SPAN("media"), END_OF_9999_S) == S3_ACCESS_DENIED);
    return 0;
}
