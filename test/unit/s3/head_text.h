/* head_text.h - a struct http_head from readable text, for tests: a line "METHOD target", then fields, lines end
 * in LF. As lenient as the HTTP parser is strict, so that the code behind it meets more than it has to. */
#ifndef TEST_HEAD_TEXT_H
#define TEST_HEAD_TEXT_H

#include "http/message.h"

static inline enum http_method method_of(struct span text)
{
    static const struct {
        const char *name;
        enum http_method method;
    } methods[] = {{"GET", HTTP_GET},   {"HEAD", HTTP_HEAD},     {"PUT", HTTP_PUT},
                   {"POST", HTTP_POST}, {"DELETE", HTTP_DELETE}, {"OPTIONS", HTTP_OPTIONS}};

    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
        if (span_is(text, methods[i].name))
            return methods[i].method;
    return HTTP_OTHER;
}

static inline void head_from_text(struct http_head *h, struct span text)
{
    struct span line = span_cut(&text, '\n');

    memset(h, 0, sizeof(*h));
    h->minor = 1;
    h->keep_alive = true;
    h->method_text = span_cut(&line, ' ');
    h->method = method_of(h->method_text);
    h->target = line;
    while (text.len && h->header_count < HTTP_HEADERS_MAX) {
        struct http_header *header = &h->headers[h->header_count];

        line = span_cut(&text, '\n');
        if (line.len == 0)
            break;
        header->name = span_cut(&line, ':');
        header->value = span_trim(line);
        if (span_ieq(header->name, SPAN("content-length")))
            h->has_length = span_to_u64(header->value, &h->length);
        if (span_ieq(header->name, SPAN("transfer-encoding")))
            h->chunked = true;
        h->header_count++;
    }
}

#endif
