/* origin.c - connections to one server, shared by the calls that go there.
 *
 *     RESOLVING --> CONNECTING --> BUSY <--> IDLE
 *
 * A call joins the queue; the dispatch, on a turn of its own, hands out idle connections (the one used
 * last first, so that the others can age) and opens as many new ones as calls are left waiting. A
 * connection is not opened for a certain call: the oldest in the queue gets what comes first. One that
 * cannot be opened fails the oldest call, because that one has waited for it.
 *
 * An idle connection listens: whatever comes there (the server's FIN, an unasked 408) ends it. Between
 * the FIN's arrival and the loop's noticing it a call could still be given to it, so the socket is
 * looked at once more before it is handed out, unless it was in use just now. */
#include "http/origin.h"

#include <assert.h>
#include <stdlib.h>

enum { PROBE_AFTER_MS = 100 };

static void try_next_address(struct client_conn *conn, enum err e);

static struct clock *clock_of(struct http_origin *o)
{
    return loop_clock(o->loop);
}

static void set_state(struct client_conn *conn, enum client_conn_state to)
{
    struct http_origin *o = conn->origin;

    o->opening -= conn->state <= CLIENT_CONN_CONNECTING;
    o->idle -= conn->state == CLIENT_CONN_IDLE;
    conn->state = to;
    o->opening += to <= CLIENT_CONN_CONNECTING;
    o->idle += to == CLIENT_CONN_IDLE;
    list_remove(&conn->node);
    list_append(&o->conns[to], &conn->node);
}

static void set_limit(struct client_conn *conn, uint64_t after_ms)
{
    conn->deadline_ms = clock_mono_ms(clock_of(conn->origin)) + after_ms;
    if (!timer_running(&conn->limit) || conn->limit.due_ms > conn->deadline_ms)
        clock_start(clock_of(conn->origin), &conn->limit, after_ms);
}

static void dispatch_soon(struct http_origin *o)
{
    if (!timer_running(&o->dispatch))
        clock_start(clock_of(o), &o->dispatch, 0);
}

void origin_drop(struct client_conn *conn, bool reset)
{
    struct http_origin *o = conn->origin;

    o->opening -= conn->state <= CLIENT_CONN_CONNECTING;
    o->idle -= conn->state == CLIENT_CONN_IDLE;
    list_remove(&conn->node);
    clock_stop(clock_of(o), &conn->limit);
    if (conn->resolve)
        resolve_abandon(conn->resolve);
    if (reset)
        stream_reset(conn->stream);
    else
        stream_close(conn->stream);
    free(conn->addresses);
    free(conn);
    o->open--;
    if (o->waiting_count)
        dispatch_soon(o);
}

void origin_keep(struct client_conn *conn)
{
    struct http_origin *o = conn->origin;

    conn->call = NULL;
    conn->reused = true;
    set_state(conn, CLIENT_CONN_IDLE);
    set_limit(conn, o->limits.idle_ms);
    conn->idle_since_ms = clock_mono_ms(loop_clock(o->loop));
    stream_want_read(conn->stream);
    if (o->idle > o->limits.idle_max)
        origin_drop(LIST_ENTRY(o->conns[CLIENT_CONN_IDLE].next, struct client_conn, node), false);
    if (o->waiting_count)
        dispatch_soon(o);
}

void origin_enqueue(struct http_call *c, bool first)
{
    struct http_origin *o = c->origin;

    if (first)
        list_append(o->waiting.next, &c->node);
    else
        list_append(&o->waiting, &c->node);
    o->waiting_count++;
    dispatch_soon(o);
}

void origin_dequeue(struct http_call *c)
{
    list_remove(&c->node);
    c->origin->waiting_count--;
}

/* The oldest call that this kind of connection will do for, out of the queue; NULL: none. */
static struct http_call *next_call(struct http_origin *o, bool reused)
{
    for (struct list *n = o->waiting.next; n != &o->waiting; n = n->next) {
        struct http_call *c = LIST_ENTRY(n, struct http_call, node);

        if (reused && c->fresh)
            continue;
        origin_dequeue(c);
        return c;
    }
    return NULL;
}

static void hand_out(struct client_conn *conn, struct http_call *c)
{
    set_state(conn, CLIENT_CONN_BUSY);
    conn->call = c;
    call_begin(c, conn);
}

/* Open, or could not be. */
static void opened(struct client_conn *conn, enum err e)
{
    struct http_origin *o = conn->origin;
    struct http_call *c = next_call(o, false);

    if (e) {
        origin_drop(conn, true);
        if (c)
            call_end(c, e);
        return;
    }
    free(conn->addresses);
    conn->addresses = NULL;
    conn->deadline_ms = NEVER_MS;
    if (c)
        hand_out(conn, c);
    else
        origin_keep(conn);
}

static void on_connected(void *ctx, enum err result)
{
    struct client_conn *conn = ctx;

    if (result)
        try_next_address(conn, result);
    else
        opened(conn, ERR_OK);
}

static void on_readable(void *ctx)
{
    struct client_conn *conn = ctx;
    char byte;
    size_t got;

    if (conn->call)
        call_readable(conn->call);
    else if (stream_read(conn->stream, &byte, 1, &got) != ERR_AGAIN)
        origin_drop(conn, false);
}

static void on_writable(void *ctx)
{
    struct client_conn *conn = ctx;

    if (conn->call)
        call_writable(conn->call);
}

static void on_gone(void *ctx, enum err why)
{
    /* Never watched: while a call is under way it reads, and an idle connection does too. */
}

static const struct stream_events stream_events = {
    .connected = on_connected,
    .readable = on_readable,
    .writable = on_writable,
    .gone = on_gone,
};

/* `e`: how the address before went. */
static void try_next_address(struct client_conn *conn, enum err e)
{
    struct http_origin *o = conn->origin;

    stream_close(conn->stream);
    conn->stream = NULL;
    /* Another address of the same name has the same certificate. */
    while (e != ERR_TLS && conn->tried < conn->addresses->count) {
        const union address *a = &conn->addresses->at[conn->tried++];

        e = stream_connect(&conn->stream, o->loop, &a->any, address_len(a), o->tls, span_of(o->host),
                           &stream_events, conn);
        if (e == ERR_OK)
            return;
    }
    opened(conn, e);
}

static void on_resolved(void *ctx, enum err result, const struct addresses *a)
{
    struct client_conn *conn = ctx;

    conn->resolve = NULL;
    if (result) {
        opened(conn, result);
        return;
    }
    *conn->addresses = *a;
    set_state(conn, CLIENT_CONN_CONNECTING);
    try_next_address(conn, ERR_DNS);
}

static void on_limit(struct timer *t)
{
    struct client_conn *conn = LIST_ENTRY(t, struct client_conn, limit);
    uint64_t now = clock_mono_ms(clock_of(conn->origin));

    if (conn->deadline_ms == NEVER_MS || conn->state == CLIENT_CONN_BUSY)
        return;
    if (now < conn->deadline_ms)
        clock_start(clock_of(conn->origin), &conn->limit, conn->deadline_ms - now);
    else if (conn->state == CLIENT_CONN_IDLE)
        origin_drop(conn, false);
    else
        opened(conn, ERR_TIMEOUT);
}

static enum err open_conn(struct http_origin *o)
{
    struct client_conn *conn = calloc(1, sizeof(*conn));
    enum err e = ERR_OK;

    if (conn)
        conn->addresses = calloc(1, sizeof(*conn->addresses));
    if (!conn || !conn->addresses) {
        free(conn);
        return ERR_NOMEM;
    }
    conn->origin = o;
    conn->state = CLIENT_CONN_RESOLVING;
    timer_init(&conn->limit, on_limit);
    list_init(&conn->node);
    o->open++;
    o->opening++;
    set_state(conn, CLIENT_CONN_RESOLVING);
    set_limit(conn, o->limits.connect_ms);
    if (o->literal) {
        conn->addresses->at[0] = o->address;
        conn->addresses->count = 1;
        set_state(conn, CLIENT_CONN_CONNECTING);
        try_next_address(conn, ERR_OK);
        return ERR_OK;
    }
    e = resolve_start(&conn->resolve, o->loop, span_of(o->host), o->port, on_resolved, conn);
    if (e)
        origin_drop(conn, true);
    return e;
}

/* The loop tells of a peer that closes, one turn late; a look closes that gap. Not for a connection that has just
 * been in use: nobody closes those without having said so. */
static bool is_stale(const struct client_conn *conn)
{
    uint64_t idle_ms = clock_mono_ms(loop_clock(conn->origin->loop)) - conn->idle_since_ms;

    return idle_ms >= PROBE_AFTER_MS && stream_probe(conn->stream) != ERR_AGAIN;
}

/* The idle connection used last, NULL: none that is good. */
static struct client_conn *newest_idle(struct http_origin *o)
{
    struct list *idle = &o->conns[CLIENT_CONN_IDLE], *before;

    for (struct list *n = idle->prev; n != idle; n = before) {
        struct client_conn *conn = LIST_ENTRY(n, struct client_conn, node);

        before = n->prev;
        if (!is_stale(conn))
            return conn;
        origin_drop(conn, false);
    }
    return NULL;
}

static void on_dispatch(struct timer *t)
{
    struct http_origin *o = LIST_ENTRY(t, struct http_origin, dispatch);
    struct client_conn *conn;
    struct http_call *c;

    while (o->waiting_count && (conn = newest_idle(o))) {
        c = next_call(o, true);
        if (!c)
            break;
        hand_out(conn, c);
    }
    while (o->opening < o->waiting_count && o->open < o->limits.connections) {
        enum err e = open_conn(o);

        c = e ? next_call(o, false) : NULL;
        if (c)
            call_end(c, e);
    }
}

enum err http_origin_open(struct http_origin **out, struct loop *loop, struct span host, uint16_t port,
                          struct tls_context *tls, const struct http_origin_limits *limits)
{
    struct http_origin *o;

    *out = NULL;
    if (host.len == 0 || memchr(host.at, 0, host.len))
        return ERR_INVALID;
    o = calloc(1, sizeof(*o));
    if (!o)
        return ERR_NOMEM;
    o->host = strndup(host.at, host.len);
    if (!o->host) {
        free(o);
        return ERR_NOMEM;
    }
    o->loop = loop;
    o->port = port;
    o->tls = tls;
    o->limits = *limits;
    o->literal = address_parse(host, port, &o->address);
    for (int i = 0; i < CLIENT_CONN_STATES; i++)
        list_init(&o->conns[i]);
    list_init(&o->waiting);
    timer_init(&o->dispatch, on_dispatch);
    *out = o;
    return ERR_OK;
}

void http_origin_free(struct http_origin *o)
{
    if (!o)
        return;
    assert(o->calls == 0);
    for (int i = 0; i < CLIENT_CONN_STATES; i++)
        for (struct list *n = o->conns[i].next, *next; n != &o->conns[i]; n = next) {
            next = n->next;
            origin_drop(LIST_ENTRY(n, struct client_conn, node), false);
        }
    clock_stop(clock_of(o), &o->dispatch);
    free(o->host);
    free(o);
}
