/* repair/repair.h - the worker that brings replicas to one content, from hints (docs/protocol.md, repair).
 *
 * One per process, on one loop. It walks the journal's list of keys, a bounded number of keys at a time, and is
 * kicked when a hint is made or a replica comes back. */
#ifndef REPAIR_REPAIR_H
#define REPAIR_REPAIR_H

#include "fanout/env.h"

struct repair;

struct repair_options {
    uint32_t workers;     /* keys at a time */
    uint64_t interval_ms; /* between walks when nothing kicks */
    uint32_t attempts;    /* failures before a key goes to the dead-letter list */
    uint64_t backoff_ms;  /* after the first failure; doubles, with jitter, up to 10 minutes */
    /* The bucket's replicas on this loop; false: the bucket is unknown here. */
    bool (*replicas)(void *ctx, uint32_t bucket, struct replica_set *out);
    void *ctx;
};

struct repair_counters {
    uint64_t copied, deleted, merged, verified, failed, bytes, dead;
};

enum err repair_open(struct repair **out, struct env *env, const struct repair_options *options) MUST_CHECK;
/* Something may be repairable now; `recovered`: a replica is back, waits are over and dead letters get another try. */
void repair_kick(struct repair *r, bool recovered);
void repair_pause(struct repair *r, bool paused);
/* Stops walking; keys under way are finished, then `done` fires (never from inside). */
void repair_stop(struct repair *r, void (*done)(void *ctx), void *ctx);
/* Only after `done`, or when nothing is under way. */
void repair_free(struct repair *r);
const struct repair_counters *repair_counters(const struct repair *r);
/* True when nothing is under way and the last whole walk found nothing that could be done. */
bool repair_idle(const struct repair *r);

#endif
