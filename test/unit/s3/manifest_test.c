#include "s3/manifest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>

enum { ROOM = 64 * 1024 };

/* With a gap behind the first. */
static uint32_t number_of(uint32_t index)
{
    return index ? index + 300 : 1;
}

static struct span pack(char *out, enum s3_checksum kind, struct span checksum, const uint64_t *sizes,
                        uint32_t count)
{
    char packed[1024], sums[1024], *at = packed;
    size_t each = s3_checksum_kind(kind)->bytes;
    struct s3_manifest m = {
        .kind = kind, .full_object = kind == S3_CHECKSUM_CRC32, .checksum = checksum, .count = count};

    for (uint32_t i = 0; i < count; i++) {
        at = s3_manifest_put_part(at, i ? number_of(i - 1) : 0, number_of(i), sizes[i]);
        memset(sums + i * each, (int)('a' + i), each);
    }
    m.parts = (struct span){packed, (size_t)(at - packed)};
    m.checksums = (struct span){sums, each * count};
    return (struct span){out, s3_manifest_print(&m, out)};
}

static void what_was_packed_is_read(void **state)
{
    static const uint64_t sizes[] = {0, 1, 127, 128, 5 << 20, 5ull << 30, 5ull << 40};
    static const enum s3_checksum kinds[] = {S3_CHECKSUM_NONE, S3_CHECKSUM_CRC32, S3_CHECKSUM_CRC64NVME,
                                             S3_CHECKSUM_SHA256};
    char out[ROOM];

    for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
        size_t each = s3_checksum_kind(kinds[k])->bytes;
        struct s3_manifest m;
        struct s3_manifest_part p = {0};
        uint64_t offset = 0;

        assert_true(s3_manifest_read(pack(out, kinds[k], SPAN("AAAA-7"), sizes, 7), &m));
        assert_int_equal(m.kind, kinds[k]);
        assert_int_equal(m.full_object, kinds[k] == S3_CHECKSUM_CRC32);
        assert_true(span_is(m.checksum, "AAAA-7"));
        assert_int_equal(m.count, 7);
        for (uint32_t i = 0; i < 7; i++) {
            assert_true(s3_manifest_next(&m, &p));
            assert_int_equal(p.number, number_of(i));
            assert_int_equal(p.offset, offset);
            assert_int_equal(p.bytes, sizes[i]);
            assert_int_equal(p.checksum.len, each);
            if (each)
                assert_int_equal(p.checksum.at[each - 1], 'a' + i);
            offset += sizes[i];
        }
        assert_false(s3_manifest_next(&m, &p));
        assert_int_equal(m.object_bytes, offset);
    }
}

static void a_part_is_found_by_its_number(void **state)
{
    static const uint64_t sizes[] = {10, 20, 30};
    struct s3_manifest_part p;
    struct s3_manifest m;
    char out[ROOM];

    assert_true(s3_manifest_read(pack(out, S3_CHECKSUM_SHA1, SPAN(""), sizes, 3), &m));
    assert_true(s3_manifest_find(&m, 302, &p));
    assert_int_equal(p.offset, 30);
    assert_int_equal(p.bytes, 30);
    assert_int_equal(p.checksum.at[0], 'c');
    assert_false(s3_manifest_find(&m, 303, &p));
    assert_false(s3_manifest_find(&m, 2, &p));
    assert_false(s3_manifest_find(&m, 0, &p));
}

/* Each cut and each flipped byte is read as something or refused, and never read beyond its end: what is behind is not ours
 * to touch, which the sanitizer sees. */
static void what_was_damaged_does_no_harm(void **state)
{
    static const uint64_t sizes[] = {5 << 20, 5 << 20, 17};
    char out[ROOM];
    struct span good = pack(out, S3_CHECKSUM_CRC32, SPAN("AAAAAA=="), sizes, 3);

    for (size_t len = 0; len < good.len; len++) {
        char *cut = malloc(len + 1);
        struct s3_manifest m;

        memcpy(cut, good.at, len);
        if (len != good.len - 12) /* without its checksums it is a good one */
            assert_false(s3_manifest_read((struct span){cut, len}, &m));
        free(cut);
    }
    for (size_t i = 0; i < good.len * 8; i++) {
        char *bent = malloc(good.len);
        struct s3_manifest_part p = {0};
        struct s3_manifest m;

        memcpy(bent, good.at, good.len);
        bent[i / 8] ^= (char)(1 << i % 8);
        if (s3_manifest_read((struct span){bent, good.len}, &m)) {
            while (s3_manifest_next(&m, &p))
                assert_true(p.offset + p.bytes <= m.object_bytes);
            assert_int_equal(p.index, m.count);
        }
        free(bent);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_packed_is_read),
        cmocka_unit_test(a_part_is_found_by_its_number),
        cmocka_unit_test(what_was_damaged_does_no_harm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
