/* The copying: the winner's bytes from the source through the ring to the target, up to its barrier (step 3), and when
 * everything has been looked at again the rest of them, or the delete (step 6). */
#include "repair/job_private.h"

#include "base/hash.h"
#include "fanout/etag.h"
#include "s3/metadata.h"

static void pump(struct repair_job *j);

static const char *writing(const struct repair_job *j)
{
    return j->plan.winner_exists ? "PUT" : "DELETE";
}

/* ---- the target ---- */

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

    j->bucket_call = NULL;
    if (a->result == REPLICA_STORED)
        job_finish(j, JOB_LATER, 0);
    else
        job_fail(j, j->target, "creating the missing bucket", a->error, a->status, a->code);
}

static const struct replica_bucket_events bucket_events = {.done = on_bucket_created};

/* A bucket that a client created while this backend was away: it is made up for here. */
static bool create_missing_bucket(struct repair_job *j, const char *code)
{
    struct bucket b;

    if (strcmp(code, "NoSuchBucket") != 0 ||
        !job_journal(j)->ops->bucket_by_id(job_journal(j), j->job.key.bucket, &b) || b.configured)
        return false;
    if (replica_bucket_start(j->set.by_slot[j->target], &j->bucket_call, REPLICA_BUCKET_CREATE,
                             &bucket_events, j) != ERR_OK)
        return false;
    job_drop_calls(j); /* the source, or the HEADs of step 5: they have nothing to say to ST_CREATE */
    j->state = ST_CREATE;
    clock_start(j->env->clock, &j->timer, j->env->terms.stall_ms);
    return true;
}

void job_create_late(struct repair_job *j)
{
    replica_call_abandon(j->set.by_slot[j->target], j->bucket_call);
    j->bucket_call = NULL;
    job_fail(j, j->target, "creating the missing bucket", ERR_TIMEOUT, 0, "");
}

/* A refusal that is about the key itself is not tried again, once no other target is left to be served first. */
static void note_key_failure(struct repair_job *j, const struct replica_answer *a)
{
    if (a->result == REPLICA_MISSED && j->plan.targets == 1u << j->target)
        j->job.hopeless = capability_key_failure(a->status, a->code, j->job.key.key);
}

static void target_over(struct repair_job *j, const struct replica_answer *a)
{
    clock_stop(j->env->clock, &j->timer);
    if (j->state == ST_ACT && a->result == REPLICA_STORED && j->plan.winner_exists &&
        !replica_etag_is_opaque(j->set.by_slot[j->target]) && etag_contradicts(a->etag, j->winner.etag)) {
        job_fail(j, j->target, "the copy shows another ETag than its source", ERR_MISMATCH, 0, "");
        return;
    }
    if (j->state == ST_ACT && a->result == REPLICA_STORED && j->cuts && !etag_same(a->etag, j->winner.etag)) {
        job_fail(j, j->target, "the copy's parts show another ETag than its source's", ERR_MISMATCH, 0, "");
        return;
    }
    if (j->state == ST_ACT && a->result == REPLICA_STORED) {
        if (j->plan.winner_exists)
            j->counters->copied++;
        else
            j->counters->deleted++;
        j->counters->bytes += j->winner.body_bytes;
        j->agree |= 1u << j->target;
        job_record(j);
        return;
    }
    if (j->state == ST_ACT && a->result == REPLICA_UNRESOLVED)
        j->claimed = false; /* left alone: it ends after its lease and ambiguity_ms */
    if (a->result == REPLICA_MISSED && create_missing_bucket(j, a->code))
        return;
    note_key_failure(j, a);
    job_fail(j, j->target, writing(j), a->error, a->status, a->code);
}

static void on_target_done(void *ctx, const struct replica_answer *a)
{
    struct repair_job *j = ctx;

    j->target_call = NULL;
    if (j->state == ST_CLAIM || j->state == ST_ROWS_AGAIN) {
        j->target_over = true;
        j->early = *a;
    } else {
        target_over(j, a);
    }
}

bool job_hear_target(struct repair_job *j)
{
    if (j->target_over)
        target_over(j, &j->early);
    return j->target_over;
}

static const struct replica_put_events put_events = {.progress = on_put_progress, .done = on_target_done};

/* ---- the source ---- */

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
        job_fail(j, j->target, writing(j), e, 0, "");
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
            job_fail(j, j->plan.source, "copy: the source sends more than it declared", ERR_MISMATCH, 0, "");
            return;
        }
        moved(j);
        j->crc32 = crc32_add(j->crc32, room.iov_base, got);
        s3_digest_add(&j->digest, room.iov_base, got);
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

/* What the source shows of its object is what it was given by a client, perhaps long ago: bytes that do not have that
 * checksum are damaged, and do not go any further. */
static bool source_is_sound(struct repair_job *j)
{
    uint8_t got[SHA256_BYTES];
    size_t bytes = s3_digest_end(&j->digest, got);

    return bytes == 0 || memcmp(got, j->checksum, bytes) == 0;
}

static void on_source_done(void *ctx, enum err e)
{
    struct repair_job *j = ctx;

    j->source_call = NULL;
    j->source_over = true;
    if (j->state != ST_COPY)
        return;
    if (e != ERR_OK)
        job_fail(j, j->plan.source, "copy: the source broke off", e, 0, "");
    else if (j->ring.end != j->put.body_bytes)
        job_fail(j, j->plan.source, "copy: the source ended early", ERR_MISMATCH, 0, "");
    else if (!source_is_sound(j))
        job_fail(j, j->plan.source, "copy: the source's bytes do not have the checksum that it shows",
                 ERR_MISMATCH, 0, "");
    else if (begin_put(j))
        job_claim(j);
}

/* Where the vendor can, the copy takes the place of what the HEAD has shown and of nothing else: then a request that
 * comes late does no harm. */
static const char *shown_at_target(const struct repair_job *j)
{
    const struct replica *r = j->set.by_slot[j->target];
    const struct replica_object *o = &j->shown[j->target].object;

    return r->can && r->can->conditional_put == S3_YES && o->exists && o->etag[0] ? o->etag : NULL;
}

/* What is stored with the object goes with it. */
static bool keep_headers(struct repair_job *j, const struct http_head *head)
{
    struct http_header *kept =
        arena_alloc(&j->arena, (S3_STORED_HEADERS_MAX + REPLICA_TAGGING_HEADERS) * sizeof(*kept));
    size_t n;

    if (!kept || !s3_stored_headers(&j->arena, head, kept, &n))
        return false;
    if (j->tags.len) {
        struct span count = arena_printf(&j->arena, "%u", j->winner.tag_count);

        if (!count.at)
            return false;
        kept[n++] = (struct http_header){SPAN(REPLICA_TAGGING_HEADER), j->tags};
        kept[n++] = (struct http_header){SPAN(REPLICA_TAG_COUNT_HEADER), count};
    }
    j->put = (struct replica_put){.key = j->job.key.key,
                                  .headers = kept,
                                  .header_count = n,
                                  .stamped = j->winner.stamped,
                                  .stamp = j->winner.stamp,
                                  .body_bytes = j->winner.body_bytes,
                                  .cuts = j->cuts,
                                  .cut_count = j->cuts ? j->cut_count : 0,
                                  .if_match = shown_at_target(j)};
    return true;
}

/* The checksum of the whole object that the source shows, if there is one, goes with it: a composite one, of an object
 * that was uploaded in parts, says nothing about a copy in one piece. */
static void keep_checksum(struct repair_job *j, const struct http_head *head)
{
    const struct span *type = http_header(head, "x-amz-checksum-type");
    bool whole = type ? span_is(*type, "FULL_OBJECT") : !strchr(j->winner.etag, '-');

    s3_digest_init(&j->digest, S3_CHECKSUM_NONE);
    for (size_t i = 0; i < head->header_count && whole; i++) {
        enum s3_checksum kind = s3_checksum_by_header(head->headers[i].name);

        if (!kind || !base64_decode(head->headers[i].value, j->checksum, s3_checksum_kind(kind)->bytes))
            continue;
        s3_digest_init(&j->digest, kind);
        j->put.checksum = kind;
        j->put.checksum_value = j->checksum;
        j->put.checksum_known = true;
        return;
    }
}

static void on_source_head(void *ctx, const struct http_head *head, const struct replica_object *object)
{
    struct repair_job *j = ctx;
    struct replica_object source = job_seen(j, j->plan.source, object);

    moved(j);
    if (head->status != 200 || !object_same(&source, &j->winner))
        job_finish(j, JOB_LATER, 0); /* it was written meanwhile */
    else if (!keep_headers(j, head))
        job_fail(j, j->plan.source, "copy: the source's headers are too large", ERR_TOO_LARGE, 0, "");
    else
        keep_checksum(j, head);
}

static const struct replica_get_events source_events = {
    .head = on_source_head, .body = on_source_body, .done = on_source_done};

void job_start_copy(struct repair_job *j)
{
    struct http_header if_match = {SPAN("if-match"), span_of(j->winner.etag)};
    struct replica_get get = {.key = j->job.key.key,
                              .checksum_mode = true,
                              .headers = &if_match,
                              .header_count = j->winner.etag[0] ? 1 : 0};
    uint32_t chunks = j->winner.body_bytes > CHUNK_BYTES ? j->env->terms.ring_chunks : 1;
    enum err e;

    j->state = ST_COPY;
    j->crc32 = 0;
    j->source_over = false;
    moved(j);
    e = ring_init(&j->ring, j->env->budget, chunks);
    if (e != ERR_OK) { /* clients first */
        job_finish(j, JOB_LATER, j->env->terms.detach_ms);
        return;
    }
    e = replica_get_start(j->set.by_slot[j->plan.source], &j->source_call, &get, &source_events, j);
    if (e != ERR_OK)
        job_fail(j, j->plan.source, "GET", e, 0, "");
    else
        clock_start(j->env->clock, &j->timer, j->env->terms.stall_ms);
}

void job_copy_late(struct repair_job *j)
{
    uint64_t still = clock_mono_ms(j->env->clock) - j->moved_ms;

    if (still < j->env->terms.stall_ms)
        clock_start(j->env->clock, &j->timer, j->env->terms.stall_ms - still);
    else
        job_fail(j, REPLICAS_MAX, "copy: no progress", ERR_TIMEOUT, 0, "");
}

/* ---- past the barrier ---- */

void job_act(struct repair_job *j)
{
    uint64_t used = clock_mono_ms(j->env->clock) - j->claim_asked_ms;
    uint64_t usable = j->env->terms.lease_ms - j->env->terms.lease_margin_ms;
    enum err e;

    if (used >= usable || !job_journal(j)->ops->lease_valid(job_journal(j))) {
        job_finish(j, JOB_LATER, 0);
        return;
    }
    if (j->target == REPLICAS_MAX || (j->agree & 1u << j->target)) { /* nothing to send (any more) */
        j->counters->verified += j->target == REPLICAS_MAX;
        job_record(j);
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
        job_fail(j, j->target, writing(j), e, 0, "");
    }
}

/* No answer within the lease: nothing but time resolves it. */
void job_act_late(struct repair_job *j)
{
    enum replica_result r = replica_call_abandon(j->set.by_slot[j->target], j->target_call);

    j->target_call = NULL;
    if (r == REPLICA_UNRESOLVED)
        j->claimed = false; /* left alone */
    job_fail(j, j->target, writing(j), ERR_TIMEOUT, 0, "");
}
