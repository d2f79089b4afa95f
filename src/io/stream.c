/* stream.c - readiness by uv_poll, bytes by recv and sendmsg.
 *
 * libuv's own streams allocate and copy; here the call is tried first, and only when the kernel says
 * EAGAIN is the socket's readiness asked for. What makes a busy connection cheap:
 *
 *  - Readiness is level triggered, so interest may stay on: it is switched off only when an event comes
 *    that nobody waits for. A connection that reads, reads and reads never talks to epoll again.
 *  - A read that filled less than its room has emptied the socket. The next read says ERR_AGAIN without
 *    asking the kernel; should more have come meanwhile, the level trigger tells. Likewise for writes.
 *
 * wants:  read_on and write_on are the uv_poll bit each direction waits for, 0 when it does not wait.
 *         For plain sockets that is READABLE and WRITABLE; TLS may have to write in order to read.
 * armed:  the bits uv_poll has. May hold more than is wanted (lazy), never less.
 * watch:  READABLE is kept armed, and when it comes with nobody waiting the socket is looked at. Unread
 *         bytes: READABLE is given up for DISCONNECT, which still shows a break. */
#include "io/stream.h"

#include "io/tls.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>
#include <uv.h>

struct stream {
    uv_poll_t poll;
    struct loop *loop;
    int fd; /* -1: closed, the memory waits for libuv */
    unsigned armed;
    unsigned read_on, write_on;
    bool watch, watch_quiet; /* quiet: the peer has been seen to end, there is nothing more to tell */
    bool emptied, filled;    /* the last read, write came back short */
    enum { STREAM_CONNECTING, STREAM_SHAKING, STREAM_OPEN } state;
    struct tls *tls;   /* NULL: plain */
    struct timer soon; /* readable, from what TLS has decrypted already */
    const struct stream_events *events;
    void *ctx;
};

static void on_poll(uv_poll_t *poll, int status, int bits);
static void on_soon(struct timer *t);

static enum err error_of(int error)
{
    switch (error) {
    case EAGAIN: return ERR_AGAIN;
    case ECONNREFUSED:
    case ENETUNREACH:
    case EHOSTUNREACH:
    case EADDRNOTAVAIL: return ERR_REFUSED;
    case ECONNRESET:
    case ECONNABORTED:
    case EPIPE: return ERR_RESET;
    case ETIMEDOUT: return ERR_TIMEOUT;
    case EMFILE:
    case ENFILE: return ERR_BUSY;
    case ENOMEM:
    case ENOBUFS: return ERR_NOMEM;
    default: return ERR_IO;
    }
}

static void set_armed(struct stream *s, unsigned bits)
{
    s->armed = bits;
    if (bits)
        uv_poll_start(&s->poll, (int)bits, on_poll);
    else
        uv_poll_stop(&s->poll);
}

static void arm(struct stream *s, unsigned bits)
{
    if (bits & ~s->armed)
        set_armed(s, s->armed | bits);
}

/* Takes over `fd`. */
static enum err stream_open(struct stream **out, struct loop *loop, int fd,
                            const struct stream_events *events, void *ctx)
{
    struct stream *s = calloc(1, sizeof(*s));

    *out = NULL;
    if (!s) {
        close(fd);
        return ERR_NOMEM;
    }
    if (uv_poll_init(loop_uv(loop), &s->poll, fd)) {
        close(fd);
        free(s);
        return ERR_IO;
    }
    s->poll.data = s;
    s->loop = loop;
    s->fd = fd;
    s->events = events;
    s->ctx = ctx;
    timer_init(&s->soon, on_soon);
    *out = s;
    return ERR_OK;
}

enum err stream_accept(struct stream **out, struct loop *loop, int fd, struct tls_context *tls,
                       const struct stream_events *events, void *ctx)
{
    enum err e = stream_open(out, loop, fd, events, ctx);

    if (e)
        return e;
    (*out)->state = STREAM_OPEN;
    if (tls)
        e = tls_open(&(*out)->tls, tls, fd, loop, SPAN_EMPTY);
    if (e) {
        stream_close(*out);
        *out = NULL;
    }
    return e;
}

enum err stream_connect(struct stream **out, struct loop *loop, const struct sockaddr *address,
                        socklen_t address_len, struct tls_context *tls, struct span host,
                        const struct stream_events *events, void *ctx)
{
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;
    enum err e;

    *out = NULL;
    if (fd < 0)
        return error_of(errno);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (connect(fd, address, address_len) && errno != EINPROGRESS) {
        e = error_of(errno);
        close(fd);
        return e;
    }
    e = stream_open(out, loop, fd, events, ctx);
    if (e)
        return e;
    if (tls)
        e = tls_open(&(*out)->tls, tls, fd, loop, host);
    if (e) {
        stream_close(*out);
        *out = NULL;
        return e;
    }
    arm(*out, UV_WRITABLE);
    return ERR_OK;
}

/* The TCP connection stands or has failed; the TLS handshake goes on. */
static void go_on_connecting(struct stream *s)
{
    enum err e = ERR_OK;
    unsigned wait_for = 0;

    if (s->state == STREAM_CONNECTING) {
        int error = 0;
        socklen_t len = sizeof(error);

        getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &len);
        if (error)
            e = error_of(error);
        s->state = STREAM_SHAKING;
    }
    if (!e && s->tls)
        e = tls_handshake(s->tls, &wait_for);
    if (e == ERR_AGAIN) {
        if (wait_for != s->armed)
            set_armed(s, wait_for);
        return;
    }
    if (!e)
        s->state = STREAM_OPEN;
    /* WRITABLE is still armed, and would fire at once: let the next call that arms replace it. */
    s->armed = 0;
    s->events->connected(s->ctx, e);
}

/* Readable, or broken, and no reader waits. */
static void look_after_watch(struct stream *s, bool broken)
{
    enum err e = broken ? ERR_RESET : stream_probe(s);

    if (e == ERR_AGAIN)
        return;
    if (e == ERR_OK) { /* bytes for a later reader; from here on only a break is news */
        set_armed(s, (s->armed & ~(unsigned)UV_READABLE) | UV_DISCONNECT);
        return;
    }
    set_armed(s, s->armed & ~(unsigned)(UV_READABLE | UV_DISCONNECT));
    s->watch_quiet = true;
    s->events->gone(s->ctx, e);
}

static void on_poll(uv_poll_t *poll, int status, int bits)
{
    struct stream *s = poll->data;
    unsigned got = (unsigned)bits;
    bool broken = status < 0, read_now, write_now;

    if (s->state != STREAM_OPEN) {
        go_on_connecting(s);
        return;
    }
    if (broken) { /* libuv has stopped the poll; whoever waits finds the error by trying */
        s->armed = 0;
        got = s->read_on | s->write_on | UV_READABLE;
    }
    if (got & UV_READABLE)
        s->emptied = false;
    if (got & (broken ? ~0U : UV_WRITABLE))
        s->filled = false;
    read_now = got & s->read_on;
    write_now = got & s->write_on;
    if (got & UV_READABLE && !read_now && !write_now && s->watch && !s->watch_quiet) {
        look_after_watch(s, broken);
        return;
    }
    if (!broken && got & ~(s->read_on | s->write_on)) /* else it would come again and again */
        set_armed(s, s->armed & (s->read_on | s->write_on | ~got));
    if (read_now)
        s->read_on = 0;
    if (write_now)
        s->write_on = 0;
    if (read_now)
        s->events->readable(s->ctx);
    if (write_now && s->fd >= 0)
        s->events->writable(s->ctx);
}

/* What a receive said. */
static enum err received(struct stream *s, ssize_t n, size_t room, size_t *got)
{
    if (n < 0)
        return error_of(errno);
    if (n == 0)
        return ERR_EOF;
    *got = (size_t)n;
    s->emptied = *got < room;
    return ERR_OK;
}

static enum err wait_to_read(struct stream *s, unsigned wait_for)
{
    s->read_on = wait_for;
    arm(s, wait_for);
    return ERR_AGAIN;
}

enum err stream_read(struct stream *s, void *at, size_t room, size_t *got)
{
    unsigned wait_for = UV_READABLE;
    enum err e = ERR_AGAIN;

    *got = 0;
    if (s->tls)
        e = tls_read(s->tls, at, room, got, &wait_for);
    else if (!s->emptied)
        e = received(s, recv(s->fd, at, room, 0), room, got);
    return e == ERR_AGAIN ? wait_to_read(s, wait_for) : e;
}

enum err stream_readv(struct stream *s, const struct iovec *iov, int count, size_t *got)
{
    struct msghdr m = {.msg_iov = (struct iovec *)iov, .msg_iovlen = (size_t)count};
    size_t room = 0;
    enum err e = ERR_AGAIN;

    if (s->tls || count == 1)
        return stream_read(s, iov[0].iov_base, iov[0].iov_len, got);
    *got = 0;
    for (int i = 0; i < count; i++)
        room += iov[i].iov_len;
    if (!s->emptied)
        e = received(s, recvmsg(s->fd, &m, 0), room, got);
    return e == ERR_AGAIN ? wait_to_read(s, UV_READABLE) : e;
}

enum err stream_writev(struct stream *s, const struct iovec *iov, int count, size_t *sent)
{
    unsigned wait_for = UV_WRITABLE;
    enum err e = ERR_AGAIN;

    *sent = 0;
    if (s->tls) {
        e = tls_writev(s->tls, iov, count, sent, &wait_for);
    } else if (!s->filled) {
        struct msghdr m = {.msg_iov = (struct iovec *)iov, .msg_iovlen = (size_t)count};
        ssize_t n = sendmsg(s->fd, &m, MSG_NOSIGNAL);

        if (n < 0) {
            e = error_of(errno);
        } else {
            size_t all = 0;

            for (int i = 0; i < count; i++)
                all += iov[i].iov_len;
            *sent = (size_t)n;
            s->filled = *sent < all;
            e = ERR_OK;
        }
    }
    if (e == ERR_AGAIN) {
        s->write_on = wait_for;
        arm(s, wait_for);
    }
    return e;
}

void stream_want_read(struct stream *s)
{
    s->read_on = UV_READABLE;
    arm(s, UV_READABLE);
    if (s->tls && tls_pending(s->tls)) /* bytes that epoll cannot see */
        clock_start(loop_clock(s->loop), &s->soon, 0);
}

static void on_soon(struct timer *t)
{
    struct stream *s = LIST_ENTRY(t, struct stream, soon);

    if (!s->read_on)
        return;
    s->read_on = 0;
    s->events->readable(s->ctx);
}

void stream_watch(struct stream *s, bool on)
{
    s->watch = on;
    if (on && !s->watch_quiet)
        arm(s, UV_READABLE);
}

enum err stream_probe(struct stream *s)
{
    char byte;
    ssize_t n;

    if (s->tls)
        return tls_peek(s->tls);
    n = recv(s->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    if (n < 0)
        return error_of(errno);
    return n ? ERR_OK : ERR_EOF;
}

void stream_shutdown(struct stream *s)
{
    if (s->tls)
        tls_shutdown(s->tls);
    shutdown(s->fd, SHUT_WR);
}

void stream_go_plain(struct stream *s)
{
    tls_free(s->tls);
    s->tls = NULL;
}

static void on_closed(uv_handle_t *h)
{
    free(h->data);
}

static void let_go(struct stream *s)
{
    assert(s->fd >= 0);
    clock_stop(loop_clock(s->loop), &s->soon);
    tls_free(s->tls);
    s->tls = NULL;
    uv_close((uv_handle_t *)&s->poll, on_closed); /* before close(2): it takes the socket out of epoll */
    close(s->fd);
    s->fd = -1;
}

void stream_close(struct stream *s)
{
    if (!s)
        return;
    if (s->tls)
        tls_shutdown(s->tls);
    let_go(s);
}

void stream_reset(struct stream *s)
{
    struct linger drop = {.l_onoff = 1, .l_linger = 0};

    if (!s)
        return;
    setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &drop, sizeof(drop));
    let_go(s);
}
