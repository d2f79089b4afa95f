/* http/exchange.h - one server connection and the exchange it is having; between server.c and
 * exchange.c only. */
#ifndef HTTP_EXCHANGE_H
#define HTTP_EXCHANGE_H

#include "http/inbound.h"
#include "http/server.h"
#include "io/listener.h"
#include "io/resolve.h"

enum exchange_state {
    EXCHANGE_IDLE,   /* between requests, or before the first */
    EXCHANGE_HEAD,   /* part of a head is here */
    EXCHANGE_RUN,    /* a handler has it, or a refusal is being sent */
    EXCHANGE_SKIP,   /* answered; reading off the body that nobody read */
    EXCHANGE_LINGER, /* answered and ended; waiting for the client to have read it */
    EXCHANGE_CLOSED,
    EXCHANGE_STATES
};

struct http_server {
    struct loop *loop;
    struct listener *listener; /* NULL: draining */
    uint16_t port;
    struct tls_context *tls;
    struct http_server_limits limits;
    const struct http_server_events *events;
    void *ctx;
    struct list exchanges[EXCHANGE_CLOSED]; /* of http_exchange.node, by state */
    uint32_t open;
    uint64_t date_s; /* of `date` */
    char date[32];   /* "Sun, 06 Nov 1994 08:49:37 GMT" */
};

struct http_exchange {
    struct list node;
    struct http_server *server;
    enum exchange_state state;
    struct stream *stream;
    union address peer;
    struct inbound in;

    struct timer limit; /* lazy: fires, sees that deadline_ms has moved, and goes on waiting */
    uint64_t deadline_ms;
    struct timer turn; /* what must not happen inside a handler's call happens here */

    /* of the exchange under way */
    const struct http_exchange_events *events; /* NULL: none, or a refusal */
    void *ctx;
    bool reading;    /* http_exchange_read said ERR_AGAIN */
    bool continued;  /* 100 Continue has been sent, or need not be */
    bool last;       /* the connection ends after this exchange */
    bool answering;  /* http_exchange_answer was called */
    bool sending;    /* on the stack: a source's callbacks may come back to us */
    bool over;       /* `result` stands; `done` follows */
    enum err broken; /* what http_exchange_read ran into */
    enum err result;
    uint64_t skip_bytes; /* of an unread body, thrown away so far */

    /* of its answer */
    struct span body;
    const struct http_source *source;
    void *source_ctx;
    uint64_t body_left;
    struct iovec head[3]; /* our lines, the handler's lines, the empty line */
    int head_at;          /* first that is not sent whole */
    char lines[224];      /* status line, Date, Content-Length, Connection */
};

enum { EXCHANGE_SKIP_BYTES_MAX = 256 * 1024 }; /* of a body that nobody read */

/* Takes over `fd`. */
void exchange_accept(struct http_server *s, int fd, const struct sockaddr *peer, socklen_t peer_len);
/* Ends it now; `done` fires from inside if the exchange is under way. */
void exchange_break(struct http_exchange *x);
/* What the exchange waits for now must happen within after_ms. */
void exchange_set_limit(struct http_exchange *x, uint64_t after_ms);
/* The exchange is decided, unless it was already; `done` follows on a turn of its own. */
void exchange_set_over(struct http_exchange *x, enum err result);
/* Sends what can be sent of the answer. */
void exchange_send(struct http_exchange *x);

#endif
