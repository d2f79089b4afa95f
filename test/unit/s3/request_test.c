/* Targets, operations, queries and lengths; the header fields are in request_headers_test.c. */
#include "s3/request.h"

#include "head_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#define FIELDS "\nHost: h\nx-amz-content-sha256: UNSIGNED-PAYLOAD\n"

static struct arena arena;
static struct http_head head;
static struct s3_request request;
static const char *message;

static int arena_setup(void **state)
{
    arena_init(&arena, 256 * 1024);
    return 0;
}

static int arena_teardown(void **state)
{
    arena_fini(&arena);
    return 0;
}

static enum s3_code parse(const char *text)
{
    arena_reset(&arena);
    head_from_text(&head, span_of(text));
    return s3_request_parse(&request, &head, S3_PROOF_HEADER, NULL, &arena, &message);
}

static void expect(const char *text, enum s3_code code, const char *says)
{
    enum s3_code got = parse(text);

    if (got != code || (says && (!message || !strstr(message, says))))
        fail_msg("%s: %s, %s", text, s3_error(got)->name, message ? message : "(the table's message)");
}

static void methods_and_paths_select_the_operation(void **state)
{
    static const struct {
        const char *text;
        enum s3_op op;
        const char *bucket, *key;
    } rows[] = {
        {"GET /" FIELDS, S3_OP_LIST_BUCKETS, "", ""},
        {"PUT /media" FIELDS, S3_OP_CREATE_BUCKET, "media", ""},
        {"PUT /media/" FIELDS, S3_OP_CREATE_BUCKET, "media", ""},
        {"HEAD /media" FIELDS, S3_OP_HEAD_BUCKET, "media", ""},
        {"DELETE /media/" FIELDS, S3_OP_DELETE_BUCKET, "media", ""},
        {"PUT /media/a/b" FIELDS "Content-Length: 0\n", S3_OP_PUT_OBJECT, "media", "a/b"},
        {"GET /media/a" FIELDS, S3_OP_GET_OBJECT, "media", "a"},
        {"HEAD /media/a" FIELDS, S3_OP_HEAD_OBJECT, "media", "a"},
        {"DELETE /media/a" FIELDS, S3_OP_DELETE_OBJECT, "media", "a"},
        {"GET /media//" FIELDS, S3_OP_GET_OBJECT, "media", "/"},
        {"GET /media//a//b/" FIELDS, S3_OP_GET_OBJECT, "media", "/a//b/"},
        {"GET /media/../a/./b" FIELDS, S3_OP_GET_OBJECT, "media", "../a/./b"},
        {"GET /media/1+1%2B1%20%25" FIELDS, S3_OP_GET_OBJECT, "media", "1+1+1 %"},
        {"GET /media/%2525" FIELDS, S3_OP_GET_OBJECT, "media", "%25"},
        {"GET /media/%C3%A4\xc3\xa4" FIELDS, S3_OP_GET_OBJECT, "media", "\xc3\xa4\xc3\xa4"},
        {"GET /me%64ia/a%2Fb" FIELDS, S3_OP_GET_OBJECT, "media", "a/b"},
        {"GET /media/a%3Fb%23" FIELDS, S3_OP_GET_OBJECT, "media", "a?b#"},
        {"GET /media/%01" FIELDS, S3_OP_GET_OBJECT, "media", "\x01"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        expect(rows[i].text, S3_OK, NULL);
        assert_null(message);
        if (request.op != rows[i].op || !span_is(request.bucket, rows[i].bucket) ||
            !span_is(request.key, rows[i].key))
            fail_msg("%s: %s '%.*s' '%.*s'", rows[i].text, s3_op_name(request.op), SPAN_ARG(request.bucket),
                     SPAN_ARG(request.key));
    }
}

static void every_operation_has_its_name(void **state)
{
    for (int op = 0; op < S3_OP_COUNT; op++)
        assert_non_null(s3_op_name((enum s3_op)op));
    assert_string_equal(s3_op_name(S3_OP_LIST_BUCKETS), "ListBuckets");
    assert_string_equal(s3_op_name(S3_OP_DELETE_OBJECT), "DeleteObject");
}

static void bad_targets_are_refused(void **state)
{
    expect("GET /media/%" FIELDS, S3_INVALID_URI, "escapes");
    expect("GET /media/%2" FIELDS, S3_INVALID_URI, "escapes");
    expect("GET /media/%zz" FIELDS, S3_INVALID_URI, "escapes");
    expect("GET /media/a%00b" FIELDS, S3_INVALID_URI, "%00");
    expect("GET /media/a#b" FIELDS, S3_INVALID_URI, "#");
    expect("GET media/a" FIELDS, S3_INVALID_URI, "starts with");
    expect("GET " FIELDS, S3_INVALID_URI, "starts with");
    expect("GET ?prefix=a" FIELDS, S3_INVALID_URI, "starts with");
    expect("GET /media/%ff" FIELDS, S3_INVALID_URI, "UTF-8");
    expect("GET /media/%C0%80" FIELDS, S3_INVALID_URI, "UTF-8");
    expect("GET /media/%ED%A0%80" FIELDS, S3_INVALID_URI, "UTF-8");
    expect("GET //a" FIELDS, S3_INVALID_BUCKET_NAME, NULL);
    expect("PUT //" FIELDS, S3_INVALID_BUCKET_NAME, NULL);
    expect("PUT /Media" FIELDS, S3_INVALID_BUCKET_NAME, NULL);
    expect("PUT /ab" FIELDS, S3_INVALID_BUCKET_NAME, NULL);
    expect("GET /../etc/passwd" FIELDS, S3_INVALID_BUCKET_NAME, NULL);
    expect("GET /a%2Fb/c" FIELDS, S3_INVALID_BUCKET_NAME, NULL);
}

static void keys_have_1024_bytes_at_most(void **state)
{
    char text[4096];

    snprintf(text, sizeof(text), "GET /media/%0*d" FIELDS, S3_KEY_BYTES_MAX, 0);
    expect(text, S3_OK, NULL);
    assert_int_equal(request.key.len, 1024);
    snprintf(text, sizeof(text), "GET /media/%0*d" FIELDS, S3_KEY_BYTES_MAX + 1, 0);
    expect(text, S3_KEY_TOO_LONG, NULL);
    snprintf(text, sizeof(text), "GET /media/%0*d%%C3%%A4" FIELDS, S3_KEY_BYTES_MAX - 2, 0);
    expect(text, S3_OK, NULL);
    snprintf(text, sizeof(text), "GET /media/%0*d%%C3%%A4" FIELDS, S3_KEY_BYTES_MAX - 1, 0);
    expect(text, S3_KEY_TOO_LONG, NULL);
}

static void what_is_no_operation_of_ours_is_refused(void **state)
{
    expect("GET /media" FIELDS, S3_NOT_IMPLEMENTED, "listing");
    expect("GET /media?list-type=2&prefix=a" FIELDS, S3_NOT_IMPLEMENTED, "list-type=2");
    expect("GET /media?location" FIELDS, S3_NOT_IMPLEMENTED, "location");
    expect("POST /media?delete" FIELDS, S3_NOT_IMPLEMENTED, "delete");
    expect("POST /media/a?uploads" FIELDS, S3_NOT_IMPLEMENTED, "uploads");
    expect("PUT /" FIELDS, S3_METHOD_NOT_ALLOWED, NULL);
    expect("HEAD /" FIELDS, S3_METHOD_NOT_ALLOWED, NULL);
    expect("POST /" FIELDS, S3_METHOD_NOT_ALLOWED, NULL);
    expect("PATCH /media/a" FIELDS, S3_METHOD_NOT_ALLOWED, NULL);
    expect("OPTIONS /media/a" FIELDS, S3_METHOD_NOT_ALLOWED, NULL);
    expect("put /media/a" FIELDS, S3_METHOD_NOT_ALLOWED, NULL);
}

static void no_sub_resource_falls_through_to_another_operation(void **state)
{
    static const char *const names[] = {"acl",
                                        "tagging",
                                        "policy",
                                        "policyStatus",
                                        "cors",
                                        "lifecycle",
                                        "encryption",
                                        "replication",
                                        "logging",
                                        "website",
                                        "object-lock",
                                        "legal-hold",
                                        "retention",
                                        "torrent",
                                        "restore",
                                        "select",
                                        "attributes",
                                        "uploads",
                                        "uploadId",
                                        "partNumber",
                                        "versioning",
                                        "versions",
                                        "location",
                                        "notification",
                                        "ownershipControls",
                                        "publicAccessBlock",
                                        "requestPayment",
                                        "accelerate",
                                        "analytics",
                                        "inventory",
                                        "metrics",
                                        "intelligent-tiering",
                                        "metadataTable",
                                        "renameObject",
                                        "delete",
                                        "append",
                                        "X-ID",
                                        "%61cl"};
    static const char *const forms[] = {"PUT /media/a?%s" FIELDS "Content-Length: 1\n",
                                        "DELETE /media/a?%s=1" FIELDS,
                                        "GET /media/a?x-id=GetObject&%s" FIELDS,
                                        "HEAD /media/a?%s=" FIELDS,
                                        "PUT /media?%s" FIELDS,
                                        "DELETE /media?%s" FIELDS,
                                        "HEAD /media?%s" FIELDS};

    for (size_t n = 0; n < sizeof(names) / sizeof(names[0]); n++) {
        for (size_t f = 0; f < sizeof(forms) / sizeof(forms[0]); f++) {
            char text[256];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
            snprintf(text, sizeof(text), forms[f], names[n]);
#pragma GCC diagnostic pop
            expect(text, S3_NOT_IMPLEMENTED, "not implemented");
        }
    }
}

static void known_parameters_are_taken(void **state)
{
    expect("GET /?max-buckets=7&prefix=a%2B+b" FIELDS, S3_OK, NULL);
    assert_int_equal(request.max_keys, 7);
    assert_true(span_is(request.prefix, "a+ b"));
    expect("GET /?" FIELDS, S3_OK, NULL);
    assert_int_equal(request.max_keys, 10000);
    assert_true(span_is(request.prefix, ""));
    expect("GET /media/a?x-id=GetObject&response-content-type=text%2Fplain&response-expires=never" FIELDS,
           S3_OK, NULL);
    assert_int_equal(request.override_count, 2);
    assert_true(span_is(request.overrides[0].header, "Content-Type"));
    assert_true(span_is(request.overrides[0].value, "text/plain"));
    assert_true(span_is(request.overrides[1].header, "Expires"));
    expect("HEAD /media/a?&&response-cache-control=&" FIELDS, S3_OK, NULL);
    assert_int_equal(request.override_count, 1);
    expect("DELETE /media/a?versionId=null" FIELDS, S3_OK, NULL);
    expect("PUT /media/a?x-id=PutObject" FIELDS "Content-Length: 0\n", S3_OK, NULL);
    assert_true(span_is(request.path, "/media/a"));
    assert_true(span_is(request.query, "x-id=PutObject"));
}

static void all_overrides_fit_at_once(void **state)
{
    expect("GET /media/a?response-content-type=1&response-content-language=2&response-content-disposition=3&"
           "response-content-encoding=4&response-cache-control=5&response-expires=6" FIELDS,
           S3_OK, NULL);
    assert_int_equal(request.override_count, S3_OVERRIDES_MAX);
}

static void bad_parameters_are_refused(void **state)
{
    expect("GET /?continuation-token=x" FIELDS, S3_NOT_IMPLEMENTED, "continuation-token");
    expect("GET /?max-buckets=0" FIELDS, S3_INVALID_ARGUMENT, "1 to 10000");
    expect("GET /?max-buckets=10001" FIELDS, S3_INVALID_ARGUMENT, "1 to 10000");
    expect("GET /?max-buckets=" FIELDS, S3_INVALID_ARGUMENT, "1 to 10000");
    expect("GET /?max-buckets=-1" FIELDS, S3_INVALID_ARGUMENT, "1 to 10000");
    expect("GET /?prefix=%" FIELDS, S3_INVALID_URI, "query");
    expect("GET /?%zz=1" FIELDS, S3_INVALID_URI, "query");
    expect("GET /?prefix=%00" FIELDS, S3_INVALID_URI, "query");
    expect("GET /?prefix=a&prefix=b" FIELDS, S3_INVALID_ARGUMENT, "twice");
    expect("GET /media/a?x-id=1&x-id=1" FIELDS, S3_INVALID_ARGUMENT, "twice");
    expect("GET /media/a?=1" FIELDS, S3_NOT_IMPLEMENTED, "''");
    expect("GET /media/a?versionId=3" FIELDS, S3_NOT_IMPLEMENTED, "versionId");
    expect("PUT /media/a?versionId=null" FIELDS "Content-Length: 0\n", S3_NOT_IMPLEMENTED, "versionId");
    expect("GET /media/a?response-content-type=a%0D%0ASet-Cookie:x" FIELDS, S3_INVALID_ARGUMENT, "control");
    expect("GET /media/a?response-expires=%7F" FIELDS, S3_INVALID_ARGUMENT, "control");
    expect("PUT /media/a?response-expires=x" FIELDS "Content-Length: 0\n", S3_NOT_IMPLEMENTED,
           "response-expires");
    expect("GET /media/a?prefix=x" FIELDS, S3_NOT_IMPLEMENTED, "prefix");
}

static void an_object_needs_a_length_within_5_gib(void **state)
{
    expect("PUT /media/a" FIELDS, S3_MISSING_CONTENT_LENGTH, NULL);
    expect("PUT /media/a" FIELDS "Transfer-Encoding: chunked\n", S3_MISSING_CONTENT_LENGTH, "chunked");
    expect("PUT /media" FIELDS "Transfer-Encoding: chunked\n", S3_MISSING_CONTENT_LENGTH, "chunked");
    expect("PUT /media/a" FIELDS "Content-Length: 5368709120\n", S3_OK, NULL);
    assert_int_equal(request.body_bytes, 5368709120);
    expect("PUT /media/a" FIELDS "Content-Length: 5368709121\n", S3_ENTITY_TOO_LARGE, "5 GiB");
    expect("PUT /media" FIELDS, S3_OK, NULL);
    assert_int_equal(request.body_bytes, 0);
}

static void a_full_arena_is_no_crash(void **state)
{
    static const char *const texts[] = {"GET /media/%61" FIELDS, "GET /media/a?acl" FIELDS,
                                        "GET /media/a?prefix=%61" FIELDS,
                                        "PUT /media/a" FIELDS "x-amz-copy-source: b\n"};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct arena none;

        arena_init(&none, 0);
        head_from_text(&head, span_of(texts[i]));
        assert_int_not_equal(s3_request_parse(&request, &head, S3_PROOF_HEADER, NULL, &none, &message), S3_OK);
        arena_fini(&none);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(methods_and_paths_select_the_operation),
        cmocka_unit_test(every_operation_has_its_name),
        cmocka_unit_test(bad_targets_are_refused),
        cmocka_unit_test(keys_have_1024_bytes_at_most),
        cmocka_unit_test(what_is_no_operation_of_ours_is_refused),
        cmocka_unit_test(no_sub_resource_falls_through_to_another_operation),
        cmocka_unit_test(known_parameters_are_taken),
        cmocka_unit_test(all_overrides_fit_at_once),
        cmocka_unit_test(bad_parameters_are_refused),
        cmocka_unit_test(an_object_needs_a_length_within_5_gib),
        cmocka_unit_test(a_full_arena_is_no_crash),
    };

    return cmocka_run_group_tests(tests, arena_setup, arena_teardown);
}
