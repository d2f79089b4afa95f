/* Signing keys: derived once a day and secret, then found again.
 *
 * The keyring is a set-associative table: the secret's hash chooses a set of WAYS places. With the skew that is
 * allowed a secret has at most two days at a time, so a set overflows only when many keys are in
 * use at once, and then costs a derivation. */
#include "auth/canonical.h"

enum { WAYS = 4, SETS = SIGV4_KEYS / WAYS };
_Static_assert(SETS *WAYS == SIGV4_KEYS && (SETS & (SETS - 1)) == 0, "whole sets, a power of two of them");

/* RFC 2104 replaces a key longer than a block by its hash: so may we, and need no room for it. */
static void first_key(struct hmac_key *out, struct span secret)
{
    static const struct span prefix = SPAN("AWS4");
    char key[SHA256_CBLOCK];
    size_t len = prefix.len + secret.len;

    if (len <= sizeof(key)) {
        put(put(key, prefix), secret);
    } else {
        struct sha256 h;

        sha256_init(&h);
        sha256_add(&h, prefix.at, prefix.len);
        sha256_add(&h, secret.at, secret.len);
        sha256_end(&h, (uint8_t *)key);
        len = SHA256_BYTES;
    }
    hmac_key_init(out, (struct span){key, len});
    explicit_bzero(key, sizeof(key));
}

void sigv4_derive(struct hmac_key *out, struct span secret, struct span day, struct span region)
{
    const struct span steps[] = {day, region, SPAN("s3"), SPAN("aws4_request")};
    uint8_t digest[SHA256_BYTES];

    first_key(out, secret);
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        hmac_sha256(out, steps[i], digest);
        hmac_key_init(out, (struct span){(char *)digest, sizeof(digest)});
    }
    explicit_bzero(digest, sizeof(digest));
}

void sigv4_keyring_init(struct sigv4_keyring *k)
{
    k->turn = 0;
    for (size_t i = 0; i < SIGV4_KEYS; i++)
        k->keys[i].secret_len = 0;
}

void sigv4_keyring_fini(struct sigv4_keyring *k)
{
    explicit_bzero(k, sizeof(*k));
}

static bool is_key_of(const struct sigv4_cached_key *c, struct span secret, struct span day,
                      struct span region)
{
    return span_eq((struct span){c->secret, c->secret_len}, secret) &&
           span_eq((struct span){c->day, sizeof(c->day)}, day) &&
           span_eq((struct span){c->region, c->region_len}, region);
}

const struct hmac_key *sigv4_key(struct sigv4_keyring *keys, struct span secret, struct span day,
                                 struct span region, struct hmac_key *spare)
{
    struct sigv4_cached_key *set, *c;

    if (!keys || secret.len == 0 || secret.len > SIGV4_SECRET_BYTES_MAX ||
        region.len > SIGV4_REGION_BYTES_MAX || day.len != SIGV4_DAY_CHARS) {
        sigv4_derive(spare, secret, day, region);
        return spare;
    }
    set = &keys->keys[hash64(secret, 0) % SETS * WAYS];
    for (c = set; c < set + WAYS; c++)
        if (is_key_of(c, secret, day, region))
            return &c->key;
    c = &set[keys->turn++ % WAYS];
    c->secret_len = (uint32_t)secret.len;
    c->region_len = (uint32_t)region.len;
    put(c->secret, secret);
    put(c->region, region);
    put(c->day, day);
    sigv4_derive(&c->key, secret, day, region);
    return &c->key;
}
