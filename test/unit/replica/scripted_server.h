/* A server on loopback that does what its script says, to the byte, and keeps what it was sent. It runs on a thread of
 * its own with blocking calls, and tells the test's loop when it has come to a step. */
#ifndef TEST_SCRIPTED_SERVER_H
#define TEST_SCRIPTED_SERVER_H

#include "http/message.h"
#include "io/loop.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

struct script_step {
    enum {
        STEP_STOP,    /* the script's end */
        STEP_ACCEPT,  /* a connection */
        STEP_BODY,    /* read the head and at least n bytes of the body */
        STEP_ALL_BUT, /* read the request but for its last n bytes */
        STEP_END,     /* read until the peer ends or resets the connection */
        STEP_SEND,    /* text */
        STEP_FILL,    /* n bytes of 'x' */
        STEP_TELL,    /* the loop calls `told` */
        STEP_SHUT,    /* nothing more is sent */
        STEP_RESET,
    } kind;
    size_t n;
    const char *text;
};

enum { SCRIPT_STEPS_MAX = 16 };

struct scripted_server;
struct script_tell {
    struct loop_task task;
    struct scripted_server *server;
};

struct scripted_server {
    int listener, conn;
    uint16_t port;
    pthread_t thread;
    struct loop *loop;
    struct script_step steps[SCRIPT_STEPS_MAX];
    struct script_tell tells[SCRIPT_STEPS_MAX];
    void (*told)(struct scripted_server *s, int count); /* count: 1, 2, ... */
    int tells_run;
    /* The test reads these after server_join. */
    char *got; /* of the last request */
    size_t got_bytes, head_bytes;
    int requests;
    bool reset;      /* STEP_END: the peer reset */
    bool late;       /* it did nothing for a long time */
    int failed_step; /* -1: all went as scripted */
};

static inline void server_open(struct scripted_server *s, struct loop *loop)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);

    *s = (struct scripted_server){.conn = -1, .loop = loop, .failed_step = -1};
    s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(s->listener >= 0);
    assert_int_equal(bind(s->listener, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(listen(s->listener, 16), 0);
    assert_int_equal(getsockname(s->listener, (struct sockaddr *)&a, &len), 0);
    s->port = ntohs(a.sin_port);
}

/* One recv; false at the end. */
static inline bool server_recv(struct scripted_server *s)
{
    enum { PIECE = 256 * 1024 };
    ssize_t n;

    s->got = realloc(s->got, s->got_bytes + PIECE + 1);
    if (!s->got)
        abort();
    n = recv(s->conn, s->got + s->got_bytes, PIECE, 0);
    s->reset = n < 0 && errno == ECONNRESET;
    s->late = n < 0 && errno == EAGAIN;
    if (n <= 0)
        return false;
    s->got_bytes += (size_t)n;
    s->got[s->got_bytes] = '\0';
    return true;
}

static inline bool server_read_head(struct scripted_server *s)
{
    const char *end;

    while (!s->got_bytes || !(end = strstr(s->got, "\r\n\r\n")))
        if (!server_recv(s))
            return false;
    if (!s->head_bytes)
        s->requests++;
    s->head_bytes = (size_t)(end + 4 - s->got);
    return true;
}

static inline size_t server_request_bytes(const struct scripted_server *s)
{
    const char *length = strcasestr(s->got, "\r\ncontent-length:");

    return s->head_bytes + (length && length < s->got + s->head_bytes ? strtoul(length + 17, NULL, 10) : 0);
}

static inline bool server_read_to(struct scripted_server *s, size_t bytes)
{
    while (s->got_bytes < bytes)
        if (!server_recv(s))
            return false;
    return true;
}

static inline bool server_send(struct scripted_server *s, const char *at, size_t len)
{
    while (len) {
        ssize_t n = send(s->conn, at, len, MSG_NOSIGNAL);

        if (n <= 0)
            return false;
        at += n;
        len -= (size_t)n;
    }
    return true;
}

static inline bool server_fill(struct scripted_server *s, size_t n)
{
    char *x = malloc(n);
    bool ok;

    memset(x, 'x', n);
    ok = server_send(s, x, n);
    free(x);
    return ok;
}

static inline void server_close(struct scripted_server *s, bool reset)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};

    if (s->conn < 0)
        return;
    if (reset)
        setsockopt(s->conn, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    close(s->conn);
    s->conn = -1;
}

/* A request's bytes are forgotten when the next one begins. */
static inline void server_forget(struct scripted_server *s)
{
    s->got_bytes = s->head_bytes = 0;
}

static inline bool server_step(struct scripted_server *s, const struct script_step *step)
{
    struct timeval patience = {.tv_sec = 30};

    switch (step->kind) {
    case STEP_ACCEPT:
        server_close(s, false);
        server_forget(s);
        s->conn = accept(s->listener, NULL, NULL);
        return s->conn >= 0 && setsockopt(s->conn, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) == 0;
    case STEP_BODY: return server_read_head(s) && server_read_to(s, s->head_bytes + step->n);
    case STEP_ALL_BUT:
        if (s->head_bytes && s->got_bytes == server_request_bytes(s))
            server_forget(s);
        return server_read_head(s) && server_read_to(s, server_request_bytes(s) - step->n);
    case STEP_END:
        while (server_recv(s))
            ;
        return !s->late;
    case STEP_SEND: return server_send(s, step->text, strlen(step->text));
    case STEP_FILL: return server_fill(s, step->n);
    case STEP_TELL: loop_post(s->loop, &s->tells[step - s->steps].task); return true;
    case STEP_SHUT:
        shutdown(s->conn, SHUT_WR); /* the peer may be gone already */
        return true;
    case STEP_RESET: server_close(s, true); return true;
    case STEP_STOP: break;
    }
    return true;
}

static inline void *server_thread(void *arg)
{
    struct scripted_server *s = arg;

    for (int i = 0; s->steps[i].kind != STEP_STOP; i++) {
        if (!server_step(s, &s->steps[i])) {
            s->failed_step = i;
            break;
        }
    }
    return NULL;
}

static inline void server_tell(struct loop_task *t)
{
    struct scripted_server *s = LIST_ENTRY(t, struct script_tell, task)->server;

    if (s->told)
        s->told(s, ++s->tells_run);
}

static inline void server_run(struct scripted_server *s, const struct script_step *steps)
{
    size_t n = 0;

    do {
        assert_true(n < SCRIPT_STEPS_MAX);
        s->steps[n] = steps[n];
        s->tells[n] = (struct script_tell){.task = {.run = server_tell}, .server = s};
    } while (steps[n++].kind != STEP_STOP);
    assert_int_equal(pthread_create(&s->thread, NULL, server_thread, s), 0);
}

static inline void server_join(struct scripted_server *s)
{
    assert_int_equal(pthread_join(s->thread, NULL), 0);
    if (s->failed_step >= 0)
        fail_msg("the server's step %d (kind %d) failed", s->failed_step, s->steps[s->failed_step].kind);
}

static inline void server_fini(struct scripted_server *s)
{
    server_close(s, false);
    if (s->listener >= 0)
        close(s->listener);
    free(s->got);
}

#endif
