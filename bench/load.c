/* load.c - the client: N connections that ask for one operation after another (operations.c, multipart.c).
 *
 * One thread. Bodies come from one warm buffer and their hash is taken before the clock starts; what
 * is received is dropped in the kernel, but for documents: the generator must not be what is measured.
 * Connection c writes the keys k-<c>-0, k-<c>-1, ...; --keys K wraps the number at K, so that a GET run
 * asks for what a PUT run of as many operations a connection has put.
 *
 *   start --> send head and body --> read the answer's head --> drop or keep the answer's body --> start
 *
 * An operation has failed when it is not answered 2xx, or a GET with another length than --size, or with a document
 * that is not what was asked for; its connection is closed and the next operation opens a new one. After ERRORS_MAX
 * failures it gives up. The exit status is 0 when there were none. Epoll is edge-triggered, as in sink.c. */
#include "bench/load.h"
#include "bench/wire.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ANSWER_READ = 1 << 10, TEXT_BYTES_MAX = 16 << 20, ERRORS_MAX = 100 };

static const char empty_sha256[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

struct load load;

static int signal_tag;

static void conn_close(struct conn *c)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
}

/* The request and how its body is to be sent; signed last, as the signature begins the chain of chunks. */
static void print_head(struct conn *c, const struct ask *a)
{
    char host[32], length[24], hex[2 * SHA256_BYTES + 1] = "", signature[SIGNATURE_CHARS];
    bool sends = strcmp(a->method, "PUT") == 0 || strcmp(a->method, "POST") == 0;
    struct signed_request r = {
        .method = a->method, .host = host, .path = a->path, .query = a->query, .payload = empty_sha256};
    uint64_t wire_bytes = a->content ? body_wire_bytes(&load.content, load.content.size) : a->document.len;
    uint8_t digest[SHA256_BYTES];
    size_t n, room = sizeof(c->head);

    snprintf(host, sizeof(host), "127.0.0.1:%u", load.port);
    if (a->content) {
        r.payload = load.content.declared;
        r.field_count = content_fields(&load.content, r.fields, length);
    } else if (a->document.len) {
        sha256_of(a->document, digest);
        hex_encode(digest, sizeof(digest), hex);
        r.payload = hex;
    }
    n = (size_t)snprintf(c->head, room, "%s %s%s%s", r.method, r.path,
                         r.query[0] || load.presigned ? "?" : "", r.query);
    signer_now(&load.signer, time(NULL));
    if (load.presigned)
        n += signer_presign(&load.signer, &r, c->head + n, room - n);
    n += (size_t)snprintf(c->head + n, room - n, " HTTP/1.1\r\n");
    if (sends)
        n += (size_t)snprintf(c->head + n, room - n, "Content-Length: %llu\r\n",
                              (unsigned long long)wire_bytes);
    if (load.presigned)
        n += (size_t)snprintf(c->head + n, room - n, "Host: %s\r\n", host);
    else
        n += signer_print(&load.signer, &r, c->head + n, room - n, signature);
    if (n + 3 > room)
        die("request head too long");
    memcpy(c->head + n, "\r\n", 3);
    c->head_len = n + 2;
    if (a->content)
        body_content(&c->body, &load.content, &load.signer, signature);
    else
        body_document(&c->body, a->document);
}

static void connect_to(struct conn *c)
{
    if (c->gone)
        conn_close(c);
    if (c->fd >= 0)
        return;
    c->readable = c->gone = false;
    c->fd = wire_connect(load.port);
    if (c->fd >= 0)
        wire_watch(load.epoll_fd, c->fd, c);
}

/* The connection's next operation; false when it has none now. */
static bool start(struct conn *c)
{
    enum turn turn = load.tally.errors < ERRORS_MAX ? load.operation->turn(c) : TURN_OVER;
    struct ask ask = {.document = SPAN_EMPTY};

    c->idle = turn == TURN_WAIT;
    if (turn == TURN_OVER) {
        conn_close(c);
        load.active--;
    }
    if (turn != TURN_ASK)
        return false;
    load.operation->ask(c, &ask);
    print_head(c, &ask);
    c->started_us = mono_us();
    c->head_sent = c->answer_len = c->text_len = 0;
    c->answer_left = 0;
    c->answered = c->last = false;
    connect_to(c);
    return true;
}

/* Each of the three below: true, go on; false, wait for an edge, or (fd < 0) the operation has failed. */
static bool fail(struct conn *c, const char *what)
{
    tally_error(&load.tally, "%s: %s", what, strerror(errno));
    conn_close(c);
    return false;
}

static bool send_request(struct conn *c)
{
    for (;;) {
        struct iovec parts[4] = {{c->head + c->head_sent, c->head_len - c->head_sent}};
        struct msghdr message = {.msg_iov = parts, .msg_iovlen = 1 + (size_t)body_peek(&c->body, parts + 1)};
        size_t of_head;
        ssize_t n;

        if (c->head_sent == c->head_len && message.msg_iovlen == 1)
            return true;
        n = sendmsg(c->fd, &message, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN)
            return true; /* an answer may have come early */
        if (n < 0)
            return fail(c, "send");
        of_head = (size_t)n < parts[0].iov_len ? (size_t)n : parts[0].iov_len;
        c->head_sent += of_head;
        body_sent(&c->body, (size_t)n - of_head);
        tally_moved(&load.tally, (size_t)n - of_head, mono_us());
    }
}

static bool refuse(struct conn *c, struct span line, struct span text)
{
    tally_error(&load.tally, "%.*s, %llu bytes: %.*s", SPAN_ARG(line), (unsigned long long)c->answer_left,
                SPAN_ARG(text));
    conn_close(c);
    return false;
}

/* Room for the answer's body, with what of it has come along with the head. */
static bool keep_text(struct conn *c, struct span here)
{
    if (c->answer_left > TEXT_BYTES_MAX) {
        errno = EMSGSIZE;
        return fail(c, "answer's document");
    }
    if (c->answer_left >= c->text_room) {
        free(c->text);
        c->text_room = (size_t)c->answer_left + 1;
        c->text = must_alloc(c->text_room);
    }
    span_put(c->text, here);
    c->text_len = here.len;
    return true;
}

static bool parse_answer(struct conn *c, size_t head_len)
{
    enum { LENGTH, CONNECTION, REPLICAS, ETAG, FIELDS };
    static const char *const names[FIELDS] = {"content-length", "connection", "x-s3mirror-replicas", "etag"};
    struct span value[FIELDS] = {{0}}, head = {c->answer, head_len},
                line = span_head(head, span_find(head, '\r'));
    struct span status = span_head(span_skip(head, sizeof("HTTP/1.1 ") - 1), 3);
    struct span here = {c->answer + head_len, c->answer_len - head_len};
    uint64_t code = 0;

    head_fields(head, FIELDS, names, value);
    c->answered = true;
    c->last = span_ieq(value[CONNECTION], SPAN("close"));
    if (!span_to_u64(status, &code) || (!span_to_u64(value[LENGTH], &c->answer_left) && code != 204) ||
        here.len > c->answer_left) {
        tally_error(&load.tally, "unusable answer: %.*s", SPAN_ARG(head));
        conn_close(c);
        return false;
    }
    c->status = (unsigned)code;
    if (value[REPLICAS].len && memmem(value[REPLICAS].at, value[REPLICAS].len, "hinted", 6))
        tally_hinted(&load.tally, mono_us());
    if (c->status / 100 != 2 || (load.operation->receives && c->answer_left != load.content.size))
        return refuse(c, line, here);
    snprintf(c->etag, sizeof(c->etag), "%.*s", SPAN_ARG(value[ETAG]));
    if (load.operation->reads && !keep_text(c, here))
        return false;
    c->answer_left -= here.len;
    if (load.operation->receives)
        tally_moved(&load.tally, here.len, mono_us());
    return true;
}

/* Of the answer's body. */
static ssize_t receive_body(struct conn *c)
{
    ssize_t n;

    if (!load.operation->reads)
        return wire_discard(c->fd, c->answer_left);
    n = recv(c->fd, c->text + c->text_len, (size_t)c->answer_left, 0);
    if (n > 0)
        c->text_len += (size_t)n;
    return n;
}

/* One read; true when there may be more to read. */
static bool receive(struct conn *c)
{
    size_t room = LOAD_ANSWER_ROOM - c->answer_len;
    ssize_t n;

    if (c->answered)
        n = receive_body(c);
    else
        n = recv(c->fd, c->answer + c->answer_len, room < ANSWER_READ ? room : ANSWER_READ, 0);
    if (n < 0 && errno == EAGAIN) {
        c->readable = false;
        return false;
    }
    if (n <= 0) {
        if (n == 0)
            errno = ECONNRESET;
        return fail(c, c->answered ? "answer's body" : "answer");
    }
    if (c->answered) {
        if ((uint64_t)n < c->answer_left)
            c->readable = c->gone;
        c->answer_left -= (uint64_t)n;
        if (load.operation->receives)
            tally_moved(&load.tally, (uint64_t)n, mono_us());
        return true;
    }
    if ((size_t)n < ANSWER_READ)
        c->readable = c->gone;
    c->answer_len += (size_t)n;
    n = (ssize_t)head_length((struct span){c->answer, c->answer_len});
    if (n == 0 && c->answer_len == LOAD_ANSWER_ROOM) {
        errno = EMSGSIZE;
        return fail(c, "answer's head");
    }
    return n == 0 || parse_answer(c, (size_t)n);
}

/* The answer is complete. */
static void finish(struct conn *c)
{
    struct iovec left[3];
    bool sends = c->body.content != NULL;
    const char *why;

    if (c->head_sent < c->head_len || body_peek(&c->body, left)) {
        tally_error(&load.tally, "success before the whole body was sent");
        conn_close(c);
        return;
    }
    if (load.operation->reads && c->text)
        c->text[c->text_len] = '\0';
    why = load.operation->take(c);
    if (why)
        tally_error(&load.tally, "%s: %.200s", why, c->text);
    else
        tally_op(&load.tally, load.operation->receives || sends ? load.content.size : 0,
                 mono_us() - c->started_us);
    if (c->last || why)
        conn_close(c);
}

static void run(struct conn *c)
{
    for (;;) {
        bool more = c->fd >= 0 ? send_request(c) : fail(c, "connect");

        while (more && c->readable && !(c->answered && c->answer_left == 0))
            more = receive(c);
        if (c->fd >= 0) {
            if (!c->answered || c->answer_left)
                return;
            finish(c);
        }
        if (!start(c))
            return;
    }
}

void load_wake(void)
{
    load.wake = true;
}

/* Those that wait look again, until none of them has anything to tell the others. */
static void run_idle(void)
{
    while (load.wake) {
        load.wake = false;
        for (unsigned i = 0; i < load.conns; i++)
            if (load.all[i].idle && start(&load.all[i]))
                run(&load.all[i]);
    }
}

/* Until every connection has done its share; with `cut`, no longer than the deadline. */
static void serve(bool cut)
{
    struct epoll_event events[64];

    while (load.active) {
        uint64_t now = mono_us();
        int wait_ms = cut && load.deadline_us > now ? (int)((load.deadline_us - now) / 1000) + 1 : -1;
        int n;

        if (cut && now >= load.deadline_us)
            return;
        n = epoll_wait(load.epoll_fd, events, 64, wait_ms);
        for (int i = 0; i < n; i++) {
            struct conn *c = events[i].data.ptr;

            if (events[i].data.ptr == &signal_tag) {
                tally_error(&load.tally, "stopped by a signal");
                return;
            }
            c->readable = c->readable || (events[i].events & EPOLLIN);
            c->gone = c->gone || (events[i].events & WIRE_GONE);
            if (!c->idle)
                run(c);
        }
        run_idle();
    }
}

static void begin(void)
{
    load.active = load.conns;
    load.all = must_alloc(load.conns * sizeof(load.all[0]));
    tally_start(&load.tally);
    for (unsigned i = 0; i < load.conns; i++) {
        struct conn *c = &load.all[i];

        c->number = i;
        c->fd = -1;
        c->quota = load.count ? load.count / load.conns + (i < load.count % load.conns) : UINT64_MAX;
        if (start(c))
            run(c);
    }
    run_idle();
}

static const struct operation *parse_op(const char *text)
{
    if (strcmp(operation_multipart.name, text) == 0)
        return &operation_multipart;
    for (size_t i = 0; i < operation_count; i++)
        if (strcmp(operations[i].name, text) == 0)
            return &operations[i];
    die("--op: there is no '%s'", text);
}

static enum payload parse_payload(const char *text)
{
    for (enum payload p = 0; p < PAYLOAD_COUNT; p++)
        if (strcmp(payload_names[p], text) == 0)
            return p;
    die("--payload: '%s' is none of unsigned, signed, chunks, trailer", text);
}

static const char usage[] =
    "usage: load --endpoint 127.0.0.1:PORT --bucket NAME --access-key ID --secret-key SECRET\n"
    "            [--region us-east-1] --op put|get|delete|bucket|list|delete-many|multipart\n"
    "            [--size BYTES] [--object BYTES, in parts of --size] [--per-request KEYS] [--conns N]\n"
    "            [--payload unsigned|signed|chunks|trailer] [--presigned] [--keys N]\n"
    "            (--count N | --seconds N [--cut])";

/* Contradictions would measure something else than was asked for. */
static void check(const char *access_key, const char *secret_key, uint64_t size, uint64_t seconds, bool cut)
{
    bool multipart = load.operation == &operation_multipart;

    if (!load.operation || !load.port || !load.bucket || !access_key || !secret_key || !load.conns ||
        !(load.count || seconds) || (cut && !seconds))
        die("%s", usage);
    if (multipart && (!load.count || !size || !load.object_bytes))
        die("--op multipart wants --count, --size and --object");
    if (load.presigned && !load.operation->receives)
        die("--presigned is for --op get");
    if (load.per_request == 0 || load.per_request > 1000)
        die("--per-request wants 1 to 1000");
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"endpoint", required_argument, NULL, 'e'},
                                            {"bucket", required_argument, NULL, 'b'},
                                            {"access-key", required_argument, NULL, 'a'},
                                            {"secret-key", required_argument, NULL, 's'},
                                            {"region", required_argument, NULL, 'r'},
                                            {"op", required_argument, NULL, 'o'},
                                            {"size", required_argument, NULL, 'z'},
                                            {"conns", required_argument, NULL, 'c'},
                                            {"object", required_argument, NULL, 'j'},
                                            {"per-request", required_argument, NULL, 'q'},
                                            {"payload", required_argument, NULL, 'p'},
                                            {"presigned", no_argument, NULL, 'u'},
                                            {"keys", required_argument, NULL, 'k'},
                                            {"count", required_argument, NULL, 'n'},
                                            {"seconds", required_argument, NULL, 't'},
                                            {"cut", no_argument, NULL, 'x'},
                                            {0}};
    const char *access_key = NULL, *secret_key = NULL, *region = "us-east-1";
    enum payload payload = PAYLOAD_UNSIGNED;
    uint64_t seconds = 0, size = 0;
    bool cut = false;
    char fields[160];
    int option;

    load.conns = 1;
    load.per_request = 1000;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 'e': load.port = parse_endpoint("--endpoint", optarg); break;
        case 'b': load.bucket = optarg; break;
        case 'a': access_key = optarg; break;
        case 's': secret_key = optarg; break;
        case 'r': region = optarg; break;
        case 'o': load.operation = parse_op(optarg); break;
        case 'z': size = parse_size("--size", optarg); break;
        case 'j': load.object_bytes = parse_size("--object", optarg); break;
        case 'q': load.per_request = parse_size("--per-request", optarg); break;
        case 'c': load.conns = (unsigned)parse_size("--conns", optarg); break;
        case 'p': payload = parse_payload(optarg); break;
        case 'u': load.presigned = true; break;
        case 'k': load.keys = parse_size("--keys", optarg); break;
        case 'n': load.count = parse_size("--count", optarg); break;
        case 't': seconds = parse_size("--seconds", optarg); break;
        case 'x': cut = true; break;
        default: die("%s", usage);
        }
    }
    check(access_key, secret_key, size, seconds, cut);
    signer_init(&load.signer, access_key, secret_key, region);
    content_init(&load.content, payload, size);
    load.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (load.epoll_fd < 0)
        die("epoll: %s", strerror(errno));
    wire_watch_signals(load.epoll_fd, &signal_tag);
    load.deadline_us = seconds ? mono_us() + seconds * 1000000 : 0;
    begin();
    serve(cut);

    snprintf(fields, sizeof(fields), "\"op\": \"%s\", \"payload\": \"%s\", \"size\": %llu, \"conns\": %u, ",
             load.operation->name, payload_names[payload], (unsigned long long)size, load.conns);
    tally_print(&load.tally, fields, stdout);
    tally_free(&load.tally);
    for (unsigned i = 0; i < load.conns; i++) {
        free(load.all[i].text);
        free(load.all[i].document);
    }
    free(load.all);
    return load.tally.errors ? 1 : 0;
}
