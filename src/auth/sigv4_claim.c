/* What a client claims to be: the Authorization header taken apart, nothing verified yet; for presigned URLs
 * sigv4_query.c does the same with the query. A request has one proof or none.
 *
 *     AWS4-HMAC-SHA256 Credential=<key>/<day>/<region>/s3/aws4_request, SignedHeaders=a;b, Signature=<64 hex>
 *
 * An access key may hold '/', so the credential is taken apart from its end. Other ways to prove who one is are
 * known by their looks and refused with what to do instead. */
#include "auth/claim.h"
#include "auth/date.h"

static enum s3_code fail(const char **message, enum s3_code code, const char *text)
{
    *message = text;
    return code;
}

/* The fields that matter here; each at most once. An Authorization without a value is none, as for S3. */
struct found {
    const struct span *authorization, *amz_date, *date, *token;
};

static bool find(const struct http_head *head, struct found *f)
{
    const struct {
        struct span name;
        const struct span **at;
    } wanted[] = {{SPAN("authorization"), &f->authorization},
                  {SPAN("x-amz-date"), &f->amz_date},
                  {SPAN("date"), &f->date},
                  {SPAN("x-amz-security-token"), &f->token}};

    for (size_t i = 0; i < head->header_count; i++) {
        const struct http_header *h = &head->headers[i];

        for (size_t w = 0; w < sizeof(wanted) / sizeof(wanted[0]); w++) {
            if (h->name.len != wanted[w].name.len || !span_ieq(h->name, wanted[w].name))
                continue;
            if (*wanted[w].at)
                return false;
            *wanted[w].at = &h->value;
        }
    }
    if (f->authorization && !f->authorization->len)
        f->authorization = NULL;
    return true;
}

static const char *const use_version_4 =
    "Signature Version 2 is not supported. Use Signature Version 4 (AWS4-HMAC-SHA256).";

static enum s3_code check_scheme(struct span authorization, const char **message)
{
    static const struct {
        struct span scheme;
        enum s3_code code;
        const char *message;
    } others[] = {
        {SPAN("AWS "), S3_INVALID_REQUEST, use_version_4},
        {SPAN("AWS4-ECDSA-P256-SHA256 "), S3_NOT_IMPLEMENTED,
         "Signature Version 4A (AWS4-ECDSA-P256-SHA256) is not implemented. Use AWS4-HMAC-SHA256."},
        {SPAN("Bearer "), S3_NOT_IMPLEMENTED,
         "Bearer tokens are not implemented. Use Signature Version 4 (AWS4-HMAC-SHA256)."},
    };

    if (span_starts(authorization, SPAN("AWS4-HMAC-SHA256 ")))
        return S3_OK;
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        if (span_ieq(span_head(authorization, others[i].scheme.len), others[i].scheme))
            return fail(message, others[i].code, others[i].message);
    return fail(message, S3_INVALID_ARGUMENT, "Unsupported authorization type. Use AWS4-HMAC-SHA256.");
}

/* What stands behind the last '/' of *s, which is cut before it. */
static struct span cut_last(struct span *s)
{
    size_t at = s->len;
    struct span tail;

    while (at && s->at[at - 1] != '/')
        at--;
    tail = span_skip(*s, at);
    s->len = at ? at - 1 : 0;
    return tail;
}

enum s3_code claim_credential(struct sigv4_claim *out, struct span text, struct arena *arena,
                              const char **message)
{
    struct span terminator = cut_last(&text), service = cut_last(&text), shown;
    bool last = span_is(service, "s3");

    out->region = cut_last(&text);
    out->day = cut_last(&text);
    out->access_key = text;
    if (text.len == 0 || out->region.len == 0)
        return CLAIM_MALFORMED(out, arena, message,
                               "the Credential is mal-formed; expecting "
                               "\"<access key>/YYYYMMDD/REGION/s3/aws4_request\".");
    if (last && span_is(terminator, "aws4_request"))
        return S3_OK;
    shown = span_head(last ? terminator : service, 40);
    return CLAIM_MALFORMED(out, arena, message, "the Credential has the %s \"%.*s\"; expecting \"%s\".",
                           last ? "terminator" : "service", SPAN_ARG(shown), last ? "aws4_request" : "s3");
}

enum s3_code claim_signature(struct sigv4_claim *out, struct span text, struct arena *arena,
                             const char **message)
{
    bool good = text.len == 2 * SHA256_BYTES;

    for (size_t i = 0; i < text.len; i++)
        good &= (text.at[i] >= '0' && text.at[i] <= '9') || (text.at[i] >= 'a' && text.at[i] <= 'f');
    out->signature = text;
    return good ? S3_OK
                : CLAIM_MALFORMED(out, arena, message,
                                  "the Signature is not 64 lower-case hexadecimal digits.");
}

enum s3_code claim_day(const struct sigv4_claim *out, struct arena *arena, const char **message)
{
    if (span_eq(span_head(out->stamp, SIGV4_DAY_CHARS), out->day))
        return S3_OK;
    return CLAIM_MALFORMED(out, arena, message, "the Credential's date is not that of X-Amz-Date.");
}

static enum s3_code parse_authorization(struct sigv4_claim *out, struct span text, struct arena *arena,
                                        const char **message)
{
    struct span credential = {0}, signature = {0};
    const struct {
        struct span name;
        struct span *value;
    } parts[] = {{SPAN("Credential"), &credential},
                 {SPAN("SignedHeaders"), &out->signed_headers},
                 {SPAN("Signature"), &signature}};
    enum { PARTS = sizeof(parts) / sizeof(parts[0]) };
    enum s3_code code;

    span_cut(&text, ' ');
    while (text.len) {
        struct span value = span_trim(span_cut(&text, ','));
        struct span name = span_cut(&value, '=');
        size_t i = 0;

        while (i < PARTS && !span_eq(parts[i].name, name))
            i++;
        if (i == PARTS || parts[i].value->at)
            return CLAIM_MALFORMED(out, arena, message,
                                   "expecting Credential=..., SignedHeaders=..., Signature=..., each once.");
        *parts[i].value = value;
    }
    if (!credential.at || !out->signed_headers.len || !signature.at)
        return CLAIM_MALFORMED(out, arena, message, "Credential, SignedHeaders or Signature is missing.");
    code = claim_signature(out, signature, arena, message);
    return code == S3_OK ? claim_credential(out, credential, arena, message) : code;
}

static enum s3_code parse_date(struct sigv4_claim *out, const struct found *f, struct arena *arena,
                               const char **message)
{
    const struct span *text = f->amz_date ? f->amz_date : f->date;
    char stamp[SIGV4_STAMP_CHARS];

    if (text && amz_date_parse(*text, &out->stamp_unix_s)) {
        out->stamp = *text;
    } else if (text && text == f->date && http_date_parse(*text, &out->stamp_unix_s)) {
        amz_date_print(out->stamp_unix_s, stamp);
        out->stamp = arena_dup(arena, (struct span){stamp, sizeof(stamp)});
        if (!out->stamp.at)
            return S3_INTERNAL_ERROR;
    } else {
        return fail(message, S3_ACCESS_DENIED,
                    "AWS authentication requires a valid Date or x-amz-date header.");
    }
    return claim_day(out, arena, message);
}

/* What the client offers as a proof, before it is looked at: one, or none. */
static enum s3_code choose_proof(const struct found *f, const struct query_proof *q, const char **message)
{
    if (f->authorization && query_proof_given(q))
        return fail(
            message, S3_INVALID_ARGUMENT,
            "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query "
            "string parameter or the Authorization header should be specified.");
    if (q->v2_key.at || q->v2_signature.at)
        return fail(message, S3_INVALID_REQUEST, use_version_4);
    if ((f->token || q->token.at) && (f->authorization || query_proof_given(q)))
        return fail(message, S3_INVALID_REQUEST,
                    "Session tokens (x-amz-security-token) are not supported. Use a long-term access key.");
    return S3_OK;
}

enum s3_code sigv4_claim_parse(struct sigv4_claim *out, const struct http_head *head, struct arena *arena,
                               const char **message)
{
    struct found f = {0};
    struct query_proof q;
    enum s3_code code;

    *out = (struct sigv4_claim){.proof = S3_PROOF_NONE};
    *message = NULL;
    if (!find(head, &f))
        return fail(message, S3_INVALID_REQUEST,
                    "Authorization, x-amz-date, date or x-amz-security-token is there twice.");
    if (!query_proof_find(&q, head->target, arena))
        return fail(message, S3_INVALID_URI, "The query is not valid: its escapes are %XX but not %00.");
    code = choose_proof(&f, &q, message);
    if (code != S3_OK)
        return code;
    if (query_proof_given(&q))
        return query_proof_claim(out, &q, arena, message);
    if (!f.authorization)
        return S3_OK;
    out->proof = S3_PROOF_HEADER;
    code = check_scheme(*f.authorization, message);
    if (code == S3_OK)
        code = parse_authorization(out, *f.authorization, arena, message);
    if (code == S3_OK)
        code = parse_date(out, &f, arena, message);
    return code;
}
