/* What sigv4_sign prints, against the examples that AWS publishes and against the form a server expects. */
#include "signed_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define EMPTY_SHA256 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define BUCKET_HOST  SPAN("examplebucket.s3.amazonaws.com")

static struct arena arena;
static struct sigv4_signer signer;

static int signer_setup(void **state)
{
    arena_init(&arena, 256 * 1024);
    sigv4_signer_init(&signer, SPAN(ACCESS_KEY), SPAN(SECRET), SPAN(REGION));
    return 0;
}

static int signer_teardown(void **state)
{
    arena_fini(&arena);
    return 0;
}

static void the_signatures_of_the_aws_documentation_come_out(void **state)
{
    static const struct sigv4_header range[] = {{SPAN("range"), SPAN("bytes=0-9")}};
    static const struct sigv4_header put[] = {{SPAN("x-amz-storage-class"), SPAN("REDUCED_REDUNDANCY")},
                                              {SPAN("date"), SPAN("Fri, 24 May 2013 00:00:00 GMT")}};
    static const struct sigv4_header chunked[] = {{SPAN("content-encoding"), SPAN("aws-chunked")},
                                                  {SPAN("x-amz-decoded-content-length"), SPAN("66560")},
                                                  {SPAN("x-amz-storage-class"), SPAN("REDUCED_REDUNDANCY")},
                                                  {SPAN("x-amz-trailer"), SPAN("x-amz-checksum-crc32c")}};
    const struct {
        struct sigv4_request request;
        const char *signature;
    } rows[] = {
        {{.method = SPAN("GET"),
          .host = BUCKET_HOST,
          .path = SPAN("/test.txt"),
          .headers = range,
          .header_count = 1,
          .payload = SPAN(EMPTY_SHA256)},
         "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"},
        {{.method = SPAN("PUT"),
          .host = BUCKET_HOST,
          .path = SPAN("/test%24file.text"),
          .headers = put,
          .header_count = 2,
          .payload = SPAN("44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"),
          .has_length = true,
          .length = 21},
         "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"},
        {{.method = SPAN("GET"),
          .host = BUCKET_HOST,
          .path = SPAN("/"),
          .query = SPAN("lifecycle="),
          .payload = SPAN(EMPTY_SHA256)},
         "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"},
        {{.method = SPAN("GET"),
          .host = BUCKET_HOST,
          .path = SPAN("/"),
          .query = SPAN("max-keys=2&prefix=J"),
          .payload = SPAN(EMPTY_SHA256)},
         "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"},
        {{.method = SPAN("PUT"),
          .host = SPAN("s3.amazonaws.com"),
          .path = SPAN("/examplebucket/chunkObject.txt"),
          .headers = chunked,
          .header_count = 4,
          .payload = SPAN("STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER")},
         "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sigv4_request r = rows[i].request;
        struct span head;

        r.now_unix_s = NOW_UNIX_S;
        head = sigv4_sign(&signer, &r, &arena);
        assert_non_null(head.at);
        struct span end = arena_printf(&arena, "Signature=%s\r\n", rows[i].signature);

        assert_non_null(memmem(head.at, head.len, end.at, end.len));
    }
}

static void the_head_is_complete_and_in_form(void **state)
{
    static const struct sigv4_header headers[] = {{SPAN("x-amz-meta-b"), SPAN("two  spaces")},
                                                  {SPAN("content-type"), SPAN("a/b")}};
    const struct sigv4_request r = {.method = SPAN("PUT"),
                                    .host = SPAN("h:9000"),
                                    .path = SPAN("/media/a%20b"),
                                    .query = SPAN("x-id=PutObject"),
                                    .headers = headers,
                                    .header_count = 2,
                                    .payload = SPAN("UNSIGNED-PAYLOAD"),
                                    .has_length = true,
                                    .length = UINT64_MAX,
                                    .now_unix_s = NOW_UNIX_S};
    struct span head = sigv4_sign(&signer, &r, &arena);

    assert_true(span_starts(
        head,
        SPAN("PUT /media/a%20b?x-id=PutObject HTTP/1.1\r\nHost: h:9000\r\nx-amz-meta-b: two  spaces\r\n"
             "content-type: a/b\r\nx-amz-content-sha256: UNSIGNED-PAYLOAD\r\nx-amz-date: 20130524T000000Z\r\n"
             "Authorization: AWS4-HMAC-SHA256 Credential=" ACCESS_KEY "/20130524/us-east-1/s3/aws4_request, "
             "SignedHeaders=content-type;host;x-amz-content-sha256;x-amz-date;"
             "x-amz-meta-b, Signature=")));
    assert_true(span_ends(head, SPAN(" 18446744073709551615\r\n\r\n")));
    assert_int_equal(head.len % 64, 0); /* the body behind it lies as aligned as in memory */
    assert_null(memchr(head.at, '\0', head.len));
}

static void a_head_without_query_and_length_has_neither(void **state)
{
    const struct sigv4_request r = {.method = SPAN("GET"),
                                    .host = SPAN("h"),
                                    .path = SPAN("/media/a"),
                                    .payload = SPAN("UNSIGNED-PAYLOAD"),
                                    .now_unix_s = NOW_UNIX_S};
    struct span head = sigv4_sign(&signer, &r, &arena);

    assert_true(span_starts(head, SPAN("GET /media/a HTTP/1.1\r\nHost: h\r\n")));
    assert_null(memmem(head.at, head.len, "Content-Length", 14));
}

static void a_zero_length_is_printed(void **state)
{
    const struct sigv4_request r = {.method = SPAN("PUT"),
                                    .host = SPAN("h"),
                                    .path = SPAN("/media/a"),
                                    .payload = SPAN("UNSIGNED-PAYLOAD"),
                                    .has_length = true,
                                    .now_unix_s = NOW_UNIX_S};
    struct span head = sigv4_sign(&signer, &r, &arena);

    size_t at = span_find(head, 'C');

    while (at < head.len && !span_starts(span_skip(head, at), SPAN("Content-Length:")))
        at++;
    head = span_skip(head, at + strlen("Content-Length:"));
    assert_true(span_eq(span_trim(span_head(head, span_find(head, '\r'))), SPAN("0")));
}

static void the_key_changes_with_the_day_and_back(void **state)
{
    static const uint64_t days[] = {0, 1, 0, 366, 1};

    for (size_t i = 0; i < sizeof(days) / sizeof(days[0]); i++) {
        const struct sigv4_request r = {.method = SPAN("GET"),
                                        .host = SPAN("h"),
                                        .path = SPAN("/media/a"),
                                        .payload = SPAN("UNSIGNED-PAYLOAD"),
                                        .now_unix_s = NOW_UNIX_S + days[i] * 86400};
        struct outcome out;

        check_text(&out, text_of_wire(sigv4_sign(&signer, &r, &arena), &arena), false, SPAN(SECRET),
                   r.now_unix_s, NULL, &arena);
        assert_int_equal(out.code, S3_OK);
    }
}

static void odd_paths_that_we_encode_verify(void **state)
{
    static const char *const keys[] = {
        "a",    "a b",       "1+1",      "100%",  "//x//", "../..", "\xc3\xa4\xf0\x9f\x98\x80",
        "~-_.", "a?b#c&d=e", "\x01\x7f", "'()*!", "%2F%00"};

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        struct sigv4_request r = {.method = SPAN("GET"),
                                  .host = SPAN("h"),
                                  .payload = SPAN("UNSIGNED-PAYLOAD"),
                                  .now_unix_s = NOW_UNIX_S};
        struct outcome out;

        r.path = arena_printf(&arena, "/media/%.*s", SPAN_ARG(s3_path_encode(&arena, span_of(keys[i]))));
        check_text(&out, text_of_wire(sigv4_sign(&signer, &r, &arena), &arena), false, SPAN(SECRET),
                   NOW_UNIX_S, NULL, &arena);
        assert_int_equal(out.code, S3_OK);
        assert_true(span_is(out.request.key, keys[i]));
    }
}

static void a_full_arena_gives_nothing(void **state)
{
    const struct sigv4_request r = {
        .method = SPAN("GET"), .host = SPAN("h"), .path = SPAN("/"), .payload = SPAN("x")};
    struct arena none;

    arena_init(&none, 64);
    assert_null(sigv4_sign(&signer, &r, &none).at);
    arena_fini(&none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_signatures_of_the_aws_documentation_come_out),
        cmocka_unit_test(the_head_is_complete_and_in_form),
        cmocka_unit_test(a_head_without_query_and_length_has_neither),
        cmocka_unit_test(a_zero_length_is_printed),
        cmocka_unit_test(the_key_changes_with_the_day_and_back),
        cmocka_unit_test(odd_paths_that_we_encode_verify),
        cmocka_unit_test(a_full_arena_gives_nothing),
    };

    return cmocka_run_group_tests(tests, signer_setup, signer_teardown);
}
