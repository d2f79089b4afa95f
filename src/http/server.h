/* http/server.h - HTTP/1.1 server connections on one loop.
 *
 * One exchange at a time per connection; pipelined requests wait in the socket. The server owns
 * framing, keep-alive, Expect, time-outs and limits; the handler sees requests whose heads are
 * whole and well-formed, reads their bodies by pulling and answers once. */
#ifndef HTTP_SERVER_H
#define HTTP_SERVER_H

#include "http/message.h"
#include "http/source.h"
#include "io/loop.h"

#include <sys/socket.h>
#include <sys/uio.h>

struct http_server;   /* one listening address on one loop (SO_REUSEPORT) */
struct http_exchange; /* one request and its answer; the server's, valid until `done` returns */
struct tls_context;   /* io/tls.h; NULL: plain */

struct http_server_limits {
    uint64_t head_ms; /* from the first byte of a head to its end */
    uint64_t idle_ms; /* kept-alive connection without a request */
    uint64_t body_ms; /* no byte of the body although we wait for one; likewise no byte of the answer taken */
    uint32_t connections;
};

struct http_exchange_events {
    /* After ERR_AGAIN from http_exchange_read: there may be more. */
    void (*body)(void *ctx);
    /* Once, last, never from inside a call of the handler's. ERR_OK: the whole answer is with the
     * kernel. Else the client is gone, broke the protocol or ran into a time-out; also fires when
     * the client goes while neither side sends (a client that ends its side of the connection before
     * it has the answer counts as gone). The exchange is invalid when it returns. */
    void (*done)(void *ctx, enum err result);
};

struct http_server_events {
    /* A request. Sets *events and *ctx, which are used for this exchange from then on. The head and
     * its spans stay valid until `done`. May answer at once. */
    void (*request)(void *server_ctx, struct http_exchange *x, const struct http_head *head,
                    const struct http_exchange_events **events, void **ctx);
    /* A head that is refused before any handler saw it (status 400, 408, 431, 505): supplies the
     * answer's body, sent as application/xml when it starts with '<', else as text/plain. What it points
     * at must stay until the loop's next turn at least; it is copied by then. NULL: an empty body. */
    struct span (*refused)(void *server_ctx, unsigned status, const char *why);
};

struct http_answer {
    unsigned status;
    struct span
        headers; /* "Name: value\r\n" lines; Date, Content-Length, Connection are added by the server */
    uint64_t body_bytes;              /* exact; for HEAD the length a GET would have: no body is sent */
    struct span body;                 /* whole body at hand, or ... */
    const struct http_source *source; /* ... pulled when not NULL */
    void *source_ctx;
    bool close;     /* end the connection after this answer */
    bool no_length; /* 204, 304: no Content-Length line */
};

/* Binds and listens. `address` as for bind(2). ERR_IO with errno kept when it cannot. */
enum err http_server_open(struct http_server **out, struct loop *loop, const struct sockaddr *address,
                          socklen_t address_len, struct tls_context *tls,
                          const struct http_server_limits *limits, const struct http_server_events *events,
                          void *server_ctx) MUST_CHECK;
/* Stops listening, closes idle connections; busy ones end after their exchange (Connection: close). */
void http_server_drain(struct http_server *s);
/* True when no connection is left. */
bool http_server_idle(const struct http_server *s);
/* The port it listens on. */
uint16_t http_server_port(const struct http_server *s);
/* Breaks what is left. `done` fires for open exchanges, from inside this call. Not from inside an event of
 * this server's. */
void http_server_free(struct http_server *s);

/* Body bytes of the request, transfer coding removed. The first call answers Expect: 100-continue.
 * ERR_OK: *got >= 1. ERR_AGAIN: `body` will fire. ERR_EOF: the body is whole and ended.
 * ERR_RESET: the client went in the middle; unless an answer is started before the loop's next turn (it may
 * have ended its side only), `done` follows with the same error.
 * ERR_PROTOCOL: bad chunked coding. ERR_TIMEOUT: no byte for body_ms. The client is still there and should be
 * answered; if it is not within body_ms, `done` follows with the same error. */
enum err http_exchange_read(struct http_exchange *x, void *at, size_t room, size_t *got) MUST_CHECK;

/* The same into two places, of which the second gets something only when the first is full, and may be left out: for
 * content and the frame behind it in one system call. */
enum err http_exchange_readv(struct http_exchange *x, const struct iovec place[static 2],
                             size_t *got) MUST_CHECK;

/* Start the answer, once. What `headers` and `body` point at must stay until `done`. An unread body
 * is read off and thrown away within bounds, else the connection ends after the answer. */
void http_exchange_answer(struct http_exchange *x, const struct http_answer *a);
/* The answer's source has more after ERR_AGAIN. */
void http_exchange_resume(struct http_exchange *x);
/* Break the connection: an answer that is under way cannot be completed. `done` fires later. */
void http_exchange_abort(struct http_exchange *x);

/* The client's address, for logs and IP limits. */
const struct sockaddr *http_exchange_peer(const struct http_exchange *x);
bool http_exchange_is_tls(const struct http_exchange *x);

#endif
