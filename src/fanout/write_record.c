/* What a write tells the journal and learns from it: D1 and R1, the holds, D2, R2, the final row. */
#include "fanout/write_private.h"

#include "base/count.h"
#include "base/log.h"

#include <assert.h>

enum {
    HOLD_CHECK_FIRST_MS = 20,
    HOLD_CHECK_MOST_MS = 500,
    CLOSE_RETRY_FIRST_MS = 50,
    CLOSE_RETRY_MOST_MS = 5000
};

static struct journal *journal_of(const struct write *w)
{
    return w->env->journal;
}

/* Replicas that `now` still holds of what R1 showed. What came later does not count: it will have seen my row. */
static uint32_t holds_of(const struct write *w, const struct key_view *now)
{
    const struct key_view *r1 = &w->begin.view;
    uint64_t ambiguity_ms = w->env->terms.ambiguity_ms, for_ms;
    uint32_t held = 0;

    for (size_t i = 0; i < now->count; i++) {
        const struct row *then = key_view_find(r1, &now->rows[i].stamp);

        if (then && row_holds(then, ambiguity_ms, &for_ms))
            held |= row_holds(&now->rows[i], ambiguity_ms, &for_ms);
    }
    if (r1->claimed && now->claimed && now->claim.id == r1->claim.id &&
        now->claim.age_ms < now->claim.lease_ms + ambiguity_ms)
        held |= now->claim.targets;
    return held & w->all;
}

static void on_hold_read(struct journal_request *r, enum err e)
{
    struct write *w = LIST_ENTRY(r, struct write, read.request);

    w->read_busy = false;
    /* The lease is asked again for those that were held: theirs is a barrier of its own. */
    if (e == ERR_OK && w->state != WRITE_OVER && journal_of(w)->ops->lease_valid(journal_of(w))) {
        w->held = holds_of(w, &w->read.view);
        if (w->barrier_due)
            legs_open_barrier(w);
    }
    key_view_fini(&w->read.view);
    if (w->held && w->state != WRITE_OVER) {
        w->again_ms = w->again_ms * 2 < HOLD_CHECK_MOST_MS ? w->again_ms * 2 : HOLD_CHECK_MOST_MS;
        clock_start(w->env->clock, &w->again, w->again_ms);
    }
    write_advance(w);
}

static void read_rows(struct write *w, void (*done)(struct journal_request *, enum err))
{
    w->read.key = w->key;
    w->read.request.done = done;
    w->read_busy = true;
    journal_of(w)->ops->read(journal_of(w), &w->read);
}

static void on_hold_check(struct timer *t)
{
    struct write *w = LIST_ENTRY(t, struct write, again);

    if (!w->read_busy)
        read_rows(w, on_hold_read);
}

/* F of step 7: what R1 showed final or merged with nothing unresolved orders before mine and says nothing that mine
 * does not say better, once mine has a stored set. The own stamp stands first, for removals of both. */
static void choose_superseded(struct write *w)
{
    const struct key_view *v = &w->begin.view;

    w->superseded = arena_alloc(&w->arena, (v->count + 1) * sizeof(struct stamp));
    if (!w->superseded)
        return;
    w->superseded[0] = w->stamp;
    for (size_t i = 0; i < v->count; i++)
        if (!v->rows[i].orphan && row_is_settled(&v->rows[i], w->env->terms.ambiguity_ms))
            w->superseded[1 + w->superseded_count++] = v->rows[i].stamp;
}

static void on_begun(struct journal_request *r, enum err e)
{
    struct write *w = LIST_ENTRY(r, struct write, begin.request);

    w->begin_busy = false;
    if (e == ERR_OK) {
        hlc_see(w->env->hlc, w->begin.version);
        choose_superseded(w);
        w->held = holds_of(w, &w->begin.view);
        w->begun = true;
    } else if (w->cause == ERR_OK) {
        w->cause = e;
        log_error("intent_failed", LOG_SPAN("key", w->key.key), LOG_STR("cause", err_text(e)));
    }
    if (w->held) {
        COUNT_ADD(w->env->counters.held, 1);
        w->again_ms = HOLD_CHECK_FIRST_MS;
        timer_init(&w->again, on_hold_check);
        clock_start(w->env->clock, &w->again, w->again_ms);
    }
    write_advance(w);
}

static void record_begin(struct write *w)
{
    w->begin.key = w->key;
    w->begin.row_kind = w->kind;
    w->begin.stamp = w->stamp;
    w->begin.request.done = on_begun;
    w->begin_busy = true;
    journal_of(w)->ops->begin(journal_of(w), &w->begin);
}

static void send_row(struct write *w, void (*done)(struct journal_request *, enum err))
{
    struct tally t = write_tally(w);
    uint32_t pending = tally_pending(&t);

    w->recorded_tally = t;
    w->write.key = w->key;
    w->write.change = true;
    w->write.row = (struct row){.stamp = w->stamp,
                                .version = w->begin.version,
                                .kind = (uint8_t)w->kind,
                                .phase = pending ? ROW_OUTCOME : ROW_FINAL,
                                .stored = t.stored,
                                .unresolved = t.unresolved | pending};
    w->write.remove = t.stored && w->superseded ? w->superseded + 1 : NULL;
    w->write.remove_count = w->write.remove ? w->superseded_count : 0;
    w->write.request.done = done;
    w->write_busy = true;
    journal_of(w)->ops->write(journal_of(w), &w->write);
}

/* Repair is told when there may be something to do: not while whoever missed the write is known to be away. */
static void hinted(struct write *w)
{
    bool reachable = false;

    for (uint32_t i = 0; i < w->leg_count; i++)
        reachable |= w->legs[i].state != LEG_STORED && replica_usable(w->legs[i].replica);
    reachable |= write_tally(w).stored == w->all;
    COUNT_ADD(w->env->counters.hinted, 1);
    if (reachable && w->env->on_hint)
        w->env->on_hint(w->env, w->key.bucket, w->key.key);
}

static void on_outcome(struct journal_request *r, enum err e)
{
    struct write *w = LIST_ENTRY(r, struct write, write.request);

    w->write_busy = false;
    w->recorded = true;
    if (e != ERR_OK) {
        w->cause = e;
        log_error("outcome_failed", LOG_SPAN("key", w->key.key), LOG_STR("cause", err_text(e)));
    } else if (w->write.row.phase == ROW_FINAL) {
        hinted(w);
    }
    write_advance(w);
}

static void record_outcome(struct write *w)
{
    send_row(w, on_outcome);
}

/* Stored on all and alone: a manifest of an object before this one means nothing any more. */
static void drop_manifests(struct write *w)
{
    struct journal *j = journal_of(w);

    if (j->ops->maybe(j, w->key, JOURNAL_ANY_MANIFEST, NULL))
        j->ops->manifest_drop(j, w->key, w->begin.version, w->completes ? &w->upload : &w->stamp);
}

static void record_forget(struct write *w)
{
    if (w->superseded && write_tally(w).stored)
        journal_of(w)->ops->forget(journal_of(w), w->key, w->superseded, 1 + w->superseded_count);
    else
        journal_of(w)->ops->forget(journal_of(w), w->key, &w->stamp, 1);
}

static void on_closed(struct journal_request *r, enum err e);

static void close_row(struct write *w)
{
    w->state = WRITE_CLOSE;
    send_row(w, on_closed);
}

static void on_close_retry(struct timer *t)
{
    close_row(LIST_ENTRY(t, struct write, again));
}

/* ERR_NOT_FOUND: the row is gone or further on already; an earlier try took effect. */
static void on_closed(struct journal_request *r, enum err e)
{
    struct write *w = LIST_ENTRY(r, struct write, write.request);

    w->write_busy = false;
    if (e == ERR_OK || e == ERR_NOT_FOUND) {
        hinted(w);
        w->state = WRITE_OVER;
        write_advance(w);
        return;
    }
    w->again_ms = w->again_ms * 2 < CLOSE_RETRY_MOST_MS ? w->again_ms * 2 : CLOSE_RETRY_MOST_MS;
    log_error("final_row_failed", LOG_SPAN("key", w->key.key), LOG_STR("cause", err_text(e)),
              LOG_U64("retry_ms", w->again_ms));
    clock_start(w->env->clock, &w->again, w->again_ms);
}

static void begin_close(struct write *w)
{
    w->again_ms = CLOSE_RETRY_FIRST_MS;
    clock_stop(w->env->clock, &w->again);
    timer_init(&w->again, on_close_retry);
    close_row(w);
}

static bool is_superseded(const struct write *w, const struct stamp *s)
{
    for (size_t i = 0; w->superseded && i <= w->superseded_count; i++)
        if (stamp_eq(&w->superseded[i], s))
            return true;
    return stamp_eq(&w->stamp, s);
}

/* R2: nobody else writes this key, so nothing needs to be remembered; else the row stays, to be verified. */
static void on_r2(struct journal_request *r, enum err e)
{
    struct write *w = LIST_ENTRY(r, struct write, read.request);
    bool alone = e == ERR_OK && !w->read.view.claimed;

    w->read_busy = false;
    for (size_t i = 0; alone && i < w->read.view.count; i++)
        alone = is_superseded(w, &w->read.view.rows[i].stamp);
    key_view_fini(&w->read.view);
    if (alone) {
        record_forget(w);
        drop_manifests(w);
        w->state = WRITE_OVER;
        write_advance(w);
    } else {
        begin_close(w);
    }
}

static void record_settled(struct write *w)
{
    struct tally t;

    legs_compare_etags(w);
    t = write_tally(w);
    if (!write_end_legs(w))
        return;
    if (t.missed == t.all && !w->recorded) {
        record_forget(w);
        w->state = WRITE_OVER;
    } else if (t.stored == t.all) {
        w->state = WRITE_CHECK;
        if (journal_of(w)->ops->maybe(journal_of(w), w->key, JOURNAL_ANY_OTHER_ROW, &w->stamp)) {
            read_rows(w, on_r2);
        } else {
            record_forget(w);
            drop_manifests(w);
            w->state = WRITE_OVER;
        }
    } else if (w->recorded && w->cause == ERR_OK && w->recorded_tally.stored == t.stored &&
               w->recorded_tally.unresolved == t.unresolved && w->write.row.phase == ROW_FINAL) {
        w->state = WRITE_OVER; /* D2 has said it */
    } else {
        begin_close(w);
    }
}

const struct record_ops row_record = {
    .begin = record_begin, .outcome = record_outcome, .settled = record_settled};
