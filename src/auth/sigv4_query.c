/* Presigned URLs: the claim stands in the query, so that whoever has the URL may make the request while it lasts.
 *
 *     ?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=...&X-Amz-Date=yyyymmddThhmmssZ&X-Amz-Expires=<seconds>
 *     &X-Amz-SignedHeaders=a;b&X-Amz-Signature=<64 hex>
 *
 * All of the query but X-Amz-Signature is signed. Names are exact: a client that writes them in another case has signed
 * parameters that nobody knows. */
#include "auth/claim.h"
#include "auth/date.h"

bool query_proof_find(struct query_proof *out, struct span target, struct arena *arena)
{
    const struct {
        struct span name;
        struct span *at;
    } wanted[] = {{SPAN("X-Amz-Algorithm"), &out->algorithm},
                  {SPAN("X-Amz-Credential"), &out->credential},
                  {SPAN("X-Amz-Date"), &out->date},
                  {SPAN("X-Amz-Expires"), &out->expires},
                  {SPAN("X-Amz-SignedHeaders"), &out->signed_headers},
                  {SPAN("X-Amz-Signature"), &out->signature},
                  {SPAN("X-Amz-Security-Token"), &out->token},
                  {SPAN("AWSAccessKeyId"), &out->v2_key},
                  {SPAN("Signature"), &out->v2_signature}};

    *out = (struct query_proof){0};
    span_cut(&target, '?');
    while (target.len) {
        struct span value = span_cut(&target, '&'), name = span_cut(&value, '=');

        if (!s3_decode(arena, name, true, &name))
            return false;
        for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
            if (!span_eq(name, wanted[i].name))
                continue;
            if (wanted[i].at->at)
                out->twice = wanted[i].name.at;
            if (!s3_decode(arena, value, true, wanted[i].at))
                return false;
        }
    }
    return true;
}

static enum s3_code check_algorithm(const struct sigv4_claim *out, struct span algorithm, struct arena *arena,
                                    const char **message)
{
    struct span shown = span_head(algorithm, 40);

    if (span_is(algorithm, "AWS4-HMAC-SHA256"))
        return S3_OK;
    if (span_is(algorithm, "AWS4-ECDSA-P256-SHA256")) {
        *message = "Signature Version 4A (AWS4-ECDSA-P256-SHA256) is not implemented. Use AWS4-HMAC-SHA256.";
        return S3_NOT_IMPLEMENTED;
    }
    return CLAIM_MALFORMED(out, arena, message, "X-Amz-Algorithm is AWS4-HMAC-SHA256, not '%.*s'.",
                           SPAN_ARG(shown));
}

static enum s3_code parse_expires(struct sigv4_claim *out, struct span text, struct arena *arena,
                                  const char **message)
{
    struct span shown = span_head(text, 40);

    if (!span_to_u64(text, &out->expires_s))
        return CLAIM_MALFORMED(out, arena, message,
                               "X-Amz-Expires is a number of seconds that is not negative, not '%.*s'.",
                               SPAN_ARG(shown));
    if (out->expires_s > SIGV4_EXPIRES_MAX_S)
        return CLAIM_MALFORMED(out, arena, message,
                               "X-Amz-Expires must be less than a week (in seconds); that is, the given "
                               "X-Amz-Expires must be less than %d seconds.",
                               SIGV4_EXPIRES_MAX_S);
    return S3_OK;
}

enum s3_code query_proof_claim(struct sigv4_claim *out, const struct query_proof *q, struct arena *arena,
                               const char **message)
{
    enum s3_code code;

    out->proof = S3_PROOF_QUERY;
    if (q->twice)
        return CLAIM_MALFORMED(out, arena, message, "%s is there twice.", q->twice);
    if (!q->algorithm.at || !q->credential.at || !q->date.at || !q->expires.at || !q->signature.at ||
        !q->signed_headers.len)
        return CLAIM_MALFORMED(
            out, arena, message,
            "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, "
            "X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.");
    out->signed_headers = q->signed_headers;
    out->stamp = q->date;
    if (!amz_date_parse(q->date, &out->stamp_unix_s))
        return CLAIM_MALFORMED(out, arena, message,
                               "X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\".");
    code = check_algorithm(out, q->algorithm, arena, message);
    if (code == S3_OK)
        code = parse_expires(out, q->expires, arena, message);
    if (code == S3_OK)
        code = claim_signature(out, q->signature, arena, message);
    if (code == S3_OK)
        code = claim_credential(out, q->credential, arena, message);
    if (code == S3_OK)
        code = claim_day(out, arena, message);
    return code;
}
