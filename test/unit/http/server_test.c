/* The server against a client of raw bytes. What a request wants is in its path. */
#include "http/server.h"

#include "peer.h"

enum { RECORDS = 300, BIG_BYTES = 3 * 1000 * 1000, HUGE_BYTES = 200 * 1000 * 1000 };

/* One exchange as its handler sees it. */
struct record {
    struct http_exchange *x;
    char path[32];
    char body[65536];
    size_t body_bytes;
    enum err read_result, done;
    int reads_after_end;
    /* a pulled answer */
    size_t answer_left;
    bool stutter; /* nothing at every other peek */
    bool dry;
    struct timer soon;
    char length[24];
};

static struct http_server *server;
static struct record records[RECORDS];
static int record_count;
static struct peer client;
static struct http_server_limits limits;
static char pattern[50000];
static const char *refused_why;
static bool silent_holds; /* done of /hold is not waited for */
static bool scattered;    /* bodies are read into two places at a time */

static enum err peek_big(void *ctx, struct iovec *iov, int *count)
{
    struct record *r = ctx;

    if (strcmp(r->path, "/short") == 0 && r->answer_left < BIG_BYTES / 2)
        return ERR_EOF;
    if (r->stutter && !r->dry) {
        r->dry = true;
        clock_start(loop_clock(loop), &r->soon, 0);
        return ERR_AGAIN;
    }
    r->dry = false;
    /* From where the last byte sent left off; two pieces, and more than what is left: the server cuts. */
    size_t from = (BIG_BYTES - r->answer_left) % 26;
    iov[0] = (struct iovec){pattern + from, 1000};
    iov[1] = (struct iovec){pattern + from + 1000, sizeof(pattern) - 1100};
    *count = 2;
    return ERR_OK;
}

static void sent_big(void *ctx, size_t bytes)
{
    struct record *r = ctx;

    assert_true(bytes <= r->answer_left);
    r->answer_left -= bytes;
    http_exchange_resume(r->x); /* must be harmless from here */
}

static const struct http_source big_source = {.peek = peek_big, .sent = sent_big};

static void on_soon(struct timer *t)
{
    http_exchange_resume(LIST_ENTRY(t, struct record, soon)->x);
}

static void answer(struct record *r, unsigned status, struct span body)
{
    struct http_answer a = {.status = status,
                            .headers = SPAN("X-Test: yes\r\n"),
                            .body = body,
                            .body_bytes = body.len,
                            .no_length = status == 204};

    http_exchange_answer(r->x, &a);
}

static void answer_big(struct record *r, size_t bytes)
{
    struct http_answer a = {.status = 200, .body_bytes = bytes, .source = &big_source, .source_ctx = r};

    r->answer_left = bytes;
    http_exchange_answer(r->x, &a);
}

static void answer_length(struct record *r)
{
    snprintf(r->length, sizeof(r->length), "%zu", r->body_bytes);
    answer(r, 200, span_of(r->length));
}

/* Into two places that lie side by side: what is read must look the same. */
static enum err read_scattered(struct record *r, char *piece, size_t room, size_t *got)
{
    enum { FIRST_BYTES = 2500 };
    struct iovec place[2] = {{piece, FIRST_BYTES}, {piece + FIRST_BYTES, room - FIRST_BYTES}};

    return http_exchange_readv(r->x, place, got);
}

static void pull(struct record *r)
{
    for (;;) {
        static char piece[7000];
        size_t got;
        enum err e = scattered ? read_scattered(r, piece, sizeof(piece), &got)
                               : http_exchange_read(r->x, piece, sizeof(piece), &got);

        if (e == ERR_AGAIN)
            return;
        if (e == ERR_OK) {
            assert_true(got >= 1 && got <= sizeof(piece));
            if (r->body_bytes + got <= sizeof(r->body))
                memcpy(r->body + r->body_bytes, piece, got);
            r->body_bytes += got;
            continue;
        }
        r->read_result = e;
        if (e == ERR_EOF && strcmp(r->path, "/hold") != 0)
            answer_length(r);
        else if (e == ERR_PROTOCOL)
            answer(r, 400, SPAN("bad chunk"));
        else if (e == ERR_TIMEOUT && strcmp(r->path, "/mute") != 0)
            answer(r, 408, SPAN("too slow"));
        else if (e == ERR_RESET && strcmp(r->path, "/half") == 0)
            answer(r, 400, SPAN("incomplete"));
        return;
    }
}

static void on_body(void *ctx)
{
    pull(ctx);
}

static void on_done(void *ctx, enum err result)
{
    struct record *r = ctx;

    assert_int_equal(r->done, ERR_COUNT);
    r->done = result;
    clock_stop(loop_clock(loop), &r->soon);
    if (!silent_holds || strcmp(r->path, "/hold") != 0)
        came();
}

static const struct http_exchange_events exchange_events = {.body = on_body, .done = on_done};

static void on_request(void *ctx, struct http_exchange *x, const struct http_head *head,
                       const struct http_exchange_events **events, void **out)
{
    struct record *r = &records[record_count++];

    assert_true(record_count <= RECORDS);
    *r = (struct record){.x = x, .done = ERR_COUNT};
    snprintf(r->path, sizeof(r->path), "%.*s", SPAN_ARG(head->target));
    timer_init(&r->soon, on_soon);
    *events = &exchange_events;
    *out = r;
    if (strcmp(r->path, "/deny") == 0)
        answer(r, 403, SPAN("no"));
    else if (strcmp(r->path, "/nothing") == 0)
        answer(r, 204, SPAN_EMPTY);
    else if (strcmp(r->path, "/abort") == 0)
        http_exchange_abort(x);
    else if (strcmp(r->path, "/big") == 0 || strcmp(r->path, "/short") == 0)
        answer_big(r, BIG_BYTES);
    else if (strcmp(r->path, "/huge") == 0) /* more than any socket's buffers hold */
        answer_big(r, HUGE_BYTES);
    else if (strcmp(r->path, "/stutter") == 0) {
        r->stutter = true;
        answer_big(r, BIG_BYTES);
    } else if (strcmp(r->path, "/wait") == 0)
        came(); /* neither reads nor answers */
    else
        pull(r);
}

static struct span on_refused(void *ctx, unsigned status, const char *why)
{
    refused_why = why;
    return SPAN("<refused/>");
}

static const struct http_server_events server_events = {.request = on_request, .refused = on_refused};

static void open_server(void)
{
    struct sockaddr_in a = loopback(0);

    assert_int_equal(http_server_open(&server, loop, (struct sockaddr *)&a, sizeof(a), NULL, &limits,
                                      &server_events, NULL),
                     ERR_OK);
    client = (struct peer){.port = http_server_port(server), .fd = -1};
}

static int set_up(void **state)
{
    limits =
        (struct http_server_limits){.head_ms = 60000, .idle_ms = 60000, .body_ms = 60000, .connections = 100};
    record_count = 0;
    awaited = 0;
    refused_why = NULL;
    silent_holds = false;
    for (size_t i = 0; i < sizeof(pattern); i++)
        pattern[i] = (char)('a' + i % 26);
    return loop_open(&loop);
}

static int tear_down(void **state)
{
    http_server_free(server);
    server = NULL;
    loop_free(loop);
    return 0;
}

/* Runs the script until it has ended and `dones` exchanges are done. */
static void play(void (*script)(struct peer *), int dones)
{
    open_server();
    await(dones);
    peer_start(&client, script);
    loop_run(loop);
    peer_join(&client);
}

static bool got(const char *text)
{
    return strstr(client.got, text) != NULL;
}

/* --- */

static void put_5(struct peer *p)
{
    peer_connect(p);
    peer_send(p, "PUT /len HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello");
    peer_receive(p, "\r\n\r\n5");
}

static void a_request_is_answered_with_date_and_length(void **state)
{
    play(put_5, 1);
    assert_int_equal(records[0].done, ERR_OK);
    assert_memory_equal(records[0].body, "hello", 5);
    assert_true(strncmp(client.got, "HTTP/1.1 200 OK\r\nDate: ", 23) == 0);
    assert_true(got(" GMT\r\n") && got("Content-Length: 1\r\n") && got("X-Test: yes\r\n"));
    assert_false(got("Connection:"));
}

static void byte_by_byte(struct peer *p)
{
    static const char text[] = "PUT /len HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
                               "3;a=b\r\nabc\r\n10\r\n0123456789abcdef\r\n0\r\nA: b\r\n\r\n";

    peer_connect(p);
    for (size_t i = 0; i + 1 < sizeof(text); i++)
        peer_send_bytes(p, text + i, 1);
    peer_receive(p, "\r\n\r\n19");
}

static void a_chunked_request_may_come_byte_by_byte(void **state)
{
    play(byte_by_byte, 1);
    assert_int_equal(records[0].done, ERR_OK);
    assert_int_equal(records[0].body_bytes, 19);
    assert_memory_equal(records[0].body, "abc0123456789abcdef", 19);
}

static void put_large(struct peer *p)
{
    static char body[1000003];
    char head[200];

    peer_connect(p);
    snprintf(head, sizeof(head), "PUT /len HTTP/1.1\r\nHost: h\r\nContent-Length: %zu\r\n\r\n", sizeof(body));
    peer_send(p, head);
    peer_send_bytes(p, body, sizeof(body));
    peer_receive(p, "\r\n\r\n1000003");
    peer_send(p, "PUT /len HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 50; i++) {
        peer_send(p, "4E20\r\n");
        peer_send_bytes(p, body, 20000);
        peer_send(p, "\r\n");
    }
    peer_send(p, "0\r\n\r\n");
    peer_receive(p, "\r\n\r\n1000000");
}

static void large_bodies_arrive_whole(void **state)
{
    play(put_large, 2);
    assert_int_equal(records[0].body_bytes, 1000003);
    assert_int_equal(records[1].body_bytes, 1000000);
    assert_int_equal(records[1].done, ERR_OK);
}

static void pipeline(struct peer *p)
{
    peer_connect(p);
    peer_send(p, "PUT /len HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nab"
                 "PUT /len HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
                 "GET /nothing HTTP/1.1\r\nHost: h\r\n\r\n"
                 "PUT /deny HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nGET "
                 "HEAD /len HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    peer_receive(p, NULL);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    play(pipeline, 5);
    assert_int_equal(record_count, 5);
    for (int i = 0; i < 5; i++)
        assert_int_equal(records[i].done, ERR_OK);
    char *two = strstr(client.got, "\r\n\r\n2HTTP/1.1 200"),
         *three = strstr(client.got, "\r\n\r\n3HTTP/1.1 204");
    char *four = strstr(client.got, "\r\n\r\nHTTP/1.1 403");
    assert_true(two && three && four && two < three && three < four);
    assert_true(got("\r\n\r\nnoHTTP/1.1 200 OK\r\n"));
    assert_true(got("Connection: close\r\nContent-Length: 1\r\nX-Test: yes\r\n\r\n"));
    assert_int_equal(client.got[client.got_bytes - 1], '\n'); /* HEAD: no body */
}

static void get_big(struct peer *p)
{
    peer_connect(p);
    peer_send(p, p->arg ? "GET /stutter HTTP/1.0\r\n\r\n" : "GET /big HTTP/1.0\r\n\r\n");
    peer_receive(p, "\r\n\r\n");
    p->arg = 0;
    for (;;) {
        char piece[10000];
        ssize_t n = recv(p->fd, piece, sizeof(piece), 0);

        if (n <= 0)
            break;
        for (ssize_t i = 0; i < n; i++)
            if (piece[i] != (char)('a' + (p->arg + i) % 26))
                p->arg = -BIG_BYTES;
        p->arg += (int)n;
    }
}

static void a_pulled_answer_arrives_whole(void **state)
{
    play(get_big, 1);
    assert_int_equal(records[0].done, ERR_OK);
    assert_int_equal(records[0].answer_left, 0);
    assert_int_equal(client.arg, BIG_BYTES);
}

static void a_source_that_stutters_is_resumed(void **state)
{
    open_server();
    client.arg = 1;
    await(1);
    peer_start(&client, get_big);
    loop_run(loop);
    peer_join(&client);
    assert_int_equal(records[0].done, ERR_OK);
    assert_int_equal(records[0].answer_left, 0);
    assert_int_equal(client.arg, BIG_BYTES);
}

static void get_short(struct peer *p)
{
    peer_connect(p);
    peer_send(p, "GET /short HTTP/1.1\r\nHost: h\r\n\r\n");
    p->arg = peer_receive(p, NULL);
}

static void a_source_that_ends_short_breaks_the_connection(void **state)
{
    play(get_short, 1);
    assert_int_equal(records[0].done, ERR_CANCELLED);
}

static void get_1_0(struct peer *p)
{
    peer_connect(p);
    peer_send(p, "GET /len HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    peer_receive(p, "\r\n\r\n0");
    p->arg = strstr(p->got, "Connection: keep-alive\r\n") != NULL;
    peer_send(p, "GET /len HTTP/1.0\r\n\r\n");
    peer_receive(p, NULL);
}

static void http_1_0_keeps_alive_only_when_asked(void **state)
{
    play(get_1_0, 2);
    assert_int_equal(client.arg, 1);
    assert_true(got("Connection: close\r\n"));
}

static void expect_then_send(struct peer *p)
{
    peer_connect(p);
    peer_send(p, "PUT /len HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    p->arg = peer_receive(p, "HTTP/1.1 100 Continue\r\n\r\n");
    peer_send(p, "hello");
    peer_receive(p, "\r\n\r\n5");
}

static void the_first_read_sends_100_continue(void **state)
{
    play(expect_then_send, 1);
    assert_int_equal(client.arg, 1);
    assert_int_equal(records[0].done, ERR_OK);
    assert_true(strncmp(client.got, "HTTP/1.1 200", 12) == 0);
}

static void expect_without_waiting(struct peer *p)
{
    peer_connect(p);
    peer_send(p, "PUT /len HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello");
    peer_receive(p, "\r\n\r\n5");
}

static void no_100_continue_when_the_body_is_there(void **state)
{
    play(expect_without_waiting, 1);
    assert_true(strncmp(client.got, "HTTP/1.1 200", 12) == 0);
}

static void expect_denied(struct peer *p)
{
    peer_connect(p);
    peer_send(p, "PUT /deny HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    peer_receive(p, NULL);
}

static void a_denied_expectation_gets_no_100_and_ends_the_connection(void **state)
{
    play(expect_denied, 1);
    assert_true(strncmp(client.got, "HTTP/1.1 403", 12) == 0);
    assert_true(got("Connection: close\r\n"));
}

static void unread_small(struct peer *p)
{
    static char body[100000];

    peer_connect(p);
    peer_send(p, "PUT /deny HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n");
    peer_receive(p, "\r\n\r\nno"); /* early: before the body */
    peer_send_bytes(p, body, sizeof(body));
    peer_send(p, "PUT /len HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx");
    peer_receive(p, "\r\n\r\n1");
}

static void a_small_unread_body_is_skipped(void **state)
{
    play(unread_small, 2);
    assert_int_equal(records[1].done, ERR_OK);
    assert_int_equal(records[1].body_bytes, 1);
}

static void unread_large(struct peer *p)
{
    static char piece[100000];
    const bool chunked = p->arg;

    p->arg = 0;
    peer_connect(p);
    peer_send(p, "PUT /deny HTTP/1.1\r\nHost: h\r\n");
    peer_send(p, chunked ? "Transfer-Encoding: chunked\r\n\r\n" : "Content-Length: 3000000\r\n\r\n");
    for (int i = 0; i < 30; i++) {
        if (chunked)
            peer_send(p, "186A0\r\n");
        peer_send_bytes(p, piece, sizeof(piece));
        if (chunked)
            peer_send(p, "\r\n");
    }
    p->arg = peer_receive(p, "\r\n\r\nno"); /* a client that reads only when it has sent everything */
    close(p->fd);
    p->fd = -1;
}

static void a_large_unread_body_ends_the_connection_after_the_answer_is_read(void **state)
{
    play(unread_large, 1);
    assert_int_equal(records[0].done, ERR_OK);
    assert_int_equal(client.arg, 1);
    assert_true(got("Connection: close\r\n"));
}

static void a_large_unread_chunked_body_too(void **state)
{
    open_server();
    client.arg = 1;
    await(1);
    peer_start(&client, unread_large);
    loop_run(loop);
    peer_join(&client);
    assert_int_equal(records[0].done, ERR_OK);
    assert_int_equal(client.arg, 1);
}

static void longer_than_declared(struct peer *p)
{
    peer_connect(p);
    peer_send(p, "PUT /len HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nabcdef\r\n\r\n");
    peer_receive(p, NULL);
}

static void bytes_beyond_the_declared_length_are_a_bad_request(void **state)
{
    play(longer_than_declared, 1);
    assert_int_equal(records[0].body_bytes, 2);
    assert_true(got("\r\n\r\n2HTTP/1.1 400 Bad Request\r\n"));
    assert_true(got("<refused/>") && got("Content-Type: application/xml\r\n"));
}

static void bad_chunk(struct peer *p)
{
    peer_connect(p);
    peer_send(p, "PUT /len HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n");
    peer_receive(p, NULL);
}

static void a_bad_chunk_is_told_to_the_handler_and_answered(void **state)
{
    play(bad_chunk, 1);
    assert_int_equal(records[0].read_result, ERR_PROTOCOL);
    assert_int_equal(records[0].done, ERR_OK);
    assert_true(got("HTTP/1.1 400") && got("bad chunk") && got("Connection: close\r\n"));
}

static const struct {
    const char *send, *status;
} refusals[] = {
    {"GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n"},
    {"GET / HTTP/2.0\r\nHost: h\r\n\r\n", "HTTP/1.1 505 HTTP Version Not Supported\r\n"},
    {"\x16\x03\x01", "HTTP/1.1 400 Bad Request\r\n"},
    {"GET /", "HTTP/1.1 408 Request Timeout\r\n"},
    {NULL, "HTTP/1.1 431 Request Header Fields Too Large\r\n"},
};

static void refusal(struct peer *p)
{
    peer_connect(p);
    if (refusals[p->arg].send) {
        peer_send(p, refusals[p->arg].send);
    } else {
        static char big[HTTP_HEAD_BYTES_MAX];

        memset(big, 'a', sizeof(big));
        peer_send(p, "GET / HTTP/1.1\r\nHost: h\r\nX: ");
        peer_send_bytes(p, big, sizeof(big));
    }
    peer_receive(p, NULL);
}

static void a_bad_head_is_refused_with_its_status(void **state)
{
    limits.head_ms = 20;
    open_server();
    for (int i = 0; i < (int)(sizeof(refusals) / sizeof(refusals[0])); i++) {
        client.arg = i;
        peer_start(&client, refusal);
        loop_run(loop);
        peer_join(&client);
        if (strncmp(client.got, refusals[i].status, strlen(refusals[i].status)) != 0)
            fail_msg("row %d: %s", i, client.got);
        assert_true(got("Connection: close\r\n") && got("<refused/>"));
        assert_non_null(refused_why);
    }
    assert_int_equal(record_count, 0);
}

static void big_head(struct peer *p)
{
    static char big[HTTP_HEAD_BYTES_MAX - 100];

    memset(big, 'a', sizeof(big));
    peer_connect(p);
    peer_send(p, "PUT /len HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nX: ");
    peer_send_bytes(p, big, sizeof(big));
    peer_send(p,
              "\r\n\r\n3\r\nabc\r\n0\r\n\r\nPUT /len HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nabcd");
    peer_receive(p, "\r\n\r\n4");
}

static void a_head_near_the_limit_is_taken(void **state)
{
    play(big_head, 2);
    assert_int_equal(records[0].body_bytes, 3);
    assert_int_equal(records[1].body_bytes, 4);
}

static void trickle(struct peer *p)
{
    peer_connect(p);
    peer_send(p, "GET / HTTP/1.1\r\nHost: h\r\n");
    do
        peer_send(p, "A: b\r\n"); /* paced by nothing but the answer's coming */
    while (recv(p->fd, p->got, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && usleep(1000) == 0);
    p->arg = peer_receive(p, "\r\n\r\n");
}

static void a_head_that_trickles_in_for_too_long_is_refused(void **state)
{
    limits.head_ms = 30;
    play(trickle, 0);
    assert_true(got("HTTP/1.1 408") || got("HTTP/1.1 431"));
}

static void stay_idle(struct peer *p)
{
    peer_connect(p);
    peer_send(p, "GET /len HTTP/1.1\r\nHost: h\r\n\r\n");
    p->arg = peer_receive(p, "\r\n\r\n0") && peer_receive(p, NULL) && p->got_bytes == 0;
}

static void an_idle_connection_is_closed(void **state)
{
    limits.idle_ms = 20;
    play(stay_idle, 1);
    assert_int_equal(client.arg, 1);
    assert_true(http_server_idle(server));
}

static void stall_in_body(struct peer *p)
{
    peer_connect(p);
    peer_send(p, p->arg ? "PUT /mute HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhel"
                        : "PUT /len HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhel");
    p->arg = peer_receive(p, NULL);
}

static void a_body_that_stalls_times_out_and_can_be_answered(void **state)
{
    limits.body_ms = 20;
    play(stall_in_body, 1);
    assert_int_equal(records[0].read_result, ERR_TIMEOUT);
    assert_int_equal(records[0].done, ERR_OK);
    assert_true(got("HTTP/1.1 408") && got("too slow"));
}

static void a_time_out_that_nobody_answers_ends_the_exchange(void **state)
{
    limits.body_ms = 20;
    open_server();
    client.arg = 1;
    await(1);
    peer_start(&client, stall_in_body);
    loop_run(loop);
    peer_join(&client);
    assert_int_equal(records[0].done, ERR_TIMEOUT);
    assert_int_equal(client.got_bytes, 0);
}

static pthread_barrier_t hold;

static void never_read(struct peer *p)
{
    peer_connect(p);
    peer_send(p, "GET /huge HTTP/1.1\r\nHost: h\r\n\r\n");
    pthread_barrier_wait(&hold);
}

static void an_answer_that_nobody_takes_times_out(void **state)
{
    limits.body_ms = 20;
    pthread_barrier_init(&hold, NULL, 2);
    open_server();
    peer_start(&client, never_read);
    awaited = 1; /* done; the peer ends only after the barrier */
    loop_run(loop);
    assert_int_equal(records[0].done, ERR_TIMEOUT);
    assert_true(records[0].answer_left > 0);
    awaited = 1;
    pthread_barrier_wait(&hold);
    loop_run(loop);
    peer_join(&client);
    pthread_barrier_destroy(&hold);
}

/* Every place where a client can go: after `arg` bytes of this. */
static const char whole[] = "PUT /hold HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello";

static void go_after(struct peer *p)
{
    peer_connect(p);
    peer_send_bytes(p, whole, (size_t)p->arg / 2);
    if (p->arg % 2)
        peer_reset(p);
    else
        close(p->fd);
    /* Connections are accepted in order: with this one answered, the other has been seen. */
    peer_connect(p);
    peer_send(p, "GET /len HTTP/1.1\r\nHost: h\r\n\r\n");
    peer_receive(p, "\r\n\r\n0");
}

static void a_client_may_go_after_any_byte(void **state)
{
    const int head_bytes = (int)sizeof(whole) - 1 - 5;
    int held = 0;

    silent_holds = true; /* a reset may discard what was sent before it, so their number is not known */
    open_server();
    for (client.arg = 0; client.arg < 2 * (int)sizeof(whole); client.arg++) {
        await(1);
        peer_start(&client, go_after);
        loop_run(loop);
        peer_join(&client);
    }
    http_server_drain(server);
    for (int i = 0; i < record_count; i++) {
        const bool hold_it = strcmp(records[i].path, "/hold") == 0;

        assert_int_equal(records[i].done, hold_it ? ERR_RESET : ERR_OK);
        held += hold_it;
    }
    assert_true(held >= (int)sizeof(whole) - head_bytes); /* each orderly end from the head's last byte on */
}

static void half_closed(struct peer *p)
{
    peer_connect(p);
    peer_send(p, "PUT /half HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhel");
    shutdown(p->fd, SHUT_WR);
    p->arg = peer_receive(p, NULL);
}

static void a_client_that_ends_its_side_in_the_body_can_be_answered(void **state)
{
    play(half_closed, 1);
    assert_int_equal(records[0].read_result, ERR_RESET);
    assert_int_equal(records[0].done, ERR_OK);
    assert_true(got("HTTP/1.1 400") && got("incomplete"));
}

static void leave_while_waiting(struct peer *p)
{
    peer_connect(p);
    peer_send(p, "GET /wait HTTP/1.1\r\nHost: h\r\n\r\n");
    pthread_barrier_wait(&hold);
    if (p->arg)
        peer_reset(p);
}

static void a_client_that_goes_while_nobody_reads_is_noticed(void **state)
{
    pthread_barrier_init(&hold, NULL, 2);
    open_server();
    for (int reset = 0; reset < 2; reset++) {
        record_count = 0;
        client.arg = reset;
        peer_start(&client, leave_while_waiting);
        awaited = 1; /* the request */
        loop_run(loop);
        awaited = 2; /* done, and the peer's end */
        pthread_barrier_wait(&hold);
        loop_run(loop);
        peer_join(&client);
        assert_int_equal(records[0].done, ERR_RESET);
    }
    pthread_barrier_destroy(&hold);
}

static void leave_with_bytes_unread(struct peer *p)
{
    peer_connect(p);
    peer_send(p, "PUT /wait HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n");
    for (int i = 0; i < 900; i++)
        peer_send(p, "0123456789012345678901234567890123456789");
    pthread_barrier_wait(&hold);
    peer_reset(p);
}

static void a_broken_client_is_noticed_behind_unread_bytes(void **state)
{
    pthread_barrier_init(&hold, NULL, 2);
    open_server();
    peer_start(&client, leave_with_bytes_unread);
    awaited = 1;
    loop_run(loop);
    awaited = 2;
    pthread_barrier_wait(&hold);
    loop_run(loop);
    peer_join(&client);
    assert_int_equal(records[0].done, ERR_RESET);
    pthread_barrier_destroy(&hold);
}

static void get_abort(struct peer *p)
{
    peer_connect(p);
    peer_send(p, "GET /abort HTTP/1.1\r\nHost: h\r\n\r\n");
    p->arg = peer_receive(p, NULL);
}

static void an_aborted_exchange_resets_the_connection(void **state)
{
    play(get_abort, 1);
    assert_int_equal(records[0].done, ERR_CANCELLED);
    assert_int_equal(client.arg, 0); /* not an orderly end */
    assert_int_equal(client.got_bytes, 0);
}

static void two_then_eof(struct peer *p)
{
    peer_connect(p);
    peer_send(p, "GET /wait HTTP/1.1\r\nHost: h\r\n\r\n");
    peer_receive(p, NULL);
}

static void draining_ends_idle_connections_and_finishes_busy_ones(void **state)
{
    static struct peer idle;

    limits.idle_ms = 60000;
    open_server();
    idle = (struct peer){.port = client.port, .fd = -1};
    await(1); /* its exchange */
    peer_start(&idle, stay_idle);
    await(-1); /* but not its end */
    loop_run(loop);
    peer_start(&client, two_then_eof);
    awaited = 1;
    loop_run(loop);
    http_server_drain(server);
    assert_false(http_server_idle(server));
    awaited = 3; /* both peers, and the exchange */
    answer(&records[1], 200, SPAN("bye"));
    loop_run(loop);
    peer_join(&client);
    peer_join(&idle);
    assert_int_equal(idle.arg, 1);
    assert_true(got("Connection: close\r\n") && got("bye"));
    assert_true(http_server_idle(server));
}

static void freeing_the_server_ends_open_exchanges(void **state)
{
    open_server();
    peer_start(&client, two_then_eof);
    awaited = 1;
    loop_run(loop);
    awaited = 2;
    http_server_free(server);
    server = NULL;
    assert_int_equal(records[0].done, ERR_CANCELLED);
    loop_run(loop);
    peer_join(&client);
}

static void second_connection(struct peer *p)
{
    struct peer *other = malloc(sizeof(*other));

    *other = (struct peer){.port = p->port, .fd = -1};
    peer_connect(p);
    peer_send(p, "GET /len HTTP/1.1\r\nHost: h\r\n\r\n");
    peer_receive(p, "\r\n\r\n0");
    peer_connect(other);
    peer_send(other, "GET /deny HTTP/1.1\r\nHost: h\r\n\r\n");
    p->arg = recv(other->fd, other->got, 1, MSG_DONTWAIT) < 0; /* not served while the first is open */
    close(p->fd);
    p->fd = -1;
    p->arg += peer_receive(other, "\r\n\r\nno");
    close(other->fd);
    free(other);
}

static void connections_over_the_limit_wait(void **state)
{
    limits.connections = 1;
    play(second_connection, 2);
    assert_int_equal(client.arg, 2);
}

static void an_address_in_use_is_an_error(void **state)
{
    struct sockaddr_in a;
    struct http_server *second;
    struct peer other = {.fd = -1};

    open_server();
    peer_listen(&other); /* a listener that does not share its port */
    a = loopback(other.port);
    assert_int_equal(http_server_open(&second, loop, (struct sockaddr *)&a, sizeof(a), NULL, &limits,
                                      &server_events, NULL),
                     ERR_IO);
    assert_null(second);
    close(other.listening);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(a_request_is_answered_with_date_and_length),
        CASE(a_chunked_request_may_come_byte_by_byte),
        CASE(large_bodies_arrive_whole),
        CASE(pipelined_requests_are_answered_in_order),
        CASE(a_pulled_answer_arrives_whole),
        CASE(a_source_that_stutters_is_resumed),
        CASE(a_source_that_ends_short_breaks_the_connection),
        CASE(http_1_0_keeps_alive_only_when_asked),
        CASE(the_first_read_sends_100_continue),
        CASE(no_100_continue_when_the_body_is_there),
        CASE(a_denied_expectation_gets_no_100_and_ends_the_connection),
        CASE(a_small_unread_body_is_skipped),
        CASE(a_large_unread_body_ends_the_connection_after_the_answer_is_read),
        CASE(a_large_unread_chunked_body_too),
        CASE(bytes_beyond_the_declared_length_are_a_bad_request),
        CASE(a_bad_chunk_is_told_to_the_handler_and_answered),
        CASE(a_bad_head_is_refused_with_its_status),
        CASE(a_head_near_the_limit_is_taken),
        CASE(a_head_that_trickles_in_for_too_long_is_refused),
        CASE(an_idle_connection_is_closed),
        CASE(a_body_that_stalls_times_out_and_can_be_answered),
        CASE(a_time_out_that_nobody_answers_ends_the_exchange),
        CASE(an_answer_that_nobody_takes_times_out),
        CASE(a_client_may_go_after_any_byte),
        CASE(a_client_that_ends_its_side_in_the_body_can_be_answered),
        CASE(a_client_that_goes_while_nobody_reads_is_noticed),
        CASE(a_broken_client_is_noticed_behind_unread_bytes),
        CASE(an_aborted_exchange_resets_the_connection),
        CASE(draining_ends_idle_connections_and_finishes_busy_ones),
        CASE(freeing_the_server_ends_open_exchanges),
        CASE(connections_over_the_limit_wait),
        CASE(an_address_in_use_is_an_error),
    };
    const struct CMUnitTest of_bodies[] = {
        CASE(a_chunked_request_may_come_byte_by_byte),
        CASE(large_bodies_arrive_whole),
        CASE(pipelined_requests_are_answered_in_order),
        CASE(the_first_read_sends_100_continue),
        CASE(no_100_continue_when_the_body_is_there),
        CASE(bytes_beyond_the_declared_length_are_a_bad_request),
        CASE(a_bad_chunk_is_told_to_the_handler_and_answered),
        CASE(a_body_that_stalls_times_out_and_can_be_answered),
        CASE(a_time_out_that_nobody_answers_ends_the_exchange),
        CASE(a_client_may_go_after_any_byte),
        CASE(a_client_that_ends_its_side_in_the_body_can_be_answered),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    scattered = true;
    return failed + cmocka_run_group_tests(of_bodies, NULL, NULL);
}
