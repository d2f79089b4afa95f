/* The client against a server of raw bytes that follows a script. */
#include "http/client.h"

#include "peer.h"

#include <errno.h>

enum { CALLS = 24 };

/* One call as its user sees it. */
struct record {
    struct http_call *call;
    bool with_body, patient; /* patient: reads nothing before it is told to */
    bool tell_dry;           /* the source's having nothing is an event */
    size_t body_left;        /* of the request, still to be given */
    size_t dry_at;           /* the source has nothing when so many are left; 0: never */
    enum err source_error;   /* instead of more, at dry_at */
    unsigned status, heads;
    char answer[70000];
    size_t answer_bytes;
    enum err done;
    uint64_t sent_bytes;
    char test_field[32];
};

static struct http_origin *origin;
static struct record records[CALLS];
static struct peer server;
static struct http_origin_limits limits;
static char body[100000];
static const char *abort_in; /* "head", "body" or NULL */

static const char get_head[] = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n";
static const char head_head[] = "HEAD /a HTTP/1.1\r\nHost: h\r\n\r\n";
static const char put_head[] = "PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n";

static enum err peek_body(void *ctx, struct iovec *iov, int *count)
{
    struct record *r = ctx;

    if (r->body_left == 0)
        return ERR_EOF;
    if (r->dry_at && r->body_left == r->dry_at) {
        if (r->tell_dry)
            came();
        return r->source_error ? r->source_error : ERR_AGAIN;
    }
    iov[0] = (struct iovec){body, (r->body_left - r->dry_at + 1) / 2};
    iov[1] = (struct iovec){body, r->body_left - r->dry_at - iov[0].iov_len};
    *count = iov[1].iov_len ? 2 : 1;
    return ERR_OK;
}

static void sent_body(void *ctx, size_t bytes)
{
    struct record *r = ctx;

    r->body_left -= bytes;
    http_call_resume(r->call); /* must be harmless from here */
}

static const struct http_source body_source = {.peek = peek_body, .sent = sent_body};

static void pull(struct record *r)
{
    for (;;) {
        size_t got, room = sizeof(r->answer) - 1 - r->answer_bytes;
        enum err e = http_call_read(r->call, r->answer + r->answer_bytes, room < 3000 ? room : 3000, &got);

        r->answer_bytes += got;
        if (e)
            return;
    }
}

static void on_head(void *ctx, const struct http_head *head)
{
    struct record *r = ctx;
    const struct span *field = http_header(head, "x-test");

    r->heads++;
    r->status = head->status;
    if (field)
        snprintf(r->test_field, sizeof(r->test_field), "%.*s", SPAN_ARG(*field));
    if (abort_in && strcmp(abort_in, "head") == 0) {
        http_call_abort(r->call);
        r->call = NULL;
        came();
    }
}

static void on_body(void *ctx)
{
    struct record *r = ctx;

    if (abort_in && strcmp(abort_in, "body") == 0) {
        http_call_abort(r->call);
        r->call = NULL;
        came();
    } else if (r->patient) {
        came();
    } else {
        pull(r);
    }
}

static void on_done(void *ctx, enum err result)
{
    struct record *r = ctx;

    assert_int_equal(r->done, ERR_COUNT);
    r->done = result;
    r->sent_bytes = http_call_sent_bytes(r->call);
    r->call = NULL;
    came();
}

static const struct http_call_events call_events = {.head = on_head, .body = on_body, .done = on_done};

static void start(struct record *r, const char *head)
{
    struct http_request q = {.head = span_of(head),
                             .source = r->with_body ? &body_source : NULL,
                             .source_ctx = r,
                             .head_only = head == head_head,
                             .repeatable = !r->with_body};

    r->done = ERR_COUNT;
    if (r->with_body)
        r->body_left = sizeof(body);
    await(1);
    assert_int_equal(http_call_start(&r->call, origin, &q, &call_events, r), ERR_OK);
}

static void open_origin(const char *host, uint16_t port)
{
    assert_int_equal(http_origin_open(&origin, loop, span_of(host), port, NULL, &limits), ERR_OK);
}

static int set_up(void **state)
{
    limits =
        (struct http_origin_limits){.connect_ms = 60000, .idle_ms = 60000, .idle_max = 8, .connections = 8};
    memset(records, 0, sizeof(records));
    awaited = 0;
    abort_in = NULL;
    server = (struct peer){.fd = -1, .listening = -1};
    return loop_open(&loop);
}

static int tear_down(void **state)
{
    http_origin_free(origin);
    origin = NULL;
    if (server.listening >= 0)
        close(server.listening);
    loop_free(loop);
    return 0;
}

/* One call against the script, to the end of both. */
static void play(void (*script)(struct peer *), const char *head)
{
    peer_listen(&server);
    open_origin("127.0.0.1", server.port);
    peer_start(&server, script);
    start(&records[0], head);
    loop_run(loop);
    peer_join(&server);
}

static void on_one_turn(struct timer *t)
{
    loop_stop(loop);
}

static void one_turn(void)
{
    struct timer t;

    timer_init(&t, on_one_turn);
    clock_start(loop_clock(loop), &t, 0);
    loop_run(loop);
}

/* --- answers -------------------------------------------------------------------------------------- */

static const struct {
    const char *answer;
    enum err done;
    unsigned status;
    const char *body;
    bool reusable; /* the connection afterwards */
} answers[] = {
    {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", ERR_OK, 200, "", true},
    {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", ERR_OK, 200, "hello", true},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n", ERR_OK, 200,
     "hello", true},
    {"HTTP/1.1 204 No Content\r\n\r\n", ERR_OK, 204, "", true},
    {"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", ERR_OK, 204, "", true},
    {"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", ERR_OK, 304, "", true},
    {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nA: b\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: "
     "1\r\n\r\nx",
     ERR_OK, 200, "x", true},
    {"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello", ERR_OK, 200, "hello", false},
    {"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", ERR_OK, 200, "hello", false},
    {"HTTP/1.1 200 OK\r\n\r\nuntil the end", ERR_OK, 200, "until the end", false},
    {"HTTP/1.1 503 Slow Down\r\nContent-Length: 2\r\n\r\nno", ERR_OK, 503, "no", true},
    {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", ERR_RESET, 200, "hel", false},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n", ERR_RESET, 200, "hel", false},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhello\r\n", ERR_PROTOCOL, 200, "hel", false},
    {"HTTP/1.1 200 OK\r\nContent-Le", ERR_RESET, 0, "", false},
    {"HTTP/1.1 100 Continue\r\n\r\n", ERR_RESET, 0, "", false},
    {"", ERR_RESET, 0, "", false},
    {"HTTP/1.1 101 Switching Protocols\r\n\r\n", ERR_PROTOCOL, 0, "", false},
    {"HTTP/1.1 200 OK\nContent-Length: 0\n\n", ERR_PROTOCOL, 0, "", false},
    {"SSH-2.0-OpenSSH_9.2\r\n", ERR_PROTOCOL, 0, "", false},
    {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", ERR_PROTOCOL, 0, "", false},
};
static size_t row;
static bool piecewise;

static void answer_row(struct peer *p)
{
    peer_accept(p);
    peer_receive(p, "\r\n\r\n");
    if (piecewise)
        for (const char *at = answers[row].answer; *at; at++)
            peer_send_bytes(p, at, 1);
    else
        peer_send(p, answers[row].answer);
    shutdown(p->fd, SHUT_WR);
    peer_receive(p, NULL); /* until the client ends it too */
}

static void each_form_of_answer_is_read(void **state)
{
    peer_listen(&server);
    for (int round = 0; round < 2; round++) {
        piecewise = round;
        for (row = 0; row < sizeof(answers) / sizeof(answers[0]); row++) {
            struct record *r = &records[0];

            *r = (struct record){0};
            open_origin("127.0.0.1", server.port);
            peer_start(&server, answer_row);
            start(r, get_head);
            loop_run(loop);
            peer_join(&server);
            http_origin_free(origin);
            origin = NULL;
            if (r->done != answers[row].done || r->status != answers[row].status ||
                strcmp(r->answer, answers[row].body) != 0)
                fail_msg("row %zu: %s, %u, \"%s\"", row, err_name(r->done), r->status, r->answer);
        }
    }
}

static void answer_row_twice(struct peer *p)
{
    peer_accept(p);
    peer_receive(p, "\r\n\r\n");
    peer_send(p, answers[row].answer);
    if (!answers[row].reusable) {
        if (!strstr(answers[row].answer, "Content-Length") || answers[row].done == ERR_RESET)
            shutdown(p->fd, SHUT_WR);
        peer_accept(p);
    }
    peer_receive(p, "\r\n\r\n");
    peer_send(p, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecond");
}

static void a_connection_is_reused_when_the_answer_allows(void **state)
{
    peer_listen(&server);
    for (row = 0; row < sizeof(answers) / sizeof(answers[0]); row++) {
        records[0] = records[1] = (struct record){0};
        open_origin("127.0.0.1", server.port);
        peer_start(&server, answer_row_twice);
        start(&records[0], get_head);
        await(-1);
        loop_run(loop);
        start(&records[1], get_head);
        await(1);
        loop_run(loop);
        peer_join(&server);
        http_origin_free(origin);
        origin = NULL;
        if (records[1].done != ERR_OK || strcmp(records[1].answer, "second") != 0)
            fail_msg("row %zu: %s \"%s\"", row, err_name(records[1].done), records[1].answer);
    }
}

static const struct {
    const char *answer;
    unsigned status; /* 0: not even the head is believed */
} longer_answers[] = {
    {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello?", 200},
    {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n?", 0},
};

static void send_longer_answer(struct peer *p)
{
    peer_accept(p);
    peer_receive(p, "\r\n\r\n");
    peer_send(p, longer_answers[row].answer);
    peer_accept(p);
    peer_receive(p, "\r\n\r\n");
    peer_send(p, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecond");
}

static void an_answer_longer_than_announced_is_refused_and_its_connection_too(void **state)
{
    peer_listen(&server);
    for (row = 0; row < sizeof(longer_answers) / sizeof(longer_answers[0]); row++) {
        records[0] = records[1] = (struct record){0};
        open_origin("127.0.0.1", server.port);
        peer_start(&server, send_longer_answer);
        start(&records[0], get_head);
        await(-1);
        loop_run(loop);
        assert_int_equal(records[0].done, ERR_PROTOCOL);
        assert_int_equal(records[0].status, longer_answers[row].status);
        assert_int_equal(records[0].answer_bytes, 0); /* the last bytes are withheld: here all of them */
        start(&records[1], get_head);
        await(1);
        loop_run(loop);
        peer_join(&server);
        http_origin_free(origin);
        origin = NULL;
        assert_int_equal(records[1].done, ERR_OK);
        assert_string_equal(records[1].answer, "second");
    }
}

static void answer_head_request(struct peer *p)
{
    peer_accept(p);
    peer_receive(p, "\r\n\r\n");
    peer_send(p, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\nX-Test: seen\r\n\r\n");
}

static void the_answer_to_head_has_no_body(void **state)
{
    play(answer_head_request, head_head);
    assert_int_equal(records[0].done, ERR_OK);
    assert_string_equal(records[0].test_field, "seen");
    assert_int_equal(records[0].answer_bytes, 0);
}

static void endless_head(struct peer *p)
{
    static char big[HTTP_HEAD_BYTES_MAX + 10];

    memset(big, 'a', sizeof(big));
    peer_accept(p);
    peer_receive(p, "\r\n\r\n");
    peer_send(p, "HTTP/1.1 200 OK\r\nX: ");
    peer_send_bytes(p, big, sizeof(big));
    peer_receive(p, NULL);
}

static void an_answer_head_over_the_limit_is_too_large(void **state)
{
    play(endless_head, get_head);
    assert_int_equal(records[0].done, ERR_TOO_LARGE);
}

/* --- request bodies ------------------------------------------------------------------------------- */

static void take_body(struct peer *p)
{
    size_t left = sizeof(body);

    p->arg = recv(p->fd, p->got, 1000, MSG_PEEK) > (ssize_t)sizeof(put_head); /* body bytes with the head */
    peer_receive(p, "\r\n\r\n");
    while (left) {
        ssize_t n = recv(p->fd, p->got, left < 5000 ? left : 5000, 0);

        if (n <= 0)
            break;
        left -= (size_t)n;
    }
    p->arg += left == 0;
    peer_send(p, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
}

static void take_put(struct peer *p)
{
    peer_accept(p);
    take_body(p);
}

static void a_body_is_sent_together_with_the_head(void **state)
{
    records[0].with_body = true;
    play(take_put, put_head);
    assert_int_equal(server.arg, 2);
    assert_int_equal(records[0].done, ERR_OK);
    assert_int_equal(records[0].sent_bytes, sizeof(put_head) - 1 + sizeof(body));
}

static void the_head_waits_for_the_first_bytes_of_the_body(void **state)
{
    struct record *r = &records[0];

    r->with_body = r->tell_dry = true;
    r->dry_at = sizeof(body); /* nothing at first */
    peer_listen(&server);
    open_origin("127.0.0.1", server.port);
    peer_start(&server, take_put);
    start(r, put_head);
    awaited = 1;
    loop_run(loop); /* the connection stands and the source was asked in vain */
    assert_int_equal(http_call_sent_bytes(r->call), 0);
    r->dry_at = 0;
    awaited = 2;
    http_call_resume(r->call);
    loop_run(loop);
    peer_join(&server);
    assert_int_equal(server.arg, 2);
    assert_int_equal(r->done, ERR_OK);
}

static void answer_early(struct peer *p)
{
    peer_accept(p);
    peer_receive(p, "\r\n\r\n");
    peer_send(p, "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");
    p->arg = peer_receive(p, NULL);
}

static void an_early_answer_ends_the_sending_and_the_connection(void **state)
{
    struct record *r = &records[0];

    r->with_body = true;
    r->dry_at = 1000; /* the rest never comes */
    play(answer_early, put_head);
    assert_int_equal(r->done, ERR_OK);
    assert_int_equal(r->status, 403);
    assert_string_equal(r->answer, "no");
    assert_int_equal(r->sent_bytes, sizeof(put_head) - 1 + sizeof(body) - 1000);
    assert_int_equal(server.arg, 0); /* reset, so that nobody takes the body for whole */
}

static void answer_and_close(struct peer *p)
{
    peer_accept(p);
    peer_receive(p, "\r\n\r\n");
    peer_send(p, "HTTP/1.1 503 Slow Down\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno");
    shutdown(p->fd, SHUT_WR);
    peer_receive(p, NULL);
}

static void an_early_answer_of_a_half_closed_origin_is_read(void **state)
{
    records[0].with_body = true;
    records[0].dry_at = 5;
    play(answer_and_close, put_head);
    assert_int_equal(records[0].done, ERR_OK);
    assert_int_equal(records[0].status, 503);
}

static void a_source_that_fails_breaks_the_call_off(void **state)
{
    records[0].with_body = true;
    records[0].dry_at = 7;
    records[0].source_error = ERR_MISMATCH;
    play(answer_and_close, put_head);
    /* The answer may be seen first; the source fails in the same turn as it is asked. */
    assert_int_equal(records[0].done, ERR_MISMATCH);
    assert_int_equal(records[0].heads, 0);
}

/* --- connections ---------------------------------------------------------------------------------- */

static pthread_barrier_t agreed; /* between the script and the test */

static void close_when_idle(struct peer *p)
{
    peer_accept(p);
    peer_receive(p, "\r\n\r\n");
    peer_send(p, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    close(p->fd);
    p->fd = -1;
    pthread_barrier_wait(&agreed);
    peer_accept(p);
    peer_receive(p, "\r\n\r\n");
    peer_send(p, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nnew");
}

static void a_connection_closed_while_idle_is_not_used_again(void **state)
{
    pthread_barrier_init(&agreed, NULL, 2);
    peer_listen(&server);
    open_origin("127.0.0.1", server.port);
    peer_start(&server, close_when_idle);
    start(&records[0], get_head);
    await(-1);
    loop_run(loop);
    pthread_barrier_wait(&agreed); /* closed; the loop has not run since, and cannot have noticed */
    records[1].with_body = true;   /* not repeatable: it must never meet the old one */
    start(&records[1], put_head);
    await(1);
    loop_run(loop);
    peer_join(&server);
    pthread_barrier_destroy(&agreed);
    assert_int_equal(records[1].done, ERR_OK);
    assert_string_equal(records[1].answer, "new");
}

static void die_on_second_request(struct peer *p)
{
    peer_accept(p);
    peer_receive(p, "\r\n\r\n");
    peer_send(p, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    peer_receive(p, "\r\n\r\n");
    peer_reset(p);
    if (p->arg) {
        peer_accept(p);
        peer_receive(p, "\r\n\r\n");
        peer_send(p, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nagain");
    }
}

static void a_repeatable_call_on_a_dying_reused_connection_is_sent_again(void **state)
{
    peer_listen(&server);
    server.arg = 1;
    open_origin("127.0.0.1", server.port);
    peer_start(&server, die_on_second_request);
    start(&records[0], get_head);
    await(-1);
    loop_run(loop);
    start(&records[1], get_head);
    await(1);
    loop_run(loop);
    peer_join(&server);
    assert_int_equal(records[1].done, ERR_OK);
    assert_string_equal(records[1].answer, "again");
}

static void a_call_with_a_body_is_never_sent_again(void **state)
{
    peer_listen(&server);
    open_origin("127.0.0.1", server.port);
    peer_start(&server, die_on_second_request);
    start(&records[0], get_head);
    await(-1);
    loop_run(loop);
    records[1].with_body = true;
    start(&records[1], put_head);
    await(1);
    loop_run(loop);
    peer_join(&server);
    assert_int_equal(records[1].done, ERR_RESET);
    assert_true(records[1].sent_bytes > 0);
}

static void die_at_once(struct peer *p)
{
    peer_accept(p);
    peer_receive(p, "\r\n\r\n");
    peer_reset(p);
}

static void a_new_connection_that_dies_is_an_error(void **state)
{
    play(die_at_once, get_head);
    assert_int_equal(records[0].done, ERR_RESET);
}

static void nobody_listening_is_refused(void **state)
{
    peer_listen(&server);
    close(server.listening);
    server.listening = -1;
    open_origin("127.0.0.1", server.port);
    for (int i = 0; i < 3; i++)
        start(&records[i], get_head);
    loop_run(loop);
    for (int i = 0; i < 3; i++)
        assert_int_equal(records[i].done, ERR_REFUSED);
}

static void a_name_is_resolved_and_its_addresses_are_tried(void **state)
{
    peer_listen(&server); /* on 127.0.0.1 only: ::1, where there is one, is refused first */
    open_origin("localhost", server.port);
    peer_start(&server, answer_head_request);
    start(&records[0], head_head);
    loop_run(loop);
    peer_join(&server);
    assert_int_equal(records[0].done, ERR_OK);
}

static void a_name_that_cannot_be_is_a_dns_error(void **state)
{
    open_origin("no such name", 80);
    start(&records[0], get_head);
    loop_run(loop);
    assert_int_equal(records[0].done, ERR_DNS);
}

static void an_origin_may_go_while_its_name_is_resolved(void **state)
{
    open_origin("localhost", 1);
    start(&records[0], get_head);
    one_turn();
    http_call_abort(records[0].call);
    http_origin_free(origin);
    origin = NULL;
    assert_int_equal(records[0].done, ERR_COUNT);
}

static void a_connection_that_does_not_come_about_times_out(void **state)
{
    struct sockaddr_in a = loopback(0);
    socklen_t len = sizeof(a);
    int full = socket(AF_INET, SOCK_STREAM, 0), fillers[8];

    /* A queue of length 0 that nobody accepts from: the kernel drops further SYNs. */
    assert_int_equal(bind(full, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(listen(full, 0), 0);
    getsockname(full, (struct sockaddr *)&a, &len);
    for (int i = 0; i < 8; i++) {
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        assert_true(connect(fillers[i], (struct sockaddr *)&a, sizeof(a)) == 0 || errno == EINPROGRESS);
    }
    limits.connect_ms = 20;
    open_origin("127.0.0.1", ntohs(a.sin_port));
    start(&records[0], get_head);
    loop_run(loop);
    assert_int_equal(records[0].done, ERR_TIMEOUT);
    for (int i = 0; i < 8; i++)
        close(fillers[i]);
    close(full);
}

static void answer_many(struct peer *p)
{
    peer_accept(p);
    for (int i = 0; i < CALLS; i++) {
        char text[100];

        peer_receive(p, "\r\n\r\n");
        snprintf(text, sizeof(text), "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n%02d", i);
        peer_send(p, text);
    }
}

static void calls_over_the_connection_limit_wait_in_order(void **state)
{
    limits.connections = 1;
    peer_listen(&server);
    open_origin("127.0.0.1", server.port);
    peer_start(&server, answer_many);
    for (int i = 0; i < CALLS; i++)
        start(&records[i], get_head);
    loop_run(loop);
    peer_join(&server);
    for (int i = 0; i < CALLS; i++) {
        char want[16];

        snprintf(want, sizeof(want), "%02d", i);
        assert_int_equal(records[i].done, ERR_OK);
        assert_string_equal(records[i].answer, want);
    }
}

static void wait_for_the_end(struct peer *p)
{
    peer_accept(p);
    peer_receive(p, "\r\n\r\n");
    peer_send(p, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    p->arg = peer_receive(p, NULL) && p->got_bytes == 0;
}

static void an_idle_connection_is_given_up_in_time(void **state)
{
    limits.idle_ms = 20;
    play(wait_for_the_end, get_head);
    assert_int_equal(records[0].done, ERR_OK);
    assert_int_equal(server.arg, 1);
}

static void no_more_connections_are_kept_than_allowed(void **state)
{
    limits.idle_max = 0;
    play(wait_for_the_end, get_head);
    assert_int_equal(server.arg, 1);
}

static void speak_unasked(struct peer *p)
{
    struct peer second = {.fd = -1, .listening = p->listening};

    peer_accept(p);
    peer_receive(p, "\r\n\r\n");
    peer_send(p, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    pthread_barrier_wait(&agreed);
    peer_send(p, "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n");
    peer_accept(&second);
    close(p->fd);
    p->fd = -1;
    take_body(&second);
    close(second.fd);
}

static void an_unasked_answer_is_never_taken_for_the_next(void **state)
{
    struct record *r = &records[1];

    pthread_barrier_init(&agreed, NULL, 2);
    peer_listen(&server);
    open_origin("127.0.0.1", server.port);
    peer_start(&server, speak_unasked);
    start(&records[0], get_head);
    awaited = 1;
    loop_run(loop);
    r->with_body = r->tell_dry = true;
    r->dry_at = sizeof(body);
    start(r, put_head);
    loop_run(loop); /* it has got the connection, and sent nothing */
    awaited = 1;
    pthread_barrier_wait(&agreed);
    loop_run(loop); /* it has got another, because the first one spoke */
    r->dry_at = 0;
    awaited = 2;
    http_call_resume(r->call);
    loop_run(loop);
    peer_join(&server);
    pthread_barrier_destroy(&agreed);
    assert_int_equal(r->done, ERR_OK);
    assert_int_equal(r->status, 200);
}

/* --- giving up ------------------------------------------------------------------------------------ */

static void send_half(struct peer *p)
{
    peer_accept(p);
    peer_receive(p, "\r\n\r\n");
    peer_send(p, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello");
    p->arg = peer_receive(p, NULL) ? 1 : 2;
}

static void a_call_may_be_aborted_from_its_events(void **state)
{
    static const char *const where[] = {"head", "body"};

    peer_listen(&server);
    for (int i = 0; i < 2; i++) {
        abort_in = where[i];
        records[0] = (struct record){0};
        open_origin("127.0.0.1", server.port);
        peer_start(&server, send_half);
        start(&records[0], get_head);
        loop_run(loop);
        peer_join(&server);
        assert_int_equal(server.arg, 2); /* a reset */
        assert_int_equal(records[0].done, ERR_COUNT);
        http_origin_free(origin);
        origin = NULL;
    }
}

static void a_waiting_call_may_be_aborted(void **state)
{
    limits.connections = 1;
    peer_listen(&server);
    open_origin("127.0.0.1", server.port);
    peer_start(&server, answer_head_request);
    start(&records[0], head_head);
    start(&records[1], head_head);
    http_call_abort(records[1].call);
    await(-1);
    loop_run(loop);
    peer_join(&server);
    assert_int_equal(records[0].done, ERR_OK);
    assert_int_equal(records[1].done, ERR_COUNT);
}

static void send_much(struct peer *p)
{
    static char piece[60000];

    memset(piece, 'x', sizeof(piece));
    peer_accept(p);
    peer_receive(p, "\r\n\r\n");
    peer_send(p, "HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n");
    peer_send_bytes(p, piece, sizeof(piece));
}

static void an_answer_may_be_read_later(void **state)
{
    struct record *r = &records[0];

    r->patient = true;
    peer_listen(&server);
    open_origin("127.0.0.1", server.port);
    peer_start(&server, send_much);
    start(r, get_head);
    loop_run(loop); /* `body`, nothing read, and the script has sent everything */
    r->patient = false;
    awaited = 1;
    pull(r);
    loop_run(loop);
    peer_join(&server);
    assert_int_equal(r->done, ERR_OK);
    assert_int_equal(r->answer_bytes, 60000);
}

static void break_later(struct peer *p)
{
    peer_accept(p);
    peer_receive(p, "\r\n\r\n");
    peer_send(p, "HTTP/1.1 200 OK\r\n\r\nnot to the end");
    pthread_barrier_wait(&agreed);
    peer_reset(p);
}

static void a_reset_is_never_taken_for_the_end_of_an_answer(void **state)
{
    struct record *r = &records[0];

    pthread_barrier_init(&agreed, NULL, 2);
    r->patient = true;
    peer_listen(&server);
    open_origin("127.0.0.1", server.port);
    peer_start(&server, break_later);
    start(r, get_head);
    await(-1);
    loop_run(loop); /* `body`, and nothing read */
    pthread_barrier_wait(&agreed);
    peer_join(&server); /* broken, with bytes of the body still here */
    r->patient = false;
    awaited = 2;
    pull(r);
    loop_run(loop);
    pthread_barrier_destroy(&agreed);
    assert_string_equal(r->answer, "not to the end");
    assert_int_equal(r->done, ERR_RESET);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(each_form_of_answer_is_read),
        CASE(a_connection_is_reused_when_the_answer_allows),
        CASE(an_answer_longer_than_announced_is_refused_and_its_connection_too),
        CASE(the_answer_to_head_has_no_body),
        CASE(an_answer_head_over_the_limit_is_too_large),
        CASE(a_body_is_sent_together_with_the_head),
        CASE(the_head_waits_for_the_first_bytes_of_the_body),
        CASE(an_early_answer_ends_the_sending_and_the_connection),
        CASE(an_early_answer_of_a_half_closed_origin_is_read),
        CASE(a_source_that_fails_breaks_the_call_off),
        CASE(a_connection_closed_while_idle_is_not_used_again),
        CASE(a_repeatable_call_on_a_dying_reused_connection_is_sent_again),
        CASE(a_call_with_a_body_is_never_sent_again),
        CASE(a_new_connection_that_dies_is_an_error),
        CASE(nobody_listening_is_refused),
        CASE(a_name_is_resolved_and_its_addresses_are_tried),
        CASE(a_name_that_cannot_be_is_a_dns_error),
        CASE(an_origin_may_go_while_its_name_is_resolved),
        CASE(a_connection_that_does_not_come_about_times_out),
        CASE(calls_over_the_connection_limit_wait_in_order),
        CASE(an_idle_connection_is_given_up_in_time),
        CASE(no_more_connections_are_kept_than_allowed),
        CASE(an_unasked_answer_is_never_taken_for_the_next),
        CASE(a_call_may_be_aborted_from_its_events),
        CASE(a_waiting_call_may_be_aborted),
        CASE(an_answer_may_be_read_later),
        CASE(a_reset_is_never_taken_for_the_end_of_an_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
