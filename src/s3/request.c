/* From an HTTP head to what the client asks for.
 *
 *     target --> path  --> bucket, key        decoded once, nothing normalised; the bucket may come from Host
 *            --> query --> parameters         query.c, a row per known parameter
 *     method x (service | bucket | object) x selector --> operation, a row each below
 *     fields --> payload, digests, range      headers.c, a row per known field
 *
 * Nothing unknown passes: a sub-resource or an x-amz-* header that is not in the tables is refused by
 * name, because "PUT /b/k?acl" taken for "PUT /b/k" would overwrite the object. */
#include "s3/request.h"

#include "s3/request_parts.h"

enum scope { SCOPE_SERVICE, SCOPE_BUCKET, SCOPE_OBJECT };

/* `selector`: the query parameter that must be there; a second one after it where two make the operation. An
 * operation with a selector is tried before the plain one of its method. `copy`: x-amz-copy-source must be there. */
static const struct op_row {
    const char *name;
    enum scope scope;
    enum http_method method;
    const char *selector, *second;
    bool copy;
} ops[] = {
    [S3_OP_LIST_BUCKETS] = {"ListBuckets", SCOPE_SERVICE, HTTP_GET},
    [S3_OP_CREATE_BUCKET] = {"CreateBucket", SCOPE_BUCKET, HTTP_PUT},
    [S3_OP_HEAD_BUCKET] = {"HeadBucket", SCOPE_BUCKET, HTTP_HEAD},
    [S3_OP_DELETE_BUCKET] = {"DeleteBucket", SCOPE_BUCKET, HTTP_DELETE},
    [S3_OP_LIST_OBJECTS] = {"ListObjects", SCOPE_BUCKET, HTTP_GET},
    [S3_OP_LIST_OBJECTS_V2] = {"ListObjectsV2", SCOPE_BUCKET, HTTP_GET, "list-type"},
    [S3_OP_LIST_OBJECT_VERSIONS] = {"ListObjectVersions", SCOPE_BUCKET, HTTP_GET, "versions"},
    [S3_OP_LIST_MULTIPART_UPLOADS] = {"ListMultipartUploads", SCOPE_BUCKET, HTTP_GET, "uploads"},
    [S3_OP_GET_BUCKET_LOCATION] = {"GetBucketLocation", SCOPE_BUCKET, HTTP_GET, "location"},
    [S3_OP_GET_BUCKET_VERSIONING] = {"GetBucketVersioning", SCOPE_BUCKET, HTTP_GET, "versioning"},
    [S3_OP_GET_BUCKET_ACL] = {"GetBucketAcl", SCOPE_BUCKET, HTTP_GET, "acl"},
    [S3_OP_PUT_BUCKET_ACL] = {"PutBucketAcl", SCOPE_BUCKET, HTTP_PUT, "acl"},
    [S3_OP_GET_BUCKET_SETTING] = {"GetBucketSetting", SCOPE_BUCKET, HTTP_GET, "(setting)"},
    [S3_OP_DELETE_OBJECTS] = {"DeleteObjects", SCOPE_BUCKET, HTTP_POST, "delete"},
    [S3_OP_POST_OBJECT] = {"PostObject", SCOPE_BUCKET, HTTP_POST},
    [S3_OP_PUT_OBJECT] = {"PutObject", SCOPE_OBJECT, HTTP_PUT},
    [S3_OP_COPY_OBJECT] = {"CopyObject", SCOPE_OBJECT, HTTP_PUT, .copy = true},
    [S3_OP_GET_OBJECT] = {"GetObject", SCOPE_OBJECT, HTTP_GET},
    [S3_OP_HEAD_OBJECT] = {"HeadObject", SCOPE_OBJECT, HTTP_HEAD},
    [S3_OP_DELETE_OBJECT] = {"DeleteObject", SCOPE_OBJECT, HTTP_DELETE},
    [S3_OP_GET_OBJECT_ATTRIBUTES] = {"GetObjectAttributes", SCOPE_OBJECT, HTTP_GET, "attributes"},
    [S3_OP_GET_OBJECT_TAGGING] = {"GetObjectTagging", SCOPE_OBJECT, HTTP_GET, "tagging"},
    [S3_OP_PUT_OBJECT_TAGGING] = {"PutObjectTagging", SCOPE_OBJECT, HTTP_PUT, "tagging"},
    [S3_OP_DELETE_OBJECT_TAGGING] = {"DeleteObjectTagging", SCOPE_OBJECT, HTTP_DELETE, "tagging"},
    [S3_OP_GET_OBJECT_ACL] = {"GetObjectAcl", SCOPE_OBJECT, HTTP_GET, "acl"},
    [S3_OP_PUT_OBJECT_ACL] = {"PutObjectAcl", SCOPE_OBJECT, HTTP_PUT, "acl"},
    [S3_OP_CREATE_MULTIPART_UPLOAD] = {"CreateMultipartUpload", SCOPE_OBJECT, HTTP_POST, "uploads"},
    [S3_OP_UPLOAD_PART] = {"UploadPart", SCOPE_OBJECT, HTTP_PUT, "uploadId", "partNumber"},
    [S3_OP_UPLOAD_PART_COPY] = {"UploadPartCopy", SCOPE_OBJECT, HTTP_PUT, "uploadId", "partNumber", true},
    [S3_OP_COMPLETE_MULTIPART_UPLOAD] = {"CompleteMultipartUpload", SCOPE_OBJECT, HTTP_POST, "uploadId"},
    [S3_OP_ABORT_MULTIPART_UPLOAD] = {"AbortMultipartUpload", SCOPE_OBJECT, HTTP_DELETE, "uploadId"},
    [S3_OP_LIST_PARTS] = {"ListParts", SCOPE_OBJECT, HTTP_GET, "uploadId"},
    [S3_OP_PREFLIGHT] = {"Preflight", SCOPE_BUCKET, HTTP_OPTIONS},
};
_Static_assert(sizeof(ops) / sizeof(ops[0]) == S3_OP_COUNT, "a row per operation");
_Static_assert(S3_OP_COUNT <= 64, "sets of operations are 64 bits");

const char *s3_op_name(enum s3_op op)
{
    return ops[op].name;
}

bool s3_op_has_content(enum s3_op op)
{
    return op == S3_OP_PUT_OBJECT || op == S3_OP_UPLOAD_PART || op == S3_OP_POST_OBJECT;
}

/* bucket.domain, with or without a port: the bucket; else empty. Where several domains fit, the longest is meant. */
static struct span bucket_of_host(const struct http_head *head, const struct s3_domains *domains)
{
    struct span host = SPAN_EMPTY, bucket = SPAN_EMPTY;
    size_t longest = 0;

    if (!domains)
        return SPAN_EMPTY;
    for (size_t i = 0; i < head->header_count; i++)
        if (span_ieq(head->headers[i].name, SPAN("host")))
            host = head->headers[i].value;
    host = span_head(host, span_find(host, ':'));
    for (size_t i = 0; i < domains->count; i++) {
        struct span domain = domains->names[i];
        size_t at = host.len - domain.len;

        if (host.len < domain.len || domain.len <= longest || !span_ieq(span_skip(host, at), domain) ||
            (at && host.at[at - 1] != '.'))
            continue;
        longest = domain.len;
        bucket = at ? span_head(host, at - 1) : SPAN_EMPTY;
    }
    return bucket;
}

/* Names of hosts have no case, those of buckets are in lower case. at == NULL: the arena is full. */
static struct span lower(struct arena *arena, struct span name)
{
    struct span copy = arena_dup(arena, name);
    char *at = (char *)(uintptr_t)copy.at;

    for (size_t i = 0; at && i < copy.len; i++)
        if (at[i] >= 'A' && at[i] <= 'Z')
            at[i] = (char)(at[i] | 0x20);
    return copy;
}

/* "/bucket/key?query", or "/key?query" for the bucket of the host. An empty key, "/bucket/", is the bucket. */
static enum s3_code parse_target(const struct s3_parse *p, const struct s3_domains *domains,
                                 enum scope *scope)
{
    struct s3_request *out = p->out;
    struct span path = p->head->target, rest, bucket = bucket_of_host(p->head, domains);

    *p->message =
        "The path is not valid: it starts with '/', holds no '#', and its escapes are %XX but not %00.";
    out->path = span_cut(&path, '?');
    out->query = path;
    rest = out->path;
    if (rest.len == 0 || rest.at[0] != '/' || span_find(rest, '#') != rest.len)
        return S3_INVALID_URI;
    rest = span_skip(rest, 1);
    out->virtual_host = bucket.len != 0;
    if (out->virtual_host)
        out->bucket = lower(p->arena, bucket);
    else if (!s3_decode(p->arena, span_cut(&rest, '/'), false, &out->bucket))
        return S3_INVALID_URI;
    if (!out->bucket.at || !s3_decode(p->arena, rest, false, &out->key))
        return S3_INVALID_URI;
    *p->message = NULL;
    *scope = out->key.len ? SCOPE_OBJECT : SCOPE_BUCKET;
    if (out->bucket.len == 0 && out->path.len == 1) {
        *scope = SCOPE_SERVICE;
        return S3_OK;
    }
    if (!s3_bucket_name_valid(out->bucket))
        return S3_INVALID_BUCKET_NAME;
    if (out->key.len > S3_KEY_BYTES_MAX)
        return S3_KEY_TOO_LONG;
    if (!span_is_utf8(out->key)) {
        *p->message = "The key is not UTF-8.";
        return S3_INVALID_URI;
    }
    return S3_OK;
}

/* Names of parameters need no decoding: no client encodes the letters of a sub-resource. */
static bool query_names(struct span query, const char *name)
{
    while (query.len) {
        struct span value = span_cut(&query, '&');

        if (span_is(span_cut(&value, '='), name))
            return true;
    }
    return false;
}

static bool names_copy_source(const struct http_head *head)
{
    for (size_t i = 0; i < head->header_count; i++)
        if (span_ieq(head->headers[i].name, SPAN("x-amz-copy-source")))
            return true;
    return false;
}

/* How much of the row the request shows: 0, it is another operation's; the greatest wins. */
static int fit(const struct s3_parse *p, const struct op_row *row, enum scope scope, bool setting)
{
    struct span query = p->out->query;
    int points = 1;

    if (row->method != p->head->method || (row->scope != scope && row->method != HTTP_OPTIONS))
        return 0;
    if (row->selector) {
        if (row->selector[0] == '(' ? !setting : !query_names(query, row->selector))
            return 0;
        points++;
    }
    if (row->second) {
        if (!query_names(query, row->second))
            return 0;
        points++;
    }
    if (row->copy) {
        if (!names_copy_source(p->head))
            return 0;
        points++;
    }
    return points;
}

static enum s3_code choose_op(const struct s3_parse *p, enum scope scope)
{
    bool setting = p->out->query.len && s3_setting_of_query(p->out->query, &p->out->setting);
    int best = 0;

    for (int op = 0; op < S3_OP_COUNT; op++) {
        int points = fit(p, &ops[op], scope, setting);

        if (points <= best)
            continue;
        best = points;
        p->out->op = (enum s3_op)op;
    }
    if (best)
        return S3_OK;
    if (scope != SCOPE_SERVICE && p->head->method == HTTP_POST)
        return s3_refuse(p, S3_NOT_IMPLEMENTED, "POST of an object with '%.*s' is not implemented.",
                         S3_SHOWN(p->out->query));
    return S3_METHOD_NOT_ALLOWED;
}

/* For STREAMING- payloads the length was taken from x-amz-decoded-content-length, and the transfer may be chunked. */
static enum s3_code check_length(const struct s3_parse *p)
{
    const struct http_head *head = p->head;
    struct s3_request *out = p->out;
    bool content = s3_op_has_content(out->op);

    if (!s3_payload_is_chunked(out->payload)) {
        out->body_bytes = head->has_length ? head->length : 0;
        if (head->chunked || (!head->has_length && content)) {
            *p->message =
                "You must provide the Content-Length HTTP header; Transfer-Encoding: chunked is not enough.";
            return S3_MISSING_CONTENT_LENGTH;
        }
    } else if (!head->chunked && !head->has_length) {
        return S3_MISSING_CONTENT_LENGTH;
    }
    if (content &&
        out->body_bytes > (out->op == S3_OP_PUT_OBJECT ? S3_OBJECT_BYTES_MAX : S3_SINGLE_PUT_BYTES_MAX)) {
        *p->message = "An object has at most 5 TiB, a part 5 GiB.";
        return S3_ENTITY_TOO_LARGE;
    }
    return S3_OK;
}

enum s3_code s3_request_parse(struct s3_request *out, const struct http_head *head, enum s3_proof proof,
                              const struct s3_domains *domains, struct arena *arena, const char **message)
{
    struct s3_parse p = {.out = out, .head = head, .proof = proof, .arena = arena, .message = message};
    enum scope scope;
    enum s3_code code;

    *out = (struct s3_request){.head = head,
                               .range = SPAN_EMPTY,
                               .prefix = SPAN_EMPTY,
                               .delimiter = SPAN_EMPTY,
                               .marker = SPAN_EMPTY,
                               .continuation_token = SPAN_EMPTY,
                               .id_marker = SPAN_EMPTY,
                               .upload_id = SPAN_EMPTY,
                               .tagging = SPAN_EMPTY,
                               .source_range = SPAN_EMPTY,
                               .max_keys = S3_LIST_KEYS_MAX,
                               .expected_bytes = UINT64_MAX};
    code = parse_target(&p, domains, &scope);
    if (code == S3_OK)
        code = choose_op(&p, scope);
    if (code == S3_OK && out->op == S3_OP_PREFLIGHT)
        return S3_OK;
    if (code == S3_OK)
        code = s3_query_parse(&p);
    if (code == S3_OK)
        code = s3_headers_parse(&p);
    if (code == S3_OK)
        code = check_length(&p);
    return code;
}
