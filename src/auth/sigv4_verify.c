/* Verifying: the canonical request is put together from what was received, and signed with the secret.
 *
 * What is signed is what the client names in SignedHeaders; that it names enough is checked, not assumed: host
 * and every x-amz-* field that arrived. Whoever changes, adds or takes away one of those is refused. */
#include "auth/canonical.h"
#include "auth/claim.h"
#include "s3/document.h"

#include <assert.h>

/* What the pieces work on. */
struct verify {
    const struct sigv4_claim *claim;
    const struct http_head *head;
    const struct s3_request *request;
    struct arena *arena;
    const char **message;
    bool is_signed[HTTP_HEADERS_MAX]; /* field i of the head is covered */
    struct span canonical, string;
};

#define refuse(v, code, ...) (*(v)->message = arena_printf((v)->arena, __VA_ARGS__).at, (code))

/* A presigned request counts from its date on, with the skew that clocks may have, until it expires. */
static enum s3_code check_time(const struct verify *v, uint64_t now_unix_s)
{
    uint64_t then = v->claim->stamp_unix_s;

    if (v->claim->proof == S3_PROOF_HEADER)
        return (then > now_unix_s ? then - now_unix_s : now_unix_s - then) > SIGV4_SKEW_S
                   ? S3_REQUEST_TIME_TOO_SKEWED
                   : S3_OK;
    if (then > now_unix_s + SIGV4_SKEW_S)
        return refuse(v, S3_ACCESS_DENIED, "Request is not valid yet");
    if (now_unix_s > then + v->claim->expires_s)
        return refuse(v, S3_ACCESS_DENIED, "Request has expired");
    return S3_OK;
}

static enum s3_code check_scope(const struct verify *v, struct span region, uint64_t now_unix_s)
{
    struct span shown = span_head(v->claim->region, 40);

    if (!span_eq(v->claim->region, region))
        return CLAIM_MALFORMED(v->claim, v->arena, v->message,
                               "the region '%.*s' is wrong; expecting '%.*s'.", SPAN_ARG(shown),
                               SPAN_ARG(region));
    return check_time(v, now_unix_s);
}

static size_t room_for(const struct verify *v, struct span region)
{
    enum { LINE_ENDS = 16 };
    const struct http_head *head = v->head;
    size_t bytes = LINE_ENDS + head->method_text.len + 3 * v->request->path.len +
                   CANONICAL_QUERY_ROOM(v->request->query.len) + 3 * v->claim->signed_headers.len +
                   v->request->payload_text.len + SIGV4_STRING_BYTES + region.len;

    for (size_t i = 0; i < head->header_count; i++)
        bytes += head->headers[i].value.len + 2;
    return bytes;
}

/* One line: all fields of this name, in order, joined by commas. NULL: there is none. */
static char *put_fields(struct verify *v, char *p, struct span name)
{
    const struct http_header *headers = v->head->headers;
    bool any = false;

    p = put(p, name);
    p = put_char(p, ':');
    for (size_t i = 0; i < v->head->header_count; i++) {
        if (headers[i].name.len != name.len || !span_ieq(headers[i].name, name))
            continue;
        if (any)
            p = put_char(p, ',');
        p = canonical_value(p, headers[i].value);
        v->is_signed[i] = any = true;
    }
    return any ? put_char(p, '\n') : NULL;
}

/* SignedHeaders is sorted, in lower case and without repeats; anything else signs something ambiguous. */
static enum s3_code put_signed(struct verify *v, char **p)
{
    struct span left = v->claim->signed_headers, before = SPAN_EMPTY;

    while (left.len) {
        struct span name = span_cut(&left, ';'), shown = span_head(name, 80);

        if (span_cmp(before, name) >= 0)
            return CLAIM_MALFORMED(v->claim, v->arena, v->message, "SignedHeaders is not sorted at '%.*s'.",
                                   SPAN_ARG(shown));
        for (size_t i = 0; i < name.len; i++)
            if (name.at[i] >= 'A' && name.at[i] <= 'Z')
                return CLAIM_MALFORMED(v->claim, v->arena, v->message,
                                       "'%.*s' in SignedHeaders is not in lower case.", SPAN_ARG(shown));
        *p = put_fields(v, *p, name);
        if (!*p)
            return refuse(v, S3_SIGNATURE_DOES_NOT_MATCH, "The signed header '%.*s' is not in the request.",
                          SPAN_ARG(shown));
        before = name;
    }
    return S3_OK;
}

static enum s3_code check_coverage(const struct verify *v)
{
    static const struct span host = SPAN("host"), amz = SPAN("x-amz-");
    bool host_signed = false;

    for (size_t i = 0; i < v->head->header_count; i++) {
        struct span name = v->head->headers[i].name, shown = span_head(name, 80);
        bool is_host = span_ieq(name, host);

        host_signed |= is_host && v->is_signed[i];
        if (!v->is_signed[i] && (is_host || span_ieq(span_head(name, amz.len), amz)))
            return refuse(v, S3_ACCESS_DENIED,
                          "There were headers present in the request which were not signed: '%.*s'.",
                          SPAN_ARG(shown));
    }
    return host_signed ? S3_OK : refuse(v, S3_ACCESS_DENIED, "The header 'host' was not signed.");
}

static enum s3_code put_canonical(struct verify *v, char *start, char **end)
{
    enum s3_code code;
    char *p = put(start, v->head->method_text);

    p = put_char(p, '\n');
    p = canonical_path(p, v->request->path);
    p = put_char(p, '\n');
    p = canonical_query(p, v->request->query);
    if (!p)
        return refuse(v, S3_INVALID_REQUEST, "There are more than %d query parameters.",
                      CANONICAL_PARAMS_MAX);
    p = put_char(p, '\n');
    code = put_signed(v, &p);
    if (code != S3_OK)
        return code;
    p = put_char(p, '\n');
    p = put(p, v->claim->signed_headers);
    p = put_char(p, '\n');
    *end = put(p, v->request->payload_text);
    return check_coverage(v);
}

/* What the client needs to see where its idea of the request differs from what arrived. */
static struct span describe(const struct verify *v)
{
    struct span key = s3_xml_escape(v->arena, v->claim->access_key);
    struct span string = s3_xml_escape(v->arena, v->string);
    struct span canonical = s3_xml_escape(v->arena, v->canonical);
    struct span text;

    if (!key.at || !string.at || !canonical.at)
        return SPAN_EMPTY;
    text =
        arena_printf(v->arena,
                     "<AWSAccessKeyId>%.*s</AWSAccessKeyId><StringToSign>%.*s</StringToSign>"
                     "<SignatureProvided>%.*s</SignatureProvided><CanonicalRequest>%.*s</CanonicalRequest>",
                     SPAN_ARG(key), SPAN_ARG(string), SPAN_ARG(v->claim->signature), SPAN_ARG(canonical));
    return text.at ? text : SPAN_EMPTY;
}

static bool signature_fits(const struct verify *v, const struct hmac_key *key)
{
    uint8_t ours[SHA256_BYTES], theirs[SHA256_BYTES];

    hmac_sha256(key, v->string, ours);
    return hex_decode(v->claim->signature, theirs, sizeof(theirs)) &&
           bytes_equal_ct(ours, theirs, sizeof(ours));
}

enum s3_code sigv4_verify(struct sigv4_keyring *keys, const struct sigv4_claim *claim, struct span secret,
                          struct span region, const struct http_head *head, const struct s3_request *request,
                          uint64_t now_unix_s, struct arena *arena, const char **message, struct span *detail)
{
    struct verify v = {.claim = claim, .head = head, .request = request, .arena = arena, .message = message};
    struct hmac_key spare;
    char *start, *end, *string_end;
    enum s3_code code;
    size_t room = room_for(&v, region);
    bool fits;

    assert(claim->proof == S3_PROOF_HEADER || claim->proof == S3_PROOF_QUERY);
    *message = NULL;
    if (detail)
        *detail = SPAN_EMPTY;
    code = check_scope(&v, region, now_unix_s);
    if (code != S3_OK)
        return code;
    start = arena_alloc(arena, room);
    if (!start)
        return S3_INTERNAL_ERROR;
    code = put_canonical(&v, start, &end);
    if (code != S3_OK)
        return code;
    v.canonical = (struct span){start, (size_t)(end - start)};
    string_end = put_string_to_sign(end, claim->stamp, claim->day, region, v.canonical);
    assert((size_t)(string_end - start) <= room);
    v.string = (struct span){end, (size_t)(string_end - end)};

    fits = signature_fits(&v, sigv4_key(keys, secret, claim->day, region, &spare));
    explicit_bzero(&spare, sizeof(spare));
    if (fits)
        return S3_OK;
    if (detail)
        *detail = describe(&v);
    return S3_SIGNATURE_DOES_NOT_MATCH;
}
