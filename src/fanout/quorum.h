/* fanout/quorum.h - the ack policy: what the client hears, and when. Pure.
 *
 * `need` replicas must have stored a write for a success. `wait_all`: the answer is held until no replica is
 * pending; else it is given as soon as need is met or can no longer be met. */
#ifndef FANOUT_QUORUM_H
#define FANOUT_QUORUM_H

#include <stdbool.h>
#include <stdint.h>

struct ack_policy {
    uint32_t need; /* 1 .. replicas */
    bool wait_all;
};

struct tally {
    uint32_t all, stored, missed, unresolved; /* masks by slot; what is in none of the three is pending */
};

enum quorum { QUORUM_WAIT, QUORUM_MET, QUORUM_FAILED };

static inline uint32_t tally_pending(const struct tally *t)
{
    return t->all & ~(t->stored | t->missed | t->unresolved);
}

enum quorum quorum_decide(const struct ack_policy *p, const struct tally *t);
/* True when need can still be met without `slots`: a slow replica among them may be given up. */
bool quorum_spares(const struct ack_policy *p, const struct tally *t, uint32_t slots);

#endif
