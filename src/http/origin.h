/* http/origin.h - the pool of connections of one origin; between origin.c and client.c only. */
#ifndef HTTP_ORIGIN_H
#define HTTP_ORIGIN_H

#include "http/client.h"
#include "http/inbound.h"
#include "io/resolve.h"

enum client_conn_state {
    CLIENT_CONN_RESOLVING,
    CLIENT_CONN_CONNECTING,
    CLIENT_CONN_IDLE,
    CLIENT_CONN_BUSY,
    CLIENT_CONN_STATES
};

struct http_origin {
    struct loop *loop;
    char *host;
    uint16_t port;
    struct tls_context *tls;
    struct http_origin_limits limits;
    bool literal; /* host is an address, `address` */
    union address address;
    struct list conns[CLIENT_CONN_STATES]; /* of client_conn.node, by state; the newest last */
    uint32_t open, opening, idle;
    struct list waiting; /* of http_call.node, the oldest first */
    uint32_t waiting_count;
    uint32_t calls; /* started and not over */
    struct timer dispatch;
};

struct client_conn {
    struct list node;
    struct http_origin *origin;
    enum client_conn_state state;
    struct stream *stream; /* NULL while resolving */
    struct resolve *resolve;
    struct addresses *addresses; /* being tried; NULL once connected */
    size_t tried;
    bool reused; /* has carried a call before */
    uint64_t idle_since_ms;
    struct timer limit; /* lazy, as in exchange.h */
    uint64_t deadline_ms;
    struct http_call *call; /* BUSY */
};

struct http_call {
    struct list node; /* in origin->waiting */
    struct http_origin *origin;
    struct client_conn *conn; /* NULL: waiting, or over */
    struct http_request request;
    const struct http_call_events *events;
    void *ctx;
    unsigned pins; /* callbacks on the stack; the memory stays until they return */
    bool dead;     /* aborted, or done has fired */
    bool over;     /* `result` stands; `done` follows from `turn` */
    bool fresh;    /* only a new connection will do */
    bool sending;  /* on the stack: a source's callbacks may come back to us */
    bool awaiting; /* http_call_read said ERR_AGAIN */
    bool pulled;   /* http_call_read was called */
    bool answered; /* the head event has fired */
    enum { SEND_GOING, SEND_WHOLE, SEND_STOPPED } send;
    enum err result;
    uint64_t sent_bytes;
    struct inbound in;
    struct timer turn;
};

/* Join the queue; a connection comes from the loop. `first`: before the others. */
void origin_enqueue(struct http_call *c, bool first);
void origin_dequeue(struct http_call *c);
/* The connection can carry another call. */
void origin_keep(struct client_conn *conn);
/* It cannot: reset, or closed in order. */
void origin_drop(struct client_conn *conn, bool reset);

/* client.c: the call has got its connection, or none could be had. */
void call_begin(struct http_call *c, struct client_conn *conn);
void call_end(struct http_call *c, enum err result);
void call_readable(struct http_call *c);
void call_writable(struct http_call *c);

#endif
