/* io/stream.h - one connected TCP socket, plain or TLS, without a buffer of its own.
 *
 * Reads and writes are system calls on the non-blocking socket, straight to and from the caller's
 * memory. A call that answers ERR_AGAIN has asked for the matching event, which then fires once;
 * everything fires from the loop, never from inside a call, and nothing after the stream was closed. */
#ifndef IO_STREAM_H
#define IO_STREAM_H

#include "base/err.h"
#include "base/span.h"
#include "io/loop.h"

#include <sys/socket.h>
#include <sys/uio.h>

struct stream; /* opaque; belongs to one loop */
struct tls_context;

struct stream_events {
    void (*connected)(void *ctx, enum err result); /* of stream_connect; once */
    void (*readable)(void *ctx);                   /* bytes, the end or an error: read to see which */
    void (*writable)(void *ctx);
    /* While stream_watch is on and no read is asked for: ERR_EOF, the peer ended its side and has sent
     * nothing that is still unread; ERR_RESET, the connection is broken. Once. */
    void (*gone)(void *ctx, enum err why);
};

/* A socket from accept(2), non-blocking, which is the stream's from now on, also when this fails.
 * With `tls` the handshake runs inside the first reads. */
enum err stream_accept(struct stream **out, struct loop *loop, int fd, struct tls_context *tls,
                       const struct stream_events *events, void *ctx) MUST_CHECK;
/* Connects, and shakes hands when `tls` is not NULL: the certificate must be valid for `host`, a name or
 * an address. ERR_OK: `connected` will fire. */
enum err stream_connect(struct stream **out, struct loop *loop, const struct sockaddr *address,
                        socklen_t address_len, struct tls_context *tls, struct span host,
                        const struct stream_events *events, void *ctx) MUST_CHECK;

/* ERR_OK: *got >= 1. ERR_EOF: the peer ended its side in order. ERR_AGAIN, ERR_RESET, ERR_TLS, ERR_IO.
 * ERR_PROTOCOL: an accepted peer spoke something else than TLS where a handshake was due. */
enum err stream_read(struct stream *s, void *at, size_t room, size_t *got) MUST_CHECK;
/* The same into several places, filled from the front; with TLS perhaps into the first alone. */
enum err stream_readv(struct stream *s, const struct iovec *iov, int count, size_t *got) MUST_CHECK;
enum { STREAM_IOV_MAX = 16 };
/* ERR_OK: *sent >= 1 bytes were taken, from the front. `count` (up to STREAM_IOV_MAX) and the lengths are
 * at least 1. The next call must start with the bytes that were offered and not taken. */
enum err stream_writev(struct stream *s, const struct iovec *iov, int count, size_t *sent) MUST_CHECK;
/* Ask for `readable` without trying first: for when nothing can be there yet. */
void stream_want_read(struct stream *s);
/* Nobody waits to read or write just now: tell of a peer that goes. Goes on until switched off. */
void stream_watch(struct stream *s, bool on);
/* What a read would find: ERR_OK bytes, ERR_AGAIN nothing (all is well), ERR_EOF, or how it is broken. */
enum err stream_probe(struct stream *s) MUST_CHECK;

/* After ERR_PROTOCOL from stream_read: go on in the clear, so that the peer can be told. What it sent first is lost. */
void stream_go_plain(struct stream *s);

/* We have said all (FIN); reading goes on. */
void stream_shutdown(struct stream *s);
/* Close in order; the memory goes when the loop has let go of it. NULL is fine. */
void stream_close(struct stream *s);
/* Break it: unsent bytes are dropped and the peer sees a reset (linger 0). NULL is fine. */
void stream_reset(struct stream *s);

#endif
