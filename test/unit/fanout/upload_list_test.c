/* A client's list of parts against those there are: what is refused and why, and what a Complete would be sent. */
#include "fanout/upload_list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

enum { A = 1, B = 2, C = 4, MIN_BYTES = 100 };

#define MD5_1 "\"0cc175b9c0f1b6a831c399e269772661\""
#define MD5_2 "\"92eb5ffee6ae2fec3ad71c777531578f\""

struct bench {
    struct upload upload;
    struct upload_list list;
    struct upload_match match;
    struct part parts[4];
    size_t count;
    uint32_t checksummed;
};

static void open_bench(struct bench *b, enum s3_checksum checksum, bool full_object)
{
    memset(b, 0, sizeof(*b));
    b->upload.checksum = (uint8_t)checksum;
    b->upload.full_object = full_object;
    for (uint32_t slot = 0; slot < REPLICAS_MAX; slot++)
        b->upload.ids[slot] = slot < 3 ? SPAN("id") : SPAN_EMPTY;
    upload_list_init(&b->list, 42);
    b->checksummed = A | B | C;
}

static struct part *there(struct bench *b, uint32_t number, uint64_t bytes, uint32_t slots, const char *etag)
{
    struct part *p = &b->parts[b->count++];

    p->number = number;
    p->bytes = bytes;
    assert_true(part_add(p, slots, etag));
    return p;
}

static void set_crc(struct part *p, uint32_t crc)
{
    p->checksum_bytes = 4;
    for (int i = 0; i < 4; i++)
        p->checksum[i] = (uint8_t)(crc >> (24 - 8 * i));
}

/* As clients do it, with or without quotes. */
static void list(struct bench *b, uint32_t number, const char *etag, const char *crc32)
{
    struct span bare = span_of(etag);

    if (bare.at[0] == '"')
        bare = (struct span){bare.at + 1, bare.len - 2};
    upload_list_add(&b->list,
                    &(struct s3_listed_part){.number = number,
                                             .etag = bare,
                                             .checksum = crc32 ? S3_CHECKSUM_CRC32 : S3_CHECKSUM_NONE,
                                             .checksum_text = crc32 ? span_of(crc32) : SPAN_EMPTY});
}

/* The parts come in pages of `page`. */
static enum s3_code match(struct bench *b, size_t page)
{
    enum s3_code code = S3_OK;

    upload_match_init(&b->match, &b->list, &b->upload, b->checksummed, MIN_BYTES);
    for (size_t at = 0; at < b->count && code == S3_OK; at += page)
        code = upload_match_page(&b->match, b->parts + at, b->count - at < page ? b->count - at : page);
    return code == S3_OK ? upload_match_end(&b->match) : code;
}

static void close_bench(struct bench *b)
{
    upload_match_fini(&b->match);
    upload_list_fini(&b->list);
}

static bool says(struct bench *b, uint32_t slot, const char *text)
{
    struct span document = upload_match_document(&b->match, slot);

    return memmem(document.at, document.len, text, strlen(text)) != NULL;
}

static void a_list_of_some_of_the_parts_is_good_in_pages_of_any_size(void **state)
{
    for (size_t page = 1; page <= 4; page++) {
        struct bench b;

        open_bench(&b, S3_CHECKSUM_NONE, false);
        there(&b, 1, 100, A | B | C, MD5_1);
        there(&b, 2, 100, A | B, "\"not listed\"");
        there(&b, 9, 5, A | C, MD5_2);
        list(&b, 1, MD5_1, NULL);
        list(&b, 9, MD5_2, NULL);
        assert_int_equal(match(&b, page), S3_OK);
        assert_int_equal(b.match.bytes, 105);
        assert_int_equal(b.match.holders, A | C);
        /* md5 of the two MD5s */
        assert_string_equal(b.match.etag, "\"96e024ba2074fe77e8e965ba43a704be-2\"");
        assert_true(
            says(&b, 0, "<PartNumber>9</PartNumber><ETag>&quot;92eb5ffee6ae2fec3ad71c777531578f&quot;"));
        assert_false(says(&b, 0, "not listed"));
        assert_true(says(&b, 0, "</CompleteMultipartUpload>"));
        close_bench(&b);
    }
}

static void what_is_wrong_with_a_list_has_its_code(void **state)
{
    static const struct {
        const char *what;
        uint32_t first, second;
        const char *etag;
        uint64_t bytes; /* of part 1 */
        enum s3_code code;
    } cases[] = {
        {"all is well", 1, 2, MD5_2, 100, S3_OK},
        {"a part that is not there", 1, 3, MD5_2, 100, S3_INVALID_PART},
        {"a part that comes again with another ETag", 1, 1, MD5_2, 100, S3_INVALID_PART},
        {"another ETag", 1, 2, MD5_1, 100, S3_INVALID_PART},
        {"too small, not the last", 1, 2, MD5_2, 99, S3_ENTITY_TOO_SMALL},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct bench b;

        open_bench(&b, S3_CHECKSUM_NONE, false);
        there(&b, 1, cases[i].bytes, A, MD5_1);
        there(&b, 2, 1, A, MD5_2);
        list(&b, cases[i].first, MD5_1, NULL);
        list(&b, cases[i].second, cases[i].etag, NULL);
        if (match(&b, 8) != cases[i].code)
            fail_msg("%s", cases[i].what);
        close_bench(&b);
    }
}

static void a_list_that_does_not_ascend_is_noticed(void **state)
{
    static const struct {
        uint32_t first, second;
        bool out_of_order;
    } cases[] = {{1, 2, false}, {2, 1, true}, {3, 3, false}};

    for (size_t i = 0; i < 3; i++) {
        struct bench b;

        open_bench(&b, S3_CHECKSUM_NONE, false);
        list(&b, cases[i].first, MD5_1, NULL);
        list(&b, cases[i].second, MD5_1, NULL);
        assert_int_equal(b.list.out_of_order, cases[i].out_of_order);
        close_bench(&b);
    }
}

static void a_number_that_is_listed_again_means_the_later_one(void **state)
{
    struct bench b;

    open_bench(&b, S3_CHECKSUM_NONE, false);
    there(&b, 1, 5, A, MD5_2);
    list(&b, 1, MD5_1, NULL);
    list(&b, 1, MD5_2, NULL);
    assert_int_equal(match(&b, 8), S3_OK);
    assert_int_equal(b.match.bytes, 5);
    assert_true(span_ends(span_of(b.match.etag), SPAN("-1\"")));
    close_bench(&b);
}

static void each_replica_is_told_its_own_etags(void **state)
{
    struct bench b;
    struct part *p;

    open_bench(&b, S3_CHECKSUM_NONE, false);
    there(&b, 1, 100, A | B | C, MD5_1);
    p = there(&b, 2, 100, A | C, MD5_2);
    assert_true(part_add(p, B, "\"of another kind\""));
    there(&b, 3, 1, A | B | C, "\"opaque\"");
    list(&b, 1, MD5_1, NULL);
    list(&b, 2, MD5_2, NULL);
    list(&b, 3, "\"opaque\"", NULL);
    assert_int_equal(match(&b, 8), S3_OK);
    assert_int_equal(b.match.holders, A | B | C);
    assert_true(says(&b, 1, "of another kind") && says(&b, 1, "opaque") && says(&b, 1, "0cc175b9"));
    assert_false(says(&b, 0, "of another kind") || says(&b, 2, "of another kind"));
    assert_string_equal(b.match.etag, ""); /* not all are MD5s */
    close_bench(&b);
}

static void replicas_that_miss_a_part_or_were_dropped_do_not_hold_all(void **state)
{
    struct bench b;

    open_bench(&b, S3_CHECKSUM_NONE, false);
    b.upload.dropped = B;
    there(&b, 1, 1, A | B, MD5_1);
    list(&b, 1, MD5_1, NULL);
    assert_int_equal(match(&b, 8), S3_OK);
    assert_int_equal(b.match.holders, A);
    close_bench(&b);
}

static void a_composite_checksum_is_that_of_the_parts_as_they_came(void **state)
{
    static const struct {
        const char *first, *second;
        enum s3_code code;
    } cases[] = {{"AAAAAQ==", "AAAAAg==", S3_OK},
                 {"AAAAAQ==", NULL, S3_OK}, /* it is known here */
                 {"AAAAAQ==", "AAAAAQ==", S3_INVALID_PART}};

    for (size_t i = 0; i < 3; i++) {
        struct bench b;

        open_bench(&b, S3_CHECKSUM_CRC32, false);
        b.checksummed = A | B;
        set_crc(there(&b, 1, 100, A | B | C, MD5_1), 1);
        set_crc(there(&b, 2, 1, A | B | C, MD5_2), 2);
        list(&b, 1, MD5_1, cases[i].first);
        list(&b, 2, MD5_2, cases[i].second);
        assert_int_equal(match(&b, 8), cases[i].code);
        if (cases[i].code == S3_OK) {
            assert_string_equal(b.match.checksum + 8, "-2");
            assert_true(says(&b, 0, "<ChecksumCRC32>AAAAAg==<"));
            assert_false(says(&b, 2, "Checksum")); /* it keeps none of this kind */
            assert_true(says(&b, 2, "<PartNumber>2<"));
        }
        close_bench(&b);
    }
}

static void the_manifest_tells_sizes_and_checksums(void **state)
{
    static const enum s3_checksum kinds[] = {S3_CHECKSUM_NONE, S3_CHECKSUM_CRC32};

    for (size_t i = 0; i < 2; i++) {
        struct s3_manifest_part part;
        struct s3_manifest m;
        struct bench b;

        open_bench(&b, kinds[i], false);
        set_crc(there(&b, 3, 300, A, MD5_1), 1);
        set_crc(there(&b, 4, 400, A, "\"not listed\""), 7);
        set_crc(there(&b, 8, 1, A, MD5_2), 2);
        list(&b, 3, MD5_1, NULL);
        list(&b, 8, MD5_2, NULL);
        assert_int_equal(match(&b, 8), S3_OK);
        assert_true(s3_manifest_read((struct span){b.match.manifest.at, b.match.manifest.len}, &m));
        assert_int_equal(m.kind, kinds[i]);
        assert_true(span_is(m.checksum, b.match.checksum));
        assert_int_equal(m.count, 2);
        assert_false(s3_manifest_find(&m, 4, &part));
        assert_true(s3_manifest_find(&m, 8, &part));
        assert_int_equal(part.offset, 300);
        assert_int_equal(part.bytes, 1);
        assert_int_equal(part.checksum.len, kinds[i] ? 4 : 0);
        if (kinds[i])
            assert_int_equal(part.checksum.at[3], 2);
        close_bench(&b);
    }
}

static void a_checksum_of_the_whole_is_put_together(void **state)
{
    struct bench b;
    char expected[16] = "";
    uint8_t value[4];
    uint32_t crc = crc32_add(0, "hello, world", 12);

    open_bench(&b, S3_CHECKSUM_CRC32, true);
    set_crc(there(&b, 1, 7, A, MD5_1), crc32_add(0, "hello, ", 7));
    set_crc(there(&b, 2, 5, A, MD5_2), crc32_add(0, "world", 5));
    b.upload.key.key = SPAN_EMPTY;
    list(&b, 1, MD5_1, NULL); /* the client need not repeat them */
    list(&b, 2, MD5_2, NULL);
    upload_match_init(&b.match, &b.list, &b.upload, 0, 0);
    assert_int_equal(upload_match_page(&b.match, b.parts, 2), S3_OK);
    assert_int_equal(upload_match_end(&b.match), S3_OK);
    for (int i = 0; i < 4; i++)
        value[i] = (uint8_t)(crc >> (24 - 8 * i));
    expected[base64_encode(value, 4, expected)] = '\0';
    assert_string_equal(b.match.checksum, expected);
    assert_memory_equal(b.match.checksum_value, value, 4);
    close_bench(&b);
}

static void what_a_client_says_of_the_object_is_compared(void **state)
{
    /* CRC32 of the CRCs 1 and 2, big-endian */
    const uint8_t both[8] = {0, 0, 0, 1, 0, 0, 0, 2};
    const uint32_t crc = crc32_add(0, both, sizeof(both));
    static const struct {
        struct upload_claims claims;
        int off; /* from the right checksum */
        enum s3_code code;
    } cases[] = {
        {{.object_bytes = UINT64_MAX}, 0, S3_OK},
        {{.object_bytes = 101}, 0, S3_OK},
        {{.object_bytes = 100}, 0, S3_INVALID_REQUEST},
        {{.object_bytes = 101, .checksum_type = S3_TYPE_COMPOSITE}, 0, S3_OK},
        {{.object_bytes = 101, .checksum_type = S3_TYPE_FULL_OBJECT}, 0, S3_INVALID_REQUEST},
        {{.object_bytes = 101, .checksum = S3_CHECKSUM_CRC32}, 0, S3_OK},
        {{.object_bytes = 101, .checksum = S3_CHECKSUM_CRC32, .checksum_parts = 2}, 0, S3_OK},
        {{.object_bytes = 101, .checksum = S3_CHECKSUM_CRC32, .checksum_parts = 3}, 0, S3_BAD_DIGEST},
        {{.object_bytes = 101, .checksum = S3_CHECKSUM_CRC32}, 1, S3_BAD_DIGEST},
        {{.object_bytes = 101, .checksum = S3_CHECKSUM_CRC32C}, 0, S3_INVALID_REQUEST},
    };
    struct bench b;

    open_bench(&b, S3_CHECKSUM_CRC32, false);
    set_crc(there(&b, 1, 100, A, MD5_1), 1);
    set_crc(there(&b, 2, 1, A, MD5_2), 2);
    list(&b, 1, MD5_1, NULL);
    list(&b, 2, MD5_2, NULL);
    assert_int_equal(match(&b, 8), S3_OK);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct upload_claims c = cases[i].claims;

        for (int byte = 0; byte < 4; byte++)
            c.checksum_value[byte] = (uint8_t)((crc + (uint32_t)cases[i].off) >> (24 - 8 * byte));
        b.match.message = NULL;
        assert_int_equal(upload_match_check(&b.match, &c), cases[i].code);
        assert_true((b.match.message != NULL) == (cases[i].code != S3_OK));
    }
    close_bench(&b);
}

static void ten_thousand_parts_fit(void **state)
{
    enum { COUNT = S3_PART_NUMBER_MAX, PAGE = 250 };
    static struct part page[PAGE];
    struct s3_manifest_part last;
    struct s3_manifest m;
    struct bench b;

    open_bench(&b, S3_CHECKSUM_SHA256, false);
    for (uint32_t n = 1; n <= COUNT; n++)
        list(&b, n, MD5_1, NULL);
    upload_match_init(&b.match, &b.list, &b.upload, A, MIN_BYTES);
    for (uint32_t from = 0; from < COUNT; from += PAGE) {
        for (uint32_t i = 0; i < PAGE; i++) {
            page[i] =
                (struct part){.number = from + i + 1, .bytes = 500ull << 20, .checksum_bytes = SHA256_BYTES};
            page[i].checksum[0] = (uint8_t)i;
            assert_true(part_add(&page[i], A, MD5_1));
        }
        if (from + PAGE == COUNT)
            page[PAGE - 1].bytes = 1;
        assert_int_equal(upload_match_page(&b.match, page, PAGE), S3_OK);
    }
    assert_int_equal(upload_match_end(&b.match), S3_OK);
    assert_true(span_ends(span_of(b.match.etag), SPAN("-10000\"")));
    assert_true(s3_manifest_read((struct span){b.match.manifest.at, b.match.manifest.len}, &m));
    assert_true(s3_manifest_find(&m, COUNT, &last));
    assert_int_equal(last.offset, (COUNT - 1) * (500ull << 20));
    assert_int_equal(last.bytes, 1);
    assert_int_equal(last.checksum.at[0], (char)(PAGE - 1));
    close_bench(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_of_some_of_the_parts_is_good_in_pages_of_any_size),
        cmocka_unit_test(what_is_wrong_with_a_list_has_its_code),
        cmocka_unit_test(a_list_that_does_not_ascend_is_noticed),
        cmocka_unit_test(a_number_that_is_listed_again_means_the_later_one),
        cmocka_unit_test(each_replica_is_told_its_own_etags),
        cmocka_unit_test(replicas_that_miss_a_part_or_were_dropped_do_not_hold_all),
        cmocka_unit_test(a_composite_checksum_is_that_of_the_parts_as_they_came),
        cmocka_unit_test(the_manifest_tells_sizes_and_checksums),
        cmocka_unit_test(what_a_client_says_of_the_object_is_compared),
        cmocka_unit_test(ten_thousand_parts_fit),
        cmocka_unit_test(a_checksum_of_the_whole_is_put_together),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
