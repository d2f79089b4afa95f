/* auth/claim.h - what a claim in the header and one in the query share. For auth/ only. */
#ifndef AUTH_CLAIM_H
#define AUTH_CLAIM_H

#include "auth/sigv4.h"

/* Refuse a claim that is not well-formed, by the name that S3 has for where it stands. `message` is what the caller
 * was given, the text one sentence without its beginning. */
#define CLAIM_MALFORMED(claim, arena, message, format, ...)                                                  \
    (*(message) = arena_printf((arena), "The authorization %s malformed; " format,                           \
                               (claim)->proof == S3_PROOF_QUERY  ? "query parameters are"                    \
                               : (claim)->proof == S3_PROOF_FORM ? "fields of the form are"                  \
                                                                 : "header is",                              \
                               ##__VA_ARGS__)                                                                \
                      .at,                                                                                   \
     (claim)->proof == S3_PROOF_QUERY ? S3_AUTHORIZATION_QUERY_PARAMETERS_ERROR                              \
                                      : S3_AUTHORIZATION_HEADER_MALFORMED)

/* sigv4_claim.c: "<key>/<day>/<region>/s3/aws4_request". `out->proof` is set. */
enum s3_code claim_credential(struct sigv4_claim *out, struct span text, struct arena *arena,
                              const char **message) MUST_CHECK;
/* 64 hexadecimal digits in lower case? */
enum s3_code claim_signature(struct sigv4_claim *out, struct span text, struct arena *arena,
                             const char **message) MUST_CHECK;
/* The day of the credential is that of the stamp? */
enum s3_code claim_day(const struct sigv4_claim *out, struct arena *arena, const char **message) MUST_CHECK;

/* sigv4_query.c: the parameters of a query that prove something; each decoded, at == NULL when it is absent. */
struct query_proof {
    struct span algorithm, credential, date, expires, signed_headers, signature, token;
    struct span v2_key, v2_signature;
    const char *twice; /* the name of one that is there twice */
};
/* False: an escape is wrong, or the arena is full; s3_request_parse says it too. */
bool query_proof_find(struct query_proof *out, struct span target, struct arena *arena) MUST_CHECK;
static inline bool query_proof_given(const struct query_proof *q)
{
    return q->algorithm.at || q->credential.at || q->signature.at || q->v2_key.at || q->v2_signature.at;
}
/* The claim that they make. */
enum s3_code query_proof_claim(struct sigv4_claim *out, const struct query_proof *q, struct arena *arena,
                               const char **message) MUST_CHECK;

#endif
