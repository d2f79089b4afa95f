#include "s3/request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static int arena_setup(void **state)
{
    static struct arena arena;

    arena_init(&arena, 64 * 1024);
    *state = &arena;
    return 0;
}

static int arena_teardown(void **state)
{
    arena_fini(*state);
    return 0;
}

static void decoding_is_done_once_and_strictly(void **state)
{
    static const struct {
        const char *text, *decoded; /* NULL: refused */
        bool plus;
    } rows[] = {
        {"", "", false},         {"plain", "plain", false},     {"a%20b", "a b", false},
        {"a+b", "a+b", false},   {"a+b", "a b", true},          {"%2B", "+", true},
        {"%2525", "%25", false}, {"%c3%A4", "\xc3\xa4", false}, {"..%2F..", "../..", false},
        {"%", NULL, false},      {"%2", NULL, false},           {"a%", NULL, false},
        {"%zz", NULL, false},    {"%2g", NULL, false},          {"%00", NULL, false},
        {"%+1", NULL, false},    {"% 1", NULL, false},          {"%0x", NULL, false},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct span out;
        bool fine = s3_decode(*state, span_of(rows[i].text), rows[i].plus, &out);

        assert_int_equal(fine, rows[i].decoded != NULL);
        if (fine)
            assert_true(span_is(out, rows[i].decoded));
    }
}

static void a_raw_nul_is_refused(void **state)
{
    struct span out;

    assert_false(s3_decode(*state, SPAN("a\0b"), false, &out));
}

static void decoding_into_a_full_arena_is_refused(void **state)
{
    struct arena tiny;
    struct span out;

    arena_init(&tiny, 0);
    assert_false(s3_decode(&tiny, SPAN("a%20b"), false, &out));
    assert_null(s3_path_encode(&tiny, SPAN("a b")).at);
    arena_fini(&tiny);
}

static void encoding_keeps_what_s3_keeps(void **state)
{
    assert_true(span_is(s3_path_encode(*state, SPAN("/AZaz09-._~/")), "/AZaz09-._~/"));
    assert_true(span_is(s3_path_encode(*state, SPAN("a b+c%d?e#f&g=h")), "a%20b%2Bc%25d%3Fe%23f%26g%3Dh"));
    assert_true(span_is(s3_path_encode(*state, SPAN("\xc3\xa4\x01\x7f")), "%C3%A4%01%7F"));
    assert_true(span_is(s3_path_encode(*state, SPAN("//../.")), "//../."));
    assert_non_null(s3_path_encode(*state, SPAN("")).at);
}

static void encoding_then_decoding_gives_every_byte_back(void **state)
{
    char all[255];
    struct span in = {all, sizeof(all)}, out;

    for (size_t i = 0; i < sizeof(all); i++)
        all[i] = (char)(i + 1);
    assert_true(s3_decode(*state, s3_path_encode(*state, in), false, &out));
    assert_true(span_eq(in, out));
}

static void bucket_names_follow_the_rules(void **state)
{
    static const char *const good[] = {
        "abc", "a-b",   "a.b",       "my.bucket-1",
        "0ab", "1.2.3", "1.2.3.4.5", "123456789012345678901234567890123456789012345678901234567890123"};
    static const char *const bad[] = {"",
                                      "a",
                                      "ab",
                                      "Abc",
                                      "a_b",
                                      "-ab",
                                      "ab-",
                                      ".ab",
                                      "ab.",
                                      "a..b",
                                      "a.-b",
                                      "a-.b",
                                      "192.168.5.4",
                                      "xn--abc",
                                      "sthree-abc",
                                      "amzn-s3-demo-x",
                                      "abc-s3alias",
                                      "abc--ol-s3",
                                      "abc.mrap",
                                      "abc--x-s3",
                                      "abc--table-s3",
                                      "a b",
                                      "a/b",
                                      "\xc3\xa4-c",
                                      "1234567890123456789012345678901234567890123456789012345678901234"};

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        if (!s3_bucket_name_valid(span_of(good[i])))
            fail_msg("refused: %s", good[i]);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (s3_bucket_name_valid(span_of(bad[i])))
            fail_msg("accepted: %s", bad[i]);
}

static void ranges_are_cut_ignored_or_unsatisfiable(void **state)
{
    static const struct {
        const char *value;
        uint64_t size;
        enum s3_range result;
        uint64_t first, last;
    } rows[] = {
        {"bytes=0-9", 100, S3_RANGE_OK, 0, 9},
        {"bytes=0-0", 1, S3_RANGE_OK, 0, 0},
        {"bytes=5-", 100, S3_RANGE_OK, 5, 99},
        {"bytes=90-200", 100, S3_RANGE_OK, 90, 99},
        {"bytes=99-99", 100, S3_RANGE_OK, 99, 99},
        {"bytes=-1", 100, S3_RANGE_OK, 99, 99},
        {"bytes=-100", 100, S3_RANGE_OK, 0, 99},
        {"bytes=-200", 100, S3_RANGE_OK, 0, 99},
        {"BYTES=1-2", 100, S3_RANGE_OK, 1, 2},
        {"bytes=000000000000000000000001-2", 100, S3_RANGE_OK, 1, 2},
        {"bytes=3-99999999999999999999999999", 100, S3_RANGE_OK, 3, 99},
        {"bytes=-99999999999999999999999999", 100, S3_RANGE_OK, 0, 99},
        {"bytes=100-", 100, S3_RANGE_UNSATISFIABLE, 0, 0},
        {"bytes=100-200", 100, S3_RANGE_UNSATISFIABLE, 0, 0},
        {"bytes=99999999999999999999999999-", 100, S3_RANGE_UNSATISFIABLE, 0, 0},
        {"bytes=-0", 100, S3_RANGE_UNSATISFIABLE, 0, 0},
        {"bytes=0-", 0, S3_RANGE_UNSATISFIABLE, 0, 0},
        {"bytes=-1", 0, S3_RANGE_UNSATISFIABLE, 0, 0},
        {"", 100, S3_RANGE_NONE, 0, 0},
        {"bytes", 100, S3_RANGE_NONE, 0, 0},
        {"bytes=", 100, S3_RANGE_NONE, 0, 0},
        {"bytes=-", 100, S3_RANGE_NONE, 0, 0},
        {"bytes=5", 100, S3_RANGE_NONE, 0, 0},
        {"bytes=9-5", 100, S3_RANGE_NONE, 0, 0},
        {"bytes=0-1,5-6", 100, S3_RANGE_NONE, 0, 0},
        {"bytes= 0-1", 100, S3_RANGE_NONE, 0, 0},
        {"bytes=0 -1", 100, S3_RANGE_NONE, 0, 0},
        {"bytes=+0-1", 100, S3_RANGE_NONE, 0, 0},
        {"bytes=0x0-1", 100, S3_RANGE_NONE, 0, 0},
        {"bytes=--1", 100, S3_RANGE_NONE, 0, 0},
        {"bytes=0-1-2", 100, S3_RANGE_NONE, 0, 0},
        {"items=0-1", 100, S3_RANGE_NONE, 0, 0},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t first = 0, last = 0;
        enum s3_range result = s3_range_parse(span_of(rows[i].value), rows[i].size, &first, &last);

        if (result != rows[i].result || first != rows[i].first || last != rows[i].last)
            fail_msg("%s of %ju: %d %ju-%ju", rows[i].value, (uintmax_t)rows[i].size, result,
                     (uintmax_t)first, (uintmax_t)last);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decoding_is_done_once_and_strictly),
        cmocka_unit_test(a_raw_nul_is_refused),
        cmocka_unit_test(decoding_into_a_full_arena_is_refused),
        cmocka_unit_test(encoding_keeps_what_s3_keeps),
        cmocka_unit_test(encoding_then_decoding_gives_every_byte_back),
        cmocka_unit_test(bucket_names_follow_the_rules),
        cmocka_unit_test(ranges_are_cut_ignored_or_unsatisfiable),
    };

    return cmocka_run_group_tests(tests, arena_setup, arena_teardown);
}
