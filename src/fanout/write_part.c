/* What the journal is told of a part of an upload. A part is invisible, so nothing has to be told before it is sent; before
 * it is acknowledged its line in the table of parts is durable, with the replicas that hold it, and those that missed it are
 * dropped from the upload: the object will be repaired there.
 *
 *   outcome   PUT: enough replicas have it. Replicas that are pending are neither holders nor dropped yet
 *             VOID: too few have it, and an earlier part of this number may be replaced on some: there is none any more
 *   settled   MORE: those that were pending
 *
 * A part that was told and is not sent again is complete wherever the table says so: backends check the ETag that they
 * are given with it. */
#include "fanout/write_private.h"

#include "base/log.h"

static void part_begin(struct write *w)
{
    w->begun = true;
}

/* Those of `slots` that have it; the first ETag is the one that the client is shown. */
static void add_holders(struct write *w, uint32_t slots, uint32_t *missed)
{
    if (!w->part.part.etag_count && w->etag[0])
        (void)part_add(&w->part.part, 0, w->etag);
    for (uint32_t i = 0; i < w->leg_count; i++) {
        const struct leg *l = &w->legs[i];
        uint32_t bit = 1u << l->slot;

        if (!(slots & bit))
            continue;
        if (l->state != LEG_STORED || !l->answer.etag[0] || !part_add(&w->part.part, bit, l->answer.etag))
            *missed |= bit;
    }
}

static void send(struct write *w, enum part_change change, void (*done)(struct journal_request *, enum err))
{
    w->part.key = w->key;
    w->part.id = w->upload;
    w->part.change = change;
    w->part.request.done = done;
    w->write_busy = true;
    w->env->journal->ops->part_write(w->env->journal, &w->part);
}

static void on_outcome(struct journal_request *r, enum err e)
{
    struct write *w = LIST_ENTRY(r, struct write, part.request);

    w->write_busy = false;
    w->recorded = true;
    if (e != ERR_OK)
        w->cause = e;
    if (e != ERR_OK && e != ERR_NOT_FOUND)
        log_error("part_failed", LOG_SPAN("key", w->key.key), LOG_U64("part", w->part.part.number),
                  LOG_STR("cause", err_text(e)));
    write_advance(w);
}

/* Its value may have come behind the body. */
static void add_checksum(struct write *w)
{
    struct part *p = &w->part.part;

    p->checksum_bytes = w->put.checksum ? (uint32_t)s3_checksum_kind(w->put.checksum)->bytes : 0;
    memcpy(p->checksum, w->checksum, p->checksum_bytes);
}

static void part_outcome(struct write *w)
{
    struct tally t = write_tally(w);

    add_checksum(w);
    w->recorded_tally = t;
    w->part.drop = 0;
    if (w->decided_met)
        add_holders(w, t.all & ~tally_pending(&t), &w->part.drop);
    send(w, w->decided_met ? PART_PUT : PART_VOID, on_outcome);
}

static void on_more(struct journal_request *r, enum err e)
{
    struct write *w = LIST_ENTRY(r, struct write, part.request);

    (void)e; /* without it they do not count as holders, and are repaired */
    w->write_busy = false;
    w->state = WRITE_OVER;
    write_advance(w);
}

static void part_settled(struct write *w)
{
    uint32_t pending = tally_pending(&w->recorded_tally);

    if (!write_end_legs(w))
        return;
    w->state = WRITE_OVER;
    if (!w->recorded || !w->decided_met || w->cause != ERR_OK || !pending)
        return;
    w->state = WRITE_CLOSE;
    legs_compare_etags(w);
    w->part.part.etag_count = 0;
    w->part.drop = 0;
    add_holders(w, pending, &w->part.drop);
    send(w, PART_MORE, on_more);
}

const struct record_ops part_record = {
    .begin = part_begin, .outcome = part_outcome, .settled = part_settled, .stored_too = true};
