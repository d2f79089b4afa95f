/*     chunk   = HMAC(key, "AWS4-HMAC-SHA256-PAYLOAD" LF stamp LF scope LF previous LF sha256("") LF sha256(data))
 *     trailer = HMAC(key, "AWS4-HMAC-SHA256-TRAILER" LF stamp LF scope LF previous LF sha256(name ":" value LF))
 *
 * `previous` is what was calculated here, which is what was received, or the chain has ended. */
#include "auth/chunk_sign.h"

#include "auth/canonical.h"

#include <assert.h>

#define EMPTY_SHA256 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

enum {
    REGION_BYTES_MAX = 64, /* more than the configuration allows */
    STRING_BYTES = sizeof("AWS4-HMAC-SHA256-PAYLOAD\n") - 1 + SIGV4_STAMP_CHARS + 1 + SIGV4_SCOPE_BYTES +
                   REGION_BYTES_MAX + 1 + 3 * (2 * SHA256_BYTES + 1)
};

void chunk_sign_init(struct chunk_sign *c, struct sigv4_keyring *keys, const struct sigv4_claim *claim,
                     struct span secret)
{
    struct hmac_key spare;

    assert(claim->signature.len == sizeof(c->previous) && claim->stamp.len == SIGV4_STAMP_CHARS &&
           claim->region.len <= REGION_BYTES_MAX);
    c->key = *sigv4_key(keys, secret, claim->day, claim->region, &spare);
    explicit_bzero(&spare, sizeof(spare));
    c->stamp = claim->stamp;
    c->day = claim->day;
    c->region = claim->region;
    memcpy(c->previous, claim->signature.at, sizeof(c->previous));
    sha256_init(&c->data);
}

void chunk_sign_fini(struct chunk_sign *c)
{
    explicit_bzero(&c->key, sizeof(c->key));
}

void chunk_sign_add(struct chunk_sign *c, const void *at, size_t len)
{
    sha256_add(&c->data, at, len);
}

/* Is this the chain's next link? `middle` stands before the digest. */
static bool follows(struct chunk_sign *c, struct span kind, struct span middle,
                    const uint8_t digest[static SHA256_BYTES], const char *signature)
{
    char text[STRING_BYTES], *p = put(text, kind);
    uint8_t ours[SHA256_BYTES], theirs[SHA256_BYTES];

    p = put_char(p, '\n');
    p = put(p, c->stamp);
    p = put_char(p, '\n');
    p = put_scope(p, c->day, c->region);
    p = put_char(p, '\n');
    p = put(p, (struct span){c->previous, sizeof(c->previous)});
    p = put_char(p, '\n');
    p = put(p, middle);
    hex_encode(digest, SHA256_BYTES, p);
    p += 2 * SHA256_BYTES;
    assert((size_t)(p - text) <= sizeof(text));
    hmac_sha256(&c->key, (struct span){text, (size_t)(p - text)}, ours);
    hex_encode(ours, sizeof(ours), c->previous);
    return hex_decode((struct span){signature, 2 * SHA256_BYTES}, theirs, sizeof(theirs)) &&
           bytes_equal_ct(ours, theirs, sizeof(ours));
}

bool chunk_sign_end(struct chunk_sign *c, const char signature[static 2 * SHA256_BYTES])
{
    uint8_t digest[SHA256_BYTES];

    sha256_end(&c->data, digest);
    sha256_init(&c->data);
    return follows(c, SPAN("AWS4-HMAC-SHA256-PAYLOAD"), SPAN(EMPTY_SHA256 "\n"), digest, signature);
}

bool chunk_sign_trailer(struct chunk_sign *c, struct span name, struct span value,
                        const char signature[static 2 * SHA256_BYTES])
{
    uint8_t digest[SHA256_BYTES];
    struct sha256 h;

    sha256_init(&h);
    if (name.len) {
        sha256_add(&h, name.at, name.len);
        sha256_add(&h, ":", 1);
        sha256_add(&h, value.at, value.len);
        sha256_add(&h, "\n", 1);
    }
    sha256_end(&h, digest);
    return follows(c, SPAN("AWS4-HMAC-SHA256-TRAILER"), SPAN_EMPTY, digest, signature);
}
