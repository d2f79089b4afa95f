#include "fanout/upload_fan.h"

static void note_failure(struct upload_fan *f, const struct replica_answer *answer)
{
    if (!f->answer.status)
        f->answer = *answer;
}

static void on_late(struct timer *t)
{
    struct upload_fan *f = LIST_ENTRY(t, struct upload_fan, timer);

    for (uint32_t slot = 0; slot < REPLICAS_MAX; slot++) {
        struct upload_fan_leg *leg = &f->legs[slot];

        if (!leg->call)
            continue;
        replica_call_abandon(leg->replica, leg->call);
        leg->call = NULL;
        note_failure(f, &(struct replica_answer){.result = REPLICA_UNRESOLVED, .error = ERR_TIMEOUT});
        if (leg->replica->health)
            health_stalled(leg->replica->health);
    }
    f->pending = 0;
    f->over(f);
}

void upload_fan_init(struct upload_fan *f, struct env *env, const struct replica_set *set)
{
    *f = (struct upload_fan){.env = env};
    timer_init(&f->timer, on_late);
    for (uint32_t slot = 0; slot < REPLICAS_MAX; slot++)
        f->legs[slot] = (struct upload_fan_leg){
            .fan = f, .replica = set->mask & 1u << slot ? set->by_slot[slot] : NULL, .slot = slot};
}

bool upload_fan_usable(const struct upload_fan *f, uint32_t slot)
{
    return f->legs[slot].replica && replica_usable(f->legs[slot].replica);
}

void upload_fan_begin(struct upload_fan *f, void (*over)(struct upload_fan *f))
{
    f->pending = f->stored = 0;
    f->answer = (struct replica_answer){.result = REPLICA_MISSED, .error = ERR_UNAVAILABLE};
    f->over = over;
}

void upload_fan_started(struct upload_fan_leg *leg, enum err e)
{
    if (e == ERR_OK)
        leg->fan->pending |= 1u << leg->slot;
    else
        leg->call = NULL;
}

void upload_fan_wait(struct upload_fan *f)
{
    clock_start(f->env->clock, &f->timer, f->pending ? f->env->terms.stall_ms : 0);
}

void upload_fan_answered(struct upload_fan_leg *leg, const struct replica_answer *answer)
{
    struct upload_fan *f = leg->fan;

    leg->call = NULL;
    f->pending &= ~(1u << leg->slot);
    if (answer->result == REPLICA_STORED)
        f->stored |= 1u << leg->slot;
    else
        note_failure(f, answer);
    if (f->pending)
        return;
    clock_stop(f->env->clock, &f->timer);
    f->over(f);
}
