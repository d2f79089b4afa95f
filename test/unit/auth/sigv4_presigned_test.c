/* Presigned URLs: the claim in the query, how long it counts, and one URL that verifies in which each thing is changed.
 * The base was signed by botocore. */
#include "signed_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

static struct arena arena;
static struct span base;
static struct outcome out;

static int base_setup(void **state)
{
    static char text[4096];
    FILE *f = fopen(VECTORS_DIR "/sigv4/botocore_presigned_put.req", "r");

    if (!f)
        return -1;
    base = (struct span){text, fread(text, 1, sizeof(text), f)};
    fclose(f);
    arena_init(&arena, 4 * 1024 * 1024);
    return 0;
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

static enum s3_code verify_at(struct span text, uint64_t now_unix_s)
{
    check_text(&out, text, false, SPAN(SECRET), now_unix_s, NULL, &arena);
    return out.code;
}

static void the_url_is_taken_apart_and_verifies(void **state)
{
    assert_int_equal(verify_at(base, NOW_UNIX_S), S3_OK);
    assert_int_equal(out.claim.proof, S3_PROOF_QUERY);
    assert_true(span_is(out.claim.access_key, ACCESS_KEY));
    assert_true(span_is(out.claim.day, "20130524"));
    assert_true(span_is(out.claim.region, REGION));
    assert_true(span_is(out.claim.stamp, "20130524T000000Z"));
    assert_true(span_is(out.claim.signed_headers,
                        "cache-control;content-type;host;x-amz-checksum-crc32;x-amz-meta-one"));
    assert_int_equal(out.claim.stamp_unix_s, NOW_UNIX_S);
    assert_int_equal(out.claim.expires_s, 3600);
    assert_int_equal(out.request.op, S3_OP_PUT_OBJECT);
    assert_int_equal(out.request.payload, S3_PAYLOAD_UNSIGNED);
}

static void it_counts_from_its_date_until_it_expires(void **state)
{
    static const struct {
        int64_t after_s;
        const char *message; /* NULL: it counts */
    } rows[] = {
        {-901, "Request is not valid yet"},
        {-900, NULL},
        {-1, NULL},
        {0, NULL},
        {3600, NULL},
        {3601, "Request has expired"},
        {86400, "Request has expired"},
        {-86400, "Request is not valid yet"},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        enum s3_code code = verify_at(base, NOW_UNIX_S + (uint64_t)rows[i].after_s);

        assert_int_equal(code, rows[i].message ? S3_ACCESS_DENIED : S3_OK);
        if (rows[i].message)
            assert_string_equal(out.message, rows[i].message);
    }
}

static void it_lasts_a_week_at_most(void **state)
{
    static const struct {
        const char *value;
        enum s3_code code;
        const char *says;
    } rows[] = {
        {"0", S3_SIGNATURE_DOES_NOT_MATCH, NULL},
        {"1", S3_SIGNATURE_DOES_NOT_MATCH, NULL},
        {"604800", S3_SIGNATURE_DOES_NOT_MATCH, NULL},
        {"604801", S3_AUTHORIZATION_QUERY_PARAMETERS_ERROR, "less than a week"},
        {"18446744073709551615", S3_AUTHORIZATION_QUERY_PARAMETERS_ERROR, "less than a week"},
        {"18446744073709551616", S3_AUTHORIZATION_QUERY_PARAMETERS_ERROR, "number"},
        {"-1", S3_AUTHORIZATION_QUERY_PARAMETERS_ERROR, "'-1'"},
        {"", S3_AUTHORIZATION_QUERY_PARAMETERS_ERROR, "number"},
        {"1h", S3_AUTHORIZATION_QUERY_PARAMETERS_ERROR, "'1h'"},
        {"3600.0", S3_AUTHORIZATION_QUERY_PARAMETERS_ERROR, "number"},
        {"%203600", S3_AUTHORIZATION_QUERY_PARAMETERS_ERROR, "number"},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        char expires[64];

        snprintf(expires, sizeof(expires), "X-Amz-Expires=%s&", rows[i].value);
        if (verify_at(change("X-Amz-Expires=3600&", expires), NOW_UNIX_S) != rows[i].code ||
            (rows[i].says && !strstr(out.message, rows[i].says)))
            fail_msg("'%s': %s", rows[i].value, s3_error(out.code)->name);
    }
}

static void changes_without_a_meaning_still_verify(void **state)
{
    static const char *const rows[][2] = {
        {"PUT /media/dir/a%20file%2B.bin", "PUT /%6dedia/dir/a%20file+.bin"},
        {"x-id=PutObject&", "&&x-id=PutObject&"},
        {"?x-id=PutObject&X-Amz-Algorithm=AWS4-HMAC-SHA256&",
         "?X-Amz-Algorithm=AWS4-HMAC-SHA256&x-id=PutObject&"},
        {"X-Amz-Expires=3600", "X-Amz-%45xpires=36%300"},
        {"%2F20130524%2Fus-east-1%2Fs3%2Faws4_request", "/20130524/us-east-1%2fs3/aws4_request"},
        {"cache-control%3Bcontent-type%3Bhost", "cache-control;content-type;host"},
        {"X-Amz-Signature=e3", "X%2dAmz-Signature=%653"},
        {"Content-Length: 0", "Content-Length: 5\nUser-Agent: curl\nAccept: */*\nOrigin: http://a"},
        {"first  value", "first value "},
    };

    for (size_t i = 0; i < COUNT(rows); i++)
        if (verify_at(change(rows[i][0], rows[i][1]), NOW_UNIX_S) != S3_OK)
            fail_msg("'%s' for '%s': %s", rows[i][1], rows[i][0], s3_error(out.code)->name);
}

static void every_change_to_what_is_signed_is_refused(void **state)
{
#define QUERY S3_AUTHORIZATION_QUERY_PARAMETERS_ERROR
    static const struct {
        const char *from, *to;
        enum s3_code code; /* S3_OK: S3_SIGNATURE_DOES_NOT_MATCH */
    } rows[] = {
        /* method, path, query */
        {"PUT /", "GET /", S3_OK},
        {"PUT /", "DELETE /", S3_OK},
        {"/media/", "/medib/", S3_OK},
        {"/dir/", "/dir//", S3_OK},
        {"/dir/", "/x/../dir/", S3_OK},
        {"a%20file", "a+file", S3_OK},
        {"a%20file", "a%2520file", S3_OK},
        {".bin?", ".bin/?", S3_OK},
        {"x-id=PutObject", "x-id=putObject", S3_OK},
        {"x-id=PutObject&", "", S3_OK},
        {"x-id=PutObject&", "x-id=PutObject&acl&", S3_OK},
        {"x-id=PutObject&", "x-id=PutObject&tagging&", S3_OK},
        {"x-id=PutObject&", "x-id=PutObject&uploadId=1&partNumber=1&", S3_OK},
        {"x-id=PutObject&", "x-id=PutObject&torrent&", S3_NOT_IMPLEMENTED},
        {"x-id=PutObject&", "x-id=PutObject&x-id=PutObject&", S3_INVALID_ARGUMENT},
        {"x-id=PutObject&", "x-id=PutObject&X-Amz-Content-Sha256=UNSIGNED-PAYLOAD&", S3_OK},
        {"x-id=PutObject&", "x-id=PutObject&X-Amz-Foo=1&", S3_NOT_IMPLEMENTED},
        /* fields */
        {"Host: 127.0.0.1:8000", "Host: 127.0.0.1", S3_OK},
        {"Host: 127.0.0.1:8000", "Host: 127.0.0.1:8001", S3_OK},
        {"Host: 127.0.0.1:8000\n", "", S3_OK},
        {"text/plain", "text/html", S3_OK},
        {"content-type: text/plain\n", "", S3_OK},
        {"no-cache", "no-store", S3_OK},
        {"cache-control: no-cache\n", "", S3_OK},
        {"first  value", "firstvalue", S3_OK},
        {"first  value", "First value", S3_OK},
        {"x-amz-meta-one: ", "x-amz-meta-two: ", S3_OK},
        {"x-amz-meta-one: first  value\n", "", S3_OK},
        {"AAAAAA==", "AAAAAQ==", S3_OK},
        {"x-amz-checksum-crc32: ", "x-amz-checksum-crc32c: ", S3_OK},
        {"Content-Length: 0", "Content-Length: 0\nx-amz-meta-two: a", S3_ACCESS_DENIED},
        {"Content-Length: 0", "Content-Length: 0\nx-amz-acl: private", S3_ACCESS_DENIED},
        {"Content-Length: 0", "Content-Length: 0\nx-amz-tagging: a=b", S3_ACCESS_DENIED},
        {"Content-Length: 0", "Content-Length: 0\nx-amz-copy-source: media/b", S3_ACCESS_DENIED},
        {"Content-Length: 0", "Content-Length: 0\nx-amz-date: 20130524T000000Z", S3_ACCESS_DENIED},
        {"Content-Length: 0", "Content-Length: 0\nx-amz-content-sha256: UNSIGNED-PAYLOAD", S3_ACCESS_DENIED},
        {"Content-Length: 0", "Content-Length: 0\nx-amz-security-token: t", S3_INVALID_REQUEST},
        {"Content-Length: 0", "Content-Length: 0\nAuthorization: AWS4-HMAC-SHA256 x", S3_INVALID_ARGUMENT},
        /* the proof */
        {"AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1", QUERY},
        {"AWS4-HMAC-SHA256", "aws4-hmac-sha256", QUERY},
        {"AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256", S3_NOT_IMPLEMENTED},
        {"X-Amz-Algorithm=AWS4-HMAC-SHA256&", "", QUERY},
        {"X-Amz-Algorithm=AWS4-HMAC-SHA256&", "X-Amz-Algorithm&", QUERY},
        {"X-Amz-Algorithm=AWS4-HMAC-SHA256&",
         "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Algorithm=AWS4-HMAC-SHA256&", QUERY},
        {"X-Amz-Credential=", "x-amz-credential=", QUERY},
        {"%2F20130524%2F", "%2F20130523%2F", QUERY},
        {"%2F20130524%2F", "%2F2013-05-24%2F", QUERY},
        {"us-east-1", "us-east-2", QUERY},
        {"us-east-1", "US-EAST-1", QUERY},
        {"us-east-1", "", QUERY},
        {"%2Fs3%2F", "%2Fiam%2F", QUERY},
        {"aws4_request", "aws4_requesx", QUERY},
        {"%2Faws4_request", "", QUERY},
        {"AKIAIOSFODNN7EXAMPLE%2F", "%2F", QUERY},
        {"X-Amz-Date=20130524T000000Z", "X-Amz-Date=20130524T000001Z", S3_OK},
        {"X-Amz-Date=20130524T000000Z", "X-Amz-Date=20130525T000000Z", QUERY},
        {"X-Amz-Date=20130524T000000Z", "X-Amz-Date=20130524T003000Z", S3_ACCESS_DENIED},
        {"X-Amz-Date=20130524T000000Z", "X-Amz-Date=2013-05-24T00:00:00Z", QUERY},
        {"X-Amz-Date=20130524T000000Z&", "", QUERY},
        {"X-Amz-Expires=3600", "X-Amz-Expires=3601", S3_OK},
        {"X-Amz-Expires=3600", "X-Amz-Expires=604800", S3_OK},
        {"X-Amz-Expires=3600", "X-Amz-Expires=03600", S3_OK},
        {"X-Amz-Expires=3600", "X-Amz-Expires=604801", QUERY},
        {"X-Amz-Expires=3600&", "", QUERY},
        {"X-Amz-Expires=3600&", "X-Amz-Expires=3600&X-Amz-Expires=604800&", QUERY},
        {"X-Amz-Expires=3600&", "X-Amz-Expires=3600&X-Amz-%45xpires=604800&", QUERY},
        {"cache-control%3B", "", S3_OK},
        {"content-type%3B", "", S3_OK},
        {"cache-control%3Bcontent-type%3B", "content-type%3Bcache-control%3B", QUERY},
        {"content-type%3B", "Content-type%3B", QUERY},
        {"content-type%3B", "content-type%3Bcontent-type%3B", QUERY},
        {"%3Bhost%3B", "%3B", S3_ACCESS_DENIED},
        {"%3Bx-amz-meta-one", "", S3_ACCESS_DENIED},
        {"%3Bx-amz-checksum-crc32", "", S3_ACCESS_DENIED},
        {"%3Bx-amz-meta-one", "%3Bx-amz-meta-one%3Bx-amz-meta-two", S3_OK},
        {"X-Amz-SignedHeaders=", "X-Amz-SignedHeaders=&X-Amz-Signed=", QUERY},
        {"X-Amz-Signature=e3", "X-Amz-Signature=E3", QUERY},
        {"X-Amz-Signature=e3", "X-Amz-Signature=3", QUERY},
        {"X-Amz-Signature=e3", "X-Amz-Signature=e3e3", QUERY},
        {"X-Amz-Signature=e3", "X-Amz-Signature=&x=e3", QUERY},
        {"X-Amz-Signature=e3", "X-Amz-Security-Token=t&X-Amz-Signature=e3", S3_INVALID_REQUEST},
        {"X-Amz-Signature=e3", "AWSAccessKeyId=K&Signature=s&X-Amz-Signature=e3", S3_INVALID_REQUEST},
        {"X-Amz-Signature=e3", "X-Amz-Signature=%00e3", S3_INVALID_URI},
        {"X-Amz-Signature=e3", "%&X-Amz-Signature=e3", S3_INVALID_URI},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        enum s3_code want = rows[i].code == S3_OK ? S3_SIGNATURE_DOES_NOT_MATCH : rows[i].code;
        enum s3_code got = verify_at(change(rows[i].from, rows[i].to), NOW_UNIX_S);

        if (got != want)
            fail_msg("'%s' for '%s': %s, not %s", rows[i].to, rows[i].from, s3_error(got)->name,
                     s3_error(want)->name);
    }
}

static void every_digit_of_the_signature_counts(void **state)
{
    const char *at = memmem(base.at, base.len, "X-Amz-Signature=", 16);

    assert_non_null(at);
    for (size_t i = 0; i < 64; i++) {
        struct span text = arena_dup(&arena, base);
        char *digit = (char *)(uintptr_t)text.at + (at - base.at) + 16 + i;

        assert_non_null(text.at);
        *digit = *digit == '0' ? '1' : '0';
        assert_int_equal(verify_at(text, NOW_UNIX_S), S3_SIGNATURE_DOES_NOT_MATCH);
    }
}

static void what_is_wrong_is_said(void **state)
{
    static const char *const rows[][3] = {
        {"us-east-1", "eu-west-1", "the region 'eu-west-1' is wrong; expecting 'us-east-1'"},
        {"%2Fs3%2F", "%2Fsts%2F", "service \"sts\"; expecting \"s3\""},
        {"aws4_request", "aws5", "terminator \"aws5\""},
        {"X-Amz-Expires=3600&", "", "requires the X-Amz-Algorithm"},
        {"X-Amz-Expires=3600&", "X-Amz-Expires=3600&X-Amz-Expires=1&", "X-Amz-Expires is there twice"},
        {"X-Amz-Date=2013", "X-Amz-Date=x", "ISO8601 Long Format"},
        {"AWS4-HMAC-SHA256", "MD5", "not 'MD5'"},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_int_equal(verify_at(change(rows[i][0], rows[i][1]), NOW_UNIX_S), QUERY);
        if (!out.message || !strstr(out.message, rows[i][2]))
            fail_msg("%s: %s", rows[i][1], out.message ? out.message : "");
    }
}

static void a_full_arena_is_an_error_and_never_a_yes(void **state)
{
    struct span escaped = change("us-east-1", "us-east-%31");
    bool enough = false;

    for (size_t cap = 0; !enough; cap += 512) {
        struct arena small;
        struct outcome o;

        arena_init(&small, cap);
        check_text(&o, escaped, false, SPAN("wrong"), NOW_UNIX_S, NULL, &small);
        assert_int_not_equal(o.code, S3_OK);
        arena_reset(&small);
        check_text(&o, escaped, false, SPAN(SECRET), NOW_UNIX_S, NULL, &small);
        enough = o.code == S3_OK;
        assert_true(enough || cap < 64 * 1024);
        assert_true(cap || !enough);
        arena_fini(&small);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_url_is_taken_apart_and_verifies),
        cmocka_unit_test(it_counts_from_its_date_until_it_expires),
        cmocka_unit_test(it_lasts_a_week_at_most),
        cmocka_unit_test(changes_without_a_meaning_still_verify),
        cmocka_unit_test(every_change_to_what_is_signed_is_refused),
        cmocka_unit_test(every_digit_of_the_signature_counts),
        cmocka_unit_test(what_is_wrong_is_said),
        cmocka_unit_test(a_full_arena_is_an_error_and_never_a_yes),
    };

    return cmocka_run_group_tests(tests, base_setup, base_teardown);
}
