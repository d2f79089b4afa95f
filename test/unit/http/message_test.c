/* The head parser: what it refuses, each with its reason, and what it makes of the rest. */
#include "http/message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#define TEXT(literal)                                                                                        \
    {                                                                                                        \
        (literal), sizeof(literal) - 1                                                                       \
    }
#define GET "GET / HTTP/1.1\r\nHost: h\r\n"
#define PUT "PUT /b/k HTTP/1.1\r\nHost: h\r\n"

static const struct {
    struct span head;
    const char *why; /* part of the reason */
} refused_requests[] = {
    /* first line */
    {TEXT("\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n"), "empty line"},
    {TEXT("\nGET / HTTP/1.1\r\nHost: h\r\n\r\n"), "bare LF"},
    {TEXT(" GET / HTTP/1.1\r\nHost: h\r\n\r\n"), "in the method"},
    {TEXT("\x16\x03\x01\x02"), "in the method"},
    {TEXT("\0GET / HTTP/1.1\r\n\r\n"), "in the method"},
    {TEXT("G\0T / HTTP/1.1\r\n\r\n"), "in the method"},
    {TEXT("G@T / HTTP/1.1\r\n\r\n"), "in the method"},
    {TEXT("GET\t/ HTTP/1.1\r\n\r\n"), "in the method"},
    {TEXT("GET\r\nHost: h\r\n\r\n"), "in the method"},
    {TEXT("GET  / HTTP/1.1\r\n\r\n"), "no request target"},
    {TEXT("GET /  HTTP/1.1\r\n\r\n"), "no HTTP version"},
    {TEXT("GET /\tHTTP/1.1\r\n\r\n"), "in the request target"},
    {TEXT("GET /a b HTTP/1.1\r\n\r\n"), "no HTTP version"},
    {TEXT("GET /a\0b HTTP/1.1\r\n\r\n"), "in the request target"},
    {TEXT("GET /a\rb HTTP/1.1\r\n\r\n"), "in the request target"},
    {TEXT("GET /a\x7f HTTP/1.1\r\n\r\n"), "in the request target"},
    {TEXT("GET /\xc3\xa4 HTTP/1.1\r\n\r\n"), "in the request target"},
    {TEXT("GET /a#f HTTP/1.1\r\n\r\n"), "in the request target"},
    {TEXT("GET a HTTP/1.1\r\n\r\n"), "start with a slash"},
    {TEXT("GET http://h/a HTTP/1.1\r\nHost: h\r\n\r\n"), "start with a slash"},
    {TEXT("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n"), "start with a slash"},
    {TEXT("CONNECT h:80 HTTP/1.1\r\nHost: h\r\n\r\n"), "start with a slash"},
    {TEXT("GET /\r\n\r\n"), "or no HTTP version"},
    {TEXT("GET / \r\n\r\n"), "no HTTP version"},
    {TEXT("GET / http/1.1\r\n\r\n"), "no HTTP version"},
    {TEXT("GET / HTP/1.1\r\n\r\n"), "no HTTP version"},
    {TEXT("GET / HTTP/0.9\r\n\r\n"), "version other than"},
    {TEXT("GET / HTTP/1.2\r\n\r\n"), "version other than"},
    {TEXT("GET / HTTP/2.0\r\n\r\n"), "version other than"},
    {TEXT("GET / HTTP/1,1\r\n\r\n"), "version other than"},
    {TEXT("GET / HTTP/1\r\n\r\n"), "version other than"},
    {TEXT("GET / HTTP/1.1 \r\n\r\n"), "follows the HTTP version"},
    {TEXT("GET / HTTP/1.10\r\n\r\n"), "follows the HTTP version"},
    {TEXT("GET / HTTP/1.1\r\r\n\r\n"), "follows the HTTP version"},
    {TEXT("GET / HTTP/1.1\nHost: h\n\n"), "bare LF"},
    {TEXT("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), "start with a slash"},
    /* lines */
    {TEXT("GET / HTTP/1.1\r\n Host: h\r\n\r\n"), "folded"},
    {TEXT(GET "A: b\r\n c\r\n\r\n"), "folded"},
    {TEXT(GET "A: b\r\n\tc\r\n\r\n"), "folded"},
    {TEXT(GET "A: b\r\n \r\n\r\n"), "folded"},
    {TEXT(GET "A: b\n\r\n"), "bare LF"},
    {TEXT(GET "A: b\r\nB: c\n\n"), "bare LF"},
    {TEXT(GET "A: b\rB: c\r\n\r\n"), "control character"},
    {TEXT(GET "A: b\r\r\n\r\n"), "control character"},
    {TEXT(GET "\rA: b\r\n\r\n"), "bare CR"},
    {TEXT(GET "A: b\0\r\n\r\n"), "control character"},
    {TEXT(GET "A: \x01\r\n\r\n"), "control character"},
    {TEXT(GET "A: b\x0b\r\n\r\n"), "control character"},
    {TEXT(GET "A: b\x7f\r\n\r\n"), "control character"},
    /* names */
    {TEXT(GET ": b\r\n\r\n"), "without a name"},
    {TEXT(GET "A : b\r\n\r\n"), "header name"},
    {TEXT(GET "A\t: b\r\n\r\n"), "header name"},
    {TEXT(GET "A B: b\r\n\r\n"), "header name"},
    {TEXT(GET "A\r\n\r\n"), "no colon"},
    {TEXT(GET "A\0: b\r\n\r\n"), "header name"},
    {TEXT(GET "A(: b\r\n\r\n"), "header name"},
    {TEXT(GET "\xc3\xa4: b\r\n\r\n"), "without a name"},
    {TEXT(GET "A\xc3\xa4: b\r\n\r\n"), "header name"},
    {TEXT(GET "\"A\": b\r\n\r\n"), "without a name"},
    {TEXT(GET "Content-Length : 3\r\n\r\n"), "header name"},
    {TEXT(GET "Transfer-Encoding : chunked\r\n\r\n"), "header name"},
    /* framing */
    {TEXT(PUT "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"), "both"},
    {TEXT(PUT "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n"), "both"},
    {TEXT(PUT "Content-Length: 3\r\nContent-Length: 4\r\n\r\n"), "more than one Content-Length"},
    {TEXT(PUT "Content-Length: 3\r\nContent-Length: 3\r\n\r\n"), "more than one Content-Length"},
    {TEXT(PUT "Content-Length: 3\r\ncontent-LENGTH: 3\r\n\r\n"), "more than one Content-Length"},
    {TEXT(PUT "Content-Length: 3, 3\r\n\r\n"), "not a number"},
    {TEXT(PUT "Content-Length: +3\r\n\r\n"), "not a number"},
    {TEXT(PUT "Content-Length: -3\r\n\r\n"), "not a number"},
    {TEXT(PUT "Content-Length: 0x3\r\n\r\n"), "not a number"},
    {TEXT(PUT "Content-Length: 3 3\r\n\r\n"), "not a number"},
    {TEXT(PUT "Content-Length: 3_0\r\n\r\n"), "not a number"},
    {TEXT(PUT "Content-Length: 3.0\r\n\r\n"), "not a number"},
    {TEXT(PUT "Content-Length:\r\n\r\n"), "not a number"},
    {TEXT(PUT "Content-Length:\t3\r\n\r\n"), "not a number"},
    {TEXT(PUT "Transfer-Encoding: chunked\t\r\n\r\n"), "exactly one"},
    {TEXT(PUT "Content-Length: \xd9\xa3\r\n\r\n"), "not a number"},
    {TEXT(PUT "Content-Length: 9223372036854775808\r\n\r\n"), "not a number"},
    {TEXT(PUT "Content-Length: 18446744073709551617\r\n\r\n"), "not a number"},
    {TEXT(PUT "Transfer-Encoding: gzip\r\n\r\n"), "exactly one"},
    {TEXT(PUT "Transfer-Encoding: gzip, chunked\r\n\r\n"), "exactly one"},
    {TEXT(PUT "Transfer-Encoding: chunked, chunked\r\n\r\n"), "exactly one"},
    {TEXT(PUT "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"), "exactly one"},
    {TEXT(PUT "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n"), "exactly one"},
    {TEXT(PUT "Transfer-Encoding: identity\r\n\r\n"), "exactly one"},
    {TEXT(PUT "Transfer-Encoding: xchunked\r\n\r\n"), "exactly one"},
    {TEXT(PUT "Transfer-Encoding: \"chunked\"\r\n\r\n"), "exactly one"},
    {TEXT(PUT "Transfer-Encoding: chunked;a=b\r\n\r\n"), "exactly one"},
    {TEXT(PUT "Transfer-Encoding: chunked,\r\n\r\n"), "exactly one"},
    {TEXT(PUT "Transfer-Encoding: \x0b"
              "chunked\r\n\r\n"),
     "control character"},
    {TEXT(PUT "Transfer-Encoding:\r\n\r\n"), "exactly one"},
    {TEXT("PUT / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), "in HTTP/1.0"},
    /* Host */
    {TEXT("GET / HTTP/1.1\r\n\r\n"), "no Host"},
    {TEXT(GET "Host: h\r\n\r\n"), "more than one Host"},
    {TEXT("GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n"), "more than one Host"},
};

static void each_malformed_request_is_refused_with_its_reason(void **state)
{
    for (size_t i = 0; i < sizeof(refused_requests) / sizeof(refused_requests[0]); i++) {
        struct http_head h;
        const char *why = NULL;
        /* A heap copy of the exact size, so that a read beyond the end is seen. */
        char *copy = malloc(refused_requests[i].head.len);
        size_t seen = 0;
        enum err e;

        memcpy(copy, refused_requests[i].head.at, refused_requests[i].head.len);
        e = http_parse_request((struct span){copy, refused_requests[i].head.len}, &h, &seen, &why);
        if (e != ERR_PROTOCOL || !why || !strstr(why, refused_requests[i].why))
            fail_msg("row %zu: %s, \"%s\" instead of \"%s\"", i, err_name(e), why ? why : "",
                     refused_requests[i].why);
        free(copy);
    }
}

static const struct {
    struct span head;
    const char *why;
} refused_answers[] = {
    {TEXT("GET / HTTP/1.1\r\n\r\n"), "no HTTP version"},
    {TEXT("\r\nHTTP/1.1 200 OK\r\n\r\n"), "empty line"},
    {TEXT("HTTP/1.1 200 OK\n\n"), "bare LF"},
    {TEXT("HTTP/1.1\r\n\r\n"), "no space"},
    {TEXT("HTTP/1.1  200 OK\r\n\r\n"), "three digits"},
    {TEXT("HTTP/1.1 20 OK\r\n\r\n"), "three digits"},
    {TEXT("HTTP/1.1 2000 OK\r\n\r\n"), "status line"},
    {TEXT("HTTP/1.1 2x0 OK\r\n\r\n"), "three digits"},
    {TEXT("HTTP/1.1 -20 OK\r\n\r\n"), "three digits"},
    {TEXT("HTTP/1.1 099 OK\r\n\r\n"), "out of range"},
    {TEXT("HTTP/1.1 600 OK\r\n\r\n"), "out of range"},
    {TEXT("HTTP/1.1 200\tOK\r\n\r\n"), "status line"},
    {TEXT("HTTP/1.1 200 O\0K\r\n\r\n"), "status line"},
    {TEXT("HTTP/1.1 200 O\rK\r\n\r\n"), "status line"},
    {TEXT("HTTP/3.0 200 OK\r\n\r\n"), "version other than"},
    {TEXT("HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n"), "folded"},
    {TEXT("HTTP/1.1 200 OK\r\nA : b\r\n\r\n"), "header name"},
    {TEXT("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"), "more than one"},
    {TEXT("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"), "both"},
    {TEXT("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n"), "exactly one"},
    {TEXT("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"), "in HTTP/1.0"},
};

static void each_malformed_answer_is_refused_with_its_reason(void **state)
{
    for (size_t i = 0; i < sizeof(refused_answers) / sizeof(refused_answers[0]); i++) {
        struct http_head h;
        const char *why = NULL;
        enum err e = http_parse_answer(refused_answers[i].head, &h, NULL, &why);

        if (e != ERR_PROTOCOL || !why || !strstr(why, refused_answers[i].why))
            fail_msg("row %zu: %s, \"%s\" instead of \"%s\"", i, err_name(e), why ? why : "",
                     refused_answers[i].why);
    }
}

static void a_request_is_cut_into_its_parts(void **state)
{
    struct span in = TEXT("PUT /b/k%20x?a=b&c HTTP/1.1\r\nHost: h:80\r\nX-Empty:\r\nx-Sp: \t a  b \t\r\n"
                          "EXPECT: 100-Continue\r\ncontent-length: 0012\r\nX-Obs: \xc3\xa4\r\n\r\nbody");
    struct http_head h;

    assert_int_equal(http_parse_request(in, &h, NULL, NULL), ERR_OK);
    assert_int_equal(h.method, HTTP_PUT);
    assert_true(span_is(h.method_text, "PUT"));
    assert_true(span_is(h.target, "/b/k%20x?a=b&c"));
    assert_int_equal(h.minor, 1);
    assert_true(h.keep_alive && h.expect_continue && h.has_length && !h.chunked);
    assert_int_equal(h.length, 12);
    assert_int_equal(h.header_count, 6);
    assert_int_equal(h.head_bytes, in.len - 4);
    assert_true(span_is(*http_header(&h, "x-empty"), ""));
    assert_true(span_is(*http_header(&h, "X-SP"), "a  b"));
    assert_true(span_is(*http_header(&h, "x-obs"), "\xc3\xa4"));
    assert_null(http_header(&h, "x-none"));
    assert_int_equal(http_header_count(&h, "host"), 1);
}

static void keep_alive_follows_version_and_connection(void **state)
{
    static const struct {
        const char *head;
        bool keep;
    } rows[] = {
        {"GET / HTTP/1.1\r\nHost: h\r\n\r\n", true},
        {"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", false},
        {"GET / HTTP/1.1\r\nHost: h\r\nConnection: TE ,\tClose\r\n\r\n", false},
        {"GET / HTTP/1.1\r\nHost: h\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n", false},
        {"GET / HTTP/1.1\r\nHost: h\r\nConnection: closed\r\n\r\n", true},
        {"GET / HTTP/1.0\r\n\r\n", false},
        {"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true},
        {"GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", false},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct http_head h;

        assert_int_equal(http_parse_request(span_of(rows[i].head), &h, NULL, NULL), ERR_OK);
        assert_int_equal(h.keep_alive, rows[i].keep);
    }
}

static void each_known_method_is_named_and_others_are_other(void **state)
{
    static const struct {
        const char *name;
        enum http_method method;
    } rows[] = {
        {"GET", HTTP_GET},        {"HEAD", HTTP_HEAD},       {"PUT", HTTP_PUT},   {"POST", HTTP_POST},
        {"DELETE", HTTP_DELETE},  {"OPTIONS", HTTP_OPTIONS}, {"get", HTTP_OTHER}, {"PATCH", HTTP_OTHER},
        {"PROPFIND", HTTP_OTHER}, {"GETX", HTTP_OTHER},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char head[64];
        struct http_head h;

        snprintf(head, sizeof(head), "%s / HTTP/1.0\r\n\r\n", rows[i].name);
        assert_int_equal(http_parse_request(span_of(head), &h, NULL, NULL), ERR_OK);
        assert_int_equal(h.method, rows[i].method);
        assert_true(span_is(h.method_text, rows[i].name));
    }
}

static void expect_is_not_for_http_1_0(void **state)
{
    struct http_head h;

    assert_int_equal(
        http_parse_request(SPAN("PUT / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n"), &h, NULL, NULL), ERR_OK);
    assert_false(h.expect_continue);
}

static void an_answer_is_cut_into_its_parts(void **state)
{
    static const struct {
        const char *head;
        unsigned status;
        bool chunked, has_length;
        uint64_t length;
    } rows[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", 200, false, true, 5},
        {"HTTP/1.1 503 Slow Down \xc3\xa4\r\nTransfer-Encoding: Chunked\r\n\r\n", 503, true, false, 0},
        {"HTTP/1.1 204 \r\n\r\n", 204, false, false, 0},
        {"HTTP/1.1 100\r\n\r\n", 100, false, false, 0},
        {"HTTP/1.0 599 x\r\n\r\n", 599, false, false, 0},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct http_head h;

        assert_int_equal(http_parse_answer(span_of(rows[i].head), &h, NULL, NULL), ERR_OK);
        assert_int_equal(h.status, rows[i].status);
        assert_int_equal(h.chunked, rows[i].chunked);
        assert_int_equal(h.has_length, rows[i].has_length);
        assert_int_equal(h.length, rows[i].length);
        assert_int_equal(h.head_bytes, strlen(rows[i].head));
    }
}

static void a_head_that_trickles_in_ends_the_same(void **state)
{
    const struct span in = TEXT("PUT /b/k HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody");
    const size_t head_bytes = in.len - 4;
    size_t seen = 0;

    for (size_t len = 0; len < head_bytes; len++) {
        struct http_head h;

        assert_int_equal(http_parse_request(span_head(in, len), &h, &seen, NULL), ERR_AGAIN);
        assert_int_equal(seen, len);
    }
    struct http_head h;
    assert_int_equal(http_parse_request(span_head(in, head_bytes), &h, &seen, NULL), ERR_OK);
    assert_int_equal(h.head_bytes, head_bytes);
    assert_int_equal(h.length, 4);
}

static void a_head_over_the_limit_is_too_large(void **state)
{
    static char big[HTTP_HEAD_BYTES_MAX + 64];
    int start = snprintf(big, sizeof(big), GET "X: ");
    struct http_head h;
    const char *why = NULL;
    size_t seen = 0;

    memset(big + start, 'a', sizeof(big) - (size_t)start);
    assert_int_equal(http_parse_request((struct span){big, HTTP_HEAD_BYTES_MAX - 1}, &h, &seen, &why),
                     ERR_AGAIN);
    assert_int_equal(http_parse_request((struct span){big, HTTP_HEAD_BYTES_MAX}, &h, &seen, &why),
                     ERR_TOO_LARGE);
    memcpy(big + HTTP_HEAD_BYTES_MAX - 4, "\r\n\r\n", 4);
    assert_int_equal(http_parse_request((struct span){big, sizeof(big)}, &h, NULL, &why), ERR_OK);
    memcpy(big + HTTP_HEAD_BYTES_MAX - 4, "aa\r\n\r\n", 6);
    assert_int_equal(http_parse_request((struct span){big, sizeof(big)}, &h, NULL, &why), ERR_TOO_LARGE);
    assert_non_null(strstr(why, "too large"));
}

static void one_field_over_the_limit_is_too_many(void **state)
{
    char head[4096];
    int len = snprintf(head, sizeof(head), "GET / HTTP/1.1\r\nHost: h\r\n");
    struct http_head h;
    const char *why = NULL;

    for (int i = 1; i < HTTP_HEADERS_MAX; i++)
        len += snprintf(head + len, sizeof(head) - (size_t)len, "A: %d\r\n", i);
    memcpy(head + len, "\r\n", 3);
    assert_int_equal(http_parse_request(span_of(head), &h, NULL, &why), ERR_OK);
    assert_int_equal(h.header_count, HTTP_HEADERS_MAX);
    assert_int_equal(http_header_count(&h, "a"), HTTP_HEADERS_MAX - 1);
    memcpy(head + len, "B:\r\n\r\n", 7);
    assert_int_equal(http_parse_request(span_of(head), &h, NULL, &why), ERR_TOO_LARGE);
    assert_non_null(strstr(why, "too many"));
}

static void an_unknown_version_can_be_told_from_other_faults(void **state)
{
    struct http_head h;
    const char *why = NULL;

    assert_int_equal(http_parse_request(SPAN("GET / HTTP/2.0\r\n\r\n"), &h, NULL, &why), ERR_PROTOCOL);
    assert_ptr_equal(why, http_bad_version);
}

static void reasons_are_there_for_what_we_send(void **state)
{
    assert_string_equal(http_reason(200), "OK");
    assert_string_equal(http_reason(431), "Request Header Fields Too Large");
    assert_string_equal(http_reason(299), "");
    assert_string_equal(http_reason(1000), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_malformed_request_is_refused_with_its_reason),
        cmocka_unit_test(each_malformed_answer_is_refused_with_its_reason),
        cmocka_unit_test(a_request_is_cut_into_its_parts),
        cmocka_unit_test(keep_alive_follows_version_and_connection),
        cmocka_unit_test(each_known_method_is_named_and_others_are_other),
        cmocka_unit_test(expect_is_not_for_http_1_0),
        cmocka_unit_test(an_answer_is_cut_into_its_parts),
        cmocka_unit_test(a_head_that_trickles_in_ends_the_same),
        cmocka_unit_test(a_head_over_the_limit_is_too_large),
        cmocka_unit_test(one_field_over_the_limit_is_too_many),
        cmocka_unit_test(an_unknown_version_can_be_told_from_other_faults),
        cmocka_unit_test(reasons_are_there_for_what_we_send),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
