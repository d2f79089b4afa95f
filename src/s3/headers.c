/* The header fields that mean something to S3: one row each, with what is done about it.
 *
 * Three kinds of answer: it is taken, it is known to be harmless, or it is refused by name. A field that asks for
 * something and is silently ignored (a condition, encryption, a lock) would be a lie to the client, so an
 * x-amz-* name without a row is refused as well. Fields that are none of ours (User-Agent, amz-sdk-*,
 * Accept) have no row and no meaning. */
#include "s3/metadata.h"
#include "s3/request_parts.h"

#include <assert.h>

enum header_use {
    USE_NOTHING,   /* harmless here: read by the server or by auth, or a property of the client */
    USE_ANSWER,    /* occurs in answers only */
    USE_STORED,    /* kept with the object */
    USE_ENCODING,  /* kept, but for aws-chunked in it */
    USE_CONDITION, /* If-* */
    USE_RANGE,
    USE_IF_RANGE,
    USE_PAYLOAD,
    USE_MD5,
    USE_CHECKSUM,
    USE_ONE_VALUE, /* only `value` is accepted, or `other` */
    USE_DECODED_LENGTH,
    USE_TRAILER,
    USE_COPY_SOURCE,
    USE_COPY_CONDITION,
    USE_TEXT,      /* goes where `place` says */
    USE_DIRECTIVE, /* COPY or REPLACE, into a bool */
    USE_ALGORITHM,
    USE_CHECKSUM_TYPE,
    USE_CHECKSUM_MODE,
    USE_OBJECT_SIZE,
    USE_ATTRIBUTES,
    USE_NUMBER, /* goes where `place` says */
    USE_REFUSED,
};

#define BIT        S3_OP_BIT
#define READS      (BIT(S3_OP_GET_OBJECT) | BIT(S3_OP_HEAD_OBJECT) | BIT(S3_OP_GET_OBJECT_ATTRIBUTES))
#define WRITES_IF  (BIT(S3_OP_PUT_OBJECT) | BIT(S3_OP_COPY_OBJECT) | BIT(S3_OP_COMPLETE_MULTIPART_UPLOAD))
#define COPIES     (BIT(S3_OP_COPY_OBJECT) | BIT(S3_OP_UPLOAD_PART_COPY))
#define MAKES      (BIT(S3_OP_PUT_OBJECT) | BIT(S3_OP_COPY_OBJECT) | BIT(S3_OP_CREATE_MULTIPART_UPLOAD))
#define AT(member) offsetof(struct s3_request, member)

static const struct header_rule {
    struct span name;
    enum header_use use;
    bool shown; /* on answers */
    struct span value, other;
    enum s3_checksum checksum;
    uint64_t ops; /* BIT(op) of those it means something to; 0: all. Elsewhere it is refused */
    size_t place;
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
    {SPAN("if-match"), USE_CONDITION, .ops = READS | WRITES_IF | BIT(S3_OP_DELETE_OBJECT)},
    {SPAN("if-none-match"), USE_CONDITION, .ops = READS | WRITES_IF},
    {SPAN("if-modified-since"), USE_CONDITION, .ops = READS},
    {SPAN("if-unmodified-since"), USE_CONDITION, .ops = READS},
    {SPAN("range"), USE_RANGE},
    {SPAN("if-range"), USE_IF_RANGE},
    {SPAN("content-md5"), USE_MD5},
    {SPAN("x-amz-content-sha256"), USE_PAYLOAD},
    {SPAN("x-amz-checksum-crc32"), USE_CHECKSUM, .checksum = S3_CHECKSUM_CRC32},
    {SPAN("x-amz-checksum-crc32c"), USE_CHECKSUM, .checksum = S3_CHECKSUM_CRC32C},
    {SPAN("x-amz-checksum-crc64nvme"), USE_CHECKSUM, .checksum = S3_CHECKSUM_CRC64NVME},
    {SPAN("x-amz-checksum-sha1"), USE_CHECKSUM, .checksum = S3_CHECKSUM_SHA1},
    {SPAN("x-amz-checksum-sha256"), USE_CHECKSUM, .checksum = S3_CHECKSUM_SHA256},
    {SPAN("x-amz-checksum-mode"), USE_CHECKSUM_MODE},
    {SPAN("x-amz-checksum-algorithm"), USE_ALGORITHM, .ops = MAKES},
    {SPAN("x-amz-checksum-type"), USE_CHECKSUM_TYPE,
     .ops = BIT(S3_OP_CREATE_MULTIPART_UPLOAD) | BIT(S3_OP_COMPLETE_MULTIPART_UPLOAD)},
    {SPAN("x-amz-mp-object-size"), USE_OBJECT_SIZE, .ops = BIT(S3_OP_COMPLETE_MULTIPART_UPLOAD)},
    {SPAN("x-amz-decoded-content-length"), USE_DECODED_LENGTH},
    {SPAN("x-amz-trailer"), USE_TRAILER},
    {SPAN("x-amz-copy-source"), USE_COPY_SOURCE, .ops = COPIES},
    {SPAN("x-amz-copy-source-range"), USE_TEXT, .ops = BIT(S3_OP_UPLOAD_PART_COPY),
     .place = AT(source_range)},
    {SPAN("x-amz-copy-source-if-match"), USE_COPY_CONDITION, .value = SPAN("if-match"), .ops = COPIES},
    {SPAN("x-amz-copy-source-if-none-match"), USE_COPY_CONDITION, .value = SPAN("if-none-match"),
     .ops = COPIES},
    {SPAN("x-amz-copy-source-if-modified-since"), USE_COPY_CONDITION, .value = SPAN("if-modified-since"),
     .ops = COPIES},
    {SPAN("x-amz-copy-source-if-unmodified-since"), USE_COPY_CONDITION, .value = SPAN("if-unmodified-since"),
     .ops = COPIES},
    {SPAN("x-amz-metadata-directive"), USE_DIRECTIVE, .ops = MAKES, .place = AT(replace_metadata)},
    {SPAN("x-amz-tagging-directive"), USE_DIRECTIVE, .ops = MAKES, .place = AT(replace_tagging)},
    {SPAN("x-amz-tagging"), USE_TEXT, .ops = MAKES, .place = AT(tagging)},
    {SPAN("x-amz-object-attributes"), USE_ATTRIBUTES, .ops = BIT(S3_OP_GET_OBJECT_ATTRIBUTES)},
    {SPAN("x-amz-max-parts"), USE_NUMBER, .ops = BIT(S3_OP_GET_OBJECT_ATTRIBUTES), .place = AT(max_keys)},
    {SPAN("x-amz-part-number-marker"), USE_NUMBER, .ops = BIT(S3_OP_GET_OBJECT_ATTRIBUTES),
     .place = AT(part_marker)},
    {SPAN("x-amz-date"), USE_NOTHING},
    {SPAN("x-amz-security-token"), USE_NOTHING},
    {SPAN("x-amz-user-agent"), USE_NOTHING},
    {SPAN("x-amz-sdk-checksum-algorithm"), USE_NOTHING},
    {SPAN("x-amz-request-payer"), USE_NOTHING},
    /* "append-md5": an answer may end in its MD5, if it says so itself; ours do not */
    {SPAN("x-amz-te"), USE_NOTHING, .ops = BIT(S3_OP_GET_OBJECT)},
    /* there are no locks to get round */
    {SPAN("x-amz-bypass-governance-retention"), USE_NOTHING,
     .ops = BIT(S3_OP_DELETE_OBJECT) | BIT(S3_OP_DELETE_OBJECTS)},
    {SPAN("x-amz-acl"), USE_ONE_VALUE, .value = SPAN("private"), .other = SPAN("bucket-owner-full-control")},
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
    bool if_range, has_length, has_empty; /* has_empty: metadata without a value */
    struct span checksum_name, trailer;   /* at == NULL: none */
};

static const struct span meta_prefix = SPAN(S3_METADATA_PREFIX);
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
    const struct http_header *headers = pass->p->out->head->headers;
    struct span name = headers[index].name;

    if (!(BIT(pass->p->out->op) & MAKES))
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
    pass->metadata_bytes += s3_metadata_bytes(&headers[index], &pass->has_empty);
    return pass->metadata_bytes <= S3_METADATA_BYTES_MAX ? S3_OK : S3_METADATA_TOO_LARGE;
}

static enum s3_code take_payload(struct pass *pass, struct span value)
{
    static const struct {
        const char *text;
        enum s3_payload payload;
    } literals[] = {
        {"UNSIGNED-PAYLOAD", S3_PAYLOAD_UNSIGNED},
        {"STREAMING-UNSIGNED-PAYLOAD-TRAILER", S3_PAYLOAD_CHUNKS_UNSIGNED_TRAILER},
        {"STREAMING-AWS4-HMAC-SHA256-PAYLOAD", S3_PAYLOAD_CHUNKS_SIGNED},
        {"STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", S3_PAYLOAD_CHUNKS_SIGNED_TRAILER},
    };
    struct s3_request *out = pass->p->out;

    if (out->payload_text.at && !span_eq(out->payload_text, value))
        return s3_refuse(pass->p, S3_INVALID_REQUEST,
                         "x-amz-content-sha256 differs in the query and in the header.");
    out->payload_text = value;
    for (size_t i = 0; i < sizeof(literals) / sizeof(literals[0]); i++) {
        if (!span_is(value, literals[i].text))
            continue;
        out->payload = literals[i].payload;
        if (i && !s3_op_has_content(out->op))
            return s3_refuse(pass->p, S3_INVALID_REQUEST, "x-amz-content-sha256: %.*s has no meaning for %s.",
                             S3_SHOWN(value), s3_op_name(out->op));
        return S3_OK;
    }
    if (hex_decode(value, out->sha256, SHA256_BYTES)) {
        out->payload = S3_PAYLOAD_SHA256;
        return S3_OK;
    }
    if (span_starts(value, SPAN("STREAMING-")))
        return s3_refuse(
            pass->p, S3_NOT_IMPLEMENTED,
            "x-amz-content-sha256: %.*s is not implemented. Of the STREAMING- payloads those with "
            "AWS4-HMAC-SHA256 and without a signature are.",
            S3_SHOWN(value));
    return s3_refuse(
        pass->p, S3_INVALID_ARGUMENT,
        "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-... or a SHA-256 in hexadecimal, "
        "not '%.*s'.",
        S3_SHOWN(value));
}

static enum s3_code take_checksum(struct pass *pass, const struct header_rule *rule, struct span value)
{
    struct s3_request *out = pass->p->out;

    if (pass->checksum_name.at)
        return s3_refuse(pass->p, S3_INVALID_REQUEST,
                         "Expecting a single x-amz-checksum- header; '%.*s' is a further one.",
                         S3_SHOWN(rule->name));
    pass->checksum_name = rule->name;
    out->checksum = rule->checksum;
    if (out->op == S3_OP_COMPLETE_MULTIPART_UPLOAD)
        return s3_object_checksum_read(rule->checksum, value, out->checksum_value, &out->checksum_parts)
                   ? S3_OK
                   : s3_refuse(pass->p, S3_BAD_DIGEST, "Value for %.*s header is no checksum of an object.",
                               S3_SHOWN(rule->name));
    if (!base64_decode(value, out->checksum_value, s3_checksum_kind(rule->checksum)->bytes))
        return s3_refuse(pass->p, S3_INVALID_REQUEST, "Value for %.*s header is invalid.",
                         S3_SHOWN(rule->name));
    return S3_OK;
}

/* "bucket/key", "/bucket/key", with or without "?versionId=null"; URL-encoded. */
static enum s3_code take_copy_source(struct pass *pass, struct span value)
{
    const struct s3_parse *p = pass->p;
    struct s3_request *out = p->out;
    struct span query = value, key, bucket, version;

    key = span_cut(&query, '?');
    if (key.len && key.at[0] == '/')
        key = span_skip(key, 1);
    bucket = span_cut(&key, '/');
    if (!s3_decode(p->arena, bucket, true, &out->source_bucket) ||
        !s3_decode(p->arena, key, true, &out->source_key) || !s3_bucket_name_valid(out->source_bucket) ||
        out->source_key.len == 0 || out->source_key.len > S3_KEY_BYTES_MAX || !span_is_utf8(out->source_key))
        return s3_refuse(p, S3_INVALID_ARGUMENT,
                         "x-amz-copy-source is \"bucket/key\", URL-encoded; '%.*s' is not.", S3_SHOWN(value));
    version = query;
    if (query.len && !span_is(span_cut(&version, '='), "versionId"))
        return s3_refuse(p, S3_INVALID_ARGUMENT, "x-amz-copy-source may end in ?versionId=, not in '%.*s'.",
                         S3_SHOWN(query));
    if (query.len && !span_is(version, "null"))
        return s3_refuse(p, S3_NO_SUCH_VERSION, "Buckets have no versions: the only versionId is 'null'.");
    return S3_OK;
}

static enum s3_code take_directive(struct pass *pass, const struct header_rule *rule, struct span value)
{
    bool *place = (bool *)(void *)((char *)pass->p->out + rule->place);

    *place = span_is(value, "REPLACE");
    if (!*place && !span_is(value, "COPY"))
        return s3_refuse(pass->p, S3_INVALID_ARGUMENT, "%.*s is COPY or REPLACE, not '%.*s'.",
                         S3_SHOWN(rule->name), S3_SHOWN(value));
    return S3_OK;
}

static enum s3_code take_number(struct pass *pass, const struct header_rule *rule, struct span value)
{
    uint64_t number;

    if (!span_to_u64(value, &number) || number > INT32_MAX)
        return s3_refuse(pass->p, S3_INVALID_ARGUMENT, "%.*s is a number, not '%.*s'.", S3_SHOWN(rule->name),
                         S3_SHOWN(value));
    *(uint32_t *)(void *)((char *)pass->p->out + rule->place) = (uint32_t)number;
    return S3_OK;
}

/* "ETag, Checksum"; the field may come several times. */
static enum s3_code take_attributes(struct pass *pass, struct span value)
{
    static const struct {
        const char *name;
        enum s3_attribute bit;
    } names[] = {{"ETag", S3_ATTRIBUTE_ETAG},
                 {"Checksum", S3_ATTRIBUTE_CHECKSUM},
                 {"ObjectParts", S3_ATTRIBUTE_PARTS},
                 {"StorageClass", S3_ATTRIBUTE_STORAGE_CLASS},
                 {"ObjectSize", S3_ATTRIBUTE_SIZE}};

    while (value.len) {
        struct span name = span_trim(span_cut(&value, ','));
        size_t i = 0, count = sizeof(names) / sizeof(names[0]);

        while (i < count && !span_is(name, names[i].name))
            i++;
        if (i == count)
            return s3_refuse(pass->p, S3_INVALID_ARGUMENT, "x-amz-object-attributes knows no '%.*s'.",
                             S3_SHOWN(name));
        pass->p->out->attributes |= names[i].bit;
    }
    return S3_OK;
}

static enum s3_code take_algorithm(struct pass *pass, struct span value)
{
    pass->p->out->checksum_algorithm = s3_checksum_by_algorithm(value);
    if (!pass->p->out->checksum_algorithm)
        return s3_refuse(
            pass->p, S3_INVALID_REQUEST,
            "Checksum algorithm provided is unsupported: '%.*s'. Please try again with any of the "
            "valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]",
            S3_SHOWN(value));
    return S3_OK;
}

static enum s3_code take(struct pass *pass, const struct header_rule *rule, struct span value)
{
    struct s3_request *out = pass->p->out;

    switch (rule->use) {
    case USE_NOTHING:
    case USE_ANSWER:
    case USE_STORED:
    case USE_ENCODING: return S3_OK;
    case USE_CONDITION:
        assert(out->condition_count < S3_CONDITIONS_MAX); /* each once */
        out->conditions[out->condition_count++] = (struct http_header){rule->name, value};
        return S3_OK;
    case USE_COPY_CONDITION:
        assert(out->source_condition_count < S3_CONDITIONS_MAX);
        out->source_conditions[out->source_condition_count++] = (struct http_header){rule->value, value};
        return S3_OK;
    case USE_RANGE: out->range = value; return S3_OK;
    case USE_IF_RANGE: pass->if_range = true; return S3_OK;
    case USE_PAYLOAD: return take_payload(pass, value);
    case USE_MD5:
        out->has_md5 = true;
        return base64_decode(value, out->md5, MD5_BYTES) ? S3_OK : S3_INVALID_DIGEST;
    case USE_CHECKSUM: return take_checksum(pass, rule, value);
    case USE_ONE_VALUE:
        if (span_eq(value, rule->value) || (rule->other.len && span_eq(value, rule->other)))
            return S3_OK;
        return s3_refuse(pass->p, S3_NOT_IMPLEMENTED,
                         "This value of the header '%.*s' is not implemented for %s.", S3_SHOWN(rule->name),
                         s3_op_name(out->op));
    case USE_DECODED_LENGTH:
        pass->has_length = true;
        if (!span_to_u64(value, &out->body_bytes) || out->body_bytes > INT64_MAX)
            return s3_refuse(pass->p, S3_INVALID_ARGUMENT,
                             "x-amz-decoded-content-length is a number, not '%.*s'.", S3_SHOWN(value));
        return S3_OK;
    case USE_TRAILER: pass->trailer = value; return S3_OK;
    case USE_COPY_SOURCE: return take_copy_source(pass, value);
    case USE_TEXT: *(struct span *)(void *)((char *)out + rule->place) = value; return S3_OK;
    case USE_DIRECTIVE: return take_directive(pass, rule, value);
    case USE_ALGORITHM: return take_algorithm(pass, value);
    case USE_CHECKSUM_TYPE:
        if (span_is(value, "FULL_OBJECT"))
            out->checksum_type = S3_TYPE_FULL_OBJECT;
        else if (span_is(value, "COMPOSITE"))
            out->checksum_type = S3_TYPE_COMPOSITE;
        else
            return s3_refuse(pass->p, S3_INVALID_ARGUMENT,
                             "x-amz-checksum-type is COMPOSITE or FULL_OBJECT, not '%.*s'.", S3_SHOWN(value));
        return S3_OK;
    case USE_CHECKSUM_MODE: out->checksum_mode = span_ieq(value, SPAN("ENABLED")); return S3_OK;
    case USE_OBJECT_SIZE:
        if (!span_to_u64(value, &out->expected_bytes))
            return s3_refuse(pass->p, S3_INVALID_ARGUMENT, "x-amz-mp-object-size is a number, not '%.*s'.",
                             S3_SHOWN(value));
        return S3_OK;
    case USE_ATTRIBUTES: return take_attributes(pass, value);
    case USE_NUMBER: return take_number(pass, rule, value);
    case USE_REFUSED: break;
    }
    return s3_refuse(pass->p, S3_NOT_IMPLEMENTED, "The header '%.*s' is not implemented for %s.",
                     S3_SHOWN(rule->name), s3_op_name(out->op));
}

static enum s3_code take_header(struct pass *pass, size_t index)
{
    const struct http_header *h = &pass->p->out->head->headers[index];
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
    if (rule->ops && !(rule->ops & BIT(pass->p->out->op)))
        return s3_refuse(pass->p, S3_NOT_IMPLEMENTED, "The header '%.*s' is not implemented for %s.",
                         S3_SHOWN(rule->name), s3_op_name(pass->p->out->op));
    bit = (uint64_t)1 << (rule - rules);
    if (pass->seen & bit && rule->use != USE_ATTRIBUTES)
        return s3_refuse(pass->p, S3_INVALID_REQUEST, "The header '%.*s' is there twice.", S3_SHOWN(h->name));
    pass->seen |= bit;
    return take(pass, rule, h->value);
}

/* What only a STREAMING- body has, and what it must have. */
static enum s3_code check_streaming(struct pass *pass)
{
    const struct s3_parse *p = pass->p;
    struct s3_request *out = p->out;

    if (!s3_payload_is_chunked(out->payload)) {
        const char *stray = pass->trailer.at   ? "x-amz-trailer"
                            : pass->has_length ? "x-amz-decoded-content-length"
                                               : NULL;

        return stray ? s3_refuse(p, S3_INVALID_REQUEST,
                                 "'%s' needs a STREAMING- value of x-amz-content-sha256.", stray)
                     : S3_OK;
    }
    if (!pass->has_length)
        return s3_refuse(p, S3_MISSING_CONTENT_LENGTH,
                         "A STREAMING- payload needs the header x-amz-decoded-content-length.");
    if (!pass->trailer.at || out->payload == S3_PAYLOAD_CHUNKS_SIGNED)
        return pass->trailer.at
                   ? s3_refuse(p, S3_INVALID_REQUEST,
                               "x-amz-trailer needs an x-amz-content-sha256 that ends in -TRAILER.")
                   : S3_OK;
    if (pass->checksum_name.at)
        return s3_refuse(p, S3_INVALID_REQUEST,
                         "Expecting a single x-amz-checksum- header: '%.*s' and x-amz-trailer are two.",
                         S3_SHOWN(pass->checksum_name));
    out->checksum = s3_checksum_by_header(span_trim(pass->trailer));
    out->checksum_in_trailer = true;
    if (!out->checksum)
        return s3_refuse(p, S3_INVALID_REQUEST,
                         "The value specified in the x-amz-trailer header is not "
                         "supported: '%.*s'.",
                         S3_SHOWN(pass->trailer));
    return S3_OK;
}

enum s3_code s3_headers_parse(const struct s3_parse *p)
{
    /* one that came in a presigned URL counts */
    struct pass pass = {.p = p,
                        .checksum_name =
                            p->out->checksum ? s3_checksum_kind(p->out->checksum)->header : (struct span){0}};
    enum s3_code code = p->out->payload_text.at ? take_payload(&pass, p->out->payload_text) : S3_OK;

    for (size_t i = 0; code == S3_OK && i < p->out->head->header_count; i++)
        code = take_header(&pass, i);
    if (code != S3_OK)
        return code;
    if (!p->out->payload_text.at) {
        if (p->proof == S3_PROOF_HEADER) {
            *p->message = "Missing required header for this request: x-amz-content-sha256";
            return S3_INVALID_REQUEST;
        }
        p->out->payload_text = SPAN("UNSIGNED-PAYLOAD");
        p->out->payload = S3_PAYLOAD_UNSIGNED;
    }
    if (pass.if_range)
        p->out->range = SPAN_EMPTY;
    if (p->out->op == S3_OP_GET_OBJECT_ATTRIBUTES && !p->out->attributes)
        return s3_refuse(p, S3_INVALID_REQUEST,
                         "The x-amz-object-attributes header specifying the attributes to be retrieved is "
                         "either missing or empty.");
    if (p->out->max_keys > S3_LIST_KEYS_MAX && p->out->op == S3_OP_GET_OBJECT_ATTRIBUTES)
        p->out->max_keys = S3_LIST_KEYS_MAX;
    return check_streaming(&pass);
}
