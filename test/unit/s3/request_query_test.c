/* The parameters of a query: what each says, and what none may say. */
#include "request_stage.h"

#define FIELDS "\nHost: h\nx-amz-content-sha256: UNSIGNED-PAYLOAD\n"

static void parameters_of_objects_are_taken(void **state)
{
    expect("GET /media/a?x-id=GetObject&response-content-type=text%2Fplain&response-expires=never" FIELDS,
           S3_OK, NULL);
    assert_int_equal(request.override_count, 2);
    assert_true(span_is(request.overrides[0].header, "Content-Type"));
    assert_true(span_is(request.overrides[0].value, "text/plain"));
    assert_true(span_is(request.overrides[1].header, "Expires"));
    assert_int_equal(request.part_number, 0);
    expect("HEAD /media/a?&&response-cache-control=&" FIELDS, S3_OK, NULL);
    assert_int_equal(request.override_count, 1);
    expect("HEAD /media/a?partNumber=10000&versionId=null" FIELDS, S3_OK, NULL);
    assert_int_equal(request.part_number, 10000);
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

static void overrides_are_for_signed_requests(void **state)
{
    expect_as("GET /media/a?response-content-type=text%2Fhtml\nHost: h\n", S3_PROOF_NONE, S3_INVALID_REQUEST,
              "needs a signed request");
    expect_as("GET /media/a?response-content-type=text%2Fhtml\nHost: h\n", S3_PROOF_QUERY, S3_OK, NULL);
}

static void parameters_of_multipart_are_taken(void **state)
{
    expect("PUT /media/a?partNumber=7&uploadId=id%2F7" FIELDS "Content-Length: 0\n", S3_OK, NULL);
    assert_int_equal(request.part_number, 7);
    assert_true(span_is(request.upload_id, "id/7"));
    expect("GET /media/a?uploadId=u" FIELDS, S3_OK, NULL);
    assert_int_equal(request.max_keys, 1000);
    assert_int_equal(request.part_marker, 0);
    expect("GET /media/a?uploadId=u&max-parts=7&part-number-marker=33" FIELDS, S3_OK, NULL);
    assert_int_equal(request.max_keys, 7);
    assert_int_equal(request.part_marker, 33);
    expect("GET /media/a?uploadId=u&max-parts=5000&part-number-marker=99999999999" FIELDS, S3_OK, NULL);
    assert_int_equal(request.max_keys, 1000);
    assert_int_equal(request.part_marker, INT32_MAX);
    expect("POST /media/a?uploadId=u" FIELDS, S3_OK, NULL);
    assert_true(span_is(request.upload_id, "u"));
    assert_int_equal(request.expected_bytes, UINT64_MAX);
}

static void parameters_of_lists_are_taken(void **state)
{
    expect("GET /media" FIELDS, S3_OK, NULL);
    assert_int_equal(request.max_keys, 1000);
    assert_false(request.has_token || request.url_encoding || request.fetch_owner);
    assert_int_equal(request.prefix.len + request.delimiter.len + request.marker.len, 0);
    expect("GET /media?prefix=a%2Fb+c&delimiter=%2F&marker=m%26m&max-keys=0&encoding-type=url" FIELDS, S3_OK,
           NULL);
    assert_true(span_is(request.prefix, "a/b c"));
    assert_true(span_is(request.delimiter, "/"));
    assert_true(span_is(request.marker, "m&m"));
    assert_int_equal(request.max_keys, 0);
    assert_true(request.url_encoding);
    expect("GET /media?list-type=2&start-after=s&max-keys=1001&fetch-owner=TRUE&continuation-token=" FIELDS,
           S3_OK, NULL);
    assert_true(span_is(request.marker, "s"));
    assert_int_equal(request.max_keys, 1000);
    assert_true(request.fetch_owner && request.has_token);
    assert_true(span_is(request.continuation_token, ""));
    expect("GET /media?list-type=2&continuation-token=t%3D%3D&fetch-owner=false&max-keys=" FIELDS, S3_OK,
           NULL);
    assert_true(span_is(request.continuation_token, "t=="));
    assert_false(request.fetch_owner);
    assert_int_equal(request.max_keys, 1000);
    expect("GET /media?versions&key-marker=k&version-id-marker=null" FIELDS, S3_OK, NULL);
    assert_true(span_is(request.marker, "k"));
    assert_true(span_is(request.id_marker, "null"));
    expect("GET /media?uploads&key-marker=k&upload-id-marker=u&max-uploads=3" FIELDS, S3_OK, NULL);
    assert_true(span_is(request.marker, "k"));
    assert_true(span_is(request.id_marker, "u"));
    assert_int_equal(request.max_keys, 3);
}

static void parameters_of_the_list_of_buckets_are_taken(void **state)
{
    expect("GET /?max-buckets=7&prefix=a%2B+b" FIELDS, S3_OK, NULL);
    assert_int_equal(request.max_keys, 7);
    assert_true(span_is(request.prefix, "a+ b"));
    expect("GET /?" FIELDS, S3_OK, NULL);
    assert_int_equal(request.max_keys, 10000);
    assert_true(span_is(request.prefix, ""));
    assert_false(request.has_token);
    expect("GET /?continuation-token=t" FIELDS, S3_OK, NULL);
    assert_true(request.has_token && span_is(request.continuation_token, "t"));
}

static void settings_are_told_apart(void **state)
{
    static const struct {
        const char *name;
        enum s3_setting setting;
    } rows[] = {
        {"policy", S3_SETTING_POLICY},
        {"policyStatus", S3_SETTING_POLICY_STATUS},
        {"cors", S3_SETTING_CORS},
        {"lifecycle", S3_SETTING_LIFECYCLE},
        {"encryption", S3_SETTING_ENCRYPTION},
        {"website", S3_SETTING_WEBSITE},
        {"tagging", S3_SETTING_TAGGING},
        {"replication", S3_SETTING_REPLICATION},
        {"object-lock", S3_SETTING_OBJECT_LOCK},
        {"publicAccessBlock", S3_SETTING_PUBLIC_ACCESS_BLOCK},
        {"ownershipControls", S3_SETTING_OWNERSHIP_CONTROLS},
        {"notification", S3_SETTING_NOTIFICATION},
        {"logging", S3_SETTING_LOGGING},
        {"accelerate", S3_SETTING_ACCELERATE},
        {"requestPayment", S3_SETTING_REQUEST_PAYMENT},
    };

    assert_int_equal(COUNT(rows), S3_SETTING_COUNT);
    for (size_t i = 0; i < COUNT(rows); i++) {
        char text[256];

        snprintf(text, sizeof(text), "GET /media?%s" FIELDS, rows[i].name);
        expect(text, S3_OK, NULL);
        assert_int_equal(request.op, S3_OP_GET_BUCKET_SETTING);
        assert_int_equal(request.setting, rows[i].setting);
    }
    expect("GET /media?policy&cors" FIELDS, S3_NOT_IMPLEMENTED, "cors");
    expect("GET /media?policy&x%26cors" FIELDS, S3_NOT_IMPLEMENTED, "x&cors");
    expect("GET /media?policy&%63ors" FIELDS, S3_NOT_IMPLEMENTED, "cors");
}

static void bad_values_are_refused(void **state)
{
    expect("GET /?max-buckets=0" FIELDS, S3_INVALID_ARGUMENT, "1 to 10000");
    expect("GET /?max-buckets=10001" FIELDS, S3_INVALID_ARGUMENT, "1 to 10000");
    expect("GET /?max-buckets=" FIELDS, S3_INVALID_ARGUMENT, "1 to 10000");
    expect("GET /?max-buckets=-1" FIELDS, S3_INVALID_ARGUMENT, "1 to 10000");
    expect("GET /?prefix=%" FIELDS, S3_INVALID_URI, "query");
    expect("GET /?%zz=1" FIELDS, S3_INVALID_URI, "query");
    expect("GET /?prefix=%00" FIELDS, S3_INVALID_URI, "query");
    expect("GET /?prefix=a&prefix=b" FIELDS, S3_INVALID_ARGUMENT, "twice");
    expect("GET /media/a?x-id=1&x-id=1" FIELDS, S3_INVALID_ARGUMENT, "twice");
    expect("GET /media?prefix=a&%70refix=b" FIELDS, S3_INVALID_ARGUMENT, "twice");
    expect("GET /media/a?=1" FIELDS, S3_NOT_IMPLEMENTED, "''");
    expect("GET /media/a?versionId=3" FIELDS, S3_NO_SUCH_VERSION, "'3'");
    expect("DELETE /media/a?versionId=" FIELDS, S3_NO_SUCH_VERSION, "''");
    expect("PUT /media/a?versionId=null" FIELDS "Content-Length: 0\n", S3_NOT_IMPLEMENTED, "versionId");
    expect("GET /media/a?response-content-type=a%0D%0ASet-Cookie:x" FIELDS, S3_INVALID_ARGUMENT, "control");
    expect("GET /media/a?response-expires=%7F" FIELDS, S3_INVALID_ARGUMENT, "control");
    expect("PUT /media/a?response-expires=x" FIELDS "Content-Length: 0\n", S3_NOT_IMPLEMENTED,
           "response-expires");
    expect("GET /media/a?prefix=x" FIELDS, S3_NOT_IMPLEMENTED, "prefix");
    expect("GET /media/a?partNumber=0" FIELDS, S3_INVALID_ARGUMENT, "1 to 10000");
    expect("GET /media/a?partNumber=10001" FIELDS, S3_INVALID_ARGUMENT, "1 to 10000");
    expect("GET /media/a?partNumber=" FIELDS, S3_INVALID_ARGUMENT, "1 to 10000");
    expect("PUT /media/a?partNumber=x&uploadId=u" FIELDS "Content-Length: 0\n", S3_INVALID_ARGUMENT, "'x'");
    expect("PUT /media/a?partNumber=1" FIELDS "Content-Length: 0\n", S3_NOT_IMPLEMENTED, "partNumber");
    expect("PUT /media/a?uploadId=1" FIELDS "Content-Length: 0\n", S3_NOT_IMPLEMENTED, "uploadId");
    expect("GET /media?max-keys=-1" FIELDS, S3_INVALID_ARGUMENT, "max-keys");
    expect("GET /media?max-keys=1e3" FIELDS, S3_INVALID_ARGUMENT, "max-keys");
    expect("GET /media?list-type=1" FIELDS, S3_INVALID_ARGUMENT, "list-type");
    expect("GET /media?list-type" FIELDS, S3_INVALID_ARGUMENT, "list-type");
    expect("GET /media?encoding-type=base64" FIELDS, S3_INVALID_ARGUMENT, "base64");
    expect("GET /media?list-type=2&marker=a" FIELDS, S3_NOT_IMPLEMENTED, "marker");
    expect("GET /media?start-after=a" FIELDS, S3_NOT_IMPLEMENTED, "start-after");
}

static void a_token_is_bounded(void **state)
{
    char text[4096];

    snprintf(text, sizeof(text), "GET /media?list-type=2&continuation-token=%0*d" FIELDS, S3_TOKEN_BYTES_MAX,
             0);
    expect(text, S3_OK, NULL);
    snprintf(text, sizeof(text), "GET /media?list-type=2&continuation-token=%0*d" FIELDS,
             S3_TOKEN_BYTES_MAX + 1, 0);
    expect(text, S3_INVALID_ARGUMENT, "continuation token");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parameters_of_objects_are_taken),
        cmocka_unit_test(all_overrides_fit_at_once),
        cmocka_unit_test(overrides_are_for_signed_requests),
        cmocka_unit_test(parameters_of_multipart_are_taken),
        cmocka_unit_test(parameters_of_lists_are_taken),
        cmocka_unit_test(parameters_of_the_list_of_buckets_are_taken),
        cmocka_unit_test(settings_are_told_apart),
        cmocka_unit_test(bad_values_are_refused),
        cmocka_unit_test(a_token_is_bounded),
    };

    return cmocka_run_group_tests(tests, stage_setup, stage_teardown);
}
