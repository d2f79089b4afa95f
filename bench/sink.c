/* sink.c - an S3 server that keeps nothing: the cheapest backend there can be.
 *
 * One process, one thread, one port. The bytes of a PUT are counted and dropped inside the kernel
 * (MSG_TRUNC), those of a GET come from one warm buffer, so that next to no CPU of the machine goes
 * here instead of to what is measured. Of each object it remembers length and stamp; of uploads in parts
 * nothing: each step is answered. With --keys N every bucket lists N keys (listing.h).
 *
 *   HEAD ---------> BODY -------> ANSWER
 *    ^  \____________________________^ |      HEAD: until the blank line; BODY: Content-Length bytes,
 *    |_________________________________|      whatever they are; ANSWER: head and data out.
 *
 * --slow gives each connection that many bytes a second, in ticks: one that has spent its share is
 * not read until the next tick, and small receive buffers carry the pressure back to the sender.
 *
 * Epoll is edge-triggered: a step goes on until the kernel has nothing, or gave less than was asked
 * for (then the next byte is a new edge); after the peer's end there is no further edge, so then
 * only a refusal ends the reading. */
#include "base/list.h"
#include "bench/listing.h"
#include "bench/objects.h"
#include "bench/wire.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum {
    HEAD_ROOM = 16 << 10,
    HEAD_READ = 2 << 10, /* asked for at a time, so that little of a body is copied along with its head */
    DATA_BYTES = 256 << 10,
    SLOW_RECEIVE_BYTES = 32 << 10,
    TICKS_PER_S = 50,
};

enum state { STATE_HEAD, STATE_BODY, STATE_ANSWER };

struct conn {
    struct list paused; /* in sink.paused while its share of this tick is spent */
    enum state state;
    int fd;
    bool gone, last;       /* the peer has ended; close after this answer */
    size_t in_len;         /* bytes of `in`, the request head first */
    uint64_t body_left;    /* of the request, not in `in` */
    uint64_t share;        /* bytes it may still read in this tick */
    struct object *object; /* to be stored when the body is complete */
    uint64_t put_bytes;
    enum { AS_PUT, AS_CREATED, AS_COMPLETED } as; /* how it is answered then */
    size_t out_len, out_done;
    uint64_t data_left; /* to send behind `out`: the end of the page, or what sink.data repeats */
    size_t page_len;    /* 0: not from the page */
    char *page;         /* LISTING_PAGE_ROOM, once there was one */
    char out[1024], in[HEAD_ROOM];
};

static struct sink {
    struct objects objects;
    struct list paused;
    int epoll_fd;
    uint64_t share; /* bytes per tick, UINT64_MAX without --slow */
    uint64_t keys;  /* that a bucket lists */
    char date[64];
    char data[DATA_BYTES];
} sink;

static int listener_tag, signal_tag, tick_tag; /* what epoll gives back for the three that are no conn */

static void conn_close(struct conn *c)
{
    list_remove(&c->paused);
    close(c->fd);
    free(c->object);
    free(c->page);
    free(c);
}

static void answer(struct conn *c, const char *status, const char *fields, const char *type, struct span body,
                   bool with_body)
{
    int n = snprintf(c->out, sizeof(c->out),
                     "HTTP/1.1 %s\r\nServer: sink\r\nDate: %s\r\nx-amz-request-id: sink\r\n%s", status,
                     sink.date, fields);

    n += snprintf(c->out + n, sizeof(c->out) - (size_t)n,
                  "Content-Type: %s\r\nContent-Length: %zu\r\n\r\n%.*s", type, body.len,
                  with_body ? (int)body.len : 0, body.at);
    c->out_len = (size_t)n;
    c->out_done = 0;
    c->data_left = c->page_len = 0;
}

static void answer_empty(struct conn *c, const char *status, const char *fields)
{
    int n = snprintf(c->out, sizeof(c->out),
                     "HTTP/1.1 %s\r\nServer: sink\r\nDate: %s\r\nx-amz-request-id: sink\r\n%s%s\r\n", status,
                     sink.date, fields, status[0] == '2' && status[2] == '4' ? "" : "Content-Length: 0\r\n");

    c->out_len = (size_t)n;
    c->out_done = 0;
    c->data_left = c->page_len = 0;
}

static void answer_error(struct conn *c, const char *status, const char *code, bool with_body)
{
    char body[160];
    int n = snprintf(body, sizeof(body), "<Error><Code>%s</Code><Message>%s</Message></Error>", code, status);

    answer(c, status, "", "application/xml", (struct span){body, (size_t)n}, with_body);
}

/* One ETag per length: replicas of one object agree, and no byte has to be hashed. */
static void print_etag(char out[static 48], uint64_t bytes)
{
    snprintf(out, 48, "ETag: \"51a4%028llx\"\r\n", (unsigned long long)bytes);
}

/* "bytes=a-b", "bytes=a-" and "bytes=-n" of one range; anything else asks for the whole object.
 * False: the range lies outside the object. */
static bool cut_range(struct span range, uint64_t bytes, uint64_t *first, uint64_t *last, bool *partial)
{
    struct span unit = span_cut(&range, '='), from = span_cut(&range, '-');
    uint64_t a, b;

    *first = 0;
    *last = bytes - 1;
    *partial = false;
    if (!span_is(unit, "bytes"))
        return true;
    if (from.len == 0 && span_to_u64(range, &b)) {
        a = b < bytes ? bytes - b : 0;
        b = bytes - 1;
    } else if (span_to_u64(from, &a)) {
        if (!span_to_u64(range, &b) || b >= bytes)
            b = bytes - 1;
    } else {
        return true;
    }
    *partial = true;
    *first = a;
    *last = b;
    return a <= b && bytes > 0;
}

/* A path that was never put but ends in /size-<bytes> stands for an object of that many bytes. */
static bool made_up(struct span path, uint64_t *bytes)
{
    struct span name = path;

    while (span_find(name, '/') < name.len)
        span_cut(&name, '/');
    return span_starts(name, SPAN("size-")) && span_to_u64(span_skip(name, 5), bytes);
}

static void answer_object(struct conn *c, struct span path, struct span range, bool with_body)
{
    const struct object *o = objects_get(&sink.objects, path);
    uint64_t bytes = 0, first, last;
    char etag[48], stamp[STAMP_ROOM + 40] = "", content_range[96] = "";
    bool partial;

    if (o)
        bytes = o->bytes;
    else if (!made_up(path, &bytes)) {
        answer_error(c, "404 Not Found", "NoSuchKey", with_body);
        return;
    }
    if (!cut_range(range, bytes, &first, &last, &partial)) {
        answer_error(c, "416 Requested Range Not Satisfiable", "InvalidRange", with_body);
        return;
    }
    print_etag(etag, bytes);
    if (o && o->stamp[0])
        snprintf(stamp, sizeof(stamp), "x-amz-meta-s3mirror-stamp: %s\r\n", o->stamp);
    if (partial)
        snprintf(content_range, sizeof(content_range), "Content-Range: bytes %llu-%llu/%llu\r\n",
                 (unsigned long long)first, (unsigned long long)last, (unsigned long long)bytes);
    c->data_left = bytes ? last - first + 1 : 0;
    c->page_len = 0;
    c->out_len = (size_t)snprintf(
        c->out, sizeof(c->out),
        "HTTP/1.1 %s\r\nServer: sink\r\nDate: %s\r\nx-amz-request-id: sink\r\nLast-Modified: %s\r\n"
        "Accept-Ranges: bytes\r\nContent-Type: binary/octet-stream\r\n%s%s%sContent-Length: %llu\r\n\r\n",
        partial ? "206 Partial Content" : "200 OK", sink.date, sink.date, etag, stamp, content_range,
        (unsigned long long)c->data_left);
    c->out_done = 0;
    if (!with_body)
        c->data_left = c->page_len = 0;
}

static void answer_page(struct conn *c, struct span query)
{
    if (!c->page)
        c->page = must_alloc(LISTING_PAGE_ROOM);
    c->page_len = listing_print(query, sink.keys, c->page);
    c->out_len = (size_t)snprintf(c->out, sizeof(c->out),
                                  "HTTP/1.1 200 OK\r\nServer: sink\r\nDate: %s\r\nx-amz-request-id: sink\r\n"
                                  "Content-Type: application/xml\r\nContent-Length: %zu\r\n\r\n",
                                  sink.date, c->page_len);
    c->out_done = 0;
    c->data_left = c->page_len;
}

static void answer_get(struct conn *c, struct span path, struct span query, struct span range, bool with_body)
{
    static const char buckets[] = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><ListAllMyBucketsResult>"
                                  "<Owner><ID>sink</ID></Owner><Buckets/></ListAllMyBucketsResult>";
    struct span key = span_skip(path, 1);

    span_cut(&key, '/');
    if (key.len)
        answer_object(c, path, range, with_body);
    else if (path.len > 1 && with_body)
        answer_page(c, query);
    else if (path.len > 1)
        answer_empty(c, "200 OK", "x-amz-bucket-region: us-east-1\r\n");
    else
        answer(c, "200 OK", "", "application/xml", SPAN(buckets), with_body);
}

/* The body of the request is complete. */
static void finish_body(struct conn *c)
{
    static const char created[] = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><InitiateMultipartUploadResult>"
                                  "<UploadId>upload-of-the-sink</UploadId></InitiateMultipartUploadResult>";
    static const char completed[] =
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><CompleteMultipartUploadResult>"
        "<ETag>&quot;51a40000000000000000000000000000-1&quot;</ETag>"
        "</CompleteMultipartUploadResult>";
    char etag[48];

    print_etag(etag, c->put_bytes);
    if (c->object)
        objects_put(&sink.objects, c->object);
    c->object = NULL;
    switch (c->as) {
    case AS_PUT: answer_empty(c, "200 OK", etag); break;
    case AS_CREATED: answer(c, "200 OK", "", "application/xml", SPAN(created), true); break;
    case AS_COMPLETED: answer(c, "200 OK", "", "application/xml", SPAN(completed), true); break;
    }
    c->state = STATE_ANSWER;
}

/* The head at the start of `in` is complete: prepare the answer, or the reading of the body. */
static void begin(struct conn *c, size_t head_len)
{
    enum { LENGTH, DECODED, STAMP, RANGE, CONNECTION, ENCODING, FIELDS };
    static const char *const names[FIELDS] = {"content-length",
                                              "x-amz-decoded-content-length",
                                              "x-amz-meta-s3mirror-stamp",
                                              "range",
                                              "connection",
                                              "transfer-encoding"};
    struct span value[FIELDS] = {{0}}, head = {c->in, head_len}, line = head;
    struct span method = span_cut(&line, ' '), target = span_cut(&line, ' '), path = span_cut(&target, '?');
    uint64_t length = 0, decoded;
    size_t here;

    head_fields(head, FIELDS, names, value);
    if ((value[LENGTH].len && !span_to_u64(value[LENGTH], &length)) || value[ENCODING].len)
        die("a request body without a usable Content-Length: %.*s", SPAN_ARG(head));
    decoded = length;
    if (value[DECODED].len && !span_to_u64(value[DECODED], &decoded))
        die("x-amz-decoded-content-length: %.*s", SPAN_ARG(value[DECODED]));
    c->last = span_ieq(value[CONNECTION], SPAN("close"));
    c->state = STATE_ANSWER;
    if (span_is(method, "PUT")) {
        struct span key = span_skip(path, 1);

        span_cut(&key, '/');
        c->object = key.len && !target.len ? object_make(path, decoded, value[STAMP]) : NULL;
        c->put_bytes = decoded;
        c->as = AS_PUT;
        c->state = STATE_BODY;
    } else if (span_is(method, "POST")) {
        c->as = span_starts(target, SPAN("uploads")) ? AS_CREATED : AS_COMPLETED;
        c->state = STATE_BODY;
    } else if (span_is(method, "DELETE")) {
        objects_remove(&sink.objects, path);
        answer_empty(c, "204 No Content", "");
    } else if (span_is(method, "GET") || span_is(method, "HEAD")) {
        answer_get(c, path, target, value[RANGE], span_is(method, "GET"));
    } else {
        answer_error(c, "501 Not Implemented", "NotImplemented", true);
    }

    here = c->in_len - head_len;
    if (here > length)
        here = (size_t)length;
    c->body_left = length - here;
    if (c->body_left && c->state == STATE_ANSWER)
        die("a body where none is expected: %.*s", SPAN_ARG(head));
    c->in_len -= head_len + here;
    memmove(c->in, c->in + head_len + here, c->in_len);
}

/* Each step returns true when the connection may go on at once, false when it must wait for an edge
 * (or a tick), and closes it when it is over. */
static bool step_head(struct conn *c)
{
    size_t head_len = head_length((struct span){c->in, c->in_len});
    ssize_t n;

    if (head_len) {
        begin(c, head_len);
        return true;
    }
    if (c->in_len == HEAD_ROOM)
        die("a request head of more than %d bytes", HEAD_ROOM);
    n = recv(c->fd, c->in + c->in_len, HEAD_ROOM - c->in_len < HEAD_READ ? HEAD_ROOM - c->in_len : HEAD_READ,
             0);
    if (n > 0) {
        c->in_len += (size_t)n;
        return true;
    }
    if (n == 0 || errno != EAGAIN)
        conn_close(c);
    return false;
}

static bool step_body(struct conn *c)
{
    uint64_t ask = c->body_left < c->share ? c->body_left : c->share;
    ssize_t n;

    if (c->body_left == 0) {
        finish_body(c);
        return true;
    }
    if (ask == 0) {
        list_remove(&c->paused);
        list_append(&sink.paused, &c->paused);
        return false;
    }
    n = wire_discard(c->fd, ask);
    if (n > 0) {
        c->body_left -= (uint64_t)n;
        if (sink.share != UINT64_MAX)
            c->share -= (uint64_t)n;
        return (uint64_t)n == ask || c->gone;
    }
    if (n == 0 || errno != EAGAIN)
        conn_close(c);
    return false;
}

static bool step_answer(struct conn *c)
{
    struct iovec parts[2] = {{c->out + c->out_done, c->out_len - c->out_done},
                             {sink.data, c->data_left < DATA_BYTES ? (size_t)c->data_left : DATA_BYTES}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = c->data_left ? 2 : 1};
    size_t head_sent;
    ssize_t n;

    if (c->page_len)
        parts[1] = (struct iovec){c->page + (c->page_len - c->data_left), (size_t)c->data_left};
    n = sendmsg(c->fd, &message, MSG_NOSIGNAL);
    if (n < 0) {
        if (errno != EAGAIN)
            conn_close(c);
        return false;
    }
    head_sent = (size_t)n < parts[0].iov_len ? (size_t)n : parts[0].iov_len;
    c->out_done += head_sent;
    c->data_left -= (size_t)n - head_sent;
    if (c->out_done < c->out_len || c->data_left)
        return true;
    if (c->last) {
        conn_close(c);
        return false;
    }
    c->state = STATE_HEAD;
    return true;
}

static void run(struct conn *c)
{
    static bool (*const steps[])(struct conn *) = {
        [STATE_HEAD] = step_head, [STATE_BODY] = step_body, [STATE_ANSWER] = step_answer};

    while (steps[c->state](c))
        ;
}

static void accept_all(int listener)
{
    int fd;

    while ((fd = wire_accept(listener)) >= 0) {
        struct conn *c = must_alloc(sizeof(*c));

        *c = (struct conn){.fd = fd, .share = sink.share};
        list_init(&c->paused);
        wire_watch(sink.epoll_fd, fd, c);
    }
}

/* A share that was not used is not kept: the rate is a ceiling, not an average. */
static void tick(int timer_fd)
{
    struct list due;
    struct list *node;
    uint64_t expirations;

    if (read(timer_fd, &expirations, sizeof(expirations)) < 0)
        return;
    list_init(&due);
    list_splice(&due, &sink.paused);
    while ((node = list_pop(&due))) {
        struct conn *c = LIST_ENTRY(node, struct conn, paused);

        c->share = sink.share;
        run(c);
    }
}

static void start_ticks(int *timer_fd)
{
    struct timespec period = {.tv_nsec = 1000000000 / TICKS_PER_S};
    struct itimerspec every = {period, period};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &tick_tag};

    *timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (*timer_fd < 0 || timerfd_settime(*timer_fd, 0, &every, NULL) ||
        epoll_ctl(sink.epoll_fd, EPOLL_CTL_ADD, *timer_fd, &event))
        die("timerfd: %s", strerror(errno));
}

static void serve(int listener, int timer_fd)
{
    struct epoll_event events[64];

    for (;;) {
        int n = epoll_wait(sink.epoll_fd, events, 64, -1);
        bool ticked = false;

        for (int i = 0; i < n; i++) {
            void *owner = events[i].data.ptr;

            if (owner == &signal_tag)
                return;
            if (owner == &listener_tag) {
                accept_all(listener);
            } else if (owner == &tick_tag) {
                ticked = true;
            } else {
                struct conn *c = owner;

                c->gone = c->gone || (events[i].events & WIRE_GONE);
                run(c);
            }
        }
        if (ticked) /* last, because it closes connections that `events` may still name */
            tick(timer_fd);
    }
}

static void prepare(void)
{
    time_t now = time(NULL);
    struct tm tm;

    objects_init(&sink.objects);
    list_init(&sink.paused);
    gmtime_r(&now, &tm);
    strftime(sink.date, sizeof(sink.date), "%a, %d %b %Y %H:%M:%S GMT", &tm);
    for (size_t i = 0; i < DATA_BYTES; i++)
        sink.data[i] = (char)(i * 2654435761u >> 24);
    sink.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (sink.epoll_fd < 0)
        die("epoll: %s", strerror(errno));
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"port", required_argument, NULL, 'p'},
                                            {"slow", required_argument, NULL, 's'},
                                            {"keys", required_argument, NULL, 'k'},
                                            {0}};
    int listener, option, timer_fd = -1;
    uint64_t slow = 0;
    uint16_t port = 0;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 'p': port = parse_endpoint("--port", optarg); break;
        case 's': slow = parse_size("--slow", optarg); break;
        case 'k': sink.keys = parse_size("--keys", optarg); break;
        default: die("usage: sink [--port PORT] [--slow BYTES_PER_S] [--keys N]");
        }
    }
    prepare();
    sink.share = slow ? (slow + TICKS_PER_S - 1) / TICKS_PER_S : UINT64_MAX;
    listener = wire_listen(&port, slow ? SLOW_RECEIVE_BYTES : 0);
    wire_watch(sink.epoll_fd, listener, &listener_tag);
    wire_watch_signals(sink.epoll_fd, &signal_tag);
    if (slow)
        start_ticks(&timer_fd);
    printf("{\"port\": %u}\n", port);
    fflush(stdout);
    serve(listener, timer_fd);
    return 0;
}
