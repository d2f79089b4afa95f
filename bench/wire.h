/* wire.h - what sink, raw and load share: loopback sockets, edge-triggered epoll, message heads.
 *
 * The measuring programs use none of the gateway's own I/O or HTTP code, so that a slip there cannot
 * hide in what it is measured against. They are tools of one run: whatever goes wrong ends the
 * process with a message and status 2. */
#ifndef BENCH_WIRE_H
#define BENCH_WIRE_H

#include "base/span.h"

#include <sys/epoll.h>

__attribute__((noreturn, format(printf, 1, 2))) void die(const char *format, ...);

/* Memory or the end of the process. */
void *must_alloc(size_t bytes);

/* Decimal with an optional suffix K, M, G (powers of 1024); ends the process when it is neither. */
uint64_t parse_size(const char *option, const char *text);
/* "127.0.0.1:9000" or "9000". Only loopback: a benchmark must not be able to flood anybody else. */
uint16_t parse_endpoint(const char *option, const char *text);

/* A non-blocking listening socket on 127.0.0.1; port 0 picks one. *port is the one it got.
 * receive_bytes bounds the receive buffers of what it accepts, 0 leaves them to the kernel. */
int wire_listen(uint16_t *port, int receive_bytes);
/* The next connection, non-blocking, TCP_NODELAY; -1 when there is none. */
int wire_accept(int listener);
/* Connected to 127.0.0.1, non-blocking, TCP_NODELAY; -1 and errno when refused. */
int wire_connect(uint16_t port);

/* Registered once, edge-triggered, for reading, writing and the peer's end; `owner` is what epoll gives back. */
void wire_watch(int epoll_fd, int fd, void *owner);
/* A descriptor that becomes readable on SIGTERM and SIGINT, level-triggered, already in the epoll. */
int wire_watch_signals(int epoll_fd, void *owner);

enum { WIRE_GONE = EPOLLRDHUP | EPOLLHUP | EPOLLERR };

/* Reads and throws away up to `len` bytes, in the kernel, without copying them.
 * As recv: 0 at the end of the stream, -1 and errno. */
ssize_t wire_discard(int fd, uint64_t len);

/* Length of the message head at the start of `in`, blank line included, or 0 when it is not complete. */
size_t head_length(struct span in);
/* One pass over a head's fields: value[i] becomes the trimmed value of the field name[i], or stays empty. */
void head_fields(struct span head, size_t count, const char *const name[], struct span value[]);

#endif
