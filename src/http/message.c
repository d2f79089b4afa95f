/* message.c - the strict head parser.
 *
 * Two passes, each over every byte once. The first looks for the end of the head and remembers how
 * far it has come, so that a head that trickles in is not scanned again and again; it also refuses a
 * bare LF at once, because a peer that ends its lines so would never send the CRLF CRLF we wait for.
 * The second cuts the lines with two 256-entry tables, one for tokens, one for field values.
 *
 * Whatever two parsers could read in two ways is refused: that is how requests are smuggled past a
 * proxy, and we are one. */
#include "http/message.h"

#include <assert.h>

const char http_bad_version[] = "HTTP version other than 1.0 and 1.1";

/* RFC 9110 section 5.6.2: tchar. */
static const bool token_char[256] = {
    ['!'] = 1, ['#'] = 1, ['$'] = 1, ['%'] = 1,         ['&'] = 1,         ['\''] = 1,
    ['*'] = 1, ['+'] = 1, ['-'] = 1, ['.'] = 1,         ['^'] = 1,         ['_'] = 1,
    ['`'] = 1, ['|'] = 1, ['~'] = 1, ['0' ... '9'] = 1, ['A' ... 'Z'] = 1, ['a' ... 'z'] = 1,
};

/* RFC 9110 section 5.5: field-vchar, obs-text, SP and HTAB. */
static const bool value_char[256] = {['\t'] = 1, [' ' ... '~'] = 1, [0x80 ... 0xff] = 1};

bool http_is_token(struct span s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!token_char[(unsigned char)s.at[i]])
            return false;
    return s.len > 0;
}

bool http_is_value(struct span s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!value_char[(unsigned char)s.at[i]])
            return false;
    return true;
}

static const char *const method_names[] = {
    [HTTP_GET] = "GET",   [HTTP_HEAD] = "HEAD",     [HTTP_PUT] = "PUT",
    [HTTP_POST] = "POST", [HTTP_DELETE] = "DELETE", [HTTP_OPTIONS] = "OPTIONS",
};
_Static_assert(sizeof(method_names) / sizeof(method_names[0]) == HTTP_OTHER, "every method has a name");

/* What is still to be read, and what is wrong with it. */
struct cursor {
    const char *at, *end;
    const char *why;
};

/* Fields that say how the message is framed, counted while they go by. */
struct framing {
    unsigned lengths, codings, hosts;
    bool close, keep_alive;
};

static enum err refuse(struct cursor *c, const char *why)
{
    c->why = why;
    return ERR_PROTOCOL;
}

/* ERR_OK: *head_bytes is the length of the head. */
static enum err find_end(struct span in, size_t *seen, size_t *head_bytes, const char **why)
{
    size_t from = seen ? *seen : 0;

    while (from < in.len) {
        const char *lf = memchr(in.at + from, '\n', in.len - from);
        size_t i;

        if (!lf)
            break;
        i = (size_t)(lf - in.at);
        if (i == 0 || in.at[i - 1] != '\r') {
            *why = "line ends in a bare LF";
            return ERR_PROTOCOL;
        }
        if (i == 1) {
            *why = "empty line where the first line should be";
            return ERR_PROTOCOL;
        }
        if (in.at[i - 2] == '\n') {
            *head_bytes = i + 1;
            return ERR_OK;
        }
        from = i + 1;
    }
    if (seen)
        *seen = in.len;
    return ERR_AGAIN;
}

static struct span take_token(struct cursor *c)
{
    const char *from = c->at;

    while (c->at < c->end && token_char[(unsigned char)*c->at])
        c->at++;
    return (struct span){from, (size_t)(c->at - from)};
}

static bool take_char(struct cursor *c, char want)
{
    if (c->at == c->end || *c->at != want)
        return false;
    c->at++;
    return true;
}

static bool take_crlf(struct cursor *c)
{
    return take_char(c, '\r') && take_char(c, '\n');
}

static enum err take_version(struct cursor *c, uint8_t *minor)
{
    struct span text = {c->at, (size_t)(c->end - c->at)};

    if (!span_starts(text, SPAN("HTTP/")))
        return refuse(c, "no HTTP version where one should be");
    if (!span_starts(text, SPAN("HTTP/1.0")) && !span_starts(text, SPAN("HTTP/1.1")))
        return refuse(c, http_bad_version);
    *minor = (uint8_t)(text.at[7] - '0');
    c->at += 8;
    return ERR_OK;
}

static enum http_method method_of(struct span name)
{
    for (unsigned m = 0; m < HTTP_OTHER; m++)
        if (span_is(name, method_names[m]))
            return (enum http_method)m;
    return HTTP_OTHER;
}

/* RFC 9112 section 3: method SP request-target SP HTTP-version CRLF */
static enum err request_line(struct cursor *c, struct http_head *h)
{
    enum err e;

    h->method_text = take_token(c);
    if (h->method_text.len == 0)
        return refuse(c, "no method");
    if (!take_char(c, ' '))
        return refuse(c, "bad character in the method");
    h->method = method_of(h->method_text);

    const char *from = c->at;
    while (c->at<c->end && * c->at> ' ' && *c->at < 0x7f && *c->at != '#')
        c->at++;
    h->target = (struct span){from, (size_t)(c->at - from)};
    if (h->target.len == 0)
        return refuse(c, "no request target");
    if (!take_char(c, ' '))
        return refuse(c, "bad character in the request target, or no HTTP version");
    if (h->target.at[0] != '/')
        return refuse(c, "request target does not start with a slash");
    e = take_version(c, &h->minor);
    if (e)
        return e;
    return take_crlf(c) ? ERR_OK : refuse(c, "something follows the HTTP version");
}

static bool is_digit(char ch)
{
    return ch >= '0' && ch <= '9';
}

/* RFC 9112 section 4: HTTP-version SP status-code SP [reason-phrase] CRLF. The second space is missing
 * in what some servers send when they have no reason to give; it frames nothing. */
static enum err status_line(struct cursor *c, struct http_head *h)
{
    enum err e = take_version(c, &h->minor);

    if (e)
        return e;
    if (!take_char(c, ' '))
        return refuse(c, "no space between HTTP version and status");
    if (c->end - c->at < 3 || !is_digit(c->at[0]) || !is_digit(c->at[1]) || !is_digit(c->at[2]))
        return refuse(c, "status is not of three digits");
    h->status = (unsigned)((c->at[0] - '0') * 100 + (c->at[1] - '0') * 10 + (c->at[2] - '0'));
    if (h->status < 100 || h->status > 599)
        return refuse(c, "status out of range");
    c->at += 3;
    if (take_char(c, ' '))
        while (c->at < c->end && value_char[(unsigned char)*c->at])
            c->at++;
    return take_crlf(c) ? ERR_OK : refuse(c, "bad character in the status line");
}

static void note_connection(struct span list, struct framing *f)
{
    while (list.len) {
        struct span option = span_trim(span_cut(&list, ','));

        if (span_ieq(option, SPAN("close")))
            f->close = true;
        else if (span_ieq(option, SPAN("keep-alive")))
            f->keep_alive = true;
    }
}

/* The few fields that HTTP itself must understand. `raw`: the value as received, white space included: tabs around
 * it are allowed by the RFC and read in more than one way. */
static enum err note_field(struct cursor *c, struct http_head *h, struct span name, struct span raw,
                           struct framing *f)
{
    struct span value = span_trim(raw);

    if (name.len == 14 && span_ieq(name, SPAN("content-length"))) {
        if (++f->lengths > 1)
            return refuse(c, "more than one Content-Length");
        if (span_find(raw, '\t') < raw.len || !span_to_u64(value, &h->length) || h->length > INT64_MAX)
            return refuse(c, "Content-Length is not a number that can be");
        h->has_length = true;
    } else if (name.len == 17 && span_ieq(name, SPAN("transfer-encoding"))) {
        if (++f->codings > 1 || span_find(raw, '\t') < raw.len || !span_ieq(value, SPAN("chunked")))
            return refuse(c, "Transfer-Encoding is not exactly one \"chunked\"");
        h->chunked = true;
    } else if (name.len == 10 && span_ieq(name, SPAN("connection"))) {
        note_connection(value, f);
    } else if (name.len == 6 && span_ieq(name, SPAN("expect"))) {
        h->expect_continue = h->minor == 1 && span_ieq(value, SPAN("100-continue"));
    } else if (name.len == 4 && span_ieq(name, SPAN("host"))) {
        f->hosts++;
    }
    return ERR_OK;
}

/* RFC 9112 section 5: field-name ":" OWS field-value OWS CRLF */
static enum err field_line(struct cursor *c, struct http_head *h, struct framing *f)
{
    struct http_header *out;
    struct span raw;

    if (*c->at == ' ' || *c->at == '\t')
        return refuse(c, "folded header line");
    if (h->header_count == HTTP_HEADERS_MAX) {
        c->why = "too many header fields";
        return ERR_TOO_LARGE;
    }
    out = &h->headers[h->header_count++];
    out->name = take_token(c);
    if (out->name.len == 0)
        return refuse(c, "header line without a name");
    if (!take_char(c, ':'))
        return refuse(c, "bad character in a header name, or no colon after it");
    raw.at = c->at;
    while (c->at < c->end && value_char[(unsigned char)*c->at])
        c->at++;
    raw.len = (size_t)(c->at - raw.at);
    out->value = span_trim(raw);
    if (!take_crlf(c))
        return refuse(c, "control character in a header value");
    return note_field(c, h, out->name, raw, f);
}

/* All fields and the empty line; checks what holds for both kinds of message. */
static enum err fields(struct cursor *c, struct http_head *h, struct framing *f)
{
    while (*c->at != '\r') {
        enum err e = field_line(c, h, f);

        if (e)
            return e;
    }
    /* find_end has seen to it that a CR here is the empty line's, or is bare. */
    if (!take_crlf(c) || c->at != c->end)
        return refuse(c, "bare CR");
    if (h->chunked && h->has_length)
        return refuse(c, "both Content-Length and Transfer-Encoding");
    if (h->chunked && h->minor == 0)
        return refuse(c, "Transfer-Encoding in HTTP/1.0");
    h->keep_alive = !f->close && (h->minor == 1 || f->keep_alive);
    return ERR_OK;
}

/* `whole`: how the head starts; the rest is common. */
static enum err parse(struct span in, struct http_head *out, size_t *seen, const char **why,
                      enum err (*first_line)(struct cursor *c, struct http_head *h), struct framing *f)
{
    const char *ignored;
    struct cursor c = {.at = in.at};
    enum err e;

    if (!why)
        why = &ignored;
    e = find_end(in, seen, &out->head_bytes, why);
    if (e == ERR_PROTOCOL)
        return e;
    if (e == ERR_AGAIN ? in.len >= HTTP_HEAD_BYTES_MAX : out->head_bytes > HTTP_HEAD_BYTES_MAX) {
        *why = "head too large";
        return ERR_TOO_LARGE;
    }
    if (e)
        return e;

    /* Not cleared as a whole: the headers are three kilobytes and header_count says which are set. */
    out->method = HTTP_OTHER;
    out->method_text = out->target = SPAN_EMPTY;
    out->status = 0;
    out->chunked = out->has_length = out->expect_continue = false;
    out->length = 0;
    out->header_count = 0;
    c.end = in.at + out->head_bytes;
    e = first_line(&c, out);
    if (!e)
        e = fields(&c, out, f);
    if (e)
        *why = c.why;
    return e;
}

enum err http_parse_request(struct span in, struct http_head *out, size_t *seen, const char **why)
{
    struct framing f = {0};
    const char *ignored;
    enum err e;

    if (!why)
        why = &ignored;
    /* A peer that starts otherwise (TLS on a plain port) need not be waited for. */
    if (in.len && !token_char[(unsigned char)in.at[0]] && in.at[0] != '\r' && in.at[0] != '\n') {
        *why = "bad character in the method";
        return ERR_PROTOCOL;
    }
    e = parse(in, out, seen, why, request_line, &f);
    if (e)
        return e;
    if (f.hosts > 1 || (f.hosts == 0 && out->minor == 1)) { /* RFC 9112 section 3.2 */
        *why = f.hosts ? "more than one Host" : "no Host";
        return ERR_PROTOCOL;
    }
    return ERR_OK;
}

enum err http_parse_answer(struct span in, struct http_head *out, size_t *seen, const char **why)
{
    struct framing f = {0};
    const char *ignored;

    if (!why)
        why = &ignored;
    if (in.len && in.at[0] != 'H' && in.at[0] != '\r' && in.at[0] != '\n') {
        *why = "no HTTP version where one should be";
        return ERR_PROTOCOL;
    }
    return parse(in, out, seen, why, status_line, &f);
}

const struct span *http_header(const struct http_head *h, const char *name)
{
    struct span want = span_of(name);

    for (size_t i = 0; i < h->header_count; i++)
        if (h->headers[i].name.len == want.len && span_ieq(h->headers[i].name, want))
            return &h->headers[i].value;
    return NULL;
}

size_t http_header_count(const struct http_head *h, const char *name)
{
    struct span want = span_of(name);
    size_t n = 0;

    for (size_t i = 0; i < h->header_count; i++)
        n += span_ieq(h->headers[i].name, want);
    return n;
}

const char *http_reason(unsigned status)
{
    static const char *const reasons[600] = {
        [100] = "Continue",
        [101] = "Switching Protocols",
        [200] = "OK",
        [201] = "Created",
        [202] = "Accepted",
        [203] = "Non-Authoritative Information",
        [204] = "No Content",
        [205] = "Reset Content",
        [206] = "Partial Content",
        [300] = "Multiple Choices",
        [301] = "Moved Permanently",
        [302] = "Found",
        [303] = "See Other",
        [304] = "Not Modified",
        [305] = "Use Proxy",
        [307] = "Temporary Redirect",
        [308] = "Permanent Redirect",
        [400] = "Bad Request",
        [401] = "Unauthorized",
        [402] = "Payment Required",
        [403] = "Forbidden",
        [404] = "Not Found",
        [405] = "Method Not Allowed",
        [406] = "Not Acceptable",
        [407] = "Proxy Authentication Required",
        [408] = "Request Timeout",
        [409] = "Conflict",
        [410] = "Gone",
        [411] = "Length Required",
        [412] = "Precondition Failed",
        [413] = "Content Too Large",
        [414] = "URI Too Long",
        [415] = "Unsupported Media Type",
        [416] = "Range Not Satisfiable",
        [417] = "Expectation Failed",
        [421] = "Misdirected Request",
        [422] = "Unprocessable Content",
        [426] = "Upgrade Required",
        [428] = "Precondition Required",
        [429] = "Too Many Requests",
        [431] = "Request Header Fields Too Large",
        [500] = "Internal Server Error",
        [501] = "Not Implemented",
        [502] = "Bad Gateway",
        [503] = "Service Unavailable",
        [504] = "Gateway Timeout",
        [505] = "HTTP Version Not Supported",
        [507] = "Insufficient Storage",
    };

    return status < 600 && reasons[status] ? reasons[status] : "";
}
