/* The circuit breaker. Requests only ever open it; only a probe closes it: an old request that ends well after a
 * stall must not send the next clients into the same stall, and the time between two tries is probe_ms at least.
 * One timer does both waits: when it fires, a probe that is still out has had its probe_ms and is given up. */
#include "replica/health.h"

#include "base/count.h"
#include "base/list.h"
#include "base/log.h"

#include <assert.h>

#define LATENCY_WEIGHT   0.2 /* of a new sample in the average */
#define LATENCY_FLOOR_MS 0.5 /* the clock counts whole milliseconds */

static void on_timer(struct timer *t);

void health_init(struct health *h, struct clock *clock, const char *name, uint64_t probe_ms)
{
    *h = (struct health){.clock = clock, .name = name, .probe_ms = probe_ms};
    timer_init(&h->timer, on_timer);
}

static void abandon_probe(struct health *h)
{
    if (h->probing)
        (void)replica_call_abandon(h->probe, h->probing);
    h->probing = NULL;
}

void health_fini(struct health *h)
{
    clock_stop(h->clock, &h->timer);
    abandon_probe(h);
    h->probe = NULL;
}

void health_probe_by(struct health *h, struct replica *r)
{
    abandon_probe(h);
    h->probe = r;
}

bool health_usable(const struct health *h)
{
    return !h->open;
}

/* The one place where it moves. */
static void move(struct health *h, bool open)
{
    assert(h->open != open);
    COUNT_SET(h->open, open);
    h->failures = 0;
    if (open) {
        COUNT_ADD(h->opened, 1);
        clock_start(h->clock, &h->timer, h->probe_ms);
        log_warn("backend_down", LOG_STR("backend", h->name), LOG_U64("probe_ms", h->probe_ms));
    } else {
        COUNT_ADD(h->recovered, 1);
        clock_stop(h->clock, &h->timer);
        log_info("backend_up", LOG_STR("backend", h->name));
    }
    if (h->on_change)
        h->on_change(h->ctx, h);
}

static void on_probed(void *ctx, const struct replica_answer *answer)
{
    struct health *h = ctx;

    h->probing = NULL;
    if (h->open && answer->error == ERR_OK && answer->status < 500)
        move(h, false);
}

static void on_timer(struct timer *t)
{
    static const struct replica_bucket_events events = {.done = on_probed};
    struct health *h = LIST_ENTRY(t, struct health, timer);

    abandon_probe(h);
    clock_start(h->clock, &h->timer, h->probe_ms);
    /* A probe that cannot start is one without an answer. */
    if (h->probe && replica_bucket_start(h->probe, &h->probing, REPLICA_BUCKET_HEAD, &events, h))
        h->probing = NULL;
}

void health_begin(struct health *h)
{
    COUNT_ADD(h->in_flight, 1);
}

void health_end(struct health *h, bool sound, uint64_t took_ms)
{
    health_forget(h);
    if (sound) {
        double weight = h->sampled ? LATENCY_WEIGHT : 1;

        COUNT_ADD(h->latency_ms, weight * ((double)took_ms - h->latency_ms));
        COUNT_SET(h->sampled, true);
    }
    if (h->open)
        return;
    h->failures = sound ? 0 : h->failures + 1;
    if (h->failures >= HEALTH_FAILURES_TO_OPEN)
        move(h, true);
}

void health_forget(struct health *h)
{
    assert(h->in_flight);
    COUNT_ADD(h->in_flight, -1);
}

void health_stalled(struct health *h)
{
    if (!h->open)
        move(h, true);
}

double health_cost(const struct health *h)
{
    double latency_ms = h->latency_ms > LATENCY_FLOOR_MS ? h->latency_ms : LATENCY_FLOOR_MS;

    return latency_ms * (h->in_flight + 1);
}
