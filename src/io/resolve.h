/* io/resolve.h - from a host name to addresses, off the loop. */
#ifndef IO_RESOLVE_H
#define IO_RESOLVE_H

#include "base/err.h"
#include "base/span.h"
#include "io/loop.h"

#include <netinet/in.h>
#include <sys/socket.h>

enum { RESOLVE_ADDRESSES_MAX = 8 };

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

struct addresses {
    size_t count;
    union address at[RESOLVE_ADDRESSES_MAX]; /* in the order to try them */
};

/* Length for connect(2) and bind(2). */
static inline socklen_t address_len(const union address *a)
{
    return a->any.sa_family == AF_INET6 ? sizeof(a->v6) : sizeof(a->v4);
}

/* False unless `host` is an IPv4 or a bracketless IPv6 address. */
bool address_parse(struct span host, uint16_t port, union address *out);

struct resolve; /* a question under way */

/* ERR_OK: `done` fires once, from the loop, with ERR_OK and at least one address, or ERR_DNS.
 * ERR_INVALID: too long for a host name. */
enum err resolve_start(struct resolve **out, struct loop *loop, struct span host, uint16_t port,
                       void (*done)(void *ctx, enum err result, const struct addresses *a),
                       void *ctx) MUST_CHECK;
/* `done` will not fire. Not after it has. */
void resolve_abandon(struct resolve *r);

#endif
