/* What is stored with an object, in a form that every backend keeps. */
#include "s3/metadata.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static struct http_head head;

static void fields(const char *const (*rows)[2], size_t count)
{
    head = (struct http_head){.header_count = count};
    for (size_t i = 0; i < count; i++)
        head.headers[i] = (struct http_header){span_of(rows[i][0]), span_of(rows[i][1])};
}
#define FIELDS(...)                                                                                          \
    do {                                                                                                     \
        static const char *const rows[][2] = {__VA_ARGS__};                                                  \
        fields(rows, sizeof(rows) / sizeof(rows[0]));                                                        \
    } while (0)

static void values_beyond_ascii_are_stored_as_encoded_words(void **state)
{
    static const char long_umlauts[] =
        "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4"
        "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4"
        "\xc3\xa4\xc3\xa4\xc3\xa4";
    static const struct {
        const char *name, *given, *stored;
    } rows[] = {
        {"x-amz-meta-a", "plain =?x?= text", "plain =?x?= text"},
        {"x-amz-meta-a", "", ""},
        {"x-amz-meta-a", "caf\xc3\xa9", "=?UTF-8?B?Y2Fmw6k=?="},
        {"X-Amz-Meta-A", "\xf0\x9f\x98\x80", "=?UTF-8?B?8J+YgA==?="},
        {"x-amz-meta-a", "\xe2\x82\xac", "=?UTF-8?B?4oKs?="},
        /* no UTF-8: ISO 8859-1 */
        {"x-amz-meta-a", "caf\xe9", "=?UTF-8?B?Y2Fmw6k=?="},
        {"x-amz-meta-a", "\xc3\xa9\xff", "=?UTF-8?B?w4PCqcO/?="},
        /* 46 bytes: a word has no half of a character, so 44 and 2 */
        {"x-amz-meta-a", long_umlauts,
         "=?UTF-8?B?w6TDpMOkw6TDpMOkw6TDpMOkw6TDpMOkw6TDpMOkw6TDpMOkw6TDpMOkw6Q=?= =?UTF-8?B?w6Q=?="},
        /* what is no metadata is as it was sent */
        {"content-disposition", "caf\xc3\xa9", "caf\xc3\xa9"},
    };
    struct arena arena;

    arena_init(&arena, 1 << 16);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct http_header h = {span_of(rows[i].name), span_of(rows[i].given)};
        struct span stored;

        assert_true(s3_stored_value(&arena, &h, &stored));
        if (!span_is(stored, rows[i].stored))
            fail_msg("row %zu: %.*s", i, SPAN_ARG(stored));
    }
    arena_fini(&arena);
}

static void what_is_stored_is_what_counts(void **state)
{
    static const struct {
        const char *value;
        size_t bytes;
    } rows[] = {{"abc", 2 + 3},      {"caf\xc3\xa9", 2 + 20},
                {"caf\xe9", 2 + 20}, {"", 2 + 2 + 14}, /* the first: "s3mirror-empty" */
                {"abc", 2 + 3},      {"", 2 + 2 + 1}};
    bool has_empty = false;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(
            s3_metadata_bytes(&(struct http_header){SPAN("x-amz-meta-ab"), span_of(rows[i].value)},
                              &has_empty),
            rows[i].bytes);
}

static void metadata_without_a_value_is_listed(void **state)
{
    struct arena arena;

    arena_init(&arena, 1 << 16);
    FIELDS({"x-amz-meta-a", "1"}, {"x-amz-meta-b", ""}, {"content-language", ""}, {"X-Amz-Meta-Cd", ""},
           {"x-amz-meta-s3mirror-own", ""}, {"x-amz-date", ""});
    assert_true(span_is(s3_empty_metadata(&arena, head.headers, head.header_count), "b,Cd"));
    FIELDS({"x-amz-meta-a", "1"}, {"content-language", ""});
    assert_int_equal(s3_empty_metadata(&arena, head.headers, head.header_count).len, 0);
    arena_fini(&arena);
}

static void dropped(const char *list, const char *expected)
{
    struct span left = span_of(list), name;
    char got[200], *p = got;

    while (s3_dropped_metadata(&head, &left, &name)) {
        p = span_put(p, name);
        *p++ = ' ';
    }
    *p = '\0';
    assert_string_equal(got, expected);
}

static void what_a_backend_dropped_is_told_from_what_it_shows(void **state)
{
    FIELDS({"x-amz-meta-Shown", ""}, {"x-amz-meta-other", "x"}, {"gone", "x"});
    dropped("gone,shown,also-gone", "gone also-gone ");
    dropped("", "");
    dropped(",, a ,", "a ");
    /* not written here: nothing that would not be a name, or one of ours, becomes a field */
    dropped("a b,c:d,e\x7f,s3mirror-stamp,S3Mirror-tags,\xc3\xa9,ok", "ok ");
}

static void a_backends_answer_gives_what_was_stored(void **state)
{
    static const char *const expected[][2] = {{"x-amz-meta-a", "1"},
                                              {"content-type", "a/b"},
                                              {S3_EMPTY_METADATA_HEADER, "b,c"},
                                              {"x-amz-meta-c", ""}};
    struct http_header out[S3_STORED_HEADERS_MAX];
    struct arena arena;
    size_t count;

    arena_init(&arena, 1 << 16);
    FIELDS({"x-amz-meta-a", "1"}, {"etag", "x"}, {"content-type", "a/b"}, {"x-amz-meta-s3mirror-stamp", "s"},
           {S3_EMPTY_METADATA_HEADER, "b,c"});
    head.headers[head.header_count++] = (struct http_header){SPAN("x-amz-meta-b"), SPAN("not empty here")};
    assert_true(s3_stored_headers(&arena, &head, out, &count));
    assert_int_equal(count, 5);
    assert_true(span_is(out[2].name, "x-amz-meta-b"));
    for (size_t i = 0; i < 4; i++) {
        const struct http_header *h = &out[i < 2 ? i : i + 1];

        assert_true(span_is(h->name, expected[i][0]) && span_is(h->value, expected[i][1]));
    }
    arena_fini(&arena);
}

static void a_list_that_is_too_long_ends_with_the_room(void **state)
{
    struct http_header out[S3_STORED_HEADERS_MAX];
    char list[4 * 300], *p = list;
    struct arena arena;
    size_t count;

    arena_init(&arena, 1 << 16);
    for (int i = 0; i < 300; i++)
        p += sprintf(p, "%d,", i);
    FIELDS({"content-type", "a/b"}, {S3_EMPTY_METADATA_HEADER, ""});
    head.headers[1].value = (struct span){list, (size_t)(p - list)};
    assert_true(s3_stored_headers(&arena, &head, out, &count));
    assert_int_equal(count, S3_STORED_HEADERS_MAX);
    arena_fini(&arena);
}

static void a_full_arena_is_told(void **state)
{
    const struct http_header h = {SPAN("x-amz-meta-a"), SPAN("\xc3\xa9")};
    struct http_header out[S3_STORED_HEADERS_MAX];
    struct arena arena;
    struct span value;
    size_t count;

    arena_init(&arena, 0);
    assert_false(s3_stored_value(&arena, &h, &value));
    FIELDS({"x-amz-meta-b", ""});
    assert_null(s3_empty_metadata(&arena, head.headers, head.header_count).at);
    assert_false(s3_stored_headers(&arena, &head, out, &count));
    FIELDS({S3_EMPTY_METADATA_HEADER, "b"});
    assert_false(s3_stored_headers(&arena, &head, out, &count));
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_beyond_ascii_are_stored_as_encoded_words),
        cmocka_unit_test(what_is_stored_is_what_counts),
        cmocka_unit_test(metadata_without_a_value_is_listed),
        cmocka_unit_test(what_a_backend_dropped_is_told_from_what_it_shows),
        cmocka_unit_test(a_backends_answer_gives_what_was_stored),
        cmocka_unit_test(a_list_that_is_too_long_ends_with_the_room),
        cmocka_unit_test(a_full_arena_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
