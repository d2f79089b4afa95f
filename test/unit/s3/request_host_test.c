/* Virtual-host addressing: the bucket before a configured domain. */
#include "request_stage.h"

static const struct span names[] = {SPAN("example.org"), SPAN("s3.example.org"), SPAN("localhost")};
static const struct s3_domains domains = {names, COUNT(names)};

static enum s3_code ask(const char *host, const char *line)
{
    static char text[512]; /* the request points into it */

    snprintf(text, sizeof(text), "%s\nHost: %s\nx-amz-content-sha256: UNSIGNED-PAYLOAD\nContent-Length: 0\n",
             line, host);
    return parse_as(text, S3_PROOF_HEADER, &domains);
}

static void the_host_names_the_bucket(void **state)
{
    static const struct {
        const char *host, *line;
        enum s3_op op;
        const char *bucket, *key;
    } rows[] = {
        {"media.s3.example.org", "GET /", S3_OP_LIST_OBJECTS, "media", ""},
        {"media.s3.example.org:8000", "GET /?list-type=2", S3_OP_LIST_OBJECTS_V2, "media", ""},
        {"media.s3.example.org", "GET /a/b%20c", S3_OP_GET_OBJECT, "media", "a/b c"},
        {"media.s3.example.org", "GET //a", S3_OP_GET_OBJECT, "media", "/a"},
        {"media.s3.example.org", "PUT /other/key", S3_OP_PUT_OBJECT, "media", "other/key"},
        {"media.s3.example.org", "PUT /", S3_OP_CREATE_BUCKET, "media", ""},
        {"media.s3.example.org", "HEAD /", S3_OP_HEAD_BUCKET, "media", ""},
        {"media.s3.example.org", "DELETE /?", S3_OP_DELETE_BUCKET, "media", ""},
        {"media.s3.example.org", "POST /?delete", S3_OP_DELETE_OBJECTS, "media", ""},
        {"my.media.s3.example.org:443", "GET /a", S3_OP_GET_OBJECT, "my.media", "a"},
        {"media.S3.Example.ORG", "GET /a", S3_OP_GET_OBJECT, "media", "a"},
        {"MEDIA.s3.example.org", "GET /a", S3_OP_GET_OBJECT, "media", "a"},
        {"media.localhost:9000", "GET /a", S3_OP_GET_OBJECT, "media", "a"},
        {"media.example.org", "GET /a", S3_OP_GET_OBJECT, "media", "a"},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        enum s3_code code = ask(rows[i].host, rows[i].line);

        if (code != S3_OK || request.op != rows[i].op || !request.virtual_host ||
            !span_is(request.bucket, rows[i].bucket) || !span_is(request.key, rows[i].key))
            fail_msg("%s %s: %s %s '%.*s' '%.*s'", rows[i].host, rows[i].line, s3_error(code)->name,
                     s3_op_name(request.op), SPAN_ARG(request.bucket), SPAN_ARG(request.key));
    }
}

/* The domain itself is a host of path-style requests, the longer one before what it would be a bucket of. */
static void any_other_host_means_path_style(void **state)
{
    static const char *const hosts[] = {"s3.example.org",
                                        "S3.EXAMPLE.ORG:8000",
                                        "example.org:80",
                                        "localhost",
                                        "127.0.0.1:8000",
                                        "[::1]:8000",
                                        "mediaexample.org",
                                        "media.example.com",
                                        "media.s3.example.org.evil",
                                        ".s3.example.org",
                                        ""};

    for (size_t i = 0; i < COUNT(hosts); i++) {
        if (ask(hosts[i], "GET /other/a") != S3_OK || request.virtual_host ||
            !span_is(request.bucket, "other") || !span_is(request.key, "a"))
            fail_msg("%s: '%.*s'", hosts[i], SPAN_ARG(request.bucket));
        assert_int_equal(ask(hosts[i], "GET /"), S3_OK);
        assert_int_equal(request.op, S3_OP_LIST_BUCKETS);
    }
}

static void a_host_is_no_path(void **state)
{
    assert_int_equal(ask("me%64ia.s3.example.org", "GET /a"), S3_INVALID_BUCKET_NAME);
    assert_int_equal(ask("a_b.s3.example.org", "GET /a"), S3_INVALID_BUCKET_NAME);
    assert_int_equal(ask("ab.s3.example.org", "GET /"), S3_INVALID_BUCKET_NAME);
    assert_int_equal(ask("media..s3.example.org", "GET /"), S3_INVALID_BUCKET_NAME);
    assert_int_equal(ask("media.s3.example.org", "GET /a?torrent"), S3_NOT_IMPLEMENTED);
    assert_int_equal(ask("media.s3.example.org", "PUT /?torrent"), S3_NOT_IMPLEMENTED);
}

static void without_domains_every_host_is_path_style(void **state)
{
    expect("GET /other/a\nHost: media.s3.example.org\nx-amz-content-sha256: UNSIGNED-PAYLOAD\n", S3_OK, NULL);
    assert_false(request.virtual_host);
    assert_true(span_is(request.bucket, "other"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_host_names_the_bucket),
        cmocka_unit_test(any_other_host_means_path_style),
        cmocka_unit_test(a_host_is_no_path),
        cmocka_unit_test(without_domains_every_host_is_path_style),
    };

    return cmocka_run_group_tests(tests, stage_setup, stage_teardown);
}
