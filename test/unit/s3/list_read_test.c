/* A backend's listing is read in any pieces, in bounded memory, and nothing that is no listing is taken for one. */
#include "s3/list_read.h"

#include "base/random.h"
#include "s3/date.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { SEEN_MAX = 8, TEXT_MAX = 64 };

struct seen {
    struct s3_list_item items[SEEN_MAX];
    char text[SEEN_MAX][2][TEXT_MAX];
    size_t count, most;
};

static bool on_item(void *ctx, const struct s3_list_item *item)
{
    struct seen *s = ctx;
    struct s3_list_item *to = &s->items[s->count];

    if (s->count == s->most)
        return false;
    *to = *item;
    snprintf(s->text[s->count][0], TEXT_MAX, "%.*s", SPAN_ARG(item->key));
    snprintf(s->text[s->count][1], TEXT_MAX, "%.*s", SPAN_ARG(item->etag));
    s->count++;
    return true;
}

static enum err read_by(struct s3_list_reader *r, struct seen *s, struct span text, size_t piece, bool scans)
{
    enum err e = ERR_OK, end;

    *s = (struct seen){.most = SEEN_MAX};
    s3_list_reader_init(r, on_item, s);
    r->scans = scans;
    for (; text.len && e == ERR_OK; text = span_skip(text, piece))
        e = s3_list_reader_feed(r, span_head(text, piece));
    end = s3_list_reader_end(r);
    return e == ERR_OK ? end : e;
}

static enum err read_in_pieces(struct s3_list_reader *r, struct seen *s, struct span text, size_t piece)
{
    return read_by(r, s, text, piece, true);
}

#define ROOT                                                                                                 \
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult "                                         \
    "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
#define ENTRY "<Contents><Key>a/b</Key><Size>5</Size></Contents>"
#define END   "<IsTruncated>false</IsTruncated></ListBucketResult>"

static void a_listing_is_read_in_any_pieces(void **state)
{
    static const char text[] =
        "  \n" ROOT
        "<Name>media</Name><Prefix>p</Prefix><KeyCount>3</KeyCount><IsTruncated>true</IsTruncated>"
        "<Contents><Key>a &amp; b</Key><LastModified>2026-11-22T22:22:32.475Z</LastModified>"
        "<ETag>&#34;5d41&quot;</ETag><Size>5</Size><Owner><ID>x</ID><DisplayName>y</DisplayName></Owner>"
        "<StorageClass>STANDARD</StorageClass></Contents>\n"
        "<ns:Contents xmlns:ns=\"u\"><ns:Size>18446744073709551615</ns:Size><ns:Key>&#xA;\xc3\xa4</ns:Key>"
        "<ns:LastModified> 1970-01-01T00:00:00Z </ns:LastModified></ns:Contents>"
        "<CommonPrefixes><Prefix>sp%20ace/</Prefix></CommonPrefixes>"
        "<NextContinuationToken>abc</NextContinuationToken><EncodingType>url</EncodingType></"
        "ListBucketResult>\n";
    static struct s3_list_reader r;

    for (size_t piece = 1; piece < sizeof(text); piece = piece < 40 ? piece + 1 : piece * 3) {
        struct seen s;

        assert_int_equal(read_in_pieces(&r, &s, span_of(text), piece), ERR_OK);
        assert_true(r.truncated);
        assert_true(r.encoded);
        assert_int_equal(s.count, 3);
        assert_string_equal(s.text[0][0], "a & b");
        assert_string_equal(s.text[0][1], "\"5d41\"");
        assert_int_equal(s.items[0].body_bytes, 5);
        assert_int_equal(s.items[0].modified_ms, 1795386152475);
        assert_false(s.items[0].is_prefix);
        assert_string_equal(s.text[1][0], "\n\xc3\xa4");
        assert_string_equal(s.text[1][1], "");
        assert_true(s.items[1].body_bytes == UINT64_MAX);
        assert_int_equal(s.items[1].modified_ms, 0);
        assert_string_equal(s.text[2][0], "sp%20ace/");
        assert_true(s.items[2].is_prefix);
    }
}

static void what_is_no_listing_is_refused(void **state)
{
    static const struct {
        const char *text;
        enum err e;
    } rows[] = {
        {ROOT ENTRY END, ERR_OK},
        {ROOT ENTRY "<EncodingType></EncodingType>" END, ERR_OK},
        {"", ERR_INVALID},
        {"   ", ERR_INVALID},
        {"ok", ERR_INVALID},
        {"<Error><Code>InternalError</Code></Error>", ERR_INVALID},
        {ROOT ENTRY, ERR_INVALID},                       /* cut */
        {ROOT ENTRY "</ListBucketResult>", ERR_INVALID}, /* says nothing about its end */
        {ROOT "<IsTruncated>maybe</IsTruncated></ListBucketResult>", ERR_INVALID},
        {ROOT ENTRY END "<x/>", ERR_INVALID},
        {ROOT "<Contents><Key>a</Key></Contents>" END, ERR_INVALID},   /* no size */
        {ROOT "<Contents><Size>1</Size></Contents>" END, ERR_INVALID}, /* no key */
        {ROOT "<Contents><Key></Key><Size>1</Size></Contents>" END, ERR_INVALID},
        {ROOT "<Contents><Key>a</Key><Size>-1</Size></Contents>" END, ERR_INVALID},
        {ROOT "<Contents><Key>a</Key><Size>1</Size><LastModified>now</LastModified></Contents>" END,
         ERR_INVALID},
        {ROOT "<Contents><Key>a</Key><Size>1</Size><LastModified>2026-13-01T00:00:00Z</LastModified></"
              "Contents>" END,
         ERR_INVALID},
        {ROOT "<CommonPrefixes></CommonPrefixes>" END, ERR_INVALID},
        {"<!DOCTYPE l [<!ENTITY a \"aaaa\">]>" ROOT ENTRY END, ERR_INVALID},
        {ROOT "<Contents><Key>&a;</Key><Size>1</Size></Contents>" END, ERR_INVALID},
        {ROOT "<Contents><Key>\x01</Key><Size>1</Size></Contents>" END, ERR_INVALID},
    };
    static struct s3_list_reader r;
    struct seen s;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        for (size_t piece = 1; piece < 2000; piece *= 7)
            if (read_in_pieces(&r, &s, span_of(rows[i].text), piece) != rows[i].e)
                fail_msg("%s", rows[i].text);
}

/* `unit` over and over, behind `head`: what comes of it, and after how many bytes. */
static enum err read_endless(const char *head, const char *unit, uint64_t *bytes)
{
    static struct s3_list_reader r;
    struct seen s = {.most = SEEN_MAX};
    static char piece[16 * 1024];
    size_t len = strlen(unit), fill = sizeof(piece) - sizeof(piece) % len;
    enum err e;

    for (size_t at = 0; at < fill; at += len)
        memcpy(piece + at, unit, len);
    s3_list_reader_init(&r, on_item, &s);
    e = s3_list_reader_feed(&r, span_of(head));
    for (*bytes = 0; e == ERR_OK && *bytes < 64 << 20; *bytes += fill)
        e = s3_list_reader_feed(&r, (struct span){piece, fill});
    assert_int_not_equal(s3_list_reader_end(&r), ERR_OK);
    return e;
}

static void what_has_no_end_is_given_up(void **state)
{
    uint64_t bytes;

    assert_int_equal(read_endless(ROOT, ENTRY, &bytes), ERR_CANCELLED);
    assert_int_equal(read_endless(ROOT, "<x/>", &bytes), ERR_TOO_LARGE);
    assert_true(bytes <= 8 << 20);
    assert_int_equal(read_endless(ROOT "<Contents><Key>", "a", &bytes), ERR_TOO_LARGE);
    assert_true(bytes <= 128 * 1024);
    assert_int_equal(read_endless(ROOT "<x y=\"", "a", &bytes), ERR_TOO_LARGE);
    assert_true(bytes <= 128 * 1024);
    assert_int_equal(read_endless(ROOT "<!--", "a", &bytes), ERR_TOO_LARGE);
    assert_int_equal(read_endless(ROOT, "<x>", &bytes), ERR_INVALID); /* nested without end */
    assert_int_equal(read_endless("", " ", &bytes), ERR_OK);          /* the sender's to bound */
}

static void a_key_is_as_long_as_an_encoded_one_can_be(void **state)
{
    static const struct {
        size_t bytes;
        enum err e;
    } rows[] = {{3 * 1024, ERR_OK}, {3 * 1024 + 1, ERR_INVALID}};
    static struct s3_list_reader r;
    struct seen s;

    for (size_t i = 0; i < 2; i++) {
        static char text[8 * 1024];
        char *at = span_put(text, SPAN(ROOT "<Contents><Key>"));

        memset(at, 'k', rows[i].bytes);
        at = span_put(at + rows[i].bytes, SPAN("</Key><Size>1</Size></Contents>" END));
        assert_int_equal(read_in_pieces(&r, &s, (struct span){text, (size_t)(at - text)}, 100), rows[i].e);
    }
}

static void dates_are_those_of_the_calendar(void **state)
{
    static struct s3_list_reader r;
    struct seen s;

    for (uint64_t day = 0; day < 366 * 140; day += 1 + day % 5) {
        uint64_t ms = day * 86400000 + day * 977 % 86400000;
        char text[512], date[S3_DATE_CHARS + 1];

        s3_date_print(ms, date);
        snprintf(text, sizeof(text),
                 ROOT "<Contents><Key>a</Key><Size>1</Size><LastModified>%s</LastModified></Contents>" END,
                 date);
        assert_int_equal(read_in_pieces(&r, &s, span_of(text), sizeof(text)), ERR_OK);
        assert_true(s.items[0].modified_ms == ms);
    }
}

static void keys_are_decoded_in_place(void **state)
{
    static const struct {
        const char *from, *to;
    } rows[] = {{"abc", "abc"},         {"a%2Bb+c", "a+b c"}, {"%61%2F", "a/"},
                {"%C3%A4", "\xc3\xa4"}, {"%", NULL},          {"%4", NULL},
                {"%zz", NULL},          {"a%20", "a "},       {"%e2%82%ac", "\xe2\x82\xac"}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        size_t len = strlen(rows[i].from);
        char *text = malloc(len); /* to its last byte */
        bool good;

        memcpy(text, rows[i].from, len);
        good = s3_list_decode(text, &len);
        assert_int_equal(good, rows[i].to != NULL);
        if (good)
            assert_true(span_is((struct span){text, len}, rows[i].to));
        free(text);
    }
}

/* Documents that are nearly right, read with and without what takes entries before the parser, in pieces of any size. */
static void entries_are_what_the_parser_makes_of_them(void **state)
{
    static const char *const parts[] = {
        "<Contents><Key>a</Key><Size>5</Size></Contents>",
        "<Contents><Key>b/c&amp;&#34;&#x22;&lt;</Key><LastModified>2026-11-22T22:22:32.475Z</LastModified>"
        "<ETag>&quot;e&quot;</ETag><Size>50</Size><StorageClass>STANDARD</StorageClass></Contents>",
        "<Contents><Size>7</Size><Key>d</Key><Owner><ID>x</ID></Owner></Contents>",
        "<Contents> <Key>e</Key>\r\n<Size> 8 </Size><A/></Contents>",
        "<Contents a='b'><Key>\xc3\xa4</Key><Size>9</Size></Contents>",
        "<!-- <Contents><Key>f</Key><Size>1</Size></Contents> -->",
        "<?pi <Contents><Key>g</Key><Size>1</Size></Contents> ?>",
        "<x><Contents><Key>h</Key><Size>1</Size></Contents></x>",
        "<x><![CDATA[<Contents><Key>i</Key><Size>1</Size></Contents>]]></x>",
        "<Contents><Key>j]]></Key><Size>1</Size></Contents>",
        "<Contents><Key>k</Key></Contents>",
        "<CommonPrefixes><Prefix>l/</Prefix></CommonPrefixes>",
        "<Contents><Key>m&#10;&nbsp;</Key><Size>1</Size></Contents>",
        "<IsTruncated>false</IsTruncated>",
    };
    static struct s3_list_reader scanning, parsing;
    struct random r;
    unsigned good = 0;

    random_init(&r, 3);
    for (int run = 0; run < 20000; run++) {
        char text[2048] = ROOT;
        struct seen a, b;
        enum err want, got;
        size_t len;

        for (uint64_t n = random_below(&r, 5); n--;)
            strcat(text, parts[random_below(&r, run % 2 ? 3 : sizeof(parts) / sizeof(parts[0]))]);
        strcat(text, END);
        len = strlen(text);
        for (uint64_t n = random_below(&r, 3); run % 4 == 3 && n--;)
            text[random_below(&r, len)] = "<>&/a !?\"x"[random_below(&r, 10)];
        want = read_by(&parsing, &b, (struct span){text, len}, len, false);
        got =
            read_by(&scanning, &a, (struct span){text, len}, 1 + random_below(&r, run % 3 ? 60 : len), true);
        if (want != got || (want == ERR_OK && a.count != b.count))
            fail_msg("%d instead of %d, %zu entries instead of %zu: %s", got, want, a.count, b.count, text);
        good += want == ERR_OK && a.count;
        for (size_t i = 0; want == ERR_OK && i < a.count; i++) {
            assert_string_equal(a.text[i][0], b.text[i][0]);
            assert_string_equal(a.text[i][1], b.text[i][1]);
            assert_int_equal(a.items[i].body_bytes, b.items[i].body_bytes);
            assert_int_equal(a.items[i].modified_ms, b.items[i].modified_ms);
            assert_int_equal(a.items[i].is_prefix, b.items[i].is_prefix);
        }
    }
    assert_true(good > 5000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_listing_is_read_in_any_pieces),
        cmocka_unit_test(entries_are_what_the_parser_makes_of_them),
        cmocka_unit_test(what_is_no_listing_is_refused),
        cmocka_unit_test(what_has_no_end_is_given_up),
        cmocka_unit_test(a_key_is_as_long_as_an_encoded_one_can_be),
        cmocka_unit_test(dates_are_those_of_the_calendar),
        cmocka_unit_test(keys_are_decoded_in_place),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
