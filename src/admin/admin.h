/* admin/admin.h - the admin port: health, metrics, what every replica holds, another try for what could not be repaired;
 * over plain HTTP.
 *
 *   GET /healthz               200 while the process works
 *   GET /readyz                200 while it takes requests, else 503 and why not
 *   GET /metrics               Prometheus text
 *   GET /status                buckets and their replicas: state, hints, lag; the first dead letters
 *   GET /status/BUCKET         the same of one bucket
 *   GET /status/BUCKET/KEY     the key's rows, claim and failed repairs, and what each replica shows
 *   POST /retry/BUCKET         all dead letters of the bucket are queued for repair again
 *   POST /retry/BUCKET/KEY     the same for one key, which need not be a dead letter yet
 * Status and retry answer in JSON, or in text for people when asked with Accept: text/plain. No authentication: it belongs
 * on a private address. */
#ifndef ADMIN_ADMIN_H
#define ADMIN_ADMIN_H

#include "fanout/catalog.h"
#include "gateway/gateway.h"
#include "repair/janitor.h"
#include "repair/repair.h"

struct admin;

/* What one loop has to tell. Its counters (base/count.h) are read from here while its thread writes them: each is
 * whole, together they may be some requests apart. */
struct admin_loop {
    const struct env *env;
    const struct gateway *gateway;
    const struct health *const *healths; /* by backend */
};

struct admin_options {
    struct loop *loop;
    struct env *env;                /* of this loop */
    struct catalog *catalog;        /* of this loop */
    struct repair *repair;          /* on this loop */
    const struct janitor *janitor;  /* NULL: none runs */
    const struct admin_loop *loops; /* borrowed, all of them */
    size_t loop_count;
    const char *const *backends; /* names, borrowed */
    size_t backend_count;
    /* NULL: requests are taken; else why not, static. */
    const char *(*not_ready)(void *ctx);
    void *ctx;
    struct sockaddr_storage listen;
    socklen_t listen_len;
};

/* ERR_IO with errno kept when it cannot listen. */
enum err admin_open(struct admin **out, const struct admin_options *options) MUST_CHECK;
uint16_t admin_port(const struct admin *a);
/* Stop listening; answers under way are completed. */
void admin_drain(struct admin *a);
/* No connection is left, and nothing is under way in the journal or to a replica. */
bool admin_idle(const struct admin *a);
/* Only when idle. */
void admin_free(struct admin *a);

#endif
