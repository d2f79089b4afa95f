/* fanout/upload_fan.h - one call to each of some replicas, with a time limit for all. For fanout/upload_*.c only. */
#ifndef FANOUT_UPLOAD_FAN_H
#define FANOUT_UPLOAD_FAN_H

#include "fanout/env.h"

struct upload_fan;

struct upload_fan_leg {
    struct upload_fan *fan;
    struct replica *replica; /* NULL: it is not asked */
    struct replica_call *call;
    uint32_t slot;
};

struct upload_fan {
    struct env *env;
    struct upload_fan_leg legs[REPLICAS_MAX];
    uint32_t pending, stored;     /* stored: those that answered so */
    struct replica_answer answer; /* of one that did not; one that answered before one that did not */
    struct timer timer;
    /* Once per round, from the loop: every call has ended or was given up. */
    void (*over)(struct upload_fan *f);
};

void upload_fan_init(struct upload_fan *f, struct env *env, const struct replica_set *set);
/* Whether a call to the replica is worth starting now. */
bool upload_fan_usable(const struct upload_fan *f, uint32_t slot);
/* A round: begin, a leg for each call that is to be started, and then the wait. */
void upload_fan_begin(struct upload_fan *f, void (*over)(struct upload_fan *f));
void upload_fan_started(struct upload_fan_leg *leg, enum err e);
void upload_fan_wait(struct upload_fan *f);
/* From the call's `done`; may fire `over`. */
void upload_fan_answered(struct upload_fan_leg *leg, const struct replica_answer *answer);

#endif
