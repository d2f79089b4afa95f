/* From an HTTP head to what the client asks for.
 *
 *     target --> path  --> bucket, key        decoded once, nothing normalised
 *            --> query --> parameters         query.c, a row per known parameter
 *     method x (service | bucket | object) --> operation
 *     fields --> payload, digests, range      headers.c, a row per known field
 *
 * Nothing unknown passes: a sub-resource or an x-amz-* header that is not in the tables is refused by
 * name, because "PUT /b/k?acl" taken for "PUT /b/k" would overwrite the object. */
#include "s3/request.h"

#include "s3/request_parts.h"

enum scope { SCOPE_SERVICE, SCOPE_BUCKET, SCOPE_OBJECT };

static const struct op_row {
    const char *name;
    enum scope scope;
    enum http_method method;
} ops[] = {
    [S3_OP_LIST_BUCKETS] = {"ListBuckets", SCOPE_SERVICE, HTTP_GET},
    [S3_OP_CREATE_BUCKET] = {"CreateBucket", SCOPE_BUCKET, HTTP_PUT},
    [S3_OP_HEAD_BUCKET] = {"HeadBucket", SCOPE_BUCKET, HTTP_HEAD},
    [S3_OP_DELETE_BUCKET] = {"DeleteBucket", SCOPE_BUCKET, HTTP_DELETE},
    [S3_OP_PUT_OBJECT] = {"PutObject", SCOPE_OBJECT, HTTP_PUT},
    [S3_OP_GET_OBJECT] = {"GetObject", SCOPE_OBJECT, HTTP_GET},
    [S3_OP_HEAD_OBJECT] = {"HeadObject", SCOPE_OBJECT, HTTP_HEAD},
    [S3_OP_DELETE_OBJECT] = {"DeleteObject", SCOPE_OBJECT, HTTP_DELETE},
};
_Static_assert(sizeof(ops) / sizeof(ops[0]) == S3_OP_COUNT, "a row per operation");

const char *s3_op_name(enum s3_op op)
{
    return ops[op].name;
}

/* "/bucket/key?query". An empty key, "/bucket/", is the bucket. */
static enum s3_code parse_target(const struct s3_parse *p, enum scope *scope)
{
    struct s3_request *out = p->out;
    struct span path = p->head->target, rest, bucket;

    *p->message =
        "The path is not valid: it starts with '/', holds no '#', and its escapes are %XX but not %00.";
    out->path = span_cut(&path, '?');
    out->query = path;
    rest = out->path;
    if (rest.len == 0 || rest.at[0] != '/' || span_find(rest, '#') != rest.len)
        return S3_INVALID_URI;
    rest = span_skip(rest, 1);
    bucket = span_cut(&rest, '/');
    if (!s3_decode(p->arena, bucket, false, &out->bucket) || !s3_decode(p->arena, rest, false, &out->key))
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

static enum s3_code choose_op(const struct s3_parse *p, enum scope scope)
{
    const struct http_head *head = p->head;

    for (int op = 0; op < S3_OP_COUNT; op++) {
        if (ops[op].scope == scope && ops[op].method == head->method) {
            p->out->op = (enum s3_op)op;
            return S3_OK;
        }
    }
    if (scope == SCOPE_SERVICE || head->method == HTTP_OTHER || head->method == HTTP_OPTIONS)
        return S3_METHOD_NOT_ALLOWED;
    if (head->method == HTTP_GET)
        return s3_refuse(p, S3_NOT_IMPLEMENTED,
                         "GET of a bucket (its listing, or the sub-resource '%.*s') is not "
                         "implemented.",
                         S3_SHOWN(p->out->query));
    return s3_refuse(p, S3_NOT_IMPLEMENTED,
                     "POST (DeleteObjects, multipart uploads, form uploads; here '%.*s') is "
                     "not implemented.",
                     S3_SHOWN(p->out->query));
}

static enum s3_code check_length(const struct s3_parse *p)
{
    const struct http_head *head = p->head;
    struct s3_request *out = p->out;

    out->body_bytes = head->has_length ? head->length : 0;
    if (head->chunked || (!head->has_length && out->op == S3_OP_PUT_OBJECT)) {
        *p->message =
            "You must provide the Content-Length HTTP header; Transfer-Encoding: chunked is not enough.";
        return S3_MISSING_CONTENT_LENGTH;
    }
    if (out->op == S3_OP_PUT_OBJECT && out->body_bytes > S3_SINGLE_PUT_BYTES_MAX) {
        *p->message = "An object that is put in one request has at most 5 GiB.";
        return S3_ENTITY_TOO_LARGE;
    }
    return S3_OK;
}

enum s3_code s3_request_parse(struct s3_request *out, const struct http_head *head, struct arena *arena,
                              const char **message)
{
    struct s3_parse p = {.out = out, .head = head, .arena = arena, .message = message};
    enum scope scope;
    enum s3_code code;

    *out = (struct s3_request){.prefix = SPAN_EMPTY, .range = SPAN_EMPTY, .max_buckets = 10000};
    code = parse_target(&p, &scope);
    if (code == S3_OK)
        code = choose_op(&p, scope);
    if (code == S3_OK)
        code = s3_query_parse(&p);
    if (code == S3_OK)
        code = s3_headers_parse(&p);
    if (code == S3_OK)
        code = check_length(&p);
    return code;
}
