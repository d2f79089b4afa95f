/* Tags: both forms, there and back, and each rule. */
#include "s3/tagging.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define TEN_X "xxxxxxxxxx"
#define X120  TEN_X TEN_X TEN_X TEN_X TEN_X TEN_X TEN_X TEN_X TEN_X TEN_X TEN_X TEN_X
#define X128  X120 "xxxxxxxx"

static struct arena arena;

static int setup(void **state)
{
    arena_init(&arena, 1024 * 1024);
    return 0;
}

static int teardown(void **state)
{
    arena_fini(&arena);
    return 0;
}

static void headers_are_read_and_their_rules_kept(void **state)
{
    static const struct {
        const char *text;
        enum s3_code code;
        size_t count;
        const char *again; /* printed; NULL: as `text` */
    } rows[] = {
        {"", S3_OK, 0},
        {"a=b", S3_OK, 1},
        {"a=", S3_OK, 1},
        {"a", S3_OK, 1, "a="},
        {"a=b=c", S3_OK, 1, "a=b%3Dc"},
        {"a=1&b=2&c=3&d=4&e=5&f=6&g=7&h=8&i=9&j=10", S3_OK, 10},
        {"a=1&b=2&c=3&d=4&e=5&f=6&g=7&h=8&i=9&j=10&k=11", S3_INVALID_TAG},
        {"x+y=p%20q%2B", S3_OK, 1, "x%20y=p%20q%2B"},
        {"stra%C3%9Fe=%F0%9F%98%80", S3_OK, 1},
        {"a=%FF", S3_INVALID_TAG},
        {"a=%EF%BF%BE", S3_INVALID_TAG},
        {"a%EF%BF%BF=b", S3_INVALID_TAG},
        {"a=%zz", S3_INVALID_ARGUMENT},
        {"=b", S3_INVALID_TAG},
        {"a=b&a=c", S3_INVALID_TAG},
        {"a=b&A=c", S3_OK, 2},
        {"aws:a=b", S3_INVALID_TAG},
        {"AWS:a=b", S3_INVALID_TAG},
        {"a=%3C", S3_INVALID_TAG},
        {"a%0A=b", S3_INVALID_TAG},
        {"a%2B-%3D._%3A/%40=ok", S3_OK, 1},
        {X128 "=b", S3_OK, 1},
        {X128 "x=b", S3_INVALID_TAG},
        {"a=" X128 X128, S3_OK, 1},
        {"a=" X128 X128 "x", S3_INVALID_TAG},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct s3_tags tags;
        const char *message = NULL;
        enum s3_code code = s3_tags_parse_header(&tags, span_of(rows[i].text), &arena, &message);

        if (code != rows[i].code)
            fail_msg("row %zu: %s", i, rows[i].text);
        assert_int_equal(message != NULL, code != S3_OK);
        if (code != S3_OK)
            continue;
        assert_int_equal(tags.count, rows[i].count);
        assert_true(span_is(s3_tags_header(&tags, &arena), rows[i].again ? rows[i].again : rows[i].text));
    }
}

#define SET(tags)                                                                                            \
    "<Tagging xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><TagSet>" tags "</TagSet></Tagging>"
#define TAG(k, v) "<Tag><Key>" k "</Key><Value>" v "</Value></Tag>"

static void documents_are_read_and_their_rules_kept(void **state)
{
    static const struct {
        const char *text;
        enum s3_code code;
        const char *header;
    } rows[] = {
        {SET(""), S3_OK, ""},
        {SET(TAG("a", "b") TAG("c", "")), S3_OK, "a=b&c="},
        {SET("<Tag><Value>b</Value><Key>a</Key></Tag>"), S3_OK, "a=b"},
        {SET(TAG("a ", " b")), S3_OK, "a%20=%20b"},
        {SET(TAG("a", "b") TAG("a", "c")), S3_INVALID_TAG, NULL},
        {SET(TAG("", "b")), S3_INVALID_TAG, NULL},
        {SET(TAG("a", "&lt;")), S3_INVALID_TAG, NULL},
        {SET(TAG("a", X128 X128 X128 X128 X128 X128 X128 X128 X128)), S3_INVALID_TAG, NULL},
        {SET("<Tag><Key>a</Key></Tag>"), S3_MALFORMED_XML, NULL},
        {SET("<Tag><Key>a</Key><Key>b</Key><Value>c</Value></Tag>"), S3_MALFORMED_XML, NULL},
        {SET("<Other/>"), S3_MALFORMED_XML, NULL},
        {"<Tagging/>", S3_MALFORMED_XML, NULL},
        {"<Tagging><TagSet/><TagSet/></Tagging>", S3_MALFORMED_XML, NULL},
        {"<TagSet/>", S3_MALFORMED_XML, NULL},
        {"", S3_MALFORMED_XML, NULL},
        {"<!DOCTYPE Tagging [<!ENTITY e \"x\">]>" SET(TAG("a", "&e;")), S3_MALFORMED_XML, NULL},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct s3_tags tags;
        const char *message = NULL;
        enum s3_code code = s3_tags_parse_document(&tags, span_of(rows[i].text), &arena, &message);

        if (code != rows[i].code)
            fail_msg("row %zu: %s", i, rows[i].text);
        if (code == S3_OK)
            assert_true(span_is(s3_tags_header(&tags, &arena), rows[i].header));
    }
}

static void what_is_printed_is_read_again(void **state)
{
    struct s3_tags tags, again;
    const char *message;
    struct span document;

    assert_int_equal(s3_tags_parse_header(&tags, SPAN("a%2Bb=c/d&e=%C3%A4"), &arena, &message), S3_OK);
    document = s3_tags_document(&tags, &arena);
    assert_int_equal(s3_tags_parse_document(&again, document, &arena, &message), S3_OK);
    assert_int_equal(again.count, 2);
    assert_true(span_is(again.tag[0].key, "a+b"));
    assert_true(span_is(s3_tags_header(&again, &arena), "a%2Bb=c/d&e=%C3%A4"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_are_read_and_their_rules_kept),
        cmocka_unit_test(documents_are_read_and_their_rules_kept),
        cmocka_unit_test(what_is_printed_is_read_again),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
