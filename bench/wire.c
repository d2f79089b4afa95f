#include "bench/wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

void die(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fprintf(stderr, "%s: ", program_invocation_short_name);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(2);
}

void *must_alloc(size_t bytes)
{
    void *at = calloc(1, bytes);

    if (!at)
        die("out of memory (%zu bytes)", bytes);
    return at;
}

uint64_t parse_size(const char *option, const char *text)
{
    static const char suffixes[] = "KMG";
    struct span digits = span_of(text);
    unsigned shift = 0;
    uint64_t n;

    if (digits.len && strchr(suffixes, digits.at[digits.len - 1])) {
        shift = 10 * (unsigned)(strchr(suffixes, digits.at[digits.len - 1]) - suffixes + 1);
        digits.len--;
    }
    if (!span_to_u64(digits, &n) || n > UINT64_MAX >> (shift + 1))
        die("%s: '%s' is not a number with an optional K, M or G", option, text);
    return n << shift;
}

uint16_t parse_endpoint(const char *option, const char *text)
{
    struct span port = span_of(text);
    struct span host = SPAN("127.0.0.1:");
    uint64_t n;

    if (span_starts(port, host))
        port = span_skip(port, host.len);
    if (!span_to_u64(port, &n) || n > UINT16_MAX)
        die("%s: '%s' is not 127.0.0.1:PORT", option, text);
    return (uint16_t)n;
}

static struct sockaddr_in loopback(uint16_t port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

int wire_listen(uint16_t *port, int receive_bytes)
{
    struct sockaddr_in address = loopback(*port);
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;

    if (fd < 0)
        die("socket: %s", strerror(errno));
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (receive_bytes)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof(receive_bytes));
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, SOMAXCONN))
        die("port %u: %s", *port, strerror(errno));
    if (getsockname(fd, (struct sockaddr *)&address, &len))
        die("getsockname: %s", strerror(errno));
    *port = ntohs(address.sin_port);
    return fd;
}

static void no_delay(int fd)
{
    int on = 1;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

int wire_accept(int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd >= 0)
        no_delay(fd);
    else if (errno == EMFILE || errno == ENFILE)
        die("accept: %s", strerror(errno));
    return fd;
}

/* Blocking: on loopback the handshake is over before connect returns. */
int wire_connect(uint16_t port)
{
    struct sockaddr_in address = loopback(port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        die("socket: %s", strerror(errno));
    if (connect(fd, (struct sockaddr *)&address, sizeof(address))) {
        int why = errno;

        close(fd);
        errno = why;
        return -1;
    }
    if (fcntl(fd, F_SETFL, O_NONBLOCK))
        die("fcntl: %s", strerror(errno));
    no_delay(fd);
    return fd;
}

void wire_watch(int epoll_fd, int fd, void *owner)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = owner};

    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event))
        die("epoll_ctl: %s", strerror(errno));
}

int wire_watch_signals(int epoll_fd, void *owner)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = owner};
    sigset_t set;
    int fd;

    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (fd < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event))
        die("signalfd: %s", strerror(errno));
    return fd;
}

ssize_t wire_discard(int fd, uint64_t len)
{
    /* tcp(7): MSG_TRUNC on a stream throws the bytes away instead of passing them back. */
    return recv(fd, NULL, len < 1 << 30 ? (size_t)len : (size_t)1 << 30, MSG_TRUNC);
}

size_t head_length(struct span in)
{
    const char *end = in.len ? memmem(in.at, in.len, "\r\n\r\n", 4) : NULL;

    return end ? (size_t)(end - in.at) + 4 : 0;
}

void head_fields(struct span head, size_t count, const char *const name[], struct span value[])
{
    span_cut(&head, '\n');
    while (head.len) {
        struct span line = span_cut(&head, '\n');
        struct span field = span_cut(&line, ':');

        for (size_t i = 0; i < count; i++) {
            if (span_ieq(field, span_of(name[i]))) {
                if (span_ends(line, SPAN("\r")))
                    line.len--;
                value[i] = span_trim(line);
            }
        }
    }
}
