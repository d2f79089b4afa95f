/* repair/plan.h - what to do about one key: rows + what each replica shows -> winner and targets. Pure.
 * docs/protocol.md, repair steps 1 to 3.
 *
 * While no row says who has the object (a gateway died in a write), reads may ask any replica. A copy under way could
 * then be read before it has been compared, and, if the repair dies too, be taken for a source. So the first act on such
 * a key has no target: it merges what the replicas show now into a row with a stored set. */
#ifndef REPAIR_PLAN_H
#define REPAIR_PLAN_H

#include "journal/journal.h"
#include "replica/replica.h"

struct shown {
    bool known; /* false: unreachable */
    struct replica_object object;
};

enum plan_result {
    PLAN_NOTHING, /* no rows */
    PLAN_WAIT,    /* some row is not settled yet, or no source can be reached */
    PLAN_REST,    /* nothing to gain: the newest row says already what can be said */
    PLAN_ACT      /* targets to be brought to the winner (maybe none: rows to be merged or removed) */
};

struct plan {
    enum plan_result result;
    uint32_t source;          /* slot */
    bool winner_exists;       /* false: the winner is "no object": targets are deleted */
    uint32_t agree;           /* K so far: the source and all others that show the winner */
    uint32_t targets;         /* reachable and differing; none while no row has a stored set */
    const struct row *newest; /* g: the row to merge into */
    const struct row *chosen; /* M, NULL when no row has a stored set */
};

/* Rows settled, so that a repair may go on (step 1)? */
bool plan_may_begin(const struct key_view *v, uint64_t ambiguity_ms);
/* `all`: the bucket's slots. `shown` by slot. */
void plan_make(struct plan *out, const struct key_view *v, uint32_t all,
               const struct shown shown[static REPLICAS_MAX]);

#endif
