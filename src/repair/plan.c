#include "repair/plan.h"

#include "fanout/etag.h"

bool plan_may_begin(const struct key_view *v, uint64_t ambiguity_ms)
{
    for (size_t i = 0; i < v->count; i++)
        if (!row_is_settled(&v->rows[i], ambiguity_ms))
            return false;
    return v->count > 0;
}

static bool reachable(const struct shown *shown, uint32_t slots, uint32_t slot)
{
    return slots & 1u << slot && shown[slot].known;
}

static bool shows_stamp(const struct shown *s, const struct stamp *stamp)
{
    return s->object.exists && s->object.stamped && stamp_eq(&s->object.stamp, stamp);
}

/* Out of M's stored set, better one that shows M's stamp, or for a delete nothing. REPLICAS_MAX: none is reachable. */
static uint32_t source_of_row(const struct row *m, uint32_t all, const struct shown *shown)
{
    uint32_t best = REPLICAS_MAX;

    for (uint32_t slot = 0; slot < REPLICAS_MAX; slot++) {
        if (!reachable(shown, all & m->stored, slot))
            continue;
        if (m->kind == ROW_DELETE ? !shown[slot].object.exists : shows_stamp(&shown[slot], &m->stamp))
            return slot;
        if (best == REPLICAS_MAX)
            best = slot;
    }
    return best;
}

/* No row says who has it: any reachable replica is right; the newest stamp shown is preferred. */
static uint32_t source_of_any(uint32_t all, const struct shown *shown)
{
    uint32_t best = REPLICAS_MAX;

    for (uint32_t slot = 0; slot < REPLICAS_MAX; slot++) {
        const struct replica_object *o = &shown[slot].object,
                                    *b = best < REPLICAS_MAX ? &shown[best].object : NULL;

        if (!reachable(shown, all, slot))
            continue;
        if (!b || (o->exists && !b->exists) ||
            (o->exists && o->stamped && (!b->stamped || memcmp(o->stamp.b, b->stamp.b, STAMP_BYTES) > 0)))
            best = slot;
    }
    return best;
}

void plan_make(struct plan *out, const struct key_view *v, uint32_t all,
               const struct shown shown[static REPLICAS_MAX])
{
    *out = (struct plan){
        .chosen = key_view_newest_stored(v, all), .newest = key_view_newest(v), .source = REPLICAS_MAX};
    if (v->count == 0)
        return;
    if (out->chosen)
        out->source = source_of_row(out->chosen, all, shown);
    else
        out->source = source_of_any(all, shown);
    out->result = PLAN_WAIT;
    if (out->source == REPLICAS_MAX)
        return;
    out->winner_exists = shown[out->source].object.exists;
    for (uint32_t slot = 0; slot < REPLICAS_MAX; slot++) {
        if (!reachable(shown, all, slot))
            continue;
        if (object_same(&shown[slot].object, &shown[out->source].object))
            out->agree |= 1u << slot;
        else
            out->targets |= 1u << slot;
    }
    out->result = PLAN_ACT;
    if (!out->chosen)
        out->targets = 0; /* first it is written down who is right */
    if (v->count == 1 && !out->targets && out->agree != all && !(out->agree & ~out->newest->stored))
        out->result = PLAN_REST;
}
