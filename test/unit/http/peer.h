/* peer.h - the other side of a connection as a plain blocking socket on a thread of its own, and the
 * loop that runs until that thread and the events a test waits for have come. */
#ifndef TEST_PEER_H
#define TEST_PEER_H

#include "io/loop.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static struct loop *loop;
static int awaited; /* events still to come before loop_run returns */

static void await(int events)
{
    awaited += events;
}

static void came(void)
{
    if (--awaited == 0)
        loop_stop(loop);
}

static void on_peer_finished(struct loop_task *t)
{
    came();
}

struct peer {
    pthread_t thread;
    struct loop_task finished;
    void (*script)(struct peer *p);
    int fd;          /* -1 when closed */
    int listening;   /* -1: a client */
    uint16_t port;   /* of the server */
    char got[65536]; /* what `peer_receive` has read last, NUL-terminated */
    size_t got_bytes;
    int arg;
};

static void *peer_main(void *arg)
{
    struct peer *p = arg;

    p->script(p);
    if (p->fd >= 0)
        close(p->fd);
    p->fd = -1;
    loop_post(loop, &p->finished);
    return NULL;
}

/* Runs the script on a thread; its end is one event to wait for. */
static void peer_start(struct peer *p, void (*script)(struct peer *p))
{
    p->script = script;
    p->fd = -1;
    p->finished.run = on_peer_finished;
    await(1);
    assert_int_equal(pthread_create(&p->thread, NULL, peer_main, p), 0);
}

static inline void peer_join(struct peer *p)
{
    pthread_join(p->thread, NULL);
}

static inline struct sockaddr_in loopback(uint16_t port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static inline void peer_connect(struct peer *p)
{
    struct sockaddr_in a = loopback(p->port);
    int one = 1;

    p->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(p->fd, (struct sockaddr *)&a, sizeof(a)))
        abort();
    setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

/* On the test's thread, before peer_start: a free port to listen on. */
static inline void peer_listen(struct peer *p)
{
    struct sockaddr_in a = loopback(0);
    socklen_t len = sizeof(a);

    p->listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(p->listening, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(listen(p->listening, 16), 0);
    getsockname(p->listening, (struct sockaddr *)&a, &len);
    p->port = ntohs(a.sin_port);
}

static inline void peer_accept(struct peer *p)
{
    int one = 1;

    if (p->fd >= 0)
        close(p->fd);
    p->fd = accept(p->listening, NULL, NULL);
    setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

static inline void peer_send_bytes(struct peer *p, const void *at, size_t len)
{
    const char *from = at;

    while (len) {
        ssize_t n = send(p->fd, from, len, MSG_NOSIGNAL);

        if (n <= 0)
            return; /* the other side has closed: what it has to say shows in what is received */
        from += n;
        len -= (size_t)n;
    }
}

static inline void peer_send(struct peer *p, const char *text)
{
    peer_send_bytes(p, text, strlen(text));
}

/* Reads until `end` has come, or to the end of the stream when it is NULL. False: the stream broke or
 * ended before. `got` starts anew. */
static inline bool peer_receive(struct peer *p, const char *end)
{
    p->got_bytes = 0;
    p->got[0] = 0;
    for (;;) {
        ssize_t n;

        if (end && memmem(p->got, p->got_bytes, end, strlen(end)))
            return true;
        if (p->got_bytes + 1 == sizeof(p->got))
            p->got_bytes = 0;
        n = recv(p->fd, p->got + p->got_bytes, end ? 1 : sizeof(p->got) - 1 - p->got_bytes, 0);
        if (n <= 0)
            return n == 0 && !end;
        p->got_bytes += (size_t)n;
        p->got[p->got_bytes] = 0;
    }
}

static inline void peer_reset(struct peer *p)
{
    struct linger drop = {.l_onoff = 1, .l_linger = 0};

    setsockopt(p->fd, SOL_SOCKET, SO_LINGER, &drop, sizeof(drop));
    close(p->fd);
    p->fd = -1;
}

#endif
