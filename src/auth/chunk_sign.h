/* auth/chunk_sign.h - the chain of signatures in a signed aws-chunked body: each chunk's covers the one before, the
 * first one's the request's. Belongs to one request.
 * Source: AWS "Signature calculations: transferring payload in multiple chunks" and "... with trailing headers". */
#ifndef AUTH_CHUNK_SIGN_H
#define AUTH_CHUNK_SIGN_H

#include "auth/sigv4.h"

struct chunk_sign {
    struct hmac_key key;
    struct span stamp, day, region; /* of the claim: they stay as long as this is used */
    char previous[2 * SHA256_BYTES];
    struct sha256 data; /* of the chunk under way */
};

/* After sigv4_verify has accepted `claim` with this secret. */
void chunk_sign_init(struct chunk_sign *c, struct sigv4_keyring *keys, const struct sigv4_claim *claim,
                     struct span secret);
/* Overwrites the key. Harmless on memory that is all zeros. */
void chunk_sign_fini(struct chunk_sign *c);

/* More of the chunk under way. */
void chunk_sign_add(struct chunk_sign *c, const void *at, size_t len);
/* The chunk is whole: does it carry this signature (64 hexadecimal digits, in lower case)? The next one begins. */
bool chunk_sign_end(struct chunk_sign *c, const char signature[static 2 * SHA256_BYTES]) MUST_CHECK;
/* The trailer behind the last chunk; `name` is empty when it has no field. */
bool chunk_sign_trailer(struct chunk_sign *c, struct span name, struct span value,
                        const char signature[static 2 * SHA256_BYTES]) MUST_CHECK;

#endif
