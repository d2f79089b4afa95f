#include "s3/document.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static int arena_setup(void **state)
{
    static struct arena arena;

    arena_init(&arena, 1024 * 1024);
    *state = &arena;
    return 0;
}

static int arena_teardown(void **state)
{
    arena_fini(*state);
    return 0;
}

static void escaping_leaves_nothing_that_a_parser_trips_over(void **state)
{
    static const struct {
        struct span text, escaped;
    } rows[] = {
        {SPAN(""), SPAN("")},
        {SPAN("<a b='c' d=\"e\">&"), SPAN("&lt;a b=&apos;c&apos; d=&quot;e&quot;&gt;&amp;")},
        {SPAN("\t\n\r"), SPAN("&#x9;&#xA;&#xD;")},
        {SPAN("a\x01z\x1f"), SPAN("a\xef\xbf\xbdz\xef\xbf\xbd")},
        {SPAN("a\0b"), SPAN("a\xef\xbf\xbd"
                            "b")},
        {SPAN("\x7f"), SPAN("&#x7F;")},
        {SPAN("\xc3\xa4\xf0\x9f\x98\x80"), SPAN("\xc3\xa4\xf0\x9f\x98\x80")},
        {SPAN("\xef\xbf\xbe\xef\xbf\xbf"), SPAN("\xef\xbf\xbd\xef\xbf\xbd")},
        {SPAN("a\xff"), SPAN("a\xef\xbf\xbd")},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_true(span_eq(s3_xml_escape(*state, rows[i].text), rows[i].escaped));
}

static void an_error_document_has_the_five_elements_and_what_is_extra(void **state)
{
    struct span d =
        s3_error_document(*state, S3_NO_SUCH_KEY, NULL, SPAN("/b/<k>"), SPAN("id1"), SPAN("<Key>k</Key>"));

    assert_true(
        span_is(d, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>NoSuchKey</Code><Message>The "
                   "specified key does not exist.</Message><Key>k</Key><Resource>/b/&lt;k&gt;</Resource>"
                   "<RequestId>id1</RequestId><HostId>s3mirror</HostId></Error>"));
}

static void our_own_error_document_is_read_as_an_error(void **state)
{
    struct span code, message;
    struct span d = s3_error_document(*state, S3_INVALID_REQUEST, "say \"<why>\" & \x02", SPAN("/\xff"),
                                      SPAN("id"), SPAN_EMPTY);

    assert_true(s3_body_is_error(d, *state, &code, &message));
    assert_true(span_is(code, "InvalidRequest"));
    assert_true(span_is(message, "say \"<why>\" & \xef\xbf\xbd"));
}

static void documents_say_when_the_arena_is_full(void **state)
{
    const struct s3_bucket_entry bucket = {SPAN("media"), 0};

    for (size_t cap = 0; cap <= 8 * 1024; cap += 8 * 1024) {
        struct arena tiny;

        arena_init(&tiny, cap);
        assert_int_equal(s3_error_document(&tiny, S3_NO_SUCH_KEY, NULL, SPAN("/"), SPAN("i"), SPAN("")).at !=
                             NULL,
                         cap > 0);
        assert_int_equal(s3_buckets_document(&tiny, &bucket, 1, SPAN("o"), SPAN(""), SPAN("")).at != NULL,
                         cap > 0);
        assert_int_equal(s3_xml_escape(&tiny, SPAN("a")).at != NULL, cap > 0);
        arena_fini(&tiny);
    }
}

static void buckets_are_listed_with_their_dates(void **state)
{
    const struct s3_bucket_entry buckets[] = {{SPAN("a1b"), 1233679509007}, {SPAN("media"), 0}};
    struct span d = s3_buckets_document(*state, buckets, 2, SPAN("demo&co"), SPAN(""), SPAN(""));

    assert_true(
        span_is(d, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListAllMyBucketsResult "
                   "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Owner><ID>demo&amp;co</ID>"
                   "<DisplayName>demo&amp;co</DisplayName></Owner><Buckets><Bucket><Name>a1b</Name>"
                   "<CreationDate>2009-02-03T16:45:09.007Z</CreationDate></Bucket><Bucket><Name>media</Name>"
                   "<CreationDate>1970-01-01T00:00:00.000Z</CreationDate></Bucket></Buckets>"
                   "</ListAllMyBucketsResult>"));
}

static void an_empty_catalogue_is_an_empty_list(void **state)
{
    assert_true(span_ends(s3_buckets_document(*state, NULL, 0, SPAN("o"), SPAN(""), SPAN("")),
                          SPAN("<Buckets></Buckets></ListAllMyBucketsResult>")));
}

static void a_page_of_buckets_says_where_the_next_begins(void **state)
{
    const struct s3_bucket_entry bucket = {SPAN("media"), 0};

    assert_true(span_ends(s3_buckets_document(*state, &bucket, 1, SPAN("o"), SPAN("m<"), SPAN("media")),
                          SPAN("</Bucket></Buckets><Prefix>m&lt;</Prefix><ContinuationToken>media"
                               "</ContinuationToken></ListAllMyBucketsResult>")));
}

static void create_bucket_bodies_are_read_strictly(void **state)
{
#define DEEP "<a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a>"
    static const struct {
        const char *body, *location; /* NULL: ERR_INVALID */
    } rows[] = {
        {"", ""},
        {" \r\n", ""},
        {"<CreateBucketConfiguration/>", ""},
        {"<CreateBucketConfiguration "
         "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><LocationConstraint>eu-west-1"
         "</LocationConstraint></CreateBucketConfiguration>",
         "eu-west-1"},
        {"<?xml version=\"1.0\"?><s:CreateBucketConfiguration xmlns:s=\"x\"><s:LocationConstraint> a\n"
         "</s:LocationConstraint></s:CreateBucketConfiguration>",
         "a"},
        {"<CreateBucketConfiguration><LocationConstraint/></CreateBucketConfiguration>", ""},
        {"<CreateBucketConfiguration><LocationConstraint>a&amp;b</LocationConstraint></"
         "CreateBucketConfiguration>",
         "a&b"},
        {"<CreateBucketConfiguration>", NULL},
        {"<CreateBucketConfiguration></CreateBucketConfiguration><a/>", NULL},
        {"<Error/>", NULL},
        {"hello", NULL},
        {"<CreateBucketConfiguration><Bucket/></CreateBucketConfiguration>", NULL},
        {"<CreateBucketConfiguration><LocationConstraint/><LocationConstraint>a</LocationConstraint>"
         "</CreateBucketConfiguration>",
         NULL},
        {"<CreateBucketConfiguration><LocationConstraint><b/></LocationConstraint></"
         "CreateBucketConfiguration>",
         NULL},
        {"<!DOCTYPE a><CreateBucketConfiguration/>", NULL},
        {"<!DOCTYPE a [<!ENTITY e "
         "\"x\">]><CreateBucketConfiguration><LocationConstraint>&e;</LocationConstraint>"
         "</CreateBucketConfiguration>",
         NULL},
        {"<CreateBucketConfiguration><LocationConstraint>&e;</LocationConstraint></"
         "CreateBucketConfiguration>",
         NULL},
        {DEEP, NULL},
        {"<CreateBucketConfiguration>\x01</CreateBucketConfiguration>", NULL},
        {"<CreateBucketConfiguration>\xff</CreateBucketConfiguration>", NULL},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct span location;
        enum err e = s3_create_bucket_parse(span_of(rows[i].body), *state, &location);

        if ((e == ERR_OK) != (rows[i].location != NULL) || (e != ERR_OK && e != ERR_INVALID))
            fail_msg("%s: %s", rows[i].body, err_name(e));
        if (e == ERR_OK && !span_is(location, rows[i].location))
            fail_msg("%s: %.*s", rows[i].body, SPAN_ARG(location));
    }
}

static void a_body_over_its_bound_is_not_parsed(void **state)
{
    static const char form[] = "<CreateBucketConfiguration>%*s</CreateBucketConfiguration>";
    struct span location;

    assert_int_equal(s3_create_bucket_parse(arena_printf(*state, form, 60 * 1024, ""), *state, &location),
                     ERR_OK);
    assert_int_equal(s3_create_bucket_parse(arena_printf(*state, form, 65 * 1024, ""), *state, &location),
                     ERR_INVALID);
}

static void error_bodies_are_known_whatever_they_look_like(void **state)
{
    static const struct {
        const char *body;
        bool error;
        const char *code, *message;
    } rows[] = {
        {"", false, "", ""},
        {"  \r\n", false, "", ""},
        {"<Error><Code>SlowDown</Code><Message>x &lt; y</Message></Error>", true, "SlowDown", "x < y"},
        {"\n   <?xml version=\"1.0\"?>\n<Error><Code> InternalError </Code></Error>", true, "InternalError",
         ""},
        {"<e:Error xmlns:e=\"u\"><e:Code>A</e:Code></e:Error>", true, "A", ""},
        {"<Error><Code>First</Code><Code>Second</Code></Error>", true, "First", ""},
        {"<Error><Deep><Code>No</Code></Deep><Code>Yes</Code></Error>", true, "Yes", ""},
        {"<Error><Code>Cut</Code><Mess", true, "Cut", ""},
        {"<Error", true, "", ""},
        {"<Error><Code>A</Wrong>", true, "", ""},
        {"<Error/>", true, "", ""},
        {"<!DOCTYPE x [<!ENTITY e \"x\">]><Error><Code>&e;</Code></Error>", false, "", ""},
        {"<CopyObjectResult><ETag>1</ETag></CopyObjectResult>", false, "", ""},
        {"<Result><Error><Code>A</Code></Error></Result>", false, "", ""},
        {"plain text", false, "", ""},
        {"{\"Error\":1}", false, "", ""},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct span code, message;

        if (s3_body_is_error(span_of(rows[i].body), *state, &code, &message) != rows[i].error ||
            !span_is(code, rows[i].code) || !span_is(message, rows[i].message))
            fail_msg("%s: '%.*s' '%.*s'", rows[i].body, SPAN_ARG(code), SPAN_ARG(message));
    }
}

static void a_long_error_message_is_cut(void **state)
{
    char body[8000] = "<Error><Message>";
    struct span code, message;

    memset(body + 16, 'm', 5000);
    strcpy(body + 5016, "</Message><Code>A</Code></Error>");
    assert_true(s3_body_is_error(span_of(body), *state, &code, &message));
    assert_int_equal(message.len, 1024);
    assert_true(span_is(code, "A"));
}

static void listings_are_counted(void **state)
{
    static const struct {
        const char *body;
        enum err result;
        size_t entries;
    } rows[] = {
        {"<ListBucketResult/>", ERR_OK, 0},
        {"<ListBucketResult xmlns=\"u\"><Name>b</Name><Contents><Key>a</Key></Contents><Contents/>"
         "<CommonPrefixes><Prefix>p/</Prefix></CommonPrefixes></ListBucketResult>",
         ERR_OK, 3},
        {"<ListBucketResult><Other><Contents/></Other></ListBucketResult>", ERR_OK, 0},
        {"", ERR_INVALID, 0},
        {"<Error><Code>A</Code></Error>", ERR_INVALID, 0},
        {"<ListBucketResult><Contents>", ERR_INVALID, 1},
        {"<html></html>", ERR_INVALID, 0},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        size_t entries = 99;

        assert_int_equal(s3_list_count(span_of(rows[i].body), *state, &entries), rows[i].result);
        assert_int_equal(entries, rows[i].entries);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(escaping_leaves_nothing_that_a_parser_trips_over),
        cmocka_unit_test(an_error_document_has_the_five_elements_and_what_is_extra),
        cmocka_unit_test(our_own_error_document_is_read_as_an_error),
        cmocka_unit_test(documents_say_when_the_arena_is_full),
        cmocka_unit_test(buckets_are_listed_with_their_dates),
        cmocka_unit_test(an_empty_catalogue_is_an_empty_list),
        cmocka_unit_test(a_page_of_buckets_says_where_the_next_begins),
        cmocka_unit_test(create_bucket_bodies_are_read_strictly),
        cmocka_unit_test(a_body_over_its_bound_is_not_parsed),
        cmocka_unit_test(error_bodies_are_known_whatever_they_look_like),
        cmocka_unit_test(a_long_error_message_is_cut),
        cmocka_unit_test(listings_are_counted),
    };

    return cmocka_run_group_tests(tests, arena_setup, arena_teardown);
}
