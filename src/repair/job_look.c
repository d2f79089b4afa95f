/* The looking: rows and what each replica shows, before the copy (steps 1 to 3) and once more under the claim (steps 4
 * and 5). Nothing here changes a replica. */
#include "repair/job_private.h"

#include "fanout/etag.h"

static void ask_all(struct repair_job *j, enum job_state state);

/* ---- rows ---- */

static bool same_rows(const struct key_view *a, const struct key_view *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++) {
        const struct row *x = &a->rows[i], *y = key_view_find(b, &x->stamp);

        if (!y || x->phase != y->phase || x->stored != y->stored || x->unresolved != y->unresolved)
            return false;
    }
    return true;
}

static uint64_t longest_wait(const struct repair_job *j)
{
    uint64_t ambiguity = j->env->terms.ambiguity_ms, wait = 0;
    const struct key_view *v = &j->rows.view;

    for (size_t i = 0; i < v->count; i++)
        if (!row_is_settled(&v->rows[i], ambiguity) && v->rows[i].age_ms < ambiguity &&
            ambiguity - v->rows[i].age_ms > wait)
            wait = ambiguity - v->rows[i].age_ms;
    return wait ? wait : ambiguity;
}

/* A key with one settled row that only absent replicas miss costs no request. */
static bool worth_asking(const struct repair_job *j)
{
    const struct key_view *v = &j->rows.view;

    if (v->count != 1 || !v->rows[0].stored || v->rows[0].unresolved)
        return true;
    for (uint32_t slot = 0; slot < REPLICAS_MAX; slot++)
        if (j->set.mask & ~v->rows[0].stored & 1u << slot && j->set.by_slot[slot] &&
            replica_usable(j->set.by_slot[slot]))
            return true;
    return (j->set.mask & ~v->rows[0].stored) == 0;
}

static void on_rows(struct journal_request *r, enum err e)
{
    struct repair_job *j = LIST_ENTRY(r, struct repair_job, rows.request);
    const struct claim *c = &j->rows.view.claim;
    uint64_t claim_ends = c->lease_ms + j->env->terms.ambiguity_ms;

    if (e != ERR_OK)
        job_fail(j, REPLICAS_MAX, "journal", e, 0, "");
    else if (j->rows.view.count == 0)
        job_finish(j, JOB_CLEAN, 0);
    else if (j->rows.view.claimed && c->age_ms < claim_ends)
        job_finish(j, JOB_LATER, claim_ends - c->age_ms);
    else if (!plan_may_begin(&j->rows.view, j->env->terms.ambiguity_ms))
        job_finish(j, JOB_LATER, longest_wait(j));
    else if (!worth_asking(j))
        job_finish(j, JOB_REST, 0);
    else
        ask_all(j, ST_HEADS);
}

void job_read_rows(struct repair_job *j)
{
    j->state = ST_ROWS;
    key_view_fini(&j->rows.view);
    j->rows.key = j->job.key;
    j->rows.request.done = on_rows;
    job_journal(j)->ops->read(job_journal(j), &j->rows);
}

static void on_rows_again(struct journal_request *r, enum err e)
{
    struct repair_job *j = LIST_ENTRY(r, struct repair_job, again.request);
    bool same = e == ERR_OK && same_rows(&j->rows.view, &j->again.view);

    key_view_fini(&j->again.view);
    if (job_hear_target(j))
        return;
    if (same)
        ask_all(j, ST_HEADS_AGAIN);
    else
        job_finish(j, JOB_LATER, 0);
}

static void on_claimed(struct journal_request *r, enum err e)
{
    struct repair_job *j = LIST_ENTRY(r, struct repair_job, claim.request);

    j->claimed = e == ERR_OK;
    if (job_hear_target(j))
        return;
    if (e != ERR_OK) { /* unknown counts as not ours: it ends by itself */
        job_finish(j, JOB_LATER, j->env->terms.lease_ms);
        return;
    }
    j->state = ST_ROWS_AGAIN;
    j->again.key = j->job.key;
    j->again.request.done = on_rows_again;
    job_journal(j)->ops->read(job_journal(j), &j->again);
}

void job_claim(struct repair_job *j)
{
    j->state = ST_CLAIM;
    clock_stop(j->env->clock, &j->timer);
    j->claim_asked_ms = clock_mono_ms(j->env->clock);
    j->claim.key = j->job.key;
    j->claim.targets = j->target < REPLICAS_MAX ? 1u << j->target : 0;
    j->claim.lease_ms = j->env->terms.lease_ms;
    j->claim.request.done = on_claimed;
    job_journal(j)->ops->claim(job_journal(j), &j->claim);
}

/* ---- what each replica shows ---- */

static void planned(struct repair_job *j)
{
    uint32_t skip, rest;

    plan_make(&j->plan, &j->rows.view, j->set.mask, j->shown);
    if (j->plan.result == PLAN_WAIT || j->plan.result == PLAN_REST) {
        if (j->refused < REPLICAS_MAX)
            job_fail(j, j->refused, "HEAD", ERR_OK, j->refused_status, "");
        else
            job_finish(j, j->mute ? JOB_AWAY : JOB_REST, 0);
        return;
    }
    j->winner = j->shown[j->plan.source].object;
    j->target = REPLICAS_MAX;
    if (!j->plan.targets) {
        job_claim(j);
        return;
    }
    /* any of them: one that always refuses must not keep the others waiting */
    rest = j->plan.targets;
    skip = (uint32_t)random_below(j->env->random, (uint64_t)__builtin_popcount(rest));
    while (skip--)
        rest &= rest - 1;
    j->target = (uint32_t)__builtin_ctz(rest);
    if (j->plan.winner_exists)
        job_prepare_copy(j);
    else
        job_claim(j);
}

static void planned_again(struct repair_job *j)
{
    uint32_t slot;

    j->agree = 0;
    for (slot = 0; slot < REPLICAS_MAX; slot++)
        if (j->set.mask & 1u << slot && j->shown[slot].known &&
            object_same(&j->shown[slot].object, &j->winner))
            j->agree |= 1u << slot;
    if (j->mute & (1u << j->plan.source | 1u << j->target))
        job_finish(j, JOB_AWAY, 0);
    else if (!(j->agree & 1u << j->plan.source))
        job_finish(j, JOB_LATER, 0); /* the source shows the winner no longer */
    else
        job_act(j);
}

static void looked(struct repair_job *j)
{
    clock_stop(j->env->clock, &j->timer);
    if (j->state == ST_HEADS)
        planned(j);
    else
        planned_again(j);
}

static void on_shown(void *ctx, enum err e, unsigned status, const struct replica_object *object)
{
    struct asking *a = ctx;
    struct repair_job *j = a->job;

    j->asked &= ~(1u << a->slot);
    a->call = NULL;
    j->shown[a->slot].known = e == ERR_OK;
    if (e == ERR_OK)
        j->shown[a->slot].object = job_seen(j, a->slot, object);
    else if (status == 0 || status >= 500)
        j->mute |= 1u << a->slot;
    else {
        j->refused = a->slot;
        j->refused_status = status;
    }
    if (!j->asked)
        looked(j);
}

static const struct replica_head_events head_events = {.done = on_shown};

/* Who has not answered by now is not asked again before its breaker says so. */
void job_heads_late(struct repair_job *j)
{
    for (uint32_t slot = 0; slot < REPLICAS_MAX; slot++) {
        struct replica *r = j->set.by_slot[slot];

        if (!(j->asked & 1u << slot))
            continue;
        replica_call_abandon(r, j->asking[slot].call);
        if (r->health)
            health_stalled(r->health);
    }
    j->mute |= j->asked;
    j->asked = 0;
    looked(j);
}

static void ask_all(struct repair_job *j, enum job_state state)
{
    j->state = state;
    j->mute = 0;
    j->refused = REPLICAS_MAX;
    memset(j->shown, 0, sizeof(j->shown));
    for (uint32_t slot = 0; slot < REPLICAS_MAX; slot++) {
        struct asking *a = &j->asking[slot];
        struct replica *r = j->set.by_slot[slot];

        if (!(j->set.mask & 1u << slot) || !r || !replica_usable(r))
            continue;
        *a = (struct asking){.job = j, .slot = slot};
        if (replica_head_start(r, &a->call, j->job.key.key, &head_events, a) == ERR_OK)
            j->asked |= 1u << slot;
        else
            j->mute |= 1u << slot;
    }
    if (j->asked)
        clock_start(j->env->clock, &j->timer, j->env->terms.first_byte_ms);
    else
        job_finish(j, j->mute ? JOB_AWAY : JOB_REST, 0);
}
