/* How the winner was cut, when it was uploaded in parts: a copy that is cut the same way gets the same ETag. The source is
 * asked for the size of each part, one HEAD after the other; the copy costs as many requests anyway.
 *
 * Where the source does not tell, or one of the two shows ETags of another kind, or the target cannot take such parts,
 * the copy is made in one piece: the same bytes under another ETag. */
#include "repair/job_private.h"

#include "fanout/etag.h"
#include "s3/object_document.h"

#include <stdlib.h>

static void ask_next(struct repair_job *j);

/* In one piece. */
static void give_up(struct repair_job *j)
{
    job_forget_cuts(j);
    job_start_copy(j);
}

void job_forget_cuts(struct repair_job *j)
{
    free(j->cuts);
    j->cuts = NULL;
    j->cut_count = j->cuts_known = 0;
}

static bool is_part(const struct repair_job *j, const struct http_head *head,
                    const struct replica_object *object)
{
    const struct span *count = http_header(head, "x-amz-mp-parts-count");
    uint64_t parts;

    return object->exists && count && span_to_u64(*count, &parts) && parts == j->cut_count &&
           head->has_length && head->length && head->length <= S3_SINGLE_PUT_BYTES_MAX &&
           etag_same(object->etag, j->winner.etag);
}

static void on_head(void *ctx, const struct http_head *head, const struct replica_object *object)
{
    struct repair_job *j = ctx;

    j->cut_good = is_part(j, head, object);
    if (j->cut_good)
        j->cuts[j->cuts_known] = head->length;
}

/* An answer to HEAD has none. */
static void on_body(void *ctx)
{
}

/* All sizes are there: do they make up the object, and does the target take them? */
static bool cuts_fit(const struct repair_job *j)
{
    const struct capabilities *can = j->set.by_slot[j->target]->can;
    uint64_t sum = 0;

    for (uint32_t i = 0; i < j->cut_count; i++) {
        if (i + 1 < j->cut_count &&
            (j->cuts[i] < can->min_part || (can->equal_parts == S3_YES && j->cuts[i] != j->cuts[0])))
            return false;
        sum += j->cuts[i];
    }
    return sum == j->winner.body_bytes;
}

static void on_done(void *ctx, enum err e)
{
    struct repair_job *j = ctx;
    bool good = e == ERR_OK && j->cut_good;

    j->part_call = NULL;
    clock_stop(j->env->clock, &j->timer);
    if (good && ++j->cuts_known < j->cut_count) {
        ask_next(j);
        return;
    }
    if (!good || !cuts_fit(j))
        job_forget_cuts(j);
    job_start_copy(j);
}

static void ask_next(struct repair_job *j)
{
    static const struct replica_get_events events = {.head = on_head, .body = on_body, .done = on_done};
    const struct replica_get get = {
        .key = j->job.key.key, .head_only = true, .part_number = j->cuts_known + 1};

    j->cut_good = false;
    if (replica_get_start(j->set.by_slot[j->plan.source], &j->part_call, &get, &events, j) == ERR_OK) {
        clock_start(j->env->clock, &j->timer, j->env->terms.first_byte_ms);
    } else {
        j->part_call = NULL;
        give_up(j);
    }
}

void job_parts_late(struct repair_job *j)
{
    replica_call_abandon(j->set.by_slot[j->plan.source], j->part_call);
    j->part_call = NULL;
    give_up(j);
}

static bool compares_etags(const struct replica *r)
{
    return r->can && r->can->etag_kind == S3_ETAG_MD5;
}

void job_find_cuts(struct repair_job *j)
{
    const struct replica *target = j->set.by_slot[j->target];
    uint32_t parts = s3_etag_parts(span_of(j->winner.etag));

    job_forget_cuts(j);
    if (!parts || !compares_etags(target) || !compares_etags(j->set.by_slot[j->plan.source]) ||
        parts > target->can->max_parts) {
        job_start_copy(j);
        return;
    }
    j->state = ST_PARTS;
    j->cut_count = parts;
    j->cuts = malloc(parts * sizeof(*j->cuts));
    if (j->cuts)
        ask_next(j);
    else
        job_fail(j, j->target, "copy", ERR_NOMEM, 0, "");
}
