#include "signed_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static struct arena arena;

static int arena_setup(void **state)
{
    arena_init(&arena, 1024 * 1024);
    return 0;
}

static int arena_teardown(void **state)
{
    arena_fini(&arena);
    return 0;
}

static struct span signed_text(uint64_t now_unix_s, const char *path)
{
    const struct sigv4_request r = {.method = SPAN("GET"),
                                    .host = SPAN("h"),
                                    .path = span_of(path),
                                    .payload = SPAN("UNSIGNED-PAYLOAD"),
                                    .now_unix_s = now_unix_s};
    struct sigv4_signer signer;

    sigv4_signer_init(&signer, SPAN(ACCESS_KEY), SPAN(SECRET), SPAN(REGION));
    return text_of_wire(sigv4_sign(&signer, &r, &arena), &arena);
}

static void clocks_may_differ_by_15_minutes_either_way(void **state)
{
    static const struct {
        int64_t apart_s;
        enum s3_code code;
    } rows[] = {{0, S3_OK},
                {900, S3_OK},
                {-900, S3_OK},
                {901, S3_REQUEST_TIME_TOO_SKEWED},
                {-901, S3_REQUEST_TIME_TOO_SKEWED},
                {86400, S3_REQUEST_TIME_TOO_SKEWED},
                {-(int64_t)NOW_UNIX_S, S3_REQUEST_TIME_TOO_SKEWED}};
    struct span text = signed_text(NOW_UNIX_S, "/media/a");
    struct outcome out;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        check_text(&out, text, false, SPAN(SECRET), NOW_UNIX_S + (uint64_t)rows[i].apart_s, NULL, &arena);
        assert_int_equal(out.code, rows[i].code);
    }
}

static void a_wrong_secret_is_refused_with_what_was_signed(void **state)
{
    struct outcome out;

    check_text(&out, signed_text(NOW_UNIX_S, "/media/a%26b"), false, SPAN("wrong"), NOW_UNIX_S, NULL, &arena);
    assert_int_equal(out.code, S3_SIGNATURE_DOES_NOT_MATCH);
    assert_true(
        span_starts(out.detail, SPAN("<AWSAccessKeyId>" ACCESS_KEY "</AWSAccessKeyId><StringToSign>"
                                     "AWS4-HMAC-SHA256&#xA;20130524T000000Z&#xA;20130524/us-east-1/s3/"
                                     "aws4_request&#xA;")));
    assert_true(span_ends(out.detail,
                          SPAN("<CanonicalRequest>GET&#xA;/media/a%26b&#xA;&#xA;host:h&#xA;"
                               "x-amz-content-sha256:UNSIGNED-PAYLOAD&#xA;x-amz-date:20130524T000000Z&#xA;"
                               "&#xA;host;x-amz-content-sha256;x-amz-date&#xA;UNSIGNED-PAYLOAD"
                               "</CanonicalRequest>")));
    check_text(&out, signed_text(NOW_UNIX_S, "/media/a"), false, SPAN(""), NOW_UNIX_S, NULL, &arena);
    assert_int_equal(out.code, S3_SIGNATURE_DOES_NOT_MATCH);
}

static void a_replaced_secret_counts_at_once_in_spite_of_the_keyring(void **state)
{
    static struct sigv4_keyring keys;
    struct span text = signed_text(NOW_UNIX_S, "/media/a");
    struct outcome out;

    sigv4_keyring_init(&keys);
    check_text(&out, text, false, SPAN(SECRET), NOW_UNIX_S, &keys, &arena);
    assert_int_equal(out.code, S3_OK);
    check_text(&out, text, false, SPAN("its successor"), NOW_UNIX_S, &keys, &arena);
    assert_int_equal(out.code, S3_SIGNATURE_DOES_NOT_MATCH);
    check_text(&out, text, false, SPAN(SECRET), NOW_UNIX_S, &keys, &arena);
    assert_int_equal(out.code, S3_OK);
    sigv4_keyring_fini(&keys);
}

static void more_parameters_than_the_bound_are_refused(void **state)
{
    char target[2048] = "/";
    struct http_head head;
    struct sigv4_claim claim;
    struct s3_request request = {.path = SPAN("/"), .payload_text = SPAN("UNSIGNED-PAYLOAD")};
    const char *message;
    size_t len = 0;

    head_from_text(&head, signed_text(NOW_UNIX_S, "/"));
    assert_int_equal(sigv4_claim_parse(&claim, &head, &arena, &message), S3_OK);
    for (int i = 0; i < 65; i++)
        len += (size_t)snprintf(target + len, sizeof(target) - len, "p%d&", i);
    request.query = (struct span){target, len};
    assert_int_equal(sigv4_verify(NULL, &claim, SPAN(SECRET), SPAN(REGION), &head, &request, NOW_UNIX_S,
                                  &arena, &message, NULL),
                     S3_INVALID_REQUEST);
    assert_non_null(strstr(message, "64"));
}

static void a_full_arena_is_an_internal_error_and_never_a_yes(void **state)
{
    struct span text = signed_text(NOW_UNIX_S, "/media/a");
    struct outcome out;
    struct arena none;

    arena_init(&none, 0);
    check_text(&out, text, false, SPAN(SECRET), NOW_UNIX_S, NULL, &none);
    assert_int_equal(out.code, S3_INTERNAL_ERROR);
    arena_fini(&none);
}

static void a_head_with_a_hundred_signed_fields_verifies(void **state)
{
    static struct sigv4_header headers[SIGV4_HEADERS_MAX - 5];
    const size_t count = sizeof(headers) / sizeof(headers[0]);
    struct sigv4_request r = {.method = SPAN("DELETE"),
                              .host = SPAN("h"),
                              .path = SPAN("/media/a"),
                              .payload = SPAN("UNSIGNED-PAYLOAD"),
                              .headers = headers,
                              .header_count = count,
                              .now_unix_s = NOW_UNIX_S};
    struct sigv4_signer signer;
    struct outcome out;

    /* In descending order, the worst for the sort. */
    for (size_t i = 0; i < count; i++)
        headers[i] = (struct sigv4_header){arena_printf(&arena, "x-amz-meta-%03zu", 999 - i),
                                           arena_printf(&arena, "a   b  %zu", i)};
    sigv4_signer_init(&signer, SPAN(ACCESS_KEY), SPAN(SECRET), SPAN(REGION));
    check_text(&out, text_of_wire(sigv4_sign(&signer, &r, &arena), &arena), false, SPAN(SECRET), NOW_UNIX_S,
               NULL, &arena);
    assert_int_equal(out.code, S3_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clocks_may_differ_by_15_minutes_either_way),
        cmocka_unit_test(a_wrong_secret_is_refused_with_what_was_signed),
        cmocka_unit_test(a_replaced_secret_counts_at_once_in_spite_of_the_keyring),
        cmocka_unit_test(more_parameters_than_the_bound_are_refused),
        cmocka_unit_test(a_full_arena_is_an_internal_error_and_never_a_yes),
        cmocka_unit_test(a_head_with_a_hundred_signed_fields_verifies),
    };

    return cmocka_run_group_tests(tests, arena_setup, arena_teardown);
}
