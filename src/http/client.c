/* client.c - one call: send the head and what the source gives, hand back the answer.
 *
 * Sending and receiving go on side by side: the answer may come at any time. When its head comes before
 * the request is whole, or the connection no longer takes bytes, sending stops for good and the answer
 * is still read; such a connection is reset afterwards, so that what the kernel has not sent yet is
 * dropped.
 *
 * A call ends once, by call_end: the connection goes back to the pool or down, and `done` fires from a
 * turn of its own, so never from inside a call of the user's. The block with the answer's head belongs to
 * the call, not to the connection, and stays until `done` has returned.
 *
 * A reused connection may have been closed by the origin without our knowing. When it dies before any
 * byte of an answer, the call moves to a new connection if nothing of it was sent at all, or if it is
 * repeatable and has no body; once. */
#include "http/origin.h"

#include <assert.h>
#include <stdlib.h>

static void on_turn(struct timer *t);
static void go_on_sending(struct http_call *c);

static void pin(struct http_call *c)
{
    c->pins++;
}

static void unpin(struct http_call *c)
{
    if (--c->pins == 0 && c->dead)
        free(c);
}

static void let_go(struct http_call *c)
{
    inbound_release(&c->in);
    c->dead = true;
    if (c->pins == 0)
        free(c);
}

enum err http_call_start(struct http_call **out, struct http_origin *o, const struct http_request *request,
                         const struct http_call_events *events, void *ctx)
{
    struct http_call *c = calloc(1, sizeof(*c));

    *out = c;
    if (!c)
        return ERR_NOMEM;
    c->origin = o;
    c->request = *request;
    c->events = events;
    c->ctx = ctx;
    list_init(&c->node);
    inbound_init(&c->in, o->loop);
    timer_init(&c->turn, on_turn);
    o->calls++;
    origin_enqueue(c, false);
    return ERR_OK;
}

void http_call_abort(struct http_call *c)
{
    if (c->conn)
        origin_drop(c->conn, true);
    else if (!c->over)
        origin_dequeue(c);
    c->conn = NULL;
    clock_stop(loop_clock(c->origin->loop), &c->turn);
    c->origin->calls--;
    let_go(c);
}

uint64_t http_call_sent_bytes(const struct http_call *c)
{
    return c->sent_bytes;
}

static void on_turn(struct timer *t)
{
    struct http_call *c = LIST_ENTRY(t, struct http_call, turn);

    c->origin->calls--; /* the last `done` may free the origin */
    c->events->done(c->ctx, c->result);
    let_go(c);
}

/* Can the connection carry another call? */
static bool keeps(const struct http_call *c)
{
    return c->answered && c->send == SEND_WHOLE && c->in.block->head.keep_alive &&
           c->in.kind != BODY_UNTIL_CLOSE && inbound_unread(&c->in) == 0;
}

void call_end(struct http_call *c, enum err result)
{
    struct client_conn *conn = c->conn;

    c->conn = NULL;
    c->over = true;
    c->result = result;
    if (conn && result == ERR_OK && keeps(c))
        origin_keep(conn);
    else if (conn)
        origin_drop(conn, result != ERR_OK || c->send != SEND_WHOLE);
    clock_start(loop_clock(c->origin->loop), &c->turn, 0);
}

void call_begin(struct http_call *c, struct client_conn *conn)
{
    c->conn = conn;
    c->send = SEND_GOING;
    stream_want_read(conn->stream);
    go_on_sending(c);
}

/* The connection broke, or spoke out of turn, before an answer. */
static void broke(struct http_call *c, enum err why)
{
    bool again =
        c->conn->reused && !c->fresh && (c->sent_bytes == 0 || (c->request.repeatable && !c->request.source));

    if (!again) {
        call_end(c, why);
        return;
    }
    origin_drop(c->conn, true);
    c->conn = NULL;
    c->fresh = true;
    c->sent_bytes = 0;
    inbound_release(&c->in);
    origin_enqueue(c, true);
}

/* --- the request ---------------------------------------------------------------------------------- */

/* What can be sent now. ERR_OK: iov is filled; ERR_AGAIN: the source has nothing; ERR_EOF: all is sent. The
 * head waits for the first bytes of the body: some servers store an empty object when a connection ends
 * between the two. */
static enum err gather(struct http_call *c, struct iovec *iov, int *count)
{
    int n = 0, room = STREAM_IOV_MAX - 1;
    enum err e = ERR_EOF;

    if (c->sent_bytes < c->request.head.len) {
        struct span rest = span_skip(c->request.head, (size_t)c->sent_bytes);

        iov[n++] = (struct iovec){(void *)rest.at, rest.len};
    }
    if (c->request.source)
        e = c->request.source->peek(c->request.source_ctx, iov + n, &room);
    if (e == ERR_OK)
        n += room;
    *count = n;
    if (e == ERR_EOF || (e == ERR_AGAIN && c->sent_bytes))
        return n ? ERR_OK : e;
    return e;
}

static void account(struct http_call *c, size_t sent)
{
    size_t head_left = c->sent_bytes < c->request.head.len ? c->request.head.len - (size_t)c->sent_bytes : 0;

    c->sent_bytes += sent;
    if (sent > head_left)
        c->request.source->sent(c->request.source_ctx, sent - head_left);
}

static void go_on_sending(struct http_call *c)
{
    bool from_source = false;
    enum err e = ERR_OK;

    c->sending = true;
    pin(c);
    while (!e && !c->dead && c->send == SEND_GOING) {
        struct iovec iov[STREAM_IOV_MAX];
        int count;
        size_t sent;

        e = gather(c, iov, &count);
        from_source = e != ERR_OK;
        if (e || c->dead)
            break;
        e = stream_writev(c->conn->stream, iov, count, &sent);
        if (!e)
            account(c, sent);
    }
    c->sending = false;
    if (!c->dead && !c->over && e && e != ERR_AGAIN) {
        if (from_source && e == ERR_EOF)
            c->send = SEND_WHOLE;
        else if (from_source)
            call_end(c, e);
        else
            c->send = SEND_STOPPED; /* the origin may have answered before it closed: reading will tell */
    }
    unpin(c);
}

void http_call_resume(struct http_call *c)
{
    if (c->conn && c->send == SEND_GOING && !c->sending)
        go_on_sending(c);
}

void call_writable(struct http_call *c)
{
    if (c->send == SEND_GOING)
        go_on_sending(c);
}

/* --- the answer ----------------------------------------------------------------------------------- */

static enum body_kind body_kind_of(const struct http_call *c, const struct http_head *h)
{
    if (c->request.head_only || h->status == 204 || h->status == 304)
        return BODY_NONE;
    if (h->chunked)
        return BODY_CHUNKED;
    return h->has_length ? BODY_LENGTH : BODY_UNTIL_CLOSE;
}

/* The final head is here. */
static void deliver_head(struct http_call *c)
{
    const struct http_head *h = &c->in.block->head;

    if (c->send == SEND_GOING)
        c->send = SEND_STOPPED;
    inbound_begin_body(&c->in, body_kind_of(c, h));
    c->in.alone = c->send == SEND_WHOLE; /* we do not pipeline; half a request may be taken for two, though */
    if (c->in.alone && c->in.kind == BODY_LENGTH && c->in.ended && inbound_unread(&c->in)) {
        call_end(c, ERR_PROTOCOL);
        return;
    }
    c->answered = true;
    pin(c);
    c->events->head(c->ctx, h);
    if (!c->dead && !c->over && c->in.ended)
        call_end(c, ERR_OK);
    else if (!c->dead && !c->over && !c->pulled)
        c->events->body(c->ctx);
    unpin(c);
}

/* What has come of the answer; true: parse again, an interim one was skipped. */
static bool take_head(struct http_call *c)
{
    unsigned status;
    enum err e = inbound_parse(&c->in, http_parse_answer, NULL);

    if (e == ERR_AGAIN) {
        stream_want_read(c->conn->stream);
        return false;
    }
    if (e) {
        call_end(c, e);
        return false;
    }
    status = c->in.block->head.status;
    if (status == 101) { /* nobody asked for another protocol */
        call_end(c, ERR_PROTOCOL);
        return false;
    }
    if (status >= 200) {
        deliver_head(c);
        return false;
    }
    inbound_skip_head(&c->in);
    if (inbound_unread(&c->in))
        return true;
    stream_want_read(c->conn->stream);
    return false;
}

void call_readable(struct http_call *c)
{
    enum err e;

    if (c->answered) {
        if (!c->awaiting)
            return;
        c->awaiting = false;
        c->events->body(c->ctx);
        return;
    }
    e = inbound_fill(&c->in, c->conn->stream);
    if (e == ERR_AGAIN)
        return;
    if (c->sent_bytes == 0) /* whatever it is, it is no answer to us */
        broke(c, e && e != ERR_EOF ? e : e ? ERR_RESET : ERR_PROTOCOL);
    else if (e && c->in.end == 0)
        broke(c, e == ERR_EOF ? ERR_RESET : e);
    else if (e)
        call_end(c, e == ERR_EOF ? ERR_RESET : e);
    else
        while (take_head(c))
            ;
}

enum err http_call_read(struct http_call *c, void *at, size_t room, size_t *got)
{
    enum err e;

    assert(c->answered);
    *got = 0;
    c->pulled = true;
    if (c->over)
        return c->result ? c->result : ERR_EOF;
    e = inbound_read(&c->in, c->conn->stream, at, room, got);
    c->awaiting = e == ERR_AGAIN;
    if (e == ERR_AGAIN)
        return e;
    if (c->in.ended)
        call_end(c, ERR_OK);
    else if (e)
        call_end(c, e);
    return e;
}
