/* Header fields; those of bodies are in request_payload_test.c, those of copies in request_copy_test.c. */
#include "request_stage.h"

#define PAYLOAD  "x-amz-content-sha256: UNSIGNED-PAYLOAD\n"
#define PUT_HEAD "PUT /media/a\nHost: h\nContent-Length: 3\n"
#define PUT      PUT_HEAD PAYLOAD
#define GET      "GET /media/a\nHost: h\n" PAYLOAD
#define CREATE   "PUT /media\nHost: h\n" PAYLOAD

/* A request of each operation; fields are added behind it. */
#define U "\nHost: h\nContent-Length: 0\n" PAYLOAD
#define C U "x-amz-copy-source: other/key\n"
static const char *const requests[S3_OP_COUNT] = {
    [S3_OP_LIST_BUCKETS] = "GET /" U,
    [S3_OP_CREATE_BUCKET] = "PUT /media" U,
    [S3_OP_HEAD_BUCKET] = "HEAD /media" U,
    [S3_OP_DELETE_BUCKET] = "DELETE /media" U,
    [S3_OP_LIST_OBJECTS] = "GET /media" U,
    [S3_OP_LIST_OBJECTS_V2] = "GET /media?list-type=2" U,
    [S3_OP_LIST_OBJECT_VERSIONS] = "GET /media?versions" U,
    [S3_OP_LIST_MULTIPART_UPLOADS] = "GET /media?uploads" U,
    [S3_OP_GET_BUCKET_LOCATION] = "GET /media?location" U,
    [S3_OP_GET_BUCKET_VERSIONING] = "GET /media?versioning" U,
    [S3_OP_GET_BUCKET_ACL] = "GET /media?acl" U,
    [S3_OP_PUT_BUCKET_ACL] = "PUT /media?acl" U,
    [S3_OP_GET_BUCKET_SETTING] = "GET /media?policy" U,
    [S3_OP_DELETE_OBJECTS] = "POST /media?delete" U,
    [S3_OP_POST_OBJECT] = "POST /media" U,
    [S3_OP_PUT_OBJECT] = "PUT /media/a" U,
    [S3_OP_COPY_OBJECT] = "PUT /media/a" C,
    [S3_OP_GET_OBJECT] = "GET /media/a" U,
    [S3_OP_HEAD_OBJECT] = "HEAD /media/a" U,
    [S3_OP_DELETE_OBJECT] = "DELETE /media/a" U,
    [S3_OP_GET_OBJECT_ATTRIBUTES] = "GET /media/a?attributes" U "x-amz-object-attributes: ETag\n",
    [S3_OP_GET_OBJECT_TAGGING] = "GET /media/a?tagging" U,
    [S3_OP_PUT_OBJECT_TAGGING] = "PUT /media/a?tagging" U,
    [S3_OP_DELETE_OBJECT_TAGGING] = "DELETE /media/a?tagging" U,
    [S3_OP_GET_OBJECT_ACL] = "GET /media/a?acl" U,
    [S3_OP_PUT_OBJECT_ACL] = "PUT /media/a?acl" U,
    [S3_OP_CREATE_MULTIPART_UPLOAD] = "POST /media/a?uploads" U,
    [S3_OP_UPLOAD_PART] = "PUT /media/a?uploadId=u&partNumber=1" U,
    [S3_OP_UPLOAD_PART_COPY] = "PUT /media/a?uploadId=u&partNumber=1" C,
    [S3_OP_COMPLETE_MULTIPART_UPLOAD] = "POST /media/a?uploadId=u" U,
    [S3_OP_ABORT_MULTIPART_UPLOAD] = "DELETE /media/a?uploadId=u" U,
    [S3_OP_LIST_PARTS] = "GET /media/a?uploadId=u" U,
};

#define OP(name) (1ull << S3_OP_##name)
#define READS    (OP(GET_OBJECT) | OP(HEAD_OBJECT) | OP(GET_OBJECT_ATTRIBUTES))
#define MAKES    (OP(PUT_OBJECT) | OP(COPY_OBJECT) | OP(CREATE_MULTIPART_UPLOAD))
#define DECIDES  (OP(PUT_OBJECT) | OP(COPY_OBJECT) | OP(COMPLETE_MULTIPART_UPLOAD))
#define COPIES   (OP(COPY_OBJECT) | OP(UPLOAD_PART_COPY))
#define ALL      (~0ull)

static const struct {
    const char *name, *value;
    uint64_t ops;
} fields[] = {
    {"If-Match", "\"a\"", READS | DECIDES | OP(DELETE_OBJECT)},
    {"If-None-Match", "*", READS | DECIDES},
    {"If-Modified-Since", "Fri, 24 May 2013 00:00:00 GMT", READS},
    {"If-Unmodified-Since", "Fri, 24 May 2013 00:00:00 GMT", READS},
    {"Content-Range", "bytes 0-1/2", 0},
    {"x-amz-copy-source-range", "bytes=0-1", OP(UPLOAD_PART_COPY)},
    {"x-amz-copy-source-if-match", "\"a\"", COPIES},
    {"x-amz-copy-source-if-none-match", "\"a\"", COPIES},
    {"x-amz-copy-source-if-modified-since", "x", COPIES},
    {"x-amz-copy-source-if-unmodified-since", "x", COPIES},
    {"x-amz-metadata-directive", "COPY", MAKES},
    {"x-amz-tagging-directive", "COPY", MAKES},
    {"x-amz-tagging", "a=b", MAKES},
    {"x-amz-checksum-algorithm", "CRC32", MAKES},
    {"x-amz-checksum-type", "COMPOSITE", OP(CREATE_MULTIPART_UPLOAD) | OP(COMPLETE_MULTIPART_UPLOAD)},
    {"x-amz-mp-object-size", "1", OP(COMPLETE_MULTIPART_UPLOAD)},
    {"x-amz-max-parts", "1", OP(GET_OBJECT_ATTRIBUTES)},
    {"x-amz-part-number-marker", "1", OP(GET_OBJECT_ATTRIBUTES)},
    {"x-amz-checksum-mode", "ENABLED", ALL},
    {"x-amz-checksum-crc32", "AAAAAA==", ALL},
    {"x-amz-sdk-checksum-algorithm", "CRC32", ALL},
    {"x-amz-te", "append-md5", OP(GET_OBJECT)},
    {"x-amz-acl", "private", ALL},
    {"x-amz-acl", "public-read", 0},
    {"x-amz-storage-class", "STANDARD", ALL},
    {"x-amz-storage-class", "GLACIER", 0},
    {"Content-MD5", "1B2M2Y8AsgTpgAmY7PhCfg==", ALL},
    {"x-amz-grant-read", "*", 0},
    {"x-amz-grant-full-control", "*", 0},
    {"x-amz-server-side-encryption", "AES256", 0},
    {"x-amz-server-side-encryption-customer-algorithm", "AES256", 0},
    {"x-amz-server-side-encryption-customer-key", "*", 0},
    {"x-amz-copy-source-server-side-encryption-customer-key", "*", 0},
    {"x-amz-object-lock-mode", "GOVERNANCE", 0},
    {"x-amz-object-lock-legal-hold", "ON", 0},
    {"x-amz-website-redirect-location", "/", 0},
    {"x-amz-mfa", "1", 0},
    {"x-amz-bypass-governance-retention", "true", OP(DELETE_OBJECT) | OP(DELETE_OBJECTS)},
    {"x-amz-write-offset-bytes", "1", 0},
    {"x-amz-expected-bucket-owner", "1", 0},
    {"x-amz-if-match-size", "1", 0},
    {"x-amz-rename-source", "a", 0},
    {"X-Amz-Unheard-Of", "*", 0},
};

/* What asks for something that is not done is refused by name: to ignore it would be a lie. */
static void each_field_is_taken_where_it_means_something_and_refused_elsewhere(void **state)
{
    for (int op = 0; op < S3_OP_COUNT; op++) {
        if (op == S3_OP_PREFLIGHT)
            continue;
        expect(requests[op], S3_OK, NULL);
        assert_int_equal(request.op, op);
        for (size_t f = 0; f < COUNT(fields); f++) {
            char text[512];

            snprintf(text, sizeof(text), "%s%s: %s\n", requests[op], fields[f].name, fields[f].value);
            if (fields[f].ops >> op & 1) {
                expect(text, S3_OK, NULL);
                assert_int_equal(request.op, op);
                continue;
            }
            expect(text, S3_NOT_IMPLEMENTED, "not implemented");
            assert_int_equal(strncasecmp(strchr(message, '\'') + 1, fields[f].name, strlen(fields[f].name)),
                             0);
        }
    }
}

/* Beside PUT of an object and of a part, x-amz-copy-source is refused as well. */
static void a_copy_source_makes_nothing_else_a_copy(void **state)
{
    for (int op = 0; op < S3_OP_COUNT; op++) {
        char text[512];

        if (op == S3_OP_PREFLIGHT || (OP(COPY_OBJECT) | OP(UPLOAD_PART_COPY)) >> op & 1)
            continue;
        snprintf(text, sizeof(text), "%sx-amz-copy-source: other/key\n", requests[op]);
        if (op == S3_OP_PUT_OBJECT || op == S3_OP_UPLOAD_PART)
            expect(text, S3_OK, NULL);
        else if (op == S3_OP_PUT_OBJECT_ACL || op == S3_OP_PUT_OBJECT_TAGGING)
            expect(text, S3_NOT_IMPLEMENTED, "for CopyObject");
        else
            expect(text, S3_NOT_IMPLEMENTED, "x-amz-copy-source");
        assert_true(op != S3_OP_PUT_OBJECT || request.op == S3_OP_COPY_OBJECT);
        assert_true(op != S3_OP_UPLOAD_PART || request.op == S3_OP_UPLOAD_PART_COPY);
    }
}

static void some_headers_have_one_accepted_value(void **state)
{
    expect(PUT "x-amz-acl: private\nx-amz-storage-class: STANDARD\n", S3_OK, NULL);
    expect(PUT "x-amz-acl: bucket-owner-full-control\n", S3_OK, NULL);
    expect(PUT "x-amz-acl: PRIVATE\n", S3_NOT_IMPLEMENTED, "x-amz-acl");
    expect(PUT "x-amz-acl: public-read\n", S3_NOT_IMPLEMENTED, "x-amz-acl");
    expect(PUT "x-amz-storage-class: GLACIER\n", S3_NOT_IMPLEMENTED, "x-amz-storage-class");
    expect(CREATE "x-amz-object-ownership: BucketOwnerEnforced\nx-amz-bucket-object-lock-enabled: false\n",
           S3_OK, NULL);
    expect(CREATE "x-amz-object-ownership: ObjectWriter\n", S3_NOT_IMPLEMENTED, "x-amz-object-ownership");
    expect(CREATE "x-amz-bucket-object-lock-enabled: true\n", S3_NOT_IMPLEMENTED, "object-lock-enabled");
}

static void harmless_headers_pass(void **state)
{
    expect(PUT
           "Expires: never\nContent-Type: a/b\nCache-Control: no-cache\nUser-Agent: x\nExpect: 100-continue\n"
           "amz-sdk-invocation-id: 1\namz-sdk-request: attempt=1\nx-amz-user-agent: js\nx-amz-date: 1\n"
           "x-amz-request-payer: requester\nx-amzn-trace-id: 1\nAccept: */*\nAccept: b\n",
           S3_OK, NULL);
    expect(GET "x-amz-checksum-mode: ENABLED\nIf-Match: \"a\"\nIf-None-Match: \"b\"\nIf-Modified-Since: x\n"
               "If-Unmodified-Since: y\n",
           S3_OK, NULL);
    assert_true(span_is(request.range, ""));
}

static void ranges_are_handed_on_unless_if_range_asks(void **state)
{
    expect(GET "Range: bytes=0-1\n", S3_OK, NULL);
    assert_true(span_is(request.range, "bytes=0-1"));
    expect(GET "Range: bytes=0-1\nIf-Range: \"etag\"\n", S3_OK, NULL);
    assert_true(span_is(request.range, ""));
    expect(GET "Range: bytes=0-1\nRange: bytes=2-3\n", S3_INVALID_REQUEST, "twice");
}

static void metadata_is_bounded_named_and_unique(void **state)
{
    char text[8192];

    snprintf(text, sizeof(text), PUT "x-amz-meta-a: %0*d\nX-Amz-Meta-bc: 1\n", S3_METADATA_BYTES_MAX - 4, 0);
    expect(text, S3_OK, NULL);
    snprintf(text, sizeof(text), PUT "x-amz-meta-a: %0*d\nX-Amz-Meta-bc: 12\n", S3_METADATA_BYTES_MAX - 4, 0);
    expect(text, S3_METADATA_TOO_LARGE, NULL);
    snprintf(text, sizeof(text), PUT "x-amz-meta-a: %04000d\n", 0);
    expect(text, S3_METADATA_TOO_LARGE, NULL);
    snprintf(text, sizeof(text), GET "x-amz-meta-a: %04000d\n", 0);
    expect(text, S3_OK, NULL);
    expect(PUT "x-amz-meta-: a\n", S3_INVALID_ARGUMENT, "no name");
    expect(PUT "x-amz-meta-a: 1\nX-AMZ-META-A: 2\n", S3_INVALID_REQUEST, "twice");
    expect(PUT "x-amz-meta-s3mirror-stamp: 1\n", S3_INVALID_ARGUMENT, "reserved");
    expect(PUT "X-Amz-Meta-S3Mirror-X: 1\n", S3_INVALID_ARGUMENT, "reserved");
    expect(PUT "Content-Type: a\ncontent-type: b\n", S3_INVALID_REQUEST, "twice");
}

static void conditions_are_kept_for_whoever_reads(void **state)
{
    expect(GET, S3_OK, NULL);
    assert_int_equal(request.condition_count, 0);
    expect(GET "If-Match: \"a\"\nRange: bytes=1-\nIF-NONE-MATCH:  \"b\", \"c\" \nif-modified-since: x\n"
               "If-Unmodified-Since: y\n",
           S3_OK, NULL);
    assert_int_equal(request.condition_count, 4);
    assert_true(span_is(request.conditions[0].name, "if-match"));
    assert_true(span_is(request.conditions[0].value, "\"a\""));
    assert_true(span_is(request.conditions[1].name, "if-none-match"));
    assert_true(span_is(request.conditions[1].value, "\"b\", \"c\""));
    assert_true(span_is(request.conditions[2].name, "if-modified-since"));
    assert_true(span_is(request.conditions[3].name, "if-unmodified-since"));
    assert_true(span_is(request.conditions[3].value, "y"));
}

static void what_is_stored_and_shown(void **state)
{
    static const struct {
        const char *name;
        bool stored, shown;
    } rows[] = {
        {"content-type", true, true},
        {"Content-Disposition", true, true},
        {"content-language", true, true},
        {"content-encoding", true, true},
        {"CACHE-CONTROL", true, true},
        {"expires", true, true},
        {"x-amz-meta-a", true, true},
        {"X-Amz-Meta-B", true, true},
        {"x-amz-meta-s3mirror-stamp", false, false},
        {"X-Amz-Meta-S3mirror-Stamp", false, false},
        {"etag", false, true},
        {"Last-Modified", false, true},
        {"accept-ranges", false, true},
        {"content-range", false, true},
        {"if-match", false, false},
        {"If-None-Match", false, false},
        {"if-modified-since", false, false},
        {"if-unmodified-since", false, false},
        {"content-length", false, false},
        {"server", false, false},
        {"x-amz-request-id", false, false},
        {"x-amz-server-side-encryption", false, false},
        {"set-cookie", false, false},
        {"authorization", false, false},
        {"x-amz-date", false, false},
        {"x-amz-content-sha256", false, false},
        {"", false, false},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct span name = span_of(rows[i].name);

        if (s3_header_is_stored(name) != rows[i].stored || s3_header_is_shown(name) != rows[i].shown)
            fail_msg("%s", rows[i].name);
    }
}

static void aws_chunked_is_not_stored(void **state)
{
    static const char *const rows[][2] = {
        {"gzip", "gzip"},
        {"aws-chunked", ""},
        {"AWS-Chunked,gzip", "gzip"},
        {"gzip, aws-chunked", "gzip"},
        {"gzip , aws-chunked , br", "gzip,br"},
        {",aws-chunked,,", ""},
        {"aws-chunkedx", "aws-chunkedx"},
    };
    struct span out;

    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct http_header h = {SPAN("Content-Encoding"), span_of(rows[i][0])};

        assert_true(s3_stored_value(&arena, &h, &out));
        if (!span_is(out, rows[i][1]))
            fail_msg("%s: '%.*s'", rows[i][0], SPAN_ARG(out));
    }
    assert_true(
        s3_stored_value(&arena, &(struct http_header){SPAN("x-amz-meta-a"), SPAN("aws-chunked")}, &out));
    assert_true(span_is(out, "aws-chunked"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_field_is_taken_where_it_means_something_and_refused_elsewhere),
        cmocka_unit_test(a_copy_source_makes_nothing_else_a_copy),
        cmocka_unit_test(some_headers_have_one_accepted_value),
        cmocka_unit_test(harmless_headers_pass),
        cmocka_unit_test(ranges_are_handed_on_unless_if_range_asks),
        cmocka_unit_test(metadata_is_bounded_named_and_unique),
        cmocka_unit_test(conditions_are_kept_for_whoever_reads),
        cmocka_unit_test(what_is_stored_and_shown),
        cmocka_unit_test(aws_chunked_is_not_stored),
    };

    return cmocka_run_group_tests(tests, stage_setup, stage_teardown);
}
