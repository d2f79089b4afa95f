/* A write whose bytes the replicas have already: each is asked to copy them from the source that it shows.
 *
 * Nothing else of a write changes: D1, R1, holds, barrier, D2, R2. Its whole requests wait at the barrier, as those of a
 * delete do. A replica whose source is no longer what was looked at refuses, and has missed the write: repair brings it
 * the object.
 *
 * How long a copy takes is up to the backend, and it may go on with one whose request was lost. So that no late one
 * appears after it counts as resolved, only as much is copied as takes a backend ambiguity_ms at most: terms.copy_bytes_max.
 * A leg past its barrier has that time more before it stalls, in proportion to what it copies. */
#include "fanout/write_private.h"

static uint64_t time_to_copy_ms(const struct terms *t, uint64_t bytes)
{
    return t->copy_bytes_max ? bytes * t->ambiguity_ms / t->copy_bytes_max : 0;
}

/* Where the copy goes, and what is stored with it, has been copied into `put` and the legs already. */
bool write_take_copy(struct write *w, const struct write_copy *spec)
{
    w->copies = true;
    w->patience_ms = time_to_copy_ms(&w->env->terms, spec->bytes);
    w->copy = (struct replica_copy){
        .key = w->key.key,
        .source_key = arena_dup(&w->arena, spec->key),
        .headers = w->put.headers,
        .header_count = w->put.header_count,
        .stamped = w->put.stamped,
        .stamp = w->put.stamp,
        .checksum = w->put.checksum,
        .part_number = w->put.part_number,
        .ranged = spec->ranged,
        .first = spec->first,
        .last = spec->ranged ? spec->first + spec->bytes - 1 : 0,
    };
    w->part.part.bytes = spec->bytes;
    for (uint32_t i = 0; i < w->leg_count; i++) {
        struct leg *l = &w->legs[i];
        struct span etag = arena_dup(&w->arena, (struct span){spec->etags[l->slot], ETAG_CHARS_MAX});

        if (!etag.at)
            return false;
        l->source = spec->from[l->slot];
        l->source_etag = etag.at;
        if (!l->source && l->state == LEG_BEFORE) {
            l->state = LEG_MISSED;
            l->answer.error = ERR_UNAVAILABLE;
        }
    }
    return w->copy.source_key.at != NULL;
}

enum err leg_start_copy(struct leg *l)
{
    struct replica_copy copy = l->write->copy;

    copy.source = l->source;
    copy.source_etag = l->source_etag;
    copy.upload_id = l->upload_id;
    return replica_copy_start(l->replica, &l->call, &copy, &leg_events, l);
}
