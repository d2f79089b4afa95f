/* auth/sigv4.h - AWS Signature Version 4: verifying clients, signing to backends.
 * Source: AWS "Authenticating Requests (AWS Signature Version 4)". */
#ifndef AUTH_SIGV4_H
#define AUTH_SIGV4_H

#include "base/arena.h"
#include "base/hash.h"
#include "http/message.h"
#include "s3/request.h"

enum {
    SIGV4_DAY_CHARS = 8,
    SIGV4_STAMP_CHARS = 16,
    SIGV4_SKEW_S = 15 * 60,
    SIGV4_EXPIRES_MAX_S = 7 * 24 * 3600
};

/* The Authorization header or a presigned query, taken apart; spans point into the head or the arena. */
struct sigv4_claim {
    enum s3_proof
        proof; /* S3_PROOF_HEADER, S3_PROOF_QUERY; S3_PROOF_NONE: there is none, all else is empty */
    struct span access_key, day, region, signed_headers, signature;
    struct span stamp; /* X-Amz-Date, else Date converted (in the arena): yyyymmddThhmmssZ */
    uint64_t stamp_unix_s;
    uint64_t expires_s; /* of a presigned query: it counts so long from its stamp on */
};

/* S3_OK, also for a request without any proof; S3_ACCESS_DENIED for a missing or unreadable date;
 * S3_AUTHORIZATION_HEADER_MALFORMED, S3_AUTHORIZATION_QUERY_PARAMETERS_ERROR; S3_INVALID_REQUEST for Signature
 * Version 2 and session tokens (clear message); S3_INVALID_ARGUMENT for a scheme nobody knows and for proofs both in
 * the header and in the query; S3_NOT_IMPLEMENTED for Bearer and Signature Version 4A; S3_INVALID_URI for a
 * query whose escapes are wrong. *message is static or in the arena, NULL: the table's. Looks at nothing but the head:
 * call it before s3_request_parse. */
enum s3_code sigv4_claim_parse(struct sigv4_claim *out, const struct http_head *head, struct arena *arena,
                               const char **message) MUST_CHECK;

/* Signing keys that have been derived (four HMACs each, more than the rest of a verification),
 * found by secret, day and region: a secret that is replaced simply finds nothing. Bounded;
 * belongs to one loop. */
enum { SIGV4_KEYS = 64, SIGV4_SECRET_BYTES_MAX = 128, SIGV4_REGION_BYTES_MAX = 32 };
struct sigv4_cached_key {
    uint32_t secret_len, region_len; /* secret_len == 0: empty */
    char day[SIGV4_DAY_CHARS];
    char secret[SIGV4_SECRET_BYTES_MAX], region[SIGV4_REGION_BYTES_MAX];
    struct hmac_key key;
};
struct sigv4_keyring {
    uint32_t turn; /* which of its set a new key replaces */
    struct sigv4_cached_key keys[SIGV4_KEYS];
};
void sigv4_keyring_init(struct sigv4_keyring *k);
/* Overwrites the secrets. */
void sigv4_keyring_fini(struct sigv4_keyring *k);

/* Verify a claim with the secret of its access key. Checks region, skew (15 min) or expiry (S3_ACCESS_DENIED), that host
 * and every x-amz-* header are signed, then the signature in constant time. `keys` may be NULL.
 * *detail (if not NULL) gets <AWSAccessKeyId>, <StringToSign>, <SignatureProvided> and <CanonicalRequest> elements on
 * S3_SIGNATURE_DOES_NOT_MATCH, else it is empty. S3_INTERNAL_ERROR: the arena is full. */
enum s3_code sigv4_verify(struct sigv4_keyring *keys, const struct sigv4_claim *claim, struct span secret,
                          struct span region, const struct http_head *head, const struct s3_request *request,
                          uint64_t now_unix_s, struct arena *arena, const char **message,
                          struct span *detail) MUST_CHECK;

/* A signer for one backend; caches the day's signing key. Belongs to one loop. */
struct sigv4_signer {
    struct span access_key, secret, region; /* borrowed */
    char day[SIGV4_DAY_CHARS];
    struct hmac_key key;
};
void sigv4_signer_init(struct sigv4_signer *s, struct span access_key, struct span secret,
                       struct span region);

struct sigv4_header {
    struct span name, value; /* name in lower case, value trimmed */
};

/* Print a complete signed request head: request line, Host, the headers given, x-amz-date,
 * x-amz-content-sha256, Authorization, Content-Length (when has_length), final CRLF.
 * `path` is encoded already, `query` is canonical already (sorted, encoded, "name=" where there is no
 * value, may be empty). All headers given are signed, whatever their order; each name comes once, at
 * most SIGV4_HEADERS_MAX of them, and none of those printed here. at == NULL: arena full. */
enum { SIGV4_HEADERS_MAX = HTTP_HEADERS_MAX };
struct sigv4_request {
    struct span method, host, path, query;
    const struct sigv4_header *headers;
    size_t header_count;
    struct span payload; /* 64 hex digits, UNSIGNED-PAYLOAD or a STREAMING- literal */
    bool has_length;
    uint64_t length;
    uint64_t now_unix_s;
};
struct span sigv4_sign(struct sigv4_signer *s, const struct sigv4_request *r, struct arena *arena) MUST_CHECK;

#endif
