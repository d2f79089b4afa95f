/* replica/health.h - what this loop knows of one backend: a circuit breaker, its latency, its load.
 *
 *   CLOSED --(failures in a row, or one stall)--> OPEN --(probe answers)--> CLOSED
 *
 * While it is open, writes count the backend as missed without asking it and reads go elsewhere; a probe (a bucket
 * HEAD every probe_ms) is the only request it gets, so that no client pays for finding out that it is back. */
#ifndef REPLICA_HEALTH_H
#define REPLICA_HEALTH_H

#include "base/clock.h"
#include "replica/replica.h"

enum { HEALTH_FAILURES_TO_OPEN = 3 };

struct health {
    struct clock *clock;
    const char *name;
    struct replica *probe; /* any replica of this backend; NULL until one is known */
    struct replica_call *probing;
    struct timer timer;
    uint64_t probe_ms;
    uint32_t failures; /* in a row */
    /* other loops look at these: base/count.h */
    bool open;
    uint32_t in_flight;
    double latency_ms; /* EWMA of the time to the first byte of an answer */
    bool sampled;      /* latency_ms means something */
    uint64_t opened, recovered;
    void (*on_change)(void *ctx, struct health *h); /* after each move; may be NULL */
    void *ctx;
};

void health_init(struct health *h, struct clock *clock, const char *name, uint64_t probe_ms);
void health_fini(struct health *h);
/* Probe by this replica from now on; NULL: by none. A probe that is out is given up. */
void health_probe_by(struct health *h, struct replica *r);
bool health_usable(const struct health *h);
/* A request begins and ends. `sound`: it got an answer below 500. */
void health_begin(struct health *h);
void health_end(struct health *h, bool sound, uint64_t took_ms);
/* It ended without telling anything (given up on our side for another reason). */
void health_forget(struct health *h);
/* It stopped taking or sending bytes: opens at once. The request itself was given up (health_forget). */
void health_stalled(struct health *h);
/* Expected time of a request to it now: latency x (in flight + 1). */
double health_cost(const struct health *h);

static inline bool replica_usable(const struct replica *r)
{
    return !r->health || health_usable(r->health);
}

#endif
