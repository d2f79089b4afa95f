/* io/listener.h - a listening TCP socket on one loop. Every loop has its own on the same address
 * (SO_REUSEPORT) and the kernel spreads the connections. */
#ifndef IO_LISTENER_H
#define IO_LISTENER_H

#include "base/err.h"
#include "io/loop.h"

#include <sys/socket.h>

struct listener; /* opaque; belongs to one loop */

struct listener_events {
    /* A connection; `fd` is non-blocking, without delay (TCP_NODELAY), and the callee's. From the loop. */
    void (*accepted)(void *ctx, int fd, const struct sockaddr *peer, socklen_t peer_len);
};

/* Binds and listens. `address` as for bind(2). ERR_IO with errno kept when it cannot. */
enum err listener_open(struct listener **out, struct loop *loop, const struct sockaddr *address,
                       socklen_t address_len, const struct listener_events *events, void *ctx) MUST_CHECK;
/* Leaves new connections in the kernel's queue, or takes them again. */
void listener_pause(struct listener *l, bool on);
uint16_t listener_port(const struct listener *l);
/* NULL is fine. */
void listener_close(struct listener *l);

#endif
