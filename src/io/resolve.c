/* resolve.c - getaddrinfo on a thread of the pool. The operating system caches, if anybody does. */
#include "io/resolve.h"

#include "io/offload.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdlib.h>

enum { HOST_CHARS_MAX = 255 };

struct resolve {
    char host[HOST_CHARS_MAX + 1];
    uint16_t port;
    struct addresses addresses;
    void (*done)(void *ctx, enum err result, const struct addresses *a); /* NULL: abandoned */
    void *ctx;
};

static void set_port(union address *a, uint16_t port)
{
    if (a->any.sa_family == AF_INET6)
        a->v6.sin6_port = htons(port);
    else
        a->v4.sin_port = htons(port);
}

bool address_parse(struct span host, uint16_t port, union address *out)
{
    char text[INET6_ADDRSTRLEN];

    if (host.len >= sizeof(text))
        return false;
    memcpy(text, host.at, host.len);
    text[host.len] = 0;
    *out = (union address){0};
    if (inet_pton(AF_INET, text, &out->v4.sin_addr) == 1)
        out->any.sa_family = AF_INET;
    else if (inet_pton(AF_INET6, text, &out->v6.sin6_addr) == 1)
        out->any.sa_family = AF_INET6;
    else
        return false;
    set_port(out, port);
    return true;
}

static void look_up(void *ctx)
{
    struct resolve *r = ctx;
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, *found = NULL;

    if (getaddrinfo(r->host, NULL, &hints, &found))
        return;
    for (struct addrinfo *a = found; a && r->addresses.count < RESOLVE_ADDRESSES_MAX; a = a->ai_next) {
        union address *to = &r->addresses.at[r->addresses.count];

        if (a->ai_addrlen > sizeof(*to))
            continue;
        memcpy(to, a->ai_addr, a->ai_addrlen);
        set_port(to, r->port);
        r->addresses.count++;
    }
    freeaddrinfo(found);
}

static void answer(void *ctx)
{
    struct resolve *r = ctx;

    if (r->done)
        r->done(r->ctx, r->addresses.count ? ERR_OK : ERR_DNS, &r->addresses);
    free(r);
}

enum err resolve_start(struct resolve **out, struct loop *loop, struct span host, uint16_t port,
                       void (*done)(void *ctx, enum err result, const struct addresses *a), void *ctx)
{
    struct resolve *r;
    enum err e;

    *out = NULL;
    if (host.len > HOST_CHARS_MAX)
        return ERR_INVALID;
    r = calloc(1, sizeof(*r));
    if (!r)
        return ERR_NOMEM;
    memcpy(r->host, host.at, host.len);
    r->port = port;
    r->done = done;
    r->ctx = ctx;
    e = offload_start(loop, look_up, answer, r);
    if (e)
        free(r);
    else
        *out = r;
    return e;
}

void resolve_abandon(struct resolve *r)
{
    r->done = NULL;
}
