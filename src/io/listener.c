/* listener.c - accept until the queue is empty or a turn's share is taken.
 *
 * When the process has no descriptor left, accept fails but the connection stays in the queue and the
 * socket stays readable: the listener rests for a while instead of spinning. */
#include "io/listener.h"

#include "base/log.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>
#include <uv.h>

enum { ACCEPTS_A_TURN = 64, BACKLOG = 1024, REST_MS = 100 };

struct listener {
    uv_poll_t poll;
    struct loop *loop;
    int fd;
    bool paused;
    struct timer rest;
    const struct listener_events *events;
    void *ctx;
};

static void on_poll(uv_poll_t *poll, int status, int bits)
{
    struct listener *l = poll->data;

    for (int i = 0; i < ACCEPTS_A_TURN && !l->paused && l->fd >= 0; i++) {
        struct sockaddr_storage peer;
        socklen_t len = sizeof(peer);
        int fd = accept4(l->fd, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd >= 0) {
            l->events->accepted(l->ctx, fd, (struct sockaddr *)&peer, len);
            continue;
        }
        if (errno == ECONNABORTED || errno == EINTR)
            continue;
        if (errno == EAGAIN)
            return;
        log_warn("accept_failed", LOG_U64("port", listener_port(l)), LOG_STR("cause", strerror(errno)));
        uv_poll_stop(&l->poll);
        clock_start(loop_clock(l->loop), &l->rest, REST_MS);
        return;
    }
}

static void on_rest(struct timer *t)
{
    struct listener *l = LIST_ENTRY(t, struct listener, rest);

    if (!l->paused)
        uv_poll_start(&l->poll, UV_READABLE, on_poll);
}

static enum err bind_and_listen(int fd, const struct sockaddr *address, socklen_t address_len)
{
    int one = 1;

    /* accept(2) hands TCP_NODELAY on to each connection. */
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) || bind(fd, address, address_len) ||
        listen(fd, BACKLOG))
        return ERR_IO;
    return ERR_OK;
}

enum err listener_open(struct listener **out, struct loop *loop, const struct sockaddr *address,
                       socklen_t address_len, const struct listener_events *events, void *ctx)
{
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), error;
    struct listener *l = calloc(1, sizeof(*l));

    *out = NULL;
    if (!l || fd < 0 || bind_and_listen(fd, address, address_len) ||
        uv_poll_init(loop_uv(loop), &l->poll, fd)) {
        error = errno;
        if (fd >= 0)
            close(fd);
        free(l);
        errno = error;
        return l ? ERR_IO : ERR_NOMEM;
    }
    l->loop = loop;
    l->fd = fd;
    l->events = events;
    l->ctx = ctx;
    l->poll.data = l;
    timer_init(&l->rest, on_rest);
    uv_poll_start(&l->poll, UV_READABLE, on_poll);
    *out = l;
    return ERR_OK;
}

void listener_pause(struct listener *l, bool on)
{
    if (l->paused == on)
        return;
    l->paused = on;
    clock_stop(loop_clock(l->loop), &l->rest);
    if (on)
        uv_poll_stop(&l->poll);
    else
        uv_poll_start(&l->poll, UV_READABLE, on_poll);
}

uint16_t listener_port(const struct listener *l)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } a = {0};
    socklen_t len = sizeof(a);

    getsockname(l->fd, &a.any, &len);
    return ntohs(a.any.sa_family == AF_INET6 ? a.v6.sin6_port : a.v4.sin_port);
}

static void on_closed(uv_handle_t *h)
{
    free(h->data);
}

void listener_close(struct listener *l)
{
    if (!l)
        return;
    clock_stop(loop_clock(l->loop), &l->rest);
    uv_close((uv_handle_t *)&l->poll, on_closed);
    close(l->fd);
    l->fd = -1;
}
