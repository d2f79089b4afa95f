/* DeleteObjects' documents: read whole or byte by byte, printed per key. */
#include "s3/delete_document.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static enum s3_code parse(struct s3_delete *out, struct arena *arena, struct span body, size_t step)
{
    struct s3_delete_reader r;
    enum s3_code code = s3_delete_open(&r, out, arena);

    if (code != S3_OK)
        return code;
    while (body.len) {
        s3_delete_feed(&r, span_head(body, step));
        body = span_skip(body, step);
    }
    return s3_delete_close(&r);
}

#define OBJECT(inside) "<Object>" inside "</Object>"

static void documents_are_read_in_pieces_of_any_size(void **state)
{
    static const struct {
        const char *text;
        enum s3_code code;
        size_t count;
        bool quiet;
    } rows[] = {
        {"<Delete>" OBJECT("<Key>a</Key>") "</Delete>", S3_OK, 1, false},
        {"<?xml version=\"1.0\"?><Delete xmlns=\"x\">" OBJECT("<Key>a</Key>")
             OBJECT("<Key>b</Key>") "<Quiet>true</Quiet></Delete>",
         S3_OK, 2, true},
        {"<Delete><Quiet>false</Quiet>" OBJECT("<Key>a</Key>") "</Delete>", S3_OK, 1, false},
        {"<Delete></Delete>", S3_MALFORMED_XML, 0, false},
        /* what only belongs into an object means nothing outside of one */
        {"<Delete>" OBJECT("<Key>a</Key>") "<Other><Key>b</Key><Size>1</Size></Other></Delete>", S3_OK, 1,
         false},
        {"<Delete><Other><Key>b</Key></Other>" OBJECT("") "</Delete>", S3_MALFORMED_XML, 0, false},
        {"", S3_MALFORMED_XML, 0, false},
        {"<Delete>" OBJECT("") "</Delete>", S3_MALFORMED_XML, 0, false},
        {"<Delete>" OBJECT("<Key></Key>") "</Delete>", S3_MALFORMED_XML, 0, false},
        {"<Delete>" OBJECT("<Key>a</Key><Key>b</Key>") "</Delete>", S3_MALFORMED_XML, 0, false},
        {"<Delete>" OBJECT("<Key>a</Key><ETag>b</ETag><ETag>c</ETag>") "</Delete>", S3_MALFORMED_XML, 0,
         false},
        {"<Delete>" OBJECT("<Key>a</Key><VersionId>b</VersionId><VersionId>null</VersionId>") "</Delete>",
         S3_MALFORMED_XML, 0, false},
        {"<Delete>" OBJECT("<Key>a</Key>"), S3_MALFORMED_XML, 0, false},
        {"<Remove>" OBJECT("<Key>a</Key>") "</Remove>", S3_MALFORMED_XML, 0, false},
        {"<!DOCTYPE x><Delete>" OBJECT("<Key>a</Key>") "</Delete>", S3_MALFORMED_XML, 0, false},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        for (size_t step = 1; step <= 4096; step *= 64) {
            struct s3_delete d;
            struct arena arena;

            arena_init(&arena, 1 << 20);
            if (parse(&d, &arena, span_of(rows[i].text), step) != rows[i].code)
                fail_msg("row %zu in steps of %zu", i, step);
            if (rows[i].code == S3_OK) {
                assert_int_equal(d.count, rows[i].count);
                assert_int_equal(d.quiet, rows[i].quiet);
                assert_true(span_is(d.entries[0].key, "a"));
            }
            arena_fini(&arena);
        }
}

static void a_key_comes_as_it_is_with_its_version_and_conditions(void **state)
{
    struct s3_delete d;
    struct arena arena;

    arena_init(&arena, 1 << 20);
    assert_int_equal(parse(&d, &arena,
                           SPAN("<Delete>" OBJECT("<Key> a&amp;b\t</Key><VersionId>null</VersionId>")
                                    OBJECT("<Key>c</Key><ETag>\"e\"</ETag>")
                                        OBJECT("<Key>d</Key><Size>1</Size>") "</Delete>"),
                           4096),
                     S3_OK);
    assert_true(span_is(d.entries[0].key, " a&b\t"));
    assert_true(span_is(d.entries[0].version, "null"));
    assert_true(span_is(d.entries[1].etag, "\"e\""));
    assert_false(d.entries[1].other_condition);
    assert_true(d.entries[2].other_condition);
    arena_fini(&arena);
}

static void a_thousand_keys_are_the_most_and_a_long_key_is_known(void **state)
{
    for (size_t keys = 999; keys <= 1001; keys++) {
        struct s3_delete_reader r;
        struct s3_delete d;
        struct arena arena;
        char text[1200];

        arena_init(&arena, 4 << 20);
        assert_int_equal(s3_delete_open(&r, &d, &arena), S3_OK);
        s3_delete_feed(&r, SPAN("<Delete>"));
        for (size_t i = 0; i < keys; i++) {
            memset(text, 'k', sizeof(text));
            s3_delete_feed(&r, SPAN("<Object><Key>"));
            s3_delete_feed(&r, (struct span){text, 1023 + i % 3});
            s3_delete_feed(&r, SPAN("</Key></Object>"));
        }
        s3_delete_feed(&r, SPAN("</Delete>"));
        assert_int_equal(s3_delete_close(&r), keys > 1000 ? S3_MALFORMED_XML : S3_OK);
        assert_false(d.entries[0].too_long);
        assert_false(d.entries[1].too_long);
        assert_int_equal(d.entries[1].key.len, 1024);
        assert_true(d.entries[2].too_long);
        arena_fini(&arena);
    }
}

static void a_full_arena_is_no_fault_of_the_client(void **state)
{
    struct s3_delete d;
    struct arena arena;

    arena_init(&arena, 1000);
    assert_int_equal(parse(&d, &arena, SPAN("<Delete/>"), 10), S3_INTERNAL_ERROR);
    arena_fini(&arena);
}

static void results_are_printed_per_key(void **state)
{
    const struct s3_delete_entry e = {.key = SPAN("a<b"), .version = SPAN_EMPTY},
                                 v = {.key = SPAN("k"), .version = SPAN("null")};
    struct arena arena;

    arena_init(&arena, 1 << 16);
    assert_true(span_is(s3_delete_result(&arena, &e, S3_OK, NULL), "<Deleted><Key>a&lt;b</Key></Deleted>"));
    assert_true(span_is(s3_delete_result(&arena, &v, S3_OK, NULL),
                        "<Deleted><Key>k</Key><VersionId>null</VersionId></Deleted>"));
    assert_true(span_is(s3_delete_result(&arena, &v, S3_ACCESS_DENIED, "not you & me"),
                        "<Error><Key>k</Key><VersionId>null</VersionId><Code>AccessDenied</Code>"
                        "<Message>not you &amp; me</Message></Error>"));
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(documents_are_read_in_pieces_of_any_size),
        cmocka_unit_test(a_key_comes_as_it_is_with_its_version_and_conditions),
        cmocka_unit_test(a_thousand_keys_are_the_most_and_a_long_key_is_known),
        cmocka_unit_test(a_full_arena_is_no_fault_of_the_client),
        cmocka_unit_test(results_are_printed_per_key),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
