/* The answers of CopyObject and GetObjectAttributes. */
#include "s3/object_document.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define NS " xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\""

static void parts_are_told_by_the_etag(void **state)
{
    static const struct {
        const char *etag;
        uint32_t parts;
    } rows[] = {
        {"\"900150983cd24fb0d6963f7d28e17f72-7\"", 7},
        {"900150983cd24fb0d6963f7d28e17f72-10000", 10000},
        {"\"900150983cd24fb0d6963f7d28e17f72\"", 0},
        {"\"900150983cd24fb0d6963f7d28e17f72-\"", 0},
        {"\"900150983cd24fb0d6963f7d28e17f72-x\"", 0},
        {"\"900150983cd24fb0d6963f7d28e17f72-10001\"", 0},
        {"\"short-3\"", 0},
        {"", 0},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(s3_etag_parts(span_of(rows[i].etag)), rows[i].parts);
}

static void a_copy_tells_etag_date_and_checksum(void **state)
{
    const struct s3_object_checksum none = {0},
                                    crc = {S3_CHECKSUM_CRC32, SPAN("AAAAAA=="), SPAN("FULL_OBJECT")};
    struct arena arena;

    arena_init(&arena, 1 << 16);
    assert_true(span_ends(s3_copy_document(&arena, "CopyObjectResult", SPAN("\"e\""), 784111777000, &none),
                          SPAN("<CopyObjectResult" NS "><LastModified>1994-11-06T08:49:37.000Z</LastModified>"
                               "<ETag>&quot;e&quot;</ETag></CopyObjectResult>")));
    assert_true(span_ends(s3_copy_document(&arena, "CopyPartResult", SPAN("\"e\""), 0, &crc),
                          SPAN("<ETag>&quot;e&quot;</ETag><ChecksumCRC32>AAAAAA==</ChecksumCRC32>"
                               "<ChecksumType>FULL_OBJECT</ChecksumType></CopyPartResult>")));
    arena_fini(&arena);
}

static void attributes_are_those_that_were_asked_for(void **state)
{
    struct s3_attributes a = {.etag = SPAN("\"e-2\""), .bytes = 5, .parts = 2};
    static const struct {
        unsigned asked;
        const char *inside;
    } rows[] = {
        {S3_ATTRIBUTE_ETAG, "<ETag>e-2</ETag>"},
        {S3_ATTRIBUTE_SIZE, "<ObjectSize>5</ObjectSize>"},
        {S3_ATTRIBUTE_STORAGE_CLASS, "<StorageClass>STANDARD</StorageClass>"},
        {S3_ATTRIBUTE_PARTS, "<ObjectParts><PartsCount>2</PartsCount></ObjectParts>"},
        {S3_ATTRIBUTE_CHECKSUM, ""},
        {S3_ATTRIBUTE_ETAG | S3_ATTRIBUTE_SIZE, "<ETag>e-2</ETag><ObjectSize>5</ObjectSize>"},
    };
    struct arena arena;

    arena_init(&arena, 1 << 16);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct span want = arena_printf(
            &arena, "<GetObjectAttributesResponse" NS ">%s</GetObjectAttributesResponse>", rows[i].inside);

        a.asked = rows[i].asked;
        assert_true(span_ends(s3_attributes_document(&arena, &a), want));
    }
    a.checksum = (struct s3_object_checksum){S3_CHECKSUM_SHA256, SPAN("AA=="), SPAN_EMPTY};
    a.asked = S3_ATTRIBUTE_CHECKSUM;
    assert_true(span_ends(s3_attributes_document(&arena, &a),
                          SPAN("<Checksum><ChecksumSHA256>AA==</ChecksumSHA256></Checksum>"
                               "</GetObjectAttributesResponse>")));
    arena_fini(&arena);
}

static void parts_are_told_in_pages(void **state)
{
    static const struct {
        uint32_t marker, most;
        const char *inside;
    } rows[] = {
        {0, 1000,
         "<PartNumberMarker>0</PartNumberMarker><NextPartNumberMarker>9</"
         "NextPartNumberMarker><MaxParts>1000</MaxParts>"
         "<IsTruncated>false</IsTruncated><Part><PartNumber>1</PartNumber><Size>7</Size>"
         "<ChecksumCRC32>YWFhYQ==</ChecksumCRC32></Part><Part><PartNumber>2</PartNumber><Size>7</Size>"
         "<ChecksumCRC32>YmJiYg==</ChecksumCRC32></Part><Part><PartNumber>9</PartNumber><Size>7</Size>"
         "<ChecksumCRC32>Y2NjYw==</ChecksumCRC32></Part>"},
        {1, 1,
         "<PartNumberMarker>1</PartNumberMarker><NextPartNumberMarker>2</NextPartNumberMarker><MaxParts>1</"
         "MaxParts>"
         "<IsTruncated>true</IsTruncated><Part><PartNumber>2</PartNumber><Size>7</Size>"
         "<ChecksumCRC32>YmJiYg==</ChecksumCRC32></Part>"},
        {5, 5,
         "<PartNumberMarker>5</PartNumberMarker><NextPartNumberMarker>9</NextPartNumberMarker>"
         "<MaxParts>5</MaxParts><IsTruncated>false</IsTruncated><Part><PartNumber>9</PartNumber><Size>7</"
         "Size>"
         "<ChecksumCRC32>Y2NjYw==</ChecksumCRC32></Part>"},
        {9, 5,
         "<PartNumberMarker>9</PartNumberMarker><NextPartNumberMarker>9</NextPartNumberMarker>"
         "<MaxParts>5</MaxParts><IsTruncated>false</IsTruncated>"},
        {4000000000, 1000,
         "<PartNumberMarker>4000000000</PartNumberMarker><NextPartNumberMarker>4000000000</"
         "NextPartNumberMarker>"
         "<MaxParts>1000</MaxParts><IsTruncated>false</IsTruncated>"},
        {1, 0,
         "<PartNumberMarker>1</PartNumberMarker><NextPartNumberMarker>1</NextPartNumberMarker><MaxParts>0</"
         "MaxParts>"
         "<IsTruncated>true</IsTruncated>"},
    };
    const struct s3_manifest m = {.kind = S3_CHECKSUM_CRC32,
                                  .count = 3,
                                  .parts = SPAN("\1\7\1\7\7\7"),
                                  .checksums = SPAN("aaaabbbbcccc")};
    struct arena arena;

    arena_init(&arena, 1 << 16);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct s3_attributes a = {.asked = S3_ATTRIBUTE_PARTS,
                                        .parts = 3,
                                        .manifest = &m,
                                        .marker = rows[i].marker,
                                        .most = rows[i].most};
        struct span want = arena_printf(
            &arena, "<ObjectParts><PartsCount>3</PartsCount>%s</ObjectParts></GetObjectAttributesResponse>",
            rows[i].inside);

        assert_true(span_ends(s3_attributes_document(&arena, &a), want));
    }
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_are_told_by_the_etag),
        cmocka_unit_test(a_copy_tells_etag_date_and_checksum),
        cmocka_unit_test(attributes_are_those_that_were_asked_for),
        cmocka_unit_test(parts_are_told_in_pages),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
