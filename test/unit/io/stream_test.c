/* Streams: what a peer's going looks like in each situation, and what the other side sees of ours. */
#include "io/stream.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static struct loop *loop;
static struct stream *stream;
static int other = -1; /* the peer's socket, blocking */
static int connected, readable, writable, gone;
static enum err connect_result, gone_why;

static void on_connected(void *ctx, enum err result)
{
    connected++;
    connect_result = result;
    loop_stop(loop);
}

static void on_readable(void *ctx)
{
    readable++;
    loop_stop(loop);
}

static void on_writable(void *ctx)
{
    writable++;
    loop_stop(loop);
}

static void on_gone(void *ctx, enum err why)
{
    gone++;
    gone_why = why;
    loop_stop(loop);
}

static const struct stream_events events = {
    .connected = on_connected, .readable = on_readable, .writable = on_writable, .gone = on_gone};

static void on_turn(struct timer *t)
{
    loop_stop(loop);
}

/* Enough turns for whatever would fire to fire. */
static void turn(void)
{
    struct timer t;

    timer_init(&t, on_turn);
    for (int i = 0; i < 3; i++) {
        clock_start(loop_clock(loop), &t, 0);
        loop_run(loop);
        clock_stop(loop_clock(loop), &t);
    }
}

static struct sockaddr_in listen_at(int *fd)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);

    *fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(*fd, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(listen(*fd, 4), 0);
    getsockname(*fd, (struct sockaddr *)&a, &len);
    return a;
}

/* A connected pair: `stream` and `other`. */
static int set_up(void **state)
{
    struct sockaddr_in a;
    int listening;

    connected = readable = writable = gone = 0;
    assert_int_equal(loop_open(&loop), ERR_OK);
    a = listen_at(&listening);
    assert_int_equal(
        stream_connect(&stream, loop, (struct sockaddr *)&a, sizeof(a), NULL, SPAN_EMPTY, &events, NULL),
        ERR_OK);
    assert_int_equal(connected, 0); /* never from inside */
    loop_run(loop);
    assert_int_equal(connected, 1);
    assert_int_equal(connect_result, ERR_OK);
    other = accept(listening, NULL, NULL);
    close(listening);
    return 0;
}

static int tear_down(void **state)
{
    stream_close(stream);
    stream = NULL;
    if (other >= 0)
        close(other);
    other = -1;
    loop_free(loop);
    return 0;
}

static void reset_other(void)
{
    struct linger drop = {.l_onoff = 1, .l_linger = 0};

    setsockopt(other, SOL_SOCKET, SO_LINGER, &drop, sizeof(drop));
    close(other);
    other = -1;
}

static void reads_ask_and_are_told_once(void **state)
{
    char at[8];
    size_t got;

    assert_int_equal(stream_read(stream, at, sizeof(at), &got), ERR_AGAIN);
    turn();
    assert_int_equal(readable, 0);
    assert_int_equal(send(other, "abc", 3, 0), 3);
    loop_run(loop);
    assert_int_equal(readable, 1);
    turn();
    assert_int_equal(readable, 1); /* not asked again */
    assert_int_equal(stream_read(stream, at, 2, &got), ERR_OK);
    assert_int_equal(got, 2);
    assert_int_equal(stream_read(stream, at, sizeof(at), &got), ERR_OK);
    assert_int_equal(got, 1);
    assert_int_equal(stream_read(stream, at, sizeof(at), &got), ERR_AGAIN);
    assert_int_equal(send(other, "d", 1, 0), 1);
    loop_run(loop);
    assert_int_equal(readable, 2);
    assert_int_equal(stream_read(stream, at, sizeof(at), &got), ERR_OK);
    shutdown(other, SHUT_WR);
    assert_int_equal(stream_read(stream, at, sizeof(at), &got), ERR_AGAIN);
    loop_run(loop);
    assert_int_equal(stream_read(stream, at, sizeof(at), &got), ERR_EOF);
}

static void writes_ask_when_the_socket_is_full(void **state)
{
    static char piece[100000];
    struct iovec iov[2] = {{piece, 50000}, {piece + 50000, 50000}};
    size_t sent, all = 0, taken = 0;
    enum err e;

    while ((e = stream_writev(stream, iov, 2, &sent)) == ERR_OK)
        all += sent;
    assert_int_equal(e, ERR_AGAIN);
    turn();
    assert_int_equal(writable, 0);
    while (taken < all) {
        ssize_t n = recv(other, piece, sizeof(piece), 0);

        assert_true(n > 0);
        taken += (size_t)n;
    }
    loop_run(loop);
    assert_int_equal(writable, 1);
    assert_int_equal(stream_writev(stream, iov, 2, &sent), ERR_OK);
}

static void a_write_to_a_broken_connection_is_a_reset(void **state)
{
    struct iovec iov = {(void *)"x", 1};
    size_t sent;

    reset_other();
    assert_int_equal(stream_writev(stream, &iov, 1, &sent), ERR_RESET);
}

static void a_watched_peer_that_ends_is_gone(void **state)
{
    stream_watch(stream, true);
    turn();
    assert_int_equal(gone, 0);
    shutdown(other, SHUT_WR);
    loop_run(loop);
    assert_int_equal(gone, 1);
    assert_int_equal(gone_why, ERR_EOF);
    turn();
    assert_int_equal(gone, 1);
}

static void a_watched_peer_that_breaks_is_gone(void **state)
{
    stream_watch(stream, true);
    reset_other();
    loop_run(loop);
    assert_int_equal(gone, 1);
    assert_int_equal(gone_why, ERR_RESET);
}

static void bytes_hide_the_end_but_not_the_break(void **state)
{
    char at[8];
    size_t got;

    stream_watch(stream, true);
    assert_int_equal(send(other, "abc", 3, 0), 3);
    turn();
    shutdown(other, SHUT_WR);
    turn();
    assert_int_equal(gone, 0); /* there is still something to read */
    assert_int_equal(stream_read(stream, at, sizeof(at), &got), ERR_OK);
    assert_int_equal(stream_read(stream, at, sizeof(at), &got), ERR_AGAIN);
    loop_run(loop);
    assert_int_equal(stream_read(stream, at, sizeof(at), &got), ERR_EOF);
}

static void a_break_behind_unread_bytes_is_told(void **state)
{
    stream_watch(stream, true);
    assert_int_equal(send(other, "abc", 3, 0), 3);
    turn();
    assert_int_equal(gone, 0);
    reset_other();
    loop_run(loop);
    assert_int_equal(gone, 1);
    assert_int_equal(gone_why, ERR_RESET);
}

static void a_reader_is_told_before_the_watch(void **state)
{
    char at[8];
    size_t got;

    stream_watch(stream, true);
    assert_int_equal(stream_read(stream, at, sizeof(at), &got), ERR_AGAIN);
    shutdown(other, SHUT_WR);
    loop_run(loop);
    assert_int_equal(readable, 1);
    assert_int_equal(gone, 0);
}

static void a_probe_tells_quiet_from_bytes_and_ends(void **state)
{
    char at[8];

    assert_int_equal(stream_probe(stream), ERR_AGAIN);
    assert_int_equal(send(other, "abc", 3, 0), 3);
    assert_int_equal(stream_probe(stream), ERR_OK);
    size_t got;
    assert_int_equal(stream_read(stream, at, sizeof(at), &got), ERR_OK);
    assert_int_equal(got, 3); /* nothing was taken by looking */
    shutdown(other, SHUT_WR);
    assert_int_equal(stream_probe(stream), ERR_EOF);
    reset_other();
    enum err e = stream_probe(stream);
    assert_true(e == ERR_RESET || e == ERR_EOF);
}

static void after_a_shutdown_reading_goes_on(void **state)
{
    char at[8];
    size_t got;

    stream_shutdown(stream);
    assert_int_equal(recv(other, at, sizeof(at), 0), 0);
    assert_int_equal(send(other, "abc", 3, 0), 3);
    assert_int_equal(stream_read(stream, at, sizeof(at), &got), ERR_OK);
    assert_int_equal(got, 3);
}

static void a_reset_is_no_orderly_end(void **state)
{
    char at[8];

    stream_reset(stream);
    stream = NULL;
    assert_int_equal(recv(other, at, sizeof(at), 0), -1);
    assert_int_equal(errno, ECONNRESET);
}

static void nobody_listening_is_refused(void **state)
{
    struct stream *s;
    struct sockaddr_in a;
    int listening;

    a = listen_at(&listening);
    close(listening);
    connected = 0;
    enum err e = stream_connect(&s, loop, (struct sockaddr *)&a, sizeof(a), NULL, SPAN_EMPTY, &events, NULL);
    if (e == ERR_OK) {
        loop_run(loop);
        assert_int_equal(connected, 1);
        e = connect_result;
        stream_close(s);
    }
    assert_int_equal(e, ERR_REFUSED);
}

static void nothing_fires_after_the_close(void **state)
{
    stream_watch(stream, true);
    stream_want_read(stream);
    assert_int_equal(send(other, "abc", 3, 0), 3);
    stream_close(stream);
    stream = NULL;
    turn();
    assert_int_equal(readable + gone, 0);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(reads_ask_and_are_told_once),
        CASE(writes_ask_when_the_socket_is_full),
        CASE(a_write_to_a_broken_connection_is_a_reset),
        CASE(a_watched_peer_that_ends_is_gone),
        CASE(a_watched_peer_that_breaks_is_gone),
        CASE(bytes_hide_the_end_but_not_the_break),
        CASE(a_break_behind_unread_bytes_is_told),
        CASE(a_reader_is_told_before_the_watch),
        CASE(a_probe_tells_quiet_from_bytes_and_ends),
        CASE(after_a_shutdown_reading_goes_on),
        CASE(a_reset_is_no_orderly_end),
        CASE(nobody_listening_is_refused),
        CASE(nothing_fires_after_the_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
