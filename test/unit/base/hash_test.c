/* Digests, CRCs and their text forms against published vectors. */
#include "base/hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void assert_hex(const void *at, size_t len, const char *expected)
{
    char text[2 * 64 + 1];

    assert_true(len <= 64);
    hex_encode(at, len, text);
    text[2 * len] = '\0';
    assert_string_equal(text, expected);
}

/* FIPS 180-4's examples, the empty message, and lengths around a block. */
static const struct {
    const char *text;
    size_t repeat;
    const char *sha256, *sha1, *md5;
} digests[] = {
    {"", 1, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
     "da39a3ee5e6b4b0d3255bfef95601890afd80709", "d41d8cd98f00b204e9800998ecf8427e"},
    {"abc", 1, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
     "a9993e364706816aba3e25717850c26c9cd0d89d", "900150983cd24fb0d6963f7d28e17f72"},
    {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1,
     "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
     "84983e441c3bd26ebaae4aa1f95129e5e54670f1", "8215ef0796a20bcaaae116d3876c664a"},
    {"a", 1000000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0",
     "34aa973cd4c4daa4f61eeb2bdbad27316534016f", "7707d6ae4e027c70eea2a935c2296f21"},
};

static void digests_agree_with_the_published_ones(void **state)
{
    for (size_t i = 0; i < sizeof(digests) / sizeof(digests[0]); i++) {
        size_t len = strlen(digests[i].text);
        uint8_t out[SHA256_BYTES];
        struct sha256 sha256;
        struct sha1 sha1;
        struct md5 md5;

        sha256_init(&sha256);
        sha1_init(&sha1);
        md5_init(&md5);
        for (size_t n = 0; n < digests[i].repeat; n++) {
            sha256_add(&sha256, digests[i].text, len);
            sha1_add(&sha1, digests[i].text, len);
            md5_add(&md5, digests[i].text, len);
        }
        sha256_end(&sha256, out);
        assert_hex(out, SHA256_BYTES, digests[i].sha256);
        sha1_end(&sha1, out);
        assert_hex(out, SHA1_BYTES, digests[i].sha1);
        md5_end(&md5, out);
        assert_hex(out, MD5_BYTES, digests[i].md5);
        if (digests[i].repeat == 1) {
            sha256_of(span_of(digests[i].text), out);
            assert_hex(out, SHA256_BYTES, digests[i].sha256);
        }
    }
}

/* RFC 4231 section 4; case 5 is about truncation only. */
static void hmac_sha256_agrees_with_rfc_4231(void **state)
{
    static const struct {
        size_t key_len;
        uint8_t key_byte; /* repeated; 0: `key` */
        const char *key;
        size_t text_len;
        uint8_t text_byte;
        const char *text, *expected;
    } rows[] = {
        {20, 0x0b, NULL, 8, 0, "Hi There",
         "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
        {4, 0, "Jefe", 28, 0, "what do ya want for nothing?",
         "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
        {20, 0xaa, NULL, 50, 0xdd, NULL, "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
        {25, 0, "\1\2\3\4\5\6\7\10\11\12\13\14\15\16\17\20\21\22\23\24\25\26\27\30\31", 50, 0xcd, NULL,
         "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"},
        {131, 0xaa, NULL, 54, 0, "Test Using Larger Than Block-Size Key - Hash Key First",
         "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
        {131, 0xaa, NULL, 152, 0,
         "This is a test using a larger than block-size key and a larger than block-size data. The key needs "
         "to "
         "be hashed before being used by the HMAC algorithm.",
         "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char key[131], text[160];
        uint8_t out[SHA256_BYTES];
        struct hmac_key k;

        if (rows[i].key_byte)
            memset(key, rows[i].key_byte, rows[i].key_len);
        else
            memcpy(key, rows[i].key, rows[i].key_len);
        if (rows[i].text_byte)
            memset(text, rows[i].text_byte, rows[i].text_len);
        else
            memcpy(text, rows[i].text, rows[i].text_len);
        hmac_key_init(&k, (struct span){key, rows[i].key_len});
        for (int twice = 0; twice < 2; twice++) { /* a key is not used up */
            hmac_sha256(&k, (struct span){text, rows[i].text_len}, out);
            assert_hex(out, SHA256_BYTES, rows[i].expected);
        }
    }
}

/* Keys of exactly one block and one byte more: where RFC 2104 turns from padding to hashing. */
static void an_hmac_key_of_a_block_is_padded_and_a_longer_one_hashed(void **state)
{
    char key[65];
    uint8_t hashed[SHA256_BYTES], a[SHA256_BYTES], b[SHA256_BYTES];
    struct hmac_key k;

    memset(key, 'k', sizeof(key));
    for (size_t len = 64; len <= 65; len++) {
        sha256_of((struct span){key, len}, hashed);
        hmac_key_init(&k, (struct span){key, len});
        hmac_sha256(&k, SPAN("message"), a);
        hmac_key_init(&k, (struct span){(const char *)hashed, SHA256_BYTES});
        hmac_sha256(&k, SPAN("message"), b);
        assert_int_equal(memcmp(a, b, SHA256_BYTES) == 0, len == 65);
    }
}

/* "Check" in the catalogue of parametrised CRC algorithms. */
static void crcs_of_123456789_are_the_catalogues(void **state)
{
    assert_int_equal(crc32_add(0, "123456789", 9), 0xcbf43926);
    assert_int_equal(crc32c_add(0, "123456789", 9), 0xe3069283);
    assert_int_equal(crc64nvme_add(0, "123456789", 9), 0xae8b14860a799888);
    assert_int_equal(crc32_add(0, "", 0), 0);
    assert_int_equal(crc32c_add(0, "", 0), 0);
    assert_int_equal(crc64nvme_add(0, "", 0), 0);
}

/* RFC 3720 appendix B.4 for CRC32C; the NVMe specification, section on 64-bit CRC examples. */
static void crcs_of_blocks_agree_with_rfc_3720_and_nvme(void **state)
{
    uint8_t zeros[32] = {0}, ones[32], *page = calloc(1, 4096);

    assert_non_null(page);
    memset(ones, 0xff, sizeof(ones));
    assert_int_equal(crc32c_add(0, zeros, sizeof(zeros)), 0x8a9136aa);
    assert_int_equal(crc32c_add(0, ones, sizeof(ones)), 0x62a8ab43);
    assert_int_equal(crc64nvme_add(0, page, 4096), 0x6482d367eb22b64e);
    memset(page, 0xff, 4096);
    assert_int_equal(crc64nvme_add(0, page, 4096), 0xc0ddba7302eca3ac);
    free(page);
}

/* Bit by bit, as the polynomials are defined (reflected). */
static uint64_t slow_crc(uint64_t poly, uint64_t mask, const uint8_t *at, size_t len)
{
    uint64_t crc = mask;

    while (len--) {
        crc ^= *at++;
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? crc >> 1 ^ poly : crc >> 1;
    }
    return ~crc & mask;
}

static void crcs_are_right_for_any_length_start_and_cut(void **state)
{
    uint8_t data[96];

    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)(i * 37 + 11);
    for (size_t from = 0; from < 9; from++)
        for (size_t len = 0; from + len <= sizeof(data); len += 5) {
            const uint8_t *at = data + from;
            size_t cut = len / 3;

            assert_int_equal(crc32_add(crc32_add(0, at, cut), at + cut, len - cut),
                             slow_crc(0xedb88320, 0xffffffff, at, len));
            assert_int_equal(crc32c_add(crc32c_add(0, at, cut), at + cut, len - cut),
                             slow_crc(0x82f63b78, 0xffffffff, at, len));
            assert_int_equal(crc64nvme_add(crc64nvme_add(0, at, cut), at + cut, len - cut),
                             slow_crc(0x9a6c9329ac4bc9b5, UINT64_MAX, at, len));
        }
}

static void hex_is_printed_in_lower_case_and_read_in_either(void **state)
{
    uint8_t bytes[4] = {0x00, 0x9f, 0xAB, 0xff}, back[4];

    assert_hex(bytes, 4, "009fabff");
    assert_true(hex_decode(SPAN("009fabff"), back, 4));
    assert_memory_equal(bytes, back, 4);
    assert_true(hex_decode(SPAN("009FaBFf"), back, 4));
    assert_memory_equal(bytes, back, 4);
    assert_true(hex_decode(SPAN_EMPTY, back, 0));
}

static void hex_that_is_not_hex_is_refused(void **state)
{
    static const char *const rows[] = {"",   "0",  "000",   "00000", "0g", "g0", " 00",
                                       "0x", "-1", "0\xc3", "/0",    ":0", "@0", "`0"};
    uint8_t out[2];

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_false(hex_decode(span_of(rows[i]), out, 1));
    assert_false(hex_decode((struct span){"0\0", 2}, out, 1));
}

/* RFC 4648 section 10. */
static const struct {
    const char *plain, *encoded;
} base64_rows[] = {{"", ""},
                   {"f", "Zg=="},
                   {"fo", "Zm8="},
                   {"foo", "Zm9v"},
                   {"foob", "Zm9vYg=="},
                   {"fooba", "Zm9vYmE="},
                   {"foobar", "Zm9vYmFy"},
                   {"\xfb\xff\xbf", "+/+/"}};

static void base64_agrees_with_rfc_4648_both_ways(void **state)
{
    for (size_t i = 0; i < sizeof(base64_rows) / sizeof(base64_rows[0]); i++) {
        size_t len = strlen(base64_rows[i].plain);
        char text[16];
        uint8_t back[8] = {0};

        assert_int_equal(base64_encode(base64_rows[i].plain, len, text), strlen(base64_rows[i].encoded));
        assert_memory_equal(text, base64_rows[i].encoded, strlen(base64_rows[i].encoded));
        assert_true(base64_decode(span_of(base64_rows[i].encoded), back, len));
        assert_memory_equal(back, base64_rows[i].plain, len);
    }
}

static void base64_of_a_wrong_form_is_refused(void **state)
{
    static const struct {
        const char *text;
        size_t len;
    } rows[] = {
        {"Zg", 1},                                                     /* no padding */
        {"Zg=", 1},                                                    /* too little */
        {"Zg==", 2},                                                   /* another length */
        {"Zm8=", 1},     {"Zm9v", 2},     {"Zm8=", 3},    {"Zh==", 1}, /* stray bits */
        {"Zm9=", 2},     {"Z===", 1},     {"====", 1},    {"=m8=", 2}, {"Z=8=", 2},
        {"Zm9v====", 3}, {"Zg==Zg==", 4}, {"Zm9v\n", 3},  {" m9v", 3}, {"Zm-v", 3},
        {"Zm_v", 3},     {"Zm\xc3v", 3},  {"Zm9vYmE", 5},
    };
    uint8_t out[8];

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_false(base64_decode(span_of(rows[i].text), out, rows[i].len));
    assert_false(base64_decode((struct span){"Zm\0v", 4}, out, 3));
}

static void the_base64_lengths_of_digests_are_those_named(void **state)
{
    uint8_t digest[SHA256_BYTES] = {0};
    char text[64];

    assert_int_equal(base64_encode(digest, 4, text), BASE64_CRC32_CHARS);
    assert_int_equal(base64_encode(digest, MD5_BYTES, text), BASE64_MD5_CHARS);
    assert_int_equal(base64_encode(digest, SHA256_BYTES, text), BASE64_SHA256_CHARS);
}

static void comparison_sees_every_bit(void **state)
{
    uint8_t a[32], b[32];

    memset(a, 0x5a, sizeof(a));
    memcpy(b, a, sizeof(b));
    assert_true(bytes_equal_ct(a, b, sizeof(a)));
    assert_true(bytes_equal_ct(a, b, 0));
    for (size_t bit = 0; bit < 8 * sizeof(b); bit++) {
        b[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_false(bytes_equal_ct(a, b, sizeof(a)));
        b[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

static void hash64_depends_on_every_byte_the_length_and_the_seed(void **state)
{
    char text[20] = {0};

    for (size_t len = 0; len <= sizeof(text); len++) {
        uint64_t h = hash64((struct span){text, len}, 1);

        assert_int_equal(h, hash64((struct span){text, len}, 1));
        assert_int_not_equal(h, hash64((struct span){text, len}, 2));
        if (len < sizeof(text))
            assert_int_not_equal(h, hash64((struct span){text, len + 1}, 1));
        for (size_t i = 0; i < len; i++) {
            text[i] = 1;
            assert_int_not_equal(h, hash64((struct span){text, len}, 1));
            text[i] = 0;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digests_agree_with_the_published_ones),
        cmocka_unit_test(hmac_sha256_agrees_with_rfc_4231),
        cmocka_unit_test(an_hmac_key_of_a_block_is_padded_and_a_longer_one_hashed),
        cmocka_unit_test(crcs_of_123456789_are_the_catalogues),
        cmocka_unit_test(crcs_of_blocks_agree_with_rfc_3720_and_nvme),
        cmocka_unit_test(crcs_are_right_for_any_length_start_and_cut),
        cmocka_unit_test(hex_is_printed_in_lower_case_and_read_in_either),
        cmocka_unit_test(hex_that_is_not_hex_is_refused),
        cmocka_unit_test(base64_agrees_with_rfc_4648_both_ways),
        cmocka_unit_test(base64_of_a_wrong_form_is_refused),
        cmocka_unit_test(the_base64_lengths_of_digests_are_those_named),
        cmocka_unit_test(comparison_sees_every_bit),
        cmocka_unit_test(hash64_depends_on_every_byte_the_length_and_the_seed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
