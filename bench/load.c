/* load.c - the client: N connections that PUT or GET one operation after another.
 *
 * One thread. Bodies come from one warm buffer and their hash is taken before the clock starts; what
 * is received is dropped in the kernel: the generator must not be what is measured. Connection c
 * writes the keys k-<c>-0, k-<c>-1, ...; --keys K wraps the number at K, so that a GET run asks for
 * what a PUT run of as many operations a connection has put.
 *
 *   start --> send head and body --> read the answer's head --> drop the answer's body --> start
 *
 * An operation has failed when it is not answered 2xx, or a GET with another length than --size; its
 * connection is closed and the next operation opens a new one. After ERRORS_MAX failures it gives up.
 * The exit status is 0 when there were none. Epoll is edge-triggered, as in sink.c. */
#include "bench/sign.h"
#include "bench/tally.h"
#include "bench/wire.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { BODY_BUFFER = 1 << 20, ANSWER_ROOM = 16 << 10, ANSWER_READ = 1 << 10, ERRORS_MAX = 100 };

static const char empty_sha256[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

enum op { OP_PUT, OP_GET, OP_DELETE, OP_BUCKET, OP_COUNT };

static const struct {
    const char *name, *method;
    bool sends, receives, keyed;
} ops[OP_COUNT] = {
    [OP_PUT] = {"put", "PUT", .sends = true, .keyed = true},
    [OP_GET] = {"get", "GET", .receives = true, .keyed = true},
    [OP_DELETE] = {"delete", "DELETE", .keyed = true},
    [OP_BUCKET] = {"bucket", "PUT"},
};

struct conn {
    unsigned number;
    int fd; /* -1: none */
    bool readable, gone;
    uint64_t done, quota; /* operations started, and how many it may start */
    uint64_t started_us;
    size_t head_len, head_sent, answer_len;
    uint64_t body_sent, body_bytes; /* of the request */
    bool answered;                  /* the answer's head has been read */
    unsigned status;
    bool last;            /* the server closes after this answer */
    uint64_t answer_left; /* of the answer's body */
    char head[2048], answer[ANSWER_ROOM];
};

static struct load {
    enum op op;
    uint16_t port;
    const char *bucket;
    uint64_t size, count, keys;
    unsigned conns, active;
    struct conn *all;
    uint64_t deadline_us; /* no operation starts after it; 0: none */
    const char *payload;
    struct signer signer;
    struct tally tally;
    int epoll_fd;
    char body[BODY_BUFFER];
} load;

static int signal_tag;

static void conn_close(struct conn *c)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
}

static void print_head(struct conn *c)
{
    char host[32], path[512], length[48] = "";
    struct signed_request r = {.method = ops[load.op].method,
                               .host = host,
                               .path = path,
                               .query = "",
                               .payload = ops[load.op].sends ? load.payload : empty_sha256};
    uint64_t key = load.keys ? c->done % load.keys : c->done;
    size_t n;

    snprintf(host, sizeof(host), "127.0.0.1:%u", load.port);
    if (ops[load.op].keyed)
        snprintf(path, sizeof(path), "/%s/k-%u-%llu", load.bucket, c->number, (unsigned long long)key);
    else
        snprintf(path, sizeof(path), "/%s", load.bucket);
    if (load.op == OP_PUT || load.op == OP_BUCKET)
        snprintf(length, sizeof(length), "Content-Length: %llu\r\n", (unsigned long long)c->body_bytes);
    n = (size_t)snprintf(c->head, sizeof(c->head), "%s %s HTTP/1.1\r\n%s", r.method, path, length);
    signer_now(&load.signer, time(NULL));
    n += signer_print(&load.signer, &r, c->head + n, sizeof(c->head) - n);
    if (n + 3 > sizeof(c->head))
        die("request head too long");
    memcpy(c->head + n, "\r\n", 3);
    c->head_len = n + 2;
}

/* The connection's next operation; false when it has none left. */
static bool start(struct conn *c)
{
    uint64_t now = mono_us();

    if (c->done == c->quota || (load.deadline_us && now >= load.deadline_us) ||
        load.tally.errors >= ERRORS_MAX) {
        conn_close(c);
        load.active--;
        return false;
    }
    c->body_bytes = ops[load.op].sends ? load.size : 0;
    print_head(c);
    c->done++;
    c->started_us = now;
    c->head_sent = c->answer_len = 0;
    c->body_sent = c->answer_left = 0;
    c->answered = c->last = false;
    if (c->fd < 0) {
        c->readable = c->gone = false;
        c->fd = wire_connect(load.port);
        if (c->fd >= 0)
            wire_watch(load.epoll_fd, c->fd, c);
    }
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
    while (c->head_sent < c->head_len || c->body_sent < c->body_bytes) {
        size_t from = (size_t)(c->body_sent % BODY_BUFFER), piece = BODY_BUFFER - from;
        uint64_t left = c->body_bytes - c->body_sent;
        struct iovec parts[2] = {{c->head + c->head_sent, c->head_len - c->head_sent},
                                 {load.body + from, left < piece ? (size_t)left : piece}};
        struct msghdr message = {.msg_iov = parts, .msg_iovlen = left ? 2 : 1};
        ssize_t n = sendmsg(c->fd, &message, MSG_NOSIGNAL);
        size_t of_head;

        if (n < 0 && errno == EAGAIN)
            return true; /* an answer may have come early */
        if (n < 0)
            return fail(c, "send");
        of_head = (size_t)n < parts[0].iov_len ? (size_t)n : parts[0].iov_len;
        c->head_sent += of_head;
        c->body_sent += (size_t)n - of_head;
        tally_moved(&load.tally, (size_t)n - of_head, mono_us());
    }
    return true;
}

static bool parse_answer(struct conn *c, size_t head_len)
{
    enum { LENGTH, CONNECTION, REPLICAS, FIELDS };
    static const char *const names[FIELDS] = {"content-length", "connection", "x-s3mirror-replicas"};
    struct span value[FIELDS] = {{0}}, head = {c->answer, head_len},
                line = span_head(head, span_find(head, '\r'));
    struct span status = span_head(span_skip(head, sizeof("HTTP/1.1 ") - 1), 3);
    uint64_t code = 0, here = c->answer_len - head_len;

    head_fields(head, FIELDS, names, value);
    c->answered = true;
    c->last = span_ieq(value[CONNECTION], SPAN("close"));
    if (!span_to_u64(status, &code) || (!span_to_u64(value[LENGTH], &c->answer_left) && code != 204) ||
        here > c->answer_left) {
        tally_error(&load.tally, "unusable answer: %.*s", SPAN_ARG(head));
        conn_close(c);
        return false;
    }
    c->status = (unsigned)code;
    if (value[REPLICAS].len && memmem(value[REPLICAS].at, value[REPLICAS].len, "hinted", 6))
        tally_hinted(&load.tally, mono_us());
    if (c->status / 100 != 2 || (ops[load.op].receives && c->answer_left != load.size)) {
        tally_error(&load.tally, "%.*s, %llu bytes: %.*s", SPAN_ARG(line), (unsigned long long)c->answer_left,
                    (int)here, c->answer + head_len);
        conn_close(c);
        return false;
    }
    c->answer_left -= here;
    if (ops[load.op].receives)
        tally_moved(&load.tally, here, mono_us());
    return true;
}

/* One read; true when there may be more to read. */
static bool receive(struct conn *c)
{
    size_t room = ANSWER_ROOM - c->answer_len;
    ssize_t n;

    if (c->answered)
        n = wire_discard(c->fd, c->answer_left);
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
        if (ops[load.op].receives)
            tally_moved(&load.tally, (uint64_t)n, mono_us());
        return true;
    }
    if ((size_t)n < ANSWER_READ)
        c->readable = c->gone;
    c->answer_len += (size_t)n;
    n = (ssize_t)head_length((struct span){c->answer, c->answer_len});
    if (n == 0 && c->answer_len == ANSWER_ROOM) {
        errno = EMSGSIZE;
        return fail(c, "answer's head");
    }
    return n == 0 || parse_answer(c, (size_t)n);
}

/* The answer is complete. */
static void finish(struct conn *c)
{
    if (c->body_sent < c->body_bytes) {
        tally_error(&load.tally, "success before the whole body was sent");
        conn_close(c);
        return;
    }
    tally_op(&load.tally, ops[load.op].receives ? load.size : c->body_bytes, mono_us() - c->started_us);
    if (c->last)
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
            run(c);
        }
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
}

/* Fills the body buffer; the hash of the whole body when it is to be signed. */
static const char *prepare_body(bool is_signed)
{
    static char hex[2 * SHA256_BYTES + 1];
    uint8_t digest[SHA256_BYTES];
    uint64_t x = 0x9E3779B97F4A7C15u;
    struct sha256 h;

    for (size_t i = 0; i < BODY_BUFFER; i += sizeof(x)) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        memcpy(load.body + i, &x, sizeof(x));
    }
    if (!is_signed)
        return "UNSIGNED-PAYLOAD";
    sha256_init(&h);
    for (uint64_t done = 0; done < load.size; done += BODY_BUFFER)
        sha256_add(&h, load.body, load.size - done < BODY_BUFFER ? (size_t)(load.size - done) : BODY_BUFFER);
    sha256_end(&h, digest);
    hex_encode(digest, sizeof(digest), hex);
    return hex;
}

static enum op parse_op(const char *text)
{
    for (enum op op = 0; op < OP_COUNT; op++)
        if (strcmp(ops[op].name, text) == 0)
            return op;
    die("--op: '%s' is none of put, get, delete, bucket", text);
}

static bool parse_payload(const char *text)
{
    if (strcmp(text, "signed") != 0 && strcmp(text, "unsigned") != 0)
        die("--payload: '%s' is neither signed nor unsigned", text);
    return text[0] == 's';
}

static const char usage[] =
    "usage: load --endpoint 127.0.0.1:PORT --bucket NAME --access-key ID --secret-key SECRET\n"
    "            [--region us-east-1] --op put|get|delete|bucket [--size BYTES] [--conns N]\n"
    "            [--payload unsigned|signed] [--keys N] (--count N | --seconds N [--cut])";

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
                                            {"payload", required_argument, NULL, 'p'},
                                            {"keys", required_argument, NULL, 'k'},
                                            {"count", required_argument, NULL, 'n'},
                                            {"seconds", required_argument, NULL, 't'},
                                            {"cut", no_argument, NULL, 'x'},
                                            {0}};
    const char *access_key = NULL, *secret_key = NULL, *region = "us-east-1";
    bool is_signed = false, cut = false;
    uint64_t seconds = 0;
    char fields[160];
    int option;

    load.conns = 1;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 'e': load.port = parse_endpoint("--endpoint", optarg); break;
        case 'b': load.bucket = optarg; break;
        case 'a': access_key = optarg; break;
        case 's': secret_key = optarg; break;
        case 'r': region = optarg; break;
        case 'o': load.op = parse_op(optarg); break;
        case 'z': load.size = parse_size("--size", optarg); break;
        case 'c': load.conns = (unsigned)parse_size("--conns", optarg); break;
        case 'p': is_signed = parse_payload(optarg); break;
        case 'k': load.keys = parse_size("--keys", optarg); break;
        case 'n': load.count = parse_size("--count", optarg); break;
        case 't': seconds = parse_size("--seconds", optarg); break;
        case 'x': cut = true; break;
        default: die("%s", usage);
        }
    }
    if (!load.port || !load.bucket || !access_key || !secret_key || !load.conns || !(load.count || seconds) ||
        (cut && !seconds))
        die("%s", usage);

    signer_init(&load.signer, access_key, secret_key, region);
    load.payload = prepare_body(is_signed);
    load.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (load.epoll_fd < 0)
        die("epoll: %s", strerror(errno));
    wire_watch_signals(load.epoll_fd, &signal_tag);
    load.deadline_us = seconds ? mono_us() + seconds * 1000000 : 0;
    begin();
    serve(cut);

    snprintf(fields, sizeof(fields), "\"op\": \"%s\", \"payload\": \"%s\", \"size\": %llu, \"conns\": %u, ",
             ops[load.op].name, is_signed ? "signed" : "unsigned", (unsigned long long)load.size, load.conns);
    tally_print(&load.tally, fields, stdout);
    tally_free(&load.tally);
    free(load.all);
    return load.tally.errors ? 1 : 0;
}
