/* exchange.c - the state machine of one server connection.
 *
 *     IDLE --bytes--> HEAD --whole--> RUN --answered--> IDLE            (or HEAD, when pipelined)
 *                      |               |--body unread-> SKIP --> IDLE
 *                      |--malformed--> RUN (a refusal)  |
 *                      |               `--last--------> LINGER --> CLOSED
 *                      `--(gone, idle too long: CLOSED from anywhere)
 *
 * IDLE    holds no block. Ends after idle_ms.
 * HEAD    ends after head_ms with 408, however slowly bytes trickle in.
 * RUN     the handler pulls the body and gives one answer; `over` is set once, and then `done` fires
 *         from a turn of its own, so never from inside a call of the handler's. While the handler
 *         neither reads nor answers the stream watches for a client that goes.
 * SKIP    a body that nobody read is read off, up to EXCHANGE_SKIP_BYTES_MAX.
 * LINGER  closing with unread bytes in the socket makes the kernel send a reset, which can destroy the
 *         answer before the client has read it. So: FIN, read on for LINGER_MS or to the client's end.
 *
 * The deadline of what we wait for is a number; the timer behind it is restarted only when it would
 * fire too late, so that a busy connection does not touch the timer heap. Sending the answer is in answer.c. */
#include "http/exchange.h"

#include <assert.h>
#include <stdlib.h>
#include <unistd.h>

enum { LINGER_MS = 2000 };

static void on_limit(struct timer *t);
static void on_turn(struct timer *t);
static void read_head(struct http_exchange *x);
static void take_head(struct http_exchange *x);
static void skip_body(struct http_exchange *x);
static void linger(struct http_exchange *x);

static const bool legal[EXCHANGE_STATES][EXCHANGE_STATES] = {
    [EXCHANGE_IDLE] = {[EXCHANGE_HEAD] = 1, [EXCHANGE_RUN] = 1, [EXCHANGE_CLOSED] = 1},
    [EXCHANGE_HEAD] = {[EXCHANGE_RUN] = 1, [EXCHANGE_CLOSED] = 1},
    [EXCHANGE_RUN] = {[EXCHANGE_IDLE] = 1,
                      [EXCHANGE_HEAD] = 1,
                      [EXCHANGE_SKIP] = 1,
                      [EXCHANGE_LINGER] = 1,
                      [EXCHANGE_CLOSED] = 1},
    [EXCHANGE_SKIP] =
        {[EXCHANGE_IDLE] = 1, [EXCHANGE_HEAD] = 1, [EXCHANGE_LINGER] = 1, [EXCHANGE_CLOSED] = 1},
    [EXCHANGE_LINGER] = {[EXCHANGE_CLOSED] = 1},
};

static struct clock *clock_of(struct http_exchange *x)
{
    return loop_clock(x->server->loop);
}

static void set_state(struct http_exchange *x, enum exchange_state to)
{
    assert(legal[x->state][to]);
    x->state = to;
    list_remove(&x->node);
    if (to != EXCHANGE_CLOSED)
        list_append(&x->server->exchanges[to], &x->node);
}

void exchange_set_limit(struct http_exchange *x, uint64_t after_ms)
{
    if (after_ms == NEVER_MS) {
        x->deadline_ms = NEVER_MS;
        return;
    }
    x->deadline_ms = clock_mono_ms(clock_of(x)) + after_ms;
    if (!timer_running(&x->limit) || x->limit.due_ms > x->deadline_ms)
        clock_start(clock_of(x), &x->limit, after_ms);
}

/* The end of x: callers return at once. */
static void close_connection(struct http_exchange *x, bool reset)
{
    struct http_server *s = x->server;

    if (reset)
        stream_reset(x->stream);
    else
        stream_close(x->stream);
    x->stream = NULL;
    clock_stop(clock_of(x), &x->limit);
    clock_stop(clock_of(x), &x->turn);
    inbound_release(&x->in);
    set_state(x, EXCHANGE_CLOSED);
    s->open--;
    if (s->listener && s->open < s->limits.connections)
        listener_pause(s->listener, false);
    free(x);
}

static void fall_idle(struct http_exchange *x)
{
    if (x->server->listener == NULL) { /* draining */
        close_connection(x, false);
        return;
    }
    if (x->state != EXCHANGE_IDLE)
        set_state(x, EXCHANGE_IDLE);
    exchange_set_limit(x, x->server->limits.idle_ms);
    stream_want_read(x->stream);
}

static void on_readable(void *ctx);
static void on_writable(void *ctx);
static void on_gone(void *ctx, enum err why);

static const struct stream_events stream_events = {
    .readable = on_readable,
    .writable = on_writable,
    .gone = on_gone,
};

void exchange_accept(struct http_server *s, int fd, const struct sockaddr *peer, socklen_t peer_len)
{
    struct http_exchange *x = calloc(1, sizeof(*x));

    if (!x) {
        close(fd);
        return;
    }
    if (stream_accept(&x->stream, s->loop, fd, s->tls, &stream_events, x)) {
        free(x);
        return;
    }
    x->server = s;
    memcpy(&x->peer, peer, peer_len < sizeof(x->peer) ? peer_len : sizeof(x->peer));
    inbound_init(&x->in, s->loop);
    timer_init(&x->limit, on_limit);
    timer_init(&x->turn, on_turn);
    list_init(&x->node);
    list_append(&s->exchanges[EXCHANGE_IDLE], &x->node);
    s->open++;
    fall_idle(x);
}

/* --- what the stream and the clock say ------------------------------------------------------------ */

static void on_readable(void *ctx)
{
    struct http_exchange *x = ctx;

    switch (x->state) {
    case EXCHANGE_IDLE:
    case EXCHANGE_HEAD: read_head(x); break;
    case EXCHANGE_SKIP: skip_body(x); break;
    case EXCHANGE_LINGER: linger(x); break;
    case EXCHANGE_RUN:
        if (x->over || !x->reading)
            break;
        x->reading = false;
        x->events->body(x->ctx);
        break;
    default: break;
    }
}

static void on_writable(void *ctx)
{
    struct http_exchange *x = ctx;

    if (x->state == EXCHANGE_RUN && x->answering && !x->over)
        exchange_send(x);
}

/* The exchange is decided; `done` follows on a turn of its own. */
void exchange_set_over(struct http_exchange *x, enum err result)
{
    if (x->over)
        return;
    x->over = true;
    x->result = result;
    exchange_set_limit(x, NEVER_MS);
    if (result == ERR_OK) { /* what comes now is the next request: nobody needs to look who it is */
        stream_watch(x->stream, false);
        stream_want_read(x->stream);
    }
    clock_start(clock_of(x), &x->turn, 0);
}

static void on_gone(void *ctx, enum err why)
{
    struct http_exchange *x = ctx;

    /* A client that only ended its side may well read the answer that is on its way. */
    if (x->state == EXCHANGE_RUN && !(x->answering && why == ERR_EOF))
        exchange_set_over(x, ERR_RESET);
}

/* Tells the handler, unless it was a refusal. */
static void fire_done(struct http_exchange *x)
{
    const struct http_exchange_events *events = x->events;

    x->events = NULL;
    if (events)
        events->done(x->ctx, x->result);
}

/* The answer is out: what next on this connection? */
static void after_answer(struct http_exchange *x)
{
    stream_watch(x->stream, false);
    if (x->last || x->broken) {
        linger(x);
    } else if (!x->in.ended) {
        set_state(x, EXCHANGE_SKIP);
        skip_body(x);
    } else if (inbound_next(&x->in)) {
        set_state(x, EXCHANGE_HEAD);
        exchange_set_limit(x, x->server->limits.head_ms);
        take_head(x);
    } else {
        fall_idle(x);
    }
}

static void on_turn(struct timer *t)
{
    struct http_exchange *x = LIST_ENTRY(t, struct http_exchange, turn);

    if (!x->over) { /* the client went in the middle of its body */
        if (x->answering)
            return;
        x->over = true;
        x->result = ERR_RESET;
    }
    fire_done(x);
    if (x->state == EXCHANGE_RUN && x->result == ERR_OK)
        after_answer(x);
    else if (x->state == EXCHANGE_RUN)
        close_connection(x, true);
}

static void refuse(struct http_exchange *x, unsigned status, const char *why);

static void on_limit(struct timer *t)
{
    struct http_exchange *x = LIST_ENTRY(t, struct http_exchange, limit);
    uint64_t now = clock_mono_ms(clock_of(x));

    if (x->deadline_ms == NEVER_MS)
        return;
    if (now < x->deadline_ms) {
        clock_start(clock_of(x), &x->limit, x->deadline_ms - now);
        return;
    }
    switch (x->state) {
    case EXCHANGE_HEAD: refuse(x, 408, "the request did not come in time"); break;
    case EXCHANGE_RUN:
        if (x->answering || x->broken) {
            exchange_set_over(x, x->answering ? ERR_TIMEOUT : x->broken);
        } else if (x->reading) {
            x->broken = ERR_TIMEOUT;
            x->reading = false;
            exchange_set_limit(x, x->server->limits.body_ms);
            x->events->body(x->ctx);
        }
        break;
    default: close_connection(x, false);
    }
}

void exchange_break(struct http_exchange *x)
{
    if (x->state == EXCHANGE_RUN) {
        if (!x->over)
            x->result = ERR_CANCELLED;
        x->over = true;
        fire_done(x);
    }
    if (x->state != EXCHANGE_CLOSED)
        close_connection(x, x->state == EXCHANGE_RUN && x->result);
}

/* --- the head ------------------------------------------------------------------------------------- */

static void read_head(struct http_exchange *x)
{
    enum err e = inbound_fill(&x->in, x->stream);

    if (e == ERR_AGAIN)
        return;
    if (e == ERR_PROTOCOL) {
        stream_go_plain(x->stream);
        refuse(x, 400, "this port speaks https, and the request came without TLS");
        return;
    }
    if (e) { /* in the middle of a head there is nobody left to answer */
        close_connection(x, false);
        return;
    }
    take_head(x);
}

/* Resets what belongs to one exchange. */
static void begin(struct http_exchange *x)
{
    set_state(x, EXCHANGE_RUN);
    exchange_set_limit(x, NEVER_MS);
    x->events = NULL;
    x->reading = x->answering = x->over = x->continued = x->last = false;
    x->broken = x->result = ERR_OK;
    x->skip_bytes = 0;
}

static void begin_request(struct http_exchange *x)
{
    const struct http_head *h = &x->in.block->head;
    enum body_kind kind = h->chunked ? BODY_CHUNKED : h->has_length ? BODY_LENGTH : BODY_NONE;

    begin(x);
    x->last = !h->keep_alive;
    x->continued = !h->expect_continue;
    inbound_begin_body(&x->in, kind);
    stream_watch(x->stream, true);
    x->server->events->request(x->server->ctx, x, h, &x->events, &x->ctx);
}

/* Bytes of a head are there; is it whole? */
static void take_head(struct http_exchange *x)
{
    const char *why = "";

    switch (inbound_parse(&x->in, http_parse_request, &why)) {
    case ERR_OK: begin_request(x); break;
    case ERR_AGAIN:
        if (x->state == EXCHANGE_IDLE) {
            set_state(x, EXCHANGE_HEAD);
            exchange_set_limit(x, x->server->limits.head_ms);
        }
        stream_want_read(x->stream);
        break;
    case ERR_TOO_LARGE: refuse(x, 431, why); break;
    default: refuse(x, why == http_bad_version ? 505 : 400, why); break;
    }
}

/* --- the body ------------------------------------------------------------------------------------- */

static enum err send_continue(struct http_exchange *x)
{
    static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
    struct iovec iov = {(void *)text, sizeof(text) - 1};
    size_t sent;
    enum err e;

    x->continued = true;
    e = stream_writev(x->stream, &iov, 1, &sent);
    /* A socket without room for 25 bytes: the client does not read what we answer. */
    return e == ERR_OK && sent == sizeof(text) - 1 ? ERR_OK : ERR_RESET;
}

/* What a read of the body came to, said to the handler and to the exchange's clock. */
static enum err body_read(struct http_exchange *x, enum err e)
{
    if (e == ERR_AGAIN && !x->continued && !x->answering)
        e = send_continue(x) ? ERR_RESET : ERR_AGAIN;
    else if (e == ERR_OK)
        x->continued = true; /* the client did not wait */
    if (e == ERR_AGAIN) {
        x->reading = true;
        exchange_set_limit(x, x->server->limits.body_ms);
        return e;
    }
    if (!x->answering)
        exchange_set_limit(x, NEVER_MS);
    if (e == ERR_OK || e == ERR_EOF)
        return e;
    x->broken = e == ERR_PROTOCOL ? ERR_PROTOCOL : ERR_RESET;
    if (x->broken == ERR_PROTOCOL)
        exchange_set_limit(x, x->server->limits.body_ms);
    else if (!x->over)
        clock_start(clock_of(x), &x->turn, 0);
    return x->broken;
}

/* Why there is nothing to read any more. */
static enum err body_gone(const struct http_exchange *x)
{
    return x->broken ? x->broken : x->over ? x->result : ERR_OK;
}

enum err http_exchange_read(struct http_exchange *x, void *at, size_t room, size_t *got)
{
    enum err e = body_gone(x);

    *got = 0;
    return e ? e : body_read(x, inbound_read(&x->in, x->stream, at, room, got));
}

enum err http_exchange_readv(struct http_exchange *x, const struct iovec place[static 2], size_t *got)
{
    enum err e = body_gone(x);

    *got = 0;
    return e ? e : body_read(x, inbound_readv(&x->in, x->stream, place, got));
}

/* Reads and throws away; true: the body is whole. False: not yet, or x is closed or lingers. */
static void skip_body(struct http_exchange *x)
{
    char *scratch = loop_block_take(x->server->loop);
    enum err e = scratch ? ERR_OK : ERR_NOMEM;

    while (!e && x->skip_bytes <= EXCHANGE_SKIP_BYTES_MAX) {
        size_t got;

        e = inbound_read(&x->in, x->stream, scratch, LOOP_BLOCK_BYTES, &got);
        x->skip_bytes += got;
    }
    if (scratch)
        loop_block_give(x->server->loop, scratch);
    if (e == ERR_AGAIN) {
        exchange_set_limit(x, x->server->limits.body_ms);
    } else if (e == ERR_OK) { /* more than we are willing to read */
        linger(x);
    } else if (e == ERR_EOF && inbound_next(&x->in)) {
        set_state(x, EXCHANGE_HEAD);
        exchange_set_limit(x, x->server->limits.head_ms);
        take_head(x);
    } else if (e == ERR_EOF) {
        fall_idle(x);
    } else {
        close_connection(x, false);
    }
}

static void linger(struct http_exchange *x)
{
    char *scratch = loop_block_take(x->server->loop);
    enum err e = scratch ? ERR_OK : ERR_NOMEM;
    size_t got;

    if (x->state != EXCHANGE_LINGER) {
        set_state(x, EXCHANGE_LINGER);
        inbound_release(&x->in);
        stream_shutdown(x->stream);
        exchange_set_limit(x, LINGER_MS);
    }
    /* A share of a turn: a client that sends as fast as it can must not keep the loop. */
    for (int i = 0; i < 16 && !e; i++)
        e = stream_read(x->stream, scratch, LOOP_BLOCK_BYTES, &got);
    if (scratch)
        loop_block_give(x->server->loop, scratch);
    if (e == ERR_OK)
        stream_want_read(x->stream);
    else if (e != ERR_AGAIN)
        close_connection(x, false);
}

/* A request that no handler will see. */
static void refuse(struct http_exchange *x, unsigned status, const char *why)
{
    struct span body = SPAN_EMPTY;
    struct http_answer a = {.status = status, .close = true};

    begin(x);
    x->continued = true;
    x->in.block->head.method = HTTP_OTHER;
    x->in.block->head.minor = 1;
    if (x->server->events->refused)
        body = x->server->events->refused(x->server->ctx, status, why);
    /* The place of the head that will not be used is free: the answer's body goes there. */
    body = span_head(body, sizeof(x->in.block->bytes));
    if (body.len)
        memcpy(x->in.block->bytes, body.at, body.len);
    a.body = (struct span){x->in.block->bytes, body.len};
    a.body_bytes = body.len;
    if (body.len)
        a.headers = body.at[0] == '<' ? SPAN("Content-Type: application/xml\r\n")
                                      : SPAN("Content-Type: text/plain\r\n");
    http_exchange_answer(x, &a);
}

void http_exchange_abort(struct http_exchange *x)
{
    exchange_set_over(x, ERR_CANCELLED);
}

const struct sockaddr *http_exchange_peer(const struct http_exchange *x)
{
    return &x->peer.any;
}

bool http_exchange_is_tls(const struct http_exchange *x)
{
    return x->server->tls != NULL;
}
