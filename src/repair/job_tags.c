/* The winner's tags, which go with its copy. Its HEAD says whether it has any. Every replica that shows the winner may be
 * asked, the source first: a server that knows no tags keeps the object all the same. When none tells, there is no copy: without
 * its tags it would pass for the winner. */
#include "repair/job_private.h"

static void ask_next(struct repair_job *j);

static void on_tags(void *ctx, enum err e, unsigned status, struct span tags)
{
    struct repair_job *j = ctx;

    j->tags_call = NULL;
    clock_stop(j->env->clock, &j->timer);
    if (e != ERR_OK) {
        ask_next(j);
        return;
    }
    j->tags = arena_dup(&j->arena, tags);
    if (j->tags.at)
        job_find_cuts(j);
    else
        job_fail(j, REPLICAS_MAX, "tags", ERR_NOMEM, 0, "");
}

static const struct replica_tags_events tags_events = {.done = on_tags};

static void ask_next(struct repair_job *j)
{
    while (j->tags_slots) {
        uint32_t first = j->tags_slots & 1u << j->plan.source;

        j->tags_slot = (uint32_t)__builtin_ctz(first ? first : j->tags_slots);
        j->tags_slots &= ~(1u << j->tags_slot);
        if (replica_tags_start(j->set.by_slot[j->tags_slot], &j->tags_call, j->job.key.key, &tags_events,
                               j) == ERR_OK) {
            clock_start(j->env->clock, &j->timer, j->env->terms.first_byte_ms);
            return;
        }
        j->tags_call = NULL;
    }
    job_fail(j, REPLICAS_MAX, "copy: no replica tells the object's tags", ERR_OK, 0, "");
}

void job_tags_late(struct repair_job *j)
{
    replica_call_abandon(j->set.by_slot[j->tags_slot], j->tags_call);
    j->tags_call = NULL;
    ask_next(j);
}

void job_prepare_copy(struct repair_job *j)
{
    arena_reset(&j->arena); /* of the copy to the target before */
    j->tags = SPAN_EMPTY;
    if (!j->winner.tag_count) {
        job_find_cuts(j);
        return;
    }
    j->state = ST_TAGS;
    j->tags_slots = j->plan.agree;
    ask_next(j);
}
