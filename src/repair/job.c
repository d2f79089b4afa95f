/* One key, brought to one content.
 *
 *   ROWS --> HEADS --> COPY --> CLAIM --> ROWS_AGAIN --> HEADS_AGAIN --> ACT --> RECORD --> OVER
 *    1        2,3    (to the     4            5              5            6         7
 *                    barrier)
 *
 * The transfer goes first and stops at its barrier, so that the claim covers two round trips and not the transfer.
 * An object with tags has them read before COPY (TAGS, job_tags.c). COPY is left out when the target gets a delete or there is no target. After RECORD it starts again at ROWS while
 * it got on, so that several targets are taken one after another.
 *
 * job_look.c looks (1, 2, 4, 5 and the choice of a target), job_copy.c changes the target (3, 6); here a job begins,
 * waits, records (7) and ends.
 *
 * Who waits: ROWS for the journal; HEADS for each replica, first_byte_ms at most; COPY for source and target,
 * stall_ms without progress at most; ACT for the target's answer, no longer than the lease. A client's write that
 * comes between is seen in ROWS_AGAIN, or sees the claim and holds.
 *
 * A target that ends while the journal has the job, in CLAIM or ROWS_AGAIN, is heard when the journal has answered.
 * One that says that its bucket is missing gets it (CREATE, from COPY to ACT), and the job begins anew later.
 *
 * What goes wrong: a replica that does not answer its HEAD counts as one that is away, the others go on without it.
 * Before ACT anything may be dropped: the barrier was not passed, the claim is released. In ACT an unresolved request
 * leaves the claim to end by itself. A failed repair is never recorded as a success.
 *
 * Ownership: the job owns its calls, its ring and its copy of the key; the owner gets it back in `done`. */
#include "repair/job_private.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- time and the end ---- */

void job_drop_calls(struct repair_job *j)
{
    if (j->source_call)
        replica_call_abandon(j->set.by_slot[j->plan.source], j->source_call);
    j->source_call = NULL;
    if (j->target_call &&
        replica_call_abandon(j->set.by_slot[j->target], j->target_call) == REPLICA_UNRESOLVED)
        assert(j->state == ST_ACT);
    j->target_call = NULL;
    if (j->tags_call)
        replica_call_abandon(j->set.by_slot[j->tags_slot], j->tags_call);
    j->tags_call = NULL;
    if (j->part_call)
        replica_call_abandon(j->set.by_slot[j->plan.source], j->part_call);
    j->part_call = NULL;
    for (uint32_t slot = 0; slot < REPLICAS_MAX; slot++)
        if (j->asked & 1u << slot)
            replica_call_abandon(j->set.by_slot[slot], j->asking[slot].call);
    j->asked = 0;
    ring_fini(&j->ring);
}

static void over(struct repair_job *j)
{
    j->state = ST_OVER;
    clock_start(j->env->clock, &j->timer, 0);
}

static void on_released(struct journal_request *r, enum err e)
{
    struct repair_job *j = LIST_ENTRY(r, struct repair_job, record.request);

    (void)e; /* a claim that could not be released ends by itself */
    over(j);
}

/* Ends the job; nothing was let past a barrier, so the claim may go at once. */
void job_finish(struct repair_job *j, enum job_result result, uint64_t wait_ms)
{
    j->job.result = result;
    j->job.wait_ms = wait_ms;
    clock_stop(j->env->clock, &j->timer);
    job_drop_calls(j);
    if (!j->claimed) {
        over(j);
        return;
    }
    j->state = ST_RELEASE;
    j->claimed = false;
    j->record = (struct journal_write){.key = j->job.key, .release = j->claim.id};
    j->record.request.done = on_released;
    job_journal(j)->ops->write(job_journal(j), &j->record);
}

void job_fail(struct repair_job *j, uint32_t slot, const char *what, enum err e, unsigned status,
              const char *code)
{
    j->job.slot = slot;
    j->job.replica = slot < REPLICAS_MAX ? j->set.by_slot[slot]->name : "";
    snprintf(j->job.reason, sizeof(j->job.reason), "%s: %s%s%s%.*u%s%s", what, e == ERR_OK ? "" : err_text(e),
             e != ERR_OK && status ? ", " : "", status ? "status " : "", status ? 3 : 0, status,
             code[0] ? " " : "", code);
    job_finish(j, JOB_FAILED, 0);
}

static void on_timer(struct timer *t)
{
    struct repair_job *j = LIST_ENTRY(t, struct repair_job, timer);

    switch (j->state) {
    case ST_HEADS:
    case ST_HEADS_AGAIN: job_heads_late(j); break;
    case ST_TAGS: job_tags_late(j); break;
    case ST_PARTS: job_parts_late(j); break;
    case ST_COPY: job_copy_late(j); break;
    case ST_ACT: job_act_late(j); break;
    case ST_CREATE: job_create_late(j); break;
    default: assert(j->state == ST_OVER); j->done(j->ctx, &j->job);
    }
}

/* ---- step 7 ---- */

/* All show the winner: only its own manifest, if it was uploaded in parts, means anything. What began after step 1 is newer. */
static void drop_manifests(struct repair_job *j)
{
    static const struct stamp none;
    struct journal *journal = job_journal(j);

    if (journal->ops->maybe(journal, j->job.key, JOURNAL_ANY_MANIFEST, NULL))
        journal->ops->manifest_drop(journal, j->job.key, j->plan.newest->version + 1,
                                    j->plan.winner_exists && j->winner.stamped ? &j->winner.stamp : &none);
}

static void on_recorded(struct journal_request *r, enum err e)
{
    struct repair_job *j = LIST_ENTRY(r, struct repair_job, record.request);

    if (e == ERR_NOT_FOUND) { /* a client's write superseded g meanwhile: nothing of the batch happened */
        j->claimed = true;
        job_finish(j, JOB_LATER, 0);
        return;
    }
    if (e != ERR_OK) {
        job_fail(j, REPLICAS_MAX, "journal", e, 0, "");
        return;
    }
    if (j->agree == j->set.mask) {
        drop_manifests(j);
        job_finish(j, JOB_CLEAN, 0);
        return;
    }
    j->counters->merged++;
    job_read_rows(j); /* the next target */
}

/* K = all: the rows go. Otherwise they merge into g. */
void job_record(struct repair_job *j)
{
    const struct key_view *v = &j->rows.view;
    size_t n = 0;

    j->state = ST_RECORD;
    clock_stop(j->env->clock, &j->timer);
    job_drop_calls(j);
    free(j->others);
    j->others = malloc((v->count + 1) * sizeof(*j->others));
    if (!j->others)
        abort();
    for (size_t i = 0; i < v->count; i++)
        if (j->agree == j->set.mask || &v->rows[i] != j->plan.newest)
            j->others[n++] = v->rows[i].stamp;
    j->record = (struct journal_write){
        .key = j->job.key, .remove = j->others, .remove_count = n, .release = j->claim.id};
    if (j->agree != j->set.mask) {
        j->record.change = j->record.add_stored = true;
        j->record.row = *j->plan.newest;
        j->record.row.phase = ROW_MERGED;
        j->record.row.stored = j->agree;
        j->record.row.unresolved = 0;
    }
    j->claimed = false;
    j->record.request.done = on_recorded;
    job_journal(j)->ops->write(job_journal(j), &j->record);
}

/* ---- the beginning ---- */

struct job *job_start(struct env *env, struct journal_key key, const struct replica_set *replicas,
                      struct repair_counters *counters, void (*done)(void *ctx, struct job *j), void *ctx)
{
    struct repair_job *j = calloc(1, sizeof(*j) + key.key.len);

    if (!j)
        return NULL;
    memcpy(j->key, key.key.at, key.key.len);
    list_init(&j->job.node);
    j->job.key = (struct journal_key){key.bucket, {j->key, key.key.len}};
    j->env = env;
    j->set = *replicas;
    j->counters = counters;
    j->done = done;
    j->ctx = ctx;
    j->target = REPLICAS_MAX;
    arena_init(&j->arena, 128 * 1024);
    key_view_init(&j->rows.view);
    key_view_init(&j->again.view);
    timer_init(&j->timer, on_timer);
    job_read_rows(j);
    return &j->job;
}

void job_free(struct job *job)
{
    struct repair_job *j = (struct repair_job *)job;

    assert(j->state == ST_OVER);
    clock_stop(j->env->clock, &j->timer);
    key_view_fini(&j->rows.view);
    key_view_fini(&j->again.view);
    arena_fini(&j->arena);
    free(j->others);
    job_forget_cuts(j);
    free(j);
}
