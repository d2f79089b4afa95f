/* The decoder of the chunked coding, fed whole, byte by byte and in every cut in two. */
#include "http/message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#define TEXT(literal)                                                                                        \
    {                                                                                                        \
        (literal), sizeof(literal) - 1                                                                       \
    }

struct outcome {
    enum err result; /* ERR_AGAIN: more input needed */
    size_t used, body_len;
    char body[256];
};

/* Feeds `in` in pieces: first `cut` bytes, then `step` bytes at a time. */
static struct outcome decode(struct span in, size_t cut, size_t step)
{
    struct outcome o = {.result = ERR_AGAIN};
    struct http_chunked c;
    size_t given = 0, piece = cut;

    http_chunked_init(&c);
    while (given < in.len) {
        size_t n = piece < in.len - given ? piece : in.len - given;
        char *copy = malloc(n + !n);
        size_t at = 0;

        memcpy(copy, in.at + given, n);
        while (at < n) {
            size_t used, data, data_len;
            enum err e = http_chunked_feed(&c, copy + at, n - at, &used, &data, &data_len);

            if (e == ERR_PROTOCOL) {
                free(copy);
                o.result = e;
                return o;
            }
            assert_true(used <= n - at && data + data_len <= used && o.body_len + data_len <= sizeof(o.body));
            memcpy(o.body + o.body_len, copy + at + data, data_len);
            o.body_len += data_len;
            o.used += used;
            at += used;
            if (e == ERR_EOF) {
                free(copy);
                o.result = e;
                return o;
            }
            assert_true(used > 0);
        }
        free(copy);
        given += n;
        piece = step;
    }
    return o;
}

static const struct {
    struct span in;
    enum err result; /* ERR_AGAIN: well-formed so far */
    const char *body;
    size_t left; /* bytes behind the end */
} rows[] = {
    {TEXT("0\r\n\r\n"), ERR_EOF, "", 0},
    {TEXT("5\r\nhello\r\n0\r\n\r\n"), ERR_EOF, "hello", 0},
    {TEXT("5\r\nhello\r\n0\r\n\r\nGET / HTTP/1.1\r\n"), ERR_EOF, "hello", 16},
    {TEXT("2\r\nhe\r\n3\r\nllo\r\n000\r\n\r\n"), ERR_EOF, "hello", 0},
    {TEXT("a\r\n0123456789\r\n0\r\n\r\n"), ERR_EOF, "0123456789", 0},
    {TEXT("A\r\n0123456789\r\n0\r\n\r\n"), ERR_EOF, "0123456789", 0},
    {TEXT("000000000000005\r\nhello\r\n0\r\n\r\n"), ERR_EOF, "hello", 0},
    {TEXT("5;a=b;c=\"d e\"\r\nhello\r\n0;x\r\n\r\n"), ERR_EOF, "hello", 0},
    {TEXT("5;a=\"\\\"\r\";b\r\nhello\r\n0\r\n\r\n"), ERR_PROTOCOL, NULL, 0},
    {TEXT("5;a=\"\\\"\\\\;\t\xff\";b\r\nhello\r\n0\r\n\r\n"), ERR_EOF, "hello", 0},
    {TEXT("5\r\n\r\n0\r\n\r\n0\r\n\r\n"), ERR_EOF, "\r\n0\r\n", 0},
    {TEXT("0\r\nA: b\r\nC:\r\n\r\n"), ERR_EOF, "", 0},
    {TEXT("5\r\nhel"), ERR_AGAIN, "hel", 0},
    {TEXT("5\r\nhello\r\n0\r\n"), ERR_AGAIN, "hello", 0},
    {TEXT("5\r\nhello\r\n0\r\n\r"), ERR_AGAIN, "hello", 0},
    {TEXT("\r\n"), ERR_PROTOCOL, NULL, 0},
    {TEXT(" 5\r\nhello\r\n"), ERR_PROTOCOL, NULL, 0},
    {TEXT("5 \r\nhello\r\n"), ERR_PROTOCOL, NULL, 0},
    {TEXT("5 ;a\r\nhello\r\n"), ERR_PROTOCOL, NULL, 0},
    {TEXT("5\nhello\r\n"), ERR_PROTOCOL, NULL, 0},
    {TEXT("5\r\nhello\n"), ERR_PROTOCOL, NULL, 0},
    {TEXT("5\r\nhello0\r\n\r\n"), ERR_PROTOCOL, NULL, 0},
    {TEXT("5\r\nhellooo\r\n"), ERR_PROTOCOL, NULL, 0},
    {TEXT("5\rXhello\r\n"), ERR_PROTOCOL, NULL, 0},
    {TEXT("0x5\r\nhello\r\n"), ERR_PROTOCOL, NULL, 0},
    {TEXT("+5\r\nhello\r\n"), ERR_PROTOCOL, NULL, 0},
    {TEXT("-5\r\nhello\r\n"), ERR_PROTOCOL, NULL, 0},
    {TEXT("g\r\n"), ERR_PROTOCOL, NULL, 0},
    {TEXT(";a\r\n"), ERR_PROTOCOL, NULL, 0},
    {TEXT("5_0\r\n"), ERR_PROTOCOL, NULL, 0},
    {TEXT("0000000000000005\r\nhello\r\n"), ERR_PROTOCOL, NULL, 0},
    {TEXT("fffffffffffffffff\r\n"), ERR_PROTOCOL, NULL, 0},
    {TEXT("5;a=\"\\\"\";b=;\r\nhello\r\n"), ERR_PROTOCOL, NULL, 0},
    {TEXT("5;\r\nhello\r\n"), ERR_PROTOCOL, NULL, 0},
    {TEXT("5;a;\r\nhello\r\n"), ERR_PROTOCOL, NULL, 0},
    {TEXT("5; a\r\nhello\r\n"), ERR_PROTOCOL, NULL, 0},
    {TEXT("5;a =b\r\nhello\r\n"), ERR_PROTOCOL, NULL, 0},
    {TEXT("5;=b\r\nhello\r\n"), ERR_PROTOCOL, NULL, 0},
    {TEXT("5;a=\r\nhello\r\n"), ERR_PROTOCOL, NULL, 0},
    {TEXT("5;a=\"b\r\nhello\r\n"), ERR_PROTOCOL, NULL, 0},
    {TEXT("5;a=\"b\"c\r\nhello\r\n"), ERR_PROTOCOL, NULL, 0},
    {TEXT("5;a\nb\r\nhello\r\n"), ERR_PROTOCOL, NULL, 0},
    {TEXT("5;a\rb\r\nhello\r\n"), ERR_PROTOCOL, NULL, 0},
    {TEXT("5;a\0\r\nhello\r\n"), ERR_PROTOCOL, NULL, 0},
    {TEXT("5;\x7f\r\nhello\r\n"), ERR_PROTOCOL, NULL, 0},
    {TEXT("0\r\n A: b\r\n\r\n"), ERR_PROTOCOL, NULL, 0},
    {TEXT("0\r\nA: b\r\n c\r\n\r\n"), ERR_PROTOCOL, NULL, 0},
    {TEXT("0\r\nContent-Length: 3\r\n\r\n"), ERR_PROTOCOL, NULL, 0},
    {TEXT("0\r\nA: b\r\nTRANSFER-encoding: gzip\r\n\r\n"), ERR_PROTOCOL, NULL, 0},
    {TEXT("0\r\nContent-Lengths: 3\r\nTransfer-Encoding2: x\r\nTransfer-Encodin: y\r\n\r\n"), ERR_EOF, "", 0},
    {TEXT("0\r\nA : b\r\n\r\n"), ERR_PROTOCOL, NULL, 0},
    {TEXT("0\r\n: b\r\n\r\n"), ERR_PROTOCOL, NULL, 0},
    {TEXT("0\r\nA\r\n\r\n"), ERR_PROTOCOL, NULL, 0},
    {TEXT("0\r\nA: b\n\r\n"), ERR_PROTOCOL, NULL, 0},
    {TEXT("0\r\nA: \0\r\n\r\n"), ERR_PROTOCOL, NULL, 0},
    {TEXT("0\r\n\n"), ERR_PROTOCOL, NULL, 0},
    {TEXT("0\r\n\rX"), ERR_PROTOCOL, NULL, 0},
    {TEXT("0\n\n"), ERR_PROTOCOL, NULL, 0},
};

static void check(size_t row, struct outcome o)
{
    bool good = o.result == rows[row].result;

    if (good && rows[row].body)
        good = o.body_len == strlen(rows[row].body) && memcmp(o.body, rows[row].body, o.body_len) == 0;
    if (good && o.result == ERR_EOF)
        good = o.used == rows[row].in.len - rows[row].left;
    if (!good)
        fail_msg("row %zu: %s, %zu bytes of body, %zu used", row, err_name(o.result), o.body_len, o.used);
}

static void every_cut_of_every_input_decodes_the_same(void **state)
{
    for (size_t row = 0; row < sizeof(rows) / sizeof(rows[0]); row++) {
        check(row, decode(rows[row].in, rows[row].in.len, 1));
        check(row, decode(rows[row].in, 1, 1));
        for (size_t cut = 1; cut < rows[row].in.len; cut++)
            check(row, decode(rows[row].in, cut, rows[row].in.len));
    }
}

static void feed_text(struct http_chunked *c, const char *text, enum err want)
{
    size_t used, data, data_len;

    assert_int_equal(http_chunked_feed(c, text, strlen(text), &used, &data, &data_len), want);
}

static void extensions_and_trailers_are_bounded(void **state)
{
    struct http_chunked c;
    static const char line[] = "A: 0123456789012345678901234567890123456789\r\n";

    http_chunked_init(&c);
    feed_text(&c, "5;", ERR_OK);
    for (int i = 0; i < 1024; i++)
        feed_text(&c, "x", ERR_OK);
    feed_text(&c, "x", ERR_PROTOCOL);

    http_chunked_init(&c);
    feed_text(&c, "0\r\n", ERR_OK);
    for (size_t i = 0; i + sizeof(line) - 1 <= 8192; i += sizeof(line) - 1)
        feed_text(&c, line, ERR_OK);
    feed_text(&c, line, ERR_PROTOCOL);
}

static void data_left_is_told_inside_a_chunk_only(void **state)
{
    struct http_chunked c;

    http_chunked_init(&c);
    assert_int_equal(http_chunked_data_left(&c), 0);
    feed_text(&c, "10", ERR_OK);
    assert_int_equal(http_chunked_data_left(&c), 0);
    feed_text(&c, "\r\n123", ERR_OK);
    assert_int_equal(http_chunked_data_left(&c), 13);
    feed_text(&c, "1234567890123", ERR_OK);
    assert_int_equal(http_chunked_data_left(&c), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_cut_of_every_input_decodes_the_same),
        cmocka_unit_test(extensions_and_trailers_are_bounded),
        cmocka_unit_test(data_left_is_told_inside_a_chunk_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
