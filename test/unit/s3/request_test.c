/* Targets and lengths. Which operation it is: request_select_test.c; its parameters: request_query_test.c; the header
 * fields: request_headers_test.c and its neighbours. */
#include "request_stage.h"

#define FIELDS "\nHost: h\nx-amz-content-sha256: UNSIGNED-PAYLOAD\n"

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
    expect("PUT /" FIELDS, S3_METHOD_NOT_ALLOWED, NULL);
    expect("HEAD /" FIELDS, S3_METHOD_NOT_ALLOWED, NULL);
    expect("POST /" FIELDS, S3_METHOD_NOT_ALLOWED, NULL);
    expect("DELETE /" FIELDS, S3_METHOD_NOT_ALLOWED, NULL);
    expect("PATCH /media/a" FIELDS, S3_METHOD_NOT_ALLOWED, NULL);
    expect("put /media/a" FIELDS, S3_METHOD_NOT_ALLOWED, NULL);
    expect("POST /media/a" FIELDS, S3_NOT_IMPLEMENTED, "POST");
    expect("POST /media/a?restore" FIELDS, S3_NOT_IMPLEMENTED, "restore");
    expect("POST /media/a?select&select-type=2" FIELDS, S3_NOT_IMPLEMENTED, "select");
}

static void an_object_needs_a_length_within_5_tib_and_a_part_within_5_gib(void **state)
{
    expect("PUT /media/a" FIELDS, S3_MISSING_CONTENT_LENGTH, NULL);
    expect("PUT /media/a" FIELDS "Transfer-Encoding: chunked\n", S3_MISSING_CONTENT_LENGTH, "chunked");
    expect("PUT /media" FIELDS "Transfer-Encoding: chunked\n", S3_MISSING_CONTENT_LENGTH, "chunked");
    expect("PUT /media/a" FIELDS "Content-Length: 5497558138880\n", S3_OK, NULL);
    assert_int_equal(request.body_bytes, 5497558138880);
    expect("PUT /media/a" FIELDS "Content-Length: 5497558138881\n", S3_ENTITY_TOO_LARGE, "5 TiB");
    expect("PUT /media/a?uploadId=1&partNumber=1" FIELDS "Content-Length: 5368709120\n", S3_OK, NULL);
    expect("PUT /media/a?uploadId=1&partNumber=1" FIELDS, S3_MISSING_CONTENT_LENGTH, NULL);
    expect("PUT /media/a?uploadId=1&partNumber=1" FIELDS "Content-Length: 5368709121\n", S3_ENTITY_TOO_LARGE,
           "5 GiB");
    expect("PUT /media" FIELDS, S3_OK, NULL);
    assert_int_equal(request.body_bytes, 0);
    expect("POST /media?delete" FIELDS "Content-Length: 9\n", S3_OK, NULL);
    assert_int_equal(request.body_bytes, 9);
}

static void a_full_arena_is_no_crash(void **state)
{
    static const char *const texts[] = {"GET /media/%61" FIELDS, "GET /media/a?torrent" FIELDS,
                                        "GET /media/a?prefix=%61" FIELDS,
                                        "PUT /media/a" FIELDS "x-amz-copy-source: b\n"};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct arena none;

        arena_init(&none, 0);
        head_from_text(&head, span_of(texts[i]));
        assert_int_not_equal(s3_request_parse(&request, &head, S3_PROOF_HEADER, NULL, &none, &message),
                             S3_OK);
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
        cmocka_unit_test(an_object_needs_a_length_within_5_tib_and_a_part_within_5_gib),
        cmocka_unit_test(a_full_arena_is_no_crash),
    };

    return cmocka_run_group_tests(tests, stage_setup, stage_teardown);
}
