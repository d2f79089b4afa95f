/* The documents of multipart uploads: a client's list read in pieces of any size, backends' answers, what is printed; and
 * CRCs put together. */
#include "s3/crc_combine.h"
#include "s3/multipart.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

enum { LISTED_MAX = 8 };

struct seen {
    struct s3_complete_reader reader;
    size_t count, most;
    uint32_t numbers[LISTED_MAX];
    char etags[LISTED_MAX][40], checksums[LISTED_MAX][40];
    enum s3_checksum kinds[LISTED_MAX];
};

static bool on_part(void *ctx, const struct s3_listed_part *p)
{
    struct seen *s = ctx;

    assert_true(s->count < LISTED_MAX);
    s->numbers[s->count] = p->number;
    s->kinds[s->count] = p->checksum;
    snprintf(s->etags[s->count], sizeof(s->etags[0]), "%.*s", SPAN_ARG(p->etag));
    snprintf(s->checksums[s->count], sizeof(s->checksums[0]), "%.*s", SPAN_ARG(p->checksum_text));
    return ++s->count < s->most;
}

/* Fed in pieces of so many bytes. */
static enum err read_list(struct seen *s, const char *text, size_t piece)
{
    struct span left = span_of(text);
    size_t most = s->most;
    enum err fed = ERR_OK, end;

    *s = (struct seen){.most = most ? most : LISTED_MAX};
    s->reader.part = on_part;
    s->reader.ctx = s;
    assert_int_equal(s3_complete_begin(&s->reader), ERR_OK);
    while (left.len && fed == ERR_OK) {
        fed = s3_complete_feed(&s->reader, span_head(left, piece));
        left = span_skip(left, piece);
    }
    end = s3_complete_end(&s->reader);
    assert_true(fed == ERR_OK || end != ERR_OK);
    return end;
}

static void a_list_is_read_in_pieces_of_any_size(void **state)
{
    static const char text[] =
        "<?xml version=\"1.0\"?>\n<CompleteMultipartUpload "
        "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\n"
        " <Part><PartNumber> 1 </PartNumber><ETag>&quot;abc&quot;</ETag></Part>\n"
        " <Part><ETag>def</ETag><ChecksumCRC32>AAAAAA==</ChecksumCRC32><Later>x</Later>"
        "<PartNumber>10000</PartNumber></Part>\n</CompleteMultipartUpload>";

    for (size_t piece = 1; piece <= sizeof(text); piece++) {
        struct seen s = {.most = 0};

        assert_int_equal(read_list(&s, text, piece), ERR_OK);
        assert_int_equal(s.count, 2);
        assert_int_equal(s.numbers[0], 1);
        assert_string_equal(s.etags[0], "abc");
        assert_int_equal(s.kinds[0], S3_CHECKSUM_NONE);
        assert_int_equal(s.numbers[1], 10000);
        assert_string_equal(s.etags[1], "def");
        assert_int_equal(s.kinds[1], S3_CHECKSUM_CRC32);
        assert_string_equal(s.checksums[1], "AAAAAA==");
    }
}

#define PART(inside) "<CompleteMultipartUpload><Part>" inside "</Part></CompleteMultipartUpload>"
#define LONG_TAG     "0123456789012345678901234567890123456789012345678901234567890123456789"

static void what_is_no_list_is_refused(void **state)
{
    static const char *const texts[] = {
        "",
        "<",
        "<Other/>",
        "<CompleteMultipartUpload>",
        "<CompleteMultipartUpload><Other/></CompleteMultipartUpload>",
        PART(""),
        PART("<PartNumber>1</PartNumber>"),
        PART("<ETag>x</ETag>"),
        PART("<PartNumber>0</PartNumber><ETag>x</ETag>"),
        PART("<PartNumber>10001</PartNumber><ETag>x</ETag>"),
        PART("<PartNumber>-1</PartNumber><ETag>x</ETag>"),
        PART("<PartNumber>one</PartNumber><ETag>x</ETag>"),
        PART("<PartNumber>1</PartNumber><PartNumber>2</PartNumber><ETag>x</ETag>"),
        PART("<PartNumber>1</PartNumber><ETag>x</ETag><ETag>y</ETag>"),
        PART("<PartNumber>1</PartNumber><ETag>x<b/></ETag>"),
        PART("<PartNumber>1</PartNumber><ETag>" LONG_TAG LONG_TAG "</ETag>"),
        "<!DOCTYPE x [<!ENTITY e 'e'>]>" PART("<PartNumber>1</PartNumber><ETag>x</ETag>"),
    };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct seen s = {.most = 0};

        if (read_list(&s, texts[i], 7) == ERR_OK)
            fail_msg("accepted: %s", texts[i]);
    }
}

static void reading_ends_when_no_more_is_wanted(void **state)
{
    struct seen s = {.most = 1};

    assert_int_not_equal(read_list(&s, PART("<PartNumber>1</PartNumber><ETag>x</ETag>"), 1000), ERR_OK);
    assert_int_equal(s.count, 1);
}

static void backends_answers_give_their_one_element(void **state)
{
    struct arena arena;
    struct span out;

    arena_init(&arena, 1 << 20);
    assert_int_equal(s3_upload_id_read(SPAN(" \n<InitiateMultipartUploadResult xmlns=\"x\"><Bucket>b</Bucket>"
                                            "<UploadId> id-1 </UploadId></InitiateMultipartUploadResult>"),
                                       &arena, &out),
                     ERR_OK);
    assert_true(span_is(out, "id-1"));
    assert_int_equal(s3_complete_etag_read(SPAN("<CompleteMultipartUploadResult><ETag>&quot;a-2&quot;</ETag>"
                                                "</CompleteMultipartUploadResult>"),
                                           &arena, &out),
                     ERR_OK);
    assert_true(span_is(out, "\"a-2\""));
    assert_int_not_equal(s3_complete_etag_read(SPAN("<Error><ETag>x</ETag></Error>"), &arena, &out), ERR_OK);
    assert_int_equal(
        s3_copy_etag_read(SPAN("  <CopyObjectResult><ETag>&#34;a&#34;</ETag></CopyObjectResult>"), &arena,
                          &out),
        ERR_OK);
    assert_true(span_is(out, "\"a\""));
    assert_int_equal(s3_copy_etag_read(SPAN("<CopyPartResult><ETag>b</ETag></CopyPartResult>"), &arena, &out),
                     ERR_OK);
    assert_true(span_is(out, "b"));
    assert_int_not_equal(s3_copy_etag_read(SPAN("<CopyObjectResult/>"), &arena, &out), ERR_OK);
    assert_int_not_equal(s3_copy_etag_read(SPAN("<Error><ETag>x</ETag></Error>"), &arena, &out), ERR_OK);
    assert_int_not_equal(s3_upload_id_read(SPAN("<InitiateMultipartUploadResult/>"), &arena, &out), ERR_OK);
    arena_fini(&arena);
}

struct entries {
    size_t count;
    char keys[4][16], ids[4][16];
    uint64_t times[4];
};

static void on_entry(void *ctx, const struct s3_upload_entry *e)
{
    struct entries *all = ctx;

    snprintf(all->keys[all->count], 16, "%.*s", SPAN_ARG(e->key));
    snprintf(all->ids[all->count], 16, "%.*s", SPAN_ARG(e->id));
    all->times[all->count++] = e->initiated_unix_ms;
}

static void a_backends_uploads_are_read(void **state)
{
    static const struct span text =
        SPAN("<ListMultipartUploadsResult><Bucket>b</Bucket><IsTruncated>true</IsTruncated>"
             "<NextKeyMarker>k2</NextKeyMarker><NextUploadIdMarker>u2</NextUploadIdMarker>"
             "<Upload><Key>k "
             "1</Key><UploadId>u1</UploadId><Initiated>2009-02-13T23:31:30.123Z</Initiated></Upload>"
             "<Upload><Key>k2</Key><UploadId>u2</UploadId><Initiated>yesterday</Initiated></Upload>"
             "<Upload><Key>no id</Key></Upload></ListMultipartUploadsResult>");
    struct entries all = {.count = 0};
    struct s3_uploads_page page = {.entry = on_entry, .ctx = &all};
    struct arena arena;

    arena_init(&arena, 1 << 20);
    assert_int_equal(s3_uploads_read(text, &arena, &page), ERR_OK);
    assert_int_equal(all.count, 2);
    assert_string_equal(all.keys[0], "k 1");
    assert_string_equal(all.ids[0], "u1");
    assert_int_equal(all.times[0], 1234567890000);
    assert_true(all.times[1] == UINT64_MAX);
    assert_true(page.truncated);
    assert_true(span_is(page.next_key, "k2"));
    assert_true(span_is(page.next_id, "u2"));
    assert_int_not_equal(s3_uploads_read(SPAN("<ListBucketResult/>"), &arena, &page), ERR_OK);
    arena_fini(&arena);
}

static void what_a_backend_is_sent_is_read_back_the_same(void **state)
{
    static const uint8_t crc[] = {1, 2, 3, 4};
    char text[2 * S3_COMPLETE_PART_BYTES_MAX], *at = span_put(text, SPAN(S3_COMPLETE_HEAD));
    struct seen s = {.most = 0};

    at = s3_complete_put_part(at, 7, SPAN("\"a&b<'\""), S3_CHECKSUM_CRC32,
                              (struct span){(const char *)crc, sizeof(crc)});
    at = s3_complete_put_part(at, 10000, SPAN("bare"), S3_CHECKSUM_NONE, SPAN_EMPTY);
    at = span_put(at, SPAN(S3_COMPLETE_TAIL));
    *at = '\0';
    assert_int_equal(read_list(&s, text, 10), ERR_OK);
    assert_int_equal(s.count, 2);
    assert_string_equal(s.etags[0], "a&b<'");
    assert_string_equal(s.checksums[0], "AQIDBA==");
    assert_string_equal(s.etags[1], "bare");
}

/* No part of a document comes near the room that is kept for one. */
static void the_longest_part_has_room(void **state)
{
    char etag[80], sum[SHA256_BYTES], text[4 * S3_COMPLETE_PART_BYTES_MAX];

    memset(etag, '"', sizeof(etag));
    memset(sum, 0xff, sizeof(sum));
    assert_true((size_t)(s3_complete_put_part(text, 10000, (struct span){etag, sizeof(etag)},
                                              S3_CHECKSUM_SHA256, (struct span){sum, sizeof(sum)}) -
                         text) <= S3_COMPLETE_PART_BYTES_MAX);
}

static void lists_show_markers_and_escape_keys(void **state)
{
    static const struct s3_part_entry part = {
        .number = 3, .bytes = 12, .unix_ms = 1234567890123, .etag = "\"e\"", .checksum = {"\1\2\3\4", 4}};
    const struct s3_parts_list parts = {.bucket = SPAN("b"),
                                        .key = SPAN("a<b"),
                                        .id = SPAN("id"),
                                        .owner = SPAN("me"),
                                        .checksum = S3_CHECKSUM_CRC32,
                                        .truncated = true,
                                        .marker = 2,
                                        .most = 1,
                                        .parts = &part,
                                        .count = 1};
    struct s3_uploads_list uploads = {.bucket = SPAN("b"),
                                      .prefix = SPAN("p"),
                                      .delimiter = SPAN("/"),
                                      .key_marker = SPAN_EMPTY,
                                      .id_marker = SPAN_EMPTY,
                                      .next_key = SPAN("p k"),
                                      .next_id = SPAN("i"),
                                      .most = 5,
                                      .url = true,
                                      .truncated = true};
    struct arena arena;
    struct span text;

    arena_init(&arena, 1 << 20);
    text = s3_parts_document(&arena, &parts);
    assert_non_null(memmem(text.at, text.len, "<Key>a&lt;b</Key>", 17));
    assert_non_null(memmem(text.at, text.len, "<NextPartNumberMarker>3<", 24));
    assert_non_null(memmem(text.at, text.len, "<ChecksumCRC32>AQIDBA==<", 24));
    assert_non_null(memmem(text.at, text.len, "<ETag>&quot;e&quot;</ETag><Size>12</Size>", 41));
    assert_non_null(memmem(text.at, text.len, "2009-02-13T23:31:30.123Z", 24));
    text = s3_uploads_document(&arena, &uploads);
    assert_non_null(memmem(text.at, text.len, "<NextKeyMarker>p%20k<", 21));
    assert_non_null(memmem(text.at, text.len, "<Delimiter>%2F<", 15));
    uploads.url = false;
    text = s3_uploads_document(&arena, &uploads);
    assert_non_null(memmem(text.at, text.len, "<NextKeyMarker>p k<", 19));
    assert_null(memmem(text.at, text.len, "EncodingType", 12));
    arena_fini(&arena);
}

static void crcs_of_two_pieces_make_that_of_both(void **state)
{
    char bytes[5000];

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (char)(i * 31 + i / 7);
    for (size_t cut = 0; cut <= sizeof(bytes); cut += 613) {
        const char *rest = bytes + cut;
        size_t left = sizeof(bytes) - cut;

        assert_int_equal(
            s3_crc_combine(S3_CHECKSUM_CRC32, crc32_add(0, bytes, cut), crc32_add(0, rest, left), left),
            crc32_add(0, bytes, sizeof(bytes)));
        assert_int_equal(
            s3_crc_combine(S3_CHECKSUM_CRC32C, crc32c_add(0, bytes, cut), crc32c_add(0, rest, left), left),
            crc32c_add(0, bytes, sizeof(bytes)));
        assert_true(s3_crc_combine(S3_CHECKSUM_CRC64NVME, crc64nvme_add(0, bytes, cut),
                                   crc64nvme_add(0, rest, left),
                                   left) == crc64nvme_add(0, bytes, sizeof(bytes)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_is_read_in_pieces_of_any_size),
        cmocka_unit_test(what_is_no_list_is_refused),
        cmocka_unit_test(reading_ends_when_no_more_is_wanted),
        cmocka_unit_test(backends_answers_give_their_one_element),
        cmocka_unit_test(a_backends_uploads_are_read),
        cmocka_unit_test(what_a_backend_is_sent_is_read_back_the_same),
        cmocka_unit_test(the_longest_part_has_room),
        cmocka_unit_test(lists_show_markers_and_escape_keys),
        cmocka_unit_test(crcs_of_two_pieces_make_that_of_both),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
