/* One key, brought to one content.
 *
 *   ROWS --> HEADS --> COPY --> CLAIM --> ROWS_AGAIN --> HEADS_AGAIN --> ACT --> RECORD --> OVER
 *    1        2,3    (to the     4            5              5            6         7
 *                    barrier)
 *
 * The transfer goes first and stops at its barrier, so that the claim covers two round trips and not the transfer.
 * COPY is left out when the target gets a delete or there is no target. After RECORD it starts again at ROWS while
 * it got on, so that several targets are taken one after another.
 *
 * Who waits: ROWS for the journal; HEADS for each replica, first_byte_ms at most; COPY for source and target,
 * stall_ms without progress at most; ACT for the target's answer, no longer than the lease. A client's write that
 * comes between is seen in ROWS_AGAIN, or sees the claim and holds.
 *
 * What goes wrong: before ACT anything may be dropped: the barrier was not passed, the claim is released. In ACT an
 * unresolved request leaves the claim to end by itself. A failed repair is never recorded as a success.
 *
 * Ownership: the job owns its calls, its ring and its copy of the key; the owner gets it back in `done`. */
#include "repair/job.h"

#include "base/hash.h"
#include "base/log.h"
#include "fanout/etag.h"
#include "fanout/ring.h"
#include "repair/plan.h"
#include "s3/request.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

enum job_state {
    ST_ROWS,
    ST_HEADS,
    ST_COPY,
    ST_CLAIM,
    ST_ROWS_AGAIN,
    ST_HEADS_AGAIN,
    ST_ACT,
    ST_RECORD,
    ST_CREATE, /* the target's bucket, which is missing */
    ST_RELEASE,
    ST_OVER
};

struct asking {
    struct repair_job *job;
    uint32_t slot;
    struct replica_call *call;
};

struct repair_job {
    struct job job; /* first: what the owner sees */
    struct env *env;
    struct replica_set set;
    struct repair_counters *counters;
    void (*done)(void *ctx, struct job *j);
    void *ctx;
    enum job_state state;
    struct timer timer; /* time-outs, and the deferred `done` */

    struct journal_read rows;  /* step 1; its view is kept for the plan */
    struct journal_read again; /* step 5 */
    struct journal_claim claim;
    struct journal_write record;
    bool claimed;
    uint64_t claim_asked_ms;

    struct asking asking[REPLICAS_MAX];
    uint32_t asked; /* slots whose HEAD is under way */
    struct shown shown[REPLICAS_MAX];
    struct plan plan;
    struct replica_object winner;
    uint32_t target; /* slot, REPLICAS_MAX: none */
    uint32_t agree;  /* K */

    struct ring ring;
    uint32_t crc32;
    bool source_over, put_busy;
    bool target_failed; /* while the journal had the job: to be said when it is back */
    struct replica_call *source_call, *target_call, *bucket_call;
    struct arena arena; /* headers of the copy */
    struct replica_put put;
    uint64_t moved_ms;
    struct stamp *others;
    char key[];
};

static void read_rows(struct repair_job *j);
static void ask_all(struct repair_job *j, enum job_state state);
static void act(struct repair_job *j);
static void pump(struct repair_job *j);

static struct journal *journal_of(struct repair_job *j)
{
    return j->env->journal;
}

static const char *target_name(const struct repair_job *j)
{
    return j->target < REPLICAS_MAX ? j->set.by_slot[j->target]->name : "";
}

static void drop_calls(struct repair_job *j)
{
    if (j->source_call)
        replica_call_abandon(j->set.by_slot[j->plan.source], j->source_call);
    j->source_call = NULL;
    if (j->target_call &&
        replica_call_abandon(j->set.by_slot[j->target], j->target_call) == REPLICA_UNRESOLVED)
        assert(j->state == ST_ACT);
    j->target_call = NULL;
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
static void finish(struct repair_job *j, enum job_result result, uint64_t wait_ms)
{
    j->job.result = result;
    j->job.wait_ms = wait_ms;
    clock_stop(j->env->clock, &j->timer);
    drop_calls(j);
    if (!j->claimed) {
        over(j);
        return;
    }
    j->state = ST_RELEASE;
    j->claimed = false;
    j->record = (struct journal_write){.key = j->job.key, .release = j->claim.id};
    j->record.request.done = on_released;
    journal_of(j)->ops->write(journal_of(j), &j->record);
}

static void explain(struct repair_job *j, const char *what, enum err e, unsigned status, const char *code)
{
    snprintf(j->job.reason, sizeof(j->job.reason), "%s: %s%s%s%.*u%s%s", what, e == ERR_OK ? "" : err_text(e),
             e != ERR_OK && status ? ", " : "", status ? "status " : "", status ? 3 : 0, status,
             code[0] ? " " : "", code);
}

static void fail(struct repair_job *j, const char *what, enum err e, unsigned status, const char *code)
{
    explain(j, what, e, status, code);
    finish(j, JOB_FAILED, 0);
}

static void on_timer(struct timer *t)
{
    struct repair_job *j = LIST_ENTRY(t, struct repair_job, timer);

    if (j->state == ST_OVER) {
        j->done(j->ctx, &j->job);
        return;
    }
    if (j->state == ST_HEADS || j->state == ST_HEADS_AGAIN) { /* who has not answered by now is unreachable */
        for (uint32_t slot = 0; slot < REPLICAS_MAX; slot++) {
            struct health *h;

            if (!(j->asked & 1u << slot))
                continue;
            h = j->set.by_slot[slot]->health;
            replica_call_abandon(j->set.by_slot[slot], j->asking[slot].call);
            if (h)
                health_stalled(h);
        }
        j->asked = 0;
        fail(j, "a replica did not answer HEAD in time", ERR_TIMEOUT, 0, "");
        return;
    }
    if (j->state == ST_COPY) {
        uint64_t still = clock_mono_ms(j->env->clock) - j->moved_ms;

        if (still < j->env->terms.stall_ms)
            clock_start(j->env->clock, &j->timer, j->env->terms.stall_ms - still);
        else
            fail(j, "copy: no progress", ERR_TIMEOUT, 0, "");
        return;
    }
    if (j->state == ST_CREATE) {
        replica_call_abandon(j->set.by_slot[j->target], j->bucket_call);
        j->bucket_call = NULL;
        fail(j, "creating the missing bucket", ERR_TIMEOUT, 0, "");
        return;
    }
    if (j->state == ST_ACT) { /* no answer within the lease: nothing but time resolves it */
        enum replica_result r = replica_call_abandon(j->set.by_slot[j->target], j->target_call);

        j->target_call = NULL;
        if (r == REPLICA_UNRESOLVED)
            j->claimed = false; /* left alone */
        fail(j, "no answer from the target", ERR_TIMEOUT, 0, "");
    }
}

/* ---- steps 1 and 5: rows ---- */

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
        fail(j, "journal", e, 0, "");
    else if (j->rows.view.count == 0)
        finish(j, JOB_CLEAN, 0);
    else if (j->rows.view.claimed && c->age_ms < claim_ends)
        finish(j, JOB_LATER, claim_ends - c->age_ms);
    else if (!plan_may_begin(&j->rows.view, j->env->terms.ambiguity_ms))
        finish(j, JOB_LATER, longest_wait(j));
    else if (!worth_asking(j))
        finish(j, JOB_REST, 0);
    else
        ask_all(j, ST_HEADS);
}

static void read_rows(struct repair_job *j)
{
    j->state = ST_ROWS;
    key_view_fini(&j->rows.view);
    j->rows.key = j->job.key;
    j->rows.request.done = on_rows;
    journal_of(j)->ops->read(journal_of(j), &j->rows);
}

static void on_rows_again(struct journal_request *r, enum err e)
{
    struct repair_job *j = LIST_ENTRY(r, struct repair_job, again.request);
    bool same = e == ERR_OK && same_rows(&j->rows.view, &j->again.view);

    key_view_fini(&j->again.view);
    if (j->target_failed)
        finish(j, JOB_FAILED, 0);
    else if (same)
        ask_all(j, ST_HEADS_AGAIN);
    else
        finish(j, JOB_LATER, 0);
}

static void on_claimed(struct journal_request *r, enum err e)
{
    struct repair_job *j = LIST_ENTRY(r, struct repair_job, claim.request);

    j->claimed = e == ERR_OK;
    if (j->target_failed) {
        finish(j, JOB_FAILED, 0);
        return;
    }
    if (e != ERR_OK) { /* unknown counts as not ours: it ends by itself */
        finish(j, JOB_LATER, j->env->terms.lease_ms);
        return;
    }
    j->state = ST_ROWS_AGAIN;
    j->again.key = j->job.key;
    j->again.request.done = on_rows_again;
    journal_of(j)->ops->read(journal_of(j), &j->again);
}

static void claim(struct repair_job *j)
{
    j->state = ST_CLAIM;
    clock_stop(j->env->clock, &j->timer);
    j->claim_asked_ms = clock_mono_ms(j->env->clock);
    j->claim.key = j->job.key;
    j->claim.targets = j->target < REPLICAS_MAX ? 1u << j->target : 0;
    j->claim.lease_ms = j->env->terms.lease_ms;
    j->claim.request.done = on_claimed;
    journal_of(j)->ops->claim(journal_of(j), &j->claim);
}

/* ---- steps 2, 3 and 5: what each replica shows ---- */

static void start_copy(struct repair_job *j);

static void planned(struct repair_job *j)
{
    uint32_t skip, rest;

    plan_make(&j->plan, &j->rows.view, j->set.mask, j->shown);
    if (j->plan.result == PLAN_WAIT || j->plan.result == PLAN_REST) {
        finish(j, JOB_REST, 0);
        return;
    }
    j->winner = j->shown[j->plan.source].object;
    j->target = REPLICAS_MAX;
    if (!j->plan.targets) {
        claim(j);
        return;
    }
    /* any of them: one that always refuses must not keep the others waiting */
    rest = j->plan.targets;
    skip = (uint32_t)random_below(j->env->random, (uint64_t)__builtin_popcount(rest));
    while (skip--)
        rest &= rest - 1;
    j->target = (uint32_t)__builtin_ctz(rest);
    if (j->plan.winner_exists)
        start_copy(j);
    else
        claim(j);
}

static void planned_again(struct repair_job *j)
{
    uint32_t slot;

    j->agree = 0;
    for (slot = 0; slot < REPLICAS_MAX; slot++)
        if (j->set.mask & 1u << slot && j->shown[slot].known &&
            shown_same(&j->shown[slot].object, &j->winner))
            j->agree |= 1u << slot;
    if (!(j->agree & 1u << j->plan.source))
        finish(j, JOB_LATER, 0); /* the source shows the winner no longer */
    else
        act(j);
}

static void on_shown(void *ctx, enum err e, unsigned status, const struct replica_object *object)
{
    struct asking *a = ctx;
    struct repair_job *j = a->job;

    (void)status;
    j->asked &= ~(1u << a->slot);
    a->call = NULL;
    j->shown[a->slot].known = e == ERR_OK;
    if (e == ERR_OK)
        j->shown[a->slot].object = *object;
    if (j->asked)
        return;
    clock_stop(j->env->clock, &j->timer);
    if (j->state == ST_HEADS)
        planned(j);
    else
        planned_again(j);
}

static const struct replica_head_events head_events = {.done = on_shown};

static void ask_all(struct repair_job *j, enum job_state state)
{
    j->state = state;
    memset(j->shown, 0, sizeof(j->shown));
    for (uint32_t slot = 0; slot < REPLICAS_MAX; slot++) {
        struct asking *a = &j->asking[slot];
        struct replica *r = j->set.by_slot[slot];

        if (!(j->set.mask & 1u << slot) || !r || !replica_usable(r))
            continue;
        *a = (struct asking){.job = j, .slot = slot};
        if (replica_head_start(r, &a->call, j->job.key.key, &head_events, a) == ERR_OK)
            j->asked |= 1u << slot;
    }
    if (j->asked)
        clock_start(j->env->clock, &j->timer, j->env->terms.first_byte_ms);
    else
        finish(j, JOB_REST, 0);
}

/* ---- the copy, up to its barrier ---- */

static void moved(struct repair_job *j)
{
    j->moved_ms = clock_mono_ms(j->env->clock);
}

static void on_put_progress(void *ctx, uint64_t offset)
{
    struct repair_job *j = ctx;

    moved(j);
    ring_drop(&j->ring, offset);
    if (j->state == ST_COPY && !j->put_busy)
        pump(j);
}

static void on_bucket_created(void *ctx, const struct replica_answer *a)
{
    struct repair_job *j = ctx;

    (void)a;
    j->bucket_call = NULL;
    finish(j, JOB_LATER, 0);
}

static const struct replica_bucket_events bucket_events = {.done = on_bucket_created};

/* A bucket that a client created while this backend was away: it is made up for here. */
static bool create_missing_bucket(struct repair_job *j, const char *code)
{
    struct bucket b;

    if (strcmp(code, "NoSuchBucket") != 0 ||
        !journal_of(j)->ops->bucket_by_id(journal_of(j), j->job.key.bucket, &b) || b.configured)
        return false;
    if (replica_bucket_start(j->set.by_slot[j->target], &j->bucket_call, REPLICA_BUCKET_CREATE,
                             &bucket_events, j) != ERR_OK)
        return false;
    drop_calls(j); /* the source, or the HEADs of step 5: they have nothing to say to ST_CREATE */
    j->state = ST_CREATE;
    clock_start(j->env->clock, &j->timer, j->env->terms.stall_ms);
    return true;
}

static void record(struct repair_job *j);

static void on_target_done(void *ctx, const struct replica_answer *a)
{
    struct repair_job *j = ctx;

    j->target_call = NULL;
    if (j->state == ST_CLAIM || j->state == ST_ROWS_AGAIN) {
        explain(j, target_name(j), a->error, a->status, a->code);
        j->target_failed = true;
        return;
    }
    clock_stop(j->env->clock, &j->timer);
    if (j->state == ST_ACT && a->result == REPLICA_STORED && j->plan.winner_exists &&
        etag_contradicts(a->etag, j->winner.etag)) {
        fail(j, "the copy shows another ETag than its source", ERR_MISMATCH, 0, "");
        return;
    }
    if (j->state == ST_ACT && a->result == REPLICA_STORED) {
        if (j->plan.winner_exists)
            j->counters->copied++;
        else
            j->counters->deleted++;
        j->counters->bytes += j->winner.body_bytes;
        j->agree |= 1u << j->target;
        record(j);
        return;
    }
    if (j->state == ST_ACT && a->result == REPLICA_UNRESOLVED)
        j->claimed = false; /* left alone: it ends after its lease and ambiguity_ms */
    if (a->result == REPLICA_MISSED && create_missing_bucket(j, a->code))
        return;
    fail(j, target_name(j), a->error, a->status, a->code);
}

static const struct replica_put_events put_events = {.progress = on_put_progress, .done = on_target_done};

static enum err peek_body(void *ctx, uint64_t offset, struct iovec *iov, int *count)
{
    struct repair_job *j = ctx;

    return ring_peek(&j->ring, offset, iov, count);
}

static const struct replica_body copy_body = {.peek = peek_body};

static bool begin_put(struct repair_job *j)
{
    enum err e;

    if (j->target_call)
        return true;
    j->put.body = &copy_body;
    e = replica_put_start(j->set.by_slot[j->target], &j->target_call, &j->put, &put_events, j);
    if (e != ERR_OK) {
        j->target_call = NULL;
        fail(j, target_name(j), e, 0, "");
    }
    return e == ERR_OK;
}

/* From the source into the ring while there is room. */
static void pump(struct repair_job *j)
{
    struct iovec room;
    enum err e = ERR_OK;
    size_t got = 0;

    while (j->state == ST_COPY && !j->source_over && ring_room(&j->ring, &room) == ERR_OK) {
        e = replica_get_read(j->set.by_slot[j->plan.source], j->source_call, room.iov_base, room.iov_len,
                             &got);
        if (e != ERR_OK)
            break;
        if (j->ring.end + got > j->put.body_bytes) {
            fail(j, "copy: the source sends more than it declared", ERR_MISMATCH, 0, "");
            return;
        }
        moved(j);
        j->crc32 = crc32_add(j->crc32, room.iov_base, got);
        ring_produced(&j->ring, got);
        j->put_busy = true;
        if (!begin_put(j))
            return;
        replica_put_more(j->set.by_slot[j->target], j->target_call);
        j->put_busy = false;
    }
}

static void on_source_body(void *ctx)
{
    pump(ctx);
}

static void on_source_done(void *ctx, enum err e)
{
    struct repair_job *j = ctx;

    j->source_call = NULL;
    j->source_over = true;
    if (j->state != ST_COPY)
        return;
    if (e != ERR_OK)
        fail(j, "copy: the source broke off", e, 0, "");
    else if (j->ring.end != j->put.body_bytes)
        fail(j, "copy: the source ended early", ERR_MISMATCH, 0, "");
    else if (begin_put(j))
        claim(j);
}

/* What is stored with the object goes with it. */
static bool keep_headers(struct repair_job *j, const struct http_head *head)
{
    struct http_header *kept = arena_alloc(&j->arena, (head->header_count + 1) * sizeof(*kept));
    size_t n = 0;

    if (!kept)
        return false;
    for (size_t i = 0; i < head->header_count; i++) {
        if (!s3_header_is_stored(head->headers[i].name))
            continue;
        kept[n].name = arena_dup(&j->arena, head->headers[i].name);
        kept[n].value = arena_dup(&j->arena, head->headers[i].value);
        if (!kept[n].name.at || !kept[n].value.at)
            return false;
        n++;
    }
    j->put = (struct replica_put){.key = j->job.key.key,
                                  .headers = kept,
                                  .header_count = n,
                                  .stamped = j->winner.stamped,
                                  .stamp = j->winner.stamp,
                                  .body_bytes = j->winner.body_bytes};
    return true;
}

static void on_source_head(void *ctx, const struct http_head *head, const struct replica_object *object)
{
    struct repair_job *j = ctx;

    moved(j);
    if (head->status != 200 || !shown_same(object, &j->winner))
        finish(j, JOB_LATER, 0); /* it was written meanwhile */
    else if (!keep_headers(j, head))
        fail(j, "copy: the source's headers are too large", ERR_TOO_LARGE, 0, "");
}

static const struct replica_get_events source_events = {
    .head = on_source_head, .body = on_source_body, .done = on_source_done};

static void start_copy(struct repair_job *j)
{
    struct http_header if_match = {SPAN("if-match"), span_of(j->winner.etag)};
    struct replica_get get = {
        .key = j->job.key.key, .headers = &if_match, .header_count = j->winner.etag[0] ? 1 : 0};
    uint32_t chunks = j->winner.body_bytes > CHUNK_BYTES ? j->env->terms.ring_chunks : 1;
    enum err e;

    j->state = ST_COPY;
    arena_reset(&j->arena); /* of the copy to the target before */
    j->crc32 = 0;
    j->source_over = false;
    moved(j);
    e = ring_init(&j->ring, j->env->budget, chunks);
    if (e != ERR_OK) { /* clients first */
        finish(j, JOB_LATER, j->env->terms.detach_ms);
        return;
    }
    e = replica_get_start(j->set.by_slot[j->plan.source], &j->source_call, &get, &source_events, j);
    if (e != ERR_OK)
        fail(j, "copy", e, 0, "");
    else
        clock_start(j->env->clock, &j->timer, j->env->terms.stall_ms);
}

/* ---- steps 6 and 7 ---- */

static void act(struct repair_job *j)
{
    uint64_t used = clock_mono_ms(j->env->clock) - j->claim_asked_ms;
    uint64_t usable = j->env->terms.lease_ms - j->env->terms.lease_margin_ms;
    enum err e;

    if (used >= usable || !journal_of(j)->ops->lease_valid(journal_of(j))) {
        finish(j, JOB_LATER, 0);
        return;
    }
    if (j->target == REPLICAS_MAX || (j->agree & 1u << j->target)) { /* nothing to send (any more) */
        j->counters->verified += j->target == REPLICAS_MAX;
        record(j);
        return;
    }
    j->state = ST_ACT;
    clock_start(j->env->clock, &j->timer, usable - used);
    if (j->plan.winner_exists) {
        replica_put_open(j->set.by_slot[j->target], j->target_call, j->crc32);
        return;
    }
    e = replica_delete_start(j->set.by_slot[j->target], &j->target_call, j->job.key.key, &put_events, j);
    if (e != ERR_OK) {
        j->target_call = NULL;
        fail(j, target_name(j), e, 0, "");
    }
}

static void on_recorded(struct journal_request *r, enum err e)
{
    struct repair_job *j = LIST_ENTRY(r, struct repair_job, record.request);

    if (e == ERR_NOT_FOUND) { /* a client's write superseded g meanwhile: nothing of the batch happened */
        j->claimed = true;
        finish(j, JOB_LATER, 0);
        return;
    }
    if (e != ERR_OK) {
        fail(j, "journal", e, 0, "");
        return;
    }
    if (j->agree == j->set.mask) {
        finish(j, JOB_CLEAN, 0);
        return;
    }
    j->counters->merged++;
    read_rows(j); /* the next target */
}

/* K = all: the rows go. Otherwise they merge into g. */
static void record(struct repair_job *j)
{
    const struct key_view *v = &j->rows.view;
    size_t n = 0;

    j->state = ST_RECORD;
    clock_stop(j->env->clock, &j->timer);
    drop_calls(j);
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
    journal_of(j)->ops->write(journal_of(j), &j->record);
}

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
    read_rows(j);
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
    free(j);
}
