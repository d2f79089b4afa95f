/* One leg: the write on one replica, up to its barrier, past it, and its answer.
 *
 *   BEFORE --(barrier opens, not held)--> PAST --(answer)--> STORED | MISSED | UNRESOLVED
 *      `--(dropped, detached, refused)--> MISSED       `--(given up)--> UNRESOLVED
 *
 * A part of an upload that is still in memory as a whole is sent again when a request fails in a way that may pass: the
 * bytes are the same, so that it does not matter what became of the first. The leg stays where it is meanwhile; the
 * watch starts it again, and gives it up like any other that is behind.
 *
 * A body over one chunk streams in BEFORE; a smaller one, a delete, a Complete and a copy are sent when the barrier opens. */
#include "fanout/write_private.h"

#include "base/count.h"
#include "base/log.h"
#include "fanout/etag.h"

#include <assert.h>
#include <stdio.h>

static uint32_t bit(const struct leg *l)
{
    return 1u << l->slot;
}

static bool live(const struct leg *l)
{
    return l->state == LEG_BEFORE || l->state == LEG_PAST;
}

void legs_init(struct write *w, const struct replica_set *set)
{
    for (uint32_t slot = 0; slot < REPLICAS_MAX; slot++) {
        struct leg *l = &w->legs[w->leg_count];
        struct replica *r = set->by_slot[slot];

        if (!(set->mask & 1u << slot))
            continue;
        *l = (struct leg){.write = w, .replica = r, .slot = slot, .moved_ms = clock_mono_ms(w->env->clock)};
        if (!r || !replica_usable(r)) {
            l->state = LEG_MISSED;
            l->answer.error = ERR_UNAVAILABLE;
        }
        w->all |= 1u << slot;
        w->leg_count++;
    }
}

static void leg_over(struct leg *l, enum leg_state state)
{
    l->state = state;
    l->call = NULL;
}

void legs_let_go(struct write *w)
{
    uint64_t least = w->ring.end;

    if (w->keeps)
        return;
    for (uint32_t i = 0; i < w->leg_count; i++)
        if (live(&w->legs[i]) && w->legs[i].offset < least)
            least = w->legs[i].offset;
    ring_drop(&w->ring, least);
}

static void on_progress(void *ctx, uint64_t offset)
{
    struct leg *l = ctx;
    struct write *w = l->write;

    if (offset <= l->offset)
        return;
    l->offset = offset;
    l->moved_ms = clock_mono_ms(w->env->clock);
    if (!w->streams)
        return;
    legs_let_go(w);
    if (w->wants_room)
        write_advance(w);
}

/* Whether the request that has failed is worth sending again, and can be. */
static bool may_pass(const struct leg *l)
{
    const struct write *w = l->write;
    unsigned status = l->answer.status;

    return l->answer.result != REPLICA_STORED && l->failures + 1 < w->tries && w->ring.start == 0 &&
           (status == 0 || status == 429 || status >= 500) && replica_usable(l->replica);
}

static void begin_again(struct leg *l)
{
    log_info("part_again", LOG_STR("backend", l->replica->name), LOG_SPAN("key", l->write->key.key),
             LOG_U64("part", l->write->put.part_number), LOG_U64("status", l->answer.status),
             LOG_STR("cause", err_text(l->answer.error)));
    COUNT_ADD(l->write->env->counters.parts_again, 1);
    l->call = NULL;
    l->failures++;
    l->again = true;
    l->offset = 0;
    l->moved_ms = clock_mono_ms(l->write->env->clock);
}

static void on_done(void *ctx, const struct replica_answer *answer)
{
    static const enum leg_state states[] = {
        [REPLICA_STORED] = LEG_STORED, [REPLICA_MISSED] = LEG_MISSED, [REPLICA_UNRESOLVED] = LEG_UNRESOLVED};
    struct leg *l = ctx;
    struct write *w = l->write;

    assert(live(l) && !(answer->result != REPLICA_MISSED && l->state == LEG_BEFORE));
    l->answer = *answer;
    if (may_pass(l)) {
        begin_again(l);
        return;
    }
    leg_over(l, states[answer->result]);
    if (answer->result != REPLICA_STORED)
        log_info("replica_missed", LOG_STR("backend", l->replica->name), LOG_SPAN("key", w->key.key),
                 LOG_STR("result", answer->result == REPLICA_MISSED ? "missed" : "unresolved"),
                 LOG_U64("status", answer->status), LOG_STR("code", answer->code),
                 LOG_STR("cause", err_text(answer->error)));
    if (w->streams)
        legs_let_go(w);
    write_advance(w);
}

const struct replica_put_events leg_events = {.progress = on_progress, .done = on_done};

static enum err peek_body(void *ctx, uint64_t offset, struct iovec *iov, int *count)
{
    struct leg *l = ctx;

    return ring_peek(&l->write->ring, offset, iov, count);
}

static const struct replica_body leg_body = {.peek = peek_body};

static void leg_start_put(struct leg *l)
{
    struct replica_put put = l->write->put;
    enum err e;

    put.body = &leg_body;
    put.upload_id = l->upload_id;
    l->moved_ms = clock_mono_ms(l->write->env->clock);
    e = replica_put_start(l->replica, &l->call, &put, &leg_events, l);
    if (e != ERR_OK) {
        l->answer.error = e;
        leg_over(l, LEG_MISSED);
    }
}

void legs_feed(struct write *w)
{
    for (uint32_t i = 0; i < w->leg_count; i++) {
        struct leg *l = &w->legs[i];

        if (l->state != LEG_BEFORE || l->again)
            continue;
        if (l->call)
            replica_put_more(l->replica, l->call);
        else
            leg_start_put(l);
        if (l->state == LEG_MISSED) /* it could not even start: perhaps need cannot be met any more */
            write_advance(w);
    }
}

/* A delete, a Complete, a copy: all of the request is past the barrier. */
static enum err leg_start_whole(struct leg *l)
{
    const struct write *w = l->write;
    const struct replica_complete complete = {
        .key = w->key.key, .upload_id = l->upload_id, .document = l->document, .stamp = w->upload};

    if (w->copies)
        return leg_start_copy(l);
    if (w->completes)
        return replica_complete_start(l->replica, &l->call, &complete, &leg_events, l);
    return replica_delete_start(l->replica, &l->call, w->key.key, &leg_events, l);
}

static void leg_open(struct leg *l)
{
    struct write *w = l->write;
    bool whole = w->completes || w->copies || w->kind == ROW_DELETE;
    enum err e;

    if (whole) {
        e = leg_start_whole(l);
        if (e != ERR_OK) {
            l->answer.error = e;
            leg_over(l, LEG_MISSED);
            return;
        }
    } else if (!l->call && !l->again) {
        leg_start_put(l);
        if (l->state != LEG_BEFORE)
            return;
    }
    l->moved_ms = clock_mono_ms(w->env->clock);
    l->state = LEG_PAST;
    if (!whole && !l->again)
        replica_put_open(l->replica, l->call, w->crc32);
}

void legs_open_barrier(struct write *w)
{
    for (uint32_t i = 0; i < w->leg_count; i++)
        if (w->legs[i].state == LEG_BEFORE && !(w->held & bit(&w->legs[i])))
            leg_open(&w->legs[i]);
}

/* From the beginning, and over the barrier if that is open. */
static void leg_start_again(struct leg *l)
{
    l->again = false;
    leg_start_put(l);
    if (l->state == LEG_PAST)
        replica_put_open(l->replica, l->call, l->write->crc32);
}

static void give_up(struct leg *l, enum err cause)
{
    bool unresolved = false;

    l->answer.error = cause;
    if (l->call)
        unresolved = replica_call_abandon(l->replica, l->call) == REPLICA_UNRESOLVED;
    assert(!unresolved || l->state == LEG_PAST);
    leg_over(l, unresolved ? LEG_UNRESOLVED : LEG_MISSED);
}

void legs_drop(struct write *w)
{
    for (uint32_t i = 0; i < w->leg_count; i++)
        if (live(&w->legs[i]))
            give_up(&w->legs[i], w->cause != ERR_OK ? w->cause : ERR_CANCELLED);
}

/* A leg is expected to move when bytes are there for it, when its answer is due, or when only a hold keeps it. Not
 * while the journal alone keeps the barrier shut: what is held back of a complete body may be part of its bytes. */
static bool leg_idles(const struct leg *l)
{
    const struct write *w = l->write;

    return l->state == LEG_BEFORE && !w->barrier_due &&
           (!w->streams || w->verified || l->offset == w->ring.end);
}

/* It alone keeps the client waiting, for room or for the verdict: another leg has taken all there is. The ring need
 * not be at its own limit for that: the body budget may be. */
static bool leg_is_behind(const struct leg *l)
{
    const struct write *w = l->write;

    if (!w->streams || !(w->wants_room || w->verified) || l->offset == w->ring.end)
        return false;
    for (uint32_t i = 0; i < w->leg_count; i++)
        if (w->legs[i].state == LEG_STORED || (live(&w->legs[i]) && w->legs[i].offset == w->ring.end))
            return true;
    return false;
}

static bool leg_stalls(struct leg *l, uint64_t now)
{
    const struct terms *t = &l->write->env->terms;
    bool spared;
    struct tally tally = write_tally(l->write);

    if (leg_idles(l)) {
        l->moved_ms = now;
        l->behind_ms = 0;
        return false;
    }
    if (!leg_is_behind(l))
        l->behind_ms = 0;
    else if (!l->behind_ms)
        l->behind_ms = now;
    spared = l->write->state != WRITE_RUN || quorum_spares(&l->write->ack, &tally, bit(l));
    if (spared && l->behind_ms && now - l->behind_ms >= t->detach_ms)
        return true;
    return now - l->moved_ms >=
           (spared ? t->stall_ms : t->write_ms) + (l->state == LEG_PAST ? l->write->patience_ms : 0);
}

void legs_watch(struct write *w)
{
    uint64_t now = clock_mono_ms(w->env->clock);

    for (uint32_t i = 0; i < w->leg_count; i++) {
        struct leg *l = &w->legs[i];
        bool held = w->held & bit(l);

        if (live(l) && l->again)
            leg_start_again(l);
        if (!live(l) || !leg_stalls(l, now))
            continue;
        log_warn("replica_detached", LOG_STR("backend", l->replica->name), LOG_SPAN("key", w->key.key),
                 LOG_STR("why", held           ? "held"
                                : l->behind_ms ? "slower than the others"
                                               : "no progress"),
                 LOG_U64("sent_bytes", l->offset), LOG_U64("still_ms", now - l->moved_ms));
        give_up(l, ERR_TIMEOUT);
        COUNT_ADD(w->env->counters.detached, 1);
        if (!held && l->replica->health)
            health_stalled(l->replica->health);
    }
    if (w->streams)
        legs_let_go(w);
}

/* An ETag that says nothing about the content counts only where there is no other. */
static uint32_t etag_weight(const struct leg *l)
{
    return replica_etag_is_md5(l->replica) ? REPLICAS_MAX : 1;
}

/* The ETag that most stored copies show; among equals the lowest slot's. */
static const char *majority_etag(const struct write *w)
{
    const char *best = "";
    uint32_t best_votes = 0;

    for (uint32_t i = 0; i < w->leg_count; i++) {
        const char *etag = w->legs[i].answer.etag;
        uint32_t votes = 0;

        if (w->legs[i].state != LEG_STORED)
            continue;
        for (uint32_t j = 0; j < w->leg_count; j++)
            if (w->legs[j].state == LEG_STORED && etag_same(w->legs[j].answer.etag, etag))
                votes += etag_weight(&w->legs[j]);
        if (votes > best_votes) {
            best = etag;
            best_votes = votes;
        }
    }
    return best;
}

/* All replicas were sent the same bytes: a copy that shows another MD5 is damaged. It does
 * not count as stored, and not as missed either: something is there that must be repaired. */
void legs_compare_etags(struct write *w)
{
    if (w->kind == ROW_DELETE)
        return;
    if (!w->etag[0])
        snprintf(w->etag, sizeof(w->etag), "%s", majority_etag(w));
    for (uint32_t i = 0; i < w->leg_count; i++) {
        struct leg *l = &w->legs[i];

        if (l->state != LEG_STORED || replica_etag_is_opaque(l->replica) ||
            !etag_contradicts(l->answer.etag, w->etag))
            continue;
        log_error("etag_differs", LOG_STR("backend", l->replica->name), LOG_SPAN("key", w->key.key),
                  LOG_STR("shows", l->answer.etag), LOG_STR("others", w->etag));
        l->answer.error = ERR_MISMATCH;
        l->state = LEG_UNRESOLVED;
        COUNT_ADD(w->env->counters.etag_differs, 1);
    }
}
