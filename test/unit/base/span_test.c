/* Spans: cutting, comparing, numbers, UTF-8. */
#include "base/span.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void equality_is_by_bytes_and_length(void **state)
{
    static const struct {
        const char *a, *b;
        bool same, same_folded;
    } rows[] = {
        {"", "", true, true},
        {"a", "a", true, true},
        {"a", "A", false, true},
        {"ab", "a", false, false},
        {"", "a", false, false},
        {"Etag", "eTAG", false, true},
        {"[", "{", false, false},
        {"@", "`", false, false},
        {"\xc4", "\xe4", false, false},
        {"k", "\xe2\x84\xaa", false, false}, /* the Kelvin sign folds to k in Unicode, not here */
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(span_eq(span_of(rows[i].a), span_of(rows[i].b)), rows[i].same);
        assert_int_equal(span_is(span_of(rows[i].a), rows[i].b), rows[i].same);
        assert_int_equal(span_ieq(span_of(rows[i].a), span_of(rows[i].b)), rows[i].same_folded);
    }
    assert_true(span_eq((struct span){NULL, 0}, SPAN_EMPTY));
    assert_true(span_eq((struct span){"a\0b", 3}, (struct span){"a\0b", 3}));
    assert_false(span_eq((struct span){"a\0b", 3}, (struct span){"a\0c", 3}));
}

static void prefixes_and_suffixes_are_found(void **state)
{
    static const struct {
        const char *s, *part;
        bool starts, ends;
    } rows[] = {{"", "", true, true},       {"abc", "", true, true},    {"abc", "ab", true, false},
                {"abc", "bc", false, true}, {"abc", "abc", true, true}, {"abc", "abcd", false, false},
                {"aba", "a", true, true}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(span_starts(span_of(rows[i].s), span_of(rows[i].part)), rows[i].starts);
        assert_int_equal(span_ends(span_of(rows[i].s), span_of(rows[i].part)), rows[i].ends);
    }
}

static void head_and_skip_stay_within_the_span(void **state)
{
    static const size_t counts[] = {0, 1, 3, 4, SIZE_MAX};

    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        struct span s = SPAN("abc"), head = span_head(s, counts[i]), rest = span_skip(s, counts[i]);

        assert_int_equal(head.len, counts[i] < 3 ? counts[i] : 3);
        assert_int_equal(head.len + rest.len, 3);
        assert_ptr_equal(rest.at, s.at + head.len);
    }
}

static void cut_returns_what_stands_before_and_moves_behind(void **state)
{
    static const struct {
        const char *s, *head, *rest;
    } rows[] = {{"a,b", "a", "b"}, {",b", "", "b"}, {"a,", "a", ""},      {"a", "a", ""},
                {"", "", ""},      {",", "", ""},   {"a,b,c", "a", "b,c"}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct span s = span_of(rows[i].s), head;

        assert_int_equal(span_find(s, ','), strcspn(rows[i].s, ","));
        head = span_cut(&s, ',');
        assert_true(span_is(head, rows[i].head));
        assert_true(span_is(s, rows[i].rest));
    }
}

static void trim_takes_spaces_and_tabs_only(void **state)
{
    static const struct {
        const char *s, *trimmed;
    } rows[] = {{"", ""},   {" ", ""},          {" \t ", ""},  {" a b\t", "a b"},
                {"a", "a"}, {"\na\n", "\na\n"}, {"\va", "\va"}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_true(span_is(span_trim(span_of(rows[i].s)), rows[i].trimmed));
}

static void numbers_are_digits_that_fit(void **state)
{
    static const struct {
        const char *text;
        bool ok;
        uint64_t value;
    } rows[] = {
        {"0", true, 0},
        {"9", true, 9},
        {"007", true, 7},
        {"18446744073709551615", true, UINT64_MAX},
        {"000000000000000000000018446744073709551615", true, UINT64_MAX},
        {"18446744073709551616", false, 0},
        {"18446744073709551620", false, 0},
        {"28446744073709551615", false, 0},
        {"99999999999999999999", false, 0},
        {"184467440737095516150", false, 0},
        {"", false, 0},
        {"-1", false, 0},
        {"+1", false, 0},
        {" 1", false, 0},
        {"1 ", false, 0},
        {"1_0", false, 0},
        {"0x1", false, 0},
        {"1.0", false, 0},
        {"/", false, 0},
        {":", false, 0},
        {"\xd9\xa1", false, 0}, /* an Arabic-Indic one */
        {"\xb1", false, 0},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t out = 77;

        assert_int_equal(span_to_u64(span_of(rows[i].text), &out), rows[i].ok);
        assert_int_equal(out, rows[i].ok ? rows[i].value : 77);
    }
}

static void hexadecimal_numbers_have_one_to_sixteen_digits(void **state)
{
    static const struct {
        const char *text;
        bool ok;
        uint64_t value;
    } rows[] = {
        {"0", true, 0},
        {"f", true, 15},
        {"F", true, 15},
        {"aB", true, 0xab},
        {"ffffffffffffffff", true, UINT64_MAX},
        {"0000000000000001", true, 1},
        {"00000000000000001", false, 0},
        {"10000000000000000", false, 0},
        {"", false, 0},
        {"g", false, 0},
        {"0x1", false, 0},
        {"-1", false, 0},
        {" 1", false, 0},
        {"@", false, 0},
        {"`", false, 0},
        {"/", false, 0},
        {":", false, 0},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t out = 77;

        assert_int_equal(span_to_u64_hex(span_of(rows[i].text), &out), rows[i].ok);
        assert_int_equal(out, rows[i].ok ? rows[i].value : 77);
    }
}

static void order_is_by_unsigned_bytes_then_the_shorter_first(void **state)
{
    static const char *const sorted[] = {"",    "A",  "Z", "a",    "a!",       "a/",
                                         "a/b", "aa", "b", "\x7f", "\xc3\xa4", "\xff"};
    size_t n = sizeof(sorted) / sizeof(sorted[0]);

    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < n; k++) {
            int order = span_cmp(span_of(sorted[i]), span_of(sorted[k]));

            assert_int_equal((order > 0) - (order < 0), (i > k) - (i < k));
        }
}

static void utf8_is_accepted_exactly_when_it_is_well_formed(void **state)
{
    static const struct {
        const char *bytes;
        bool ok;
    } rows[] = {
        {"", true},
        {"plain", true},
        {"\x7f", true},
        {"\xc2\x80", true},         /* U+0080, the first of two bytes */
        {"\xdf\xbf", true},         /* U+07FF, the last */
        {"\xe0\xa0\x80", true},     /* U+0800 */
        {"\xed\x9f\xbf", true},     /* U+D7FF, before the surrogates */
        {"\xee\x80\x80", true},     /* U+E000, behind them */
        {"\xef\xbf\xbf", true},     /* U+FFFF */
        {"\xf0\x90\x80\x80", true}, /* U+10000 */
        {"\xf4\x8f\xbf\xbf", true}, /* U+10FFFF, the last */
        {"a\xc3\xa4z", true},
        {"\x80", false}, /* a continuation alone */
        {"\xbf", false},
        {"a\x80", false},
        {"\xc3", false}, /* cut off */
        {"\xc3z", false},
        {"\xe2\x82", false},
        {"\xe2\x82z", false},
        {"\xf0\x9f\x98", false},
        {"\xf0\x9f\x98z", false},
        {"\xc3\xc3", false},
        {"\xc0\x80", false}, /* overlong NUL */
        {"\xc0\xaf", false}, /* overlong slash */
        {"\xc1\xbf", false},
        {"\xe0\x80\xaf", false},
        {"\xe0\x9f\xbf", false},
        {"\xf0\x80\x80\xaf", false},
        {"\xf0\x8f\xbf\xbf", false},
        {"\xed\xa0\x80", false},     /* U+D800, a surrogate */
        {"\xed\xbf\xbf", false},     /* U+DFFF */
        {"\xf4\x90\x80\x80", false}, /* U+110000 */
        {"\xf5\x80\x80\x80", false},
        {"\xf8\x88\x80\x80\x80", false}, /* five bytes */
        {"\xfe", false},
        {"\xff", false},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(span_is_utf8(span_of(rows[i].bytes)), rows[i].ok);
    assert_true(span_is_utf8((struct span){"a\0b", 3}));
}

static size_t encode(uint32_t c, char *out)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xc0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xe0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 0x3f));
        out[2] = (char)(0x80 | (c & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 0x3f));
    out[2] = (char)(0x80 | (c >> 6 & 0x3f));
    out[3] = (char)(0x80 | (c & 0x3f));
    return 4;
}

static void utf8_of_every_code_point_is_accepted_but_for_surrogates(void **state)
{
    unsigned wrong = 0;

    for (uint32_t c = 0; c < 0x120000; c++) {
        char text[4];
        size_t len = encode(c, text);
        bool valid = c < 0x110000 && (c < 0xd800 || c > 0xdfff);

        wrong += span_is_utf8((struct span){text, len}) != valid;
        for (size_t cut = 1; cut < len; cut++)
            wrong += span_is_utf8((struct span){text, cut});
    }
    assert_int_equal(wrong, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equality_is_by_bytes_and_length),
        cmocka_unit_test(prefixes_and_suffixes_are_found),
        cmocka_unit_test(head_and_skip_stay_within_the_span),
        cmocka_unit_test(cut_returns_what_stands_before_and_moves_behind),
        cmocka_unit_test(trim_takes_spaces_and_tabs_only),
        cmocka_unit_test(numbers_are_digits_that_fit),
        cmocka_unit_test(hexadecimal_numbers_have_one_to_sixteen_digits),
        cmocka_unit_test(order_is_by_unsigned_bytes_then_the_shorter_first),
        cmocka_unit_test(utf8_is_accepted_exactly_when_it_is_well_formed),
        cmocka_unit_test(utf8_of_every_code_point_is_accepted_but_for_surrogates),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
