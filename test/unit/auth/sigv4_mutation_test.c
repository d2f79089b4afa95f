/* One request that verifies; then each thing that is signed is changed, and each change is refused. */
#include "signed_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define HASH "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"

static struct arena arena;
static struct span base;

static int base_setup(void **state)
{
    static const struct sigv4_header headers[] = {
        {SPAN("content-md5"), SPAN("1B2M2Y8AsgTpgAmY7PhCfg==")},
        {SPAN("content-type"), SPAN("text/plain; charset=utf-8")},
        {SPAN("cache-control"), SPAN("no-cache")},
        {SPAN("expires"), SPAN("Fri, 24 May 2030 00:00:00 GMT")},
        {SPAN("x-amz-acl"), SPAN("private")},
        {SPAN("x-amz-checksum-crc32"), SPAN("AAAAAA==")},
        {SPAN("x-amz-meta-one"), SPAN("first value")},
        {SPAN("x-amz-meta-two"), SPAN("second")},
        {SPAN("x-amz-sdk-checksum-algorithm"), SPAN("CRC32")},
        {SPAN("x-amz-storage-class"), SPAN("STANDARD")},
    };
    const struct sigv4_request r = {.method = SPAN("PUT"),
                                    .host = SPAN("s3.example.com:8000"),
                                    .path = SPAN("/media/dir/a%20file%2B.bin"),
                                    .query = SPAN("x-id=PutObject"),
                                    .headers = headers,
                                    .header_count = sizeof(headers) / sizeof(headers[0]),
                                    .payload = SPAN(HASH),
                                    .has_length = true,
                                    .length = 21,
                                    .now_unix_s = NOW_UNIX_S};
    struct sigv4_signer signer;

    arena_init(&arena, 4 * 1024 * 1024);
    sigv4_signer_init(&signer, SPAN(ACCESS_KEY), SPAN(SECRET), SPAN(REGION));
    base = text_of_wire(sigv4_sign(&signer, &r, &arena), &arena);
    return base.at ? 0 : -1;
}

static int base_teardown(void **state)
{
    arena_fini(&arena);
    return 0;
}

/* The base with the first `from` replaced by `to`. */
static struct span change(const char *from, const char *to)
{
    const char *at = memmem(base.at, base.len, from, strlen(from));
    size_t before;

    if (!at)
        fail_msg("the request has no '%s'", from);
    before = (size_t)(at - base.at);
    return arena_printf(&arena, "%.*s%s%.*s", (int)before, base.at, to,
                        (int)(base.len - before - strlen(from)), at + strlen(from));
}

static enum s3_code verify(struct span text)
{
    struct outcome out;

    check_text(&out, text, false, SPAN(SECRET), NOW_UNIX_S, NULL, &arena);
    return out.code;
}

static void the_request_itself_verifies(void **state)
{
    assert_int_equal(verify(base), S3_OK);
}

static void changes_without_a_meaning_still_verify(void **state)
{
    static const char *const rows[][2] = {
        {"PUT /media/dir/a%20file%2B.bin", "PUT /media/dir/a%20file%2b.bin"},
        {"PUT /media/dir/a%20file%2B.bin", "PUT /media/dir/a%20file+.bin"},
        {"PUT /media/dir", "PUT /%6dedi%61/dir"},
        {"?x-id=PutObject", "?&x-id=PutObject&"},
        {"x-id=PutObject", "x-id=Put%4fbject"},
        {"Host: ", "HOST:    "},
        {"first value\n", "first   value   \n"},
        {"Content-Length:", "User-Agent: anyone\nExpect: 100-continue\nContent-Length:"},
        {" 21\n", " 22\n"}, /* not signed: the body's hash is */
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (verify(change(rows[i][0], rows[i][1])) != S3_OK)
            fail_msg("'%s' for '%s' is refused", rows[i][1], rows[i][0]);
}

static void every_change_to_what_is_signed_is_refused(void **state)
{
    static const struct {
        const char *from, *to;
        enum s3_code code; /* S3_OK: S3_SIGNATURE_DOES_NOT_MATCH */
    } rows[] = {
        /* method, path, query */
        {"PUT /", "DELETE /", S3_OK},
        {"PUT /", "GET /", S3_OK},
        {"/media/", "/medib/", S3_OK},
        {"/media/", "/", S3_OK},
        {"/dir/", "/dir//", S3_OK},
        {"/dir/", "/./dir/", S3_OK},
        {"/dir/", "/x/../dir/", S3_OK},
        {"/dir/", "/Dir/", S3_OK},
        {"/dir/", "/dir%252F", S3_OK},
        {"a%20file", "a+file", S3_OK},
        {"a%20file", "a%2520file", S3_OK},
        {"a%20file", "afile", S3_OK},
        {"file%2B", "file%20", S3_OK},
        {".bin?", ".bin/?", S3_OK},
        {".bin?", ".bi?", S3_OK},
        {".bin?x-id=PutObject", ".bin", S3_OK},
        {".bin?x-id=PutObject", ".bin?x-id=", S3_OK},
        {".bin?x-id=PutObject", ".bin?x-id=putObject", S3_OK},
        {".bin?x-id=PutObject", ".bin?x-id=PutObject%20", S3_OK},
        {".bin?x-id=PutObject", ".bin?x-id=PutObject&x-id=PutObject", S3_INVALID_ARGUMENT},
        {".bin?x-id=PutObject", ".bin?x-id=PutObject&acl", S3_OK},
        {".bin?x-id=PutObject", ".bin?x-id=PutObject&torrent", S3_NOT_IMPLEMENTED},
        {".bin?x-id=PutObject", ".bin%3Fx-id=PutObject", S3_OK},
        /* fields */
        {"s3.example.com:8000", "s3.example.com", S3_OK},
        {"s3.example.com:8000", "s3.example.com:8001", S3_OK},
        {"s3.example.com:8000", "S3.example.com:8000", S3_OK},
        {"Host: s3.example.com:8000\n", "", S3_OK},
        {"Host: s3.example.com:8000\n", "Host: s3.example.com:8000\nHost: evil\n", S3_OK},
        {"1B2M2Y8AsgTpgAmY7PhCfg==", "XrY7u+Ae7tCTyyK7j1rNww==", S3_OK},
        {"content-md5: 1B2M2Y8AsgTpgAmY7PhCfg==\n", "", S3_OK},
        {"text/plain; charset", "text/html; charset", S3_OK},
        {"text/plain; charset", "text/plain;charset", S3_OK},
        {"content-type: text/plain; charset=utf-8\n", "", S3_OK},
        {"cache-control: no-cache", "cache-control: no-store", S3_OK},
        {"cache-control: no-cache", "cache-control:", S3_OK},
        {"cache-control: no-cache\n", "", S3_OK},
        {"expires: Fri, 24 May 2030", "expires: Fri, 24 May 2031", S3_OK},
        {"x-amz-acl: private\n", "", S3_OK},
        {"x-amz-acl: private", "x-amz-acl: public-read", S3_NOT_IMPLEMENTED},
        {"AAAAAA==", "AAAAAQ==", S3_OK},
        {"x-amz-checksum-crc32: AAAAAA==\n", "", S3_OK},
        {"x-amz-checksum-crc32: ", "x-amz-checksum-crc32c: ", S3_OK},
        {"first value", "First value", S3_OK},
        {"first value", "first\tvalue", S3_OK},
        {"first value", "firstvalue", S3_OK},
        {"first value", "first,value", S3_OK},
        {"x-amz-meta-one: first value\n", "", S3_OK},
        {"x-amz-meta-one: ", "x-amz-meta-won: ", S3_OK},
        {"x-amz-meta-one: first value\nx-amz-meta-two: second",
         "x-amz-meta-one: second\nx-amz-meta-two: first value", S3_OK},
        {"x-amz-meta-two: second\n", "x-amz-meta-two: second\nx-amz-meta-two: third\n", S3_INVALID_REQUEST},
        {"x-amz-meta-two: second\n", "x-amz-meta-two: second\nx-amz-meta-three: third\n", S3_ACCESS_DENIED},
        {"x-amz-meta-two: second\n", "x-amz-meta-two: second\nX-AMZ-REQUEST-PAYER: requester\n",
         S3_ACCESS_DENIED},
        {"x-amz-sdk-checksum-algorithm: CRC32\n", "x-amz-sdk-checksum-algorithm: CRC32C\n", S3_OK},
        {"x-amz-sdk-checksum-algorithm: CRC32\n", "", S3_OK},
        {"x-amz-storage-class: STANDARD\n", "", S3_OK},
        {"x-amz-content-sha256: 44ce", "x-amz-content-sha256: 44cf", S3_OK},
        {"x-amz-content-sha256: 44ce", "x-amz-content-sha256: 44CE", S3_OK},
        {"x-amz-content-sha256: " HASH, "x-amz-content-sha256: UNSIGNED-PAYLOAD", S3_OK},
        {"x-amz-content-sha256: " HASH "\n", "", S3_INVALID_REQUEST},
        {"x-amz-date: 20130524T000000Z", "x-amz-date: 20130524T000001Z", S3_OK},
        {"x-amz-date: 20130524T000000Z", "x-amz-date: 20130524T001501Z", S3_REQUEST_TIME_TOO_SKEWED},
        {"x-amz-date: 20130524T000000Z", "x-amz-date: 20130525T000000Z", S3_AUTHORIZATION_HEADER_MALFORMED},
        {"x-amz-date: 20130524T000000Z", "date: 20130524T000000Z", S3_OK},
        {"x-amz-date: 20130524T000000Z\n", "x-amz-date: 20130524T000000Z\nx-amz-date: 20130524T000000Z\n",
         S3_INVALID_REQUEST},
        /* the authorization itself */
        {"Credential=" ACCESS_KEY "/20130524", "Credential=" ACCESS_KEY "/20130523",
         S3_AUTHORIZATION_HEADER_MALFORMED},
        {"/us-east-1/", "/us-east-2/", S3_AUTHORIZATION_HEADER_MALFORMED},
        {"/us-east-1/", "/US-EAST-1/", S3_AUTHORIZATION_HEADER_MALFORMED},
        {"/us-east-1/", "//", S3_AUTHORIZATION_HEADER_MALFORMED},
        {"/s3/aws4_request", "/iam/aws4_request", S3_AUTHORIZATION_HEADER_MALFORMED},
        {"/aws4_request", "/aws4_requesx", S3_AUTHORIZATION_HEADER_MALFORMED},
        {"SignedHeaders=cache-control;", "SignedHeaders=", S3_OK},
        {";expires;", ";", S3_OK},
        {";content-md5;content-type;", ";content-type;content-md5;", S3_AUTHORIZATION_HEADER_MALFORMED},
        {";content-md5;", ";Content-md5;", S3_AUTHORIZATION_HEADER_MALFORMED},
        {";content-md5;", ";;content-md5;", S3_AUTHORIZATION_HEADER_MALFORMED},
        {";content-md5;", ";content-md5;content-md5;", S3_AUTHORIZATION_HEADER_MALFORMED},
        {";host;", ";", S3_ACCESS_DENIED},
        {";x-amz-acl;", ";", S3_ACCESS_DENIED},
        {";x-amz-checksum-crc32;", ";", S3_ACCESS_DENIED},
        {";x-amz-content-sha256;", ";", S3_ACCESS_DENIED},
        {";x-amz-date;", ";", S3_ACCESS_DENIED},
        {";x-amz-meta-two;", ";", S3_ACCESS_DENIED},
        {";x-amz-storage-class,", ",", S3_ACCESS_DENIED},
        {";x-amz-storage-class,", ";x-amz-storage-class;x-amz-trailer,", S3_OK},
        {";x-amz-storage-class,", ";x-amz-storage-class;,", S3_OK},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        enum s3_code want = rows[i].code == S3_OK ? S3_SIGNATURE_DOES_NOT_MATCH : rows[i].code;
        enum s3_code got = verify(change(rows[i].from, rows[i].to));

        if (got != want)
            fail_msg("'%s' for '%s': %s, not %s", rows[i].to, rows[i].from, s3_error(got)->name,
                     s3_error(want)->name);
    }
}

static void every_digit_of_the_signature_counts(void **state)
{
    const char *at = memmem(base.at, base.len, "Signature=", 10);

    assert_non_null(at);
    for (size_t i = 0; i < 64; i++) {
        struct span text = arena_dup(&arena, base);
        char *digit = (char *)(uintptr_t)text.at + (at - base.at) + 10 + i;

        assert_non_null(text.at);
        *digit = *digit == '0' ? '1' : '0';
        assert_int_equal(verify(text), S3_SIGNATURE_DOES_NOT_MATCH);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_request_itself_verifies),
        cmocka_unit_test(changes_without_a_meaning_still_verify),
        cmocka_unit_test(every_change_to_what_is_signed_is_refused),
        cmocka_unit_test(every_digit_of_the_signature_counts),
    };

    return cmocka_run_group_tests(tests, base_setup, base_teardown);
}
