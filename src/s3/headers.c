/* The header fields that mean something to S3: one row each, with what is done about it.
 *
 * Three kinds of answer: it is taken, it is known to be harmless, or it is refused by name. A field that asks for
 * something and is silently ignored (a condition, encryption, a lock) would be a lie to the client, so an
 * x-amz-* name without a row is refused as well. Fields that are none of ours (User-Agent, amz-sdk-*,
 * Accept) have no row and no meaning. */
#include "s3/request_parts.h"

#include <assert.h>

enum header_use {
    USE_NOTHING,   /* harmless here: read by the server or by auth, or a property of the client */
    USE_ANSWER,    /* occurs in answers only */
    USE_STORED,    /* kept with the object */
    USE_ENCODING,  /* kept, and must not be aws-chunked */
    USE_CONDITION, /* forwarded with reads, refused with writes */
    USE_RANGE,
    USE_IF_RANGE,
    USE_PAYLOAD,
    USE_MD5,
    USE_CHECKSUM,
    USE_ONE_VALUE, /* only `value` is accepted */
    USE_STREAMING, /* belongs to a STREAMING- payload */
    USE_REFUSED,
};

static const struct header_rule {
    struct span name;
    enum header_use use;
    bool shown; /* on answers */
    struct span value;
    enum s3_checksum checksum;
} rules[] = {
    {SPAN("content-type"), USE_STORED, .shown = true},
    {SPAN("content-disposition"), USE_STORED, .shown = true},
    {SPAN("content-language"), USE_STORED, .shown = true},
    {SPAN("content-encoding"), USE_ENCODING, .shown = true},
    {SPAN("cache-control"), USE_STORED, .shown = true},
    {SPAN("expires"), USE_STORED, .shown = true},
    {SPAN("etag"), USE_ANSWER, .shown = true},
    {SPAN("last-modified"), USE_ANSWER, .shown = true},
    {SPAN("accept-ranges"), USE_ANSWER, .shown = true},
    {SPAN("content-range"), USE_REFUSED, .shown = true},
    {SPAN("if-match"), USE_CONDITION},
    {SPAN("if-none-match"), USE_CONDITION},
    {SPAN("if-modified-since"), USE_CONDITION},
    {SPAN("if-unmodified-since"), USE_CONDITION},
    {SPAN("range"), USE_RANGE},
    {SPAN("if-range"), USE_IF_RANGE},
    {SPAN("content-md5"), USE_MD5},
    {SPAN("x-amz-content-sha256"), USE_PAYLOAD},
    {SPAN("x-amz-checksum-crc32"), USE_CHECKSUM, .checksum = S3_CHECKSUM_CRC32},
    {SPAN("x-amz-checksum-crc32c"), USE_CHECKSUM, .checksum = S3_CHECKSUM_CRC32C},
    {SPAN("x-amz-checksum-crc64nvme"), USE_CHECKSUM, .checksum = S3_CHECKSUM_CRC64NVME},
    {SPAN("x-amz-checksum-sha1"), USE_CHECKSUM, .checksum = S3_CHECKSUM_SHA1},
    {SPAN("x-amz-checksum-sha256"), USE_CHECKSUM, .checksum = S3_CHECKSUM_SHA256},
    {SPAN("x-amz-date"), USE_NOTHING},
    {SPAN("x-amz-security-token"), USE_NOTHING},
    {SPAN("x-amz-user-agent"), USE_NOTHING},
    {SPAN("x-amz-sdk-checksum-algorithm"), USE_NOTHING},
    {SPAN("x-amz-checksum-mode"), USE_NOTHING},
    {SPAN("x-amz-request-payer"), USE_NOTHING},
    {SPAN("x-amz-decoded-content-length"), USE_STREAMING},
    {SPAN("x-amz-trailer"), USE_STREAMING},
    {SPAN("x-amz-acl"), USE_ONE_VALUE, .value = SPAN("private")},
    {SPAN("x-amz-storage-class"), USE_ONE_VALUE, .value = SPAN("STANDARD")},
    {SPAN("x-amz-object-ownership"), USE_ONE_VALUE, .value = SPAN("BucketOwnerEnforced")},
    {SPAN("x-amz-bucket-object-lock-enabled"), USE_ONE_VALUE, .value = SPAN("false")},
};
enum { RULE_COUNT = sizeof(rules) / sizeof(rules[0]) };
_Static_assert(RULE_COUNT <= 64, "seen is 64 bits");

/* What the pass over the fields has found so far. */
struct pass {
    const struct s3_parse *p;
    uint64_t seen; /* bit i: rules[i] */
    size_t metadata_bytes;
    bool if_range;
    struct span checksum_name, streaming_name; /* at == NULL: none */
};

static const struct span meta_prefix = SPAN("x-amz-meta-");
static const struct span own_prefix = SPAN("x-amz-meta-s3mirror-");

static bool starts_any_case(struct span s, struct span prefix)
{
    return s.len >= prefix.len && span_ieq(span_head(s, prefix.len), prefix);
}

/* Length and first letter (the rules' are small) tell nearly all apart, at no cost. */
static const struct header_rule *find_rule(struct span name)
{
    for (const struct header_rule *r = rules; r < rules + RULE_COUNT; r++)
        if (r->name.len == name.len && r->name.at[0] == (name.at[0] | 0x20) && span_ieq(r->name, name))
            return r;
    return NULL;
}

static bool is_write(enum s3_op op)
{
    return op == S3_OP_PUT_OBJECT || op == S3_OP_DELETE_OBJECT || op == S3_OP_CREATE_BUCKET ||
           op == S3_OP_DELETE_BUCKET;
}

static bool is_metadata(struct span name)
{
    return starts_any_case(name, meta_prefix) && !starts_any_case(name, own_prefix);
}

bool s3_header_is_stored(struct span name)
{
    const struct header_rule *rule = find_rule(name);

    return rule ? rule->use == USE_STORED || rule->use == USE_ENCODING : is_metadata(name);
}

bool s3_header_is_shown(struct span name)
{
    const struct header_rule *rule = find_rule(name);

    return rule ? rule->shown : is_metadata(name);
}

/* Names are compared in any case, as backends store them in lower case. */
static enum s3_code take_metadata(struct pass *pass, size_t index)
{
    const struct http_header *headers = pass->p->head->headers;
    struct span name = headers[index].name;

    if (pass->p->out->op != S3_OP_PUT_OBJECT)
        return S3_OK;
    if (name.len == meta_prefix.len)
        return s3_refuse(pass->p, S3_INVALID_ARGUMENT, "The header '%.*s' has no name behind its prefix.",
                         S3_SHOWN(name));
    if (starts_any_case(name, own_prefix))
        return s3_refuse(pass->p, S3_INVALID_ARGUMENT, "The header '%.*s' has a reserved name.",
                         S3_SHOWN(name));
    for (size_t i = 0; i < index; i++)
        if (span_ieq(headers[i].name, name))
            return s3_refuse(pass->p, S3_INVALID_REQUEST, "The header '%.*s' is there twice.",
                             S3_SHOWN(name));
    pass->metadata_bytes += name.len - meta_prefix.len + headers[index].value.len;
    return pass->metadata_bytes <= S3_METADATA_BYTES_MAX ? S3_OK : S3_METADATA_TOO_LARGE;
}

static enum s3_code take_payload(struct pass *pass, struct span value)
{
    struct s3_request *out = pass->p->out;

    out->payload_text = value;
    if (span_is(value, "UNSIGNED-PAYLOAD")) {
        out->payload = S3_PAYLOAD_UNSIGNED;
        return S3_OK;
    }
    if (hex_decode(value, out->sha256, SHA256_BYTES)) {
        out->payload = S3_PAYLOAD_SHA256;
        return S3_OK;
    }
    if (!span_starts(value, SPAN("STREAMING-")))
        return s3_refuse(
            pass->p, S3_INVALID_ARGUMENT,
            "x-amz-content-sha256 must be UNSIGNED-PAYLOAD or a SHA-256 in hexadecimal, not '%.*s'.",
            S3_SHOWN(value));
    if (out->op != S3_OP_PUT_OBJECT)
        return s3_refuse(pass->p, S3_INVALID_REQUEST, "x-amz-content-sha256: %.*s has no meaning for %s.",
                         S3_SHOWN(value), s3_op_name(out->op));
    return s3_refuse(
        pass->p, S3_NOT_IMPLEMENTED,
        "aws-chunked bodies (x-amz-content-sha256: %.*s) are not implemented. Configure the client to send "
        "plain bodies: request_checksum_calculation = when_required in AWS SDKs and the AWS CLI, or "
        "payload signing switched on (payload_signing_enabled = true); for MinIO clients, "
        "DisableContentSha256.",
        S3_SHOWN(value));
}

static enum s3_code take_checksum(struct pass *pass, const struct header_rule *rule, struct span value)
{
    static const size_t bytes[] = {[S3_CHECKSUM_CRC32] = 4,
                                   [S3_CHECKSUM_CRC32C] = 4,
                                   [S3_CHECKSUM_CRC64NVME] = 8,
                                   [S3_CHECKSUM_SHA1] = SHA1_BYTES,
                                   [S3_CHECKSUM_SHA256] = SHA256_BYTES};
    struct s3_request *out = pass->p->out;

    if (pass->checksum_name.at)
        return s3_refuse(pass->p, S3_INVALID_REQUEST,
                         "Expecting a single x-amz-checksum- header; '%.*s' is a further one.",
                         S3_SHOWN(rule->name));
    pass->checksum_name = rule->name;
    out->checksum = rule->checksum;
    if (!base64_decode(value, out->checksum_value, bytes[rule->checksum]))
        return s3_refuse(pass->p, S3_INVALID_REQUEST, "Value for %.*s header is invalid.",
                         S3_SHOWN(rule->name));
    return S3_OK;
}

/* Content-Encoding is a list; aws-chunked in it describes a framing that the body does not have. */
static void check_encoding(struct pass *pass, struct span value)
{
    while (value.len)
        if (span_ieq(span_trim(span_cut(&value, ',')), SPAN("aws-chunked")))
            pass->streaming_name = SPAN("content-encoding: aws-chunked");
}

static enum s3_code take(struct pass *pass, const struct header_rule *rule, struct span value)
{
    struct s3_request *out = pass->p->out;

    switch (rule->use) {
    case USE_NOTHING:
    case USE_ANSWER:
    case USE_STORED: return S3_OK;
    case USE_ENCODING: check_encoding(pass, value); return S3_OK;
    case USE_CONDITION:
        if (is_write(out->op))
            return s3_refuse(pass->p, S3_NOT_IMPLEMENTED, "The header '%.*s' is not implemented for %s.",
                             S3_SHOWN(rule->name), s3_op_name(out->op));
        assert(out->condition_count < S3_CONDITIONS_MAX); /* each once */
        out->conditions[out->condition_count++] = (struct http_header){rule->name, value};
        return S3_OK;
    case USE_RANGE: out->range = value; return S3_OK;
    case USE_IF_RANGE: pass->if_range = true; return S3_OK;
    case USE_PAYLOAD: return take_payload(pass, value);
    case USE_MD5:
        out->has_md5 = true;
        return base64_decode(value, out->md5, MD5_BYTES) ? S3_OK : S3_INVALID_DIGEST;
    case USE_CHECKSUM: return take_checksum(pass, rule, value);
    case USE_ONE_VALUE:
        if (!span_eq(value, rule->value))
            return s3_refuse(pass->p, S3_NOT_IMPLEMENTED,
                             "This value of the header '%.*s' is not implemented for %s.",
                             S3_SHOWN(rule->name), s3_op_name(out->op));
        return S3_OK;
    case USE_STREAMING: pass->streaming_name = rule->name; return S3_OK;
    case USE_REFUSED: break;
    }
    return s3_refuse(pass->p, S3_NOT_IMPLEMENTED, "The header '%.*s' is not implemented for %s.",
                     S3_SHOWN(rule->name), s3_op_name(out->op));
}

static enum s3_code take_header(struct pass *pass, size_t index)
{
    const struct http_header *h = &pass->p->head->headers[index];
    const struct header_rule *rule = find_rule(h->name);
    uint64_t bit;

    if (!rule) {
        if (!starts_any_case(h->name, SPAN("x-amz-")))
            return S3_OK;
        if (starts_any_case(h->name, meta_prefix))
            return take_metadata(pass, index);
        return s3_refuse(pass->p, S3_NOT_IMPLEMENTED, "The header '%.*s' is not implemented for %s.",
                         S3_SHOWN(h->name), s3_op_name(pass->p->out->op));
    }
    bit = (uint64_t)1 << (rule - rules);
    if (pass->seen & bit)
        return s3_refuse(pass->p, S3_INVALID_REQUEST, "The header '%.*s' is there twice.", S3_SHOWN(h->name));
    pass->seen |= bit;
    return take(pass, rule, h->value);
}

enum s3_code s3_headers_parse(const struct s3_parse *p)
{
    struct pass pass = {.p = p};

    for (size_t i = 0; i < p->head->header_count; i++) {
        enum s3_code code = take_header(&pass, i);

        if (code != S3_OK)
            return code;
    }
    if (!p->out->payload_text.at) {
        *p->message = "Missing required header for this request: x-amz-content-sha256";
        return S3_INVALID_REQUEST;
    }
    if (pass.streaming_name.at)
        return s3_refuse(p, S3_INVALID_REQUEST, "'%.*s' needs a STREAMING- value of x-amz-content-sha256.",
                         S3_SHOWN(pass.streaming_name));
    if (pass.if_range)
        p->out->range = SPAN_EMPTY;
    return S3_OK;
}
