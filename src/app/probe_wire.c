/* The loop runs in slices: until an event has come for this connection, or the slice is over and it is time to look whether
 * somebody wants an end or nothing has moved for too long. */
#include "app/probe_wire.h"

#include "io/stream.h"

#include <assert.h>
#include <stdlib.h>

enum { SLICE_MS = 100, ARRIVE_MS = 200, ROOM_FIRST = 64 * 1024 };

struct waiting {
    struct wire *w;
    struct timer timer;
    bool event;
    enum err result; /* of connect, of the look-up */
};

static void on_slice(struct timer *t)
{
    loop_stop(LIST_ENTRY(t, struct waiting, timer)->w->loop);
}

static void begin(struct waiting *a, struct wire *w)
{
    *a = (struct waiting){.w = w};
    timer_init(&a->timer, on_slice);
}

/* ERR_OK: an event came. */
static enum err wait_event(struct waiting *a)
{
    struct clock *clock = loop_clock(a->w->loop);
    uint64_t waited = 0;

    while (!a->event) {
        if (*a->w->stopped)
            return ERR_CANCELLED;
        if (waited >= a->w->wait_ms)
            return ERR_TIMEOUT;
        clock_start(clock, &a->timer, SLICE_MS);
        loop_run(a->w->loop);
        clock_stop(clock, &a->timer);
        waited += SLICE_MS;
    }
    a->event = false;
    return ERR_OK;
}

static void tell(struct waiting *a)
{
    a->event = true;
    loop_stop(a->w->loop);
}

bool wire_pause(struct wire *w, uint64_t ms)
{
    struct waiting a;

    begin(&a, w);
    for (uint64_t done = 0; done < ms && !*w->stopped; done += SLICE_MS) {
        clock_start(loop_clock(w->loop), &a.timer, ms - done < SLICE_MS ? ms - done : SLICE_MS);
        loop_run(w->loop);
        clock_stop(loop_clock(w->loop), &a.timer);
    }
    return !*w->stopped;
}

/* --- opening ---------------------------------------------------------------------------------------------- */

static void on_resolved(void *ctx, enum err result, const struct addresses *found)
{
    struct waiting *a = ctx;

    a->result = result;
    if (result == ERR_OK)
        a->w->addresses = *found;
    tell(a);
}

static enum err look_up(struct wire *w, struct span host, uint16_t port)
{
    struct resolve *question;
    struct waiting a;
    enum err e;

    if (address_parse(host, port, &w->addresses.at[0])) {
        w->addresses.count = 1;
        return ERR_OK;
    }
    begin(&a, w);
    e = resolve_start(&question, w->loop, host, port, on_resolved, &a);
    if (e == ERR_OK && (e = wait_event(&a)) != ERR_OK)
        resolve_abandon(question);
    return e == ERR_OK ? a.result : e;
}

enum err wire_open(struct wire *w, struct span host, uint16_t port, struct tls_context *tls, uint64_t wait_ms,
                   const volatile sig_atomic_t *stopped)
{
    enum err e;

    *w = (struct wire){.tls = tls, .host = host, .wait_ms = wait_ms, .stopped = stopped, .room = ROOM_FIRST};
    w->buffer = malloc(w->room);
    e = w->buffer ? loop_open(&w->loop) : ERR_NOMEM;
    return e ? e : look_up(w, host, port);
}

void wire_fini(struct wire *w)
{
    if (w->loop)
        loop_free(w->loop);
    free(w->buffer);
}

/* --- a connection ----------------------------------------------------------------------------------------- */

static void on_connected(void *ctx, enum err result)
{
    ((struct waiting *)ctx)->result = result;
    tell(ctx);
}

static void on_ready(void *ctx)
{
    tell(ctx);
}

static enum err connect_to(struct wire *w, struct waiting *a, struct stream **out)
{
    static const struct stream_events events = {
        .connected = on_connected, .readable = on_ready, .writable = on_ready};
    enum err e = ERR_REFUSED;

    *out = NULL;
    for (size_t i = 0; i < w->addresses.count; i++) {
        const union address *to = &w->addresses.at[i];

        e = stream_connect(out, w->loop, &to->any, address_len(to), w->tls, w->host, &events, a);
        if (e == ERR_OK && (e = wait_event(a)) == ERR_OK)
            e = a->result;
        if (e == ERR_OK)
            return ERR_OK;
        stream_reset(*out);
        *out = NULL;
        if (e == ERR_CANCELLED)
            break;
    }
    return e;
}

/* ERR_EOF: the peer has something to say before all was sent, or has gone. */
static enum err send_piece(struct waiting *a, struct stream *s, struct span piece)
{
    while (piece.len) {
        struct iovec iov = {(char *)piece.at, piece.len};
        size_t sent = 0;
        enum err e = stream_writev(s, &iov, 1, &sent);

        if (e == ERR_OK) {
            piece = span_skip(piece, sent);
            continue;
        }
        if (e != ERR_AGAIN)
            return ERR_EOF;
        stream_want_read(s);
        e = wait_event(a);
        if (e)
            return e;
        if (stream_probe(s) != ERR_AGAIN)
            return ERR_EOF;
    }
    return ERR_OK;
}

/* --- the answer ------------------------------------------------------------------------------------------- */

static enum err read_more(struct wire *w, struct waiting *a, struct stream *s, size_t *len)
{
    size_t got;
    enum err e;

    assert(w->room >= ROOM_FIRST);
    if (*len == w->room) {
        char *more = w->room < WIRE_ANSWER_BYTES_MAX ? realloc(w->buffer, 2 * w->room) : NULL;

        if (!more)
            return ERR_TOO_LARGE;
        w->buffer = more;
        w->room *= 2;
    }
    while ((e = stream_read(s, w->buffer + *len, w->room - *len, &got)) == ERR_AGAIN)
        if ((e = wait_event(a)) != ERR_OK)
            return e;
    if (e == ERR_OK)
        *len += got;
    return e;
}

/* The head of the final answer, and where it ends in the buffer. */
static enum err read_head(struct wire *w, struct waiting *a, struct stream *s, size_t *len, size_t *from,
                          struct http_head *head)
{
    for (*from = 0;;) {
        enum err e = http_parse_answer((struct span){w->buffer + *from, *len - *from}, head, NULL, NULL);

        if (e == ERR_OK && head->status >= 200)
            return ERR_OK;
        if (e == ERR_OK)
            *from += head->head_bytes;
        else if (e != ERR_AGAIN || (e = read_more(w, a, s, len)) != ERR_OK)
            return e == ERR_EOF ? ERR_RESET : e;
    }
}

/* In place: the chunks moved together. */
static enum err join_chunks(struct http_chunked *c, char *at, size_t len, size_t *used_all, size_t *out)
{
    enum err e = ERR_OK;

    while (*used_all < len && e == ERR_OK) {
        size_t used, data, data_len;

        e = http_chunked_feed(c, at + *used_all, len - *used_all, &used, &data, &data_len);
        memmove(at + *out, at + *used_all + data, data_len);
        *out += data_len;
        *used_all += used;
    }
    return e;
}

static enum err read_body(struct wire *w, struct waiting *a, struct stream *s, size_t *len, size_t from,
                          struct wire_answer *out)
{
    struct http_chunked chunked;
    size_t used = 0, joined = 0;
    enum err e = ERR_OK;

    http_chunked_init(&chunked);
    for (;;) {
        size_t have = *len - from;

        if (out->head.chunked)
            e = join_chunks(&chunked, w->buffer + from, have, &used, &joined);
        else
            joined = have;
        out->body = (struct span){w->buffer + from, joined};
        if (e == ERR_EOF || (out->head.has_length && have >= out->head.length))
            return ERR_OK;
        if (e == ERR_OK)
            e = read_more(w, a, s, len);
        if (e == ERR_EOF)
            return out->head.chunked || out->head.has_length ? ERR_RESET : ERR_OK;
        if (e)
            return e;
    }
}

/* The head was read from a buffer that may have moved since. */
static enum err read_answer(struct wire *w, struct waiting *a, struct stream *s, bool head_only,
                            struct wire_answer *out)
{
    size_t len = 0, from = 0;
    enum err e = read_head(w, a, s, &len, &from, &out->head);

    if (e)
        return e;
    out->status = out->head.status;
    if (!head_only && out->status != 204 && out->status != 304)
        e = read_body(w, a, s, &len, from + out->head.head_bytes, out);
    if (e == ERR_OK)
        e = http_parse_answer((struct span){w->buffer + from, out->head.head_bytes}, &out->head, NULL, NULL);
    return e;
}

void wire_exchange(struct wire *w, const struct wire_request *q, struct wire_answer *out)
{
    struct stream *s;
    struct waiting a;
    enum err e;

    *out = (struct wire_answer){.body = SPAN_EMPTY};
    begin(&a, w);
    e = connect_to(w, &a, &s);
    for (size_t i = 0; e == ERR_OK && i < WIRE_PIECES_MAX; i++)
        e = send_piece(&a, s, q->pieces[i]);
    if (q->end == WIRE_ANSWER && (e == ERR_OK || e == ERR_EOF))
        e = read_answer(w, &a, s, q->head_only, out);
    else if (q->end == WIRE_RESET && e == ERR_OK &&
             !wire_pause(w, ARRIVE_MS)) /* a reset drops what is not there yet */
        e = ERR_CANCELLED;
    out->error = e;
    if (q->end == WIRE_CLOSE)
        stream_close(s);
    else
        stream_reset(s);
}
