/* Request and answer heads: whatever comes, no byte outside is touched; what is accepted is well-formed, and is
 * the same however the bytes were cut on the way. The first byte of the input says where to cut. */
#include "http/message.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition))                                                                                    \
            abort();                                                                                         \
    } while (0)

typedef enum err parser(struct span in, struct http_head *out, size_t *seen, const char **why);

static void check_span(struct span s, struct span in)
{
    CHECK(s.at >= in.at && s.at + s.len <= in.at + in.len);
    for (size_t i = 0; i < s.len; i++)
        CHECK(s.at[i] == '\t' || ((unsigned char)s.at[i] >= ' ' && s.at[i] != 0x7f));
}

static void check_accepted(const struct http_head *h, struct span in, bool request)
{
    struct span head = span_head(in, h->head_bytes);

    CHECK(h->head_bytes <= in.len && h->head_bytes <= HTTP_HEAD_BYTES_MAX &&
          span_ends(head, SPAN("\r\n\r\n")));
    CHECK(memmem(head.at, head.len - 1, "\r\n\r\n", 4) == NULL);
    CHECK(!h->chunked || (!h->has_length && h->minor == 1));
    CHECK(h->header_count <= HTTP_HEADERS_MAX && h->minor <= 1);
    CHECK(http_header_count(h, "Content-Length") == h->has_length);
    CHECK(http_header_count(h, "Transfer-Encoding") == h->chunked);
    for (size_t i = 0; i < h->header_count; i++) {
        check_span(h->headers[i].name, head);
        check_span(h->headers[i].value, head);
        CHECK(h->headers[i].name.len && span_eq(span_trim(h->headers[i].value), h->headers[i].value));
    }
    if (request) {
        check_span(h->target, head);
        CHECK(h->target.at[0] == '/' && span_find(h->target, ' ') == h->target.len);
    } else {
        CHECK(h->status >= 100 && h->status <= 599);
    }
}

static void try(parser *parse, struct span in, size_t cut, bool request)
{
    static struct http_head whole, pieced;
    const char *why = NULL, *why_pieced = NULL;
    size_t seen = 0;
    enum err e = parse(in, &whole, NULL, &why),
             first = parse(span_head(in, cut), &pieced, &seen, &why_pieced);

    CHECK(e == ERR_OK || e == ERR_AGAIN || e == ERR_PROTOCOL || e == ERR_TOO_LARGE);
    CHECK((e != ERR_PROTOCOL && e != ERR_TOO_LARGE) || (why && *why));
    if (e == ERR_OK)
        check_accepted(&whole, in, request);
    /* A refusal may come earlier; otherwise the second look must find what the single look found. */
    if (first == ERR_AGAIN)
        CHECK(parse(in, &pieced, &seen, &why_pieced) == e);
    else
        CHECK(first == ERR_OK ? e == ERR_OK && pieced.head_bytes == whole.head_bytes : e != ERR_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in;
    size_t cut;

    if (size < 1)
        return 0;
    in = (struct span){(const char *)data + 1, size - 1};
    cut = in.len * data[0] / 255;
    try(http_parse_request, in, cut, true);
    try(http_parse_answer, in, cut, false);
    return 0;
}
