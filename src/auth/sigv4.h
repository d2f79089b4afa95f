/* auth/sigv4.h - AWS Signature Version 4: verifying clients, signing to backends.
 * Source: AWS "Authenticating Requests (AWS Signature Version 4)". */
#ifndef AUTH_SIGV4_H
#define AUTH_SIGV4_H

#include "base/arena.h"
#include "base/hash.h"
#include "http/message.h"
#include "s3/request.h"

/* The Authorization header, taken apart; spans point into the head. */
struct sigv4_claim {
    struct span access_key, day, region, signed_headers, signature;
    struct span stamp; /* X-Amz-Date, else Date converted: yyyymmddThhmmssZ */
    uint64_t stamp_unix_s;
};

/* S3_OK; S3_ACCESS_DENIED for anonymous; S3_AUTHORIZATION_HEADER_MALFORMED; S3_INVALID_REQUEST for
 * Signature Version 2, presigned queries and session tokens (clear message); S3_NOT_IMPLEMENTED for Bearer. */
enum s3_code sigv4_claim_parse(struct sigv4_claim *out, const struct http_head *head, struct arena *arena,
                               const char **message) MUST_CHECK;

/* Verify a claim with the secret of its access key. Checks region, service, terminator, skew (15 min), that host
 * and every x-amz-* header are signed, then the signature in constant time. *detail (if not NULL) gets
 * <StringToSign> and <CanonicalRequest> elements on S3_SIGNATURE_DOES_NOT_MATCH. */
enum s3_code sigv4_verify(const struct sigv4_claim *claim, struct span secret, struct span region,
                          const struct http_head *head, const struct s3_request *request, uint64_t now_unix_s,
                          struct arena *arena, const char **message, struct span *detail) MUST_CHECK;

/* A signer for one backend; caches the day's signing key. Belongs to one loop. */
struct sigv4_signer {
    struct span access_key, secret, region; /* borrowed */
    char day[8];
    struct hmac_key key;
};
void sigv4_signer_init(struct sigv4_signer *s, struct span access_key, struct span secret, struct span region);

struct sigv4_header {
    struct span name, value; /* name in lower case, value trimmed */
};

/* Print a complete signed request head: request line, Host, the headers given, x-amz-date,
 * x-amz-content-sha256, Authorization, Content-Length (when has_length), final CRLF.
 * `path` is encoded already, `query` is canonical already (sorted, encoded, may be empty).
 * All headers given are signed, whatever their order. at == NULL: arena full. */
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
