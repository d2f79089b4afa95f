/* answer.c - sending the answer of a server exchange.
 *
 * Our lines, the handler's lines and the first bytes of the body leave in one writev; after that the
 * source is asked for more until it has nothing (the handler resumes us) or the socket is full (the
 * stream does). Source callbacks may call back into us: `sending` makes http_exchange_resume a no-op
 * then, because the loop that called them goes on anyway. */
#include "http/exchange.h"

#include <assert.h>
#include <stdio.h>
#include <time.h>

enum { HEAD_ALIGN = 64 };

static const char *date(struct http_server *s)
{
    static const char days[] = "SunMonTueWedThuFriSat", months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    uint64_t now = clock_unix_ms(loop_clock(s->loop)) / 1000;
    time_t seconds = (time_t)now;
    struct tm t;

    if (now == s->date_s)
        return s->date;
    s->date_s = now;
    gmtime_r(&seconds, &t);
    snprintf(s->date, sizeof(s->date), "%.3s, %02u %.3s %04u %02u:%02u:%02u GMT", days + 3 * t.tm_wday,
             (unsigned)t.tm_mday % 100, months + 3 * t.tm_mon, (unsigned)(t.tm_year + 1900) % 10000,
             (unsigned)t.tm_hour % 100, (unsigned)t.tm_min % 100, (unsigned)t.tm_sec % 100);
    return s->date;
}

/* White space before the value means nothing; with it the whole head is a multiple of HEAD_ALIGN long, and the body lies
 * in the socket as aligned as in our memory: the kernel copies such bytes at up to twice the speed. `before`: the
 * length of the lines so far. */
static char *put_length(char *p, const struct http_answer *a, size_t before)
{
    static const struct span name = SPAN("Content-Length: ");
    char digits[20];
    struct span number = {digits, (size_t)(span_put_u64(digits, a->body_bytes) - digits)};
    size_t bytes = before + name.len + number.len + 2 + a->headers.len + 2;

    p = span_put(p, name);
    for (; a->source && bytes % HEAD_ALIGN; bytes++)
        *p++ = ' ';
    p = span_put(p, number);
    return span_put(p, SPAN("\r\n"));
}

static void print_lines(struct http_exchange *x, const struct http_answer *a, uint8_t minor)
{
    char *p = span_put(x->lines, SPAN("HTTP/1.1 "));

    p = span_put_u64(p, a->status);
    *p++ = ' ';
    p = span_put(p, span_of(http_reason(a->status)));
    p = span_put(p, SPAN("\r\nDate: "));
    p = span_put(p, span_of(date(x->server)));
    p = span_put(p, SPAN("\r\n"));
    if (x->last)
        p = span_put(p, SPAN("Connection: close\r\n"));
    else if (minor == 0)
        p = span_put(p, SPAN("Connection: keep-alive\r\n"));
    if (!a->no_length)
        p = put_length(p, a, (size_t)(p - x->lines));
    assert((size_t)(p - x->lines) <= sizeof(x->lines));
    x->head[0] = (struct iovec){x->lines, (size_t)(p - x->lines)};
    x->head[1] = (struct iovec){(void *)a->headers.at, a->headers.len};
    x->head[2] = (struct iovec){(void *)"\r\n", 2};
    x->head_at = 0;
}

/* Will the unread rest of the request's body be in the way of the next request? */
static bool must_end(const struct http_exchange *x)
{
    if (x->server->listener == NULL || x->broken)
        return true;
    if (x->in.ended)
        return false;
    /* A client told to wait may send the body or may not: the next bytes could be either. */
    if (!x->continued)
        return true;
    return x->in.kind == BODY_LENGTH && x->in.left > EXCHANGE_SKIP_BYTES_MAX;
}

void http_exchange_answer(struct http_exchange *x, const struct http_answer *a)
{
    const struct http_head *h = &x->in.block->head;
    bool bodiless = h->method == HTTP_HEAD || a->no_length || a->status == 204 || a->status == 304;

    assert(!x->answering && x->state == EXCHANGE_RUN);
    if (x->over)
        return;
    x->answering = true;
    x->last = x->last || a->close || must_end(x);
    x->body = a->body;
    x->source = a->source;
    x->source_ctx = a->source_ctx;
    x->body_left = bodiless ? 0 : a->body_bytes;
    assert(x->body_left == 0 || x->source || x->body.len == x->body_left);
    print_lines(x, a, h->minor);
    exchange_send(x);
}

void http_exchange_resume(struct http_exchange *x)
{
    if (x->answering && !x->over && !x->sending)
        exchange_send(x);
}

/* What can be sent now. ERR_OK: iov is filled; ERR_AGAIN: the source has nothing; ERR_EOF: all is sent.
 * The head waits for the first bytes of the body, so that they leave together. */
static enum err gather(struct http_exchange *x, struct iovec *iov, int *count)
{
    int n = 0, room = STREAM_IOV_MAX - 3;
    uint64_t left = x->body_left;
    enum err e;

    for (int i = x->head_at; i < 3; i++)
        if (x->head[i].iov_len)
            iov[n++] = x->head[i];
    *count = n;
    if (left == 0)
        return n ? ERR_OK : ERR_EOF;
    if (!x->source) {
        iov[n] = (struct iovec){(void *)x->body.at, x->body.len};
        *count = n + 1;
        return ERR_OK;
    }
    e = x->source->peek(x->source_ctx, iov + n, &room);
    if (e == ERR_EOF) /* the source ends short of what was promised */
        return ERR_CANCELLED;
    if (e)
        return e;
    for (int i = 0; i < room && left; i++) {
        if (iov[n + i].iov_len > left)
            iov[n + i].iov_len = (size_t)left;
        left -= iov[n + i].iov_len;
        *count = n + i + 1;
    }
    return ERR_OK;
}

static void account(struct http_exchange *x, size_t sent)
{
    while (x->head_at < 3) {
        struct iovec *piece = &x->head[x->head_at];
        size_t n = sent < piece->iov_len ? sent : piece->iov_len;

        piece->iov_base = (char *)piece->iov_base + n;
        piece->iov_len -= n;
        sent -= n;
        if (piece->iov_len)
            return;
        x->head_at++;
    }
    x->body_left -= sent;
    if (sent && x->source)
        x->source->sent(x->source_ctx, sent);
    else
        x->body = span_skip(x->body, sent);
}

void exchange_send(struct http_exchange *x)
{
    enum err e = ERR_OK;

    x->sending = true;
    while (!e && !x->over) {
        struct iovec iov[STREAM_IOV_MAX];
        int count;
        size_t sent;

        e = gather(x, iov, &count);
        if (e == ERR_AGAIN && !x->over) /* the handler's turn, who is not on a clock of ours */
            exchange_set_limit(x, NEVER_MS);
        if (e || x->over)
            break;
        e = stream_writev(x->stream, iov, count, &sent);
        if (e == ERR_AGAIN)
            exchange_set_limit(x, x->server->limits.body_ms);
        else if (e == ERR_OK)
            account(x, sent);
    }
    x->sending = false;
    if (e == ERR_EOF)
        exchange_set_over(x, ERR_OK);
    else if (e && e != ERR_AGAIN)
        exchange_set_over(x, e == ERR_IO ? ERR_RESET : e);
}
