/* gateway/guard.h - the conditions of a write, judged once for all replicas: under the hold of its key, on its strict state
 * (fanout/keyhold.h, s3/condition.h). What backends make of conditions does not matter. */
#ifndef GATEWAY_GUARD_H
#define GATEWAY_GUARD_H

#include "fanout/fetch.h"
#include "fanout/write.h"
#include "s3/error.h"

/* Set up by its owner; what it points at stays until the verdict or guard_end. */
struct guard {
    struct env *env;
    struct journal_key key;
    const struct replica_set *replicas;
    const struct http_header
        *conditions; /* If-Match, If-None-Match: s3_condition_check_write has passed them */
    size_t condition_count;
    const struct replica_object *expected; /* NULL, or what must still be there: the write is made from it */
    /* The write may not be: the owner leaves it. Never from inside a call of the owner's. */
    void (*refused)(void *ctx, enum s3_code code, const char *message);
    void *ctx;

    struct write *write; /* from here on the guard's own */
    struct fetch *fetch;
};

/* The body is complete and good: in place of write_verified. Without a condition it is that. */
void guard_verified(struct guard *g, struct write *w);
/* For write_events.held. */
void guard_held(struct guard *g);
/* The owner goes, or the write is over. Harmless when nothing is under way. */
void guard_end(struct guard *g);

#endif
