/* server.c - one listening address: takes connections up to a limit, ends them when told to.
 * What happens on a connection is in exchange.c. */
#include "http/server.h"

#include "http/exchange.h"

#include <assert.h>
#include <stdlib.h>

static void on_accepted(void *ctx, int fd, const struct sockaddr *peer, socklen_t peer_len)
{
    struct http_server *s = ctx;

    exchange_accept(s, fd, peer, peer_len);
    /* More connections than we want wait in the kernel's queue. */
    if (s->listener && s->open >= s->limits.connections)
        listener_pause(s->listener, true);
}

static const struct listener_events listener_events = {.accepted = on_accepted};

enum err http_server_open(struct http_server **out, struct loop *loop, const struct sockaddr *address,
                          socklen_t address_len, struct tls_context *tls,
                          const struct http_server_limits *limits, const struct http_server_events *events,
                          void *server_ctx)
{
    struct http_server *s = calloc(1, sizeof(*s));
    enum err e;

    *out = NULL;
    if (!s)
        return ERR_NOMEM;
    s->loop = loop;
    s->tls = tls;
    s->limits = *limits;
    s->events = events;
    s->ctx = server_ctx;
    for (int i = 0; i < EXCHANGE_CLOSED; i++)
        list_init(&s->exchanges[i]);
    e = listener_open(&s->listener, loop, address, address_len, &listener_events, s);
    if (e) {
        free(s);
        return e;
    }
    s->port = listener_port(s->listener);
    *out = s;
    return ERR_OK;
}

void http_server_drain(struct http_server *s)
{
    struct list *idle = &s->exchanges[EXCHANGE_IDLE];

    listener_close(s->listener);
    s->listener = NULL;
    while (!list_empty(idle))
        exchange_break(LIST_ENTRY(idle->next, struct http_exchange, node));
}

bool http_server_idle(const struct http_server *s)
{
    return s->open == 0;
}

uint16_t http_server_port(const struct http_server *s)
{
    return s->port;
}

void http_server_free(struct http_server *s)
{
    if (!s)
        return;
    listener_close(s->listener);
    s->listener = NULL;
    for (int i = 0; i < EXCHANGE_CLOSED; i++)
        while (!list_empty(&s->exchanges[i]))
            exchange_break(LIST_ENTRY(s->exchanges[i].next, struct http_exchange, node));
    assert(s->open == 0);
    free(s);
}
