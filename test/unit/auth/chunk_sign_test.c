/* The chain of chunk signatures, with the examples that AWS documents. */
#include "auth/chunk_sign.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define SECRET SPAN("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")

/* Two objects of 66560 letters a, sent as 65536 + 1024 + 0. */
static const struct {
    const char *seed, *chunks[3], *trailer;
} plain = {"4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
           {"ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
            "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
            "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9"},
           NULL},
  trailing = {"106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e",
              {"b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
               "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
               "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992"},
              "d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435"};
static const size_t sizes[3] = {65536, 1024, 0};
static char letters[65536];

static struct chunk_sign begin(const char *seed, struct sigv4_keyring *keys)
{
    struct sigv4_claim claim = {.day = SPAN("20130524"),
                                .region = SPAN("us-east-1"),
                                .signature = span_of(seed),
                                .stamp = SPAN("20130524T000000Z")};
    struct chunk_sign c;

    chunk_sign_init(&c, keys, &claim, SECRET);
    return c;
}

/* The chunk's data in pieces of at most so many bytes. */
static bool chunk(struct chunk_sign *c, size_t size, size_t piece, const char *signature)
{
    for (size_t at = 0; at < size; at += piece)
        chunk_sign_add(c, letters + at, size - at < piece ? size - at : piece);
    return chunk_sign_end(c, signature);
}

static void the_documented_chunks_verify_however_they_are_cut(void **state)
{
    static const size_t pieces[] = {1, 63, 64, 1000, 65536};

    for (size_t p = 0; p < sizeof(pieces) / sizeof(pieces[0]); p++) {
        struct chunk_sign c = begin(plain.seed, NULL);

        for (int i = 0; i < 3; i++)
            assert_true(chunk(&c, sizes[i], pieces[p], plain.chunks[i]));
        chunk_sign_fini(&c);
    }
}

static void the_documented_trailer_verifies(void **state)
{
    struct sigv4_keyring *keys = malloc(sizeof(*keys));
    struct chunk_sign c;

    sigv4_keyring_init(keys);
    c = begin(trailing.seed, keys);
    for (int i = 0; i < 3; i++)
        assert_true(chunk(&c, sizes[i], 4096, trailing.chunks[i]));
    assert_true(chunk_sign_trailer(&c, SPAN("x-amz-checksum-crc32c"), SPAN("sOO8/Q=="), trailing.trailer));
    chunk_sign_fini(&c);
    sigv4_keyring_fini(keys);
    free(keys);
}

/* The first three of the trailing example, then the trailer. */
static bool trailer_verifies(struct span name, struct span value, const char *signature)
{
    struct chunk_sign c = begin(trailing.seed, NULL);

    for (int i = 0; i < 3; i++)
        assert_true(chunk(&c, sizes[i], 65536, trailing.chunks[i]));
    return chunk_sign_trailer(&c, name, value, signature);
}

static void a_changed_trailer_is_refused(void **state)
{
    struct span name = SPAN("x-amz-checksum-crc32c"), value = SPAN("sOO8/Q==");

    assert_true(trailer_verifies(name, value, trailing.trailer));
    assert_false(trailer_verifies(name, SPAN("sOO8/A=="), trailing.trailer));
    assert_false(trailer_verifies(SPAN("x-amz-checksum-crc32"), value, trailing.trailer));
    assert_false(trailer_verifies(SPAN_EMPTY, SPAN_EMPTY, trailing.trailer));
    assert_false(trailer_verifies(name, value, trailing.chunks[2]));
}

static void a_signature_with_any_digit_wrong_is_refused(void **state)
{
    for (int i = 0; i < 64; i++) {
        struct chunk_sign c = begin(plain.seed, NULL);
        char wrong[65];

        strcpy(wrong, plain.chunks[0]);
        wrong[i] = wrong[i] == '0' ? '1' : '0';
        assert_false(chunk(&c, sizes[0], 65536, wrong));
    }
}

static void what_is_no_hexadecimal_is_refused(void **state)
{
    struct chunk_sign c = begin(plain.seed, NULL);
    char text[65];

    memset(text, 'g', 64);
    assert_false(chunk(&c, sizes[0], 65536, text));
}

static void another_seed_breaks_the_first_link(void **state)
{
    struct chunk_sign c = begin(trailing.seed, NULL);

    assert_false(chunk(&c, sizes[0], 65536, plain.chunks[0]));
}

static void chunks_in_another_order_are_refused(void **state)
{
    struct chunk_sign c = begin(plain.seed, NULL);

    assert_false(chunk(&c, sizes[1], 65536, plain.chunks[1]));
    c = begin(plain.seed, NULL);
    assert_true(chunk(&c, sizes[0], 65536, plain.chunks[0]));
    assert_false(chunk(&c, sizes[2], 65536, plain.chunks[2])); /* one left out */
    c = begin(plain.seed, NULL);
    assert_true(chunk(&c, sizes[0], 65536, plain.chunks[0]));
    assert_false(chunk(&c, sizes[0], 65536, plain.chunks[0])); /* one repeated */
}

static void a_byte_more_less_or_other_is_refused(void **state)
{
    struct chunk_sign c = begin(plain.seed, NULL);

    assert_false(chunk(&c, sizes[0] - 1, 65536, plain.chunks[0]));
    c = begin(plain.seed, NULL);
    chunk_sign_add(&c, letters, sizes[0]);
    chunk_sign_add(&c, "a", 1);
    assert_false(chunk_sign_end(&c, plain.chunks[0]));
    c = begin(plain.seed, NULL);
    chunk_sign_add(&c, letters, sizes[0] - 1);
    chunk_sign_add(&c, "b", 1);
    assert_false(chunk_sign_end(&c, plain.chunks[0]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_documented_chunks_verify_however_they_are_cut),
        cmocka_unit_test(the_documented_trailer_verifies),
        cmocka_unit_test(a_changed_trailer_is_refused),
        cmocka_unit_test(a_signature_with_any_digit_wrong_is_refused),
        cmocka_unit_test(what_is_no_hexadecimal_is_refused),
        cmocka_unit_test(another_seed_breaks_the_first_link),
        cmocka_unit_test(chunks_in_another_order_are_refused),
        cmocka_unit_test(a_byte_more_less_or_other_is_refused),
    };

    memset(letters, 'a', sizeof(letters));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
