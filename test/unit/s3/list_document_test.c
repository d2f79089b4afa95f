/* The three listing documents, to the byte, and tokens that are nobody else's. */
#include "s3/list_document.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { ARENA_BYTES = 256 * 1024 };

static struct arena arena;

static int set_up(void **state)
{
    arena_init(&arena, ARENA_BYTES);
    return 0;
}

static int tear_down(void **state)
{
    arena_fini(&arena);
    return 0;
}

static struct s3_request ask(enum s3_op op)
{
    return (struct s3_request){.op = op,
                               .bucket = SPAN("media"),
                               .prefix = SPAN_EMPTY,
                               .delimiter = SPAN_EMPTY,
                               .marker = SPAN_EMPTY,
                               .id_marker = SPAN_EMPTY,
                               .continuation_token = SPAN_EMPTY,
                               .max_keys = 1000};
}

static void assert_text(struct span got, const char *want)
{
    assert_non_null(got.at);
    if (!span_is(got, want))
        fail_msg("%.*s\ninstead of\n%s", SPAN_ARG(got), want);
}

#define HEAD(root)                                                                                           \
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<" root                                                     \
    " xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>media</Name>"

static void heads_say_where_the_list_began_and_goes_on(void **state)
{
    struct s3_request r = ask(S3_OP_LIST_OBJECTS);
    struct s3_list_head h = {.request = &r, .count = 2, .last = SPAN("b&/"), .last_is_group = true};

    assert_text(
        s3_list_head_print(&arena, &h),
        HEAD("ListBucketResult") "<Prefix/><Marker/><MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated>");
    h.truncated = true; /* NextMarker only with a delimiter */
    r.max_keys = 2;
    r.marker = SPAN("a<");
    assert_text(s3_list_head_print(&arena, &h),
                HEAD("ListBucketResult") "<Prefix/><Marker>a&lt;</Marker><MaxKeys>2</MaxKeys>"
                                         "<IsTruncated>true</IsTruncated>");
    r.delimiter = SPAN("/");
    r.url_encoding = true;
    r.prefix = SPAN("\n p");
    assert_text(
        s3_list_head_print(&arena, &h),
        HEAD(
            "ListBucketResult") "<Prefix>&#xA; p</Prefix><Marker>a%3C</Marker><NextMarker>b%26/</NextMarker>"
                                "<MaxKeys>2</MaxKeys><Delimiter>/</Delimiter><EncodingType>url</EncodingType>"
                                "<IsTruncated>true</IsTruncated>");
}

static void version_2_has_tokens_and_a_count(void **state)
{
    struct s3_request r = ask(S3_OP_LIST_OBJECTS_V2);
    struct s3_list_head h = {.request = &r, .count = 2, .last = SPAN("b")};
    char want[512];

    assert_text(s3_list_head_print(&arena, &h),
                HEAD("ListBucketResult") "<Prefix/><KeyCount>2</KeyCount><MaxKeys>1000</MaxKeys>"
                                         "<IsTruncated>false</IsTruncated>");
    h.truncated = true;
    r.marker = SPAN("a");
    r.has_token = true;
    r.continuation_token = SPAN("abc");
    snprintf(
        want, sizeof(want),
        HEAD("ListBucketResult") "<Prefix/><StartAfter>a</StartAfter><ContinuationToken>abc</"
                                 "ContinuationToken>"
                                 "<NextContinuationToken>%.*s</NextContinuationToken><KeyCount>2</KeyCount>"
                                 "<MaxKeys>1000</MaxKeys><IsTruncated>true</IsTruncated>",
        SPAN_ARG(s3_list_token(&arena, SPAN("b"))));
    assert_text(s3_list_head_print(&arena, &h), want);
    r.continuation_token = SPAN_EMPTY;
    h.truncated = false;
    assert_text(s3_list_head_print(&arena, &h),
                HEAD("ListBucketResult") "<Prefix/><StartAfter>a</StartAfter><ContinuationToken/"
                                         "><KeyCount>2</KeyCount>"
                                         "<MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated>");
}

static void versions_are_null_ones(void **state)
{
    struct s3_request r = ask(S3_OP_LIST_OBJECT_VERSIONS);
    struct s3_list_head h = {.request = &r, .count = 1, .last = SPAN("b"), .truncated = true};

    r.marker = SPAN("a");
    r.id_marker = SPAN("null");
    assert_text(
        s3_list_head_print(&arena, &h),
        HEAD("ListVersionsResult") "<Prefix/><KeyMarker>a</KeyMarker><VersionIdMarker>null</VersionIdMarker>"
                                   "<NextKeyMarker>b</NextKeyMarker><NextVersionIdMarker>null</"
                                   "NextVersionIdMarker>"
                                   "<MaxKeys>1000</MaxKeys><IsTruncated>true</IsTruncated>");
    h.last_is_group = true; /* a prefix has no version */
    r.marker = r.id_marker = SPAN_EMPTY;
    assert_text(
        s3_list_head_print(&arena, &h),
        HEAD("ListVersionsResult") "<Prefix/><KeyMarker/><VersionIdMarker/><NextKeyMarker>b</NextKeyMarker>"
                                   "<MaxKeys>1000</MaxKeys><IsTruncated>true</IsTruncated>");
    assert_text(s3_list_tail(S3_OP_LIST_OBJECT_VERSIONS), "</ListVersionsResult>");
    assert_text(s3_list_tail(S3_OP_LIST_OBJECTS), "</ListBucketResult>");
}

static struct span key_element(const struct s3_request *r, const char *key, const char *etag)
{
    static char text[S3_LIST_ENTRY_BYTES_MAX];
    char *end = s3_list_key_print(text, r, span_of(key), 5, 1795386152475, span_of(etag), SPAN("me"));

    return (struct span){text, (size_t)(end - text)};
}

#define OWNER "<Owner><ID>me</ID><DisplayName>me</DisplayName></Owner>"
#define DATE  "<LastModified>2026-11-22T22:22:32.475Z</LastModified>"

static void entries_are_elements(void **state)
{
    struct s3_request r = ask(S3_OP_LIST_OBJECTS);
    char text[256];
    char *end;

    assert_text(key_element(&r, "a", "\"e\""),
                "<Contents><Key>a</Key>" DATE "<ETag>&quot;e&quot;</ETag><Size>5</Size>" OWNER
                "<StorageClass>STANDARD</StorageClass></Contents>");
    r.op = S3_OP_LIST_OBJECTS_V2;
    assert_text(key_element(&r, "a", "e"),
                "<Contents><Key>a</Key>" DATE "<ETag>&quot;e&quot;</ETag><Size>5</Size>"
                "<StorageClass>STANDARD</StorageClass></Contents>");
    r.fetch_owner = true;
    assert_text(key_element(&r, "a", ""), "<Contents><Key>a</Key>" DATE "<Size>5</Size>" OWNER
                                          "<StorageClass>STANDARD</StorageClass></Contents>");
    r.op = S3_OP_LIST_OBJECT_VERSIONS;
    assert_text(key_element(&r, "a", "\"e\""),
                "<Version><Key>a</Key><VersionId>null</VersionId><IsLatest>true</IsLatest>" DATE
                "<ETag>&quot;e&quot;</ETag><Size>5</Size>" OWNER
                "<StorageClass>STANDARD</StorageClass></Version>");
    end = s3_list_prefix_print(text, &r, SPAN("a&b/"));
    assert_text((struct span){text, (size_t)(end - text)},
                "<CommonPrefixes><Prefix>a&amp;b/</Prefix></CommonPrefixes>");
}

static void keys_are_escaped_as_asked_for(void **state)
{
    static const struct {
        const char *key, *xml, *url;
    } rows[] = {
        {"asdf+b", "asdf+b", "asdf%2Bb"},
        {"quux ab/", "quux ab/", "quux%20ab/"},
        {"<&>\"'", "&lt;&amp;&gt;&quot;'", "%3C%26%3E%22%27"},
        {"\x01\t\n\r\x1f\x7f", "&#x1;&#x9;&#xA;&#xD;&#x1F;&#x7F;", "%01%09%0A%0D%1F%7F"},
        {"\xc3\xa4\xef\xbf\xbd", "\xc3\xa4\xef\xbf\xbd", "%C3%A4%EF%BF%BD"},
        {"\xef\xbf\xbe\xef\xbf\xbf", "&#xFFFE;&#xFFFF;", "%EF%BF%BE%EF%BF%BF"},
        {"-._~/", "-._~/", "-._~/"},
        {"%", "%", "%25"},
    };
    struct s3_request r = ask(S3_OP_LIST_OBJECTS_V2);

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[256], want[256];
        char *end = s3_list_prefix_print(text, &r, span_of(rows[i].key));

        snprintf(want, sizeof(want), "<CommonPrefixes><Prefix>%s</Prefix></CommonPrefixes>", rows[i].xml);
        assert_text((struct span){text, (size_t)(end - text)}, want);
        r.url_encoding = true;
        end = s3_list_prefix_print(text, &r, span_of(rows[i].key));
        snprintf(want, sizeof(want), "<CommonPrefixes><Prefix>%s</Prefix></CommonPrefixes>", rows[i].url);
        assert_text((struct span){text, (size_t)(end - text)}, want);
        r.url_encoding = false;
    }
}

static void the_longest_entry_fits_its_room(void **state)
{
    static const char worst[] = {'"', '\x1f', '\x7f', '&', '\xef'};
    struct s3_request r = ask(S3_OP_LIST_OBJECT_VERSIONS);

    for (size_t i = 0; i < sizeof(worst) * 2; i++) {
        char key[S3_KEY_BYTES_MAX], etag[80];
        char *room = malloc(S3_LIST_ENTRY_BYTES_MAX), *end;

        memset(key, worst[i / 2], sizeof(key));
        for (size_t k = 0; worst[i / 2] == '\xef' && k + 2 < sizeof(key); k += 3)
            memcpy(key + k, "\xef\xbf\xbf", 3);
        memset(etag, '"', sizeof(etag));
        r.url_encoding = i % 2;
        end = s3_list_key_print(room, &r, (struct span){key, sizeof(key)}, UINT64_MAX, UINT64_MAX,
                                (struct span){etag, sizeof(etag)}, SPAN("s3mirror"));
        assert_true(end - room <= S3_LIST_ENTRY_BYTES_MAX);
        free(room);
    }
}

static void tokens_come_back(void **state)
{
    static const char *const texts[] = {"", "a", "ab", "abc", "a/b/", "\xc3\xa4?>~", "sp ace/+x y"};
    char longest[S3_KEY_BYTES_MAX];
    struct span last, token;

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        token = s3_list_token(&arena, span_of(texts[i]));
        for (size_t k = 0; k < token.len; k++) /* nothing that a query would have to encode */
            assert_true(
                (token.at[k] >= 'a' && token.at[k] <= 'z') || (token.at[k] >= 'A' && token.at[k] <= 'Z') ||
                (token.at[k] >= '0' && token.at[k] <= '9') || token.at[k] == '-' || token.at[k] == '_');
        assert_true(s3_list_token_parse(&arena, token, &last));
        assert_true(span_is(last, texts[i]));
    }
    memset(longest, '~', sizeof(longest));
    token = s3_list_token(&arena, (struct span){longest, sizeof(longest)});
    assert_true(token.len <= S3_TOKEN_BYTES_MAX);
    assert_true(s3_list_token_parse(&arena, token, &last));
    assert_int_equal(last.len, sizeof(longest));
}

static void other_tokens_are_refused(void **state)
{
    static const char *const texts[] = {"x",    "xx",    "xxxx",     "AAAAAAAA", "a+b/",
                                        "====", "YWJj=", "\xc3\xa4", "a b",      "!!!!!!!!"};
    char copy[64];
    struct span last, token = s3_list_token(&arena, SPAN("some/key"));

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assert_false(s3_list_token_parse(&arena, span_of(texts[i]), &last));
    for (size_t i = 0; i < token.len; i++) { /* cut, and each character another one */
        assert_false(s3_list_token_parse(&arena, span_head(token, i), &last));
        memcpy(copy, token.at, token.len);
        copy[i] = copy[i] == 'Q' ? 'R' : 'Q';
        assert_false(s3_list_token_parse(&arena, (struct span){copy, token.len}, &last));
    }
}

static void a_full_arena_is_told(void **state)
{
    struct s3_request r = ask(S3_OP_LIST_OBJECTS_V2);
    struct s3_list_head h = {.request = &r, .last = SPAN("b")};
    struct arena none;
    struct span last;

    arena_init(&none, 0);
    assert_null(s3_list_head_print(&none, &h).at);
    assert_null(s3_list_token(&none, SPAN("b")).at);
    assert_false(s3_list_token_parse(&none, s3_list_token(&arena, SPAN("b")), &last));
    arena_fini(&none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(heads_say_where_the_list_began_and_goes_on, set_up, tear_down),
        cmocka_unit_test_setup_teardown(version_2_has_tokens_and_a_count, set_up, tear_down),
        cmocka_unit_test_setup_teardown(versions_are_null_ones, set_up, tear_down),
        cmocka_unit_test_setup_teardown(entries_are_elements, set_up, tear_down),
        cmocka_unit_test_setup_teardown(keys_are_escaped_as_asked_for, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_longest_entry_fits_its_room, set_up, tear_down),
        cmocka_unit_test_setup_teardown(tokens_come_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(other_tokens_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_full_arena_is_told, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
