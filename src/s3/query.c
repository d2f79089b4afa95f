/* The query of a request: each parameter is in the table, for this operation, once.
 *
 * Who signs a URL may move headers into it, where they are signed too. The SDK for JavaScript moves all x-amz-* that it
 * can: they count as if they had come as header fields. With a default client of it the checksum of a PUT is one of no bytes,
 * since the body is not there yet. That one says nothing and is passed over; any other has to be the body's, as in a header. */
#include "s3/digest.h"
#include "s3/request_parts.h"

enum param_use {
    PARAM_IGNORED,
    PARAM_OVERRIDE,
    PARAM_NULL_VERSION,
    PARAM_TEXT,   /* goes where `place` says */
    PARAM_NUMBER, /* the same, from `least` to `most`; larger is cut where `cut` says so */
    PARAM_TOKEN,
    PARAM_URL,  /* encoding-type */
    PARAM_TYPE, /* list-type */
    PARAM_OWNER,
    PARAM_CHECKSUM,
    PARAM_CHECKSUM_MODE
};

#define BIT          S3_OP_BIT
#define READS        (BIT(S3_OP_GET_OBJECT) | BIT(S3_OP_HEAD_OBJECT))
#define BODIES       (BIT(S3_OP_PUT_OBJECT) | BIT(S3_OP_UPLOAD_PART))
#define OBJECT_LISTS (BIT(S3_OP_LIST_OBJECTS) | BIT(S3_OP_LIST_OBJECTS_V2) | BIT(S3_OP_LIST_OBJECT_VERSIONS))
#define LISTS        (OBJECT_LISTS | BIT(S3_OP_LIST_MULTIPART_UPLOADS))
#define UPLOADS      (BIT(S3_OP_UPLOAD_PART) | BIT(S3_OP_UPLOAD_PART_COPY))
#define WITH_UPLOAD                                                                                          \
    (UPLOADS | BIT(S3_OP_COMPLETE_MULTIPART_UPLOAD) | BIT(S3_OP_ABORT_MULTIPART_UPLOAD) |                    \
     BIT(S3_OP_LIST_PARTS))
#define VERSIONED                                                                                            \
    (READS | BIT(S3_OP_DELETE_OBJECT) | BIT(S3_OP_GET_OBJECT_ATTRIBUTES) | BIT(S3_OP_GET_OBJECT_TAGGING) |   \
     BIT(S3_OP_PUT_OBJECT_TAGGING) | BIT(S3_OP_DELETE_OBJECT_TAGGING) | BIT(S3_OP_GET_OBJECT_ACL) |          \
     BIT(S3_OP_PUT_OBJECT_ACL))

#define AT(member) offsetof(struct s3_request, member)

static const struct param_rule {
    struct span name;
    enum param_use use;
    uint64_t ops; /* BIT(op) of those that know it */
    struct span header;
    size_t place; /* of a struct span or a uint32_t in s3_request */
    uint32_t least, most;
    bool cut;
    bool moved; /* a header, which a presigned URL may have instead; in any case */
} params[] = {
    {SPAN("x-id"), PARAM_IGNORED, S3_ANY_OP},
    {SPAN("response-content-type"), PARAM_OVERRIDE, READS, SPAN("Content-Type")},
    {SPAN("response-content-language"), PARAM_OVERRIDE, READS, SPAN("Content-Language")},
    {SPAN("response-content-disposition"), PARAM_OVERRIDE, READS, SPAN("Content-Disposition")},
    {SPAN("response-content-encoding"), PARAM_OVERRIDE, READS, SPAN("Content-Encoding")},
    {SPAN("response-cache-control"), PARAM_OVERRIDE, READS, SPAN("Cache-Control")},
    {SPAN("response-expires"), PARAM_OVERRIDE, READS, SPAN("Expires")},
    {SPAN("versionId"), PARAM_NULL_VERSION, VERSIONED},
    {SPAN("partNumber"), PARAM_NUMBER, READS | UPLOADS, .place = AT(part_number), .least = 1,
     .most = S3_PART_NUMBER_MAX},
    {SPAN("uploadId"), PARAM_TEXT, WITH_UPLOAD, .place = AT(upload_id)},
    {SPAN("uploads"), PARAM_IGNORED, BIT(S3_OP_CREATE_MULTIPART_UPLOAD) | BIT(S3_OP_LIST_MULTIPART_UPLOADS)},
    {SPAN("delete"), PARAM_IGNORED, BIT(S3_OP_DELETE_OBJECTS)},
    {SPAN("versions"), PARAM_IGNORED, BIT(S3_OP_LIST_OBJECT_VERSIONS)},
    {SPAN("location"), PARAM_IGNORED, BIT(S3_OP_GET_BUCKET_LOCATION)},
    {SPAN("versioning"), PARAM_IGNORED, BIT(S3_OP_GET_BUCKET_VERSIONING)},
    {SPAN("acl"), PARAM_IGNORED,
     BIT(S3_OP_GET_BUCKET_ACL) | BIT(S3_OP_PUT_BUCKET_ACL) | BIT(S3_OP_GET_OBJECT_ACL) |
         BIT(S3_OP_PUT_OBJECT_ACL)},
    {SPAN("tagging"), PARAM_IGNORED,
     BIT(S3_OP_GET_OBJECT_TAGGING) | BIT(S3_OP_PUT_OBJECT_TAGGING) | BIT(S3_OP_DELETE_OBJECT_TAGGING)},
    {SPAN("attributes"), PARAM_IGNORED, BIT(S3_OP_GET_OBJECT_ATTRIBUTES)},
    {SPAN("list-type"), PARAM_TYPE, BIT(S3_OP_LIST_OBJECTS_V2)},
    {SPAN("prefix"), PARAM_TEXT, LISTS | BIT(S3_OP_LIST_BUCKETS), .place = AT(prefix)},
    {SPAN("delimiter"), PARAM_TEXT, LISTS, .place = AT(delimiter)},
    {SPAN("marker"), PARAM_TEXT, BIT(S3_OP_LIST_OBJECTS), .place = AT(marker)},
    {SPAN("start-after"), PARAM_TEXT, BIT(S3_OP_LIST_OBJECTS_V2), .place = AT(marker)},
    {SPAN("key-marker"), PARAM_TEXT, BIT(S3_OP_LIST_OBJECT_VERSIONS) | BIT(S3_OP_LIST_MULTIPART_UPLOADS),
     .place = AT(marker)},
    {SPAN("version-id-marker"), PARAM_TEXT, BIT(S3_OP_LIST_OBJECT_VERSIONS), .place = AT(id_marker)},
    {SPAN("upload-id-marker"), PARAM_TEXT, BIT(S3_OP_LIST_MULTIPART_UPLOADS), .place = AT(id_marker)},
    {SPAN("continuation-token"), PARAM_TOKEN, BIT(S3_OP_LIST_OBJECTS_V2) | BIT(S3_OP_LIST_BUCKETS)},
    {SPAN("max-keys"), PARAM_NUMBER, OBJECT_LISTS, .place = AT(max_keys), .most = S3_LIST_KEYS_MAX,
     .cut = true},
    {SPAN("max-uploads"), PARAM_NUMBER, BIT(S3_OP_LIST_MULTIPART_UPLOADS), .place = AT(max_keys),
     .most = S3_LIST_KEYS_MAX, .cut = true},
    {SPAN("max-parts"), PARAM_NUMBER, BIT(S3_OP_LIST_PARTS), .place = AT(max_keys), .most = S3_LIST_KEYS_MAX,
     .cut = true},
    {SPAN("max-buckets"), PARAM_NUMBER, BIT(S3_OP_LIST_BUCKETS), .place = AT(max_keys), .least = 1,
     .most = 10000},
    {SPAN("part-number-marker"), PARAM_NUMBER, BIT(S3_OP_LIST_PARTS), .place = AT(part_marker),
     .most = INT32_MAX, .cut = true},
    {SPAN("encoding-type"), PARAM_URL, LISTS},
    {SPAN("fetch-owner"), PARAM_OWNER, BIT(S3_OP_LIST_OBJECTS_V2)},
    {SPAN("x-amz-checksum-mode"), PARAM_CHECKSUM_MODE, READS, .moved = true},
    {SPAN("x-amz-sdk-checksum-algorithm"), PARAM_IGNORED, BODIES, .moved = true},
    {SPAN("x-amz-checksum-crc32"), PARAM_CHECKSUM, BODIES, .moved = true},
    {SPAN("x-amz-checksum-crc32c"), PARAM_CHECKSUM, BODIES, .moved = true},
    {SPAN("x-amz-checksum-crc64nvme"), PARAM_CHECKSUM, BODIES, .moved = true},
    {SPAN("x-amz-checksum-sha1"), PARAM_CHECKSUM, BODIES, .moved = true},
    {SPAN("x-amz-checksum-sha256"), PARAM_CHECKSUM, BODIES, .moved = true},
};
enum { PARAM_COUNT = sizeof(params) / sizeof(params[0]) };
_Static_assert(PARAM_COUNT <= 64, "seen is 64 bits");

/* What a presigned URL has besides; auth/ looks at the values. */
static bool is_proof(const struct s3_parse *p, struct span name)
{
    static const char *const names[] = {"X-Amz-Algorithm", "X-Amz-Credential",    "X-Amz-Date",
                                        "X-Amz-Expires",   "X-Amz-SignedHeaders", "X-Amz-Signature"};

    for (size_t i = 0; p->proof == S3_PROOF_QUERY && i < sizeof(names) / sizeof(names[0]); i++)
        if (span_is(name, names[i]))
            return true;
    return false;
}

static const struct param_rule *find_param(const struct s3_parse *p, struct span name)
{
    for (const struct param_rule *r = params; r < params + PARAM_COUNT; r++)
        if ((r->ops & BIT(p->out->op)) &&
            (r->moved ? p->proof == S3_PROOF_QUERY && span_ieq(r->name, name) : span_eq(r->name, name)))
            return r;
    return NULL;
}

/* A value that goes into a header of the answer must not be able to end it. */
static bool printable(struct span value)
{
    for (size_t i = 0; i < value.len; i++)
        if ((uint8_t)value.at[i] < 0x20 || value.at[i] == 0x7f)
            return false;
    return true;
}

static enum s3_code apply_number(const struct s3_parse *p, const struct param_rule *rule, struct span value)
{
    uint64_t number;
    uint32_t *place = (uint32_t *)(void *)((char *)p->out + rule->place);

    if (value.len == 0 && rule->cut)
        return S3_OK;
    if (!span_to_u64(value, &number) || number < rule->least || (number > rule->most && !rule->cut))
        return s3_refuse(p, S3_INVALID_ARGUMENT, "%.*s is a number from %u to %u, not '%.*s'.",
                         S3_SHOWN(rule->name), rule->least, rule->most, S3_SHOWN(value));
    *place = number > rule->most ? rule->most : (uint32_t)number;
    return S3_OK;
}

static enum s3_code apply_checksum(const struct s3_parse *p, const struct param_rule *rule, struct span value)
{
    enum s3_checksum kind = s3_checksum_by_header(rule->name);
    uint8_t given[SHA256_BYTES], of_nothing[SHA256_BYTES];
    struct s3_digest digest;
    size_t bytes;

    s3_digest_init(&digest, kind);
    bytes = s3_digest_end(&digest, of_nothing);
    if (!base64_decode(value, given, bytes))
        return s3_refuse(p, S3_INVALID_REQUEST, "Value for %.*s parameter is invalid.", S3_SHOWN(rule->name));
    if (memcmp(given, of_nothing, bytes) == 0)
        return S3_OK;
    if (p->out->checksum)
        return s3_refuse(p, S3_INVALID_REQUEST,
                         "Expecting a single x-amz-checksum- parameter; '%.*s' is a further one.",
                         S3_SHOWN(rule->name));
    p->out->checksum = kind;
    memcpy(p->out->checksum_value, given, bytes);
    return S3_OK;
}

static enum s3_code apply(const struct s3_parse *p, const struct param_rule *rule, struct span value)
{
    struct s3_request *out = p->out;

    switch (rule->use) {
    case PARAM_IGNORED: return S3_OK;
    case PARAM_OVERRIDE:
        if (p->proof == S3_PROOF_NONE)
            return s3_refuse(p, S3_INVALID_REQUEST, "'%.*s' needs a signed request.", S3_SHOWN(rule->name));
        if (!printable(value))
            return s3_refuse(p, S3_INVALID_ARGUMENT, "The value of '%.*s' holds control characters.",
                             S3_SHOWN(rule->name));
        out->overrides[out->override_count++] = (struct s3_override){rule->header, value};
        return S3_OK;
    case PARAM_NULL_VERSION:
        if (!span_is(value, "null"))
            return s3_refuse(p, S3_NO_SUCH_VERSION,
                             "Buckets have no versions: the only versionId is 'null', not '%.*s'.",
                             S3_SHOWN(value));
        return S3_OK;
    case PARAM_TEXT: *(struct span *)(void *)((char *)out + rule->place) = value; return S3_OK;
    case PARAM_NUMBER: return apply_number(p, rule, value);
    case PARAM_TOKEN:
        out->continuation_token = value;
        out->has_token = true;
        return value.len <= S3_TOKEN_BYTES_MAX
                   ? S3_OK
                   : s3_refuse(p, S3_INVALID_ARGUMENT, "The continuation token provided is incorrect.");
    case PARAM_URL:
        if (!span_is(value, "url"))
            return s3_refuse(p, S3_INVALID_ARGUMENT, "Invalid Encoding Method specified in Request: '%.*s'.",
                             S3_SHOWN(value));
        out->url_encoding = true;
        return S3_OK;
    case PARAM_TYPE:
        if (!span_is(value, "2"))
            return s3_refuse(p, S3_INVALID_ARGUMENT, "list-type is 2, not '%.*s'.", S3_SHOWN(value));
        return S3_OK;
    case PARAM_OWNER: out->fetch_owner = span_ieq(value, SPAN("true")); return S3_OK;
    case PARAM_CHECKSUM: return apply_checksum(p, rule, value);
    case PARAM_CHECKSUM_MODE: out->checksum_mode = span_ieq(value, SPAN("ENABLED")); return S3_OK;
    }
    return S3_INTERNAL_ERROR;
}

static bool is_header(const struct s3_parse *p, struct span name)
{
    static const struct span prefix = SPAN("x-amz-");

    return p->proof == S3_PROOF_QUERY && span_ieq(span_head(name, prefix.len), prefix);
}

/* `moved` is NULL before the first: then it becomes a copy of the head, to which they are added. */
static enum s3_code move_header(const struct s3_parse *p, struct http_head **moved, struct span name,
                                struct span value)
{
    value = span_trim(value);
    if (!http_is_token(name) || !http_is_value(value))
        return s3_refuse(p, S3_INVALID_ARGUMENT,
                         "The query parameter '%.*s' has a name or a value that is none of a header.",
                         S3_SHOWN(name));
    if (!*moved) {
        *moved = arena_alloc(p->arena, sizeof(**moved));
        if (!*moved)
            return S3_INTERNAL_ERROR;
        **moved = *p->head;
        p->out->head = *moved;
    }
    if ((*moved)->header_count == HTTP_HEADERS_MAX)
        return s3_refuse(p, S3_INVALID_REQUEST,
                         "There are more than %u header fields, with those in the query.", HTTP_HEADERS_MAX);
    (*moved)->headers[(*moved)->header_count++] = (struct http_header){name, value};
    return S3_OK;
}

enum s3_code s3_query_parse(const struct s3_parse *p)
{
    struct span left = p->out->query;
    struct http_head *moved = NULL;
    bool setting = false;
    uint64_t seen = 0;

    if (p->out->op == S3_OP_LIST_BUCKETS)
        p->out->max_keys = 10000;
    while (left.len) {
        struct span value = span_cut(&left, '&');
        struct span name = span_cut(&value, '=');
        const struct param_rule *rule;
        enum s3_code code;

        if (name.len == 0 && value.len == 0)
            continue;
        if (!s3_decode(p->arena, name, true, &name) || !s3_decode(p->arena, value, true, &value)) {
            *p->message = "The query is not valid: its escapes are %XX but not %00.";
            return S3_INVALID_URI;
        }
        if (is_proof(p, name))
            continue;
        if (p->proof == S3_PROOF_QUERY && !p->out->payload_text.at && span_is(name, "X-Amz-Content-Sha256")) {
            p->out->payload_text = value; /* headers.c looks at it */
            continue;
        }
        if (p->out->op == S3_OP_GET_BUCKET_SETTING && !setting && s3_is_setting(name)) {
            setting = true;
            continue;
        }
        rule = find_param(p, name);
        if (!rule && is_header(p, name)) {
            code = move_header(p, &moved, name, value);
            if (code != S3_OK)
                return code;
            continue;
        }
        if (!rule)
            return s3_refuse(p, S3_NOT_IMPLEMENTED,
                             "The sub-resource or query parameter '%.*s' is not implemented for %s.",
                             S3_SHOWN(name), s3_op_name(p->out->op));
        if (seen & 1ull << (rule - params))
            return s3_refuse(p, S3_INVALID_ARGUMENT, "The query parameter '%.*s' is there twice.",
                             S3_SHOWN(name));
        seen |= 1ull << (rule - params);
        code = apply(p, rule, value);
        if (code != S3_OK)
            return code;
    }
    return S3_OK;
}
