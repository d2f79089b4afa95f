/* Copies, multipart and attributes: what their fields say. */
#include "request_stage.h"

#define FIELDS  "\nHost: h\nContent-Length: 0\nx-amz-content-sha256: UNSIGNED-PAYLOAD\n"
#define COPY    "PUT /media/a" FIELDS "x-amz-copy-source: other/key\n"
#define PART    "PUT /media/a?uploadId=u&partNumber=3" FIELDS "x-amz-copy-source: other/key\n"
#define CREATE  "POST /media/a?uploads" FIELDS
#define ATTRIBS "GET /media/a?attributes" FIELDS

static enum s3_code copy_from(const char *source)
{
    static char text[4096]; /* the request points into it */

    snprintf(text, sizeof(text), "PUT /media/a" FIELDS "x-amz-copy-source: %s\n", source);
    return parse(text);
}

static void a_copy_source_is_bucket_and_key_url_encoded(void **state)
{
    static const char *const rows[][3] = {
        {"other/key", "other", "key"},
        {"/other/key", "other", "key"},
        {"other/a/b/", "other", "a/b/"},
        {"other//a", "other", "/a"},
        {"other/../a", "other", "../a"},
        {"other/a%20b%2Bc", "other", "a b+c"},
        {"other/a+b", "other", "a b"},
        {"other/%3F%25", "other", "?%"},
        {"%6fther/%C3%A4", "other", "\xc3\xa4"},
        {"other/\xc3\xa4", "other", "\xc3\xa4"},
        {"other/key?versionId=null", "other", "key"},
        {"/other/key?", "other", "key"},
        {"media/a", "media", "a"},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        enum s3_code code = copy_from(rows[i][0]);

        if (code != S3_OK || request.op != S3_OP_COPY_OBJECT || !span_is(request.source_bucket, rows[i][1]) ||
            !span_is(request.source_key, rows[i][2]))
            fail_msg("%s: %s '%.*s' '%.*s'", rows[i][0], s3_error(code)->name,
                     SPAN_ARG(request.source_bucket), SPAN_ARG(request.source_key));
    }
}

static void any_other_copy_source_is_refused(void **state)
{
    static const struct {
        const char *source;
        enum s3_code code;
    } rows[] = {
        {"", S3_INVALID_ARGUMENT},
        {"/", S3_INVALID_ARGUMENT},
        {"other", S3_INVALID_ARGUMENT},
        {"other/", S3_INVALID_ARGUMENT},
        {"/other", S3_INVALID_ARGUMENT},
        {"//other/key", S3_INVALID_ARGUMENT},
        {"Other/key", S3_INVALID_ARGUMENT},
        {"other%2Fkey", S3_INVALID_ARGUMENT},
        {"other/%", S3_INVALID_ARGUMENT},
        {"other/%zz", S3_INVALID_ARGUMENT},
        {"other/%00", S3_INVALID_ARGUMENT},
        {"other/%ff", S3_INVALID_ARGUMENT},
        {"http://h/other/key", S3_INVALID_ARGUMENT},
        {"arn:aws:s3:::other/key", S3_INVALID_ARGUMENT},
        {"other/key?versionId=3HL4kqtJlcpXroDTDmJ", S3_NO_SUCH_VERSION},
        {"other/key?versionId=", S3_NO_SUCH_VERSION},
        {"other/key?acl", S3_INVALID_ARGUMENT},
        {"other/key?versionId=null&acl", S3_NO_SUCH_VERSION},
    };
    char key[S3_KEY_BYTES_MAX + 8];

    for (size_t i = 0; i < COUNT(rows); i++) {
        enum s3_code code = copy_from(rows[i].source);

        if (code != rows[i].code || !message)
            fail_msg("'%s': %s", rows[i].source, s3_error(code)->name);
    }
    snprintf(key, sizeof(key), "other/%0*d", S3_KEY_BYTES_MAX, 0);
    assert_int_equal(copy_from(key), S3_OK);
    snprintf(key, sizeof(key), "other/%0*d", S3_KEY_BYTES_MAX + 1, 0);
    assert_int_equal(copy_from(key), S3_INVALID_ARGUMENT);
    expect(COPY "x-amz-copy-source: other/key\n", S3_INVALID_REQUEST, "twice");
}

static void directives_are_copy_or_replace(void **state)
{
    expect(COPY, S3_OK, NULL);
    assert_false(request.replace_metadata || request.replace_tagging);
    assert_true(span_is(request.tagging, ""));
    expect(COPY "x-amz-metadata-directive: REPLACE\nx-amz-tagging-directive: COPY\nContent-Type: a/b\n",
           S3_OK, NULL);
    assert_true(request.replace_metadata && !request.replace_tagging);
    expect(COPY "x-amz-metadata-directive: COPY\nx-amz-tagging-directive: REPLACE\nx-amz-tagging: a=b&c=\n",
           S3_OK, NULL);
    assert_true(!request.replace_metadata && request.replace_tagging);
    assert_true(span_is(request.tagging, "a=b&c="));
    expect(COPY "x-amz-metadata-directive: replace\n", S3_INVALID_ARGUMENT, "'replace'");
    expect(COPY "x-amz-tagging-directive: \n", S3_INVALID_ARGUMENT, "COPY or REPLACE");
}

static void conditions_on_the_source_have_their_plain_names(void **state)
{
    expect(COPY "x-amz-copy-source-if-match: \"a\"\nX-Amz-Copy-Source-If-None-Match: \"b\"\n"
                "x-amz-copy-source-if-modified-since: x\nx-amz-copy-source-if-unmodified-since: y\n"
                "If-Match: \"c\"\n",
           S3_OK, NULL);
    assert_int_equal(request.source_condition_count, 4);
    assert_true(span_is(request.source_conditions[0].name, "if-match"));
    assert_true(span_is(request.source_conditions[0].value, "\"a\""));
    assert_true(span_is(request.source_conditions[1].name, "if-none-match"));
    assert_true(span_is(request.source_conditions[2].name, "if-modified-since"));
    assert_true(span_is(request.source_conditions[3].name, "if-unmodified-since"));
    assert_true(span_is(request.source_conditions[3].value, "y"));
    assert_int_equal(request.condition_count, 1);
    expect(COPY "x-amz-copy-source-if-match: \"a\"\nx-amz-copy-source-if-match: \"a\"\n", S3_INVALID_REQUEST,
           "twice");
}

static void a_part_can_be_a_copy_of_a_range(void **state)
{
    expect(PART, S3_OK, NULL);
    assert_int_equal(request.op, S3_OP_UPLOAD_PART_COPY);
    assert_int_equal(request.part_number, 3);
    assert_true(span_is(request.source_range, ""));
    assert_true(span_is(request.source_key, "key"));
    expect(PART "x-amz-copy-source-range: bytes=5-9\n", S3_OK, NULL);
    assert_true(span_is(request.source_range, "bytes=5-9"));
}

static void multipart_says_its_checksums_and_its_size(void **state)
{
    expect(CREATE "x-amz-checksum-algorithm: crc32c\nx-amz-checksum-type: FULL_OBJECT\nx-amz-tagging: a=b\n",
           S3_OK, NULL);
    assert_int_equal(request.checksum_algorithm, S3_CHECKSUM_CRC32C);
    assert_int_equal(request.checksum_type, S3_TYPE_FULL_OBJECT);
    expect(CREATE "x-amz-checksum-type: COMPOSITE\n", S3_OK, NULL);
    assert_int_equal(request.checksum_type, S3_TYPE_COMPOSITE);
    assert_int_equal(request.checksum_algorithm, S3_CHECKSUM_NONE);
    expect(CREATE "x-amz-checksum-algorithm: MD5\n", S3_INVALID_REQUEST, "'MD5'");
    expect(CREATE "x-amz-checksum-algorithm: \n", S3_INVALID_REQUEST, "unsupported");
    expect(CREATE "x-amz-checksum-type: full_object\n", S3_INVALID_ARGUMENT, "COMPOSITE or FULL_OBJECT");
    expect("POST /media/a?uploadId=u" FIELDS "x-amz-mp-object-size: 6442450944\nIf-None-Match: *\n"
           "x-amz-checksum-crc64nvme: AAAAAAAAAAA=\n",
           S3_OK, NULL);
    assert_int_equal(request.expected_bytes, 6442450944);
    assert_int_equal(request.condition_count, 1);
    assert_int_equal(request.checksum, S3_CHECKSUM_CRC64NVME);
    expect("POST /media/a?uploadId=u" FIELDS "x-amz-mp-object-size: 6GiB\n", S3_INVALID_ARGUMENT, "'6GiB'");
}

static void a_checksum_of_an_object_in_parts_may_count_them(void **state)
{
    static const struct {
        const char *value;
        enum s3_code code;
        uint32_t parts;
    } rows[] = {{"AAAAAQ==", S3_OK, 0},
                {"AAAAAQ==-1", S3_OK, 1},
                {"AAAAAQ==-10000", S3_OK, 10000},
                {"AAAAAQ==-0", S3_BAD_DIGEST, 0},
                {"AAAAAQ==-10001", S3_BAD_DIGEST, 0},
                {"AAAAAQ==-", S3_BAD_DIGEST, 0},
                {"AAAAAQ==-1-1", S3_BAD_DIGEST, 0},
                {"bad", S3_BAD_DIGEST, 0}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[256];

        snprintf(text, sizeof(text), "POST /media/a?uploadId=u" FIELDS "x-amz-checksum-crc32: %s\n",
                 rows[i].value);
        expect(text, rows[i].code, rows[i].code == S3_OK ? NULL : "no checksum of an object");
        if (rows[i].code == S3_OK) {
            assert_int_equal(request.checksum_parts, rows[i].parts);
            assert_int_equal(request.checksum_value[3], 1);
        }
    }
}

static void attributes_are_a_list(void **state)
{
    expect(ATTRIBS "x-amz-object-attributes: ETag\n", S3_OK, NULL);
    assert_int_equal(request.attributes, S3_ATTRIBUTE_ETAG);
    expect(ATTRIBS "x-amz-object-attributes: ETag , ObjectSize,StorageClass\nX-Amz-Object-Attributes: "
                   "Checksum,ObjectParts\nx-amz-max-parts: 7\nx-amz-part-number-marker: 3\n",
           S3_OK, NULL);
    assert_int_equal(request.attributes, S3_ATTRIBUTE_ETAG | S3_ATTRIBUTE_SIZE | S3_ATTRIBUTE_STORAGE_CLASS |
                                             S3_ATTRIBUTE_CHECKSUM | S3_ATTRIBUTE_PARTS);
    assert_int_equal(request.max_keys, 7);
    assert_int_equal(request.part_marker, 3);
    expect(ATTRIBS, S3_INVALID_REQUEST, "x-amz-object-attributes");
    expect(ATTRIBS "x-amz-object-attributes: \n", S3_INVALID_REQUEST, "x-amz-object-attributes");
    expect(ATTRIBS "x-amz-object-attributes: etag\n", S3_INVALID_ARGUMENT, "'etag'");
    expect(ATTRIBS "x-amz-object-attributes: ETag,,ObjectSize\n", S3_INVALID_ARGUMENT, "''");
    expect(ATTRIBS "x-amz-object-attributes: ETag\nx-amz-max-parts: 99999\n", S3_OK, NULL);
    assert_int_equal(request.max_keys, 1000);
    expect(ATTRIBS "x-amz-object-attributes: ETag\nx-amz-max-parts: -1\n", S3_INVALID_ARGUMENT, "max-parts");
    expect(ATTRIBS "x-amz-object-attributes: ETag\nx-amz-part-number-marker: 2147483648\n",
           S3_INVALID_ARGUMENT, "part-number-marker");
}

static void checksums_are_shown_when_they_are_asked_for(void **state)
{
    expect("GET /media/a" FIELDS, S3_OK, NULL);
    assert_false(request.checksum_mode);
    expect("GET /media/a" FIELDS "x-amz-checksum-mode: enabled\n", S3_OK, NULL);
    assert_true(request.checksum_mode);
    expect("HEAD /media/a" FIELDS "x-amz-checksum-mode: DISABLED\n", S3_OK, NULL);
    assert_false(request.checksum_mode);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_copy_source_is_bucket_and_key_url_encoded),
        cmocka_unit_test(any_other_copy_source_is_refused),
        cmocka_unit_test(directives_are_copy_or_replace),
        cmocka_unit_test(conditions_on_the_source_have_their_plain_names),
        cmocka_unit_test(a_part_can_be_a_copy_of_a_range),
        cmocka_unit_test(multipart_says_its_checksums_and_its_size),
        cmocka_unit_test(a_checksum_of_an_object_in_parts_may_count_them),
        cmocka_unit_test(attributes_are_a_list),
        cmocka_unit_test(checksums_are_shown_when_they_are_asked_for),
    };

    return cmocka_run_group_tests(tests, stage_setup, stage_teardown);
}
