/* repair/job_private.h - the inside of a job; shared by job.c, job_look.c and job_copy.c only. */
#ifndef REPAIR_JOB_PRIVATE_H
#define REPAIR_JOB_PRIVATE_H

#include "base/arena.h"
#include "fanout/ring.h"
#include "repair/job.h"
#include "repair/plan.h"
#include "s3/digest.h"

enum job_state {
    ST_ROWS,
    ST_HEADS,
    ST_TAGS,  /* of the winner, if it has some */
    ST_PARTS, /* their sizes, if it was uploaded in parts */
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
    uint32_t asked;          /* slots whose HEAD is under way */
    uint32_t mute;           /* slots that did not answer theirs: nothing, or a 5xx */
    uint32_t refused;        /* a slot that refused its HEAD, REPLICAS_MAX: none */
    unsigned refused_status; /* by a 4xx: revoked credentials, say */
    struct shown shown[REPLICAS_MAX];
    struct plan plan;
    struct replica_object winner;
    struct replica_call *tags_call;
    uint32_t tags_slots, tags_slot; /* that may be asked yet; that is asked */
    uint64_t *cuts;                 /* sizes of the winner's parts; NULL: it is copied in one piece */
    uint32_t cut_count, cuts_known;
    bool cut_good;
    struct replica_call *part_call;
    struct span tags; /* in the arena, as x-amz-tagging; empty: none */
    uint32_t target;  /* slot, REPLICAS_MAX: none */
    uint32_t agree;   /* K */

    struct ring ring;
    uint32_t crc32;
    struct s3_digest digest;        /* of the bytes that pass, of the kind that the source shows */
    uint8_t checksum[SHA256_BYTES]; /* as the source shows it */
    bool source_over, put_busy;
    bool target_over; /* while the journal had the job: `early` is heard when it is back */
    struct replica_answer early;
    struct replica_call *source_call, *target_call, *bucket_call;
    struct arena arena; /* headers of the copy */
    struct replica_put put;
    uint64_t moved_ms;
    struct stamp *others;
    char key[];
};

/* job.c: each of these may be the last thing that a step does. */
void job_finish(struct repair_job *j, enum job_result result, uint64_t wait_ms);
/* `slot`: at that replica, REPLICAS_MAX: at none. */
void job_fail(struct repair_job *j, uint32_t slot, const char *what, enum err e, unsigned status,
              const char *code);
void job_drop_calls(struct repair_job *j);
void job_record(struct repair_job *j);

/* job_look.c */
void job_read_rows(struct repair_job *j);
void job_claim(struct repair_job *j);
void job_heads_late(struct repair_job *j);

/* job_parts.c: then job_start_copy */
void job_find_cuts(struct repair_job *j);
void job_parts_late(struct repair_job *j);
void job_forget_cuts(struct repair_job *j);

/* job_tags.c: then job_find_cuts */
void job_prepare_copy(struct repair_job *j);
void job_tags_late(struct repair_job *j);

/* job_copy.c */
void job_start_copy(struct repair_job *j);
void job_copy_late(struct repair_job *j);
void job_act(struct repair_job *j);
void job_act_late(struct repair_job *j);
void job_create_late(struct repair_job *j);
/* The target ended while the journal had the job: true when the job goes another way now. */
bool job_hear_target(struct repair_job *j);

static inline struct journal *job_journal(const struct repair_job *j)
{
    return j->env->journal;
}

/* What a replica shows, without an ETag that says nothing about the content. */
static inline struct replica_object job_seen(const struct repair_job *j, uint32_t slot,
                                             const struct replica_object *object)
{
    struct replica_object seen = *object;

    if (replica_etag_is_opaque(j->set.by_slot[slot]))
        seen.etag[0] = '\0';
    return seen;
}

#endif
