/* http/client.h - HTTP/1.1 client calls from one loop, a pool of connections per origin.
 *
 * A call gets an idle connection or a new one, sends its head together with the first body bytes
 * (never the head alone when there is a body) and hands back the answer by pulling. An answer may
 * come before the body was sent: it is delivered, the rest of the body is not sent, and the
 * connection is not used again. No retries, but for one: a call with `repeatable` and without a
 * body that dies on a reused connection before any byte of an answer is sent again on a new one. */
#ifndef HTTP_CLIENT_H
#define HTTP_CLIENT_H

#include "http/message.h"
#include "http/source.h"
#include "io/loop.h"

struct http_origin; /* host, port, TLS; its pool */
struct http_call;
struct tls_context;

struct http_origin_limits {
    uint64_t connect_ms;  /* name look-up, connect and TLS handshake together */
    uint64_t idle_ms;     /* a connection is kept idle this long */
    uint32_t idle_max;    /* and so many of them */
    uint32_t connections; /* at once; further calls wait in order */
};

struct http_call_events {
    /* The answer's final head (1xx are skipped), once; spans are valid until `done`. */
    void (*head)(void *ctx, const struct http_head *head);
    /* After ERR_AGAIN from http_call_read, or after `head` when a body follows: there may be more. */
    void (*body)(void *ctx);
    /* Once, last, never from inside http_call_start. ERR_OK: the answer was complete and has been read to
     * its end (bodies nobody reads are not skipped: read or abort). The call is invalid when it returns. */
    void (*done)(void *ctx, enum err result);
};

struct http_request {
    struct span head;                 /* complete: request line .. CRLF CRLF; stays until `done` or abort */
    const struct http_source *source; /* NULL: no body */
    void *source_ctx;
    bool head_only;  /* HEAD: the answer has no body whatever it says */
    bool repeatable; /* GET, HEAD: see above */
};

/* `host` is a name, an IPv4 or a bracketless IPv6 address. The name is resolved off the loop, again for
 * each new connection unless it is an address. */
enum err http_origin_open(struct http_origin **out, struct loop *loop, struct span host, uint16_t port,
                          struct tls_context *tls, const struct http_origin_limits *limits) MUST_CHECK;
/* All calls must be over or aborted. */
void http_origin_free(struct http_origin *o);

enum err http_call_start(struct http_call **out, struct http_origin *o, const struct http_request *request,
                         const struct http_call_events *events, void *ctx) MUST_CHECK;
/* The source has more after ERR_AGAIN. */
void http_call_resume(struct http_call *c);
/* Bytes of the answer's body. ERR_OK: *got >= 1. ERR_AGAIN: `body` will fire. ERR_EOF: complete, `done`
 * follows. Others: it broke, `done` follows with the same error. ERR_PROTOCOL in place of the last bytes: the origin
 * sent more than it had announced, as far as that is known by then. */
enum err http_call_read(struct http_call *c, void *at, size_t room, size_t *got) MUST_CHECK;
/* Give up: the connection is reset (linger 0), unsent bytes are dropped, nothing fires any more. */
void http_call_abort(struct http_call *c);
/* Bytes of the request's head and body that the kernel has taken so far. */
uint64_t http_call_sent_bytes(const struct http_call *c);

#endif
