/* framing.c - how our parser reads streams of bytes, for comparison with other parsers.
 *
 *     framing request|answer < cases > readings
 *
 * A case is a length (4 bytes, big-endian) and so many bytes, as if they came on one connection that ends then.
 * A reading is one line of space-separated words: for each head that was taken `head`, method or status, target
 * or "-", minor version, number of fields, and each name and value; then `body`, the body, and `whole` or `cut`.
 * The last word is `refused` or `end`. Texts are in hexadecimal, with "." in front so that none is empty. */
#include "http/message.h"

#include <stdio.h>
#include <stdlib.h>

static void print_text(struct span s)
{
    fputs(" .", stdout);
    for (size_t i = 0; i < s.len; i++)
        printf("%02x", (unsigned char)s.at[i]);
}

static void print_head(const struct http_head *h, bool request)
{
    fputs("head", stdout);
    if (request) {
        print_text(h->method_text);
        print_text(h->target);
    } else {
        printf(" %u -", h->status);
    }
    printf(" %u %zu", h->minor, h->header_count);
    for (size_t i = 0; i < h->header_count; i++) {
        print_text(h->headers[i].name);
        print_text(h->headers[i].value);
    }
}

/* Prints the body at the start of *in and moves *in behind it. ERR_EOF: whole. ERR_AGAIN: cut. */
static enum err print_chunked(struct span *in)
{
    char *body = malloc(in->len + 1);
    struct span decoded = {body, 0};
    struct http_chunked c;
    enum err e = ERR_OK;

    http_chunked_init(&c);
    while (e == ERR_OK && in->len) {
        size_t used, data, data_len;

        e = http_chunked_feed(&c, in->at, in->len, &used, &data, &data_len);
        if (e != ERR_PROTOCOL)
            memcpy(body + decoded.len, in->at + data, data_len);
        decoded.len += e == ERR_PROTOCOL ? 0 : data_len;
        *in = span_skip(*in, used);
    }
    print_text(decoded);
    free(body);
    return e == ERR_OK ? ERR_AGAIN : e;
}

static enum err print_body(const struct http_head *h, bool request, struct span *in)
{
    bool none = request ? !h->has_length : h->status < 200 || h->status == 204 || h->status == 304;
    uint64_t length = none ? 0 : h->has_length ? h->length : in->len; /* an answer's may last to the end */

    fputs(" body", stdout);
    if (h->chunked && (request || !none))
        return print_chunked(in);
    print_text(span_head(*in, length < in->len ? (size_t)length : in->len));
    if (length > in->len)
        return ERR_AGAIN;
    *in = span_skip(*in, (size_t)length);
    return ERR_EOF;
}

static void read_case(struct span in, bool request)
{
    static struct http_head h;

    while (in.len) {
        enum err e = request ? http_parse_request(in, &h, NULL, NULL) : http_parse_answer(in, &h, NULL, NULL);

        if (e == ERR_AGAIN)
            break;
        if (e) {
            puts("refused");
            return;
        }
        print_head(&h, request);
        in = span_skip(in, h.head_bytes);
        e = print_body(&h, request, &in);
        if (e == ERR_PROTOCOL) {
            puts(" cut refused");
            return;
        }
        fputs(e == ERR_EOF ? " whole " : " cut ", stdout);
        if (e != ERR_EOF || !h.keep_alive || (!request && h.status >= 200))
            break;
    }
    puts("end");
}

int main(int argc, char **argv)
{
    unsigned char size[4];

    if (argc != 2 || (strcmp(argv[1], "request") && strcmp(argv[1], "answer"))) {
        fputs("usage: framing request|answer\n", stderr);
        return 2;
    }
    while (fread(size, 1, sizeof(size), stdin) == sizeof(size)) {
        size_t len = (size_t)size[0] << 24 | (size_t)size[1] << 16 | (size_t)size[2] << 8 | size[3];
        char *bytes = malloc(len + 1);

        if (!bytes || fread(bytes, 1, len, stdin) != len)
            return 1;
        read_case((struct span){bytes, len}, strcmp(argv[1], "request") == 0);
        free(bytes);
    }
    return 0;
}
