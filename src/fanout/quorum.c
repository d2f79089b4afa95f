#include "fanout/quorum.h"

static uint32_t count(uint32_t mask)
{
    return (uint32_t)__builtin_popcount(mask);
}

enum quorum quorum_decide(const struct ack_policy *p, const struct tally *t)
{
    uint32_t pending = tally_pending(t);

    if (count(t->stored) + count(pending) < p->need)
        return QUORUM_FAILED;
    if (pending == 0 || (!p->wait_all && count(t->stored) >= p->need))
        return QUORUM_MET;
    return QUORUM_WAIT;
}

bool quorum_spares(const struct ack_policy *p, const struct tally *t, uint32_t slots)
{
    return count((t->stored | tally_pending(t)) & ~slots) >= p->need;
}
