/* raw.c - the raw limit: what it costs to read a socket and send each byte to others, and no more.
 *
 *   client --> one 512 KiB buffer --> target 0, 1, 2      the client's bytes, to each
 *   client <-- one 512 KiB buffer <-- target 0            its answers; those of the others are dropped
 *
 * It knows nothing of HTTP, journals or failures: load and sinks are the ones the gateway is measured
 * with, and this process stands where the gateway stands. With three targets it is the baseline of a
 * PUT, with one that of a GET. A buffer is filled again when every target has taken all of it.
 *
 * On SIGTERM it prints one JSON line: bytes from clients, bytes from targets, its own CPU seconds. */
#include "bench/wire.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BUFFER_BYTES = 512 << 10, TARGETS_MAX = 3 };

/* One client connection with the connections made for it. */
struct relay {
    struct end {
        struct relay *relay;
        int fd;
        bool readable, gone; /* an edge has been seen that has not been read to its end */
        size_t sent;         /* of `up`, by a target; of `down`, by the client */
    } client, target[TARGETS_MAX];
    size_t up_len, down_len;
    bool over;
    struct relay *next_dead;
    char up[BUFFER_BYTES], down[BUFFER_BYTES];
};

static struct raw {
    int epoll_fd;
    uint16_t port[TARGETS_MAX];
    size_t targets;
    struct relay *dead; /* freed when no event of the batch can name them any more */
    uint64_t from_clients, from_targets;
} raw;

static int listener_tag, signal_tag;

/* Up to BUFFER_BYTES; 0 when there is nothing now or the stream has ended, which sets `over`. */
static size_t fill(struct end *e, char *buffer)
{
    ssize_t n;

    if (!e->readable)
        return 0;
    n = recv(e->fd, buffer, BUFFER_BYTES, 0);
    if (n > 0) {
        e->readable = n == BUFFER_BYTES || e->gone;
        return (size_t)n;
    }
    e->readable = false;
    if (n == 0 || errno != EAGAIN)
        e->relay->over = true;
    return 0;
}

/* True when `e` has taken all of the buffer. */
static bool drain(struct end *e, const char *buffer, size_t len)
{
    while (e->sent < len) {
        ssize_t n = send(e->fd, buffer + e->sent, len - e->sent, MSG_NOSIGNAL);

        if (n < 0) {
            if (errno != EAGAIN)
                e->relay->over = true;
            return false;
        }
        e->sent += (size_t)n;
    }
    return true;
}

static void pump_up(struct relay *r)
{
    do {
        bool all = true;

        for (size_t i = 0; i < raw.targets; i++)
            all = drain(&r->target[i], r->up, r->up_len) && all;
        if (!all)
            return;
        for (size_t i = 0; i < raw.targets; i++)
            r->target[i].sent = 0;
        r->up_len = fill(&r->client, r->up);
        raw.from_clients += r->up_len;
    } while (r->up_len);
}

static void pump_down(struct relay *r)
{
    do {
        if (!drain(&r->client, r->down, r->down_len))
            return;
        r->client.sent = 0;
        r->down_len = fill(&r->target[0], r->down);
        raw.from_targets += r->down_len;
    } while (r->down_len);
}

static void drop_answer(struct end *e)
{
    ssize_t n = wire_discard(e->fd, BUFFER_BYTES);

    e->readable = false;
    if (n == 0 || (n < 0 && errno != EAGAIN))
        e->relay->over = true;
}

static void relay_end(struct relay *r)
{
    close(r->client.fd);
    for (size_t i = 0; i < raw.targets; i++)
        close(r->target[i].fd);
    r->next_dead = raw.dead;
    raw.dead = r;
}

static void on_edge(struct end *e, uint32_t events)
{
    struct relay *r = e->relay;

    if (r->over)
        return;
    e->readable = e->readable || (events & EPOLLIN);
    e->gone = e->gone || (events & WIRE_GONE);
    pump_up(r);
    pump_down(r);
    for (size_t i = 1; i < raw.targets; i++)
        if (r->target[i].readable)
            drop_answer(&r->target[i]);
    if (r->over)
        relay_end(r);
}

static void accept_all(int listener)
{
    int fd;

    while ((fd = wire_accept(listener)) >= 0) {
        struct relay *r = must_alloc(sizeof(*r));

        r->client = (struct end){.relay = r, .fd = fd};
        for (size_t i = 0; i < raw.targets; i++) {
            r->target[i] = (struct end){.relay = r, .fd = wire_connect(raw.port[i])};
            if (r->target[i].fd < 0)
                die("target %u: %s", raw.port[i], strerror(errno));
            wire_watch(raw.epoll_fd, r->target[i].fd, &r->target[i]);
        }
        wire_watch(raw.epoll_fd, fd, &r->client);
    }
}

static void serve(int listener)
{
    struct epoll_event events[64];

    for (;;) {
        int n = epoll_wait(raw.epoll_fd, events, 64, -1);

        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr == &signal_tag)
                return;
            if (events[i].data.ptr == &listener_tag)
                accept_all(listener);
            else
                on_edge(events[i].data.ptr, events[i].events);
        }
        while (raw.dead) {
            struct relay *r = raw.dead;

            raw.dead = r->next_dead;
            free(r);
        }
    }
}

static void report(void)
{
    double gib = (double)(raw.from_clients + raw.from_targets) / (1 << 30);
    struct rusage used;
    double cpu;

    getrusage(RUSAGE_SELF, &used);
    cpu = (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
          (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
    printf("{\"from_clients\": %llu, \"from_targets\": %llu, \"cpu_s\": %.6f, \"cpu_s_per_gib\": %.6f}\n",
           (unsigned long long)raw.from_clients, (unsigned long long)raw.from_targets, cpu,
           gib > 0 ? cpu / gib : 0);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"port", required_argument, NULL, 'p'}, {"to", required_argument, NULL, 't'}, {0}};
    static const char usage[] = "usage: raw [--port PORT] --to PORT [--to PORT [--to PORT]]";
    int listener, option;
    uint16_t port = 0;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'p')
            port = parse_endpoint("--port", optarg);
        else if (option == 't' && raw.targets < TARGETS_MAX)
            raw.port[raw.targets++] = parse_endpoint("--to", optarg);
        else
            die("%s", usage);
    }
    if (raw.targets == 0)
        die("%s", usage);
    raw.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (raw.epoll_fd < 0)
        die("epoll: %s", strerror(errno));
    listener = wire_listen(&port, 0);
    wire_watch(raw.epoll_fd, listener, &listener_tag);
    wire_watch_signals(raw.epoll_fd, &signal_tag);
    printf("{\"port\": %u}\n", port);
    fflush(stdout);
    serve(listener);
    report();
    return 0;
}
